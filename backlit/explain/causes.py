"""What is behind a derivative that is zero, not finite or large, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as onp

from backlit.core.graph import Atom, Equation, Var
from backlit.explain.formula import number
from backlit.explain.returned import is_data

Cause = tuple[str, str]

_LEAKY = "a leaky relu or softplus passes something on everywhere; check the scale of the weights"
_SCALE = "scale what comes in, or take the loss from the logits (nn.losses), where it stays alive"
_SATURATING = frozenset(("sigmoid", "tanh", "erf", "erfc", "log_sigmoid", "softplus", "softmax"))
_LOGARITHMS = frozenset(("log", "log2", "log10", "log1p"))
_EXPONENTIALS = frozenset(("exp", "exp2", "expm1", "sinh", "cosh"))
_ROOTS = frozenset(("sqrt", "cbrt", "power", "root_of_variance"))
_PRODUCTS = frozenset(("multiply", "matmul", "einsum"))
_PICKING = frozenset(("getitem", "max", "min", "diagonal_of"))


def cause_of_zero(equation: Equation, slot: int, args: Sequence[Any], out: Any) -> Cause:
    """Say why an operation sends nothing back to one of its operands, and what helps.

    Parameters
    ----------
    equation : Equation
    slot : int
        Which operand.
    args : sequence of array
        Values of the operands.
    out : array
        Value of the result.

    Returns
    -------
    cause, fix : str
    """
    name, x = equation.primitive.name, args[slot]
    if name == "stop_gradient":
        return "stop_gradient cuts the gradient on purpose", ""
    whole_made = onp.result_type(out).kind in "biu" and onp.result_type(x).kind == "f"
    if whole_made and name != "astype":
        made = "True or False" if onp.result_type(out).kind == "b" else "whole numbers"
        return f"{name} makes {made}, which jump: between the jumps its derivative is zero", (
            "train with a smooth function in its place: the cross entropy for the accuracy, "
            "softmax for argmax"
        )
    whole = next((onp.result_type(v) for v in (x, out) if onp.result_type(v).kind != "f"), None)
    if whole is not None and name in ("astype", *_PRODUCTS, "add", "subtract", "divide"):
        return (
            f"what it reads or makes is {whole}, and only floating-point numbers have gradients",
            ("stay in floats, or differentiate with respect to something after the conversion"),
        )
    if equation.primitive.family == "constant":
        return f"{name} is flat or jumps: its derivative is zero wherever it has one", (
            "use a smooth function in its place"
        )
    if name == "relu":
        return f"relu is off, and its derivative 0, where its input is not above 0: {_range(x)}", (
            _LEAKY
        )
    if name in ("maximum", "minimum"):
        side = "largest" if name == "maximum" else "smallest"
        return f"the other operand is the {side} everywhere and takes the gradient", (
            _LEAKY if not onp.any(args[1 - slot]) else ""
        )
    if name == "clip":
        return f"everything lies outside the bounds of clip: {_range(x)}", (
            "widen the bounds, or clip the gradient instead (optim.clip_by_global_norm)"
        )
    if name == "where":
        return "where took the other branch everywhere", ""
    if name in _SATURATING:
        return f"{name} is saturated, flat to the last digit, at {_range(x)}", _SCALE
    if name in _PRODUCTS and len(args) == 2:
        if not onp.any(args[1 - slot]):
            return "its local derivative is the other factor, which is zero", _zero_factor(
                equation.inputs[1 - slot]
            )
        return "what the other factor sends on cancels, or vanishes in rounding", ""
    if name in _PICKING:
        return "the elements that are used have no gradient, the others are not used", ""
    if name in ("square", "absolute", "integer_power") and not onp.any(x):
        return f"{name} is flat at 0, where its input is", "start somewhere else"
    return f"its derivative is zero at {_range(x)}", ""


def _zero_factor(other: Atom) -> str:
    """Return what helps against an input that is zero throughout."""
    if not isinstance(other, Var) or not other.name:
        return ""
    name = other.name.rpartition(".")[2]
    if is_data(name):
        return f"{name} is zero throughout: check how the data are read and scaled"
    return (
        f"{name} is zero throughout: draw weights at random (nn.Linear does); if these are data, "
        "check how they are read"
    )


def cause_of_wrong(equation: Equation, slot: int, args: Sequence[Any], forward: bool) -> Cause:
    """Say why an operation, or its derivative, makes something that is not finite.

    Parameters
    ----------
    equation, slot, args
        As in `cause_of_zero`.
    forward : bool
        Whether the operation itself does, not its derivative.

    Returns
    -------
    cause, fix : str
    """
    name, x = equation.primitive.name, args[slot]
    if name in _LOGARITHMS:
        fix = "take the loss from the logits (nn.losses), or np.log(np.maximum(p, 1e-12))"
        return (
            f"{name} needs numbers above {-1 if name == 'log1p' else 0}, and reads {_range(x)}",
            fix,
        )
    if name in _EXPONENTIALS:
        most = "88 in float32 and 709 in float64"
        return f"{name} overflows beyond {most}, and reads {_range(x)}", (
            "np.softmax, np.logsumexp and np.softplus do not overflow; or scale the input"
        )
    if name in _ROOTS:
        return f"a root has an infinite slope at 0 and no value below: it reads {_range(x)}", (
            "keep away from 0: np.sqrt(x + 1e-12)"
        )
    if name in ("divide", "reciprocal"):
        below = args[-1]
        return f"it divides by {_range(below)}", "add a small number to the denominator"
    if forward:
        return f"{name} reads {_range(x)}", "lower the learning rate or scale the inputs"
    return f"its local derivative is not finite at {_range(x)}", ""


def cause_of_size(
    equation: Equation, slot: int, args: Sequence[Any], out: Any, gain: float
) -> Cause:
    """Say why the gradient is larger behind an operation than before it.

    Parameters
    ----------
    equation, slot, args, out
        As in `cause_of_zero`.
    gain : float
        By what factor.

    Returns
    -------
    cause, fix : str
    """
    name, x = equation.primitive.name, args[slot]
    times = f"{number(gain)} times as large"
    if name in _PRODUCTS and len(args) == 2:
        if name == "multiply":
            return f"{times}: the other factor is {_range(args[1 - slot])}", ""
        return f"{times}: the other factor of the product holds {_range(args[1 - slot])}", (
            "smaller weights or inputs, normalised layers, or optim.clip_by_global_norm"
        )
    if name in _LOGARITHMS or name in ("divide", "reciprocal", *_ROOTS):
        shown = args[-1] if name == "divide" else x
        return f"{times}: {name} is steep close to 0, and reads {_range(shown)}", (
            "keep away from 0, by a stable form of the loss or a small number added"
        )
    if name in _EXPONENTIALS:
        return f"{times}: {name} is its own slope, and reads {_range(x)}", "scale the input"
    if onp.size(out) > onp.size(x):
        return (
            f"{times}: each element is used {onp.size(out) // max(onp.size(x), 1)} times, and "
            "what comes back adds up",
            "a mean instead of a sum over examples",
        )
    return f"{times}: the slope of {name} at {_range(x)}", ""


def _range(value: Any) -> str:
    array = onp.asarray(value)
    good = array[onp.isfinite(array)] if array.dtype.kind == "f" else array.ravel()
    if not good.size:
        return "nothing finite"
    low, high = good.min(), good.max()
    text = number(low) if low == high else f"numbers from {number(low)} to {number(high)}"
    return text if good.size == array.size else f"{text} and some that are not finite"
