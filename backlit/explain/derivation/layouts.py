"""The same derivation in another convention.

Layout of derivatives: in *denominator* layout, which Backlit and most texts on networks use, ∂L/∂W
has the shape of W; in *numerator* layout it has the shape of Wᵀ. Examples may stand in columns,
Z = W X + b, or in rows, Z = X W + b: every matrix of one form is the transpose of the other's.
And dZ may mean ∂J/∂Z of the averaged loss J, or, *per example*, m times that, so that the 1/m
stands in dW and db.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from backlit.core.aval import AbstractValue
from backlit.core.errors import InputError
from backlit.explain.derivation.build import is_elementwise
from backlit.explain.derivation.expression import (
    LEAF,
    ONE,
    ONE_HOT,
    OUTER,
    REDUCTIONS,
    Expression,
    divide,
    leaf,
    make,
    matmul,
    multiply,
    reduced,
    stretched,
    transposed,
)
from backlit.explain.derivation.naming import symbol
from backlit.explain.derivation.rules import simplified
from backlit.explain.derivation.sheet import Line, Sheet, Step
from backlit.explain.equation.tree import Derivative, Name, Node

Choice = Callable[[Node], bool]


def numerator(derivation: Sheet) -> Sheet:
    """Return a derivation in numerator layout: ∂L/∂W has the shape of Wᵀ.

    Parameters
    ----------
    derivation : Sheet

    Returns
    -------
    Sheet
    """
    turned = _turned(derivation, lambda node: isinstance(node, Derivative))
    return replace(turned, forward=derivation.forward, layout="numerator")


def examples_turned(derivation: Sheet) -> Sheet:
    """Return a derivation with examples in rows instead of columns, or the other way round.

    Parameters
    ----------
    derivation : Sheet

    Returns
    -------
    Sheet
        Of a program whose matrices, arguments included, are the transposes.
    """
    return _turned(derivation, lambda node: True)


def _turned(derivation: Sheet, chosen: Choice) -> Sheet:
    turning = _Turning(chosen)
    shapes = {
        name: shape[::-1] if len(shape) == 2 and chosen(Name(name)) else shape
        for name, shape in derivation.shapes.items()
    }
    arguments = [
        replace(a, aval=_reversed(a.aval)) if chosen(a.name) else a for a in derivation.arguments
    ]
    constants = {
        name: value.T if value.ndim == 2 and chosen(Name(name)) else value
        for name, value in derivation.constants.items()
    }
    return replace(
        derivation,
        forward=tuple([turning.line(line) for line in derivation.forward]),
        backward=tuple([turning.line(line) for line in derivation.backward]),
        shapes=shapes,
        arguments=tuple(arguments),
        constants=constants,
    )


def _reversed(aval: AbstractValue) -> AbstractValue:
    shape = aval.shape[::-1] if len(aval.shape) == 2 else aval.shape
    return AbstractValue(shape, aval.dtype)


class _Turning:
    """Rewrites expressions in terms of the transposes of some of their leaves."""

    def __init__(self, chosen: Choice) -> None:
        self._chosen = chosen

    def line(self, line: Line) -> Line:
        """Return a line about what stands on its left now."""
        if len(line.shape) == 2 and self._chosen(line.left):
            change = self.transpose
        else:
            change = self.same
        steps = [replace(step, expression=change(step.expression)) for step in line.steps]
        result = change(line.expression)
        for rule, simpler in simplified(result):
            steps.append(Step(rule.name, rule.equation, simpler))
            result = simpler
        return replace(line, expression=result, steps=tuple(steps) if line.steps else ())

    def transpose(self, part: Expression) -> Expression:
        """Return the transpose of a matrix that an expression stands for."""
        shape, op, args = part.shape[::-1], part.op, part.args
        if op == LEAF:
            turned = leaf(part.param("node"), shape)
            return turned if self._chosen(part.param("node")) else transposed(part)
        if op == "transpose":
            return self.same(args[0])
        if op == "matmul" and len(args[0].shape) == len(args[1].shape) == 2:
            return matmul(self.transpose(args[1]), self.transpose(args[0]))
        if op == OUTER:
            return make(OUTER, self.same(args[1]), self.same(args[0]), shape=shape)
        if op == "broadcast_to":
            return stretched(self._column(args[0]), shape)
        if is_elementwise(op):
            return make(op, *[self._column(a) for a in args], shape=shape, **dict(part.params))
        if op in REDUCTIONS and part.param("keepdims"):
            axes = [1 - k for k in part.param("axes")]
            return reduced(op, self.transpose(args[0]), axes, kept=True)
        if op in ("softmax", "log_softmax"):
            along = tuple(sorted([1 - k for k in part.param("axes")]))
            return make(op, self.transpose(args[0]), shape=shape, axes=along)
        return transposed(self._rebuilt(part))

    def _column(self, part: Expression) -> Expression:
        """Return an operand that broadcast along rows so that it broadcasts along columns."""
        if not part.shape:
            return self.same(part)
        if len(part.shape) == 1:
            return make("reshape", self.same(part), shape=(*part.shape, 1))
        return self.transpose(part)

    def same(self, part: Expression) -> Expression:
        """Return what an expression stands for."""
        op, args = part.op, part.args
        ranks = [len(a.shape) for a in args]
        if op == "matmul" and sorted(ranks) == [1, 2]:  # x W of a single example is W x
            if ranks[0] == 1:
                return matmul(self.transpose(args[1]), self.same(args[0]))
            return matmul(self.same(args[1]), self.transpose(args[0]))
        if len(part.shape) == 2:
            return transposed(self.transpose(part))
        if op == LEAF:
            return part
        matrix = bool(args) and len(args[0].shape) == 2
        if op in REDUCTIONS and matrix:
            axes = [1 - k for k in part.param("axes")]
            return reduced(op, self.transpose(args[0]), axes)
        return self._rebuilt(part)

    def _rebuilt(self, part: Expression) -> Expression:
        if part.op == ONE_HOT or not part.args:
            return part
        return Expression(part.op, [self.same(a) for a in part.args], part.params, part.shape)


# --- one over m -------------------------------------------------------------------------------


def per_example(derivation: Sheet) -> Sheet:
    """Return a derivation with dZ for m · ∂J/∂Z, as courses write it, and dW for ∂J/∂W.

    Parameters
    ----------
    derivation : Sheet

    Returns
    -------
    Sheet
        The same one if no mean over examples was taken. Its derivatives are bare ones, dW.
    """
    scaled = per_example_names(derivation)
    if not scaled:
        return derivation
    mean = leaf(Name(next(iter(derivation.counts))), ())

    def change(part: Expression) -> Expression:
        node = part.param("node") if part.op == LEAF else None
        if not isinstance(node, Derivative):
            return part
        bare = leaf(replace(node, target=None, style="bare"), part.shape)
        return multiply(divide(ONE, mean), bare) if _about(node) in scaled else bare

    lines = []
    for line in derivation.backward:
        result = line.expression.map(change)
        left = line.left
        steps = [Step("per example", "dZ = m ∂J/∂Z", result)]
        if isinstance(left, Derivative):
            if _about(left) in scaled:
                result = multiply(mean, result)
                steps = [Step("per example", "dZ = m ∂J/∂Z", result)]
            left = replace(left, target=None, style="bare")
        for rule, simpler in simplified(result):
            result = simpler
            steps.append(Step(rule.name, rule.equation, simpler))
        lines.append(replace(line, left=left, expression=result, steps=tuple(steps)))
    return replace(derivation, backward=tuple(lines))


def per_example_names(derivation: Sheet) -> set[str]:
    """Return what there is once per example of a loss that averages over examples.

    Parameters
    ----------
    derivation : Sheet

    Returns
    -------
    set of str
        Symbols; empty if the loss takes no mean, or one over more than the examples.
    """
    if len(derivation.counts) != 1:
        return set()
    (count,) = derivation.counts.values()
    own = {symbol(argument.name) for argument in derivation.arguments}
    return {
        name
        for name, shape in derivation.shapes.items()
        if name not in own and count in shape and name != symbol(derivation.target)
    }


def _about(node: Derivative) -> str:
    return symbol(node.wrt) if isinstance(node.wrt, Name) else ""


def in_convention(
    derivation: Sheet,
    *,
    layout: str = "denominator",
    turn_examples: bool = False,
    averaged: bool = True,
) -> Sheet:
    """Return a derivation in the conventions that are asked for.

    Parameters
    ----------
    derivation : Sheet
        As `backlit.explain.derive.sheet` makes it.
    layout : {"denominator", "numerator"}
        Whether ∂L/∂W has the shape of W or of Wᵀ.
    turn_examples : bool
        Write the program with examples in rows if they are in columns, and the other way round.
    averaged : bool
        Whether the derivatives are those of the averaged loss; False: dZ is m ∂J/∂Z.

    Returns
    -------
    Sheet

    Raises
    ------
    InputError
        If there is no such layout.
    """
    if layout not in ("denominator", "numerator"):
        raise InputError(
            f"{layout!r} is no layout of derivatives", fix='layout="denominator" or "numerator"'
        )
    if turn_examples:
        derivation = examples_turned(derivation)
    if not averaged:
        derivation = per_example(derivation)
    return numerator(derivation) if layout == "numerator" else derivation
