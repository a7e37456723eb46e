"""Reads cases written in words, ``a if c else b`` or ``a if c, b otherwise``, as ``where(…)``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from backlit.explain.equation.text.tokens import NotationError, Token

_IF = frozenset(["if", "when", "where", "for", "unless"])
_ELSE = frozenset(["otherwise", "else", "elsewhere"])
_EQUALS = frozenset(["=", ":=", "<-", "=="])
_UNEQUAL = frozenset(["<", ">", "<=", ">=", "!="])
_OPPOSITE = {"<": (">", ">="), ">": ("<", "<="), "<=": (">",), ">=": ("<",)}
_SEPARATORS = frozenset([",", ";", "\\\\"])
_INDICES = frozenset("i j k l m n p q s t L T N K M".split())
_FIX = "write all cases in one line: a if x > 0, b otherwise"
CASE = re.compile(r"\b(?:if|when|otherwise|else|elsewhere)\b")


def is_condition(written: str) -> bool:
    """Whether words that start with ``if``, ``for`` or the like say when an equation holds.

    Parameters
    ----------
    written : str
        What stands behind the right side of an equation, from that word on.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_condition("if x > 0 and 0 otherwise"), is_condition("for i = 1, …, n")
    (True, False)
    """
    match = re.match(r"[\s,;.(]*(\w+)", written.replace("\\text", " ").replace("{", " "))
    first = match[1] if match is not None else ""
    if re.search(r"\b(?:otherwise|elsewhere|else)\b", written):
        return True
    if first not in _IF:
        return False
    compared = re.search(
        r"([^\s<>≤≥≠=({]+)[\s$]*(<|>|≤|≥|≠|!=|==?|\\(?:lt|gt|leq?|geq?|neq?)\b)", written
    )
    if compared is None:
        return False
    if first in ("for", "where"):
        return compared[2] != "=" and compared[1].strip("$\\{}") not in {*_INDICES, "1", "0"}
    return True


@dataclass
class _Case:
    value: list[Token]
    condition: list[Token] | None


def rewritten(found: list[Token]) -> list[Token]:
    """Return the tokens of a line with its cases as calls of ``where``.

    Parameters
    ----------
    found : list of Token
        With an ``end`` token last.

    Returns
    -------
    list of Token

    Raises
    ------
    NotationError
        If it says under which condition it holds, but not what holds otherwise.

    Examples
    --------
    >>> from backlit.explain.equation.text.lexer import tokens
    >>> line = "r = { x if x > 0, 0 otherwise"
    >>> " ".join(token.text for token in rewritten(tokens(line))[:-1])
    'r = where ( x > 0 , x , 0 )'
    """
    found = _without_brackets(_without_brace(found))
    first, start = _first_keyword(found)
    if first is None or start is None:
        return _inside_brackets(found)
    cases, rest = _cases(found, start, first)
    _check(cases, found[first])
    nested = cases[-1].value
    end = found[-1 - len(rest)].end if rest else found[-1].end
    for case in reversed(cases[:-1]):
        nested = _call(case, nested, end)
    return [*found[:start], *nested, *rewritten(rest)]


def before(found: list[Token], error: NotationError) -> list[Token]:
    """Return the tokens of the equations before the one whose cases cannot be read.

    Parameters
    ----------
    found : list of Token
    error : NotationError

    Returns
    -------
    list of Token
    """
    equals = [
        place
        for place, token in enumerate(found)
        if token.text in _EQUALS and token.end <= error.span[0]
    ]
    ends = [
        place
        for place, token in enumerate(found[: equals[-1] if equals else 0])
        if token.text in _SEPARATORS | {"=>"}
    ]
    if not ends:
        return []
    end = found[ends[-1]]
    return [*found[: ends[-1]], Token("end", "", end.start, end.start)]


def _inside_brackets(found: list[Token]) -> list[Token]:
    """Rewrite ``(a if c else b)``, from the innermost brackets outwards."""
    waiting: list[int] = []
    for place, token in enumerate(found):
        if token.kind == "open":
            waiting.append(place)
        elif token.kind == "close" and waiting:
            opened = waiting.pop()
            inner = found[opened + 1 : place]
            words = {t.text for t in inner if t.kind == "word"}
            if found[opened].text in ("(", "{", "\\{") and {"if", "else"} <= words:
                stop = Token("end", "", token.start, token.start)
                equals = Token("op", "=", found[opened].end, found[opened].end)
                changed = rewritten([equals, *inner, stop])[1:-1]
                return rewritten([*found[: opened + 1], *changed, *found[place:]])
    return found


def _without_brace(found: list[Token]) -> list[Token]:
    """Leave out the one brace before ``{ a if c, b otherwise``, and its partner if there is one."""
    for place, token in enumerate(found[:-1]):
        following = found[place + 1]
        if token.text not in ("=", ":=") or following.text not in ("{", "\\{"):
            continue
        inner = found[place + 2 :]
        if not any(_is_word(t, _IF | _ELSE) for t in inner):
            continue
        depth, left_out = 0, {place + 1}
        for later in range(place + 2, len(found)):
            depth += (found[later].kind == "open") - (found[later].kind == "close")
            opens_row = found[later].text in ("{", "\\{") and found[later - 1].text == ";"
            if opens_row:
                depth -= 1
                left_out.add(later)
            if depth < 0:
                left_out.add(later)
                depth = 0
        return [t for at, t in enumerate(found) if at not in left_out]
    return found


def _without_brackets(found: list[Token]) -> list[Token]:
    """Leave out the brackets of ``(if x > 0)``, and a comma before ``if`` or ``otherwise``."""
    left_out: set[int] = set()
    waiting: list[int] = []
    words = frozenset(["if", "when", *_ELSE])
    for place, token in enumerate(found[:-1]):
        if token.kind == "open":
            waiting.append(place)
        elif token.kind == "close" and waiting:
            opened = waiting.pop()
            if found[opened].text == "(" and _is_word(found[opened + 1], words):
                left_out |= {opened, place}
        elif token.text == "," and not waiting and _is_word(found[place + 1], words):
            if any(_is_word(later, _ELSE) for later in found):
                left_out.add(place)
    return [token for place, token in enumerate(found) if place not in left_out]


def _first_keyword(found: list[Token]) -> tuple[int | None, int | None]:
    """Return where the first condition outside brackets stands, and the right side before it."""
    depth, start = 0, None
    has_else = any(_is_word(token, _ELSE) for token in found)
    for place, token in enumerate(found):
        depth = max(depth + (token.kind == "open") - (token.kind == "close"), 0)
        if depth:
            continue
        if token.kind == "op" and token.text in _EQUALS:
            start = place + 1
        elif start is not None and _is_word(token, _ELSE):
            return place, start
        elif start is not None and _is_word(token, _IF) and found[place + 1].text != "(":
            if has_else or _is_compared(found, place):
                return place, start
        elif start is not None and _is_word(token, frozenset(["if", "when"])) and has_else:
            return place, start
    return None, None


def _is_word(token: Token, words: frozenset[str]) -> bool:
    return token.kind == "word" and token.text in words


def _is_compared(found: list[Token], place: int) -> bool:
    """Whether a comparison follows, and not only the values that an index takes."""
    word, following = found[place], found[place + 1 :]
    end = next((p for p, t in enumerate(following) if t.text in _SEPARATORS), len(following))
    signs = [t.text for t in following[:end] if t.kind == "op"]
    if word.text in ("for", "where"):
        names = {t.text for t in following[:end] if t.kind == "word"}
        return any(sign in _UNEQUAL for sign in signs) and not names <= _INDICES
    return any(sign in _UNEQUAL | {"=", "==", "∈"} for sign in signs)


def _cases(found: list[Token], start: int, first: int) -> tuple[list[_Case], list[Token]]:
    """Read values and conditions in turn; return them and what follows."""
    pieces, words = [[]], []  # type: tuple[list[list[Token]], list[Token]]
    depth, at = 0, start
    while at < len(found) - 1:
        token = found[at]
        depth = max(depth + (token.kind == "open") - (token.kind == "close"), 0)
        if depth == 0 and at >= start and _is_mark(token, pieces[-1], words, found, at):
            if token.text in _SEPARATORS and _starts_equation(found, at + 1):
                break
            words.append(token)
            pieces.append([])
        else:
            pieces[-1].append(token)
        at += 1
    return _assembled(pieces, words, found[first]), found[at:]


def _is_mark(
    token: Token, piece: list[Token], words: list[Token], found: list[Token], at: int
) -> bool:
    if token.kind == "op":
        return token.text in _SEPARATORS
    if _is_word(token, frozenset(["and"])):
        # Between two conditions it joins them.
        in_condition = bool(words) and words[-1].text in _IF
        following = found[at + 1 :]
        end = next(
            (p for p, t in enumerate(following) if t.text in _SEPARATORS | _IF | _ELSE | {"and"}),
            len(following) - 1,
        )
        compares = any(t.text in _UNEQUAL | _EQUALS for t in following[:end])
        return not (in_condition and compares and piece)
    return (
        _is_word(token, _ELSE)
        or (_is_word(token, _IF) and found[at + 1].text != "(")
        or (_is_word(token, frozenset(["if", "when"])))
    )


def _starts_equation(found: list[Token], at: int) -> bool:
    """Whether an equation of its own follows a comma."""
    depth = 0
    for token in found[at:]:
        depth = max(depth + (token.kind == "open") - (token.kind == "close"), 0)
        if depth == 0 and (token.text in _SEPARATORS or _is_word(token, _IF | _ELSE)):
            return False
        if depth == 0 and token.kind == "op" and token.text in _EQUALS:
            return True
    return False


def _assembled(pieces: list[list[Token]], words: list[Token], keyword: Token) -> list[_Case]:
    """Pair values with their conditions."""
    cases: list[_Case] = []
    at = 0
    while at < len(pieces):
        value = pieces[at]
        word = words[at].text if at < len(words) else ""
        at += 1
        if not value:
            # ``, else b`` and ``otherwise, b``: the value comes next.
            continue
        if word in _IF:
            if word == "unless" or at >= len(pieces) or not pieces[at]:
                raise _unread(keyword)
            cases.append(_Case(value, _joined(pieces[at])))
            at += 1
        elif cases and cases[-1].condition is not None and _is_last(pieces, words, at):
            cases.append(_Case(value, None))
            break
        else:
            bracketed = _bracketed(value)
            if bracketed is None:
                raise _unread(keyword)
            cases.append(bracketed)
    return cases


def _is_last(pieces: list[list[Token]], words: list[Token], at: int) -> bool:
    """Whether the value before piece `at` is what holds otherwise."""
    before = words[at - 2 : at - 1] if at > 1 else []
    behind = words[at - 1 : at]
    nothing_left = not any(pieces[at:])
    said = any(word.text in _ELSE for word in [*before, *behind])
    earlier = [w.text for w in words[max(at - 3, 0) : at - 1]]
    return nothing_left and (said or any(word in _ELSE for word in earlier))


def _bracketed(value: list[Token]) -> _Case | None:
    """Read ``a (x > 0)``: a value with its condition in brackets behind it."""
    if value[-1].text != ")":
        return None
    depth = 0
    for place in range(len(value) - 1, -1, -1):
        depth += (value[place].kind == "close") - (value[place].kind == "open")
        if depth == 0:
            inner = value[place + 1 : -1]
            if inner and _is_word(inner[0], _IF):
                inner = inner[1:]
            if place and any(t.text in _UNEQUAL | _EQUALS for t in inner):
                return _Case(value[:place], _joined(inner))
            return None
    return None


def _joined(condition: list[Token]) -> list[Token]:
    """Return a condition with == for =, and a product of brackets for ``and``."""
    parts: list[list[Token]] = [[]]
    for token in condition:
        if _is_word(token, frozenset(["and"])):
            parts.append([])
        else:
            parts[-1].append(replace(token, text="==") if token.text == "=" else token)
    if len(parts) == 1:
        return parts[0]
    joined: list[Token] = []
    for part in parts:
        if not part:
            raise _unread(condition[0])
        if joined:
            joined.append(Token("op", "*", part[0].start, part[0].start))
        joined += [Token("open", "(", part[0].start, part[0].start), *part]
        joined.append(Token("close", ")", part[-1].end, part[-1].end))
    return joined


def _check(cases: list[_Case], keyword: Token) -> None:
    """Refuse cases that do not say what holds in all of them."""
    last = cases[-1].condition if cases else None
    if len(cases) < 2:
        raise _unread(keyword)
    if last is not None and not covers([case.condition for case in cases]):
        raise _unread(keyword)
    for case in cases:
        signs = [token.text for token in case.condition or ()]
        if case.condition is not None and not (_UNEQUAL | {"==", "∈"}) & set(signs):
            raise NotationError(
                "a condition has to compare two things", keyword.span, fix="write a if x > 0 else b"
            )


def covers(conditions: list[list[Token] | None]) -> bool:
    """Whether the last of several conditions holds wherever none of the others does.

    Parameters
    ----------
    conditions : list of (list of Token or None)
        None for what holds otherwise.

    Returns
    -------
    bool
        For two, if they are opposite; of more than two it is taken for granted unless the last is
        an equation.
    """
    last, before = conditions[-1], conditions[-2]
    if last is None:
        return True
    if before is None:
        return False
    signs = [t.text for t in last if t.text in _OPPOSITE]
    if len(conditions) > 2:
        return bool(signs)
    opposite = [
        [t.text for t in last[:place]] + [t.text for t in last[place + 1 :]]
        for place, t in enumerate(last)
        if t.text in _OPPOSITE
    ]
    others = [
        ([t.text for t in before[:place]] + [t.text for t in before[place + 1 :]], token.text)
        for place, token in enumerate(before)
        if token.text in _OPPOSITE
    ]
    if len(opposite) != 1 or len(others) != 1:
        return False
    return opposite[0] == others[0][0] and signs[0] in _OPPOSITE[others[0][1]]


def _call(case: _Case, rest: list[Token], end: int) -> list[Token]:
    """Return ``where(condition, value, rest)``."""
    assert case.condition is not None
    at = case.value[0].start
    comma = Token("op", ",", rest[0].start, rest[0].start)
    return [
        Token("word", "where", at, at, True),
        Token("open", "(", at, at),
        *case.condition,
        comma,
        *case.value,
        comma,
        *rest,
        Token("close", ")", end, end),
    ]


def _unread(token: Token) -> NotationError:
    return NotationError(
        "it holds only under a condition, and not all cases are stated", token.span, fix=_FIX
    )
