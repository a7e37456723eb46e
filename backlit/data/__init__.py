"""Tables: reading them, splitting them, and turning them into arrays of numbers."""

from backlit.data.digits import digits_table, load_digits
from backlit.data.preprocess import Preprocessor
from backlit.data.read import read_table
from backlit.data.split import split_rows
from backlit.data.table import DataWarning, Table
from backlit.data.target import Target, drop_unlabelled, infer_task
from backlit.data.tensorfile import ReplacedWarning

__all__ = [
    "DataWarning",
    "Preprocessor",
    "ReplacedWarning",
    "Table",
    "Target",
    "digits_table",
    "drop_unlabelled",
    "infer_task",
    "load_digits",
    "read_table",
    "split_rows",
]
