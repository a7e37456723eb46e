"""Every primitive is checked by the same code: what it is applied to follows from its declaration.

An elementwise primitive states a `domain`, and is applied to arrays drawn from it over element
types, ranks and broadcasting patterns; any other states `cases`. Graphs cannot be written in a
declaration, so the cases of control flow are built here.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit.core.primitive import Case, Params, Primitive
from backlit.core.tracer import bind
from backlit.ops.families import REAL
from backlit.transforms.inspection import trace

# Primitives with a derivative but without a reverse rule, and why.
FORWARD_ONLY = {"while_loop": "the number of steps, and with it the memory, is not known before"}

Pattern = tuple[Any, ...]
# Shapes by number of operands; "python" is a Python number. An extent of 0 is an array of nothing.
_PATTERNS: dict[int, tuple[Pattern, ...]] = {
    1: (((),), ((3,),), ((2, 3),), ((0, 2),), ("python",)),
    2: (
        ((), ()),
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((2, 1), (1, 3)),
        ((), (2, 3)),
        ((2, 3), "python"),
        ("python", (3,)),
        ((0, 1), (1, 3)),
    ),
    3: (
        ((3,), (3,), (3,)),
        ((2, 3), (3,), (2, 1)),
        ((2, 3), (), "python"),
        ((), (2, 1), (1, 3)),
    ),
}
_FLOATS = ("float64", "float32")
_KINDS = (*_FLOATS, "int64", "bool")


@dataclass(frozen=True)
class Instance:
    """One application of a primitive.

    Attributes
    ----------
    primitive : Primitive
    args : tuple
        Arrays and Python numbers.
    params : dict
    """

    primitive: Primitive
    args: tuple[Any, ...]
    params: Params

    @property
    def floats(self) -> tuple[int, ...]:
        """Places of the operands that have a derivative."""
        return tuple(k for k, a in enumerate(self.args) if isinstance(a, float) or _kind(a) == "f")

    def __call__(self, *floats: Any) -> Any:
        """Apply the primitive with new float operands."""
        args = list(self.args)
        for k, value in zip(self.floats, floats, strict=True):
            args[k] = value
        return bind(self.primitive, *args, **self.params)

    def value(self) -> Any:
        """Return what NumPy computes."""
        return self.primitive.impl(*self.args, **self.params)

    @property
    def operands(self) -> tuple[Any, ...]:
        """The float operands."""
        return tuple(self.args[k] for k in self.floats)

    def __str__(self) -> str:
        shown = [f"{a.dtype}{list(a.shape)}" if hasattr(a, "dtype") else repr(a) for a in self.args]
        params = {k: v for k, v in self.params.items() if isinstance(v, (int, tuple, str))}
        return f"{self.primitive.name}({', '.join(shown)}){params or ''}"


def _kind(value: Any) -> str:
    return str(value.dtype.kind) if hasattr(value, "dtype") else ""


def instances(primitive: Primitive, seed: int = 0) -> list[Instance]:
    """Return what a primitive is checked on.

    Parameters
    ----------
    primitive : Primitive
    seed : int

    Returns
    -------
    list of Instance
        Empty if its declaration gives neither a domain nor cases.

    Examples
    --------
    >>> from backlit.core.primitive import registry
    >>> print(instances(registry["sin"])[1])
    sin(float64[3])
    """
    rng = onp.random.default_rng(seed)
    if primitive.domain and not _needs_cases(primitive):
        params = [case.params for case in primitive.cases] or [{}]
        return [i for p in params for i in _from_domain(primitive, p, rng)]
    return [
        _from_case(primitive, case, dtype, rng)
        for dtype in _FLOATS
        for case in primitive.cases or control_cases(dtype).get(primitive.name, ())
    ]


def _needs_cases(primitive: Primitive) -> bool:
    """Tell whether operands are more than arrays that broadcast together."""
    return primitive.family not in ("elementwise", "constant") or (
        primitive.family == "constant" and bool(primitive.cases)
    )


def _from_domain(
    primitive: Primitive, params: Params, rng: onp.random.Generator
) -> Iterator[Instance]:
    patterns = _PATTERNS[len(primitive.domain)]
    for kind in _KINDS:
        for pattern in patterns:
            args = tuple(
                draw(shape, interval, kind, rng)
                for shape, interval in zip(pattern, primitive.domain, strict=True)
            )
            yield Instance(primitive, args, params)
    if len(primitive.domain) > 1:
        shapes = patterns[1]
        args = tuple(
            draw(shape, interval, _FLOATS[k % 2], rng)
            for k, (shape, interval) in enumerate(zip(shapes, primitive.domain, strict=True))
        )
        yield Instance(primitive, args, params)


def _from_case(primitive: Primitive, case: Case, dtype: str, rng: onp.random.Generator) -> Instance:
    intervals = primitive.domain or (REAL,) * len(case.args)
    args = tuple(
        draw(arg, interval, dtype, rng) if isinstance(arg, tuple) else arg
        for arg, interval in zip(case.args, intervals, strict=True)
    )
    return Instance(primitive, args, case.params)


def draw(shape: Any, interval: tuple[float, float], dtype: str, rng: onp.random.Generator) -> Any:
    """Draw an array of a shape, or a Python number for "python", uniformly from an interval."""
    low, high = interval
    python = shape == "python"
    size = () if python else shape
    if dtype == "bool":
        value = onp.asarray(rng.integers(0, 2, size), bool)
    elif dtype == "int64":
        least = int(onp.ceil(low))
        most = max(least, int(onp.floor(high)))
        value = onp.asarray(rng.integers(least, most + 1, size))
    else:
        value = onp.asarray(rng.uniform(low, high, size), dtype)
    return value.item() if python else value[()]


# --- control flow -----------------------------------------------------------------------------


def _graph(f: Any, dtype: str, *shapes: tuple[int, ...]) -> Any:
    return trace(f, abstract=True)(*[onp.zeros(shape, dtype) for shape in shapes])


@functools.cache
def control_cases(dtype: str) -> dict[str, tuple[Case, ...]]:
    """Return cases for the primitives whose parameters are graphs, which are typed."""
    from backlit import numpy as np

    vector = (3,)
    yes = _graph(lambda x, w: (np.sin(x * w), (x * x).sum()), dtype, vector, vector)
    no = _graph(lambda x, w: (x + w, (x * w).sum()), dtype, vector, vector)
    branches = tuple(Case((onp.array(k), vector, vector), {"branches": (no, yes)}) for k in (0, 1))
    body = _graph(
        lambda carry, x, w: (np.tanh(carry * w + x), (carry * x).sum()),
        dtype,
        *(vector, vector, vector),
    )
    scans = tuple(
        Case(
            (vector, (steps, 3), vector),
            {"body": body, "carries": 1, "xs": 1, "length": steps, "reverse": reverse},
        )
        for steps, reverse in ((4, False), (3, True), (0, False))
    )
    test = _graph(lambda limit, x: x.sum() < limit, dtype, (), vector)
    step = _graph(lambda rate, x: (x * x * rate + 1.0,), dtype, (), vector)
    # 0.7 x² + 1 > x for every x, so the sum passes the limit whatever is drawn.
    loop = Case(
        (onp.array(9.0, dtype), onp.array(0.7, dtype), vector),
        {"test": test, "body": step, "tests": 1, "bodies": 1},
    )
    call = Case((vector, vector), {"graph": yes})
    return {"call": (call,), "cond": branches, "scan": scans, "while_loop": (loop,)}
