"""A drawing of the network: its layers from input to output, with shapes and parameter counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backlit import nn
from backlit.train.report.html import Html, join, table, tag

_WIDTH = 460
_ROW, _GAP, _TOP = 30, 58, 8
_MOST_DOTS = 12


@dataclass(frozen=True)
class Stage:
    """One row of the drawing.

    Attributes
    ----------
    title : str
        What the numbers at this place are.
    units : int
        How many there are.
    step : str
        How they come from the row before, "" for the inputs.
    parameters : int
        Weights and biases of that step.
    path : str
        Of the layer in the model, "" for the inputs.
    """

    title: str
    units: int
    step: str = ""
    parameters: int = 0
    path: str = ""


def stages_of(model: Any, features: int) -> list[Stage]:
    """Return the rows of the drawing for a network of layers one after the other.

    Parameters
    ----------
    model : MLP or Sequential
    features : int
        Number of inputs.

    Returns
    -------
    list of Stage

    Examples
    --------
    >>> for stage in stages_of(nn.MLP([4, 8, 3], seed=0), 4):
    ...     print(f"{stage.units} {stage.title}: {stage.step or 'the table'}")
    4 inputs: the table
    8 hidden layer 1: W 4×8, b 8, relu
    3 outputs: W 8×3, b 3
    """
    found = [Stage("inputs", features)]
    layers = list(enumerate(getattr(model, "layers", (model,))))
    for index, layer in layers:
        path = f"layers.{index}" if hasattr(model, "layers") else "the model"
        if isinstance(layer, nn.Dense):
            n_in, n_out = layer.W.shape
            step = f"W {n_in}×{n_out}, b {n_out}"
            if layer.activation != "identity":
                step += f", {layer.activation}"
            last = not any(isinstance(later, nn.Dense) for _, later in layers[index + 1 :])
            title = "outputs" if last else f"hidden layer {len(found)}"
            found.append(Stage(title, n_out, step, nn.count_parameters(layer), path))
        else:
            units = found[-1].units
            parameters = nn.count_parameters(layer)
            found.append(Stage(type(layer).__name__, units, repr(layer), parameters, path))
    return found


def network(stages: Sequence[Stage]) -> Html:
    """Draw a network from top to bottom: units as dots, with lines where weights lead.

    Parameters
    ----------
    stages : sequence of Stage

    Returns
    -------
    Html
    """
    height = _TOP + _ROW + (len(stages) - 1) * (_ROW + _GAP) + 8
    total = sum(stage.parameters for stage in stages)
    sizes = " → ".join(str(stage.units) for stage in stages)
    about = f"{len(stages) - 1} layers, {sizes} units, {total:,} parameters."
    parts = []
    for number, stage in enumerate(stages):
        top = _TOP + number * (_ROW + _GAP)
        if number:
            parts.append(_links(stages[number - 1], stage, top))
        parts.append(_row(stage, top))
    picture = tag(
        "svg",
        tag("title", "The network", id="network-title"),
        tag("desc", about, id="network-about"),
        parts,
        viewBox=f"0 0 {_WIDTH} {height}",
        role="img",
        aria_labelledby="network-title network-about",
        class_="network",
    )
    numbers = table(
        ["layer", "units", "computed by", "parameters", "path"],
        [[s.title, s.units, s.step or "the table", f"{s.parameters:,}", s.path] for s in stages],
        "The layers of the network",
    )
    return tag("figure", picture, tag("figcaption", about), numbers)


def _centres(stage: Stage) -> list[float]:
    """Return where the dots of a row are from left to right."""
    shown = min(stage.units, _MOST_DOTS)
    gap = 17.0
    left = _WIDTH / 2 - gap * (shown - 1) / 2
    return [left + gap * k for k in range(shown)]


def _row(stage: Stage, top: float) -> Html:
    centres, middle = _centres(stage), top + _ROW / 2
    more = stage.units > len(centres)
    dots = [
        # The last but one place stands for those there is no room for.
        tag("text", "…", x=f"{x:.1f}", y=f"{middle + 4:.1f}", text_anchor="middle")
        if more and k == len(centres) - 2
        else tag("circle", cx=f"{x:.1f}", cy=f"{middle:.1f}", r=6)
        for k, x in enumerate(centres)
    ]
    count = tag("text", f"{stage.units:,}", x=_WIDTH - 8, y=f"{middle + 5:.1f}", text_anchor="end")
    title = tag("text", stage.title, x=8, y=f"{middle + 5:.1f}", class_="label")
    return tag("g", tag("g", dots, class_="units"), title, count)


def _links(above: Stage, stage: Stage, top: float) -> Html:
    start, end = top - _GAP - _ROW / 2 + 6, top + _ROW / 2 - 6
    lines = "".join(
        f"M{a:.1f} {start:.1f}L{b:.1f} {end:.1f}" for a in _centres(above) for b in _centres(stage)
    )
    middle = top - _GAP / 2 + 4
    label = f"{stage.step}: {stage.parameters:,} parameters" if stage.parameters else stage.step
    return join(
        tag("path", d=lines, class_="weights"),
        tag("text", label, x=_WIDTH / 2, y=middle, text_anchor="middle", class_="halo"),
    )
