"""Vectors side by side below a sign of a sum: Σ (p − y) p (1 − p) h multiplies their elements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from backlit.explain.equation.binding.dimensions import Shape
from backlit.explain.equation.binding.families import instances
from backlit.explain.equation.binding.names import BindingError
from backlit.explain.equation.binding.scene import Scene
from backlit.explain.equation.binding.script import Claim
from backlit.explain.equation.binding.written import rebuilt
from backlit.explain.equation.tree import Binary, Call, Equation, Node, Series, Transpose

_BESIDE = (" ", ".")

Shapes = Callable[[Node], Shape | None]


def element_by_element(claim: Claim, scene: Scene) -> Claim:
    """Return a claim in which no sum over all elements is of inner products of its vectors.

    Parameters
    ----------
    claim : Claim
    scene : Scene
        A network of its notes.

    Returns
    -------
    Claim
        With products of vectors below such sums element by element, where read as inner products
        they would leave nothing to add up, or where there are more than two of them.
    """
    shape = partial(_shape, scene)
    parts = tuple([tuple([_changed(e, shape) for e in readings]) for readings in claim.parts])
    return replace(claim, parts=parts)


def _changed(equation: Equation, shape: Shapes) -> Equation:
    return replace(equation, right=_below_sums(equation.right, shape))


def _below_sums(node: Node, shape: Shapes) -> Node:
    body = _summed(node)
    if body is not None:
        changed, many = _spread(body, shape)
        if changed is not body and (many or not shape(body)) and shape(changed):
            return node.swapped(body, changed)
    return rebuilt(node, lambda child: _below_sums(child, shape))


def _summed(node: Node) -> Node | None:
    """Return what a sum over all elements, or a diagonal, is of: nothing that is one number."""
    if isinstance(node, Series) and node.op == "sum" and not node.index and node.high is None:
        return node.body
    is_call = isinstance(node, Call) and node.function.name in ("sum", "mean", "diag")
    if is_call and isinstance(node, Call) and len(node.args) == 1 and not node.keywords:
        return node.args[0]
    return None


def _spread(node: Node, shape: Shapes) -> tuple[Node, bool]:
    """Return products of vectors element by element, and whether some are of more than two."""
    beside = isinstance(node, Binary) and node.op in _BESIDE
    parts = list(_factors(node)) if beside else list(node.children())
    changed, many = node, False
    found = []
    for part in parts:
        new, more = _spread(part, shape)
        found.append(new)
        many = many or more
        changed = changed.swapped(part, new) if new is not part else changed
    if not isinstance(changed, Binary) or not beside:
        return changed, many
    shapes = [own for own in map(shape, found) if own != ()]
    turned = any(isinstance(new, Transpose) for new in found)
    vectors = len(set(shapes)) == 1 and shapes[0] is not None and len(shapes[0]) == 1
    if len(shapes) < 2 or turned or not vectors:
        return changed, many
    return _elementwise(changed), many or len(shapes) > 2


def _elementwise(node: Binary) -> Node:
    left, right = node.left, node.right
    left = _elementwise(left) if isinstance(left, Binary) and left.op in _BESIDE else left
    right = _elementwise(right) if isinstance(right, Binary) and right.op in _BESIDE else right
    return replace(node, op="*", left=left, right=right)


def _factors(node: Node) -> Iterator[Node]:
    if isinstance(node, Binary) and node.op in _BESIDE:
        yield from _factors(node.left)
        yield from _factors(node.right)
    else:
        yield node


def _shape(scene: Scene, node: Node) -> Shape | None:
    resolver = scene.binding.resolver
    known = len(resolver.extra)
    try:
        _, one = next(instances(Equation(node, node), scene.letters, scene.choice.sizes, first=1))
        assert isinstance(one, Equation)
        return scene.infer(resolver.resolve(one.left, grow=False))
    except (BindingError, StopIteration):
        return None
    finally:
        del resolver.extra[known:]
