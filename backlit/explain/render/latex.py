r"""Documents as LaTeX that pdflatex takes as it is: ASCII, and packages of every installation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from backlit.explain.document import (
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
    Section,
    Steps,
    Strong,
    Table,
)
from backlit.explain.drawing.layout import can_draw
from backlit.explain.drawing.tex import picture_environments
from backlit.explain.equation.text.printing import latex, unicode
from backlit.explain.equation.tree import Binary, Derivative, Equation, Name, Node, Number
from backlit.explain.render.characters import numbered, to_latex
from backlit.explain.render.terminal import inline_text

_SECTIONS = ("section", "subsection", "subsubsection", "paragraph")
# Characters of small type in one line of a page, upright and on its side.
_UPRIGHT, _SIDEWAYS = 105, 165
# Room for a picture, in points.
_TALL, _WIDE = (510.0, 690.0), (755.0, 450.0)
# A sum as long as this is broken before its signs.
_LONG = 90
_SCIENTIFIC = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)e(-?\d+)")
# Stands for an underscore in a name until the printer is done with it.
_UNDERSCORE = "\ue000"


def latex_of(document: Document) -> str:
    r"""Return a document as a LaTeX file.

    Parameters
    ----------
    document : Document

    Returns
    -------
    str
        In ASCII. Pictures are drawn with lines that every LaTeX has; where graphlay, the extra
        `draw`, is not installed, a sentence stands in their place.

    Examples
    --------
    >>> page = latex_of(Document(("Sum",), (Paragraph(("50 %",)),)))
    >>> page.splitlines()[0], r"50 \%" in page, page.isascii()
    ('\\documentclass[10pt]{article}', True, True)
    """
    widths = [_characters(table) for table in document.find(Table)]
    widths += [len(inline_text((part.math,))) for part in document.find(Formula)]
    side = "landscape," if max(widths, default=0) > _UPRIGHT else ""
    room = _SIDEWAYS if side else _UPRIGHT
    body = [_heading(document.title, 0)]
    body += [_block(part, 1, room) for part in document.parts]
    preamble = [
        r"\documentclass[10pt]{article}",
        rf"\usepackage[a4paper,{side}margin=15mm]{{geometry}}",
        r"\usepackage{amsmath,amssymb,booktabs,longtable,array,graphicx}",
        r"\setlength{\parindent}{0pt}",
        r"\setlength{\parskip}{6pt plus 2pt}",
        r"\renewcommand{\arraystretch}{1.25}",
        # A bullet that needs no further font.
        r"\renewcommand{\labelitemi}{$\bullet$}",
        r"\allowdisplaybreaks",
        r"\begin{document}",
    ]
    blocks = [block for block in body if block]
    return "\n".join([*preamble, "\n\n".join(blocks), r"\end{document}", ""])


def formulas_of(document: Document) -> str:
    r"""Return the calculations and formulas of a document for a page that sets mathematics.

    Parameters
    ----------
    document : Document

    Returns
    -------
    str
        One display, in dollars; "" if there is none.
    """
    rows: list[str] = []
    for part in document.walk():
        if isinstance(part, Formula):
            rows += _rows(part.math, [])
        elif isinstance(part, Steps):
            rows += _rows(part.left, [(step.right, step.because) for step in part.steps])
    if not rows:
        return ""
    lines = " \\\\\n".join(rows)
    return f"$$\\begin{{aligned}}\n{lines}\n\\end{{aligned}}$$"


def math_text(node: Node) -> str:
    r"""Return an equation in LaTeX's mathematics, in ASCII.

    Parameters
    ----------
    node : Node

    Returns
    -------
    str

    Examples
    --------
    >>> print(math_text(Name("log_P")), math_text(Name("W1")), math_text(Name("ü")))
    \mathrm{log\_P} W_{1} \text{\"{u}}
    """
    text = latex(node.map(_settable)).replace(_UNDERSCORE, r"\_")
    text = _SCIENTIFIC.sub(r"\1 \\cdot 10^{\2}", text)
    return "".join([c if c.isascii() else rf"\text{{{to_latex(c)}}}" for c in text])


def _settable(node: Node) -> Node:
    """Return a name with its number as an index, and without what LaTeX reserves."""
    if not isinstance(node, Name):
        return node
    letter, digits = numbered(node.base)
    if digits and not node.index:
        return replace(node, base=letter, index=(Number(Fraction(digits)),))
    return replace(node, base=node.base.replace("_", _UNDERSCORE))


# --- in a line --------------------------------------------------------------------------------


def _inline(content: Content) -> str:
    return "".join([_piece(piece) for piece in content])


def _piece(piece: Inline) -> str:
    match piece:
        case str():
            return to_latex(piece)
        case Math(node=node):
            return f"${math_text(node)}$"
        case Code(text=text):
            return rf"\texttt{{{to_latex(text)}}}"
        case Strong(text=text):
            return rf"\textbf{{{to_latex(text)}}}"


def _in_math(content: Content) -> str:
    r"""Return content within a display: text goes into ``\text``."""
    parts = []
    for piece in content:
        if isinstance(piece, Math):
            parts.append(math_text(piece.node))
        elif isinstance(piece, str) and piece.strip() in ("·", "=", "+", "…"):
            signs = {"·": r"\cdot", "…": r"\cdots"}
            parts.append(f" {signs.get(piece.strip(), piece.strip())} ")
        elif isinstance(piece, str) and piece == " · … · ":
            parts.append(r" \cdot \cdots \cdot ")
        else:
            parts.append(rf"\text{{{_piece(piece)}}}")
    return "".join(parts)


# --- blocks -----------------------------------------------------------------------------------


def _heading(title: Content, depth: int) -> str:
    return rf"\{_SECTIONS[min(depth, 3)]}*{{{_inline(title)}}}" if title else ""


def _block(part: Part, depth: int, room: int) -> str:
    match part:
        case Paragraph(content=content):
            return _inline(content)
        case Section():
            found = [_heading(part.title, depth)]
            if part.note:
                found.append(rf"\emph{{{_inline(part.note)}}}")
            found += [_block(inner, depth + 1, room) for inner in part.parts]
            return "\n\n".join([text for text in found if text])
        case Table():
            return _table(part, room)
        case Formula(math=math, note=note):
            rows = _rows(math, [])
            if note:
                rows[-1] += rf" \qquad {_in_math(note)}"
            return _display(rows)
        case Steps(left=left, steps=steps):
            return _display(_rows(left, [(step.right, step.because) for step in steps]))
        case Bullets(items=items, ordered=ordered):
            kind = "enumerate" if ordered else "itemize"
            lines = [r"\item " + r" \\ ".join([_inline(line) for line in item]) for item in items]
            return "\n".join([rf"\begin{{{kind}}}", *lines, rf"\end{{{kind}}}"]) if items else ""
        case Listing(code=code):
            # An empty box keeps what is blank at the beginning of a line.
            lines = [r"\mbox{}" + to_latex(line).replace(" ", "~") for line in code.splitlines()]
            return "{\\ttfamily\\small\n" + " \\\\\n".join(lines) + "\\par}"
        case Figure(picture=picture):
            if not can_draw():
                return to_latex("The picture needs graphlay: pip install 'graphlay<0.4'.")
            return picture_environments(picture, *(_WIDE if room == _SIDEWAYS else _TALL))
    raise TypeError(f"a {type(part).__name__} is no block")


def _display(rows: Sequence[str]) -> str:
    lines = " \\\\\n".join(rows)
    return f"\\begin{{align*}}\n{lines}\n\\end{{align*}}"


def _rows(left: Math, steps: Sequence[tuple[Content, Content]]) -> list[str]:
    """Return the lines of a calculation, aligned at the equals signs; long sums are broken."""
    if not steps:
        if not isinstance(left.node, Equation):
            return [" & " + part for part in _broken(left.node)]
        right: Content = (Math(left.node.right),)
        left, steps = Math(left.node.left), [(right, ())]
    rows: list[str] = []
    for k, (content, because) in enumerate(steps):
        head = math_text(left.node) if not k else ""
        first, *rest = _lines(content)
        rows.append(f"{head} &= {first}")
        rows += [rf"&\qquad {part}" for part in rest]
        if because:
            rows[-1] += rf" && {_in_math(because)}"
    return rows


def _lines(content: Content) -> list[str]:
    """Return a right side in one line, or more if it is one long formula."""
    if len(content) == 1 and isinstance(content[0], Math):
        return _broken(content[0].node)
    return [_in_math(content)]


def _broken(node: Node) -> list[str]:
    """Return a formula in pieces that fit on a line, broken before the signs of a sum."""
    if len(unicode(node)) <= _LONG:
        return [math_text(node)]
    terms: list[tuple[str, Node]] = []
    while isinstance(node, Binary) and node.op in "+-":
        terms.append((node.op, node.right))
        node = node.left
    lines, line, length = [], math_text(node), len(unicode(node))
    for op, term in reversed(terms):
        # In one formula with what stands before it, a term has the brackets that it needs.
        text = math_text(Binary(op, Name("x"), term)).removeprefix("x ")
        more = len(unicode(term)) + 3
        if length + more > _LONG:
            lines.append(line)
            line, length = text, more
        else:
            line, length = f"{line} {text}", length + more
    return [*lines, line]


# --- tables -----------------------------------------------------------------------------------


def _characters(table: Table) -> int:
    widths = _widths(table)
    return sum(widths) + 2 * len(widths)


def _widths(table: Table) -> list[int]:
    """Return how many characters the columns have, those under a common title by themselves."""
    rows = [[len(inline_text(cell)) for cell in row] for row in table.rows]
    return [max([row[k] for row in rows], default=0) for k in range(len(table.align))]


def _table(table: Table, room: int) -> str:
    if not table.rows:
        return ""
    columns = len(table.align)
    rows = [" & ".join([_cell(cell) for cell in row]) for row in table.rows]
    high = r"\renewcommand{\arraystretch}{1.8}" if any(r"\frac" in row for row in rows) else ""
    lines = [rf"\begingroup\footnotesize{high}", rf"\begin{{longtable}}[l]{{{_spec(table, room)}}}"]
    if table.heads:
        lines += [r"\toprule", _titles(table), r"\midrule", r"\endhead", r"\bottomrule"]
        lines += [r"\endlastfoot"]
    if len(rows) > 1.25 * table.most:
        half = table.most // 2
        gone = to_latex(f"… {len(rows) - 2 * half:,} lines left out …")
        rows[half:-half] = [rf"\multicolumn{{{columns}}}{{l}}{{{gone}}}"]
    lines += [rf"{row} \\" for row in rows]
    return "\n".join([*lines, r"\end{longtable}", r"\endgroup"])


def _spec(table: Table, room: int) -> str:
    """Return the kinds of the columns; where there is no room, columns of text get a width."""
    widths = _widths(table)
    excess = sum(widths) + 2 * len(widths) - room
    wide = [k for k, side in enumerate(table.align) if side == "<" and widths[k] > room / 4]
    kinds = ["r" if side == ">" else "l" for side in table.align]
    for k in wide if excess > 0 else []:
        share = (widths[k] - excess / len(wide)) / room
        kinds[k] = rf">{{\raggedright\arraybackslash}}p{{{max(share, 0.1):.2f}\linewidth}}"
    return "".join(kinds)


def _titles(table: Table) -> str:
    """Return the row of titles; one of several columns stands over the first of them."""
    cells: list[str] = []
    for head in table.heads:
        cells += [to_latex(head.title), *[""] * (head.span - 1)]
    return " & ".join(cells) + r" \\"


def _cell(content: Content) -> str:
    """Return a cell; a derivative by itself is written in one line."""
    return "".join(
        [
            f"${_flat(piece.node)}$"
            if isinstance(piece, Math) and isinstance(piece.node, Derivative)
            else _piece(piece)
            for piece in content
        ]
    )


def _flat(node: Derivative) -> str:
    if node.target is None or node.second is not None or node.style != "fraction":
        return math_text(node)
    return rf"\partial {math_text(node.target)}/\partial {math_text(node.wrt)}"
