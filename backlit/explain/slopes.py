"""The factor that a hand-written backward pass owes to an activation: missing, or another one's."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit.core.errors import BacklitError
from backlit.explain.mismatch import agree, ratio_of
from backlit.explain.statement import value_of

# Slopes of a leaky relu below 0 that programs use.
_LEAKS = (0.01, 0.1, 0.2, 0.3, 0.05, 0.25, 0.02, 0.001)


def _leaky(leak: float) -> Callable[[Any], Any]:
    return lambda z: onp.where(onp.asarray(z) > 0, 1.0, leak)


def _logistic(z: Any) -> Any:
    return 0.5 * (1 + onp.tanh(0.5 * onp.asarray(z)))


# Derivatives of an activation a = f(z), as they are written, and of what they are computed.
_WRITTEN: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("relu", "({z} > 0)", lambda z: z > 0),
    ("relu", "({a} > 0)", lambda a: a > 0),
    ("tanh", "(1 - {a}**2)", lambda a: 1 - a**2),
    ("sigmoid", "{a} * (1 - {a})", lambda a: a * (1 - a)),
    ("exp", "{a}", lambda a: a),
    ("softplus", "(1 / (1 + np.exp(-{z})))", _logistic),
    ("softplus", "(1 - np.exp(-{a}))", lambda a: 1 - onp.exp(-a)),
    *[("leaky_relu", f"np.where({{z}} > 0, 1, {leak:g})", _leaky(leak)) for leak in _LEAKS],
    *[("leaky_relu", f"np.where({{a}} > 0, 1, {leak:g})", _leaky(leak)) for leak in _LEAKS],
)
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "relu": lambda z: onp.maximum(z, 0),
    "tanh": onp.tanh,
    "sigmoid": _logistic,
    "exp": onp.exp,
    "softplus": lambda z: onp.logaddexp(0, z),
}
# What else stands for them in programs, to be told whose derivative was taken.
_ALSO: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    *[(function, slope) for function, _, slope in _WRITTEN if function in ("tanh", "sigmoid")],
    ("tanh", lambda z: 1 - onp.tanh(z) ** 2),
    ("sigmoid", lambda z: onp.exp(-onp.abs(z)) / (1 + onp.exp(-onp.abs(z))) ** 2),
    ("relu", lambda z: z > 0),
    ("softplus", _logistic),
    *[("leaky_relu", _leaky(leak)) for leak in _LEAKS],
)
_MULTIPLY = re.compile(r"(\w+\.)?multiply")
_MASKED = re.compile(r"(?P<name>\w+)\[.+\]\s*=\s*0(\.0*)?")
_MOST_PARTS = 60
# Of a long unrolled loop not all pairs are tried.
_MOST_PARTNERS = 100


@dataclass(frozen=True)
class Gate:
    """An activation a = f(z) of the forward pass, known by the gradients on both sides of it.

    Attributes
    ----------
    function : str
        relu, leaky_relu, tanh, sigmoid, softplus, exp.
    before, after : str
        z and a.
    known : bool
        Whether the values of both are known, and a is f(z). An array that is only added on the way
        to z has the gradient of z too.
    slope : str
        The derivative, in Python.
    value : array
    arriving : array
        The gradient of a.
    """

    function: str
    before: str
    after: str
    known: bool
    slope: str
    value: Any
    arriving: Any


@dataclass(frozen=True)
class Mended:
    """A right side with the derivative of the activation in its place.

    Attributes
    ----------
    kind : str
        Of `backlit.explain.equation.verdicts.KINDS`.
    message : str
    code : str
    """

    kind: str
    message: str
    code: str


def gates_of(gradients: Mapping[str, Any], values: Mapping[str, Any]) -> list[Gate]:
    """Find activations: pairs of arrays whose gradients differ by the derivative of one.

    Parameters
    ----------
    gradients, values : mapping of str to array
        Of the variables of the forward pass. The value of one of each pair may be unknown.

    Returns
    -------
    list of Gate

    Examples
    --------
    >>> z, up = onp.array([-1.0, 2.0]), onp.array([3.0, 4.0])
    >>> found = gates_of({"a": up, "z": up * (z > 0)}, {"a": onp.maximum(z, 0), "z": z})
    >>> [gate.slope for gate in found]
    ['(z > 0)', '(a > 0)']
    """
    shapes: dict[tuple[int, ...], list[str]] = {}
    for name, gradient in gradients.items():
        if onp.any(gradient):
            shapes.setdefault(onp.shape(gradient), []).append(name)
    found = []
    for function, written, slope in _WRITTEN:
        for own in gradients:
            shape = onp.shape(gradients[own])
            if own not in values or onp.shape(values[own]) != shape:
                continue
            # A relu's derivative is read off either side of it.
            given = onp.asarray(values[own])
            with onp.errstate(all="ignore"):
                value = onp.asarray(slope(given), float)
            if onp.all(value == 1):
                continue
            for other in [name for name in shapes.get(shape, ()) if name != own][:_MOST_PARTNERS]:
                before, after = (own, other) if "{z}" in written else (other, own)
                if agree(gradients[after] * value, gradients[before]):
                    known = _is(function, values.get(before), values.get(after))
                    text = written.format(z=before, a=after)
                    arriving = gradients[after]
                    found.append(Gate(function, before, after, known, text, value, arriving))
    return sorted(found, key=lambda gate: not gate.known)


def _is(function: str, z: Any, a: Any) -> bool:
    if z is None or a is None:
        return False
    z = onp.asarray(z, float)
    with onp.errstate(all="ignore"):
        if function == "leaky_relu":
            return any(agree(onp.where(z > 0, z, leak * z), a) for leak in _LEAKS)
        return agree(_FUNCTIONS[function](z), a)


def mended(
    expression: str,
    gates: list[Gate],
    values: Mapping[str, Any],
    checked: Callable[[str], str | None],
) -> Mended | None:
    """Put the derivative of an activation where it is missing, or where another one stands.

    Parameters
    ----------
    expression : str
        What the student wrote.
    gates : list of Gate
    values : mapping of str to array
    checked : callable
        Returns the statement with a right side if that is right, else None.

    Returns
    -------
    Mended or None
    """
    try:
        tree = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    parts = [one for one in ast.walk(tree) if isinstance(one, ast.expr)][:_MOST_PARTS]
    known = {id(one): _value(expression, one, values) for one in parts}

    def arrives(part: ast.expr, gate: Gate) -> bool:
        value = known.get(id(part))
        if value is None or onp.shape(value) != onp.shape(gate.arriving) or not onp.any(value):
            return False
        return ratio_of(value, gate.arriving) is not None

    for gate in gates:
        for product in parts:
            for factor, others in _factors(product):
                if not arrives(factor, gate):
                    continue
                code = f"{_text(expression, factor, True)} * {gate.slope}"
                statement = checked(_replaced(expression, product, code))
                if statement is not None:
                    wrong = " * ".join(_text(expression, k, len(others) > 1) for k in others)
                    return Mended(*_instead(gate, wrong, others, known, values), statement)
        for part in parts:
            if arrives(part, gate):
                code = f"{_text(expression, part, True)} * {gate.slope}"
                statement = checked(_replaced(expression, part, code))
                if statement is not None:
                    text = f"the factor {gate.slope} is missing, the derivative of "
                    return Mended("path", text + _said(gate), statement)
    return None


def masked(code: str, value: Any, gates: list[Gate]) -> Mended | None:
    """Recognise a relu's derivative that was put in with the wrong half of the elements set to 0.

    Parameters
    ----------
    code : str
        ``dZ[Z > 0] = 0``
    value : array
        What the array is afterwards.
    gates : list of Gate

    Returns
    -------
    Mended or None
    """
    match = _MASKED.fullmatch(code)
    for gate in gates if match is not None else ():
        if gate.function == "relu" and agree(value, gate.arriving * (1 - gate.value)):
            text = f"the derivative of {gate.function} is {gate.slope}: the other half is to be 0"
            side = gate.slope.strip("()").replace(">", "<=")
            return Mended("path", text, f"{match['name']}[{side}] = 0" if match else "")
    return None


def _said(gate: Gate) -> str:
    if gate.known:
        return f"{gate.after} = {gate.function}({gate.before})"
    own = gate.before if gate.before in re.findall(r"\w+", gate.slope) else gate.after
    return (
        f"the {gate.function} that makes {own}" if own == gate.after else f"{gate.function}({own})"
    )


def _instead(
    gate: Gate,
    wrong: str,
    others: list[ast.expr],
    known: Mapping[int, Any],
    values: Mapping[str, Any],
) -> tuple[str, str]:
    """Return the kind of slip and what to say where another factor stands for a derivative."""
    text = f"the derivative of {_said(gate)} is {gate.slope}"
    plain = "path", f"{text}, not ‘{wrong}’"
    found = [known[id(one)] for one in others]
    if any(one is None for one in found):
        return plain
    value: Any = 1.0
    for one in found:
        value = value * one
    with onp.errstate(all="ignore"):
        for name in (gate.after, gate.before):
            for function, slope in _ALSO if gate.known or name in gate.slope else ():
                if not agree(value, onp.asarray(slope(onp.asarray(values[name])), float)):
                    continue
                if function != gate.function:
                    return "path", f"{text}; ‘{wrong}’ is that of {function}"
                right = gate.before if name == gate.after else gate.after
                text = f"{text}; in ‘{wrong}’ stands {name} where {right} belongs"
                return "activation-for-preactivation", text
    return plain


def _value(expression: str, part: ast.expr, values: Mapping[str, Any]) -> Any:
    text = ast.get_source_segment(expression, part)
    try:
        return None if text is None else value_of(f"result = {text}", values)
    except BacklitError:
        return None


def _factors(part: ast.expr) -> Iterator[tuple[ast.expr, list[ast.expr]]]:
    """Yield every factor of an elementwise product with the other ones."""
    found: list[ast.expr] = []
    todo = [part]
    while todo:
        one = todo.pop(0)
        if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Mult):
            todo = [one.left, one.right, *todo]
        elif isinstance(one, ast.Call) and _MULTIPLY.fullmatch(ast.unparse(one.func)):
            todo = [*one.args, *todo]
        else:
            found.append(one)
    if len(found) > 1:
        for k, one in enumerate(found):
            yield one, [*found[:k], *found[k + 1 :]]


def _text(expression: str, part: ast.expr, alone: bool) -> str:
    """Return the text of a part, in brackets if it is to be a factor and is an operation."""
    text = ast.get_source_segment(expression, part) or ""
    return (
        f"({text})" if alone and isinstance(part, (ast.BinOp, ast.UnaryOp, ast.Compare)) else text
    )


def _replaced(expression: str, part: ast.expr, new: str) -> str:
    raw = expression.encode()
    end = len(raw) if part.end_col_offset is None else part.end_col_offset
    before, after = raw[: part.col_offset].decode(), raw[end:].decode()
    # Inside brackets of its own, or as an argument, it needs no others.
    inside = re.search(r"[(,]\s*$|^\s*$", before) and re.match(r"\s*([),]|$)", after)
    return f"{before}{new if inside else f'({new})'}{after}"
