"""``backlit explain``, and the function behind it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import numpy as onp
import typer

from backlit.cli.console import has_colour, has_unicode, note
from backlit.core import tree
from backlit.core.errors import InputError

if TYPE_CHECKING:
    from backlit.cli.row import RowExplanation
    from backlit.data import Table
    from backlit.data.target import Label
    from backlit.train.tabular import TableModel

EXAMPLES_IN = ("rows", "columns")
EXAMPLES = """\b
Examples:
  backlit explain backlit-flowers flowers.csv --row 0 --weight 'layers.0.W[2,5]'
  backlit explain backlit-flowers flowers.csv --row 7 --weight 'layers.2.b[1]' --paths 10
  backlit explain backlit-flowers flowers.csv --row 0 --weight '0.W[2,5]' --format json
  backlit explain backlit-flowers flowers.csv --row 0 --weight '0.W[2,5]' --output why.html
  backlit explain backlit-flowers flowers.csv --row 0 --weight '0.W[2,5]' --output why.svg
  backlit explain backlit-flowers flowers.csv --row 0 --weight '0.W[2,5]' --view chain,paths
  backlit explain backlit-flowers flowers.csv --row 0 --weight '0.W[2,5]' --view steps \\
    --layout numerator --examples columns --output derivation.tex
\b
Views, one or several with commas between them:
  picture   the graph: values on the way forward, gradients on the way back
  forward   what was computed: operation, operands, shape, value
  backward  upstream · local derivative = contribution, added up where it is used
  chain     the chain rule as one product from the loss to the weight
  paths     the largest paths, and the exact share of all others
  matrices  the derivation in matrices: shapes, transposes, sums
  steps     the same with the steps that lead to every line, each one checked
  elements  element by element, with Kronecker deltas, and with numbers put in
  modes     forward mode beside reverse mode, with the operations of each
  second    second derivatives: how the weight's gradient changes
\b
Formats, and the file names that stand for them:
  text    .txt    tables for the terminal
  html    .html   a page with the picture, the tables and the formulas; needs no connection
  svg     .svg    the picture alone: values on the way forward, gradients on the way back
  latex   .tex    a file that pdflatex takes as it is, with the picture
  mathml  .mml    the chain rule as a formula for web pages
  json    .json   all numbers, as data
Pictures need a library: pip install 'graphlay<0.4'
"""


def explain(
    model: str | os.PathLike[str],
    table: str | os.PathLike[str] | Table,
    *,
    row: int,
    weight: str,
    paths: int = 5,
    elements: int = 3,
    views: Sequence[str] = (),
    layout: str = "denominator",
    examples: str = "rows",
) -> RowExplanation:
    """Explain the gradient of the loss of one row with respect to one weight.

    Parameters
    ----------
    model : path
        A model file, or the folder that training wrote it to.
    table : path, pattern, query or Table
        With the target column, for the loss needs the right answer.
    row : int
        Counted from 0.
    weight : str
        Path of an array and place in it, counted from 0: ``layers.0.W[i,j]`` leads from input i to
        unit j, ``layers.0.b[j]`` is the bias of unit j.
    paths, elements : int
        How many paths, and elements of an array, to show.
    views : sequence of str
        Which parts of the explanation, of `backlit.explain.selection.VIEWS`; default: what
        `Explanation` shows by itself.
    layout : {"denominator", "numerator"}
        Whether ∂L/∂W has the shape of W or of Wᵀ in the derivation in matrices.
    examples : {"rows", "columns"}
        Whether that derivation is written as the model computes, x W + b, or with examples in
        columns, W x + b.

    Returns
    -------
    RowExplanation

    Raises
    ------
    InputError
        If the model or the table cannot be used, or has no such weight or row, or there is no such
        view, layout or convention.
    """
    import backlit.numpy as np
    from backlit import nn
    from backlit.cli.row import RowExplanation
    from backlit.core.settings import choice
    from backlit.data import Table, read_table
    from backlit.explain import explain_weight, parse_weight
    from backlit.explain.selection import LAYOUTS, VIEWS
    from backlit.train.tabular import TableModel
    from backlit.train.tabular.folder import refuse_swapped

    for view in views:
        choice(view, VIEWS, "view")
    choice(layout, LAYOUTS, "layout")
    choice(examples, EXAMPLES_IN, "examples")
    refuse_swapped(model, table)
    trained = TableModel.load(model)
    path, index = parse_weight(weight)
    path = _find(trained.model, path)
    _check_index(trained.model, path, index, weight)
    rows = table if isinstance(table, Table) else read_table(table)
    x, y, actual = _example(trained, rows, row)

    # Named as a reader expects to see them: the explanation takes names from these lines.
    def loss(model: Any, x: Any, y: Any) -> Any:
        prediction = model(x)
        if trained.target.task == "classification":
            L = nn.cross_entropy(prediction, y)
        else:
            L = np.square(prediction[0] - y)
        return L

    found = explain_weight(
        loss, trained.model, x, y, wrt=f"model.{path}", index=index, paths=paths, elements=elements
    )
    prediction = trained.predict(rows.take([row])).prediction[0]
    read = _input(trained, path, index, x)
    asked = views or layout != LAYOUTS[0] or examples != EXAMPLES_IN[0]
    chosen = found.view(*views, layout=layout, turn_examples=examples == "columns")
    return RowExplanation(
        row, trained.target.name, actual, prediction, read, found, chosen if asked else None
    )


def _example(trained: TableModel, rows: Table, row: int) -> tuple[Any, Any, Label]:
    """Return a row's features, its encoded target and its target."""
    from backlit.data.table import missing

    name = trained.target.name
    if name not in rows:
        raise InputError(
            f"the table has no column {name!r}, and the loss needs the right answer",
            fix=f"name a table with the column {name!r}",
        )
    if not 0 <= row < len(rows):
        raise InputError(
            f"there is no row {row}; the table has {len(rows)} row{'s' * (len(rows) != 1)}",
            fix=f"rows count from 0: choose one from 0 to {len(rows) - 1}",
        )
    chosen = rows.take([row])
    if bool(missing(chosen[name])[0]):
        raise InputError(f"row {row} has no {name!r}, and the loss needs the right answer")
    y = trained.target.encode(chosen)
    numeric = trained.target.task == "regression"
    actual = float(chosen[name][0]) if numeric else trained.target.decode(y)[0]
    return trained.preprocessor.transform(chosen)[0], y[0], actual


def _find(model: Any, path: str) -> str:
    """Return the full path of an array of the model."""
    arrays = dict(tree.flatten_with_paths(model)[0])
    matches = [known for known in arrays if known == path or known.endswith(f".{path}")]
    if len(matches) == 1:
        return matches[0]
    folded = [known for known in arrays if f".{known}".casefold().endswith(f".{path}".casefold())]
    near = folded or get_close_matches(path, arrays, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    listed = ", ".join(f"{known} ({_shape(value)})" for known, value in arrays.items())
    what = "several arrays called" if matches else "no array"
    raise InputError(
        f"the model has {what} {path!r}",
        fix=f"{guess}It has {listed}" if near else f"it has {listed}",
    )


def _check_index(model: Any, path: str, index: tuple[int, ...], weight: str) -> None:
    """Raise unless an array has such an element."""
    shape = onp.shape(dict(tree.flatten_with_paths(model)[0])[path])
    if len(index) == len(shape) and all(
        0 <= i < size for i, size in zip(index, shape, strict=True)
    ):
        return
    ranges = " and ".join(f"0 to {size - 1}" for size in shape)
    count = f"{len(shape)} {'index' if len(shape) == 1 else 'indices'}"
    raise InputError(
        f"there is no weight {weight}: {path} has shape {'×'.join(map(str, shape))}",
        fix=f"give {count}, counted from 0: {ranges}",
    )


def _shape(array: Any) -> str:
    return "×".join(map(str, onp.shape(array))) or "one number"


def _input(trained: TableModel, path: str, index: tuple[int, ...], x: Any) -> str:
    """Return which feature a weight of the first layer multiplies, and its value."""
    names = trained.preprocessor.feature_names
    arrays = tree.flatten_with_paths(trained.model)[0]
    first = next((known for known, value in arrays if onp.ndim(value) == 2), None)
    if path != first or len(index) != 2 or index[0] >= len(names):
        return ""
    return f"the feature {names[index[0]]!r}, here {float(x[index[0]]):.4g}"


def command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model file, or the folder it is in.", show_default=False
        ),
    ],
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="A file, a pattern or an SQL query; it must have the target column.",
            show_default=False,
        ),
    ],
    row: Annotated[
        int, typer.Option(metavar="N", help="Which row, counted from 0.", show_default=False)
    ],
    weight: Annotated[
        str,
        typer.Option(
            metavar="LAYER.W[i,j]",
            help="Which weight: from input i to unit j, counted from 0. LAYER.b[j] is a bias. In "
            "quotes, for a shell may read the brackets.",
            show_default=False,
        ),
    ],
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="text|json|latex|html|svg|mathml",
            help="How to write it; by default as the name of the output says, else as text.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "--out",
            metavar="FILE",
            help="Write a file instead of stdout; one of that name is replaced.",
            show_default=False,
        ),
    ] = None,
    paths: Annotated[
        int, typer.Option(metavar="N", help="How many of the largest paths to list.")
    ] = 5,
    elements: Annotated[
        int, typer.Option(metavar="N", help="How many elements of each array to list.")
    ] = 3,
    view: Annotated[
        str,
        typer.Option(
            metavar="NAME,…",
            help="Which views to show, see below; by default picture, forward, backward, chain, "
            "paths, matrices, elements and modes.",
            show_default=False,
        ),
    ] = "",
    layout: Annotated[
        str,
        typer.Option(
            metavar="denominator|numerator",
            help="Whether a derivative by W has the shape of W or of its transpose, in the "
            "derivation in matrices.",
        ),
    ] = "denominator",
    examples: Annotated[
        str,
        typer.Option(
            metavar="rows|columns",
            help="Whether that derivation reads x W + b, as the model computes, or W x + b.",
        ),
    ] = "rows",
) -> None:
    """Show one weight's gradient as a chain of local derivatives.

    Prints the forward pass, the backward pass, local derivative × upstream gradient for each step,
    and the sum over all paths from the weight to the loss of one row. The same can be written as a
    page with a picture, as LaTeX, or as data.
    """
    from backlit.cli.output import print_json
    from backlit.core.settings import choice
    from backlit.explain.selection import LAYOUTS, VIEWS
    from backlit.explain.shown import FORMATS, format_of

    if format_ is None:
        format_ = "text" if output is None else format_of(output)
    choice(format_, FORMATS, "--format")
    views = [name.strip() for name in view.split(",") if name.strip()]
    for name in views:
        choice(name, VIEWS, "--view")
    choice(layout, LAYOUTS, "--layout")
    choice(examples, EXAMPLES_IN, "--examples")
    found = explain(
        model,
        table,
        row=row,
        weight=weight,
        paths=paths,
        elements=elements,
        views=views,
        layout=layout,
        examples=examples,
    )
    if output is not None:
        found.save(output, format_)
        note(f"wrote {output}")
    elif format_ == "text":
        print(_for_terminal(found))
    elif format_ == "json":
        print_json(found.to_dict())
    else:
        _print(found.to(format_), escaped=format_ in ("html", "svg", "mathml"))


def _for_terminal(found: RowExplanation) -> str:
    """Return text as the terminal can show it, or all of it for a file or a pipe."""
    return found.to_text(not has_unicode(sys.stdout), color=has_colour(sys.stdout))


def _print(text: str, escaped: bool) -> None:
    """Print a format; where stdout cannot hold a character, markup has a name for it."""
    encoding = sys.stdout.encoding or "utf-8"
    if escaped:
        text = text.encode(encoding, "xmlcharrefreplace").decode(encoding)
    print(text.rstrip("\n"))
