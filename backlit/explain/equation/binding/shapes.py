"""Shapes by unification: what the definitions say about dimensions that nobody wrote down.

A dimension is a number, or an unknown that others may turn out to be equal to. Every operation says
which of its dimensions are one; what is left unknown is free.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, MutableMapping
from typing import Any

from backlit.explain.equation.binding.biases import fit, oddity
from backlit.explain.equation.binding.dimensions import Dim as Dim
from backlit.explain.equation.binding.dimensions import Dimensions as Dimensions
from backlit.explain.equation.binding.dimensions import Roles as Roles
from backlit.explain.equation.binding.dimensions import Shape as Shape
from backlit.explain.equation.binding.dimensions import ShapeMismatch as ShapeMismatch
from backlit.explain.equation.binding.resolve import DIMENSION, IDENTITY, RUNNING
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Compare,
    Constant,
    Derivative,
    Element,
    Items,
    Name,
    Node,
    Number,
    Power,
    Series,
    Slice,
    Transpose,
    Unary,
)
from backlit.explain.equation.values.functions import ALIASES, Builtin, builtin
from backlit.explain.equation.values.statics import whole_numbers

_LONGEST = 2_000
_SUM_OF_NUMBER, _MATRIX_TIMES_NUMBER = 4.0, 4.0
_ODOT_OF_NUMBER, _ODOT_OF_NUMBERS, _WEIGHTS_OF_EXAMPLES, _AXIS_OF_VECTOR = 1.5, 0.5, 2.0, 2.0
_NORM_OF_NUMBER = 3.0


class ShapeOf:
    """Infers the shape of expressions, joining dimensions on the way.

    Parameters
    ----------
    dimensions : Dimensions
    shapes : mutable mapping of str to shape or None
        Of the variables; None where it is not known.
    named : mapping of str to int
        Numbers of the dimensions with a name.
    show : callable
        Writes a symbol for a message.
    fitted : collection of str
        Biases that are as large as what they stand beside needs.

    Attributes
    ----------
    odd : float
        Signs that a shape is not what was meant: a number transposed, a row and a column added.
    ranges : dict of Series to int
        How far each sum with an index goes.
    reached : list of (int, Node, dict of str to int)
        Dimensions that a sum of indices runs along, x_{i+k-1}: the subscript, its letters' ranges.
    counts : dict of str to int
        Variables that stand above a sum and so are the length of what it runs over.
    roles : Roles
        What variables are likely to be.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        shapes: MutableMapping[str, Shape | None],
        named: Mapping[str, int],
        show: Callable[[Shape], str] = str,
        roles: Roles | None = None,
        fitted: Collection[str] = (),
    ) -> None:
        self.dimensions = dimensions
        self.shapes = shapes
        self.named = named
        self.show = show
        self.roles = roles or Roles()
        self.fitted = fitted
        self.odd = 0.0
        self.lone: list[Dim] = []
        self.letters: dict[str, Dim] = {}
        self.ranges: dict[Node, Dim] = {}
        self.counts: dict[str, Dim] = {}
        self.reached: list[tuple[Dim, Node, dict[str, Dim]]] = []
        self.classes: dict[str, Dim] = {}
        self.products: dict[int, Shape] = {}
        self._sum_of_number = False

    def __call__(self, node: Node) -> Shape | None:
        """Return the shape of an expression, or None where it cannot be told beforehand.

        Parameters
        ----------
        node : Node
            A resolved tree.

        Returns
        -------
        tuple of int or None

        Raises
        ------
        ShapeMismatch
        """
        rule = _RULES.get(type(node))
        return None if rule is None else rule(self, node)

    def letter(self, name: str) -> Dim:
        """Return how far a running index of the equation goes."""
        return self.letters.setdefault(name, self.dimensions.fresh())

    def range_of(self, series: Series) -> int:
        """Return how far a sum goes that has been seen, 0 where that is not known."""
        dim = self.ranges.get(series)
        return 0 if dim is None else max(self.dimensions.find(dim), 0)

    # --- leaves -----------------------------------------------------------------------------

    def _scalar(self, node: Node) -> Shape | None:
        return ()

    def _name(self, node: Name) -> Shape | None:
        if node.base.startswith((RUNNING, DIMENSION)):
            return ()
        found = self.shapes.get(node.base)
        if found is None and node.base in self.fitted:
            found = self.shapes[node.base] = ()
        return None if found is None else self.dimensions.shape(found)

    def _derivative(self, node: Derivative) -> Shape | None:
        target = () if node.target is None else self(node.target)
        wrt = self(node.wrt)
        if target is None or wrt is None or node.second is not None:
            return None
        # Of an array the layout decides, unless one of the two is a number.
        self.odd += 0.5 * (not self._single(target))
        return wrt if self._single(target) else (target if self._single(wrt) else None)

    def _single(self, shape: Shape) -> bool:
        return all(self.dimensions.find(dim) == 1 for dim in shape)

    # --- operators --------------------------------------------------------------------------

    def _unary(self, node: Unary) -> Shape | None:
        return self(node.operand)

    def _power(self, node: Power) -> Shape | None:
        return self._together(node, (node.base, node.exponent))

    def _compare(self, node: Compare) -> Shape | None:
        names = [n.base for n in node.walk() if isinstance(n, Name)]
        for one in names if len(names) == 2 else ():
            # k = c: the index k runs over what c is one of.
            other = names[1 - names.index(one)]
            if one.startswith(RUNNING) and other.startswith(DIMENSION):
                self.dimensions.join(self.letter(one), self._range_of_class(other))
        return self._together(node, (node.left, node.right))

    def _binary(self, node: Binary) -> Shape | None:
        if node.op not in ("@", " ", "."):
            if node.op == "+":
                fit(self, node)
            shape = self._together(node, (node.left, node.right))
            if node.op == "+" and isinstance(node.right, Name):
                self.odd += oddity(self, node.left, node.right.base)
            return shape
        found = self._multiplied(node)
        if found is not None:
            self.products[id(node)] = found
        return found

    def _range_of_class(self, name: str) -> Dim:
        return self.classes.setdefault(name, self.dimensions.fresh())

    def _multiplied(self, node: Binary) -> Shape | None:
        left, right = self(node.left), self(node.right)
        if left is None or right is None:
            return None
        if not left or not right:
            # uᵀ beside a number: of uᵀ x_i, the x_i are rather vectors.
            self.odd += 5 * (node.op == "@") + 3 * (bool(left) and isinstance(node.left, Transpose))
            if len(left) == 2 and isinstance(node.right, Name):
                self.odd += _MATRIX_TIMES_NUMBER * (node.right.base in self.roles.inputs)
            return left or right
        outer = isinstance(node.right, Transpose) and not isinstance(node.left, Transpose)
        if node.op != "@" and len(left) == len(right) == 1 and outer:
            return left + right
        # Y log A weighs logarithms, element by element, where that fits.
        weighs = node.op != "@" and len(left) == len(right) == 2 and _is_log(node.right)
        if weighs and self._equal(left, right):
            return left
        product = self._product(left, right)
        if product is not None:
            return product
        if node.op != "@" and self._single(left):
            return right
        if node.op != "@" and self._single(right):
            return left
        if node.op == "." and self._equal(left, right):
            return left
        raise ShapeMismatch(
            f"{self.show(left)} times {self.show(right)} is no matrix product: "
            "the inner dimensions differ",
            node.span,
        )

    def _equal(self, left: Shape, right: Shape) -> bool:
        """Make two shapes one; False if they cannot be."""
        known = zip(self.dimensions.shape(left), self.dimensions.shape(right), strict=False)
        if len(left) != len(right) or any(a != b and a > 0 and b > 0 for a, b in known):
            return False
        return all(self.dimensions.join(a, b) for a, b in zip(left, right, strict=True))

    def _product(self, left: Shape, right: Shape) -> Shape | None:
        """Return the shape of a matrix product, or None where the inner dimensions differ."""
        inner = right[-2] if len(right) > 1 else right[0]
        if len(left) > 2 or len(right) > 2:
            return None
        if not self.dimensions.join(left[-1], inner):
            return None
        return left[:-1] + (right[-1:] if len(right) > 1 else ())

    def _transpose(self, node: Transpose) -> Shape | None:
        shape = self(node.operand)
        self.odd += 5 * (shape == ())
        return None if shape is None else shape[::-1]

    def _together(self, node: Node, parts: tuple[Node, ...]) -> Shape | None:
        result: Shape | None = ()
        shapes = [self(part) for part in parts]
        for part, shape in zip(parts, shapes, strict=True):
            if shape is None or result is None:
                result = None
                continue
            joined = self._broadcast(result, shape)
            if joined is None:
                raise ShapeMismatch(
                    f"{self.show(result)} and {self.show(shape)} do not fit element by element",
                    node.span,
                )
            # A variable is rather repeated to fit than something else to fit it.
            if isinstance(part, Name) and self.dimensions.shape(result) not in ((), joined):
                self.odd += 1
            result = joined
        if isinstance(node, Binary) and node.op in "-*":
            for one, other in (parts, parts[::-1]):
                self._beside_target(one, other)
            has_number = () in shapes
            if self.roles.has_odot and node.op == "*" and has_number:
                self.odd += _ODOT_OF_NUMBER if result else _ODOT_OF_NUMBERS
            self.odd += _WEIGHTS_OF_EXAMPLES * (self.roles.is_weighed(parts) and not has_number)
        return result

    def _beside_target(self, target: Node, other: Node) -> None:
        """Note the dimensions that are 1 if an output has the shape of its target."""
        if not isinstance(target, Name) or target.base not in self.roles.targets:
            return
        given, made = self(target), self(other)
        if given is not None and made is not None and len(given) == len(made):
            dims = zip(given, map(self.dimensions.find, made), strict=True)
            self.lone += [dim for one, dim in dims if one == 1 and dim < 0]

    def _broadcast(self, a: Shape, b: Shape) -> Shape | None:
        """Return the shape of two operands together, as NumPy repeats them, or None."""
        rank = max(len(a), len(b))
        long_a, long_b = ((1,) * (rank - len(s)) + s for s in (a, b))
        result = []
        for m, n in zip(long_a, long_b, strict=True):
            m, n = self.dimensions.find(m), self.dimensions.find(n)
            if 1 not in (m, n) and not self.dimensions.join(m, n):
                return None
            result.append(self.dimensions.find(n if m == 1 else m))
        joined = tuple(result)
        if joined not in (self.dimensions.shape(a), self.dimensions.shape(b)):
            self.odd += 2
        return joined

    # --- arrays -----------------------------------------------------------------------------

    def _items(self, node: Items) -> Shape | None:
        first = self(node.items[0]) if node.items else None
        return None if first is None else (len(node.items), *first)

    def _element(self, node: Element) -> Shape | None:
        shape = self(node.operand)
        if shape is None:
            return None
        row = len(node.index) == 1 and len(shape) == 2 and self.dimensions.find(shape[0]) == 1
        column = len(node.index) == 1 and len(shape) == 2 and self.dimensions.find(shape[1]) == 1
        if row or column:
            # One subscript counts along a vector, whether it stands as a row or a column.
            shape = shape[1:] if row else shape[:1]
        if len(node.index) > len(shape):
            raise ShapeMismatch(
                f"{len(node.index)} subscripts for an array of shape {self.show(shape)}", node.span
            )
        kept: list[Dim] = []
        for place, dim in zip(node.index, shape, strict=False):
            if isinstance(place, Slice):
                whole = place.start is None and place.stop is None and place.step is None
                kept.append(dim if whole else self.dimensions.fresh())
            elif isinstance(place, Name) and place.base.startswith(RUNNING):
                if not self.dimensions.join(self.letter(place.base), dim):
                    raise ShapeMismatch(
                        f"the index {place.base[1:]} runs over two different dimensions", node.span
                    )
            elif isinstance(place, Binary):
                running = {n.base for n in place.walk() if isinstance(n, Name)}
                picked = [name for name in running if name.startswith(DIMENSION)]
                if picked:
                    self.dimensions.join(self._range_of_class(picked[0]), dim)
                    continue
                self.reached.append((dim, place, {name: self.letter(name) for name in running}))
        return tuple(kept) + shape[len(node.index) :]

    def _series(self, node: Series) -> Shape | None:
        if not node.index:
            body = self(node.body)
            if node.high is None and not isinstance(node.body, Series):
                self._summed(body)  # With a range, a number is added up so often.
            return ()
        outer = self.letters.pop(node.index, None)
        if node.high is not None:
            high = self._number(node.high)
            if high is not None and high > _LONGEST:
                what = f"a sum of more than {_LONGEST:,} terms: exceeds a cap"
                raise ShapeMismatch(what, node.span, "other")
            if high is not None:
                self.dimensions.join(self.letter(node.index), high)
        body = self(node.body)
        self.ranges[node] = self.letter(node.index)
        del self.letters[node.index]
        if outer is not None:
            self.letters[node.index] = outer
        return body

    def _summed(self, shape: Shape | None, is_call: bool = False) -> None:
        """Note once that a sum over all elements is of a number.

        The sign Σ may be left from a formula with indices; np.sum in a program is not.
        """
        is_odd = self.roles.matrices or (is_call and self.roles.is_program)
        if shape == () and is_odd and not self._sum_of_number:
            self._sum_of_number, self.odd = True, self.odd + _SUM_OF_NUMBER

    def _number(self, node: Node) -> int | None:
        if isinstance(node, Number) and node.value.denominator == 1 and node.value > 0:
            return int(node.value)
        if isinstance(node, Name) and node.base.startswith(DIMENSION):
            return self.named.get(node.base[1:])
        if isinstance(node, Name) and self.shapes.get(node.base) == ():
            return self.counts.setdefault(node.base, self.dimensions.fresh())
        return None

    # --- functions --------------------------------------------------------------------------

    def _call(self, node: Call) -> Shape | None:
        name = ALIASES.get(node.function.name, node.function.name)
        found = builtin(name)
        if found is None or found.family == "elementwise":
            return self._together(node, node.args)
        if node == IDENTITY:
            return (self.letter(DIMENSION),) * 2
        if found.listed or not node.args:
            return None
        if found.family == "creation":
            return self._created(name, node.args[0])
        first = self(node.args[0])
        if first is None:
            return None
        if found.family == "size":
            if not first and name != "size":
                raise ShapeMismatch(f"the {name} of a single number", node.span)
            return (len(first),) if name == "shape" else ()
        if found.family == "along":
            if not first and name in ("softmax", "log_softmax"):
                raise ShapeMismatch(f"{name} of a single number", node.span)
            return first
        if found.family == "reduction":
            if name in ("max", "min") and len(node.args) == 2:
                return self._together(node, node.args)
            return self._reduced(node, found, first)
        return self._matrix(node, name, first)

    def _created(self, name: str, size: Node) -> Shape | None:
        """Return the shape of ``zeros((n, m))``, ``ones(n)``, ``eye(n)``."""
        sizes = size.items if isinstance(size, Items) else (size,)
        dims = [dim for dim in map(self._number, sizes) if dim is not None]
        if len(dims) < len(sizes):
            return None
        return (dims[0], dims[0]) if name == "eye" else tuple(dims)

    def _reduced(self, node: Call, found: Builtin, shape: Shape) -> Shape | None:
        given: dict[str, Node] = dict(node.keywords)
        given.update(zip(found.options, node.args[1:], strict=False))
        axes = whole_numbers(given.get("axis"))
        self._summed(shape, is_call=node.function.name in ("sum", "mean"))
        self.odd += _NORM_OF_NUMBER * (node.function.name == "norm" and shape == ())
        kept = given.get("keepdims")
        keep = kept == Constant("True") or whole_numbers(kept) == (1,)
        if axes is None:
            return tuple(1 for _ in shape) if keep else ()
        rank = len(shape)
        self.odd += _AXIS_OF_VECTOR * (rank == 1)
        if any(not -rank <= axis < rank for axis in axes):
            raise ShapeMismatch(
                f"there is no axis {axes[0]} in an array of shape {self.show(shape)}", node.span
            )
        gone = {axis % rank for axis in axes}
        if keep:
            return tuple(1 if k in gone else dim for k, dim in enumerate(shape))
        return tuple(dim for k, dim in enumerate(shape) if k not in gone)

    def _matrix(self, node: Call, name: str, first: Shape) -> Shape | None:
        # diag(h (1 - h)) is read element by element, once it is judged.
        lone = name == "diag" and first == () and not isinstance(node.args[0], Binary)
        self.odd += 5 * lone
        if name in ("trace", "det"):
            self._square(node, first)
            return ()
        if name == "inv":
            self._square(node, first)
            return first
        if name == "transpose" and not node.keywords and len(node.args) == 1:
            return first[::-1]
        if len(node.args) != 2:
            return None
        second = self(node.args[1])
        if second is None:
            return None
        if name == "inner":
            return ()
        if name == "outer" and len(first) == len(second) == 1:
            return first + second
        if name in ("dot", "matmul") and first and second:
            product = self._product(first, second)
            if product is None:
                raise ShapeMismatch(
                    f"{self.show(first)} times {self.show(second)} is no matrix product",
                    node.span,
                )
            return product
        self.odd += 5
        return first or second if name == "dot" else None

    def _square(self, node: Call, shape: Shape) -> None:
        if len(shape) != 2 or not self.dimensions.join(*shape):
            raise ShapeMismatch(
                f"{node.function.name} of shape {self.show(shape)}, which is not square",
                node.span,
            )


def _is_log(node: Node) -> bool:
    return isinstance(node, Call) and node.function.name in ("log", "log_softmax")


_RULES: dict[type, Callable[[Any, Any], Shape | None]] = {
    Number: ShapeOf._scalar,
    Constant: ShapeOf._scalar,
    Name: ShapeOf._name,
    Unary: ShapeOf._unary,
    Binary: ShapeOf._binary,
    Power: ShapeOf._power,
    Transpose: ShapeOf._transpose,
    Call: ShapeOf._call,
    Items: ShapeOf._items,
    Element: ShapeOf._element,
    Series: ShapeOf._series,
    Compare: ShapeOf._compare,
    Derivative: ShapeOf._derivative,
}
