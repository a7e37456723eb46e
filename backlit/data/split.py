"""Split rows into a training and a test part."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit import random
from backlit.core.errors import InputError
from backlit.data.table import Array


def split_rows(
    rows: int, fraction: float, seed: int, *, stratify: Any = None
) -> tuple[Array, Array]:
    """Choose rows at random for testing, the rest being for training.

    Parameters
    ----------
    rows : int
        Number of rows.
    fraction : float
        Share of the rows to test on, between 0 and 1.
    seed : int
        The same seed gives the same split, on every machine.
    stratify : array-like, shape (rows,), optional
        Labels. Each class is then split in the same proportion, as nearly as whole rows allow,
        with at least one row of it on either side.

    Returns
    -------
    train, test : numpy.ndarray of int64
        Row indices in increasing order; together every row once.

    Raises
    ------
    InputError
        If `fraction` is not between 0 and 1, there are fewer than two rows, or a class has one row.

    Examples
    --------
    >>> train, test = split_rows(6, 1 / 3, seed=0, stratify=list("aaabbb"))
    >>> len(train), len(test)
    (4, 2)
    """
    if not 0 < fraction < 1:
        raise InputError(
            f"the test part is {fraction:g} of the rows", fix="use a share such as 0.2"
        )
    if rows < 2:
        raise InputError(f"{rows} row{'s' * (rows != 1)} cannot be split into two parts")
    count = min(max(round(rows * fraction), 1), rows - 1)
    order = onp.asarray(random.permutation(random.key(seed), rows))
    if stratify is None:
        return onp.sort(order[count:]), onp.sort(order[:count])
    groups = _groups(list(stratify), rows)
    quotas = _quotas([len(group) for group in groups], rows, count)
    position = onp.argsort(order)  # where each row comes in the random order
    chosen = [group[onp.argsort(position[group])][:quota] for group, quota in
              zip(groups, quotas, strict=True)]  # fmt: skip
    test = onp.sort(onp.concatenate(chosen))
    return onp.setdiff1d(onp.arange(rows), test), test


def _groups(labels: list[Any], rows: int) -> list[Array]:
    """Return the rows of each class, in order of first appearance."""
    if len(labels) != rows:
        raise InputError(f"there are {len(labels)} labels for {rows} rows")
    found: dict[Any, list[int]] = {}
    for row, label in enumerate(labels):
        found.setdefault(label, []).append(row)
    for label, members in found.items():
        if len(members) < 2:
            label = label.item() if isinstance(label, onp.generic) else label
            raise InputError(
                f"the class {label!r} has only 1 row, and testing and training need one each",
                fix="add rows of it, or leave it out",
            )
    return [onp.array(members, dtype=onp.int64) for members in found.values()]


def _quotas(sizes: list[int], rows: int, count: int) -> list[int]:
    """Share out the test rows over classes by largest remainder, at least one each.

    Where there are more classes than test rows, the test part grows to one row per class.
    """
    exact = [size * count / rows for size in sizes]
    quotas = [min(max(int(share), 1), size - 1) for share, size in zip(exact, sizes, strict=True)]
    by_remainder = sorted(range(len(sizes)), key=lambda i: quotas[i] - exact[i])
    for i in by_remainder:
        if sum(quotas) < count and quotas[i] < sizes[i] - 1:
            quotas[i] += 1
    return quotas
