"""HTML and SVG written so that text can never become markup."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any


class Html(str):
    """Markup that needs no escaping any more."""

    __slots__ = ()


def tag(name: str, /, *children: Any, **attributes: Any) -> Html:
    """Return an element; text among the children and in attributes is escaped.

    Parameters
    ----------
    name : str
    *children : Html, str, number, None, or iterables of them
        None is left out.
    **attributes : str, number, bool or None
        ``class_`` stands for ``class`` and ``aria_label`` for ``aria-label``; None and False are
        left out, and True gives an attribute without a value.

    Returns
    -------
    Html

    Examples
    --------
    >>> print(tag("p", "a < b", tag("br"), class_="note"))
    <p class="note">a &lt; b<br></p>
    """
    inside = "".join(_flat(children))
    head = name
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        head += f" {key.rstrip('_').replace('_', '-')}"
        if value is not True:
            head += f'="{html.escape(str(value))}"'
    return Html(f"<{head}>") if name in _VOID else Html(f"<{head}>{inside}</{name}>")


_VOID = frozenset(("br", "meta", "col"))


def join(*parts: Any) -> Html:
    """Return parts one after the other, escaping text.

    Parameters
    ----------
    *parts : Html, str, number, None, or iterables of them

    Returns
    -------
    Html

    Examples
    --------
    >>> print(join("1 < 2", tag("b", 3)))
    1 &lt; 2<b>3</b>
    """
    return Html("".join(_flat(parts)))


def _flat(children: Iterable[Any]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            yield child
        elif isinstance(child, (str, int, float)):
            yield html.escape(str(child))
        else:
            yield from _flat(child)


def table(head: Iterable[Any], rows: Iterable[Iterable[Any]], caption: str, **options: Any) -> Html:
    """Return a table whose first column names its rows.

    Parameters
    ----------
    head : iterable
        Column titles.
    rows : iterable of iterables
    caption : str
        What the table is, for those who hear it.
    **options
        Attributes.

    Returns
    -------
    Html
        In a box that scrolls sideways when the table is too wide.

    Examples
    --------
    >>> '<td class="number">2</td>' in table(["a", "b"], [[1, 2]], "numbers")
    True
    """
    titles, body = list(head), [list(row) for row in rows]
    # Numbers line up on the right, and their title with them.
    kinds = [
        "number" if all(_is_number(row[k]) for row in body) else None for k in range(len(titles))
    ]
    lines = []
    for row in body:
        cells = [
            value if is_cell(value) else tag("td", value, class_=kind)
            for value, kind in zip(row[1:], kinds[1:], strict=True)
        ]
        lines.append(tag("tr", tag("th", row[0], scope="row", class_=kinds[0]), cells))
    first = [
        tag("th", title, scope="col", class_=kind)
        for title, kind in zip(titles, kinds, strict=True)
    ]
    made = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", first)),
        tag("tbody", lines),
        **options,
    )
    return tag("div", made, class_="wide", tabindex=0, role="region", aria_label=caption)


def is_cell(value: Any) -> bool:
    """Tell whether something is a table cell already."""
    return isinstance(value, Html) and value.startswith("<td")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) or str(value).lstrip("−")[:1].isdecimal()
