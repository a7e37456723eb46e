"""What a hand-written backward pass returns: which gradient each value stands for, and in what
order."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.explain.handwritten import Run
from backlit.explain.mismatch import agree

# dW1, dL_dW1, dJdW1; d_W1; grad_W1, g_W1, gW1, nabla_W1; W1_grad.
_NAMES = (
    re.compile(r"d(?:[A-Za-z]|loss|cost)_?d_?(?P<name>\w+)"),
    re.compile(r"d_?(?P<name>\w+)"),
    re.compile(r"(?:gradient|grad|nabla|g)_?(?P<name>\w+)"),
    re.compile(r"(?P<name>\w+?)_?(?:gradient|grad|bar)"),
)
_ENTRY = re.compile(r"(?P<dict>\w+)\['(?P<key>\w+)'\]")
_OF_GRADIENTS = re.compile(r"d|g|dparams|\w*grad(ient)?s?\w*|deriv(ative)?s?")
_DATA = re.compile(r"(?i)[xyt]\d*|[xyt]_\w+|inputs?|data|targets?|labels?|features?|examples?")
_INDEXED = re.compile(r"(?P<letter>[^\W\d]+?)_?(?P<index>\d+)")
_MOST = 20_000


@dataclass(frozen=True, eq=False)
class Value:
    """One of the values that a backward pass returns.

    Attributes
    ----------
    place : int
        From 0, in a tuple; -1 for an entry of a dict.
    name : str
        The variable that was returned; "" for an expression. For an entry of a dict what it goes by
        in the run.
    value : ndarray or None
        None holds a place and says nothing.
    code : str
        The expression, where it can be told apart.
    target : str or None
        The argument whose gradient it should be.
    """

    place: int
    name: str
    value: Any
    code: str
    target: str | None = None


@dataclass(frozen=True)
class Order:
    """An order of returned gradients that is not that of the arguments.

    Attributes
    ----------
    found, right : tuple of str
        Arguments, as they were returned and as they stand in the forward pass.
    meant : bool
        Whether something says that this order is meant.
    """

    found: tuple[str, ...]
    right: tuple[str, ...]
    meant: bool


def stands_for(name: str, known: Collection[str]) -> str | None:
    """Return the variable whose gradient a name like ``dW1`` stands for.

    Parameters
    ----------
    name : str
    known : collection of str

    Returns
    -------
    str or None

    Examples
    --------
    >>> [stands_for(n, ("W", "b")) for n in ("dW", "dL_db", "grad_W", "gb", "W_grad", "dx")]
    ['W', 'b', 'W', 'b', 'W', None]
    """
    entry = _ENTRY.fullmatch(name)
    if entry is not None:
        if not _OF_GRADIENTS.fullmatch(entry["dict"]):
            return None
        return key_for(entry["key"], known)
    for pattern in _NAMES:
        match = pattern.fullmatch(name)
        if match and match["name"] in known:
            return match["name"]
    return None


def key_for(key: str, known: Collection[str]) -> str | None:
    """Return the variable that a key of a dict of gradients stands for: ``dW1`` or ``W1``."""
    return key if key in known else stands_for(key, known)


def key_of(name: str) -> str:
    """Return the key of ``grads['w']``; any other name is its own."""
    entry = _ENTRY.fullmatch(name)
    return entry["key"] if entry else name


def looks_like_gradient(name: str) -> bool:
    """Whether a name looks like that of a gradient, whatever of."""
    return any(pattern.fullmatch(name) for pattern in _NAMES)


def is_data(name: str) -> bool:
    """Whether a name is one that data have, rather than something that is learned."""
    return _DATA.fullmatch(name) is not None


# --- reading what is returned -----------------------------------------------------------------


def values_of(run: Run, gradients: Mapping[str, Any], loss: float) -> list[Value]:
    """Return the values that a backward pass returned.

    Parameters
    ----------
    run : Run
    gradients : mapping of str to array
        By the variable.
    loss : float
        A number equal to it is not taken for a gradient.

    Returns
    -------
    list of Value
    """
    texts = parts_of(re.sub(r"^return\b", "", run.code).strip())
    flat = list(_flat(run.result))
    whole = isinstance(run.result, (tuple, list)) and len(texts) == len(flat)
    found: list[Value] = []
    for k, (key, value) in enumerate(flat):
        number = value is not None and is_number(value)
        if key is not None:
            if number:
                array = onp.asarray(value)
                labels = [
                    one.name
                    for one in run.assigned
                    if one.name.endswith(f"[{key!r}]") and agree(one.value, array)
                ]
                found.append(Value(-1, (labels or [key])[-1], array, "", key_for(key, gradients)))
            continue
        text = texts[k] if whole else run.code.removeprefix("return").strip()
        if value is None:
            found.append(Value(len(found), "", None, text))
        elif number:
            own = re.fullmatch(r"\w+", text) and run.variables.get(text) is value
            name = text if own else _name_of(value, run.variables, gradients)
            if onp.ndim(value) == 0 and float(value) == loss and len(flat) > 1:
                continue
            array = onp.asarray(value)
            found.append(Value(len(found), name, array, text, stands_for(name, gradients)))
    return found


def _flat(result: Any) -> Iterable[tuple[str | None, Any]]:
    if isinstance(result, Mapping):
        for key, value in result.items():
            if isinstance(value, (Mapping, list, tuple)):
                yield from _flat(value)
            else:
                yield str(key), value
    elif isinstance(result, tuple) and hasattr(result, "_asdict"):
        yield from result._asdict().items()
    elif isinstance(result, (tuple, list)):
        for value in result:
            if isinstance(value, (Mapping, list, tuple)):
                yield from _flat(value)
            else:
                yield None, value
    elif result is None or is_number(result):
        yield None, result
    else:
        yield from ((None, leaf) for leaf in tree.flatten(result)[0])


def is_number(value: Any) -> bool:
    """Whether something is a real number or an array of them."""
    if isinstance(value, bool) or not isinstance(value, (int, float, onp.ndarray, onp.generic)):
        return False
    return onp.asarray(value).dtype.kind in "fiu"


def _name_of(value: Any, variables: Mapping[str, Any], gradients: Mapping[str, Any]) -> str:
    names = [name for name, one in variables.items() if one is value]
    named = [name for name in names if stands_for(name, gradients) is not None]
    return (named or names or [""])[0]


def parts_of(text: str) -> list[str]:
    """Return the parts of a text between commas that stand in no bracket.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of str

    Examples
    --------
    >>> parts_of("(np.sum(a, axis=0), b)")
    ['np.sum(a, axis=0)', 'b']
    """
    text = text.strip()
    if text[:1] in ("(", "[") and _closing(text, 0) == len(text) - 1:
        text = text[1:-1]
    parts, depth, start = [], 0, 0
    for k, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append(text[start:k].strip())
            start = k + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts


def _closing(text: str, start: int) -> int:
    depth = 0
    for k in range(start, len(text)):
        depth += (text[k] in "([{") - (text[k] in ")]}")
        if depth == 0:
            return k
    return -1


def entry_text(code: str, name: str) -> str:
    """Return the entry of a dict out of the text of it, or the text if it does not stand there.

    Parameters
    ----------
    code : str
    name : str
        The key, or ``grads['w']``.

    Returns
    -------
    str

    Examples
    --------
    >>> entry_text("return {'w': f(x, y), 'b': z}", "w")
    "'w': f(x, y)"
    """
    key = key_of(name)
    quoted = re.escape(key)
    match = re.search(rf"""["']{quoted}["']\s*:|\bdict\((?:.*,)?\s*{quoted}\s*=(?!=)""", code)
    if match is None:
        return code
    rest, depth = code[match.end() :], 0
    for k, letter in enumerate(rest):
        depth += (letter in "([{") - (letter in ")]}")
        if depth < 0 or (depth == 0 and letter == ","):
            return f"{key!r}: {rest[:k].strip()}"
    return f"{key!r}: {rest.strip()}"


# --- which argument each belongs to -----------------------------------------------------------


def assign(
    values: Sequence[Value],
    gradients: Mapping[str, Any],
    arguments: Sequence[str],
    everything: Sequence[str],
) -> list[Value]:
    """Find the argument that each value of a tuple belongs to.

    By its name, else by what it equals, else by its place: that of the argument, if as many are
    returned as there are arguments; or that in the part of the arguments that fits best.

    Parameters
    ----------
    values : sequence of Value
    gradients : mapping of str to array
    arguments : sequence of str
        Arguments that hold floats.
    everything : sequence of str
        All arguments.

    Returns
    -------
    list of Value
    """
    placed = [v for v in values if v.place >= 0]
    known = [v.target or _equal(v, gradients, arguments) for v in placed]
    taken = {name for name in known if name}
    if len(placed) == len(everything):
        best: tuple[str | None, ...] = tuple(everything)
    else:
        best = _fitting(placed, known, gradients, arguments)
    found = []
    for value, name, there in zip(placed, known, best, strict=True):
        target = name
        if target is None and value.value is not None:
            free = [a for a in (there, *arguments) if a is not None and a not in taken]
            fitting = [
                a for a in free if a in gradients and _shape(gradients[a]) == _shape(value.value)
            ]
            is_argument = value.name in everything
            if not is_argument and (fitting or there in free):
                target = (
                    there if there in free and there in arguments else next(iter(fitting), None)
                )
            if target is not None:
                taken.add(target)
        found.append(replace(value, target=target))
    return [*[v for v in values if v.place < 0], *found]


def _equal(value: Value, gradients: Mapping[str, Any], arguments: Sequence[str]) -> str | None:
    if value.value is None or not onp.any(value.value):
        return None
    same = [a for a in arguments if agree(value.value, gradients[a])]
    return same[0] if len(same) == 1 else None


def _fitting(
    placed: Sequence[Value],
    known: Sequence[str | None],
    gradients: Mapping[str, Any],
    arguments: Sequence[str],
) -> tuple[str | None, ...]:
    """Return the part of the arguments, in their order, that fits the values best."""
    count = len(placed)
    if count > len(arguments) or math.comb(len(arguments), count) > _MOST:
        return tuple([*arguments, *[None] * count][:count])

    def score(chosen: tuple[str, ...]) -> int:
        total = 0
        for value, name, argument in zip(placed, known, chosen, strict=True):
            same = value.value is not None and _shape(gradients[argument]) == _shape(value.value)
            total += 100 * (name == argument) + 10 * same - 3 * is_data(argument)
        return total

    return max(itertools.combinations(arguments, count), key=score)


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(onp.shape(value))


# --- their order ------------------------------------------------------------------------------


def order_of(
    values: Sequence[Value],
    arguments: Sequence[str],
    others: Sequence[Sequence[str]],
    documentation: str,
) -> Order | None:
    """Return the order of the returned gradients if it is not that of the arguments.

    Parameters
    ----------
    values : sequence of Value
    arguments : sequence of str
    others : sequence of sequences of str
        Orders that are as good: that in which the gradients were computed, that of the parameters
        of the backward pass.
    documentation : str
        Of the backward pass; the order is meant if it stands there.

    Returns
    -------
    Order or None
    """
    placed = [v for v in values if v.place >= 0 and v.target in arguments]
    found = [v.target for v in placed if v.target is not None]
    if len(set(found)) != len(found):
        return None
    right = sorted(found, key=list(arguments).index)
    if found == right:
        return None
    allowed = [[name for name in other if name in found] for other in others]
    names = [re.escape(v.name or v.target or "") for v in placed]
    meant = (
        found in allowed
        or found in [[n for n in one if n in found] for one in _by_layers(arguments)]
        or re.search(r"\b" + r"\W+(?:and\s+)?".join(names) + r"\b", documentation) is not None
    )
    return Order(tuple(found), tuple(right), meant)


def _by_layers(arguments: Sequence[str]) -> list[list[str]]:
    """Return the arguments layer by layer, from the first or the last, or letter by letter."""
    split = {name: match for name in arguments if (match := _INDEXED.fullmatch(name))}
    letters = list(dict.fromkeys(match["letter"] for match in split.values()))
    layers = sorted({int(match["index"]) for match in split.values()})
    place = {(m["letter"], int(m["index"])): name for name, m in split.items()}
    found = []
    for way in (layers, layers[::-1]):
        found.append([place[a, k] for k in way for a in letters if (a, k) in place])
        found.append([place[a, k] for a in letters for k in way if (a, k) in place])
    return found


def forgotten(
    returned: Collection[str], computed: Collection[str], arguments: Sequence[str]
) -> list[str]:
    """Return arguments whose gradient should have been returned too.

    Those whose gradient was computed, and those that make up a layer with one that was returned,
    where another layer has both.

    Parameters
    ----------
    returned, computed : collection of str
    arguments : sequence of str

    Returns
    -------
    list of str

    Examples
    --------
    >>> forgotten(("W1", "b1", "W2"), (), ("W1", "b1", "W2", "b2", "X"))
    ['b2']
    """
    split = {name: match for name in arguments if (match := _INDEXED.fullmatch(name))}
    there = [split[name] for name in returned if name in split]
    letters = {match["letter"] for match in there}
    layers = {match["index"] for match in there}
    return [
        name
        for name in arguments
        if name not in returned
        and not is_data(name)
        and (
            name in computed
            or (
                name in split
                and split[name]["letter"] in letters
                and split[name]["index"] in layers
            )
        )
    ]
