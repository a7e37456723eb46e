"""A sheet of verdicts as HTML: each line of the notes, the wrong part underlined."""

from __future__ import annotations

from backlit.explain.equation.report import summary
from backlit.explain.equation.verdicts import REFUSED, RIGHT, WRONG, Sheet, Verdict
from backlit.explain.render.html import framed
from backlit.train.report.html import Html, join, tag

_MARKS = {RIGHT: "✓", WRONG: "✗", REFUSED: "?"}
_STYLE = """
.bl-doc .claims { list-style: none; padding: 0; }
.bl-doc .claims pre { white-space: pre-wrap; margin: 0; }
.bl-doc .claims p { margin: .1rem 0 .1rem 1.6rem; }
.bl-doc .claims u { text-decoration: underline wavy currentcolor; text-underline-offset: .25em; }
"""


def fragment_of_sheet(sheet: Sheet) -> str:
    """Return a sheet as an element to be shown within another page.

    Parameters
    ----------
    sheet : Sheet

    Returns
    -------
    str
        Without scripts, and without anything that would have to be fetched.
    """
    assumed = None
    if sheet.assumptions:
        items = [tag("li", text) for text in sheet.assumptions]
        assumed = join([tag("p", "Assumed, because the notes do not say:"), tag("ul", items)])
    claims = tag("ul", [_claim(v, sheet.lines) for v in sheet.verdicts], class_="claims")
    return framed(tag("style", Html(_STYLE)), assumed, claims, tag("p", summary(sheet)))


def _claim(verdict: Verdict, lines: tuple[str, ...]) -> Html:
    text = lines[verdict.line - 1] if verdict.line <= len(lines) else verdict.claim
    start, end = verdict.span
    if verdict.verdict == RIGHT or end <= start:
        shown = Html(tag("span", text.strip()))
    else:
        marked = tag("u", text[start:end])
        shown = join([text[:start].lstrip(), marked, text[end:].rstrip()])
    word = "try" if verdict.verdict == WRONG else "fix"
    advice = None
    if verdict.suggestion is not None:
        advice = tag("p", f"{word}: ", tag("code", verdict.suggestion))
    head = tag("pre", f"{_MARKS[verdict.verdict]} line {verdict.line}: ", shown)
    return tag("li", head, tag("p", f"{verdict.verdict}: {verdict.message}"), advice)
