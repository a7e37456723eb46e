"""What the values of a program are called in mathematics.

The user's own names: of arguments, of fields of a model, of assignments. A number in a path is a
layer, counted from 1: ``layers.0.W`` is W^{[1]}, and what is computed with it in the same function
is Z^{[1]} and A^{[1]}. A name that is assigned again and again gets its turn as layer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction

from backlit.core.graph import Graph, Var
from backlit.explain.equation.text.symbols import CODE_WORDS, GREEK, WORD_COMMANDS
from backlit.explain.equation.text.vocabulary import CONSTANTS, FUNCTIONS, MODULES, OPERATIONS
from backlit.explain.equation.tree import Name, Number
from backlit.explain.names import written_in

_LAST_KEY = re.compile(r"""\[\s*['"](\w+)['"]\s*\]$""")
# Letters that are read as names; γ is one, as in batch norm, though a program's gamma is called.
_LETTERS = frozenset(word for word in WORD_COMMANDS if WORD_COMMANDS[word] == word)
_GREEK = (_LETTERS - {*FUNCTIONS}) | {"gamma"}
_TAKEN = ({*FUNCTIONS, *OPERATIONS, *CONSTANTS, *MODULES, *CODE_WORDS, "e", "d"}) - _GREEK
# What these return is still called by the name of what they were given.
_CONVERSIONS = frozenset(("astype", "positive"))
_SUBSCRIPT = re.compile(r"\[[^\[\]]*\]$")


def base_of(text: str) -> str:
    """Return the name that a target of an assignment ends with.

    Parameters
    ----------
    text : str
        ``Z1``, ``self.Z1``, ``cache['Z1']``, ``Z[0]``.

    Returns
    -------
    str

    Examples
    --------
    >>> base_of("self.Z1"), base_of("cache['dW']"), base_of("Z[0]")
    ('Z1', 'dW', 'Z')
    """
    key = _LAST_KEY.search(text)
    if key is not None:
        return readable(key[1])
    while _SUBSCRIPT.search(text):
        text = _SUBSCRIPT.sub("", text)
    return readable(text.rpartition(".")[2] or text)


def readable(word: str) -> str:
    """Return a variable's name as one word of mathematics that is not a function or a constant.

    Parameters
    ----------
    word : str

    Returns
    -------
    str

    Examples
    --------
    >>> readable("y_hat"), readable("W_1"), readable("log"), readable("e")
    ('yhat', 'W1', 'log0', 'e0')
    """
    joined = "".join([GREEK.get(part, part) for part in word if part.isalnum()]) or "x"
    joined = joined if joined[0].isalpha() else f"x{joined}"
    return f"{joined}0" if joined in _TAKEN else joined


def path_name(path: str) -> tuple[str, int]:
    """Return base and layer of an argument's path; layer 0 for none.

    Parameters
    ----------
    path : str

    Returns
    -------
    base : str
    layer : int

    Examples
    --------
    >>> path_name("model.layers.0.W"), path_name("X"), path_name("weights.2")
    (('W', 1), ('X', 0), ('weights', 3))
    """
    parts = path.split(".")
    words = [part for part in parts if not part.isdigit()]
    numbers = [int(part) for part in parts if part.isdigit()]
    return readable(words[-1] if words else "x"), numbers[-1] + 1 if numbers else 0


class Naming:
    """Names of a program's variables.

    Parameters
    ----------
    given : dict of Var to Name

    Attributes
    ----------
    given : dict of Var to Name
        Variables whose name is the user's: inputs and assigned results.
    reserved : dict of Var to Name
        Names kept for other results, should they be shown: t1, t2, …
    """

    def __init__(self, given: dict[Var, Name] | None = None) -> None:
        self.given: dict[Var, Name] = given or {}
        self.reserved: dict[Var, Name] = {}
        self._taken = {symbol(name) for name in self.given.values()}

    def copy(self) -> Naming:
        """Return the same names, to be added to by itself."""
        made = Naming(dict(self.given))
        made.reserved = dict(self.reserved)
        made._taken = set(self._taken)
        return made

    @classmethod
    def of(cls, graph: Graph, names: dict[Var, str]) -> Naming:
        """Return the names in a graph.

        Parameters
        ----------
        graph : Graph
        names : dict of Var to str
            What `Graph.names` calls them.
        """
        naming = cls()
        wanted = _wishes(graph, names)
        counts = Counter((base, layer) for _, base, layer in wanted)
        bases = Counter(base for _, base, _ in wanted)
        turns: Counter[str] = Counter()
        inputs = set(graph.inputs)
        bases.subtract([base for var, base, layer in wanted if var in inputs and not layer])
        for var, base, layer in wanted:
            plain = var in inputs and not layer
            turns[base] += not plain
            several = bases[base] > 1 and not plain
            alone = layer and counts[base, layer] == 1 and (several or var in inputs)
            turn = layer if alone else turns[base] if several else 0
            naming.given[var] = naming.fresh(base, turn)
        return naming

    @classmethod
    def whole(cls, graph: Graph, names: dict[Var, str]) -> Naming:
        """Return a name for every value of a function with one result, the loss.

        Every view of an explanation takes its names from here, so that one value has one name.

        Parameters
        ----------
        graph : Graph
        names : dict of Var to str
            What `Graph.names` calls them.
        """
        naming = cls.of(graph, names)
        loss = graph.outputs[0]
        if isinstance(loss, Var) and loss not in naming.given:
            naming.given[loss] = naming.first(("L", "J", "E")) or naming.fresh("loss")
        for equation in graph.equations:
            for var in equation.outputs:
                if var not in naming.given:
                    naming.reserved[var] = naming.fresh(readable(names[var]))
        return naming

    def fresh(self, base: str, layer: int = 0) -> Name:
        """Return a name nobody has, as close to the wish as can be."""
        wish, count = base, 1
        while symbol(Name(wish, _layer(layer))) in self._taken:
            count += 1
            wish = f"{base}{count}"
        name = Name(wish, _layer(layer))
        self._taken.add(symbol(name))
        return name

    def first(self, wishes: Iterable[str]) -> Name | None:
        """Return the first of some names that is free, or None."""
        for wish in wishes:
            if wish not in self._taken:
                return self.fresh(wish)
        return None


def _wishes(graph: Graph, names: dict[Var, str]) -> list[tuple[Var, str, int]]:
    """Return the variables the user named, each with base and layer."""
    layer = {var: path_name(names[var])[1] for var in graph.inputs}
    homes = _homes(graph, layer)
    wanted = [(var, *path_name(names[var])) for var in graph.inputs]
    for equation in graph.equations:
        mine = max((layer.get(a, 0) for a in equation.inputs if isinstance(a, Var)), default=0)
        targets = () if equation.source is None else equation.source.targets()
        plain = equation.primitive.name in _CONVERSIONS
        for var in equation.outputs:
            layer[var] = mine
            target = max([t for t in targets if names[var].startswith(t)], key=len, default=None)
            if target is not None and not plain:
                wanted.append((var, base_of(target), mine if written_in(equation) in homes else 0))
    return wanted


def symbol(name: Name) -> str:
    """Return a name as one string: ``W[1]`` for W^{[1]}.

    Parameters
    ----------
    name : Name
        Without an index.

    Returns
    -------
    str

    Examples
    --------
    >>> symbol(Name("W", Number(Fraction(1))))
    'W[1]'
    """
    if name.layer is None:
        return name.base
    assert isinstance(name.layer, Number)
    return f"{name.base}[{name.layer.value}]"


def layer_of(name: Name) -> int:
    """Return the layer of a name, 0 for none."""
    return int(name.layer.value) if isinstance(name.layer, Number) else 0


def _layer(number: int) -> Number | None:
    return Number(Fraction(number)) if number else None


def _homes(graph: Graph, layer: dict[Var, int]) -> set[tuple[str, str] | None]:
    """Return the functions that use a parameter of a layer."""
    return {
        written_in(equation)
        for equation in graph.equations
        for atom in equation.inputs
        if isinstance(atom, Var) and layer.get(atom, 0)
    } - {None}
