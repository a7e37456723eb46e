"""The networks that the notes describe, for which each claim is tried: with several numbers of
layers, and with different sizes of every dimension."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from backlit.explain.equation.binding.families import sizes_to_try
from backlit.explain.equation.binding.letters import Letters, classify
from backlit.explain.equation.binding.names import Entry, defined_apart, entry, stem
from backlit.explain.equation.binding.powers import Powers
from backlit.explain.equation.binding.scene import Choice, Scene
from backlit.explain.equation.binding.script import Claim, Definition, Script, written_numbers
from backlit.explain.equation.binding.sizes import dimension_names, written_headers
from backlit.explain.equation.binding.written import split_subscripts
from backlit.explain.equation.tree import Equation, Name, Number

Version = tuple[int, ...]

_LARGEST = 60
# Of written subscripts that an array has to reach; 12 of w_{12} may be 1 and 2.
_LARGEST_PLACE = 9


class Networks:
    """Networks by which definitions are in force.

    Parameters
    ----------
    script : Script
    powers : Powers, optional
        How powers of square matrices are read.

    Attributes
    ----------
    letters : Letters
    """

    def __init__(self, script: Script, powers: Powers | None = None) -> None:
        self.script = script
        self.powers = powers or Powers()
        sized = {
            stem(h.name.base): len(h.dims)
            for h in script.headers
            if h.dims is not None and not h.name.index  # W_q: (d, p) says nothing of a W
        }
        self.letters: Letters = classify(
            script.equations(), script.claimed(), sized=sized, values=script.counts
        )
        self._written = {d for h in script.headers for d in h.dims or () if isinstance(d, int)}
        self._made: dict[Version, list[Scene]] = {}
        self._versions = Versions(script.definitions)
        equations = [*script.equations(), *script.claimed()]
        self._avoided = self._written | written_numbers(equations)
        self._least = max(2, _largest_place(equations, self.letters))
        self._claims: dict[Version, list[Claim]] = {}
        for claim in script.claims:
            self._claims.setdefault(self._versions.at(claim.line), []).append(claim)

    def at(self, line: int) -> list[Scene]:
        """Return the networks that the claims of a line are judged in.

        Parameters
        ----------
        line : int

        Returns
        -------
        list of Scene
            At least one.
        """
        version = self._versions.at(line)
        if version not in self._made:
            self._made[version] = list(self._scenes(version))
        return self._made[version]

    def all(self) -> list[Scene]:
        """Return all networks made so far."""
        return [scene for scenes in self._made.values() for scene in scenes]

    def _scenes(self, version: Version) -> Iterable[Scene]:
        conflicts: frozenset[int] = frozenset()
        first = self._scene(version, conflicts, 0, None)
        if first.binding.conflicts:
            # What ends at layer 2 by number and otherwise by name has more than two layers.
            conflicts = frozenset(first.binding.conflicts)
            first = self._scene(version, conflicts, 0, None)
        yield first
        count = len(sizes_to_try(self.letters, self.script.counts, conflicts))
        if count == 1 and not self._is_free(first):
            return
        for number in range(1, max(count, 2)):
            yield self._scene(version, conflicts, number, first)

    def _is_free(self, scene: Scene) -> bool:
        """Tell whether any dimension can be chosen."""
        return any(n not in self._written | {1} for s in scene.shapes.values() for n in s)

    def _scene(
        self,
        version: Version,
        conflicts: frozenset[int],
        number: int,
        before: Scene | None,
    ) -> Scene:
        choices = sizes_to_try(self.letters, self.script.counts, conflicts)
        sizes = choices[number % len(choices)]
        names = dimension_names(written_headers(self.script.headers, self.letters, sizes))
        avoid = self._avoided | set(sizes.constants.values())
        # Where too many numbers are written, those are taken that may coincide with one.
        free = sorted(range(self._least, _LARGEST), key=lambda n: n in avoid)
        known = {**self.script.counts, **sizes.constants}
        unnamed = [name for name in dict.fromkeys(names) if name not in known]
        # Others in the second network, so that no equation holds by a coincidence of sizes.
        turned = free[number:][: len(unnamed)]
        turned = turned[number % max(len(turned), 1) :] + turned[: number % max(len(turned), 1)]
        named = {name: known[name] for name in names if name in known}
        named.update(zip(unnamed, turned, strict=True))
        named.update({name: sizes.constants[name] for name in self.letters.fixed})
        rest = [n for n in free[number:] if n not in turned]
        pool = tuple(rest[:8][::-1] + rest[8:]) if number % 2 else tuple(rest)
        forms = None if before is None else before.guess.forms
        definitions = self._versions.definitions(version)
        claims = self._claims.get(version, self.script.claims)
        choice = Choice(sizes, named, pool, forms, self.powers)
        return Scene(self.script, definitions, self.letters, choice, claims)


def _largest_place(equations: Sequence[Equation], letters: Letters) -> int:
    """Return the largest number in the subscript of an array: 3 of p_3."""
    names = (n for e in equations for n in e.walk() if isinstance(n, Name) and n.index)
    places = (
        int(part.value)
        for name in names
        if stem(name.base) in letters.arrays
        for part in split_subscripts(name)
        if isinstance(part, Number) and part.value <= _LARGEST_PLACE
    )
    return max(places, default=0)


class Versions:
    """Which definitions hold where: a variable may be defined again further down.

    Of such a variable the last definition before a line holds there; if there is none before it,
    the first after it. Those of one line, ``a = b = c``, hold together.

    Parameters
    ----------
    definitions : sequence of Definition
    """

    def __init__(self, definitions: Sequence[Definition]) -> None:
        self._definitions = definitions
        apart = defined_apart([(d.left, d.readings[0]) for d in definitions])
        self._entries = [entry(d.left, apart) for d in definitions]
        lines: dict[Entry, list[int]] = {}
        for key, definition in zip(self._entries, definitions, strict=True):
            lines.setdefault(key, []).append(definition.line)
        self._several = {k: sorted(set(n)) for k, n in lines.items() if len(set(n)) > 1}

    def at(self, line: int) -> Version:
        """Return which of several definitions hold at a line.

        Parameters
        ----------
        line : int

        Returns
        -------
        tuple of int
            For each variable that has several, the line of the one that holds.
        """
        return tuple([n[max(bisect_right(n, line) - 1, 0)] for n in self._several.values()])

    def definitions(self, version: Version) -> list[Definition]:
        """Return the definitions that hold, in their order.

        Parameters
        ----------
        version : tuple of int

        Returns
        -------
        list of Definition
        """
        lines = dict(zip(self._several, version, strict=True))
        both = zip(self._entries, self._definitions, strict=True)
        return [d for key, d in both if lines.get(key, d.line) == d.line]
