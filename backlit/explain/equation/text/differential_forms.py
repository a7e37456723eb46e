"""Takes ``dL = tr(Gᵀ dW)`` for what it says of the derivative of a scalar: ∂L/∂W is G."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backlit.explain.equation.tree import Binary, Call, Derivative, Equation, Name, Node, Transpose


def outputs(equations: Sequence[Equation]) -> frozenset[str]:
    """Return the names that are defined and that no other definition uses.

    Parameters
    ----------
    equations : sequence of Equation

    Returns
    -------
    frozenset of str
    """
    definitions = [e for e in equations if isinstance(e.left, Name)]
    used = {n.base for e in definitions for n in e.right.walk() if isinstance(n, Name)}
    return frozenset({e.left.base for e in definitions if isinstance(e.left, Name)} - used)


def is_of(equation: Equation, outputs: frozenset[str]) -> bool:
    """Whether an equation is one between differentials: ``dL = 2 z dz`` where nothing is after L.

    Parameters
    ----------
    equation : Equation
    outputs : frozenset of str
        Names that no definition uses.

    Returns
    -------
    bool
    """
    left = equation.left
    if not (isinstance(left, Derivative) and _is_bare(left) and isinstance(left.wrt, Name)):
        return False
    return left.wrt.base in outputs and any(_is_bare(node) for node in equation.right.walk())


def gradient(equation: Equation) -> Equation | None:
    r"""Return the derivative that ``dL = tr(A dW B)`` states, None for any other form.

    By the cyclic property of the trace, tr(A dW B) = tr(B A dW), so ∂L/∂W = (B A)ᵀ.

    Parameters
    ----------
    equation : Equation

    Returns
    -------
    Equation or None

    Examples
    --------
    >>> from backlit.explain.equation.text.parser import parse
    >>> from backlit.explain.equation.text.printing import unicode
    >>> from backlit.explain.equation.text.vocabulary import Vocabulary
    >>> known = Vocabulary(frozenset(["L", "W", "G", "X"]))
    >>> unicode(gradient(parse("dL = tr(G^T dW X)", known)[0]))
    '∂L/∂W = (X Gᵀ)ᵀ'
    """
    left, right = equation.left, equation.right
    if not (isinstance(left, Derivative) and _is_bare(left)):
        return None
    if not (isinstance(right, Call) and right.function.name == "trace" and len(right.args) == 1):
        return None
    factors = _factors(right.args[0])
    places = [place for place, factor in enumerate(factors) if _is_bare(factor)]
    others = [f for place, f in enumerate(factors) if place not in places]
    if len(places) != 1 or not others or any(_is_bare(n) for f in others for n in f.walk()):
        return None
    (place,) = places
    differential = factors[place]
    assert isinstance(differential, Derivative)
    turned = [*factors[place + 1 :], *factors[:place]]
    product = turned[0]
    for factor in turned[1:]:
        product = Binary(" ", product, factor, span=right.span)
    single = product.operand if isinstance(product, Transpose) else Transpose(product)
    claim = Derivative(left.wrt, differential.wrt, span=left.span)
    return Equation(claim, replace(single, span=right.span), span=equation.span)


def _is_bare(node: Node) -> bool:
    return isinstance(node, Derivative) and node.target is None and node.second is None


def _factors(node: Node) -> list[Node]:
    if isinstance(node, Binary) and node.op in (" ", "@", "."):
        return [*_factors(node.left), *_factors(node.right)]
    return [node]
