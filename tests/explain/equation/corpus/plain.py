"""The value of an equation as written, in plain NumPy at one point of a network by hand.

Shares only the reader with the checker: names are looked up as they are spelled, derivatives are
differences, products are those of NumPy with transposed vectors kept apart as rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from backlit.explain.equation import tree
from backlit.explain.equation.tree import Node
from tests.explain.equation.corpus.forward import (
    Point,
    Run,
    differences,
    relu,
    sigmoid,
    softmax,
)

Array = Any
LAYOUTS = ("elementwise", "numerator", "denominator")


class Misfit(Exception):
    """Shapes do not fit."""


class Unknown(Exception):
    """A name, a layer or an element that this network does not have."""


class Row(np.ndarray):
    """A transposed vector."""


def sides(
    equation: tree.Equation,
    point: Point,
    letters: Mapping[str, int],
    layout: str,
    per_example: bool | None = None,
) -> tuple[Array, Array]:
    """Return the values of both sides."""
    value = Plain(point, letters, layout, per_example)
    return value(equation.left), value(equation.right)


def holds(equation: tree.Equation, point: Point, per_example: bool | None = None) -> bool:
    """Tell whether an equation is right at a point, whatever its running letters are.

    Bare derivatives are in the convention of the notes unless another one is given.
    """
    return any(_holds_in(equation, point, layout, per_example) for layout in LAYOUTS)


def _holds_in(equation: tree.Equation, point: Point, layout: str, per_example: bool | None) -> bool:
    met = 0
    for letters in choices(equation, point):
        try:
            left, right = sides(equation, point, letters, layout, per_example)
        except Unknown:
            continue
        except Misfit:
            return False
        met += 1
        if not same(left, right):
            return False
    if not met:
        raise Unknown(f"nothing of {equation} is known")
    return True


def same(left: Array, right: Array, tolerance: float = 1e-6) -> bool:
    """Tell whether two values agree; a number may stand for an array that repeats it."""
    left, right = np.squeeze(np.asarray(left)), np.squeeze(np.asarray(right))
    if left.shape != right.shape:
        if left.shape and right.shape:
            return False
        left, right = np.broadcast_arrays(left, right)
    with np.errstate(invalid="ignore"):
        return bool(np.all(np.abs(left - right) <= tolerance * (1 + np.abs(left))))


def choices(equation: tree.Equation, point: Point) -> Iterator[dict[str, int]]:
    """Yield values of the running letters of an equation."""
    ranges = point.network.ranges
    used = {n.base for n in equation.walk() if isinstance(n, tree.Name)}
    free = sorted(used & set(ranges))
    for values in itertools.product(*[range(1, ranges[letter] + 1) for letter in free]):
        yield dict(zip(free, values, strict=True))


class Plain:
    """The values of expressions at a point."""

    def __init__(
        self,
        point: Point,
        letters: Mapping[str, int],
        layout: str = "elementwise",
        per_example: bool | None = None,
        run: Run | None = None,
    ) -> None:
        self.point = point
        self.letters = dict(letters)
        self.layout = layout
        own = point.network.per_example
        self.per_example = own if per_example is None else per_example
        self.run = point.run if run is None else run

    def __call__(self, node: Node) -> Array:
        try:
            with np.errstate(all="ignore"):
                return getattr(self, type(node).__name__.lower())(node)
        except (ValueError, np.linalg.LinAlgError, np.exceptions.AxisError) as error:
            raise Misfit(str(error)) from None

    # --- names ------------------------------------------------------------------------------

    def number(self, node: tree.Number) -> Array:
        return np.float64(float(node.value))

    def constant(self, node: tree.Constant) -> Array:
        values = {"e": np.e, "pi": np.pi, "True": 1.0, "False": 0.0}
        return np.float64(values[node.name])

    def name(self, node: tree.Name) -> Array:
        if node.base in self.letters and node.layer is None and not node.index:
            return np.float64(self.letters[node.base])
        if node.base == "delta" and len(node.index) == 2 and "delta" not in self.run:
            first, second = map(self.label, node.index)
            return np.float64(first == second)
        key, place = self.resolve(node)
        return self.at(self.run[key], place)

    def resolve(self, node: tree.Node) -> tuple[str, tuple[int, ...]]:
        """Return the name of an array of the network and a place in it, counted from 0."""
        if isinstance(node, tree.Element):
            key, place = self.resolve(node.operand)
            return key, (*place, *[int(self(index)) for index in node.index])
        assert isinstance(node, tree.Name), node
        layer = "" if node.layer is None else self.label(node.layer)
        labels = [self.label(index) for index in node.index]
        for known in range(len(labels), -1, -1):
            key = node.base + layer + "".join(labels[:known])
            if key in self.run and all(label.isdigit() for label in labels[known:]):
                return key, tuple([int(label) - 1 for label in labels[known:]])
        raise Unknown(f"{node.base} with {layer or 'no'} layer and the subscripts {labels}")

    def label(self, node: Node) -> str:
        """Return how a layer or a subscript is written once its letters are numbers."""
        known = {**self.point.numbers, **self.letters}
        if isinstance(node, tree.Name) and node.base not in known:
            return node.base
        return str(round(float(self(node))))

    def at(self, value: Array, place: tuple[int, ...]) -> Array:
        if len(place) > value.ndim or any(
            not 0 <= k < n for k, n in zip(place, value.shape, strict=False)
        ):
            raise Unknown(f"there is no place {place} in an array of shape {value.shape}")
        return value[place]

    def derivative(self, node: tree.Derivative) -> Array:
        key, place = self.resolve(node.wrt)
        target = self.point.loss if node.target is None else node.target
        if node.second is not None:
            return self.second_derivative(target, key, place, node.second)
        if isinstance(target, (str, tree.Name)):
            name, inside = (target, ()) if isinstance(target, str) else self.resolve(target)
            slope = self.point.derivative(name, key)[inside]
            rank = self.run[name].ndim - len(inside)
        else:
            slope = self.slope(target, key)
            rank = np.ndim(self(target))
        slope = slope[(slice(None),) * rank + place]
        network = self.point.network
        if node.target is None and self.per_example and key in network.examples:
            slope = slope * self.point.numbers[network.count]
        return self.laid_out(slope, rank)

    def slope(self, target: Node, key: str) -> Array:
        """Return how an expression changes with a variable."""

        def moved(by: Array) -> list[Array]:
            run = self.point.moved({key: by})
            return [Plain(self.point, self.letters, self.layout, run=run)(target)]

        return differences(moved, self.run[key].shape)[0]

    def second_derivative(self, target: str | Node, key: str, place: Any, second: Node) -> Array:
        other, inside = self.resolve(second)

        def gradient(run_of: Mapping[str, Array]) -> Array:
            def moved(by: Array) -> list[Array]:
                total = {**run_of, key: run_of.get(key, 0.0) + by}
                run = self.point.moved(total)
                if isinstance(target, str):
                    return [run[target]]
                return [Plain(self.point, self.letters, self.layout, run=run)(target)]

            return differences(moved, self.run[key].shape)[0][place]

        shape = self.run[other].shape
        hessian = differences(lambda by: [gradient({other: by})], shape, 2e-3)[0]
        return hessian[(slice(None),) * (hessian.ndim - len(shape)) + inside]

    def laid_out(self, slope: Array, rank: int) -> Array:
        """Return a Jacobian in the layout of the claim."""
        above, below = slope.shape[:rank], slope.shape[rank:]
        if not above or not below:
            return slope
        if self.layout == "elementwise":
            square = slope.reshape((int(np.prod(above)), -1))
            if above != below or not same(square, np.diag(np.diag(square))):
                raise Misfit("the Jacobian is not diagonal")
            return np.diag(square).reshape(above)
        if slope.ndim != 2:
            raise Misfit("no Jacobian of matrices")
        return slope if self.layout == "numerator" else slope.T

    # --- operators --------------------------------------------------------------------------

    def unary(self, node: tree.Unary) -> Array:
        return -self(node.operand)

    def binary(self, node: tree.Binary) -> Array:
        left, right = self(node.left), self(node.right)
        operations: dict[str, Callable[[Array, Array], Array]] = {
            "+": np.add,
            "-": np.subtract,
            "*": np.multiply,
            "/": np.divide,
        }
        if node.op in operations:
            return operations[node.op](left, right)
        return product(left, right, elementwise=node.op == ".")

    def power(self, node: tree.Power) -> Array:
        base, exponent = self(node.base), self(node.exponent)
        if np.ndim(base) == 2 and base.shape[0] == base.shape[1] and np.all(exponent == -1):
            return np.linalg.inv(base)
        return np.power(base, exponent)

    def transpose(self, node: tree.Transpose) -> Array:
        value = self(node.operand)
        if isinstance(value, Row):
            return np.asarray(value)[0]
        return value[None].view(Row) if np.ndim(value) == 1 else np.transpose(value)

    def compare(self, node: tree.Compare) -> Array:
        left, right = self(node.left), self(node.right)
        compared = {
            "<": np.less,
            "<=": np.less_equal,
            ">": np.greater,
            ">=": np.greater_equal,
        }
        return compared[node.op](left, right).astype(float)

    def element(self, node: tree.Element) -> Array:
        return self.at(self(node.operand), tuple([int(self(index)) for index in node.index]))

    def items(self, node: tree.Items) -> Array:
        return np.array([self(item) for item in node.items])

    def series(self, node: tree.Series) -> Array:
        if not node.index:
            return np.sum(self(node.body)) if node.op == "sum" else np.prod(self(node.body))
        low = 1 if node.low is None else int(self(node.low))
        high = self.point.network.ranges[node.index] if node.high is None else int(self(node.high))
        outside = dict(self.letters)
        terms = []
        for value in range(low, high + 1):
            self.letters[node.index] = value
            terms.append(self(node.body))
        self.letters = outside
        total = terms[0]
        for term in terms[1:]:
            total = total + term if node.op == "sum" else total * term
        return total

    # --- functions --------------------------------------------------------------------------

    def call(self, node: tree.Call) -> Array:
        args = [self(arg) for arg in node.args]
        options = {key: self(value) for key, value in node.keywords}
        options = {key: int(v) if key == "axis" else bool(v) for key, v in options.items()}
        f = self.function(node.function)
        order = node.function.order
        if order:
            return _differentiated(f, args[0], order)
        return f(*args, **options)

    def function(self, function: tree.Function) -> Callable[..., Array]:
        layer = "" if function.layer is None else self.label(function.layer)
        own = self.point.network.functions.get(function.name + layer)
        if own is not None:
            return lambda *x: own(self.run, *x)
        if function.name not in FUNCTIONS:
            raise Unknown(f"the function {function.name}")
        return FUNCTIONS[function.name]


def _differentiated(f: Callable[..., Array], x: Array, order: int) -> Array:
    def moved(by: Array) -> list[Array]:
        return [_differentiated(f, x + by, order - 1) if order > 1 else f(x + by)]

    return differences(moved, (), 5e-4 if order == 1 else 2e-3)[0]


def product(left: Array, right: Array, elementwise: bool = False) -> Array:
    """Return the product of two things written side by side."""
    if not np.ndim(left) or not np.ndim(right):
        return np.multiply(left, right)
    if isinstance(right, Row) and np.ndim(left) == 1:
        return np.outer(left, right)
    if isinstance(left, Row):
        whole = np.asarray(left)[0] @ (np.asarray(right).T if isinstance(right, Row) else right)
        return whole[None].view(Row) if np.ndim(whole) == 1 and np.ndim(right) == 2 else whole
    try:
        return np.matmul(left, right)
    except ValueError:
        if np.size(left) == 1 or np.size(right) == 1:
            return np.multiply(left, right)
        if elementwise and np.shape(left) == np.shape(right):
            return np.multiply(left, right)
        raise


def _trailing(f: Callable[..., Array]) -> Callable[..., Array]:
    """Return a reduction of NumPy."""
    return lambda x, axis=None, keepdims=False: f(np.asarray(x), axis=axis, keepdims=keepdims)


def _shape(n: Array) -> tuple[int, ...]:
    return tuple([int(k) for k in np.atleast_1d(n)])


FUNCTIONS: dict[str, Callable[..., Array]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sign": np.sign,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "cosh": np.cosh,
    "sinh": np.sinh,
    "arctan": np.arctan,
    "sigmoid": sigmoid,
    "relu": relu,
    "softmax": softmax,
    "square": np.square,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "where": lambda c, a, b: np.where(np.asarray(c) != 0, a, b),
    "sum": _trailing(np.sum),
    "mean": _trailing(np.mean),
    "dot": product,
    "outer": lambda a, b: np.outer(a, b),
    "norm": lambda x: np.sqrt(np.sum(np.square(x))),
    "trace": np.trace,
    "det": np.linalg.det,
    "inv": np.linalg.inv,
    "diag": lambda x: np.diag(np.asarray(x).reshape(-1) if isinstance(x, Row) else x),
    "ones": lambda n: np.ones(_shape(n)),
    "zeros": lambda n: np.zeros(_shape(n)),
    "eye": lambda n: np.eye(int(n)),
    "transpose": np.transpose,
    "shape": lambda x: np.array(np.shape(x)),
}
