"""How every primitive is written: mathematics where there is some, a named operator elsewhere.

`to_tree` turns expressions into the tree of `backlit.explain.equation.tree`, which the printers
of that package write as LaTeX, Unicode or Python. `DEFINITIONS` says what each notation means;
docs/notation.md is made from it.
"""

from __future__ import annotations

from collections.abc import Callable

from backlit.explain.derivation.expression import (
    LEAF,
    NUMBER,
    ONE_HOT,
    OUTER,
    SERIES,
    SLOPE,
    TRUTHS,
    Expression,
)
from backlit.explain.derivation.pieces import (
    FUNCTIONS,
    YES,
    axis_of,
    bits,
    call,
    controlled,
    einsum,
    element,
    extents,
    last_writes,
    one_hot,
    replaced,
    scattered,
    whole,
    written_number,
)
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Compare,
    Element,
    Function,
    Items,
    Node,
    Number,
    Power,
    Series,
    Transpose,
    Unary,
)

Writer = Callable[[Expression, list[Node]], Node]


def to_tree(expression: Expression) -> Node:
    """Return an expression as it is printed.

    Parameters
    ----------
    expression : Expression

    Returns
    -------
    Node
    """
    done: dict[Expression, Node] = {}

    def visit(part: Expression) -> Node:
        if part not in done:
            write = WRITERS.get(part.op, _function)  # under its name: a primitive of the user's
            done[part] = write(part, [visit(a) for a in part.args])
        return done[part]

    return visit(expression)


# --- forms that are no primitives -------------------------------------------------------------


def _leaf(part: Expression, args: list[Node]) -> Node:
    node: Node = part.param("node")
    return node


def _slope(part: Expression, args: list[Node]) -> Node:
    name = FUNCTIONS.get(part.param("of"), part.param("of"))
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
        if isinstance(node, Binary) and node.op not in " .*":
            return False  # a fraction, or a sum in brackets
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


def _function(part: Expression, args: list[Node]) -> Node:
    return call(FUNCTIONS.get(part.op, part.op), *args)


def _truths(part: Expression, args: list[Node]) -> list[Node]:
    """Return operands as conditions, 1 where they are not 0."""
    return [
        node if inner.op in TRUTHS else Compare("!=", node, whole(0))
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
        keywords["keepdims"] = YES
    return call(part.op, *args, **keywords)


def _along(part: Expression, args: list[Node]) -> Node:
    return call(part.op, *args, axis=whole(part.param("axis")))


def _count(part: Expression, args: list[Node]) -> Node:
    return Series("sum", Compare("!=", args[0], whole(0)))


def _shaped(part: Expression, args: list[Node]) -> Node:
    if not part.shape:
        return Element(args[0], (whole(0),) * len(part.args[0].shape))
    return call(FUNCTIONS.get(part.op, part.op), *args, extents(part.shape))


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
    ONE_HOT: one_hot,
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
    "getitem": element,
    "scatter_add": scattered,
    "index_set": replaced,
    "last_writes": last_writes,
    "einsum": einsum,
    "diagonal_of": einsum,
    "random_bits": bits,
    "scan": controlled,
    "cond": controlled,
    "while_loop": controlled,
}
