"""The shapes that the notes leave out: the simplest ones under which everything fits.

Every variable without a header is tried as a number, a vector, a column, a row and a matrix, likely
ones first, until the definitions fit and as many claims as can be. Claims are only counted: they
may be wrong, and must not teach that two dimensions are equal.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from backlit.explain.equation.binding.batch import DATA
from backlit.explain.equation.binding.problem import Leaf, Problem, kind_of
from backlit.explain.equation.binding.resolve import RUNNING
from backlit.explain.equation.binding.shapes import (
    Dim,
    Dimensions,
    Roles,
    Shape,
    ShapeMismatch,
    ShapeOf,
)
from backlit.explain.equation.text.vocabulary import LOSSES
from backlit.explain.equation.tree import (
    Derivative,
    Name,
    Node,
)

SCALAR, VECTOR, COLUMN, ROW, MATRIX = "number", "vector", "column", "row", "matrix"
# Of a bias: as large as what it stands beside needs.
FITTED = "fitted"
_SECONDS = 0.6
_MOST = 200
_UNKNOWN_FROM = 1000
_MISFIT, _SEVERAL_BIASES, _ONE_SCALE, _LOSSES = 2.0, 6.0, 5.0, 3.0
_ODD = 3.0
# Letters that are numbers even where everything else is an array.
_NUMBERS = frozenset(
    "alpha eta lambda gamma epsilon eps rho tau kappa mu lr k m n d r s N M K D T d_k dk".split()
)
_TARGETS = frozenset(["y", "t", "yhat"])
_COMPARED = _TARGETS | {"Y", "T"}
_INPUTS = frozenset(["X", "x"])
# Of one class they are 1 whatever there is.
_OVER_CLASSES = frozenset(["softmax", "log_softmax", "logsumexp"])
_SCALES = frozenset(["gamma", "beta"])
_BIASES = frozenset(["b", "c", "beta", "bias"])


@dataclass
class Guess:
    """Shapes of all variables under one hypothesis.

    Attributes
    ----------
    forms : dict of str to str
        What each leaf without a header is taken for.
    shapes : dict of str to shape or None
    dimensions : Dimensions
    infer : ShapeOf
    faults : dict of str to ShapeMismatch
        Definitions that do not fit.
    letters : dict of str to dict of str to int
        By definition how far the running indices of its left side go.
    odd : float
        How odd the shapes of the definitions are.
    score : tuple of float
    """

    forms: dict[str, str]
    shapes: dict[str, Shape | None]
    dimensions: Dimensions
    infer: ShapeOf
    faults: dict[str, ShapeMismatch] = field(default_factory=dict)
    letters: dict[str, dict[str, Dim]] = field(default_factory=dict)
    odd: float = 0.0
    score: tuple[float, ...] = ()


def guess(problem: Problem, before: Mapping[str, str] | None = None) -> Guess:
    """Return the shapes of all variables.

    Parameters
    ----------
    problem : Problem
    before : mapping of str to str, optional
        Forms that were found for the same notes with another number of layers: tried first.

    Returns
    -------
    Guess
        The best of those tried; its `faults` tell which definitions fit under none.
    """
    known = problem.upstream
    open_leaves = [x for x in problem.leaves if x.shape is None and x.symbol not in known]
    plain = _tried(problem, {leaf.symbol: SCALAR for leaf in open_leaves})
    if not open_leaves or plain.score == (0.0, 0.0):
        return plain
    if before is not None:
        by_kind = {kind_of(symbol): form for symbol, form in before.items()}
        forms = {
            leaf.symbol: before.get(leaf.symbol, by_kind.get(kind_of(leaf.symbol), SCALAR))
            for leaf in open_leaves
        }
        again = _tried(problem, forms)
        if not again.faults:
            return again
    found = _searched(problem, open_leaves)
    return min(plain, found, key=lambda tried: tried.score)


def _searched(problem: Problem, leaves: Sequence[Leaf]) -> Guess:
    """Try forms for all leaves of one letter together, likely ones first."""
    sized = any(leaf.shape is not None for leaf in problem.leaves)
    kinds = sorted({kind_of(leaf.symbol) for leaf in leaves})
    placed = {kind_of(leaf.symbol) for leaf in leaves if leaf.places}
    options = [_options(problem, kind, sized, kind in placed) for kind in kinds]
    end = time.thread_time() + _SECONDS
    best: Guess | None = None
    for count, (cost, forms) in enumerate(_cheapest(options)):
        if best is not None:
            if count >= _MOST or time.thread_time() > end or best.score <= (0.0, cost):
                break
        by_kind = dict(zip(kinds, forms, strict=True))
        tried = _tried(problem, {x.symbol: by_kind[kind_of(x.symbol)] for x in leaves}, cost)
        if best is None or tried.score < best.score:
            best = tried
    assert best is not None
    costs = {kind: {form: c for c, form in some} for kind, some in zip(kinds, options, strict=True)}
    return _improved(problem, best, costs)


def _improved(problem: Problem, best: Guess, costs: Mapping[str, Mapping[str, float]]) -> Guess:
    """Try another form for one leaf at a time: W₁ a matrix, w₂ a vector of the same letter.

    That is done where definitions do not fit or have odd shapes; claims do not count here.
    """
    end = time.thread_time() + _SECONDS
    better = best.score[0] > 0.0 or best.odd >= _ODD
    while better:
        better = False
        for symbol in best.forms:
            for form in (SCALAR, VECTOR, COLUMN, ROW, MATRIX):
                if time.thread_time() > end:
                    return best
                if form != best.forms[symbol] != FITTED:
                    forms = {**best.forms, symbol: form}
                    tried = _tried(problem, forms, _cost(forms, costs))
                    fits = tried.score[0] < best.score[0]
                    if fits or (tried.score < best.score and tried.odd < best.odd):
                        best, better = tried, True
    return best


def _cost(forms: Mapping[str, str], costs: Mapping[str, Mapping[str, float]]) -> float:
    """Return what the forms of all leaves cost, those of one letter together."""
    dearest: dict[str, float] = {}
    for symbol, form in forms.items():
        kind = kind_of(symbol)
        dearest[kind] = max(dearest.get(kind, 0.0), costs[kind][form])
    return sum(dearest.values())


def _options(problem: Problem, kind: str, sized: bool, placed: bool) -> list[tuple[float, str]]:
    """Return the forms of a letter from the likely to the unlikely, with their costs."""
    if not placed and kind in problem.matrices and not _is_matrix(kind):
        costs = {MATRIX: 0.0, ROW: 3.0, SCALAR: 3.0, COLUMN: 99.0, VECTOR: 99.0}
    elif not (placed or sized) and kind in problem.rows and not _is_matrix(kind):
        costs = {MATRIX: 0.0, ROW: 0.5, VECTOR: 1.5, SCALAR: 2.0, COLUMN: 2.0}
    elif not (placed or sized) and kind in problem.layered and not _is_matrix(kind):
        costs = {MATRIX: 0.0, ROW: 4.0, VECTOR: 6.0, SCALAR: 6.0, COLUMN: 6.0}
    elif kind in _BIASES and not placed:
        costs = {FITTED: 0.3, SCALAR: 0.4, COLUMN: 0.5, VECTOR: 0.6, ROW: 1.0, MATRIX: 4.0}
    elif kind in _NUMBERS:
        # A mean of several numbers is one for each of them.
        vector = 1.0 if kind == "mu" else 2.0
        costs = {SCALAR: 0.0, VECTOR: vector, COLUMN: 3.0, ROW: 3.5, MATRIX: 4.0}
    elif placed:
        # What is left of an array whose elements are written with subscripts.
        costs = {SCALAR: 0.0, VECTOR: 1.0, COLUMN: 1.5, ROW: 3.0, MATRIX: 3.0}
    elif _is_matrix(kind):
        # Claims never make a row of a matrix: a wrong one would fit too easily.
        costs = {MATRIX: 0.0, SCALAR: 3.0, COLUMN: 99.0, VECTOR: 99.0, ROW: 99.0}
    elif kind in _TARGETS and not sized:
        costs = {VECTOR: 0.0, COLUMN: 0.5, ROW: 1.0, SCALAR: 1.0, MATRIX: 1.5}
    elif sized:
        # One claim that is wrong must not make a vector of what may be a number.
        costs = {SCALAR: 0.0, VECTOR: 2.5, COLUMN: 3.0, ROW: 3.5, MATRIX: 4.0}
    else:
        number = 2.0 if kind in _INPUTS else 1.0
        costs = {VECTOR: 0.0, COLUMN: 1.0, SCALAR: number, ROW: 2.0, MATRIX: 3.0}
    return sorted((cost, form) for form, cost in costs.items())


def _cheapest(
    options: Sequence[Sequence[tuple[float, str]]],
) -> Iterator[tuple[float, tuple[str, ...]]]:
    """Yield one form per letter, the sums of costs rising."""

    def entry(choice: tuple[int, ...]) -> tuple[float, tuple[int, ...]]:
        return sum(options[k][c][0] for k, c in enumerate(choice)), choice

    heap = [entry((0,) * len(options))]
    seen = {heap[0][1]}
    while heap:
        cost, choice = heapq.heappop(heap)
        yield cost, tuple(options[k][c][1] for k, c in enumerate(choice))
        for k in range(len(options)):
            if choice[k] + 1 < len(options[k]):
                after = (*choice[:k], choice[k] + 1, *choice[k + 1 :])
                if after not in seen:
                    seen.add(after)
                    heapq.heappush(heap, entry(after))


# -------------------------------------------------------------------------------- one hypothesis


def _tried(problem: Problem, forms: dict[str, str], cost: float = 0.0) -> Guess:
    forms = {s: SCALAR if s in problem.ranges else form for s, form in forms.items()}
    dimensions = Dimensions()
    shapes: dict[str, Shape | None] = {}
    for leaf in problem.leaves:
        places = tuple([dimensions.fresh() for _ in range(leaf.places)])
        inner = leaf.shape
        if inner is None:
            inner = _fresh(dimensions, forms.get(leaf.symbol, SCALAR))
        shapes[leaf.symbol] = None if forms.get(leaf.symbol) == FITTED else places + inner
    fitted = [symbol for symbol, form in forms.items() if form == FITTED]
    infer = ShapeOf(dimensions, shapes, problem.named, roles=_roles(problem), fitted=fitted)
    made = Guess(forms, shapes, dimensions, infer)
    for definition in problem.definitions:
        infer.letters = {}
        shapes[definition.symbol] = None
        try:
            shape = infer(definition.node)
            places = tuple([infer.letter(name) for name in definition.letters])
            shapes[definition.symbol] = None if shape is None else places + shape
        except ShapeMismatch as fault:
            made.faults[definition.symbol] = fault
        made.letters[definition.symbol] = dict(infer.letters)
        if f"d{definition.symbol}" in problem.upstream:
            shapes[f"d{definition.symbol}"] = shapes[definition.symbol]
    shapes.update({symbol: () for symbol in fitted if shapes[symbol] is None})
    for dim in infer.lone:
        # An output is rather as wide as its target than repeated to be compared with it.
        if dimensions.find(dim) < 0:
            dimensions.join(dim, 1)
    for dim in _averaged_outputs(problem, made):
        dimensions.join(dim, 1)
    odd = infer.odd + _SEVERAL_BIASES * _per_example(problem, made)
    odd += _ONE_SCALE * _one_scale(problem, forms)
    losses = [shapes[d.symbol] for d in problem.definitions if d.symbol in LOSSES]
    odd += _LOSSES * any(shape is not None and not same(shape, ()) for shape in losses)
    missing = len(made.faults) + _without_scalar(problem, made)
    made.odd = odd
    faults, oddities = _misfits(problem, made)
    made.score = (float(missing), cost + _MISFIT * faults + odd + oddities)
    return made


def _averaged_outputs(problem: Problem, made: Guess) -> set[Dim]:
    """Return dimensions of outputs that nothing sizes and a mean over everything runs over.

    With one output such a mean is 1/m times a sum over the examples, as its author counts; with
    several it is not.
    """
    find = made.dimensions.find
    inputs = [made.shapes[x.symbol] or () for x in problem.leaves if kind_of(x.symbol) in _INPUTS]
    known = {find(dim) for shape in inputs for dim in shape}
    found: set[Dim] = set()
    if not known or any(call.function.name in _OVER_CLASSES for call in problem.calls):
        return found
    for call in problem.calls:
        if call.function.name == "mean" and len(call.args) == 1 and not call.keywords:
            try:
                shape = made.infer(call.args[0]) or ()
            except ShapeMismatch:
                continue
            dims = {find(dim) for dim in shape}
            if len(shape) == 2 and dims & known:
                found |= {dim for dim in dims - known if dim < 0}
    return found


def _one_scale(problem: Problem, forms: Mapping[str, str]) -> bool:
    """Tell whether γ or β is one number where columns are normalised, each of which has its own."""
    scales = {form for symbol, form in forms.items() if kind_of(symbol) in _SCALES}
    spread = (c for c in problem.calls if c.function.name in ("var", "std", "mean"))
    return SCALAR in scales and any(word == "axis" for n in spread for word, _ in n.keywords)


def _roles(problem: Problem) -> Roles:
    """Return what the letters of variables say."""
    kinds = {leaf.symbol: kind_of(leaf.symbol) for leaf in problem.leaves}
    # The weights of a regression are called β as well, and have a header then.
    sized = {
        leaf.symbol for leaf in problem.leaves if leaf.shape and kind_of(leaf.symbol) == "beta"
    }
    weights = {s for s, kind in kinds.items() if kind not in DATA | _BIASES | _NUMBERS}
    return Roles(
        frozenset(weights | sized) - problem.inputs,
        frozenset(s for s, kind in kinds.items() if kind in _BIASES),
        frozenset(s for s, kind in kinds.items() if kind not in _BIASES | _NUMBERS),
        frozenset(s for s, kind in kinds.items() if _is_matrix(kind)),
        frozenset(x.symbol for x in problem.leaves if x.shape and kinds[x.symbol] in _COMPARED),
        problem.has_odot,
        problem.is_program,
    )


def _is_matrix(kind: str) -> bool:
    """Tell whether a letter is usually that of a matrix."""
    return kind[:1].isupper() and not kind[1:].islower() and kind not in _NUMBERS


def _per_example(problem: Problem, made: Guess) -> bool:
    """Tell whether a bias has an axis of examples, which inputs have and weights do not."""
    dims: dict[str, set[Dim]] = {"data": set(), "bias": set(), "weight": set()}
    for leaf in problem.leaves:
        shape = made.shapes[leaf.symbol] or ()
        kind = kind_of(leaf.symbol)
        role = "data" if kind in DATA else "bias" if kind in _BIASES else "weight"
        dims[role] |= {made.dimensions.find(dim) for dim in shape} - {1}
    return bool(dims["bias"] & (dims["data"] - dims["weight"])) and bool(dims["weight"])


def _fresh(dimensions: Dimensions, form: str) -> Shape:
    if form in (SCALAR, FITTED):
        return ()
    new = dimensions.fresh()
    if form == MATRIX:
        return (new, dimensions.fresh())
    return {VECTOR: (new,), COLUMN: (new, 1), ROW: (1, new)}[form]


def _without_scalar(problem: Problem, made: Guess) -> bool:
    """Tell whether a bare dW has no scalar to be the derivative of."""
    bare = any(isinstance(n, Derivative) and n.target is None for c in problem.claims for n in c)
    scalar = any(
        shape is not None and all(made.dimensions.find(dim) == 1 for dim in shape)
        for shape in (made.shapes[d.symbol] for d in problem.definitions)
    )
    return bare and not scalar


def _misfits(problem: Problem, made: Guess) -> tuple[int, float]:
    """Count the claims whose sides do not fit, every unknown dimension a number of its own."""
    numbers: dict[Dim, int] = {}

    def frozen(shape: Shape) -> Shape:
        found = made.dimensions.shape(shape)
        return tuple(
            [d if d > 0 else numbers.setdefault(d, _UNKNOWN_FROM + len(numbers)) for d in found]
        )

    shapes = {s: None if shape is None else frozen(shape) for s, shape in made.shapes.items()}
    roles = Roles(has_odot=problem.has_odot)
    infer = ShapeOf(Dimensions(), shapes, problem.named, roles=roles)
    faults, odd = 0, 0.0
    for left, right in problem.claims:
        infer.letters, infer.odd = {}, 0.0
        try:
            sides = infer(left), infer(right)
        except ShapeMismatch:
            faults += 1
            continue
        if None not in sides and not same(sides[0], sides[1]):
            faults += sides[1] != _jacobian(left, shapes)
        # A transposed number may be meant; that a whole claim is odd counts like a misfit.
        faults += infer.odd >= 5
        odd += infer.odd
    return faults, odd


def _jacobian(node: Node, shapes: Mapping[str, Shape | None]) -> Shape | None:
    """Return the shape of ∂c/∂f as a matrix, None where it is none of vectors."""
    if not isinstance(node, Derivative) or not isinstance(node.target, Name):
        return None
    below = node.wrt
    ends = [shapes.get(n.base) or () for n in (node.target, below) if isinstance(n, Name)]
    return (*ends[0], *ends[1]) if [len(end) for end in ends] == [1, 1] else None


def same(left: Shape | None, right: Shape | None) -> bool:
    """Tell whether two shapes are equal, a 1 × 1 matrix being a number.

    Parameters
    ----------
    left, right : tuple of int

    Returns
    -------
    bool

    Examples
    --------
    >>> same((1, 1), ()), same((3,), (3, 1))
    (True, False)
    """
    if left is None or right is None:
        return False
    return left == right or (set(left) | set(right) <= {1})


def differentiated(node: Node) -> set[str]:
    """Return the symbols that an expression differentiates with respect to.

    Parameters
    ----------
    node : Node

    Returns
    -------
    set of str
    """
    found = set()
    for part in node.walk():
        if isinstance(part, Derivative):
            inside = [n for n in part.wrt.walk() if isinstance(n, Name)]
            found |= {n.base for n in inside if not n.base.startswith(RUNNING)}
    return found
