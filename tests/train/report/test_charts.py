"""Axes and charts: what is drawn where, read back from the SVG."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest

from backlit.train.report.axes import Axis, axis_for, text_of
from backlit.train.report.charts import Series, line_chart, scatter, thin
from backlit.train.report.html import Html, join, table, tag


def number(text: str) -> float:
    """Read a number as the charts write it."""
    text = text.replace("−", "-").replace(",", "")
    match = re.fullmatch(r"(-?[\d.]*)×?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", text)
    if match is None:
        return float(text)
    power = int(match[2].translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
    return float({"": 1, "-": -1}.get(match[1], match[1])) * 10.0**power


def drawing(figure: str) -> ET.Element:
    return ET.fromstring(re.search(r"<svg viewBox=\"0 0 460.*?</svg>", figure, re.S)[0])


def scale(svg: ET.Element, anchor: str, axis: str, log: bool):
    """Return the function from drawing to data that the numbers beside an axis define."""
    ticks = [
        (float(t.get(axis)), number(t.text))
        for t in svg.iter("text")
        if t.get("text-anchor") == anchor and t.get("class") is None
    ]
    (a, va), (b, vb) = ticks[0], ticks[-1]
    va, vb = (math.log10(va), math.log10(vb)) if log else (va, vb)

    def value(place: float) -> float:
        found = va + (place - a) / (b - a) * (vb - va)
        return 10**found if log else found

    return value


@pytest.mark.parametrize("log", [False, True])
def test_a_line_goes_through_its_points(log):
    xs = [float(k) for k in range(1, 21)]
    ys = [3.0 * math.exp(-k / 4) + 0.01 for k in xs]
    figure = line_chart(
        "k", "T", "A", [Series("s", xs, ys)], x_label="epoch", y_label="loss", log=log
    )
    svg = drawing(figure)
    path = next(p.get("d") for p in svg.iter("path"))
    points = [tuple(map(float, pair.split())) for pair in re.split("[ML]", path)[1:]]
    assert len(points) == 20
    x_of = scale(svg, "middle", "x", False)
    # The text of a tick stands 4 below its line.
    y_of = scale(svg, "end", "y", log)
    for (px, py), x, y in zip(points, xs, ys, strict=True):
        assert x_of(px) == pytest.approx(x, abs=0.02)
        assert y_of(py + 4) == pytest.approx(y, rel=0.02 if log else 1e-9, abs=0.01)


def test_scatter_points_and_guide():
    points = [(1.0, 2.0), (3.0, 3.0), (8.0, 5.0), (math.nan, 1.0)]
    figure = scatter("k", "T", "A", points, Html(""), x_label="a", y_label="b", diagonal=True)
    svg = drawing(figure)
    dots = [(float(c.get("cx")), float(c.get("cy"))) for c in svg.iter("circle")]
    x_of, y_of = scale(svg, "middle", "x", False), scale(svg, "end", "y", False)
    for (px, py), (x, y) in zip(dots, points[:3], strict=True):
        assert (x_of(px), y_of(py + 4)) == pytest.approx((x, y), abs=0.03)
    guide = next(line for line in svg.iter("line") if line.get("class") == "guide")
    ends = [(float(guide.get(f"x{k}")), float(guide.get(f"y{k}")) + 4) for k in (1, 2)]
    for px, py in ends:
        assert x_of(px) == pytest.approx(y_of(py), abs=0.05)


def test_gaps_where_a_number_is_not_finite():
    y = [1.0, 2.0, math.nan, 4.0, math.inf, 2.0]
    figure = line_chart("k", "T", "A", [Series("s", list(range(6)), y)], x_label="x", y_label="y")
    path = next(p.get("d") for p in drawing(figure).iter("path"))
    assert [part.count("L") + 1 for part in path.split("M")[1:]] == [2, 1, 1]
    assert figure.count("not finite") == 2  # in the table


def test_smoothed_lines_are_running_medians():
    y = [1.0, 9.0, 2.0, 8.0, 3.0]
    options = {"x_label": "x", "y_label": "y"}
    raw = line_chart("k", "T", "A", [Series("s", range(5), y)], smooth=3, **options)
    faint, bold = (p.get("d") for p in drawing(raw).iter("path"))
    plain = line_chart("k", "T", "A", [Series("s", range(5), y)], **options)
    assert next(p.get("d") for p in drawing(plain).iter("path")) == faint
    places = dict(zip(y, re.findall(r" ([\d.]+)", faint), strict=True))
    medians = [5.0, 2.0, 8.0, 3.0, 5.5]
    for value, place in zip(medians[1:4], re.findall(r" ([\d.]+)", bold)[1:4], strict=True):
        assert place == places[value]


def test_one_epoch_is_a_dot():
    figure = line_chart("k", "T", "A", [Series("s", [1.0], [0.5])], x_label="x", y_label="y")
    assert len(list(drawing(figure).iter("circle"))) == 1


@pytest.mark.parametrize(
    ("low", "high", "log"),
    [
        (0.0, 1.0, False),
        (-3e-9, 4e-9, False),
        (1e6, 1.5e6, False),
        (0.93, 0.99, False),
        (0.04, 0.9, True),
        (1e-9, 1.0, True),
        (3e-3, 4e-3, True),
        (0.5, 80.0, True),
    ],
)
def test_ticks_are_few_round_and_inside(low, high, log):
    axis = axis_for([low, high], 0.0, 100.0, log=log)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 8 and ticks == sorted(set(ticks))
    for tick in ticks:
        assert -1e-9 <= axis.place(tick) <= 100 + 1e-9
        digits = f"{abs(tick):.9e}".partition("e")[0].rstrip("0").rstrip(".")
        assert len(digits.replace(".", "")) <= 4
        assert number(text_of(tick)) == pytest.approx(tick, rel=1e-3)
    labels = [text_of(tick) for tick in ticks]
    assert len(set(labels)) == len(labels)


def test_axes_of_awkward_numbers():
    assert axis_for([], 0, 1).ticks()
    assert axis_for([math.nan, math.inf], 0, 1, log=True).ticks()
    assert axis_for([5.0, 5.0], 0, 1).low < 5.0 < axis_for([5.0, 5.0], 0, 1).high
    assert axis_for([0.0, 0.0], 0, 1).low < 0.0
    assert Axis(1.0, 100.0, 0.0, 2.0, log=True).place(10.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "value",
    [0.0, 1.0, -1.0, 0.001, 0.00099999, 12345.0, 99999.0, 123456.0, 1e-300, -9.9999e7, 1e300],
)
def test_numbers_can_be_read_back(value):
    assert number(text_of(value)) == pytest.approx(value, rel=1e-3)


def test_prices_are_written_out_and_stay_in_the_picture():
    prices = [453_217.0 + 31_000 * k for k in range(20)]
    assert text_of(prices[0]) == "453,217" and text_of(2024.0) == "2024"
    points = [(p, p + 1e7) for p in prices]
    figure = scatter("k", "T", "A", points, Html(""), x_label="a", y_label="b", diagonal=False)
    assert "×10" not in figure
    texts = list(drawing(figure).iter("text"))
    for text in texts:
        if text.get("class") is None:
            x, reach = float(text.get("x")), 8 * len(text.text)
            left = x - {"middle": reach / 2, "end": reach}[text.get("text-anchor")]
            # The label of the y axis takes up the first 20.
            assert left >= (20 if text.get("text-anchor") == "end" else 0) and left + reach <= 460


@pytest.mark.parametrize("where", [1.0, 10.0, 20.0])
def test_a_mark_has_its_text_above_the_curves(where):
    series = [Series("s", list(range(1, 21)), [1.0] * 10 + [2.0] * 10)]
    figure = line_chart("k", "T", "A", series, x_label="x", y_label="y", mark=(where, "x" * 30))
    svg = drawing(figure)
    (label,) = (t for t in svg.iter("text") if t.text == "x" * 30)
    path = next(p.get("d") for p in svg.iter("path"))
    assert float(label.get("y")) < min(float(y) for y in re.findall(r" ([\d.]+)", path)) - 4
    x, reach = float(label.get("x")), 8 * 30
    left = x if label.get("text-anchor") == "start" else x - reach
    assert left >= 0 and left + reach <= 460


def test_thin_keeps_both_ends():
    items = thin(list(range(1000)), 24)
    assert len(items) == 24 and items[0] == 0 and items[-1] == 999
    gaps = {b - a for a, b in zip(items, items[1:], strict=False)}
    assert max(gaps) - min(gaps) <= 1


def test_text_cannot_become_markup():
    evil = '"><script>alert(1)</script>&'
    made = tag("p", evil, join(evil), title=evil)
    parsed = ET.fromstring(made)
    assert parsed.text == evil + evil and parsed.get("title") == evil and len(parsed) == 0
    rows = ET.fromstring(table([evil], [[evil]], evil))
    assert [e.text for e in rows.iter() if e.text] == [evil] * 3


def test_numbers_in_tables_line_up():
    parsed = ET.fromstring(table(["name", "value"], [["a", "−1.5"], ["b", 2]], "c"))
    assert [e.get("class") for e in parsed.iter("td")] == ["number", "number"]
    parsed = ET.fromstring(table(["name", "value"], [["a", "1.5"], ["b", "none"]], "c"))
    assert [e.get("class") for e in parsed.iter("td")] == [None, None]
