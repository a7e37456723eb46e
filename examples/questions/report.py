"""What the scripts of this folder share: headings, tables, and the options of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

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


def parse_options(description: str, plots: bool = False) -> argparse.Namespace:
    """Read the command line; `plots` adds ``--plot DIR``."""
    parser = argparse.ArgumentParser(description=description)
    if plots:
        add_plot_option(parser)
    return parser.parse_args()


def add_plot_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--plot DIR``, which is refused at once where nothing can draw."""
    parser.add_argument("--plot", metavar="DIR", type=_folder, help="save the picture here")


def _folder(text: str) -> Path:
    if find_spec("matplotlib") is None:
        from backlit.train.plot import install_command

        raise argparse.ArgumentTypeError(
            "pictures need matplotlib, which is not installed: " + install_command("matplotlib")
        )
    return Path(text)


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
