"""The chain rule on written expressions: what a gradient sends back through one of them.

The rules are those of matrix calculus, as in Magnus and Neudecker, *Matrix Differential Calculus*
(1999), with the gradient of a scalar in the shape of its variable. What they give is a guess in the
letters of the notes, with which the search for a repair begins: whoever uses it checks its value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

from backlit.explain.equation.mending.terms import added, negative, product
from backlit.explain.equation.tree import (
    ONE,
    PRODUCTS,
    TWO,
    ZERO,
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
from backlit.explain.equation.values.functions import ALIASES, builtin

ShapeOf = Callable[[Node], tuple[int, ...] | None]


class Pullback:
    """Gradients sent back through expressions.

    Parameters
    ----------
    shape : callable
        The shape of an expression, None if it has none.
    matmul : {"@", " "}
        How a matrix product is written.
    length : callable, optional
        The name of a dimension by its length, None if it has none.
    """

    def __init__(
        self,
        shape: ShapeOf,
        matmul: str,
        length: Callable[[int], Name | None] = lambda length: None,
    ) -> None:
        self._shape = shape
        self._length = length
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
            yield ONE if seed is None else seed
        elif isinstance(node, Unary):
            yield from self(node.operand, wrt, negative(seed))
        elif not any(_is_same(part, wrt) for part in node.walk()):
            return
        elif isinstance(node, Binary):
            yield from self._binary(node, wrt, seed)
        elif isinstance(node, Power):
            yield from self._power(node, wrt, seed)
        elif isinstance(node, Transpose):
            # A vector has one shape as a row and as a column.
            turned = seed if seed is None or self._rank(seed) == 1 else _transposed(seed)
            yield from self(node.operand, wrt, turned)
        elif isinstance(node, Call):
            yield from self._call(node, wrt, seed)
        elif isinstance(node, Series):
            yield from self._series(node, wrt, seed)

    def _binary(self, node: Binary, wrt: Name, seed: Node | None) -> Iterator[Node]:
        left, right = node.left, node.right
        if node.op in "+-":
            yield from self(left, wrt, seed)
            yield from self(right, wrt, seed if node.op == "+" else negative(seed))
        elif node.op == "/":
            yield from self(left, wrt, Binary("/", ONE if seed is None else seed, right))
            square = Binary("/", left, Power(right, TWO))
            yield from self(right, wrt, negative(self._times(seed, square)))
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
                yield from self(left, wrt, self._times(seed, self._column(right)))
                yield from self(right, wrt, self._times(seed, self._column(left)))
            elif seed is not None:
                yield from self(left, wrt, self._product(seed, self._column(right)))
                yield from self(right, wrt, self._product(_transposed(seed), self._column(left)))
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
            yield from self(right, wrt, self._outer(self._column(left), seed))
        else:
            yield from self(left, wrt, self._product(seed, _transposed(right)))
            yield from self(right, wrt, self._product(_transposed(left), seed))

    def _power(self, node: Power, wrt: Name, seed: Node | None) -> Iterator[Node]:
        base, exponent = node.base, node.exponent
        if exponent in (Number(Fraction(-1)), Unary("-", ONE)) and self._rank(base) == 2:
            turned = Power(_transposed(base), exponent)
            if seed is not None:
                inner = self._product(self._product(turned, seed), turned)
                yield from self(base, wrt, negative(inner))
            return
        is_square = isinstance(exponent, Number) and exponent.value == 2
        if is_square and isinstance(base, Call) and base.function.name == "norm":
            yield from self(base.args[0], wrt, self._times(seed, Binary(" ", TWO, base.args[0])))
        elif base == Constant("e"):
            yield from self(exponent, wrt, self._times(seed, node))
        elif isinstance(exponent, Number):
            lower = exponent.value - 1
            slope = base if lower == 1 else Power(base, Number(lower))
            slope = slope if exponent.value == 1 else Binary(" ", exponent, slope)
            yield from self(base, wrt, self._times(seed, slope))
        else:
            less = Power(base, Binary("-", exponent, ONE))
            yield from self(base, wrt, self._times(seed, self._times(exponent, less)))
            logarithm = Call(Function("log"), (base,))
            yield from self(exponent, wrt, self._times(seed, self._times(node, logarithm)))

    def _call(self, node: Call, wrt: Name, seed: Node | None) -> Iterator[Node]:
        name = ALIASES.get(node.function.name, node.function.name)
        known = builtin(name)
        arg = node.args[0] if node.args else node
        if name == "sum" and len(node.args) == 1:
            yield from self(arg, wrt, seed)
        elif name in ("mean", "var") and len(node.args) == 1:
            one = ONE if seed is None else seed
            shared: Node = Binary("/", one, self._averaged(node))
            if name == "var":
                away = Binary("-", arg, replace(node, function=Function("mean")))
                shared = self._times(shared, Binary(" ", TWO, away))
            yield from self(arg, wrt, shared)
        elif name == "norm" and len(node.args) == 1:
            yield from self(arg, wrt, self._times(seed, Binary("/", arg, node)))
        elif name == "log" and isinstance(arg, Call) and arg.function.name == "det":
            turned = Power(_transposed(arg.args[0]), Number(Fraction(-1)))
            yield from self(arg.args[0], wrt, self._times(seed, turned))
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
            first, second = self._slope(one, wrt), self._slope(other, wrt)
            if first is not None and second is not None:
                yield self._times(seed, replace(node, args=(holds, first, second)))
                return
            yield from self(one, wrt, self._times(seed, holds))
            yield from self(other, wrt, self._times(seed, Binary("-", ONE, holds)))
        elif name == "softmax":
            yield from self._softmax(node, wrt, seed)
        elif len(node.args) == 1 and (known is None or known.family == "elementwise"):
            yield from self(arg, wrt, self._times(seed, slope_of(node)))

    def _slope(self, node: Node, wrt: Name) -> Node | None:
        """Return a derivative element by element; None where there may be products of matrices."""
        products = (n for n in node.walk() if isinstance(n, Binary) and n.op in PRODUCTS)
        if any(n.op == "@" or not self.is_scaling(n) for n in products if n.op != "*"):
            return None
        return added(list(self(node, wrt, None)) or [ZERO])

    def _trace(self, arg: Node, wrt: Name, seed: Node | None) -> Iterator[Node]:
        if isinstance(arg, Binary) and arg.op in PRODUCTS:
            for one, other in ((arg.left, arg.right), (arg.right, arg.left)):
                yield from self(one, wrt, self._times(seed, _transposed(other)))

    def _softmax(self, node: Call, wrt: Name, seed: Node | None) -> Iterator[Node]:
        if seed is None:
            square = Binary(self._matmul, node, Transpose(node))
            yield Binary("-", Call(Function("diag"), (node,)), square)
            return
        along = tuple([(word, value) for word, value in node.keywords if word == "axis"])
        if along:
            along = (*along, ("keepdims", Constant("True")))
        weighted = Call(Function("sum"), (Binary("*", seed, node),), along)
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
        if seed is None or seed == ONE:
            return factor
        if factor == ONE:
            return seed
        made = Binary("*", seed, factor)
        return Binary(" ", seed, factor) if self.is_scaling(made) else made

    def _product(self, left: Node, right: Node) -> Node:
        return Binary(self._matmul, left, right)

    def _outer(self, left: Node, right: Node) -> Node:
        if self._matmul == "@":
            return Call(Function("outer"), (left, right))
        return Binary(" ", left, Transpose(right))

    def _column(self, node: Node) -> Node:
        """Return a vector that is written as a row as a column: Aᵀ x for xᵀ A."""
        if isinstance(node, Transpose):
            return node.operand
        if isinstance(node, Binary) and node.op == " " and self._rank(node.left) == 0:
            return replace(node, right=self._column(node.right))
        if isinstance(node, Binary) and self._is_matrix_product(node):
            if (self._rank(node.left), self._rank(node.right)) == (1, 2):
                return self._product(_transposed(node.right), self._column(node.left))
        return node

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

    def _averaged(self, node: Call) -> Node:
        """Return of how many elements each result of a mean is."""
        shape = self._shape(node.args[0]) or ()
        axis = dict(node.keywords).get("axis")
        if isinstance(axis, Number) and axis.value < len(shape):
            length = shape[int(axis.value)]
            return self._length(length) or Number(Fraction(length))
        return self._size(node.args[0])

    def _size(self, node: Node) -> Node:
        """Return of how many elements an array is, in the names of its dimensions."""
        lengths = [self._length(n) or Number(Fraction(n)) for n in self._shape(node) or ()]
        return product(lengths) if lengths else ONE


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
                return Binary("/", ONE, z)
            case "sqrt":
                return Binary("/", ONE, Binary(" ", TWO, call))
            case "square":
                return Binary(" ", TWO, z)
            case "sin":
                return Call(Function("cos"), (z,))
            case "cos":
                return Unary("-", Call(Function("sin"), (z,)))
            case "sigmoid":
                return Binary("*", call, Binary("-", ONE, call))
            case "tanh":
                return Binary("-", ONE, Power(call, TWO))
            case "relu":
                return Compare(">", z, ZERO)
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


def _transposed(node: Node) -> Node:
    """Return the transpose of a matrix, (A B)ᵀ as Bᵀ Aᵀ."""
    if isinstance(node, Binary) and node.op in (" ", "@"):
        return Binary(node.op, _transposed(node.right), _transposed(node.left))
    return node.operand if isinstance(node, Transpose) else Transpose(node)
