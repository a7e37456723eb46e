"""Counter-based random numbers: the same key gives the same draw everywhere.

The generator is Philox-4x32-10 (J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel
random numbers: as easy as 1, 2, 3", SC'11): a function of a key and a counter, with no state to
lose, so that compiled code, any number of threads and a repeated run all draw the same numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue, Shape
from backlit.core.errors import DTypeError, ShapeError
from backlit.core.primitive import Case
from backlit.core.tracer import Tracer, bind
from backlit.ops.elementwise import (
    add,
    astype,
    cos,
    floor_divide,
    less,
    log1p,
    multiply,
    negative,
    sqrt,
    subtract,
)
from backlit.ops.families import constant
from backlit.ops.shaping import as_shape, reshape

_M0, _M1 = onp.uint64(0xD2511F53), onp.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_LOW, _SHIFT = onp.uint64(0xFFFFFFFF), onp.uint64(32)
Array = Any


def philox(counter: Array, key: Array) -> Array:
    """Return Philox-4x32-10 of counters under a key.

    Parameters
    ----------
    counter : ndarray of uint32, shape (4, n)
    key : ndarray of uint32, shape (2,)

    Returns
    -------
    ndarray of uint32, shape (4, n)

    Examples
    --------
    >>> block = philox(onp.zeros((4, 1), onp.uint32), onp.zeros(2, onp.uint32))
    >>> [hex(int(word)) for word in block[:, 0]]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    words = [row.astype(onp.uint64) for row in counter]
    found = philox_words(words, [onp.uint64(k) for k in key], lambda x: x >> _SHIFT)
    return onp.stack(found).astype(onp.uint32)


def philox_words(
    counter: Sequence[Any], key: Sequence[Any], high: Callable[[Any], Any]
) -> list[Any]:
    """Return the words of Philox-4x32-10, written with operators that arrays of any kind have.

    Parameters
    ----------
    counter : sequence of 4 arrays of uint64
    key : sequence of 2 numbers of uint64
    high : callable
        Returns the upper 32 bits of 64.

    Returns
    -------
    list of 4 arrays of uint64
        Each word below 2³².
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for turn in range(10):
        left, right = _M0 * c0, _M1 * c2
        now0 = (k0 + onp.uint64(turn * _W0 & 0xFFFFFFFF)) & _LOW
        now1 = (k1 + onp.uint64(turn * _W1 & 0xFFFFFFFF)) & _LOW
        c0, c1 = high(right) ^ c1 ^ now0, right & _LOW
        c2, c3 = high(left) ^ c3 ^ now1, left & _LOW
    return [c0, c1, c2, c3]


def _with_key(key: AbstractValue, shape: Shape) -> Shape:
    """Return the shape of a draw, after checking the key that a graph from a file may bring."""
    if key.shape != (2,) or key.dtype != onp.uint32:
        raise DTypeError(
            f"a random key is two uint32 words, not {key.dtype} of shape {key.shape}",
            fix="make one with bl.random.key(seed)",
        )
    return shape


def _derive_abstract(key: AbstractValue, data: AbstractValue) -> AbstractValue:
    if data.shape != () or data.dtype.kind not in "iu":
        raise DTypeError(
            f"fold_in takes an integer, not {data.dtype} of shape {data.shape}",
            fix="convert it: n.astype(int)",
        )
    return AbstractValue(_with_key(key, (2,)), onp.dtype(onp.uint32))


def _bits_impl(key: Array, *, shape: Shape) -> Array:
    count = AbstractValue(shape, onp.dtype(onp.uint32)).size
    blocks = -(-count // 4)
    counter = onp.zeros((4, blocks), onp.uint32)
    index = onp.arange(blocks, dtype=onp.uint64)
    counter[0], counter[1] = index & _LOW, index >> _SHIFT
    return philox(counter, key).T.reshape(-1)[:count].reshape(shape)


_bits = constant(
    "random_bits",
    _bits_impl,
    1,
    r"\operatorname{{bits}}({0})",
    lambda key, *, shape: AbstractValue(_with_key(key, shape), onp.dtype(onp.uint32)),
    (Case((onp.array([1, 2], onp.uint32),), {"shape": (2, 3)}),),
)


def _check(key: Any) -> Any:
    key = key if type(key) is Tracer else onp.asarray(key)
    _with_key(AbstractValue(key.shape, key.dtype), ())
    return key


def key(seed: int) -> Array:
    """Return a key made from an integer seed.

    Parameters
    ----------
    seed : int
        0 to 2⁶⁴ − 1.

    Returns
    -------
    ndarray of uint32, shape (2,)

    Examples
    --------
    >>> key(7)
    array([7, 0], dtype=uint32)
    """
    try:
        number = operator.index(seed)
    except TypeError:
        if isinstance(seed, Tracer):
            fix = "make the key outside and pass it as an argument"
            if seed.dtype.kind in "iu" and not seed.shape:
                fix += ", or fold the number into one: bl.random.fold_in(bl.random.key(0), seed)"
            raise DTypeError(f"a seed is an integer, not a traced {seed.aval}", fix=fix) from None
        raise DTypeError(
            f"a seed is an integer, not {seed!r}", fix="bl.random.key(int(seed))"
        ) from None
    if not 0 <= number < 2**64:
        raise DTypeError(
            f"a seed lies between 0 and 2**64 - 1, got {number}", fix="bl.random.key(n % 2**64)"
        )
    return onp.array([number & 0xFFFFFFFF, number >> 32], onp.uint32)


def _extents(shape: Any) -> Shape:
    """Return the shape of a draw, which has to be known: no extent is what fits."""
    extents = as_shape(shape)
    if any(n < 0 for n in extents):
        raise ShapeError(
            f"a draw cannot have the shape {extents}", fix="give every axis a length of 0 or more"
        )
    return extents


def bits(key: Any, shape: Any = ()) -> Any:
    """Draw uniform 32-bit words.

    Parameters
    ----------
    key : array of uint32, shape (2,)
    shape : tuple of int

    Returns
    -------
    ndarray of uint32

    Examples
    --------
    >>> bits(onp.array([0, 0], onp.uint32), (2,)) == onp.array([0x6627E8D5, 0xE169C58D])
    array([ True,  True])
    """
    return bind(_bits, _check(key), shape=_extents(shape))


def _derive_impl(key: Array, data: Array) -> Array:
    number = int(data) & 0xFFFFFFFFFFFFFFFF
    # Words 2 and 3 of the counter are zero in `bits`, so derived keys never meet drawn numbers.
    counter = onp.array([[number & 0xFFFFFFFF], [number >> 32], [0], [1]], onp.uint32)
    return philox(counter, key)[:2, 0]


_derive = constant(
    "random_fold_in",
    _derive_impl,
    2,
    r"\operatorname{{fold}}({0}, {1})",
    _derive_abstract,
    (Case((onp.array([1, 2], onp.uint32), onp.array(5))),),
)


def fold_in(key: Any, data: Any) -> Any:
    """Return a new key from a key and an integer, for instance a step number.

    Parameters
    ----------
    key : array of uint32, shape (2,)
    data : int

    Returns
    -------
    ndarray of uint32, shape (2,)

    Examples
    --------
    >>> fold_in(onp.array([0, 0], onp.uint32), 1).dtype
    dtype('uint32')
    """
    key, data = [a if type(a) is Tracer else onp.asarray(a) for a in (key, data)]
    _derive_abstract(*[AbstractValue(a.shape, a.dtype) for a in (key, data)])
    return bind(_derive, key, data)


def split(key: Any, n: int = 2) -> tuple[Any, ...]:
    """Return independent keys made from one.

    Parameters
    ----------
    key : array of uint32, shape (2,)
    n : int
        How many.

    Returns
    -------
    tuple of ndarray

    Examples
    --------
    >>> len(split(onp.array([0, 0], onp.uint32), 3))
    3
    """
    return tuple([fold_in(key, k) for k in range(n)])


def _unit(key: Any, shape: Any, dtype: Any) -> Any:
    """Draw from [0, 1): 24 random bits for float32, 53 for float64."""
    dtype, shape = onp.dtype(dtype), _extents(shape)
    if dtype == onp.float32:
        words = bits(key, shape)
        return multiply(astype(_shift(words, 8), onp.float32), onp.float32(2.0**-24))
    if dtype != onp.float64:
        raise DTypeError(
            f"random numbers are float32 or float64, not {dtype}",
            fix="draw float64 and convert: x.astype(dtype)",
        )
    words = bits(key, (*shape, 2))
    high = astype(_shift(words[..., 0], 5), onp.float64)
    low = astype(_shift(words[..., 1], 6), onp.float64)
    return multiply(add(multiply(high, 2.0**26), low), 2.0**-53)


def _shift(words: Any, places: int) -> Any:
    return floor_divide(words, onp.uint32(2**places))


def uniform(
    key: Any, shape: Any = (), dtype: Any = onp.float64, low: Any = 0.0, high: Any = 1.0
) -> Any:
    """Draw uniformly from [low, high).

    With bounds u = low + (high − low) v for v in [0, 1), rounded to the type of the result: where
    the bounds are close together or low is far from zero, rounding can give high itself.
    The derivative is 1 − v in low and v in high.

    Parameters
    ----------
    key : array of uint32, shape (2,)
    shape : tuple of int
    dtype : float32 or float64
        Type of the result, whatever the type of the bounds.
    low, high : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> draw = uniform(onp.array([3, 0], onp.uint32), (1000,))
    >>> bool(0.45 < draw.mean() < 0.55)
    True
    """
    unit = _unit(key, shape, dtype)
    if type(low) in (int, float) and type(high) in (int, float):
        if (low, high) == (0.0, 1.0):
            return unit
        return add(multiply(unit, float(high - low)), float(low))
    low, high = astype(low, dtype), astype(high, dtype)
    return add(multiply(unit, subtract(high, low)), low)


def normal(key: Any, shape: Any = (), dtype: Any = onp.float64) -> Any:
    """Draw from the normal distribution of mean 0 and standard deviation 1.

    Box and Muller's transformation (Ann. Math. Stat. 29, 1958), one value per pair of uniforms.

    Parameters
    ----------
    key : array of uint32, shape (2,)
    shape : tuple of int
    dtype : float32 or float64

    Returns
    -------
    ndarray

    Examples
    --------
    >>> draw = normal(onp.array([3, 0], onp.uint32), (2000,))
    >>> bool(abs(draw.mean()) < 0.1 and abs(draw.std() - 1.0) < 0.1)
    True
    """
    shape = _extents(shape)
    unit = _unit(key, (*shape, 2), dtype)
    radius = sqrt(multiply(-2.0, log1p(negative(unit[..., 0]))))
    return multiply(radius, cos(multiply(2.0 * onp.pi, unit[..., 1])))


def bernoulli(key: Any, p: Any = 0.5, shape: Any = ()) -> Any:
    """Draw True with probability p.

    Parameters
    ----------
    key : array of uint32, shape (2,)
    p : float
    shape : tuple of int

    Returns
    -------
    ndarray of bool

    Examples
    --------
    >>> int(bernoulli(onp.array([3, 0], onp.uint32), 0.25, (1000,)).sum()) in range(200, 300)
    True
    """
    return less(_unit(key, shape, onp.float32), p)


def randint(key: Any, shape: Any, low: int, high: int) -> Any:
    """Draw integers from low up to, not including, high.

    Parameters
    ----------
    key : array of uint32, shape (2,)
    shape : tuple of int
    low, high : int
        ``high - low`` at most 2³².

    Returns
    -------
    ndarray of int64

    Examples
    --------
    >>> sorted(set(randint(onp.array([3, 0], onp.uint32), (50,), 0, 3).tolist()))
    [0, 1, 2]
    """
    span = operator.index(high) - operator.index(low)
    if not 0 < span <= 2**32:
        raise ShapeError(
            f"randint needs low < high within 2**32, got {low} and {high}",
            fix="low is included and high is not: randint(key, shape, 0, 10)",
        )
    # 53 bits scaled by the span: the bias is below 2⁻²¹ of a step even for the largest span.
    scaled = multiply(_unit(key, shape, onp.float64), float(span))
    return add(astype(scaled, onp.int64), low)


def permutation(key: Any, n: int) -> Any:
    """Return the integers 0 … n − 1 in random order.

    Parameters
    ----------
    key : array of uint32, shape (2,), not traced
    n : int

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> sorted(permutation(onp.array([3, 0], onp.uint32), 4).tolist())
    [0, 1, 2, 3]
    """
    words = reshape(bits(key, (n, 2)), (n, 2)).astype(onp.uint64)
    return order_of((words[:, 0] << onp.uint64(32)) | words[:, 1])


def order_of(keys: Array) -> Array:
    """Return the order that sorts 64-bit numbers; equal ones stay in the order of their places.

    Each number carries its place in its lowest bits through a sort of values, which is several
    times as fast as a sort of places. Numbers that differ in these bits only are sorted again.

    Parameters
    ----------
    keys : ndarray of uint64, shape (n,)

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> order_of(onp.array([7, 1 << 60, 3], onp.uint64))
    array([2, 0, 1])
    """
    low = onp.uint64((1 << max(len(keys) - 1, 0).bit_length()) - 1)
    packed = (keys & ~low) | onp.arange(len(keys), dtype=onp.uint64)
    packed.sort()
    if bool(((packed[1:] ^ packed[:-1]) <= low).any()):
        return onp.argsort(keys, kind="stable")
    packed &= low
    return packed.astype(onp.int64)
