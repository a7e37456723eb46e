"""What positive factors depend on, so that a NaN in data is seen in every result that had it.

eˣ / eˣ is 1 for every real x, but not for NaN: factors cancel only where every argument of theirs
still takes part in what is left, as z does in softmax(z) − y.
"""

from __future__ import annotations

from collections.abc import Iterable

from backlit.compiler.rewriting import Context, Form
from backlit.core.graph import Atom, Equation, Var

# How many values are looked at; an argument that is farther away counts as gone.
_MOST = 64
# A NaN in any element of any operand is a NaN somewhere in the result.
_PASSING = frozenset(
    "add subtract multiply divide negative square reciprocal exp expm1 log log1p sqrt sigmoid "
    "log_sigmoid softplus tanh softmax log_softmax logsumexp sum max reshape broadcast_to "
    "transpose astype".split()
)


def only_adds_axes(e: Equation) -> bool:
    """Tell whether an index picks everything, as x[:, None] does."""
    return all(part[0] == "n" or part == ("s", None, None, None) for part in e.params["parts"])


def gone(context: Context, before: Iterable[Form], after: Form) -> frozenset[Var]:
    """Return arguments of positive factors that take part in some forms and not in another.

    Parameters
    ----------
    context : Context
    before : iterable of Form
    after : Form

    Returns
    -------
    frozenset of Var
    """
    factors = {var for form in before for term in form for var in term.powers}
    left = {var for term in after for var in term.powers}
    found: set[Var] = set()
    for var in factors - left:
        if var in context.facts.positive:
            found |= _arguments(context, var)
    return missing(context, found, after)


def missing(context: Context, arguments: Iterable[Var], form: Form) -> frozenset[Var]:
    """Return those arguments that take no part in a form."""
    wanted = set(arguments)
    if not wanted:
        return frozenset()
    seen = _reached(context, [var for term in form for var in term.powers])
    return frozenset([var for var in wanted if not _takes_part(context, var, seen)])


def _takes_part(context: Context, var: Var, seen: set[Atom]) -> bool:
    if var in seen:
        return True
    picked = context.maker(var, "getitem")  # what it was picked from has every NaN of its own
    if picked is None:
        return False
    sources = _arguments(context, picked.inputs[0])
    return bool(sources) and all(_takes_part(context, source, seen) for source in sources)


def _arguments(context: Context, var: Atom) -> set[Var]:
    """Return what a positive factor is NaN because of."""
    while (made := context.maker(var, "sum", "reshape", "broadcast_to", "getitem")) is not None:
        if made.primitive.name == "getitem" and not only_adds_axes(made):
            break
        var = made.inputs[0]
    made = context.maker(var, "sigmoid", "softmax", "exp")
    x = _plain(context, made.inputs[0]) if made is not None else var
    return {x} if isinstance(x, Var) and x.aval.dtype.kind == "f" else set()


def _plain(context: Context, x: Atom) -> Atom:
    """Return z for −z and for z − max z."""
    while (made := context.maker(x, "negative", "subtract")) is not None:
        if made.primitive.name == "subtract" and _peak(context, made) is None:
            break
        x = made.inputs[0]
    return x


def _peak(context: Context, e: Equation) -> Equation | None:
    """Return what made the maximum of z, of z − max z."""
    z, peak = e.inputs
    while (moved := context.maker(peak, "reshape")) is not None:
        peak = moved.inputs[0]
    top = context.maker(peak, "max")
    return top if top is not None and top.inputs[0] is z else None


def unshifted(context: Context, x: Atom, axes: tuple[int, ...]) -> Atom:
    """Return z for x = z − max z, whose softmax is the same; any other x as it is.

    Parameters
    ----------
    context : Context
    x : Var or Literal
    axes : tuple of int
        Over which the largest element was taken.

    Returns
    -------
    Var or Literal
    """
    made = context.maker(x, "subtract")
    top = _peak(context, made) if made is not None else None
    if made is None or top is None or top.params.get("axes") != axes:
        return x
    kept = tuple([1 if k in axes else n for k, n in enumerate(x.aval.shape)])
    return made.inputs[0] if made.inputs[1].aval.shape in ((), kept) else x


def _reached(context: Context, start: Iterable[Atom]) -> set[Atom]:
    """Return the values whose NaNs values have."""
    seen: set[Atom] = set()
    waiting = list(start)
    while waiting and len(seen) < _MOST:
        atom = waiting.pop(0)
        if atom in seen or not isinstance(atom, Var):
            continue
        seen.add(atom)
        made = context.makers.get(atom)
        if made is None:
            continue
        name = made.primitive.name
        if name in _PASSING or (name == "integer_power" and made.params["n"]):
            waiting += made.inputs
        elif name == "scatter_add" or (name == "getitem" and only_adds_axes(made)):
            waiting.append(made.inputs[0])
    return seen
