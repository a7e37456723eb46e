"""Pages: well formed, reachable, readable, and without anything that would have to be fetched."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib import resources
from xml.etree import ElementTree

import pytest

from backlit.explain.document import Document, Paragraph, Table
from backlit.explain.drawing.svg import STYLE
from backlit.explain.render.html import fragment_of, page_of
from tests.explain.render.pages import DOCUMENTS
from tests.explain.render.test_mathml import check

VOID = {"meta", "br", "col"}
PAGES = {name: page_of(document) for name, document in DOCUMENTS.items()}


class Page(HTMLParser):
    """What is in a page, and whether it closes what it opens."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("name", PAGES)
def test_it_is_well_formed_and_knows_its_language(name: str) -> None:
    text = PAGES[name]
    page = Page(text)
    assert text.startswith("<!doctype html>\n")
    assert page.all("html")[0]["lang"] == "en" and page.all("title")
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all(
        "meta"
    )
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = [a["href"] or "" for a in page.all("a")]
    assert all(link.startswith("#") and link[1:] in ids for link in links)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert all(b - a <= 1 for a, b in zip([0, *levels], levels, strict=False))


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_fetched_and_nothing_runs(name: str) -> None:
    text = PAGES[name]
    page = Page(text)
    assert "default-src &#x27;none&#x27;" in text
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "img", "iframe", "link", "object", "embed", "video", "audio"}
    for _, attributes in page.tags:
        assert not any(key.startswith("on") or key in ("src", "srcset") for key in attributes)
    addresses = set(re.findall(r"https?://[^\s\"'<]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"}
    assert "url(" not in text and "@import" not in text


@pytest.mark.parametrize("name", PAGES)
def test_tables_have_headers_captions_and_even_rows(name: str) -> None:
    for match in re.findall(r"<table>.*?</table>", PAGES[name]):
        root = ElementTree.fromstring(match)
        assert (root.findtext("caption") or "").strip()
        for cell in root.iter("th"):
            assert cell.get("scope") in ("row", "col", "rowgroup", "colgroup")
        widths: list[int] = []
        held = 0  # rows that a first cell still reaches down over
        for row in root.iter("tr"):
            cells = list(row)
            width = sum(int(cell.get("colspan") or 1) for cell in cells)
            if held:
                width, held = width + 1, held - 1
            else:
                held = int(cells[0].get("rowspan") or 1) - 1
            widths.append(width)
        assert held == 0 and len(set(widths)) == 1


@pytest.mark.parametrize("name", PAGES)
def test_formulas_and_pictures_inside_are_well_formed(name: str) -> None:
    text = PAGES[name]
    for match in re.findall(r"<math\b.*?</math>", text):
        root = ElementTree.fromstring(match)
        check(root)
        assert (root.get("alttext") or "").strip()
    pictures = re.findall(r"<svg\b.*?</svg>", text)
    for match in pictures:
        root = ElementTree.fromstring(match)
        assert root.get("role") in ("img", "group")
        assert root[0].tag.endswith("title") and (root[0].text or "").strip()
    assert len(pictures) % 2 == 0


@pytest.mark.parametrize("name", PAGES)
def test_what_scrolls_can_be_reached_by_keyboard_and_has_a_name(name: str) -> None:
    for tag, attributes in Page(PAGES[name]).tags:
        if tag == "div" and attributes.get("class") in ("wide", "panel"):
            assert attributes["tabindex"] == "0" and attributes["role"] == "region"
            assert attributes["aria-label"]
        if attributes.get("class") == "display" or tag == "pre":
            assert attributes["tabindex"] == "0"


def test_folded_parts_are_closed_and_nested() -> None:
    page = Page(PAGES["network"])
    folds = page.all("details")
    assert len(folds) > 5 and all("open" not in fold and fold["id"] for fold in folds)
    assert len(page.all("summary")) == len(folds)
    linked = {(a["href"] or "")[1:] for a in page.all("a")}
    assert {fold["id"] for fold in folds} == linked


def test_everything_is_escaped() -> None:
    page = Page(PAGES["all"])
    text = "".join(page.text)
    assert '$5 < 6 > 4 | "quoted"' in text and "naïve Łódź" in text
    assert "return {x: 1}  # 100 % ∂" in text
    hostile = "<script>alert(1)</script><img src=x onerror=1>\"'&"
    page = Page(page_of(Document((hostile,), (Paragraph((hostile,)),))))
    assert hostile in "".join(page.text) and not page.all("script") and not page.all("img")


def test_long_tables_are_cut_in_the_middle() -> None:
    rows = tuple([((f"row {k}",), (str(k),)) for k in range(1000)])
    page = page_of(Document((), (Table("Many", (), "<>", rows),)))
    assert "row 0<" in page and "row 999<" in page and "row 500<" not in page
    assert "600 lines left out" in page


@pytest.mark.parametrize("name", ["weight", "gate", "sheet"])
def test_a_notebook_gets_an_element_with_its_own_style(name: str) -> None:
    text = fragment_of(DOCUMENTS[name])
    Page(text)
    assert text.startswith('<div class="bl-doc" lang="en"><style>') and "<html" not in text
    # No rule reaches what is around it.
    css = re.search(r"<style>(.*?)</style>", text, re.S)
    assert css is not None
    for selector in selectors(css[1]):
        assert selector.startswith((".bl-doc", ".bl-page", ".bl-picture")), selector


def selectors(css: str) -> list[str]:
    flat = re.sub(r"@media[^{]*\{((?:[^{}]*\{[^{}]*\})*)\s*\}", r"\1", css)
    found = re.findall(r"([^{}]+)\{", flat)
    return [one.strip() for group in found for one in group.split(",")]


# --- colours ----------------------------------------------------------------------------------


def variables(css: str) -> list[dict[str, str]]:
    """Return the colours of the light and of the dark scheme."""
    light, _, dark = css.partition("prefers-color-scheme: dark")
    pattern = r"--([a-z]+): (#[0-9a-f]{3,6})"
    first = dict(re.findall(pattern, light))
    return [first, {**first, **dict(re.findall(pattern, dark))}]


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join([c * 2 for c in colour[1:]])
    parts = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    high, low = sorted([luminance(one), luminance(two)], reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_and_lines_stand_out_in_both_schemes(scheme: int) -> None:
    # WCAG 2.2: 4.5 for text, 3 for what has to be seen to understand a picture.
    page = resources.files("backlit.explain.render").joinpath("style.css").read_text("utf-8")
    for css in (page, STYLE):
        colours = variables(css)[scheme]
        for text in ("ink", "soft"):
            for paper in ("paper", "card"):
                assert contrast(colours[text], colours[paper]) >= 4.5, (text, paper)
    colours = variables(STYLE)[scheme]
    for line in ("way", "back", "line"):
        assert contrast(colours[line], colours["paper"]) >= 3.0, line
