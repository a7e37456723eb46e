"""Matrix products: matmul with every NumPy rank rule, einsum, dot, outer, tensordot."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue, Shape
from backlit.core.errors import ShapeError
from backlit.core.primitive import Case
from backlit.core.tracer import Tracer, bind
from backlit.ops.elementwise import multiply
from backlit.ops.families import bilinear, linear, shape_of
from backlit.ops.reduce import sum as sum_
from backlit.ops.shaping import (
    broadcast_to,
    expand_dims,
    normalise_axis,
    ravel,
    reshape,
    squeeze,
    swapaxes,
    transpose,
)

_ndarray = onp.ndarray

# --- matmul -----------------------------------------------------------------------------------


def _matmul_shape(a: Shape, b: Shape) -> Shape:
    if not a or not b:
        raise ShapeError("matmul does not take 0-dimensional arrays", fix="use * for scalars")
    left = a if len(a) > 1 else (1, *a)
    right = b if len(b) > 1 else (*b, 1)
    if left[-1] != right[-2]:
        raise ShapeError(
            f"shapes {a} and {b} do not multiply: {left[-1]} columns meet {right[-2]} rows",
            fix="the last axis of the left operand must be as long as the second last of the right",
        )
    batch = onp.broadcast_shapes(left[:-2], right[:-2])
    rows = (left[-2],) if len(a) > 1 else ()
    columns = (right[-1],) if len(b) > 1 else ()
    return (*batch, *rows, *columns)


def _matmul_abstract(a: AbstractValue, b: AbstractValue) -> AbstractValue:
    return AbstractValue(_matmul_shape(a.shape, b.shape), onp.result_type(a.dtype, b.dtype))


def _matmul_left(g: Any, a: Any, b: Any) -> Any:
    """∂L/∂A = G Bᵀ (summed over broadcast batches by `fit`)."""
    if type(g) is _ndarray and type(b) is _ndarray and b.ndim == 2 and g.ndim == 2:
        return onp.matmul(g, b.T)
    ra, rb = len(shape_of(a)), len(shape_of(b))
    if ra == 1 and rb == 1:
        return multiply(expand_dims(g, -1), b)
    if rb == 1:  # (…, n, k) @ (k) -> (…, n)
        return multiply(expand_dims(g, -1), b)
    if ra == 1:  # (k) @ (…, k, m) -> (…, m)
        return squeeze(matmul(b, expand_dims(g, -1)), -1)
    return matmul(g, swapaxes(b, -1, -2))


def _matmul_right(g: Any, a: Any, b: Any) -> Any:
    """∂L/∂B = Aᵀ G."""
    if type(g) is _ndarray and type(a) is _ndarray and a.ndim == 2 and g.ndim == 2:
        return onp.matmul(a.T, g)
    ra, rb = len(shape_of(a)), len(shape_of(b))
    if ra == 1 and rb == 1:
        return multiply(expand_dims(g, -1), a)
    if rb == 1:
        return squeeze(matmul(swapaxes(a, -1, -2), expand_dims(g, -1)), -1)
    if ra == 1:
        return multiply(expand_dims(a, -1), expand_dims(g, -2))
    return matmul(swapaxes(a, -1, -2), g)


def _matmul_flops(out: AbstractValue, avals: Any, params: Any) -> int:
    return 2 * out.size * int(avals[0].shape[-1])


_matmul = bilinear(
    "matmul",
    onp.matmul,
    _matmul_abstract,
    _matmul_left,
    _matmul_right,
    latex="{0} {1}",
    flops=_matmul_flops,
    cases=tuple(
        Case(shapes)
        for shapes in (
            ((2, 3), (3, 4)),
            ((3,), (3,)),
            ((2, 3), (3,)),
            ((3,), (3, 2)),
            ((2, 2, 3), (3, 2)),
            ((3,), (2, 3, 2)),
            ((2, 2, 3), (3,)),
            ((2, 1, 2, 3), (3, 3, 2)),
        )
    ),
)


def matmul(x1: Any, x2: Any, /) -> Any:
    """Matrix product with NumPy's rank rules: vectors, matrices and stacks of matrices.

    Examples
    --------
    >>> matmul(onp.eye(2), onp.array([1.0, 2.0]))
    array([1., 2.])
    """
    if type(x1) is not Tracer and type(x2) is not Tracer:
        return onp.matmul(x1, x2)
    return bind(_matmul, x1, x2)


# --- einsum -----------------------------------------------------------------------------------


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
            raise ShapeError(f"einsum term {term!r} does not fit an array of shape {shape}")
        for letter, extent in zip(term, shape, strict=True):
            if sizes.setdefault(letter, extent) != extent and 1 not in (sizes[letter], extent):
                raise ShapeError(f"einsum index {letter!r} is both {sizes[letter]} and {extent}")
            sizes[letter] = max(sizes[letter], extent)
    return sizes


def _einsum_back(g: Any, other: Any, mine: Any, terms: tuple[str, str, str]) -> Any:
    """Return the cotangent of the operand `terms[0]`; `terms` is (mine, other, out)."""
    own, rest, out = terms
    wanted = "".join([c for c in own if c in rest or c in out])
    part = einsum(f"{out},{rest}->{wanted}", g, other)
    if wanted != own:
        # An index that only this operand has was summed over: every element gets the same.
        axes = [k for k, c in enumerate(own) if c not in wanted]
        part = broadcast_to(expand_dims(part, tuple(axes)), shape_of(mine))
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


def _expand_ellipsis(terms: list[str], out: str | None, ranks: list[int]) -> tuple[list[str], str]:
    free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in "".join(terms)]
    spare = 0
    widths = []
    for term, rank in zip(terms, ranks, strict=True):
        widths.append(rank - len(term.replace("...", "")) if "..." in term else 0)
    spare = max(widths, default=0)
    batch = "".join(free[:spare])
    full = [
        term.replace("...", batch[spare - width :])
        for term, width in zip(terms, widths, strict=True)
    ]
    if out is None:
        joined = "".join(full)
        plain = sorted(c for c in set(joined) if joined.count(c) == 1 and c not in batch)
        out = (batch if any("..." in t for t in terms) else "") + "".join(plain)
    return full, out.replace("...", batch)


def einsum(subscripts: str, /, *operands: Any) -> Any:
    """Sum of products over named indices, as in NumPy, for any number of operands.

    Operands are combined two at a time from the left.

    Examples
    --------
    >>> einsum("ij,j->i", onp.eye(2), onp.array([1.0, 2.0]))
    array([1., 2.])
    """
    if not any(type(a) is Tracer for a in operands):
        return onp.einsum(subscripts, *operands)
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ShapeError(f"einsum {subscripts!r} has {len(terms)} terms for {len(operands)} arrays")
    ranks = [len(shape_of(a)) for a in operands]
    terms, out = _expand_ellipsis(terms, right if arrow else None, ranks)
    _einsum_sizes(terms, [shape_of(a) for a in operands])
    if set(out) - set("".join(terms)) or len(set(out)) != len(out):
        raise ShapeError(f"einsum output {out!r} does not follow from {left!r}")
    arrays = list(operands)
    term, total = terms[0], arrays[0]
    for k in range(1, len(terms)):
        later = "".join(terms[k + 1 :]) + out
        term, total = _one_operand(term, later + terms[k], total)
        other, array = _one_operand(terms[k], later + term, arrays[k])
        total, array = _match_units(term, total, other, array)
        kept = "".join([c for c in dict.fromkeys(term + other) if c in later])
        total = bind(_einsum2, total, array, spec=f"{term},{other}->{kept}")
        term = kept
    term, total = _one_operand(term, out, total)
    return transpose(total, [term.index(c) for c in out]) if term != out else total


def _match_units(term: str, a: Any, other: str, b: Any) -> tuple[Any, Any]:
    """Broadcast extents of one where the two operands share an index."""
    sizes = _einsum_sizes((term, other), (shape_of(a), shape_of(b)))
    wide_a, wide_b = tuple([sizes[c] for c in term]), tuple([sizes[c] for c in other])
    if wide_a != shape_of(a):
        a = broadcast_to(a, wide_a)
    if wide_b != shape_of(b):
        b = broadcast_to(b, wide_b)
    return a, b


# --- dot, outer, inner, tensordot, trace -------------------------------------------------------


def dot(a: Any, b: Any) -> Any:
    """Dot product with NumPy's rules: scalars multiply, vectors and matrices contract.

    Examples
    --------
    >>> float(dot(onp.array([1.0, 2.0]), onp.array([3.0, 4.0])))
    11.0
    """
    if type(a) is not Tracer and type(b) is not Tracer:
        return onp.dot(a, b)
    ra, rb = len(shape_of(a)), len(shape_of(b))
    if ra == 0 or rb == 0:
        return multiply(a, b)
    if rb <= 2:
        return matmul(a, b)
    return tensordot(a, b, ([ra - 1], [rb - 2]))


def outer(a: Any, b: Any) -> Any:
    """Outer product of two vectors (flattened if need be).

    Examples
    --------
    >>> outer(onp.array([1.0, 2.0]), onp.array([1.0, 10.0]))
    array([[ 1., 10.],
           [ 2., 20.]])
    """
    if type(a) is not Tracer and type(b) is not Tracer:
        return onp.outer(a, b)
    return multiply(expand_dims(ravel(a), 1), expand_dims(ravel(b), 0))


def inner(a: Any, b: Any) -> Any:
    """Contract the last axes of two arrays.

    Examples
    --------
    >>> float(inner(onp.array([1.0, 2.0]), onp.array([3.0, 4.0])))
    11.0
    """
    ra, rb = len(shape_of(a)), len(shape_of(b))
    if ra == 0 or rb == 0:
        return multiply(a, b)
    return tensordot(a, b, ([ra - 1], [rb - 1]))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Contract several axes of two arrays, as in NumPy.

    Examples
    --------
    >>> tensordot(onp.ones((2, 3)), onp.ones((3, 4)), 1).shape
    (2, 4)
    """
    if type(a) is not Tracer and type(b) is not Tracer:
        return onp.tensordot(a, b, axes)
    ra, rb = len(shape_of(a)), len(shape_of(b))
    if isinstance(axes, (int, onp.integer)):
        first, second = list(range(ra - int(axes), ra)), list(range(int(axes)))
    else:
        first, second = ([k] if isinstance(k, int) else list(k) for k in axes)
    first = [normalise_axis(k, ra) for k in first]
    second = [normalise_axis(k, rb) for k in second]
    letters = "abcdefghijklmnopqrstuvwxyz"
    left = list(letters[:ra])
    right = list(letters[ra : ra + rb])
    for i, j in zip(first, second, strict=True):
        right[j] = left[i]
    out = [c for k, c in enumerate(left) if k not in first]
    out += [c for k, c in enumerate(right) if k not in second]
    return einsum(f"{''.join(left)},{''.join(right)}->{''.join(out)}", a, b)


def trace(a: Any) -> Any:
    """Sum of the diagonal of a matrix.

    Examples
    --------
    >>> float(trace(onp.eye(3)))
    3.0
    """
    return einsum("ii->", a)


def diagonal(a: Any) -> Any:
    """Return the diagonal of a matrix.

    Examples
    --------
    >>> diagonal(onp.eye(2))
    array([1., 1.])
    """
    return einsum("ii->i", a)
