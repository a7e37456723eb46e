"""NumPy implementations of functions NumPy lacks, stable over the whole range of float64.

float32 and float16 stay what they are; a longer type is computed with the digits of float64.
"""

from __future__ import annotations

from typing import Any

import numpy as onp

Array = Any


def _float(x: Array) -> Array:
    x = onp.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(float)


def sigmoid(x: Array) -> Array:
    """Return 1/(1 + e⁻ˣ) without overflow.

    tanh saturates instead of overflowing, but loses the small tail below −37; e⁻|ˣ| keeps it.
    """
    x = _float(x)
    e = onp.exp(-onp.abs(x))
    return onp.where(x >= 0, x.dtype.type(1), e)[()] / (1 + e)


def softplus(x: Array) -> Array:
    """Return log(1 + eˣ) = max(x, 0) + log1p(e⁻|ˣ|)."""
    x = _float(x)
    return onp.maximum(x, 0) + onp.log1p(onp.exp(-onp.abs(x)))


def log_sigmoid(x: Array) -> Array:
    """Return log σ(x) = min(x, 0) − log1p(e⁻|ˣ|)."""
    x = _float(x)
    return onp.minimum(x, 0) - onp.log1p(onp.exp(-onp.abs(x)))


def relu(x: Array) -> Array:
    """Return max(x, 0)."""
    return onp.maximum(x, 0)


# Rational approximations of erf and erfc by W. J. Cody's method in the form of Sun's fdlibm
# (s_erf.c, 1993, freely distributable): error below one unit in the last place of float64.
_ERX = 8.45062911510467529297e-01
_EFX = 1.28379167095512586316e-01
_PP = (
    1.28379167095512558561e-01,
    -3.25042107247001499370e-01,
    -2.84817495755985104766e-02,
    -5.77027029648944159157e-03,
    -2.37630166566501626084e-05,
)
_QQ = (
    1.0,
    3.97917223959155352819e-01,
    6.50222499887672944485e-02,
    5.08130628187576562776e-03,
    1.32494738004321644526e-04,
    -3.96022827877536812320e-06,
)
_PA = (
    -2.36211856075265944077e-03,
    4.14856118683748331666e-01,
    -3.72207876035701323847e-01,
    3.18346619901161753674e-01,
    -1.10894694282396677476e-01,
    3.54783043256182359371e-02,
    -2.16637559486879084300e-03,
)
_QA = (
    1.0,
    1.06420880400844228286e-01,
    5.40397917702171048937e-01,
    7.18286544141962662868e-02,
    1.26171219808761642112e-01,
    1.36370839120290507362e-02,
    1.19844998467991074170e-02,
)
_RA = (
    -9.86494403484714822705e-03,
    -6.93858572707181764372e-01,
    -1.05586262253232909814e01,
    -6.23753324503260060396e01,
    -1.62396669462573470355e02,
    -1.84605092906711035994e02,
    -8.12874355063065934246e01,
    -9.81432934416914548592e00,
)
_SA = (
    1.0,
    1.96512716674392571292e01,
    1.37657754143519042600e02,
    4.34565877475229228821e02,
    6.45387271733267880336e02,
    4.29008140027567833386e02,
    1.08635005541779435134e02,
    6.57024977031928170135e00,
    -6.04244152148580987438e-02,
)
_RB = (
    -9.86494292470009928597e-03,
    -7.99283237680523006574e-01,
    -1.77579549177547519889e01,
    -1.60636384855821916062e02,
    -6.37566443368389627722e02,
    -1.02509513161107724954e03,
    -4.83519191608651397019e02,
)
_SB = (
    1.0,
    3.03380607434824582924e01,
    3.25792512996573918826e02,
    1.53672958608443695994e03,
    3.19985821950859553908e03,
    2.55305040643316442583e03,
    4.74528541206955367215e02,
    -2.24409524465858183362e01,
)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    total = onp.full_like(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = total * x + c
    return total


def _tail(a: Array) -> Array:
    """Return erfc(a) for a ≥ 1.25."""
    s = 1.0 / (a * a)
    near = a < 1.0 / 0.35
    ratio = onp.where(
        near,
        _polynomial(_RA, s) / _polynomial(_SA, s),
        _polynomial(_RB, s) / _polynomial(_SB, s),
    )
    # Split a = z + (a − z) with z short, so that z² is exact and e^(−a²) keeps all its digits.
    z = (a.view(onp.uint64) & onp.uint64(0xFFFFFFFF00000000)).view(onp.float64)
    return onp.exp(-z * z - 0.5625) * onp.exp((z - a) * (z + a) + ratio) / a


def _erf_parts(x: Array) -> tuple[Array, Array, Array]:
    """Return erf, erfc and the input as float64."""
    x = onp.atleast_1d(onp.asarray(x, onp.float64))
    with onp.errstate(all="ignore"):
        a = onp.abs(x)
        small = a < 0.84375
        t = onp.where(small, x * x, 0.0)
        inner = _polynomial(_PP, t) / _polynomial(_QQ, t)
        erf_small = x + x * inner
        s = a - 1.0
        middle = _polynomial(_PA, s) / _polynomial(_QA, s)
        far = onp.clip(a, 1.25, 28.0)
        tail = onp.where(a > 27.5, 0.0, _tail(far))
        erf_big = onp.where(a < 1.25, _ERX + middle, 1.0 - tail)
        erf_value = onp.where(small, erf_small, onp.copysign(erf_big, x))
        erfc_big = onp.where(a < 1.25, 1.0 - _ERX - middle, tail)
        erfc_big = onp.where(x < 0, 2.0 - erfc_big, erfc_big)
        left = 1.0 - (x + x * inner)
        right = 0.5 - ((x - 0.5) + x * inner)
        erfc_value = onp.where(small, onp.where(x < 0.25, left, right), erfc_big)
        erfc_value = onp.where(small & (x < 0), 1.0 - (x + x * inner), erfc_value)
        bad = onp.isnan(x)
    return onp.where(bad, x, erf_value), onp.where(bad, x, erfc_value), x


def erf(x: Array) -> Array:
    """Return the error function, within one unit in the last place."""
    given = _float(x)
    return _erf_parts(given)[0].reshape(given.shape).astype(given.dtype)[()]


def erfc(x: Array) -> Array:
    """Return 1 − erf(x) without cancellation."""
    given = _float(x)
    return _erf_parts(given)[1].reshape(given.shape).astype(given.dtype)[()]
