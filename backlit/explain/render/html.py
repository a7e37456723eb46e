"""Documents as HTML: a page that needs nothing but itself, or a part of a notebook."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

from backlit.explain.document import (
    NOTHING,
    Bullets,
    Code,
    Content,
    Document,
    Figure,
    Formula,
    Inline,
    Listing,
    Math,
    Paragraph,
    Part,
    Picture,
    Section,
    Steps,
    Strong,
    Table,
)
from backlit.explain.drawing.layout import can_draw
from backlit.explain.drawing.svg import STYLE, panels
from backlit.explain.equation.text.printing import unicode
from backlit.explain.render.mathml import content, mathml, step_rows
from backlit.explain.render.terminal import inline_text
from backlit.train.report.html import Html, join, tag

# A page stays readable; the data are in the JSON.
_MOST_ROWS = 400
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_NO_PICTURE = "The picture needs a library that is not installed: pip install 'graphlay<0.4'"


def page_of(document: Document) -> str:
    """Return a document as a page of its own.

    Parameters
    ----------
    document : Document

    Returns
    -------
    str
        Without scripts, and without anything that would have to be fetched. Pictures need the
        extra ``draw``; without it the page says so.
    """
    title = inline_text(_headed(document).title)
    footer = tag("footer", "Made by Backlit. This page needs no connection and runs no script.")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        # Whatever is explained: this page can load nothing and run nothing.
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", title),
        _style(),
    )
    main = tag("main", _content(document), footer)
    page = tag("html", head, tag("body", main, class_="bl-doc bl-page"), lang=document.language)
    return f"<!doctype html>\n{page}\n"


def fragment_of(document: Document) -> str:
    """Return a document as an element to be shown within another page.

    Parameters
    ----------
    document : Document

    Returns
    -------
    str
    """
    return framed(_content(document), language=document.language)


def framed(*content: Html | None, language: str = "en") -> Html:
    """Return content with the style that it needs in another page.

    Parameters
    ----------
    *content : Html or None
    language : str

    Returns
    -------
    Html
    """
    return tag("div", _style(), *content, class_="bl-doc", lang=language)


def _style() -> Html:
    text = resources.files(__package__).joinpath("style.css").read_text("utf-8")
    return tag("style", Html(text + STYLE))


def _content(document: Document) -> Html:
    headed = _headed(document)
    title = tag("h1", _inline(headed.title)) if headed.title else None
    return join(title, [_block(part, 2) for part in headed.parts])


def _headed(document: Document) -> Document:
    """Return a document with a title: its first sentence where it has none."""
    first = document.parts[0] if document.parts else None
    if document.title or not isinstance(first, Paragraph):
        return document
    return replace(document, title=first.content, parts=document.parts[1:])


# --- in a line --------------------------------------------------------------------------------


def _inline(pieces: Content) -> Html:
    return join([_piece(piece) for piece in pieces])


def _piece(piece: Inline) -> Html:
    match piece:
        case Math(node=node, text=text):
            return mathml(node, text or unicode(node))
        case Code(text=text):
            return tag("code", text)
        case Strong(text=text):
            return tag("strong", text)
    return join(piece)


# --- blocks -----------------------------------------------------------------------------------


def _block(part: Part, depth: int) -> Html | None:
    match part:
        case Paragraph():
            return tag("p", _inline(part.content))
        case Section():
            note = tag("p", _inline(part.note), class_="note") if part.note else None
            titled = bool(part.title)
            inner = [_block(one, depth + titled) for one in part.parts]
            title = tag(f"h{min(depth, 6)}", _inline(part.title)) if titled else None
            return tag("section", title, note, inner)
        case Table():
            return _table(part) if part.rows else None
        case Formula(math=math, note=note):
            shown = tag("math", content(math), display="block", alttext=inline_text((math,)))
            beside = tag("span", _inline(note), class_="note") if note else None
            return tag("div", shown, beside, class_="display", tabindex=0)
        case Steps(left=left, steps=steps):
            said = " = ".join([inline_text((left,)), *[inline_text(s.right) for s in steps]])
            rows = tag("mtable", step_rows(part))
            shown = tag("math", rows, display="block", alttext=said)
            return tag("div", shown, class_="display", tabindex=0)
        case Bullets(items=items, ordered=ordered):
            lines = [tag("li", [tag("div", _inline(line)) for line in item]) for item in items]
            return tag("ol" if ordered else "ul", lines) if lines else None
        case Listing(code=code, caption=caption):
            return tag("pre", tag("code", code), tabindex=0, aria_label=caption or "code")
        case Figure(picture=picture):
            return _figure(picture)
    raise TypeError(f"a {type(part).__name__} is no block")


# --- tables -----------------------------------------------------------------------------------


def _table(table: Table) -> Html:
    head = None
    if table.heads:
        cells, place = [], 0
        for one in table.heads:
            side = "right" if table.align[place] == ">" and one.span == 1 else None
            span = one.span if one.span > 1 else None
            scope = "colgroup" if span else "col"
            cells.append(tag("th", one.title, scope=scope, colspan=span, class_=side))
            place += one.span
        head = tag("thead", tag("tr", cells))
    rows = list(table.rows)
    gone = len(rows) - _MOST_ROWS
    if gone > 0:
        half = _MOST_ROWS // 2
        said = (f"… {gone:,} lines left out …",)
        rows[half:-half] = [(said, *[NOTHING] * (len(table.align) - 1))]
    body = tag("tbody", _rows(rows, table.align))
    made = tag("table", tag("caption", table.caption), head, body)
    return tag("div", made, class_="wide", tabindex=0, role="region", aria_label=table.caption)


def _rows(rows: list[tuple[Content, ...]], align: str) -> list[Html]:
    """Return the rows; a first cell reaches down over the empty ones below it."""
    found = []
    for k, row in enumerate(rows):
        cells = []
        if k == 0 or row[0]:
            reach = 1
            while k + reach < len(rows) and not rows[k + reach][0]:
                reach += 1
            span = reach if reach > 1 else None
            scope = "rowgroup" if span else "row"
            side = _side(align[0])
            cells.append(tag("th", _inline(row[0]), scope=scope, rowspan=span, class_=side))
        for cell, way in zip(row[1:], align[1:], strict=True):
            cells.append(tag("td", _inline(cell), class_=_side(way)))
        found.append(tag("tr", cells))
    return found


def _side(way: str) -> str | None:
    return "right" if way == ">" else None


# --- pictures ---------------------------------------------------------------------------------


def _figure(picture: Picture) -> Html:
    if not can_draw():
        return tag("p", _NO_PICTURE, class_="note")
    about = f"{picture.about} {picture.more}".strip()
    return tag(
        "figure",
        _drawn(picture),
        tag("figcaption", about),
        [_inner(one) for one in picture.inside],
        id=picture.key,
    )


def _inner(picture: Picture) -> Html:
    """Return what is folded in a box: closed, and reached by the link of that box."""
    about = tag("p", picture.about, class_="note")
    inside = [_inner(one) for one in picture.inside]
    return tag(
        "details",
        tag("summary", picture.title),
        about,
        _drawn(picture),
        inside,
        id=picture.key,
    )


def _drawn(picture: Picture) -> list[Html]:
    names = ("Forward: values", "Backward: gradients")
    drawings = [
        tag("div", panel, class_="panel", tabindex=0, role="region", aria_label=name)
        for name, panel in zip(names, panels(picture), strict=False)
    ]
    return [tag("div", drawings, class_="panels")]
