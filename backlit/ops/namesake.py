"""What functions with NumPy's names do before they look at traced arrays.

With nothing traced among its arguments such a function is NumPy's own, with every argument NumPy
takes. With a traced array it is ours: nested lists that hold traced values become arrays, and
keywords that have no traced counterpart are refused by name.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import numpy as onp

from backlit.core.aval import is_lookalike
from backlit.core.errors import TracedValueError
from backlit.core.operands import refuse_operand
from backlit.core.source import Source
from backlit.core.tracer import Tracer

F = TypeVar("F", bound=Callable[..., Any])

_FIXES = {
    "out": "use the result, y = np.{name}(…): a traced value cannot be written into an array",
    "where": "choose with np.where(mask, a, b): after an elementwise function, and before a sum "
    "or another reduction, with the value that is neutral in it",
    "initial": "combine the result with it afterwards",
    "correction": "use ddof",
    "casting": "convert first with np.astype",
    "copy": "leave it out and use the result, y = np.{name}(…), a new array",
    "dtype": "convert the result instead: np.{name}(…).astype(dtype)",
    "order": "leave it out: traced arrays have no memory layout",
}


def holds_tracer(value: Any) -> bool:
    """Tell whether a value is traced, or a list or tuple that holds something traced."""
    if type(value) is Tracer:
        return True
    if isinstance(value, (list, tuple)):
        for part in value:
            if holds_tracer(part):
                return True
    return False


def gather(value: Any) -> Any:
    """Make one array of nested lists that hold traced values; return anything else unchanged."""
    if isinstance(value, (list, tuple)) and holds_tracer(value):
        from backlit.ops.joining import stack

        return stack([gather(part) for part in value])
    return value


def as_operand(value: Any) -> Any:
    """Make an array of a list or tuple; return anything else unchanged."""
    if isinstance(value, (list, tuple)):
        value = gather(value)
        return value if type(value) is Tracer else onp.asarray(value)
    return value


def refuse(name: str, options: dict[str, Any]) -> None:
    """Raise for an argument of NumPy's function that is given but means nothing to ours."""
    for keyword, value in options.items():
        if value is not None:
            _refuse_one(name, keyword)


def _refuse_one(name: str, keyword: str) -> NoReturn:
    fix = _FIXES.get(keyword, "leave {keyword} out, or compute it from the functions there are")
    raise TracedValueError(
        f"numpy.{name} of a traced array does not take {keyword}=",
        where=Source.here(),
        fix=fix.format(name=name, keyword=keyword),
    )


def namesake(reference: Callable[..., Any], arrays: int = 1) -> Callable[[F], F]:
    """Let NumPy's function handle calls without traced values, and the decorated one the others.

    Parameters
    ----------
    reference : callable
        NumPy's function of this name.
    arrays : int
        How many leading parameters are arrays, which may be given as lists of traced values;
        -1: the first is a sequence of arrays.

    Returns
    -------
    callable
        A decorator. The decorated function takes NumPy's parameters in NumPy's order; what lands
        in its ``out`` or in its ``**options`` is refused.

    Examples
    --------
    >>> @namesake(onp.sort)
    ... def sort(a):
    ...     return "traced"
    >>> sort([2, 1])
    array([1, 2])
    """

    def decorate(traced: F) -> F:
        name, signature = traced.__name__, inspect.signature(traced).parameters
        parameters = list(signature)
        leading = parameters[: abs(arrays)]
        # Where `out` may be given by position.
        out = signature.get("out")
        given = out is not None and out.kind is not out.KEYWORD_ONLY
        place = parameters.index("out") if given else sys.maxsize

        @functools.wraps(traced)
        def function(*args: Any, **kwargs: Any) -> Any:
            if not holds_tracer(args) and not (kwargs and holds_tracer(tuple(kwargs.values()))):
                return reference(*args, **kwargs)
            if arrays != 1 or not args or type(args[0]) is not Tracer:
                args = (*map(prepare, args[: abs(arrays)]), *args[abs(arrays) :])
            if len(args) > place:
                refuse(name, {"out": args[place]})
            if kwargs:
                refuse(name, {k: v for k, v in kwargs.items() if k not in parameters or k == "out"})
                kwargs = {k: prepare(v) if k in leading else v for k, v in kwargs.items()}
            return traced(*args, **kwargs)

        return function  # type: ignore[return-value]

    def prepare(value: Any) -> Any:
        if arrays < 0:
            return [operand(part) for part in value]
        return value if type(value) in (Tracer, onp.ndarray) else operand(value)

    def operand(value: Any) -> Any:
        if is_lookalike(value):
            refuse_operand(reference.__name__, value)
        return as_operand(value)

    return decorate
