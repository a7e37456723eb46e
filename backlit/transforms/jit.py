"""``jit``: a function compiled for the shapes it is called with."""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

import numpy as onp

from backlit.core import tree
from backlit.core.aval import AbstractValue, aval_of
from backlit.core.collection import collection_put_off
from backlit.core.errors import InputError, IntegerRangeError, TracedValueError
from backlit.core.graph import Atom, Graph, Literal, as_operand
from backlit.core.settings import choice
from backlit.core.source import Source
from backlit.core.tape import is_array
from backlit.core.tracer import Tracer
from backlit.core.tracing import (
    argument_names,
    function_name,
    leaf_names,
    require_function,
    trace_flat,
)
from backlit.ops.call import call

# The compiler is a later layer: it is found by name, and loaded when something is compiled.
_BACKENDS = {"cpu": "backlit.compiler"}
# Of a Python integer that is an argument.
_LEAST, _MOST = -(2**63), 2**63 - 1


class _Traced:
    """A function traced for one set of shapes."""

    __slots__ = ("captured", "graph", "treedef")

    def __init__(self, graph: Graph, captured: list[Any], treedef: tree.TreeDef) -> None:
        self.graph, self.captured, self.treedef = graph, captured, treedef


@overload
def jit(
    f: Callable[..., Any],
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    backend: str = "cpu",
) -> Compiled: ...


@overload
def jit(
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    backend: str = "cpu",
) -> Callable[[Callable[..., Any]], Compiled]: ...


def jit(
    f: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    backend: str = "cpu",
) -> Any:
    """Return a function that computes what f computes, compiled to machine code.

    f runs once per set of shapes and element types, on values known by shape only; what it did is
    compiled and remembered. Numbers are not part of it: a new learning rate compiles nothing.

    Parameters
    ----------
    f : callable, optional
        Takes and returns trees of arrays; a branch on data must be written with ``np.where``,
        ``bl.cond``, ``bl.scan`` or a loop of this library. Without it the options make a
        decorator: ``@jit(static_argnums=1)``.
    static_argnums : int or sequence of int
        Arguments that are part of the program, by position: hashable, each new value compiles
        anew. They are static however they are passed.
    static_argnames : str or sequence of str
        The same by name.
    donate_argnums : int or sequence of int
        Positional arguments whose arrays the caller gives up: results of the same shape and type,
        and of 32 KiB or more, may be written over them, which saves memory and its traffic. They
        must not be used afterwards; inside another transformation nothing is overwritten. An array
        that does not begin at a cache line, as most of NumPy's own, is copied to one first; results
        do, so that it happens once.
    backend : str
        Which processor to compile for.

    Returns
    -------
    callable
        Same arguments and results; inside another transformation it is differentiated like f.

    Raises
    ------
    InputError
        If f has no such argument as is said to be static or donated.
    IntegerRangeError
        If an argument is a Python integer that int64 does not hold.
    AbstractBranchError
        If f branches on the value of an array.
    TracedValueError
        If f returns what is no array, or an argument is neither an array nor hashable.

    Examples
    --------
    >>> import numpy
    >>> import backlit.numpy as np
    >>> norm = jit(lambda x: np.sqrt(np.sum(x * x)))
    >>> float(norm(numpy.array([3.0, 4.0])))
    5.0
    """
    options = (static_argnums, static_argnames, donate_argnums, backend)

    def compiled(f: Callable[..., Any]) -> Compiled:
        require_function(f, "jit")
        return Compiled(f, *options)

    if f is None and options != ((), (), (), "cpu"):
        return compiled
    return compiled(f)  # type: ignore[arg-type]  # which refuses None


class Compiled:
    """A function that is compiled for every set of shapes it is called with; see `jit`.

    Parameters
    ----------
    f : callable
    static_argnums : int or sequence of int
    static_argnames : str or sequence of str
    donate_argnums : int or sequence of int
    backend : str
    """

    __wrapped__: Callable[..., Any]

    def __init__(
        self,
        f: Callable[..., Any],
        static_argnums: int | Sequence[int] = (),
        static_argnames: str | Sequence[str] = (),
        donate_argnums: int | Sequence[int] = (),
        backend: str = "cpu",
    ) -> None:
        functools.update_wrapper(self, f)
        self._f = f
        self._options = (static_argnums, static_argnames, donate_argnums, backend)
        numbers = (static_argnums,) if isinstance(static_argnums, int) else static_argnums
        self._numbers = tuple(numbers)
        given = (donate_argnums,) if isinstance(donate_argnums, int) else donate_argnums
        self._donated = tuple(given)
        names = (static_argnames,) if isinstance(static_argnames, str) else static_argnames
        # Static by position or by name is static however it is passed.
        listed, more = _positional(f, self._numbers, self._donated, names)
        if not more:
            self._numbers = tuple([n % len(listed) for n in self._numbers])
            self._donated = tuple([n % len(listed) for n in self._donated])
        called = [listed[n] for n in self._numbers if 0 <= n < len(listed)]
        self._numbers += tuple([k for k, name in enumerate(listed) if name in names])
        self._names = frozenset((*names, *called))
        self._module = _BACKENDS[choice(backend, _BACKENDS, "backend")]
        self._known: dict[tuple[Any, ...], _Traced] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute what the function computes."""
        traced, arrays = self._traced(args, kwargs)
        operands = [*arrays, *traced.captured]
        if Tracer in map(type, operands):
            outs: Sequence[Any] = call(traced.graph, operands)
        else:
            # Only here: what is inside another transformation may be needed once more.
            graph = traced.graph
            outs = graph.derived["runner"](graph, operands, graph.derived["donated"])
        return tree.unflatten(traced.treedef, list(outs))

    def __repr__(self) -> str:
        count = len(self._known)
        times = "not yet compiled" if not count else f"{count} program{'s' if count > 1 else ''}"
        return f"<jit of {function_name(self._f)}: {times}>"

    def __reduce__(self) -> Any:
        """Return what pickle keeps: a name if the function goes by it, else the plain function."""
        home: Any = sys.modules.get(self._f.__module__)
        for part in getattr(self._f, "__qualname__", "").split("."):
            home = getattr(home, part, None)
        if home is self:
            return self._f.__qualname__
        return Compiled, (self._f, *self._options)

    def __copy__(self) -> Compiled:
        return Compiled(self._f, *self._options)

    def __deepcopy__(self, memo: dict[int, Any]) -> Compiled:
        return Compiled(copy.deepcopy(self._f, memo), *self._options)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """Return the graph that is compiled for these arguments.

        Parameters
        ----------
        *args, **kwargs
            Arguments of the function.

        Returns
        -------
        Graph

        Examples
        --------
        >>> [e.primitive.name for e in jit(lambda x: x * 2.0).graph(1.0).equations]
        ['multiply']
        """
        return self._traced(args, kwargs)[0].graph

    def inspect(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the compiler makes of the function for these arguments.

        Parameters
        ----------
        *args, **kwargs
            Arguments of the function.

        Returns
        -------
        Inspection
            Prints the graph before and after each pass, what is computed together, LLVM's
            assembly language, the processor's, and the operations, bytes and memory foreseen.
        """
        return importlib.import_module(self._module).inspect(self.graph(*args, **kwargs))

    def _traced(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[_Traced, list[Any]]:
        """Return the program for these arguments, and the arrays among them."""
        places = {n % len(args) for n in self._numbers if -len(args) <= n < len(args)}
        leaves: list[Any] = []
        parts: list[Any] = [len(args)]
        for k, arg in enumerate(args):
            if k in places:
                parts.append(_told_apart(arg))
            else:
                tree.signature(arg, leaves, parts)
        for name in sorted(kwargs):
            parts.append(name)
            if name in self._names:
                parts.append(_told_apart(kwargs[name]))
            else:
                tree.signature(kwargs[name], leaves, parts)
        arrays = leaves
        for leaf in leaves:
            kind = type(leaf)
            if kind is onp.ndarray:
                continue
            if kind is float or kind is int:
                if kind is int and not _LEAST <= leaf <= _MOST:
                    self._refuse_integer(leaf, args, kwargs)
                parts.append(kind)
            elif is_array(leaf):
                parts.append(aval_of(leaf))
            else:
                parts.append(_told_apart(leaf))
                arrays = [a for a in leaves if is_array(a)]
        key = tuple(parts)
        try:
            traced = self._known.get(key)
        except TypeError:
            raise TracedValueError(
                f"{function_name(self._f)} is called with something that is neither an array nor "
                "hashable, so that it can be no part of a compiled program",
                where=Source.here(),
                fix="make it a tuple, a string or a frozen dataclass, or pass arrays",
            ) from None
        if traced is None:
            moving = tuple([a for k, a in enumerate(args) if k not in places])
            named = {k: v for k, v in kwargs.items() if k not in self._names}
            avals = tuple([_native(aval_of(a)) for a in arrays])
            treedef = tree.flatten((moving, named))[1]
            with collection_put_off():
                traced = _trace(self._f, args, kwargs, places, leaves, treedef, avals)
            traced.graph.derived["donated"] = self._donated_leaves(args, places)
            traced.graph.derived["runner"] = importlib.import_module(self._module).run
            if not traced.captured:  # those belong to a transformation that ends
                self._known[key] = traced
        return traced, arrays

    def _refuse_integer(self, value: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raise for an argument that is a Python integer beyond 64 bits."""
        named = dict(zip(argument_names(self._f, len(args)), args, strict=True)) | kwargs
        found = next((name for name, a in named.items() if a is value), None)
        fix = f"make it part of the program, static_argnames={repr(found) if found else '…'}"
        fix += ", or pass numpy.uint64(n)" if 0 < value < 2**64 else ""
        raise IntegerRangeError(
            f"{found or 'a number'} in the call of the compiled {function_name(self._f)} does not "
            f"fit in int64: {value if abs(value) < 10**30 else 'it has more than 30 digits'}",
            where=Source.here(),
            fix=fix + ", or float(n) if it need not be exact",
        )

    def _donated_leaves(self, args: tuple[Any, ...], static: set[int]) -> tuple[int, ...]:
        """Return the places of donated arrays among the inputs of the graph."""
        places = {n % len(args) for n in self._donated if -len(args) <= n < len(args)}
        found: list[int] = []
        count = 0
        for k, arg in enumerate(args):
            if k in static:
                continue
            size = sum(1 for leaf in tree.flatten(arg)[0] if is_array(leaf))
            found += range(count, count + size) if k in places else ()
            count += size
        return tuple(found)


def _native(aval: AbstractValue) -> AbstractValue:
    """Return the type of an argument as programs have it: in the machine's own byte order."""
    if aval.dtype.isnative:
        return aval
    return AbstractValue(aval.shape, aval.dtype.newbyteorder("="))


def _positional(
    f: Callable[..., Any], static: Sequence[int], donated: Sequence[int], names: Iterable[str]
) -> tuple[list[str], bool]:
    """Return the names of a function's positional arguments, and whether there may be more.

    Raise if it has no arguments of these numbers and names.
    """
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return [], True
    kinds = {p.kind for p in parameters}
    listed = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    for option, numbers in (("static_argnums", static), ("donate_argnums", donated)):
        for n in numbers:
            if inspect.Parameter.VAR_POSITIONAL in kinds or -len(listed) <= n < len(listed):
                continue
            raise InputError(
                f"{option}={n}: {function_name(f)} takes {len(listed)} positional argument"
                f"{'' if len(listed) == 1 else 's'}",
                where=Source.here(),
                fix="arguments are counted from 0",
            )
    known = [p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    for name in names:
        if name not in known and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise InputError(
                f"static_argnames={name!r}: {function_name(f)} has no such argument",
                where=Source.here(),
                fix=f"its arguments are {', '.join(known) or 'none'}",
            )
    return listed, inspect.Parameter.VAR_POSITIONAL in kinds


def _told_apart(value: Any) -> Any:
    """Return a static value with its type: 2, 2.0 and True are equal, and make other programs.

    So do 0.0 and −0.0, and values that hold them.
    """
    if isinstance(value, float):
        return type(value), value.hex()
    if isinstance(value, (tuple, frozenset)):
        parts = map(_told_apart, value)
        return type(value), (tuple if isinstance(value, tuple) else frozenset)(parts)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [getattr(value, field.name) for field in dataclasses.fields(value)]
        return type(value), value, tuple(map(_told_apart, fields))
    return type(value), value


def _trace(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    places: set[int],
    leaves: list[Any],
    treedef: tree.TreeDef,
    avals: Sequence[AbstractValue],
) -> _Traced:
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
    return _Traced(_with_own_constants(graph, {}), captured, shapes[0])


def _with_own_constants(graph: Graph, copies: dict[int, tuple[Any, Literal]]) -> Graph:
    """Return a graph whose constants are copies: later changes to an array change no program.

    Parameters
    ----------
    graph : Graph
    copies : dict of int to (ndarray, Literal)
        By the identity of the array that was met, which is kept alive by that; each is copied once.
    """

    def own(atom: Atom) -> Atom:
        if not isinstance(atom, Literal) or not isinstance(atom.value, onp.ndarray):
            return atom
        if id(atom.value) not in copies:
            copies[id(atom.value)] = atom.value, Literal(atom.value.copy())
        return copies[id(atom.value)][1]

    def inside(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple([inside(part) for part in value])
        # What a compiled function calls has constants of its own already.
        if not isinstance(value, Graph) or "runner" in value.derived:
            return value
        return _with_own_constants(value, copies)

    equations = []
    for e in graph.equations:
        if any(isinstance(atom, Literal) for atom in e.inputs):
            e = dataclasses.replace(e, inputs=tuple([own(atom) for atom in e.inputs]))
        if any(e.subgraphs()):
            params = {name: inside(value) for name, value in e.params.items()}
            e = dataclasses.replace(e, params=params)
        equations.append(e)
    outputs = tuple([own(atom) for atom in graph.outputs])
    return Graph(graph.inputs, tuple(equations), outputs, graph.guards, graph.name)
