"""The pages of docs/questions are what their code makes, and each says what it has to."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import build_questions
import pytest

PICTURES = build_questions.DOCS / "pictures"
NUMBER = re.compile(r"-?\d+\.\d+")


def assert_same_picture(ours: str, committed: str) -> None:
    """Compare two pictures; coordinates may differ in the last place from machine to machine."""
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", committed)
    pairs = zip(NUMBER.findall(ours), NUMBER.findall(committed), strict=True)
    assert all(abs(float(a) - float(b)) < 1e-3 for a, b in pairs)


@pytest.mark.parametrize("page", build_questions.PAGES, ids=lambda page: page.stem)
def test_the_page_is_what_its_code_makes(page: Path) -> None:
    built = build_questions.build(page)
    assert built.text == page.read_text(encoding="utf-8"), "run make pages"
    assert built.pictures
    for name, picture in built.pictures.items():
        assert_same_picture(picture, (PICTURES / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", build_questions.PAGES, ids=lambda page: page.stem)
def test_the_page_has_all_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 220
    assert text.startswith("# ") and text.split("\n\n")[1].startswith("*")
    assert "```math\n\\begin{aligned}" in text
    last = text.split("\n## ")[-1]
    assert last.startswith("Try it on your own equation")
    assert "```notes" in last and "$ backlit check notes.md" in last and "    wrong: " in last
    for alt, link in re.findall(r"!\[([^]]*)\]\(([^)]+)\)", text):
        assert len(alt) > 60
        ElementTree.parse(page.parent / link)
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (page.parent / link).exists(), link


def test_there_is_a_page_for_every_question() -> None:
    assert [page.name[:2] for page in build_questions.PAGES] == ["q0", "q1", "q2", "q3", "q4"]


def test_what_stands_in_a_page_is_replaced_by_what_its_code_prints(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nx = 2\nprint(x * 3)\n```\n\n```text\nold\n```\n\n<!-- run\nprint(x)\n-->\n\n"
        "```math\n```\n\n```notes\nz = x^2\ndz/dx = x\n```\n\n"
        "```console\n$ backlit check notes.md\nold\n```\n",
        encoding="utf-8",
    )
    built = build_questions.build(page)
    assert "```text\n6\n```" in built.text and "```math\n2\n```" in built.text
    assert "try: ∂z/∂x = 2 x" in built.text and "old" not in built.text
    assert built.pictures == {}
    assert build_questions.build(page) == built
