r"""Reads derivatives: ``∂L/∂W``, ``\frac{dL}{dW}``, ``dL_dW``, ``\nabla_W L``, the bare ``dW``."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from backlit.explain.equation.text import atoms, calls, scripts
from backlit.explain.equation.text.tokens import NotationError, Token
from backlit.explain.equation.tree import (
    Call,
    Derivative,
    Element,
    Name,
    Node,
    Number,
    Power,
    Transpose,
)

if TYPE_CHECKING:
    from backlit.explain.equation.text.parser import Parser

_TIGHT = 50
_BESIDE = 40
_MOST_SCRIPTS = 40
_JOINED = re.compile(r"d([A-Za-z][A-Za-z0-9]*?)d([A-Za-z][A-Za-z0-9]*)")


def with_variations(found: list[Token], partners: dict[int, int]) -> list[Token]:
    r"""Return tokens with δ for ∂ in ``\frac{δL}{δw}`` and ``δL/δw``: as a factor it would cancel.

    Parameters
    ----------
    found : list of Token
    partners : dict
        Closing by opening brackets.

    Returns
    -------
    list of Token
    """
    signs: set[int] = set()
    for below, token in enumerate(found):
        above = _above(found, partners, below) if token.text == "delta" else None
        if above is not None and found[above].text == "delta":
            if found[above + 1].kind == found[below + 1].kind == "word":
                signs |= {above, below}
    if not signs:
        return found
    return [
        replace(token, kind="command", text="partial") if place in signs else token
        for place, token in enumerate(found)
    ]


def _above(found: list[Token], partners: dict[int, int], below: int) -> int | None:
    """Return where a numerator starts whose denominator starts at a token."""
    before = found[below - 1] if below else found[below]
    if before.kind == "op" and before.text == "/":
        starts = range(below - 2, max(below - 12, -1), -1)
        return next((place for place in starts if found[place].text == "delta"), None)
    if before.text != "{" or below < 4 or found[below - 2].text != "}":
        return None
    opening = next((place for place, end in partners.items() if end == below - 2), 0)
    return opening + 1 if opening and found[opening - 1].text == "frac" else None


def fraction(parser: Parser) -> Node | None:
    r"""Read ``\frac{∂L}{∂W}`` or ``\frac{∂}{∂W}``; None where the fraction is no derivative."""
    top = parser.at + 1
    if parser.tokens[top].text != "{":
        return None
    bottom = parser.partners[top] + 1
    if not _is_differential(parser, top + 1) or not _is_differential(parser, bottom + 1):
        return None
    head = parser.tokens[top + 1]
    if head.kind == "word" and not _are_known(parser, top + 1, bottom + 1):
        return None
    if len(head.text) > 1 and head.kind == "word":  # dL, so nothing else may stand beside it
        if not (_is_alone(parser, top) and _is_alone(parser, bottom)):
            return None
    start = parser.take().start
    parser.take()
    order, target = _numerator(parser)
    parser.close()
    parser.take()
    wrt, second, transposed = _denominator(parser, order)
    parser.close()
    return _finished(parser, target, wrt, second, transposed, start)


def symbol(parser: Parser) -> Node:
    """Read what starts with ∂ or ∇."""
    token = parser.token
    if token.text == "nabla":
        return _nabla(parser)
    if parser.ahead().text == "_":
        parser.take()
        wrt = _below(parser)
        target = parser.postfix(parser.primary(), parser.token.start)
        return Derivative(target, wrt, span=(token.start, parser.last_end))
    return _slashed(parser)


def word(parser: Parser) -> Node | None:
    """Read ``dW``, ``dL/dW``, ``dL_dW``, ``dLdW``, ``grad_W``; None if it is a name."""
    token = parser.token
    if _is_slashed(parser):
        return _slashed(parser)
    for read in (_underscored, _joined, _gradient_name):
        node = read(parser)
        if node is not None:
            return node
    return _bare(parser, token)


# -- which words are derivatives ------------------------------------------------------------------


def _is_differential(parser: Parser, place: int) -> bool:
    """Whether ∂x, dx or d x can start at a token."""
    token = parser.tokens[place]
    if token.text == "partial" and token.kind == "command":
        return True
    return token.kind == "word" and token.text[0] == "d"


def _is_atom(parser: Parser, text: str) -> bool:
    """Whether a word is d and a name, and no name of its own."""
    known = parser.vocabulary
    return text[0] == "d" and not known.has(text) and known.knows(text[1:])


def _are_known(parser: Parser, top: int, bottom: int) -> bool:
    """Whether both parts of ``d…/d…`` can be d and a name, and one of them surely is."""
    known = parser.vocabulary
    sure = known.is_empty
    for place in (top, bottom):
        token, following = parser.tokens[place], parser.tokens[place + 1]
        rest = token.text[1:] if token.kind == "word" else following.text
        if token.text == "d":
            rest = following.text if following.kind == "word" else ""
        elif known.has(token.text):
            return False
        sure = sure or (bool(rest) and known.knows(rest))
    return sure


def _is_slashed(parser: Parser) -> bool:
    """Whether a word starts ``dL/dW``, ``d L/d W``, ``d(…)/dW`` or ``d/dW``."""
    start = parser.at
    if parser.token.text[0] != "d":
        return False
    place = start + 1
    alone = parser.token.text == "d"
    place = _past_scripts(parser, place)
    if alone and not parser.tokens[place].text == "/":
        token = parser.tokens[place]
        if token.kind == "open":
            place = parser.partners[place] + 1
        elif token.kind == "word":
            place += 1
        else:
            return False
        place = _past_scripts(parser, place)
    if parser.tokens[place].text == "(" and len(parser.token.text) + alone > 1:
        place = parser.partners[place] + 1
    if parser.tokens[place].text != "/" or parser.tokens[place].kind != "op":
        return False
    below = place + 1
    if not _is_differential(parser, below) or parser.tokens[below].text == "partial":
        return False
    if parser.tokens[below].text == "d" and parser.tokens[below + 1].kind not in ("word", "open"):
        return False
    return _are_known(parser, start, below)


def _is_alone(parser: Parser, group: int) -> bool:
    """Whether nothing but one word with its scripts stands in a group."""
    place = _past_scripts(parser, group + 2 + (parser.tokens[group + 1].text == "d"))
    if parser.tokens[place].text == "(":  # df(x)
        place = parser.partners[place] + 1
    return place == parser.partners[group]


def _past_scripts(parser: Parser, place: int) -> int:
    """Return the first token behind the scripts that start at `place`."""
    for _ in range(_MOST_SCRIPTS):
        token = parser.tokens[place]
        if token.text == "'" and token.kind == "op":
            place += 1
        elif token.text in ("^", "_") and token.kind == "op":
            place += 1
            opened = parser.tokens[place].kind == "open"
            place = parser.partners[place] + 1 if opened else place + 1
            place = min(place, len(parser.tokens) - 1)
        elif token.text == "[" and not token.spaced:
            place = parser.partners[place] + 1
        else:
            break
    return place


# -- fractions ------------------------------------------------------------------------------------


def _slashed(parser: Parser) -> Node:
    """Read ``∂L/∂W``, ``∂²L/∂w²``, ``∂/∂w L``, ``dL/dW``."""
    start = parser.token.start
    order, target = _numerator(parser)
    if not parser.take_op("/"):
        raise NotationError(
            "a derivative needs what it is taken by", (start, parser.last_end), fix="write ∂L/∂W"
        )
    wrt, second, transposed = _denominator(parser, order)
    return _finished(parser, target, wrt, second, transposed, start)


def _numerator(parser: Parser) -> tuple[int, Node | None]:
    """Read ``∂L``, ``∂²L``, ``∂`` or ``dL``; return the order and what is differentiated."""
    token = parser.take()
    order = 1
    if token.text in ("partial", "d"):
        if parser.is_op("^"):
            order = _order(parser)
        if parser.is_op("/") or parser.token.kind == "close":
            return order, None
        start = parser.token.start
        follows = parser.token.kind == "word" and parser.tokens[parser.at - 1].text == "d"
        if follows and parser.ahead().text != "(":
            return order, _name(parser, parser.take())
        if parser.is_open("("):
            return order, parser.postfix(parser.primary(), start)
        return order, parser.expression(_BESIDE)
    inner = replace(token, text=token.text[1:], start=token.start + 1)
    base, found = scripts.collected(parser, inner.text)
    if parser.is_open("(") and calls.is_call(parser, base, found):
        return order, calls.reduced(calls.applied(parser, base, found, inner), False)
    return order, atoms.name(parser, inner, base, found)


def _order(parser: Parser) -> int:
    start = parser.take().start
    node = parser.group() if parser.is_open("{") else parser.primary()
    if node == Number(Fraction(2)):
        return 2
    raise NotationError(
        "only first and second derivatives are read", (start, parser.last_end), fix="write ∂²L/∂w²"
    )


def _denominator(parser: Parser, order: int) -> tuple[Node, Node | None, bool]:
    """Read ``∂W``, ``∂w²``, ``∂w ∂b``; return both variables and whether the last is transposed."""
    start = parser.token.start
    first = _differential(parser)
    if order == 2 and isinstance(first, Power) and first.exponent == Number(Fraction(2)):
        wrt = _variable(first.base, start)
        return wrt, wrt, False
    if order == 2:
        if not (parser.starts_operand() and _is_differential(parser, parser.at)):
            raise NotationError(
                "a second derivative needs its variable twice",
                (start, parser.last_end),
                fix="write ∂²L/∂w² or ∂²L/(∂w ∂b)",
            )
        second = _differential(parser)
        second = second.operand if isinstance(second, Transpose) else second
        return _variable(first, start), _variable(second, start), False
    if isinstance(first, Transpose):
        return _variable(first.operand, start), None, True
    return _variable(first, start), None, False


def _differential(parser: Parser) -> Node:
    """Read ``∂w``, ``dw`` or ``d w`` with the scripts behind it."""
    token = parser.take()
    if token.text not in ("partial", "d"):
        if token.kind == "word" and token.text[0] == "d":
            return _with_elements(parser, _name(parser, token, skip=1), token)
        raise parser.unexpected(token)
    following = parser.token
    if following.kind == "word":
        parser.take()
        return _with_elements(parser, _name(parser, following), following)
    if parser.is_open("(", "{"):
        return parser.postfix(parser.primary(), following.start)
    raise parser.unexpected(following)


def _with_elements(parser: Parser, node: Node, token: Token) -> Node:
    if parser.is_open("[") and scripts.is_subscript(parser, node):
        return scripts.element(parser, node, token.start)
    return node


def _variable(node: Node, start: int) -> Node:
    if isinstance(node, Name) or (isinstance(node, Element) and isinstance(node.operand, Name)):
        return node
    raise NotationError(
        "a derivative is taken by a name or one of its elements",
        (start, node.span[1]),
        fix="give the expression a name in a line of its own",
    )


def _name(parser: Parser, token: Token, skip: int = 0) -> Node:
    """Return the name in a word just taken, without the d before it, and with its scripts."""
    inner = replace(token, text=token.text[skip:], start=token.start + skip) if skip else token
    base, found = scripts.collected(parser, inner.text)
    return atoms.name(parser, inner, base, found)


def _finished(
    parser: Parser,
    target: Node | None,
    wrt: Node,
    second: Node | None,
    transposed: bool,
    start: int,
) -> Node:
    if target is None:
        if not parser.starts_operand():
            raise NotationError(
                "nothing stands behind the derivative", (start, parser.last_end), fix="write ∂L/∂W"
            )
        target = parser.expression(_BESIDE)
    span = (start, parser.last_end)
    if isinstance(target, Derivative) and target.second is None and second is None:
        return replace(target, second=wrt, span=span)
    node = Derivative(target, wrt, second, span=span)
    return Transpose(node, span=span) if transposed else node


# -- other forms ----------------------------------------------------------------------------------


def _below(parser: Parser) -> Node:
    """Read the variable in ``∇_W`` or ``∂_w``."""
    parser.take()
    start = parser.token.start
    if parser.is_open("{"):
        return _variable(parser.group(), start)
    token = parser.take()
    if token.kind != "word":
        raise parser.unexpected(token)
    return Name(token.text, span=token.span)


def _nabla(parser: Parser) -> Node:
    r"""Read ``∇_W L``, ``\nabla_w^2 L``, or ``∇_W`` alone."""
    nabla = parser.take()
    wrt: Node | None = None
    order = 1
    while parser.is_op("_", "^"):
        if parser.is_op("^"):
            order = _order(parser)
        else:
            wrt = _below(parser)
    target: Node | None = None
    if parser.starts_operand():
        start = parser.token.start
        target = parser.postfix(parser.primary(), start)
    if wrt is None and isinstance(target, Call) and len(target.args) == 1:
        wrt = target.args[0] if isinstance(target.args[0], Name) else None  # ∇f(x)
    if wrt is None:
        raise NotationError(
            "∇ does not say by what it differentiates", nabla.span, fix="write ∇_W L"
        )
    second = wrt if order == 2 else None
    return Derivative(target, wrt, second, "nabla", span=(nabla.start, parser.last_end))


def _underscored(parser: Parser) -> Node | None:
    """Read ``dL_dW``."""
    token, below = parser.token, parser.ahead(2)
    if parser.ahead().text != "_" or below.kind != "word" or len(token.text) < 2:
        return None
    known = parser.vocabulary
    if token.text[0] != "d" or below.text[0] != "d" or len(below.text) < 2:
        return None
    if not (known.is_empty or known.knows(below.text[1:]) or known.knows(token.text[1:])):
        return None
    parser.at += 3
    target = Name(token.text[1:], span=(token.start + 1, token.end))
    wrt = _with_elements(parser, _name(parser, below, skip=1), below)
    transposed = isinstance(wrt, Transpose)
    wrt = wrt.operand if isinstance(wrt, Transpose) else wrt
    return _finished(parser, target, _variable(wrt, token.start), None, transposed, token.start)


def _joined(parser: Parser) -> Node | None:
    """Read ``dLdW``."""
    token, known = parser.token, parser.vocabulary
    if token.whole or known.has(token.text) or not token.text.startswith("d"):
        return None
    match = _JOINED.fullmatch(token.text)
    while match is not None and not (known.has(match[1]) and known.knows(match[2])):
        split = token.text.find("d", match.start(2))
        if split < 0 or split + 1 >= len(token.text):
            return None
        match = re.compile(f"d(.{{{split - 1}}})d(.+)").fullmatch(token.text)
    if match is None:
        return None
    parser.take()
    at = token.start
    target = Name(match[1], span=(at + match.start(1), at + match.end(1)))
    inner = replace(token, text=match[2], start=at + match.start(2))
    base, found = scripts.collected(parser, inner.text)
    wrt = _variable(atoms.name(parser, inner, base, found), at)
    return Derivative(target, wrt, span=(at, parser.last_end))


def _gradient_name(parser: Parser) -> Node | None:
    """Read ``grad_W``."""
    token, below = parser.token, parser.ahead(2)
    if token.text != "grad" or parser.ahead().text != "_" or below.kind != "word":
        return None
    known = parser.vocabulary
    if known.has("grad") or not (known.is_empty or known.knows(below.text)):
        return None
    parser.at += 3
    wrt = _variable(_name(parser, below), token.start)
    following = parser.token
    if following.kind == "word" and known.has(following.text):  # grad_w L
        target = parser.postfix(parser.primary(), following.start)
        return Derivative(target, wrt, style="nabla", span=(token.start, parser.last_end))
    return Derivative(None, wrt, style="bare", span=(token.start, parser.last_end))


def _bare(parser: Parser, token: Token) -> Node | None:
    r"""Read ``dW``, ``d\gamma``; scripts belong to the variable, a transpose to the derivative."""
    if token.text == "d":
        following = parser.ahead()
        known = parser.vocabulary
        if following.kind != "word" or known.has("d") or not known.knows(following.text):
            return None
        parser.at += 2
        inner = following
    elif len(token.text) > 1 and _is_atom(parser, token.text):
        parser.take()
        inner = replace(token, text=token.text[1:], start=token.start + 1)
    else:
        return None
    base, found = scripts.collected(parser, inner.text)
    of_name = ["layer", "index"]
    primes = sum(script.kind == "prime" for script in found)
    if primes and parser.vocabulary.has(base + "'" * primes):
        of_name.append("prime")
    wrt = atoms.name(parser, inner, base, [s for s in found if s.kind in of_name])
    node: Node = Derivative(None, wrt, style="bare", span=(token.start, wrt.span[1]))
    for script in found:
        if script.kind not in of_name:
            node = scripts.with_script(node, script, token.start, token)
    return node
