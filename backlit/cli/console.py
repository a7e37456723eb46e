"""Writing to the terminal: results to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
from typing import TextIO

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


def styled(text: str, style: str, stream: TextIO | None = None) -> str:
    """Return text in a style, or as it is where the stream shows none.

    Parameters
    ----------
    text : str
    style : str
        "bold", "dim", "red", "green" or "yellow".
    stream : text stream, optional
        Where it will be written; stdout if left out.

    Returns
    -------
    str

    Examples
    --------
    >>> import io
    >>> styled("done", "green", io.StringIO())
    'done'
    """
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if has_colour(stream or sys.stdout) else text


def has_colour(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal whose user has not asked for plain text.

    Parameters
    ----------
    stream : text stream

    Returns
    -------
    bool
    """
    # An empty NO_COLOR does not count: https://no-color.org
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def has_unicode(stream: TextIO) -> bool:
    """Tell whether a stream can hold every character.

    Parameters
    ----------
    stream : text stream

    Returns
    -------
    bool

    Examples
    --------
    >>> import io
    >>> has_unicode(io.TextIOWrapper(io.BytesIO(), "ascii"))
    False
    """
    return (stream.encoding or "").lower().replace("-", "") == "utf8"


def note(text: str) -> None:
    """Say on stderr what happens.

    Parameters
    ----------
    text : str
    """
    print(styled(text, "dim", sys.stderr), file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Warn on stderr.

    Parameters
    ----------
    text : str
    """
    print(f"{styled('warning:', 'yellow', sys.stderr)} {text}", file=sys.stderr, flush=True)


def fail(text: str) -> None:
    """Say on stderr what went wrong.

    Parameters
    ----------
    text : str
    """
    print(f"{styled('error:', 'red', sys.stderr)} {text}", file=sys.stderr, flush=True)
