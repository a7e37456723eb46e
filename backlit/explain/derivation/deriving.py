"""How a derivation is put together: what gets a line, and what each line says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as onp

from backlit.core.aval import Shape
from backlit.core.graph import Atom, Graph, Guard, Literal, Var
from backlit.explain.derivation.build import Builder, is_elementwise, means, unstretched
from backlit.explain.derivation.differentiated import Differentiated, inlined
from backlit.explain.derivation.expression import (
    LEAF,
    ONE,
    ZERO,
    Expression,
    leaf,
    make,
    stretched,
)
from backlit.explain.derivation.naming import Naming, symbol
from backlit.explain.derivation.places import picked
from backlit.explain.derivation.rules import Rule, simplified, tidied, weight
from backlit.explain.derivation.sheet import Argument, Condition, Line, Sheet, Step
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

# What is used n times and would be read n times gets a name beyond this many repeated parts.
_MOST_REPEATED = 10
_LONGEST = 40
# Written where it stands, however often.
_MOVES = frozenset(("broadcast_to", "reshape", "transpose", "astype", "negative", "positive"))
# How much longer a line may become, and how long what is put in may be (see `rules.weight`).
_MOST_GROWTH, _LITTLE, _SHORT = 6, 3, 8
# Under an exponential, a name for one of these is opened: e^(log P) is the softmax.
_LOGARITHMS = frozenset(("log", "log_softmax", "log_sigmoid", "logsumexp"))
_BY_NAME = Rule("name", "what has a name is called by it", lambda part: None)
_GIVEN = Rule("given", "true of these arguments", lambda part: None)
_PICKED = Rule("labels", "f(P) at the label of every row: f(P) · one_hot", lambda part: None)
_GUARD = Rule("guard", "where(x = 0, a, b) = b as long as x ≠ 0", lambda part: None)
_BY_DEFINITION = Rule("definition", "a logarithm under an exponential", lambda part: None)


class Deriving:
    """A derivation under way.

    Parameters
    ----------
    graph : Graph
        The function's own graph, without `call`.
    naming : Naming
        Every variable that has a name already is in ``naming.given``.
    diff : Differentiated
        Of that graph.
    moving : set of Var
        Variables whose derivatives are wanted where they have names.
    atom : callable
        ``atom(name)`` is the left side of a derivative's line.
    seeds : mapping of Var to Expression
        What the seeds of `diff` are, and inputs that are no variables.
    facts : mapping of Expression to Expression
        What is known of the arguments: that the rows of Y add up to 1. What is used becomes a
        condition of the derivation.
    guarded : bool
        Whether to keep what local derivatives say about a division by 0. Left out, that nothing is
        divided by 0 becomes a condition of the derivation.
    backwards : collection of Var
        Places some of which are counted from the end: they are negative.
    """

    def __init__(
        self,
        graph: Graph,
        naming: Naming,
        diff: Differentiated,
        moving: set[Var],
        atom: Callable[[Name], Derivative],
        seeds: Mapping[Var, Expression],
        facts: Mapping[Expression, Expression] | None = None,
        guarded: bool = False,
        backwards: Collection[Var] = (),
    ) -> None:
        self.original = graph
        self.naming = naming
        self.diff = diff
        self.atom = atom
        self.facts = dict(facts or {})
        self.used: dict[Expression, Expression] = {}
        self.guarded = guarded
        self.backwards = backwards
        self._nonzero: dict[Expression, None] = {}
        self.moving = {v for v in moving if v in diff.derivative}
        self.variables = [*graph.inputs, *[v for e in graph.equations for v in e.outputs]]
        self.named: dict[Var, Name] = dict(naming.given)
        self.helpers: dict[Var, Name] = {}
        self.constants: dict[str, Any] = {}
        self._constant_leaves: dict[tuple[Shape, str, bytes], Expression] = {}
        self.programs: dict[Graph, str] = {}
        self.leaves: dict[Var, Expression] = dict(seeds)
        self.graph = self._needed()
        self._promote()
        self.counts = self._count_letters()
        self._put_leaves()
        letters = {count: leaf(Name(name), ()) for name, count in self.counts.items()}
        self.builder = Builder(self.graph, self.leaves, self.constant, letters, self.program)

    # --- what there is ------------------------------------------------------------------------

    def _needed(self) -> Graph:
        """Return the graph of values and derivatives without what no line needs."""
        outputs: list[Atom] = [self.diff.value[v] for v in self.named]
        outputs += [self.diff.value[g.var] for g in self.original.guards]
        outputs += [self.diff.derivative[v] for v in self.named if v in self.moving]
        whole = self.diff.graph
        return Graph(whole.inputs, whole.equations, tuple(outputs), (), whole.name).pruned()

    def _promote(self) -> None:
        """Name what would be written out again and again, or would be too long to read."""
        values = {self.diff.value[v]: v for v in self.variables if v in self.diff.value}
        derivatives = {self.diff.derivative[v]: v for v in self.variables if v in self.moving}
        uses: dict[Var, int] = {}
        for equation in self.graph.equations:
            for atom in equation.inputs:
                if isinstance(atom, Var):
                    uses[atom] = uses.get(atom, 0) + 1
        stops = {self.diff.value[v] for v in self.named} | set(self.leaves)
        stops |= {self.diff.derivative[v] for v in self.named if v in self.moving}
        size: dict[Var, int] = {}
        chosen: set[Var] = set()
        for equation in self.graph.equations:
            inside = 1
            for atom in equation.inputs:
                inside += size[atom] if isinstance(atom, Var) and atom not in stops else 1
            for var in equation.outputs:
                size[var] = inside
                again = inside * (uses.get(var, 0) - 1) > _MOST_REPEATED
                plain = equation.primitive.name in _MOVES
                looped = equation.primitive.multi and var in uses  # scan, cond, while
                if var in stops or not (inside > _LONGEST or looped or (again and not plain)):
                    continue
                stops.add(var)
                mine = values.get(var) or derivatives.get(var)
                if mine is None or mine in self.named:
                    self.helpers[var] = self.naming.fresh(f"u{len(self.helpers) + 1}")
                    continue
                chosen.add(mine)
                stops.add(self.diff.value[mine])
                if mine in self.moving:
                    stops.add(self.diff.derivative[mine])
        chosen |= self._carriers(uses, chosen)
        for count, var in enumerate([v for v in self.variables if v in chosen], 1):
            self.named[var] = self.naming.reserved.get(var) or self.naming.fresh(f"v{count}")

    def _carriers(self, uses: Mapping[Var, int], chosen: set[Var]) -> set[Var]:
        """Return unnamed values whose derivative only arguments share and others are made of.

        For ``W x + b`` that is the sum: dW is then not said to be db xᵀ.
        """
        named = (set(self.named) | chosen) - set(self.original.inputs)
        last: dict[Atom, Var] = {}
        for var in self.variables:
            place = self.diff.derivative[var] if var in self.moving else None
            if isinstance(place, Var) and uses.get(place) and place not in self.leaves:
                last[place] = var
        taken = {self.diff.derivative[v] for v in named if v in self.moving}
        shared = {self.diff.derivative[v] for v in self.original.inputs if v in self.moving}
        return {
            var
            for place, var in last.items()
            if place in shared and place not in taken and var not in self.original.inputs
        }

    def _count_letters(self) -> dict[str, int]:
        """Return m for the number of examples that a mean divides by, and the like."""
        letters: dict[str, int] = {}
        for count, examples in means(self.graph).values():
            if count not in letters.values():
                name = self.naming.first(("m", "n", "N") if examples else ("N", "n"))
                if name is not None:
                    letters[symbol(name)] = count
        return letters

    def _put_leaves(self) -> None:
        """Stop at every name: of a value, of a derivative, of a helper."""
        for var in self.variables:
            place = self.diff.value[var] if var in self.named else None
            if isinstance(place, Var):
                self.leaves.setdefault(place, self._leaf(var))
        # Where several names have the same derivative, that of the last one stands for all.
        for var in reversed(self.variables):
            place = self.diff.derivative[var] if var in self.named and var in self.moving else None
            if isinstance(place, Var):
                self.leaves.setdefault(place, leaf(self.atom(self.named[var]), var.aval.shape))
        for var, name in self.helpers.items():
            self.leaves[var] = leaf(name, var.aval.shape)

    def _leaf(self, var: Var) -> Expression:
        made = leaf(self.named[var], var.aval.shape)
        if var not in self.backwards:
            return made
        return Expression(made.op, (), (("backwards", True), *made.params), made.shape)

    def constant(self, array: Any) -> Expression:
        """Return the name of an array that the program holds."""
        key = array.shape, str(array.dtype), array.tobytes()
        if key not in self._constant_leaves:
            name = self.naming.fresh(f"c{len(self.constants) + 1}")
            self.constants[symbol(name)] = array
            made = leaf(name, array.shape)
            if array.ndim == 1 and onp.array_equal(array, onp.arange(len(array))):
                made = Expression(LEAF, (), (*made.params, ("counting", len(array))), array.shape)
            if array.dtype.kind == "i" and array.size and array.min() < 0:
                made = Expression(LEAF, (), (("backwards", True), *made.params), array.shape)
            self._constant_leaves[key] = made
        return self._constant_leaves[key]

    def program(self, graph: Graph) -> str:
        """Return the name of a function that an operator runs."""
        if graph not in self.programs:
            self.programs[graph] = symbol(self.naming.fresh(f"f{len(self.programs) + 1}"))
        return self.programs[graph]

    # --- the lines ----------------------------------------------------------------------------

    def sheet(self, function: str, target: Name) -> Sheet:
        """Return the finished derivation.

        Parameters
        ----------
        function : str
            What to call the function.
        target : Name
            What it returns.

        Returns
        -------
        Sheet
        """
        forward = tuple(self._forward())
        backward = tuple(self._backward())
        conditions = [self._condition(guard) for guard in self.original.guards]
        conditions += [Condition(to_tree(a), b.value, None) for a, b in self.used.items()]
        conditions += [Condition(to_tree(a), True, None, True) for a in self._nonzero]
        programs = tuple(self._programs())
        shapes = {symbol(name): var.aval.shape for var, name in self.named.items()}
        shapes.update({symbol(name): var.aval.shape for var, name in self.helpers.items()})
        shapes.update({name: onp.shape(value) for name, value in self.constants.items()})
        shapes.update(dict.fromkeys(self.counts, ()))
        return Sheet(
            function=function,
            target=target,
            forward=forward,
            backward=backward,
            shapes=shapes,
            arguments=tuple(
                [
                    Argument(self.named[v], v.name or symbol(self.named[v]), v.aval)
                    for v in self.original.inputs
                ]
            ),
            constants=self.constants,
            counts=self.counts,
            graphs={name: graph for graph, name in self.programs.items()},
            programs=programs,
            conditions=tuple(conditions),
        )

    def _forward(self) -> Iterator[Line]:
        for equation in self.original.equations:
            for var in equation.outputs:
                if var in self.named:
                    value = tidied(self._value(var))
                    yield Line(self.named[var], value, (), equation.source)

    def _value(self, var: Var) -> Expression:
        place = self.diff.value[var]
        mine = self._leaf(var)
        if isinstance(place, Literal) or self.leaves[place] != mine:
            return self.builder.of(place)
        return self.builder.opened(place)

    def _backward(self) -> Iterator[Line]:
        """Yield the derivatives in the order in which they are computed."""
        order = {v: k for k, e in enumerate(self.graph.equations) for v in e.outputs}
        wanted: list[tuple[int, Node, Atom, Shape]] = []
        for var in reversed(self.variables):
            if var in self.named and var in self.moving:
                place = self.diff.derivative[var]
                when = order.get(place, -1) if isinstance(place, Var) else -1
                wanted.append((when, self.atom(self.named[var]), place, var.aval.shape))
        for var, name in self.helpers.items():
            wanted.append((order[var], name, var, var.aval.shape))
        wanted.sort(key=lambda item: item[0])
        known: dict[Expression, Expression] = {}
        for _, left, place, shape in wanted:
            mine = leaf(left, shape)
            if isinstance(place, Var) and self.leaves.get(place) == mine:
                chain = self.builder.opened(place, slopes=True)
            else:
                chain = self.builder.of(place, slopes=True)
            if chain == ONE or chain == mine:
                continue  # a seed: ∂L/∂L = 1, or a direction that is given
            line = self._line(left, chain, known)
            known[mine] = line.expression
            yield line

    def _line(self, left: Node, chain: Expression, known: Mapping[Expression, Expression]) -> Line:
        """Return a line with its steps."""
        chain = self._by_name(chain)
        chain = tidied(chain)
        steps = [Step("chain rule", "", chain), *self._rewritten(chain)]
        for _ in range(3):
            better = self._substituted(steps[-1].expression, known)
            if better is None:
                break
            steps += better
        return Line(left, steps[-1].expression, tuple(steps))

    @cached_property
    def definitions(self) -> dict[Expression, Expression]:
        """What every named value is computed from, to recognise it where it is computed anew."""
        found: dict[Expression, Expression] = {}
        for var in self.variables:
            if var in self.named and var not in self.original.inputs:
                value = self._value(var)
                if value.op != LEAF and value.value is None:
                    found.setdefault(value, self._leaf(var))
        return found

    @cached_property
    def logarithms(self) -> dict[Expression, Expression]:
        """Named values that are logarithms, with what they are."""
        return {name: value for value, name in self.definitions.items() if value.op in _LOGARITHMS}

    def _by_name(self, expression: Expression) -> Expression:
        return expression.map(lambda part: self.definitions.get(part, part))

    def _by_definition(self, expression: Expression) -> Expression:
        def opened(part: Expression) -> Expression:
            if part.op != "exp" or part.args[0] not in self.logarithms:
                return part
            return Expression(part.op, [self.logarithms[part.args[0]]], part.params, part.shape)

        return expression.map(opened)

    def _by_facts(self, expression: Expression) -> Expression:
        for part in expression.walk():
            if part in self.facts:
                self.used[part] = self.facts[part]
        return expression.map(lambda part: self.facts.get(part, part)) if self.facts else expression

    @cached_property
    def own_choices(self) -> set[Expression]:
        """What the program itself compares, as it is written."""
        return {
            self.builder.of(self.diff.value[e.outputs[0]])
            for e in self.original.equations
            if e.primitive.name == "equal"
        }

    def _without_guards(self, expression: Expression) -> Expression:
        """Return an expression for where no length and no deviation is 0."""

        def opened(part: Expression) -> Expression:
            if part.op != "where" or part.args[0].op != "equal":
                return part
            test, _, other = part.args
            if test.args[1].value != 0 or test in self.own_choices:
                return part
            x = unstretched(test.args[0])
            self._nonzero[make("not_equal", x, ZERO, shape=x.shape)] = None
            return stretched(other, part.shape)

        return expression if self.guarded else expression.map(opened)

    def _with_labels(self, expression: Expression) -> Expression:
        """Return an expression with one_hot for elements that labels pick."""

        def opened(part: Expression) -> Expression:
            found = picked(part)
            if found is None:
                return part
            for x in found[1]:
                x = unstretched(x)
                self._nonzero[make("not_equal", x, ZERO, shape=x.shape)] = None
            return found[0]

        return expression if self.guarded else expression.map(opened)

    def _rewritten(self, expression: Expression) -> list[Step]:
        """Simplify; a value that has a name is called by it."""
        found: list[Step] = []

        def note(rule: Rule, changed: Expression) -> None:
            nonlocal expression
            if changed != expression:
                expression = changed
                found.append(Step(rule.name, rule.equation, changed))

        for _ in range(4):
            count = len(found)
            note(_BY_DEFINITION, self._by_definition(expression))
            note(_GIVEN, self._by_facts(expression))
            note(_GUARD, self._without_guards(expression))
            note(_PICKED, self._with_labels(expression))
            for rule, changed in simplified(expression):
                note(rule, changed)
            note(_BY_NAME, self._by_name(expression))
            if len(found) == count:
                break
        return found

    def _substituted(
        self, chain: Expression, known: Mapping[Expression, Expression]
    ) -> list[Step] | None:
        """Put in what a derivative of a later value is, if that makes a line of its own."""
        best: list[Step] | None = None
        plain = _elementwise_parts(chain)
        for part in chain.walk():
            if part not in known or not isinstance(part.param("node"), Derivative):
                continue
            inside = known[part]
            steps = [Step("substitute", "what was found above", _filled(chain, part, inside))]
            steps += self._rewritten(steps[0].expression)
            gain = weight(steps[-1].expression) - weight(chain)
            better = best is None or weight(steps[-1].expression) < weight(best[-1].expression)
            # dW = dZ Aᵀ is read more easily than the same with dZ written out.
            short = part in plain and (gain <= _LITTLE or weight(inside) <= _SHORT)
            if gain <= _MOST_GROWTH and (gain <= 0 or short) and better:
                best = steps
        return best

    # --- the rest -----------------------------------------------------------------------------

    def _condition(self, guard: Guard) -> Condition:
        right = self.builder.of(self.diff.value[guard.var])
        return Condition(to_tree(right), guard.outcome, guard.source)

    def _called(self, graph: Graph) -> list[Name | None]:
        """Return what the parameters of a loop's function are called outside, those it only reads.

        In ``h, _ = bl.scan(lambda h, x: …, h, xs)`` these are the arrays it captures: W, U, b.
        """
        names: list[Name | None] = [None] * len(graph.inputs)
        for equation in self.graph.equations:
            params = equation.params
            if equation.primitive.name != "scan" or params["body"] is not graph:
                continue
            for k in range(params["carries"] + params["xs"], len(names)):
                atom = equation.inputs[k]
                node = self.leaves[atom].param("node") if atom in self.leaves else None
                plain = isinstance(node, Name) and node.layer is None and node not in names
                names[k] = node if plain and isinstance(node, Name) else None
            break
        return names

    def _programs(self) -> Iterator[Equation]:
        """Yield the definitions of the functions that operators run, and of those they run."""
        done = 0
        while done < len(self.programs):
            graph, name = list(self.programs.items())[done]
            done += 1
            called = self._called(graph)
            graph, _ = inlined(graph, {})
            names = [known or Name(f"x{k + 1}") for k, known in enumerate(called)]
            inputs = {
                v: leaf(name, v.aval.shape) for v, name in zip(graph.inputs, names, strict=True)
            }
            builder = Builder(graph, inputs, self.constant, {}, self.program)
            results = tuple([to_tree(builder.of(atom)) for atom in graph.outputs])
            left = Call(Function(name), tuple([to_tree(e) for e in inputs.values()]))
            yield Equation(left, Items(results) if len(results) != 1 else results[0])


def _elementwise_parts(whole: Expression) -> set[Expression]:
    """Return the parts of an expression that only elementwise operations stand above."""
    found: set[Expression] = set()
    waiting = [whole]
    while waiting:
        part = waiting.pop()
        found.add(part)
        if is_elementwise(part.op) or part.op in _MOVES or part.op == "scatter_add":
            waiting.extend(part.args)
    return found


def _filled(whole: Expression, part: Expression, inside: Expression) -> Expression:
    return whole.map(lambda e: inside if e == part else e)
