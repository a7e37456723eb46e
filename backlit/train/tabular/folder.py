"""Where a run leaves its files, and how they are named in a command."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from backlit.core.errors import InputError

MODEL = "model.safetensors"
REPORT = "report.html"

_SUFFIXES = re.compile(r"(\.(csv|tsv|tab|txt|data|parquet|pq|json|jsonl|ndjson|gz|zst))+$", re.I)
_QUOTED = re.compile(r"'((?:[^']|'')*)'")


def default_folder(source: str, target: str) -> Path:
    """Return the folder that files go to if the user names none.

    Parameters
    ----------
    source : str
        Path, pattern or query: the folder is named after it, or the first file of a query.
    target : str
        The column to predict, which gives the name where there is no other.

    Returns
    -------
    Path
        In the current folder.

    Examples
    --------
    >>> print(default_folder("data/iris.csv.gz", "y"), default_folder("parts/*.csv", "y"))
    backlit-iris backlit-parts
    >>> print(default_folder("SELECT * FROM 'new/sales-*.parquet'", "y"))
    backlit-sales
    """
    files = [source]
    if " " in source and not os.path.lexists(source):
        files = [name for name in _QUOTED.findall(source) if _SUFFIXES.search(name)]
    parts = [part for file in files for part in reversed(Path(file).parts[-2:])]
    for text in (*parts[:2], target):
        name = _SUFFIXES.sub("", text).partition("*")[0].partition("?")[0]
        name = re.sub(r"[^\w.-]+", "-", name).strip("-_.")
        if name:
            return Path(f"backlit-{name}")
    return Path("backlit-table")


def joined(words: Sequence[str]) -> str:
    """Return words as they can be typed into a shell, an SQL query between double quotes.

    Parameters
    ----------
    words : sequence of str

    Returns
    -------
    str

    Examples
    --------
    >>> print(joined(["backlit", "train", "SELECT * FROM 'x.csv'", "--target", "a b"]))
    backlit train "SELECT * FROM 'x.csv'" --target 'a b'
    """
    # A shell leaves single quotes between double quotes alone, but not the characters below.
    plain = [f'"{word}"' if "'" in word and not set(word) & set('"$`\\!') else shlex.quote(word)
             for word in words]  # fmt: skip
    return " ".join(plain)


def typed(command: str) -> str:
    """Return a command as it can be typed where this program was started.

    Parameters
    ----------
    command : str
        Starting with ``backlit``.

    Returns
    -------
    str
        With the path this program was started by, where ``backlit`` alone would not be found.

    Examples
    --------
    >>> typed("backlit doctor")
    'backlit doctor'
    """
    started = sys.argv[0]
    if os.path.basename(started) != "backlit" or shutil.which("backlit"):
        return command
    return shlex.quote(started) + command.removeprefix("backlit")


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


def refuse_swapped(model: str | os.PathLike[str], table: object) -> None:
    """Raise if a model and a table were given in each other's place.

    Parameters
    ----------
    model : path
    table : object
        A path, pattern, query or table.

    Raises
    ------
    InputError

    Examples
    --------
    >>> refuse_swapped("flowers.csv", "backlit-flowers/model.safetensors")
    Traceback (most recent call last):
    backlit.core.errors.InputError: flowers.csv is given as the model, and the model as the table
      fix: the model first: backlit-flowers/model.safetensors flowers.csv
    """
    if not isinstance(table, str | os.PathLike):
        return
    text = os.path.expanduser(os.fspath(table))
    named_so = text.endswith(".safetensors")
    is_model = named_so or (os.path.isdir(text) and os.path.isfile(os.path.join(text, MODEL)))
    if is_model and not os.path.isdir(model) and not os.fspath(model).endswith(".safetensors"):
        raise InputError(
            f"{os.fspath(model)} is given as the model, and the model as the table",
            fix=f"the model first: {joined([os.fspath(table), os.fspath(model)])}",
        )


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
        near = _near_model(found)
        raise InputError(
            f"there is no model {found}",
            fix=f"did you mean {near}?"
            if near
            else "train one: backlit train TABLE --target COLUMN",
        )
    return found


def _near_model(path: Path) -> Path | None:
    """Return the folder or file with a model whose name is nearest to one that does not exist."""
    try:
        names = [
            entry.name
            for entry in os.scandir(path.parent)
            if entry.name.endswith(".safetensors") or os.path.isfile(Path(entry.path, MODEL))
        ]
    except OSError:
        return None
    near = get_close_matches(path.name, sorted(names), n=1, cutoff=0.75)
    return path.parent / near[0] if near else None
