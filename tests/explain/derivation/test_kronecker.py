"""The chain rule with indices: every δ, every sum, against the engine and finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit.numpy as np
from backlit import nn
from backlit.explain import explain_weight
from backlit.explain.derivation.checking import Values, numbers_of, worked_out
from backlit.explain.derivation.indices import with_ranges
from backlit.explain.derivation.kronecker import ElementChain, element_chain
from backlit.explain.derivation.sheet import Line, Sheet
from backlit.explain.derive import sheet
from backlit.explain.equation.text.parser import parse
from backlit.explain.equation.text.printing import latex, unicode
from backlit.explain.equation.text.vocabulary import Vocabulary
from backlit.explain.equation.tree import Derivative, Equation, Name, Node, Number
from tests.explain.derivation import networks
from tests.explain.derivation.reading import close


def convolved(w: Any, x: Any) -> Any:
    y = np.stack([np.sum(w * x[k : k + 3]) for k in range(3)])
    L = np.sum(y**3)
    return L


def soft(W: Any, X: Any, Y: Any) -> Any:
    Z = X @ W
    P = nn.softmax(Z)
    L = np.sum((P - Y) ** 2)
    return L


def labelled(W: Any, x: Any) -> Any:
    z = x @ W
    L = nn.cross_entropy(z, onp.array([1, 0, 2, 1]))
    return L


def powers(a: Any, b: Any) -> Any:
    u = a**2.5 / b - 1.0 / a
    v = np.where(b > 1.0, u * b, a**3)
    L = np.sum(np.sqrt(v**2 + 1.0)) + np.sum(-v) / 2
    return L


def twice(W: Any, x: Any) -> Any:
    h = np.tanh(W @ x)
    k = W @ h
    L = np.sum(k * h)
    return L


def tall(W: Any, x: Any) -> Any:
    z = x @ W
    n = z / np.sqrt(np.sum(z**2, axis=1, keepdims=True))
    L = np.sum(n**3)
    return L


POSITIVE = [onp.array([0.5, 1.5, 0.7]), onp.array([0.6, 1.3, 1.7])]
FUNCTIONS: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "two layers": (networks.two_layers, networks.two_layer_arguments()),
    "squares": (networks.squares, networks.drawn((4, 3), (3, 2), (5, 4), (5, 2))),
    "attention": (networks.attention, networks.drawn((3, 2), (4, 2), (4, 2), (3, 2))),
    "batch norm": (networks.batch_norm, networks.drawn((5, 3), (3,), (3,), (5, 3))),
    "quadratic": (networks.quadratic, networks.drawn((3,), (3, 3), (3,))),
    "softmax": (soft, networks.drawn((3, 2), (4, 3), (4, 2))),
    "labels": (labelled, networks.drawn((2, 3), (4, 2))),
    "powers": (powers, POSITIVE),
    "used twice": (twice, networks.drawn((3, 3), (3,))),
    "normalised": (tall, networks.drawn((3, 2), (4, 3))),
}


def chains(derivation: Sheet, values: Values) -> list[tuple[Line, ElementChain]]:
    found = [(line, element_chain(line, derivation, values)) for line in derivation.backward]
    return [(line, chain) for line, chain in found if chain is not None]


def letters(node: Node) -> list[str]:
    """The indices on the left side of a chain, in the order of the axes."""
    assert isinstance(node, Derivative) and isinstance(node.wrt, Name)
    return [k.base for k in node.wrt.index if isinstance(k, Name)]


def at(node: Node, places: dict[str, int], ranges: dict[str, int]) -> Node:
    """A tree with its sums bounded and some indices fixed."""

    def change(part: Node) -> Node:
        if isinstance(part, Name) and part.base in places and not part.index:
            return Number(places[part.base])  # type: ignore[arg-type]
        return part

    return with_ranges(node.map(change), ranges)


def read(node: Node, derivation: Sheet, chain: ElementChain) -> Node:
    """A right side as the parser reads its LaTeX."""
    extra = Name(chain.delta, index=(Name("i"), Name("j")))
    known = Vocabulary.of(*[s for e in derivation.equations() for s in (e.left, e.right)], extra)
    return parse(latex(Equation(Name("q"), node)), known)[0].right


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_step_read_back_has_the_value_of_the_gradient(name: str) -> None:
    f, args = FUNCTIONS[name]
    derivation = sheet(f, *args)
    values = worked_out(derivation, args)
    found = chains(derivation, values)
    assert found
    for line, chain in found:
        assert isinstance(line.left, Derivative) and isinstance(line.left.wrt, Name)
        values.names[chain.delta] = onp.eye(8)
        expected = numbers_of(values.of(line.left))
        kept = letters(chain.left)
        shape = [chain.ranges[k] for k in kept]
        for step in chain.steps:
            if step.rule == "chain rule":
                continue
            right = read(step.right, derivation, chain)
            result = [
                values.of(at(right, dict(zip(kept, place, strict=True)), chain.ranges))
                for place in onp.ndindex(*shape)
            ]
            assert close(onp.reshape(result, expected.shape), expected), unicode(step.right)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_local_derivatives_are_slopes_of_the_programs_equations(name: str) -> None:
    f, args = FUNCTIONS[name]
    derivation = sheet(f, *args)
    values = worked_out(derivation, args)
    forward = {line.left: line for line in derivation.forward}
    for line, chain in chains(derivation, values):
        assert isinstance(line.left, Derivative) and isinstance(line.left.wrt, Name)
        values.names[chain.delta] = onp.eye(8)
        moved = line.left.wrt
        for local in chain.local:
            assert isinstance(local.left, Derivative) and isinstance(local.left.target, Name)
            user = forward[Name(local.left.target.base, local.left.target.layer)]
            axes = [k.base for k in local.left.target.index if isinstance(k, Name)]
            axes += letters(chain.left)
            right = read(local.right, derivation, chain)
            found = [
                values.of(at(right, dict(zip(axes, place, strict=True)), chain.ranges))
                for place in onp.ndindex(*[chain.ranges[k] for k in axes])
            ]
            slopes = jacobian(user, moved, values)
            assert close(onp.reshape(found, slopes.shape), slopes, 1e-6), unicode(local)


def jacobian(user: Line, moved: Name, values: Values) -> Any:
    """Central differences of one equation of the program, the others held."""
    symbol = moved.base if moved.layer is None else f"{moved.base}[{moved.layer}]"
    start = onp.asarray(values.names[symbol], float)
    columns = []
    for place in onp.ndindex(*start.shape):
        sides = []
        for step in (1e-6, -1e-6):
            changed = start.copy()
            changed[place] += step
            other = Values(values.arithmetic, {**values.names, symbol: changed})
            sides.append(numbers_of(other.of(user.right)))
        columns.append((sides[0] - sides[1]) / 2e-6)
    return onp.stack(columns, axis=-1).reshape((*columns[0].shape, *start.shape))


def test_the_sum_collapses_as_on_paper() -> None:
    f, args = FUNCTIONS["squares"]
    derivation = sheet(f, *args)
    chain = element_chain(derivation.gradient("W1"), derivation, worked_out(derivation, args))
    assert chain is not None
    assert [step.rule for step in chain.steps][:2] == ["chain rule", "local derivative"]
    assert all("δ" in unicode(equation) for equation in chain.local)
    assert "δ" in unicode(chain.steps[1].right) and "δ" not in unicode(chain.steps[2].right)


def test_softmax_has_its_kronecker_delta() -> None:
    f, args = FUNCTIONS["softmax"]
    derivation = sheet(f, *args)
    chain = element_chain(derivation.gradient("Z"), derivation, worked_out(derivation, args))
    assert chain is not None
    assert unicode(chain.local[0].right) == "δₖᵢ δₗⱼ Pₖₗ - δₖᵢ (Pₖₗ Pₖⱼ)"


def test_a_program_with_a_delta_of_its_own() -> None:
    def f(delta: Any, x: Any) -> Any:
        z = delta * x
        L = np.sum(z**2)
        return L

    args = networks.drawn((3,), (3,))
    derivation = sheet(f, *args)
    values = worked_out(derivation, args)
    assert {chain.delta for _, chain in chains(derivation, values)} == {"I"}


def test_what_has_no_element_of_its_own_has_no_such_chain() -> None:
    def f(x: Any) -> Any:
        z = np.cumsum(x)
        L = np.sum(z**2)
        return L

    args = networks.drawn((4,))
    derivation = sheet(f, *args)
    values = worked_out(derivation, args)
    assert element_chain(derivation.gradient("x"), derivation, values) is None
    assert element_chain(derivation.gradient("z"), derivation, values) is not None


def test_a_wrong_line_has_no_chain() -> None:
    f, args = FUNCTIONS["squares"]
    derivation = sheet(f, *args)
    values = worked_out(derivation, args)
    line = derivation.gradient("W1")
    assert element_chain(line, derivation, values) is not None
    assert isinstance(line.left, Derivative)
    values.derivatives[line.left] = 1.001 * values.derivatives[line.left]
    assert element_chain(line, derivation, values) is None


def test_an_explanation_shows_the_step() -> None:
    f, args = FUNCTIONS["squares"]
    text = str(explain_weight(f, *args, wrt="W1", index=(0, 1)))
    assert "δᵢₖ is 1 where i and k are the same, 0 elsewhere" in text
    assert "one term of a sum is left" in text
