"""What a bare dW is the derivative of: the loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from backlit.explain.equation.binding.names import stem
from backlit.explain.equation.values.program import Program

_LOSSES = frozenset(
    "L J C E l ell loss Loss cost Cost error mse MSE NLL nll CE BCE KL ELBO obj objective".split()
)
_HELPERS = ("delta", "grad", "err", "d")


def loss_of(
    program: Program,
    wrt: str,
    *,
    base: Callable[[str], str],
    lines: Callable[[str], int],
    in_claims: frozenset[str],
) -> str | None:
    """Return the variable that a bare derivative with respect to `wrt` is of.

    The last scalar defined that depends on it (a 1 × 1 matrix counts). A scalar that a student
    defines between claims to write them shorter, δ = (o − y) o (1 − o), is not meant.

    Parameters
    ----------
    program : Program
    wrt : str
    base : callable
        The letters a variable is written with.
    lines : callable
        On which line it is defined.
    in_claims : frozenset of str
        Variables on the right sides of claims.

    Returns
    -------
    str or None
        None if no scalar depends on it.
    """
    scalars = [
        symbol
        for symbol in program.definitions
        if prod(program.shapes[symbol]) == 1 and wrt in program.ancestors(symbol)
    ]
    scalars = sorted((s for s in scalars if lines(s) > 0), key=lines)
    named = [s for s in scalars if stem(base(s)) in _LOSSES]
    if named:
        return _last_after(program, named[-1], scalars)
    plain = [s for s in scalars if not _is_helper(base(s))] or scalars
    ends = [s for s in plain if not any(t != s and program.depends(t, s) for t in plain)]
    found = [s for s in ends if s not in in_claims] or ends
    return found[-1] if found else None


def _last_after(program: Program, loss: str, scalars: Sequence[str]) -> str:
    """Return the last scalar that is computed from a loss, or the loss itself."""
    return [s for s in scalars if program.depends(s, loss)][-1]


def _is_helper(name: str) -> bool:
    return stem(name).startswith(_HELPERS)
