"""Signals that end a command: Ctrl-C, and what a closed terminal or a system going down sends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from backlit.early import INTERRUPTED, leave


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
