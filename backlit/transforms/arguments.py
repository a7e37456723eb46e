"""What every transformation does with its arguments and results."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.aval import is_lookalike, refuse_subclass
from backlit.core.errors import BacklitError, DifferentiationError, DTypeError
from backlit.core.source import Source
from backlit.core.tracer import Trace, Tracer
from backlit.core.tracing import argument_names, function_name

Argnums = int | Sequence[int]
_number = (int, float, onp.generic, onp.ndarray, Tracer)


def leaf_value(leaf: Any, path: str, f: Callable[..., Any], what: str) -> Any:
    """Return a leaf as an array with a gradient, or raise naming it."""
    if type(leaf) is float:
        return leaf
    if not isinstance(leaf, _number):
        raise DTypeError(
            f"{what} of {function_name(f)}: `{path}` is a {type(leaf).__name__}, not an array",
            where=Source.here(),
            fix="differentiate with respect to arrays of floats only; in a Module declare such a "
            "field static, and otherwise pass it as an argument outside argnums",
        )
    if is_lookalike(leaf):
        refuse_subclass(leaf, f"{what} of {function_name(f)}: `{path}`")
    dtype = leaf.dtype if hasattr(leaf, "dtype") else onp.result_type(leaf)
    if dtype.kind == "f":
        return leaf
    if dtype.kind == "c":
        raise DTypeError(
            f"{what} of {function_name(f)}: `{path}` is complex ({dtype}), which is not supported",
            where=Source.here(),
            fix="differentiate with respect to the real and imaginary parts",
        )
    if dtype.kind not in "iub":
        raise DTypeError(
            f"{what} of {function_name(f)}: `{path}` has type {dtype}, which is no kind of number",
            where=Source.here(),
            fix="make it an array of floats, x.astype(float), or leave it out of argnums",
        )
    raise DTypeError(
        f"{what} of {function_name(f)}: `{path}` has type {dtype}, and integers and booleans have "
        "no gradient",
        where=Source.here(),
        fix="pass floats (3.0 instead of 3, x.astype(float)), or leave it out of argnums",
    )


def argument_places(
    f: Callable[..., Any], args: Sequence[Any], argnums: Argnums, what: str
) -> tuple[int, ...]:
    """Return the places of the arguments that argnums names, counted from the front, or raise."""
    if type(argnums) is int and 0 <= argnums < len(args):
        return (argnums,)
    try:
        given = argnums if isinstance(argnums, (tuple, list)) else (argnums,)
        numbers = tuple([operator.index(n) for n in given])
    except TypeError:
        raise DifferentiationError(
            f"argnums counts positional arguments from 0; {argnums!r} is no such number",
            where=Source.here(),
            fix="argnums=0, or argnums=(0, 2) for several",
        ) from None
    for number in numbers:
        if not -len(args) <= number < len(args):
            raise DifferentiationError(
                f"{what} of {function_name(f)} asks for argument {number}, but the call has "
                f"{len(args)}",
                where=Source.here(),
                fix="count from 0 and pass the argument by position",
            )
    places = tuple([n % len(args) for n in numbers])
    if len(set(places)) != len(places):
        raise DifferentiationError(
            f"argnums={argnums!r} names the same argument twice",
            where=Source.here(),
            fix="name every argument once",
        )
    return places


class Selected:
    """The arguments a derivative is taken of, flattened, and how to call f with others there.

    Attributes
    ----------
    leaves : list
        Arrays.
    treedef : TreeDef
        Shape of the selected argument, or of the tuple of them.
    """

    __slots__ = ("_args", "_f", "_kwargs", "_numbers", "_single", "leaves", "treedef")

    def __init__(
        self,
        f: Callable[..., Any],
        args: Sequence[Any],
        argnums: Argnums,
        what: str,
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        self._f, self._args, self._kwargs = f, args, kwargs or {}
        self._single = not isinstance(argnums, (tuple, list))
        self._numbers = argument_places(f, args, argnums, what)
        picked = args[self._numbers[0]] if self._single else tuple(args[n] for n in self._numbers)
        leaves: list[Any]
        if type(picked) is onp.ndarray:
            leaves, self.treedef = [picked], tree.LEAF
        else:
            leaves, self.treedef = tree.flatten(picked)
        names: list[str] = []
        for k, leaf in enumerate(leaves):
            if type(leaf) is not onp.ndarray or leaf.dtype.kind != "f":
                names = names or self.names(f)
                leaves[k] = leaf_value(leaf, names[k], f, what)
        self.leaves = leaves

    def names(self, f: Callable[..., Any]) -> list[str]:
        """Return the dotted name of every leaf."""
        labels = argument_names(f, len(self._args))
        if self._single:
            return tree.paths(self.treedef, labels[self._numbers[0]])
        pairs = zip(self._numbers, self.treedef.children, strict=True)
        return [path for n, child in pairs for path in tree.paths(child, labels[n])]

    def arguments(self, leaves: Sequence[Any]) -> list[Any]:
        """Return all arguments, the selected ones holding new leaves."""
        picked = self.pack(leaves)
        args = list(self._args)
        if self._single:
            args[self._numbers[0]] = picked
        else:
            for n, value in zip(self._numbers, picked, strict=True):
                args[n] = value
        return args

    def call(self, *leaves: Any) -> Any:
        """Call f with new leaves in place of the selected ones."""
        if self.treedef.kind is None and len(self._args) == 1:  # one array: no list to explain
            return self._f(leaves[0], **self._kwargs)
        try:
            return self._f(*self.arguments(leaves), **self._kwargs)
        except (TypeError, AttributeError) as error:
            if isinstance(error, BacklitError):
                raise
            self._explain_list(error)
            raise

    def _explain_list(self, error: Exception) -> None:
        """Say so if f computed with a list of numbers as if it were an array."""
        labels = argument_names(self._f, len(self._args))
        for n in self._numbers:
            arg, kind = self._args[n], type(self._args[n]).__name__
            if not isinstance(arg, (list, tuple)) or not arg:
                continue
            numbers = all(isinstance(part, (float, onp.floating)) for part in arg)
            if numbers and any(
                word in str(error) for word in (f"'{kind}'", f"{kind} (", "sequence")
            ):
                raise DifferentiationError(
                    f"`{labels[n]}` is a {kind}, which stays a {kind} of numbers inside "
                    f"{function_name(self._f)}, not an array: {error}",
                    where=Source.here(),
                    fix="pass numpy.array([...])",
                ) from error

    def pack(self, leaves: Sequence[Any]) -> Any:
        """Return leaves in the shape of the selected arguments."""
        return leaves[0] if self.treedef.kind is None else tree.unflatten(self.treedef, leaves)


def value_and_aux(f: Callable[..., Any], out: Any) -> tuple[Any, Any]:
    """Return the pair that a function with extra values returned, or raise."""
    if not isinstance(out, tuple) or len(out) != 2:
        raise DifferentiationError(
            f"with has_aux=True {function_name(f)} must return (value, extra)",
            where=Source.here(),
            fix="return a pair",
        )
    return out


def strip(value: Any, trace: Trace, given: Sequence[Any] = ()) -> Any:
    """Return a tree with the tracers of one trace replaced by their values.

    What shares memory with another array, or is one of those given, is copied: the caller may
    change a result without changing an argument.
    """

    def plain(leaf: Any) -> Any:
        found = trace.outside(leaf)
        return found if found is leaf else detached(found, given)

    return tree.map(plain, value)


def detached(value: Any, given: Sequence[Any] = ()) -> Any:
    """Return a copy of an array that is a view or one of those given, else the value itself."""
    if type(value) is onp.ndarray:
        if value.base is not None or any(value is other for other in given):
            return value.copy()
    return value


def zeros_for(leaf: Any) -> Any:
    """Return the zero gradient of a leaf."""
    shape = leaf.shape if hasattr(leaf, "shape") else ()
    dtype = leaf.dtype if hasattr(leaf, "dtype") else onp.dtype(float)
    return onp.zeros(shape, dtype)[()]


def scalar_output(out: Any, f: Callable[..., Any], what: str) -> Any:
    """Return the function's result if a gradient of it exists, or raise."""
    name = function_name(f)
    if not isinstance(out, _number):
        kind = "nothing (no return?)" if out is None else f"a {type(out).__name__}"
        raise DifferentiationError(
            f"{what} needs a function that returns one number; {name} returned {kind}",
            where=Source.here(),
            fix="return a scalar loss; return extra values with has_aux=True as (loss, extra)",
        )
    shape = out.shape if hasattr(out, "shape") else ()
    if shape != ():
        raise DifferentiationError(
            f"{what} needs a function that returns one number; {name} returned an array of shape "
            f"{shape}",
            where=Source.here(),
            fix="sum or average it (x.sum(), np.mean(x)), or ask for bl.jacobian",
        )
    dtype = out.dtype if hasattr(out, "dtype") else onp.result_type(out)
    if dtype.kind != "f":
        raise DifferentiationError(
            f"{what} needs a real number to differentiate; {name} returned {dtype}",
            where=Source.here(),
            fix="return a float; argmax, comparisons and counts have no gradient",
        )
    return out
