"""Backlit: backpropagation you can see through, at the speed of the machine.

>>> import backlit as bl
>>> float(bl.grad(lambda x: x * x)(3.0))
6.0
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# First, for what follows takes as long as NumPy takes to load.
import backlit.early as _early  # noqa: F401
from backlit import numpy as numpy
from backlit.core.aval import spec as spec
from backlit.core.errors import AbstractBranchError as AbstractBranchError
from backlit.core.errors import BacklitError as BacklitError
from backlit.core.errors import DifferentiationError as DifferentiationError
from backlit.core.errors import DTypeError as DTypeError
from backlit.core.errors import GraphError as GraphError
from backlit.core.errors import InputError as InputError
from backlit.core.errors import ShapeError as ShapeError
from backlit.core.errors import TracedValueError as TracedValueError
from backlit.core.graph import Graph as Graph
from backlit.core.threads import num_threads as num_threads
from backlit.core.threads import set_num_threads as set_num_threads
from backlit.ops.control import cond as cond
from backlit.ops.control import fori_loop as fori_loop
from backlit.ops.control import while_loop as while_loop
from backlit.ops.elementwise import stop_gradient as stop_gradient
from backlit.ops.scan import scan as scan
from backlit.transforms import Cost as Cost
from backlit.transforms import cost as cost
from backlit.transforms import grad as grad
from backlit.transforms import hessian as hessian
from backlit.transforms import hvp as hvp
from backlit.transforms import jacfwd as jacfwd
from backlit.transforms import jacobian as jacobian
from backlit.transforms import jacrev as jacrev
from backlit.transforms import jit as jit
from backlit.transforms import jvp as jvp
from backlit.transforms import trace as trace
from backlit.transforms import value_and_grad as value_and_grad
from backlit.transforms import vjp as vjp

if TYPE_CHECKING:
    from backlit import data as data
    from backlit import nn as nn
    from backlit import optim as optim
    from backlit import random as random
    from backlit import train as train
    from backlit.explain import check_backward as check_backward
    from backlit.explain import explain_formulas as explain_formulas
    from backlit.explain import explain_weight as explain_weight
    from backlit.explain import why_large as why_large
    from backlit.explain import why_nan as why_nan
    from backlit.explain import why_zero as why_zero
    from backlit.explain.equation.sheet import check as check
    from backlit.testing.gradients import check_grads as check_grads

__version__ = "0.1.0"

# Loaded on first use, so that `import backlit` costs little more than NumPy.
_MODULES = frozenset(("core", "data", "explain", "nn", "optim", "random", "testing", "train"))
_FUNCTIONS = {
    "check": "backlit.explain.equation.sheet",
    "check_backward": "backlit.explain",
    "check_grads": "backlit.testing.gradients",
    "explain_formulas": "backlit.explain",
    "explain_weight": "backlit.explain",
    "why_large": "backlit.explain",
    "why_nan": "backlit.explain",
    "why_zero": "backlit.explain",
}


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        value = getattr(importlib.import_module(_FUNCTIONS[name]), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"backlit.{name}")
    raise AttributeError(f"backlit has no {name!r}")


# What this file itself uses.
_OWN = frozenset(("Any", "TYPE_CHECKING", "annotations", "early", "importlib"))


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_FUNCTIONS} - _OWN)
