"""A quick first look at a repair: one network, a point or a few places, and nothing computed twice.

Repairs of a claim share most of their parts with it and with each other. The value of a part is
kept by the very object it belongs to, so that a repair costs what stands above its edit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as onp

from backlit.explain.equation import tree
from backlit.explain.equation.binding.families import instance, running_letters, with_ends
from backlit.explain.equation.binding.lower import all_indices
from backlit.explain.equation.binding.mentions import IDENTITY, free_running, has_lengths
from backlit.explain.equation.binding.names import BindingError
from backlit.explain.equation.judging.claims import Bound, free_lengths
from backlit.explain.equation.judging.completing import Convention, completed
from backlit.explain.equation.tree import Equation, Node
from backlit.explain.equation.values.arithmetic import Array, Floats, Shape
from backlit.explain.equation.values.evaluate import Evaluation, EvaluationFault, Layout
from backlit.explain.equation.values.functions import builtin
from backlit.explain.equation.values.points import Point

Values = onp.ndarray
_CLOSE = 1e-6
_MOST_PLACES = 7
_PLAIN = (tree.Number, tree.Binary, tree.Unary, tree.Transpose, tree.Compare, tree.Items)


class Probe:
    """Values of written expressions at a few places.

    Parameters
    ----------
    bound : Bound
        The claim in one network, for one value of each running letter.
    equation : Equation
        The claim as it is written.
    per_example : bool
        What bare derivatives are.
    layout : {"elementwise", "numerator", "denominator"}

    Raises
    ------
    BindingError, EvaluationFault
        If the left side has no value there.
    """

    def __init__(
        self, bound: Bound, equation: Equation, per_example: bool, layout: Layout = "elementwise"
    ) -> None:
        self._bound = bound
        scene = bound.scene
        self._convention = Convention(per_example)
        kinds = [(kind, letter) for kind, letter, _ in running_letters(equation, scene.letters)]
        own = {(kind, letter): dict(bound.counts)[letter] for kind, letter in kinds}
        self._counts = {**with_ends(scene.letters, scene.choice.sizes), **own}
        self._resolved: dict[Node, Node | BindingError | _Unsure] = {}
        self._extra: list[tuple[str, Node]] = []
        for side in (equation.left, equation.right):
            self._learn(side)
        left = self._tied(equation.left)
        free = free_running(left)
        scene.infer.letters = {}
        choices = all_indices(free_lengths(scene, left, left, free)) if free else [{}]
        # How far the indices of the left side run, and how large its I is; what else stands in a
        # repair is learnt anew each time.
        self._size_identity(left, equation.right)
        self._letters = dict(scene.infer.letters)
        points = scene.points(bound.program, 2)
        step = max(1, len(choices) // _MOST_PLACES)
        self._places = [
            _Place(self, points[n % 2], indices, layout)
            for n, indices in enumerate(choices[::step])
        ]
        if len(self._places) == 1:
            self._places.append(_Place(self, points[1], choices[0], layout))
        self.left = self.values(equation.left)

    def _size_identity(self, left: Node, right: Node) -> None:
        try:
            for tied in (self._tied(right), tree.Binary("+", left, IDENTITY)):
                if IDENTITY in tied.walk():
                    free_lengths(self._bound.scene, left, tied, [])
        except FAULTS:
            return

    def values(self, node: Node) -> list[Values]:
        """Return what an expression is at each place.

        Parameters
        ----------
        node : Node
            As it is written.

        Returns
        -------
        list of array

        Raises
        ------
        BindingError, EvaluationFault
            If it has no value.
        """
        with onp.errstate(all="ignore"):
            return [onp.asarray(place(node)) for place in self._places]

    def shape(self, node: Node) -> Shape | None:
        """Return the shape of an expression, None if it has no value."""
        try:
            with onp.errstate(all="ignore"):
                return tuple(self._places[0](node).shape)
        except FAULTS:
            return None

    def length(self, length: int) -> tree.Name | None:
        """Return the name of a dimension by its length, None if it has none."""
        named = self._bound.scene.named
        return next((tree.Name(name) for name, n in named.items() if n == length), None)

    def fits(self, right: Node) -> bool:
        """Tell whether a right side is that of the claim, as far as these places tell."""
        try:
            with onp.errstate(all="ignore"):
                return all(
                    close(x, onp.asarray(place(right)))
                    for x, place in zip(self.left, self._places, strict=True)
                )
        except _Unsure:
            return True
        except FAULTS:
            return False

    # --- from what is written to bound trees ------------------------------------------------------

    def _tied(self, node: Node) -> Node:
        """Return a part in terms of variables, for the layers of this place."""
        found = self._resolved.get(node)
        if found is None:
            try:
                found, extra = self._resolve(node)
            except BindingError as fault:
                found, extra = fault, []
            if len(extra) > len(self._extra):
                found = _Unsure()
            self._resolved[node] = found
        if isinstance(found, Exception):
            raise found
        return found

    def _learn(self, side: Node) -> None:
        """Note the definitions that a side of the claim needs: its program has them already."""
        try:
            _, self._extra = self._resolve(side)
        except BindingError:
            return

    def _resolve(self, node: Node) -> tuple[Node, list[tuple[str, Node]]]:
        resolver = self._bound.scene.binding.resolver
        known = len(resolver.extra)
        resolver.extra += self._extra
        try:
            one = instance(node, self._bound.scene.letters, self._counts)
            return resolver.resolve(one, grow=False), resolver.extra[known:]
        finally:
            del resolver.extra[known:]

    def lowered(self, node: Node, indices: dict[str, int]) -> Node:
        """Return the bound tree of a part."""
        scene = self._bound.scene
        resolved = self._tied(node)
        lower = scene.lowering()
        lower.derivative = lambda part: completed(scene, part, self._convention)
        if has_lengths(resolved):
            scene.infer.letters = dict(self._letters)
            scene.infer(resolved)
        return lower(resolved, indices)

    def is_plain(self, node: Node) -> bool:
        """Tell whether a part needs nothing from the notes but what it is made of."""
        if not isinstance(node, tree.Call):
            return isinstance(node, _PLAIN)
        name = node.function.name
        found = builtin(name)
        return (
            found is not None
            and found.family in ("elementwise", "reduction")
            and node.function.layer is None
            and (name, None) not in self._bound.scene.binding.resolver.functions
        )


class _Place(Evaluation):
    """Values of written parts at one point, for one choice of running indices."""

    def __init__(self, owner: Probe, point: Point, indices: dict[str, int], layout: Layout) -> None:
        super().__init__(point, Floats(), layout)
        self._owner = owner
        self._running = indices
        self._tied = Evaluation(point, Floats(), layout)
        self._known: dict[int, tuple[Node, Array]] = {}
        self._leaves: dict[Node, Array] = {}

    def __call__(self, node: Node) -> Array:
        found = self._known.get(id(node))
        if found is not None:
            return found[1]
        if self._owner.is_plain(node) or self._is_power(node):
            value = super().__call__(node)
        elif isinstance(node, (tree.Name, tree.Derivative)):
            if node not in self._leaves:
                self._leaves[node] = self._tied(self._owner.lowered(node, self._running))
            value = self._leaves[node]
        else:
            value = self._tied(self._owner.lowered(node, self._running))
        # The node is kept as well: an object made later must not get its number.
        self._known[id(node)] = node, value
        return value

    def _is_power(self, node: Node) -> bool:
        """Tell whether a part is a power element by element: of a square matrix it may be none."""
        if not isinstance(node, tree.Power) or not isinstance(node.exponent, tree.Number):
            return False
        shape = self(node.base).shape
        return not (len(shape) == 2 and shape[0] == shape[1] > 1)


class _Unsure(Exception):
    """An expression needs more than the network of the claim has."""


FAULTS = (
    BindingError,
    EvaluationFault,
    ArithmeticError,
    LookupError,
    ValueError,
    RecursionError,
    _Unsure,
)
"""What an expression without a value raises."""


def close(x: Values, y: Values) -> bool:
    """Tell whether two values agree to six digits.

    Parameters
    ----------
    x, y : array

    Returns
    -------
    bool
        Not if their shapes differ, unless both have one element.
    """
    if x.shape != y.shape and not x.size == y.size == 1:
        return False
    apart = onp.abs(onp.ravel(x) - onp.ravel(y))
    largest = onp.max(onp.abs(x), initial=0.0)
    return bool(onp.all(apart <= _CLOSE * largest))


def probe(
    bounds: Sequence[Bound], equation: Equation, per_example: bool, layout: Layout
) -> Probe | None:
    """Return a probe of the first network in which the left side has a value."""
    for bound in bounds:
        try:
            return Probe(bound, equation, per_example, layout)
        except FAULTS:
            continue
    return None
