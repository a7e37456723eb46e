"""Text in columns of a given width: what gives way, and where lines are broken."""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Callable, Sequence

GAP = "  "
# A column of text that has to give way keeps so many characters.
NARROWEST = 12
# Pieces that belong together: "[0,1] = 2.5", "… 4 more".
_TOGETHER = re.compile(r"(?<=\]) = (?=\S)|(?<=…) (?=[\d,]+ )|(?<=\d) (?=more)")
# A word that is too long for its line is broken before or after these.
_BEFORE, _AFTER = "/", ",.([_"
_HARD_SPACE = "\u00a0"

Lines = list[str]
Heads = Sequence[tuple[str, int]]


def filled(
    heads: Heads, cells: Sequence[Sequence[str]], align: str, width: int
) -> tuple[Lines, list[Lines]]:
    """Return a table as lines no wider than asked, as far as its numbers leave that possible.

    Columns of text give way, the widest first, as long as no word has to be broken. Where that is
    not enough, a row goes on in a second band below the first.

    Parameters
    ----------
    heads : sequence of (str, int)
        Titles, each with the number of columns it stands over; empty for none.
    cells : sequence of rows
        Texts.
    align : str
        "<" or ">" per column.
    width : int
        0: as wide as need be.

    Returns
    -------
    list of str
        Titles.
    list of list of str
        Rows, each by its lines.

    Examples
    --------
    >>> heads = [("name", 1), ("what it was before", 1), ("what it is now", 1)]
    >>> rows = [["a", "one thing and another", "12"], ["b", "a third", "7"]]
    >>> top, lines = filled(heads, rows, "<<>", 30)
    >>> for line in sum(lines, top):
    ...     print(line)
    name  what it was   what it is
          before               now
    a     one thing             12
          and another
    b     a third                7
    """
    spans = [span for _, span in heads] or [1] * len(align)
    groups, start = [], 0
    for span in spans:
        groups.append(range(start, start + span))
        start += span
    rows = [[_tied(cell) for cell in row] for row in cells]
    titles = [_tied(title) for title, _ in heads]
    whole = _widths(titles, rows, groups, align, len)
    if not width or _total(whole) <= width:
        return _band(titles, rows, groups, align, whole)
    least = _widths(titles, rows, groups, align, _longest_word)
    if _total(least) <= width:
        return _band(titles, rows, groups, align, _narrowed(whole, least, width))
    if len(groups) > 2 and whole[0] <= width // 2:
        return _bands(titles, rows, groups, align, width)
    least = [min(size, NARROWEST) for size in least]
    return _band(titles, rows, groups, align, _narrowed(whole, least, width))


def folded(text: str, width: int, indent: str = "", below: str = "") -> Lines:
    """Return text in lines of a width.

    Parameters
    ----------
    text : str
    width : int
        With the indent.
    indent : str
        What the first line begins with; the others begin with as many blanks.
    below : str
        What the others begin with besides.

    Returns
    -------
    list of str

    Examples
    --------
    >>> folded("∂losses[0]/∂t3[0] and more", 16, "- ")
    ['- ∂losses[0]', '  /∂t3[0] and', '  more']
    """
    rest = re.sub(r"\S", " ", indent) + below
    room = max(width - len(rest), 1)
    words = " ".join([_parted(word, room) for word in text.split(" ")])
    lines = textwrap.wrap(words, room, break_on_hyphens=False) or [""]
    lines = [line.replace(_HARD_SPACE, " ") for line in lines]
    return [(rest if k else indent) + line for k, line in enumerate(lines)]


def _parted(word: str, room: int) -> str:
    """Return a word with blanks where it is broken, if it is too long for a line."""
    pieces = []
    while len(word) > room:
        places = [
            k
            for k in range(1, room + 1)
            if (word[k] in _BEFORE and word[k - 1] not in _BEFORE) or word[k - 1] in _AFTER
        ]
        # A bracket that is opened and closed at once, as in x[0], is left whole where that can be.
        cut = max([k for k in places if 2 * k >= room], default=max(places, default=room))
        pieces.append(word[:cut])
        word = word[cut:]
    return " ".join([*pieces, word])


def _tied(text: str) -> str:
    return _TOGETHER.sub(lambda match: match[0].replace(" ", _HARD_SPACE), text)


def _longest_word(text: str) -> int:
    return max([len(word) for word in text.split(" ")], default=0)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (sum(w > 0 for w in widths) - 1)


def _widths(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    groups: Sequence[range],
    align: str,
    measure: Callable[[str], int],
) -> list[int]:
    """Return how wide columns are; a title has room over all the columns it stands over."""
    # Numbers are not broken.
    widths = [
        max([(measure if align[k] == "<" else len)(row[k]) for row in rows], default=0)
        for k in range(len(align))
    ]
    for title, group in zip(titles, groups, strict=False):
        missing = measure(title) - _total([widths[k] for k in group])
        if missing > 0:
            widths[group[0]] += missing
    return widths


def _narrowed(widths: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """Return widths that fit: the widest column gives way first."""
    found = list(widths)
    while _total(found) > width:
        free = [k for k in range(len(found)) if found[k] > least[k]]
        if not free:
            break
        found[max(free, key=lambda k: found[k])] -= 1
    return found


def _band(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    groups: Sequence[range],
    align: str,
    widths: Sequence[int],
) -> tuple[Lines, list[Lines]]:
    lines = [_row(row, widths, align) for row in rows]
    if not titles:
        return [], lines
    spans = [_total([widths[k] for k in group]) for group in groups]
    sides = "".join([align[group[0]] if len(group) == 1 else "<" for group in groups])
    return _row(titles, spans, sides), lines


def _bands(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    groups: Sequence[range],
    align: str,
    width: int,
) -> tuple[Lines, list[Lines]]:
    """Return rows that go on below: the first column, then the others band by band."""
    words = [_longest_word(row[k]) for row in rows for k in groups[0]]
    first = max([len(titles[0]) if titles else 0, *words])
    room = width - first - len(GAP)
    parts = []
    for band in _together(titles, rows, groups, align, room):
        names = [titles[groups.index(group)] for group in band] if titles else []
        sub = [[row[k] for group in band for k in group] for row in rows]
        sides = "".join([align[k] for group in band for k in group])
        local, start = [], 0
        for group in band:
            local.append(range(start, start + len(group)))
            start += len(group)
        whole = _widths(names, sub, local, sides, len)
        least = _widths(names, sub, local, sides, _longest_word)
        sizes = _narrowed(whole, least, room)
        if _total(sizes) > room:
            sizes = _narrowed(sizes, [min(n, NARROWEST) for n in least], room)
        top = _band(names, [], local, sides, sizes)[0]
        parts.append((top, [_row(row, sizes, sides) for row in sub]))
    margin = " " * first + GAP
    tops = [margin + line for top, _ in parts for line in top]
    if titles:
        tops[0] = (titles[0].ljust(first) + tops[0][first:]).rstrip()
    lines = []
    for k, row in enumerate(rows):
        right = [line for _, made in parts for line in made[k] if line]
        left = folded(" ".join([row[column] for column in groups[0]]).strip(), first)
        lines.append(_side_by_side(left, right, first))
    return tops, lines


def _together(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    groups: Sequence[range],
    align: str,
    room: int,
) -> list[list[range]]:
    """Return the groups of columns after the first, as many side by side as there is room for."""
    least = _widths(titles, rows, groups, align, _longest_word)
    bands: list[list[range]] = []
    for group in groups[1:]:
        wanted = [*(bands[-1] if bands else []), group]
        if bands and _total([least[k] for one in wanted for k in one]) <= room:
            bands[-1] = wanted
        else:
            bands.append([group])
    return bands


def _side_by_side(left: Lines, right: Lines, first: int) -> Lines:
    """Return two columns of lines."""
    pairs = itertools.zip_longest(left, right, fillvalue="")
    return [f"{one.ljust(first)}{GAP}{other}".rstrip() for one, other in pairs]


def _row(row: Sequence[str], widths: Sequence[int], align: str) -> Lines:
    """Return one row; a cell too long for its column goes on below."""
    cells = [
        [cell.replace(_HARD_SPACE, " ")] if len(cell) <= width else folded(cell, width)
        for cell, width in zip(row, widths, strict=True)
    ]
    lines = []
    for k in range(max(len(cell) for cell in cells)):
        padded = [
            (cell[k] if k < len(cell) else "").rjust(width)
            if side == ">"
            else (cell[k] if k < len(cell) else "").ljust(width)
            for cell, width, side in zip(cells, widths, align, strict=True)
            if width
        ]
        lines.append(GAP.join(padded).rstrip())
    return lines
