r"""Reads one equation or expression in LaTeX, Unicode or Python into the typed tree.

A Pratt parser [1]_. From loose to tight: comparisons; sums; products with a sign (⊙ ``*`` ``@`` ·
/), from left to right; products by standing side by side; functions, powers and scripts. Where a
line can be read in two ways that the vocabulary does not settle, both readings are returned.

References
----------
.. [1] V. R. Pratt, "Top down operator precedence", POPL 1973.
"""

from __future__ import annotations

import itertools

from backlit.explain.equation.text import atoms, bigs, differentials, scripts
from backlit.explain.equation.text.cursor import Cursor, too_deep
from backlit.explain.equation.text.lexer import tokens
from backlit.explain.equation.text.limits import check_size
from backlit.explain.equation.text.tokens import NotationError, Token
from backlit.explain.equation.text.vocabulary import Vocabulary
from backlit.explain.equation.text.words import separated
from backlit.explain.equation.tree import (
    Binary,
    Compare,
    Equation,
    Items,
    Node,
    Number,
    Power,
    Unary,
)

COMPARE, SUM, PRODUCT, SIDE_BY_SIDE, TIGHT = 10, 20, 30, 40, 50
_LEVELS = {
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), COMPARE),
    **dict.fromkeys(("+", "-"), SUM),
    **dict.fromkeys(("*", "@", "·", "/"), PRODUCT),
}
_MOST_RECURSION = 260
_MOST_READINGS = 8
_LONGEST_CHAIN = 30


def parse(text: str, known: Vocabulary | None = None) -> tuple[Equation, ...]:
    r"""Read one equation.

    Parameters
    ----------
    text : str
        In LaTeX, Unicode or Python, or a mixture.
    known : Vocabulary, optional
        What the names stand for.

    Returns
    -------
    tuple of Equation
        Its readings, the preferred one first.

    Raises
    ------
    NotationError
        If it cannot be read, or is not one equation.

    Examples
    --------
    >>> known = Vocabulary(frozenset(["W", "x", "b", "z"]))
    >>> parse(r"z = W^{T}x + b", known) == parse("z = Wᵀ x + b", known) == parse("z = W.T x + b")
    True
    """
    links = parse_chain(text, known)
    if len(links) != 1:
        raise NotationError("more than one equals sign", (0, len(text)))
    return links[0]


def parse_expression(
    text: str, known: Vocabulary | None = None, start: int = 0, end: int | None = None
) -> tuple[Node, ...]:
    r"""Read one expression, without an equals sign.

    Parameters
    ----------
    text : str
    known : Vocabulary, optional
    start, end : int, optional
        Which part of `text`; spans are counted in the whole of it.

    Returns
    -------
    tuple of Node
        Its readings, the preferred one first.

    Raises
    ------
    NotationError

    Examples
    --------
    >>> parse_expression(r"a \odot b") == parse_expression("a*b") == parse_expression("a ⊙ b")
    True
    >>> len(parse_expression("1/2x"))  # (1/2)x or 1/(2x)
    2
    """
    return _readings(tokens(text, start, end), known or Vocabulary())


def parse_chain(
    text: str, known: Vocabulary | None = None, start: int = 0, end: int | None = None
) -> tuple[tuple[Equation, ...], ...]:
    """Read ``a = b`` or a chain ``a = b = c``, which says a = b and a = c.

    Parameters
    ----------
    text : str
    known : Vocabulary, optional
    start, end : int, optional
        Which part of `text`; spans are counted in the whole of it.

    Returns
    -------
    tuple of tuple of Equation
        For each equation of the chain its readings, the preferred one first.

    Raises
    ------
    NotationError

    Examples
    --------
    >>> [[len(readings)] for readings in parse_chain("L = -log a = -log σ(z)")]
    [[1], [1]]
    """
    return read_chain(tokens(text, start, end), known or Vocabulary())


def read_chain(found: list[Token], known: Vocabulary) -> tuple[tuple[Equation, ...], ...]:
    """Read the tokens of a chain of equations, as `parse_chain` does.

    Parameters
    ----------
    found : list of Token
    known : Vocabulary

    Returns
    -------
    tuple of tuple of Equation

    Raises
    ------
    NotationError
    """
    parts = _sides(found)
    if len(parts) < 2:
        raise NotationError("there is no equals sign", (found[0].start, found[-1].end))
    if len(parts) > _LONGEST_CHAIN:
        span = (found[0].start, found[-1].end)
        raise NotationError(f"a chain of {len(parts):,} equations", span, fix="split it")
    lefts = _readings(parts[0], known)
    links = []
    for part in parts[1:]:
        rights = _readings(part, known)
        links.append(
            tuple(
                Equation(left, right, span=(left.span[0], right.span[1]))
                for left in lefts
                for right in rights
            )[:_MOST_READINGS]
        )
    return tuple(links)


def _sides(found: list[Token]) -> list[list[Token]]:
    """Split at the equals signs outside all brackets; what is only approximate is left out."""
    equals = ("=", ":=", "<-")
    depth, cuts = 0, []
    double: list[int] = []
    end = len(found) - 1
    for place, token in enumerate(found):
        depth = max(depth + (token.kind == "open") - (token.kind == "close"), 0)
        if depth or token.kind != "op":
            continue
        if token.text in equals:
            cuts.append(place)
        elif token.text == "==":
            double.append(place)
        elif token.text == "≈" and cuts:
            end = place
            break
    cuts = cuts or double
    sides, first = [], 0
    for cut in (*cuts, end):
        stop = found[cut]
        sides.append([*found[first:cut], Token("end", "", stop.start, stop.start)])
        first = cut + 1
    return sides


def _readings(found: list[Token], known: Vocabulary) -> tuple[Node, ...]:
    """Return every reading of an expression; a kind of place is read alike throughout a line."""
    found = separated(found, known)
    first = Parser(found, known)
    results: list[Node] = []
    failure: NotationError | None = None
    try:
        results.append(first.whole())
    except NotationError as error:
        failure = error
    kinds = sorted(first.met)[:3]
    for options in itertools.product((0, 1), repeat=len(kinds)):
        if not any(options):
            continue
        try:
            node = Parser(found, known, dict(zip(kinds, options, strict=True))).whole()
        except NotationError:
            continue
        if node not in results:
            results.append(node)
    if failure is not None and not results:
        raise failure
    return tuple(results)


class Parser(Cursor):
    """Reads the tokens of one expression in one of its readings."""

    depth = 0
    pipes = 0  # how many | or ‖ are open

    def __init__(
        self, found: list[Token], vocabulary: Vocabulary, choices: dict[str, int] | None = None
    ) -> None:
        super().__init__(found, vocabulary, choices)
        self.tokens = differentials.with_variations(found, self.partners)

    def whole(self) -> Node:
        """Read all tokens as one expression.

        Returns
        -------
        Node

        Raises
        ------
        NotationError
        """
        try:
            node = self.listed()
        except RecursionError:
            raise too_deep((self.tokens[0].start, self.tokens[-1].end)) from None
        if self.token.kind != "end":
            raise self.unexpected(self.token)
        check_size(node, (self.tokens[0].start, self.tokens[-1].end))
        return node

    def listed(self) -> Node:
        """Read an expression, or several with commas between them."""
        start = self.token.start
        first = self.expression()
        if not self.is_op(","):
            return first
        items = [first]
        while self.take_op(","):
            if self.token.kind in ("close", "end"):
                break
            items.append(self.expression())
        return Items(tuple(items), span=(start, self.last_end))

    def expression(self, level: int = 0) -> Node:
        """Read operands as long as the operators between them bind at least at `level`."""
        self.depth += 1
        if self.depth > _MOST_RECURSION:
            raise too_deep(self.token.span)
        start = self.token.start
        left = self.operand(level)
        while True:
            token = self.token
            if token.kind == "op" and token.text in _LEVELS:
                if _LEVELS[token.text] < level:
                    break
                left = self._binary(left, start)
            elif level <= SIDE_BY_SIDE and self.starts_operand():
                right = self.expression(SIDE_BY_SIDE + 1)
                left = _beside(left, right, (start, self.last_end))
            else:
                break
        self.depth -= 1
        return left

    def _binary(self, left: Node, start: int) -> Node:
        op = self.take()
        if op.text == "/":
            right = self._denominator(op)
        else:
            right = self.expression(_LEVELS[op.text] + 1)
        span = (start, self.last_end)
        if _LEVELS[op.text] == COMPARE:
            return _comparison(op.text, left, right, span)
        if op.text in ("+", "-"):
            left, right = atoms.beside_sum(left), atoms.beside_sum(right)
            widened = bigs.widened(left, op.text, right, self.vocabulary)
            if widened is not None:
                return widened
        return Binary("." if op.text == "·" else op.text, left, right, span=span)

    def _denominator(self, slash: Token) -> Node:
        """Read what a slash divides by: ``1/m dZ`` and ``1/2x`` are different habits."""
        tight = not slash.spaced and not self.token.spaced
        start = self.token.start
        numerator = self.tokens[self.at - 2]
        node = self.expression(SIDE_BY_SIDE + 1)
        if not self.starts_operand() or self._starts_big():
            return node
        if tight and self.token.spaced:
            return node
        # (1/2)(y − a)² is meant more often than 1/(2(y − a)²), but a/(bc) more than (a/b)c.
        apart = numerator.kind == "number" and self.token.kind == "open"
        if self.choose("slash") == (1 if apart else 0):
            while self.starts_operand():
                right = self.expression(SIDE_BY_SIDE + 1)
                node = _beside(node, right, (start, self.last_end))
        return node

    def _starts_big(self) -> bool:
        token = self.token
        return (token.kind == "command" and token.text in ("sum", "prod")) or bigs.is_sigma(self)

    def starts_operand(self) -> bool:
        """Whether what comes next can be a factor."""
        token = self.token
        if token.kind in ("word", "number", "command"):
            return True
        if token.kind == "open":
            return True
        if token.kind == "op" and token.text in ("|", "‖"):
            return not self.pipes
        return token.kind == "op" and token.text in ("|(", "‖(", "∞")

    def operand(self, level: int) -> Node:
        """Read a sign or one factor with its scripts."""
        token = self.token
        if token.kind == "op" and token.text in ("-", "+"):
            self.take()
            inner = self.expression(max(level, PRODUCT))
            if token.text == "+":
                return inner
            return Unary("-", inner, span=(token.start, self.last_end))
        return self.postfix(self.primary(), token.start)

    def primary(self) -> Node:
        """Read one factor without the scripts behind it."""
        self.depth += 1
        if self.depth > _MOST_RECURSION:
            raise too_deep(self.token.span)
        node = self._primary()
        self.depth -= 1
        return node

    def _primary(self) -> Node:
        token = self.token
        if token.kind == "number":
            return self._number()
        if token.kind == "word":
            return atoms.word(self)
        if token.kind == "command":
            return self._command()
        if token.kind == "open":
            return self._bracket()
        if token.kind == "op" and token.text in ("|", "‖", "|(", "‖("):
            return self._pipes()
        if token.kind == "op" and token.text == "∞":
            return atoms.constant(self)
        raise self.unexpected(token)

    def _number(self) -> Node:
        token = self.take()
        following = self.token
        if following.kind == "number" and not following.text.startswith("½"):
            raise NotationError(
                "two numbers stand side by side",
                (token.start, following.end),
                fix="write the operator between them",
            )
        if token.value == 1 and (self.is_op("_") or self._starts_condition()):
            return atoms.indicator(self, token)
        return Number(token.value, span=token.span)

    def _starts_condition(self) -> bool:
        """Whether ``[k = c]`` comes right behind a 1."""
        if not self.is_open("[", "\\{") or self.token.spaced:
            return False
        inner = self.tokens[self.at : self.partners[self.at]]
        return any(token.kind == "op" and token.text == "=" for token in inner)

    def _command(self) -> Node:
        token = self.token
        if token.text == "frac":
            return self._fraction()
        if token.text in ("sqrt", "cbrt"):
            return atoms.root(self)
        if token.text in ("sum", "prod"):
            return bigs.series(self)
        if token.text in ("partial", "nabla"):
            return differentials.symbol(self)
        if token.text == "indicator":
            return atoms.indicator(self, self.take())
        raise self.unexpected(token)

    def _fraction(self) -> Node:
        derivative = differentials.fraction(self)
        if derivative is not None:
            return derivative
        start = self.take().start
        top = self.group()
        bottom = self.group()
        return Binary("/", top, bottom, span=(start, self.last_end))

    def group(self) -> Node:
        """Read an argument in braces."""
        if not self.is_open("{"):
            raise self.unexpected(self.token)
        self.take()
        node = self.inside()
        self.close()
        return node

    def inside(self) -> Node:
        """Read what stands in brackets; an outer | cannot be closed there."""
        pipes, self.pipes = self.pipes, 0
        node = self.listed()
        self.pipes = pipes
        return node

    def _bracket(self) -> Node:
        token = self.token
        if token.text in ("matrix", "pmatrix", "bmatrix", "array", "cases", "vmatrix"):
            return atoms.environment(self)
        if token.text == "⟨":
            return atoms.angles(self)
        self.take()
        if self.token.kind == "close":
            raise NotationError("there is nothing in the brackets", (token.start, self.token.end))
        node = self.inside()
        closing = self.token
        self.close()
        if isinstance(node, Items):
            return Items(node.items, span=(token.start, closing.end))
        return node

    def _pipes(self) -> Node:
        opening = self.take()
        pipes, self.pipes = self.pipes, 1
        node = self.expression()
        self.pipes = pipes
        closing = self.take()
        kind = opening.text.rstrip("(")
        if closing.kind != "op" or closing.text.rstrip(")") != kind:
            raise NotationError(
                f"‘{kind}’ is opened but not closed", opening.span, fix="write abs(…) or norm(…)"
            )
        return atoms.size(self, kind, node, opening.start)

    def postfix(self, node: Node, start: int) -> Node:
        """Read the scripts, subscripts and attributes behind a factor."""
        is_first = True
        while True:
            token = self.token
            if token.kind == "op" and token.text == "**":
                self.take()
                exponent = self.expression(TIGHT)
                node = Power(node, exponent, span=(start, self.last_end))
            elif token.kind == "op" and token.text in ("^", "_", "'"):
                node = scripts.behind(self, node, start, is_first)
            elif token.kind == "op" and token.text == ".":
                node = atoms.attribute(self, node, start)
            elif token.kind == "open" and token.text == "[" and scripts.is_subscript(self, node):
                node = scripts.element(self, node, start)
            elif token.kind == "op" and token.text == "!":
                raise NotationError(
                    "a factorial ‘!’ is not read", (start, token.end), fix="write gamma(n + 1)"
                )
            else:
                return node
            is_first = False


def _beside(left: Node, right: Node, span: tuple[int, int]) -> Node:
    """Join two factors that stand side by side; 1[z > 0] is the condition itself."""
    if isinstance(left, Number) and left.value == 1 and isinstance(right, Compare):
        return right
    return Binary(" ", left, right, span=span)


def _comparison(op: str, left: Node, right: Node, span: tuple[int, int]) -> Node:
    """Join two sides of a condition; 0 < z < 1 is a product of conditions."""
    if isinstance(left, Compare):
        second = Compare(op, left.right, right, span=span)
        return Binary("*", left, second, span=span)
    return Compare(op, left, right, span=span)
