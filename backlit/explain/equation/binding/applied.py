"""Applies functions that stand alone: ``h'(x) = f' g + f g'``, ``dy/dx = A'(B)·B'``, ``(f∘g)'``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from backlit.explain.equation.text import lefts
from backlit.explain.equation.text.entries import Statement
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Derivative,
    Equation,
    Function,
    Name,
    Node,
    Transpose,
)

# What functions are applied to where a rule is about functions as such.
_POINT = "x"
_DEEPEST = 20

Arguments = tuple[Node, ...]


def with_arguments(statements: Sequence[Statement], functions: Collection[str]) -> list[Statement]:
    """Return the statements with every function applied to what it is applied to elsewhere.

    Parameters
    ----------
    statements : sequence of Statement
    functions : collection of str
        Functions of the notes' own.

    Returns
    -------
    list of Statement
        Where a function is applied to several things, it is left as it is: a call without
        arguments.
    """
    targets = [n.target for s in statements for n in s.equation.walk() if isinstance(n, Derivative)]
    told = {n.function.name for n in (s.equation.left for s in statements) if isinstance(n, Call)}
    functions = set(functions) - ({n.base for n in targets if isinstance(n, Name)} & told)
    plain = _arguments([s.equation for s in statements if not s.equation.is_claim])
    left = [s.equation.left for s in statements]
    heads = {n.function: n.args for n in left if isinstance(n, Call) and n.args}
    claimed = _arguments([s.equation for s in statements if s.equation.is_claim])
    found = []
    for statement in statements:
        if any(_stands_alone(node, functions) for node in statement.equation.walk()):
            known = {**claimed, **_arguments([statement.equation]), **plain, **heads}
            application = _Application(known, functions, statement.text)
            readings = tuple(map(application.equation, statement.readings))
            statement = replace(statement, equation=readings[0], readings=readings)
        found.append(statement)
    return found


def _stands_alone(node: Node, functions: Collection[str]) -> bool:
    if isinstance(node, Name):
        return node.base in functions and not node.index
    return isinstance(node, Call) and not node.args and not node.keywords


def unapplied(equation: Equation) -> Call | None:
    """Return a function of which nothing says what it is applied to, if there is one.

    Parameters
    ----------
    equation : Equation

    Returns
    -------
    Call or None
    """
    calls = (node for node in equation.walk() if isinstance(node, Call))
    return next((call for call in calls if not call.args and not call.keywords), None)


def _arguments(equations: Sequence[Equation]) -> Mapping[Function, Arguments]:
    """Return what each function is applied to, where that is the same everywhere."""
    found: dict[Function, set[Arguments]] = {}
    for equation in equations:
        for node in _calls(equation):
            found.setdefault(replace(node.function, order=0), set()).add(node.args)
    return {function: args.pop() for function, args in found.items() if len(args) == 1}


def _calls(equation: Equation) -> Iterator[Call]:
    """Yield the functions that are applied in an equation, not differentiated ones."""
    for node in equation.walk():
        if isinstance(node, Call) and node.args and not node.function.order:
            yield node


@dataclass(frozen=True)
class _Application:
    """Puts arguments behind the functions of one equation."""

    known: Mapping[Function, Arguments]
    functions: Collection[str]
    text: str

    def equation(self, equation: Equation) -> Equation:
        left = equation.left
        rule = _rule(left, self.functions)
        if rule is not None:
            body, point = rule
            stated = Derivative(self.at(body, point), point, span=left.span)
            return replace(equation, left=stated, right=self.at(equation.right, point))
        right = equation.right.map(self.applied)
        return replace(equation, left=lefts.from_primes(left.map(self.applied)), right=right)

    def applied(self, node: Node, depth: int = 0) -> Node:
        if not _stands_alone(node, self.functions) or depth > _DEEPEST:
            return node
        if isinstance(node, Name):
            function = Function(node.base, node.layer, span=node.span)
        else:
            assert isinstance(node, Call)
            function = node.function
        args = self.arguments(function)
        if args is None:
            return node
        deeper = [arg.map(partial(self.applied, depth=depth + 1)) for arg in args]
        return Call(function, tuple(deeper), span=node.span)

    def arguments(self, function: Function) -> Arguments | None:
        """Return what a function is applied to: itself, or the one of any layer."""
        plain = replace(function, order=0)
        if plain in self.known or plain.layer is None:
            return self.known.get(plain)
        for other, args in self.known.items():
            if other.name == plain.name and isinstance(other.layer, Name):
                return tuple([_of_layer(arg, other.layer, plain.layer) for arg in args])
        return None

    def at(self, node: Node, point: Node) -> Node:
        """Return an expression of functions as one of their values at a point."""
        if isinstance(node, Name) and node.base in self.functions:
            return Call(Function(node.base, node.layer, span=node.span), (point,), span=node.span)
        if isinstance(node, Call) and not node.args:
            return replace(node, args=(point,))
        if isinstance(node, Binary) and node.op == "*" and self.is_composition(node):
            return self.at(node.left, self.at(node.right, point))
        for child in node.children():
            if not isinstance(child, Function):
                node = node.swapped(child, self.at(child, point))
        return node

    def is_composition(self, node: Binary) -> bool:
        between = self.text[node.left.span[1] : node.right.span[0]]
        return "∘" in between or "\\circ" in between


def _of_layer(node: Node, letter: Name, layer: Node) -> Node:
    return node.map(lambda part: layer if part == letter else part)


def _rule(left: Node, functions: Collection[str]) -> tuple[Node, Name] | None:
    """Return what a rule ``(f g)'(x) = …`` is about and where it is taken, None if it is none."""
    point = Name(_POINT)
    whole = left
    if isinstance(left, Binary) and left.op == " " and isinstance(left.right, Name):
        whole, point = left.left, left.right
    if not isinstance(whole, Transpose):
        return None
    names = [n for n in whole.walk() if isinstance(n, Name)]
    is_rule = bool(names) and all(n.base in functions for n in names)
    return (whole.operand, point) if is_rule else None
