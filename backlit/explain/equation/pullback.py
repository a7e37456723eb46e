"""The chain rule on written expressions: what a gradient sends back through one of them.

The rules are those of matrix calculus, as in Magnus and Neudecker, *Matrix Differential Calculus*
(1999), with the gradient of a scalar in the shape of its variable. What they give is a guess in the
letters of the notes, with which the search for a repair begins: whoever uses it checks its value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from backlit.explain.equation.functions import ALIASES, builtin
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Compare,
    Constant,
    Function,
    Name,
    Node,
    Number,
    Power,
    Series,
    Transpose,
    Unary,
)

ShapeOf = Callable[[Node], tuple[int, ...] | None]
_ONE, _TWO = Number(Fraction(1)), Number(Fraction(2))
_MOST_TERMS = 12
_PRODUCTS = (" ", ".", "*", "@")


class Pullback:
    """Gradients sent back through expressions.

    Parameters
    ----------
    shape : callable
        The shape of an expression, None if it has none.
    matmul : {"@", " "}
        How a matrix product is written.
    """

    def __init__(self, shape: ShapeOf, matmul: str) -> None:
        self._shape = shape
        self._matmul = matmul

    def __call__(self, node: Node, wrt: Name, seed: Node | None) -> Iterator[Node]:
        """Yield the terms that a gradient of an expression adds to that of a variable.

        Parameters
        ----------
        node : Node
        wrt : Name
        seed : Node or None
            The gradient with respect to the expression, None for 1.

        Yields
        ------
        Node
            One for each place where the variable stands, as far as there is a rule.
        """
        if node == wrt:
            yield _ONE if seed is None else seed
        elif isinstance(node, Unary):
            yield from self(node.operand, wrt, _negative(seed))
        elif not any(_is_same(part, wrt) for part in node.walk()):
            return
        elif isinstance(node, Binary):
            yield from self._binary(node, wrt, seed)
        elif isinstance(node, Power):
            yield from self._power(node, wrt, seed)
        elif isinstance(node, Transpose):
            yield from self(node.operand, wrt, None if seed is None else _transposed(seed))
        elif isinstance(node, Call):
            yield from self._call(node, wrt, seed)
        elif isinstance(node, Series):
            yield from self._series(node, wrt, seed)

    def _binary(self, node: Binary, wrt: Name, seed: Node | None) -> Iterator[Node]:
        left, right = node.left, node.right
        if node.op in "+-":
            yield from self(left, wrt, seed)
            yield from self(right, wrt, seed if node.op == "+" else _negative(seed))
        elif node.op == "/":
            yield from self(left, wrt, Binary("/", _ONE if seed is None else seed, right))
            square = Binary("/", left, Power(right, _TWO))
            yield from self(right, wrt, _negative(self._times(seed, square)))
        elif self._is_matrix_product(node):
            yield from self._matrix_product(node, wrt, seed)
        else:
            yield from self(left, wrt, self._reduced(self._times(seed, right), left))
            yield from self(right, wrt, self._reduced(self._times(seed, left), right))

    def _matrix_product(self, node: Binary, wrt: Name, seed: Node | None) -> Iterator[Node]:
        left, right = node.left, node.right
        ranks = self._rank(left), self._rank(right)
        if ranks == (1, 1):
            # uᵀ v is a number, u vᵀ a matrix.
            if self._rank(node) == 0:
                yield from self(left, wrt, self._times(seed, _plain(right)))
                yield from self(right, wrt, self._times(seed, _plain(left)))
            elif seed is not None:
                yield from self(left, wrt, self._product(seed, _plain(right)))
                yield from self(right, wrt, self._product(_transposed(seed), _plain(left)))
            return
        if seed is None:
            if self._rank(node) != 2:
                return
            yield from self(left, wrt, _transposed(right))
            yield from self(right, wrt, _transposed(left))
            return
        if ranks == (2, 1):
            yield from self(left, wrt, self._outer(seed, right))
            yield from self(right, wrt, self._product(_transposed(left), seed))
        elif ranks == (1, 2):
            yield from self(left, wrt, self._product(right, seed))
            yield from self(right, wrt, self._outer(left, seed))
        else:
            yield from self(left, wrt, self._product(seed, _transposed(right)))
            yield from self(right, wrt, self._product(_transposed(left), seed))

    def _power(self, node: Power, wrt: Name, seed: Node | None) -> Iterator[Node]:
        base, exponent = node.base, node.exponent
        is_square = isinstance(exponent, Number) and exponent.value == 2
        if is_square and isinstance(base, Call) and base.function.name == "norm":
            yield from self(base.args[0], wrt, self._times(seed, Binary(" ", _TWO, base.args[0])))
        elif base == Constant("e"):
            yield from self(exponent, wrt, self._times(seed, node))
        elif isinstance(exponent, Number):
            less = exponent.value - 1
            slope = base if less == 1 else Power(base, Number(less))
            slope = slope if exponent.value == 1 else Binary(" ", exponent, slope)
            yield from self(base, wrt, self._times(seed, slope))

    def _call(self, node: Call, wrt: Name, seed: Node | None) -> Iterator[Node]:
        name = ALIASES.get(node.function.name, node.function.name)
        known = builtin(name)
        arg = node.args[0] if node.args else node
        if name == "sum" and len(node.args) == 1:
            yield from self(arg, wrt, seed)
        elif name == "mean" and len(node.args) == 1 and not node.keywords:
            size = Number(Fraction(self._size(arg)))
            yield from self(arg, wrt, Binary("/", _ONE if seed is None else seed, size))
        elif name == "norm" and len(node.args) == 1:
            yield from self(arg, wrt, self._times(seed, Binary("/", arg, node)))
        elif name == "trace":
            yield from self._trace(arg, wrt, seed)
        elif name in ("dot", "matmul", "inner") and len(node.args) == 2:
            yield from self._matrix_product(Binary("@", *node.args), wrt, seed)
        elif name in ("maximum", "minimum") and len(node.args) == 2:
            for one, other in (node.args, node.args[::-1]):
                condition = Compare(">" if name == "maximum" else "<", one, other)
                yield from self(one, wrt, self._times(seed, condition))
        elif name == "where" and len(node.args) == 3:
            holds, one, other = node.args
            yield from self(one, wrt, self._times(seed, holds))
            yield from self(other, wrt, self._times(seed, Binary("-", _ONE, holds)))
        elif name == "softmax":
            yield from self._softmax(node, wrt, seed)
        elif len(node.args) == 1 and (known is None or known.family == "elementwise"):
            yield from self(arg, wrt, self._times(seed, slope_of(node)))

    def _trace(self, arg: Node, wrt: Name, seed: Node | None) -> Iterator[Node]:
        if isinstance(arg, Binary) and arg.op in _PRODUCTS:
            for one, other in ((arg.left, arg.right), (arg.right, arg.left)):
                yield from self(one, wrt, self._times(seed, _transposed(other)))

    def _softmax(self, node: Call, wrt: Name, seed: Node | None) -> Iterator[Node]:
        if seed is None:
            square = Binary(self._matmul, node, Transpose(node))
            yield Binary("-", Call(Function("diag"), (node,)), square)
            return
        weighted = Call(Function("sum"), (Binary("*", seed, node),))
        yield from self(node.args[0], wrt, Binary("*", node, Binary("-", seed, weighted)))

    def _series(self, node: Series, wrt: Name, seed: Node | None) -> Iterator[Node]:
        if node.op != "sum":
            return
        if not node.index:
            yield from self(node.body, wrt, seed)
            return
        # Of Σᵢ, a variable xⱼ meets one term, that of i = j; what has no index i meets them all.
        met = _met(node.body, wrt, node.index)
        body = node.body if met is None else renamed(node.body, node.index, met)
        for term in self(body, wrt, None):
            every = Series("sum", term, node.index, node.low, node.high)
            yield self._times(seed, every if met is None else term)

    def is_scaling(self, node: Binary) -> bool:
        """Tell whether one side of a product is a number."""
        return self._rank(node.left) == 0 or self._rank(node.right) == 0

    # --- products -----------------------------------------------------------------------------

    def _times(self, seed: Node | None, factor: Node) -> Node:
        if seed is None or seed == _ONE:
            return factor
        if factor == _ONE:
            return seed
        made = Binary("*", seed, factor)
        return Binary(" ", seed, factor) if self.is_scaling(made) else made

    def _product(self, left: Node, right: Node) -> Node:
        return Binary(self._matmul, left, right)

    def _outer(self, left: Node, right: Node) -> Node:
        if self._matmul == "@":
            return Call(Function("outer"), (left, right))
        return Binary(" ", left, Transpose(right))

    def _reduced(self, term: Node, operand: Node) -> Node:
        """Return a term summed over what its operand was broadcast over."""
        if self._rank(operand) == 0 and self._rank(term):
            return Call(Function("sum"), (term,))
        return term

    def _is_matrix_product(self, node: Binary) -> bool:
        if node.op == "@":
            return True
        return node.op in (" ", ".") and bool(self._rank(node.left) and self._rank(node.right))

    def _rank(self, node: Node) -> int | None:
        shape = self._shape(node)
        return None if shape is None else len(shape)

    def _size(self, node: Node) -> int:
        size = 1
        for length in self._shape(node) or ():
            size *= length
        return size


def slope_of(call: Call) -> Node:
    """Return the derivative of an elementwise function where it is applied.

    Parameters
    ----------
    call : Call
        Of one argument.

    Returns
    -------
    Node
        In the functions that people write it in, else as f′.
    """
    name, z = ALIASES.get(call.function.name, call.function.name), call.args[0]
    if call.function.order == 0 and call.function.layer is None:
        match name:
            case "exp":
                return call
            case "log":
                return Binary("/", _ONE, z)
            case "sqrt":
                return Binary("/", _ONE, Binary(" ", _TWO, call))
            case "square":
                return Binary(" ", _TWO, z)
            case "sin":
                return Call(Function("cos"), (z,))
            case "cos":
                return Unary("-", Call(Function("sin"), (z,)))
            case "sigmoid":
                return Binary("*", call, Binary("-", _ONE, call))
            case "tanh":
                return Binary("-", _ONE, Power(call, _TWO))
            case "relu":
                return Compare(">", z, Number(Fraction(0)))
            case "softplus":
                return Call(Function("sigmoid"), (z,))
            case "abs":
                return Call(Function("sign"), (z,))
    function = Function(call.function.name, call.function.layer, call.function.order + 1)
    return Call(function, call.args)


def renamed(node: Node, letter: str, other: Node) -> Node:
    """Return an expression with one running letter for another."""
    return node.map(lambda part: other if part == Name(letter) else part)


def _met(body: Node, wrt: Name, index: str) -> Node | None:
    """Return the value of a running index at which a variable is met, None if at every one."""
    for node in body.walk():
        if isinstance(node, Name) and _is_same(node, wrt):
            for own, wanted in zip(node.index, wrt.index, strict=False):
                if own == Name(index):
                    return wanted
    return None


def _is_same(node: Node, wrt: Name) -> bool:
    """Whether a node is a variable or another place in it."""
    return isinstance(node, Name) and node.base == wrt.base and node.layer == wrt.layer


def _negative(node: Node | None) -> Node:
    if isinstance(node, Unary):
        return node.operand
    return Unary("-", _ONE if node is None else node)


def _transposed(node: Node) -> Node:
    return node.operand if isinstance(node, Transpose) else Transpose(node)


def _plain(node: Node) -> Node:
    return node.operand if isinstance(node, Transpose) else node


def simplified(node: Node) -> Node:
    """Return an expression with its numbers multiplied out and factors of one left out.

    Parameters
    ----------
    node : Node

    Returns
    -------
    Node

    Examples
    --------
    >>> half = Binary("/", Name("k"), Number(Fraction(2)))
    >>> simplified(Binary(" ", half, Binary(" ", _TWO, Name("w")))) == Binary(
    ...     " ", Name("k"), Name("w")
    ... )
    True
    """
    number, rest = _split(node)
    if rest is None:
        return Number(number)
    if number < 0:
        return Unary("-", _scaled(-number, rest))
    return _scaled(number, rest)


def _scaled(number: Fraction, node: Node) -> Node:
    """Return a positive number times an expression, fractions written as such."""
    above, below = Number(Fraction(number.numerator)), Number(Fraction(number.denominator))
    if number == 1:
        return node
    if isinstance(node, Binary) and node.op == "/":
        scaled = _scaled(Fraction(number.numerator), node.left)
        if node.left == _ONE:
            scaled = above
        return Binary("/", scaled, node.right if below == _ONE else Binary(" ", below, node.right))
    return Binary(" ", above if below == _ONE else Binary("/", above, below), node)


def added(terms: Sequence[Node]) -> Node:
    """Return the sum of some terms, those with a minus taken away."""
    terms = [t for t in terms if t != Number(Fraction(0))] or terms
    total = terms[0]
    for term in terms[1:]:
        if isinstance(term, Unary):
            total = Binary("-", total, term.operand)
        elif isinstance(term, Number) and term.value < 0:
            total = Binary("-", total, Number(-term.value))
        else:
            total = Binary("+", total, term)
    return total


def distributed(node: Node) -> list[Node]:
    """Return the terms of a product of sums multiplied out, each simplified.

    Parameters
    ----------
    node : Node

    Returns
    -------
    list of Node

    Examples
    --------
    >>> total = Binary("-", Name("a"), Name("b"))
    >>> distributed(Binary(" ", Name("x"), total)) == [
    ...     Binary(" ", Name("x"), Name("a")),
    ...     Unary("-", Binary(" ", Name("x"), Name("b"))),
    ... ]
    True
    """
    return [simplified(term) for term in _distributed(node)][:_MOST_TERMS]


def _distributed(node: Node) -> list[Node]:
    if isinstance(node, Binary) and node.op in "+-":
        right = _distributed(node.right)
        return _distributed(node.left) + (right if node.op == "+" else list(map(_negative, right)))
    if isinstance(node, Binary) and node.op in _PRODUCTS:
        left, right = _distributed(node.left), _distributed(node.right)
        if len(left) * len(right) > _MOST_TERMS:
            return [node]
        return [Binary(node.op, one, other) for one in left for other in right]
    if isinstance(node, Binary) and node.op == "/":
        return [Binary("/", term, node.right) for term in _distributed(node.left)]
    if isinstance(node, Unary):
        return list(map(_negative, _distributed(node.operand)))
    return [node]


def factors(node: Node) -> list[Node]:
    """Return what a product is of, from left to right.

    Parameters
    ----------
    node : Node

    Returns
    -------
    list of Node
    """
    if isinstance(node, Binary) and node.op in _PRODUCTS:
        return factors(node.left) + factors(node.right)
    return [node]


def product(parts: Sequence[Node]) -> Node:
    """Return the product of some factors, written side by side."""
    result = parts[0]
    for part in parts[1:]:
        result = Binary(" ", result, part)
    return result


def _split(node: Node) -> tuple[Fraction, Node | None]:
    """Return a number and what it is multiplied by, None for 1."""
    if isinstance(node, Number):
        return node.value, None
    if isinstance(node, Unary):
        number, rest = _split(node.operand)
        return -number, rest
    if isinstance(node, Binary) and node.op in _PRODUCTS:
        (one, left), (other, right) = _split(node.left), _split(node.right)
        if left is None or right is None:
            return one * other, left if right is None else right
        if isinstance(right, Binary) and right.op == "/" and right.left == _ONE:
            return one * other, Binary("/", left, right.right)
        return one * other, Binary(node.op, left, right)
    if isinstance(node, Binary) and node.op == "/":
        (one, above), (other, below) = _split(node.left), _split(node.right)
        if below is None and other:
            return one / other, above
        if other and below is not None:
            return one / other, Binary("/", _ONE if above is None else above, below)
        return Fraction(1), node
    if isinstance(node, Binary) and node.op in "+-":
        return Fraction(1), Binary(node.op, simplified(node.left), simplified(node.right))
    if isinstance(node, Transpose):
        number, rest = _split(node.operand)
        return number, None if rest is None else Transpose(rest)
    if isinstance(node, Series) and node.op == "sum":
        number, rest = _split(node.body)
        body = _ONE if rest is None else rest
        return number, Series("sum", body, node.index, node.low, node.high)
    return Fraction(1), node
