"""What the scripts share: headings, tables, notes judged, formulas derived, and options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import backlit as bl
from backlit.explain.derivation.checking import numbers_of, worked_out
from backlit.explain.derive import Sheet
from backlit.explain.equation.text.printing import unicode

NOTES = Path(__file__).parent / "notes"
_DIGITS = tuple("0123456789")


def heading(text: str) -> None:
    """Print a heading with a rule under it."""
    print(f"\n{text}\n{'-' * len(text)}")


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], indent: int = 2) -> None:
    """Print columns under their heads: text to the left, numbers to the right."""
    cells = [[f"{c:,}" if isinstance(c, int) else str(c) for c in row] for row in rows]
    numeric = [
        all(row[k].lstrip("+-").startswith(_DIGITS) for row in cells) for k in range(len(head))
    ]
    widths = [max(len(row[k]) for row in [list(head), *cells]) for k in range(len(head))]
    for row in [list(head), *cells]:
        parts = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        print((" " * indent + "  ".join(parts)).rstrip())


def judge(name: str) -> None:
    """Print what ``backlit check`` says of the notes of this name."""
    print(f"$ backlit check examples/questions/notes/{name}.md\n")
    print(bl.check(NOTES / f"{name}.md"))


def derived(derivation: Sheet, *args: Any) -> list[tuple[str, str, Any]]:
    """Return every derivative of a derivation: its name, its formula, the formula's value."""
    values = worked_out(derivation, args)
    return [
        (unicode(line.left), unicode(line.right), numbers_of(values.of(line.left)))
        for line in derivation.backward
    ]


def parse_options(description: str, pictures: str = "") -> argparse.Namespace:
    """Read the command line; `pictures`, the module that draws them, adds ``--plot DIR``."""
    parser = argparse.ArgumentParser(description=description)
    if pictures:
        add_plot_option(parser, pictures)
    return parser.parse_args()


def add_plot_option(parser: argparse.ArgumentParser, module: str = "matplotlib") -> None:
    """Add ``--plot DIR``, which is refused at once where nothing can draw."""

    def folder(text: str) -> Path:
        if find_spec(module) is None:
            from backlit.train.plot import install_command

            raise argparse.ArgumentTypeError(
                f"pictures need {module}, which is not installed: {install_command(module)}"
            )
        return Path(text)

    parser.add_argument("--plot", metavar="DIR", type=folder, help="save pictures here")


def new_figure(width: float, height: float, columns: int) -> tuple[Any, Any]:
    """Return a matplotlib figure that needs no screen, and its row of axes."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    # Text stays text and ids stay the same: a small file that changes only when the numbers do.
    rcParams["svg.fonttype"] = "none"
    rcParams["svg.hashsalt"] = "backlit"
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def save(figure: Any, directory: Path, name: str) -> Path:
    """Write the figure as SVG, making the folder if need be."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    figure.savefig(path, metadata={"Date": None})
    return path
