"""Rules for elements that are taken out of arrays or put into them."""

from __future__ import annotations

from backlit.explain.derivation.build import unstretched
from backlit.explain.derivation.expression import (
    ONE_HOT,
    Expression,
    joint,
    make,
    matmul,
    multiply,
    transposed,
)

# Operations that are finite wherever what they read is, and what they divide by not 0.
_SAFE = frozenset("add subtract multiply negative square divide reciprocal broadcast_to".split())


def labels(part: Expression) -> Expression | None:
    """Adding c at place (i, kᵢ) of every row i is c · one_hot(k)."""
    if part.op != "scatter_add" or len(part.args) != 3 or len(part.shape) != 2:
        return None
    inner = unstretched(part.args[0])
    rows, columns = part.args[1:]
    if inner.shape or rows.op != "leaf" or rows.param("counting") != part.shape[0]:
        return None
    if part.param("parts") != (("a", 0), ("a", 1)) or not counts_up(columns):
        return None
    return multiply(inner, make(ONE_HOT, columns, shape=part.shape))


def counts_up(places: Expression) -> bool:
    """Tell whether places are counted from the beginning, as the labels of one_hot are."""
    if places.op == "leaf":
        return not places.param("backwards")
    return places.op in ("argmax", "argmin")


def rows_of_table(part: Expression) -> Expression | None:
    """Adding row k of G to row labelₖ is one_hot(label)ᵀ G; c at one place is c · one_hot."""
    if part.op != "scatter_add" or len(part.args) != 2 or len(part.shape) > 2:
        return None
    added, places = part.args
    first, *others = part.param("parts")
    if first != ("a", 0) or any(other != ("s", None, None, None) for other in others):
        return None
    if not counts_up(places) or added.shape != places.shape + part.shape[1:]:
        return None
    if len(places.shape) == 1:
        rows = make(ONE_HOT, places, shape=(places.shape[0], part.shape[0]))
        return matmul(transposed(rows), added)
    if places.shape == () and len(part.shape) == 1:
        return multiply(added, make(ONE_HOT, places, shape=part.shape))
    return None


def picked(part: Expression) -> tuple[Expression, list[Expression]] | None:
    """Return f(P) · one_hot(k) for f(P[i, kᵢ]) added at place (i, kᵢ) of every row i.

    Parameters
    ----------
    part : Expression

    Returns
    -------
    (Expression, list of Expression) or None
        With what may not be 0, for then f(P) is finite at the other places too.
    """
    if part.op != "scatter_add" or len(part.args) != 3 or not counts_up(part.args[2]):
        return None
    added, rows, columns = part.args
    if rows.param("counting") != part.shape[0] or part.param("parts") != (("a", 0), ("a", 1)):
        return None
    below: list[Expression] = []

    def whole(inside: Expression) -> Expression | None:
        if not inside.shape:
            return inside
        if inside.op == "getitem":
            same = inside.args[1:] == (rows, columns)
            array = inside.args[0]
            return array if same and array.shape == part.shape and safe(array) else None
        if inside.op not in _SAFE:
            return None
        args = [whole(argument) for argument in inside.args]
        if any(argument is None for argument in args):
            return None
        found = [argument for argument in args if argument is not None]
        if inside.op in ("divide", "reciprocal"):
            below.append(found[-1])
        return Expression(inside.op, found, inside.params, joint(*found))

    def safe(array: Expression) -> bool:
        if array.op in ("divide", "reciprocal"):
            below.append(array.args[-1])
        return (
            array.op == "leaf"
            or array.op in _SAFE
            and all(not a.shape or safe(a) for a in array.args)
        )

    factor = whole(added)
    if factor is None or factor.shape != part.shape:
        return None
    return multiply(factor, make(ONE_HOT, columns, shape=part.shape)), below


def elsewhere(part: Expression) -> Expression | None:
    """An element of an array with another element replaced is that of the array itself."""
    if part.op != "getitem" or part.args[0].op != "index_set":
        return None
    array, written = part.args[0], part.args[0].param("parts")
    read = part.param("parts")
    if len(part.args) > 1 or len(array.args) > 2 or not read or len(read) != len(written):
        return None
    places = [(a[1], b[1]) for a, b in zip(read, written, strict=True) if a[0] == b[0] == "i"]
    # Counted from the same end, different numbers are different places.
    if not any(a != b and (a < 0) == (b < 0) for a, b in places):
        return None
    return make("getitem", array.args[0], shape=part.shape, parts=read)


def single_place(part: Expression) -> Expression | None:
    """x[3:4][0] = x[3]."""
    if part.op != "reshape" or part.args[0].op != "getitem" or len(part.args[0].args) != 1:
        return None
    taken = part.args[0]
    parts = taken.param("parts")
    if any(p[0] != "s" for p in parts):
        return None
    single = [p[1:] for p in parts if isinstance(p[1], int) and p[1] >= 0]
    ones = [p for p in single if p[1] == p[0] + 1 and p[2] in (None, 1)]
    whole = [p for p in parts if p == ("s", None, None, None)]
    if not ones or len(ones) + len(whole) != len(parts):
        return None
    kept = tuple([("i", p[1]) if p[1:] in ones else p for p in parts])
    shape = tuple([n for n, p in zip(taken.shape, kept, strict=False) if p[0] == "s"])
    shape += taken.shape[len(parts) :]
    if shape != part.shape:
        return None
    while kept and kept[-1] == ("s", None, None, None):
        kept = kept[:-1]
    return make("getitem", taken.args[0], shape=shape, parts=kept)
