"""The explanation of a weight's gradient for one row of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backlit.explain.document import Document, Paragraph
from backlit.explain.shown import Shown, terminal_width

if TYPE_CHECKING:
    from backlit.data.target import Label
    from backlit.explain.selection import Selection
    from backlit.explain.views import Explanation


@dataclass(frozen=True, eq=False)
class RowExplanation(Shown):
    """Why a weight's gradient is what it is, for one row of a table.

    Attributes
    ----------
    row : int
        Counted from 0.
    target : str
    actual, predicted : str, int, float or bool
    input : str
        What the weight multiplies, if that is a feature of the table: "petal width = 0.3".
    explanation : Explanation
    selection : Selection, optional
        The views that were asked for, in the convention that was asked for.
    """

    row: int
    target: str
    actual: Label
    predicted: Label
    input: str
    explanation: Explanation
    selection: Selection | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return {
            "row": self.row,
            "target": self.target,
            "actual": self.actual,
            "predicted": self.predicted,
            "input": self.input,
            "explanation": (self.selection or self.explanation).to_dict(),
        }

    @property
    def head(self) -> str:
        """The row in a sentence or two."""
        text = (
            f"Row {self.row}: {self.target} is {_shown(self.actual)}, and the model predicts "
            f"{_shown(self.predicted)}."
        )
        return f"{text} The weight multiplies {self.input}." if self.input else text

    def document(self) -> Document:
        """Return the explanation as a tree of parts, the row first."""
        inner = (self.selection or self.explanation).document()
        return Document(inner.title, (Paragraph((self.head,)), *inner.parts))

    def to_text(self, ascii: bool = False, width: int | None = None, color: bool = False) -> str:
        """Return the explanation as text, the row first; arguments as for an explanation."""
        from backlit.explain.render.terminal import text_of

        width = terminal_width() if width is None else width
        shown = self.selection or self.explanation
        head = text_of(Document((), (Paragraph((self.head,)),)), ascii, width)
        return f"{head}\n\n{shown.to_text(ascii, width, color)}"


def _shown(value: Label) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
