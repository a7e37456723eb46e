"""Signals that end a command: Ctrl-C, and what a closed terminal or a system going down sends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

INTERRUPTED = 128 + signal.SIGINT


class Ending:
    """How a command ended early.

    Attributes
    ----------
    status : int
        128 and the number of the signal, as shells count.
    """

    status: int = INTERRUPTED


@contextmanager
def interrupts(last: bool = False) -> Iterator[Ending]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does: raise KeyboardInterrupt where the program is.

    Signals that whoever started the process told it to ignore stay ignored, as by ``nohup``.

    Parameters
    ----------
    last : bool
        Whether nothing is left to do afterwards: Ctrl-C then ends the process without a word.

    Yields
    ------
    Ending

    Examples
    --------
    >>> with interrupts() as ending:
    ...     ending.status
    130
    """
    ending, before = Ending(), dict[int, Any]()

    def end(number: int, frame: FrameType | None) -> NoReturn:
        ending.status = 128 + number
        raise KeyboardInterrupt

    try:
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, end)
        if signal.getsignal(signal.SIGINT) is leave:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    except ValueError:
        pass  # not the main thread, which alone receives signals
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if last and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def guard_start() -> None:
    """Let Ctrl-C end the process with a word while the command is still being loaded.

    To be called before anything that takes time is imported. Does nothing in other programs, which
    import the library and have a way of their own with Ctrl-C.
    """
    if _is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)


def leave(number: int, frame: FrameType | None) -> NoReturn:
    """End the process at once: there is nothing to save or to close yet."""
    os.write(2, b"\nerror: interrupted; nothing was saved\n")
    os._exit(INTERRUPTED)


def _is_command() -> bool:
    """Tell whether this process is ``backlit`` or ``python -m backlit``."""
    started = sys.argv[0] if getattr(sys, "argv", None) else ""
    if started == "-m":  # what it is called until the module has been found
        return "backlit" in sys.orig_argv
    return os.path.splitext(os.path.basename(started))[0] == "backlit"
