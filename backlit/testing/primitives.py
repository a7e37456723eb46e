"""What must hold of a primitive, each as one function that raises where it does not."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.core import serial
from backlit.core.aval import aval_of
from backlit.core.errors import BacklitError
from backlit.core.evaluate import evaluate
from backlit.core.graph import Graph
from backlit.core.primitive import Primitive
from backlit.core.tracer import bind
from backlit.core.verify import verify
from backlit.ops.families import shape_of
from backlit.testing.differences import Vector, coarsest, join
from backlit.testing.gradients import check_grads
from backlit.testing.registry import FORWARD_ONLY, Instance, instances
from backlit.transforms.forward import jvp
from backlit.transforms.inspection import trace
from backlit.transforms.reverse import grad, vjp

_COMPLEX_STEP = 1e-30


class PrimitiveError(BacklitError, AssertionError):
    """A primitive breaks a rule that every primitive must obey."""


def _require(holds: Any, instance: Instance, rule: str) -> None:
    if not holds:
        raise PrimitiveError(f"{instance}: {rule}")


def _results(instance: Instance, value: Any) -> list[Any]:
    return list(value) if instance.primitive.multi else [value]


def _is_float(value: Any) -> bool:
    return aval_of(value).dtype.kind == "f"


def modes_of(primitive: Primitive) -> tuple[str, ...]:
    """Return the modes a primitive can be differentiated in."""
    if primitive.family == "constant":
        return ()
    return ("forward",) if primitive.name in FORWARD_ONLY else ("forward", "reverse")


# --- value ------------------------------------------------------------------------------------


def check_types(instance: Instance) -> None:
    """Shape and type are what the abstract rule says, or NumPy and the rule both refuse."""
    primitive, avals = instance.primitive, [aval_of(a) for a in instance.args]
    try:
        expected = primitive.abstract(*avals, **instance.params)
    except (TypeError, ValueError):
        expected = None
    found = _value(instance)
    if found is None and expected is not None:
        # Integers to negative powers are refused for their values, which the rule does not see.
        ones = tuple(onp.ones_like(a)[()] for a in instance.args)
        instance = Instance(primitive, ones, instance.params)
        found = _value(instance)
    if expected is None or found is None:
        _require(expected is found, instance, "NumPy and the abstract rule do not both refuse it")
        return
    for aval, value in zip(
        expected if primitive.multi else (expected,), _results(instance, found), strict=True
    ):
        same = aval.shape == shape_of(value) and aval.dtype == aval_of(value).dtype
        _require(same, instance, f"the rule says {aval}, NumPy gives {aval_of(value)}")


def _value(instance: Instance) -> Any:
    """Return what NumPy computes, or None if it refuses (bitwise operations do not take floats)."""
    try:
        return instance.value()
    except (TypeError, ValueError):
        return None


def check_graph(instance: Instance) -> None:
    """Traced, printed, evaluated and read back from JSON, it computes what NumPy computes."""
    primitive = instance.primitive
    expected = _results(instance, instance.value())
    places = [k for k, a in enumerate(instance.args) if hasattr(a, "dtype") or type(a) is float]

    def f(*operands: Any) -> Any:
        args = list(instance.args)
        for k, value in zip(places, operands, strict=True):
            args[k] = value
        return bind(primitive, *args, **instance.params)

    f.__name__ = primitive.name
    args = [instance.args[k] for k in places]
    for abstract in (False, True):
        _same(instance, trace(f, abstract)(*args), args, expected, 0.0)


def _same(
    instance: Instance,
    graph: Graph,
    args: Sequence[Any],
    expected: Sequence[Any],
    ulps: float,
    of_numbers: float | None = None,
) -> None:
    """Check a graph, and the graph read back from its JSON, against known results.

    `of_numbers` is how many units in the last place the results for Python numbers may be off.
    """
    allowed = [ulps if of_numbers is None or type(a) is not float else of_numbers for a in args]
    allowed += [ulps] * len(expected)
    verify(graph)
    again = serial.loads(serial.dumps(graph))
    _require(str(again) == str(graph), instance, "the graph prints differently after JSON")
    for version in (graph, again):
        found = evaluate(version, args)
        equal = len(found) == len(expected) and all(
            aval_of(a).dtype == aval_of(b).dtype and _near(a, b, near)
            for a, b, near in zip(found, expected, allowed, strict=False)
        )
        _require(equal, instance, f"its graph gives {found}, NumPy gives {expected}")


def _near(found: Any, expected: Any, ulps: float) -> bool:
    if not _is_float(expected):
        return bool(onp.array_equal(found, expected))
    eps = onp.finfo(aval_of(expected).dtype).eps
    size = float(onp.max(onp.abs(expected), initial=0.0))
    return onp.shape(found) == onp.shape(expected) and bool(
        onp.allclose(found, expected, rtol=0.0, atol=ulps * float(eps) * size, equal_nan=True)
    )


def check_description(instance: Instance) -> None:
    """It counts its operations, and its LaTeX takes its operands and parameters."""
    primitive = instance.primitive
    operands = [chr(ord("a") + k) for k in range(len(instance.args))]
    text = primitive.latex.format(*operands, **instance.params)
    _require(text and text.count("{") == text.count("}"), instance, f"bad LaTeX {text!r}")
    avals = [aval_of(a) for a in instance.args]
    out = primitive.abstract(*avals, **instance.params)
    first = out[0] if primitive.multi else out
    count = primitive.flops(first, avals, instance.params)
    _require(isinstance(count, int) and count >= 0, instance, f"flops are {count!r}")


# --- derivatives ------------------------------------------------------------------------------


def check_derivatives(instance: Instance, order: int = 2) -> None:
    """Every mode and nesting agrees with central differences."""
    if instance.operands and coarsest(instance.operands).name != "float64":
        order = 1
    check_grads(instance, instance.operands, order, modes_of(instance.primitive))


def check_gradient_types(instance: Instance) -> None:
    """Tangents and cotangents have shape and type of the values they belong to."""
    with onp.errstate(all="ignore"):
        out = instance(*instance.operands)
    if "forward" in modes_of(instance.primitive):
        tangents = [onp.ones_like(a) for a in instance.operands]
        dots = jvp(instance, instance.operands, tangents)[1]
        for value, dot in zip(_results(instance, out), _results(instance, dots), strict=True):
            _same_type(instance, value, dot, "tangent")
    if "reverse" in modes_of(instance.primitive):
        ones = [onp.ones_like(o) for o in _results(instance, out)]
        seed = tuple(ones) if instance.primitive.multi else ones[0]
        for value, back in zip(
            instance.operands, vjp(instance, *instance.operands)[1](seed), strict=True
        ):
            _same_type(instance, value, back, "cotangent")


def _same_type(instance: Instance, value: Any, part: Any, what: str) -> None:
    a, b = aval_of(value), aval_of(part)
    same = a.shape == b.shape and a.dtype == b.dtype
    _require(same, instance, f"the {what} of {a} is {b}")


def check_slots(instance: Instance) -> None:
    """Operands may be differentiated one at a time, and rules take a missing tangent for zero."""
    rng = onp.random.default_rng(0)
    modes = modes_of(instance.primitive)
    cotangents = [
        onp.asarray(rng.normal(size=shape_of(o)), aval_of(o).dtype)[()]
        for o in _results(instance, instance.value())
    ]
    seed = tuple(cotangents) if instance.primitive.multi else cotangents[0]
    if "reverse" in modes:
        together = vjp(instance, *instance.operands)[1](seed)
    for slot, value in enumerate(instance.operands):
        alone = _only(instance, slot)
        if "reverse" in modes:
            (back,) = vjp(alone, value)[1](seed)
            _require(
                _near(back, together[slot], 8.0), instance, f"operand {slot} alone: {back} back"
            )
        direction = onp.asarray(rng.normal(size=shape_of(value)), aval_of(value).dtype)[()]
        zeros = [onp.zeros_like(a) for a in instance.operands]
        zeros[slot] = direction
        dot = jvp(alone, (value,), (direction,))[1]
        full = jvp(instance, instance.operands, zeros)[1]
        for part, other in zip(_results(instance, dot), _results(instance, full), strict=True):
            near = not _is_float(other) or _near(part, other, 64.0)
            _require(near, instance, f"operand {slot} alone: {part} forward, not {other}")
    push = instance.primitive.push
    if push is not None and not instance.primitive.multi:
        none = push([None] * len(instance.args), instance.value(), instance.args, instance.params)
        _require(none is None, instance, "no tangents give a tangent")


def _only(instance: Instance, slot: int) -> Callable[..., Any]:
    def alone(value: Any) -> Any:
        operands = list(instance.operands)
        operands[slot] = value
        return instance(*operands)

    return alone


def check_gradient_graph(instance: Instance) -> None:
    """The graph of the gradient is well formed and computes the eager gradient."""
    if "reverse" not in modes_of(instance.primitive):
        return
    places = tuple(range(len(instance.operands)))

    def total(*operands: Any) -> Any:
        sums = [o.sum() for o in _results(instance, instance(*operands)) if _is_float(o)]
        return sum(sums[1:], sums[0] * 2.0)

    total.__name__ = instance.primitive.name
    eager = grad(total, places)(*instance.operands)
    graph = trace(grad(total, places))(*instance.operands)
    # Rules choose between equivalent forms by what is traced, so the last digits may differ.
    # A Python number's gradient is float64, and made of the arrays beside it.
    ulps = 16.0 * float(onp.finfo(coarsest(instance.operands)).eps / onp.finfo(float).eps)
    _same(instance, graph, instance.operands, eager, 16.0, ulps)


def check_complex_step(instance: Instance) -> None:
    """First and second derivatives agree with complex steps to rounding, where NumPy can tell.

    f′(x) = Im f(x + ih)/h has no subtraction, so h may be 1e-30 and the error is that of f itself
    (W. Squire, G. Trapp, "Using complex variables to estimate derivatives of real functions", SIAM
    Review 40(1), 1998). The second derivative steps the declared partial.
    """
    primitive = instance.primitive
    if primitive.family != "elementwise" or coarsest(instance.operands).name != "float64":
        return
    for slot, partial in enumerate(primitive.partials):
        unit = [onp.zeros(shape_of(a)) for a in instance.operands]
        unit[slot] = onp.ones(shape_of(unit[slot]))
        expected = _stepped(primitive.impl, instance, slot)
        if expected is not None:
            found = jvp(instance, instance.operands, unit)[1]
            _agree(instance, found, expected, f"∂/∂{slot}")
        if not callable(partial):
            continue

        def local(*args: Any, partial: Any = partial, **params: Any) -> Any:
            return partial(*args, primitive.impl(*args, **params), **params)

        expected = _stepped(local, instance, slot)
        if expected is not None:
            second = jvp(lambda *args, u=unit: jvp(instance, args, u)[1], instance.operands, unit)[
                1
            ]
            _agree(instance, second, expected, f"∂²/∂{slot}²")


def _stepped(f: Callable[..., Any], instance: Instance, slot: int) -> Vector | None:
    """Return Im f(x + ih)/h, or None if f, as NumPy has it, is not analytic."""

    def moved(step: complex) -> Any:
        args = list(instance.args)
        args[slot] = args[slot] + step
        return onp.asarray(f(*args, **instance.params)) + 0.0

    with onp.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error", onp.exceptions.ComplexWarning)
        try:
            out = moved(1j * _COMPLEX_STEP)
        except (TypeError, AttributeError, onp.exceptions.ComplexWarning):
            return None
        slope = join([out.imag / _COMPLEX_STEP])
        rough = join([(moved(1e-6) - moved(-1e-6)) / 2e-6])
    # |x| and sign(x) take complex numbers but are not analytic (Cauchy and Riemann's equations).
    analytic = out.dtype.kind == "c" and onp.allclose(slope, rough, rtol=1e-4, atol=1e-4)
    return slope if analytic else None


def _agree(instance: Instance, found: Any, expected: Vector, what: str) -> None:
    close = onp.allclose(join([found]), expected, rtol=1e-11, atol=1e-12)
    _require(close, instance, f"{what} is {found}, a complex step gives {expected}")


CHECKS: dict[str, Callable[[Instance], None]] = {
    "types": check_types,
    "graph": check_graph,
    "description": check_description,
    "gradient types": check_gradient_types,
    "slots": check_slots,
    "gradient graph": check_gradient_graph,
    "complex step": check_complex_step,
    "derivatives": check_derivatives,
}
_VALUE_CHECKS = ("types", "graph", "description")


def check_primitive(primitive: Primitive, only: Sequence[str] = tuple(CHECKS)) -> int:
    """Check a primitive in every way its declaration allows.

    Parameters
    ----------
    primitive : Primitive
        With a `domain` (elementwise) or `cases` (any other).
    only : sequence of str
        Which of `CHECKS` to run.

    Returns
    -------
    int
        How many applications were checked.

    Raises
    ------
    PrimitiveError
        If a rule is broken.
    GradientCheckError
        If a derivative is wrong.

    Examples
    --------
    >>> from backlit.core.primitive import registry
    >>> check_primitive(registry["tanh"]) > 5
    True
    """
    found = instances(primitive)
    if not found:
        raise PrimitiveError(
            f"{primitive.name} has neither a domain nor cases, so nothing can be checked",
            fix="declare cases=(Case(((2, 3),)),) with the shapes it is to be tried on",
        )
    with onp.errstate(all="ignore"):
        for instance in found:
            moving = primitive.family != "constant" and instance.operands
            for name in only:
                if name == "types" or (
                    _value(instance) is not None and (moving or name in _VALUE_CHECKS)
                ):
                    CHECKS[name](instance)
    return len(found)
