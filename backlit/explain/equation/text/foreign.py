"""Functions of libraries that the notation does not have, and what to write instead of each."""

from __future__ import annotations

from collections.abc import Mapping

from backlit.explain.equation.text.tokens import NotationError
from backlit.explain.equation.tree import Span

_SQUARES = "write it out, as mean((a - y)**2)"
_ENTROPY = "write it out, as -sum(y log(a)) with the softmax or sigmoid a"
_BINARY = "write it out, as -mean(y log(a) + (1 - y) log(1 - a))"
_LABELS = "write the one-hot array itself: y, with a header Y: (m, k) one-hot rows"
_PLACES = "it has no derivative; write the condition it stands for, as where(z > 0, a, b)"
_NUMBERS = "the values here are finite; leave it out"
_LAYER = "write its formula out"
_HINTS: Mapping[str, str] = {
    **dict.fromkeys("mse mseloss meansquarederror l2loss".split(), _SQUARES),
    **dict.fromkeys(
        "mae maeloss l1loss meanabsoluteerror".split(), "write it out, as mean(|a - y|)"
    ),
    **dict.fromkeys(
        "crossentropy crossentropyloss categoricalcrossentropy softmaxcrossentropy "
        "softmaxcrossentropywithlogits nll nllloss".split(),
        _ENTROPY,
    ),
    **dict.fromkeys(
        "bce bceloss bcewithlogits binarycrossentropy binarycrossentropywithlogits logloss".split(),
        _BINARY,
    ),
    **dict.fromkeys("onehot tocategorical".split(), _LABELS),
    **dict.fromkeys("argmax argmin argsort sort searchsorted nonzero unique topk".split(), _PLACES),
    **dict.fromkeys("isnan isinf isfinite nantonum".split(), _NUMBERS),
    **dict.fromkeys(
        "batchnorm layernorm groupnorm dropout maxpool avgpool maxpool2d conv conv1d conv2d linear "
        "einsum huber huberloss smoothl1loss hingeloss kldiv kldivergence".split(),
        _LAYER,
    ),
}


def is_foreign(name: str) -> bool:
    """Whether a name is that of a function of libraries that is not read here.

    Parameters
    ----------
    name : str
        In any case, with underscores or without.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_foreign("cross_entropy"), is_foreign("CrossEntropy"), is_foreign("g")
    (True, True, False)
    """
    return _plain(name) in _HINTS


def refusal(name: str, span: Span) -> NotationError:
    """Return the error for the call of a function that is not read here.

    Parameters
    ----------
    name : str
    span : (int, int)

    Returns
    -------
    NotationError
        Which says what to write instead.
    """
    hint = _HINTS.get(_plain(name.rpartition(".")[2]))
    what = f"‘{name}’ is not a function of the notation"
    fix = hint or "see docs/notation.md for those that are"
    return NotationError(what, span, fix=fix, is_code="." in name)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
