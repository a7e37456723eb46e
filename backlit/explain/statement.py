"""One statement of a hand-written backward pass, read by the equation checker's parser."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as onp

from backlit.core.errors import BacklitError
from backlit.explain.equation.sheet import check
from backlit.explain.equation.text.parser import parse
from backlit.explain.equation.text.printing import python
from backlit.explain.equation.text.vocabulary import Vocabulary
from backlit.explain.equation.tree import Derivative, Name, Node
from backlit.explain.equation.values.arithmetic import Floats
from backlit.explain.equation.values.evaluate import EvaluationFault, evaluate
from backlit.explain.equation.verdicts import WRONG, Verdict
from backlit.explain.handwritten import Assigned
from backlit.explain.mismatch import agree

_ASSIGNED = re.compile(r"^[ \t]*([A-Za-z_]\w*)[ \t]*=(?!=)", re.MULTILINE)
_LEFT = re.compile(r"""[\w.]+(?:\[[^\]]*\])?\s*[-+*/@]?=(?!=)\s*|["']\w+["']\s*:\s*""")
_PYTHON = re.compile(r"[\w\s.,()\[\]+\-*/@<>=!:]+")
# Two words with nothing between them: a product of the notation, and no Python.
_ADJACENT = re.compile(r"[\w)\]]\s+[\w(\[]|\d[A-Za-z(]")
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
    with onp.errstate(all="ignore"):
        return evaluate(_as_values(right), _Given(values), Floats())


def diagnose_statement(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    shapes: Mapping[str, tuple[int, ...]],
    one: Assigned,
    target: str,
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
    target : str
        The variable whose gradient it should be.

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
        second = textwrap.dedent("".join(lines[: one.line - start]))
        second = _without(second, set(_ASSIGNED.findall(first)))
        second = "\n".join([second, *one.before])
        notes = "\n".join([*headers, first.rstrip(), second.rstrip(), _claim(one, target)])
        place = len(notes.splitlines())
        found = [v for v in check(notes).verdicts if v.line == place]
    except (BacklitError, OSError, TypeError):
        return None
    # What the checker cannot judge says nothing about the statement: its numbers are compared then.
    return found[0] if found and found[0].verdict == WRONG else None


def _claim(one: Assigned, target: str) -> str:
    """Return a statement as a claim; an entry of a dict, or what is returned, gets a name."""
    if _ASSIGNED.match(one.code):
        return one.code
    return f"d{target} = {expression_of(one.code)}"


def expression_of(code: str) -> str:
    """Return what is assigned: behind the ``=`` of a statement, the colon of an entry of a dict."""
    match = _LEFT.match(code)
    return (code[match.end() :] if match else code).strip()


def numpy_names(f: Callable[..., Any]) -> list[str]:
    """Return the names by which a function knows NumPy or this library's own."""
    return [
        name
        for name, value in inspect.unwrap(f).__globals__.items()
        if getattr(value, "__name__", "") in ("numpy", "backlit.numpy")
    ]


def as_np(code: str, modules: Sequence[str]) -> str:
    """Return an expression in which NumPy is called np, the name that equations know."""
    words = "|".join(map(re.escape, modules))
    return re.sub(rf"(?<![\w.])(?:{words})\.", "np.", code) if modules else code


class Pasted:
    """What could stand in the place of a statement: Python with names that the function has.

    Nothing is offered whose value is not the right one.

    Parameters
    ----------
    backward : callable
    one : Assigned
        The statement.
    names : set of str
        What the function has there.
    values : mapping of str to array
    """

    def __init__(
        self,
        backward: Callable[..., Any],
        one: Assigned,
        names: set[str],
        values: Mapping[str, Any],
    ) -> None:
        others = inspect.unwrap(backward).__globals__
        modules = numpy_names(backward)
        self.names = names | {name for name, value in others.items() if callable(value)}
        self.values = values
        try:
            self.source = inspect.getsource(inspect.unwrap(backward))
        except (OSError, TypeError):
            self.source = ""
        match = _LEFT.match(one.code)
        self.left = match[0] if match else ""
        self.code = one.code
        self.right = as_np(expression_of(one.code), modules)
        self.plain = not re.search(r"[-+*/@]=\s*$", self.left)
        self.numpy = "np" if "np" in modules else (modules or [""])[0]

    def repaired(self, repair: str, right: Any) -> str | None:
        """Return the statement's own expression with what it lacks."""
        if not repair:
            return None
        simple = re.fullmatch(r"[\w.]+(\([^()]*\))?", self.right)
        alone = simple or repair.startswith("np.")
        bracketed = repair.format(self.right if alone else f"({self.right})")
        tries = [repair.format(self.right), bracketed]
        if repair.startswith("-") and self.right.startswith("-"):
            tries.insert(0, repair[1:].format(self.right[1:].strip()))
        found = [self.checked(one, right) for one in tries if not one.startswith("--")]
        return next((one for one in found if one is not None), None)

    def suggested(self, suggestion: str | None, right: Any) -> str | None:
        """Return what the equation checker suggests."""
        if suggestion is None or "=" not in suggestion:
            return None
        known = Vocabulary(frozenset(self.values), defined=frozenset(self.values))
        try:
            tree = _as_values(parse(suggestion, known)[0].right)
        except BacklitError:
            return None
        lengths = re.sub(r"\bshape\((\w+)\)(?=\[)", r"\1.shape", python(tree))
        return self.checked(lengths, right)

    def checked(self, text: str, right: Any) -> str | None:
        """Return the statement with another right side if that is right and can be run there."""
        # Functions go by the module that the student takes them from.
        for word in set(re.findall(r"(?<![\w.])[A-Za-z_]\w*(?=\()", text)) - self.names:
            if re.search(rf"\b{self.numpy}\.{word}\(", self.source):
                text = re.sub(rf"(?<![\w.]){word}\(", f"np.{word}(", text)
        words = set(re.findall(r"(?<![\w.])[A-Za-z_]\w*\b(?!\s*=[^=])", text)) - {"np"}
        strange = words - self.names - {"len", "axis", "keepdims", "True", "False"}
        if not self.plain or strange or not _PYTHON.fullmatch(text) or _ADJACENT.search(text):
            return None
        try:
            if not agree(value_of(f"result = {text}", self.values), right):
                return None
        except BacklitError:
            return None
        if self.numpy != "np" and re.search(r"\bnp\.", text):
            if not self.numpy:
                return None
            text = re.sub(r"\bnp\.", f"{self.numpy}.", text)
        whole = f"{self.left}{text}"
        return None if _plain(whole) == _plain(self.code) else whole


def _as_values(node: Node) -> Node:
    """Return a tree in which every name is a value: a dZ too, else taken for a derivative."""

    def plain(one: Node) -> Node:
        if isinstance(one, Derivative) and isinstance(one.wrt, Name):
            return Name(f"d{one.wrt.base}", span=one.span)
        return one

    return node.map(plain)


def _plain(code: str) -> str:
    """Return a statement without the spaces and brackets in which two may differ."""
    try:
        return ast.dump(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "".join(code.split())


def _without(source: str, defined: set[str]) -> str:
    """Leave out what a backward pass computes again: the forward pass says what that is."""
    return "\n".join(
        "" if (found := _ASSIGNED.match(line)) and found[1] in defined else line
        for line in source.splitlines()
    )
