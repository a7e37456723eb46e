"""The derivatives of a function before there is data: formulas and shapes, and no numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.aval import AbstractValue
from backlit.core.errors import InputError
from backlit.core.settings import choice
from backlit.core.tracing import function_name
from backlit.explain.derivation import report
from backlit.explain.derivation.modes import Modes
from backlit.explain.derivation.sheet import Sheet
from backlit.explain.derive import Wanted, confirm, second, sheet, side_by_side, tangents
from backlit.explain.document import Document, Figure, Math, Paragraph, Part, Section
from backlit.explain.selection import LAYOUTS, Convention
from backlit.explain.shown import Shown

VIEWS = ("picture", "matrices", "steps", "elements", "modes", "second")
_USUAL = ("picture", "matrices", "steps", "elements")
# Numbers that a derivation is tried with: more would take long and tell no more.
_MOST_TRIED = 100_000


def explain_formulas(
    f: Callable[..., Any], *args: Any, wrt: Wanted = None, index: int | tuple[int, ...] = ()
) -> Symbolic:
    """Derive the gradient of a function in formulas, before there is data.

    The function runs once, on arguments that have a shape and no numbers. Every step of the
    derivation is then tried with numbers drawn at random.

    Parameters
    ----------
    f : callable
        Returns one real number, the loss.
    *args : trees of arrays
        Of those made by `backlit.spec` only the shape is known; of the others, too, only the shape
        is used.
    wrt : str or sequence of str, optional
        With respect to which arguments: paths, or ends or beginnings of paths. Default: all of
        floating-point type.
    index : int or tuple of int
        Place in the array `wrt`, for second derivatives.

    Returns
    -------
    Symbolic

    Raises
    ------
    DifferentiationError
        If f does not return one real number that depends on the arguments.
    AbstractBranchError
        If f branches on a number that is not known yet.
    InputError
        If there is no argument of a name in `wrt`.

    Examples
    --------
    >>> import backlit as bl, backlit.numpy as np
    >>> def loss(W, x, y):
    ...     a = np.sigmoid(W @ x)
    ...     return np.sum((a - y) ** 2)
    >>> found = explain_formulas(loss, bl.spec((2, 3)), bl.spec(3), bl.spec(2), wrt="W")
    >>> print(found.view("matrices"))  # doctest: +ELLIPSIS
    The derivation of loss, before there is data
    <BLANKLINE>
    ...
      ∂L/∂a = 2 (a - y)                   2
      ∂L/∂W = (∂L/∂a ⊙ (a ⊙ (1 - a))) xᵀ  2×3  the other factor
    ...
    Every step was tried with random numbers of these shapes.
    """
    with onp.errstate(all="ignore"):
        derivation = sheet(f, *args, wrt=wrt, abstract=True)
    return Symbolic(f, tuple(args), wrt, index, derivation, _tried(derivation, args))


def _tried(derivation: Sheet, args: Sequence[Any]) -> bool:
    """Try every step with random numbers; tell whether there were any to try it with."""
    leaves = [x for x in tree.flatten(tuple(args))[0] if isinstance(x, AbstractValue)]
    if sum(leaf.size for leaf in leaves) > _MOST_TRIED or derivation.conditions:
        return False
    try:
        confirm(derivation, _drawn(args))
    except (InputError, IndexError):
        return False
    return True


def _drawn(args: Sequence[Any]) -> tuple[Any, ...]:
    """Return arguments with numbers: between 0 and 1, where logarithms and roots are defined."""
    random = onp.random.default_rng(0)

    def draw(leaf: Any) -> Any:
        if not isinstance(leaf, AbstractValue):
            return leaf
        if leaf.dtype.kind == "f":
            return random.uniform(0.1, 0.9, leaf.shape).astype(leaf.dtype)
        return random.integers(0, 2, leaf.shape).astype(leaf.dtype)

    return tuple(tree.map(draw, tuple(args)))


@dataclass(frozen=True, eq=False)
class Symbolic(Shown):
    """The derivatives of a function in formulas; made by `explain_formulas`.

    Attributes
    ----------
    function : callable
    args : tuple
        What it was given; shapes, or arrays of which only the shape was used.
    wrt : str or sequence of str, optional
    index : int or tuple of int
    derivation : Sheet
        The gradient, in reverse mode.
    is_tried : bool
        Whether every step was tried with random numbers.
    views : tuple of str
        Of "picture", "matrices", "steps", "elements", "modes", "second": what is shown.
    convention : Convention
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    wrt: Wanted
    index: int | tuple[int, ...]
    derivation: Sheet
    is_tried: bool
    views: tuple[str, ...] = _USUAL
    convention: Convention = Convention()
    _nothing_to_draw = 'these views have no picture; the view "picture" has one'

    def view(
        self,
        *views: str,
        layout: str = "denominator",
        turn_examples: bool = False,
        averaged: bool = True,
    ) -> Symbolic:
        """Return some of the views, in the conventions of another text.

        Parameters
        ----------
        *views : str
            "picture", "matrices", "steps", "elements", "modes", "second". Default: those
            shown already.
        layout : {"denominator", "numerator"}
        turn_examples, averaged : bool
            As for `Explanation.view`.

        Returns
        -------
        Symbolic

        Raises
        ------
        InputError
            If there is no such view or layout, or one needs the name of one array.
        """
        for view in views:
            choice(view, VIEWS, "view of what has no numbers yet")
        choice(layout, LAYOUTS, "layout")
        wanted = views or self.views
        chosen = tuple([view for view in VIEWS if view in wanted])
        how = Convention(layout, turn_examples, averaged)
        made = (self.function, self.args, self.wrt, self.index, self.derivation, self.is_tried)
        return Symbolic(*made, chosen, how)

    @cached_property
    def modes(self) -> Modes:
        """Forward and reverse mode side by side, with what each costs."""
        forward = tangents(self.function, *self.args, wrt=self._one("modes"), abstract=True)
        drawn = _drawn(self.args)
        with onp.errstate(all="ignore"):
            return side_by_side(self.function, drawn, self._one("modes"), self.derivation, forward)

    @cached_property
    def second(self) -> Sheet:
        """The derivation of the second derivatives ∂²L/∂w∂W."""
        wrt = self._one("second derivatives")
        f, args = self.function, self.args
        return second(f, *args, wrt=wrt, index=self.index, others=wrt, abstract=True)

    def _one(self, what: str) -> str:
        if isinstance(self.wrt, str):
            return self.wrt
        paths = [argument.path for argument in self.derivation.arguments]
        raise InputError(
            f"{what} are derived with respect to one array",
            fix=f'name it: wrt="{paths[0]}"' if paths else "name it with wrt=",
        )

    def document(self) -> Document:
        """Return the derivation as a tree of parts."""
        found = self.convention.of(self.derivation)
        parts: list[Part] = []
        for view in self.views:
            parts += getattr(self, f"_{view}")(found)
        said = "Every step was tried with random numbers of these shapes."
        if not self.is_tried:
            said = "The steps were not tried with numbers: give arguments that have some."
        title = f"The derivation of {function_name(self.function)}, before there is data"
        return Document((title,), (*parts, Paragraph((said,))))

    def to_dict(self) -> dict[str, Any]:
        """Return nested dicts, lists and strings; equations are LaTeX."""
        found: dict[str, Any] = {"is_tried": self.is_tried}
        found["derivation"] = self.convention.of(self.derivation).to_dict()
        if "modes" in self.views:
            found["modes"] = self.modes.to_dict()
        if "second" in self.views:
            found["second"] = self.convention.of(self.second).to_dict()
        return found

    def _picture(self, found: Sheet) -> list[Part]:
        from backlit.explain.drawing.formulas import sheet_picture

        return [Figure(sheet_picture(found, f"{function_name(self.function)} in formulas"))]

    def _matrices(self, found: Sheet) -> list[Part]:
        note = self.convention.note(self.derivation)
        program = Section(("What the program computes",), (report.program_table(found),))
        tables = report.gradient_table(found), report.legend(found)
        return [program, Section(("Its derivatives",), tables, note)]

    def _steps(self, found: Sheet) -> list[Part]:
        steps = [report.steps_of(line) for line in found.backward if len(line.steps) > 1]
        return [Section(("The steps to every line",), tuple(steps))] if steps else []

    def _elements(self, found: Sheet) -> list[Part]:
        title = "Element by element, sums running over all there is"
        return [Section((title,), (report.element_table(self.derivation),))]

    def _modes(self, found: Sheet) -> list[Part]:
        title = "Forward mode, whose tangents travel with the values, and what either mode costs"
        parts = report.tangent_table(self.modes.forward), *report.mode_parts(self.modes)
        return [Section((title,), parts)]

    def _second(self, found: Sheet) -> list[Part]:
        again = self.convention.of(self.second)
        said = (Math(again.target), " is the derivative of the loss at the place that is asked for")
        tables = report.program_table(again), report.gradient_table(again), report.legend(again)
        return [Section(("Second derivatives",), tables, said)]
