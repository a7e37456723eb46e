"""Claims tied to a network, and judged: what stands on the left is the engine's derivative."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from weakref import WeakKeyDictionary

from backlit.explain.equation.binding.axes import NoAxes
from backlit.explain.equation.binding.families import instances, running_letters
from backlit.explain.equation.binding.lower import all_indices
from backlit.explain.equation.binding.mentions import (
    DIMENSION,
    free_running,
    has_lengths,
    open_functions,
    used,
)
from backlit.explain.equation.binding.names import BindingError, unknown_function
from backlit.explain.equation.binding.scene import Scene
from backlit.explain.equation.judging.completing import Convention, completed, symbol_of
from backlit.explain.equation.judging.orientation import Orientations
from backlit.explain.equation.tree import (
    ZERO,
    Derivative,
    Equation,
    Name,
    Node,
)
from backlit.explain.equation.values.comparison import Comparison
from backlit.explain.equation.values.evaluate import EvaluationFault, Layout, ShapeFault
from backlit.explain.equation.values.jacobians import has_matrix
from backlit.explain.equation.values.program import Program
from backlit.explain.equation.verdicts import REFUSED, RIGHT, WRONG

POINTS = 20
LAYOUTS: tuple[Layout, ...] = ("elementwise", "numerator", "denominator")
_MOST_PLACES = 36
_THOROUGH, _FEW = 1, 6
_MOST_PROOFS = 24
# Multiplications of all points together; at so many points large arrays are compared even so.
_MOST_WORK, _FEWEST = 2e8, 3


@dataclass(frozen=True)
class Bound:
    """A claim in one network, for one value of each running letter and index.

    Attributes
    ----------
    scene : Scene
    program : Program
        Of the network, with what the claim itself needs.
    left, right : Node
        Bound trees.
    counts : tuple of (str, int)
        What running letters are: ("l", 2).
    indices : tuple of (str, int)
        What running indices are, counted from 0: ("@i", 0).
    """

    scene: Scene
    program: Program
    left: Node
    right: Node
    counts: tuple[tuple[str, int], ...] = ()
    indices: tuple[tuple[str, int], ...] = ()


class _OutsideError(BindingError):
    """A claim holds for some elements only, as far as its subscripts go."""

    def __init__(self, fault: BindingError) -> None:
        super().__init__(
            f"{fault.what} for some elements",
            fault.span,
            fix="write the range of the sum, or an indicator 1[…]",
            kind=fault.kind,
        )


def bind(scene: Scene, equation: Equation, convention: Convention) -> list[Bound]:
    """Tie a claim to a network, for all values of its running letters.

    Parameters
    ----------
    scene : Scene
    equation : Equation
        As it was written.
    convention : Convention

    Returns
    -------
    list of Bound
        At least one.

    Raises
    ------
    BindingError
        If it cannot be tied for any value; of kind "shape" where shapes are the reason.
    """
    letters, sizes = scene.letters, scene.choice.sizes
    running = [(kind, letter) for kind, letter, _ in running_letters(equation, letters)]
    found: list[Bound] = []
    fault: BindingError | None = None
    for counts, one in instances(equation, letters, sizes, first=0):
        assert isinstance(one, Equation)
        own = tuple([(letter, counts[kind, letter]) for kind, letter in running])
        try:
            found += list(_bind_one(scene, one, convention, own))
        except _OutsideError:
            raise
        except BindingError as error:
            # Of layer 0 there is no W; what does not fit in the others is wrong.
            fault = error if fault is None or error.kind == "shape" else fault
    if not found:
        raise fault or BindingError("this holds for no layer of the network", equation.span)
    return found


def _bind_one(
    scene: Scene, equation: Equation, convention: Convention, own: tuple[tuple[str, int], ...]
) -> Iterator[Bound]:
    resolver = scene.binding.resolver
    known = len(resolver.extra)
    try:
        left = resolver.resolve(equation.left, grow=False)
        told = [left, *(node for _, node in resolver.extra[known:])]
        right = resolver.resolve(equation.right, grow=False)
        extra = resolver.extra[known:]
    finally:
        del resolver.extra[known:]
    for symbol in sorted(used([left, right, *(node for _, node in extra)])):
        if symbol in scene.binding.broken:
            line = scene.binding.broken[symbol]
            raise BindingError(
                f"‘{scene.binding.show(symbol)}’ has no value: "
                f"the definition on line {line} could not be used",
                equation.span,
            )
    _check_functions(scene, told, [right, *(node for _, node in extra)])
    scene.infer.letters = {}
    lower = scene.lowering()
    definitions = []
    for symbol, node in extra:
        scene.infer.shapes[symbol] = scene.infer(node)
        definitions.append((symbol, lower(node)))
    program = scene.extended(tuple(definitions))
    free = free_running(Equation(left, right))
    lengths = free_lengths(scene, left, right, free)
    lower.derivative = lambda node: completed(scene, node, convention)
    try:
        whole_left, whole_right = lower.by_axes([left, right], lengths)
    except NoAxes:
        pass
    else:
        yield Bound(scene, program, whole_left, whole_right, own)
        return
    made = 0
    fault: BindingError | None = None
    for indices in _spread(all_indices(lengths)):
        try:
            sides = lower(left, indices), lower(right, indices)
        except BindingError as error:
            fault = fault or error
        else:
            yield Bound(scene, program, *sides, own, tuple(indices.items()))
            made += 1
    if fault is not None:
        raise _OutsideError(fault) if made else fault


def _check_functions(scene: Scene, told: Sequence[Node], right: Sequence[Node]) -> None:
    """Refuse a function that stands in a claim alone: any claim about it would be a guess."""
    known = {*scene.binding.open_functions, *open_functions(told)}
    for name, function in open_functions(right).items():
        if name not in known:
            raise unknown_function(name, function.span, known)


def free_lengths(scene: Scene, left: Node, right: Node, free: Sequence[str]) -> dict[str, int]:
    """Return how far the free indices of a claim run, and learn the ranges of its sums.

    Parameters
    ----------
    scene : Scene
    left, right : Node
        Resolved trees.
    free : sequence of str
        Running indices that no sum binds.

    Returns
    -------
    dict of str to int

    Raises
    ------
    BindingError
        If that is not known.
    """
    if not free and not has_lengths(Equation(left, right)):
        return {}
    one, other = scene.infer(left), scene.infer(right)
    if one and other and len(one) == len(other):
        # What an I is as large as; sides of different shapes are wrong in any case.
        any(not scene.infer.dimensions.join(m, n) for m, n in zip(one, other, strict=True))
    for node in left.walk():
        # ∂y/∂x of vectors has the length of x as one of its axes.
        shape = (
            scene.infer.shapes.get(symbol_of(node.wrt)) if isinstance(node, Derivative) else None
        )
        if shape and len(shape) == 1:
            scene.infer.dimensions.join(scene.infer.letter(DIMENSION), shape[0])
    lengths = {}
    for letter in free:
        length = scene.guess.dimensions.find(scene.infer.letter(letter))
        if length < 1:
            raise BindingError(f"how far the index {letter[1:]} runs is not known", left.span)
        lengths[letter] = length
    return lengths


def _spread(choices: list[dict[str, int]]) -> list[dict[str, int]]:
    """Return at most so many choices of indices, evenly spread."""
    if len(choices) <= _MOST_PLACES:
        return choices
    step = len(choices) / _MOST_PLACES
    return [choices[int(k * step)] for k in range(_MOST_PLACES)]


# ----------------------------------------------------------------------------------- judging


@dataclass(frozen=True)
class Outcome:
    """What came of a claim in one reading.

    Attributes
    ----------
    status : str
        "right", "wrong" or "refused".
    bounds : sequence of Bound
        The claim in each network.
    layout : str
        Of the derivatives of arrays.
    fault : BindingError or EvaluationFault, optional
        Why a side has no value.
    wrong : Bound, optional
        Where the sides differ.
    comparison : Comparison, optional
        The sides there.
    proved : bool
    points : int
        At how many the sides were compared.
    """

    status: str
    bounds: Sequence[Bound]
    layout: Layout = "elementwise"
    fault: BindingError | EvaluationFault | None = None
    wrong: Bound | None = None
    comparison: Comparison | None = None
    proved: bool = False
    points: int = 0


def judge(
    bounds: Sequence[Bound],
    points: slice,
    *,
    prove: bool = True,
    pause: Callable[[], None] = lambda: None,
) -> Outcome:
    """Judge a claim in all networks and for all indices.

    Parameters
    ----------
    bounds : sequence of Bound
    points : slice
        Which of the random points to try in the first network; of the others only the first few.
    prove : bool
        Whether to look for a proof of what is right.
    pause : callable
        Called now and then; it may raise.

    Returns
    -------
    Outcome
        Right if it is in one layout of the derivatives of arrays, the same everywhere.
    """
    layouts = LAYOUTS if any(map(has_jacobian, bounds)) else LAYOUTS[:1]
    outcomes = []
    for layout in layouts:
        outcome = _in_layout(bounds, layout, points, pause)
        if outcome.status == RIGHT:
            return replace(outcome, proved=_proved(bounds, layout)) if prove else outcome
        outcomes.append(outcome)
    # Rather the layout in which there is something to compare.
    return min(outcomes, key=lambda o: o.fault is not None)


_orientations: WeakKeyDictionary[Program, Orientations] = WeakKeyDictionary()


def disoriented(bound: Bound, layout: Layout, *, is_bare: bool) -> ShapeFault | None:
    """Find a row where a column belongs in a claim; see `equation.judging.orientation`.

    Parameters
    ----------
    bound : Bound
    layout : {"elementwise", "numerator", "denominator"}
    is_bare : bool
        Whether the left side is a bare derivative: dz lies as z does. A fraction may be laid out
        either way, as a whole.

    Returns
    -------
    ShapeFault or None
    """
    if layout != "elementwise" or has_jacobian(bound):
        # In a chain of Jacobians the layout tells how everything lies.
        return None
    point = bound.scene.points(bound.program, 1)[0]

    def rank(node: Node) -> int:
        return int(point.evaluate(node, layout).ndim)

    if bound.program not in _orientations:
        _orientations[bound.program] = Orientations(bound.program.definitions, rank)
    found = _orientations[bound.program]
    return found.fault((bound.left, bound.right) if is_bare else (bound.right,))


def has_jacobian(bound: Bound) -> bool:
    """Tell whether an array is differentiated with respect to an array.

    Parameters
    ----------
    bound : Bound

    Returns
    -------
    bool
    """
    shapes = bound.program.shapes

    def size(node: Node | None) -> int:
        return prod(shapes[node.base]) if isinstance(node, Name) else 1

    return any(
        isinstance(n, Derivative) and size(n.target) > 1 and size(n.wrt) > 1
        for side in (bound.left, bound.right)
        for n in side.walk()
    )


def _long_jacobian(bound: Bound) -> Derivative | None:
    """Return a derivative with more than two indices."""
    shapes = bound.program.shapes
    for node in Equation(bound.left, bound.right).walk():
        if isinstance(node, Derivative) and isinstance(node.target, Name):
            if isinstance(node.wrt, Name):
                if has_matrix(shapes[node.target.base], shapes[node.wrt.base]):
                    return node
    return None


def _has_no_layout(bound: Bound, node: Derivative) -> BindingError:
    above, below = (bound.scene.binding.show(symbol_of(n)) for n in (node.target, node.wrt) if n)
    return BindingError(
        f"∂{above}/∂{below} has an entry for every element of {above} and every one of {below}, "
        "more indices than a matrix has, and what stands here with it does not fit that",
        node.span,
        fix="write it with subscripts, or the derivative of a number such as the loss",
    )


def _in_layout(
    bounds: Sequence[Bound], layout: Layout, points: slice, pause: Callable[[], None]
) -> Outcome:
    compared = 0
    for number, bound in enumerate(bounds):
        pause()
        # The first ones at all points, of many layers and indices the others at some.
        try:
            some = _affordable(points, bound.program.work)
            for count in range(some.stop):
                bound.scene.points(bound.program, count + 1)
                pause()
            drawn = bound.scene.points(bound.program, some.stop)[some]
            drawn = drawn if number < _THOROUGH else drawn[:_FEW]
            if _is_nothing(bound):
                compared += len(drawn)
                continue
            found = bound.program.equal(bound.left, bound.right, drawn, layout)
        except EvaluationFault as fault:
            shape = isinstance(fault, ShapeFault) and fault.symbol is None
            long = _long_jacobian(bound) if shape else None
            if long is not None:
                return Outcome(REFUSED, bounds, layout, _has_no_layout(bound, long), bound)
            return Outcome(WRONG if shape else REFUSED, bounds, layout, fault, bound)
        if not found.equal:
            return Outcome(
                WRONG, bounds, layout, None, bound, found, points=compared + found.points
            )
        compared += found.points
    return Outcome(RIGHT, bounds, layout, points=compared)


def _affordable(points: slice, work: float) -> slice:
    """Return fewer points, of large arrays, with each range of points still apart from the next."""
    share = min(1.0, max(_FEWEST / POINTS, _MOST_WORK / work / POINTS))
    start, stop = int(share * points.start), int(share * points.stop)
    return slice(start, max(stop, start + 1))


def _proved(bounds: Sequence[Bound], layout: Layout) -> bool:
    return len(bounds) <= _MOST_PROOFS and all(
        _is_nothing(bound) or bound.program.proved(bound.left, bound.right, layout)
        for bound in bounds
    )


def _is_nothing(bound: Bound) -> bool:
    """Tell whether a claim says that what does not depend on a variable has the derivative 0."""
    left = bound.left
    if bound.right != ZERO or not isinstance(left, Derivative) or left.target is None:
        return False
    return not bound.program.depends(symbol_of(left.target), symbol_of(left.wrt))
