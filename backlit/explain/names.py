"""What the numbers of a program are called in an explanation, and how a user names a weight."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.core.errors import InputError
from backlit.core.graph import Atom, Equation, Graph, Var
from backlit.core.tracing import function_name
from backlit.explain.equation.text.printing import readable
from backlit.explain.equation.tree import Name, Node
from backlit.explain.views import Element

_WEIGHT = re.compile(r"\s*([^\[\]\s]+)\s*(?:\[\s*((?:\d{1,18}\s*,\s*)*\d{1,18})?\s*\])?\s*")


def parse_weight(text: str) -> tuple[str, tuple[int, ...]]:
    """Split the text form of a weight into path and index.

    Parameters
    ----------
    text : str
        A path and, for an array, the place in brackets, counted from 0.

    Returns
    -------
    path : str
    index : tuple of int

    Raises
    ------
    InputError
        If the text has another form.

    Examples
    --------
    >>> parse_weight("layers.0.W[5, 3]")
    ('layers.0.W', (5, 3))
    >>> parse_weight("b")
    ('b', ())
    """
    match = _WEIGHT.fullmatch(text)
    if match is None:
        raise InputError(
            f"{text!r:.80} does not name a weight",
            fix="write the path of an array and a place counted from 0: layers.0.W[5,3]",
        )
    return match[1], tuple(int(part) for part in match[2].split(",")) if match[2] else ()


def require_floats(function: str, paths: Sequence[str], leaves: Sequence[Any]) -> None:
    """Refuse arguments none of which has a gradient.

    Parameters
    ----------
    function : str
    paths : sequence of str
        Dotted path of every leaf of the arguments.
    leaves : sequence of array

    Raises
    ------
    InputError
        If no leaf holds floating-point numbers.
    """
    kinds = [onp.result_type(leaf) for leaf in leaves]
    if any(kind.kind == "f" for kind in kinds):
        return
    held = ", ".join(f"{path} holds {kind}" for path, kind in zip(paths, kinds, strict=True))
    raise InputError(
        f"no argument of {function} holds floating-point numbers, and only they have "
        f"gradients: {held or 'it has none'}",
        fix="give floats to what you differentiate: 3.0 for 3, x.astype(float) for an array",
    )


def find_array(
    f: Callable[..., Any],
    paths: Sequence[str],
    leaves: Sequence[Any],
    wrt: str,
    floats: bool = True,
) -> int:
    """Return which leaf a path names.

    Parameters
    ----------
    f : callable
    paths : sequence of str
        Dotted path of every leaf of the arguments.
    leaves : sequence of array
    wrt : str
        One of the paths, or the end of exactly one: ``layers.0.W`` for ``model.layers.0.W``.
    floats : bool
        Whether it has to hold floating-point numbers.

    Returns
    -------
    int

    Raises
    ------
    InputError
        If there is no such array, or several; the message lists what there is.
    """
    matches = [k for k, path in enumerate(paths) if path == wrt]
    if not matches:
        matches = [k for k, path in enumerate(paths) if wrt and path.endswith(f".{wrt}")]
    if len(matches) != 1:
        problem = "takes no array called" if not matches else "takes several arrays called"
        shown = matches or range(len(paths))
        listed = [f"{paths[k]} {onp.shape(leaves[k])}" for k in shown]
        more = f" and {len(listed) - 20} more" if len(listed) > 20 else ""
        raise InputError(
            f"{function_name(f)} {problem} {wrt!r}",
            fix="choose one of " + ", ".join(listed[:20]) + more,
        )
    leaf = matches[0]
    if floats and onp.result_type(leaves[leaf]).kind != "f":
        raise InputError(
            f"{paths[leaf]} holds {onp.result_type(leaves[leaf])}, and only floating-point numbers "
            "have gradients",
            fix="choose an array of floats",
        )
    return leaf


def find_weight(
    f: Callable[..., Any], paths: Sequence[str], leaves: Sequence[Any], wrt: str, index: Any
) -> tuple[int, tuple[int, ...]]:
    """Return which leaf a path names, and the checked place in it.

    Parameters
    ----------
    f, paths, leaves, wrt
        As in `find_array`.
    index : int or sequence of int

    Returns
    -------
    leaf : int
    index : tuple of int

    Raises
    ------
    InputError
        If there is no such array, several, or no such place; the message lists what there is.
    """
    leaf = find_array(f, paths, leaves, wrt)
    shape = onp.shape(leaves[leaf])
    place = tuple(index) if isinstance(index, (tuple, list)) else (index,)
    whole = all(isinstance(k, (int, onp.integer)) and not isinstance(k, bool) for k in place)
    inside = len(place) == len(shape) and whole
    if not inside or not all(0 <= k < n for k, n in zip(place, shape, strict=True)):
        given = f"[{','.join(map(str, place))}]"
        raise InputError(
            f"{paths[leaf]} has shape {shape}; there is no element {given if place else '()'}",
            fix=_index_help(shape),
        )
    return leaf, tuple(int(k) for k in place)


def _index_help(shape: tuple[int, ...]) -> str:
    if not shape:
        return "it is a single number: leave the index out"
    ranges = " and ".join(f"0 to {n - 1}" for n in shape)
    many = "one index" if len(shape) == 1 else f"{len(shape)} indices"
    return f"give {many}, counted from 0: {ranges}"


class Names:
    """Names of arrays and of single elements, the ones that derivations use.

    The chosen weight is called ``w``, unless it is a scalar with a name of its own or an array has
    that name, and the loss what the program calls it, else ``L`` (or ``J``).

    Attributes
    ----------
    symbol, loss : str
        The weight and the loss in formulas.
    letter : Node
        `symbol` as a tree.
    loss_name : str
        What the program calls the loss.
    """

    def __init__(
        self, graph: Graph, values: dict[Var, Any], weight: Var, place: int, loss: Atom
    ) -> None:
        # Imported here: derivations take their words for places from this module.
        from backlit.explain.derivation.differentiated import inlined
        from backlit.explain.derivation.naming import Naming

        self._values = values
        self._paths = array_names(graph)
        flat, names = inlined(graph, graph.names())
        naming = Naming.whole(flat, names)
        known = {**naming.reserved, **naming.given}
        self._nodes: dict[Var, Name] = {
            var: known.get(var) or naming.fresh(name) for var, name in self._paths.items()
        }
        self._names = {var: readable(node) for var, node in self._nodes.items()}
        self._named = {*graph.inputs, *graph.assigned()}  # not t1, t2, …
        taken = set(self._names.values())
        self.loss, self.loss_name = "L", "L"
        self._loss = loss if isinstance(loss, Var) else None
        if isinstance(loss, Var):
            self.loss, self.loss_name = self._names[loss], self._paths[loss]
        self._symbol: Node | None = None
        if weight.aval.shape and "w" not in taken:
            self._symbol = Name("w")
        self._weight = weight, place
        whole = self.element(weight, place)
        self.symbol = "w" if self._symbol else whole.label
        self.letter = self._symbol or whole.node

    def path(self, var: Var) -> str:
        """Return what the program calls an array: a path, or what it was assigned to."""
        return self._paths[var]

    def array(self, var: Var) -> str:
        """Return the name of an array."""
        return self._names[var]

    def tree(self, var: Var) -> Node:
        """Return the name of an array as formulas have it."""
        return self._nodes[var]

    def end(self, value: float) -> Element:
        """Return the loss as an element."""
        node = None if self._loss is None else self._nodes[self._loss]
        return Element(self.loss, (), value, True, node)

    def named(self, var: Var) -> bool:
        """Tell whether the name is the user's."""
        return var in self._named

    def element(self, var: Var, place: int) -> Element:
        """Return one element with its value."""
        value = float(onp.ravel(self._values[var])[place])
        if self._symbol is not None and (var, place) == self._weight:
            return Element("w", (), value, True, self._symbol)
        index = onp.unravel_index(place, var.aval.shape) if var.aval.shape else ()
        where = tuple(int(k) for k in index)
        named = self.named(var) or var is self._loss
        return Element(self.array(var), where, value, named, self._nodes[var])

    def node(self, var: Var, place: int) -> Node:
        """Return one element as a formula has it."""
        return self.element(var, place).node

    def label(self, var: Var, place: int) -> str:
        """Return what one element is called, for instance ``A[0,3]``."""
        return self.element(var, place).label


def written_in(equation: Equation) -> tuple[str, str] | None:
    """Return the file and the function that an equation was written in.

    Parameters
    ----------
    equation : Equation

    Returns
    -------
    (str, str) or None
        None where that is not known.
    """
    source = equation.source
    return None if source is None else (source.file, source.function)


def array_names(graph: Graph) -> dict[Var, str]:
    """Return the graph's names, those of inputs without the argument's name where that is clear.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    dict of Var to str
    """
    names = dict(graph.names())
    taken = list(names.values())
    for var in graph.inputs:
        short = names[var].partition(".")[2]
        clear = sum(name == short or name.partition(".")[2] == short for name in taken) == 1
        if short and clear:
            names[var] = short
    return names
