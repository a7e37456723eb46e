"""Short constructors of bound trees, and a few networks made of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from backlit.explain.equation.tree import (
    Binary,
    Call,
    Compare,
    Constant,
    Derivative,
    Element,
    Function,
    Items,
    Name,
    Node,
    Number,
    Power,
    Series,
    Transpose,
    Unary,
)
from backlit.explain.equation.values.program import Leaf, Program


def node(x: Any) -> Node:
    """A tree as it is, a string as a name, a tuple as brackets, a number as a number."""
    if isinstance(x, Node):
        return x
    if isinstance(x, str):
        return Name(x)
    if isinstance(x, bool) or x is None:
        return Constant(str(x))
    if isinstance(x, tuple):
        return Items(tuple(node(part) for part in x))
    return Number(Fraction(x) if isinstance(x, int) else Fraction(str(x)))


def _binary(op: str) -> Any:
    def make(first: Any, *others: Any) -> Node:
        result = node(first)
        for other in others:
            result = Binary(op, result, node(other))
        return result

    return make


add, sub, div = _binary("+"), _binary("-"), _binary("/")
beside, dot, times, matmul = _binary(" "), _binary("."), _binary("*"), _binary("@")


def neg(x: Any) -> Node:
    return Unary("-", node(x))


def power(x: Any, n: Any) -> Node:
    return Power(node(x), node(n))


def t(x: Any) -> Node:
    return Transpose(node(x))


def call(name: str, *args: Any, order: int = 0, **keywords: Any) -> Node:
    given = tuple((key, node(value)) for key, value in keywords.items())
    return Call(Function(name, order=order), tuple(node(x) for x in args), given)


def d(target: Any, wrt: Any, second: Any = None) -> Derivative:
    return Derivative(node(target), node(wrt), None if second is None else node(second))


def at(x: Any, *index: int) -> Element:
    return Element(node(x), tuple(node(k) for k in index))


def compare(op: str, x: Any, y: Any) -> Node:
    return Compare(op, node(x), node(y))


def total(body: Any, op: str = "sum") -> Node:
    return Series(op, node(body))


def leaf(*shape: int, properties: str = "") -> Leaf:
    return Leaf(shape, frozenset(filter(None, properties.split(";"))))


# --- networks -------------------------------------------------------------------------------------


def log_loss(y: str, a: str, m: int) -> Node:
    inside = add(times(y, call("log", a)), times(sub(1, y), call("log", sub(1, a))))
    return neg(div(call("sum", inside), m))


def mlp(*activations: str, m: int = 7, sizes: tuple[int, ...] = (4, 5, 3, 2)) -> Program:
    """Z1 = W1 X + b1, A1 = g(Z1), …, J = −1/m Σ log loss, examples as columns."""
    definitions, leaves = [], {"X": leaf(sizes[0], m)}
    before = "X"
    for k, activation in enumerate(activations, 1):
        definitions.append((f"Z{k}", add(beside(f"W{k}", before), f"b{k}")))
        definitions.append((f"A{k}", call(activation, f"Z{k}")))
        leaves[f"W{k}"], leaves[f"b{k}"] = leaf(sizes[k], sizes[k - 1]), leaf(sizes[k], 1)
        before = f"A{k}"
    definitions.append(("J", log_loss("Y", before, m)))
    leaves["Y"] = leaf(sizes[len(activations)], m, properties="in (0, 1)")
    return Program(definitions, leaves)


def mlp_claims(*activations: str, m: int = 7) -> list[tuple[Node, Node]]:
    """Every backward equation of `mlp`, for a last layer of sigmoids."""
    last = len(activations)
    claims: list[tuple[Node, Node]] = [
        (d("J", f"Z{last}"), div(sub(f"A{last}", "Y"), m)),
    ]
    for k in range(last, 0, -1):
        before = f"A{k - 1}" if k > 1 else "X"
        delta = d("J", f"Z{k}")
        claims.append((d("J", f"W{k}"), beside(delta, t(before))))
        claims.append((d("J", f"b{k}"), call("sum", delta, axis=1, keepdims=True)))
        if k > 1:
            slope = call(activations[k - 2], f"Z{k - 1}", order=1)
            claims.append((d("J", before), beside(t(f"W{k}"), delta)))
            claims.append((d("J", f"Z{k - 1}"), times(d("J", before), slope)))
            claims.append((d("J", f"Z{k - 1}"), times(beside(t(f"W{k}"), delta), slope)))
            claims.append((d("J", f"Z{k - 1}"), times(d("J", before), d(before, f"Z{k - 1}"))))
    return claims
