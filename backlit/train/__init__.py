"""Training: fit a model to examples, watch it, and keep it."""

from backlit.train.callbacks import EarlyStopping, TrainingState
from backlit.train.errors import NonFiniteError, TrainingInterrupted
from backlit.train.evaluation import evaluate, predict
from backlit.train.history import History
from backlit.train.loop import fit
from backlit.train.metrics import METRICS, accuracy, binary_accuracy, mae, r2, rmse
from backlit.train.modelfile import Saved, load, save

__all__ = [
    "METRICS",
    "EarlyStopping",
    "History",
    "NonFiniteError",
    "Saved",
    "TrainingInterrupted",
    "TrainingState",
    "accuracy",
    "binary_accuracy",
    "evaluate",
    "fit",
    "load",
    "mae",
    "predict",
    "r2",
    "rmse",
    "save",
]
