"""The tree of parts that every view is made into before it is printed.

A view (an explanation, a derivation, an answer to `why_zero`) says what there is to read: sections,
tables, formulas, steps. The printers of `backlit.explain.render` say what that looks like in a
terminal, in LaTeX, in a page, as data. Formulas stay trees until then, so that every printer writes
them in its own notation.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

from backlit.core.errors import InputError
from backlit.explain.equation import tree
from backlit.explain.equation.tree import Node

P = TypeVar("P", bound="Part")


@dataclass(frozen=True)
class Part:
    """Base of everything a document consists of."""

    def walk(self) -> Iterator[Part]:
        """Yield this part and all below it, in the order of reading.

        Examples
        --------
        >>> note = Section(("a",), (Paragraph(("b",)),))
        >>> [type(part).__name__ for part in note.walk()]
        ['Section', 'Paragraph']
        """
        yield self
        for field in dataclasses.fields(self):
            yield from _parts(getattr(self, field.name))

    def to_dict(self) -> dict[str, Any]:
        """Return the part as plain JSON values; `from_dict` reads them back."""
        found: dict[str, Any] = _encoded(self)
        return found

    def to_json(self) -> str:
        """Return the part as one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)


def _parts(value: Any) -> Iterator[Part]:
    if isinstance(value, Part):
        yield from value.walk()
    elif isinstance(value, tuple):
        for item in value:
            yield from _parts(item)


# --- in a line --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Math(Part):
    """A formula in a line of text.

    Attributes
    ----------
    node : Node
    text : str
        How it is written in a terminal; "" for what the printer of equations writes.
    """

    node: Node
    text: str = ""


@dataclass(frozen=True)
class Code(Part):
    """Text of a program: a name, a line, a file.

    Attributes
    ----------
    text : str
    """

    text: str


@dataclass(frozen=True)
class Strong(Part):
    """Text that matters.

    Attributes
    ----------
    text : str
    """

    text: str


Inline = str | Math | Code | Strong
Content = tuple[Inline, ...]
NOTHING: Content = ()


def joined(pieces: list[Content], between: str) -> Content:
    """Return pieces of content with a text between them.

    Parameters
    ----------
    pieces : list of tuple
    between : str

    Returns
    -------
    tuple

    Examples
    --------
    >>> joined([("a",), ("b", "c")], ", ")
    ('a', ', ', 'b', 'c')
    """
    found: list[Inline] = []
    for piece in pieces:
        found += [between, *piece] if found else piece
    return tuple(found)


# --- blocks -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paragraph(Part):
    """Running text.

    Attributes
    ----------
    content : tuple of Inline
    """

    content: Content


@dataclass(frozen=True)
class Head(Part):
    """The title of one column, or of several side by side.

    Attributes
    ----------
    title : str
    span : int
        Number of columns.
    """

    title: str
    span: int = 1


@dataclass(frozen=True)
class Table(Part):
    """A table with aligned columns; the first names the rows.

    Attributes
    ----------
    caption : str
        What it is, for those who hear it.
    heads : tuple of Head
        Their spans add up to the number of columns; empty for a table without titles.
    align : str
        "<" or ">" per column.
    rows : tuple of tuple of content
        A row whose first cell is empty goes on with what the row above is about.
    most : int
        A printer with little room shows about so many rows, and then as many at either end.
    """

    caption: str
    heads: tuple[Head, ...]
    align: str
    rows: tuple[tuple[Content, ...], ...]
    most: int = 80


@dataclass(frozen=True)
class Formula(Part):
    """A formula on a line of its own.

    Attributes
    ----------
    math : Math
    note : tuple of Inline
        What stands beside it.
    """

    math: Math
    note: Content = NOTHING


@dataclass(frozen=True)
class Step(Part):
    """One line of a calculation: an equals sign, the right side, and why.

    Attributes
    ----------
    right : tuple of Inline
    because : tuple of Inline
    """

    right: Content
    because: Content = NOTHING


@dataclass(frozen=True)
class Steps(Part):
    """A calculation: a left side, and right sides that are all equal.

    Attributes
    ----------
    left : Math
    steps : tuple of Step
    """

    left: Math
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Bullets(Part):
    """A list.

    Attributes
    ----------
    items : tuple of tuple of content
        Each item by its lines.
    ordered : bool
        Whether the items are numbered.
    """

    items: tuple[tuple[Content, ...], ...]
    ordered: bool = False


@dataclass(frozen=True)
class Listing(Part):
    """Lines of a program.

    Attributes
    ----------
    code : str
    caption : str
    """

    code: str
    caption: str = ""


@dataclass(frozen=True)
class Box(Part):
    """A box of a picture.

    Attributes
    ----------
    lines : tuple of str
        The first is what it is called.
    kind : str
        "input", "operation", "result", "local" (on an edge), "group" (a folded part of the
        graph) or "outside" (something of another picture).
    faint : bool
        Whether nothing happens here: no gradient arrives.
    about : str
        Everything about it, in words.
    link : str
        Key of the picture that shows what is inside, or "".
    marked : bool
        Whether this is what the picture is about.
    """

    lines: tuple[str, ...]
    kind: str
    faint: bool = False
    about: str = ""
    link: str = ""
    marked: bool = False


@dataclass(frozen=True)
class Picture(Part):
    """A graph drawn twice: values on the way forward, gradients on the way back.

    Attributes
    ----------
    key : str
        Unique among the pictures of a document.
    title, about : str
        What it is called and what it shows, in words.
    forward, backward : tuple of Box
        Of equal length: two sides of the same thing. A picture of one panel has no `backward`.
    arrows : tuple of (int, int)
        From box to box, in the direction of the forward pass.
    inside : tuple of Picture
        What is folded in boxes of kind "group".
    more : str
        What is not drawn, in words, or "".
    """

    key: str
    title: str
    about: str
    forward: tuple[Box, ...]
    backward: tuple[Box, ...]
    arrows: tuple[tuple[int, int], ...]
    inside: tuple[Picture, ...] = ()
    more: str = ""


@dataclass(frozen=True)
class Figure(Part):
    """A picture in a document; printers without pictures leave it out.

    Attributes
    ----------
    picture : Picture
    """

    picture: Picture


@dataclass(frozen=True)
class Section(Part):
    """A titled part of a document.

    Attributes
    ----------
    title : tuple of Inline
    parts : tuple of Part
    note : tuple of Inline
        One sentence directly below the title.
    """

    title: Content
    parts: tuple[Part, ...]
    note: Content = NOTHING


@dataclass(frozen=True)
class Document(Part):
    """Everything there is to read.

    Attributes
    ----------
    title : tuple of Inline
    parts : tuple of Part
        Sections, and parts that belong to none.
    language : str
        Of its words, as in HTML.
    """

    title: Content
    parts: tuple[Part, ...]
    language: str = "en"

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Document:
        """Return the document that `to_dict` wrote.

        Parameters
        ----------
        data : dict

        Returns
        -------
        Document

        Raises
        ------
        InputError
            If the data are no document.

        Examples
        --------
        >>> page = Document(("Sum",), (Formula(Math(tree.Name("x"))),))
        >>> Document.from_dict(page.to_dict()) == page
        True
        """
        try:
            found = _decoded(data)
        except (KeyError, TypeError, ValueError, RecursionError):
            found = None
        if not isinstance(found, Document):
            raise InputError("these data are no document", fix="give what to_dict returned")
        return found

    def find(self, kind: type[P]) -> list[P]:
        """Return all parts of one kind, in the order of reading."""
        return [part for part in self.walk() if isinstance(part, kind)]


# --- as data ----------------------------------------------------------------------------------


def _encoded(value: Any) -> Any:
    if isinstance(value, (Part, Node)):
        found = {
            field.name: _encoded(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.compare  # where it was read from is no part of an equation
        }
        return {"is": type(value).__name__, **found}
    if isinstance(value, tuple):
        return [_encoded(item) for item in value]
    return str(value) if isinstance(value, Fraction) else value


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return tuple([_decoded(item) for item in value])
    if not isinstance(value, dict):
        return value
    fields = {name: _decoded(item) for name, item in value.items() if name != "is"}
    kind = _KINDS[value["is"]]
    if kind is tree.Number:
        fields["value"] = Fraction(fields["value"])
    return kind(**fields)


_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in [
        *[value for value in vars(tree).values() if isinstance(value, type)],
        *[value for value in vars().values() if isinstance(value, type)],
    ]
    if issubclass(kind, (Part, Node))
}
