"""Bare derivatives completed: dW is ∂J/∂W, times the number of examples where that is meant."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backlit.explain.equation.binding.names import BindingError
from backlit.explain.equation.binding.scene import Scene
from backlit.explain.equation.text.vocabulary import LOSSES
from backlit.explain.equation.tree import Binary, Derivative, Element, Name, Node


@dataclass
class Convention:
    """Whether bare derivatives of what there is once per example are per example.

    Attributes
    ----------
    per_example : bool
    met : bool
        Whether a claim has such a derivative.
    """

    per_example: bool
    met: bool = False


def completed(scene: Scene, node: Derivative, convention: Convention) -> Node:
    """Return a derivative with its target, times the number of examples where that is meant.

    Parameters
    ----------
    scene : Scene
    node : Derivative
        Of variables.
    convention : Convention
        Learns whether it matters to this derivative.

    Returns
    -------
    Node

    Raises
    ------
    BindingError
        If there is no scalar to differentiate.
    """
    symbol = symbol_of(node.wrt)
    if node.target is not None:
        return node
    target = scene.loss(symbol)
    lost = sorted(set(scene.binding.broken.values()))
    if target is None and lost:
        raise BindingError(
            f"the definition on line {lost[0]} could not be used, and no other scalar depends on "
            f"‘{scene.binding.show(symbol)}’",
            node.span,
        )
    if target is None:
        raise BindingError(
            f"no scalar defined here depends on ‘{scene.binding.show(symbol)}’",
            node.span,
            kind="independent",
            fix="define the loss, or write the derivative as a fraction",
        )
    _check_loss(scene, target, node)
    made = replace(node, target=Name(target))
    found = scene.examples(target)
    if found is None or symbol not in found.symbols:
        return made
    convention.met = True
    if not convention.per_example:
        return made
    return Binary("*", found.factor, made, span=node.span)


def _check_loss(scene: Scene, target: str, node: Derivative) -> None:
    """Refuse to take an earlier variable for the loss where the line of the loss was not read."""
    binding = scene.binding
    if binding.resolver.symbols.spelled(target).base in LOSSES:
        return
    for name, line in scene.script.unread.items():
        if name.base in LOSSES and line > binding.line(target):
            raise BindingError(
                f"a bare derivative is of the loss, and the definition of ‘{name.base}’ on line "
                f"{line} could not be used",
                node.span,
                fix="mend that line, or write the derivative as a fraction",
            )


def symbol_of(node: Node) -> str:
    """Return the variable that a derivative is taken by, or that an element is of."""
    inner = node.operand if isinstance(node, Element) else node
    assert isinstance(inner, Name)
    return inner.base
