"""The derivation of a gradient as equations: the forward pass, then ∂L/∂name for every name.

The forward equations are the user's lines. The backward equations are read off the engine's own
derivative (`backlit.explain.derivation.differentiated`) and brought into textbook form one rule at
a time; every step can be evaluated, and is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as onp

from backlit.core.aval import Shape
from backlit.core.errors import DifferentiationError
from backlit.core.graph import Atom, Graph, Guard, Literal, Var
from backlit.core.source import Source
from backlit.core.tracing import function_name
from backlit.explain.derivation.build import Builder, means
from backlit.explain.derivation.differentiated import Differentiated, inlined, reverse
from backlit.explain.derivation.expression import ONE, Expression, leaf
from backlit.explain.derivation.naming import Naming, symbol
from backlit.explain.derivation.rules import Rule, simplified, weight
from backlit.explain.equation.tree import (
    Call,
    Derivative,
    Equation,
    Function,
    Items,
    Name,
    Node,
)
from backlit.explain.notation import to_tree
from backlit.transforms import trace

# What is used n times and would be read n times gets a name beyond this many repeated parts.
_MOST_REPEATED = 10
_LONGEST = 40
# Written where it stands, however often.
_MOVES = frozenset(("broadcast_to", "reshape", "transpose", "astype", "negative", "positive"))
# How much longer a formula may become when what stands above is put in.
_MOST_GROWTH, _SHORT = 6, 8


@dataclass(frozen=True)
class Step:
    """One step of a derivation.

    Attributes
    ----------
    rule : str
        Name of the rule.
    because : str
        The equation it performs.
    right : Node
        The right side after it.
    """

    rule: str
    because: str
    right: Node


@dataclass(frozen=True)
class Line:
    """One line of a derivation.

    Attributes
    ----------
    equation : Equation
    shape : tuple of int
        Of both sides.
    steps : tuple of Step
        From the chain rule to the right side; empty on the way forward.
    source : Source or None
        The user's line.
    """

    equation: Equation
    shape: Shape
    steps: tuple[Step, ...] = ()
    source: Source | None = None

    @property
    def left(self) -> Node:
        """What the line says something about."""
        return self.equation.left

    @property
    def right(self) -> Node:
        """What it says."""
        return self.equation.right


@dataclass(frozen=True)
class Condition:
    """A branch that the program took on a value; the derivation holds where it does so again.

    Attributes
    ----------
    left : Node
        What was looked at.
    outcome : bool, int or array
    source : Source or None
    """

    left: Node
    outcome: Any
    source: Source | None


@dataclass(frozen=True, eq=False)
class Sheet:
    """A derivation.

    Attributes
    ----------
    function : str
        Name of the function.
    loss : Name
        What it returns.
    forward, backward : tuple of Line
    shapes : dict of str to tuple of int
        Of every name on the sheet.
    arguments : dict of str to int
        Names of the arguments, with their places among the leaves.
    constants : dict of str to array
        Arrays that the program holds.
    counts : dict of str to int
        Letters for numbers of elements: m.
    programs : tuple of Equation
        Definitions of the functions that operators of control flow run.
    conditions : tuple of Condition
    """

    function: str
    loss: Name
    forward: tuple[Line, ...]
    backward: tuple[Line, ...]
    shapes: dict[str, Shape]
    arguments: dict[str, int]
    constants: dict[str, Any]
    counts: dict[str, int]
    programs: tuple[Equation, ...]
    conditions: tuple[Condition, ...]

    def gradient(self, name: str) -> Line:
        """Return the line that says what ∂L/∂name is.

        Parameters
        ----------
        name : str
            ``W1``, or ``W[1]`` for W^{[1]}.
        """
        for line in self.backward:
            if isinstance(line.left, Derivative) and isinstance(line.left.wrt, Name):
                if symbol(line.left.wrt) == name:
                    return line
        raise KeyError(name)


def sheet(
    f: Callable[..., Any],
    *args: Any,
    wrt: str | Sequence[str] | None = None,
    abstract: bool = False,
) -> Sheet:
    """Derive the gradient of a function of arrays that returns one real number.

    Parameters
    ----------
    f : callable
    *args : trees of arrays
        With `abstract`, only their shapes and types matter.
    wrt : str or sequence of str, optional
        Which arguments: paths or ends of paths, as for `backlit.explain_weight`. Default: all of
        floating-point type.
    abstract : bool
        Trace by shape only: for a derivation before there is data.

    Returns
    -------
    Sheet

    Raises
    ------
    DifferentiationError
        If f does not return one real number that depends on the arguments.

    Examples
    --------
    >>> import backlit.numpy as np
    >>> def loss(w, x, y):
    ...     a = np.sigmoid(w * x)
    ...     return (a - y) ** 2
    >>> [line.left.wrt.base for line in sheet(loss, 0.5, 2.0, 1.0).backward]
    ['a', 'w', 'x', 'y']
    """
    graph = trace(f, abstract)(*args).pruned()
    return sheet_of(graph, function_name(f), wrt)


def sheet_of(graph: Graph, function: str, wrt: str | Sequence[str] | None = None) -> Sheet:
    """Derive the gradient of a graph; see `sheet`.

    Parameters
    ----------
    graph : Graph
    function : str
        What to call it.
    wrt : str or sequence of str, optional

    Returns
    -------
    Sheet
    """
    names = graph.names()
    graph, names = inlined(graph, names)
    if len(graph.outputs) != 1 or graph.outputs[0].aval.shape != () or (
        graph.outputs[0].aval.dtype.kind != "f"
    ):
        raise DifferentiationError(
            f"a derivation needs a function that returns one real number; {function} does not",
            fix="return the loss alone, and sum or average an array",
        )
    loss = graph.outputs[0]
    if not isinstance(loss, Var):
        raise DifferentiationError(f"{function} returns a constant, whose derivative is 0")
    return _Deriving(graph, names, function, loss, _chosen(graph, names, wrt)).sheet()


def _chosen(graph: Graph, names: dict[Var, str], wrt: str | Sequence[str] | None) -> list[Var]:
    """Return the inputs whose gradients are asked for."""
    floats = [v for v in graph.inputs if v.aval.dtype.kind == "f"]
    if wrt is None:
        return floats
    wishes = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    found = [
        v
        for v in floats
        if any(names[v] == w or names[v].endswith(f".{w}") or f".{w}." in f".{names[v]}." for w in wishes)
    ]
    if not found:
        raise DifferentiationError(
            f"no argument is called {' or '.join(wishes)}",
            fix="choose from " + ", ".join([names[v] for v in floats]),
        )
    return found


class _Deriving:
    """One derivation under way."""

    def __init__(
        self, graph: Graph, names: dict[Var, str], function: str, loss: Var, chosen: list[Var]
    ) -> None:
        self.original = graph
        self.function = function
        self.naming = Naming(graph, names)
        if loss not in self.naming.given:
            self.naming.given[loss] = self.naming.first(("L", "J", "E")) or self.naming.fresh("loss")
        self.loss = self.naming.given[loss]
        self.diff = reverse(graph, loss)
        self.moving = self._depending(chosen)
        self.named: dict[Var, Name] = dict(self.naming.given)
        self.constants: dict[str, Any] = {}
        self._constant_leaves: dict[tuple[Shape, str, bytes], Expression] = {}
        self.programs: dict[Graph, str] = {}
        self.graph = self._needed()
        self.leaves: dict[Var, Expression] = {self.diff.seeds[0]: ONE}
        self.helpers: dict[Var, Name] = {}
        self._promote()
        self.counts = self._count_names()
        self._put_leaves()
        self.builder = Builder(
            self.graph, self.leaves, self.constant, self._count_leaves(), self.program
        )

    # --- what there is ------------------------------------------------------------------------

    def _depending(self, chosen: Sequence[Var]) -> set[Var]:
        """Return the variables with a derivative that lie between the chosen inputs and the loss."""
        reached = set(chosen)
        for equation in self.original.equations:
            if reached & set(equation.inputs):
                reached.update(equation.outputs)
        return {v for v in reached if v in self.diff.derivative}

    def _needed(self) -> Graph:
        """Return the graph of values and derivatives without what no line needs."""
        outputs: list[Atom] = [self.diff.value[v] for v in self.named]
        outputs += [self.diff.value[g.var] for g in self.original.guards]
        outputs += [self.diff.derivative[v] for v in self.named if v in self.moving]
        whole = self.diff.graph
        return Graph(whole.inputs, whole.equations, tuple(outputs), (), whole.name).pruned()

    def _promote(self) -> None:
        """Name what would be written out again and again, or would be too long to read."""
        owner = {self.diff.value[v]: v for v in self.original_variables() if v in self.diff.value}
        derived = {
            self.diff.derivative[v]: v for v in self.original_variables() if v in self.moving
        }
        uses: dict[Var, int] = {}
        for equation in self.graph.equations:
            for atom in equation.inputs:
                if isinstance(atom, Var):
                    uses[atom] = uses.get(atom, 0) + 1
        stops = {self.diff.value[v] for v in self.named} | {
            self.diff.derivative[v] for v in self.named if v in self.moving
        }
        size: dict[Var, int] = {}
        count = 0
        for equation in self.graph.equations:
            inside = 1 + sum(
                size.get(a, 1) if isinstance(a, Var) and a not in stops else 1
                for a in equation.inputs
            )
            for var in equation.outputs:
                size[var] = inside
                again = inside * (uses.get(var, 0) - 1) > _MOST_REPEATED
                if var in stops or not (again or inside > _LONGEST):
                    continue
                if equation.primitive.name in _MOVES and inside <= _LONGEST:
                    continue
                stops.add(var)
                mine = owner.get(var) or derived.get(var)
                if mine is None:
                    self.helpers[var] = self.naming.fresh(f"u{len(self.helpers) + 1}")
                    continue
                count += 1
                self.named[mine] = self.naming.fresh(f"t{count}")
                if mine in self.moving:
                    stops.add(self.diff.derivative[mine])  # type: ignore[arg-type]

    def original_variables(self) -> list[Var]:
        """Return the variables of the function's own graph, in order."""
        return [*self.original.inputs, *[v for e in self.original.equations for v in e.outputs]]

    def _count_names(self) -> dict[str, int]:
        maker = {v: (k, p) for k, e in enumerate(self.graph.equations) for p, v in enumerate(e.outputs)}
        counts: dict[str, int] = {}
        for count in means(self.graph, maker).values():
            if count not in counts.values():
                name = self.naming.first(("m", "n", "N"))
                if name is not None:
                    counts[symbol(name)] = count
        return counts

    def _count_leaves(self) -> dict[int, Expression]:
        return {count: leaf(Name(name), ()) for name, count in self.counts.items()}

    def _put_leaves(self) -> None:
        """Stop at every name: of a value, of a derivative, of a helper."""
        for var in self.original_variables():
            if var not in self.named:
                continue
            place = self.diff.value[var]
            if isinstance(place, Var):
                self.leaves.setdefault(place, leaf(self.named[var], var.aval.shape))
        # Where two names have the same derivative, that of the later one stands for both.
        for var in reversed(self.original_variables()):
            if var in self.named and var in self.moving:
                place = self.diff.derivative[var]
                if isinstance(place, Var):
                    self.leaves.setdefault(place, leaf(self.atom(var), var.aval.shape))
        for var, name in self.helpers.items():
            self.leaves[var] = leaf(name, var.aval.shape)

    def atom(self, var: Var) -> Derivative:
        """Return ∂L/∂name."""
        return Derivative(self.loss, self.named[var])

    def constant(self, array: Any) -> Expression:
        """Return the name of an array that the program holds."""
        key = array.shape, str(array.dtype), array.tobytes()
        if key not in self._constant_leaves:
            name = self.naming.fresh(f"c{len(self.constants) + 1}")
            self.constants[symbol(name)] = array
            made = leaf(name, array.shape)
            if array.ndim == 1 and onp.array_equal(array, onp.arange(len(array))):
                made = Expression("leaf", (), (*made.params, ("counting", len(array))), array.shape)
            self._constant_leaves[key] = made
        return self._constant_leaves[key]

    def program(self, graph: Graph) -> str:
        """Return the name of a function that an operator runs."""
        if graph not in self.programs:
            self.programs[graph] = symbol(self.naming.fresh(f"f{len(self.programs) + 1}"))
        return self.programs[graph]

    # --- the lines ----------------------------------------------------------------------------

    def sheet(self) -> Sheet:
        """Return the finished sheet."""
        forward = [line for v in self.original_variables() for line in self._forward(v)]
        backward = self._backward()
        conditions = tuple([self._condition(guard) for guard in self.original.guards])
        programs = self._programs()
        shapes = {symbol(self.named[v]): v.aval.shape for v in self.named}
        shapes.update({symbol(name): var.aval.shape for var, name in self.helpers.items()})
        shapes.update({name: onp.shape(value) for name, value in self.constants.items()})
        shapes.update({name: () for name in self.counts})
        return Sheet(
            function=self.function,
            loss=self.loss,
            forward=tuple(forward),
            backward=tuple(backward),
            shapes=shapes,
            arguments={symbol(self.named[v]): k for k, v in enumerate(self.original.inputs)},
            constants=self.constants,
            counts=self.counts,
            programs=programs,
            conditions=conditions,
        )

    def _source(self, var: Var) -> Source | None:
        for equation in self.original.equations:
            if var in equation.outputs:
                return equation.source
        return None

    def _forward(self, var: Var) -> list[Line]:
        if var not in self.named or var in self.original.inputs:
            return []
        place = self.diff.value[var]
        mine = leaf(self.named[var], var.aval.shape)
        if isinstance(place, Literal) or self.leaves[place] != mine:
            right = self.builder.of(place)
        else:
            right = self.builder.opened(place)
        equation = Equation(self.named[var], to_tree(right))
        return [Line(equation, var.aval.shape, (), self._source(var))]

    def _backward(self) -> list[Line]:
        """Return the derivatives, that of the loss's own operands first."""
        lines: list[Line] = []
        known: dict[Expression, Expression] = {}
        wanted: list[tuple[int, Node, Atom, Shape]] = []
        order = {v: k for k, e in enumerate(self.graph.equations) for v in e.outputs}
        for var in reversed(self.original_variables()):
            if var in self.named and var in self.moving:
                place = self.diff.derivative[var]
                wanted.append((order.get(place, -1), self.atom(var), place, var.aval.shape))  # type: ignore[arg-type]
        for var, name in self.helpers.items():
            wanted.append((order[var], name, var, var.aval.shape))
        wanted.sort(key=lambda item: item[0])
        for _, left, place, shape in wanted:
            if left == Derivative(self.loss, self.loss):
                continue
            mine = leaf(left, shape)
            here = isinstance(place, Var) and self.leaves.get(place) == mine
            chain = self.builder.opened(place, True) if here else self.builder.of(place, True)  # type: ignore[arg-type]
            line, result = self._simplified(left, chain, known, shape)
            known[mine] = result
            lines.append(line)
        return lines

    def _simplified(
        self, left: Node, chain: Expression, known: dict[Expression, Expression], shape: Shape
    ) -> tuple[Line, Expression]:
        """Return a line with its steps, and its right side as an expression."""
        chain = named(chain, self.definitions)
        steps = [("chain rule", "", chain)]
        steps += [(rule.name, rule.equation, e) for rule, e in self._rewritten(chain)]
        for _ in range(3):
            better = self._substituted(steps[-1][2], known)
            if better is None:
                break
            steps += better
        result = steps[-1][2]
        written = tuple([Step(name, because, to_tree(e)) for name, because, e in steps])
        return Line(Equation(left, to_tree(result)), shape, written), result

    @cached_property
    def definitions(self) -> dict[Expression, Expression]:
        """What every named value is computed from, to recognise it where it is computed anew."""
        found: dict[Expression, Expression] = {}
        for var in self.original_variables():
            place = self.diff.value.get(var)
            if var in self.named and isinstance(place, Var) and var not in self.original.inputs:
                found.setdefault(self.builder.opened(place), leaf(self.named[var], var.aval.shape))
        return {e: name for e, name in found.items() if e.op != "leaf"}

    def _rewritten(self, expression: Expression) -> list[tuple[Rule, Expression]]:
        """Simplify; a value that has a name is called by it."""
        found: list[tuple[Rule, Expression]] = []
        for _ in range(4):
            steps = simplified(expression)
            found += steps
            last = steps[-1][1] if steps else expression
            expression = named(last, self.definitions)
            if expression == last:
                break
            found.append((_NAMED, expression))
        return found

    def _substituted(
        self, chain: Expression, known: dict[Expression, Expression]
    ) -> list[tuple[str, str, Expression]] | None:
        """Put in what the derivatives of later values are, if that makes a line of its own."""
        atoms = [p for p in chain.walk() if p in known and isinstance(p.param("node"), Derivative)]
        best: list[tuple[str, str, Expression]] | None = None
        for part in atoms:
            inside = known[part]
            filled = chain.map(lambda e, part=part, inside=inside: inside if e == part else e)
            steps = [("substitute", "what was found above", filled)]
            steps += [(rule.name, rule.equation, e) for rule, e in self._rewritten(filled)]
            gain = weight(steps[-1][2]) - weight(chain)
            short = weight(inside) <= _SHORT or gain <= 0
            if short and gain <= _MOST_GROWTH and (
                best is None or weight(steps[-1][2]) < weight(best[-1][2])
            ):
                best = steps
        return best

    # --- the rest -----------------------------------------------------------------------------

    def _condition(self, guard: Guard) -> Condition:
        right = self.builder.of(self.diff.value[guard.var])
        return Condition(to_tree(right), guard.outcome, guard.source)

    def _programs(self) -> tuple[Equation, ...]:
        """Return the definitions of the functions that operators run, as far as they go."""
        found: list[Equation] = []
        done = 0
        while done < len(self.programs):
            graph, name = list(self.programs.items())[done]
            done += 1
            graph, _ = inlined(graph, {})
            inputs = {v: leaf(Name(f"x{k + 1}"), v.aval.shape) for k, v in enumerate(graph.inputs)}
            builder = Builder(graph, inputs, self.constant, {}, self.program)
            results = tuple([to_tree(builder.of(atom)) for atom in graph.outputs])
            arguments = tuple([to_tree(e) for e in inputs.values()])
            left = Call(Function(name), arguments)
            found.append(Equation(left, Items(results) if len(results) != 1 else results[0]))
        return tuple(found)


_NAMED = Rule("name", "what has a name is called by it", lambda part: None)


def named(expression: Expression, definitions: dict[Expression, Expression]) -> Expression:
    """Return an expression with everything that has a name called by it."""
    return expression.map(lambda part: definitions.get(part, part))


def short_place(source: Source | None) -> str:
    """Return file and line of a source, or ""."""
    return "" if source is None else f"{os.path.basename(source.file)}:{source.line}"
