r"""Writes a tree in LaTeX, Unicode or Python, with no more brackets than needed.

What is written is read back as the same tree, by `parse_expression` under `Vocabulary.of`. What
Python has no form for (∂, Σ with an index, a function's derivative) is written as in Unicode.
"""

from __future__ import annotations

from backlit.explain.equation.text import spelling
from backlit.explain.equation.text.printer import (
    FRACTION,
    SIGN,
    TIGHT,
    Printer,
    Written,
    is_bare,
    is_named_e,
    order,
    starts_bare,
)
from backlit.explain.equation.text.vocabulary import Vocabulary
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Constant,
    Derivative,
    Element,
    Items,
    Name,
    Node,
    Number,
    Power,
    Series,
    Transpose,
    Unary,
)


def latex(node: Node) -> str:
    r"""Return `node` in LaTeX.

    Parameters
    ----------
    node : Node

    Returns
    -------
    str

    Examples
    --------
    >>> from backlit.explain.equation.text.parser import parse_expression
    >>> print(latex(parse_expression("1/m * (A2 - Y) @ A1.T")[0]))
    \frac{1}{m} \odot (A2 - Y) @ A1^{T}
    """
    return _LaTeX(node).whole()


def unicode(node: Node) -> str:
    r"""Return `node` in Unicode.

    Parameters
    ----------
    node : Node

    Returns
    -------
    str

    Examples
    --------
    >>> from backlit.explain.equation.text.parser import parse_expression
    >>> unicode(parse_expression(r"\sigma(z)^2 \odot W^{[1]T} \hat y_{i}")[0])
    'σ(z)² ⊙ W^[1]ᵀ ŷᵢ'
    """
    return _Unicode(node).whole()


def python(node: Node) -> str:
    r"""Return `node` in Python, as far as Python has a form for it.

    Parameters
    ----------
    node : Node

    Returns
    -------
    str

    Examples
    --------
    >>> from backlit.explain.equation.text.parser import parse_expression
    >>> python(parse_expression(r"\frac{1}{2} \odot \exp(-x^2)")[0])
    '1/2*np.exp(-x**2)'
    """
    return _Python(node).whole()


def readable(node: Node, ascii: bool = False) -> str:
    r"""Return `node` in a line for people, without the braces that the parser needs.

    Places that Unicode has no subscript for stand in brackets, as they do in tables.

    Parameters
    ----------
    node : Node
    ascii : bool
        As in Python.

    Returns
    -------
    str

    Examples
    --------
    >>> from backlit.explain.equation.text.parser import parse_expression
    >>> node = parse_expression(r"\sum_{i} P_{i,labels_{i}} + W^{[1]}_{12,1}")[0]
    >>> print(readable(node), "|", readable(node, ascii=True))
    ∑ᵢ P[i,labelsᵢ] + W^[1][12,1] | sum_i P[i,labels_i] + W^[1]_12_1
    """
    return (_Typed if ascii else _Readable)(node).whole()


def written(node: Node, style: str) -> str:
    """Return `node` in the notation called ``latex``, ``unicode`` or ``python``."""
    return {"latex": latex, "unicode": unicode, "python": python}[style](node)


class _LaTeX(Printer):
    operators = {
        "*": r" \odot ",
        "@": " @ ",
        ".": r" \cdot ",
        "/": " / ",
        "sum": r"\sum",
        "prod": r"\prod",
    }
    comparisons = {"<=": r"\le", ">=": r"\ge", "!=": r"\ne"}

    def bracketed(self, text: str) -> str:
        tall = any(command in text for command in (r"\frac", r"\sum", r"\prod", r"\begin"))
        return rf"\left({text}\right)" if tall else f"({text})"

    def constant(self, node: Constant) -> Written:
        if node.name == "e":
            return r"\mathrm{e}", TIGHT
        commands = {"pi": r"\pi", "inf": r"\infty"}
        return commands.get(node.name, rf"\operatorname{{{node.name}}}"), TIGHT

    def name(self, node: Name) -> Written:
        return self.scripted(node), TIGHT

    def scripted(self, node: Name, behind: str = "") -> str:
        """Write a name with its scripts, `behind` being one more superscript."""
        text = spelling.latex_name(node.base) + self.subscripts(_below(node))
        layer = "" if node.layer is None else self.layered(node.layer, node.is_round)
        layer += self.above(node)
        return text + (f"^{{{layer}{behind}}}" if layer or behind else "")

    def subscripts(self, index: tuple[Node, ...]) -> str:
        if not index:
            return ""
        parts = [spelling.latex_label(node) or self.at(node, 0) for node in index]
        return f"_{{{('' if spelling.are_letters(parts) else ',').join(parts)}}}"

    def binary(self, node: Binary) -> Written:
        if node.op == "/":
            below = self.at(node.right, 0)
            below = self.bracketed(below) if starts_bare(node.right) else below
            return rf"\frac{{{self.at(node.left, 0)}}}{{{below}}}", FRACTION
        return super().binary(node)

    def power(self, node: Power) -> Written:
        base = self.at(node.base, TIGHT)
        if node.base == Constant("e") and not self.known.has("e"):
            base = "e"
        elif isinstance(node.base, Name) and node.base.layer is not None:
            base = f"{{{base}}}"
        elif isinstance(node.base, Power | Transpose) or is_named_e(node):
            base = self.bracketed(base)
        return f"{base}^{self.exponent(node.exponent)}", TIGHT

    def transpose(self, node: Transpose) -> Written:
        operand = node.operand
        if isinstance(operand, Name):
            return self.scripted(operand, "T"), TIGHT
        if isinstance(operand, Derivative) and is_bare(operand):
            return self.bare(operand, "T"), TIGHT
        if isinstance(operand, Call):
            return self.at(operand, TIGHT) + "^{T}", TIGHT
        return self.grouped(operand) + "^{T}", TIGHT

    def keyword(self, name: str) -> str:
        return rf"\operatorname{{{name}}}"

    def call(self, node: Call) -> Written:
        function = node.function
        special = "" if function.order or function.layer else self.special(node)
        if special:
            return special, TIGHT
        is_own = self.is_own(function)
        name = spelling.latex_function(function.name, is_own)
        if name == r"\sigma" and not is_own and _uses_sigma(self.known):
            name = r"\operatorname{sigmoid}"
        layer = f"^{{[{self.at(function.layer, 0)}]}}" if function.layer is not None else ""
        return name + "'" * function.order + layer + self.arguments(node), TIGHT

    def special(self, node: Call) -> str:
        """Write a function that has a sign of its own, "" for any other."""
        name, first = node.function.name, self.at(node.args[0], 0)
        if name == "norm" and len(node.args) == 1:
            return rf"\lVert {first} \rVert" + order(self, node)
        if node.keywords:
            return ""
        if name == "inner":
            return rf"\langle {first}, {self.at(node.args[1], 0)} \rangle"
        signs = {
            "sqrt": rf"\sqrt{{{first}}}",
            "cbrt": rf"\sqrt[3]{{{first}}}",
            "abs": rf"\lvert {first} \rvert",
            "maximum": rf"\max{self.arguments(node)}",
            "minimum": rf"\min{self.arguments(node)}",
        }
        return signs.get(name, "")

    def items(self, node: Items) -> Written:
        rows = [item.items for item in node.items if isinstance(item, Items)]
        widths = {len(row) for row in rows}
        if len(rows) < len(node.items) or len(widths) != 1 or widths == {1}:
            return super().items(node)
        lines = [" & ".join([self.at(item, 0) for item in row]) for row in rows]
        return r"\begin{bmatrix} " + r" \\ ".join(lines) + r" \end{bmatrix}", TIGHT

    def derivative(self, node: Derivative) -> Written:
        if is_bare(node):
            return self.bare(node), TIGHT
        second = "" if node.second is None else "^{2}"
        wrt = self.at(node.wrt, 0)
        if node.style == "nabla" and node.second in (None, node.wrt):
            target = f" {self.differentiated(node.target)}" if node.target is not None else ""
            return rf"\nabla_{{{wrt}}}{second}{target}", FRACTION if target else 0
        if node.second is None:
            below = rf"\partial {wrt}"
        elif node.second == node.wrt:
            plain = isinstance(node.wrt, Name) and node.wrt.layer is None
            below = rf"\partial {wrt if plain else '{' + wrt + '}'}^{{2}}"
        else:
            below = rf"\partial {wrt} \partial {self.at(node.second, 0)}"
        target = "" if node.target is None else self.differentiated(node.target)
        return rf"\frac{{\partial{second} {target}}}{{{below}}}", FRACTION

    def bare(self, node: Derivative, behind: str = "") -> str:
        """Write dW; what LaTeX would not take for one word is set upright."""
        wrt = node.wrt if isinstance(node.wrt, Name) else Name("")
        base, marks = spelling.primes(wrt.base)
        letter, accent, _ = spelling.accented(base)
        text = self.scripted(wrt, behind)
        if len(letter) == 1 and not accent:
            return "d" + text
        if (accent or letter in spelling.LETTERS) and not self.known.has("d"):
            return "d" + text
        return rf"\mathrm{{d{base}}}{marks}" + text.removeprefix(spelling.latex_name(wrt.base))


class _Unicode(Printer):
    operators = {"*": " ⊙ ", "@": " @ ", ".": " · ", "/": "/", "sum": "∑", "prod": "∏"}
    comparisons = {"<=": "≤", ">=": "≥", "!=": "≠"}

    def constant(self, node: Constant) -> Written:
        return {"pi": "π", "inf": "∞", "e": "ℯ"}.get(node.name, node.name), TIGHT

    def name(self, node: Name) -> Written:
        return spelling.unicode_name(node.base) + self.scripts(node), TIGHT

    def scripts(self, node: Name) -> str:
        layer = self.layer(node.base, node.layer, node.is_round)
        above = self.above(node)
        if above and not layer:
            above = f"^{{{above}}}"
        elif above:
            layer, above = f"^{{{layer[1:]}", f"{above}}}"
        return self.subscripts(_below(node)) + layer + above

    def subscripts(self, index: tuple[Node, ...]) -> str:
        lowered = spelling.lowered(index)
        return self.in_braces(index) if lowered is None else lowered

    def in_braces(self, index: tuple[Node, ...]) -> str:
        parts = [spelling.latex_label(node) or self.at(node, 0) for node in index]
        return f"_{{{','.join(parts)}}}"

    def layer(self, base: str, layer: Node | None, is_round: bool = False) -> str:
        if layer is None:
            return ""
        # In braces, for x^(i) would be a power elsewhere.
        return f"^{{{self.layered(layer, True)}}}" if is_round else f"^{self.layered(layer, False)}"

    def power(self, node: Power) -> Written:
        base = self.at(node.base, TIGHT)
        if node.base == Constant("e") and not self.known.has("e"):
            base = "e"
        elif isinstance(node.base, Power | Transpose) or is_named_e(node):
            base = self.bracketed(base)
        raised = spelling.raised(self.at(node.exponent, 0))
        return base + (raised or f"^{self.exponent(node.exponent)}"), TIGHT

    def transpose(self, node: Transpose) -> Written:
        operand = node.operand
        plain = isinstance(operand, Name | Call) or is_bare(operand)
        return (self.at(operand, TIGHT) if plain else self.grouped(operand)) + "ᵀ", TIGHT

    def call(self, node: Call) -> Written:
        function = node.function
        special = "" if function.order or function.layer else self.special(node)
        if special:
            return special, TIGHT
        is_own = self.is_own(function)
        name = spelling.unicode_function(function.name, is_own)
        if name == "σ" and not is_own and _uses_sigma(self.known):
            name = "sigmoid"
        layer = self.layer(function.name, function.layer)
        return name + "'" * function.order + layer + self.arguments(node), TIGHT

    def special(self, node: Call) -> str:
        """Write a function that has a sign of its own, "" for any other."""
        name, first = node.function.name, self.at(node.args[0], 0)
        nested = any(sign in first for sign in "|‖")
        if name == "norm" and len(node.args) == 1 and not nested:
            return f"‖{first}‖" + order(self, node)
        if node.keywords:
            return ""
        if name == "inner":
            return f"⟨{first}, {self.at(node.args[1], 0)}⟩"
        if name == "abs" and not nested:
            return f"|{first}|"
        signs = {
            "sqrt": f"√({first})",
            "cbrt": f"∛({first})",
            "maximum": "max" + self.arguments(node),
            "minimum": "min" + self.arguments(node),
        }
        return signs.get(name, "")

    def derivative(self, node: Derivative) -> Written:
        if is_bare(node):
            return self.bare(node), TIGHT
        second = "" if node.second is None else "²"
        wrt = self.at(node.wrt, 0)
        if node.style == "nabla" and node.second in (None, node.wrt):
            target = f" {self.differentiated(node.target)}" if node.target is not None else ""
            return f"∇_{{{wrt}}}{second}{target}", FRACTION if target else 0
        target = "" if node.target is None else self.differentiated(node.target)
        if node.second is None:
            below = f"∂{wrt}"
        elif node.second == node.wrt:
            below = f"∂{wrt if isinstance(node.wrt, Name) else '(' + wrt + ')'}²"
        else:
            below = f"∂{wrt}∂{self.at(node.second, 0)}"
        return f"∂{second}{target}/{below}", FRACTION

    def bare(self, node: Derivative) -> str:
        """Write dW; where d is a name too, only letters make one word with it."""
        wrt = node.wrt if isinstance(node.wrt, Name) else Name("")
        base, marks = spelling.primes(wrt.base)
        text = spelling.unicode_name(base)
        if self.known.has("d") and not text.isascii():
            text = base
        return "d" + text + marks + self.scripts(wrt)


class _Python(_Unicode):
    operators = {"*": "*", "@": " @ ", ".": " · ", "/": "/", "sum": "∑", "prod": "∏"}
    comparisons: dict[str, str] = {}

    def constant(self, node: Constant) -> Written:
        numbers = {"pi": "np.pi", "inf": "np.inf", "e": "np.e"}
        return numbers.get(node.name, node.name), TIGHT

    def name(self, node: Name) -> Written:
        layer = self.layer(node.base, node.layer)
        return node.base + self.subscripts(node.index) + layer, TIGHT

    def subscripts(self, index: tuple[Node, ...]) -> str:
        text = spelling.underscored(index)
        return self.in_braces(index) if text is None else text

    def layer(self, base: str, layer: Node | None, is_round: bool = False) -> str:
        if layer is None:
            return ""
        return ("" if base in self.known.bracketed else "^") + f"[{self.at(layer, 0)}]"

    def power(self, node: Power) -> Written:
        base = self.at(node.base, TIGHT)
        if isinstance(node.base, Power) or is_named_e(node):
            base = self.bracketed(base)
        exponent = node.exponent
        simple = isinstance(exponent, Unary) and isinstance(exponent.operand, Number)
        return f"{base}**{self.at(exponent, SIGN if simple else TIGHT)}", TIGHT

    def transpose(self, node: Transpose) -> Written:
        operand = node.operand
        plain = isinstance(operand, Name | Call | Element | Transpose) or is_bare(operand)
        return (self.at(operand, TIGHT) if plain else self.grouped(operand)) + ".T", TIGHT

    def call(self, node: Call) -> Written:
        function = node.function
        name = function.name
        if not self.is_own(function):
            name = spelling.python_function(name, function.order)
        layer = self.layer(function.name, function.layer)
        return name + "'" * function.order + layer + self.arguments(node), TIGHT

    def derivative(self, node: Derivative) -> Written:
        target, wrt = node.target, node.wrt
        if node.style == "fraction" and node.second is None and _is_word(target) and _is_word(wrt):
            return f"d{self.at(target, 0)}_d{self.at(wrt, 0)}" if target else "", TIGHT
        return super().derivative(node)

    def bare(self, node: Derivative) -> str:
        return "d" + self.at(node.wrt, TIGHT)


class _Readable(_Unicode):
    def number(self, node: Number) -> Written:
        return _short(node) or super().number(node)

    def subscripts(self, index: tuple[Node, ...]) -> str:
        return spelling.below(index) or self.in_braces(index)

    def in_braces(self, index: tuple[Node, ...]) -> str:
        return f"[{','.join([self.at(node, 0) for node in index])}]" if index else ""

    def scripts(self, node: Name) -> str:
        # The layer belongs to the name: Z^[1]ᵢⱼ beside Z^[1][0,2].
        text, below = super().scripts(node), self.subscripts(_below(node))
        return text.removeprefix(below) + below if node.layer else text

    def series(self, node: Series) -> Written:
        text, holds = super().series(node)
        below = spelling.below((Name(node.index),)) or f"_{node.index}"
        return text.replace(f"_{{{node.index}}}", below, 1), holds


class _Typed(_Python):
    operators = {**_Python.operators, "sum": "sum", "prod": "prod"}

    def number(self, node: Number) -> Written:
        return _short(node) or super().number(node)

    def name(self, node: Name) -> Written:
        return node.base + self.layer("", node.layer) + self.subscripts(node.index), TIGHT

    def call(self, node: Call) -> Written:
        text, holds = super().call(node)
        return text.removeprefix("np.").removeprefix("linalg."), holds

    def derivative(self, node: Derivative) -> Written:
        return _Unicode.derivative(self, node)

    def in_braces(self, index: tuple[Node, ...]) -> str:
        return f"[{','.join([self.at(node, 0) for node in index])}]"

    def series(self, node: Series) -> Written:
        text, holds = super().series(node)
        return text.replace(f"_{{{node.index}}}", f"_{node.index}", 1), holds


def _short(node: Number) -> Written | None:
    text = spelling.short(abs(node.value))
    if text is None:
        return None
    return (f"-{text}", SIGN) if node.value < 0 else (text, TIGHT)


def _is_word(node: Node | None) -> bool:
    """Whether a variable is one plain word."""
    plain = isinstance(node, Name) and node.layer is None and not node.index
    return plain and isinstance(node, Name) and node.base.isalnum()


def _uses_sigma(known: Vocabulary) -> bool:
    return known.has("sigma") or "sigma" in known.functions


def _below(node: Name) -> tuple[Node, ...]:
    """Return the subscripts that stand below."""
    return tuple([part for place, part in enumerate(node.index) if place not in node.above])
