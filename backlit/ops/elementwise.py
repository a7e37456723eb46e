"""Elementwise primitives: one line states the operation, its partial derivatives and its LaTeX.

Partials are written in terms of the result ``y`` where that is the stable form. Kinks follow
docs/conventions.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.errors import DTypeError
from backlit.core.primitive import FIRST, MINUS_ONE, ONE, SECOND, ZERO, Case
from backlit.core.tape import is_array
from backlit.core.tracer import Tracer, bind
from backlit.ops import special
from backlit.ops.families import constant, dtype_of, elementwise, fit, fit_tangent, shape_of
from backlit.ops.functions import (
    binary_function,
    bind_partials_to_numpy,
    unary_function,
)

Op1 = Callable[[Any], Any]
Op2 = Callable[[Any, Any], Any]
_ANY, _POS, _UNIT = (-2.0, 2.0), (0.2, 3.0), (-0.9, 0.9)


def _unary(
    name: str, impl: Any, partial: Any, latex: str, domain: Any = _ANY, **options: Any
) -> Op1:
    primitive = elementwise(name, impl, partial, latex=latex, domain=(domain,), **options)
    return unary_function(primitive, f"Elementwise {name} of an array or tracer, as in NumPy.")


def _binary(
    name: str, impl: Any, dx: Any, dy: Any, latex: str, domain: Any = (_ANY, _ANY), **options: Any
) -> Op2:
    primitive = elementwise(name, impl, dx, dy, latex=latex, domain=domain, **options)
    return binary_function(
        primitive, f"Elementwise {name} of two arrays or tracers, broadcast as in NumPy."
    )


def _test(name: str, impl: Any, arity: int, latex: str) -> Any:
    primitive = constant(name, impl, arity, latex)
    make = unary_function if arity == 1 else binary_function
    return make(primitive, f"Elementwise {name}, as in NumPy; it has no gradient.")


# --- arithmetic -------------------------------------------------------------------------------
add: Op2 = _binary("add", onp.add, ONE, ONE, "{0} + {1}")
subtract: Op2 = _binary("subtract", onp.subtract, ONE, MINUS_ONE, "{0} - {1}")
multiply: Op2 = _binary("multiply", onp.multiply, SECOND, FIRST, r"{0} \cdot {1}")
divide: Op2 = _binary(
    "divide",
    onp.true_divide,
    lambda a, b, y: _inverse(b),
    lambda a, b, y: negative(divide(y, b)),
    r"\frac{{{0}}}{{{1}}}",
    (_ANY, _POS),
)


def _inverse(b: Any) -> Any:
    """Return 1/b; of a Python number as a Python number, so that float32 stays float32."""
    if type(b) is float or type(b) is int:
        return float(onp.true_divide(1.0, b))
    return divide(1.0, b)


negative: Op1 = _unary("negative", onp.negative, MINUS_ONE, "-{0}")
positive: Op1 = _unary("positive", onp.positive, ONE, "{0}")
reciprocal: Op1 = _unary(
    "reciprocal", onp.reciprocal, lambda x, y: negative(square(y)), r"\frac{{1}}{{{0}}}", _POS
)
square: Op1 = _unary("square", onp.square, lambda x, y: multiply(2.0, x), "{0}^{{2}}")
absolute: Op1 = _unary("absolute", onp.absolute, lambda x, y: sign(x), r"\lvert {0} \rvert", _POS)
fmod_domain = ((0.1, 0.9), (1.0, 2.0))
remainder: Op2 = _binary(
    "remainder",
    onp.remainder,
    ONE,
    lambda a, b, y: negative(floor(divide(a, b))),
    r"{0} \bmod {1}",
    fmod_domain,
)


def _power_dx(a: Any, b: Any, y: Any) -> Any:
    # x^0 has derivative 0 even at x = 0, where 0 · x^(-1) would be NaN.
    if not isinstance(b, Tracer):
        lowered = onp.where(onp.equal(b, 0), 1, onp.subtract(b, 1)).astype(dtype_of(b))
        lowered = lowered.item() if isinstance(b, (int, float)) else lowered
        return multiply(b, power(a, lowered))
    return multiply(b, power(a, where(equal(b, 0), 1, subtract(b, 1))))


def _power_dy(a: Any, b: Any, y: Any) -> Any:
    # 0^b is constant in b for b > 0; log 0 must not enter.
    if type(a) is float or type(a) is int:
        return multiply(y, float(onp.log(a)) if a else 0.0)
    zero = equal(a, 0)
    return where(zero, 0.0, multiply(y, log(where(zero, 1.0, a))))


float_power: Op2 = _binary("power", onp.power, _power_dx, _power_dy, "{0}^{{{1}}}", (_POS, _ANY))
_integer_power = elementwise(
    "integer_power",
    lambda x, *, n: onp.power(x, n),
    lambda x, y, *, n: 0.0 if n == 0 else multiply(float(n), integer_power(x, n - 1)),
    latex="{0}^{{{n}}}",
    cases=(Case(((3,),), {"n": 3}), Case(((2, 3),), {"n": 1}), Case(((),), {"n": 0})),
)


def integer_power(x: Any, n: int) -> Any:
    """Raise to a fixed integer power; its derivative n xⁿ⁻¹ needs no logarithm."""
    if n == 1:
        return positive(x)
    return bind(_integer_power, x, n=n)


def power(x: Any, y: Any, modulus: Any = None, /) -> Any:
    """Raise x to the power y, elementwise: what the operator ** and ``pow`` mean.

    Parameters
    ----------
    x, y : array_like
    modulus : None

    Returns
    -------
    ndarray
    """
    if modulus is not None:
        raise DTypeError("pow() of a traced array takes no modulus", fix="write x**n % m")
    if type(x) is Tracer and type(y) is int:
        return square(x) if y == 2 else bind(_integer_power, x, n=y)
    return float_power(x, y)


# --- exponentials and logarithms --------------------------------------------------------------
exp: Op1 = _unary("exp", onp.exp, lambda x, y: y, r"e^{{{0}}}")
exp2: Op1 = _unary("exp2", onp.exp2, lambda x, y: multiply(y, math.log(2.0)), r"2^{{{0}}}")
expm1: Op1 = _unary("expm1", onp.expm1, lambda x, y: exp(x), r"e^{{{0}}} - 1")
log: Op1 = _unary("log", onp.log, lambda x, y: divide(1.0, x), r"\log({0})", _POS)
log2: Op1 = _unary(
    "log2", onp.log2, lambda x, y: divide(1.0 / math.log(2.0), x), r"\log_{{2}}({0})", _POS
)
log10: Op1 = _unary(
    "log10", onp.log10, lambda x, y: divide(1.0 / math.log(10.0), x), r"\log_{{10}}({0})", _POS
)
log1p: Op1 = _unary(
    "log1p", onp.log1p, lambda x, y: divide(1.0, add(1.0, x)), r"\log(1 + {0})", _POS
)
sqrt: Op1 = _unary("sqrt", onp.sqrt, lambda x, y: divide(0.5, y), r"\sqrt{{{0}}}", _POS)
cbrt: Op1 = _unary(
    "cbrt", onp.cbrt, lambda x, y: divide(1.0 / 3.0, square(y)), r"\sqrt[3]{{{0}}}", _POS
)
logaddexp: Op2 = _binary(
    "logaddexp",
    onp.logaddexp,
    lambda a, b, y: sigmoid(subtract(a, b)),
    lambda a, b, y: sigmoid(subtract(b, a)),
    r"\log(e^{{{0}}} + e^{{{1}}})",
)

# --- trigonometric and hyperbolic -------------------------------------------------------------
sin: Op1 = _unary("sin", onp.sin, lambda x, y: cos(x), r"\sin({0})")
cos: Op1 = _unary("cos", onp.cos, lambda x, y: negative(sin(x)), r"\cos({0})")
tan: Op1 = _unary("tan", onp.tan, lambda x, y: add(1.0, square(y)), r"\tan({0})", (-1.2, 1.2))
arcsin: Op1 = _unary(
    "arcsin",
    onp.arcsin,
    lambda x, y: divide(1.0, sqrt(_one_minus_square(x))),
    r"\arcsin({0})",
    _UNIT,
)
arccos: Op1 = _unary(
    "arccos",
    onp.arccos,
    lambda x, y: divide(-1.0, sqrt(_one_minus_square(x))),
    r"\arccos({0})",
    _UNIT,
)
arctan: Op1 = _unary(
    "arctan", onp.arctan, lambda x, y: divide(1.0, add(1.0, square(x))), r"\arctan({0})"
)
arctan2: Op2 = _binary(
    "arctan2",
    onp.arctan2,
    lambda a, b, y: divide(b, add(square(a), square(b))),
    lambda a, b, y: negative(divide(a, add(square(a), square(b)))),
    r"\operatorname{{atan2}}({0}, {1})",
    (_POS, _POS),
)
hypot: Op2 = _binary(
    "hypot",
    onp.hypot,
    # Both are 0 where the length is: as for abs, the smallest of the subgradients there.
    lambda a, b, y: divide(a, where(equal(y, 0.0), 1.0, y)),
    lambda a, b, y: divide(b, where(equal(y, 0.0), 1.0, y)),
    r"\sqrt{{{0}^{{2}} + {1}^{{2}}}}",
    (_POS, _POS),
)
sinh: Op1 = _unary("sinh", onp.sinh, lambda x, y: cosh(x), r"\sinh({0})")
cosh: Op1 = _unary("cosh", onp.cosh, lambda x, y: sinh(x), r"\cosh({0})")
tanh: Op1 = _unary("tanh", onp.tanh, lambda x, y: subtract(1.0, square(y)), r"\tanh({0})")
arcsinh: Op1 = _unary(
    "arcsinh", onp.arcsinh, lambda x, y: divide(1.0, hypot(x, 1.0)), r"\operatorname{{arsinh}}({0})"
)
arccosh: Op1 = _unary(
    "arccosh",
    onp.arccosh,
    lambda x, y: divide(1.0, sqrt(multiply(subtract(x, 1.0), add(x, 1.0)))),
    r"\operatorname{{arcosh}}({0})",
    (1.2, 3.0),
)
arctanh: Op1 = _unary(
    "arctanh",
    onp.arctanh,
    lambda x, y: divide(1.0, _one_minus_square(x)),
    r"\operatorname{{artanh}}({0})",
    _UNIT,
)


def _one_minus_square(x: Any) -> Any:
    """Return 1 − x² without cancellation near |x| = 1."""
    return multiply(subtract(1.0, x), add(1.0, x))


# --- special ----------------------------------------------------------------------------------
sigmoid: Op1 = _unary(
    "sigmoid", special.sigmoid, lambda x, y: multiply(y, subtract(1.0, y)), r"\sigma({0})"
)
softplus: Op1 = _unary(
    "softplus", special.softplus, lambda x, y: sigmoid(x), r"\operatorname{{softplus}}({0})"
)
log_sigmoid: Op1 = _unary(
    "log_sigmoid",
    special.log_sigmoid,
    lambda x, y: sigmoid(negative(x)),
    r"\log \sigma({0})",
)
erf: Op1 = _unary(
    "erf",
    special.erf,
    lambda x, y: multiply(2.0 / math.sqrt(math.pi), exp(negative(square(x)))),
    r"\operatorname{{erf}}({0})",
)
erfc: Op1 = _unary(
    "erfc",
    special.erfc,
    lambda x, y: multiply(-2.0 / math.sqrt(math.pi), exp(negative(square(x)))),
    r"\operatorname{{erfc}}({0})",
)
relu: Op1 = _unary(
    "relu",
    special.relu,
    lambda x, y: greater(x, 0),
    r"\operatorname{{relu}}({0})",
    _POS,
    selects=True,
)

# --- choices: at a tie each operand gets half (docs/conventions.md) ---------------------------


def _wins(winner: Op2) -> Callable[[Any, Any, Any], Any]:
    def share(a: Any, b: Any, y: Any) -> Any:
        return add(
            astype(winner(a, b), dtype_of(y)), multiply(0.5, astype(equal(a, b), dtype_of(y)))
        )

    return share


maximum: Op2 = _binary(
    "maximum",
    onp.maximum,
    lambda a, b, y: _wins(greater)(a, b, y),
    lambda a, b, y: _wins(less)(a, b, y),
    r"\max({0}, {1})",
    ((0.0, 1.0), (1.5, 2.0)),
    selects=True,
)
minimum: Op2 = _binary(
    "minimum",
    onp.minimum,
    lambda a, b, y: _wins(less)(a, b, y),
    lambda a, b, y: _wins(greater)(a, b, y),
    r"\min({0}, {1})",
    ((0.0, 1.0), (1.5, 2.0)),
    selects=True,
)
_clip = elementwise(
    "clip",
    lambda x, low, high: onp.minimum(onp.maximum(x, low), high),
    lambda x, low, high, y: logical_and(greater_equal(x, low), less_equal(x, high)),
    lambda x, low, high, y: logical_and(less(x, low), less_equal(low, high)),
    lambda x, low, high, y: greater(maximum(x, low), high),
    latex=r"\operatorname{{clip}}({0}, {1}, {2})",
    domain=((0.0, 1.0), (-2.0, -1.0), (1.5, 2.0)),
    selects=True,
)


def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    """Limit values to an interval, as in NumPy; the slope is 1 inside and at both ends.

    Parameters
    ----------
    x : array_like
    min, max : array_like, optional

    Returns
    -------
    ndarray
    """
    if min is None and max is None:
        return positive(x)
    if min is None or max is None:
        # The missing bound is infinite, but integers have no infinity to offer.
        bound, smaller = (max, True) if min is None else (min, False)
        # NaN is neither, and stays.
        return where(greater(x, bound) if smaller else less(x, bound), bound, x)
    return bind(_clip, x, min, max)


# --- tests and rounding: no gradient ----------------------------------------------------------
greater: Any = _test("greater", onp.greater, 2, "{0} > {1}")
greater_equal: Any = _test("greater_equal", onp.greater_equal, 2, r"{0} \ge {1}")
less: Any = _test("less", onp.less, 2, "{0} < {1}")
less_equal: Any = _test("less_equal", onp.less_equal, 2, r"{0} \le {1}")
equal: Any = _test("equal", onp.equal, 2, "{0} = {1}")
not_equal: Any = _test("not_equal", onp.not_equal, 2, r"{0} \ne {1}")
logical_and: Any = _test("logical_and", onp.logical_and, 2, r"{0} \wedge {1}")
logical_or: Any = _test("logical_or", onp.logical_or, 2, r"{0} \vee {1}")
logical_xor: Any = _test("logical_xor", onp.logical_xor, 2, r"{0} \oplus {1}")
logical_not: Any = _test("logical_not", onp.logical_not, 1, r"\neg {0}")
bitwise_and: Any = _test("bitwise_and", onp.bitwise_and, 2, r"{0} \mathbin{{\&}} {1}")
bitwise_or: Any = _test("bitwise_or", onp.bitwise_or, 2, r"{0} \mathbin{{|}} {1}")
bitwise_xor: Any = _test("bitwise_xor", onp.bitwise_xor, 2, r"{0} \oplus {1}")
invert: Any = _test("invert", onp.invert, 1, r"\mathord{{\sim}} {0}")
floor_divide: Any = _test("floor_divide", onp.floor_divide, 2, r"\lfloor {0} / {1} \rfloor")
floor: Any = _test("floor", onp.floor, 1, r"\lfloor {0} \rfloor")
ceil: Any = _test("ceil", onp.ceil, 1, r"\lceil {0} \rceil")
trunc: Any = _test("trunc", onp.trunc, 1, r"\operatorname{{trunc}}({0})")
rint: Any = _test("rint", onp.rint, 1, r"\operatorname{{round}}({0})")
sign: Any = _test("sign", onp.sign, 1, r"\operatorname{{sign}}({0})")
isnan: Any = _test("isnan", onp.isnan, 1, r"\operatorname{{isnan}}({0})")
isinf: Any = _test("isinf", onp.isinf, 1, r"\operatorname{{isinf}}({0})")
isfinite: Any = _test("isfinite", onp.isfinite, 1, r"\operatorname{{isfinite}}({0})")
_cut = unary_function(
    constant(
        "stop_gradient",
        lambda x: x if isinstance(x, onp.ndarray) else onp.asarray(x)[()],
        1,
        "{0}",
    ),
    "Cut the gradient of one array.",
)


def stop_gradient(x: Any) -> Any:
    """Return the value unchanged and cut its gradient.

    Parameters
    ----------
    x : tree of arrays

    Returns
    -------
    tree
        The same values; their derivative is zero. What is no array passes through.

    Examples
    --------
    >>> import backlit as bl
    >>> float(bl.grad(lambda x: x * bl.stop_gradient(x))(3.0))
    3.0
    """
    if type(x) is Tracer:
        return _cut(x)
    return tree.map(lambda leaf: _cut(leaf) if is_array(leaf) else leaf, x)


# --- where and astype: partials that are not products -----------------------------------------


def _choose(c: Any, a: Any, b: Any) -> Any:
    chosen: Any = onp.where(c, a, b)
    return chosen[()]


_where = elementwise(
    "where",
    _choose,
    ZERO,
    lambda c, a, b, y: c,
    lambda c, a, b, y: logical_not(c),
    latex=r"\operatorname{{where}}({0}, {1}, {2})",
    selects=True,
)


def _where_push(tangents: Any, out: Any, args: Any, params: Any) -> Any:
    _, da, db = tangents
    if da is None and db is None:
        return None
    # Choosing, not multiplying by 0 and 1: the other branch may be infinite or NaN.
    chosen = where(args[0], 0.0 if da is None else da, 0.0 if db is None else db)
    return fit_tangent(chosen, out)


def _where_pull(g: Any, out: Any, args: Any, params: Any, needs: Any) -> Any:
    c, a, b = args
    da = fit(where(c, g, 0.0), a) if needs[1] else None
    db = fit(where(c, 0.0, g), b) if needs[2] else None
    return None, da, db


_where.push, _where.pull, _where.simple = _where_push, _where_pull, False


def where(condition: Any, /, *choices: Any) -> Any:
    """Choose elements from x where the condition holds and from y elsewhere: where(c, x, y).

    The branch that is not taken gets a gradient of exactly zero, even where its own derivative
    is infinite (docs/conventions.md).

    Parameters
    ----------
    condition : array_like
    *choices : array_like

    Returns
    -------
    ndarray, or a tuple of index arrays without choices
    """
    if len(choices) != 2:
        # NumPy's where(mask) lists the places, whose number depends on values.
        plain: Any = onp.where(onp.asarray(condition), *choices)
        return plain
    if dtype_of(condition).kind != "b":
        condition = not_equal(condition, 0)
    return bind(_where, condition, *choices)


_astype = elementwise(
    "astype",
    lambda x, *, dtype: onp.asarray(x).astype(dtype)[()],
    ONE,
    latex="{0}",
    cases=(Case(((3,),), {"dtype": onp.dtype("float64")}),),
)
_astype.flops = lambda out, avals, params: 0


def _astype_push(tangents: Any, out: Any, args: Any, params: Any) -> Any:
    # Rounding to an integer is a step function: nothing moves.
    moving = tangents[0] is not None and dtype_of(out).kind in "fc"
    return fit_tangent(tangents[0], out) if moving else None


def _astype_pull(g: Any, out: Any, args: Any, params: Any, needs: Any) -> Any:
    return (fit(g, args[0]) if dtype_of(out).kind in "fc" else None,)


_astype.push, _astype.pull, _astype.simple = _astype_push, _astype_pull, False


def astype(x: Any, dtype: Any) -> Any:
    """Convert to another element type; a float's gradient is converted back.

    Examples
    --------
    >>> astype(onp.array([1, 2]), float)
    array([1., 2.])
    """
    dtype = onp.dtype(dtype)
    if dtype_of(x) == dtype and isinstance(x, (Tracer, onp.ndarray)):
        return x
    return bind(_astype, x, dtype=dtype)


def zeros_like_operand(x: Any) -> Any:
    """Return plain zeros of an operand's shape and type."""
    return onp.zeros(shape_of(x), dtype_of(x))


bind_partials_to_numpy(globals())
