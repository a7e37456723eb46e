"""Calls of the functions that are put together from others, for the table in test_namespace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as onp

Call = tuple[str, Callable[..., Any], tuple[Any, ...]]

RNG = onp.random.default_rng(7)
A, B = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3))
V, U = RNG.normal(size=3), RNG.normal(size=3)
T = RNG.normal(size=(2, 3, 4))
P = RNG.uniform(0.2, 0.8, size=(2, 3))
ONE = onp.float64(0.7)
I = onp.array([2, 0, 2])  # noqa: E741
HOLES = onp.array([[0.3, onp.nan, -1.2], [onp.inf, -onp.inf, 0.0]])
MISSING = onp.array([0.3, onp.nan, -1.2])

COMPOSED: list[Call] = [
    # numbers that are missing or not finite
    *[
        (n, lambda np, x, y, n=n: getattr(np, n)(x, y), pair)
        for n in ("fmax", "fmin")
        for pair in ((A, V), (P, ONE))
    ],
    ("fmax", lambda np, x: np.fmax(x, MISSING), (A,)),
    ("fmin", lambda np, x: np.fmin(MISSING, x), (A,)),
    ("nan_to_num", lambda np, x: np.nan_to_num(x), (A,)),
    ("nan_to_num", lambda np, x: np.nan_to_num(x * HOLES, nan=2.0, posinf=3.0), (P,)),
    ("nan_to_num", lambda np, x: np.nan_to_num(x), (I,)),
    ("nansum", lambda np, x: np.nansum(np.where(A > 0, x, onp.nan), 1), (P,)),
    ("nansum", lambda np, x: np.nansum(x, keepdims=True), (A,)),
    ("nanmean", lambda np, x: np.nanmean(np.where(P > 0.3, x, onp.nan)), (A,)),
    ("nanmean", lambda np, x: np.nanmean(x, 0), (A,)),
    # comparisons
    ("isclose", lambda np, x: np.isclose(x, x + 1e-9), (A,)),
    ("isclose", lambda np, x: np.isclose(x * HOLES, HOLES, equal_nan=True), (P,)),
    ("isclose", lambda np, x: np.isclose(x * HOLES, HOLES, rtol=0.5), (P,)),
    ("allclose", lambda np, x: np.allclose(x, x) * x, (A,)),
    ("allclose", lambda np, x: np.allclose(x, V), (A,)),
    ("array_equal", lambda np, x: np.array_equal(x, x) * x, (A,)),
    ("array_equal", lambda np, x: x * np.array_equal(x, V), (A,)),
    ("array_equal", lambda np, x: np.array_equal(HOLES + x, HOLES + x, True), (A,)),
    # steps, quotients and remainders
    ("heaviside", lambda np, x: np.heaviside(x, 0.5) * x, (A,)),
    ("heaviside", lambda np, x: np.heaviside([-1.0, 0.0, 2.0], x), (V,)),
    ("divmod", lambda np, x, y: np.divmod(x, y), (A, P)),
    ("divmod", lambda np, x: divmod(x, 0.4), (A,)),
    ("divmod", lambda np, x: divmod(7.0, x), (P,)),
    ("fmod", lambda np, x, y: np.fmod(x, y), (A, P)),
    ("fmod", lambda np, x: np.fmod(x, -0.4), (A,)),
    ("mod", lambda np, x, y: np.mod(x, y), (A, P)),
    ("true_divide", lambda np, x, y: np.true_divide(x, y), (A, P)),
    ("copysign", lambda np, x, y: np.copysign(x, y), (A, B)),
    ("copysign", lambda np, x: np.copysign(x, onp.array([-0.0, 0.0, -onp.inf])), (A,)),
    ("copysign", lambda np, x: np.copysign(x, onp.array([True, False, True])), (A,)),
    ("copysign", lambda np, x: np.copysign(onp.array([True, False, True]), x), (A,)),
    ("copysign", lambda np, x: np.copysign(onp.array([1, -2, 0]), x), (A,)),
    ("copysign", lambda np, x: np.copysign(2, x), (A,)),
    # angles and parts
    *[
        (n, lambda np, x, n=n: getattr(np, n)(x), (a,))
        for n in "deg2rad radians rad2deg degrees sinc fabs conj conjugate".split()
        for a in (A, ONE)
    ],
    ("fabs", lambda np, x: np.fabs(x), (I,)),
    ("sinc", lambda np, x: np.sinc(x), (1e-4 * A,)),
    ("real", lambda np, x: np.real(x) * 2.0, (A,)),
    # matrices
    ("diag", lambda np, x: np.diag(x), (V,)),
    ("diag", lambda np, x: np.diag(x, 2), (V,)),
    ("diag", lambda np, x: np.diag(x, -1), (V,)),
    ("diag", lambda np, x: np.diag(x), (A,)),
    ("diag", lambda np, x: np.diag(x, 1), (A,)),
    ("diagflat", lambda np, x: np.diagflat(x, 1), (A,)),
    *[
        (n, lambda np, x, n=n, k=k: getattr(np, n)(x, k), (a,))
        for n in ("tril", "triu")
        for k in (0, 1, -1)
        for a in (A, T)
    ],
    ("vander", lambda np, x: np.vander(x), (V,)),
    ("vander", lambda np, x: np.vander(x, 2, increasing=True), (V,)),
    ("kron", lambda np, x, y: np.kron(x, y), (A, V)),
    ("kron", lambda np, x, y: np.kron(x, y), (ONE, A)),
    ("vdot", lambda np, x, y: np.vdot(x, y), (A, B)),
    ("cross", lambda np, x, y: np.cross(x, y), (A, V)),
    ("cross", lambda np, x, y: np.cross(x, y, axis=0), (A.T, B.T)),
    ("trapezoid", lambda np, x: np.trapezoid(x, dx=0.5), (A,)),
    ("trapezoid", lambda np, x, y: np.trapezoid(x, y), (A, V)),
    ("trapezoid", lambda np, x, y: np.trapezoid(x, y, axis=0), (A, B)),
    ("einsum", lambda np, x: np.einsum("...i,...i->...", x, onp.ones(0)), (A[:, :1],)),
    # arrangement
    *[(n, lambda np, x, n=n: getattr(np, n)(x), (A,)) for n in ("fliplr", "flipud")],
    *[("rot90", lambda np, x, k=k: np.rot90(x, k), (A,)) for k in range(-1, 4)],
    ("rot90", lambda np, x: np.rot90(x, axes=(2, 0)), (T,)),
    *[
        (n, lambda np, x, n=n: getattr(np, n)(x), (a,))
        for n in ("atleast_2d", "atleast_3d")
        for a in (ONE, V, A, T)
    ],
    ("atleast_3d", lambda np, x, y: np.atleast_3d(x, y), (V, A)),
    ("array_split", lambda np, x: np.array_split(x, 2, axis=1), (A,)),
    ("array_split", lambda np, x: np.array_split(x, [1, 2], axis=-1), (A,)),
    ("array_split", lambda np, x: np.array_split(x, 4), (V,)),
    ("hsplit", lambda np, x: np.hsplit(x, 3), (A,)),
    ("hsplit", lambda np, x: np.hsplit(x, [1]), (V,)),
    ("vsplit", lambda np, x: np.vsplit(x, 2), (A,)),
    ("dsplit", lambda np, x: np.dsplit(x, 2), (T,)),
    ("dstack", lambda np, x, y: np.dstack([x, y]), (A, B)),
    ("dstack", lambda np, x, y: np.dstack([x, y]), (V, U)),
    ("column_stack", lambda np, x, y: np.column_stack([x, y, x]), (V, U)),
    ("append", lambda np, x, y: np.append(x, y), (A, V)),
    ("append", lambda np, x, y: np.append(x, y, axis=0), (A, B)),
    ("meshgrid", lambda np, x, y: np.meshgrid(x, y), (V, U[:2])),
    ("meshgrid", lambda np, x, y: np.meshgrid(x, y, indexing="ij", sparse=True), (V, U[:2])),
    ("meshgrid", lambda np, x, y: np.meshgrid(x, y, [1.0, 2.0], indexing="ij"), (V, U[:2])),
    # ranges between traced ends
    ("linspace", lambda np, x, y: np.linspace(x, y, 5), (ONE, onp.float64(2.0))),
    ("linspace", lambda np, x, y: np.linspace(x, y, 4, endpoint=False, axis=-1), (A, V)),
    ("linspace", lambda np, x: np.linspace(0.0, x, 3, retstep=True), (ONE,)),
    ("linspace", lambda np, x: np.linspace(x, 3.0, 1), (ONE,)),
    ("logspace", lambda np, x, y: np.logspace(x, y, 4, base=2.0), (ONE, onp.float64(2.0))),
    ("geomspace", lambda np, x: np.geomspace(x, 3.0, 4), (P[0],)),
    # descriptions
    ("result_type", lambda np, x: x.astype(np.result_type(x, onp.float32)), (A,)),
    ("result_type", lambda np, x: x * np.result_type(I, x).itemsize, (A,)),
]
# The places of what is not zero depend on values: not by shape.
BY_VALUE: list[Call] = [
    ("nonzero", lambda np, x: np.nonzero(x > 0.0), (A,)),
    ("flatnonzero", lambda np, x: np.flatnonzero(x > 0.0), (A,)),
]
