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
        self._turned = derivation.layout == "numerator"
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
        texts = [self._reason(parent, place, readable(left.wrt)) for parent, place in uses]
        texts += [f"1/{k} from the mean" for k in self._letters if _mentions(line.expression, k)]
        return tuple(dict.fromkeys([text for text in texts if text]))

    def _reason(self, parent: Expression, place: int, name: str) -> str:
        mine = parent.args[place]
        if parent.op == "matmul" and len(parent.args[1 - place].shape) > 1:
            if self._turned:
                return f"the other factor, from the {'right' if place else 'left'}"
            return f"the other factor, transposed, from the {'left' if place else 'right'}"
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


def _mentions(whole: Expression, letter: str) -> bool:
    return any(p.op == LEAF and p.param("node") == Name(letter) for p in whole.walk())
