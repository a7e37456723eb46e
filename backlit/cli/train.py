"""``backlit train``."""

from __future__ import annotations

from typing import Annotated

import typer

from backlit.core.errors import InputError

EXAMPLES = """\b
Examples:
  backlit train flowers.csv --target species
  backlit train houses.parquet --target price --hidden 128,64 --epochs 200
  backlit train 'parts/*.csv.gz' --target y --out my-model --no-refit
  backlit train "SELECT a, b, y FROM 'all.csv' WHERE a > 0" --target y
  backlit train flowers.csv --target species --json | python3 -m json.tool
"""


def command(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="A CSV, TSV, Parquet or JSON file, several by a pattern in quotes, or an SQL "
            "query over files.",
            show_default=False,
        ),
    ],
    target: Annotated[
        str, typer.Option(metavar="COLUMN", help="The column to predict.", show_default=False)
    ],
    out: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Folder for model and report. [default: backlit-TABLE]"),
    ] = None,
    task: Annotated[
        str,
        typer.Option(
            metavar="auto|classification|regression",
            help="auto: text, booleans and integers with at most 10 values are classes, other "
            "numbers are predicted as such.",
        ),
    ] = "auto",
    hidden: Annotated[
        str,
        typer.Option(metavar="N,N,…", help="Units of each hidden layer; none for a linear model."),
    ] = "64,32",
    activation: Annotated[
        str, typer.Option(metavar="NAME", help="Of the hidden layers: relu, tanh, gelu, …")
    ] = "relu",
    optimizer: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="adamw, adam, rmsprop, adagrad, sgd, momentum or nesterov."
        ),
    ] = "adamw",
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Peak learning rate; it rises and falls once. [default: by the optimizer]",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Most epochs to train. [default: by the number of rows]"),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(metavar="N", help="Rows per step. [default: by the number of rows]"),
    ] = None,
    weight_decay: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="How strongly weights are pulled to 0. [default: by the number of rows]",
        ),
    ] = None,
    split: Annotated[
        float, typer.Option(metavar="SHARE", help="Of the rows, to measure the model on.")
    ] = 0.2,
    validation: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Of the training rows, to find out when to stop; 0 trains for all epochs. "
            "[default: 0.15 from 200 rows on]",
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(metavar="N", help="Epochs without progress before stopping. [default: 30]"),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Decides the split, the weights and the order.")
    ] = 0,
    refit: Annotated[
        bool,
        typer.Option(
            "--refit/--no-refit",
            help="Whether the saved model learns from the held-out rows too, once it is measured.",
        ),
    ] = True,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write report.html.")] = True,
    jit: Annotated[
        bool,
        typer.Option(
            "--jit/--no-jit",
            help="Whether to compile training where that pays; the numbers are the same within "
            "rounding.",
        ),
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one line of JSON, for scripts.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Train a network to predict one column of a table from the others.

    Part of the rows is held out, and the figures printed are for those. Numbers are standardised,
    text becomes one input per category, and gaps are filled and marked.
    """
    from backlit.cli.console import note
    from backlit.cli.output import print_json, print_result, require_finished
    from backlit.train.tabular import train

    result = train(
        table,
        target,
        out=out,
        task=task,
        hidden=sizes(hidden),
        activation=activation,
        optimizer=optimizer,
        rate=rate,
        epochs=epochs,
        batch=batch,
        weight_decay=weight_decay,
        validation=validation,
        patience=patience,
        split=split,
        seed=seed,
        refit=refit,
        report=report,
        jit=jit,
        progress=False if quiet else None,
        say=None if quiet else note,
    )
    if as_json:
        print_json(result.to_dict())
    else:
        print_result(result)
    require_finished(result)


def sizes(text: str) -> tuple[int, ...]:
    """Return the units of each hidden layer.

    Parameters
    ----------
    text : str
        Numbers between commas, or "none".

    Returns
    -------
    tuple of int

    Raises
    ------
    InputError
        If it is something else.

    Examples
    --------
    >>> sizes("64, 32"), sizes("none")
    ((64, 32), ())
    """
    if text.strip().lower() in {"none", ""}:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and 0 < int(part) < 10**6 for part in parts):
        raise InputError(
            f"--hidden is {text!r:.60}; it must be the units of each hidden layer, whole numbers "
            "from 1 to 999999 between commas",
            fix="--hidden 64,32, or --hidden none for a linear model",
        )
    return tuple(int(part) for part in parts)
