"""From the equations of a graph to expressions.

What only the engine needs is left out on the way: broadcasts that an elementwise operation does by
itself, conversions between floating-point types, the reshape that keeps a summed axis, and the
guard that makes zero times an infinite local derivative zero (docs/conventions.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as onp

from backlit.core.aval import Shape
from backlit.core.graph import Atom, Equation, Graph, Literal, Var
from backlit.core.primitive import registry
from backlit.explain.derivation.expression import (
    LEAF,
    ONE,
    OUTER,
    REDUCTIONS,
    SLOPE,
    TRUTHS,
    ZERO,
    Expression,
    divide,
    joint,
    make,
    matmul,
    multiply,
    number,
    stretched,
    transposed,
)

# Constants are elementwise too where they compare, round or combine element by element.
_ELEMENTWISE_CONSTANTS = frozenset(
    "greater greater_equal less less_equal equal not_equal logical_and logical_or logical_xor "
    "logical_not bitwise_and bitwise_or bitwise_xor invert floor_divide floor ceil trunc rint sign "
    "isnan isinf isfinite stop_gradient".split()
)
# What makes a result of another kind of number than its operands.
_WHOLE = "biu"


def is_elementwise(op: str) -> bool:
    """Tell whether an operation treats every element alike."""
    primitive = registry.get(op)
    return primitive is not None and (
        primitive.family == "elementwise" or op in _ELEMENTWISE_CONSTANTS
    )


class Builder:
    """Turns variables of a graph into expressions.

    Parameters
    ----------
    graph : Graph
    leaves : mapping of Var to Expression
        Where to stop: variables that have a name.
    constant : callable
        Returns the expression of an array that the program holds.
    counts : mapping of int to Expression
        Names for numbers of elements that a mean divides by.
    program : callable
        Returns the name of a graph that an operation of control flow runs.
    """

    def __init__(
        self,
        graph: Graph,
        leaves: Mapping[Var, Expression],
        constant: Callable[[Any], Expression],
        counts: Mapping[int, Expression],
        program: Callable[[Graph], str],
    ) -> None:
        self.graph = graph
        self.leaves = leaves
        self._constant = constant
        self._counts = counts
        self._program = program
        self._made: dict[tuple[Var, bool], Expression] = {}
        self.maker = makers(graph)
        self._means = {place: count for place, (count, _) in means(graph).items()}

    def of(self, atom: Atom, slopes: bool = False) -> Expression:
        """Return the expression of an operand: its name where it has one.

        Parameters
        ----------
        atom : Var or Literal
        slopes : bool
            Leave derivatives of functions of one argument as g′(x).
        """
        if isinstance(atom, Literal):
            return self.literal(atom.value)
        if atom in self.leaves:
            return self.leaves[atom]
        return self.opened(atom, slopes)

    def opened(self, var: Var, slopes: bool = False) -> Expression:
        """Return what a variable is computed from, whether or not it has a name."""
        if var not in self.maker:
            return self.leaves[var]
        if (var, slopes) not in self._made:
            waiting = [var]
            while waiting:  # long chains of operations without a name must not recurse
                top = waiting[-1]
                rest = [
                    a
                    for a in self.graph.equations[self.maker[top][0]].inputs
                    if isinstance(a, Var)
                    and a not in self.leaves
                    and (a, slopes) not in self._made
                    and a in self.maker
                ]
                if rest:
                    waiting += rest
                    continue
                waiting.pop()
                if (top, slopes) not in self._made:
                    self._made[top, slopes] = self._open(top, slopes)
        return self._made[var, slopes]

    def literal(self, value: Any) -> Expression:
        """Return a constant operand: a number where all elements are equal."""
        array = onp.asarray(value)
        if not array.shape:
            scalar: Any = array[()]
            return number(scalar)
        if array.size and bool((array == array.flat[0]).all()):
            return stretched(number(array.flat[0]), array.shape)
        return self._constant(array)

    def _open(self, var: Var, slopes: bool) -> Expression:
        place, part = self.maker[var]
        equation = self.graph.equations[place]
        if slopes:
            slope = self._slope(equation)
            if slope is not None:
                return slope
        args = [self.of(atom, slopes) for atom in equation.inputs]
        if "parts" in equation.params:
            args = [self._index(*pair) for pair in zip(equation.inputs, args, strict=True)]
        args = self._with_counts(place, equation, args)
        primitive, shape = equation.primitive, var.aval.shape
        chosen = _chosen_product(equation, args)
        if chosen is not None:
            return stretched(chosen, shape)
        params = {k: self._without_graphs(v) for k, v in equation.params.items()}
        if primitive.multi:
            params["result"] = part
        return built(primitive.name, args, shape, params, _kinds(equation))

    def _index(self, atom: Atom, written: Expression) -> Expression:
        """Return an operand of an indexing operation; an array of places stays one."""
        if not isinstance(atom, Literal) or not written.shape or written.op == LEAF:
            return written
        array = onp.asarray(atom.value)
        return self._constant(array) if array.dtype.kind in _WHOLE else written

    def _without_graphs(self, value: Any) -> Any:
        if isinstance(value, Graph):
            return self._program(value)
        if isinstance(value, tuple) and any(isinstance(v, Graph) for v in value):
            return tuple([self._program(graph) for graph in value])
        return value

    def _slope(self, equation: Equation) -> Expression | None:
        """Return g′(x) for the last operation of the local derivative of g(x)."""
        origin = equation.provenance
        if origin is None or origin.role != "local" or origin.equation < 0:
            return None
        forward = self.graph.equations[origin.equation]
        place = self.maker[equation.outputs[0]][0]
        after = [e.provenance for e in self.graph.equations[place + 1 : place + 2]]
        final = not after or after[0] is None or after[0].role != "local"
        if len(forward.inputs) != 1 or not final or forward.primitive.name not in SLOPED:
            return None
        operand = self.of(forward.inputs[0], True)
        return make(SLOPE, operand, shape=operand.shape, of=forward.primitive.name)

    def _with_counts(
        self, place: int, equation: Equation, args: list[Expression]
    ) -> list[Expression]:
        """Write the number of elements that a mean divides by as a letter."""
        origin = equation.provenance
        count = self._means.get(place if origin is None else origin.equation)
        if count is None or count not in self._counts:
            return args
        name = self._counts[count]
        for k, atom in enumerate(equation.inputs):
            value = args[k].value
            if isinstance(atom, Literal) and not args[k].shape and value is not None:
                if value == count:
                    args[k] = name
                elif value == number(1.0 / count).value:
                    args[k] = divide(ONE, name)
        return args


def _chosen_product(equation: Equation, args: Sequence[Expression]) -> Expression | None:
    """Return a product that a choice takes part in, on the way back or onward.

    relu, max and their kin choose between the cotangent and 0: that is mask × cotangent. What
    `where` did not choose may have an infinite local derivative, so the rest of the product goes
    into the choice.
    """
    origin = equation.provenance
    if origin is None or origin.role != "product":
        return None
    if equation.primitive.name == "where" and registry[origin.primitive].simple:
        return multiply(unstretched(args[0]), unstretched(args[1])) if args[2] == ZERO else None
    if equation.primitive.name == "multiply":
        for part, other in (args, args[::-1]):
            if part.op == "where" and part.args[2] == ZERO:
                product = multiply(part.args[1], unstretched(other))
                return make("where", part.args[0], product, ZERO, shape=joint(part, other))
    return None


def _kinds(equation: Equation) -> tuple[str, str]:
    first = equation.inputs[0].aval.dtype.kind if equation.inputs else "f"
    return first, equation.outputs[0].aval.dtype.kind


# Functions whose derivative has a name of its own, written with a prime.
SLOPED = frozenset(
    "sigmoid tanh relu softplus log_sigmoid exp log sqrt sin cos tan sinh cosh absolute erf "
    "arctan".split()
)


def makers(graph: Graph) -> dict[Var, tuple[int, int]]:
    """Return which equation computes a variable, and as which of its results."""
    return {
        var: (k, part) for k, e in enumerate(graph.equations) for part, var in enumerate(e.outputs)
    }


def means(graph: Graph) -> dict[int, tuple[int, bool]]:
    """Return the equations that divide a sum by the number of its elements.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    dict of int to (int, bool)
        By place of the equation, the number of elements, and whether they lie along one axis.
    """
    found = {}
    maker = makers(graph)
    for place, equation in enumerate(graph.equations):
        if equation.primitive.name not in ("divide", "multiply") or equation.provenance is not None:
            continue
        for atom, other in zip(equation.inputs, equation.inputs[::-1], strict=True):
            summed = _summed(graph, maker, atom)
            if summed is None or not isinstance(other, Literal) or onp.shape(other.value):
                continue
            count, value = summed[0], float(other.value)
            divided = equation.primitive.name == "divide" and value == count
            # Half a sum of two squares is half of it, not its mean.
            if divided or (count > 2 and value == 1.0 / count):
                found[place] = summed
    return found


def _summed(
    graph: Graph, maker: Mapping[Var, tuple[int, int]], atom: Atom
) -> tuple[int, bool] | None:
    """Return how many elements were added up to give one of `atom`, if it is a sum of several."""
    while isinstance(atom, Var) and atom in maker:
        equation = graph.equations[maker[atom][0]]
        if equation.primitive.name == "sum":
            shape = equation.inputs[0].aval.shape
            long = [shape[k] for k in equation.params["axes"] if shape[k] != 1]
            return (math.prod(long), len(long) == 1) if math.prod(long) > 1 else None
        if equation.primitive.name not in ("reshape", "negative", "astype"):
            return None
        atom = equation.inputs[0]
    return None


# --- one operation ----------------------------------------------------------------------------


def built(
    op: str,
    args: Sequence[Expression],
    shape: Shape,
    params: Mapping[str, Any],
    kinds: tuple[str, str] = ("f", "f"),
) -> Expression:
    """Return an operation in the form that is printed.

    Parameters
    ----------
    op : str
        A primitive's name.
    args : sequence of Expression
    shape : tuple of int
        Of the result.
    params : mapping
    kinds : pair of str
        NumPy's letters for the kinds of number of the first operand and of the result.

    Returns
    -------
    Expression
    """
    if op == "positive":
        return stretched(args[0], shape)
    if op == "astype":
        return _converted(args[0], kinds)
    if op == "reciprocal" and kinds[1] in _WHOLE:  # NumPy cuts off the fraction
        return _converted(elementwise(op, args, shape, params), ("f", kinds[1]))
    if op in _SPECIAL:
        return _SPECIAL[op](args, shape, params)
    if op in REDUCTIONS:
        return make(op, *args, shape=shape, axes=params["axes"], keepdims=False)
    if op == "not_equal" and args[0].op in TRUTHS and args[1] == ZERO:
        return stretched(args[0], shape)
    if is_elementwise(op):
        return elementwise(op, args, shape, params)
    return Expression(op, args, tuple(sorted(params.items())), shape)


def _converted(operand: Expression, kinds: tuple[str, str]) -> Expression:
    before, after = kinds
    if after == "b" and before != "b":
        return elementwise("not_equal", [operand, ZERO], operand.shape, {})
    if after in _WHOLE and before == "f":
        return elementwise("trunc", [operand], operand.shape, {})
    return operand


def elementwise(
    op: str, args: Sequence[Expression], shape: Shape, params: Mapping[str, Any]
) -> Expression:
    """Return an elementwise operation whose operands broadcast by themselves."""
    plain = [unstretched(a) for a in args]
    whole: Expression | None = None
    if op == "where":
        whole = _chosen(plain)
    elif op == "multiply":
        whole = _outer(plain)
    if whole is None:
        whole = make(op, *plain, shape=joint(*plain), **params)
    return stretched(whole, shape)


def unstretched(operand: Expression) -> Expression:
    """Return an operand without broadcasts and leading axes of length one."""
    while True:
        inner = operand.args[0] if operand.op in ("broadcast_to", "reshape") else None
        if inner is None:
            return operand
        if operand.op == "reshape":
            extra = len(operand.shape) - len(inner.shape)
            if operand.shape != (1,) * extra + inner.shape:
                return operand
        operand = inner


def _chosen(args: list[Expression]) -> Expression | None:
    """Return a choice whose outcome is known or that only guards a product."""
    condition, yes, no = args
    if condition.value is not None:
        return stretched(yes if condition.value else no, joint(*args))
    # where(local = 0, 0, g · local): what was not chosen has no say, whatever g is.
    if (
        condition.op == "equal"
        and yes == ZERO
        and no.op == "multiply"
        and condition.args == (no.args[1], ZERO)
    ):
        return no
    return None


def _outer(args: list[Expression]) -> Expression | None:
    """Return the outer product that a column times a row of vectors is."""
    column, row = args
    for left, right in ((column, row), (row, column)):
        inner = left.args[0] if left.op == "reshape" else None
        if inner is None or len(inner.shape) != 1 or left.shape != (*inner.shape, 1):
            continue
        if len(right.shape) == 1:
            return make(OUTER, inner, right, shape=(*inner.shape, *right.shape))
    return None


# --- operations with a form of their own ------------------------------------------------------


def _taken(args: Sequence[Expression], shape: Shape, params: Mapping[str, Any]) -> Expression:
    if not params["parts"]:
        return args[0]
    return make("getitem", *args, shape=shape, parts=params["parts"])


def _reshape(args: Sequence[Expression], shape: Shape, params: Mapping[str, Any]) -> Expression:
    operand = args[0]
    while operand.op == "reshape":
        operand = operand.args[0]
    if operand.shape == shape:
        return operand
    if operand.op == "broadcast_to" and not operand.args[0].shape:
        return stretched(operand.args[0], shape)
    if operand.op in REDUCTIONS and not operand.param("keepdims"):
        axes, before = operand.param("axes"), operand.args[0].shape
        kept = tuple([1 if k in axes else n for k, n in enumerate(before)])
        if shape == kept:
            return make(operand.op, *operand.args, shape=shape, axes=axes, keepdims=True)
    if operand.op == "matmul" and len(shape) == 1:
        left, right = operand.args
        if right.op == "reshape" and right.shape == (*right.args[0].shape, 1):
            vector = right.args[0]
            if len(vector.shape) == 1 and len(left.shape) == 2:
                return matmul(left, vector)
    return make("reshape", operand, shape=shape)


def _stretch(args: Sequence[Expression], shape: Shape, params: Mapping[str, Any]) -> Expression:
    return stretched(unstretched(args[0]), shape)


def _turn(args: Sequence[Expression], shape: Shape, params: Mapping[str, Any]) -> Expression:
    axes = params["axes"]
    if axes == tuple(range(len(axes))):
        return args[0]
    if axes == (1, 0):
        return transposed(args[0])
    return make("transpose", args[0], shape=shape, axes=axes)


_SPECIAL: dict[str, Callable[[Sequence[Expression], Shape, Mapping[str, Any]], Expression]] = {
    "getitem": _taken,
    "reshape": _reshape,
    "broadcast_to": _stretch,
    "transpose": _turn,
}
