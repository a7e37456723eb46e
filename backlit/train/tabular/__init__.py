"""Networks for tables: the functions behind ``backlit train``, ``predict`` and ``demo``."""

from backlit.train.tabular.predicting import Predictions, TableModel, predict
from backlit.train.tabular.recipe import Recipe, recipe_for
from backlit.train.tabular.result import TrainResult
from backlit.train.tabular.showcase import DemoResult, demo
from backlit.train.tabular.training import train

__all__ = [
    "DemoResult",
    "Predictions",
    "Recipe",
    "TableModel",
    "TrainResult",
    "demo",
    "predict",
    "recipe_for",
    "train",
]
