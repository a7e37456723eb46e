"""Models as frozen dataclasses that are also trees of arrays."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Any, ClassVar, NoReturn, TypeVar, dataclass_transform

import numpy as onp

from backlit.core import tree
from backlit.core.errors import BacklitError
from backlit.core.tracer import Tracer

_STATIC = "backlit.static"
_BUILDING = "_building"
_M = TypeVar("_M")


class ModuleError(BacklitError, TypeError):
    """A module class, or the way it was built, breaks a rule of modules."""


class FrozenModuleError(BacklitError, FrozenInstanceError):
    """A field of a finished module was assigned to."""


def static(default: Any = dataclasses.MISSING) -> Any:
    """Declare a field that is a setting, not an array: it has no gradient and is no leaf.

    Parameters
    ----------
    default : object, optional
        A number, string, function, … ; anything comparable with ``==``.

    Returns
    -------
    dataclasses.Field

    Examples
    --------
    >>> class Scale(Module):
    ...     factor: onp.ndarray
    ...     unit: str = static("metre")
    >>> tree.flatten(Scale(onp.array(2.0)))[0]
    [array(2.)]
    """
    return field(default=default, metadata={_STATIC: True})


class _ModuleType(type):
    """Builds instances: fields may be assigned until ``__init__`` returns, then never again."""

    def __call__(cls: type[_M], *args: Any, **kwargs: Any) -> _M:
        module = cls.__new__(cls)
        module.__dict__[_BUILDING] = True
        if not args and cls._given_as_fields(kwargs):  # type: ignore[attr-defined]
            module.__dict__.update(kwargs)
            checked = getattr(module, "__post_init__", None)
            if checked is not None:
                checked()
        else:
            module.__init__(*args, **kwargs)  # type: ignore[misc]
        del module.__dict__[_BUILDING]
        module._check()  # type: ignore[attr-defined]
        return module


# Not frozen_default: a type checker would then refuse the assignments in a constructor.
@dataclass_transform(eq_default=False, field_specifiers=(static, field))
class Module(metaclass=_ModuleType):
    """Base class of layers and models.

    A subclass is a frozen dataclass: annotate its fields, and either take the constructor that
    dataclasses make or write an ``__init__`` that assigns every field. It is also a tree whose
    leaves are the arrays in its fields, so it can be differentiated with respect to as a whole,
    and the gradient is a module of the same shape. Fields declared with `static` are settings.
    ``dataclasses.replace(model, W=W)`` makes a changed copy; a constructor that takes something
    else than the fields is not called for it, ``__post_init__`` is. Modules compare by identity.

    A module that is called as a function takes ``key=None`` after its input: randomness that only
    training uses (dropout) is on if and only if a key is given.

    Raises
    ------
    ModuleError
        If a field is not set, is not declared, or holds what its declaration does not allow.

    References
    ----------
    The idea of a model as a dataclass and a tree at once is Equinox's: Kidger and Garcia,
    "Equinox: neural networks in JAX via callable PyTrees and filtered transformations", 2021.

    Examples
    --------
    >>> class Line(Module):
    ...     slope: onp.ndarray
    ...     height: onp.ndarray
    ...     def __call__(self, x, *, key=None):
    ...         return self.slope * x + self.height
    >>> line = Line(onp.array(2.0), onp.array(1.0))
    >>> line
    Line(slope=float64[], height=float64[])  # 2 parameters
    >>> float(line(3.0))
    7.0
    >>> dataclasses.replace(line, slope=onp.array(5.0))(3.0)
    np.float64(16.0)
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _arrays: ClassVar[tuple[str, ...]] = ()
    _settings: ClassVar[tuple[str, ...]] = ()
    _own_init: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # An __init__ written by hand is inherited by subclasses that add no field to fill.
        inherits = cls._own_init and not _annotations(cls)
        cls._own_init = "__init__" in cls.__dict__ or inherits
        dataclass(init=not inherits, eq=False, repr=False)(cls)
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]
        cls._fields = tuple(f.name for f in fields)
        cls._arrays = tuple(f.name for f in fields if not f.metadata.get(_STATIC))
        cls._settings = tuple(f.name for f in fields if f.metadata.get(_STATIC))
        tree.register(cls, _flatten, lambda settings, children: _build(cls, settings, children))

    @classmethod
    def _given_as_fields(cls, kwargs: dict[str, Any]) -> bool:
        """Tell whether a constructor written by hand is called the way dataclasses.replace does.

        That is with all fields and nothing else, by name, while the constructor takes other
        arguments. One that takes the fields themselves is called as it stands.
        """
        if not cls._own_init or kwargs.keys() != set(cls._fields):
            return False
        try:
            inspect.signature(cls.__init__).bind(None, **kwargs)
        except TypeError:
            return True
        return False

    def _check(self) -> None:
        kind, values = type(self), self.__dict__
        missing = [name for name in kind._fields if name not in values]
        if missing:
            raise ModuleError(
                f"{kind.__name__}.__init__ did not set {' and '.join(missing)}",
                fix=f"assign self.{missing[0]} = … in __init__, or give the field a default",
            )
        for name in kind._arrays:
            for leaf in tree.flatten(values[name])[0]:
                if not _is_number(leaf):
                    raise ModuleError(
                        f"{kind.__name__}.{name} holds {leaf!r:.60}, which is not an array",
                        fix=f"declare the field as a setting: {name}: … = backlit.nn.static()",
                    )
        for name in kind._settings:
            if isinstance(values[name], (onp.ndarray, Tracer)):
                raise ModuleError(
                    f"{kind.__name__}.{name} is declared static but holds an array, which would "
                    "never be trained",
                    fix=f"declare it without static(): {name}: numpy.ndarray",
                )

    def __setattr__(self, name: str, value: Any) -> None:
        if _BUILDING not in self.__dict__:
            self._refuse(name)
        if name not in self._fields:
            raise ModuleError(
                f"{type(self).__name__} has no field {name!r}",
                fix=f"annotate it in the class body, {name}: numpy.ndarray, or for a setting "
                f"{name}: int = backlit.nn.static()",
            )
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        raise FrozenModuleError(
            f"{type(self).__name__}.{name} cannot be changed: modules are frozen",
            fix=f"make a changed copy: dataclasses.replace(model, {name}=…)",
        )

    def __repr__(self) -> str:
        count = count_parameters(self)
        return f"{_written(self)}  # {count:,} parameter{'' if count == 1 else 's'}"


def count_parameters(model: Any) -> int:
    """Return the number of array elements in a model, or in any tree of arrays.

    Parameters
    ----------
    model : tree of arrays

    Returns
    -------
    int

    Examples
    --------
    >>> count_parameters({"W": onp.zeros((3, 2)), "b": onp.zeros(2)})
    8
    """
    leaves = tree.flatten(model)[0]
    return sum(leaf.size if hasattr(leaf, "size") else 1 for leaf in leaves)


def _annotations(cls: type) -> Any:
    """Return the annotations of a class body, not evaluated: they may name what comes later."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    return cls.__dict__.get("__annotations__")


def _flatten(module: Module) -> tuple[Sequence[str], Sequence[Any], Any]:
    kind, values = type(module), module.__dict__
    names = kind._arrays
    return names, [values[n] for n in names], tuple([values[n] for n in kind._settings])


def _build(kind: type[Module], settings: Sequence[Any], children: Sequence[Any]) -> Module:
    module = object.__new__(kind)
    values = module.__dict__
    values.update(zip(kind._arrays, children, strict=True))
    values.update(zip(kind._settings, settings, strict=True))
    return module


def _is_number(leaf: Any) -> bool:
    if isinstance(leaf, (onp.ndarray, onp.generic)):
        return leaf.dtype.kind in "biufc"
    return isinstance(leaf, (Tracer, bool, int, float, complex))


# Printing: one line while it fits, else one field per line.


def _written(value: Any, indent: str = "") -> str:
    if isinstance(value, Module):
        head, tail = type(value).__name__ + "(", ")"
        parts = [(f"{name}=", value.__dict__.get(name)) for name in value._fields]
    elif isinstance(value, dict):
        head, tail = "{", "}"
        parts = [(f"{key!r}: ", item) for key, item in value.items()]
    elif isinstance(value, (tuple, list)):
        head, tail = ("(", ")") if isinstance(value, tuple) else ("[", "]")
        parts = [("", item) for item in value]
    elif isinstance(value, (onp.ndarray, onp.generic, Tracer)):
        return f"{value.dtype}[{','.join(map(str, value.shape))}]"
    else:
        return getattr(value, "__qualname__", None) or repr(value)
    deeper = indent + "  "
    texts = [name + _written(item, deeper) for name, item in parts]
    line = head + ", ".join(texts) + tail
    if len(indent) + len(line) <= 88 and "\n" not in line:
        return line
    return f"{head}\n{deeper}" + f",\n{deeper}".join(texts) + f",\n{indent}{tail}"
