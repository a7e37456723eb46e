"""Initial weights: distributions whose spread suits the activation that follows.

Every initializer takes a seed, a shape and a dtype, and gives the same array for the same three
everywhere. The last two axes of the shape are inputs and units.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as onp

from backlit import random
from backlit.core.errors import InputError
from backlit.core.settings import choice, whole

Array = onp.ndarray[Any, Any]
Seed = int | Array
Initializer = Callable[[Seed, tuple[int, ...], Any], Array]


def as_key(seed: Seed) -> Array:
    """Return the random key of a seed; a key stays as it is.

    Parameters
    ----------
    seed : int or uint32[2]

    Returns
    -------
    ndarray of uint32, shape (2,)

    Raises
    ------
    InputError
        If it is neither.

    Examples
    --------
    >>> as_key(7).shape
    (2,)
    """
    if isinstance(seed, onp.ndarray) and seed.shape == (2,) and seed.dtype == onp.uint32:
        return seed
    number = whole(seed, "seed", high=2**64 - 1, also="a key of backlit.random", example=0)
    return onp.asarray(random.key(number))


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how many values enter and leave each unit of a weight array.

    Parameters
    ----------
    shape : tuple of int
        (..., inputs, units); leading axes are the positions of a window and count for both.

    Returns
    -------
    fan_in, fan_out : int

    Examples
    --------
    >>> fans((784, 128)), fans((3, 3, 16, 32))
    ((784, 128), (144, 288))
    """
    if len(shape) < 2:
        raise InputError(
            f"weights of shape {shape} have no inputs and units to be scaled by",
            fix="use zeros, normal or uniform, or a shape of at least two dimensions",
        )
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def zeros(seed: Seed, shape: tuple[int, ...], dtype: Any = onp.float32) -> Array:
    """Return zeros.

    Parameters
    ----------
    seed : int or key
        Not used.
    shape : tuple of int
    dtype : dtype

    Returns
    -------
    ndarray

    Examples
    --------
    >>> zeros(0, (2,))
    array([0., 0.], dtype=float32)
    """
    return onp.zeros(shape, dtype)


def normal(
    seed: Seed, shape: tuple[int, ...], dtype: Any = onp.float32, *, scale: float = 1.0
) -> Array:
    """Draw from a normal distribution around 0.

    Parameters
    ----------
    seed : int or key
    shape : tuple of int
    dtype : dtype
    scale : float
        Standard deviation.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> normal(0, (10_000,), scale=2.0).std().round(1)
    np.float32(2.0)
    """
    draws = onp.asarray(random.normal(as_key(seed), shape, dtype))
    return draws if scale == 1.0 else draws * float(scale)


def uniform(
    seed: Seed, shape: tuple[int, ...], dtype: Any = onp.float32, *, limit: float = 1.0
) -> Array:
    """Draw from the interval [−limit, limit), every value being equally likely.

    Parameters
    ----------
    seed : int or key
    shape : tuple of int
    dtype : dtype
    limit : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> bool(abs(uniform(0, (100,), limit=0.5)).max() <= 0.5)
    True
    """
    return onp.asarray(random.uniform(as_key(seed), shape, dtype, low=-limit, high=limit))


def glorot_uniform(seed: Seed, shape: tuple[int, ...], dtype: Any = onp.float32) -> Array:
    """Draw uniformly with variance 2 / (fan_in + fan_out).

    Parameters
    ----------
    seed : int or key
    shape : tuple of int
    dtype : dtype

    Returns
    -------
    ndarray

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010, eq. 16.

    Examples
    --------
    >>> glorot_uniform(0, (3, 2)).shape
    (3, 2)
    """
    return uniform(seed, shape, dtype, limit=math.sqrt(6 / sum(fans(shape))))


def glorot_normal(seed: Seed, shape: tuple[int, ...], dtype: Any = onp.float32) -> Array:
    """Draw from a normal distribution with variance 2 / (fan_in + fan_out).

    Parameters
    ----------
    seed : int or key
    shape : tuple of int
    dtype : dtype

    Returns
    -------
    ndarray

    References
    ----------
    Glorot and Bengio, 2010, eq. 12.

    Examples
    --------
    >>> glorot_normal(0, (3, 2)).shape
    (3, 2)
    """
    return normal(seed, shape, dtype, scale=math.sqrt(2 / sum(fans(shape))))


def he_uniform(seed: Seed, shape: tuple[int, ...], dtype: Any = onp.float32) -> Array:
    """Draw uniformly with variance 2 / fan_in, which keeps the signal's size through relu.

    Parameters
    ----------
    seed : int or key
    shape : tuple of int
    dtype : dtype

    Returns
    -------
    ndarray

    References
    ----------
    He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015, eq. 10.

    Examples
    --------
    >>> he_uniform(0, (3, 2)).shape
    (3, 2)
    """
    return uniform(seed, shape, dtype, limit=math.sqrt(6 / fans(shape)[0]))


def he_normal(seed: Seed, shape: tuple[int, ...], dtype: Any = onp.float32) -> Array:
    """Draw from a normal distribution with variance 2 / fan_in, suited to relu.

    Parameters
    ----------
    seed : int or key
    shape : tuple of int
    dtype : dtype

    Returns
    -------
    ndarray

    References
    ----------
    He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015, eq. 10.

    Examples
    --------
    >>> he_normal(0, (3, 2)).shape
    (3, 2)
    """
    return normal(seed, shape, dtype, scale=math.sqrt(2 / fans(shape)[0]))


def lecun_uniform(seed: Seed, shape: tuple[int, ...], dtype: Any = onp.float32) -> Array:
    """Draw uniformly with variance 1 / fan_in.

    Parameters
    ----------
    seed : int or key
    shape : tuple of int
    dtype : dtype

    Returns
    -------
    ndarray

    References
    ----------
    LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, section 4.6.

    Examples
    --------
    >>> lecun_uniform(0, (3, 2)).shape
    (3, 2)
    """
    return uniform(seed, shape, dtype, limit=math.sqrt(3 / fans(shape)[0]))


def lecun_normal(seed: Seed, shape: tuple[int, ...], dtype: Any = onp.float32) -> Array:
    """Draw from a normal distribution with variance 1 / fan_in.

    Parameters
    ----------
    seed : int or key
    shape : tuple of int
    dtype : dtype

    Returns
    -------
    ndarray

    References
    ----------
    LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, section 4.6.

    Examples
    --------
    >>> lecun_normal(0, (3, 2)).shape
    (3, 2)
    """
    return normal(seed, shape, dtype, scale=math.sqrt(1 / fans(shape)[0]))


def orthogonal(
    seed: Seed, shape: tuple[int, ...], dtype: Any = onp.float32, *, gain: float = 1.0
) -> Array:
    """Draw a matrix with orthonormal rows or columns, whichever are fewer, evenly among all such.

    Parameters
    ----------
    seed : int or key
    shape : tuple of int
        Leading axes are joined with the inputs.
    dtype : dtype
    gain : float
        Multiplies the matrix.

    Returns
    -------
    ndarray

    References
    ----------
    Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks", 2014. Mezzadri, "How to generate random matrices from the classical
    compact groups", 2007, for the signs that make the draw even.

    Examples
    --------
    >>> Q = orthogonal(0, (4, 3), "float64")
    >>> onp.allclose(Q.T @ Q, onp.eye(3))
    True
    """
    fans(shape)
    rows, columns = math.prod(shape[:-1]), shape[-1]
    draws = normal(seed, (max(rows, columns), min(rows, columns)), onp.float64)
    Q, R = onp.linalg.qr(draws)
    Q = Q * onp.where(onp.diagonal(R) < 0, -gain, gain)
    return onp.ascontiguousarray(Q if rows >= columns else Q.T).reshape(shape).astype(dtype)


INITIALIZERS: dict[str, Initializer] = {
    "zeros": zeros,
    "normal": normal,
    "uniform": uniform,
    "glorot_uniform": glorot_uniform,
    "glorot_normal": glorot_normal,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "lecun_uniform": lecun_uniform,
    "lecun_normal": lecun_normal,
    "orthogonal": orthogonal,
}
"""Every initializer by its name."""

_he = {"relu", "leaky_relu", "elu", "gelu", "silu", "softplus"}


def initializer_for(init: str | Initializer | None, activation: Any = "identity") -> Initializer:
    """Return an initializer given its name, itself, or the activation it should suit.

    Parameters
    ----------
    init : str, callable or None
        None chooses: He for relu and its relatives, LeCun for selu, Glorot otherwise.
    activation : str or callable
        Activation of the layer.

    Returns
    -------
    callable

    Raises
    ------
    InputError
        If there is none of that name; the message lists them.

    Examples
    --------
    >>> initializer_for(None, "relu").__name__
    'he_normal'
    """
    if callable(init):
        return init
    if init is None:
        if activation in _he:
            return he_normal
        return lecun_normal if activation == "selu" else glorot_uniform
    return INITIALIZERS[
        choice(init, INITIALIZERS, "init", also="a function of seed, shape and dtype")
    ]
