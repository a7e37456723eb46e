"""Reads functions and their arguments; ``np.dot`` becomes ``@``, ``max(0, z)`` goes elementwise."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from backlit.explain.equation.text import foreign
from backlit.explain.equation.text.scripts import Script, with_script
from backlit.explain.equation.text.tokens import NotationError, Token
from backlit.explain.equation.text.vocabulary import (
    CONSTANTS,
    FUNCTIONS,
    KEYWORDS,
    MODULES,
    OPERATIONS,
    Vocabulary,
)
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Compare,
    Constant,
    Function,
    Items,
    Node,
    Number,
    Power,
    Span,
    Transpose,
    Unary,
)

if TYPE_CHECKING:
    from backlit.explain.equation.text.parser import Parser

_REDUCTIONS = frozenset(
    "sum mean max min prod var std softmax log_softmax logsumexp cumsum".split()
)
_SAME = frozenset(
    "array asarray ascontiguousarray copy tensor as_tensor float float16 float32 float64 double "
    "int int8 int16 int32 int64 uint8 bool bool_ atleast_1d atleast_2d".split()
)
_BOUNDS = frozenset(["min", "max", "a_min", "a_max"])
# Arguments that say how a value is stored, not what it is.
_STORED = frozenset(["dtype", "copy", "out", "inplace", "requires_grad", "casting"])
_KEYWORD_SPELLINGS = {"dim": "axis", "keepdim": "keepdims"}
_INVERSES = {
    "sin": "arcsin",
    "cos": "arccos",
    "tan": "arctan",
    "sinh": "arcsinh",
    "cosh": "arccosh",
    "tanh": "arctanh",
}
_LIKELY_FUNCTIONS = frozenset(["f", "g", "h", "F", "G", "phi", "psi"])
_OTHER_FORMS = frozenset(["transpose", "negative", "reciprocal", *_SAME, *OPERATIONS])


def function_name(base: str, known: Vocabulary) -> str | None:
    r"""Return the name of the function a word stands for, None if it stands for none.

    Examples
    --------
    >>> function_name("ReLU", Vocabulary()), function_name("sigma", Vocabulary())
    ('relu', 'sigmoid')
    """
    if base in known.functions:
        return base
    if base == "sigma":
        return None if known.has("sigma") else "sigmoid"
    if base == "gamma" or (base in ("Phi", "Gamma") and known.has(base)):
        return None
    if base in FUNCTIONS:
        return FUNCTIONS[base]
    return FUNCTIONS.get(base.lower()) if len(base) > 2 else None


def is_call(parser: Parser, base: str, scripts: list[Script]) -> bool:
    """Whether a name before an opening bracket is a function and not a factor."""
    known = parser.vocabulary
    if any(script.kind == "T" for script in scripts):
        return False
    if function_name(base, known) is not None or base in _OTHER_FORMS:
        return True
    if any(script.kind in ("power", "star") for script in scripts) or known.has(base):
        return False
    if base in ("d", "T"):  # of differentials, a temperature: otherwise factors
        return False
    if known.is_empty:
        several = len(base) > 1 and base.isalpha()
        return base in _LIKELY_FUNCTIONS or several
    return not known.knows(base)


def applied(parser: Parser, base: str, scripts: list[Script], start: Token) -> Node:
    """Read the arguments of a function, in brackets or without."""
    name = function_name(base, parser.vocabulary) or base
    if foreign.is_foreign(base) and base not in parser.vocabulary.functions:
        raise foreign.refusal(base, start.span)
    if parser.is_open("("):
        args, keywords = arguments(parser)
    else:
        argument = _bare_argument(parser)
        is_set = isinstance(argument, Items) and name in ("max", "min")  # max{0, z}
        args = list(argument.items) if is_set and isinstance(argument, Items) else [argument]
        keywords = []
    span = (start.start, parser.last_end)
    function = _function(parser, base, scripts, start)
    name = function.name
    powers = [script for script in scripts if script.kind == "power"]
    if powers and _is_inverse(powers[0]):
        if name not in _INVERSES:
            raise NotationError(
                f"{base}^-1 may be the inverse function or the reciprocal",
                (start.start, powers[0].end),
                fix=f"write 1/{base}(…), or the inverse function by its own name",
            )
        function, powers = replace(function, name=_INVERSES[name]), []
    return _powered(built(function, args, keywords, span), powers, span, start)


def unapplied(parser: Parser, base: str, scripts: list[Script], start: Token) -> Node:
    """Return the derivative of a function without an argument, which the definitions tell."""
    span = (start.start, parser.last_end)
    call = Call(_function(parser, base, scripts, start), (), span=span)
    return _powered(call, [s for s in scripts if s.kind == "power"], span, start)


def _function(parser: Parser, base: str, scripts: list[Script], start: Token) -> Function:
    name = function_name(base, parser.vocabulary) or base
    layer = None
    if name in parser.vocabulary.functions or name not in FUNCTIONS.values():
        layer = next((s.node for s in scripts if s.kind == "layer"), None)
        layer = layer or next((s.nodes[0] for s in scripts if s.kind == "index"), None)
    else:
        name = _with_base(name, scripts, start)
    order = sum(script.kind == "prime" for script in scripts)
    return Function(name, layer, order, span=(start.start, start.end))


def _powered(node: Node, powers: list[Script], span: Span, start: Token) -> Node:
    for power in powers:
        node = with_script(node, Script("power", span[1], power.node), span[0], start)
    return node


def _with_base(name: str, scripts: list[Script], start: Token) -> str:
    """Return log2 for log with the subscript 2; other subscripts of known functions say nothing."""
    for script in scripts:
        if script.kind not in ("index", "layer"):
            continue
        base = script.nodes[0] if script.nodes else script.node
        if name == "log" and isinstance(base, Number) and base.value in (2, 10):
            return f"log{base.value}"
        if name == "log" and isinstance(base, Constant):
            return name
        raise NotationError(
            f"{name} has no such subscript",
            (start.start, script.end),
            fix="write the axis as an argument: max(x, axis=1)" if name in _REDUCTIONS else None,
        )
    return name


def _is_inverse(script: Script) -> bool:
    node = script.node
    return isinstance(node, Unary) and node.operand == Number(Fraction(1))


def _bare_argument(parser: Parser) -> Node:
    """Read the argument of ``log x``, ``sin 2x``: a coefficient belongs to it."""
    start = parser.token.start
    node = parser.expression(41)
    absorbs = isinstance(node, Number)
    while parser.token.kind == "word" and not _is_function_ahead(parser):
        if not absorbs and parser.choose("argument"):
            break
        absorbs = False
        right = parser.expression(41)
        node = Binary(" ", node, right, span=(start, parser.last_end))
    return node


def _is_function_ahead(parser: Parser) -> bool:
    base = parser.token.text
    return function_name(base, parser.vocabulary) is not None or base in MODULES


def arguments(parser: Parser) -> tuple[list[Node], list[tuple[str, Node]]]:
    """Read ``(a, b, axis=1)``."""
    opening = parser.take()
    pipes, parser.pipes = parser.pipes, 0
    args: list[Node] = []
    keywords: list[tuple[str, Node]] = []
    while parser.token.kind != "close":
        token = parser.token
        if token.kind == "word" and parser.ahead().text == "=":
            keywords.extend(_keyword(parser))
        else:
            args.append(parser.expression())
        if not parser.take_op(",", ";"):
            break
    parser.close()
    parser.pipes = pipes
    if not args and not keywords:
        raise NotationError("a function without arguments", (opening.start, parser.last_end))
    return args, keywords


def _keyword(parser: Parser) -> list[tuple[str, Node]]:
    name = parser.take()
    parser.take()
    value = parser.expression()
    if name.text in _STORED:
        return []
    if name.text not in KEYWORDS and name.text not in _BOUNDS:
        raise NotationError(
            f"the argument {name.text}= is not known here",
            name.span,
            fix=f"known ones are {', '.join(sorted(KEYWORDS))}",
        )
    return [(_KEYWORD_SPELLINGS.get(name.text, name.text), value)]


def built(
    function: Function, args: list[Node], keywords: list[tuple[str, Node]], span: Span
) -> Node:
    """Return the tree of a call; what has an operator of its own becomes that.

    Parameters
    ----------
    function : Function
    args : list of Node
    keywords : list of (str, Node)
    span : (int, int)

    Returns
    -------
    Node
    """
    name = function.name
    if not args:
        raise NotationError(f"{name} of what?", span, fix="write what it is applied to first")
    if name in OPERATIONS:
        _expect(name, args, 2, span)
        return Binary(OPERATIONS[name], args[0], args[1], span=span)
    if name == "power":
        _expect(name, args, 2, span)
        return Power(args[0], args[1], span=span)
    if name in ("bool", "bool_"):
        return as_condition(args[0], span)
    if name in _SAME:
        return args[0]
    if name == "clip":
        return _clipped(function, args, dict(keywords), span)
    if name in ("negative", "reciprocal", "transpose"):
        _expect(name, args, 1, span)
        if name == "negative":
            return Unary("-", args[0], span=span)
        if name == "transpose":
            return Transpose(args[0], span=span)
        return Binary("/", Number(Fraction(1)), args[0], span=span)
    if any(keyword in _BOUNDS for keyword, _ in keywords):
        raise NotationError(f"{name} has no bounds", span, fix="write clip(x, low, high)")
    return Call(function, tuple(args), tuple(keywords), span=span)


def as_condition(node: Node, span: Span) -> Node:
    """Return a value as Python takes it for true or false: whether it is not 0."""
    if any(isinstance(part, Compare) for part in node.walk()):
        return node
    return Compare("!=", node, Number(Fraction(0)), span=span)


def _clipped(function: Function, args: list[Node], keywords: dict[str, Node], span: Span) -> Node:
    """Return ``clip(x, low, high)``, with max or min where one bound is missing."""
    low = keywords.get("min", keywords.get("a_min", args[1] if len(args) > 1 else None))
    high = keywords.get("max", keywords.get("a_max", args[2] if len(args) > 2 else None))
    bounds = [None if bound == Constant("None") else bound for bound in (low, high)]
    if bounds[0] is not None and bounds[1] is not None:
        return Call(function, (args[0], bounds[0], bounds[1]), span=span)
    for bound, name in zip(bounds, ("maximum", "minimum"), strict=True):
        if bound is not None:
            return Call(Function(name, span=function.span), (args[0], bound), span=span)
    raise NotationError("clip needs a bound", span, fix="write clip(x, low, high)")


def _expect(name: str, args: list[Node], count: int, span: Span) -> None:
    if len(args) != count:
        raise NotationError(
            f"{name} takes {count} argument{'s' * (count > 1)}, not {len(args)}", span
        )


def reduced(node: Node, of_numpy: bool) -> Node:
    """Return a reduction with its axis as a keyword, and max or min of several elementwise."""
    if not isinstance(node, Call) or node.function.name not in _REDUCTIONS:
        return node
    if len(node.args) < 2:
        return node
    name, args = node.function.name, node.args
    if name in ("max", "min") and not of_numpy:
        if len(args) > 8:
            raise NotationError(f"{name} of more than 8 values", node.span)
        function = Function(f"{name}imum", span=node.function.span)
        result = args[0]
        for arg in args[1:]:
            result = Call(function, (result, arg), node.keywords, span=node.span)
        return result
    if len(args) == 2:
        keywords = (("axis", args[1]), *node.keywords)
        return Call(node.function, args[:1], keywords, span=node.span)
    raise NotationError(f"{name} takes one array, not {len(args)}", node.span)


def qualified(parser: Parser) -> Node:
    """Read ``np.exp(x)``, ``np.linalg.norm(x)``, ``np.pi``."""
    start = parser.token
    parts = [parser.take().text]
    while parser.is_op(".") and parser.ahead().kind == "word":
        parser.take()
        parts.append(_long_name(parser))
    last = parts[-1]
    span = (start.start, parser.last_end)
    if last == "newaxis":
        return Constant("None", span=span)
    if last in CONSTANTS or last == "e":
        return Constant(CONSTANTS.get(last, last), span=span)
    name = FUNCTIONS.get(last, last if last in _OTHER_FORMS else None)
    if name is None or not all(part in MODULES for part in parts[:-1]):
        raise foreign.refusal(".".join(parts), span)
    if not parser.is_open("("):
        raise NotationError(f"{'.'.join(parts)} needs its argument in brackets", span)
    args, keywords = arguments(parser)
    node = built(Function(name, span=span), args, keywords, (start.start, parser.last_end))
    return reduced(node, of_numpy=True)


def _long_name(parser: Parser) -> str:
    """Read a function's name with underscores in it."""
    text = parser.take().text
    while parser.is_op("_") and parser.ahead().kind == "word" and not parser.ahead().spaced:
        parser.take()
        text += "_" + parser.take().text
    while parser.is_op("_") and parser.ahead().kind == "number":
        parser.take()
        text += "_" + parser.take().text
    return text


def taken_name(parser: Parser) -> str:
    """Take a word and return it, with its underscores if it is a function such as leaky_relu."""
    place = parser.at
    if parser.ahead().text == "_" and parser.ahead(2).kind == "word":
        text = _long_name(parser)
        if text.lower() in FUNCTIONS and (parser.is_open("(") or parser.is_op("'")):
            return FUNCTIONS[text.lower()]
        if foreign.is_foreign(text) and parser.is_open("("):
            start = parser.tokens[place].start
            if parser.tokens[place].text not in parser.vocabulary.functions:
                raise foreign.refusal(text, (start, parser.last_end))
        parser.at = place
    return parser.take().text
