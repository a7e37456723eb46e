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
        With products of vectors below such sums element by element, where the claim has no ⊙.
    """
    shape = partial(_shape, scene)
    parts = tuple([tuple([_changed(e, shape) for e in readings]) for readings in claim.parts])
    return replace(claim, parts=parts)


def _changed(equation: Equation, shape: Shapes) -> Equation:
    return replace(equation, right=_below_sums(equation.right, shape))


def _below_sums(node: Node, shape: Shapes) -> Node:
    body = _summed(node)
    if body is not None:
        changed = body if _has_sign(body) else _spread(body, shape)
        if changed is not body and shape(changed):
            return node.swapped(body, changed)
    return rebuilt(node, lambda child: _below_sums(child, shape))


def _summed(node: Node) -> Node | None:
    """Return what a sum over all elements, or a diagonal, is of: nothing that is one number."""
    if isinstance(node, Series) and node.op == "sum" and not node.index and node.high is None:
        return node.body
    is_call = isinstance(node, Call) and node.function.name in ("sum", "diag")
    if is_call and isinstance(node, Call) and len(node.args) == 1 and not node.keywords:
        return node.args[0]
    return None


def _has_sign(node: Node) -> bool:
    """Tell whether ⊙ stands somewhere: then what has none is no product by element."""
    return any(isinstance(part, Binary) and part.op == "*" for part in node.walk())


def _spread(node: Node, shape: Shapes) -> Node:
    """Return products of vectors element by element."""
    beside = isinstance(node, Binary) and node.op in _BESIDE
    parts = list(_factors(node)) if beside else list(node.children())
    changed, found = node, []
    for part in parts:
        new = _spread(part, shape)
        found.append(new)
        changed = changed.swapped(part, new) if new is not part else changed
    if not isinstance(changed, Binary) or not beside:
        return changed
    shapes = [own for own in map(shape, found) if own != ()]
    turned = any(isinstance(new, Transpose) for new in found)
    vectors = len(set(shapes)) == 1 and shapes[0] is not None and len(shapes[0]) == 1
    return _elementwise(changed) if vectors and not turned and len(shapes) > 1 else changed


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
