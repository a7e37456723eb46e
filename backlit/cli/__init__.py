"""The command line. Each command has a function of the same name behind it that returns data."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command ``backlit``.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after ``backlit``; those of the process if left out.

    Returns
    -------
    int
        Exit status: 0, 1 for a failure, 2 for bad input, 130 after Ctrl-C.

    Examples
    --------
    >>> main(["--version"])
    backlit 0.1.0
    0
    """
    try:
        # The library does not need the command line's libraries, and loads them only here.
        from backlit.cli.run import run

        return run(arguments)
    except KeyboardInterrupt:  # before or after the part that has something to say about it
        return 130
