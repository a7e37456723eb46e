"""Operators of programs: indexing, scattering, rounding, loops; what mathematics has no sign for.

docs/notation.md defines each. They are made of plain NumPy on the elements, and share nothing with
the primitives whose derivations they help to check. They have values in double precision and in
decimal numbers, and no derivatives of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as onp

from backlit.explain.equation.values import functions
from backlit.explain.equation.values.arithmetic import Arithmetic, Array, Floats, Shape
from backlit.explain.equation.values.boxes import Boxes
from backlit.explain.equation.values.functions import Builtin, FunctionFault
from backlit.explain.equation.values.precise import Precise
from backlit.explain.equation.values.reductions import Axis, axes_of

_WORD = 0xFFFFFFFF


def builtin(name: str) -> Builtin | None:
    """Return a function of the notation or an operator.

    Parameters
    ----------
    name : str

    Returns
    -------
    Builtin or None
    """
    return functions.builtin(name) or OPERATORS.get(name)


# --- between arrays of an arithmetic and NumPy's ----------------------------------------------


def _plain(x: Array) -> Any:
    """Return the elements of an array of any arithmetic."""
    return x.items if isinstance(x, Boxes) else onp.asarray(x)


def _like(x: Array, items: Any) -> Array:
    """Return elements as an array of the same arithmetic as x."""
    return x.like(items) if isinstance(x, Boxes) else items


def _made(a: Arithmetic, values: Any) -> Array:
    """Return Python's or NumPy's numbers as an array of an arithmetic."""
    if isinstance(a, Precise):
        return a.array(onp.vectorize(int, otypes=[object])(values) if onp.size(values) else values)
    if isinstance(a, Floats):
        return onp.asarray(values).astype(a.dtype)
    raise FunctionFault(f"this operator has no value in {type(a).__name__}")


def _whole(x: Array) -> Any:
    """Return the whole numbers that an array holds."""
    items = _plain(x)
    numbers = [int(item.real if isinstance(item, complex) else item) for item in items.ravel()]
    return onp.array(numbers, onp.int64).reshape(items.shape)


def _each(f: Callable[..., Any]) -> Callable[..., Array]:
    """Return a function of whole numbers, or of numbers that becomes one, element by element."""

    def value(a: Arithmetic, *xs: Array) -> Array:
        columns = onp.broadcast_arrays(*[_plain(x) for x in xs])
        numbers = [f(*row) for row in zip(*[c.ravel() for c in columns], strict=True)]
        return _made(a, onp.array(numbers, object).reshape(columns[0].shape))

    return value


def _elementwise(f: Callable[..., Any], count: int = 1) -> Builtin:
    names = ("x", "y")[:count]
    return Builtin(_each(f), "elementwise", names, count)


# --- rounding, logic, bits --------------------------------------------------------------------


def _is_finite(x: Any) -> bool:
    return bool(x == x and abs(x) != math.inf)


def _remainder(a: Arithmetic, x: Array, y: Array) -> Array:
    floor = _each(lambda p, q: math.floor(p / q))
    return x - floor(a, x, y) * y


def _arctan2(a: Arithmetic, y: Array, x: Array) -> Array:
    # The half-angle formula, which needs x > −√(x² + y²).
    two = a.number(Fraction(2))
    return two * a.apply("arctan", y / (a.apply("sqrt", x * x + y * y) + x))


def _fixed(a: Arithmetic, x: Array) -> Array:
    return x


_ROUNDING = {
    "trunc": _elementwise(math.trunc),
    "mod": Builtin(_remainder, "elementwise", ("x", "y"), 2),
    "arctan2": Builtin(_arctan2, "elementwise", ("y", "x"), 2),
    "isnan": _elementwise(lambda x: x != x),
    "isinf": _elementwise(lambda x: abs(x) == math.inf),
    "isfinite": _elementwise(_is_finite),
    "bitand": _elementwise(lambda x, y: int(x) & int(y), 2),
    "bitor": _elementwise(lambda x, y: int(x) | int(y), 2),
    "bitxor": _elementwise(lambda x, y: int(x) ^ int(y), 2),
    "bitnot": _elementwise(lambda x: ~int(x)),
    "fixed": Builtin(_fixed, "elementwise"),
}

# --- along axes -------------------------------------------------------------------------------


def _truth(reduce: Any) -> Callable[..., Array]:
    def value(a: Arithmetic, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
        return _made(a, reduce(_plain(x) != 0, axis=axes_of(x, axis), keepdims=keepdims))

    return value


def _extreme_place(sign: int) -> Callable[..., Array]:
    def value(a: Arithmetic, x: Array, axis: int) -> Array:
        items = _plain(x) * sign
        rows = onp.moveaxis(items, axis, -1)
        found = onp.empty(rows.shape[:-1], onp.int64)
        for place in onp.ndindex(found.shape):
            row = list(rows[place])
            found[place] = row.index(max(row))
        return _made(a, found)

    return value


def _cumprod(a: Arithmetic, x: Array, axis: int) -> Array:
    return _like(x, onp.multiply.accumulate(_plain(x), axis=axis))


def _flip(a: Arithmetic, x: Array, axis: int | tuple[int, ...]) -> Array:
    return _like(x, onp.flip(_plain(x), axis))


def _permute(a: Arithmetic, x: Array, axes: tuple[int, ...]) -> Array:
    return x.transpose(axes)


def _broadcast(a: Arithmetic, x: Array, shape: Shape) -> Array:
    return _like(x, onp.broadcast_to(_plain(x), shape))


def _pad(a: Arithmetic, x: Array, before: Shape, after: Shape) -> Array:
    items = _plain(x)
    shape = tuple(i + n + j for i, n, j in zip(before, items.shape, after, strict=True))
    found = onp.array(_plain(a.broadcast(a.number(Fraction(0)), shape)))
    inside = tuple(slice(i, i + n) for i, n in zip(before, items.shape, strict=True))
    found[inside] = items
    return _like(x, found)


_AXES = {
    "all": Builtin(_truth(onp.logical_and.reduce), "reduction", options=("axis", "keepdims")),
    "any": Builtin(_truth(onp.logical_or.reduce), "reduction", options=("axis", "keepdims")),
    "argmax": Builtin(_extreme_place(1), "reduction", options=("axis",)),
    "argmin": Builtin(_extreme_place(-1), "reduction", options=("axis",)),
    "cumprod": Builtin(_cumprod, "along", options=("axis",)),
    "flip": Builtin(_flip, "along", options=("axis",)),
    "permute": Builtin(_permute, "shape", options=("axes",)),
    "broadcast": Builtin(_broadcast, "shape", options=("shape",)),
    "pad": Builtin(_pad, "shape", options=("before", "after")),
}

# --- places -----------------------------------------------------------------------------------


def _places(a: Arithmetic, shape: Shape) -> Array:
    return _made(a, onp.arange(math.prod(shape)).reshape(shape))


def selected(x: Array, index: Sequence[Any]) -> Array:
    """Return ``x[index]`` where arrays of whole numbers and new axes stand in the index.

    Parameters
    ----------
    x : array
    index : sequence of int, slice, None or array

    Returns
    -------
    array
    """
    plain = tuple([_whole(part) if hasattr(part, "shape") else part for part in index])
    return _like(x, _plain(x)[plain])


def _scatter(a: Arithmetic, x: Array, places: Array, shape: Shape) -> Array:
    where = _whole(places)
    items = onp.broadcast_to(_plain(x), where.shape)
    found = onp.array(_plain(a.broadcast(a.number(Fraction(0)), (math.prod(shape),))))
    for place, item in zip(where.ravel(), items.ravel(), strict=True):
        found[place] = found[place] + item
    return _like(x, found.reshape(shape))


def _put(a: Arithmetic, x: Array, places: Array, value: Array) -> Array:
    items = onp.array(_plain(x))
    flat, where = items.reshape(-1), _whole(places)
    new = _plain(value)
    new = new.reshape(new.shape[max(0, new.ndim - where.ndim) :])
    for place, item in zip(where.ravel(), onp.broadcast_to(new, where.shape).ravel(), strict=True):
        flat[place] = item
    return _like(x, flat.reshape(items.shape))


def _lasting(a: Arithmetic, places: Array) -> Array:
    where = _whole(places)
    last = {int(place): k for k, place in enumerate(where.ravel())}
    found = [last[int(place)] == k for k, place in enumerate(where.ravel())]
    return _made(a, onp.array(found).reshape(where.shape))


def _onehot(a: Arithmetic, labels: Array, count: int) -> Array:
    return _made(a, _whole(labels)[..., None] == onp.arange(count))


_PLACES = {
    "places": Builtin(_places, "creation", (), 0, ("shape",)),
    "scatter": Builtin(_scatter, "shape", ("x", "places"), 2, ("shape",)),
    "put": Builtin(_put, "shape", ("x", "places", "value"), 3),
    "lasting": Builtin(_lasting, "shape", ("places",)),
    "onehot": Builtin(_onehot, "shape", ("labels",), 1, ("count",)),
}

# --- contractions -----------------------------------------------------------------------------


def _einsum(a: Arithmetic, x: Array, y: Array, left: Shape, right: Shape, out: Shape) -> Array:
    """Σ over every label that is not in `out` of x[left] · y[right]."""
    aligned = [_aligned(_plain(part), labels) for part, labels in ((x, left), (y, right))]
    labels = sorted({*left, *right})
    spread = [
        items.transpose([mine.index(k) for k in labels if k in mine]).reshape(
            [items.shape[mine.index(k)] if k in mine else 1 for k in labels]
        )
        for items, mine in aligned
    ]
    whole = spread[0] * spread[1]
    gone = tuple(n for n, k in enumerate(labels) if k not in out)
    kept = [k for k in labels if k in out]
    total = onp.add.reduce(whole, axis=gone) if gone else whole
    return _like(x, onp.asarray(total, whole.dtype).transpose([kept.index(k) for k in out]))


def _aligned(items: Any, labels: Shape) -> tuple[Any, list[int]]:
    """Return an array with the diagonal taken of every label that comes twice."""
    mine = list(labels)
    for label in dict.fromkeys(mine):
        while mine.count(label) > 1:
            first, second = mine.index(label), mine.index(label, mine.index(label) + 1)
            items = onp.diagonal(items, 0, first, second)
            del mine[second], mine[first]
            mine.append(label)
    return items, mine


def _diagonal(a: Arithmetic, x: Array, labels: Shape, out: Shape) -> Array:
    items, mine = _aligned(_plain(x), labels)
    return _like(x, items.transpose([mine.index(k) for k in out]))


_CONTRACTIONS = {
    "einsum": Builtin(_einsum, "matrix", ("x", "y"), 2, ("left", "right", "out")),
    "diagonal": Builtin(_diagonal, "matrix", ("x",), 1, ("labels", "out")),
}

# --- random bits ------------------------------------------------------------------------------


def philox(counter: Sequence[int], key: Sequence[int]) -> list[int]:
    """Return four words of Philox-4x32-10.

    Parameters
    ----------
    counter : sequence of 4 int
    key : sequence of 2 int

    Returns
    -------
    list of 4 int

    References
    ----------
    J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2,
    3", SC'11, section 4.3.

    Examples
    --------
    >>> [hex(word) for word in philox((0, 0, 0, 0), (0, 0))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    words, (k0, k1) = list(counter), key
    for _ in range(10):
        low, high = words[0] * 0xD2511F53, words[2] * 0xCD9E8D57
        words = [
            (high >> 32) ^ words[1] ^ k0,
            high & _WORD,
            (low >> 32) ^ words[3] ^ k1,
            low & _WORD,
        ]
        k0, k1 = (k0 + 0x9E3779B9) & _WORD, (k1 + 0xBB67AE85) & _WORD
    return words


def _philox(a: Arithmetic, key: Array, shape: Shape) -> Array:
    words = [int(k) for k in _whole(key)]
    count = math.prod(shape)
    found: list[int] = []
    for block in range(-(-count // 4)):
        found += philox((block & _WORD, block >> 32, 0, 0), words)
    return _made(a, onp.array(found[:count], object).reshape(shape))


def _philox_key(a: Arithmetic, key: Array, number: Array) -> Array:
    data = int(_whole(number)) % 2**64
    words = philox((data & _WORD, data >> 32, 0, 1), [int(k) for k in _whole(key)])
    return _made(a, onp.array(words[:2], object))


_RANDOM = {
    "philox": Builtin(_philox, "shape", ("key",), 1, ("shape",)),
    "philoxkey": Builtin(_philox_key, "shape", ("key", "number"), 2),
}

# --- control flow -----------------------------------------------------------------------------


def _scan(
    a: Arithmetic,
    operands: Sequence[Array],
    f: Any,
    carries: int,
    rows: int,
    length: int,
    reverse: bool,
    result: int,
) -> Array:
    carry = list(operands[:carries])
    columns, rest = operands[carries : carries + rows], operands[carries + rows :]
    kept: list[Array] = []
    for t in reversed(range(length)) if reverse else range(length):
        out = f(*carry, *[column[t] for column in columns], *rest)
        carry = list(out[:carries])
        if result >= carries:
            kept.append(out[result])
    if result < carries:
        return carry[result]
    return functions.stacked(a, kept[::-1] if reverse else kept)


def _cond(a: Arithmetic, operands: Sequence[Array], no: Any, yes: Any, result: int) -> Array:
    chosen = yes if int(_whole(operands[0])) else no
    out: Array = chosen(*operands[1:])[result]
    return out


def _repeat(
    a: Arithmetic,
    operands: Sequence[Array],
    step: Any,
    test: Any,
    steps: int,
    tests: int,
    result: int,
) -> Array:
    for_test, for_step = operands[:tests], operands[tests : tests + steps]
    carry = list(operands[tests + steps :])
    while int(_whole(test(*for_test, *carry)[0])):
        carry = list(step(*for_step, *carry))
    return carry[result]


_CONTROL = {
    "scan": Builtin(
        _scan,
        "control",
        ("operands", "f"),
        2,
        ("carries", "rows", "length", "reverse", "result"),
        listed=True,
    ),
    "cond": Builtin(_cond, "control", ("operands", "no", "yes"), 3, ("result",), listed=True),
    "repeat": Builtin(
        _repeat,
        "control",
        ("operands", "step", "test"),
        3,
        ("steps", "tests", "result"),
        listed=True,
    ),
}

OPERATORS: dict[str, Builtin] = {
    **_ROUNDING,
    **_AXES,
    **_PLACES,
    **_CONTRACTIONS,
    **_RANDOM,
    **_CONTROL,
}
"""Every operator by its name, those left out that are functions of the notation."""
