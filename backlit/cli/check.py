"""``backlit check``, and the function behind it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backlit.core.errors import InputError

if TYPE_CHECKING:
    from backlit.explain.equation.verdicts import Sheet

EXAMPLES = """\b
Examples:
  backlit check homework.md
  backlit check homework.md --json
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


def command(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Notes in plain text, Markdown, LaTeX or Python; - reads standard input.",
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
    be judged, 2 if the file cannot be read. Nothing in the file is run.
    """
    from backlit.cli.output import print_json

    found = check(file)
    if as_json:
        print_json([verdict.to_dict() for verdict in found.verdicts])
    else:
        encoding = (sys.stdout.encoding or "").lower().replace("-", "")
        print(found.to_text(ascii=encoding != "utf8"))
    sys.stdout.flush()
    return found.exit_code
