"""What has to happen before NumPy is loaded: Ctrl-C then leaves a word and no traceback.

Only the process that is the command ``backlit`` is touched; this module imports nothing that takes
time.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT


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


guard_start()
