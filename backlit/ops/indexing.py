"""Indexing: basic and advanced, reading and (functionally) writing."""

from __future__ import annotations

import operator
from typing import Any

import numpy as onp

from backlit.core.alias import note_view, rebind
from backlit.core.aval import AbstractValue, Shape
from backlit.core.errors import DTypeError, ShapeError
from backlit.core.primitive import Case
from backlit.core.tracer import Tracer, bind, innermost_value
from backlit.ops.families import constant, dtype_of, engine, linear, shape_of
from backlit.ops.namesake import as_operand
from backlit.ops.shaping import broadcasts

# An index is stored as hashable static parts plus integer arrays that travel as operands:
# ("i", k), ("s", start, stop, step), ("n",) for a new axis, ("e",) for the ellipsis and
# ("a", position) for the operand at that position.
Part = tuple[Any, ...]


def _encode(index: Any) -> tuple[tuple[Part, ...], list[Any]]:
    parts: list[Part] = []
    arrays: list[Any] = []
    for item in index if isinstance(index, tuple) else (index,):
        if item is None:
            parts.append(("n",))
        elif item is Ellipsis:
            parts.append(("e",))
        elif isinstance(item, slice):
            ends = [None if k is None else operator.index(k) for k in _ends(item)]
            parts.append(("s", *ends))
        elif isinstance(item, (int, onp.integer)) and not isinstance(item, bool):
            parts.append(("i", int(item)))
        else:
            _encode_array(item, parts, arrays)
    return tuple(parts), arrays


def _ends(item: slice) -> tuple[Any, Any, Any]:
    return item.start, item.stop, item.step


def _encode_array(item: Any, parts: list[Part], arrays: list[Any]) -> None:
    array = item if type(item) is Tracer else onp.asarray(item)
    kind = array.dtype.kind
    if kind == "b":
        # A mask's shape depends on its values: they are needed now.
        if innermost_value(array) is None:
            raise DTypeError(
                "indexing with a traced mask gives an array of unknown length",
                fix="use np.where(mask, x, 0) instead of x[mask]",
            )
        mask = _concrete_mask(array)
        if mask.ndim == 0:
            raise DTypeError(
                "a single boolean cannot be an index of a traced array",
                fix="use np.where(test, x, 0.0), or an if",
            )
        for rows in onp.nonzero(mask):
            parts.append(("a", len(arrays)))
            arrays.append(rows)
        return
    if kind not in "iu" and array.size == 0:
        array = array.astype(onp.intp)
    elif kind not in "iu":
        raise DTypeError(
            f"an array of {array.dtype} cannot be an index",
            fix="index with integers or booleans",
        )
    parts.append(("a", len(arrays)))
    arrays.append(array)


def _concrete_mask(mask: Any) -> Any:
    """Return a mask's values; a traced mask becomes a guard of the graph."""
    if type(mask) is Tracer:
        return mask.owner.concretise(mask, "mask", _concrete_mask)
    return onp.asarray(mask)


def _decode(parts: tuple[Part, ...], arrays: Any) -> tuple[Any, ...]:
    index: list[Any] = []
    for part in parts:
        kind = part[0]
        if kind == "i":
            index.append(part[1])
        elif kind == "s":
            index.append(slice(part[1], part[2], part[3]))
        elif kind == "n":
            index.append(None)
        elif kind == "e":
            index.append(Ellipsis)
        else:
            index.append(arrays[part[1]])
    return tuple(index)


def result_shape(shape: Shape, parts: tuple[Part, ...], arrays: Any) -> Shape:
    """Return the shape of ``x[index]`` by NumPy's rules, from shapes alone.

    Arrays, and integers beside them, broadcast together. Their common axes stand where the indices
    stood if those are neighbours, and come first otherwise.
    """
    kinds = [part[0] for part in parts]
    used = sum(1 for kind in kinds if kind in "isa")
    if used > len(shape):
        raise IndexError(
            f"too many indices for array: array is {len(shape)}-dimensional, but {used} were "
            "indexed"
        )
    if kinds.count("e") > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if kinds.count("a") != len(arrays) or any(dtype_of(a).kind not in "iu" for a in arrays):
        raise IndexError("every array of an index must be of integers and be used once")
    extents: list[int] = []
    fancy: list[int] = []  # places in `parts` of the indices that broadcast together
    place = axis = 0
    for k, part in enumerate(parts):
        if part[0] == "n":
            extents.append(1)
        elif part[0] == "e":
            extents += shape[axis : axis + len(shape) - used]
            axis += len(shape) - used
        elif part[0] == "s":
            extents.append(len(range(*slice(*part[1:]).indices(shape[axis]))))
            axis += 1
        else:
            if part[0] == "i" and not -shape[axis] <= part[1] < shape[axis]:
                raise IndexError(
                    f"index {part[1]} is out of bounds for axis {axis} with size {shape[axis]}"
                )
            place = len(extents) if not fancy else place
            fancy.append(k)
            axis += 1
    extents += shape[axis:]
    common = onp.broadcast_shapes(*[shape_of(a) for a in arrays])
    if fancy and fancy[-1] - fancy[0] >= len(fancy):
        place = 0
    return (*extents[:place], *common, *extents[place:])


_getitem = linear(
    "getitem",
    lambda x, *arrays, parts: x[_decode(parts, arrays)],
    lambda x, *arrays, parts: AbstractValue(result_shape(x.shape, parts, arrays), x.dtype),
    lambda slot, g, x, *arrays, parts: _scatter(g, shape_of(x), parts, arrays),
    latex="{0}[\\cdot]",
    view=True,
    selects=True,
    cases=(
        Case(((3,),), {"parts": (("i", 1),)}),
        Case(((4, 3),), {"parts": (("s", None, None, 2), ("n",), ("i", -1))}),
        Case(((4, 3), onp.array([0, 2, 0])), {"parts": (("a", 0),)}),
        Case(
            ((4, 3), onp.array([0, 2, 0]), onp.array([1, 1, 2])),
            {"parts": (("a", 0), ("a", 1))},
        ),
        Case(((2, 4, 3), onp.array([[0], [2]])), {"parts": (("e",), ("a", 0), ("i", 1))}),
    ),
)


def getitem(x: Any, index: Any) -> Any:
    """Index an array as NumPy does; the gradient is scattered back, repeated elements adding up.

    Examples
    --------
    >>> import backlit as bl
    >>> bl.grad(lambda x: getitem(x, onp.array([0, 0, 1])).sum())(onp.ones(3))
    array([2., 1., 0.])
    """
    if type(x) is not Tracer and not _has_tracer(index):
        return x[index]
    parts, arrays = _encode(index)
    if not shape_of(x) and any(p[0] in "is" for p in parts):
        raise ShapeError(
            "a 0-dimensional array cannot be indexed", fix="use the number itself, or x[...]"
        )
    out = bind(_getitem, x, *arrays, parts=parts)
    if arrays:
        return out
    return note_view(out, x, lambda base, new: bind(_index_set, base, new, parts=parts))


def _has_tracer(index: Any) -> bool:
    items = index if isinstance(index, tuple) else (index,)
    return any(type(item) is Tracer for item in items)


def _scatter_impl(g: Any, *arrays: Any, shape: Shape, parts: tuple[Part, ...]) -> Any:
    out = onp.zeros(shape, onp.asarray(g).dtype)
    index = _decode(parts, arrays)
    if arrays:
        onp.add.at(out, index, g)
    else:
        out[index] = g
    return out


def _scatter_abstract(
    g: AbstractValue, arrays: Any, shape: Shape, parts: tuple[Part, ...]
) -> AbstractValue:
    target = result_shape(shape, parts, arrays)
    if not broadcasts(g.shape, target):
        raise ShapeError(
            f"cannot scatter {g.shape} into a part of shape {target}",
            fix="give it the shape of the part, or one that broadcasts to it",
        )
    return AbstractValue(shape, g.dtype)


_scatter_primitive = linear(
    "scatter_add",
    _scatter_impl,
    lambda g, *arrays, shape, parts: _scatter_abstract(g, arrays, shape, parts),
    lambda slot, g, x, *arrays, shape, parts: bind(_getitem, g, *arrays, parts=parts),
    latex=r"\operatorname{{scatter}}({0})",
    flops=lambda out, avals, params: avals[0].size if len(avals) > 1 else 0,
    selects=True,
    cases=(
        Case(((),), {"shape": (3,), "parts": (("i", 1),)}),
        Case(((3,), onp.array([0, 2, 0])), {"shape": (4,), "parts": (("a", 0),)}),
        Case(((2,),), {"shape": (4,), "parts": (("s", None, None, 2),)}),
    ),
)


def _scatter(g: Any, shape: Shape, parts: tuple[Part, ...], arrays: Any) -> Any:
    return bind(_scatter_primitive, g, *arrays, shape=shape, parts=parts)


# --- functional update ------------------------------------------------------------------------


def _set_impl(x: Any, value: Any, *arrays: Any, parts: tuple[Part, ...]) -> Any:
    out = onp.array(x)
    out[_decode(parts, arrays)] = value
    return out


def _set_transpose(slot: int, g: Any, x: Any, value: Any, *arrays: Any, parts: Any) -> Any:
    if slot == 1:
        # Where an element was written several times, the last one won (NumPy's rule): only that
        # one gets the gradient.
        part = bind(_getitem, g, *arrays, parts=parts)
        if arrays:
            part = engine.multiply(
                part, bind(_last_writes, *arrays, shape=shape_of(x), parts=parts)
            )
        return part
    zero = onp.zeros(result_shape(shape_of(x), parts, arrays), dtype_of(g))
    return bind(_index_set, g, zero, *arrays, parts=parts)


def _last_writes_impl(*arrays: Any, shape: Shape, parts: tuple[Part, ...]) -> Any:
    index = _decode(parts, arrays)
    count = onp.empty(result_shape(shape, parts, arrays), onp.intp)
    count[...] = onp.arange(count.size).reshape(count.shape)
    owner = onp.full(shape, -1, onp.intp)
    owner[index] = count
    return owner[index] == count


_last_writes = constant(
    "last_writes",  # which entries of an advanced index NumPy's assignment leaves standing
    _last_writes_impl,
    1,
    r"\operatorname{{last}}({0})",
    lambda *arrays, shape, parts: AbstractValue(
        result_shape(shape, parts, arrays), onp.dtype(bool)
    ),
    (Case((onp.array([0, 2, 0]),), {"shape": (4,), "parts": (("a", 0),)}),),
)


_index_set = linear(
    "index_set",
    _set_impl,
    lambda x, value, *arrays, parts: _set_abstract(x, value, arrays, parts),
    _set_transpose,
    linear_in=2,
    latex=r"\operatorname{{set}}({0}, {1})",
    selects=True,
    cases=(
        Case(((4,), ()), {"parts": (("i", 1),)}),
        Case(((4, 3), (3,)), {"parts": (("s", 1, 3, None),)}),
        Case(((4,), (3,), onp.array([0, 2, 3])), {"parts": (("a", 0),)}),
        Case(((4,), (3,), onp.array([0, 2, 0])), {"parts": (("a", 0),)}),
    ),
)


def _set_abstract(
    x: AbstractValue, value: AbstractValue, arrays: Any, parts: tuple[Part, ...]
) -> AbstractValue:
    target = result_shape(x.shape, parts, arrays)
    given = value.shape
    while len(given) > len(target) and given[0] == 1:
        given = given[1:]
    if not broadcasts(given, target):
        raise ShapeError(
            f"cannot assign {value.shape} to a part of shape {target}",
            fix="give the value the shape of the part, or one that broadcasts to it",
        )
    return AbstractValue(x.shape, x.dtype)


def index_set(x: Any, index: Any, value: Any) -> Any:
    """Return a copy of x with ``x[index] = value``; both get their share of the gradient.

    The derivative is 1 in the value where it was written and 1 in x elsewhere; of an element that
    is written more than once, the last value has it.

    Parameters
    ----------
    x : array_like
    index : int, slice, array of int or bool, ``None``, ``...`` or a tuple of them
    value : array_like
        Broadcast to the shape of ``x[index]``.

    Returns
    -------
    ndarray
        Of the shape and type of x.

    Examples
    --------
    >>> import backlit as bl
    >>> index_set(onp.zeros(3), 1, 5.0)
    array([0., 5., 0.])
    >>> f = lambda x, v: (2.0 * index_set(x, 1, v)).sum()
    >>> bl.grad(f, argnums=(0, 1))(onp.zeros(3), 5.0)
    (array([2., 0., 2.]), np.float64(2.0))
    """
    x, value = as_operand(x), as_operand(value)
    parts, arrays = _encode(index)
    value = value if type(value) is Tracer else onp.asarray(value)
    if dtype_of(value).kind in "fc" and dtype_of(x).kind in "iub" and type(value) is Tracer:
        raise DTypeError(
            f"storing a traced {dtype_of(value)} in an array of {dtype_of(x)} would lose its "
            "gradient",
            fix="make the array with a float dtype",
        )
    return bind(_index_set, x, value, *arrays, parts=parts)


def assign_item(x: Tracer, index: Any, value: Any) -> None:
    """Implement ``x[index] = value`` on a traced array: it becomes a new value.

    ``x[index] += value`` arrives here with a view of x that has already written to it, and writes
    the same once more.
    """
    rebind(x, index_set(x, index, value))
