"""Documents as plain text: aligned columns, indented sections, a width that is kept."""

from __future__ import annotations

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
from backlit.explain.equation.text.printing import readable
from backlit.explain.render.characters import to_ascii
from backlit.explain.render.columns import GAP, NARROWEST, filled, folded

_INDENT = "  "
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
        Columns there are; 0: as many as the tables need. Lines of a program stay whole.
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
    return "".join([_piece(piece) for piece in content])


def _piece(piece: Inline, ascii: bool = False) -> str:
    if isinstance(piece, str):
        return piece
    return piece.text or readable(piece.node, ascii) if isinstance(piece, Math) else piece.text


@dataclass(frozen=True)
class _Printer:
    ascii: bool
    width: int
    color: bool

    def document(self, document: Document) -> str:
        blocks = [self.heading(document.title, "")] if document.title else []
        blocks += [self.block(part, "") for part in document.parts]
        return "\n\n".join("\n".join(block) for block in blocks if block)

    # --- in a line ----------------------------------------------------------------------------

    def inline(self, content: Content) -> str:
        """Return content as one line."""
        if not self.ascii:
            return inline_text(content)
        return to_ascii("".join([_piece(piece, ascii=True) for piece in content]))

    def encode(self, text: str) -> str:
        return to_ascii(text) if self.ascii else text

    def styled(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.color and text else text

    def wrapped(self, text: str, indent: str, below: str = "") -> Lines:
        """Return text in lines; those after the first are indented by `below` more."""
        if not self.width:
            return [indent + text]
        return folded(text, max(self.width, len(indent) + NARROWEST), indent, below)

    def heading(self, title: Content, indent: str) -> Lines:
        lines = self.wrapped(self.inline(title), indent, _INDENT)
        return [indent + self.styled(line[len(indent) :], "bold") for line in lines]

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
            lines += self.heading(section.title, indent)
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
        whole = f"{text}{GAP}{note}" if note else text
        if not self.width or len(whole) <= self.width:
            return [whole]
        lines = self.wrapped(self.inline((formula.math,)), indent, _INDENT * 2)
        return lines + (self.wrapped(note, indent + _INDENT * 2) if note else [])

    def _steps(self, part: Steps, indent: str) -> Lines:
        head = f"{indent}{self.inline((part.left,))} = "
        if self.width and len(head) > self.width // 2:
            head = f"{indent}{_INDENT}= "
        below = " " * (len(head) - 2)
        rights = [self.inline(step.right) for step in part.steps]
        reasons = [self.inline(step.because) for step in part.steps]
        room = max([len(r) for r, why in zip(rights, reasons, strict=True) if why], default=0)
        wide = max([len(why) for why in reasons], default=0)
        apart = self.width and len(below) + 2 + room + len(GAP) * 2 + wide > self.width
        lines = []
        if head == f"{indent}{_INDENT}= ":
            lines += self.wrapped(self.inline((part.left,)), indent, _INDENT)
        for k, (right, why) in enumerate(zip(rights, reasons, strict=True)):
            start = head if not k else f"{below}= "
            if apart:
                lines += self.wrapped(right, start, _INDENT)
                lines += self.wrapped(f"({why})", below + _INDENT * 3) if why else []
                continue
            line = start + (right.ljust(room) if why else right)
            lines += [f"{line}{GAP * 2}{why}"] if why else self.wrapped(right, start, _INDENT)
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
        heads = [(self.encode(head.title), head.span) for head in table.heads]
        top, rows = filled(heads, cells, table.align, self.width and self.width - margin)
        if len(rows) > 1.25 * table.most:
            half = table.most // 2
            left_out = len(rows) - 2 * half
            rows[half:-half] = [[self.encode(f"… {left_out:,} lines left out …")]]
        return [*[self.styled(line, "bold") for line in top], *[one for row in rows for one in row]]


def _attached(part: Part, inner: bool, first: bool) -> bool:
    """Tell whether a part stands directly below what is before it.

    A plain list does below its title; in an inner section a small table does, and a list anywhere.
    """
    if isinstance(part, Bullets):
        return not part.ordered and (first or inner)
    return inner and first and isinstance(part, Table) and not part.heads
