"""Which written names are one variable: ``W1``, ``W_1``, ``W^{[1]}`` and ``W^{(1)}`` are, unless
the notes define two of them apart."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import SequenceMatcher, get_close_matches

from backlit.core.errors import BacklitError
from backlit.explain.equation.tree import NOWHERE, Name, Node, Number, Span

_DIGITS = re.compile(r"(.*?[^0-9'])_?([0-9]+)('*)")

# The parts of a name: its letters, then each number or word in its digits, layer and subscripts.
Key = tuple[str, ...]
# Where those parts stood: "digits", "layer" or "index".
Form = tuple[str, ...]
Entry = tuple[Key, Form | None]


class BindingError(BacklitError):
    """An equation cannot be tied to what the notes define.

    Parameters
    ----------
    what : str
        One sentence.
    span : (int, int)
        The characters of the line it is about.
    fix : str, optional
        What to write instead.
    kind : str
        Of the vocabulary of verdicts.
    """

    def __init__(
        self, what: str, span: Span = NOWHERE, *, fix: str | None = None, kind: str = "other"
    ) -> None:
        super().__init__(what, fix=fix)
        self.span = span
        self.kind = kind


def stem(base: str) -> str:
    """Return the letters of a name without the digits behind them.

    Parameters
    ----------
    base : str

    Returns
    -------
    str

    Examples
    --------
    >>> stem("Z1"), stem("y1'"), stem("alpha")
    ('Z', "y'", 'alpha')
    """
    found = _DIGITS.fullmatch(base)
    return found[1] + found[3] if found else base


def key_and_form(name: Name) -> tuple[Key, Form]:
    """Return what a name is told apart by, and how that was written.

    Parameters
    ----------
    name : Name
        Its layer and subscripts numbers or words.

    Returns
    -------
    tuple of str, tuple of str

    Examples
    --------
    >>> key_and_form(Name("W1"))
    (('W', '1'), ('digits',))
    >>> key_and_form(Name("w", layer=Number(2), index=(Number(1), Number(3))))
    (('w', '2', '1', '3'), ('layer', 'index', 'index'))
    """
    found = _DIGITS.fullmatch(name.base)
    parts: list[str] = [found[1] + found[3], found[2]] if found else [name.base]
    form = ["digits"] if found else []
    if name.layer is not None:
        parts.append(_written(name.layer))
        form.append("layer")
    for part in name.index:
        parts.append(_written(part))
        form.append("index")
    return tuple(parts), tuple(form)


def _written(part: Node) -> str:
    if isinstance(part, Number):
        return str(part.value)
    if isinstance(part, Name):
        key, _ = key_and_form(part)
        return "".join(key)
    # A shifted subscript of a name that nothing expands: h_{t-1} where only one step is written.
    return _flat(part)


def _flat(node: Node) -> str:
    words = {"Binary": "op", "Unary": "op", "Constant": "name"}
    own = str(getattr(node, words.get(type(node).__name__, ""), ""))
    inner = [_written(child) for child in node.children()]
    return own.join(inner) if len(inner) > 1 else own + "".join(inner)


class Symbols:
    """The variables of some notes, each under one string.

    Parameters
    ----------
    apart : iterable of Key
        Keys whose forms the notes define apart, from `defined_apart`.

    Examples
    --------
    >>> symbols = Symbols()
    >>> symbols.add(Name("W1"))
    'W1'
    >>> symbols.find(Name("W", layer=Number(1))), symbols.find(Name("W2"))
    ('W1', None)
    """

    def __init__(self, apart: Iterable[Key] = ()) -> None:
        self._apart = frozenset(apart)
        self._known: dict[Entry, str] = {}
        self._joined: dict[str, list[str]] = {}
        self._spelled: dict[str, Name] = {}

    def add(self, name: Name) -> str:
        """Return the symbol of a name, making one if it is new.

        Parameters
        ----------
        name : Name

        Returns
        -------
        str
        """
        found = self.find(name)
        if found is not None:
            return found
        key, form = key_and_form(name)
        symbol = self._unused(key, form)
        self._known[entry(name, self._apart)] = symbol
        self._joined.setdefault(_join(key), []).append(symbol)
        self._spelled[symbol] = name
        return symbol

    def same(self, name: Name, symbol: str) -> None:
        """Make a name another way to write a variable.

        Parameters
        ----------
        name : Name
        symbol : str
        """
        self._known[entry(name, self._apart)] = symbol

    def find(self, name: Name) -> str | None:
        """Return the symbol of a name, or None where the notes have no such variable.

        Parameters
        ----------
        name : Name

        Returns
        -------
        str or None
        """
        key, form = key_and_form(name)
        if key in self._apart:
            exact = self._known.get((key, form))
            return exact
        found = self._known.get((key, None))
        if found is not None:
            return found
        # W_xh for Wxh, w_{1,2} for w_{12}: the same letters and digits, cut differently.
        near = self._joined.get(_join(key), [])
        if len(near) == 1 and not self._cut_apart(key, near[0]):
            return near[0]
        return None

    def spelled(self, symbol: str) -> Name:
        """Return how the notes write a symbol first.

        Parameters
        ----------
        symbol : str

        Returns
        -------
        Name
        """
        return self._spelled.get(symbol, Name(symbol))

    def __iter__(self) -> Iterator[str]:
        return iter(self._spelled)

    def _cut_apart(self, key: Key, symbol: str) -> bool:
        other, _ = key_and_form(self._spelled[symbol])
        numbers = (key[1:], other[1:])
        # x_{1,12} and x_{11,2} are two variables; so are x_{1,2} and one that is kept apart.
        return other in self._apart or all(len(parts) > 1 for parts in numbers)

    def _unused(self, key: Key, form: Form) -> str:
        first, *rest = key
        plain = first + "_".join(rest) if all(p.isdigit() for p in rest) else "_".join(key)
        if key in self._apart:
            marks = {"digits": "{}", "index": "_{}", "layer": "[{}]"}
            plain = first + "".join(marks[f].format(p) for f, p in zip(form, rest, strict=True))
        taken = set(self._spelled)
        while plain in taken:
            plain += "~"
        return plain


def _join(key: Key) -> str:
    return "".join(key).replace("_", "")


def entry(name: Name, apart: Collection[Key]) -> Entry:
    """Return what tells variables apart, with the form where the notes tell two forms apart.

    Parameters
    ----------
    name : Name
    apart : collection of Key

    Returns
    -------
    tuple
    """
    key, form = key_and_form(name)
    return (key, form) if key in apart else (key, None)


def defined_apart(equations: Iterable[tuple[Name, Node]]) -> set[Key]:
    """Return the keys that are defined in two forms and differently.

    Parameters
    ----------
    equations : iterable of (Name, Node)
        Left and right sides of the definitions, as they were written.

    Returns
    -------
    set of Key

    Examples
    --------
    >>> defined_apart([(Name("Z1"), Name("a")), (Name("Z", index=(Number(1),)), Name("b"))])
    {('Z', '1')}
    """
    seen: dict[Key, dict[Form, Node]] = {}
    apart = set()
    for left, right in equations:
        key, form = key_and_form(left)
        forms = seen.setdefault(key, {})
        if any(f != form and node != right for f, node in forms.items()):
            apart.add(key)
        forms.setdefault(form, right)
    return apart


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return the known names most like one that is not known.

    Parameters
    ----------
    name : str
    known : iterable of str
    count : int

    Returns
    -------
    list of str
        Nearest first.

    Examples
    --------
    >>> nearest("W3", ["X", "b2", "W1", "W2"])
    ['W1', 'W2']
    """
    names = list(dict.fromkeys(known))
    folded: Mapping[str, str] = {n.casefold(): n for n in reversed(names)}
    close = get_close_matches(name.casefold(), folded, n=count, cutoff=0.5)

    def likeness(other: str) -> tuple[bool, float]:
        return stem(other) != stem(name), -SequenceMatcher(None, name, other).ratio()

    same = [n for n in names if stem(n) == stem(name)]
    return sorted(dict.fromkeys([*same, *(folded[c] for c in close)]), key=likeness)[:count]


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Ask whether one of the names most like one that is not known was meant.

    Parameters
    ----------
    name : str
    known : iterable of str

    Returns
    -------
    str or None
        None where none is like it.

    Examples
    --------
    >>> did_you_mean("W3", ["X", "b2", "W1", "W2"])
    'did you mean W1 or W2?'
    """
    near = nearest(name, known)
    listed = " or ".join([", ".join(near[:-1]), near[-1]] if near[1:] else near)
    return f"did you mean {listed}?" if near else None


# What people mean by some functions that the notation knows under another name, or not at all.
_MEANT: Mapping[str, str] = {
    **dict.fromkeys(["H", "theta", "Theta", "u"], "for the unit step write step(x) or 1[x > 0]"),
    **dict.fromkeys(["O", "o"], "leave out the terms that vanish: a claim is judged as it stands"),
}


def unknown_function(name: str, span: Span, known: Iterable[str]) -> BindingError:
    """Say that a function is neither of the notation nor of the notes.

    Parameters
    ----------
    name : str
    span : (int, int)
    known : iterable of str
        Functions that the notes use.

    Returns
    -------
    BindingError

    Examples
    --------
    >>> unknown_function("g2", (0, 2), ["g"]).fix
    'did you mean g?'
    """
    near = did_you_mean(name, known)
    told = _MEANT.get(name, f"define it: {name}(x) = …")
    return BindingError(
        f"‘{name}’ is no function that a definition defines or uses",
        span,
        fix=near or told,
    )
