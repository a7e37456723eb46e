"""What can be shown: files by their suffix, notebooks, and what happens without graphlay."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from backlit.core.errors import InputError
from backlit.explain.drawing import layout
from backlit.explain.shown import FORMATS, format_of
from tests.explain.render.pages import VIEWS


@pytest.mark.parametrize("suffix", [".txt", ".json", ".tex", ".html", ".svg", ".mml", ".HTM"])
def test_the_suffix_decides_what_is_written(tmp_path: Path, suffix: str) -> None:
    view, file = VIEWS["weight"], tmp_path / f"why{suffix}"
    view.save(file)
    written = file.read_text(encoding="utf-8")
    assert written == view.to(format_of(file))
    begins = {
        ".txt": "The gradient of",
        ".json": '{"function"',
        ".tex": "\\documentclass",
        ".html": "<!doctype html>",
        ".HTM": "<!doctype html>",
        ".svg": "<svg ",
        ".mml": "<math ",
    }
    assert written.startswith(begins[suffix])


def test_a_format_may_be_named(tmp_path: Path) -> None:
    file = tmp_path / "page.tmp"
    VIEWS["gate"].save(file, "svg")
    assert file.read_text(encoding="utf-8") == VIEWS["gate"].to_svg()


def test_other_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"end its name in one of \.txt"):
        VIEWS["weight"].save(tmp_path / "why.png")
    with pytest.raises(InputError, match="format"):
        VIEWS["weight"].to("pdf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("format", FORMATS)
def test_every_view_has_every_format(name: str, format: str) -> None:
    view = VIEWS[name]
    if format == "svg" and name in ("no path", "fine"):
        with pytest.raises(InputError, match="nothing to draw"):
            view.to("svg")
    else:
        text = view.to(format)
        assert isinstance(text, str) and text.strip()


def test_json_is_the_data_of_the_view() -> None:
    view = VIEWS["weight"]
    assert json.loads(view.to_json()) == json.loads(json.dumps(view.to_dict()))
    assert json.loads(VIEWS["gate"].to_json())["is"] == "Picture"
    assert json.loads(VIEWS["modes"].to_json())["multiplications"]["reverse"]


def test_notebooks() -> None:
    view = VIEWS["sheet"]
    bundle = view._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "text/latex"}
    assert bundle["text/plain"] == str(view)
    assert bundle["text/html"] == view._repr_html_() and "<html" not in bundle["text/html"]
    assert bundle["text/latex"].startswith("$$\\begin{aligned}")
    assert set(view._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}
    assert "text/html" not in view._repr_mimebundle_(exclude={"text/html"})
    # Without a formula there is no LaTeX to show.
    assert set(VIEWS["zero"]._repr_mimebundle_()) == {"text/plain", "text/html"}
    assert VIEWS["zero"]._repr_latex_() is None


def test_without_graphlay_only_pictures_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="need graphlay, which is not installed") as raised:
        VIEWS["gate"].to_svg()
    assert "-m pip install 'graphlay<0.4'" in str(raised.value)
    page = VIEWS["weight"].to_html()
    assert "<svg" not in page and "pip install &#x27;graphlay&lt;0.4&#x27;" in page
    assert "The backward pass" in page and VIEWS["weight"].to_latex()


def test_the_picture_of_a_page_is_that_of_the_file() -> None:
    root = ElementTree.fromstring(VIEWS["weight"].to_svg())
    texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    page = VIEWS["weight"].to_html()
    assert texts.count("0.000438568") == 1 and ">0.000438568</text>" in page
