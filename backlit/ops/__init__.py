"""Primitives, declared once each, and the functions that apply them."""

from backlit.ops import methods as methods
from backlit.ops import random as random
