"""Arrays joined, cut, turned and given more dimensions, by way of others that do."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.core.errors import ShapeError
from backlit.ops import elementwise as ew
from backlit.ops.families import shape_of
from backlit.ops.namesake import gather, namesake, refuse
from backlit.ops.shaping import (
    concatenate,
    flip,
    ravel,
    reshape,
    split,
    stretch,
    swapaxes,
)

# --- more dimensions, joining and cutting -----------------------------------------------------


@namesake(onp.atleast_2d)
def atleast_2d(*arys: Any) -> Any:
    """Give arrays at least two dimensions, as in NumPy.

    The cotangent is given the old shape back.

    Parameters
    ----------
    *arys : array_like

    Returns
    -------
    ndarray, or a tuple of them if there are several

    Examples
    --------
    >>> atleast_2d([1.0, 2.0])
    array([[1., 2.]])
    """
    raised = [
        reshape(a, (1,) * (2 - len(shape_of(a))) + shape_of(a)) if len(shape_of(a)) < 2 else a
        for a in arys
    ]
    return tuple(raised) if len(raised) > 1 else raised[0]


@namesake(onp.atleast_3d)
def atleast_3d(*arys: Any) -> Any:
    """Give arrays at least three dimensions, as in NumPy.

    The cotangent is given the old shape back.

    Parameters
    ----------
    *arys : array_like

    Returns
    -------
    ndarray, or a tuple of them if there are several

    Examples
    --------
    >>> atleast_3d([1.0, 2.0]).shape
    (1, 2, 1)
    """
    raised = []
    for a in map(gather, arys):
        shape = shape_of(a)
        if len(shape) < 3:
            a = reshape(a, (*((1,) * (2 - len(shape))), *shape, 1))
        raised.append(a)
    return tuple(raised) if len(raised) > 1 else raised[0]


@namesake(onp.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Cut an array into parts that may differ in length by one, as in NumPy.

    The cotangents of the parts are joined again.

    Parameters
    ----------
    ary : array_like
    indices_or_sections : int or sequence of int
        How many parts, or where they begin.
    axis : int

    Returns
    -------
    list of ndarray

    Examples
    --------
    >>> [part.tolist() for part in array_split([1, 2, 3], 2)]
    [[1, 2], [3]]
    """
    if hasattr(indices_or_sections, "__len__"):
        return split(ary, indices_or_sections, axis)
    count, length = int(indices_or_sections), shape_of(ary)[axis]
    if count <= 0:
        raise ShapeError(
            f"array_split needs at least one part, not {count}",
            fix="give a positive number of parts",
        )
    sizes = [length // count + (k < length % count) for k in range(count)]
    return split(ary, onp.cumsum(sizes)[:-1].tolist(), axis)


@namesake(onp.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Cut an array into columns (of one dimension: elements), as in NumPy; see `split`.

    Parameters
    ----------
    ary : array_like
    indices_or_sections : int or sequence of int

    Returns
    -------
    list of ndarray

    Examples
    --------
    >>> len(hsplit(onp.ones((1, 4)), 2))
    2
    """
    return split(ary, indices_or_sections, 1 if len(shape_of(ary)) > 1 else 0)


@namesake(onp.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Cut an array into rows, as in NumPy; see `split`.

    Parameters
    ----------
    ary : array_like
    indices_or_sections : int or sequence of int

    Returns
    -------
    list of ndarray

    Examples
    --------
    >>> len(vsplit(onp.ones((4, 1)), 2))
    2
    """
    return split(ary, indices_or_sections, 0)


@namesake(onp.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Cut an array into slices along the third axis, as in NumPy; see `split`.

    Parameters
    ----------
    ary : array_like
    indices_or_sections : int or sequence of int

    Returns
    -------
    list of ndarray

    Examples
    --------
    >>> len(dsplit(onp.ones((1, 1, 4)), 2))
    2
    """
    return split(ary, indices_or_sections, 2)


@namesake(onp.dstack, arrays=-1)
def dstack(tup: Any) -> Any:
    """Join arrays along the third axis, as in NumPy.

    The cotangent is cut into the pieces again.

    Parameters
    ----------
    tup : sequence of array_like

    Returns
    -------
    ndarray

    Examples
    --------
    >>> dstack([[1, 2], [3, 4]]).shape
    (1, 2, 2)
    """
    arrays = [atleast_3d(a) for a in tup]
    return concatenate(arrays, 2)


@namesake(onp.column_stack, arrays=-1)
def column_stack(tup: Any) -> Any:
    """Join one-dimensional arrays as columns and matrices beside them, as in NumPy.

    The cotangent is cut into the pieces again.

    Parameters
    ----------
    tup : sequence of array_like

    Returns
    -------
    ndarray

    Examples
    --------
    >>> column_stack([[1, 2], [3, 4]])
    array([[1, 3],
           [2, 4]])
    """
    columns = [reshape(a, (-1, 1)) if len(shape_of(a)) < 2 else a for a in tup]
    return concatenate(columns, 1)


@namesake(onp.append, arrays=2)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Join values to the end of an array, as in NumPy.

    The cotangent is cut into the pieces again.

    Parameters
    ----------
    arr, values : array_like
    axis : int, optional
        Default: flatten both first.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> append([1, 2], 3)
    array([1, 2, 3])
    """
    if axis is None:
        return concatenate([ravel(arr), ravel(values)], 0)
    return concatenate([arr, values], axis)


@namesake(onp.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """Return coordinate matrices from coordinate vectors, as in NumPy.

    The cotangents of the copies of an element are added up.

    Parameters
    ----------
    *xi : array_like
    copy : bool
        Only ``True`` for traced arrays.
    sparse : bool
        Leave the axes of length one.
    indexing : str
        "xy": the first vector runs along the second axis; "ij": along the first.

    Returns
    -------
    tuple of ndarray

    Examples
    --------
    >>> [grid.shape for grid in meshgrid([1, 2, 3], [4, 5])]
    [(2, 3), (2, 3)]
    """
    if indexing not in ("xy", "ij"):
        raise ShapeError(
            f'meshgrid knows indexing "xy" and "ij", not {indexing!r}', fix='indexing="xy"'
        )
    if not copy:
        refuse("meshgrid", {"copy": False})
    vectors = [gather(x) for x in xi]
    rank = len(xi)
    place = list(range(rank))
    if indexing == "xy" and rank > 1:
        place[0], place[1] = 1, 0
    grids = [
        reshape(x, tuple([-1 if k == at else 1 for k in range(rank)]))
        for x, at in zip(vectors, place, strict=True)
    ]
    if sparse:
        return tuple([grid.copy() for grid in grids])
    shape = onp.broadcast_shapes(*[shape_of(grid) for grid in grids])
    return tuple(
        [grid.copy() if shape_of(grid) == shape else stretch(grid, shape) for grid in grids]
    )


# --- turning ----------------------------------------------------------------------------------


@namesake(onp.fliplr)
def fliplr(m: Any) -> Any:
    """Reverse the order of the columns, as in NumPy.

    The cotangent is reversed back.

    Parameters
    ----------
    m : array_like

    Returns
    -------
    ndarray

    Examples
    --------
    >>> fliplr([[1, 2], [3, 4]])
    array([[2, 1],
           [4, 3]])
    """
    return flip(m, 1)


@namesake(onp.flipud)
def flipud(m: Any) -> Any:
    """Reverse the order of the rows, as in NumPy.

    The cotangent is reversed back.

    Parameters
    ----------
    m : array_like

    Returns
    -------
    ndarray

    Examples
    --------
    >>> flipud([[1, 2], [3, 4]])
    array([[3, 4],
           [1, 2]])
    """
    return flip(m, 0)


@namesake(onp.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Turn by k right angles in the plane of two axes, from the first to the second, as in NumPy.

    The cotangent is turned back.

    Parameters
    ----------
    m : array_like
    k : int
    axes : tuple of two int

    Returns
    -------
    ndarray

    Examples
    --------
    >>> rot90([[1, 2], [3, 4]])
    array([[2, 4],
           [1, 3]])
    """
    first, second = axes
    turns = k % 4
    if turns == 0:
        return ew.positive(m)
    if turns == 2:
        return flip(flip(m, first), second)
    if turns == 1:
        return swapaxes(flip(m, second), first, second)
    return flip(swapaxes(m, first, second), second)
