"""Library-wide settings; everything may import this."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Return the folder for files that can be made again.

    Returns
    -------
    Path
        ``BACKLIT_CACHE_DIR`` if set, else ``backlit`` in the user's cache folder; for a user
        without a home, as containers have them, a folder among the temporary files.

    Examples
    --------
    >>> cache_dir().name != ""
    True
    """
    chosen = os.environ.get("BACKLIT_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "backlit"
    try:
        return Path.home() / ".cache" / "backlit"
    except RuntimeError:
        import tempfile  # rarely needed, and slow to import

        user = os.getuid() if hasattr(os, "getuid") else "user"
        return Path(tempfile.gettempdir()) / f"backlit-{user}"
