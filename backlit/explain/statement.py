"""One statement of a hand-written backward pass, read by the equation checker's parser."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import numpy as onp

from backlit.core.errors import BacklitError
from backlit.explain.equation.arithmetic import Floats
from backlit.explain.equation.evaluate import EvaluationFault, evaluate
from backlit.explain.equation.parser import parse
from backlit.explain.equation.sheet import check
from backlit.explain.equation.tree import Derivative, Name, Node
from backlit.explain.equation.verdicts import WRONG, Verdict
from backlit.explain.equation.vocabulary import Vocabulary
from backlit.explain.handwritten import Assigned

_ASSIGNED = re.compile(r"^[ \t]*([A-Za-z_]\w*)[ \t]*=(?!=)", re.MULTILINE)
_RETURN = re.compile(r"^([ \t]*)return[ \t]+([^\n]+)$", re.MULTILINE)


def _named(match: re.Match[str]) -> str:
    """Give the loss a name where a function returns it without one."""
    indent, value = match.groups()
    plain = re.match(r"\(?\s*[A-Za-z_]\w*\s*(,|\)|$)", value)
    return match[0] if plain else f"{indent}L = {value}"


class _Given:
    """Values by name, as the evaluator of equations asks for them."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def value(self, symbol: str) -> Any:
        if symbol not in self.values:
            raise EvaluationFault(f"{symbol} is not known")
        return onp.asarray(self.values[symbol], float)

    def differentiated(self, node: Derivative, layout: str) -> Any:
        raise EvaluationFault("a derivative has no value here", node.span)

    def function(self, name: str, order: int) -> Any:
        raise EvaluationFault(f"the function {name} is not known")


def value_of(code: str, values: Mapping[str, Any]) -> Any:
    """Return the value of the right side of a statement, read as an equation and never run.

    Parameters
    ----------
    code : str
        ``dW = dZ @ A.T / m``
    values : mapping of str to array or number

    Returns
    -------
    ndarray

    Raises
    ------
    BacklitError
        If it cannot be read or has no value.

    Examples
    --------
    >>> float(value_of("dw = np.sum(2 * e) / m", {"e": [1.0, 2.0], "m": 3}))
    2.0
    """
    known = Vocabulary(frozenset(values), defined=frozenset(values))
    right = parse(code, known)[0].right

    # Every name is a value here: a dZ too, which the notation takes for a derivative.
    def plain(node: Node) -> Node:
        if isinstance(node, Derivative) and isinstance(node.wrt, Name):
            return Name(f"d{node.wrt.base}", span=node.span)
        return node

    return evaluate(right.map(plain), _Given(values), Floats())


def diagnose_statement(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    shapes: Mapping[str, tuple[int, ...]],
    one: Assigned,
) -> Verdict | None:
    """Return what the equation checker says of one statement, beside the forward pass.

    Parameters
    ----------
    forward, backward : callable
        Their source is read, as notes.
    shapes : mapping of str to tuple of int
        Of the arguments.
    one : Assigned
        The statement.

    Returns
    -------
    Verdict or None
        None if the sources cannot be read as equations.
    """
    headers = [
        f"{name}: ({', '.join(map(str, s))}{',' * (len(s) == 1)})"
        for name, s in shapes.items()
        if s
    ]
    try:
        first = _RETURN.sub(_named, textwrap.dedent(inspect.getsource(inspect.unwrap(forward))))
        lines, start = inspect.getsourcelines(inspect.unwrap(backward))
        second = textwrap.dedent("".join(lines[: one.line - start + 1]))
        second = _without(second, set(_ASSIGNED.findall(first)))
        notes = "\n".join([*headers, first.rstrip(), second.rstrip()])
        place = len(notes.splitlines())
        found = [v for v in check(notes).verdicts if v.line == place]
    except (BacklitError, OSError, TypeError):
        return None
    # What the checker cannot judge says nothing about the statement: its numbers are compared then.
    return found[0] if found and found[0].verdict == WRONG else None


def _without(source: str, defined: set[str]) -> str:
    """Leave out what a backward pass computes again: the forward pass says what that is."""
    return "\n".join(
        "" if (found := _ASSIGNED.match(line)) and found[1] in defined else line
        for line in source.splitlines()
    )
