"""Library-wide settings; everything may import this."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Return the folder for files that can be made again.

    Returns
    -------
    Path
        ``BACKLIT_CACHE_DIR`` if set, else ``backlit`` in the user's cache folder.

    Examples
    --------
    >>> cache_dir().name != ""
    True
    """
    chosen = os.environ.get("BACKLIT_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "backlit"
