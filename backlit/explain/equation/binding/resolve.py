"""From what was written to variables: every name becomes one symbol, a place in an array, a number
or a function of the notes, or is refused with the names it may have meant."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from backlit.explain.equation.binding.letters import Letters, runs_over
from backlit.explain.equation.binding.mentions import DIMENSION as DIMENSION
from backlit.explain.equation.binding.mentions import IDENTITY as IDENTITY
from backlit.explain.equation.binding.mentions import RUNNING as RUNNING
from backlit.explain.equation.binding.mentions import free_running
from backlit.explain.equation.binding.names import (
    BindingError,
    Symbols,
    did_you_mean,
    key_and_form,
    stem,
)
from backlit.explain.equation.binding.written import is_word, letters_in, rebuilt, split_subscripts
from backlit.explain.equation.text.vocabulary import FUNCTIONS
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Compare,
    Derivative,
    Element,
    Function,
    Name,
    Node,
    Number,
    Series,
    Span,
    Transpose,
    Unary,
)

_DEEPEST = 20
_LARGEST = 10_000
_MOST_NUMBERED = 50


@dataclass(frozen=True)
class OwnFunction:
    """A function that the notes define: ``f(x) = x²``.

    Attributes
    ----------
    parameters : tuple of str
    body : Node
        As it was written.
    """

    parameters: tuple[str, ...]
    body: Node


# A function of the notes, or the name of one of the notation: g = σ.
Functions = Mapping[tuple[str, int | None], OwnFunction | str]


@dataclass
class Resolver:
    """Ties the names of equations to variables.

    Attributes
    ----------
    symbols : Symbols
        The variables known so far.
    letters : Letters
    functions : mapping
        Functions of the notes by name and layer.
    builtin : callable
        Tells whether a function belongs to the notation.
    dimensions : frozenset of str
        Names of dimensions, which are numbers as well.
    numbers : mapping of str to int
        Other names that are numbers here: L, m, l.
    derived : dict of str to (tuple of str, Node)
        Definitions made of derivatives, which stand for their right sides: the running indices of
        the left side, and the right side.
    tied : dict of str to str
        Variables that turned out to be a dimension, and its name.
    extra : list of (str, Node)
        Definitions that the equations turn out to need: a place in an array that is
        differentiated, the argument of a function whose derivative is asked for.
    """

    symbols: Symbols
    letters: Letters
    functions: Functions
    builtin: Callable[[str], bool]
    dimensions: frozenset[str] = frozenset()
    numbers: Mapping[str, int] = field(default_factory=dict)
    derived: dict[str, tuple[tuple[str, ...], Node]] = field(default_factory=dict)
    tied: dict[str, str] = field(default_factory=dict)
    extra: list[tuple[str, Node]] = field(default_factory=list)

    def resolve(self, node: Node, *, grow: bool, running: Iterable[str] = ()) -> Node:
        """Return an equation, or a side of one, in terms of variables.

        Parameters
        ----------
        node : Node
            With every number of a family written out.
        grow : bool
            Whether names that are not known become variables, as in a definition.
        running : iterable of str
            Running indices of its left side, "@k".

        Returns
        -------
        Node

        Raises
        ------
        BindingError
            If something is not known, or cannot stand where it does.
        """
        made = _Pass(self, grow)
        made.running = frozenset(running)
        return made.visit(node)

    def displayed(self) -> list[str]:
        """Return the names of all variables as messages show them."""
        return [shown(self.symbols.spelled(s)) for s in self.symbols if s[:1].isalpha()]


def shown(name: Name) -> str:
    """Return a name as messages show it.

    Parameters
    ----------
    name : Name

    Returns
    -------
    str

    Examples
    --------
    >>> shown(Name("W", layer=Number(Fraction(2)))), shown(Name("w", index=(Name("ij"),)))
    ('W^[2]', 'w_ij')
    """
    key, form = key_and_form(name)
    marks = {"digits": "{}", "layer": "^[{}]", "index": "_{}"}
    return key[0].rstrip("~") + "".join(
        marks[f].format(p) for f, p in zip(form, key[1:], strict=True)
    )


class _Pass:
    """One walk over one equation."""

    def __init__(
        self, owner: Resolver, grow: bool, known: Mapping[str, Node] | None = None, depth: int = 0
    ) -> None:
        self.owner = owner
        self.grow = grow
        self.arguments = dict(known or {})
        self.depth = depth
        # Indices that are numbers here: k of y_k = 1[k = c].
        self.running: frozenset[str] = frozenset()

    def visit(self, node: Node) -> Node:
        if isinstance(node, Name):
            return self.name(node)
        if isinstance(node, Derivative):
            return self.derivative(node)
        if isinstance(node, Call):
            return self.call(node)
        if isinstance(node, Series):
            return self.series(node)
        if isinstance(node, Transpose) and isinstance(node.operand, Number):
            raise BindingError(
                "the transpose of a number", node.span, fix="for a vector of ones write ones(n)"
            )
        return rebuilt(node, self.visit)

    # --- names ------------------------------------------------------------------------------

    def name(self, name: Name) -> Node:
        owner = self.owner
        if name.base in self.arguments and name.layer is None and not name.index:
            return self.arguments[name.base]
        place = self._kronecker(name)
        if place is None and name.index and stem(name.base) in owner.letters.arrays:
            place = self._place(name)
        if place is not None:
            return place
        symbol = None if self._has_letters(name) else owner.symbols.find(name)
        if symbol is not None:
            return self._whole(symbol, name)
        number = self._number(name)
        if number is not None:
            return number
        if self.grow and not self._has_letters(name):
            return Name(owner.symbols.add(name), span=name.span)
        if name == Name("I"):
            return replace(IDENTITY, span=name.span)
        raise self._unknown(name)

    def _whole(self, symbol: str, name: Name) -> Node:
        owner = self.owner
        if symbol in owner.tied:
            return Name(DIMENSION + owner.tied[symbol], span=name.span)
        if symbol not in owner.derived:
            return Name(symbol, span=name.span)
        letters, node = owner.derived[symbol]
        if letters:
            raise BindingError(
                f"‘{shown(name)}’ is defined element by element, from derivatives",
                name.span,
                fix="write its subscripts",
            )
        return _pointing(node, name.span)

    def _has_letters(self, name: Name) -> bool:
        return any(letters_in(p) & self.owner.letters.elements for p in name.index) and (
            stem(name.base) in self.owner.letters.arrays
        )

    def _place(self, name: Name) -> Node | None:
        """Return the element that a subscript means, or None where it is a name of its own."""
        owner = self.owner
        parts = split_subscripts(name)
        numbers = all(isinstance(part, Number) for part in parts)
        known = owner.symbols.find(name) is not None
        if numbers and (known or parts[0] == Number(Fraction(0))):
            return None
        counted = owner.letters.elements | owner.letters.fixed
        if (known or self.grow) and any(
            isinstance(part, Name) and part.base not in counted for part in parts
        ):
            return None  # A variable of its own: u_o beside the u_k.
        rank = owner.letters.arrays[stem(name.base)]
        if numbers and len(parts) < rank:
            parts = _digits(parts, rank)
        whole = replace(name, index=())
        symbol = owner.symbols.find(whole)
        if symbol is None and self.grow:
            symbol = owner.symbols.add(whole)
        if symbol is None:
            raise self._unknown(name)
        index = tuple([self._from_zero(part) for part in parts])
        letters, node = owner.derived.get(symbol, ((), None))
        if node is not None and len(letters) == len(index):
            places = dict(zip(letters, index, strict=True))
            return _pointing(_substituted(node, places), name.span)
        operand = Name(symbol, span=name.span) if node is None else _pointing(node, name.span)
        return Element(operand, index, span=name.span)

    def _from_zero(self, part: Node) -> Node:
        if isinstance(part, Number):
            return replace(part, value=part.value - 1)
        if isinstance(part, Name) and part.base in self.owner.letters.elements:
            return Name(RUNNING + part.base, span=part.span)
        if isinstance(part, Name) and part.base in self.owner.letters.fixed:
            one = Number(Fraction(1))
            return Binary("-", Name(DIMENSION + part.base), one, span=part.span)
        if isinstance(part, (Binary, Unary)):
            one = Number(Fraction(1))
            return Binary("-", rebuilt(part, self._counter), one, span=part.span)
        raise BindingError("this subscript counts nothing that the notes say", part.span)

    def _counter(self, part: Node) -> Node:
        """Return a running index inside a subscript as the number it is written as."""
        if isinstance(part, Name) and part.base in self.owner.letters.elements:
            return Binary("+", Name(RUNNING + part.base), Number(Fraction(1)), span=part.span)
        return rebuilt(part, self._counter)

    def _number(self, name: Name) -> Node | None:
        owner = self.owner
        joined = "".join(key_and_form(name)[0])
        if joined in owner.dimensions:
            return Name(DIMENSION + joined, span=name.span)
        if name.layer is not None or name.index:
            return None
        if name.base in owner.letters.fixed:
            return Name(DIMENSION + name.base, span=name.span)
        if name.base in owner.numbers:
            return Number(Fraction(owner.numbers[name.base]), span=name.span)
        counts = not self.grow or RUNNING + name.base in self.running
        if name.base in owner.letters.elements and counts:
            place = Name(RUNNING + name.base)
            return Binary("+", place, Number(Fraction(1)), span=name.span)
        return None

    def _kronecker(self, name: Name) -> Node | None:
        """Return Kronecker's δ_{ij} as a condition."""
        letters = self.owner.letters
        if name.base != "delta" or not name.index:
            return None
        parts = split_subscripts(name, letters.elements | letters.fixed)
        symbols = [self.owner.symbols.find(n) for n in (name, replace(name, index=()))]
        places = letters.elements | letters.fixed
        told = all(letters_in(p) <= places and not is_word(p) for p in parts)
        if len(parts) != 2 or symbols != [None, None] or not told:
            return None
        left, right = (self._from_zero(part) for part in parts)
        return Compare("==", left, right, span=name.span)

    def _unknown(self, name: Name) -> BindingError:
        near = did_you_mean(shown(name), self.owner.displayed())
        return BindingError(
            f"‘{shown(name)}’ is not defined or used by any definition",
            name.span,
            fix=near or "define it, or give it a header line",
        )

    # --- derivatives ------------------------------------------------------------------------

    def derivative(self, node: Derivative) -> Node:
        if isinstance(node.wrt, Transpose):
            inner = replace(node, wrt=node.wrt.operand)
            return Transpose(self.derivative(inner), span=node.span)
        target = None if node.target is None else self._target(node.target)
        wrt = self._variable(node.wrt)
        second = None if node.second is None else self._variable(node.second)
        return replace(node, target=target, wrt=wrt, second=second)

    def _variable(self, wrt: Node) -> Node:
        # Inside a definition a name that nothing has mentioned is not something to vary.
        found = _Pass(self.owner, False, self.arguments, self.depth).visit(wrt)
        if isinstance(found, Name) and not found.base.startswith((RUNNING, DIMENSION)):
            return found
        if isinstance(found, Element) and isinstance(found.operand, Name):
            return found
        raise BindingError("a derivative is taken with respect to a variable", wrt.span)

    def _target(self, target: Node) -> Node:
        found = self.visit(target)
        if isinstance(found, Name) and not found.base.startswith((RUNNING, DIMENSION)):
            return found
        if isinstance(found, Element) and isinstance(found.operand, Name):
            return found
        if any(isinstance(n, Derivative) for n in found.walk()):
            raise BindingError("a derivative of derivatives is not read here", target.span)
        return Name(self._extra("value", found), span=target.span)

    def _extra(self, what: str, node: Node) -> str:
        for symbol, known in self.owner.extra:
            if known == node:
                return symbol
        symbol = f"{what} {len(self.owner.extra) + 1}"
        self.owner.extra.append((symbol, node))
        return symbol

    # --- functions --------------------------------------------------------------------------

    def call(self, node: Call) -> Node:
        args = tuple([self.visit(arg) for arg in node.args])
        keywords = tuple([(word, self.visit(value)) for word, value in node.keywords])
        name, layer = node.function.name, node.function.layer
        number = int(layer.value) if isinstance(layer, Number) else None
        found = self.owner.functions.get((name, number)) or self.owner.functions.get((name, None))
        if isinstance(found, OwnFunction) and not keywords:
            return self._expanded(node, found, args)
        if isinstance(found, str):
            function = replace(node.function, name=found, layer=None)
        elif self.owner.builtin(name):
            function = replace(node.function, layer=None)
        elif name in FUNCTIONS.values():
            raise BindingError(
                f"what {name} computes is not told", node.span, fix=f"write out what {name} is"
            )
        else:
            own = name if layer is None else f"{name}[{number if number is not None else layer}]"
            function = Function(own, None, node.function.order, span=node.function.span)
        return Call(function, args, keywords, span=node.span)

    def _expanded(self, node: Call, function: OwnFunction, args: tuple[Node, ...]) -> Node:
        order = node.function.order
        if len(args) != len(function.parameters):
            raise BindingError(
                f"‘{node.function.name}’ is defined of {len(function.parameters)} arguments",
                node.span,
            )
        if self.depth > _DEEPEST:
            raise BindingError(f"‘{node.function.name}’ is defined by itself", node.span)
        if order == 0:
            return self._body(function, args, node)
        if order > 1 or len(args) != 1:
            raise BindingError("only the first derivative of a function of one variable", node.span)
        if any(isinstance(n, Derivative) for n in args[0].walk()):
            raise BindingError("a derivative of derivatives is not read here", node.span)
        argument = Name(self._extra("argument", args[0]))
        value = Name(self._extra("value", self._body(function, (argument,), node)))
        return Derivative(value, argument, span=node.span)

    def _body(self, function: OwnFunction, args: tuple[Node, ...], node: Call) -> Node:
        known = dict(zip(function.parameters, args, strict=True))
        inner = _Pass(self.owner, self.grow, known, self.depth + 1).visit(function.body)
        check_size(inner, node.span)
        return replace(inner, span=node.span)

    # --- sums -------------------------------------------------------------------------------

    def series(self, node: Series) -> Node:
        low = None if node.low is None else self.visit(node.low)
        high = None if node.high is None else self.visit(node.high)
        if not node.index:
            return Series(node.op, self.visit(node.body), "", low, high, span=node.span)
        if node.low is None and self.owner.symbols.find(Name(node.index)) is not None:
            # Σ_x over all inputs x: the letter is a variable and counts nothing.
            return Series(node.op, self.visit(node.body), "", span=node.span)
        place = Name(RUNNING + node.index)
        counted = {node.index: Binary("+", place, Number(Fraction(1)))}
        inside = _Pass(self.owner, self.grow, {**self.arguments, **counted}, self.depth)
        try:
            body = inside.visit(node.body)
        except BindingError:
            terms = None if self.grow else self._terms(node)
            if terms is None:
                raise
            return terms
        # A sum whose index stands nowhere adds up all the elements there are, or a number so often.
        found = runs_over(node, "index") or place.base in free_running(body)
        return Series(node.op, body, place.base if found else "", low, high, span=node.span)

    def _terms(self, node: Series) -> Node | None:
        """Return a sum over numbered names, h_1 and h_2 for h_t, written out, or None."""
        low, high = node.low, node.high
        if not (isinstance(low, Number) and isinstance(high, Number)):
            return None
        numbers = range(int(low.value), int(high.value) + 1)
        if not 1 <= len(numbers) <= _MOST_NUMBERED:
            return None
        made: Node | None = None
        for number in numbers:
            term = self.visit(_numbered(node.body, node.index, number))
            sign = "+" if node.op == "sum" else " "
            made = term if made is None else Binary(sign, made, term, span=node.span)
        return made


def _numbered(node: Node, letter: str, number: int) -> Node:
    """Return an expression with a number for a letter, also in layers and subscripts."""
    return node.map(lambda n: Number(Fraction(number), span=n.span) if n == Name(letter) else n)


def check_size(node: Node, span: Span) -> None:
    """Refuse an expression that has grown too large by putting definitions into each other.

    Parameters
    ----------
    node : Node
    span : (int, int)

    Raises
    ------
    BindingError
    """
    if any(True for _ in itertools.islice(node.walk(), _LARGEST, None)):
        raise BindingError(f"an expression of more than {_LARGEST:,} parts: exceeds a cap", span)


def _pointing(node: Node, span: Span) -> Node:
    """Return what a name stands for, pointing at the name."""
    return node.map(lambda part: replace(part, span=span))


def _substituted(node: Node, places: Mapping[str, Node]) -> Node:
    def change(part: Node) -> Node:
        return places.get(part.base, part) if isinstance(part, Name) else part

    return node.map(change)


def _digits(parts: tuple[Node, ...], rank: int) -> tuple[Node, ...]:
    """Return ``12`` as 1 and 2, for a matrix of less than ten rows and columns."""
    if len(parts) != 1 or not isinstance(parts[0], Number):
        return parts
    digits = str(parts[0].value)
    if len(digits) != rank:
        return parts
    return tuple([Number(Fraction(d), span=parts[0].span) for d in digits])
