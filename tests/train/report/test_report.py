"""The report: complete, self-contained, accessible, and true."""

from __future__ import annotations

import html.parser
import json
import math
import re
import warnings
from dataclasses import replace

import numpy as onp
import pytest

from backlit.data import ReplacedWarning, Table
from backlit.train import load
from backlit.train.report import report_page
from backlit.train.report.examples import pixel_grid
from backlit.train.tabular import TableModel, demo, predict, train

VOID = {"meta", "br", "col"}


class Page(html.parser.HTMLParser):
    """Elements of a page, checked to be nested properly."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.texts.append((self.open[-1], data))

    def find(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag):
        return [data for name, data in self.texts if name == tag]


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    """A report of a run with validation, on columns and labels with hostile names."""
    folder = tmp_path_factory.mktemp("classes")
    rng = onp.random.default_rng(0)
    y = ["</style><script>alert(1)</script>", "b & c", '"d"'] * 30
    x = [float(["</", "b ", '"d'].index(label[:2]) + rng.normal(0, 0.7)) for label in y]
    columns = {
        "<img src=x onerror=alert(2)>": x,
        "note 'n'": [f"{'<b>' if k % 2 else 'plain'}" for k in range(90)],
        "empty": [None] * 90,
        "y": y,
    }
    table = Table.from_columns(columns)
    with pytest.warns(match="'empty' is left out"):
        result = train(table, "y", out=folder, epochs=12, hidden=(5, 4), validation=0.2, seed=2,
                       refit=False, progress=False)  # fmt: skip
    return result, table, Page(result.report.read_text("utf-8"))


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbers")
    rng = onp.random.default_rng(0)
    x = rng.uniform(-2, 2, 60)
    columns = {"x": x, "y": 100 * x**2 + rng.normal(0, 5, 60)}
    result = train(Table.from_columns(columns), "y", out=folder, epochs=30, progress=False)
    return result, Page(result.report.read_text("utf-8"))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    result = demo(out=tmp_path_factory.mktemp("digits"), epochs=2, progress=False)
    return result, Page(result.report.read_text("utf-8"))


@pytest.fixture(params=["classes", "numbers", "digits"])
def page(request):
    return request.getfixturevalue(request.param)[-1]


def test_it_needs_nothing_but_itself(page):
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "image"} & {
        name for name, _ in page.elements
    }
    for _, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in {"src", "href", "xlink:href", "action"}
            assert "url(" not in (value or "")
    style = "".join(page.text("style"))
    assert "@import" not in style and "url(" not in style and "http" not in style
    policy = [m["content"] for m in page.find("meta") if m.get("http-equiv")]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_it_is_accessible(page):
    assert page.find("html")[0]["lang"] == "en"
    assert len(page.find("h1")) == 1 and page.find("title")
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    pictures = [svg for svg in page.find("svg") if svg.get("aria-hidden") != "true"]
    assert len(pictures) >= 5
    titles = [t for t in page.text("title") if t.strip()]
    for svg in pictures:
        assert svg["role"] == "img"
        for reference in (svg.get("aria-labelledby") or "").split():
            assert reference in ids
    assert len(titles) >= len(pictures)
    assert len(page.find("caption")) == len(page.find("table")) >= 5
    assert all(th.get("scope") in {"row", "col"} for th in page.find("th"))


def test_both_colour_schemes_are_there(page):
    style = "".join(page.text("style"))
    assert "prefers-color-scheme: dark" in style and "color-scheme: light dark" in style


def test_names_from_the_table_are_text(classes):
    _, table, page = classes
    assert any("<img src=x onerror=alert(2)>" in text for text in page.text("th"))
    assert any("<script>alert(1)</script>" in text for text in page.text("th"))


def test_the_confusion_matrix_counts_the_held_out_rows(classes):
    result, table, page = classes
    given = predict(result.model, table).prediction
    held_out = [row for row in range(90) if row not in set(train_rows(table))]
    labels = sorted(set(table["y"].tolist()))
    counts = [
        sum(table["y"][k] == a and given[k] == b for k in held_out) for a in labels for b in labels
    ]
    cells = [int(text) for (tag, attributes), text in cells_of(page) if "confusion" in attributes]
    assert cells == counts
    assert sum(counts[k * 4] for k in range(3)) / 18 == pytest.approx(result.test["accuracy"])


def train_rows(table):
    from backlit.data import split_rows

    return split_rows(90, 0.2, 2, stratify=table["y"].tolist())[0].tolist()


def cells_of(page):
    """Yield the shaded cells of the confusion matrix with their text."""
    shaded = [a for a in page.find("td") if a.get("class") in {"right", "wrong"}]
    words = [re.match(r"(\d+) of", a["title"])[1] for a in shaded]
    return [(("td", {"confusion"}), text) for text in words]


def test_worst_rows_are_the_worst(classes):
    result, table, page = classes
    found = predict(result.model, table)
    chance = onp.array(
        [found.probabilities[k][found.labels.index(table["y"][k])] for k in range(90)]
    )
    held_out = sorted(set(range(90)) - set(train_rows(table)))
    order = sorted(held_out, key=lambda k: chance[k])[:12]
    text = result.report.read_text("utf-8")
    part = text.partition("The held-out rows with the largest loss")[2].partition("</table>")[0]
    rows = [int(m) for m in re.findall(r'<th scope="row" class="number">(\d+)</th>', part)]
    assert rows == order


def test_curves_hold_every_epoch(classes):
    result, _, page = classes
    path = next(
        p["d"] for p in page.find("path") if p.get("class") == "line s0" and len(p["d"]) > 20
    )
    assert path.count("L") + 1 == len(result.history.epochs)
    text = " ".join(page.text("figcaption"))
    assert "Loss on the training rows" in text and "Loss on the validation rows" in text


def test_layers_of_the_network(classes):
    result, _, page = classes
    model = load(result.model).model
    cells = " ".join(page.text("td"))
    for layer in model.layers:
        n_in, n_out = layer.W.shape
        assert f"W {n_in}×{n_out}, b {n_out}" in cells
    total = sum(layer.W.size + layer.b.size for layer in model.layers)
    assert f"{total:,} parameters" in " ".join(page.text("figcaption"))
    names = " ".join(page.text("li"))
    for k in range(len(model.layers)):
        assert f"layers.{k}" in names  # in the legends of gradients and update ratios


def test_every_setting_is_there(classes):
    result, _, page = classes
    settings = load(result.model).info["settings"]
    assert result.command in page.text("pre")
    text = " ".join(page.text("td") + page.text("th"))
    for name, value in settings.items():
        assert name.replace("_", " ") in text
        shown = {True: "yes", False: "no"}.get(value) if isinstance(value, bool) else None
        shown = shown or (", ".join(map(str, value)) if isinstance(value, list) else str(value))
        assert shown in text, name
    everything = json.loads(next(text for text in page.text("pre") if text.startswith("{")))
    assert everything["settings"] == settings
    assert everything["fit"] == json.loads(json.dumps(result.history.settings))
    assert "The column 'empty' was left out: it has no value in any row." in page.text("li")


def test_residuals(numbers):
    result, page = numbers
    assert any("root mean squared error" in text for text in page.text("th"))
    dots = [c for c in page.find("circle") if c.get("r") == "2.5"]
    assert len(dots) == 2 * result.test_rows
    assert "R² of always answering the mean" in page.text("dt")
    assert any("learned from all 60 rows" in text for text in page.text("li"))


def test_a_baseline_near_zero_is_a_plain_number(numbers):
    result, page = numbers
    (shown,) = (
        text
        for text, words in zip(page.text("dd"), page.text("dt"), strict=True)
        if "mean" in words
    )
    assert shown == f"{result.baseline:.3f}".replace("-", "−")


def test_the_epoch_is_marked_that_was_trained_up_to_and_no_other(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("backlit.train.report.write_report", lambda *args: calls.append(args[1:]))
    table = Table.from_columns({"x": range(60), "y": ["a", "b", "a"] * 20})
    result = train(table, "y", out=tmp_path, epochs=5, validation=0.3, progress=False)
    ((_, *others),) = calls
    mark = f"lowest validation loss: epoch {result.history.best_epoch}"
    assert Page(report_page(result, *others)).text("text").count(mark) == 2
    # The demo keeps the model of its last epoch, whatever the validation loss was.
    longer = replace(result, epochs=result.epochs + 1)
    assert mark not in Page(report_page(longer, *others)).text("text")


def test_the_hardest_rows_are_not_called_wrong_if_they_are_right(classes, numbers):
    result, table, page = classes
    held_out = [row for row in range(90) if row not in set(train_rows(table))]
    given = predict(result.model, table).prediction
    wrong = sum(given[row] != table["y"][row] for row in held_out)
    text = " ".join(page.text("p"))
    assert f"The model got {wrong or 'none'} of 18 held-out rows wrong." in text
    assert "Of 12 held-out rows, these have the largest errors." in " ".join(numbers[1].text("p"))


def test_digits_are_drawn(digits):
    result, page = digits
    inks = [svg for svg in page.find("svg") if svg.get("class") == "ink"]
    assert len(inks) == 12 and all(svg["viewbox"] == "0 0 8 8" for svg in inks)
    assert "backlit demo --seed 0 --epochs 2" in " ".join(page.text("pre"))
    assert len(page.find("rect")) > 12 * 10


def test_only_full_rectangles_of_numbers_are_images():
    def grid(names, values=(0,)):
        table = Table.from_columns({name: list(values) for name in names})
        return pixel_grid(table, table.names)

    names = [f"p{r}_{c}" for r in range(4) for c in range(5)]
    assert grid(names)[2, 3] == "p2_3"
    assert grid(names[:-1]) is None
    assert grid([*names, "age"]) is None
    assert grid([*names[:-1], "q3_4"]) is None
    assert grid(names, ["text"]) is None
    assert grid(["p0_0", "p0_1", "p1_0", "p1_1"]) is None


def test_many_classes_become_a_list_of_mistakes(tmp_path):
    rng = onp.random.default_rng(0)
    y = [f"class {k % 30}" for k in range(300)]
    table = Table.from_columns({"x": rng.normal(size=300), "y": y})
    result = train(table, "y", out=tmp_path, epochs=2, hidden=(4,), progress=False)
    page = Page(result.report.read_text("utf-8"))
    assert "The most frequent mistakes among 30 classes" in page.text("caption")
    assert not list(cells_of(page))


def test_a_failed_report_leaves_the_new_model_and_no_report_of_the_old(tmp_path, monkeypatch):
    (tmp_path / "report.html").write_text('<meta name="generator" content="Backlit">old')
    monkeypatch.setattr(
        "backlit.train.report.page._summary", lambda result: (_ for _ in ()).throw(MemoryError)
    )
    table = Table.from_columns({"x": list(range(20)), "y": [0.5 * k for k in range(20)]})
    with pytest.raises(MemoryError), pytest.warns(ReplacedWarning, match="replaced the report in"):
        train(table, "y", out=tmp_path, epochs=1, progress=False)
    assert not (tmp_path / "report.html").exists()
    assert load(tmp_path / "model.safetensors").model is not None


def test_a_report_says_who_made_it_and_draws_the_saved_network(tmp_path):
    # Category "rare" is in one row, which is held out with this seed or learned from with another;
    # the model that learns from all rows knows it, the measured one may not.
    colours = ["red", "blue"] * 20
    found = []
    for row in range(8):
        table = Table.from_columns(
            {
                "colour": [*colours[:row], "rare", *colours[row + 1 :]],
                "y": [0.5 * k for k in range(40)],
            }
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ever other rows are replaced, and have gaps
            result = train(table, "y", out=tmp_path, epochs=1, progress=False)
        text = result.report.read_text("utf-8")
        saved = TableModel.load(result.model)
        inputs = saved.model.layers[0].W.shape[0]
        measured = result.history.model.layers[0].W.shape[0]
        found.append(inputs != measured)
        assert result.features == inputs == len(saved.preprocessor.feature_names)
        assert f"W {inputs}×64" in text
        assert '<meta name="generator" content="Backlit">' in text[:400]
    assert any(found)  # else this has shown nothing


def test_r2_of_one_row_is_undefined(tmp_path):
    table = Table.from_columns({"x": [1.0, 2.0, 3.0, 4.0, 5.0], "y": [1.5, 2.5, 3.5, 4.5, 5.5]})
    result = train(table, "y", out=tmp_path, epochs=1, progress=False)
    assert result.test_rows == 1 and result.test["r2"] is None and result.baseline is None
    assert result.test["loss"] is not None
    page = Page(result.report.read_text("utf-8"))
    assert "undefined (one row)" in page.text("dd")


def test_its_commands_can_be_typed_where_it_was_made(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{k},{k}.5\n" for k in range(20)))
    monkeypatch.setattr("sys.argv", ["/there/bin/backlit"])
    monkeypatch.setattr("shutil.which", lambda name: None)
    result = train(tmp_path / "t.csv", "y", out=tmp_path / "out", epochs=1, progress=False)
    commands = [
        text
        for text in Page(result.report.read_text("utf-8")).text("pre")
        if "backlit " in text[:30]
    ]
    assert [text.split()[:2] for text in commands] == [
        ["/there/bin/backlit", "explain"],
        ["/there/bin/backlit", "train"],
    ]
    assert result.command.startswith("backlit train ")  # which model files keep


def test_an_undefined_curve_is_said_and_not_drawn(tmp_path):
    columns = {"x": [float(k) for k in range(12)], "y": [1.5 * k for k in range(12)]}
    result = train(
        Table.from_columns(columns), "y", out=tmp_path, epochs=2, validation=0.1, progress=False
    )
    assert math.isnan(result.history.epochs[0]["val_r2"])  # one row to validate on
    assert "undefined" in repr(result.history) and "nan" not in repr(result.history)
    assert result.history.to_dict()["epochs"][0]["val_r2"] is None
    text = result.report.read_text("utf-8")
    assert "R² is undefined on the validation rows: there is one" in text
    assert "not finite" not in text
