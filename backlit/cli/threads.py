"""One thread for matrix products while a command runs.

The networks of the command line are small: a product takes microseconds, and handing it to several
threads gains nothing. On a machine that is busy it costs dearly, for OpenBLAS's threads spin while
they wait for one that does not get a turn. The decision on the command line has the figures.
"""

from __future__ import annotations

import ctypes
import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as onp

# Whoever sets one of these has decided about threads.
VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "GOTO_NUM_THREADS")
_PREFIXES = ("scipy_openblas", "openblas")
_SUFFIXES = ("64_", "")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let OpenBLAS use one thread, unless the environment says how many; then as before.

    Does nothing where NumPy brings no OpenBLAS of its own.

    Yields
    ------
    None

    Examples
    --------
    >>> with one_blas_thread():
    ...     float(onp.ones(3) @ onp.ones(3))
    3.0
    """
    library = None if any(os.environ.get(name) for name in VARIABLES) else openblas()
    if library is None:
        yield
        return
    get, set_ = library
    before = get()
    set_(1)
    try:
        yield
    finally:
        set_(before)


def openblas() -> tuple[Any, Any] | None:
    """Return the functions that get and set the number of threads, of the library NumPy loaded.

    Returns
    -------
    (get, set), or None where there is no such library
    """
    folder = os.path.join(os.path.dirname(os.path.dirname(onp.__file__)), "numpy.libs")
    for path in glob.glob(os.path.join(glob.escape(folder), "*openblas*")):
        try:
            library = ctypes.CDLL(path)  # loaded already: this gives the same one again
        except OSError:
            continue
        for name in (f"{p}_{{}}_num_threads{s}" for p in _PREFIXES for s in _SUFFIXES):
            if hasattr(library, name.format("set")) and hasattr(library, name.format("get")):
                return getattr(library, name.format("get")), getattr(library, name.format("set"))
    return None
