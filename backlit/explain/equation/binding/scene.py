"""One network that the notes describe, with every size chosen: shapes, a program and points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as onp

from backlit.explain.equation.binding.batch import COUNTS, Examples, examples, examples_axis
from backlit.explain.equation.binding.binding import Binding
from backlit.explain.equation.binding.distributions import assumed
from backlit.explain.equation.binding.families import Sizes, instances
from backlit.explain.equation.binding.guess import Guess, guess
from backlit.explain.equation.binding.letters import Letters
from backlit.explain.equation.binding.lower import Lowering, stacked, whole_at
from backlit.explain.equation.binding.mentions import DIMENSION, used
from backlit.explain.equation.binding.names import BindingError
from backlit.explain.equation.binding.powers import Powers
from backlit.explain.equation.binding.problem import Defined, Leaf, Problem
from backlit.explain.equation.binding.script import Claim, Definition, Script
from backlit.explain.equation.binding.shapes import Shape, ShapeOf
from backlit.explain.equation.binding.sizes import numbers_of, shape_of_items
from backlit.explain.equation.binding.targets import loss_of
from backlit.explain.equation.binding.written import slots_of, variables
from backlit.explain.equation.text.headers import Header
from backlit.explain.equation.tree import Equation, Items, Name, Node
from backlit.explain.equation.values.draws import Leaf as ProgramLeaf
from backlit.explain.equation.values.evaluate import EvaluationFault, ShapeFault
from backlit.explain.equation.values.points import Point
from backlit.explain.equation.values.program import Program

_SEED = 20_240
_MOST_ELEMENTS = 200_000


@dataclass(frozen=True)
class Choice:
    """What is chosen freely for one network.

    Attributes
    ----------
    sizes : Sizes
    named : dict of str to int
        Numbers of the dimensions with a name.
    pool : tuple of int
        Numbers for the other dimensions, each used once.
    forms : dict of str to str, optional
        Shapes of leaves as they were found for another network of the same notes.
    powers : Powers
        How powers of square matrices are read.
    """

    sizes: Sizes
    named: Mapping[str, int]
    pool: tuple[int, ...]
    forms: Mapping[str, str] | None = None
    powers: Powers = field(default_factory=Powers)


class Scene:
    """A network: variables, shapes, definitions and random points.

    Parameters
    ----------
    script : Script
    definitions : sequence of Definition
        Those in force.
    letters : Letters
    choice : Choice
    claims : sequence of Claim
        What is claimed of it.

    Attributes
    ----------
    binding : Binding
    guess : Guess
    named : dict of str to int
        Numbers of the dimensions with a name.
    shapes : dict of str to shape
    program : Program
    relaxed : dict of int to Node
        By line a product side by side that was read element by element.
    assumed : dict of str to str
        Properties that variables were given because nothing was said.
    """

    def __init__(
        self,
        script: Script,
        definitions: Sequence[Definition],
        letters: Letters,
        choice: Choice,
        claims: Sequence[Claim],
    ) -> None:
        self.script, self.claims = script, claims
        self.letters, self.choice = letters, choice
        self.named = dict(choice.named)
        self.relaxed: dict[int, Node] = {}
        self.assumed: dict[str, str] = {}
        readings: dict[int, int] = {}
        # A reading of a definition that cannot be bound or does not fit gives way to the next.
        while True:
            self.binding = Binding(script, definitions, letters, choice.sizes, readings)
            self.guess = self._guessed()
            other = self._other_readings(definitions, readings)
            if not other:
                break
            readings.update(other)
        self._tie()
        self._size()
        self.infer = ShapeOf(self.guess.dimensions, dict(self.shapes), self.named)
        self.infer.ranges = self.guess.infer.ranges
        self.program = self._program()
        self.assumed = self._distributions()
        if self.assumed:
            self.program = self._program()
        self.infer.shapes.update(self.shapes)
        self._extended: dict[tuple[tuple[str, Node], ...], Program] = {(): self.program}
        self._points: dict[Program, list[Point]] = {}
        self._losses: dict[str, str | None] = {}
        self._examples: dict[str, Examples | None] = {}

    # --- shapes -----------------------------------------------------------------------------

    def _guessed(self) -> Guess:
        self._hinted = self._hints()
        known = self.binding.defined, self._leaves(), self._hinted, self.named
        return guess(Problem(*known, *self.script.signs), self.choice.forms)

    def _other_readings(
        self, definitions: Sequence[Definition], readings: Mapping[int, int]
    ) -> dict[int, int]:
        binding = self.binding
        bad = set(binding.faults) | {binding.line(s) for s in self.guess.faults}
        return {
            d.line: readings.get(d.line, 0) + 1
            for d in definitions
            if d.line in bad and readings.get(d.line, 0) + 1 < len(d.readings)
        }

    def _leaves(self) -> list[Leaf]:
        binding = self.binding
        defined = {d.symbol for d in binding.defined}
        defined |= {*binding.resolver.derived, *binding.broken, *binding.resolver.tied}
        found = []
        for symbol in binding.resolver.symbols:
            if symbol not in defined:
                shape = self._given_shape(symbol)
                found.append(Leaf(symbol, shape, binding.places(symbol, sized=shape is not None)))
        return found

    def _given_shape(self, symbol: str) -> Shape | None:
        header = self.binding.header(symbol)
        if header is not None and header.dims is not None:
            try:
                return self._of_bounded_size(header)
            except BindingError as fault:
                self.binding.faults.setdefault(header.line, fault)
                self.binding.broken[symbol] = header.line
                return None
        for name, node in self.script.given.items():
            if isinstance(node, Items) and self.binding.resolver.symbols.find(name) == symbol:
                return shape_of_items(node)
        return None

    def _of_bounded_size(self, header: Header) -> Shape | None:
        shape = numbers_of(header, self.named)
        if shape is not None and prod(shape) > _MOST_ELEMENTS:
            raise BindingError(
                f"an array of {prod(shape):,} elements: exceeds a cap",
                header.span,
                fix="name the dimension, (n, m), to have it checked for small sizes",
            )
        return shape

    def _hints(self) -> list[tuple[Node, Node]]:
        """Return the claims as far as they can be bound: what fits them is likely meant."""
        resolver = self.binding.resolver
        found, before = [], list(resolver.extra)
        for claim in self.claims:
            for part in claim.parts:
                try:
                    _, one = next(instances(part[0], self.letters, self.choice.sizes, first=1))
                    assert isinstance(one, Equation)
                    sides = [resolver.resolve(side, grow=False) for side in (one.left, one.right)]
                    found.append((sides[0], sides[1]))
                except (BindingError, StopIteration):
                    continue
        resolver.extra[:] = before
        return found

    def _tie(self) -> None:
        """Take a number m that nothing defines for the number of examples, if there is one."""
        binding, found = self.binding, self.guess
        symbols = binding.resolver.symbols
        leaves = [leaf.symbol for leaf in self._leaves()]
        spelled = {symbol: symbols.spelled(symbol) for symbol in leaves}
        self.axis = examples_axis(spelled, found.shapes, leaves, found.dimensions.find, self.named)
        for symbol, dim in found.infer.counts.items():
            if symbol in leaves and binding.header(symbol) is None:
                self._take_for(symbol, spelled[symbol].base, dim)
        if self.axis is None or any(name in self.named for name in COUNTS):
            return
        known = {name: symbols.find(Name(name)) for name in COUNTS}
        for name, leaf in known.items():
            if leaf in leaves and found.shapes.get(leaf) == () and not binding.header(leaf):
                self._take_for(leaf, name, self.axis)
                return
        for name in COUNTS[:2] if not any(known.values()) else ():
            # No definition needs it: np.mean says nothing of m, and a claim may.
            binding.resolver.dimensions |= {name}
            self.named[name] = self.axis

    def _take_for(self, symbol: str, name: str, dim: int) -> None:
        """Take a variable for the length of an axis."""
        self.binding.resolver.tied[symbol] = name
        self.binding.defined = [
            replace(d, node=_with_count(d.node, symbol, name)) for d in self.binding.defined
        ]
        ranges = self.guess.infer.ranges
        ranges.update([(_with_count(node, symbol, name), dim) for node, dim in ranges.items()])
        self.named[name] = dim

    def _size(self) -> None:
        """Give every dimension that is still unknown a number of its own."""
        found = self.guess
        for symbol, fault in found.faults.items():
            self._break(symbol, fault)
        unknown = [d for shape in found.shapes.values() if shape is not None for d in shape]
        unknown += [d for own in found.letters.values() for d in own.values()]
        unknown += list(found.infer.ranges.values())
        numbers = iter(self.choice.pool)
        reached = {found.dimensions.find(dim) for dim, _, _ in found.infer.reached}
        for dim in unknown:
            if found.dimensions.find(dim) < 0 and found.dimensions.find(dim) not in reached:
                found.dimensions.join(dim, next(numbers))
        self._reach()
        self.shapes = {
            symbol: found.dimensions.shape(shape)
            for symbol, shape in found.shapes.items()
            if shape is not None
        }
        self.named = {name: found.dimensions.find(dim) for name, dim in self.named.items()}
        self.axis = None if self.axis is None else found.dimensions.find(self.axis)

    def _reach(self) -> None:
        """Make arrays as long as the sums of indices that run along them: x of x_{i+k-1}."""
        dimensions, longest = self.guess.dimensions, dict[int, int]()
        for dim, place, letters in self.guess.infer.reached:
            last = {name: dimensions.find(length) - 1 for name, length in letters.items()}
            length = (whole_at(place, last) or 0) + 1
            dim = dimensions.find(dim)
            longest[dim] = max(longest.get(dim, 1), length)
        for dim, length in longest.items():
            if dim < 0:
                dimensions.join(dim, length)

    def _break(self, symbol: str, fault: BindingError) -> None:
        line = self.binding.line(symbol)
        self.binding.broken[symbol] = line
        self.binding.faults.setdefault(line, fault)

    # --- program ----------------------------------------------------------------------------

    def _program(self) -> Program:
        leaves = {
            leaf.symbol: ProgramLeaf(self.shapes[leaf.symbol], self._properties(leaf.symbol))
            for leaf in self._leaves()
            if leaf.symbol in self.shapes
        }
        bound: list[tuple[str, Node]] = []
        for one in self.binding.defined:
            blamed = [s for s in used([one.node]) if s in self.binding.broken]
            if one.symbol in self.binding.broken:
                continue
            if blamed:
                self.binding.broken[one.symbol] = self.binding.broken[blamed[0]]
                continue
            try:
                bound.append((one.symbol, self._bound(one)))
            except BindingError as fault:
                self._break(one.symbol, fault)
                continue
            if one.symbol not in self.shapes:
                self._learn(bound, leaves)
        return self._checked(bound, leaves)

    def _learn(self, bound: list[tuple[str, Node]], leaves: Mapping[str, ProgramLeaf]) -> None:
        """Take the shapes that cannot be told beforehand from the values."""
        try:
            self.infer.shapes.update(Program(bound, leaves).shapes)
        except EvaluationFault:
            return  # It is said of the whole program.

    def _bound(self, one: Defined) -> Node:
        lower = self.lowering(lenient=True)
        self.infer.letters = dict(self.guess.letters.get(one.symbol, {}))
        node = stacked(lower, one.node, one.letters)
        for part in lower.relaxed:
            self.relaxed[one.line] = part
        return node

    def lowering(self, *, lenient: bool = False) -> Lowering:
        """Return a lowering for the shapes of this network.

        Parameters
        ----------
        lenient : bool
            As for `Lowering`.

        Returns
        -------
        Lowering
        """
        axis, powers = self._softmax_axis, self.choice.powers
        return Lowering(self.infer, self.named, softmax_axis=axis, lenient=lenient, powers=powers)

    def _softmax_axis(self, argument: Node, shape: Shape) -> int | None:
        """Tell the axis of a softmax that names none: not the one that counts examples."""
        declared = {p for h in self.binding.headers for p in h.properties}
        if len(shape) != 2 or "one-hot rows" in declared:
            return None
        return 0 if "one-hot columns" in declared or shape[1] == self.axis else None

    def _checked(self, bound: list[tuple[str, Node]], leaves: Mapping[str, ProgramLeaf]) -> Program:
        """Return the program without the definitions that have no value."""
        while True:
            program = Program(bound, leaves)
            try:
                self.shapes.update(program.shapes)
                return program
            except EvaluationFault as fault:
                symbol = fault.symbol
                assert symbol is not None
                kind = "shape" if isinstance(fault, ShapeFault) else "other"
                self._break(symbol, BindingError(fault.message, fault.span, kind=kind))
                lost = {s for s in program.definitions if symbol in program.ancestors(s)}
                for other in lost:
                    self.binding.broken.setdefault(other, self.binding.broken[symbol])
                bound = [(s, node) for s, node in bound if s not in lost | {symbol}]

    def _properties(self, symbol: str) -> frozenset[str]:
        header = self.binding.header(symbol)
        if header is not None:
            return header.properties
        return frozenset([self.assumed[symbol]] if symbol in self.assumed else [])

    def _distributions(self) -> dict[str, str]:
        """Return what is assumed of variables without a header."""
        try:
            point = self.program.draw(onp.random.default_rng(_SEED))
        except EvaluationFault:
            return {}  # Each claim is refused for it.
        free = [s for s in self.program.leaves if self.binding.header(s) is None]
        return assumed(self.binding.defined, self._hinted, free, self.lowering(), point)

    # --- use --------------------------------------------------------------------------------

    def extended(self, definitions: tuple[tuple[str, Node], ...]) -> Program:
        """Return the program with more definitions, those that a claim needs.

        Parameters
        ----------
        definitions : tuple of (str, Node)
            Bound trees.

        Returns
        -------
        Program
        """
        if definitions not in self._extended:
            own = [*self.program.definitions.items(), *definitions]
            self._extended[definitions] = Program(own, self.program.leaves)
        return self._extended[definitions]

    def loss(self, symbol: str) -> str | None:
        """Return what a bare derivative with respect to a variable is the derivative of.

        Parameters
        ----------
        symbol : str

        Returns
        -------
        str or None
        """
        if symbol not in self._losses:
            spelled = self.binding.resolver.symbols.spelled
            self._losses[symbol] = loss_of(
                self.program,
                symbol,
                base=lambda s: spelled(s).base,
                lines=self.binding.line,
                in_claims=self._in_claims(),
            )
        return self._losses[symbol]

    def losses(self) -> set[str | None]:
        """Return what the bare derivatives met so far are of.

        Returns
        -------
        set of str or None
        """
        return set(self._losses.values())

    def _in_claims(self) -> frozenset[str]:
        """Return the variables on the right sides of claims."""
        find = self.binding.resolver.symbols.find
        names = {
            find(v)
            for claim in self.claims
            for part in claim.parts
            for v in variables(part[0].right)
            if isinstance(v, Name)
        }
        return frozenset(symbol for symbol in names if symbol is not None)

    def examples(self, target: str) -> Examples | None:
        """Tell what is per example of a loss.

        Parameters
        ----------
        target : str

        Returns
        -------
        Examples or None
            None if it is not an average over examples.
        """
        if target not in self._examples:
            symbols = self.binding.resolver.symbols
            counts = {symbols.find(Name(name)) for name in COUNTS}
            numbered, count = self._numbered()
            known = self.script.counts
            self._examples[target] = examples(
                self.program,
                target,
                axis=self.axis,
                numbered=numbered,
                numbered_count=count,
                counts=frozenset(c for c in counts if c is not None and c in self.program.leaves),
                written=next((known[name] for name in COUNTS if name in known), None),
                lengths_of_axis=frozenset(
                    s for s in counts if s is not None and self._is_length(s)
                ),
            )
        return self._examples[target]

    def _is_length(self, symbol: str) -> bool:
        """Tell whether a variable is defined as the length of the axis of examples."""
        if symbol not in self.program.definitions:
            return False
        values = [point.value(symbol) for point in self.points(self.program, 2)]
        return all(value.shape == () and value == self.axis for value in values)

    def _numbered(self) -> tuple[frozenset[str], int | None]:
        """Return the variables written once for each example, and how many examples there are."""
        spelled = self.binding.resolver.symbols.spelled
        for family, last in zip(self.letters.families, self.choice.sizes.last, strict=True):
            if not family.counted and family.constants:
                own = [
                    symbol
                    for symbol in self.binding.resolver.symbols
                    if any(slot in family.slots for slot, _ in slots_of(spelled(symbol)))
                ]
                return frozenset(own), last
        return frozenset(), None

    def points(self, program: Program, count: int) -> list[Point]:
        """Return random points of a program, drawn when they are first asked for.

        Parameters
        ----------
        program : Program
            Of this network, or one with more definitions.
        count : int

        Returns
        -------
        list of Point
        """
        known = self._points.setdefault(program, [])
        rng = onp.random.default_rng([_SEED, len(known)])
        while len(known) < count:
            known.append(program.draw(rng))
        return known[:count]


def _with_count(whole: Node, symbol: str, name: str) -> Node:
    """Return an expression with a variable taken for a dimension."""

    def change(node: Node) -> Node:
        if isinstance(node, Name) and node.base == symbol:
            return replace(node, base=DIMENSION + name)
        return node

    return whole.map(change)
