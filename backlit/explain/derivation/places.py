"""Rules for elements that are taken out of arrays or put into them."""

from __future__ import annotations

from backlit.explain.derivation.build import unstretched
from backlit.explain.derivation.expression import ONE_HOT, Expression, make, multiply


def labels(part: Expression) -> Expression | None:
    """Adding c at place (i, kᵢ) of every row i is c · one_hot(k)."""
    if part.op != "scatter_add" or len(part.args) != 3 or len(part.shape) != 2:
        return None
    inner = unstretched(part.args[0])
    rows, columns = part.args[1:]
    if inner.shape or rows.op != "leaf" or rows.param("counting") != part.shape[0]:
        return None
    if part.param("parts") != (("a", 0), ("a", 1)):
        return None
    return multiply(inner, make(ONE_HOT, columns, shape=part.shape))


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
