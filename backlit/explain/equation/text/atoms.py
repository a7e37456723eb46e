r"""Reads the factors of a product: names, roots, sizes, conditions, Python's attributes."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from backlit.explain.equation.text import bigs, calls, differentials, scripts
from backlit.explain.equation.text.symbols import CODE_CALLS, CODE_WORDS
from backlit.explain.equation.text.tokens import NotationError, Token
from backlit.explain.equation.text.vocabulary import CONSTANTS, FUNCTIONS, MODULES
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Compare,
    Constant,
    Derivative,
    Element,
    Function,
    Items,
    Name,
    Node,
    Number,
    Power,
    Transpose,
)

if TYPE_CHECKING:
    from backlit.explain.equation.text.parser import Parser

_PROSE = frozenset("is not and or if else elif with".split())
_REDUCING = frozenset("sum mean max min prod var std cumsum".split())
_APPLIED = frozenset(
    "exp log sqrt abs sign sin cos tan sinh cosh tanh sigmoid relu trace softmax clip clamp square "
    "log_softmax softplus squeeze ravel flatten det diag norm".split()
)
_UNCHANGED = frozenset(
    "copy clone astype type item float double half int long bool byte detach numpy tolist cpu cuda "
    "contiguous to requires_grad_".split()
)
_OF_PRODUCTS = frozenset(
    ["dot", "matmul", "mm", "mv", "bmm", "pow", "transpose", "t", "reshape", "view"]
)
_METHODS = _REDUCING | _APPLIED | _UNCHANGED | _OF_PRODUCTS


def word(parser: Parser) -> Node:
    """Read what starts with a word: a name, a call, a derivative, a constant."""
    token = parser.token
    _refuse_code(parser, token)
    if token.text in MODULES and parser.ahead().text == "." and parser.ahead(2).kind == "word":
        return calls.qualified(parser)
    if bigs.is_sigma(parser):
        return bigs.series(parser)
    derivative = differentials.word(parser)
    if derivative is not None:
        return derivative
    # π_k is a weight of a mixture or a policy, not the number.
    weight = token.text == "pi" and parser.ahead().text == "_"
    if token.text in CONSTANTS and not weight and not parser.vocabulary.has(token.text):
        return constant(parser)
    if token.text == "I" and not parser.vocabulary.has("I") and _is_condition_ahead(parser):
        return indicator(parser, parser.take())
    if token.text == "E" and not parser.vocabulary.has("E") and parser.ahead().text == "[":
        return _expectation(parser)
    if token.text == "e" and (
        token.whole or (parser.ahead().text in ("^", "**") and _is_euler(parser))
    ):
        parser.take()
        return Constant("e", span=token.span)
    return _named(parser)


def _is_condition_ahead(parser: Parser) -> bool:
    """Whether brackets with a comparison in them follow, as in ``I(x > 0)``."""
    opened = parser.at + 1
    if parser.tokens[opened].text not in ("(", "[", "\\{"):
        return False
    inner = parser.tokens[opened : parser.partners[opened]]
    return any(token.text in ("<", ">", "<=", ">=", "!=", "==") for token in inner)


def _refuse_code(parser: Parser, token: Token) -> None:
    following = parser.ahead()
    if token.text == "lambda":
        is_code = not token.whole and _is_anonymous(parser)
    elif token.text in CODE_CALLS:
        is_code = following.text in ("(", ".")
    else:
        is_code = token.text in CODE_WORDS
    if not is_code:
        return
    if token.text in _PROSE:
        raise NotationError(
            f"‘{token.text}’ is a word, not part of an equation",
            token.span,
            fix="write a condition as np.where(z > 0, a, b), a sum as sum(…)",
        )
    raise NotationError(
        f"‘{token.text}’ is code, and nothing here is run",
        token.span,
        fix="write the equation alone",
        is_code=True,
    )


def _expectation(parser: Parser) -> Node:
    """Read ``E[x]``, the mean."""
    token = parser.take()
    parser.take()
    node = parser.listed()
    parser.close()
    return Call(Function("mean", span=token.span), (node,), span=(token.start, parser.last_end))


def _is_anonymous(parser: Parser) -> bool:
    """Whether ``lambda`` begins a function of Python's and is not the letter λ."""
    place = parser.at + 1
    while parser.tokens[place].kind in ("word", "number") or parser.tokens[place].text in ",*=":
        if parser.tokens[place].kind == "end":
            return False
        place += 1
    return parser.tokens[place].text == ":"


def _is_euler(parser: Parser) -> bool:
    """Whether ``e^…`` is Euler's number; where e is defined, e² is its square."""
    exponent = parser.ahead(2)
    if exponent.text == "{":
        exponent = parser.ahead(3)
    if exponent.text == "[":
        return False  # e^{[l]}, the error of a layer
    if not parser.vocabulary.has("e"):
        return True
    if exponent.text in ("T", "⊤"):
        return False
    return exponent.kind != "number" and parser.choose("euler") == 0


def constant(parser: Parser) -> Node:
    """Read ``π``, ``∞``, ``True``."""
    token = parser.take()
    name = "inf" if token.text == "∞" else CONSTANTS[token.text]
    return Constant(name, span=token.span)


def _named(parser: Parser) -> Node:
    token = parser.token
    base, found = scripts.collected(parser, calls.taken_name(parser))
    if parser.is_open("(") and calls.is_call(parser, base, found):
        return calls.reduced(calls.applied(parser, base, found, token), False)
    if _applies_bare(parser, base, token):
        return calls.reduced(calls.applied(parser, base, found, token), False)
    if _is_derivative(parser, base, found):
        return calls.unapplied(parser, base, found, token)
    return name(parser, token, base, found)


def _is_derivative(parser: Parser, base: str, found: list[scripts.Script]) -> bool:
    """Whether a name is a function's that has a prime and stands alone: ``δ = (a - y) σ'``."""
    primed = any(script.kind == "prime" for script in found)
    known = parser.vocabulary
    return primed and not known.has(base) and calls.function_name(base, known) is not None


def _applies_bare(parser: Parser, base: str, token: Token) -> bool:
    """Whether a function stands before its argument without brackets, as in log x."""
    known = parser.vocabulary
    if known.has(base) or calls.function_name(base, known) is None or base in known.functions:
        return False
    if base in ("sigma", "Phi", "Gamma"):
        return parser.is_open("{")
    if parser.starts_operand():
        return True
    return token.text in ("exp", "log", "sin", "cos", "tan", "tanh") and parser.is_op("-")


def name(parser: Parser, token: Token, base: str, found: list[scripts.Script]) -> Node:
    """Return a name with its layer and subscripts, and what its other scripts do to it."""
    known = parser.vocabulary
    primes = sum(script.kind == "prime" for script in found)
    dropped: set[str] = set()
    if primes and known.has(base + "'" * primes):
        base += "'" * primes
        dropped.add("prime")
    elif 0 < primes <= 2 and base in known.arguments:
        return _primed(parser, token, base, primes)
    if base in known.squares and any(_is_square(script) for script in found):
        base += "2"
        dropped.add("power")
    if any(script.kind == "star" for script in found):
        base += "star"
    layer, end, is_round = None, token.end, False
    index: tuple[Node, ...] = ()
    above: tuple[int, ...] = ()
    rest: list[scripts.Script] = []
    for script in found:
        if script.kind == "layer" and layer is None:
            layer, is_round = script.node, script.is_round
        elif script.kind == "index":
            above += (len(index),) * script.is_round
            index += script.nodes
        elif script.kind != "star" and script.kind not in dropped:
            rest.append(script)
            continue
        end = max(end, script.end)
    node: Node = Name(base, layer, index, is_round=is_round, above=above, span=(token.start, end))
    for script in rest:
        node = scripts.with_script(node, script, token.start, token)
    return node


def _primed(parser: Parser, token: Token, base: str, primes: int) -> Node:
    """Return y′ as the derivative by the only variable that y depends on."""
    wrt = Name(parser.vocabulary.arguments[base], span=token.span)
    target = Name(base, span=token.span)
    second = wrt if primes == 2 else None
    return Derivative(target, wrt, second, span=(token.start, parser.last_end))


def _is_square(script: scripts.Script) -> bool:
    return script.kind == "power" and script.node == Number(Fraction(2))


# -- roots, sizes, conditions ---------------------------------------------------------------------


def root(parser: Parser) -> Node:
    r"""Read ``\sqrt{x}``, ``\sqrt[3]{x}``, ``√x``, ``∛x``."""
    token = parser.take()
    function = Function(token.text, span=token.span)
    degree: Node | None = None
    if token.text == "sqrt" and parser.is_open("[") and parser.tokens[parser.at - 1] is token:
        following = parser.tokens[parser.partners[parser.at] + 1]
        if following.text == "{":
            parser.take()
            degree = parser.expression()
            parser.close()
    operand = parser.group() if parser.is_open("{") else _plain_radicand(parser)
    span = (token.start, parser.last_end)
    if degree is None or degree == Number(Fraction(2)):
        return Call(function, (operand,), span=span)
    if degree == Number(Fraction(3)):
        return Call(Function("cbrt", span=token.span), (operand,), span=span)
    exponent = Binary("/", Number(Fraction(1)), degree, span=degree.span)
    return Power(operand, exponent, span=span)


def _plain_radicand(parser: Parser) -> Node:
    """Read what the sign √ covers in plain text: one number, one name or one bracket."""
    if parser.token.kind == "word":
        return word(parser)
    return parser.primary()


def size(parser: Parser, kind: str, node: Node, start: int) -> Node:
    r"""Return ``|x|`` or ``‖x‖`` with the subscript that says which norm."""
    if kind == "|":
        function = Function("abs", span=(start, start + 1))
        return Call(function, (node,), span=(start, parser.last_end))
    function = Function("norm", span=(start, start + 1))
    keywords: tuple[tuple[str, Node], ...] = ()
    braced = parser.ahead().text == "{"
    power = parser.ahead(1 + braced)
    behind = 2 + 2 * braced
    is_squared = parser.is_op("^") and power.kind == "number"
    if is_squared and parser.ahead(behind).text == "_":  # ‖A‖²_F
        parser.at += behind
        return Power(
            size(parser, kind, node, start), Number(power.value), span=(start, parser.last_end)
        )
    if parser.is_op("_"):
        order = scripts.subscript(parser)[0]
        if order != Number(Fraction(2)) and order not in (Name("F"), Name("fro")):
            keywords = (("ord", order),)
    return Call(function, (node,), keywords, span=(start, parser.last_end))


def indicator(parser: Parser, token: Token) -> Node:
    r"""Read ``1_{z>0}``, ``\mathbb{1}[z > 0]``, ``1\{y = k\}``; without a condition, ones."""
    if parser.is_op("_"):
        parser.take()
    if parser.is_open("(", "[", "{", "\\{"):
        opening = parser.take()
        node = parser.expression()
        if parser.is_op("="):
            parser.take()
            right = parser.expression()
            node = Compare("==", node, right, span=(node.span[0], right.span[1]))
        parser.close()
        if not isinstance(node, Compare | Binary):
            raise NotationError(
                "an indicator needs a condition", opening.span, fix="write 1[z > 0]"
            )
        return node
    if token.kind == "number":
        raise NotationError("a number has no subscripts", (token.start, parser.token.end))
    return Name("ones", span=token.span)


def beside_sum(node: Node) -> Node:
    r"""Return 1 for the vector of ones in ``\mathbf{1} - a``, whose length the other term has."""
    is_ones = isinstance(node, Name) and node.base == "ones" and not node.index
    return Number(Fraction(1), span=node.span) if is_ones else node


def environment(parser: Parser) -> Node:
    r"""Read a matrix or ``\begin{cases}``."""
    opening = parser.take()
    rows: list[list[Node]] = [[]]
    while parser.token.kind != "close":
        if parser.take_op("\\\\"):
            rows.append([])
        elif not parser.take_op("&", ","):
            rows[-1].append(_cell(parser))
    parser.close()
    rows = [row for row in rows if row]
    span = (opening.start, parser.last_end)
    if not rows:
        raise NotationError("there is nothing in the brackets", span)
    if opening.text == "cases":
        return _cases(rows, span)
    if len({len(row) for row in rows}) != 1:
        raise NotationError("the rows of a matrix have different lengths", span)
    if len(rows[0]) == 1:
        return Items(tuple([row[0] for row in rows]), span=span)
    return Items(tuple([Items(tuple(row)) for row in rows]), span=span)


def _cell(parser: Parser) -> Node:
    """Read a cell; words before a condition of a case (if, otherwise) say nothing more."""
    while parser.token.kind == "text" or parser.token.text in ("if", "for", "when"):
        token = parser.take()
        if "otherwise" in token.text or "else" in token.text:
            return Constant("True", span=token.span)
    if parser.token.text in ("otherwise", "else"):
        return Constant("True", span=parser.take().span)
    node = parser.expression()
    if parser.take_op("="):  # i = j
        other = parser.expression()
        return Compare("==", node, other, span=(node.span[0], other.span[1]))
    return node


def _cases(rows: list[list[Node]], span: tuple[int, int]) -> Node:
    result: Node | None = None
    for row in reversed(rows):
        if len(row) == 1 or row[1] == Constant("True"):
            result = row[0]
        elif result is None:
            # The last case has a condition too: where none holds, nothing is said, so 0.
            result = Call(Function("where"), (row[1], row[0], Number(Fraction(0))), span=span)
        else:
            result = Call(Function("where"), (row[1], row[0], result), span=span)
    assert result is not None
    return result


def angles(parser: Parser) -> Node:
    """Read an inner product ``⟨a, b⟩``."""
    opening = parser.take()
    node = parser.listed()
    parser.close()
    if not isinstance(node, Items) or len(node.items) != 2:
        raise NotationError("angle brackets hold two factors", opening.span, fix="write ⟨a, b⟩")
    return Call(
        Function("inner", span=opening.span), node.items, span=(opening.start, parser.last_end)
    )


# -- Python's attributes --------------------------------------------------------------------------


def attribute(parser: Parser, node: Node, start: int) -> Node:
    """Read ``.T``, ``.sum(axis=0)``, ``.shape[0]``; any other attribute is code."""
    dot = parser.take()
    token = parser.token
    if token.kind == "end":  # the full stop of a sentence
        return node
    if token.kind != "word":
        raise parser.unexpected(dot)
    parser.take()
    span = (start, token.end)
    if token.text == "T":
        return Transpose(node, span=span)
    if token.text == "grad" and isinstance(node, Name | Element):
        return Derivative(None, node, style="bare", span=span)
    if token.text in ("shape", "size") and not parser.is_open("("):
        return Call(Function(token.text, span=token.span), (node,), span=span)
    if parser.is_open("("):
        return _method(parser, node, token, start)
    raise _foreign(token)


def _method(parser: Parser, node: Node, token: Token, start: int) -> Node:
    name = token.text
    if name not in _METHODS:
        raise _foreign(token)
    if name in _UNCHANGED:
        return _unchanged(parser, node, start)
    if name in ("transpose", "t", *_APPLIED, *_REDUCING) and parser.ahead().kind == "close":
        parser.take()
        parser.close()
        args: list[Node] = []
        keywords: list[tuple[str, Node]] = []
    else:
        args, keywords = calls.arguments(parser)
    span = (start, parser.last_end)
    if name in ("transpose", "t") and not args:
        return Transpose(node, span=span)
    if name in ("reshape", "view") and args:
        shape = args[0] if len(args) == 1 else Items(tuple(args))
        return Call(Function("reshape", span=token.span), (node, shape), span=span)
    if name in ("dot", "matmul", "mm", "mv", "bmm", "pow") and len(args) == 1:
        return (
            Binary("@", node, args[0], span=span)
            if name != "pow"
            else Power(node, args[0], span=span)
        )
    if name in _REDUCING or name in _APPLIED:
        function = Function(FUNCTIONS[name], span=token.span)
        return calls.reduced(calls.built(function, [node, *args], keywords, span), True)
    raise _foreign(token)


def _unchanged(parser: Parser, node: Node, start: int) -> Node:
    """Skip what says how a value is stored: ``.astype(np.float32)``; of type bool it is 0 or 1."""
    first, parser.at = parser.at, parser.partners[parser.at]
    of_bool = any(token.text == "bool" for token in parser.tokens[first - 1 : parser.at])
    parser.close()
    return calls.as_condition(node, (start, parser.last_end)) if of_bool else node


def _foreign(token: Token) -> NotationError:
    return NotationError(
        f"the attribute .{token.text} is code, not part of an equation",
        token.span,
        fix="of attributes only .T, .shape[…] and methods such as .sum(axis=…) are read",
        is_code=True,
    )
