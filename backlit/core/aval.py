"""Abstract values: what is known of an array before its numbers are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as onp

from backlit.core.errors import InputError, TracedValueError
from backlit.core.source import Source

Shape = tuple[int, ...]
_python_scalars = {bool: onp.dtype(bool), int: onp.dtype(int), float: onp.dtype(float)}
PYTHON_NUMBERS = frozenset(_python_scalars)
# The types of NumPy's in which it has them.
NUMPY_NUMBERS = frozenset([dtype.type for dtype in _python_scalars.values()])


@dataclass(frozen=True, slots=True)
class AbstractValue:
    """Shape and element type of an array.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    weak : bool
        True for a Python scalar, which adapts to the type it meets (NumPy 2's promotion, NEP 50).

    Examples
    --------
    >>> print(aval_of(onp.zeros((2, 3), "float32")), aval_of(1.0))
    float32[2,3] float64~[]
    """

    shape: Shape
    dtype: onp.dtype[Any]
    weak: bool = False

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for extent in self.shape:
            size *= extent
        return size

    @property
    def nbytes(self) -> int:
        """Bytes the array takes."""
        return self.size * self.dtype.itemsize

    def stand_in(self) -> Any:
        """Return a small value of this type, for asking NumPy what a result's type would be."""
        return self.dtype.type(1).item() if self.weak else onp.ones((1,), self.dtype)

    def __str__(self) -> str:
        mark = "~" if self.weak else ""
        return f"{self.dtype.name}{mark}[{','.join(map(str, self.shape))}]"


def spec(shape: int | Shape = (), dtype: Any = float) -> AbstractValue:
    """Return the shape and type of an array whose numbers are not known yet.

    Parameters
    ----------
    shape : int or tuple of int
        Of a vector its length; default: one number.
    dtype : dtype
        Default: double precision. Labels are ``int``.

    Returns
    -------
    AbstractValue

    Raises
    ------
    InputError
        If that is no shape, or no type of real numbers.

    Examples
    --------
    >>> print(spec((32, 64)), spec(10, int))
    float64[32,64] int64[10]
    """
    lengths = (shape,) if isinstance(shape, (int, onp.integer)) else tuple(shape)
    if not all(isinstance(n, (int, onp.integer)) and n >= 0 for n in lengths):
        raise InputError(f"{shape!r} is no shape", fix="give lengths, such as (32, 64)")
    try:
        kind = onp.dtype(dtype)
    except TypeError:
        raise InputError(f"{dtype!r} is no type of numbers", fix="float or int") from None
    if kind.kind not in "fiub":
        raise InputError(f"{kind} is no type of real numbers", fix="float or int")
    return AbstractValue(tuple([int(n) for n in lengths]), kind)


def aval_of(value: Any) -> AbstractValue:
    """Return the abstract value of an array, a scalar or a tracer.

    Parameters
    ----------
    value : array_like
        Anything with ``shape`` and ``dtype``, or a Python number, or nested sequences of them.

    Returns
    -------
    AbstractValue
    """
    known = getattr(value, "aval", None)
    if isinstance(known, AbstractValue):
        return known
    kind = type(value)
    if kind in _python_scalars:
        return AbstractValue((), _python_scalars[kind], weak=True)
    if kind is not onp.ndarray and is_lookalike(value):
        refuse_subclass(value, "an argument")
    if not hasattr(value, "dtype"):
        value = onp.asarray(value)
    return AbstractValue(tuple(value.shape), value.dtype)


def is_uniform(array: onp.ndarray[Any, Any]) -> bool:
    """Tell whether all elements of an array are the same number, of the same sign where it is 0.

    Examples
    --------
    >>> is_uniform(onp.ones(3)), is_uniform(onp.array([0.0, -0.0])), is_uniform(onp.zeros(0))
    (True, False, False)
    """
    if array.size == 0 or array.dtype.kind not in "fiub":
        return False
    first, last = array.flat[0], array.flat[-1]
    if first != last or first != array.flat[array.size // 2]:  # most others end here
        return False
    if not bool((array == first).all()):
        return False
    return bool(first != 0 or array.dtype.kind != "f" or onp.ptp(onp.signbit(array) * 1) == 0)


def is_lookalike(value: Any) -> bool:
    """Tell whether a value is a masked array or a matrix, which only look like arrays.

    `numpy.ma` takes several milliseconds to import: it is asked only where it can matter.
    """
    subclass = isinstance(value, onp.ndarray) and type(value) is not onp.ndarray
    return subclass and isinstance(value, (onp.ma.MaskedArray, onp.matrix))


def refuse_subclass(value: Any, what: str) -> NoReturn:
    """Raise for a masked array or a matrix, which only look like the arrays they are made of.

    Parameters
    ----------
    value : numpy.ma.MaskedArray or numpy.matrix
    what : str
        Where it was met.
    """
    masked = isinstance(value, onp.ma.MaskedArray)
    raise TracedValueError(
        f"{what} is a masked array, whose mask would be forgotten"
        if masked
        else f"{what} is a numpy.matrix, for which * and ** mean something else than for arrays",
        where=Source.here(),
        fix="fill it, m.filled(0.0), and choose with np.where(mask, a, b)"
        if masked
        else "make it an array: numpy.asarray(m)",
    )
