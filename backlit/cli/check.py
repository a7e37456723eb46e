"""``backlit check``, and the function behind it."""

from __future__ import annotations

import inspect
import re
import runpy
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backlit.core.errors import InputError

if TYPE_CHECKING:
    from backlit.explain.backward import BackwardCheck
    from backlit.explain.equation.verdicts import Sheet

_FUNCTIONS = re.compile(r"(?P<file>.+\.py):(?P<forward>\w+),(?P<backward>\w+)")

EXAMPLES = """\b
Examples:
  backlit check homework.md
  backlit check homework.md --json
  backlit check homework.py:forward,backward     (runs homework.py)
  pdftotext sheet.pdf - | backlit check -

\b
Notes to try it on, three definitions and three claims of which one is wrong:
  z = w x + b
  a = σ(z)
  L = -(y log a + (1-y) log(1-a))
  dL/dz = a - y
  dL/dw = (a - y) x
  dL/db = y - a
"""


def check(file: str) -> Sheet:
    """Judge the derivatives that a file of notes states.

    Parameters
    ----------
    file : str
        A path, or ``-`` for standard input.

    Returns
    -------
    Sheet

    Raises
    ------
    InputError
        If it cannot be read.
    """
    from backlit.explain.equation.sheet import check as judge

    if file != "-":
        return judge(Path(file))
    try:
        return judge(sys.stdin.buffer.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InputError("standard input is not UTF-8 text") from None


def check_functions(target: str) -> BackwardCheck:
    """Run a file and compare its hand-written backward pass with the engine.

    Parameters
    ----------
    target : str
        ``FILE.py:forward,backward``. The arguments of ``forward`` are ``args`` of the file (a
        tuple, or a function that returns one), or its variables of the same names.

    Returns
    -------
    BackwardCheck

    Raises
    ------
    InputError
        If it is not written so, there is no such file or function, the arguments cannot be
        found, or the student's code stops with an error.
    """
    from backlit.explain import check_backward

    match = _FUNCTIONS.fullmatch(target)
    if match is None:
        raise InputError(f"{target} names no functions", fix="write FILE.py:forward,backward")
    module = _run(Path(match["file"]))
    functions = []
    for name in (match["forward"], match["backward"]):
        if not callable(module.get(name)):
            raise InputError(
                f"{match['file']} has no function {name!r}",
                fix="it has " + ", ".join(k for k, v in module.items() if callable(v)),
            )
        functions.append(module[name])
    return check_backward(*functions, *_arguments(functions[0], module))


def _run(path: Path) -> dict[str, Any]:
    """Run a Python file as a module of its own, under its own folder's imports."""
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    before = list(sys.path)
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        return runpy.run_path(str(path), run_name=path.stem)
    except (Exception, SystemExit) as error:
        raise _stopped(str(path), error) from error
    finally:
        sys.path[:] = before


def _stopped(file: str, error: BaseException) -> InputError:
    """Say where a student's own code stopped."""
    frames = traceback.extract_tb(error.__traceback__)
    last = next((f for f in reversed(frames) if f.filename == file), frames[-1])
    name = type(error).__name__
    return InputError(f"{file} stopped with {name}: {error} ({last.filename}:{last.lineno})")


def _arguments(forward: Any, module: dict[str, Any]) -> tuple[Any, ...]:
    given = module.get("args")
    if callable(given):
        given = given()
    if isinstance(given, (tuple, list)):
        return tuple(given)
    parameters = inspect.signature(forward).parameters
    found = {name: module[name] for name in parameters if name in module}
    missing = [n for n, p in parameters.items() if n not in found and p.default is p.empty]
    if missing:
        raise InputError(
            f"no value is known for {', '.join(missing)}",
            fix="write args = (…) in the file, a tuple of the arguments of the forward pass",
        )
    return tuple([found.get(n, p.default) for n, p in parameters.items()])


def command(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Notes in plain text, Markdown, LaTeX or Python; - reads standard input. With "
            "FILE.py:forward,backward the file is run, and its hand-written backward pass is "
            "compared with the engine, statement by statement, at its variable args.",
            show_default=False,
        ),
    ],
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print a list with one entry per claim as one line of JSON."),
    ] = False,
) -> int:
    """Judge the derivatives in your notes, line by line.

    A line whose left side is a derivative (dW = …, ∂L/∂w = …, \\nabla_W L = …) is a claim; other
    equations are definitions. Each claim is compared with the derivative that the definitions
    have, at random points. The exit code is 0 if all are right, 1 if one is wrong, 3 if one cannot
    be judged, 2 if the file cannot be read. Nothing in notes is run.
    """
    from backlit.cli.console import has_unicode
    from backlit.cli.output import print_json

    if _FUNCTIONS.fullmatch(file):
        print(f"running {file.rpartition(':')[0]}, for its functions are called", file=sys.stderr)
        # What the file prints is not the result.
        with redirect_stdout(sys.stderr):
            functions = check_functions(file)
        if as_json:
            print_json(functions.to_dict())
        else:
            print(functions.to_text(ascii=not has_unicode(sys.stdout)))
        sys.stdout.flush()
        return functions.exit_code
    found = check(file)
    if as_json:
        print_json([verdict.to_dict() for verdict in found.verdicts])
    else:
        print(found.to_text(ascii=not has_unicode(sys.stdout)))
    sys.stdout.flush()
    return found.exit_code
