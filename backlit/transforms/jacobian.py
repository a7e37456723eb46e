"""All derivatives at once: Jacobians and Hessians, and Hessian–vector products."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.aval import aval_of
from backlit.core.errors import DifferentiationError
from backlit.core.source import Source
from backlit.core.tape import is_array
from backlit.core.tracing import function_name, require_function
from backlit.ops.elementwise import astype
from backlit.ops.shaping import reshape, stack
from backlit.ops.sweep import Recorded, push_forward
from backlit.transforms import directions
from backlit.transforms.arguments import (
    Argnums,
    Selected,
    argument_places,
    strip,
    value_and_aux,
    zeros_for,
)
from backlit.transforms.forward import jvp, paired, split_duals
from backlit.transforms.reverse import grad


def _basis(leaf: Any) -> list[Any]:
    """Return the unit vectors of a leaf's space."""
    aval = aval_of(leaf)
    eye = onp.eye(aval.size, dtype=aval.dtype)
    return [row.reshape(aval.shape) for row in eye]


def _directions(leaves: Sequence[Any]) -> list[list[Any]]:
    """Return, per leaf, its tangent in every direction of the joint input space."""
    sizes = [aval_of(leaf).size for leaf in leaves]
    columns: list[list[Any]] = []
    for k, leaf in enumerate(leaves):
        before, after = sum(sizes[:k]), sum(sizes[k + 1 :])
        columns.append([None] * before + _basis(leaf) + [None] * after)
    return columns


def _require_float(value: Any, f: Callable[..., Any], what: str) -> None:
    if not is_array(value) or aval_of(value).dtype.kind != "f":
        array = is_array(value)
        found = str(aval_of(value)) if array else f"a {type(value).__name__}"
        raise DifferentiationError(
            f"{what} of {function_name(f)}: a result is {found}, not a real array",
            where=Source.here(),
            fix="return arrays of floats; argmax, comparisons and counts have no derivative"
            if array
            else "return arrays of floats; return anything else with has_aux=True",
        )


def _shaped(parts: list[Any], axis: int, shape: tuple[int, ...]) -> Any:
    """Stack the columns or rows of a block and give it its shape."""
    block = reshape(stack(parts, axis), shape)
    return block[()] if type(block) is onp.ndarray else block


def _assemble_columns(
    values: Sequence[Any], pushed: Sequence[list[Any]], selected: Selected
) -> list[Any]:
    """Return per result the tree of blocks, from one tangent per input direction."""
    blocks = []
    for value, tangents in zip(values, pushed, strict=True):
        out_shape = aval_of(value).shape
        parts, start = [], 0
        for leaf in selected.leaves:
            aval = aval_of(leaf)
            columns = tangents[start : start + aval.size]
            start += aval.size
            if columns:
                block = _shaped(columns, -1, (*out_shape, *aval.shape))
            else:
                block = onp.zeros((*out_shape, *aval.shape), aval_of(value).dtype)
            parts.append(block)
        blocks.append(selected.pack(parts))
    return blocks


def _assemble_loop(recorded: Recorded, results: Sequence[Any], selected: Selected) -> list[Any]:
    """Return per result the tree of blocks, from a loop over the input directions."""
    return [
        selected.pack(
            [
                reshape(block, (*aval_of(value).shape, *aval_of(leaf).shape))
                for block, leaf in zip(parts, selected.leaves, strict=True)
            ]
        )
        for value, parts in zip(
            results, directions.pushed(recorded, results, selected.leaves), strict=True
        )
    ]


def _assemble_rows(recorded: Recorded, results: Sequence[Any], selected: Selected) -> list[Any]:
    """Return per result the tree of blocks, from one backward sweep per output element."""
    blocks = []
    for out in results:
        aval = aval_of(out)
        own = recorded.tape.owns(out)
        if own and directions.looped(selected.leaves, aval.size):
            found = directions.swept(recorded, out, selected.leaves)
            shapes = [(*aval.shape, *aval_of(leaf).shape) for leaf in selected.leaves]
            whole = [reshape(block, shape) for block, shape in zip(found, shapes, strict=True)]
            blocks.append(selected.pack([astype(block, aval.dtype) for block in whole]))
            continue
        rows: list[list[Any]] = [[] for _ in selected.leaves]
        for unit in _basis(out):
            found = recorded.sweep([(out.id, unit)]) if own else [None] * len(rows)
            for row, part, leaf in zip(rows, found, selected.leaves, strict=True):
                row.append(zeros_for(leaf) if part is None else part)
        parts = []
        for row, leaf in zip(rows, selected.leaves, strict=True):
            shape = (*aval.shape, *aval_of(leaf).shape)
            block = _shaped(row, 0, shape) if row else onp.zeros(shape, aval.dtype)
            parts.append(astype(block, aval.dtype))
        blocks.append(selected.pack(parts))
    return blocks


def jacfwd(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that computes the Jacobian of f in forward mode.

    f runs once, every value carrying one tangent per input element: cheap when there are few
    inputs and many outputs.

    Parameters
    ----------
    f : callable
        Returns a tree of float arrays (with `has_aux`, a pair of it and anything else).
    argnums : int or sequence of int
        Which positional arguments to differentiate; each may be a tree of float arrays.
    has_aux : bool
        Whether f returns ``(value, extra)``; the result is then ``(jacobian, extra)``.

    Returns
    -------
    callable
        Returns a tree shaped like f's result whose leaves are trees shaped like the argument; a
        block has shape ``out.shape + input.shape``.

    Raises
    ------
    DTypeError
        If an argument is not made of floats.
    DifferentiationError
        If a result is not real, or f does not return a pair with `has_aux`.

    Examples
    --------
    >>> import numpy
    >>> jacfwd(lambda x: x * x)(numpy.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    require_function(f, "jacfwd")

    @functools.wraps(f)
    def jacobian_forward(*args: Any, **kwargs: Any) -> Any:
        selected = Selected(f, args, argnums, "jacfwd", kwargs)
        if directions.looped(selected.leaves, sum(aval_of(a).size for a in selected.leaves)):
            return _from_record(f, selected, has_aux, "jacfwd")
        columns = _directions(selected.leaves)
        trace, out = push_forward(selected.call, selected.leaves, columns)
        out, aux = value_and_aux(f, out) if has_aux else (out, None)
        leaves, out_def = tree.flatten(out)
        values, pushed = split_duals(leaves, trace, len(columns[0]) if columns else 0)
        for value in values:
            _require_float(value, f, "jacfwd")
        blocks = tree.unflatten(out_def, _assemble_columns(values, pushed, selected))
        return (blocks, strip(aux, trace, selected.leaves)) if has_aux else blocks

    return jacobian_forward


def jacrev(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that computes the Jacobian of f in reverse mode.

    f runs once, then one backward sweep per output element: cheap when there are many inputs and
    few outputs.

    Parameters
    ----------
    f : callable
        Returns a tree of float arrays (with `has_aux`, a pair of it and anything else).
    argnums : int or sequence of int
        Which positional arguments to differentiate; each may be a tree of float arrays.
    has_aux : bool
        Whether f returns ``(value, extra)``; the result is then ``(jacobian, extra)``.

    Returns
    -------
    callable
        As for `jacfwd`.

    Raises
    ------
    DTypeError
        If an argument is not made of floats.
    DifferentiationError
        If a result is not real, or f does not return a pair with `has_aux`.

    Examples
    --------
    >>> import numpy
    >>> jacrev(lambda x: x * x)(numpy.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return _jacobian(f, argnums, has_aux, "jacrev")


def jacobian(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that computes the Jacobian of f, in the mode that takes fewer passes.

    f runs once and is recorded; then either one tangent per input element is pushed forward over
    the record, or one cotangent per output element is pulled back, whichever are fewer.

    Parameters
    ----------
    f : callable
        Returns a tree of float arrays (with `has_aux`, a pair of it and anything else).
    argnums : int or sequence of int
        Which positional arguments to differentiate; each may be a tree of float arrays.
    has_aux : bool
        Whether f returns ``(value, extra)``; the result is then ``(jacobian, extra)``.

    Returns
    -------
    callable
        As for `jacfwd`.

    Raises
    ------
    DTypeError
        If an argument is not made of floats.
    DifferentiationError
        If a result is not real, or f does not return a pair with `has_aux`.

    Examples
    --------
    >>> import numpy
    >>> jacobian(lambda x: numpy.array([[1.0, 2.0]]) @ x)(numpy.array([1.0, 1.0]))
    array([[1., 2.]])
    """
    return _jacobian(f, argnums, has_aux, "jacobian")


def _jacobian(
    f: Callable[..., Any], argnums: Argnums, has_aux: bool, what: str
) -> Callable[..., Any]:
    require_function(f, what)

    @functools.wraps(f)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        return _from_record(f, Selected(f, args, argnums, what, kwargs), has_aux, what)

    return jacobian_of


def _from_record(f: Callable[..., Any], selected: Selected, has_aux: bool, what: str) -> Any:
    """Run a function once, and go over what it left forwards or backwards."""
    recorded = Recorded(selected.call, selected.leaves)
    out, aux = value_and_aux(f, recorded.out) if has_aux else (recorded.out, None)
    results, out_def = tree.flatten(out)
    for result in results:
        _require_float(result, f, what)
    inputs = sum(aval_of(leaf).size for leaf in selected.leaves)
    outputs = sum(aval_of(result).size for result in results)
    values = [recorded.tape.outside(result) for result in results]
    forward = what == "jacfwd" or (what == "jacobian" and inputs < outputs)
    if forward and directions.looped(selected.leaves, inputs):
        blocks = _assemble_loop(recorded, results, selected)
    elif forward:
        pushed = recorded.push(_directions(selected.leaves), results)
        blocks = _assemble_columns(values, pushed, selected)
    else:
        blocks = _assemble_rows(recorded, results, selected)
    found = tree.unflatten(out_def, blocks)
    return (found, strip(aux, recorded.tape, selected.leaves)) if has_aux else found


def hessian(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that computes the matrix of second derivatives: forward over reverse.

    Parameters
    ----------
    f : callable
        Returns one real number (with `has_aux`, a pair of it and anything else).
    argnums : int or sequence of int
        Which positional arguments to differentiate; each may be a tree of float arrays.
    has_aux : bool
        Whether f returns ``(value, extra)``; the result is then ``(hessian, extra)``.

    Returns
    -------
    callable
        Returns, for each leaf of the argument, a tree of blocks of shape
        ``leaf.shape + other.shape``.

    Raises
    ------
    DTypeError
        If an argument is not made of floats.
    DifferentiationError
        If f does not return one real number, or no pair with `has_aux`.

    Examples
    --------
    >>> import numpy
    >>> hessian(lambda x: x[0] ** 2 * x[1])(numpy.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    require_function(f, "hessian")
    return jacfwd(grad(f, argnums, has_aux), argnums, has_aux)


def hvp(
    f: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    argnums: Argnums | None = None,
    has_aux: bool = False,
) -> Any:
    """Return the Hessian times a vector without the Hessian: the jvp of the gradient.

    Its cost is a small multiple of one gradient, whatever the size (B. A. Pearlmutter, "Fast exact
    multiplication by the Hessian", Neural Computation 6(1), 1994).

    Parameters
    ----------
    f : callable
        Returns one real number (with `has_aux`, a pair of it and anything else).
    primals : sequence of trees
        All arguments of f.
    tangents : sequence of trees
        The vector: one part for each argument that is differentiated, shaped like it.
    argnums : int or sequence of int, optional
        Which arguments to differentiate; default: all of them.
    has_aux : bool
        Whether f returns ``(value, extra)``; the result is then ``(product, extra)``.

    Returns
    -------
    tree
        Shaped like the argument; a tuple when there are several or `argnums` is a sequence.

    Raises
    ------
    DTypeError
        If an argument is not made of floats.
    ShapeError
        If tangents do not have the structure and shapes of the arguments.
    DifferentiationError
        If f does not return one real number, or primals and tangents are no tuples.

    Examples
    --------
    >>> import numpy
    >>> hvp(lambda x: (x**3).sum(), (numpy.array([1.0, 2.0]),), (numpy.array([1.0, 1.0]),))
    array([ 6., 12.])
    """
    require_function(f, "hvp")
    primals, tangents = paired("hvp", primals, tangents)
    if argnums is None:
        argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    places = argument_places(f, primals, argnums, "hvp")

    @functools.wraps(f)
    def gradient(*moving: Any) -> Any:
        args = list(primals)
        for place, value in zip(places, moving, strict=True):
            args[place] = value
        return grad(f, argnums, has_aux)(*args)

    _, *found = jvp(gradient, [primals[n] for n in places], tangents, has_aux)
    return tuple(found) if has_aux else found[0]
