"""Checking the data before anything is computed with it.

Whatever passes here cannot fail later for a reason that the data could have told at once.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, NamedTuple

import numpy as onp

from backlit import nn
from backlit.core import tree
from backlit.core.errors import InputError
from backlit.core.settings import shown
from backlit.data.table import Table

Array = onp.ndarray[Any, Any]

LABEL_LOSSES = frozenset(("cross_entropy", "multiclass_hinge"))
_FILL = (
    "leave those rows out, or fill them in: backlit.data.Preprocessor fills missing values and "
    "adds a column that says where"
)


class Examples(NamedTuple):
    """Inputs, targets and weights of one data set, row by row, ready for the model.

    Attributes
    ----------
    X : ndarray, shape (rows, ...)
    y : ndarray, shape (rows, ...)
    weights : ndarray of mean 1, shape (rows,), or None
    """

    X: Array
    y: Array
    weights: Array | None = None


def pair(data: Any, name: str) -> tuple[Any, Any]:
    """Return inputs and targets given as a pair, or raise saying what was given instead.

    Parameters
    ----------
    data : (X, y)
    name : str
        What to call it in the message.

    Returns
    -------
    X, y : array_like

    Examples
    --------
    >>> pair(([[1.0]], [2.0]), "data")
    ([[1.0]], [2.0])
    """
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        size = f" of {len(data)}" if isinstance(data, (tuple, list)) else ""
        raise InputError(
            f"{name} is a {type(data).__name__}{size}; it must be the pair (X, y)",
            fix="pass inputs and targets as one argument, a pair: "
            + ("validation=(X, y)" if name == "validation" else "fit(model, (X, y), …)"),
        )
    return data[0], data[1]


def parameters(model: Any) -> tuple[list[Array], tree.TreeDef, list[str]]:
    """Return a model's arrays, its shape and the arrays' paths, or raise if it cannot be trained.

    Parameters
    ----------
    model : tree of arrays

    Returns
    -------
    leaves : list of ndarray
    treedef : TreeDef
    paths : list of str

    Raises
    ------
    InputError
        If there is no array, or one of them is not of a floating-point type or not finite.

    Examples
    --------
    >>> parameters({"w": 1.0})[0]
    [array(1.)]
    """
    if isinstance(model, type):
        raise InputError(
            f"the model is the class {model.__name__} itself", fix=f"make one: {model.__name__}(…)"
        )
    found, treedef = tree.flatten(model)
    if not found:
        raise InputError(
            f"the model, a {type(model).__name__}, holds no array to train",
            fix="for instance backlit.nn.MLP([4, 16, 3], seed=0)",
        )
    paths = [path or "the parameter" for path in tree.paths(treedef)]
    leaves = []
    for path, leaf in zip(paths, found, strict=True):
        kind = getattr(leaf, "dtype", onp.dtype(type(leaf))).kind
        if kind != "f":
            raise InputError(
                f"{path} of the model is {leaf!r:.40}; only floating-point arrays can be trained",
                fix="declare a setting with backlit.nn.static(); write 1.0 instead of 1",
            )
        leaf = onp.asarray(leaf)
        check_finite(leaf, path, "start from finite weights")
        leaves.append(leaf)
    return leaves, treedef, paths


def first_dense(model: Any, path: str = "") -> tuple[str, nn.Dense] | None:
    """Return the layer that takes the inputs, and its path, if it is certain to be a `Dense`.

    Parameters
    ----------
    model : object
    path : str
        Where `model` is.

    Returns
    -------
    (str, Dense) or None

    Examples
    --------
    >>> first_dense(nn.Sequential(nn.Dropout(0.1), nn.Dense(3, 2, seed=0)))[0]
    'layers.1'
    """
    if type(model) is nn.Dense:
        return path or "the model", model
    if type(model) in (nn.MLP, nn.Sequential):
        for index, layer in enumerate(model.layers):
            if type(layer) not in (nn.Dropout, nn.Activate):
                return first_dense(layer, f"{path}.layers.{index}" if path else f"layers.{index}")
    return None


def inputs_for(model: Any, X: Any, dtype: Any, name: str = "X") -> Array:
    """Return inputs as an array the model can take.

    Parameters
    ----------
    model : tree of arrays
    X : array_like, shape (rows, ...)
    dtype : dtype
        Floating-point type of the model. Floats are cast to it; integers and booleans too if the
        first layer is certain to be a `backlit.nn.Dense`, else they stay what they are.
    name : str
        What to call it in messages.

    Returns
    -------
    ndarray

    Raises
    ------
    InputError
        If it is not an array of finite numbers with one row per example, or has another number of
        columns than the model takes.

    Examples
    --------
    >>> inputs_for(nn.Dense(2, 1, seed=0), [[1, 2]], "float32")
    array([[1., 2.]], dtype=float32)
    """
    array = numbers(X, name)
    first = first_dense(model)
    if array.ndim == 0:
        raise InputError(f"{name} is one number; it must have a row per example")
    if first is not None:
        path, layer = first
        takes = layer.W.shape[0]
        if array.ndim == 1:
            raise InputError(
                f"{name} has shape {array.shape}; the model takes rows of {takes} inputs",
                fix=f"{name}[:, None] makes one column of it, {name}[None, :] one row",
            )
        if array.shape[-1] != takes:
            raise InputError(
                f"{name} has {array.shape[-1]} columns, but the model's first layer ({path}) takes "
                f"{takes} inputs",
                fix=f"make the model for {array.shape[-1]} inputs, or pass the {takes} columns it "
                "was made for",
            )
    check_finite(array, name, _FILL)
    if array.dtype.kind == "f" or first is not None:
        array = _cast(array, dtype, name)
    return array


def _cast(array: Array, dtype: Any, name: str) -> Array:
    """Return finite numbers in a floating-point type, or raise if one is too large for it."""
    with onp.errstate(over="ignore"):
        cast: Array = array.astype(dtype, copy=False)
    finite = onp.isfinite(cast) if cast is not array else onp.True_
    if not finite.all():
        place = tuple(int(i) for i in onp.argwhere(~finite)[0])
        raise InputError(
            f"{name}[{', '.join(map(str, place))}] is {array[place]:g}, more than the model's "
            f"{onp.dtype(dtype).name} can hold",
            fix="scale the data, or make the model with dtype='float64'",
        )
    return cast


def numbers(values: Any, name: str) -> Array:
    """Return real numbers as an array, or raise if they are something else.

    Parameters
    ----------
    values : array_like
    name : str

    Returns
    -------
    ndarray of float, int or bool

    Examples
    --------
    >>> numbers([[1, 2]], "X")
    array([[1, 2]])
    """
    if isinstance(values, Table):
        raise InputError(
            f"{name} is a Table",
            fix="backlit.data.Preprocessor.fit(table, target) turns its columns into numbers",
        )
    if isinstance(values, onp.ma.MaskedArray) and (masked := onp.count_nonzero(values.mask)):
        raise InputError(
            f"{name} is a masked array, and {masked} of its values are "
            "masked, which a model would not see",
            fix=_FILL,
        )
    try:
        array = onp.asarray(values)
    except ValueError as error:
        raise InputError(f"{name} is not an array: {error}", fix="rows of equal length") from None
    if array.dtype.kind in "fiub":
        return array
    fix = "numpy.asarray(…, float); backlit.data.Preprocessor turns a table into numbers"
    if array.dtype.kind in "OSU" and array.ndim:
        for place, item in onp.ndenumerate(array):
            if isinstance(item, Real):
                continue
            text = isinstance(item, (str, bytes))
            where = f"{name}[{', '.join(map(str, place))}] is {shown(str(item) if text else item)}"
            if not text:
                raise InputError(f"{where}, which is not a number", fix=fix)
            raise InputError(
                f"{name} holds text: {where}",
                fix="number the classes: classes, y = numpy.unique(y, return_inverse=True)"
                if name.endswith("y")
                else "backlit.data.Preprocessor turns the columns of a table into numbers",
            )
    if name.endswith("y"):
        fix = "y.astype(int) if these are labels, y.astype(float) if they are measurements"
    raise InputError(
        f"{name} is of type {type(values).__name__} ({array.dtype}); it must be an array of "
        "real numbers",
        fix=fix,
    )


def check_finite(array: Array, name: str, fix: str) -> None:
    """Raise naming row and column unless all floats are finite."""
    if array.dtype.kind != "f":
        return
    finite = onp.isfinite(array)
    if finite.all():
        return
    wrong = onp.argwhere(~finite)
    place = tuple(int(i) for i in wrong[0])
    where = f"[{', '.join(map(str, place))}]" if place else ""
    words = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), place, strict=False))
    what = f"{name}{where} is {array[place]}"
    what += f" ({words}, counted from 0)" if words else ""
    if len(wrong) > 1:
        what += f", and {len(wrong) - 1} more values are not finite"
    raise InputError(what, fix=fix)


def check_rows(rows: int, array: Array, name: str, other: str) -> None:
    """Raise unless an array has as many rows as the inputs."""
    found = array.shape[0] if array.ndim else 0
    if found != rows:
        raise InputError(
            f"{other} has {rows} rows but {name} has {found}",
            fix=f"one row of {name} for each row of {other}",
        )


def targets_for(
    y: Any, rows: int, loss: str | None, output: tuple[int, ...], dtype: Any, name: str = "y"
) -> Array:
    """Return targets in the shape and type the loss wants, so that nothing broadcasts by accident.

    Parameters
    ----------
    y : array_like, shape (rows, ...)
    rows : int
        Number of rows of the inputs.
    loss : str or None
        Name of the loss; None for a function of the user's.
    output : tuple of int
        Shape of the model's output for one row; of no meaning if `loss` is None.
    dtype : dtype
        Floating-point type of the predictions.
    name : str
        What to call it in messages.

    Returns
    -------
    ndarray
        Labels as integers of shape (rows,), or numbers of shape (rows, \\*output).

    Raises
    ------
    InputError
        If the targets do not fit.

    Examples
    --------
    >>> targets_for([1, 2, 3], 3, "mse", (1,), "float32").shape
    (3, 1)
    """
    array = numbers(y, name)
    check_finite(array, name, "leave those rows out")
    if loss is None:
        return array.astype(dtype, copy=False) if array.dtype.kind == "f" else array
    if loss in LABEL_LOSSES and array.shape != (rows, *output):
        return labels(array, loss, output, name)
    if _core(array.shape[1:]) != _core(output):
        fix = "give the model one output per column of y"
        if array.ndim == 1 and array.dtype.kind in "iub":
            fix += ', or if these are labels of classes use loss="cross_entropy"'
        raise InputError(
            f"{name} has shape {array.shape}, but for {rows} rows the model returns "
            f"{(rows, *output)}, and {loss} compares the two",
            fix=fix,
        )
    return _cast(array.reshape(rows, *output), dtype, name)


def _core(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without the axes of length 1 at its end."""
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def labels(array: Array, loss: str, output: tuple[int, ...], name: str) -> Array:
    """Return class labels as integers of shape (rows,), or raise if they are none."""
    classes = output[-1] if output else 1
    if classes == 1:
        raise InputError(
            f"{loss} needs one output per class, and the model has one output",
            fix="give the model as many outputs as there are classes; for a single yes-or-no "
            'output use loss="binary_cross_entropy", for measurements loss="mse"',
        )
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape[1:] != output[:-1]:
        raise InputError(
            f"{name} has shape {array.shape}, and the model has {classes} outputs",
            fix=f"one label per row, or one-hot rows of {classes} columns",
        )
    if array.dtype.kind == "b":
        array = array.astype(onp.int64)
    if array.dtype.kind == "f":
        raise InputError(
            f"{name} is {array.dtype}, and {loss} needs labels that are whole numbers from 0",
            fix='y.astype(int) if these are labels; loss="mse" if they are measurements',
        )
    wrong = (array < 0) | (array >= classes)
    if wrong.any():
        row = tuple(int(i) for i in onp.argwhere(wrong)[0])
        raise InputError(
            f"{name}[{', '.join(map(str, row))}] is {array[row]}, but the model has {classes} "
            f"outputs, so labels run from 0 to {classes - 1}",
            fix="give the model one output per class, or number the classes from 0: "
            "classes, y = numpy.unique(y, return_inverse=True)",
        )
    return array


def weights_for(weights: Any, rows: int, dtype: Any) -> Array | None:
    """Return sample weights scaled to mean 1, or None if there are none.

    Parameters
    ----------
    weights : array_like of shape (rows,), or None
    rows : int
    dtype : dtype

    Returns
    -------
    ndarray of shape (rows,), or None

    Raises
    ------
    InputError
        If there is not one weight per row, one is negative or not finite, or all are 0.

    Examples
    --------
    >>> weights_for([1, 3], 2, float)
    array([0.5, 1.5])
    """
    if weights is None:
        return None
    if isinstance(weights, str):
        raise InputError(
            f"sample_weight is {shown(weights)}; it must have one number per row",
            fix="classes of equal weight: 1 / numpy.bincount(y)[y]",
        )
    array = numbers(weights, "sample_weight")
    if array.shape != (rows,):
        raise InputError(
            f"sample_weight has shape {array.shape}; it must have one weight per row, ({rows},)",
            fix="sample_weight=numpy.ones(len(X)) weighs all rows alike",
        )
    array = array.astype(onp.float64)
    check_finite(array, "sample_weight", "every weight is a finite number")
    if (array < 0).any():
        row = int(onp.argmax(array < 0))
        raise InputError(f"sample_weight[{row}] is {array[row]:g}; it must not be negative")
    total = array.sum()
    if total == 0:
        raise InputError("all sample weights are 0, so there is nothing to learn from")
    scaled: Array = (array * (rows / total)).astype(dtype)
    return scaled
