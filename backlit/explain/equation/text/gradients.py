"""Names of gradients in the one spelling that the parser reads: ``d_W``, ``W_grad`` are ``dW``.

What such a word means depends on all of the notes: ``d_k`` is the size of a key where definitions
use it, ``dhidden`` the derivative of ``hidden_layer`` where nothing else begins with hidden, and
``dj_dw`` of the one loss there is, whatever its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from backlit.explain.equation.text.tokens import Token
from backlit.explain.equation.text.vocabulary import FUNCTIONS, LOSSES

_EQUALS = frozenset(["=", ":=", "<-"])
_SHORTEST = 3  # letters of a name that may be cut short
_ALIASES = frozenset([*LOSSES, *(name.lower() for name in LOSSES)])
_OPERATORS = frozenset("+-*/@")
Label = tuple[str, ...]  # hidden_layer is ("hidden", "layer")


@dataclass
class _Known:
    """What the definitions tell of names.

    Attributes
    ----------
    declared : set of Label
        In headers.
    defined : set of Label
        On the left of equations that state no derivative.
    needed : set of Label
        What the definitions are made of.
    claimed : set of Label
        Left sides such as ``d_W``.
    loss : str or None
        The only defined name that is one of a loss.
    """

    declared: set[Label]
    defined: set[Label] = field(default_factory=set)
    needed: set[Label] = field(default_factory=set)
    claimed: set[Label] = field(default_factory=set)
    loss: str | None = None

    def has(self, label: Label) -> bool:
        """Whether something of this name is defined or used."""
        return label in self.defined | self.needed | self.declared

    def whole(self, label: Label) -> Label | None:
        """Return the only defined name that begins like this one, which stands for nothing."""
        text = "_".join(label)
        if len(text) < _SHORTEST or self.has(label) or self.has(("d" + text,)):
            return None
        found = [name for name in self.defined | self.declared if "_".join(name).startswith(text)]
        return found[0] if len(found) == 1 else None


def spelled(equations: Sequence[Sequence[Token]], declared: Iterable[Label]) -> list[list[Token]]:
    """Return equations with every gradient written as ``dW`` or ``dL_dW`` of a defined name.

    Parameters
    ----------
    equations : sequence of sequence of Token
        Each with an ``end`` token last.
    declared : iterable of Label
        Names from headers, ``hidden_layer`` as ``("hidden", "layer")``.

    Returns
    -------
    list of list of Token

    Examples
    --------
    >>> from backlit.explain.equation.text.lexer import tokens
    >>> lines = ["score = X W", "cost = sum(score**2)", "d_W = X", "dj_dw = x", "dsco = 2 x"]
    >>> for line in spelled([tokens(line) for line in lines], [])[2:]:
    ...     print(*[token.text for token in line[:-1]])
    dW = X
    dcost _ dw = x
    dscore = 2 x
    """
    known = _known(equations, declared)
    return [_rewritten(list(found), known) for found in equations]


def _known(equations: Sequence[Sequence[Token]], declared: Iterable[Label]) -> _Known:
    known = _Known(set(declared))
    plain: list[tuple[Label, Sequence[Token]]] = []
    for found in equations:
        head, behind = label_at(found, 0)
        if behind + 2 >= len(found):
            continue
        changes = found[behind].text in _OPERATORS and found[behind + 1].text == "="
        states = found[behind + changes].text in _EQUALS
        if not head:
            continue
        if is_gradient(head):
            is_number = found[behind + 1].kind == "number" and found[behind + 2].kind == "end"
            if (states and not is_number) or found[behind].text in ("[", "*=", "+="):
                known.claimed.add(head)
        elif states and not changes:
            plain.append((head, found[behind + 1 :]))
        elif found[behind].text == "(":  # J(w) = …
            plain.append(((), found))
    for head, right in plain:
        labels = set(_labels(right))
        if head and head in labels:  # W = W - α d_W
            continue
        known.defined |= {head} if head else set()
        known.needed |= labels
    known.loss = _loss(known)
    return known


def _loss(known: _Known) -> str | None:
    """Return the name of the loss if it is a word, and the only one; L is not meant by J."""
    names = {label[0] for label in known.defined if len(label) == 1}
    found = [name for name in names if name in LOSSES or name.lower() in ("loss", "cost")]
    return found[0] if len(found) == 1 and len(found[0]) > 1 else None


def _labels(found: Sequence[Token]) -> Iterator[Label]:
    """Yield the names in an expression, without those in subscripts and attributes."""
    place = 0
    while place < len(found):
        text = found[place].text
        if found[place].kind == "word":
            label, place = label_at(found, place)
            yield label
            if len(label[-1]) <= 2:
                yield label[:1]  # x of x_i
            continue
        if text == "_" and found[place + 1].text == "{":
            while place < len(found) and found[place].text != "}":
                place += 1
        place += 2 if text in ("_", ".") else 1


def label_at(found: Sequence[Token], place: int) -> tuple[Label, int]:
    """Return the words of ``hidden_layer`` or ``d_{W1}`` at a place, and where it ends.

    Parameters
    ----------
    found : sequence of Token
        With an ``end`` token last.
    place : int

    Returns
    -------
    tuple of str
        Empty where no name stands.
    int
    """
    token = found[place]
    if token.kind != "word":
        return (), place
    words = [token.text]
    place += 1
    while found[place].text == "_" and place + 2 < len(found):
        braced = found[place + 1].text == "{"
        word = found[place + 1 + braced]
        closed = not braced or found[place + 3].text == "}"
        if word.kind not in ("word", "number") or not closed:
            break
        words.append(word.text)
        place += 2 + 2 * braced
    return tuple(words), place


def is_gradient(label: Label) -> bool:
    """Whether a name is written like a gradient: ``dW``, ``d_W``, ``W_grad``, ``gW``.

    Parameters
    ----------
    label : tuple of str

    Returns
    -------
    bool
    """
    first = label[0]
    if len(label) == 1:
        return first[0] == "d" or (first[0] == "g" and first[1:2].isupper())
    return first in ("d", "nabla", "grad") or label[-1] == "grad"


def _rewritten(found: list[Token], known: _Known) -> list[Token]:
    result: list[Token] = []
    place = 0
    while place < len(found):
        token = found[place]
        lowered = bool(place) and found[place - 1].text in ("_", ".")
        label, behind = ((), place) if lowered else label_at(found, place)
        name = _target(label, known) if label else None
        if name is not None:
            result.extend(_spelled(name, token, found[behind - 1].end))
            place = behind
            continue
        result.append(_of_loss(found, place, known) if token.kind == "word" else token)
        place += 1
    return result


def _spelled(name: Label, first: Token, end: int) -> list[Token]:
    """Return the tokens of ``d`` and a name, all where the old ones stood."""
    words = [replace(first, text="d" + name[0], end=end, whole=False)]
    for part in name[1:]:
        words += [Token("op", "_", end, end), Token("word", part, end, end)]
    return words


def _target(label: Label, known: _Known) -> Label | None:
    """Return the name whose gradient a label is in another spelling, None for any other label."""
    first = label[0]
    if label in known.defined | known.needed | known.declared:
        return None
    if len(label) == 1:
        if label not in known.claimed or len(first) < 2:
            return None
        if first[0] == "g":
            return (first[1:],) if known.has((first[1:],)) else None
        return None if first.lower() in FUNCTIONS else known.whole((first[1:],))
    if label[-1] == "grad":
        return label[:-1] if known.has(label[:-1]) else None
    inner = label[1:]
    if first == "grad":
        return known.whole(inner)
    is_claimed = first in ("d", "nabla") and any(name[0] == first for name in known.claimed)
    if not is_claimed or known.has((first,)):
        return None
    return inner if known.has(inner) else known.whole(inner)


def _of_loss(found: Sequence[Token], place: int, known: _Known) -> Token:
    r"""Return ``dJ`` of ``dJ_dw``, or J of ``∂J``, under the name that the loss has."""
    token, following = found[place], found[place + 1]
    before = found[place - 1].text if place else ""
    if known.loss is None:
        return token
    if (before in ("partial", "d", "nabla") or _is_below_nabla(found, place)) and _is_alias(
        token.text, known
    ):
        return replace(token, text=known.loss)
    if token.text[0] == "d" and _is_alias(token.text[1:], known):
        if following.text in ("/", "}") or _is_over(found, place):
            return replace(token, text="d" + known.loss)
    split = token.text.find("d", 1)
    if token.text[0] == "d" and split > 1 and _is_alias(token.text[1:split], known):
        if known.has((token.text[split + 1 :],)):
            return replace(token, text=f"d{known.loss}{token.text[split:]}")
    return token


def _is_over(found: Sequence[Token], place: int) -> bool:
    """Whether ``_dw`` follows."""
    below = found[place + 2] if place + 2 < len(found) else found[place]
    return found[place + 1].text == "_" and below.text[:1] == "d" and len(below.text) > 1


def _is_below_nabla(found: Sequence[Token], place: int) -> bool:
    """Whether ``∇_w`` or ``∇_{w}`` stands before a token."""
    if place > 4 and found[place - 1].text == "}":
        return found[place - 4].text == "_" and found[place - 5].text == "nabla"
    return place > 2 and found[place - 2].text == "_" and found[place - 3].text == "nabla"


def _is_alias(name: str, known: _Known) -> bool:
    """Whether a name can only be meant as that of the loss: no definition has it."""
    return name in _ALIASES and name != known.loss and not known.has((name,))
