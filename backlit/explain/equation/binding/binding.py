"""The definitions of some notes tied to variables, for one number of layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from backlit.explain.equation.binding.batch import COUNTS
from backlit.explain.equation.binding.expand import Expansion, Written, expand
from backlit.explain.equation.binding.families import Sizes
from backlit.explain.equation.binding.letters import Letters
from backlit.explain.equation.binding.mentions import open_functions, used
from backlit.explain.equation.binding.names import BindingError, Symbols, stem
from backlit.explain.equation.binding.problem import Defined
from backlit.explain.equation.binding.resolve import (
    RUNNING,
    OwnFunction,
    Resolver,
    check_size,
    shown,
)
from backlit.explain.equation.binding.script import Definition, Script
from backlit.explain.equation.binding.sizes import dimension_names, written_headers
from backlit.explain.equation.binding.written import split_subscripts, variables
from backlit.explain.equation.text.headers import Header
from backlit.explain.equation.tree import Derivative, Element, Name, Node
from backlit.explain.equation.values.functions import builtin


class Binding:
    """Variables and definitions.

    Parameters
    ----------
    script : Script
    definitions : sequence of Definition
        Those in force.
    letters : Letters
    sizes : Sizes
    readings : mapping of int to int
        Which reading to take of a line, if not the first.

    Attributes
    ----------
    resolver : Resolver
    headers : list of Header
        With their layer numbers written out.
    defined : list of Defined
        Each after those that it uses.
    faults : dict of int to BindingError
        By line, what is wrong with definitions.
    broken : dict of str to int
        Variables that have no value, and the line that is to blame.
    open_functions : frozenset of str
        Functions that the definitions use and nothing defines: g of a = g(z).
    """

    def __init__(
        self,
        script: Script,
        definitions: Sequence[Definition],
        letters: Letters,
        sizes: Sizes,
        readings: Mapping[int, int],
    ) -> None:
        self.letters = letters
        expansion = expand(definitions, script.functions, letters, sizes, readings)
        self.conflicts = expansion.conflicts
        self.faults = dict(expansion.faults)
        self.broken: dict[str, int] = {}
        self.headers = written_headers(script.headers, letters, sizes)
        self.resolver = self._resolver(script, expansion, sizes)
        self._check_headers()
        self._lines: dict[str, int] = {}
        for name, line in script.unread.items():
            if self.resolver.symbols.find(self._whole(name)) is None:
                symbol = self.resolver.symbols.add(self._whole(name))
                self._lines[symbol] = self.broken[symbol] = line
        self.defined = self._sorted(self._resolved(expansion))
        derived = (node for _, node in self.resolver.derived.values())
        used_here = (*(d.node for d in self.defined), *derived)
        self.open_functions = frozenset(open_functions(used_here))

    def line(self, symbol: str) -> int:
        """Return the line that defines a variable.

        Parameters
        ----------
        symbol : str

        Returns
        -------
        int
        """
        return self._lines[symbol]

    def show(self, symbol: str) -> str:
        """Return a variable as messages show it.

        Parameters
        ----------
        symbol : str

        Returns
        -------
        str
        """
        return shown(self.resolver.symbols.spelled(symbol))

    def header(self, symbol: str) -> Header | None:
        """Return the header line of a variable, if it has one.

        Parameters
        ----------
        symbol : str

        Returns
        -------
        Header or None
        """
        find = self.resolver.symbols.find
        found = [h for h in self.headers if find(self._whole(h.name)) == symbol]
        if len(found) < 2:
            return found[0] if found else None
        return replace(found[0], properties=frozenset().union(*(h.properties for h in found)))

    def places(self, symbol: str, *, sized: bool = False) -> int:
        """Return how many subscripts the elements of a variable are written with.

        Parameters
        ----------
        symbol : str
        sized : bool
            Only those beside the dimensions of its header: one for k_i: (d,).

        Returns
        -------
        int
        """
        name = self.resolver.symbols.spelled(symbol)
        header = self.header(symbol) if sized else None
        if sized:
            return 0 if header is None else len(self._running(header.name))
        return 0 if name.index else self.letters.arrays.get(stem(name.base), 0)

    def _check_headers(self) -> None:
        seen: dict[str | None, Header] = {}
        for header in self.headers:
            first = seen.setdefault(self.resolver.symbols.find(self._whole(header.name)), header)
            if first.dims != header.dims:
                self.faults[header.line] = BindingError(
                    f"line {first.line} gives another shape", header.span, fix="remove one of them"
                )

    # --- symbols ----------------------------------------------------------------------------

    def _resolver(self, script: Script, expansion: Expansion, sizes: Sizes) -> Resolver:
        symbols = Symbols(expansion.apart)
        for name in (*(h.name for h in self.headers), *(w.left for w in expansion.written)):
            symbols.add(self._whole(name))
        for new, old in expansion.second_names:
            symbols.same(new, symbols.add(old))
        for equation in script.claimed():
            for name in _introduced(equation.left):
                symbols.add(name)
        dimensions = frozenset(dimension_names(self.headers))
        numbers = {**_counting(script.counts), **sizes.constants}
        for function in expansion.functions.values():
            for name in _constants(function):
                if name.base not in dimensions and name.base not in numbers:
                    symbols.add(name)
        return Resolver(
            symbols,
            self.letters,
            expansion.functions,
            lambda name: builtin(name) is not None,
            dimensions,
            numbers,
        )

    def _whole(self, left: Name) -> Name:
        """Return the array that a left side z_j defines."""
        return replace(left, index=()) if self._running(left) else left

    def _running(self, left: Name) -> tuple[str, ...]:
        """Return the running indices of a left side."""
        if not left.index or stem(left.base) not in self.letters.arrays:
            return ()
        parts = split_subscripts(left)
        letters = [p.base for p in parts if isinstance(p, Name) and not p.index]
        inside = len(letters) == len(parts) and set(letters) <= self.letters.elements
        return tuple([RUNNING + letter for letter in letters]) if inside else ()

    # --- definitions ------------------------------------------------------------------------

    def _resolved(self, expansion: Expansion) -> list[Defined]:
        """Tie definitions to variables.

        Those made of derivatives, however indirectly, are not computed with the others: their
        names stand for their right sides.
        """
        add = self.resolver.symbols.add
        written = {add(self._whole(w.left)): w for w in expansion.written}
        found: dict[str, Defined] = {}
        for symbol, one in written.items():
            self._lines[symbol] = one.source.line
            if not _is_derived(one.right):
                self._resolve(symbol, one, found)
        derived = {s for s, one in written.items() if _is_derived(one.right)}
        size = -1
        while size != len(derived):
            size = len(derived)
            derived |= {s for s, d in found.items() if used([d.node]) & derived}
        self._derive({s: written[s] for s in written if s in derived})
        self._add_extra(found)
        return [d for s, d in found.items() if s not in derived]

    def _resolve(self, symbol: str, one: Written, found: dict[str, Defined]) -> None:
        line = one.source.line
        try:
            running = self._running(one.left)
            node = self.resolver.resolve(one.right, grow=True, running=running)
        except BindingError as fault:
            self._break(symbol, fault)
            return
        found[symbol] = Defined(symbol, node, running, line)

    def _break(self, symbol: str, fault: BindingError) -> None:
        line = self._lines[symbol]
        self.broken[symbol] = line
        self.faults.setdefault(line, fault)

    def _derive(self, waiting: dict[str, Written]) -> None:
        """Resolve the definitions made of derivatives, each after those it uses."""
        while waiting:
            done = set()
            for symbol, one in waiting.items():
                try:
                    node = self.resolver.resolve(one.right, grow=False)
                    check_size(node, one.right.span)
                except BindingError as fault:
                    self._break(symbol, fault)
                    done.add(symbol)
                    continue
                if not used([node]) & set(waiting):
                    self.resolver.derived[symbol] = (self._running(one.left), node)
                    done.add(symbol)
            if not done:
                for symbol in waiting:
                    self._break(symbol, self._circular(symbol))
                return
            waiting = {s: one for s, one in waiting.items() if s not in done}

    def _circular(self, symbol: str) -> BindingError:
        return BindingError(f"‘{self.show(symbol)}’ is defined by itself")

    def _add_extra(self, found: dict[str, Defined]) -> None:
        """Add the variables that the definitions turned out to need."""
        for symbol, node in self.resolver.extra:
            self._lines.setdefault(symbol, 0)
            found[symbol] = Defined(symbol, node)

    def _sorted(self, defined: Iterable[Defined]) -> list[Defined]:
        """Return definitions so that each comes after those that it uses."""
        waiting = {d.symbol: d for d in defined}
        needs = {symbol: used([one.node]) for symbol, one in waiting.items()}
        done: list[Defined] = []
        while waiting:
            ready = [d for s, d in waiting.items() if waiting.keys().isdisjoint(needs[s])]
            if not ready:
                for symbol in waiting:
                    self._break(symbol, self._circular(symbol))
                break
            done += [waiting.pop(one.symbol) for one in ready]
        return done


def _is_derived(node: Node) -> bool:
    return any(isinstance(part, Derivative) for part in node.walk())


def _counting(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the numbers of examples that notes write: m = 3, but not x = 3."""
    return {name: number for name, number in counts.items() if name in COUNTS}


def _constants(function: OwnFunction | str) -> Iterator[Name]:
    """Yield the variables of a function beside its parameters: a of f(x) = a x²."""
    if isinstance(function, str):
        return
    for name in variables(function.body):
        if isinstance(name, Name) and name.base not in function.parameters:
            if name.layer is None and not name.index:
                yield name


def _introduced(left: Node) -> Iterator[Name]:
    """Yield the variables that a left side brings along: x of (f(g(x)))′, z of σ′(z)."""
    whole = left.target if isinstance(left, Derivative) else left
    if isinstance(whole, (Name, Element)) or whole is None:
        return
    for variable in variables(whole):
        if isinstance(variable, Name) and variable.layer is None and not variable.index:
            yield variable
