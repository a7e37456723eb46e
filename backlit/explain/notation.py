"""How every primitive is written: mathematics where there is some, a named operator elsewhere.

`to_tree` turns expressions into the tree of `backlit.explain.equation.tree`, which the printers
of that package write as LaTeX, Unicode or Python. `DEFINITIONS` says what each notation means;
docs/notation.md is made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from backlit.explain.derivation.expression import (
    LEAF,
    NUMBER,
    ONE_HOT,
    OUTER,
    SERIES,
    SLOPE,
    Expression,
)
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Compare,
    Constant,
    Element,
    Function,
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

_YES = Constant("True")
Writer = Callable[[Expression, list[Node]], Node]


def to_tree(expression: Expression) -> Node:
    """Return an expression as it is printed.

    Parameters
    ----------
    expression : Expression

    Returns
    -------
    Node

    Raises
    ------
    KeyError
        If a primitive has no notation.
    """
    done: dict[Expression, Node] = {}

    def visit(part: Expression) -> Node:
        if part not in done:
            done[part] = WRITERS[part.op](part, [visit(a) for a in part.args])
        return done[part]

    return visit(expression)


def call(name: str, *args: Node, **keywords: Node) -> Call:
    """Return a function applied to arguments.

    Parameters
    ----------
    name : str
    *args : Node
    **keywords : Node

    Returns
    -------
    Call
    """
    return Call(Function(name), args, tuple(keywords.items()))


def whole(value: int) -> Node:
    """Return a whole number; a negative one as it is written, with its sign in front."""
    return Number(Fraction(value)) if value >= 0 else Unary("-", Number(Fraction(-value)))


def written_number(value: Fraction | float) -> Node:
    """Return a number: a whole one, a short decimal or a fraction.

    Parameters
    ----------
    value : Fraction, or an infinity or NaN

    Returns
    -------
    Node

    Examples
    --------
    >>> written_number(Fraction(-3))
    Unary(op='-', operand=Number(value=Fraction(3, 1)))
    """
    if isinstance(value, float):
        if value != value:
            return Constant("nan")
        return Constant("inf") if value > 0 else Unary("-", Constant("inf"))
    if value < 0:
        return Unary("-", written_number(-value))
    top, bottom = value.numerator, value.denominator
    decimal = bottom
    for prime in (2, 5):
        while decimal % prime == 0:
            decimal //= prime
    if bottom == 1 or (decimal == 1 and bottom > 10):
        return Number(value)
    return Binary("/", Number(Fraction(top)), Number(Fraction(bottom)))


def extents(values: Sequence[int]) -> Node:
    """Return a tuple of whole numbers."""
    return Items(tuple([whole(int(v)) for v in values]))


def axis_of(axes: Sequence[int]) -> Node:
    """Return one axis as a number, several as a tuple."""
    return whole(axes[0]) if len(axes) == 1 else extents(axes)


# --- forms that are no primitives -------------------------------------------------------------


def _leaf(part: Expression, args: list[Node]) -> Node:
    node: Node = part.param("node")
    return node


def _slope(part: Expression, args: list[Node]) -> Node:
    name = _FUNCTIONS.get(part.param("of"), part.param("of"))
    return Call(Function(name, order=1), tuple(args))


# --- arithmetic -------------------------------------------------------------------------------


def _sum_of(part: Expression, args: list[Node]) -> Node:
    return Binary("+", *args)


def _difference(part: Expression, args: list[Node]) -> Node:
    return Binary("-", *args)


def _product(part: Expression, args: list[Node]) -> Node:
    first, second = part.args
    if second.op == NUMBER or (first.shape and not second.shape):
        first, second, args = second, first, args[::-1]
    if first.shape:
        return Binary("*", *args)
    # 3 · 2ˣ: side by side the two numbers would be one.
    return Binary("." if _begins_with_number(args[1]) else " ", *args)


def _begins_with_number(node: Node) -> bool:
    while isinstance(node, (Binary, Power)):
        if isinstance(node, Binary) and node.op == "/":
            return False  # a fraction
        node = node.base if isinstance(node, Power) else node.left
    return isinstance(node, Number)


def _quotient(part: Expression, args: list[Node]) -> Node:
    return Binary("/", *args)


def _minus(part: Expression, args: list[Node]) -> Node:
    return Unary("-", args[0])


def _matrix_product(part: Expression, args: list[Node]) -> Node:
    return Binary(" ", *args)  # side by side, as in W X: the shapes say that it is one


def _raised(part: Expression, args: list[Node]) -> Node:
    exponents: dict[str, Callable[[], Node]] = {
        "square": lambda: whole(2),
        "integer_power": lambda: whole(part.param("n")),
        "power": lambda: args[1],
    }
    return Power(args[0], exponents[part.op]())


def _two_to(part: Expression, args: list[Node]) -> Node:
    return Power(whole(2), args[0])


def _length(part: Expression, args: list[Node]) -> Node:
    squares = [Power(a, whole(2)) for a in args]
    return call("sqrt", Binary("+", *squares))


def _comparison(sign: str) -> Writer:
    return lambda part, args: Compare(sign, *args)


# --- functions --------------------------------------------------------------------------------

# Primitives written as a function of the same arguments, where the name is another one.
_FUNCTIONS = {
    "absolute": "abs",
    "rint": "round",
    "remainder": "mod",
    "root_of_variance": "sqrt",
    "stop_gradient": "fixed",
    "bitwise_and": "bitand",
    "bitwise_or": "bitor",
    "bitwise_xor": "bitxor",
    "invert": "bitnot",
    "broadcast_to": "broadcast",
    "scatter_add": "scatter",
    "index_set": "put",
    "last_writes": "lasting",
    "random_bits": "philox",
    "random_fold_in": "philoxkey",
    "while_loop": "repeat",
}


def _function(part: Expression, args: list[Node]) -> Node:
    return call(_FUNCTIONS.get(part.op, part.op), *args)


# What is 0 or 1 already.
_TRUTHS = frozenset(
    "greater greater_equal less less_equal equal not_equal logical_and logical_or logical_xor "
    "logical_not isnan isinf isfinite all any".split()
)


def _truths(part: Expression, args: list[Node]) -> list[Node]:
    """Return operands as conditions, 1 where they are not 0."""
    return [
        node if inner.op in _TRUTHS else Compare("!=", node, whole(0))
        for inner, node in zip(part.args, args, strict=True)
    ]


def _both(part: Expression, args: list[Node]) -> Node:
    return Binary("*" if part.shape else " ", *_truths(part, args))


def _either(part: Expression, args: list[Node]) -> Node:
    return call("maximum", *_truths(part, args))


def _unlike(part: Expression, args: list[Node]) -> Node:
    return call("abs", Binary("-", *_truths(part, args)))


def _not(part: Expression, args: list[Node]) -> Node:
    return Compare("==", args[0], whole(0))


def _floor_of_quotient(part: Expression, args: list[Node]) -> Node:
    return call("floor", Binary("/", *args))


def _reduction(part: Expression, args: list[Node]) -> Node:
    axes, rank = part.param("axes"), len(part.args[0].shape)
    keywords: dict[str, Node] = {}
    everything = len(axes) == rank and not part.param("keepdims")
    if part.op in ("sum", "prod") and everything:
        return Series(part.op, args[0])
    if not everything or part.op in ("softmax", "log_softmax"):
        keywords["axis"] = axis_of(axes)
    if part.param("keepdims"):
        keywords["keepdims"] = _YES
    return call(part.op, *args, **keywords)


def _along(part: Expression, args: list[Node]) -> Node:
    return call(part.op, *args, axis=whole(part.param("axis")))


def _count(part: Expression, args: list[Node]) -> Node:
    return Series("sum", Compare("!=", args[0], whole(0)))


def _shaped(part: Expression, args: list[Node]) -> Node:
    if not part.shape:
        return Element(args[0], (whole(0),) * len(part.args[0].shape))
    return call(_FUNCTIONS.get(part.op, part.op), *args, extents(part.shape))


def _filled(part: Expression, args: list[Node]) -> Node:
    """Return a number that fills an array as a multiple of ones; anything else is broadcast."""
    inner = part.args[0]
    if inner.shape:
        return _shaped(part, args)
    if inner.value == 0:
        return call("zeros", extents(part.shape))
    ones = call("ones", extents(part.shape))
    return ones if inner.value == 1 else Binary(" ", args[0], ones)


def _transpose(part: Expression, args: list[Node]) -> Node:
    axes = part.param("axes")
    if axes == (1, 0):
        return Transpose(args[0])
    return call("permute", *args, extents(axes))


def _flip(part: Expression, args: list[Node]) -> Node:
    return call("flip", *args, axis=axis_of(part.param("axes")))


def _joined(part: Expression, args: list[Node]) -> Node:
    return call("concatenate", Items(tuple(args)), axis=whole(part.param("axis")))


def _padded(part: Expression, args: list[Node]) -> Node:
    before, after = zip(*part.param("width"), strict=True)
    return call("pad", *args, extents(before), extents(after))


# --- places -----------------------------------------------------------------------------------


def _places(parts: Sequence[tuple[Any, ...]], arrays: Sequence[Node], rank: int) -> list[Node]:
    """Return an index with a subscript for every axis; the ellipsis is written out."""
    index: list[Node] = []
    used = sum(1 for kind, *_ in parts if kind in "isa")
    for kind, *rest in parts:
        if kind == "i":
            index.append(whole(rest[0]))
        elif kind == "s":
            index.append(Slice(*[None if k is None else whole(k) for k in rest]))
        elif kind == "n":
            index.append(Constant("None"))
        elif kind == "e":
            index += [Slice()] * (rank - used)
        else:
            index.append(arrays[rest[0]])
    if all(kind != "e" for kind, *_ in parts):
        index += [Slice()] * (rank - used)
    return index


def _element(part: Expression, args: list[Node]) -> Node:
    index = _places(part.param("parts"), args[1:], len(part.args[0].shape))
    return Element(args[0], tuple(index)) if index else args[0]


def _positions(shape: Sequence[int], index: Sequence[Node]) -> Node:
    """Return which elements an index selects: the same index of an array of their numbers."""
    everything = call("places", extents(shape))
    return Element(everything, tuple(index)) if index else everything


def _scattered(part: Expression, args: list[Node]) -> Node:
    shape = part.param("shape")
    index = _places(part.param("parts"), args[1:], len(shape))
    return call("scatter", args[0], _positions(shape, index), extents(shape))


def _replaced(part: Expression, args: list[Node]) -> Node:
    shape = part.args[0].shape
    index = _places(part.param("parts"), args[2:], len(shape))
    return call("put", args[0], _positions(shape, index), args[1])


def _last_writes(part: Expression, args: list[Node]) -> Node:
    shape = part.param("shape")
    return call("lasting", _positions(shape, _places(part.param("parts"), args, len(shape))))


def _one_hot(part: Expression, args: list[Node]) -> Node:
    return call("onehot", args[0], whole(part.shape[-1]))


# --- contractions -----------------------------------------------------------------------------


def _einsum(part: Expression, args: list[Node]) -> Node:
    terms, out = part.param("spec").split("->")
    letters = {c: k for k, c in enumerate(dict.fromkeys(terms.replace(",", "")))}
    inputs = terms.split(",")
    if "" in inputs:  # a number times an array, part of which may be summed over
        return _contracted("".join(inputs), out, Binary(" ", *args))
    labels = [extents([letters[c] for c in term]) for term in inputs]
    name = "einsum" if len(inputs) == 2 else "diagonal"
    if out:
        return call(name, *args, *labels, extents([letters[c] for c in out]))
    return Series("sum", call(name, *args, *labels, extents(list(letters.values()))))


def _contracted(term: str, out: str, array: Node) -> Node:
    """Return an array with the axes summed over that `out` lacks, and the others in its order."""
    gone = [k for k, c in enumerate(term) if c not in out]
    kept = [c for c in term if c in out]
    if not kept:
        return Series("sum", array) if term else array
    total = call("sum", array, axis=axis_of(gone)) if gone else array
    order = [kept.index(c) for c in out]
    return total if order == sorted(order) else call("permute", total, extents(order))


# --- randomness -------------------------------------------------------------------------------


def _bits(part: Expression, args: list[Node]) -> Node:
    if not part.shape:
        return Element(call("philox", *args, extents((1,))), (whole(0),))
    return call("philox", *args, extents(part.shape))


# --- control flow -----------------------------------------------------------------------------


def _controlled(part: Expression, args: list[Node]) -> Node:
    """Return an operator whose first arguments are the functions it runs, by their names."""
    functions: list[Node] = []
    keywords: dict[str, Node] = {}
    for name, value in part.params:
        if isinstance(value, (tuple, str)):
            functions += [Name(f) for f in (value if isinstance(value, tuple) else (value,))]
        elif isinstance(value, bool):
            keywords[name] = _YES if value else Constant("False")
        else:
            keywords[_OPTIONS.get(name, name)] = whole(int(value))
    name = _FUNCTIONS.get(part.op, part.op)
    return call(name, Items(tuple(args)), *functions, **keywords)


_OPTIONS = {"xs": "rows", "bodies": "steps"}


_COMPARISONS = {
    "greater": ">",
    "greater_equal": ">=",
    "less": "<",
    "less_equal": "<=",
    "equal": "==",
    "not_equal": "!=",
}
_PLAIN_FUNCTIONS = (
    "absolute remainder exp expm1 log log2 log10 log1p sqrt cbrt logaddexp sin cos tan arcsin "
    "arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh sigmoid softplus log_sigmoid "
    "erf erfc relu maximum minimum clip "
    "bitwise_and bitwise_or bitwise_xor invert floor ceil trunc rint sign isnan "
    "isinf isfinite stop_gradient where root_of_variance random_fold_in"
).split()
WRITERS: dict[str, Writer] = {
    LEAF: _leaf,
    NUMBER: lambda part, args: written_number(part.param("value")),
    SLOPE: _slope,
    SERIES: lambda part, args: Series("sum", args[0], part.param("index")),
    ONE_HOT: _one_hot,
    OUTER: lambda part, args: Binary(" ", args[0], Transpose(args[1])),
    "add": _sum_of,
    "subtract": _difference,
    "multiply": _product,
    "divide": _quotient,
    "reciprocal": lambda part, args: Binary("/", whole(1), args[0]),
    "negative": _minus,
    "positive": lambda part, args: args[0],
    "astype": lambda part, args: args[0],
    "square": _raised,
    "integer_power": _raised,
    "power": _raised,
    "exp2": _two_to,
    "hypot": _length,
    "matmul": _matrix_product,
    **{op: _comparison(sign) for op, sign in _COMPARISONS.items()},
    **dict.fromkeys(_PLAIN_FUNCTIONS, _function),
    **dict.fromkeys("sum prod max min all any logsumexp softmax log_softmax".split(), _reduction),
    **dict.fromkeys("argmax argmin cumsum cumprod".split(), _along),
    "logical_and": _both,
    "logical_or": _either,
    "logical_xor": _unlike,
    "logical_not": _not,
    "floor_divide": _floor_of_quotient,
    "count_nonzero": _count,
    "reshape": _shaped,
    "broadcast_to": _filled,
    "transpose": _transpose,
    "flip": _flip,
    "concatenate": _joined,
    "pad": _padded,
    "getitem": _element,
    "scatter_add": _scattered,
    "index_set": _replaced,
    "last_writes": _last_writes,
    "einsum": _einsum,
    "diagonal_of": _einsum,
    "random_bits": _bits,
    "scan": _controlled,
    "cond": _controlled,
    "while_loop": _controlled,
}
