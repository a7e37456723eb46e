"""What the network got wrong: the confusion matrix and the worst held-out rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit.data import Table
from backlit.data.table import missing
from backlit.train.report.axes import text_of
from backlit.train.report.html import Html, table, tag

Array = onp.ndarray[Any, Any]

_MOST_CLASSES = 25
_MOST_COLUMNS = 8
_PIXEL = re.compile(r"(.*?)(\d+)_(\d+)")


def confusion(labels: Sequence[str], expected: Array, predicted: Array) -> Html:
    """Return how often each class was taken for each other one, as a shaded table.

    Parameters
    ----------
    labels : sequence of str
        Names of the classes.
    expected, predicted : ndarray of int, shape (rows,)

    Returns
    -------
    Html
    """
    count = len(labels)
    matrix = onp.zeros((count, count), int)
    onp.add.at(matrix, (expected, predicted), 1)
    if count > _MOST_CLASSES:
        return _mistakes(labels, matrix)
    totals = matrix.sum(axis=1)
    rows = []
    for k, label in enumerate(labels):
        cells = [_cell(labels, matrix, k, j, int(totals[k])) for j in range(count)]
        share = f"{100 * matrix[k, k] / totals[k]:.0f} %" if totals[k] else "–"
        rows.append([label, *cells, share])
    head = ["actual\u00a0↓ predicted\u00a0→", *labels, "right"]
    caption = "How many held-out rows of each class (down) were given each class (across)"
    return table(head, rows, caption, class_="confusion")


def _cell(labels: Sequence[str], matrix: Array, row: int, column: int, total: int) -> Html:
    number = int(matrix[row, column])
    share = number / total if total else 0.0
    strength = 0 if not number else max(12, round(100 * share))
    kind = "right" if row == column else "wrong"
    words = f"{number} of {total} rows of {labels[row]} predicted as {labels[column]}"
    return tag("td", number, class_=kind, style=f"--share:{strength}%", title=words)


def _mistakes(labels: Sequence[str], matrix: Array) -> Html:
    """Return the most frequent confusions, where a matrix would be too large to read."""
    wrong = matrix.copy()
    onp.fill_diagonal(wrong, 0)
    order = onp.argsort(-wrong, axis=None, kind="stable")[:20]
    pairs = [divmod(int(place), len(labels)) for place in order if wrong.flat[place]]
    rows = [[labels[i], labels[j], int(wrong[i, j]), int(matrix[i].sum())] for i, j in pairs]
    caption = f"The most frequent mistakes among {len(labels)} classes"
    return table(["actual", "predicted", "times", "rows of that class"], rows, caption)


@dataclass(frozen=True, eq=False)
class Example:
    """A held-out row and what the network made of it.

    Attributes
    ----------
    row : int
        In the table's source, counted from 0.
    place : int
        In the held-out part.
    actual, predicted : str
    detail : str
        How sure or how far off the network was.
    """

    row: int
    place: int
    actual: str
    predicted: str
    detail: str


def worst_examples(examples: Sequence[Example], part: Table, features: Sequence[str]) -> Html:
    """Show rows as pictures if their columns are pixels, else as lines of a table.

    Parameters
    ----------
    examples : sequence of Example
    part : Table
        The held-out rows.
    features : sequence of str
        Columns to show.

    Returns
    -------
    Html
    """
    grid = pixel_grid(part, features)
    if grid is not None:
        return tag("ul", [_picture(e, part, grid) for e in examples], class_="pictures")
    shown = list(features)[:_MOST_COLUMNS]
    left = len(features) - len(shown)
    head = ["row", "actual", "predicted", "", *shown]
    rows = [
        [e.row, e.actual, e.predicted, e.detail, *[_value(part, n, e.place) for n in shown]]
        for e in examples
    ]
    caption = "The held-out rows with the largest loss"
    if left:
        caption += f"; {left} more column{'s' * (left != 1)} not shown"
    return table(head, rows, caption)


def _value(part: Table, name: str, place: int) -> str:
    column = part[name]
    if bool(missing(column[place : place + 1])[0]):
        return "missing"
    value = column[place]
    if part.kind(name) == "date":
        return str(onp.datetime64("1970-01-01") + onp.timedelta64(round(float(value)), "D"))
    if part.kind(name) == "boolean":
        return "true" if value else "false"
    text = str(value) if isinstance(value, str) else text_of(float(value))
    return text if len(text) <= 40 else text[:39] + "…"


def pixel_grid(part: Table, features: Sequence[str]) -> Array | None:
    """Return the column of each pixel if the columns are those of an image, else None.

    Parameters
    ----------
    part : Table
    features : sequence of str
        An image has columns ``name<row>_<column>`` that fill a rectangle of at least 4 × 4.

    Returns
    -------
    ndarray of str, shape (height, width), or None

    Examples
    --------
    >>> table = Table.from_columns({f"p_{r}_{c}": [0] for r in range(4) for c in range(5)})
    >>> pixel_grid(table, table.names).shape
    (4, 5)
    """
    found: dict[tuple[int, int], str] = {}
    prefixes = set()
    for name in features:
        match = _PIXEL.fullmatch(name)
        if match is None or part.kind(name) not in {"integer", "number"}:
            return None
        prefixes.add(match[1])
        found[int(match[2]), int(match[3])] = name
    if len(prefixes) != 1 or len(found) != len(features):
        return None
    tops, lefts = {place[0] for place in found}, {place[1] for place in found}
    if len(tops) * len(lefts) != len(found) or not (4 <= len(tops) <= 64 and 4 <= len(lefts) <= 64):
        return None
    return onp.array([[found[t, x] for x in sorted(lefts)] for t in sorted(tops)], dtype=object)


def _picture(example: Example, part: Table, grid: Array) -> Html:
    """Draw one row as an image: ink where its numbers are large."""
    darkest = max(float(onp.nan_to_num(part[name]).max()) for name in grid.flat) or 1.0
    height, width = grid.shape
    squares = []
    for top in range(height):
        for left in range(width):
            ink = float(part[grid[top, left]][example.place]) / darkest
            if ink > 0:
                squares.append(
                    tag("rect", x=left, y=top, width=1.02, height=1.02, opacity=f"{ink:.2f}")
                )
    words = f"Row {example.row}: {example.actual}, predicted as {example.predicted}"
    picture = tag(
        "svg",
        tag("title", words),
        squares,
        viewBox=f"0 0 {width} {height}",
        role="img",
        class_="ink",
    )
    verdict = tag("b", f"{example.actual} → {example.predicted}")
    return tag(
        "li", picture, verdict, tag("span", example.detail), tag("span", f"row {example.row}")
    )
