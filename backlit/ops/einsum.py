"""Sums of products over named indices: einsum for any number of operands, two at a time."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.core.alias import note_view
from backlit.core.aval import AbstractValue
from backlit.core.errors import ShapeError
from backlit.core.primitive import Case
from backlit.core.tracer import bind
from backlit.ops.elementwise import astype, multiply
from backlit.ops.families import bilinear, linear, shape_of
from backlit.ops.namesake import as_operand, namesake
from backlit.ops.reduce import sum as sum_
from backlit.ops.shaping import expand_dims, fresh, reshape, stretch, transpose


def _einsum_terms(spec: str) -> tuple[str, str, str]:
    operands, out = spec.split("->")
    left, right = operands.split(",")
    return left, right, out


def _einsum2_abstract(a: AbstractValue, b: AbstractValue, *, spec: str) -> AbstractValue:
    left, right, out = _einsum_terms(spec)
    sizes = _einsum_sizes((left, right), (a.shape, b.shape))
    shape = tuple([sizes[c] for c in out])
    return AbstractValue(shape, onp.result_type(a.dtype, b.dtype))


def _einsum_sizes(terms: Any, shapes: Any) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        if len(term) != len(shape):
            raise ShapeError(
                f"einsum term {term!r} does not fit an array of shape {shape}",
                fix="write one letter for every dimension, or ... for those in front",
            )
        for letter, extent in zip(term, shape, strict=True):
            if sizes.setdefault(letter, extent) != extent and 1 not in (sizes[letter], extent):
                raise ShapeError(
                    f"einsum index {letter!r} is both {sizes[letter]} and {extent}",
                    fix="give axes that share a letter the same length, or another letter",
                )
            if sizes[letter] == 1:
                sizes[letter] = extent  # which may be 0, as in NumPy
    return sizes


def _einsum_back(g: Any, other: Any, mine: Any, terms: tuple[str, str, str]) -> Any:
    """Return the cotangent of the operand `terms[0]`; `terms` is (mine, other, out)."""
    own, rest, out = terms
    wanted = "".join([c for c in own if c in rest or c in out])
    part = einsum(f"{out},{rest}->{wanted}", g, other)
    if wanted != own:
        # An index that only this operand has was summed over: every element gets the same.
        axes = [k for k, c in enumerate(own) if c not in wanted]
        part = stretch(expand_dims(part, tuple(axes)), shape_of(mine))
    return part


_einsum2 = bilinear(
    "einsum",
    lambda a, b, *, spec: onp.einsum(spec, a, b, optimize=True),
    _einsum2_abstract,
    lambda g, a, b, *, spec: _einsum_back(g, b, a, _einsum_terms(spec)),
    lambda g, a, b, *, spec: _einsum_back(
        g, a, b, (_einsum_terms(spec)[1], _einsum_terms(spec)[0], _einsum_terms(spec)[2])
    ),
    latex=r"\operatorname{{einsum}}_{{\text{{{spec}}}}}({0}, {1})",
    flops=lambda out, avals, params: _einsum_flops(avals, params["spec"]),
    cases=(
        Case(((2, 3), (3, 4)), {"spec": "ij,jk->ik"}),
        Case(((2, 3), (2, 3)), {"spec": "ij,ij->i"}),
        Case(((2, 3), (4,)), {"spec": "ij,k->k"}),
        Case(((2, 3, 2), (2, 2, 4)), {"spec": "bij,bjk->bik"}),
    ),
)


def _einsum_flops(avals: Any, spec: str) -> int:
    left, right, _ = _einsum_terms(spec)
    total = 2
    for extent in _einsum_sizes((left, right), [a.shape for a in avals]).values():
        total *= extent
    return total


_diagonal = linear(
    "diagonal_of",
    lambda x, *, spec: onp.einsum(spec, x),
    lambda x, *, spec: AbstractValue(
        tuple([x.shape[spec.split("->")[0].index(c)] for c in spec.split("->")[1]]), x.dtype
    ),
    lambda slot, g, x, *, spec: _undiagonal(g, x, spec),
    latex=r"\operatorname{{diag}}({0})",
    cases=(Case(((3, 3),), {"spec": "ii->i"}), Case(((2, 3, 3),), {"spec": "ijj->ij"})),
)


def _undiagonal(g: Any, x: Any, spec: str) -> Any:
    """Put a cotangent back onto the (generalised) diagonal it was read from."""
    term, out = spec.split("->")
    sizes = _einsum_sizes((term,), (shape_of(x),))
    on_diagonal = onp.ones(shape_of(x), bool)
    grids = onp.indices(shape_of(x))
    for letter in set(term):
        places = [k for k, c in enumerate(term) if c == letter]
        for k in places[1:]:
            on_diagonal &= grids[places[0]] == grids[k]
    first = [term.index(c) for c in out]
    target = [1] * len(term)
    for letter, k in zip(out, first, strict=True):
        target[k] = sizes[letter]
    order = sorted(range(len(out)), key=lambda j: first[j])
    return multiply(reshape(transpose(g, order), target), on_diagonal)


def _one_operand(term: str, out: str, x: Any) -> tuple[str, Any]:
    """Take diagonals and sum away what no one else needs; return the new term and array."""
    unique = "".join(dict.fromkeys(term))
    if unique != term:
        x = bind(_diagonal, x, spec=f"{term}->{unique}")
    gone = tuple([k for k, c in enumerate(unique) if c not in out])
    if gone:
        x = sum_(x, axis=gone)
    return "".join([c for c in unique if c in out]), x


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _expand_ellipsis(terms: list[str], out: str | None, ranks: list[int]) -> tuple[list[str], str]:
    free = [c for c in LETTERS if c not in "".join(terms)]
    widths = [
        rank - len(term.replace("...", "")) if "..." in term else 0
        for term, rank in zip(terms, ranks, strict=True)
    ]
    spare = max([*widths, 0])
    batch = "".join(free[:spare])
    full = [
        term.replace("...", batch[spare - width :])
        for term, width in zip(terms, widths, strict=True)
    ]
    if out is None:
        joined = "".join(full)
        plain = sorted(c for c in set(joined) if joined.count(c) == 1 and c not in batch)
        out = (batch if any("..." in t for t in terms) else "") + "".join(plain)
    elif spare and "..." not in out:
        raise ShapeError(
            f"the einsum output {out!r} has no '...' for the axes that '...' stands for",
            fix=f"write '->...{out}', or sum those axes with np.sum",
        )
    return full, out.replace("...", batch)


def _as_subscripts(operands: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """Return einsum's other form, array, sublist, array, sublist, …, as a string and arrays."""

    def term(sublist: Any) -> str:
        return "".join(["..." if k is Ellipsis else LETTERS[k] for k in sublist])

    pairs = len(operands) // 2
    arrays, sublists = operands[: 2 * pairs : 2], operands[1 : 2 * pairs : 2]
    text = ",".join([term(sublist) for sublist in sublists])
    return text + (f"->{term(operands[-1])}" if len(operands) % 2 else ""), list(arrays)


@namesake(onp.einsum, arrays=0)
def einsum(
    subscripts: Any,
    /,
    *operands: Any,
    out: Any = None,
    dtype: Any = None,
    optimize: Any = False,
    **options: Any,
) -> Any:
    """Return the sum of products over named indices, as in NumPy, for any number of operands.

    Operands are combined two at a time from the left. The cotangent of one operand is the einsum
    of the result's cotangent with the others.

    Parameters
    ----------
    subscripts : str
        Such as ``"ij,jk->ik"``; or the arrays alternate with lists of index numbers.
    *operands : array_like
    dtype : dtype, optional
        Convert the operands to it.
    optimize
        Only where nothing is traced.
    out, **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> einsum("ij,j->i", onp.eye(2), onp.array([1.0, 2.0]))
    array([1., 2.])
    >>> bl.grad(lambda x: einsum("i,i->", x, x))(onp.array([1.0, 2.0]))
    array([2., 4.])
    """
    arrays = list(operands)
    if not isinstance(subscripts, str):
        subscripts, arrays = _as_subscripts((subscripts, *operands))
    arrays = [as_operand(a) for a in arrays]
    if dtype is not None:
        arrays = [astype(a, dtype) for a in arrays]
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(arrays):
        raise ShapeError(
            f"einsum {subscripts!r} has {len(terms)} terms for {len(arrays)} arrays",
            fix='separate the terms by commas, one for each array: np.einsum("ij,jk->ik", a, b)',
        )
    ranks = [len(shape_of(a)) for a in arrays]
    terms, target = _expand_ellipsis(terms, right if arrow else None, ranks)
    _einsum_sizes(terms, [shape_of(a) for a in arrays])
    if set(target) - set("".join(terms)) or len(set(target)) != len(target):
        raise ShapeError(
            f"einsum output {target!r} does not follow from {left!r}",
            fix="name each index of the output once, from those of the operands",
        )
    term, total = terms[0], arrays[0]
    for k in range(1, len(terms)):
        later = "".join(terms[k + 1 :]) + target
        term, total = _one_operand(term, later + terms[k], total)
        other, array = _one_operand(terms[k], later + term, arrays[k])
        total, array = _match_units(term, total, other, array)
        kept = "".join([c for c in dict.fromkeys(term + other) if c in later])
        total = bind(_einsum2, total, array, spec=f"{term},{other}->{kept}")
        term = kept
    term, total = _one_operand(term, target, total)
    result = total
    if term != target:
        result = transpose(total, [term.index(c) for c in target])
        result = result if total is arrays[0] else fresh(result)
    if len(terms) == 1 and set(target) == set(terms[0]) and total is not arrays[0]:
        note_view(result, arrays[0])  # a diagonal is a view in NumPy, too
    return result


def _match_units(term: str, a: Any, other: str, b: Any) -> tuple[Any, Any]:
    """Broadcast extents of one where the two operands share an index."""
    sizes = _einsum_sizes((term, other), (shape_of(a), shape_of(b)))
    wide_a, wide_b = tuple([sizes[c] for c in term]), tuple([sizes[c] for c in other])
    if wide_a != shape_of(a):
        a = stretch(a, wide_a)
    if wide_b != shape_of(b):
        b = stretch(b, wide_b)
    return a, b
