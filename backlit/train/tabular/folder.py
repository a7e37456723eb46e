"""Where a run leaves its files."""

from __future__ import annotations

import os
import re
from pathlib import Path

from backlit.core.errors import InputError

MODEL = "model.safetensors"
REPORT = "report.html"

_SUFFIXES = re.compile(r"(\.(csv|tsv|tab|txt|data|parquet|pq|json|jsonl|ndjson|gz|zst))+$", re.I)


def default_folder(source: str) -> Path:
    """Return the folder that files go to if the user names none.

    Parameters
    ----------
    source : str
        Path, pattern or query.

    Returns
    -------
    Path
        In the current folder.

    Examples
    --------
    >>> print(default_folder("data/iris.csv.gz"), default_folder("SELECT 1"))
    backlit-iris backlit-table
    """
    name = _SUFFIXES.sub("", os.path.basename(source))
    plain = re.fullmatch(r"[\w.-]+", name) is not None
    return Path(f"backlit-{name if plain else 'table'}")


def checked_folder(path: str | os.PathLike[str]) -> Path:
    """Return a folder that files can be written to, which need not exist yet.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If there is a file of that name, or no permission to write.

    Examples
    --------
    >>> import tempfile
    >>> checked_folder(tempfile.gettempdir()).is_dir()
    True
    """
    text = os.path.expanduser(os.fspath(path))
    if not text or "\0" in text:
        raise InputError(f"{text!r} cannot be the name of a folder")
    folder = Path(text)
    nearest = folder
    while not os.path.lexists(nearest) and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise InputError(
            f"{nearest} is a file, so the results cannot go into a folder of that name",
            fix="name a folder that exists, or one to be made",
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"no permission to write into {nearest}", fix="name another folder")
    return folder


def made_folder(folder: Path) -> Path:
    """Make a folder, and those it is in, if they are not there.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Path
        The same.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be made: {error.strerror}") from None
    return folder


def model_file(path: str | os.PathLike[str]) -> Path:
    """Return the model file that a user's path stands for: itself, or the one in that folder.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If there is no such file.

    Examples
    --------
    >>> model_file("no-such-folder")
    Traceback (most recent call last):
    backlit.core.errors.InputError: there is no model no-such-folder
      fix: train one: backlit train TABLE --target COLUMN
    """
    found = Path(os.path.expanduser(os.fspath(path)))
    if found.is_dir():
        if not (found / MODEL).is_file():
            raise InputError(
                f"the folder {found} holds no {MODEL}",
                fix="name a model file, or a folder that backlit train has written to",
            )
        return found / MODEL
    if not os.path.lexists(found):
        raise InputError(
            f"there is no model {found}", fix="train one: backlit train TABLE --target COLUMN"
        )
    return found
