"""``backlit demo``."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  backlit demo
  backlit demo --seed 1 --out my-digits
  backlit demo --json
"""


def command(
    out: Annotated[
        str, typer.Option(metavar="DIR", help="Folder for the model, the report and the tables.")
    ] = "backlit-demo",
    seed: Annotated[
        int, typer.Option(metavar="N", help="Decides the split, the weights and the order.")
    ] = 0,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="How often to visit the images.")
    ] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write report.html.")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one line of JSON, for scripts.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Watch a network learn handwritten digits.

    Trains on four fifths of the 1,797 images that ship with Backlit (8 × 8 pixels; UCI Optical
    Recognition of Handwritten Digits, CC BY 4.0) and measures it on the rest, in seconds.
    """
    from backlit.cli.console import note
    from backlit.cli.output import print_json, print_result, require_finished
    from backlit.train.tabular import demo

    result = demo(
        out=out,
        seed=seed,
        **({} if epochs is None else {"epochs": epochs}),
        report=report,
        progress=not quiet,
        say=None if quiet else note,
    )
    if as_json:
        print_json(result.to_dict())
    else:
        print_result(result)
    require_finished(result)
