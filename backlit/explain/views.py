"""What an explanation consists of: plain frozen records, ready for a renderer or for JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as onp

from backlit.explain.document import Document
from backlit.explain.equation import tree
from backlit.explain.equation.tree import Node
from backlit.explain.shown import Shown

if TYPE_CHECKING:
    from backlit.explain.derivation.modes import Modes
    from backlit.explain.derivation.sheet import Sheet
    from backlit.explain.selection import Selection


# Programs with more operations are derived on request.
_MOST_DERIVED = 200


class View:
    """Base of the records: anything in them can become JSON."""

    def to_dict(self) -> dict[str, Any]:
        """Return nested dicts, lists, strings and numbers.

        What JSON cannot hold becomes ``None``: NaN, infinities, and counts of paths with more than
        300 digits.

        Examples
        --------
        >>> Element("A", (0, 3), 0.5, True).to_dict()
        {'name': 'A', 'index': [0, 3], 'value': 0.5, 'named': True}
        """
        return {
            field.name: _plain(getattr(self, field.name))
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if not field.metadata.get("apart")
        }


def _apart() -> Any:
    """Return a field that is no part of the data: a tree, or what views are worked out from."""
    return dataclasses.field(default=None, compare=False, repr=False, metadata={"apart": True})


def _plain(value: Any) -> Any:
    if isinstance(value, View):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and value > 10**300:
        return None
    return value


@dataclass(frozen=True)
class Element(View):
    """One number of one array of the program.

    Attributes
    ----------
    name : str
        The array: the user's own name for it, or t1, t2, … for a result that has none.
    index : tuple of int
        Place in the array; empty for a scalar.
    value : float
    named : bool
        Whether the name is the user's.
    array : Node or None
        `name` as a tree.
    """

    name: str
    index: tuple[int, ...]
    value: float
    named: bool
    array: Node | None = _apart()

    @property
    def label(self) -> str:
        """Name and place, for instance ``A[0,3]``."""
        return f"{self.name}[{','.join(map(str, self.index))}]" if self.index else self.name

    @property
    def node(self) -> Node:
        """The element in a formula, places counted from 0."""
        array = self.array or tree.Name(self.name)
        index = tuple([tree.Number(Fraction(k)) for k in self.index])
        return tree.Element(array, index) if index else array


@dataclass(frozen=True)
class Computed(View):
    """One line of the forward pass.

    Attributes
    ----------
    name : str
    named : bool
    operation : str
        Primitive, or "argument".
    operands : tuple of str
        Names, or the number for a constant.
    shape : tuple of int
    elements : tuple of Element
        Those the weight can change, the ones that carry most of the gradient first, then by place.
    reached : int
        How many elements the weight can change on a way to the loss; 0: none.
    values : tuple of float
        The whole array if it has at most four elements, else nothing.
    low, high : float
        Smallest and largest element of the whole array.
    source : str
        File and line, or "".
    code : str
        Text of that line.
    array : Node or None
        `name` as a tree.
    """

    name: str
    named: bool
    operation: str
    operands: tuple[str, ...]
    shape: tuple[int, ...]
    elements: tuple[Element, ...]
    reached: int
    values: tuple[float, ...]
    low: float
    high: float
    source: str
    code: str
    array: Node | None = _apart()


@dataclass(frozen=True)
class Term(View):
    """One use of an element: upstream × local derivative = contribution.

    Attributes
    ----------
    result : Element
        What the element was used for.
    operation : str
    upstream : float
        ∂L/∂result
    local : float
        ∂result/∂element
    rule : str
        The local derivative as a formula, "" when the operation states none.
    contribution : float
    formula : Node or None
        `rule` as a tree.
    """

    result: Element
    operation: str
    upstream: float
    local: float
    rule: str
    contribution: float
    formula: Node | None = _apart()


@dataclass(frozen=True)
class Accumulated(View):
    """The gradient of one element: the sum over everything it was used for.

    Attributes
    ----------
    element : Element
    gradient : float
        ∂L/∂element, often written δ.
    terms : tuple of Term
        The largest contributions.
    term_count : int
        How many there are in all.
    rest : float
        Sum of those not listed.
    """

    element: Element
    gradient: float
    terms: tuple[Term, ...]
    term_count: int
    rest: float


@dataclass(frozen=True)
class Backward(View):
    """One line of the backward pass: the gradients of one array's elements.

    Attributes
    ----------
    name : str
    elements : tuple of Accumulated
        Those that carry most of the weight's gradient.
    element_count : int
        How many elements of the array lie between the weight and the loss.
    """

    name: str
    elements: tuple[Accumulated, ...]
    element_count: int


@dataclass(frozen=True)
class Factor(View):
    """One factor of the chain rule between two elements that every path passes.

    Attributes
    ----------
    result, element : Element
    operation : str
        "" where several operations lie between.
    upstream : float
        ∂L/∂result
    local : float
        ∂result/∂element
    paths : int
        Ways from element to result; 1 unless the program fans out in between.
    rule : str
    gradient : float
        ∂L/∂element = upstream × local
    formula : Node or None
        `rule` as a tree.
    """

    result: Element
    element: Element
    operation: str
    upstream: float
    local: float
    paths: int
    rule: str
    gradient: float
    formula: Node | None = _apart()


@dataclass(frozen=True)
class Path(View):
    """One way from the weight to the loss.

    Attributes
    ----------
    elements : tuple of Element
        From the weight to the loss.
    factors : tuple of float
        Local derivative of each element with respect to the one before; one fewer than elements.
    product : float
    """

    elements: tuple[Element, ...]
    factors: tuple[float, ...]
    product: float


@dataclass(frozen=True)
class Paths(View):
    """The gradient as a sum over all ways from the weight to the loss.

    Attributes
    ----------
    count : int
        All of them, counted without listing them.
    open : int
        Those without a factor of exactly zero.
    largest : tuple of Path
        Those with the largest products.
    shown : float
        Sum of the products of `largest`.
    rest : float
        Sum of all other products: total − shown.
    total : float
        Sum over all paths.
    """

    count: int
    open: int
    largest: tuple[Path, ...]
    shown: float
    rest: float
    total: float


@dataclass(frozen=True)
class Program:
    """What was explained: kept so that further views can be worked out when they are asked for.

    Attributes
    ----------
    function : callable
    args : tuple
    wrt : str
        Path of the weight's array.
    index : tuple of int
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    wrt: str
    index: tuple[int, ...]


@dataclass(frozen=True)
class Explanation(View, Shown):
    """Why the gradient of one weight is what it is; made by `explain_weight`.

    ``print(explanation)`` shows it as text, as wide as the terminal; `to_dict` gives plain data,
    and `save` writes a page, a picture, LaTeX or JSON, as the name of the file says.

    Attributes
    ----------
    function : str
        Name of the function that was explained.
    weight : Element
    symbol : str
        What the weight is called in the formulas.
    loss : Element
        Under its symbol in the formulas.
    loss_name : str
        What the program calls it, or a number such as t3.
    gradient : float
        ∂L/∂weight, summed up from the explained local derivatives.
    reverse_mode : float
        The same number as `backlit.grad` computes it.
    difference : float
        How far the two are apart.
    forward : tuple of Computed
    backward : tuple of Backward
    chain : tuple of Factor
        From the loss to the weight.
    paths : Paths
    zeros : tuple of str
        Local derivatives that are exactly zero and so stop the gradient, with their cause.
    guards : tuple of str
        Branches the program took on values; the explanation holds where they are taken again.
    statement : str
        One sentence.
    program : Program or None
        Function and arguments, for the views that are worked out on request.
    letter : Node or None
        `symbol` as a tree.
    """

    function: str
    weight: Element
    symbol: str
    loss: Element
    loss_name: str
    gradient: float
    reverse_mode: float
    difference: float
    forward: tuple[Computed, ...]
    backward: tuple[Backward, ...]
    chain: tuple[Factor, ...]
    paths: Paths
    zeros: tuple[str, ...]
    guards: tuple[str, ...]
    statement: str
    program: Program | None = _apart()
    letter: Node | None = _apart()

    @property
    def symbol_node(self) -> Node:
        """`symbol` as a tree."""
        return self.letter or tree.Name(self.symbol)

    @property
    def is_derived(self) -> bool:
        """Whether text and data show the derivation; of long programs only on request."""
        return self.program is not None and len(self.forward) <= _MOST_DERIVED

    @property
    def shown(self) -> tuple[str, ...]:
        """The views that text and pages show without being asked."""
        derived = ("matrices", "elements", "modes") if self.is_derived else ()
        return ("picture", "forward", "backward", "chain", "paths", *derived)

    def view(
        self,
        *views: str,
        layout: str = "denominator",
        turn_examples: bool = False,
        averaged: bool = True,
    ) -> Selection:
        """Return some of the views, in the conventions of another text.

        Parameters
        ----------
        *views : str
            "picture", "forward", "backward", "chain", "paths", "matrices", "steps", "elements",
            "modes", "second". Default: those that the explanation shows by itself.
        layout : {"denominator", "numerator"}
            Whether ∂L/∂W has the shape of W or of Wᵀ.
        turn_examples : bool
            Write a program that has its examples in rows with examples in columns, or the other
            way round.
        averaged : bool
            Whether dZ is ∂J/∂Z of the averaged loss J; False: m times that, and 1/m stands in dW.

        Returns
        -------
        Selection
            Text, LaTeX, HTML, JSON, … of these views alone.

        Raises
        ------
        InputError
            If there is no such view or layout.

        Examples
        --------
        >>> import backlit as bl, backlit.numpy as np
        >>> e = bl.explain(lambda w, x: np.tanh(w * x), 0.5, 2.0, wrt="w")
        >>> print(e.view("chain"))  # doctest: +ELLIPSIS
        The gradient of <lambda> with respect to w, step by step
        ...
        3. The chain from the loss to w: each gradient is the one above · the factor
        ...
        """
        from backlit.explain.selection import selection

        return selection(self, views, layout, turn_examples, averaged)

    @property
    def explained(self) -> Program:
        """The program, with its arguments."""
        if self.program is None:
            raise ValueError("this explanation was made without its program")
        return self.program

    @cached_property
    def derivation(self) -> Sheet:
        """The derivation of ∂L/∂W in matrices, W the array that the weight is in."""
        from backlit.explain.derive import confirm, sheet

        p = self.explained
        with onp.errstate(all="ignore"):
            found = sheet(p.function, *p.args, wrt=p.wrt)
        confirm(found, p.args)
        return found

    @cached_property
    def tangents(self) -> Sheet:
        """The same in forward mode: how every value changes as W does."""
        from backlit.explain.derive import tangents

        p = self.explained
        with onp.errstate(all="ignore"):
            return tangents(p.function, *p.args, wrt=p.wrt)

    @cached_property
    def second(self) -> Sheet:
        """The derivation of the second derivatives ∂²L/∂w∂W."""
        from backlit.explain.derive import second

        p = self.explained
        with onp.errstate(all="ignore"):
            return second(p.function, *p.args, wrt=p.wrt, index=p.index, others=p.wrt)

    @cached_property
    def modes(self) -> Modes:
        """Forward and reverse mode side by side, with what each costs."""
        from backlit.explain.derive import side_by_side

        p, reverse, forward = self.explained, self.derivation, self.tangents
        with onp.errstate(all="ignore"):
            return side_by_side(p.function, p.args, p.wrt, reverse, forward)

    def to_dict(self) -> dict[str, Any]:
        """Return nested dicts, lists, strings and numbers; the derivation's equations are LaTeX."""
        found = self.tables()
        if self.is_derived:
            found["derivation"] = self.derivation.to_dict()
        return found

    def tables(self) -> dict[str, Any]:
        """Return the data without the derivation."""
        return super().to_dict()

    def document(self) -> Document:
        """Return the explanation as a tree of parts, with its picture."""
        from backlit.explain.pages import explanation_page

        return explanation_page(self, self.shown)
