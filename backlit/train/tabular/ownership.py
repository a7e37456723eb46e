"""Which files in a folder are Backlit's own, so that no others are replaced or removed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from backlit.core.errors import InputError
from backlit.data.tensorfile import metadata_of
from backlit.train.modelfile import FORMAT
from backlit.train.tabular.folder import MODEL, REPORT

INTERRUPTED, FAILED = f"interrupted-{MODEL}", f"before-failure-{MODEL}"
SPARE = (INTERRUPTED, FAILED)
"""Models of runs that did not end well, beside the one of a run that did."""

GENERATOR = "Backlit"
"""Says in the head of a report who wrote it."""

_HEAD = 4096  # bytes, in which the head of a report says so
# The second one is how reports began before they had the first.
_MARKS = (f'<meta name="generator" content="{GENERATOR}">'.encode(), b"<title>Backlit: ")


def is_model(path: Path) -> bool:
    """Tell whether a file is a model that Backlit saved."""
    return metadata_of(path).get("format") == FORMAT


def is_report(path: Path) -> bool:
    """Tell whether a file is a report that Backlit wrote."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return any(mark in head for mark in _MARKS)


def info_of(path: Path) -> dict[str, Any]:
    """Return what a model file notes about its run; nothing if it cannot be read."""
    try:
        found = json.loads(metadata_of(path).get("info", "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def require_ours(folder: Path, more: Mapping[str, Callable[[Path], bool]] | None = None) -> None:
    """Raise if a run would replace or remove a file that Backlit did not write.

    Parameters
    ----------
    folder : Path
        Where the run writes.
    more : mapping of str to callable, optional
        Names of further files it writes, and what tells whether such a file is Backlit's.

    Raises
    ------
    InputError
        Naming the file.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> require_ours(folder)
    >>> (folder / "report.html").write_text("<p>Mine.")
    8
    >>> require_ours(folder)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    backlit.core.errors.InputError: ...report.html is not a file that Backlit wrote, and would be \
replaced
      fix: name another folder with --out, or move that file away
    """
    known = {MODEL: is_model, REPORT: is_report} | dict.fromkeys(SPARE, is_model) | dict(more or {})
    for name, ours in known.items():
        path = folder / name
        if path.exists() and not ours(path):
            raise InputError(
                f"{path} is not a file that Backlit wrote, and would be replaced",
                fix="name another folder with --out, or move that file away",
            )
