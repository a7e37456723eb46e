"""Programs that change a derivative in place: ``dh[h <= 0] = 0``, ``dW += λ W``, as equations."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from backlit.explain.equation.text.gradients import is_gradient, label_at
from backlit.explain.equation.text.tokens import Token

_CHANGED = re.compile(
    r"\s*(?:d[A-Za-z_]\w*|grad_\w+|nabla_\w+|[A-Za-z]\w*_grad|g[A-Z]\w*)\s*[-*+/]=(?!=)"
)
_STEP = re.compile(r"\s*(?P<name>[A-Za-z]\w*)\s*\+=(?P<term>.*)", re.DOTALL)
_LOOP = re.compile(r"^(?P<indent>[ ]*)(?:for|while)\b", re.MULTILINE)
_OPERATORS = ("*", "+", "-", "/")


def is_change(text: str) -> bool:
    """Tell whether a line multiplies a derivative by something, or adds something to it.

    Examples
    --------
    >>> is_change("dW += reg * W"), is_change("w *= 2"), is_change("dW = reg * W")
    (True, False, False)
    """
    return _CHANGED.match(text) is not None


def is_sum(text: str, names: Collection[str], above: str) -> bool:
    """Tell whether a line adds a term to a variable, and not once for every turn of a loop.

    Parameters
    ----------
    text : str
        The line.
    names : collection of str
        Names that the notes define.
    above : str
        The notes before the line.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_sum("loss += reg", ["loss"], "loss = 1")
    True
    >>> is_sum("    loss += 1", ["loss"], "for i in x:")
    False
    """
    match = _STEP.match(text)
    if match is None or match["name"] not in names:
        return False
    indent = len(text) - len(text.lstrip())
    return not any(len(loop["indent"]) < indent for loop in _LOOP.finditer(above))


def is_step(text: str) -> bool:
    """Tell whether a line is a step of a parameter along its own derivative.

    Examples
    --------
    >>> is_step("w2 += d_w2"), is_step("w2 += rate * dw2"), is_step("w2 += 1")
    (True, True, False)
    """
    match = _STEP.match(text)
    if match is None:
        return False
    name = re.escape(match["name"])
    gradient = rf"(?<!\w)(?:d_?|grad_|nabla_){name}(?!\w)|(?<!\w){name}_grad(?!\w)"
    return re.search(gradient, match["term"]) is not None


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
    label, behind = label_at(found, 0)
    if not label:
        return found
    head, rest = found[:behind], found[behind:]
    texts = [token.text for token in rest]
    if not is_gradient(label) or len("".join(label)) < 2:
        adds = len(texts) > 3 and texts[:2] == ["+", "="]
        return _joined(head, "+", rest[2:-1], found[-1]) if adds else found
    if len(texts) > 3 and texts[0] in _OPERATORS and texts[1] == "=":
        return _joined(head, texts[0], rest[2:-1], found[-1])
    if len(texts) > 2 and texts[0] in [f"{op}=" for op in _OPERATORS]:
        return _joined(head, texts[0][0], rest[1:-1], found[-1])
    ends = texts[-4:-1] == ["]", "=", "0"]
    if texts[0] != "[" or not ends or not {"<", "<=", ">", ">="} & set(texts):
        return found
    condition = rest[1:-4]
    at = head[-1].end
    one = Token("number", "1", at, at, value=rest[-2].value + 1)
    inverse = [one, Token("op", "-", at, at), *_bracketed(condition, at)]
    return _joined(head, "*", inverse, found[-1])


def _joined(head: list[Token], op: str, rest: list[Token], end: Token) -> list[Token]:
    """Return the tokens of ``d = d op (rest)``."""
    at = head[-1].end
    again = replace(head[0], spaced=True), *head[1:]
    signs = Token("op", "=", at, at), *again, Token("op", op, at, at)
    return [*head, *signs, *_bracketed(rest, at), end]


def _bracketed(inner: list[Token], at: int) -> list[Token]:
    end = inner[-1].end if inner else at
    return [Token("open", "(", at, at), *inner, Token("close", ")", end, end)]
