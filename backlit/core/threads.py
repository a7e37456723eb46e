"""How many threads compiled programs use."""

from __future__ import annotations

import os

from backlit.core.errors import InputError
from backlit.core.settings import whole

# More would only wait for each other.
MOST = 256
VARIABLE = "BACKLIT_NUM_THREADS"

_chosen: int | None = None


def num_threads() -> int:
    """Return how many threads compiled programs use.

    Returns
    -------
    int
        What `set_num_threads` was given last; before that ``BACKLIT_NUM_THREADS``, or else the
        number of processors this process may use. It is looked up once.

    Raises
    ------
    InputError
        If ``BACKLIT_NUM_THREADS`` is no whole number from 1 to 256.

    Examples
    --------
    >>> num_threads() >= 1
    True
    """
    global _chosen
    if _chosen is None:
        _chosen = _default()
    return _chosen


def set_num_threads(count: int) -> None:
    """Set how many threads compiled programs use from the next call on.

    Results do not depend on it: they are the same to the bit for any number.

    Parameters
    ----------
    count : int
        From 1 to 256; more than there are processors gains nothing.

    Raises
    ------
    InputError
        If it is no such number.

    Examples
    --------
    >>> before = num_threads()
    >>> set_num_threads(1)
    >>> num_threads()
    1
    >>> set_num_threads(before)
    """
    global _chosen
    _chosen = whole(count, "count", low=1, high=MOST, example=2)


def usable_processors() -> int:
    """Return how many processors this process may use.

    Returns
    -------
    int
        At least 1.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _default() -> int:
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return min(usable_processors(), MOST)
    if text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MOST:
        return int(text)
    raise InputError(
        f"the environment variable {VARIABLE} is {text!r}; it must be a whole number from 1 to "
        f"{MOST}",
        fix="for instance 2; without it every processor this process may use gets a thread",
    )
