"""Running a command line: every way it can end becomes a message and an exit status, here."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from backlit.cli.console import fail, has_unicode, warn
from backlit.cli.threads import one_blas_thread
from backlit.cli.usage import as_typed, usage_message
from backlit.core.errors import BacklitError, InputError
from backlit.early import INTERRUPTED

OK, FAILURE, BAD_INPUT = 0, 1, 2

# Files are written whole or not at all, and say which one it was; stdout is left for these.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Interrupted(Exception):
    """Ctrl-C ended a command that could still leave something; the message says what."""


def run(arguments: Sequence[str] | None) -> int:
    """Run a command line and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process if left out.

    Returns
    -------
    int
    """
    _prepare_streams()
    with warnings.catch_warnings(), one_blas_thread():
        _show_warnings()
        try:
            status = _run(sys.argv[1:] if arguments is None else list(arguments))
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read our output has seen enough.
            return _without_output()
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            fail(f"the output cannot be written: {error.strerror}")
            return _without_output()
    return status


def _without_output() -> int:
    """Give up stdout, of which Python would complain once more at exit."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    return FAILURE


def _run(arguments: list[str]) -> int:
    from backlit.cli.app import usage_error

    try:
        return _invoke(arguments)
    except (KeyboardInterrupt, Interrupted) as error:
        print(file=sys.stderr)
        fail(str(error) or "interrupted; nothing was saved")
        return INTERRUPTED
    except InputError as error:
        fail(as_typed(_text(error), arguments))
        return BAD_INPUT
    except usage_error() as error:
        fail(usage_message(error, arguments))
        return BAD_INPUT
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno in _NO_ROOM and error.filename is None:
            raise
        return _unexpected(error)
    except BacklitError as error:
        return _failed(error, _text(error))
    except MemoryError as error:
        return _failed(error, "there is not enough memory for this")
    except Exception as error:
        return _unexpected(error)


def _invoke(arguments: list[str]) -> int:
    import typer

    from backlit.cli.app import command

    # Not `command.main`, which would turn Ctrl-C into an exit status of its own.
    try:
        with command().make_context("backlit", arguments) as context:
            return int(context.command.invoke(context) or OK)
    except typer.Exit as ended:  # --help and --version
        return ended.exit_code


def _unexpected(error: Exception) -> int:
    text = f"{type(error).__name__}: {error}\n  this should not happen; please report it"
    if not os.environ.get("BACKLIT_TRACEBACK"):
        text += ", with what BACKLIT_TRACEBACK=1 adds to this message"
    return _failed(error, text)


def _failed(error: BaseException, text: str) -> int:
    if os.environ.get("BACKLIT_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
    fail(text)
    return FAILURE


def _text(error: BaseException) -> str:
    return "\n  ".join([str(error), *getattr(error, "__notes__", ())])


def _prepare_streams() -> None:
    """Let no character that a terminal cannot show end the program."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None and not has_unicode(stream):
            reconfigure(errors="replace")


def _show_warnings() -> None:
    """Show what the data made necessary as it is said, without file and line of our code."""
    from backlit.data import DataWarning, ReplacedWarning

    ours = (DataWarning, ReplacedWarning)

    shown: set[str] = set()
    usual = warnings.showwarning

    def show(message: Any, category: Any, *place: Any, **more: Any) -> None:
        if not issubclass(category, ours):
            usual(message, category, *place, **more)
        elif str(message) not in shown:
            shown.add(str(message))
            warn(str(message))

    warnings.showwarning = show
    for known in ours:
        warnings.simplefilter("always", known)
