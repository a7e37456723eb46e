"""Rules for what differentiation leaves behind: the same numbers with fewer operations."""

from __future__ import annotations

import numpy as onp

from backlit.compiler.rewriting import Context, is_number
from backlit.core.aval import Shape, is_uniform
from backlit.core.graph import Atom, Equation, Literal


def numbers(inputs: tuple[Atom, ...], shape: Shape) -> tuple[Atom, ...]:
    """Return operands of an elementwise operation, numbers for arrays of equal numbers.

    Differentiation begins with an array of ones. What is no constant has to give the result its
    shape.
    """
    others = [a.aval.shape for a in inputs if not isinstance(a, Literal)]
    if len(others) == len(inputs) or not others or onp.broadcast_shapes(*others) != shape:
        return inputs
    return tuple(
        [
            Literal(a.value.flat[0])
            if isinstance(a, Literal) and type(a.value) is onp.ndarray and is_uniform(a.value)
            else a
            for a in inputs
        ]
    )


def chosen(context: Context, e: Equation) -> Atom | None:
    """Return what a choice by a constant takes."""
    mask, yes, no = e.inputs
    if not isinstance(mask, Literal) or onp.size(mask.value) != 1:
        return None
    return yes if bool(mask.value) else no


def mask_of_relu(context: Context, e: Equation) -> Atom | None:
    """Return relu(x) > 0 for x > 0, so that x itself need not be kept for the backward pass."""
    x, zero = e.inputs
    made = context.made("relu", x) if is_number(zero, 0) else None
    return context.apply("greater", made, zero) if made is not None else None


def guarded(context: Context, e: Equation) -> Atom | None:
    """Return ``where(p is NaN and (f = 0 or g = 0), 0, p)`` with p = f g for a guarded product.

    That is where(bad, 0, f) · where(bad, 0, g), where bad says that one of them is zero and one
    not finite (docs/conventions.md, "zero times infinity"). Then, and if one of them is zero only
    then, the product is NaN.
    """
    left, right = (context.maker(a, "where") for a in e.inputs)
    if left is None or right is None or left.inputs[0] is not right.inputs[0]:
        return None
    if not is_number(left.inputs[1], 0) or not is_number(right.inputs[1], 0):
        return None
    f, g = left.inputs[2], right.inputs[2]
    bad = context.maker(left.inputs[0], "logical_and")
    if bad is None:
        return None
    zero, infinite = (
        context.maker(bad.inputs[0], "logical_or"),
        context.maker(bad.inputs[1], "logical_not"),
    )
    if zero is None or infinite is None:
        return None
    finite = context.maker(infinite.inputs[0], "logical_and")
    if finite is None or f.aval.shape != g.aval.shape:
        return None
    for atom, is_zero, is_finite in zip((f, g), zero.inputs, finite.inputs, strict=True):
        test, other = context.maker(is_zero, "equal"), context.maker(is_finite, "isfinite")
        if test is None or other is None or other.inputs[0] is not atom:
            return None
        if test.inputs[0] is not atom or not is_number(test.inputs[1], 0):
            return None
    product = context.build("multiply", f, g)
    undefined = context.build("not_equal", product, product)
    return context.apply(
        "where", context.build("logical_and", undefined, zero.outputs[0]), left.inputs[1], product
    )


def derivative_of_sigmoid(context: Context, e: Equation) -> Atom | None:
    """Return a (1 − a) for σ(x) σ(−x), as the derivative of a = σ(x) was stated.

    Nothing was gained by the second exponential if the product is all that is left.
    """
    origin = e.provenance
    if origin is None or (origin.primitive, origin.role) != ("sigmoid", "local"):
        return None
    made = [context.maker(a, "sigmoid") for a in e.inputs]
    for mine, other, a in zip(made, reversed(made), e.inputs, strict=True):
        if mine is None or other is None:
            return None
        turned = context.maker(other.inputs[0], "negative")
        if turned is not None and turned.inputs[0] is mine.inputs[0]:
            return context.apply("multiply", a, context.build("subtract", Literal(1.0), a))
    return None
