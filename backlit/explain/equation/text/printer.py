"""What writing a tree is about in every notation: where brackets are needed."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from backlit.explain.equation.text import bigs, spelling
from backlit.explain.equation.text.calls import function_name
from backlit.explain.equation.text.vocabulary import FUNCTIONS, Vocabulary
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Compare,
    Constant,
    Derivative,
    Element,
    Equation,
    Function,
    Items,
    Name,
    Node,
    Number,
    Power,
    Series,
    Slice,
    Transpose,
    Unary,
)

# How tightly what is written holds together, as in the parser.
COMPARE, SUM, SIGN, PRODUCT, BESIDE, FRACTION, TIGHT = 10, 20, 25, 30, 40, 45, 50
Written = tuple[str, int]
_PLAIN_EXPONENT = re.compile(
    r"(?![(\[<{*']|\\left|\\langle|(?:l|L|\\ell|ℓ)(?![A-Za-z0-9]))(?!.*(?:T|ᵀ|\\top)$)"
)
_ALWAYS_CALLED = frozenset(["dot", "matmul", "transpose"])


class Printer(ABC):
    """Writes one tree; a notation says how its operators, names and functions look.

    Parameters
    ----------
    root : Node
        The whole tree, which tells how its names are read back.
    """

    operators: dict[str, str] = {}
    comparisons: dict[str, str] = {}

    def __init__(self, root: Node) -> None:
        self.root = root
        self.known = Vocabulary.of(root)
        self.rules: dict[type[Node], Callable[[Any], Written]] = {
            Number: self.number,
            Constant: self.constant,
            Name: self.name,
            Unary: self.unary,
            Binary: self.binary,
            Power: self.power,
            Transpose: self.transpose,
            Call: self.call,
            Items: self.items,
            Slice: self.slice,
            Element: self.element,
            Series: self.series,
            Compare: self.compare,
            Derivative: self.derivative,
            Equation: self.equation,
        }

    def whole(self) -> str:
        """Write the whole tree."""
        return self.at(self.root, 0)

    def at(self, node: Node, level: int) -> str:
        """Write a node where something that holds together at `level` is needed."""
        text, holds = self.rules[type(node)](node)
        return text if holds >= level else self.bracketed(text)

    def bracketed(self, text: str) -> str:
        """Set brackets around a text."""
        return f"({text})"

    def layered(self, layer: Node, is_round: bool) -> str:
        """Write a layer in the brackets that the notes use for it."""
        text = self.at(layer, 0)
        return f"({text})" if is_round else f"[{text}]"

    def above(self, node: Name) -> str:
        """Write the subscripts that stand above, as the example of a^{[1](i)}."""
        return "".join(f"({self.at(node.index[place], 0)})" for place in node.above)

    # -- leaves -----------------------------------------------------------------------------------

    def number(self, node: Number) -> Written:
        """Write a number; one that is negative or has no end of decimals as an operation."""
        text = spelling.number(abs(node.value))
        if text is None:
            top, bottom = Fraction(abs(node.value.numerator)), Fraction(node.value.denominator)
            text, level = self.binary(Binary("/", Number(top), Number(bottom)))
        else:
            level = TIGHT
        return (f"-{text}", SIGN) if node.value < 0 else (text, level)

    def constant(self, node: Constant) -> Written:
        """Write a constant."""
        return node.name, TIGHT

    @abstractmethod
    def name(self, node: Name) -> Written:
        """Write a variable with its scripts."""

    # -- operators --------------------------------------------------------------------------------

    def unary(self, node: Unary) -> Written:
        """Write a sign."""
        return "-" + self.at(node.operand, PRODUCT), SIGN

    def binary(self, node: Binary) -> Written:
        """Write two operands."""
        if node.op == " ":
            return self.beside(node.left, node.right), BESIDE
        if node.op in "+-":
            return self.sum(node), SUM
        left = self.factor(node.left, PRODUCT)
        # What is side by side behind a slash could be read in two ways.
        right = self.at(node.right, TIGHT if node.op == "/" else self.right_level(node.right))
        if node.op == "/" and starts_bare(node.right):
            right = self.bracketed(right)
        return left + self.operators[node.op] + right, PRODUCT

    def right_level(self, node: Node) -> int:
        """Return what a right factor needs; a sum sign reaches over what follows, which is fine."""
        return PRODUCT if isinstance(node, Series) else PRODUCT + 1

    def factor(self, node: Node, level: int) -> str:
        """Write a left factor; one that ends in a sum sign would reach over what follows."""
        text, holds = self.rules[type(node)](node)
        return text if holds >= level and not _ends_open(node) else self.bracketed(text)

    def sum(self, node: Binary) -> str:
        """Write a sum or a difference."""
        left = self.at(node.left, SUM)
        # A sum over i would reach over a further term with i in it.
        if bigs.widened(node.left, node.op, node.right, Vocabulary()) is not None:
            left = self.bracketed(left)
        right = self.at(node.right, PRODUCT)
        return f"{left} {node.op} {right}"

    def beside(self, left: Node, right: Node) -> str:
        """Write two factors side by side."""
        first = self.factor(left, BESIDE)
        second = self.at(right, PRODUCT if isinstance(right, Series) else BESIDE + 1)
        if second[0].isdigit() and first[-1].isdigit():
            second = self.bracketed(second)
        if second.startswith(("(", "\\left(")) and self._looks_called(left):
            first = self.bracketed(first)
        return f"{first} {second}"

    def _looks_called(self, node: Node) -> bool:
        """Whether what a factor ends with would take a bracket behind it for its arguments."""
        while isinstance(node, Binary) and node.op == " ":
            node = node.right
        if isinstance(node, Power):
            node = node.base
        if not isinstance(node, Name):
            return False
        base = node.base.rstrip("'")
        return function_name(base, self.known) is not None or base in _ALWAYS_CALLED

    def compare(self, node: Compare) -> Written:
        """Write a condition."""
        left, right = self.at(node.left, SUM), self.at(node.right, SUM)
        return f"{left} {self.comparisons.get(node.op, node.op)} {right}", COMPARE

    def equation(self, node: Equation) -> Written:
        """Write both sides of an equation."""
        return f"{self.at(node.left, SUM)} = {self.at(node.right, SUM)}", 0

    @abstractmethod
    def power(self, node: Power) -> Written:
        """Write a power."""

    @abstractmethod
    def transpose(self, node: Transpose) -> Written:
        """Write a transpose."""

    # -- calls and brackets -----------------------------------------------------------------------

    @abstractmethod
    def call(self, node: Call) -> Written:
        """Write a function with its arguments."""

    def arguments(self, node: Call) -> str:
        """Write arguments in brackets."""
        parts = [self.at(arg, 0) for arg in node.args]
        parts += [f"{self.keyword(name)}={self.at(value, 0)}" for name, value in node.keywords]
        return self.bracketed(", ".join(parts))

    def keyword(self, name: str) -> str:
        """Write the name of an argument."""
        return name

    def is_own(self, function: Function) -> bool:
        """Whether a function is the student's own."""
        return function.name not in FUNCTIONS.values()

    def items(self, node: Items) -> Written:
        """Write several values in brackets."""
        inside = ", ".join([self.at(item, 0) for item in node.items])
        return self.bracketed(inside + "," * (len(node.items) == 1)), TIGHT

    def slice(self, node: Slice) -> Written:
        """Write a range of places."""
        parts = [self.at(part, SUM) if part else "" for part in (node.start, node.stop)]
        if node.step is not None:
            parts.append(self.at(node.step, SUM))
        return ":".join(parts), 0

    def element(self, node: Element) -> Written:
        """Write an array with places in square brackets."""
        operand, holds = self.rules[type(node.operand)](node.operand)
        if holds < TIGHT or isinstance(node.operand, Number | Power | Derivative | Items):
            operand = self.bracketed(operand)
        return f"{operand}[{', '.join([self.at(i, 0) for i in node.index])}]", TIGHT

    # -- sums and derivatives ---------------------------------------------------------------------

    def series(self, node: Series) -> Written:
        """Write a sum or product sign with its range."""
        sign = self.operators[node.op]
        below = node.index
        if node.low is not None:
            below += f"={self.at(node.low, SUM)}"
        text = sign + (f"_{{{below}}}" if node.index else "")
        if node.high is not None:
            text += f"^{{{self.at(node.high, SUM)}}}"
        return f"{text} {self.at(node.body, PRODUCT)}", PRODUCT

    @abstractmethod
    def derivative(self, node: Derivative) -> Written:
        """Write a derivative."""

    def differentiated(self, node: Node) -> str:
        """Write what stands behind ∂ above the line."""
        return self.at(node, TIGHT) if not isinstance(node, Derivative) else self.grouped(node)

    def grouped(self, node: Node) -> str:
        """Write a node in brackets of its own."""
        return self.bracketed(self.at(node, 0))

    def exponent(self, node: Node) -> str:
        """Write an exponent in braces, in two pairs where one would make it a layer or a T."""
        text = self.at(node, 0)
        return f"{{{text}}}" if _PLAIN_EXPONENT.match(text) else f"{{{{{text}}}}}"


def _ends_open(node: Node) -> bool:
    """Whether what is written ends with a sum sign that would reach over a further factor."""
    while isinstance(node, Binary) and node.op not in "+-/":
        node = node.right
    return isinstance(node, Series)


def order(printer: Printer, node: Call) -> str:
    """Return which norm it is, as a subscript."""
    orders = [value for name, value in node.keywords if name == "ord"]
    return f"_{{{printer.at(orders[0], 0)}}}" if orders else ""


def is_bare(node: Node) -> bool:
    """Whether a derivative is written as dW."""
    if not isinstance(node, Derivative) or not isinstance(node.wrt, Name):
        return False
    return node.target is None and node.second is None and node.style != "nabla"


def starts_bare(node: Node) -> bool:
    """Whether what is written starts with dW; behind a slash that would be taken for dL/dW."""
    while isinstance(node, Transpose | Power | Element | Binary):
        node = next(node.children())
    return is_bare(node)


def is_named_e(node: Power) -> bool:
    """Whether a variable called e has an exponent that Euler's number could have."""
    return node.base == Name("e") and not isinstance(node.exponent, Number)
