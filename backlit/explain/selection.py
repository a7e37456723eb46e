"""Some views of an explanation, in a convention that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backlit.core.errors import InputError
from backlit.core.settings import choice
from backlit.explain.document import NOTHING, Content, Document
from backlit.explain.shown import Shown

if TYPE_CHECKING:
    from backlit.explain.derivation.sheet import Sheet
    from backlit.explain.views import Explanation

VIEWS = {
    "picture": "the graph: values on the way forward, gradients on the way back",
    "forward": "what was computed: operation, operands, shape, value",
    "backward": "upstream · local derivative = contribution, added up where an element is used",
    "chain": "the chain rule as one product from the loss to the weight",
    "paths": "the largest paths, and the exact share of all others",
    "matrices": "the derivation in matrices: shapes, transposes, sums, 1/m",
    "steps": "the same with the steps that lead to every line",
    "elements": "element by element, with Kronecker deltas, and with numbers put in",
    "modes": "forward mode beside reverse mode, with the number of operations of each",
    "second": "second derivatives: how the weight's gradient changes",
}
LAYOUTS = ("denominator", "numerator")
_TABLES = ("forward", "backward", "chain", "paths")


@dataclass(frozen=True)
class Convention:
    """How derivations in matrices are written.

    Attributes
    ----------
    layout : {"denominator", "numerator"}
        Whether ∂L/∂W has the shape of W or of Wᵀ.
    turn_examples : bool
        Write a program that has its examples in rows with examples in columns, or the other way
        round.
    averaged : bool
        Whether dZ is ∂J/∂Z of the averaged loss J; False: m times that, and 1/m stands in dW.
    """

    layout: str = "denominator"
    turn_examples: bool = False
    averaged: bool = True

    def note(self, derivation: Sheet) -> Content:
        """Return how a derivation in this convention differs from the program, in words.

        Parameters
        ----------
        derivation : Sheet
            Before the convention.

        Returns
        -------
        tuple of Inline
        """
        from backlit.explain.derivation.layouts import per_example_names

        said = []
        if self.turn_examples:
            said.append("every matrix is the transpose of the program's")
        if not self.averaged:
            applies = per_example_names(derivation)
            scaled = "dZ is m times the derivative of the averaged loss"
            said.append(scaled if applies else "no mean over the examples alone is taken: no 1/m")
        return ("; ".join(said),) if said else NOTHING

    def of(self, derivation: Sheet) -> Sheet:
        """Return a derivation in this convention."""
        from backlit.explain.derivation.layouts import in_convention

        return in_convention(
            derivation,
            layout=self.layout,
            turn_examples=self.turn_examples,
            averaged=self.averaged,
        )


@dataclass(frozen=True, eq=False)
class Selection(Shown):
    """Some views of an explanation; made by `Explanation.view`.

    Attributes
    ----------
    explanation : Explanation
    views : tuple of str
        Keys of `VIEWS`, in the order in which they are shown.
    convention : Convention
    """

    explanation: Explanation
    views: tuple[str, ...]
    convention: Convention

    _nothing_to_draw = 'these views have no picture; the view "picture" has one'

    def document(self) -> Document:
        """Return the views as a tree of parts."""
        from backlit.explain.pages import explanation_page

        return explanation_page(self.explanation, self.views, self.convention)

    def to_dict(self) -> dict[str, Any]:
        """Return what is explained and the data of the views; equations are LaTeX."""
        e = self.explanation
        whole = e.tables()
        found = {key: value for key, value in whole.items() if key not in _TABLES}
        for view in self.views:
            if view in _TABLES:
                found[view] = whole[view]
            elif view in ("matrices", "steps"):
                found["derivation"] = self.convention.of(e.derivation).to_dict()
            elif view == "modes":
                found[view] = e.modes.to_dict()
            elif view == "second":
                found[view] = self.convention.of(e.second).to_dict()
            else:
                shown = Selection(e, (view,), self.convention).document()
                found[view] = shown.to_dict()
        return found


def selection(
    explanation: Explanation,
    views: Sequence[str],
    layout: str,
    turn_examples: bool,
    averaged: bool,
) -> Selection:
    """Return some views of an explanation, in the order of `VIEWS`.

    Parameters
    ----------
    explanation : Explanation
    views : sequence of str
        None: those that an explanation shows by itself.
    layout, turn_examples, averaged
        As for `Convention`.

    Returns
    -------
    Selection

    Raises
    ------
    InputError
        If there is no such view or layout.
    """
    for view in views:
        choice(view, VIEWS, "view")
    choice(layout, LAYOUTS, "layout")
    wanted = views or explanation.shown
    if explanation.program is None:
        raise InputError("this explanation was made without its program")
    chosen = tuple([view for view in VIEWS if view in wanted])
    return Selection(explanation, chosen, Convention(layout, turn_examples, averaged))
