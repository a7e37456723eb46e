"""``jit``: a function compiled for the shapes it is called with."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any

from backlit.core import tree
from backlit.core.aval import AbstractValue, aval_of
from backlit.core.errors import TracedValueError
from backlit.core.graph import Graph, as_operand
from backlit.core.source import Source
from backlit.core.tape import is_array
from backlit.core.tracer import Tracer
from backlit.core.tracing import function_name, leaf_names, require_function, trace_flat
from backlit.ops.call import call

Runner = Callable[[Graph, Sequence[Any]], Sequence[Any]]
# The compiler is a later layer: it is found by name, and loaded when something is compiled.
_BACKENDS = {"cpu": "backlit.compiler"}


class _Compiled:
    """A function traced for one set of shapes."""

    __slots__ = ("captured", "graph", "treedef")

    def __init__(self, graph: Graph, captured: list[Any], treedef: tree.TreeDef) -> None:
        self.graph, self.captured, self.treedef = graph, captured, treedef


def jit(
    f: Callable[..., Any],
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    backend: str = "cpu",
) -> Callable[..., Any]:
    """Return a function that computes what f computes, compiled to machine code.

    f runs once per set of shapes and element types, on values known by shape only; what it did is
    compiled and remembered. Numbers are not part of it: a new learning rate compiles nothing.

    Parameters
    ----------
    f : callable
        Takes and returns trees of arrays; a branch on data must be written with ``np.where``,
        ``bl.cond``, ``bl.scan`` or a loop of this library.
    static_argnums : int or sequence of int
        Positional arguments that are part of the program: hashable, each new value compiles anew.
    static_argnames : str or sequence of str
        The same for arguments passed by name.
    backend : str
        Which processor to compile for.

    Returns
    -------
    callable
        Same arguments and results; inside another transformation it is differentiated like f.

    Raises
    ------
    AbstractBranchError
        If f branches on the value of an array.
    TypeError
        If a static argument is not hashable.

    Examples
    --------
    >>> import numpy
    >>> import backlit.numpy as np
    >>> norm = jit(lambda x: np.sqrt(np.sum(x * x)))
    >>> float(norm(numpy.array([3.0, 4.0])))
    5.0
    """
    require_function(f, "jit")
    numbers = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    known: dict[Any, _Compiled] = {}

    @functools.wraps(f)
    def compiled(*args: Any, **kwargs: Any) -> Any:
        entry, leaves = _entry(f, args, kwargs, numbers, names, known, backend)
        runner: Runner = entry.graph.derived["runner"]
        operands = [*leaves, *entry.captured]
        if any(type(a) is Tracer for a in operands):
            outs: Sequence[Any] = call(entry.graph, operands)
        else:
            outs = runner(entry.graph, operands)
        return tree.unflatten(entry.treedef, list(outs))

    compiled.graph = lambda *args, **kwargs: (
        _entry(  # type: ignore[attr-defined]
            f, args, kwargs, numbers, names, known, backend
        )[0].graph
    )
    return compiled


def _entry(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    numbers: Sequence[int],
    names: Sequence[str],
    known: dict[Any, _Compiled],
    backend: str,
) -> tuple[_Compiled, list[Any]]:
    """Return the program for these arguments and the arrays among them."""
    places = {n % len(args) for n in numbers if args}
    moving = tuple([a for k, a in enumerate(args) if k not in places])
    named = {k: v for k, v in kwargs.items() if k not in names}
    leaves, treedef = tree.flatten((moving, named))
    arrays = [a for a in leaves if is_array(a)]
    static = tuple([(k, args[k]) for k in sorted(places)])
    fixed = tuple([(k, kwargs[k]) for k in sorted(kwargs) if k in names])
    others = tuple([None if is_array(a) else a for a in leaves])
    avals = tuple([aval_of(a) for a in arrays])
    key = (treedef, avals, static, fixed, others)
    entry = known.get(key)
    if entry is None:
        entry = known[key] = _trace(f, args, kwargs, places, leaves, treedef, avals)
        runner = importlib.import_module(_BACKENDS[backend]).run
        entry.graph.derived["runner"] = runner
    return entry, arrays


def _trace(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    places: set[int],
    leaves: list[Any],
    treedef: tree.TreeDef,
    avals: Sequence[AbstractValue],
) -> _Compiled:
    shapes: list[tree.TreeDef] = []

    def flat(*inputs: Any) -> list[Any]:
        given = iter(inputs)
        filled = [next(given) if is_array(a) else a for a in leaves]
        moving, named = tree.unflatten(treedef, filled)
        rest = iter(moving)
        full = [args[k] if k in places else next(rest) for k in range(len(args))]
        fixed = {k: v for k, v in kwargs.items() if k not in named}
        out, out_def = tree.flatten(f(*full, **named, **fixed))
        shapes.append(out_def)
        for leaf in out:
            if not is_array(leaf) and not isinstance(leaf, (list, tuple)):
                raise TracedValueError(
                    f"{function_name(f)} returned a {type(leaf).__name__}; a compiled function "
                    "returns arrays",
                    where=Source.here(),
                    fix="return trees of arrays and numbers",
                )
        return [as_operand(leaf) for leaf in out]

    labels = leaf_names(f, args) if not places and not kwargs else []
    labels = [n for n, a in zip(labels, leaves, strict=False) if is_array(a)]
    if len(labels) != len(avals):
        labels = [f"arg{k}" for k in range(len(avals))]
    graph, captured = trace_flat(flat, avals, labels, function_name(f), abstract=True)
    return _Compiled(graph, captured, shapes[0])
