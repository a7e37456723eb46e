r"""Reads ``\sum_{i=1}^{n}``, ``Σᵢ``, ``\prod``, and finds out how far they reach."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from backlit.explain.equation.text.scripts import one_token
from backlit.explain.equation.text.tokens import NotationError, Token
from backlit.explain.equation.text.vocabulary import Vocabulary
from backlit.explain.equation.text.words import index_letters
from backlit.explain.equation.tree import Binary, Compare, Name, Node, Series, Unary

if TYPE_CHECKING:
    from backlit.explain.equation.text.parser import Parser

_PRODUCT = 30
_WORDS = {"Sigma": "sum", "Pi": "prod", "sum": "sum", "prod": "prod"}
# An index, its ends, and a condition on it.
Range = tuple[str, Node | None, Node | None, Node | None]
_UNEQUAL = "!="


def is_sigma(parser: Parser) -> bool:
    """Whether a word is the sign of a sum: ``Σᵢ xᵢ``, ``sum_{i=1}^n x_i``, ``sum x``."""
    token, following = parser.token, parser.ahead()
    if token.kind != "word" or token.text not in _WORDS or parser.vocabulary.has(token.text):
        return False
    if following.text == "_":
        return True
    if following.text == "^":
        # Σ^{-1} and Σ^T are of a matrix.
        inner = parser.ahead(3) if parser.ahead(2).text == "{" else parser.ahead(2)
        return inner.text not in ("-", "T", "⊤")
    if token.text in ("sum", "prod") and following.text == "(":
        return False
    if following.kind == "op":
        return following.text in ("|", "‖", "|(", "‖(", "-")
    return following.kind in ("word", "number", "command", "open")


def series(parser: Parser) -> Node:
    """Read a sum or product sign, its range, and the product or quotient it reaches over."""
    token = parser.take()
    op = _WORDS.get(token.text, token.text)
    ranges: list[Range] = []
    high: Node | None = None
    while parser.is_op("_", "^"):
        if parser.take().text == "_":
            ranges = _ranges(parser)
        else:
            high = parser.group() if parser.is_open("{") else one_token(parser)
    if high is not None:
        if len(ranges) != 1:
            raise NotationError(
                "an upper end needs one running index below it",
                (token.start, parser.last_end),
                fix="write \\sum_{i=1}^{n}",
            )
        ranges = [(ranges[0][0], ranges[0][1], high, ranges[0][3])]
    body = parser.expression(_PRODUCT)
    span = (token.start, parser.last_end)
    if not ranges:
        return Series(op, body, span=span)
    for index, low, top, condition in reversed(ranges):
        if condition is not None:
            body = _restricted(parser, op, body, condition)
        body = Series(op, body, index, low, top, span=span)
    return body


def _restricted(parser: Parser, op: str, body: Node, condition: Node) -> Node:
    """Return the terms of a sum with a condition: 0 where it does not hold."""
    if op != "sum":
        raise NotationError(
            "a condition below a product is not supported",
            condition.span,
            fix="write the product without it, and divide",
        )
    return Binary(" ", condition, body, span=body.span)


def _ranges(parser: Parser) -> list[Range]:
    r"""Read what stands below: ``i=1``, ``i,j``, ``i \in B``, ``ij``."""
    token = parser.token
    if not parser.is_open("{", "("):
        if token.kind != "word":
            raise parser.unexpected(token, ", below a sum")
        parser.take()
        return [(letter, None, None, None) for letter in index_letters(token.text)]
    parser.take()
    found: list[Range] = []
    while parser.token.kind != "close":
        token = parser.token
        if parser.is_open("("):  # (u, i) ∈ Ω
            found.extend(_ranges(parser))
            if parser.take_op("∈"):
                parser.expression(20)
            parser.take_op(",")
            continue
        if token.kind != "word":
            raise parser.unexpected(token, ", below a sum")
        parser.take()
        low: Node | None = None
        condition: Node | None = None
        if parser.take_op("="):
            low = parser.expression(20)
        elif parser.take_op("∈"):
            parser.expression(20)
        elif parser.take_op(_UNEQUAL):
            condition = _unequal(parser, token)
        elif not (parser.is_op(",") or parser.token.kind == "close"):
            raise NotationError(
                "this condition below a sum is not supported",
                (token.start, parser.token.end),
                fix="write \\sum_{i=1}^{n} and put the condition into the terms",
            )
        letters = index_letters(token.text) if low is None else (token.text,)
        found.extend([(letter, low, None, condition) for letter in letters])
        parser.take_op(",")
    parser.close()
    return found


def _unequal(parser: Parser, token: Token) -> Node:
    r"""Read ``\neq k`` below a sum over j."""
    other = parser.expression(20)
    index = Name(token.text, span=token.span)
    return Compare(_UNEQUAL, index, other, span=(token.start, other.span[1]))


def widened(left: Node, op: str, right: Node, known: Vocabulary) -> Node | None:
    r"""Return `left` with `right` taken into the sum at its end, where its running index is used.

    ``\sum_i y_i \log a_i + (1-y_i) \log(1-a_i)`` is written without brackets by everybody.
    """
    if isinstance(left, Series) and left.index:
        span = (left.span[0], right.span[1])
        inner = widened(left.body, op, right, known)
        if inner is not None:
            return replace(left, body=inner, span=span)
        if known.has(left.index) or not _uses(right, left.index):
            return None
        condition, terms = _condition(left)
        body: Node = Binary(op, terms, right, span=(terms.span[0], right.span[1]))
        if condition is not None:
            body = Binary(" ", condition, body, span=body.span)
        return replace(left, body=body, span=span)
    if isinstance(left, Unary):
        inner = widened(left.operand, op, right, known)
        return inner and replace(left, operand=inner, span=(left.span[0], right.span[1]))
    if isinstance(left, Binary) and left.op != "/":
        inner = widened(left.right, op, right, known)
        return inner and replace(left, right=inner, span=(left.span[0], right.span[1]))
    return None


def _condition(series: Series) -> tuple[Node | None, Node]:
    """Return what stands below a sum beside its index, and its terms."""
    body = series.body
    if isinstance(body, Binary) and isinstance(body.left, Compare):
        if body.left.span[0] < body.span[0]:  # before the terms
            return body.left, body.right
    return None, body


def _uses(node: Node, index: str) -> bool:
    """Whether a running index stands in `node` without a sum of its own around it."""
    if isinstance(node, Series) and node.index == index:
        return False
    if isinstance(node, Name) and node.base == index:
        return True
    return any(_uses(child, index) for child in node.children())
