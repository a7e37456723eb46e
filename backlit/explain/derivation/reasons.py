"""Why a derivative has the form it has: where transposes, sums and 1/m come from."""

from __future__ import annotations

from backlit.explain.derivation.build import is_elementwise
from backlit.explain.derivation.expression import LEAF, Expression
from backlit.explain.derivation.sheet import Line, Sheet
from backlit.explain.equation.text.printing import readable
from backlit.explain.equation.tree import Derivative, Name, Node


class Reasons:
    """What the uses of every value have to do with its derivative.

    Parameters
    ----------
    derivation : Sheet
    """

    def __init__(self, derivation: Sheet) -> None:
        self._letters = list(derivation.counts)
        self._uses: dict[Node, list[tuple[Expression, int]]] = {}
        for line in derivation.forward:
            for part in line.expression.walk():
                for place, inner in enumerate(part.args):
                    plain = inner.args[0] if inner.op == "transpose" else inner
                    if plain.op == LEAF:
                        self._uses.setdefault(plain.param("node"), []).append((part, place))

    def of(self, line: Line) -> tuple[str, ...]:
        """Return in words why a derivative has the form it has.

        Parameters
        ----------
        line : Line
            Of the backward part.

        Returns
        -------
        tuple of str
            Empty where the line speaks for itself.
        """
        left = line.left
        if not isinstance(left, Derivative) or not isinstance(left.wrt, Name):
            return ()
        uses = self._uses.get(left.wrt, [])
        name, derived = readable(left.wrt), line.expression
        texts = [self._reason(parent, place, name, derived) for parent, place in uses]
        texts += [f"1/{k} from the mean" for k in self._letters if _mentions(line.expression, k)]
        return tuple(dict.fromkeys([text for text in texts if text]))

    def _reason(self, parent: Expression, place: int, name: str, derived: Expression) -> str:
        mine = parent.args[place]
        if parent.op == "matmul" and len(parent.args[1 - place].shape) > 1:
            return _of_factor(parent.args[1 - place], derived)
        if parent.op == "matmul":
            return "the other factor"
        if is_elementwise(parent.op) and mine.shape != parent.shape:
            times = 1
            for n in parent.shape:
                times *= n
            for n in mine.shape:
                times //= n
            return f"a sum: {name} is used {times} times"
        return ""


def _of_factor(other: Expression, derived: Expression) -> str:
    """Say how the other factor of a product stands in a derivative: Wᵀ of W x from the left."""
    plain = other.args[0] if other.op == "transpose" else other
    for part in derived.walk():
        for side, factor in enumerate(part.args) if part.op == "matmul" else ():
            turned = factor.op == "transpose"
            if (factor.args[0] if turned else factor) == plain:
                words = ", transposed" if turned != (other.op == "transpose") else ""
                return f"the other factor{words}, from the {'right' if side else 'left'}"
    return "the other factor"


def _mentions(whole: Expression, letter: str) -> bool:
    return any(p.op == LEAF and p.param("node") == Name(letter) for p in whole.walk())
