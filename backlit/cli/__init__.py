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
        Exit status: 0, 1 for a failure, 2 for bad input, 130 after Ctrl-C, 143 after SIGTERM, 129
        after SIGHUP.

    Examples
    --------
    >>> main(["--version"])
    backlit 0.1.0
    0
    """
    import sys

    from backlit.cli.signals import interrupts
    from backlit.early import INTERRUPTED

    with interrupts(last=arguments is None) as ending:
        try:
            # The library does not need the command line's libraries, and loads them only here.
            from backlit.cli.run import run

            status = run(arguments)
        except KeyboardInterrupt:  # before or after the part that has something to say about it
            print("\nerror: interrupted", file=sys.stderr)
            status = INTERRUPTED
    return ending.status if status == INTERRUPTED else status
