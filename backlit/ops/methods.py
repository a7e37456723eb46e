"""Operators and array methods of the tracer, and NumPy's dispatch protocols."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as onp

from backlit.core.alias import rebind
from backlit.core.errors import DTypeError, ShapeError, TracedValueError
from backlit.core.source import Source
from backlit.core.tracer import Tracer, bind, strengthened
from backlit.ops import elementwise as ew
from backlit.ops import indexing, picking, products, reduce, shaping
from backlit.ops.families import dtype_of, engine, shape_of
from backlit.ops.functions import counted, is_truth, with_options
from backlit.ops.namesake import refuse

engine.add = ew.add
engine.multiply = ew.multiply
engine.negative = ew.negative
engine.where = ew.where
engine.equal = ew.equal
engine.isfinite = ew.isfinite
engine.logical_and = ew.logical_and
engine.logical_or = ew.logical_or
engine.logical_not = ew.logical_not
engine.astype = ew.astype
engine.zeros_like = ew.zeros_like_operand
engine.sum = reduce.sum
engine.reshape = shaping.reshape
engine.broadcast_to = shaping.stretch
engine.bind = bind


def _no_shift(x: Any, y: Any) -> NoReturn:
    raise DTypeError(
        f"bits of a traced array cannot be shifted ({dtype_of(x)} by {dtype_of(y)})",
        fix="multiply or divide integers by a power of two: x * 2**n, x // 2**n",
    )


_COMPARISONS = {
    "lt": ew.less,
    "le": ew.less_equal,
    "gt": ew.greater,
    "ge": ew.greater_equal,
    "eq": ew.equal,
    "ne": ew.not_equal,
}


def _reflected(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    counting = _counting(function)
    return lambda self, x: counting(x, self) if type(x) is bool else function(x, self)


def _counting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function as the operator of Python's, for which True is the number 1."""
    primitive = getattr(function, "primitive", None)
    return (lambda *x: function(*counted(primitive, *x))) if primitive is not None else function


def _power(x: Any, y: Any, modulus: Any = None) -> Any:
    if is_truth(x) and (is_truth(y) or type(y) is int):
        x = ew.multiply(x, 1) if type(x) is Tracer else int(x)
    return ew.power(x, y, modulus)


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "add": ew.add,
    "sub": ew.subtract,
    "mul": ew.multiply,
    "truediv": ew.divide,
    "floordiv": ew.floor_divide,
    "mod": ew.remainder,
    "pow": _power,
    "matmul": products.matmul,
    "and": ew.bitwise_and,
    "or": ew.bitwise_or,
    "xor": ew.bitwise_xor,
    "lshift": _no_shift,
    "rshift": _no_shift,
}


def _in_place(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    counting = _counting(function)

    def update(self: Tracer, other: Any) -> Any:
        new = counting(self, other)
        if not self.shape:  # a 0-dimensional array behaves as a number: the name is bound anew
            return new
        if shape_of(new) != self.shape:
            raise ShapeError(
                f"an array of shape {self.shape} cannot take a result of shape {shape_of(new)} "
                "in place",
                fix="write x = x + y instead of x += y",
            )
        if dtype_of(new).kind == "f" and self.dtype.kind != "f":
            raise DTypeError(
                f"an array of {self.dtype} cannot take a result of {dtype_of(new)} in place",
                fix="make the array with a float dtype, or write x = x + y instead of x += y",
            )
        # Every name of the array sees the new value, as in NumPy.
        rebind(self, ew.astype(new, self.dtype))
        return self

    return update


def divmod_(x: Any, y: Any) -> tuple[Any, Any]:
    """Return quotient and remainder, ``x // y`` and ``x % y``."""
    return _counting(ew.floor_divide)(x, y), _counting(ew.remainder)(x, y)


def _iterate(self: Tracer) -> Iterator[Any]:
    if not self.shape:
        raise TypeError("iteration over a 0-dimensional array")
    return (indexing.getitem(self, k) for k in range(self.shape[0]))


def _contains(self: Tracer, value: Any) -> bool:
    return bool(reduce.any(ew.equal(self, value)))


def _reshape_method(self: Tracer, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
    return shaping.reshape(self, shape[0] if len(shape) == 1 else shape, order, copy=copy)


def _transpose_method(self: Tracer, *axes: Any) -> Any:
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
        return shaping.transpose(self, axes[0])
    return shaping.transpose(self, axes or None)


def copy_(self: Any) -> Any:
    """Return a new value of the same elements, which may be assigned to."""
    return ew.positive(self) if self.dtype.kind != "b" else ew.logical_or(self, False)


def _flatten(self: Tracer, order: str = "C") -> Any:
    return copy_(shaping.ravel(self, order))


def _astype(
    self: Tracer,
    dtype: Any,
    order: str = "K",
    casting: str = "unsafe",
    subok: bool = True,
    copy: bool = True,
) -> Any:
    if casting != "unsafe":
        refuse("astype", {"casting": casting})
    out = ew.astype(self, dtype)
    # NumPy's method copies; the copy may be assigned to.
    return copy_(self) if out is self and copy else out


_METHODS: dict[str, Any] = {
    "__getitem__": indexing.getitem,
    "__setitem__": indexing.assign_item,
    "__iter__": _iterate,
    "__contains__": _contains,
    "__neg__": _counting(ew.negative),
    "__pos__": _counting(ew.positive),
    "__abs__": _counting(ew.absolute),
    "__invert__": ew.invert,
    "__divmod__": divmod_,
    "__rdivmod__": lambda self, other: divmod_(other, self),
    "__rpow__": lambda self, other, modulus=None: _power(other, self, modulus),
    "__round__": lambda self, digits=None: _rounded(self, digits),
    "reshape": _reshape_method,
    "transpose": _transpose_method,
    "ravel": shaping.ravel,
    "flatten": _flatten,
    "squeeze": shaping.squeeze,
    "swapaxes": shaping.swapaxes,
    "repeat": shaping.repeat,
    "astype": _astype,
    "copy": copy_,
    "clip": ew.clip,
    "sum": reduce.sum,
    "mean": reduce.mean,
    "var": reduce.var,
    "std": reduce.std,
    "prod": reduce.prod,
    "max": reduce.max,
    "min": reduce.min,
    "argmax": reduce.argmax,
    "argmin": reduce.argmin,
    "all": reduce.all,
    "any": reduce.any,
    "cumsum": reduce.cumsum,
    "dot": products.dot,
    "take": picking.take,
    "diagonal": products.diagonal,
    # Of a real array NumPy's methods return the array itself, unlike its functions.
    "conj": lambda self: self if self.dtype.kind != "c" else self.value.conj(),
    "conjugate": lambda self: self if self.dtype.kind != "c" else self.value.conj(),
}

_functions: dict[str, Callable[..., Any]] = {}

# Methods of ndarray whose functions are declared further up, in backlit.numpy.
_NAMESPACE_METHODS = ("round", "trace", "cumprod", "nonzero")


def _namespace_method(name: str) -> Callable[..., Any]:
    def method(self: Tracer, *args: Any, **kwargs: Any) -> Any:
        return _functions[name](self, *args, **kwargs)

    method.__name__ = name
    return method


def _rounded(self: Tracer, digits: int | None) -> Any:
    if self.shape:
        raise TracedValueError(
            f"round() takes one number, not an array of shape {self.shape}",
            where=Source.here(),
            fix="np.round(x, decimals)",
        )
    return _functions["round"](self, 0 if digits is None else digits)


def register_namespace(functions: dict[str, Callable[..., Any]]) -> None:
    """Tell the tracer which functions stand in for NumPy's own when NumPy is called on it."""
    _functions.update({name: getattr(f, "searching", f) for name, f in functions.items()})


def _unknown(name: str) -> TracedValueError:
    return TracedValueError(
        f"{name} does not know how to take a traced array",
        where=Source.here(),
        fix="use the functions of backlit.numpy; for a function it lacks, compute it outside the "
        "function that is differentiated or compiled and pass the result as an argument",
    )


def _array_ufunc(self: Tracer, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Route ``ndarray * tracer`` and ``numpy.sin(tracer)`` to the traced operation."""
    if _all_constant([*inputs, *kwargs.values()]):
        return getattr(ufunc, method)(
            *_plain(inputs), **dict(zip(kwargs, _plain([*kwargs.values()]), strict=True))
        )
    function = _functions.get(_UFUNC_NAMES.get(ufunc.__name__, ufunc.__name__))
    if method == "__call__" and function is not None and not kwargs:
        found = function(*inputs)
        return strengthened(found) if hasattr(function, "primitive") else found
    if method == "__call__" and function is not None and set(kwargs) <= {"dtype", "where"}:
        if hasattr(function, "direct"):
            return with_options(function, inputs, kwargs)
        return function(*inputs, **kwargs)
    if kwargs.get("out") is not None:
        raise TracedValueError(
            f"numpy.{ufunc.__name__} was asked to write a traced value into a plain array",
            where=Source.here(),
            fix="write a = a + x instead of a += x, or make the array inside the function with "
            "backlit.numpy (np.zeros, …)",
        )
    name = f"numpy.{ufunc.__name__}"
    raise _unknown(name if method == "__call__" else f"{name}.{method}")


def _all_constant(args: Any) -> bool:
    """Tell whether the tracers among arguments carry no gradient, so that NumPy may have them."""
    if isinstance(args, (tuple, list)):
        return all(_all_constant(a) for a in args)
    return type(args) is not Tracer or args.id < 0


def _plain(args: Any) -> Any:
    """Return arguments with constants as plain arrays."""
    if isinstance(args, (tuple, list)):
        return type(args)([_plain(a) for a in args])
    return args.value if type(args) is Tracer else args


_UFUNC_NAMES = {"true_divide": "divide", "conjugate": "conj"}


def _array_function(self: Tracer, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """Route ``numpy.sum(tracer)`` and its kin to the traced operation."""
    if _all_constant([*args, *kwargs.values()]):
        return func(*_plain(args), **dict(zip(kwargs, _plain([*kwargs.values()]), strict=True)))
    function = _functions.get(func.__name__)
    if function is None:
        raise _unknown(f"{func.__module__ or 'numpy'}.{func.__name__}")
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise TracedValueError(
            f"numpy.{func.__name__} of a traced array: {error}",
            where=Source.here(),
            fix=f"see help(backlit.numpy.{func.__name__}) for what it takes",
        ) from None
    return function(*args, **kwargs)


_INSTEAD = {
    "flat": "all elements in a row are x.ravel(); to write into them, x[...] = y.reshape(x.shape)",
    "view": "another view of it is x[...], and another type x.astype(dtype)",
    "fill": "write x[...] = value",
    "strides": "traced arrays have no memory layout",
    "flags": "traced arrays have no memory layout",
    "put": "write x[indices] = values",
    "compress": "write x[mask]",
    "searchsorted": "search outside of the differentiated function",
}


def _numpys_own(name: str) -> property:
    """Return an attribute that only constants have: they carry no gradient to lose."""

    def read(self: Tracer) -> Any:
        if self.id < 0:
            return getattr(self.value, name)
        instead = _INSTEAD.get(
            name,
            "see whether backlit.numpy has a function for it, or cut the gradient: "
            "bl.stop_gradient(x)",
        )
        raise AttributeError(f"a traced array has no {name!r}; {instead}")

    return property(read)


def _operator(function: Any) -> Any:
    """Return the quickest form of a function of two operands of which the first is traced."""
    direct = getattr(function, "direct", function)
    return getattr(direct, "operator", direct)


def install() -> None:
    """Give `Tracer` its operators and methods."""
    for name, function in _OPERATORS.items():
        setattr(Tracer, f"__{name}__", _operator(function))
        setattr(Tracer, f"__r{name}__", _reflected(function))
        setattr(Tracer, f"__i{name}__", _in_place(function))
    for name, function in _COMPARISONS.items():
        setattr(Tracer, f"__{name}__", _operator(function))
    for name, method in _METHODS.items():
        setattr(Tracer, name, method)
    for name in _NAMESPACE_METHODS:
        setattr(Tracer, name, _namespace_method(name))
    for name in dir(onp.ndarray):
        if not name.startswith("_") and not hasattr(Tracer, name):
            setattr(Tracer, name, _numpys_own(name))
    # Complex are only constants.
    Tracer.real = property(  # type: ignore[attr-defined]
        lambda self: self if self.dtype.kind != "c" else self.value.real
    )
    Tracer.nbytes = property(lambda self: self.aval.nbytes)  # type: ignore[attr-defined]
    Tracer.T = property(lambda self: shaping.transpose(self))
    Tracer.mT = property(lambda self: shaping.swapaxes(self, -1, -2))
    Tracer.__array_ufunc__ = _array_ufunc  # type: ignore[attr-defined]
    Tracer.__array_function__ = _array_function  # type: ignore[attr-defined]
    ufuncs = [v for v in vars(ew).values() if hasattr(v, "direct")]
    register_namespace({function.__name__: function for function in ufuncs})
    register_namespace({"power": ew.power, "matmul": products.matmul})


install()
