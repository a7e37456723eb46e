"""Elementwise functions, and what their help says: a line each.

They are the functions of `backlit.ops.elementwise` in the form that records on the spot. A line
gives a summary, the formula, the derivative, and a point with the value and the slopes there,
which become the example in the docstring. Of NumPy's keywords they take ``out``, ``dtype`` and
``where``; a traced array takes a dtype of floats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backlit.ops import elementwise as _ew

Op1 = Callable[..., Any]
Op2 = Callable[..., Any]

__test__: dict[str, str] = {}


def _described(op: Any, doc: str) -> Any:
    for function in (op, op.direct):
        function.__doc__ = doc
    __test__[op.__name__] = doc
    return op.direct


def _unary(op: Any, summary: str, y: str, dy: str, at: float, value: float, slope: float) -> Op1:
    name = op.__name__
    doc = f"""{summary}, elementwise.

    y = {y}, with derivative {dy}.

    Parameters
    ----------
    x : array_like
    out, dtype, where
        NumPy's further arguments; of these a traced array takes a dtype of floats.

    Returns
    -------
    ndarray
        Of the shape of x; floats keep their type.

    Examples
    --------
    >>> import backlit as bl
    >>> import backlit.numpy as np
    >>> value, slope = bl.value_and_grad(np.{name})({at})
    >>> round(float(value), 8), round(float(slope), 8)
    ({value}, {slope})
    """
    direct: Op1 = _described(op, doc)
    return direct


def _binary(
    op: Any,
    summary: str,
    y: str,
    derivatives: tuple[str, str],
    at: tuple[float, float],
    value: float,
    slopes: tuple[float, float],
) -> Op2:
    name, (da, db) = op.__name__, derivatives
    doc = f"""{summary}, elementwise.

    y = {y}, with derivatives ∂y/∂a = {da} and ∂y/∂b = {db}.

    Parameters
    ----------
    a, b : array_like
        Broadcast against each other.
    out, dtype, where
        NumPy's further arguments; of these a traced array takes a dtype of floats.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> import backlit.numpy as np
    >>> value, slopes = bl.value_and_grad(np.{name}, argnums=(0, 1))({at[0]}, {at[1]})
    >>> round(float(value), 8), [round(float(slope), 8) for slope in slopes]
    ({value}, {list(slopes)})
    """
    direct: Op2 = _described(op, doc)
    return direct


def _test(op: Any, summary: str, call: str, result: object, parameters: str = "a, b") -> Any:
    doc = f"""{summary}, elementwise. The result is piecewise constant: its derivative is 0.

    Parameters
    ----------
    {parameters} : array_like
    out, dtype, where
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit.numpy as np
    >>> np.{op.__name__}({call}).item()
    {result}
    """
    return _described(op, doc)


# --- arithmetic -------------------------------------------------------------------------------
negative = _unary(_ew.negative, "Return the negative", "−x", "−1", 1.5, -1.5, -1.0)
positive = _unary(_ew.positive, "Return a copy", "x", "1", 1.5, 1.5, 1.0)
reciprocal = _unary(_ew.reciprocal, "Return the reciprocal", "1/x", "−1/x²", 2.0, 0.5, -0.25)
square = _unary(_ew.square, "Return the square", "x²", "2x", 3.0, 9.0, 6.0)
absolute = _unary(
    _ew.absolute, "Return the absolute value", "|x|", "sign x, 0 at 0", -2.0, 2.0, -1.0
)
add = _binary(_ew.add, "Add", "a + b", ("1", "1"), (2.0, 3.0), 5.0, (1.0, 1.0))
subtract = _binary(_ew.subtract, "Subtract", "a − b", ("1", "−1"), (2.0, 3.0), -1.0, (1.0, -1.0))
multiply = _binary(_ew.multiply, "Multiply", "a b", ("b", "a"), (2.0, 3.0), 6.0, (3.0, 2.0))
divide = _binary(_ew.divide, "Divide", "a / b", ("1/b", "−a/b²"), (1.0, 4.0), 0.25, (0.25, -0.0625))
remainder = _binary(
    _ew.remainder,
    "Return the remainder of division, which has the sign of b",
    "a − ⌊a/b⌋ b",
    ("1", "−⌊a/b⌋, also at the jumps"),
    (7.5, 2.0),
    1.5,
    (1.0, -3.0),
)

# --- exponentials and logarithms --------------------------------------------------------------
exp = _unary(_ew.exp, "Return the exponential", "eˣ", "eˣ", 1.0, 2.71828183, 2.71828183)
exp2 = _unary(_ew.exp2, "Return the power of two", "2ˣ", "2ˣ log 2", 3.0, 8.0, 5.54517744)
expm1 = _unary(
    _ew.expm1, "Return eˣ − 1, exact near 0", "eˣ − 1", "eˣ", 1.0, 1.71828183, 2.71828183
)
log = _unary(_ew.log, "Return the natural logarithm", "log x", "1/x", 2.0, 0.69314718, 0.5)
log2 = _unary(
    _ew.log2, "Return the logarithm to base 2", "log₂ x", "1/(x log 2)", 8.0, 3.0, 0.18033688
)
log10 = _unary(
    _ew.log10, "Return the logarithm to base 10", "log₁₀ x", "1/(x log 10)", 100.0, 2.0, 0.00434294
)
log1p = _unary(
    _ew.log1p,
    "Return log(1 + x), exact near 0",
    "log(1 + x)",
    "1/(1 + x)",
    1.0,
    0.69314718,
    0.5,
)
logaddexp = _binary(
    _ew.logaddexp,
    "Return the logarithm of a sum of exponentials, without overflow",
    "log(eᵃ + eᵇ)",
    ("σ(a − b)", "σ(b − a)"),
    (1.0, 2.0),
    2.31326169,
    (0.26894142, 0.73105858),
)
sqrt = _unary(_ew.sqrt, "Return the square root", "√x", "1/(2√x), ∞ at 0", 4.0, 2.0, 0.25)
cbrt = _unary(_ew.cbrt, "Return the cube root", "∛x", "1/(3 y²)", 8.0, 2.0, 0.08333333)

# --- trigonometric and hyperbolic -------------------------------------------------------------
sin = _unary(_ew.sin, "Return the sine of radians", "sin x", "cos x", 1.0, 0.84147098, 0.54030231)
cos = _unary(
    _ew.cos, "Return the cosine of radians", "cos x", "−sin x", 1.0, 0.54030231, -0.84147098
)
tan = _unary(
    _ew.tan, "Return the tangent of radians", "tan x", "1 + tan² x", 1.0, 1.55740772, 3.42551882
)
arcsin = _unary(
    _ew.arcsin,
    "Return the inverse sine in radians, −π/2 to π/2",
    "arcsin x",
    "1/√(1 − x²)",
    0.6,
    0.64350111,
    1.25,
)
arccos = _unary(
    _ew.arccos,
    "Return the inverse cosine in radians, 0 to π",
    "arccos x",
    "−1/√(1 − x²)",
    0.6,
    0.92729522,
    -1.25,
)
arctan = _unary(
    _ew.arctan,
    "Return the inverse tangent in radians, −π/2 to π/2",
    "arctan x",
    "1/(1 + x²)",
    2.0,
    1.10714872,
    0.2,
)
arctan2 = _binary(
    _ew.arctan2,
    "Return the angle of the point (b, a) in radians, −π to π",
    "arctan(a/b) in the right quadrant",
    ("b/(a² + b²)", "−a/(a² + b²)"),
    (1.0, 2.0),
    0.46364761,
    (0.4, -0.2),
)
hypot = _binary(
    _ew.hypot,
    "Return the length of the hypotenuse, without overflow",
    "√(a² + b²)",
    ("a/y", "b/y"),
    (3.0, 4.0),
    5.0,
    (0.6, 0.8),
)
sinh = _unary(
    _ew.sinh, "Return the hyperbolic sine", "sinh x", "cosh x", 1.0, 1.17520119, 1.54308063
)
cosh = _unary(
    _ew.cosh, "Return the hyperbolic cosine", "cosh x", "sinh x", 1.0, 1.54308063, 1.17520119
)
tanh = _unary(
    _ew.tanh, "Return the hyperbolic tangent", "tanh x", "1 − tanh² x", 1.0, 0.76159416, 0.41997434
)
arcsinh = _unary(
    _ew.arcsinh,
    "Return the inverse hyperbolic sine",
    "arsinh x",
    "1/√(x² + 1)",
    1.0,
    0.88137359,
    0.70710678,
)
arccosh = _unary(
    _ew.arccosh,
    "Return the inverse hyperbolic cosine",
    "arcosh x",
    "1/√(x² − 1)",
    2.0,
    1.3169579,
    0.57735027,
)
arctanh = _unary(
    _ew.arctanh,
    "Return the inverse hyperbolic tangent",
    "artanh x",
    "1/(1 − x²)",
    0.5,
    0.54930614,
    1.33333333,
)

# --- beyond NumPy's own list ------------------------------------------------------------------
sigmoid = _unary(
    _ew.sigmoid,
    "Return the logistic function",
    "σ(x) = 1/(1 + e⁻ˣ)",
    "σ(x) σ(−x)",
    1.0,
    0.73105858,
    0.19661193,
)
softplus = _unary(
    _ew.softplus,
    "Return the softplus, a smooth relu, without overflow",
    "log(1 + eˣ)",
    "σ(x)",
    1.0,
    1.31326169,
    0.73105858,
)
log_sigmoid = _unary(
    _ew.log_sigmoid,
    "Return the logarithm of the logistic function, without overflow",
    "log σ(x) = −log(1 + e⁻ˣ)",
    "σ(−x)",
    1.0,
    -0.31326169,
    0.26894142,
)
erf = _unary(
    _ew.erf,
    "Return the error function",
    "erf x = 2/√π ∫₀ˣ e^(−t²) dt",
    "2/√π e^(−x²)",
    1.0,
    0.84270079,
    0.4151075,
)
erfc = _unary(
    _ew.erfc,
    "Return the complementary error function, without cancellation",
    "1 − erf x",
    "−2/√π e^(−x²)",
    1.0,
    0.15729921,
    -0.4151075,
)
relu = _unary(
    _ew.relu,
    "Return the rectified linear unit",
    "max(x, 0)",
    "1 for x > 0, else 0",
    2.0,
    2.0,
    1.0,
)

# --- choices ----------------------------------------------------------------------------------
maximum = _binary(
    _ew.maximum,
    "Return the larger of two",
    "max(a, b)",
    ("1 where a > b, ½ where they are equal, else 0", "1 minus that"),
    (2.0, 3.0),
    3.0,
    (0.0, 1.0),
)
minimum = _binary(
    _ew.minimum,
    "Return the smaller of two",
    "min(a, b)",
    ("1 where a < b, ½ where they are equal, else 0", "1 minus that"),
    (2.0, 3.0),
    2.0,
    (1.0, 0.0),
)

# --- tests and rounding -----------------------------------------------------------------------
greater = _test(_ew.greater, "Tell whether a > b", "2.0, 1.0", True)
greater_equal = _test(_ew.greater_equal, "Tell whether a ≥ b", "2.0, 2.0", True)
less = _test(_ew.less, "Tell whether a < b", "2.0, 1.0", False)
less_equal = _test(_ew.less_equal, "Tell whether a ≤ b", "2.0, 2.0", True)
equal = _test(_ew.equal, "Tell whether a = b", "2.0, 2.0", True)
not_equal = _test(_ew.not_equal, "Tell whether a ≠ b", "2.0, 2.0", False)
logical_and = _test(_ew.logical_and, "Tell whether both hold", "True, False", False)
logical_or = _test(_ew.logical_or, "Tell whether at least one holds", "True, False", True)
logical_xor = _test(_ew.logical_xor, "Tell whether exactly one holds", "True, True", False)
logical_not = _test(_ew.logical_not, "Tell whether a does not hold", "True", False, "a")
bitwise_and = _test(_ew.bitwise_and, "Return the bits set in both", "6, 3", 2)
bitwise_or = _test(_ew.bitwise_or, "Return the bits set in either", "6, 3", 7)
bitwise_xor = _test(_ew.bitwise_xor, "Return the bits set in exactly one", "6, 3", 5)
invert = _test(_ew.invert, "Return the bits that are not set", "6", -7, "a")
floor_divide = _test(_ew.floor_divide, "Return ⌊a/b⌋", "7.5, 2.0", 3.0)
floor = _test(_ew.floor, "Return the next integer downwards", "-1.5", -2.0, "x")
ceil = _test(_ew.ceil, "Return the next integer upwards", "-1.5", -1.0, "x")
trunc = _test(_ew.trunc, "Return the next integer towards 0", "-1.5", -1.0, "x")
rint = _test(_ew.rint, "Return the nearest integer, halves to the even one", "2.5", 2.0, "x")
sign = _test(_ew.sign, "Return −1, 0 or 1 by the sign", "-1.5", -1.0, "x")
isnan = _test(_ew.isnan, "Tell what is not a number", "np.nan", True, "x")
isinf = _test(_ew.isinf, "Tell what is infinite", "-np.inf", True, "x")
isfinite = _test(_ew.isfinite, "Tell what is neither infinite nor NaN", "np.nan", False, "x")
