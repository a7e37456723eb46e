"""The tracer and the traces it can belong to.

A `Tracer` stands for an array while a function runs. It belongs to exactly one trace. An operation
is recorded in the innermost trace among its arguments; its operands' *values* are then combined
the same way one trace further out, until plain ndarrays are left. So nested derivatives can never
be confused, and no global "current tape" decides anything.

A tracer is also the record of the operation that made it: one object per operation is what keeps
eager gradients near the speed of NumPy (docs/performance.md). `Tape.process` is the general case of
recording; `backlit.ops.families` writes it out for elementwise operations on arrays.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as onp

from backlit.core.aval import PYTHON_NUMBERS, AbstractValue, Shape, aval_of
from backlit.core.errors import TracedValueError
from backlit.core.primitive import Params, Primitive
from backlit.core.source import Source

NO_PARAMS: Params = {}
_levels = itertools.count()
_Array = onp.ndarray


class _Live(threading.local):
    def __init__(self) -> None:
        self.stack: list[Trace] = []


_live = _Live()


def next_level() -> int:
    """Return a number greater than that of any trace so far: inner traces begin later."""
    return next(_levels)


def live_traces() -> list[Trace]:
    """Return this thread's running traces, outermost first."""
    return _live.stack


class Tracer:
    """An array that is being traced; use it like an ndarray.

    Attributes
    ----------
    value : ndarray, Tracer or None
        Its value: an array, a tracer of an outer trace, or ``None`` when traced by shape only.
    owner : Trace
        The trace it belongs to.
    id : int
        Place in the trace; -1 for an array that does not depend on the traced inputs.
    primitive : Primitive or None
        What made it, if a tape recorded it; ``None`` for an input and for a further result of an
        operation with several.
    i, j : int
        Ids of the operands of an elementwise operation; -1 for a constant. For any other
        operation `i` is the tuple of ids and `j` the result, a tuple of several.
    a, b : array
        Values of the operands; for any other operation `a` is their tuple and `b` the parameters.
    offset : int
        The instruction of the user's program; the tape knows in which code object.
    """

    __slots__ = (
        "__weakref__",
        "a",
        "alias",
        "b",
        "i",
        "id",
        "j",
        "known",
        "offset",
        "owner",
        "primitive",
        "tangents",
        "value",
    )

    value: Any
    owner: Trace
    id: int
    known: AbstractValue
    tangents: Any
    alias: Any
    primitive: Primitive | None
    i: Any
    j: Any
    a: Any
    b: Any
    offset: int

    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 1000.0

    if TYPE_CHECKING:
        # Operators and methods are installed by backlit.ops.methods.
        T: Any
        mT: Any

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> Any: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __add__(self, other: Any) -> Any: ...
        def __radd__(self, other: Any) -> Any: ...
        def __sub__(self, other: Any) -> Any: ...
        def __rsub__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __rmul__(self, other: Any) -> Any: ...
        def __truediv__(self, other: Any) -> Any: ...
        def __rtruediv__(self, other: Any) -> Any: ...
        def __pow__(self, other: Any) -> Any: ...
        def __matmul__(self, other: Any) -> Any: ...
        def __rmatmul__(self, other: Any) -> Any: ...
        def __neg__(self) -> Any: ...
        def __lt__(self, other: Any) -> Any: ...
        def __le__(self, other: Any) -> Any: ...
        def __gt__(self, other: Any) -> Any: ...
        def __ge__(self, other: Any) -> Any: ...

    @property
    def aval(self) -> AbstractValue:
        """Shape and element type."""
        return self.known if self.value is None else aval_of(self.value)

    @property
    def shape(self) -> Shape:
        """Shape, a tuple of int."""
        value = self.value
        return value.shape if hasattr(value, "shape") else self.aval.shape

    @property
    def dtype(self) -> onp.dtype[Any]:
        """Element type."""
        value = self.value
        return value.dtype if hasattr(value, "dtype") else self.aval.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.aval.size

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-dimensional array")
        return self.shape[0]

    def __bool__(self) -> bool:
        return bool(self.owner.concretise(self, "truth value", bool))

    def __index__(self) -> int:
        if self.dtype.kind not in "iub":
            refuse(self, "an index")
        return int(self.owner.concretise(self, "value as an index", int))

    def __int__(self) -> int:
        if self.dtype.kind not in "iub":
            return int(self.owner.concretise_float(self, "int()"))
        return int(self.owner.concretise(self, "integer value", int))

    def __float__(self) -> float:
        return float(self.owner.concretise_float(self, "float()"))

    def __complex__(self) -> complex:
        return complex(self.owner.concretise_float(self, "complex()"))

    def __array__(self, dtype: Any = None, copy: Any = None) -> onp.ndarray[Any, Any]:
        return onp.asarray(self._plain("numpy.asarray()"), dtype=dtype)

    def _plain(self, what: str) -> Any:
        if self.dtype.kind in "iub":  # no gradient to lose, but the graph holds for these only
            return self.owner.concretise(self, "values", onp.asarray)
        return self.owner.concretise_float(self, what)

    def item(self) -> Any:
        """Return a Python number; refused while that would lose a gradient."""
        return onp.asarray(self._plain(".item()")).item()

    def tolist(self) -> Any:
        """Return nested lists; refused while that would lose a gradient."""
        return onp.asarray(self._plain(".tolist()")).tolist()

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        # Copying slot by slot would copy the trace as well, and its gradient would go astray.
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        refuse(self, "pickling")

    def __repr__(self) -> str:
        value = innermost_value(self)
        if value is None:
            return f"Tracer({self.aval})"
        return f"Tracer({self.aval}, value={onp.array2string(onp.asarray(value), threshold=8)})"

    def __format__(self, spec: str) -> str:
        value = innermost_value(self)
        return repr(self) if value is None or not spec else format(onp.asarray(value).item(), spec)


def innermost_value(value: Any) -> Any:
    """Return the plain value under any number of tracers, or None if it is abstract."""
    while type(value) is Tracer:
        value = value.value
    return value


def strengthened(result: Any) -> Any:
    """Return the result of an operation as NumPy's: a number is weak in type promotion no more.

    Parameters
    ----------
    result : array or tracer
        Fresh: nobody else has seen that tracer.
    """
    if type(result) is Tracer:
        if result.value is not None:
            result.value = strengthened(result.value)
        elif result.known.weak:
            result.known = AbstractValue(result.known.shape, result.known.dtype)
    elif type(result) in PYTHON_NUMBERS:
        return onp.asarray(result)[()]
    return result


def refuse(tracer: Tracer, what: str) -> NoReturn:
    """Raise: what was asked for would lose the gradient of a traced value."""
    raise TracedValueError(
        f"{what} of a traced {tracer.aval} would lose its gradient",
        where=Source.here(),
        fix="compute with backlit.numpy and keep the array, or cut the gradient on purpose: "
        "bl.stop_gradient(x); to return extra values use has_aux=True; an array to be filled "
        "with traced values must be made inside the function by backlit.numpy (np.zeros, …)",
    )


class Trace:
    """What happens to an operation on tracers; subclasses decide."""

    level: int
    origin: Any = None

    def begin(self) -> None:
        """Enter the trace: it becomes this thread's innermost."""
        self.level = next_level()
        _live.stack.append(self)

    def end(self) -> None:
        """Leave the trace."""
        _live.stack.remove(self)

    def process(self, primitive: Primitive, args: Sequence[Any], params: Params) -> Any:
        """Apply any primitive."""
        raise NotImplementedError  # pragma: no cover - abstract

    def concretise(self, tracer: Tracer, what: str, kind: Callable[[Any], Any]) -> Any:
        """Return a Python bool or int for a branch taken on a value."""
        value = tracer.value
        return kind(value)

    def concretise_float(self, tracer: Tracer, what: str) -> Any:
        """Return the plain value if no gradient is lost by it, else raise."""
        refuse(tracer, what)

    def position(self, tracer: Tracer) -> Source | None:
        """Return the user's line that computed a tracer, if it is known."""
        return None

    def owns(self, value: Any) -> bool:
        """Tell whether a value depends on this trace's inputs."""
        return type(value) is Tracer and value.owner is self and value.id >= 0

    def outside(self, value: Any) -> Any:
        """Return what a function's result is once the trace has ended: its value.

        A tracer of a trace that still runs further out stays; any other has leaked.
        """
        if type(value) is not Tracer:
            return value
        if value.owner is self:
            return value.value
        if not any(trace is value.owner for trace in _live.stack):
            value.owner.leaked(value)
        return value

    def leaked(self, tracer: Tracer) -> None:
        """Raise if a tracer is used after its trace ended; a constant may be."""

    def run(self, f: Callable[..., Any], args: Sequence[Any]) -> Any:
        """Call the user's function inside the trace."""
        self.begin()
        try:
            return f(*args)
        except (TypeError, ValueError) as error:
            # NumPy hides what `array[0] = tracer` raised behind an error of its own.
            if isinstance(error.__cause__, TracedValueError):
                raise error.__cause__ from None
            raise
        finally:
            self.end()

    def made(self) -> int:
        """Return how many values were traced so far: the ids of later ones are not smaller."""
        return 0

    def unmoved(self, primitive: Primitive, args: Sequence[Any], result: Any) -> Any:
        """Return the result of an operation on constants of this trace.

        What is computed from an array that may be filled may be filled in turn: ``2 * np.ones(3)``.
        """
        if type(result) is _Array and result.ndim:
            if any(type(a) is Tracer and a.owner is self for a in args):
                # It is the innermost trace's: made inside the body that is being traced.
                return (_live.stack[-1] if _live.stack else self).constant(result)
        return result

    def constant(self, value: Any) -> Tracer:
        """Return a tracer of this trace that depends on none of its inputs."""
        out = Tracer.__new__(Tracer)
        out.value, out.owner, out.id = value, self, -1
        return out


def bind(primitive: Primitive, *args: Any, **params: Any) -> Any:
    """Apply a primitive to arrays, tracers or both, in the innermost trace among them."""
    trace: Trace | None = None
    for a in args:
        if type(a) is Tracer and (trace is None or a.owner.level > trace.level):
            trace = a.owner
    if trace is None:
        return primitive.settled(args, primitive.impl(*args, **params))
    return trace.process(primitive, args, params)
