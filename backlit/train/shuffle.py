"""The order in which an epoch visits the rows, drawn by compiled code."""

from __future__ import annotations

from typing import Any

import numpy as onp

import backlit.numpy as np
from backlit import random
from backlit.ops.random import order_of
from backlit.train.inputs import Array
from backlit.transforms import jit


class Shuffle:
    """Draws ``random.permutation(random.fold_in(key, epoch), rows)``.

    Parameters
    ----------
    key : key
    rows : int

    Examples
    --------
    >>> key = random.key(3)
    >>> bool((Shuffle(key, 9)(2) == random.permutation(random.fold_in(key, 2), 9)).all())
    True
    """

    def __init__(self, key: Any, rows: int) -> None:
        from backlit.compiler import bind  # loaded when something is compiled

        def keys(epoch: Any) -> Any:
            words = np.astype(random.bits(random.fold_in(key, epoch), (rows, 2)), onp.uint64)
            return words[:, 0] * onp.uint64(2**32) + words[:, 1]

        self._epoch = onp.zeros((), onp.int64)
        self._keys = bind(jit(keys).graph(self._epoch), [self._epoch])

    def __call__(self, epoch: int) -> Array:
        """Return the rows in the order of an epoch."""
        self._epoch[...] = epoch
        self._keys()
        order: Array = order_of(self._keys.outputs[0])
        return order
