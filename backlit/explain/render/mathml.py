"""Equations as presentation MathML Core, which browsers draw by themselves."""

from __future__ import annotations

from fractions import Fraction

from backlit.explain.document import (
    Bullets,
    Content,
    Document,
    Formula,
    Inline,
    Math,
    Paragraph,
    Section,
    Step,
    Steps,
    Table,
)
from backlit.explain.equation.text.spelling import LETTERS, accented, primes, short
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
from backlit.explain.render.characters import numbered
from backlit.train.report.html import Html, join, tag

# How tightly a formula binds.
_LOOSE, _COMPARE, _SUM, _SIGN, _PRODUCT, _BESIDE, _FRACTION, _TIGHT = range(8)
_OPERATORS = {"+": "+", "-": "−", "*": "⊙", "@": "@", ".": "⋅"}
_COMPARISONS = {"<=": "≤", ">=": "≥", "==": "=", "!=": "≠"}
_CONSTANTS = {"e": "e", "pi": "π", "inf": "∞"}
_ACCENTS = {"hat": "^", "bar": "¯", "tilde": "~"}
_NAMED = {"sigmoid": "σ", "maximum": "max", "minimum": "min", "Gamma": "Γ"}
_FENCES = {"abs": ("|", "|"), "norm": ("‖", "‖"), "floor": ("⌊", "⌋"), "ceil": ("⌈", "⌉")}
_APPLY = "\u2061"
_PRIMES = {1: "′", 2: "″", 3: "‴"}

Written = tuple[Html, int]


def mathml(node: Node, text: str = "") -> Html:
    """Return an equation in a line as a ``math`` element; a derivative by itself has a slash.

    Parameters
    ----------
    node : Node
    text : str
        The same in plain text, for those who hear it.

    Returns
    -------
    Html

    Examples
    --------
    >>> print(mathml(Binary(".", Name("w"), Transpose(Name("x")))))
    <math><mi>w</mi><mo>⋅</mo><msup><mi>x</mi><mi>T</mi></msup></math>
    """
    inside = _inside(node)
    if isinstance(node, Derivative) and node.target and not node.second and node.style != "nabla":
        top = join(tag("mo", "∂"), _at(node.target, _TIGHT))
        inside = join(top, tag("mo", "/"), tag("mo", "∂"), _at(node.wrt, _TIGHT))
    return tag("math", inside, alttext=text or None)


def mathml_of(document: Document) -> str:
    """Return all calculations and formulas of a document, one below the other.

    Parameters
    ----------
    document : Document

    Returns
    -------
    str
        One ``math`` element.
    """
    rows: list[Html] = []
    for part in document.walk():
        if isinstance(part, Formula):
            rows += [_row(tag("mtd"), tag("mtd"), tag("mtd", content(part.math)))]
        elif isinstance(part, Steps):
            rows += step_rows(part)
    if not rows:
        rows = _all_rows(document)
    return tag(
        "math",
        tag("mtable", rows),
        xmlns="http://www.w3.org/1998/Math/MathML",
        display="block",
    )


def _all_rows(document: Document) -> list[Html]:
    """Return sentences and tables, each a row: of what has no calculation in it."""
    found: list[Content] = [document.title] if document.title else []
    rows = [_line(title) for title in found]
    for part in document.walk():
        if isinstance(part, Paragraph):
            rows.append(_line(part.content))
        elif isinstance(part, Section):
            rows += [_line(text) for text in (part.title, part.note) if text]
        elif isinstance(part, Bullets):
            rows += [_line(text) for item in part.items for text in item]
        elif isinstance(part, Table) and part.rows:
            rows.append(_row(tag("mtd", _table(part))))
    return rows


def _line(text: Content) -> Html:
    return _row(tag("mtd", tag("mrow", _pieces(text))))


def _table(part: Table) -> Html:
    """Return a table within a row."""
    lines = []
    if part.heads:
        heads = [
            tag("mtd", tag("mtext", head.title), columnspan=str(head.span)) for head in part.heads
        ]
        lines.append(tag("mtr", heads))
    for row in part.rows:
        cells = [tag("mtd", tag("mrow", _pieces(cell)) if cell else None) for cell in row]
        lines.append(tag("mtr", cells))
    return tag("mtable", lines)


def step_rows(part: Steps) -> list[Html]:
    """Return the rows of a calculation: left side, equals sign, right side.

    Parameters
    ----------
    part : Steps

    Returns
    -------
    list of Html
        Elements ``mtr``.
    """
    found = []
    for k, step in enumerate(part.steps):
        left = tag("mtd", content(part.left) if not k else None)
        found.append(_row(left, tag("mtd", tag("mo", "=")), tag("mtd", _right(step))))
    return found


def _row(*cells: Html) -> Html:
    return tag("mtr", cells)


def _right(step: Step) -> Html:
    parts = [tag("mrow", _pieces(step.right))]
    if step.because:
        parts += [tag("mspace", width="2em"), tag("mrow", _pieces(step.because))]
    return join(parts)


def _pieces(pieces: Content) -> Html:
    return join([content(piece) for piece in pieces])


def content(piece: Inline) -> Html:
    """Return a piece of a line inside of ``math``.

    Parameters
    ----------
    piece : str or Part

    Returns
    -------
    Html
    """
    if isinstance(piece, Math):
        return tag("mrow", _inside(piece.node))
    text = piece if isinstance(piece, str) else piece.text
    return tag("mtext", text.replace(" ", "\u00a0"))


# --- the printer ------------------------------------------------------------------------------


def _inside(node: Node) -> Html:
    return _written(node)[0]


def _at(node: Node, level: int, first: bool = True) -> Html:
    """Return a node, in brackets unless it binds as tightly as is needed.

    A sign behind an operator is in brackets as well; `first` tells that none is before it.
    """
    text, binds = _written(node, first)
    return text if binds >= level and (first or binds != _SIGN) else _fenced(text)


def _fenced(inside: Html, left: str = "(", right: str = ")") -> Html:
    return tag("mrow", tag("mo", left), inside, tag("mo", right))


def _written(node: Node, first: bool = True) -> Written:
    match node:
        case Number(value=value):
            return _number(value)
        case Constant(name=name):
            return tag("mi", _CONSTANTS.get(name, name)), _TIGHT
        case Name():
            return _scripted(node), _TIGHT
        case Unary(operand=operand):
            return join(tag("mo", "−"), _at(operand, _PRODUCT, False)), _SIGN
        case Binary():
            return _binary(node, first)
        case Power(base=base, exponent=exponent):
            return _power(base, exponent), _TIGHT
        case Transpose(operand=operand):
            return _transposed(operand), _TIGHT
        case Call():
            return _call(node)
        case Items(items=items):
            return _items(items), _TIGHT
        case Slice(start=start, stop=stop, step=step):
            return _slice([start, stop, *([step] if step else [])]), _LOOSE
        case Element(operand=operand, index=index):
            plain = isinstance(operand, Name | Call | Element | Transpose)
            array = _at(operand, _TIGHT if plain else _TIGHT + 1)
            return join(array, _fenced(_listed(index), "[", "]")), _TIGHT
        case Series():
            return _series(node), _PRODUCT
        case Compare(op=op, left=left, right=right):
            sign = tag("mo", _COMPARISONS.get(op, op))
            return join(_at(left, _SUM), sign, _at(right, _SUM)), _COMPARE
        case Derivative():
            return _derivative(node)
        case Equation(left=left, right=right):
            return join(_at(left, _SUM), tag("mo", "="), _at(right, _SUM)), _LOOSE
    raise TypeError(f"no MathML for {type(node).__name__}")


def _number(value: Fraction) -> Written:
    size = abs(value)
    if _ends(size):
        text = format(float(size), ".15g") if size < 10**15 else str(size)
        text = short(size) or text
        digits, _, exponent = text.partition("e")
        found, binds = tag("mn", digits), _TIGHT
        if exponent:
            raised = tag("msup", tag("mn", 10), _signed(int(exponent)))
            found, binds = join(found, tag("mo", "⋅"), raised), _PRODUCT
    else:
        found = tag("mfrac", tag("mn", size.numerator), tag("mn", size.denominator))
        binds = _FRACTION
    return (found, binds) if value >= 0 else (join(tag("mo", "−"), found), _SIGN)


def _ends(value: Fraction) -> bool:
    """Tell whether a number can be written with decimals."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def _signed(value: int) -> Html:
    whole = tag("mn", abs(value))
    return whole if value >= 0 else tag("mrow", tag("mo", "−"), whole)


# --- names ------------------------------------------------------------------------------------


def _scripted(name: Name, behind: Html | None = None) -> Html:
    """Return a name with its scripts, and one more superscript behind them."""
    base, marks = primes(name.base)
    plain, digits = numbered(base)
    letter, accent, more = accented(plain)
    core = tag("mi", LETTERS.get(letter + more, letter + more))
    if accent:
        core = tag("mover", tag("mi", LETTERS.get(letter, letter)), tag("mo", _ACCENTS[accent]))
        digits = more
    below: list[Html] = [tag("mn", digits)] if digits else []
    if name.index:
        below.append(_listed(name.index))
    above: list[Html] = [tag("mo", _PRIMES.get(len(marks), marks))] if marks else []
    if name.layer is not None:
        above.append(_fenced(_inside(name.layer), "[", "]"))
    if behind is not None:
        above.append(behind)
    low = tag("mrow", _with_commas(below)) if below else None
    high = (above[0] if len(above) == 1 else tag("mrow", above)) if above else None
    if low and high:
        return tag("msubsup", core, low, high)
    return tag("msub", core, low) if low else tag("msup", core, high) if high else core


def _listed(nodes: tuple[Node, ...]) -> Html:
    return _with_commas([_inside(node) for node in nodes])


def _with_commas(parts: list[Html]) -> Html:
    found: list[Html] = []
    for part in parts:
        found += [tag("mo", ","), part] if found else [part]
    return join(found)


def _transposed(operand: Node) -> Html:
    sign = tag("mi", "T")
    if isinstance(operand, Name):
        return _scripted(operand, sign)
    return tag("msup", tag("mrow", _at(operand, _TIGHT)), sign)


# --- operators --------------------------------------------------------------------------------


def _binary(node: Binary, first: bool) -> Written:
    left, right = node.left, node.right
    if node.op == "/":
        return tag("mfrac", tag("mrow", _inside(left)), tag("mrow", _inside(right))), _FRACTION
    if node.op == " ":
        # An invisible product; two numbers in a row would look like one.
        sign = tag("mo", "⋅" if isinstance(right, Number) else "\u2062")
        return join(_factor(left, _BESIDE, first), sign, _at(right, _BESIDE, False)), _BESIDE
    sign = tag("mo", _OPERATORS[node.op])
    if node.op in "+-":
        return join(_at(left, _SUM, first), sign, _at(right, _PRODUCT, False)), _SUM
    return join(_factor(left, _PRODUCT, first), sign, _at(right, _PRODUCT + 1, False)), _PRODUCT


def _factor(node: Node, level: int, first: bool) -> Html:
    """Return a left factor; a sign in front of it needs no brackets, a sum sign does."""
    last = node
    while isinstance(last, Binary) and last.op not in "+-/":
        last = last.right
    if isinstance(last, Series):
        return _fenced(_inside(node))
    return _at(node, _SIGN if isinstance(node, Unary) else level, first)


def _power(base: Node, exponent: Node) -> Html:
    raised = tag("mrow", _inside(exponent))
    if isinstance(base, Name) and base.layer is None and not primes(base.base)[1]:
        return _scripted(base, raised)
    scripted = isinstance(base, Name | Power | Transpose | Element)
    return tag("msup", tag("mrow", _at(base, _TIGHT + 1 if scripted else _TIGHT)), raised)


def _series(node: Series) -> Html:
    sign = tag("mo", "∑" if node.op == "sum" else "∏")
    if node.index:
        below = tag("mrow", tag("mi", node.index))
        if node.low is not None:
            below = tag("mrow", tag("mi", node.index), tag("mo", "="), _inside(node.low))
        if node.high is not None:
            sign = tag("munderover", sign, below, tag("mrow", _inside(node.high)))
        else:
            sign = tag("munder", sign, below)
    return join(sign, _at(node.body, _PRODUCT))


def _derivative(node: Derivative) -> Written:
    target, wrt = node.target, node.wrt
    twice = tag("mn", 2)
    if target is None and node.second is None and node.style == "bare":
        return join(tag("mo", "d"), _at(wrt, _TIGHT)), _TIGHT
    top = None if target is None else _at(target, _TIGHT)
    if node.style == "nabla" and node.second in (None, wrt):
        below = tag("mrow", _inside(wrt))
        nabla = tag("mo", "∇")
        if node.second is None:
            return join(tag("msub", nabla, below), top), _FRACTION
        return join(tag("msubsup", nabla, below, twice), top), _FRACTION
    partial = tag("mo", "∂")
    if node.second is None:
        head, foot = partial, join(partial, _at(wrt, _TIGHT))
    else:
        head = tag("msup", partial, twice)
        foot = join(partial, _at(wrt, _TIGHT), partial, _at(node.second, _TIGHT))
        if node.second == wrt:
            foot = join(partial, tag("msup", tag("mrow", _at(wrt, _TIGHT)), twice))
    return tag("mfrac", tag("mrow", head, top), tag("mrow", foot)), _FRACTION


# --- functions and brackets -------------------------------------------------------------------


def _call(node: Call) -> Written:
    name, function = node.function.name, node.function
    plain = not function.order and function.layer is None
    if plain and len(node.args) == 1:
        inside = _inside(node.args[0])
        if name == "sqrt":
            return tag("msqrt", inside), _TIGHT
        if name == "cbrt":
            return tag("mroot", tag("mrow", inside), tag("mn", 3)), _TIGHT
        if name == "exp" and not node.keywords:
            return tag("msup", tag("mi", "e"), tag("mrow", inside)), _TIGHT
        if name in _FENCES and not node.keywords:
            return _fenced(inside, *_FENCES[name]), _TIGHT
    parts = [tag("mrow", _inside(arg)) for arg in node.args]
    for keyword, value in node.keywords:
        parts.append(tag("mrow", tag("mi", keyword), tag("mo", "="), _inside(value)))
    return join(_function(function), tag("mo", _APPLY), _fenced(_with_commas(parts))), _TIGHT


def _function(function: Function) -> Html:
    name = function.name
    if name in _NAMED:
        core = tag("mi", _NAMED[name])
    elif len(name) == 1 or name in LETTERS:
        core = tag("mi", LETTERS.get(name, name))
    else:
        core = tag("mi", name)
    above: list[Html] = []
    if function.order:
        above.append(tag("mo", _PRIMES.get(function.order, f"({function.order})")))
    if function.layer is not None:
        above.append(_fenced(_inside(function.layer), "[", "]"))
    return tag("msup", core, tag("mrow", above)) if above else core


def _items(items: tuple[Node, ...]) -> Html:
    rows = [item.items for item in items if isinstance(item, Items)]
    if rows and len(rows) == len(items) and len({len(row) for row in rows}) == 1:
        lines = [tag("mtr", [tag("mtd", _inside(cell)) for cell in row]) for row in rows]
        return _fenced(tag("mtable", lines), "[", "]")
    return _fenced(_listed(items))


def _slice(parts: list[Node | None]) -> Html:
    found: list[Html] = []
    for k, part in enumerate(parts):
        if k:
            found.append(tag("mo", ":"))
        if part is not None:
            found.append(_inside(part))
    return join(found)
