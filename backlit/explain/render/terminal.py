"""Documents as plain text: aligned columns, indented sections, a width that is kept."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backlit.explain.document import (
    Bullets,
    Content,
    Document,
    Figure,
    Formula,
    Inline,
    Listing,
    Math,
    Paragraph,
    Part,
    Section,
    Steps,
    Table,
)
from backlit.explain.equation.text.printing import python, unicode
from backlit.explain.equation.tree import Node
from backlit.explain.render.characters import to_ascii

_INDENT = "  "
_GAP = "  "
# A column that has to give way keeps so many characters.
_NARROWEST = 12
_STYLES = {"bold": "1", "dim": "2"}

Lines = list[str]


def text_of(document: Document, ascii: bool = False, width: int = 0, color: bool = False) -> str:
    """Return a document as text.

    Parameters
    ----------
    document : Document
    ascii : bool
        Use no character outside ASCII.
    width : int
        Columns there are; 0: as many as the tables need.
    color : bool
        Use the terminal's bold and faint letters.

    Returns
    -------
    str
    """
    return _Printer(ascii, width, color).document(document)


def inline_text(content: Content) -> str:
    """Return content as one line of text.

    Parameters
    ----------
    content : tuple of Inline

    Returns
    -------
    str
    """
    return "".join([_piece(piece, unicode) for piece in content])


def _piece(piece: Inline, write: Callable[[Node], str]) -> str:
    if isinstance(piece, str):
        return piece
    return piece.text or write(piece.node) if isinstance(piece, Math) else piece.text


@dataclass(frozen=True)
class _Printer:
    ascii: bool
    width: int
    color: bool

    def document(self, document: Document) -> str:
        blocks = [[self.styled(self.inline(document.title), "bold")]] if document.title else []
        blocks += [self.block(part, "") for part in document.parts]
        return "\n\n".join("\n".join(block) for block in blocks if block)

    # --- in a line ----------------------------------------------------------------------------

    def inline(self, content: Content) -> str:
        """Return content as one line."""
        if not self.ascii:
            return inline_text(content)
        return to_ascii("".join([_piece(piece, python) for piece in content]))

    def encode(self, text: str) -> str:
        return to_ascii(text) if self.ascii else text

    def styled(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.color and text else text

    def wrapped(self, text: str, indent: str) -> Lines:
        if not self.width:
            return [indent + text]
        return _folded(text, max(self.width - len(indent), _NARROWEST), indent)

    # --- blocks -------------------------------------------------------------------------------

    def block(self, part: Part, indent: str) -> Lines:
        """Return the lines of one part; only running text begins at the margin."""
        inner = indent or _INDENT
        match part:
            case Paragraph(content=content):
                return self.wrapped(self.inline(content), indent)
            case Section():
                return self._section(part, indent)
            case Table():
                return [inner + line for line in self._table(part, len(inner))]
            case Formula():
                return self._formula(part, inner)
            case Steps():
                return self._steps(part, inner)
            case Bullets():
                return self._bullets(part, inner)
            case Listing(code=code):
                return [(inner + self.encode(line)).rstrip() for line in code.splitlines()]
            case Figure():
                return []  # the tables say the same
        raise TypeError(f"a {type(part).__name__} is no block")

    def _section(self, section: Section, indent: str) -> Lines:
        lines = []
        if section.title:
            lines.append(indent + self.styled(self.inline(section.title), "bold"))
        if section.note:
            note = self.wrapped(self.inline(section.note), indent + _INDENT)
            lines += [self.styled(line, "dim") for line in note]
        for part in section.parts:
            block = self.block(part, indent + _INDENT)
            if block and lines and not _attached(part, bool(indent), len(lines) == 1):
                lines.append("")
            lines += block
        return lines

    def _formula(self, formula: Formula, indent: str) -> Lines:
        text = indent + self.inline((formula.math,))
        note = self.inline(formula.note)
        return [f"{text}{_GAP}{note}" if note else text]

    def _steps(self, part: Steps, indent: str) -> Lines:
        head = f"{indent}{self.inline((part.left,))} = "
        below = " " * (len(head) - 2)
        rights = [self.inline(step.right) for step in part.steps]
        reasons = [self.inline(step.because) for step in part.steps]
        room = max([len(r) for r, why in zip(rights, reasons, strict=True) if why], default=0)
        lines = []
        for k, (right, why) in enumerate(zip(rights, reasons, strict=True)):
            line = (head if not k else f"{below}= ") + (right.ljust(room) if why else right)
            lines.append(f"{line}{_GAP * 2}{why}" if why else line)
        return lines

    def _bullets(self, part: Bullets, indent: str) -> Lines:
        lines: Lines = []
        for k, item in enumerate(part.items):
            head = f"{indent}{k + 1}. " if part.ordered else indent
            for content in item:
                lines += self.wrapped(self.inline(content), head)
                head = " " * len(head)
        return lines

    # --- tables -------------------------------------------------------------------------------

    def _table(self, table: Table, margin: int) -> Lines:
        if not table.rows:
            return []
        cells = [[self.inline(cell) for cell in row] for row in table.rows]
        if table.heads:
            titles: list[str] = []
            for head in table.heads:
                titles += [self.encode(head.title), *[""] * (head.span - 1)]
            cells.insert(0, titles)
        widths = [max(len(row[k]) for row in cells) for k in range(len(table.align))]
        if self.width:
            widths = self._narrowed(widths, table.align, margin)
        lines = [line for row in cells for line in _row(row, widths, table.align)]
        if table.heads:
            lines[0] = self.styled(lines[0], "bold")
        if len(lines) > 1.25 * table.most:
            half = table.most // 2
            left_out = len(lines) - 2 * half
            lines[half:-half] = [self.encode(f"… {left_out:,} lines left out …")]
        return lines

    def _narrowed(self, widths: Sequence[int], align: str, margin: int) -> list[int]:
        """Return widths that fit: columns of text give way, the widest first."""
        found = list(widths)
        room = self.width - margin - len(_GAP) * (sum(w > 0 for w in found) - 1)
        while sum(found) > room:
            texts = [k for k, side in enumerate(align) if side == "<" and found[k] > _NARROWEST]
            if not texts:
                break
            found[max(texts, key=lambda k: found[k])] -= 1
        return found


def _attached(part: Part, inner: bool, first: bool) -> bool:
    """Tell whether a part stands directly below what is before it.

    A plain list does below its title; in an inner section a small table does, and a list anywhere.
    """
    if isinstance(part, Bullets):
        return not part.ordered and (first or inner)
    return inner and first and isinstance(part, Table) and not part.heads


def _row(row: Sequence[str], widths: Sequence[int], align: str) -> Lines:
    """Return one row; a cell too long for its column goes on below."""
    cells = [
        [cell] if len(cell) <= width else _folded(cell, width, "")
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
        lines.append(_GAP.join(padded).rstrip())
    return lines


def _folded(text: str, width: int, indent: str) -> Lines:
    """Return text in lines of a width; lines after the first are indented like it."""
    rest = re.sub(r"\S", " ", indent)
    lines = textwrap.wrap(text, width, break_on_hyphens=False) or [""]
    return [(rest if k else indent) + line for k, line in enumerate(lines)]
