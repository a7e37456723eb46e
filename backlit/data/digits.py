"""The handwritten digits that ship with the package."""

from __future__ import annotations

import gzip
from importlib import resources

import numpy as onp

from backlit.data.table import Array, Table

_SIDE = 8
_DARKEST = 16


def load_digits() -> tuple[Array, Array]:
    """Return 1,797 images of handwritten digits and what they show.

    Returns
    -------
    images : numpy.ndarray of float32, shape (1797, 64)
        Rows of 8 × 8 pixels one after the other, from 0 (blank) to 1 (ink everywhere).
    labels : numpy.ndarray of int64, shape (1797,)
        The digits, 0 to 9.

    References
    ----------
    Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0: its test set.

    Examples
    --------
    >>> images, labels = load_digits()
    >>> images.shape, labels[:5]
    ((1797, 64), array([0, 1, 2, 3, 4]))
    """
    counts = _read()
    images = counts[:, :-1].astype(onp.float32) / onp.float32(_DARKEST)
    return images, counts[:, -1].astype(onp.int64)


def digits_table() -> Table:
    """Return the same digits as a table, with pixels counted from 0 to 16.

    Returns
    -------
    Table
        Columns ``pixel_0_0`` to ``pixel_7_7`` (row, column) and ``digit``, all integers.

    Examples
    --------
    >>> table = digits_table()
    >>> len(table), table.names[0], table.names[-1]
    (1797, 'pixel_0_0', 'digit')
    """
    counts = _read().astype(onp.int64)
    names = [f"pixel_{row}_{column}" for row in range(_SIDE) for column in range(_SIDE)]
    columns = onp.ascontiguousarray(counts.T)
    return Table.from_columns(dict(zip([*names, "digit"], columns, strict=True)))


def _read() -> Array:
    """Return pixel counts and, last, the digit of every image, as uint8."""
    packed = resources.files("backlit.data").joinpath("digits.csv.gz").read_bytes()
    _, _, body = gzip.decompress(packed).partition(b"\n")
    values = onp.array(body.replace(b"\n", b",").rstrip(b",").split(b","), dtype=onp.uint8)
    return values.reshape(-1, _SIDE * _SIDE + 1)
