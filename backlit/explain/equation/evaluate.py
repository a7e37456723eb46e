"""The value of an expression in an arithmetic.

The tree is walked once, nothing in it is run as code. Products follow the shapes of what they
multiply, as `Binary` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Literal, Protocol

from backlit.core.errors import BacklitError
from backlit.explain.equation import tree
from backlit.explain.equation.arithmetic import Arithmetic, Array, Shape
from backlit.explain.equation.duals import Duals
from backlit.explain.equation.functions import (
    Builtin,
    FunctionFault,
    fits,
    product,
    stacked,
)
from backlit.explain.equation.operators import builtin, selected
from backlit.explain.equation.tree import Node, Span

Layout = Literal["elementwise", "numerator", "denominator"]


class EvaluationFault(BacklitError):
    """An expression has no value.

    Parameters
    ----------
    message : str
    span : (int, int)
        What of the line is meant.

    Attributes
    ----------
    message, span
    symbol : str or None
        The variable whose definition it is, if it stands in one.
    """

    symbol: str | None = None

    def __init__(self, message: str, span: Span = tree.NOWHERE) -> None:
        super().__init__(message)
        self.message = message
        self.span = span


class ShapeFault(EvaluationFault):
    """The shapes of an expression's parts do not fit together.

    Parameters
    ----------
    message : str
    span : (int, int)
    shapes : sequence of tuple of int
        The shapes that do not fit.
    """

    def __init__(
        self, message: str, span: Span = tree.NOWHERE, shapes: Sequence[Shape] = ()
    ) -> None:
        super().__init__(message, span)
        self.shapes = tuple(shapes)


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
    return _Evaluation(environment, arithmetic, layout, observe)(node)


class _Evaluation:
    """One walk over a tree."""

    def __init__(
        self,
        environment: Environment,
        arithmetic: Arithmetic,
        layout: Layout,
        observe: Callable[[Array], object] | None,
    ) -> None:
        self.observe = observe
        self.environment = environment
        self.arithmetic = arithmetic
        self.layout = layout
        # Values of the running indices of the series around the current node.
        self.indices: dict[str, int] = {}

    def __call__(self, node: Node) -> Array:
        rule = _RULES.get(type(node))
        if rule is None:
            raise EvaluationFault(f"a {type(node).__name__} has no value", node.span)
        value = rule(self, node)
        if self.observe is not None:
            self.observe(value)
        return value

    # --- leaves -----------------------------------------------------------------------------------

    def number(self, node: tree.Number) -> Array:
        return self.arithmetic.number(node.value)

    def constant(self, node: tree.Constant) -> Array:
        if node.name in _TRUTH and _TRUTH[node.name] is not None:
            return self.arithmetic.number(Fraction(int(bool(_TRUTH[node.name]))))
        if node.name not in ("pi", "e", "inf"):
            raise EvaluationFault(f"{node.name} is not a number", node.span)
        return self.arithmetic.constant(node.name)

    def name(self, node: tree.Name) -> Array:
        if node.base in self.indices:
            return self.arithmetic.number(Fraction(self.indices[node.base]))
        return self.environment.value(node.base)

    def derivative(self, node: tree.Derivative) -> Array:
        try:
            return self.environment.differentiated(self._indexed(node), self.layout)
        except EvaluationFault as fault:
            if fault.span == tree.NOWHERE:
                fault.span = node.span
            raise

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

    def unary(self, node: tree.Unary) -> Array:
        return -self(node.operand)

    def binary(self, node: tree.Binary) -> Array:
        left, right = self(node.left), self(node.right)
        if node.op == "@":
            scalar = not left.shape or not right.shape
            return self._times(left, right, node) if scalar else self._matmul(left, right, node)
        if node.op in (" ", "."):
            return self._product(left, right, node)
        if node.op == "*":
            return self._times(left, right, node)
        self._check_broadcast(left, right, node, _VERBS[node.op])
        if node.op == "+":
            return left + right
        return left - right if node.op == "-" else left / right

    def _product(self, left: Array, right: Array, node: tree.Binary) -> Array:
        x, y = left.shape, right.shape
        if not x or not y:
            return left * right
        if len(x) == len(y) == 1 and isinstance(node.right, tree.Transpose):
            # Vectors written as (n,): u vᵀ is the outer product, uᵀ v the inner one.
            if not isinstance(node.left, tree.Transpose):
                return left.reshape((x[0], 1)) * right.reshape((1, y[0]))
        if fits(x, y):
            return left @ right
        if x == (1, 1) or x == (1,):
            return left.reshape(()) * right
        if y == (1, 1) or y == (1,):
            return left * right.reshape(())
        if node.op == "." and x == y:
            return left * right
        return self._matmul(left, right, node)

    def _matmul(self, left: Array, right: Array, node: tree.Binary) -> Array:
        try:
            return product(left, right)
        except FunctionFault as fault:
            raise ShapeFault(str(fault), node.span, (left.shape, right.shape)) from None

    def _times(self, left: Array, right: Array, node: tree.Binary) -> Array:
        self._check_broadcast(left, right, node, "multiplied element by element")
        return left * right

    def _check_broadcast(self, left: Array, right: Array, node: Node, verb: str) -> None:
        if broadcast_shape(left.shape, right.shape) is None:
            message = f"shapes {left.shape} and {right.shape} cannot be {verb}"
            raise ShapeFault(message, node.span, (left.shape, right.shape))

    def power(self, node: tree.Power) -> Array:
        if node.base == tree.Constant("e"):
            return self.arithmetic.apply("exp", self(node.exponent))
        base, exponent = self(node.base), _rational(node.exponent)
        if exponent is not None:
            return self.arithmetic.rational_power(base, exponent)
        written = self(node.exponent)
        self._check_broadcast(base, written, node, "raised to one another")
        return self.arithmetic.power(base, written)

    def transpose(self, node: tree.Transpose) -> Array:
        operand = self(node.operand)
        return operand.transpose(tuple(range(len(operand.shape)))[::-1])

    def compare(self, node: tree.Compare) -> Array:
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

    def items(self, node: tree.Items) -> Array:
        if not node.items:
            raise ShapeFault("empty brackets have no value", node.span)
        parts = [self(part) for part in node.items]
        try:
            return stacked(self.arithmetic, parts)
        except FunctionFault as fault:
            raise ShapeFault(str(fault), node.span, [x.shape for x in parts]) from None

    def element(self, node: tree.Element) -> Array:
        operand = self(node.operand)
        index = [self._subscript(part) for part in node.index]
        if any(part is None or hasattr(part, "shape") for part in index):
            return selected(operand, index)
        return operand[place(operand.shape, self._indexed(node))]

    def _subscript(self, node: Node) -> Any:
        """Return a subscript of a program: None for a new axis, an array for many elements."""
        if isinstance(node, tree.Constant) and node.name == "None":
            return None
        outside = isinstance(node, tree.Name) and node.base not in self.indices
        if outside or isinstance(node, (tree.Call, tree.Element)):
            return self(node)
        return _subscript(self._indexed(node))

    def series(self, node: tree.Series) -> Array:
        if not node.index:
            body = self(node.body)
            whole = builtin("sum" if node.op == "sum" else "prod")
            assert whole is not None
            return whole.value(self.arithmetic, body) if body.shape else body
        low, high = self._bound(node.low, node), self._bound(node.high, node)
        outer, total = self.indices.get(node.index), None
        if high - low > 10_000:
            raise EvaluationFault("a sum of more than 10,000 terms", node.span)
        for i in range(low, high + 1):
            self.indices[node.index] = i
            term = self(node.body)
            if total is None:
                total = term
            else:
                self._check_broadcast(total, term, node, "added")
                total = total + term if node.op == "sum" else total * term
        self.indices.pop(node.index, None)
        if outer is not None:
            self.indices[node.index] = outer
        if total is None:
            return self.arithmetic.number(Fraction(int(node.op == "prod")))
        return total

    def _bound(self, node: Node | None, series: tree.Series) -> int:
        value = None if node is None else _rational(self._indexed(node))
        if value is None or value.denominator != 1:
            raise EvaluationFault("the range of the sum is not known", series.span)
        return value.numerator

    # --- functions --------------------------------------------------------------------------------

    def call(self, node: tree.Call) -> Array:
        name, order = node.function.name, node.function.order
        found = builtin(name)
        if found is None:
            return self._own_function(node)
        if found is builtin("power") and len(node.args) == 2 and not node.keywords:
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
        value = _rational(self._indexed(node))
        if value is None or value.denominator != 1:
            raise EvaluationFault("an option has to be a written whole number", node.span)
        return value.numerator


_TRUTH: dict[str, bool | None] = {"True": True, "False": False, "None": None}
_VERBS = {"+": "added", "-": "subtracted", "/": "divided"}

_RULES: dict[type, Callable[[Any, Any], Array]] = {
    tree.Number: _Evaluation.number,
    tree.Constant: _Evaluation.constant,
    tree.Name: _Evaluation.name,
    tree.Unary: _Evaluation.unary,
    tree.Binary: _Evaluation.binary,
    tree.Power: _Evaluation.power,
    tree.Transpose: _Evaluation.transpose,
    tree.Call: _Evaluation.call,
    tree.Items: _Evaluation.items,
    tree.Element: _Evaluation.element,
    tree.Series: _Evaluation.series,
    tree.Compare: _Evaluation.compare,
    tree.Derivative: _Evaluation.derivative,
}


def _gathered(args: tuple[Node, ...], arrays: int) -> tuple[Node, ...]:
    """Return arguments with several numbers written for one tuple, ``reshape(x, 2, 3)``."""
    if len(args) <= arrays + 1:
        return args
    return (*args[:arrays], tree.Items(args[arrays:]))


def broadcast_shape(x: Shape | None, y: Shape) -> Shape | None:
    """Return the shape that arrays of two shapes have together, element by element.

    Parameters
    ----------
    x, y : tuple of int

    Returns
    -------
    tuple of int or None
        None if they do not fit.

    Examples
    --------
    >>> broadcast_shape((3, 1), (4,))
    (3, 4)
    """
    if x is None:
        return None
    rank = max(len(x), len(y))
    long_x, long_y = (1,) * (rank - len(x)) + x, (1,) * (rank - len(y)) + y
    if any(m != n and 1 not in (m, n) for m, n in zip(long_x, long_y, strict=True)):
        return None
    return tuple(n if m == 1 else m for m, n in zip(long_x, long_y, strict=True))


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
    seed = duals.dual(x, one)
    if order > 1:
        return duals.tangent(differentiated(f, duals, seed, order - 1), x.shape)[0]
    return duals.tangent(f(duals, seed), x.shape)[0]


def _rational(node: Node) -> Fraction | None:
    """Return what a subtree of numbers alone is, or None."""
    if isinstance(node, tree.Number):
        return node.value
    if isinstance(node, tree.Unary):
        operand = _rational(node.operand)
        return None if operand is None else -operand
    if isinstance(node, tree.Binary):
        left, right = _rational(node.left), _rational(node.right)
        if left is None or right is None:
            return None
        if node.op == "+":
            return left + right
        if node.op == "-":
            return left - right
        if node.op == "/":
            return left / right if right else None
        return left * right
    return None


def place(shape: Shape, node: tree.Element) -> tuple[Any, ...]:
    """Return the subscripts of an element, checked against the shape of its array.

    Parameters
    ----------
    shape : tuple of int
        Of the operand.
    node : Element
        One subscript alone counts along a vector, whether it stands as a row or a column.

    Returns
    -------
    tuple of int and slice

    Raises
    ------
    ShapeFault
        If there is no such element.
    """
    index = [_subscript(part) for part in node.index]
    if len(index) > len(shape):
        message = f"{len(index)} subscripts for an array of shape {shape}"
        raise ShapeFault(message, node.span, (shape,))
    if len(index) == 1 and len(shape) == 2 and 1 in shape and isinstance(index[0], int):
        index = [index[0], 0] if shape[1] == 1 else [0, index[0]]
    for k, n in zip(index, shape, strict=False):
        if isinstance(k, int) and not -n <= k < n:
            message = f"there is no element {k}, counted from 0, along an axis of length {n}"
            raise ShapeFault(message, node.span, (shape,))
    return tuple(index)


def _subscript(node: Node) -> int | slice:
    if isinstance(node, tree.Slice):
        parts = [None if p is None else _whole(p) for p in (node.start, node.stop, node.step)]
        if parts[2] == 0:
            raise EvaluationFault("a step of 0", node.span)
        return slice(*parts)
    return _whole(node)


def _whole(node: Node) -> int:
    value = _rational(node)
    if value is None or value.denominator != 1:
        raise EvaluationFault("a subscript has to be a whole number", node.span)
    return value.numerator
