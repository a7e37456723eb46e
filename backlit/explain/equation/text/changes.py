"""Programs that change a derivative in place: ``dh[h <= 0] = 0``, ``dW += λ W``, as equations."""

from __future__ import annotations

import re
from dataclasses import replace

from backlit.explain.equation.text.tokens import Token

_CHANGED = re.compile(r"\s*d[A-Za-z]\w*\s*(?P<op>[*+])=(?!=)")


def is_change(text: str) -> bool:
    """Tell whether a line multiplies a derivative by something, or adds something to it.

    Examples
    --------
    >>> is_change("dW += reg * W"), is_change("w *= 2"), is_change("dW = reg * W")
    (True, False, False)
    """
    return _CHANGED.match(text) is not None


def written_out(found: list[Token]) -> list[Token]:
    """Return the tokens of ``dh = dh * (1 - (h <= 0))`` for ``dh[h <= 0] = 0``, others as they are.

    Parameters
    ----------
    found : list of Token
        Of a line, with an ``end`` token last.

    Returns
    -------
    list of Token
    """
    texts = [token.text for token in found]
    head = found[0]
    if head.kind != "word" or head.text[:1] != "d" or len(head.text) < 2:
        return found
    if len(texts) > 4 and texts[1] in ("*=", "+="):
        return _joined(found, texts[1][0], found[2:-1])
    if len(texts) > 4 and texts[1] in ("*", "+") and texts[2] == "=":
        return _joined(found, texts[1], found[3:-1])
    ends = texts[-4:-1] == ["]", "=", "0"]
    if texts[1] != "[" or not ends or not {"<", "<=", ">", ">="} & set(texts):
        return found
    condition = found[2:-4]
    at = head.end
    one = Token("number", "1", at, at, value=found[-2].value + 1)
    inverse = [one, Token("op", "-", at, at), *_bracketed(condition, at)]
    return _joined(found, "*", inverse)


def _joined(found: list[Token], op: str, rest: list[Token]) -> list[Token]:
    """Return the tokens of ``d = d op (rest)``."""
    head, end = found[0], found[-1]
    at = head.end
    again = replace(head, spaced=True)
    signs = Token("op", "=", at, at), again, Token("op", op, at, at)
    return [head, *signs, *_bracketed(rest, at), end]


def _bracketed(inner: list[Token], at: int) -> list[Token]:
    return [Token("open", "(", at, at), *inner, Token("close", ")", at, at)]
