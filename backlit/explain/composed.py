"""What a name was made of that a backward pass changed once it had it: ``dZ *= A * (1 - A)``."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from backlit.explain.handwritten import Assigned

_MOST = 2_000  # Characters of what stands in the place of a name.


def composed(one: Assigned) -> Assigned | None:
    """Return a statement that refines a name with what the name was before in its place.

    Parameters
    ----------
    one : Assigned

    Returns
    -------
    Assigned or None
        None if it needs not be written in another way, or cannot.

    Examples
    --------
    >>> composed(Assigned("g", 6.0, 2, "g *= a", made=((1, "g = e.copy()"), (2, "g *= a")))).code
    'g = e * a'
    """
    if one.again or len(one.made) < 2:
        return None
    value: ast.expr | None = None
    for _, code in one.made:
        value = _next(one.name, code, value)
    text = ast.unparse(value) if value is not None else ""
    if not text or len(text) > _MOST or not _refines(one.name, one.code):
        return None
    return replace(one, code=f"{one.name} = {text}")


def before(assigned: Sequence[Assigned], one: Assigned) -> Mapping[str, Any]:
    """Return what names stood for when a name was first assigned.

    Parameters
    ----------
    assigned : sequence of Assigned
    one : Assigned

    Returns
    -------
    mapping of str to array
    """
    start = one.history[0][0]
    return {
        other.name: next((v for k, v in reversed(other.history) if k <= start), other.history[0][1])
        for other in assigned
        if other.name != one.name and other.history
    }


def _refines(name: str, code: str) -> bool:
    """Whether a statement starts from what the name stands for."""
    statement = _parsed(code)
    if isinstance(statement, ast.AugAssign):
        return True
    nodes = ast.walk(statement.value) if isinstance(statement, ast.Assign) else ()
    return any(isinstance(node, ast.Name) and node.id == name for node in nodes)


def _next(name: str, code: str, old: ast.expr | None) -> ast.expr | None:
    """Return the value of a name behind one more statement; None if that cannot be told."""
    statement = _parsed(code)
    target = _target(statement)
    if not isinstance(target, ast.Name) or target.id != name:
        return None
    if isinstance(statement, ast.AugAssign):
        return None if old is None else ast.BinOp(old, statement.op, statement.value)
    assert isinstance(statement, ast.Assign)
    if not _refines(name, code):
        return _Put(name, None).visit(statement.value)  # type: ignore[no-any-return]
    return None if old is None else _Put(name, old).visit(statement.value)


def _target(statement: ast.stmt | None) -> ast.expr | None:
    if isinstance(statement, ast.AugAssign):
        return statement.target
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        return statement.targets[0]
    return None


def _parsed(code: str) -> ast.stmt | None:
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return body[0] if len(body) == 1 else None


class _Put(ast.NodeTransformer):
    """Puts an expression into the place of a name, and leaves copies out."""

    def __init__(self, name: str, old: ast.expr | None) -> None:
        self.name, self.old = name, old

    def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: N802
        return self.old if node.id == self.name and self.old is not None else node

    def visit_Call(self, node: ast.Call) -> ast.AST:  # noqa: N802
        call = self.generic_visit(node)
        assert isinstance(call, ast.Call)
        is_copy = isinstance(call.func, ast.Attribute) and call.func.attr == "copy"
        if not is_copy or call.keywords:
            return call
        assert isinstance(call.func, ast.Attribute)
        return call.args[0] if call.args else call.func.value
