"""What everything that explains something can become: text, LaTeX, MathML, HTML, SVG, JSON."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from backlit.core.errors import InputError
from backlit.explain.document import Document, Figure

FORMATS = ("text", "json", "latex", "html", "svg", "mathml")
_SUFFIXES = {
    ".txt": "text",
    ".md": "text",
    ".json": "json",
    ".tex": "latex",
    ".html": "html",
    ".htm": "html",
    ".svg": "svg",
    ".mml": "mathml",
    ".mathml": "mathml",
}


class Shown:
    """Base of all that can be shown; in a notebook it shows itself."""

    def document(self) -> Document:
        """Return what there is to read, as a tree of parts."""
        raise TypeError(f"{type(self).__name__} has no document")

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return self.document().to_dict()

    _nothing_to_draw = "there is nothing to draw here"

    # --- the printers -------------------------------------------------------------------------

    def to_text(self, ascii: bool = False, width: int | None = None, color: bool = False) -> str:
        """Return text for a terminal.

        Parameters
        ----------
        ascii : bool
            Write ``dL/dw`` for ∂L/∂w and so on, for terminals without Unicode.
        width : int, optional
            Columns there are; 0: as many as the tables need. By default those of the terminal, and
            0 where the output is a file or a pipe.
        color : bool
            Use the terminal's bold and faint letters.

        Returns
        -------
        str
        """
        from backlit.explain.render.terminal import text_of

        return text_of(self.document(), ascii, terminal_width() if width is None else width, color)

    def to_latex(self) -> str:
        """Return a LaTeX file that pdflatex takes as it is, with its picture.

        Without the extra ``draw`` it says what the picture needs.
        """
        from backlit.explain.render.latex import latex_of

        return latex_of(self.document())

    def to_mathml(self) -> str:
        """Return all calculations and formulas as one ``math`` element of MathML.

        What has none, a drawing or an answer to `why_zero`, becomes its sentences and tables.
        """
        from backlit.explain.render.mathml import mathml_of

        return mathml_of(self.document())

    def to_html(self) -> str:
        """Return a page of its own: no script, and nothing to fetch.

        Pictures need the extra ``draw``; without it the page says so.
        """
        from backlit.explain.render.html import page_of

        return page_of(self.document())

    def to_svg(self) -> str:
        """Return the picture: values on the way forward, gradients on the way back.

        Of an answer to `why_zero` and the like it is the way to the edge where it happened.

        Raises
        ------
        InputError
            If there is nothing to draw, or graphlay, the extra ``draw``, is not installed.
        """
        from backlit.explain.drawing.svg import svg

        found = self.document().find(Figure)
        if not found:
            raise InputError(self._nothing_to_draw, fix="write text or HTML instead")
        return svg(found[0].picture)

    def to_json(self) -> str:
        """Return the data of `to_dict` as one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    def to(self, format: str) -> str:
        """Return one of the formats by its name.

        Parameters
        ----------
        format : str
            "text", "json", "latex", "html", "svg" or "mathml".

        Returns
        -------
        str

        Raises
        ------
        InputError
            If there is no such format.
        """
        from backlit.core.settings import choice

        if choice(format, FORMATS, "format") == "text":
            return self.to_text(width=0)
        return str(getattr(self, f"to_{format}")())

    def save(self, path: str | os.PathLike[str], format: str | None = None) -> None:
        """Write a file, whole or not at all; one of that name is replaced.

        Parameters
        ----------
        path : path
        format : str, optional
            As for `to`; by default what the suffix of the path says: .txt, .json, .tex, .html,
            .svg or .mml.

        Raises
        ------
        InputError
            If the suffix is another one, or the file cannot be written.
        """
        from backlit.data.tensorfile import replace_file

        text = self.to(format_of(path) if format is None else format)
        replace_file(path, [text.encode("utf-8", "replace")])

    # --- notebooks ----------------------------------------------------------------------------

    def _repr_html_(self) -> str:
        from backlit.explain.render.html import fragment_of

        return fragment_of(self.document())

    def _repr_latex_(self) -> str | None:
        from backlit.explain.render.latex import formulas_of

        return formulas_of(self.document()) or None

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        made = {
            "text/plain": self.to_text,
            "text/html": self._repr_html_,
            "text/latex": self._repr_latex_,
        }
        wanted = [kind for kind in made if include is None or kind in include]
        found = {kind: made[kind]() for kind in wanted if kind not in (exclude or ())}
        return {kind: text for kind, text in found.items() if text}

    def __str__(self) -> str:
        return self.to_text()


def terminal_width() -> int:
    """Return how many columns the terminal has that is written to, 0 if it is none.

    Returns
    -------
    int
    """
    stream = sys.stdout
    is_terminal = stream is not None and not stream.closed and stream.isatty()
    return shutil.get_terminal_size().columns if is_terminal else 0


def format_of(path: str | os.PathLike[str]) -> str:
    """Return the format that a file name asks for.

    Parameters
    ----------
    path : path

    Returns
    -------
    str

    Raises
    ------
    InputError
        If its suffix is none of those.

    Examples
    --------
    >>> format_of("gradient.tex")
    'latex'
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        known = ", ".join(dict.fromkeys(_SUFFIXES))
        raise InputError(
            f"{os.fspath(path)!r} does not say what to write", fix=f"end its name in one of {known}"
        )
    return _SUFFIXES[suffix]
