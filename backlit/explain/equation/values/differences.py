"""Derivatives by the complex step, which owe nothing to the engine.

(W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions", SIAM
Review 40(1), 1998.)
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as onp

from backlit.explain.equation.values.arithmetic import Floats
from backlit.explain.equation.values.draws import Values
from backlit.explain.equation.values.scopes import Scope

_COMPLEX_STEP = 1e-60


def complex_step(
    point: Scope, target: str, wrt: str, places: Sequence[int] | None = None
) -> Values:
    """Return columns of the Jacobian of a variable that is computed without derivatives.

    Parameters
    ----------
    point : Scope
        In double precision.
    target, wrt : str
    places : sequence of int, optional
        Which elements of `wrt` to move, in C order; all of them if not given.

    Returns
    -------
    array of float, shape (size of target, number of places)
    """
    shape = point.program.shape(wrt)
    around = Scope(point.program, Floats(onp.complex128), point.leaves, point.functions)
    columns = []
    with onp.errstate(all="ignore"):
        for k in range(prod(shape)) if places is None else places:
            step = onp.zeros(shape, complex)
            step.flat[k] = 1j * _COMPLEX_STEP
            moved = around.shifted(wrt, step).value(target)
            columns.append(onp.ravel(onp.imag(moved)) / _COMPLEX_STEP)
    return onp.stack(columns, axis=1)
