"""Line charts and scatter plots as inline SVG, each with the numbers in a table behind it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from backlit.train.report.axes import Axis, axis_for, text_of
from backlit.train.report.html import Html, join, table, tag

# Drawn small, so that the text can still be read when a phone scales the picture down.
WIDTH, HEIGHT = 460, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 12, 24, 44
_CHARACTER = 8.0  # width of a digit, at most
_MOST_POINTS = 400
_MOST_ROWS = 24
_STYLES = 8

Item = TypeVar("Item")


@dataclass(frozen=True)
class Series:
    """A named line.

    Attributes
    ----------
    name : str
    x, y : sequence of float
        Of equal length; a gap is left where y is not finite.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]


def line_chart(
    key: str,
    title: str,
    about: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    log: bool = False,
    smooth: int = 1,
    mark: tuple[float, str] | None = None,
) -> Html:
    """Draw lines over a common x axis.

    Parameters
    ----------
    key : str
        Unique in the page; ids are made from it.
    title, about : str
        What the picture is called and what it shows, in words.
    series : sequence of Series
    x_label, y_label : str
    log : bool
        Whether the y axis is logarithmic.
    smooth : int
        With more than 1, bold lines are running medians over so many points, and the points
        themselves are faint.
    mark : (x, text), optional
        A vertical line.

    Returns
    -------
    Html

    Examples
    --------
    >>> chart = line_chart("c", "Loss", "It falls.", [Series("train", [1, 2], [3.0, 1.0])],
    ...                    x_label="epoch", y_label="loss")
    >>> "It falls." in chart, "log" in chart
    (True, False)
    """
    y = axis_for([v for s in series for v in s.y], HEIGHT - _BOTTOM, _TOP, log=log, label=y_label)
    x = axis_for([v for s in series for v in s.x], _left(y), WIDTH - _RIGHT, label=x_label)
    lines = [_line(s, x, y, f"s{k % _STYLES}") for k, s in enumerate(series)]
    if smooth > 1:
        lines = [
            *[_line(s, x, y, f"s{k % _STYLES} faint") for k, s in enumerate(series)],
            *[_line(_smoothed(s, smooth), x, y, f"s{k % _STYLES}") for k, s in enumerate(series)],
        ]
    drawing = [_frame(x, y), lines]
    if mark is not None:
        drawing.append(_mark(*mark, x, y))
    legend = [tag("li", _sample(f"s{k % _STYLES}"), s.name) for k, s in enumerate(series)]
    rows = thin(range(len(series[0].x)), _MOST_ROWS)
    numbers = table(
        [x_label, *[s.name for s in series]],
        [[text_of(series[0].x[k]), *[text_of(s.y[k]) for s in series]] for k in rows],
        f"{title}: numbers",
    )
    return figure(key, title, about, join(*drawing), numbers, tag("ul", legend, class_="legend"))


def scatter(
    key: str,
    title: str,
    about: str,
    points: Sequence[tuple[float, float]],
    numbers: Html,
    *,
    x_label: str,
    y_label: str,
    diagonal: bool,
) -> Html:
    """Draw points, and the line on which they should lie.

    Parameters
    ----------
    key, title, about : str
        As for `line_chart`.
    points : sequence of (x, y)
    numbers : Html
        The table behind the picture.
    x_label, y_label : str
    diagonal : bool
        Whether the line is y = x, with the same axis twice, or y = 0.

    Returns
    -------
    Html
    """
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    y = axis_for(xs + ys if diagonal else [*ys, 0.0], HEIGHT - _BOTTOM, _TOP, label=y_label)
    x = axis_for(xs + ys if diagonal else xs, _left(y), WIDTH - _RIGHT, label=x_label)
    first, last = (x.low, x.high) if diagonal else (0.0, 0.0)
    line = _segment(x.start, y.place(first), x.end, y.place(last), "guide")
    dots = [
        tag("circle", cx=_at(x.place(a)), cy=_at(y.place(b)), r=2.5)
        for a, b in thin(points, 2000)
        if math.isfinite(a) and math.isfinite(b)
    ]
    drawing = join(_frame(x, y), line, tag("g", dots, class_="dots"))
    return figure(key, title, about, drawing, numbers)


def figure(
    key: str, title: str, about: str, drawing: Html, numbers: Html, legend: Html | None = None
) -> Html:
    """Return a picture with its title, its description and the numbers behind it.

    Parameters
    ----------
    key : str
        Unique in the page.
    title, about : str
    drawing : Html
        SVG of size WIDTH × HEIGHT.
    numbers : Html
        A table.
    legend : Html, optional

    Returns
    -------
    Html
    """
    picture = tag(
        "svg",
        tag("title", title, id=f"{key}-title"),
        tag("desc", about, id=f"{key}-about"),
        drawing,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_labelledby=f"{key}-title {key}-about",
    )
    more = tag("details", tag("summary", "Numbers"), numbers)
    return tag(
        "figure",
        tag("h3", title),
        picture,
        legend,
        tag("figcaption", about),
        more,
    )


def _frame(x: Axis, y: Axis) -> Html:
    """Return grid lines, numbers and labels of both axes."""
    parts = []
    for value in y.ticks():
        height = y.place(value)
        parts.append(_segment(x.start, height, x.end, height, "grid"))
        parts.append(_text(x.start - 7, height + 4, text_of(value), "end"))
    wide = any(len(text_of(value)) > 8 for value in x.ticks())
    for value in x.ticks(3 if wide else 5):
        across, text = x.place(value), text_of(value)
        parts.append(_segment(across, y.start, across, y.start + 5, "tick"))
        # Under its tick, but for the last, which must not leave the picture.
        centre = min(across, WIDTH - _CHARACTER * len(text) / 2)
        parts.append(_text(centre, y.start + 19, text, "middle"))
    parts.append(_segment(x.start, y.start, x.end, y.start, "axis"))
    middle = (y.start + y.end) / 2
    parts.append(_text((x.start + x.end) / 2, HEIGHT - 6, x.label, "middle", class_="label"))
    parts.append(
        _text(13, middle, y.label, "middle", class_="label", transform=f"rotate(-90 13 {middle})")
    )
    return tag("g", parts, class_="frame", aria_hidden="true")


def _left(y: Axis) -> float:
    """Return where a picture begins, so that the numbers beside its y axis have room."""
    longest = max(len(text_of(value)) for value in y.ticks())
    return max(_LEFT, 28 + _CHARACTER * longest)


def _smoothed(series: Series, width: int) -> Series:
    """Return running medians, over fewer points at either end."""
    reach = width // 2
    medians = [
        statistics.median(series.y[max(0, k - reach) : k + reach + 1]) for k in range(len(series.y))
    ]
    return Series(series.name, series.x, medians)


def _line(series: Series, x: Axis, y: Axis, style: str) -> Html:
    """Return a line, broken where there is no number to draw."""
    commands, pen = [], "M"
    points = thin(list(zip(series.x, series.y, strict=True)), _MOST_POINTS)
    drawn = [(a, b) for a, b in points if math.isfinite(b) and (b > 0 or not y.log)]
    if len(drawn) == 1:
        a, b = drawn[0]
        return tag("circle", cx=_at(x.place(a)), cy=_at(y.place(b)), r=4, class_=f"dot {style}")
    for a, b in points:
        if not math.isfinite(b) or (y.log and b <= 0):
            pen = "M"
            continue
        commands.append(f"{pen}{_at(x.place(a))} {_at(y.place(b))}")
        pen = "L"
    return tag("path", d="".join(commands), class_=f"line {style}")


def _mark(where: float, text: str, x: Axis, y: Axis) -> Html:
    """Return a vertical line, with its text above the curves."""
    across, reach = x.place(where), _CHARACTER * len(text)
    start = across + reach <= WIDTH
    label = _text(across, y.end - 8, text, "start" if start else "end", class_="halo")
    return tag("g", _segment(across, y.end - 4, across, y.start, "guide"), label)


def _sample(style: str) -> Html:
    """Return a short stretch of a line, for the legend."""
    stroke = tag("path", d="M1 5L27 5", class_=f"line {style}")
    return tag("svg", stroke, viewBox="0 0 28 10", class_="sample", aria_hidden="true")


def _segment(x1: float, y1: float, x2: float, y2: float, class_: str) -> Html:
    return tag("line", x1=_at(x1), y1=_at(y1), x2=_at(x2), y2=_at(y2), class_=class_)


def _text(x: float, y: float, text: str, anchor: str, **attributes: str) -> Html:
    return tag("text", text, x=_at(x), y=_at(y), text_anchor=anchor, **attributes)


def _at(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def thin(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most so many items, spread evenly, with the first and the last.

    Parameters
    ----------
    items : sequence
    most : int
        At least 2.

    Returns
    -------
    list

    Examples
    --------
    >>> thin(range(10), 4)
    [0, 3, 6, 9]
    """
    if len(items) <= most:
        return list(items)
    return [items[round(k * (len(items) - 1) / (most - 1))] for k in range(most)]
