"""``backlit predict``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  backlit predict backlit-flowers new.csv
  backlit predict backlit-flowers/model.safetensors new.parquet --out predictions.parquet
  backlit predict backlit-flowers "SELECT * FROM 'new.csv' LIMIT 10" --out first.json
"""


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
            help="A file, several by a pattern in quotes, or an SQL query, with the columns the "
            "model was trained on.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Where to write: .csv, .tsv, .parquet, .json or .ndjson; - prints CSV.",
        ),
    ] = "-",
) -> None:
    """Predict the target of every row of a table.

    Writes one row per row of the table, in its order: the prediction, and for classes the
    probability of each.
    """
    from backlit.cli.console import note
    from backlit.train.tabular import predict
    from backlit.train.tabular.writing import print_csv

    printed = out == "-"
    found = predict(model, table, out=None if printed else out)
    if printed:
        print_csv(found.columns(), sys.stdout)
    else:
        note(f"{len(found)} predictions of {found.target!r} are in {out}")
