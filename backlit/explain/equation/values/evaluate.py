"""The value of an expression in an arithmetic.

The tree is walked once, nothing in it is run as code. Products follow the shapes of what they
multiply, as `Binary` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import prod
from typing import Any, Literal, Protocol

import numpy as onp

from backlit.explain.equation import tree
from backlit.explain.equation.tree import Node
from backlit.explain.equation.values import operators
from backlit.explain.equation.values.arithmetic import Arithmetic, Array, Floats, Shape
from backlit.explain.equation.values.builtin import room
from backlit.explain.equation.values.duals import Dual, Duals
from backlit.explain.equation.values.faults import EvaluationFault as EvaluationFault
from backlit.explain.equation.values.faults import ShapeFault as ShapeFault
from backlit.explain.equation.values.functions import (
    BUILTINS,
    Builtin,
    FunctionFault,
    builtin,
    fits,
    product,
    stacked,
)
from backlit.explain.equation.values.jacobians import contracted
from backlit.explain.equation.values.statics import broadcast_shape as broadcast_shape
from backlit.explain.equation.values.statics import count, place, rational, subscript

Layout = Literal["elementwise", "numerator", "denominator"]


class Environment(Protocol):
    """What the names of an expression stand for, in one arithmetic."""

    def value(self, symbol: str) -> Array:
        """Return the value of a variable."""

    def differentiated(self, node: tree.Derivative, layout: Layout) -> Array:
        """Return a derivative, in a layout if its target is an array."""

    def function(self, name: str, order: int) -> Callable[..., Array]:
        """Return a function of the student's own, differentiated `order` times."""


def evaluate(
    node: Node,
    environment: Environment,
    arithmetic: Arithmetic,
    layout: Layout = "elementwise",
    observe: Callable[[Array], object] | None = None,
    programs: bool = False,
) -> Array:
    """Return the value of an expression.

    Parameters
    ----------
    node : Node
        With every variable a `Name` of one symbol (the bound tree).
    environment : Environment
    arithmetic : Arithmetic
    layout : {"elementwise", "numerator", "denominator"}
        Of the derivatives of an array in it: the diagonal of the Jacobian in the shape of the
        variable, the Jacobian (target × variable), or its transpose.
    observe : callable, optional
        Is shown the value of every part.
    programs : bool
        Whether the operators of programs are known as well: see `equation.values.operators`.

    Returns
    -------
    array
        Of the arithmetic.

    Raises
    ------
    ShapeFault
        If shapes do not fit.
    EvaluationFault
        If something else has no value, for instance a function given what it cannot take.
    """
    return Evaluation(environment, arithmetic, layout, observe, programs)(node)


class Evaluation:
    """One walk over a tree; see `evaluate` for what it is given."""

    def __init__(
        self,
        environment: Environment,
        arithmetic: Arithmetic,
        layout: Layout = "elementwise",
        observe: Callable[[Array], object] | None = None,
        programs: bool = False,
    ) -> None:
        self.programs = programs
        self.observe = observe
        self.environment = environment
        self.arithmetic = arithmetic
        self.layout = layout
        # Values of the running indices of the series around the current node.
        self.indices: dict[str, int] = {}
        self.terms = 0

    def __call__(self, node: Node) -> Array:
        """Return the value of a part."""
        rule = _RULES.get(type(node))
        if rule is None:
            raise EvaluationFault(f"a {type(node).__name__} has no value", node.span)
        try:
            value = rule(self, node)
        except EvaluationFault as fault:
            if fault.span == tree.NOWHERE:
                fault.span = node.span
            raise
        if self.observe is not None:
            self.observe(value)
        return value

    # --- leaves -----------------------------------------------------------------------------------

    def _number(self, node: tree.Number) -> Array:
        return self.arithmetic.number(node.value)

    def _constant(self, node: tree.Constant) -> Array:
        if node.name in _TRUTH and _TRUTH[node.name] is not None:
            return self.arithmetic.number(Fraction(int(bool(_TRUTH[node.name]))))
        if node.name not in ("pi", "e", "inf"):
            raise EvaluationFault(f"{node.name} is not a number", node.span)
        return self.arithmetic.constant(node.name)

    def _name(self, node: tree.Name) -> Array:
        if node.base in self.indices:
            return self.arithmetic.number(Fraction(self.indices[node.base]))
        return self.environment.value(node.base)

    def _derivative(self, node: tree.Derivative) -> Array:
        return self.environment.differentiated(self._indexed(node), self.layout)

    def _indexed(self, node: Any) -> Any:
        """Return a derivative with the running indices in its subscripts replaced by numbers."""
        if not self.indices:
            return node

        def change(part: Node) -> Node:
            if isinstance(part, tree.Name) and part.base in self.indices:
                return tree.Number(Fraction(self.indices[part.base]), span=part.span)
            return part

        return node.map(change)

    # --- operators --------------------------------------------------------------------------------

    def _unary(self, node: tree.Unary) -> Array:
        return -self(node.operand)

    def _binary(self, node: tree.Binary) -> Array:
        left, right = self(node.left), self(node.right)
        if node.op in (" ", ".", "@") and left.shape and right.shape:
            chained = self._chained(left, right, node)
            if chained is not None:
                return chained
        if node.op == "@":
            if not left.shape or not right.shape:
                return self._times(left, right, node)
            if left.shape == right.shape and self._has_slope(node):
                shapes = left.shape, right.shape
                raise ShapeFault("a slope by element has no matrix product", node.span, shapes)
            return self._matmul(left, right, node)
        if node.op in (" ", "."):
            return self._product(left, right, node)
        if node.op == "*":
            return self._times(left, right, node)
        self._check_broadcast(left, right, node, _VERBS[node.op])
        if node.op == "+":
            return left + right
        return left - right if node.op == "-" else left / right

    def _chained(self, left: Array, right: Array, node: tree.Binary) -> Array | None:
        """Return the product of Jacobians where it is none of matrices."""

        def shape_of(symbol: str) -> Shape:
            return tuple(self.environment.value(symbol).shape)

        ahead = self.layout != "denominator"
        return contracted(left, right, node, shape_of, numerator=ahead)

    def _product(self, left: Array, right: Array, node: tree.Binary) -> Array:
        x, y = left.shape, right.shape
        if not x or not y:
            return left * right
        if len(x) == len(y) == 1 and isinstance(node.right, tree.Transpose):
            # Vectors written as (n,): u vᵀ is the outer product, uᵀ v the inner one.
            if not isinstance(node.left, tree.Transpose):
                room((*x, *y))
                return left.reshape((x[0], 1)) * right.reshape((1, y[0]))
        if x == y and self._has_slope(node):
            return left * right
        if fits(x, y):
            return self._matmul(left, right, node)
        if x == (1, 1) or x == (1,):
            return left.reshape(()) * right
        if y == (1, 1) or y == (1,):
            return left * right.reshape(())
        if node.op == "." and x == y:
            return left * right
        return self._matmul(left, right, node)

    def _has_slope(self, node: tree.Binary) -> bool:
        """Tell whether a factor is ∂a/∂z of vectors, taken element by element."""
        is_open = self.layout == "elementwise" and not self.programs  # where ⊙ is always written
        for side in (node.left, node.right) if is_open else ():
            ends = (side.target, side.wrt) if isinstance(side, tree.Derivative) else ()
            names = [end.base for end in ends if isinstance(end, tree.Name)]
            if len(names) == 2 and all(len(self.environment.value(n).shape) == 1 for n in names):
                return True
        return False

    def _matmul(self, left: Array, right: Array, node: tree.Binary) -> Array:
        try:
            return product(left, right)
        except FunctionFault as fault:
            raise ShapeFault(str(fault), node.span, (left.shape, right.shape)) from None

    def _times(self, left: Array, right: Array, node: tree.Binary) -> Array:
        self._check_broadcast(left, right, node, "multiplied element by element")
        return left * right

    def _check_broadcast(self, left: Array, right: Array, node: Node, verb: str) -> None:
        shape = broadcast_shape(left.shape, right.shape)
        if shape is not None:
            room(shape)
        else:
            message = f"shapes {left.shape} and {right.shape} cannot be {verb}"
            raise ShapeFault(message, node.span, (left.shape, right.shape))

    def _power(self, node: tree.Power) -> Array:
        if node.base == tree.Constant("e"):
            return self.arithmetic.apply("exp", self(node.exponent))
        base, exponent = self(node.base), rational(node.exponent)
        if exponent is not None:
            return self._raised(base, exponent)
        written = self(node.exponent)
        self._check_broadcast(base, written, node, "raised to one another")
        return self.arithmetic.power(base, written)

    def _raised(self, base: Array, exponent: Fraction) -> Array:
        if abs(exponent) > _HIGHEST_POWER:
            raise EvaluationFault("an exponent beyond a million exceeds the cap")
        return self.arithmetic.rational_power(base, exponent)

    def _transpose(self, node: tree.Transpose) -> Array:
        operand = self(node.operand)
        return operand.transpose(tuple(range(len(operand.shape)))[::-1])

    def _compare(self, node: tree.Compare) -> Array:
        left, right = self(node.left), self(node.right)
        self._check_broadcast(left, right, node, "compared")
        a, one = self.arithmetic, self.arithmetic.number(Fraction(1))
        if node.op in (">", "<="):
            above = a.positive(left - right)
            return above if node.op == ">" else one - above
        if node.op in ("<", ">="):
            below = a.positive(right - left)
            return below if node.op == "<" else one - below
        same = a.zero(left - right)
        return same if node.op == "==" else one - same

    # --- arrays -----------------------------------------------------------------------------------

    def _items(self, node: tree.Items) -> Array:
        if not node.items:
            raise ShapeFault("empty brackets have no value", node.span)
        parts = [self(part) for part in node.items]
        try:
            return stacked(self.arithmetic, parts)
        except FunctionFault as fault:
            raise ShapeFault(str(fault), node.span, [x.shape for x in parts]) from None

    def _element(self, node: tree.Element) -> Array:
        operand = self(node.operand)
        if self.programs:
            index = [self._computed_subscript(part) for part in node.index]
            if any(part is None or hasattr(part, "shape") for part in index):
                return operators.selected(operand, index)
        return operand[place(operand.shape, self._indexed(node))]

    def _computed_subscript(self, node: Node) -> Any:
        """Return a subscript of a program: None for a new axis, an array for many elements."""
        if isinstance(node, tree.Constant) and node.name == "None":
            return None
        outside = isinstance(node, tree.Name) and node.base not in self.indices
        if outside or isinstance(node, (tree.Call, tree.Element)):
            return self(node)
        return subscript(self._indexed(node))

    def _series(self, node: tree.Series) -> Array:
        if not node.index:
            return self._repeated(node)
        low, high = self._bound(node.low, node), self._bound(node.high, node)
        around = self.indices
        total = None
        for i in range(low, high + 1):
            self.terms += 1
            if self.terms > _MOST_TERMS:
                raise EvaluationFault(f"sums of more than {_MOST_TERMS:,} terms", node.span)
            self.indices = {**around, node.index: i}
            term = self(node.body)
            if total is None:
                total = term
            else:
                self._check_broadcast(total, term, node, "added")
                total = total + term if node.op == "sum" else total * term
        self.indices = around
        if total is None:
            return self.arithmetic.number(Fraction(int(node.op == "prod")))
        return total

    def _repeated(self, node: tree.Series) -> Array:
        """Return all elements of an array together, or a number so often as the range says."""
        body, a = self(node.body), self.arithmetic
        if prod(body.shape) > 1:
            return BUILTINS[node.op].value(a, body)
        body = body.reshape(()) if body.shape else body
        times = count(self._indexed(node))
        if times is None:
            return body
        if isinstance(times, Fraction):
            return self._raised(body, times) if node.op == "prod" else body * a.number(times)
        often = self(times)
        return a.power(body, often) if node.op == "prod" else body * often

    def _bound(self, node: Node | None, series: tree.Series) -> int:
        value = None if node is None else rational(self._indexed(node))
        if value is None or value.denominator != 1:
            raise EvaluationFault("the range of the sum is not known", series.span)
        return value.numerator

    # --- functions --------------------------------------------------------------------------------

    def _call(self, node: tree.Call) -> Array:
        name, order = node.function.name, node.function.order
        found = operators.builtin(name) if self.programs else builtin(name)
        if found is None:
            return self._own_function(node)
        if found is BUILTINS["power"] and len(node.args) == 2 and not node.keywords:
            return self(tree.Power(*node.args, span=node.span))
        arrays, options = self._arguments(node, found)
        if found.family == "elementwise":
            self._check_arguments(arrays, node)
        try:
            if not order:
                return found.value(self.arithmetic, *arrays, **options)
            if found.family != "elementwise" or len(arrays) != 1:
                message = f"{name} is not a function of one number: its derivative is a matrix"
                raise EvaluationFault(message, node.span)
            return differentiated(found.value, self.arithmetic, arrays[0], order)
        except FunctionFault as fault:
            shapes = [x.shape for x in arrays if hasattr(x, "shape")]
            raise ShapeFault(str(fault), node.span, shapes) from None

    def _own_function(self, node: tree.Call) -> Array:
        if node.keywords:
            message = f"{node.function.name} is not a known function and takes no options"
            raise EvaluationFault(message, node.span)
        arguments = [self(argument) for argument in node.args]
        self._check_arguments(arguments, node)
        return self.environment.function(node.function.name, node.function.order)(*arguments)

    def _check_arguments(self, arrays: Sequence[Array], node: tree.Call) -> None:
        shape: Shape | None = ()
        for x in arrays:
            shape = broadcast_shape(shape, x.shape)
            if shape is None:
                shapes = [y.shape for y in arrays]
                message = f"{node.function.name} of shapes {' and '.join(map(str, shapes))}"
                raise ShapeFault(f"{message}, which do not fit together", node.span, shapes)
            room(shape)

    def _arguments(self, node: tree.Call, found: Builtin) -> tuple[list[Any], dict[str, Any]]:
        """Sort the arguments of a call into arrays and options."""
        name = node.function.name
        given: dict[str, Node] = {}
        slots = (*found.arrays, *found.options)
        positional = node.args
        if found.listed and positional and not isinstance(positional[0], tree.Items):
            raise EvaluationFault(f"{name} takes a list of arrays", node.span)
        if found.family == "creation" or name in ("reshape", "transpose"):
            positional = _gathered(positional, len(found.arrays))
        if len(positional) > len(slots):
            raise EvaluationFault(f"{name} takes at most {len(slots)} arguments", node.span)
        if found.family == "reduction" and len(found.arrays) == 2 and len(positional) > 2:
            raise EvaluationFault(f"{name} takes one array or two", node.span)
        given.update(zip(slots, positional, strict=False))
        for key, value in node.keywords:
            if key not in slots or key in given:
                raise EvaluationFault(f"{name} has no option {key}", node.span)
            given[key] = value
        if any(key not in given for key in found.arrays[: found.required]):
            raise EvaluationFault(f"{name} needs {found.required} arguments", node.span)
        arrays = [self._array(given[key], found) for key in found.arrays if key in given]
        options = {key: self._option(given[key]) for key in found.options if key in given}
        return arrays, options

    def _array(self, node: Node, found: Builtin) -> Any:
        if found.listed and isinstance(node, tree.Items):
            return [self(part) for part in node.items]
        return self(node)

    def _option(self, node: Node) -> Any:
        if isinstance(node, tree.Items):
            return tuple(self._option(part) for part in node.items)
        if isinstance(node, tree.Constant) and node.name in _TRUTH:
            return _TRUTH[node.name]
        size = self._size(node)
        if size is not None:
            return size
        value = rational(self._indexed(node))
        if value is None or value.denominator != 1:
            raise EvaluationFault("an option has to be a written whole number", node.span)
        return value.numerator

    def _size(self, node: Node) -> Any:
        """Return what ``X.shape``, ``X.shape[0]``, ``X.size`` or ``len(X)`` is, or None."""
        if isinstance(node, tree.Element):
            whole = self._size(node.operand)
            return whole[place((len(whole),), node)[0]] if isinstance(whole, tuple) else None
        if not isinstance(node, tree.Call) or len(node.args) != 1:
            return None
        found = builtin(node.function.name)
        if found is None or found.family != "size":
            return None
        value = found.value(Floats(), onp.empty(self(node.args[0]).shape))
        return tuple(int(n) for n in value) if value.shape else int(value)


_MOST_TERMS = 20_000
_HIGHEST_POWER = 1_000_000
_TRUTH: dict[str, bool | None] = {"True": True, "False": False, "None": None}
_VERBS = {"+": "added", "-": "subtracted", "/": "divided"}

_RULES: dict[type, Callable[[Any, Any], Array]] = {
    tree.Number: Evaluation._number,
    tree.Constant: Evaluation._constant,
    tree.Name: Evaluation._name,
    tree.Unary: Evaluation._unary,
    tree.Binary: Evaluation._binary,
    tree.Power: Evaluation._power,
    tree.Transpose: Evaluation._transpose,
    tree.Call: Evaluation._call,
    tree.Items: Evaluation._items,
    tree.Element: Evaluation._element,
    tree.Series: Evaluation._series,
    tree.Compare: Evaluation._compare,
    tree.Derivative: Evaluation._derivative,
}


def _gathered(args: tuple[Node, ...], arrays: int) -> tuple[Node, ...]:
    """Return arguments with several numbers written for one tuple, ``reshape(x, 2, 3)``."""
    if len(args) <= arrays + 1:
        return args
    return (*args[:arrays], tree.Items(args[arrays:]))


def differentiated(
    f: Callable[..., Array], arithmetic: Arithmetic, x: Array, order: int = 1
) -> Array:
    """Return the derivative of an elementwise function, by evaluating it on dual numbers.

    Parameters
    ----------
    f : callable
        ``f(arithmetic, x)``.
    arithmetic : Arithmetic
    x : array
    order : int
        At least 1.

    Returns
    -------
    array
        Of the shape of x.
    """
    duals = Duals(arithmetic)
    one = arithmetic.broadcast(arithmetic.number(Fraction(1)), (1, *x.shape))
    seed = Dual(x, one)
    if order > 1:
        return duals.tangent(differentiated(f, duals, seed, order - 1), x.shape)[0]
    return duals.tangent(f(duals, seed), x.shape)[0]
