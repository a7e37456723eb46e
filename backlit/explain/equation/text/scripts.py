r"""Reads what is written behind a factor: powers, layers, subscripts, transposes and primes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from backlit.explain.equation.text.tokens import NotationError, Token
from backlit.explain.equation.text.vocabulary import CONSTANTS
from backlit.explain.equation.text.words import index_letters
from backlit.explain.equation.tree import (
    Binary,
    Element,
    Items,
    Name,
    Node,
    Number,
    Power,
    Slice,
    Transpose,
    Unary,
)

if TYPE_CHECKING:
    from backlit.explain.equation.text.parser import Parser

_LAYER_WORDS = frozenset(["l", "L", "ell"])
_INDEX_LETTERS = frozenset("ijkmnt")
_ACCENT_WORDS = frozenset(["hat", "bar", "tilde"])
_TIGHT = 50
_SUM = 20


@dataclass(frozen=True)
class Script:
    """One thing written behind a factor.

    Attributes
    ----------
    kind : str
        ``power``, ``layer``, ``index``, ``T``, ``prime`` or ``star``.
    end : int
        Where it ends.
    node : Node or None
        The exponent or the layer.
    nodes : tuple of Node
        The subscripts.
    is_round : bool
        Whether a layer, or a subscript that is written above, stands in round brackets.
    """

    kind: str
    end: int
    node: Node | None = None
    nodes: tuple[Node, ...] = ()
    is_round: bool = False


def collected(parser: Parser, base: str) -> tuple[str, list[Script]]:
    """Read all scripts behind a name.

    Returns
    -------
    str
        The name, with the accent that ``y_hat`` puts behind it.
    list of Script
    """
    found: list[Script] = []
    while True:
        token = parser.token
        if parser.is_op("'"):
            parser.take()
            found.append(Script("prime", token.end))
        elif parser.is_op("^"):
            found.extend(superscript(parser, base))
        elif parser.is_op("_"):
            following = parser.ahead()
            if following.kind == "word" and following.text in _ACCENT_WORDS:
                base += following.text
                parser.at += 2
                continue
            nodes = subscript(parser)
            found.append(Script("index", parser.last_end, nodes=nodes))
        elif _starts_layer(parser, base, found) and not any(s.kind == "layer" for s in found):
            parser.take()
            layer = parser.expression()
            parser.close()
            found.append(Script("layer", parser.last_end, layer))
        else:
            return base, found


def _starts_layer(parser: Parser, base: str, found: list[Script]) -> bool:
    """Whether a square bracket comes next in which this name has its layer."""
    if not parser.is_open("[") or parser.token.spaced:
        return False
    primed = base + "'" * sum(script.kind == "prime" for script in found)
    return not parser.vocabulary.bracketed.isdisjoint((base, primed))


def behind(parser: Parser, node: Node, start: int, is_first: bool) -> Node:
    """Read one script behind a factor that is not a bare name, the first one or a later."""
    if parser.take_op("'"):
        return Transpose(node, span=(start, parser.last_end))
    if parser.is_op("_"):
        return _subscripted(parser, node, start)
    caret = parser.token
    is_name = isinstance(node, Name) and node.layer is None
    for script in superscript(parser, node.base if is_name and isinstance(node, Name) else None):
        if script.kind == "layer" and is_name and isinstance(node, Name):
            span = (start, script.end)
            node = replace(node, layer=script.node, is_round=script.is_round, span=span)
        elif script.kind == "power" and script.node is not None and is_first:
            node = Power(node, script.node, span=(start, script.end))
        else:
            node = with_script(node, script, start, caret)
    return node


def with_script(node: Node, script: Script, start: int, at: Token) -> Node:
    """Return `node` with one more script behind it."""
    span = (start, script.end)
    if script.kind in ("T", "prime"):
        return Transpose(node, span=span)
    if script.kind == "power" and script.node is not None:
        if isinstance(node, Power):
            raise NotationError(
                "two exponents one after the other", span, fix="set brackets: (a^b)^c or a^{(b^c)}"
            )
        return Power(node, script.node, span=span)
    raise NotationError(
        "only a name can have a layer or a star here", (at.start, script.end), fix="name it first"
    )


def _subscripted(parser: Parser, node: Node, start: int) -> Node:
    nodes = subscript(parser)
    span = (start, parser.last_end)
    if isinstance(node, Name) and not node.index:
        return replace(node, index=nodes, span=span)
    if isinstance(node, Number):
        raise NotationError("a number has no subscripts", span)
    # Subscripts count from 1, the places of an Element from 0.
    return Element(node, tuple([_from_zero(index) for index in nodes]), span=span)


def _from_zero(index: Node) -> Node:
    if isinstance(index, Number):
        return Number(max(index.value - 1, Fraction(0)), span=index.span)
    return Binary("-", index, Number(Fraction(1)), span=index.span)


# -- superscripts ---------------------------------------------------------------------------------


def superscript(parser: Parser, base: str | None) -> list[Script]:
    """Read ``^`` and what it raises.

    Parameters
    ----------
    parser : Parser
    base : str or None
        The name it stands behind, None behind anything that cannot have a layer.

    Returns
    -------
    list of Script
        ``^{[l]T}`` holds two.
    """
    parser.take()
    token = parser.token
    if token.kind == "open":
        inner = parser.tokens[parser.at + 1 : parser.partners[parser.at]]
        if token.text == "{":
            return _braced(parser, base, inner)
        if base is not None and token.text in ("[", "⟨"):
            return [_bracketed_layer(parser)]
        if base is not None and token.text == "(" and _is_plain_layer(parser, base, inner):
            return [_bracketed_layer(parser)]
        return [_power(parser, parser.primary)]
    if token.kind == "op" and token.text in ("⊤", "'", "*"):
        parser.take()
        return [Script({"⊤": "T", "'": "prime", "*": "star"}[token.text], token.end)]
    if _is_transpose(token):
        parser.take()
        return [Script("T", token.end)]
    if base is not None and _is_layer(parser, base, [token]):
        return [_layer(parser, lambda: one_token(parser))]
    if token.kind == "op" and token.text == "-":
        return [_power(parser, lambda: parser.expression(_TIGHT))]
    # In plain text e^z_i means e to the z_i.
    if base is None and token.kind == "word":
        return [_power(parser, lambda: parser.operand(_TIGHT))]
    return [_power(parser, lambda: one_token(parser))]


def one_token(parser: Parser) -> Node:
    """Read what TeX raises without braces: one number, one name, or one group."""
    token = parser.token
    if token.kind == "word" and token.text not in CONSTANTS:
        parser.take()
        return Name(token.text, span=token.span)
    return parser.primary()


def _is_transpose(token: Token) -> bool:
    return (token.kind == "word" and token.text == "T") or token.text == "⊤"


def _power(parser: Parser, read: Callable[[], Node]) -> Script:
    node = read()
    return Script("power", parser.last_end, node)


def _layer(parser: Parser, read: Callable[[], Node]) -> Script:
    node = read()
    return Script("layer", parser.last_end, node)


def _bracketed_layer(parser: Parser) -> Script:
    """Read ``[l]``, ``(l)`` or ``⟨t⟩``."""
    opening = parser.take()
    layer = parser.listed()
    parser.close()
    if isinstance(layer, Items):
        raise NotationError("a layer is one number", layer.span, fix="write ^{[l]}")
    if opening.text == "(" and parser.vocabulary.has_examples:
        return Script("index", parser.last_end, nodes=(layer,), is_round=True)
    return Script("layer", parser.last_end, layer, is_round=opening.text == "(")


def _braced(parser: Parser, base: str | None, inner: list[Token]) -> list[Script]:
    place = parser.at
    closing = parser.partners[place]
    parser.take()
    if not inner:
        parser.close()
        return []
    first, last = inner[0], inner[-1]
    end = parser.tokens[closing].end
    if all(token.text == "'" for token in inner):
        parser.at = closing + 1
        return [Script("prime", end)] * len(inner)
    if len(inner) == 1 and (_is_transpose(first) or first.text in ("*", "+")):
        parser.at = closing + 1
        return [Script("T" if _is_transpose(first) else "star", end)]
    if len(inner) == 2 and first.text == "-" and _is_transpose(last):
        parser.at = closing + 1
        exponent = Unary("-", Number(Fraction(1)), span=(first.start, last.end))
        return [Script("power", end, exponent), Script("T", end)]
    if base is not None and _has_layer(parser, first, inner):
        scripts = [_bracketed_layer(parser), *_after_layer(parser)]
    elif base is not None and first.text == "<" and last.text == ">":
        parser.take()
        scripts = [_layer(parser, lambda: parser.expression(20))]
        parser.take()
    else:
        scripts = _plain(parser, base, inner)
    parser.close()
    return scripts


def _has_layer(parser: Parser, first: Token, inner: list[Token]) -> bool:
    """Whether a superscript starts with a layer in brackets: ``[l]T``, ``(l)``, ``⟨t⟩``."""
    if first.kind != "open":
        return False
    if first.text in ("[", "⟨"):
        return True
    length = parser.partners[parser.at] - parser.at - 1
    return first.text == "(" and _is_index(inner[1 : length + 1])


def _plain(parser: Parser, base: str | None, inner: list[Token]) -> list[Script]:
    """Read ``2``, ``2T``, ``-1T``, ``l``, ``l-1`` or an exponent."""
    if len(inner) == 2 and inner[0].text == "*" and inner[1].kind == "number":  # a^{\odot 2}
        parser.at += 2
        return [Script("power", inner[1].end, Number(inner[1].value, span=inner[1].span))]
    is_transposed = len(inner) > 1 and _is_transpose(inner[-1]) and inner[-2].kind != "op"
    if is_transposed:
        inner = inner[:-1]
    kind = "layer" if base is not None and _is_layer(parser, base, inner) else "power"
    signed = len(inner) == 2 and inner[0].text == "-" and inner[1].kind == "number"
    if not is_transposed or not (kind == "layer" or len(inner) == 1 or signed):
        return [Script(kind, parser.last_end, parser.inside())]
    if kind == "layer" and len(inner) > 1:
        node = parser.expression(_SUM)
    else:
        node = parser.operand(_TIGHT)
    script = Script(kind, parser.last_end, node)
    token = parser.take()
    return [script, Script("T", token.end)]


def _after_layer(parser: Parser) -> list[Script]:
    """Read what follows a layer in the same superscript: T, primes, the number of an example."""
    found: list[Script] = []
    while parser.token.kind != "close":
        token = parser.token
        if parser.take_op("^", ","):
            continue
        if _is_transpose(token) or parser.is_op("'"):
            parser.take()
            found.append(Script("prime" if token.text == "'" else "T", token.end))
        elif token.kind == "number":  # A^{[1]2}
            parser.take()
            found.append(Script("power", token.end, Number(token.value)))
        elif parser.is_open("{"):
            parser.take()
            found.extend(_after_layer(parser))
            parser.close()
        elif parser.is_open("("):
            parser.take()
            node = parser.listed()
            parser.close()
            found.append(Script("index", parser.last_end, nodes=(node,), is_round=True))
        else:
            raise parser.unexpected(token)
    return found


def _is_plain_layer(parser: Parser, base: str, inner: list[Token]) -> bool:
    """Whether ``x^(2)`` without braces is a layer: where the notes use x that way."""
    if not _is_index(inner):
        return False
    return base in parser.vocabulary.layered or _is_layer(parser, base, inner)


def _is_index(inner: list[Token]) -> bool:
    """Whether these tokens look like the number of a layer or an example."""
    return 0 < len(inner) <= 5 and all(
        (token.kind == "number" and token.value.denominator == 1)
        or (token.kind == "word" and len(token.text) <= 3)
        or (token.kind == "op" and token.text in ("+", "-"))
        for token in inner
    )


def _is_layer(parser: Parser, base: str, inner: list[Token]) -> bool:
    """Whether a superscript without brackets is a layer: ``l-1``, or where the notes say so."""
    if not _is_index(inner):
        return False
    if base in parser.vocabulary.layered:
        return True
    return inner[0].kind == "word" and inner[0].text in _LAYER_WORDS


# -- subscripts -----------------------------------------------------------------------------------


def subscript(parser: Parser) -> tuple[Node, ...]:
    """Read ``_`` and what it lowers: ``ij`` and ``i,j`` are two indices."""
    parser.take()
    token = parser.token
    if parser.is_open("{", "("):
        parser.take()
        nodes: list[Node] = []
        while True:
            nodes.extend(_indices(parser))
            if not parser.take_op(","):
                break
        parser.close()
        return tuple(nodes)
    if token.kind in ("word", "number"):
        parser.take()
        return _lowered(token)
    raise parser.unexpected(token, ", after _")


def _indices(parser: Parser) -> tuple[Node, ...]:
    """Read one subscript between commas; factors standing side by side are several."""
    end = parser.at
    while parser.tokens[end].kind in ("word", "number", "text"):
        end += 1
    stop = parser.tokens[end]
    if end == parser.at or not (stop.kind == "close" or stop.text == ","):
        return _apart(item(parser))
    words = parser.tokens[parser.at : end]
    parser.at = end
    return tuple(node for word in words for node in _lowered(word))


def _apart(node: Node) -> tuple[Node, ...]:
    """Return the subscripts of ``i y_i`` and ``iy_i``: places, of which one is a label's."""
    if isinstance(node, Binary) and node.op == " ":
        return (*_apart(node.left), *_apart(node.right))
    if isinstance(node, Name) and node.index and len(node.base) == 2 and node.base.isalpha():
        if node.base[0] in _INDEX_LETTERS:
            start = node.span[0]
            first = Name(node.base[0], span=(start, start + 1))
            return first, replace(node, base=node.base[1], span=(start + 1, node.span[1]))
    return (node,)


def _lowered(token: Token) -> tuple[Node, ...]:
    if token.kind == "number":
        return (Number(token.value, span=token.span),)
    if token.kind == "text" or token.whole:
        label = "".join(char for char in token.text if char.isalnum())
        return (Name(label or "text", span=token.span),)
    letters = index_letters(token.text)
    at = token.start
    nodes: list[Node] = []
    for letter in letters:
        span = (at, at + len(letter))
        number = letter.isdigit()
        nodes.append(Number(Fraction(letter), span=span) if number else Name(letter, span=span))
        at += len(letter)
    return tuple(nodes)


def item(parser: Parser) -> Node:
    """Read one subscript: an expression, ``:``, ``a:b``, ``None``."""
    start = parser.token.start
    parts: list[Node | None] = [None]
    while not parser.is_op(",") and parser.token.kind not in ("close", "end"):
        if parser.take_op(":"):
            parts.append(None)
        elif parts[-1] is None:
            parts[-1] = parser.expression(_SUM)
        else:
            raise parser.unexpected(parser.token)
    if len(parts) == 1:
        if parts[0] is None:
            raise parser.unexpected(parser.token)
        return parts[0]
    if len(parts) > 3:
        raise NotationError("a slice has at most three parts", (start, parser.last_end))
    return Slice(*parts, span=(start, parser.last_end))


# -- Python's brackets ----------------------------------------------------------------------------


def is_subscript(parser: Parser, node: Node) -> bool:
    """Whether the square bracket that comes next picks elements, and is no factor."""
    if parser.token.spaced or isinstance(node, Number):
        return False
    inner = parser.tokens[parser.at + 1 : parser.partners[parser.at]]
    if any(token.text == ":" for token in inner):
        return True
    return bool(inner) and all(_in_subscript(parser, token) for token in inner)


def _in_subscript(parser: Parser, token: Token) -> bool:
    if token.kind == "number":
        return token.value.denominator == 1
    if token.kind == "word":
        known = parser.vocabulary
        return token.text in ("None", "np", "newaxis") or not (
            known.has(token.text) and token.text in known.defined
        )
    return token.kind == "op" and token.text in ("+", "-", ",", ".")


def element(parser: Parser, node: Node, start: int) -> Node:
    """Read ``[0]``, ``[i, j]``, ``[:, None]`` behind a factor."""
    parser.take()
    items = [item(parser)]
    while parser.take_op(","):
        if parser.token.kind == "close":
            break
        items.append(item(parser))
    parser.close()
    return Element(node, tuple(items), span=(start, parser.last_end))
