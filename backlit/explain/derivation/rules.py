"""Rules of algebra, and the search that applies them until nothing gets simpler.

A rule's docstring is the equation it performs. What a rule changed is kept as a step, so that a
derivation shows how it went from the chain rule to the form in the textbook.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from backlit.explain.derivation.build import elementwise, is_elementwise, unstretched
from backlit.explain.derivation.expression import (
    NUMBER,
    ONE,
    ONE_HOT,
    OUTER,
    SLOPE,
    ZERO,
    Expression,
    add,
    divide,
    make,
    matmul,
    multiply,
    negative,
    number,
    power,
    reduced,
    stretched,
    transposed,
)
from backlit.explain.derivation.places import elsewhere, labels, rows_of_table, single_place
from backlit.explain.derivation.rational import Field, TooLarge
from backlit.explain.derivation.slopes import SLOPES

Change = Callable[[Expression], Expression | None]
_ARITHMETIC = frozenset(
    "add subtract multiply divide reciprocal negative square integer_power".split()
)


@dataclass(frozen=True)
class Rule:
    """A named rule.

    Attributes
    ----------
    name : str
    equation : str
        What it does, in a line.
    change : callable
        Returns an equal expression, or None where the rule does not apply.
    """

    name: str
    equation: str
    change: Change


# --- local derivatives ------------------------------------------------------------------------


def slope(part: Expression) -> Expression | None:
    """g′(x) is written out, for instance σ′(x) = σ(x)(1 − σ(x))."""
    return SLOPES[part.param("of")](part.args[0]) if part.op == SLOPE else None


# --- functions of functions -------------------------------------------------------------------


def inverse(part: Expression) -> Expression | None:
    """e^(log x) = x, log e^x = x, e^(log softmax x) = softmax x, (√x)² = x."""
    if not part.args:
        return None
    inner = part.args[0]
    pair = part.op, inner.op
    if pair in (("exp", "log"), ("log", "exp"), ("square", "sqrt")):
        return inner.args[0]
    if pair == ("exp", "log_softmax"):
        return make("softmax", *inner.args, shape=inner.shape, **dict(inner.params))
    if pair == ("exp", "log_sigmoid"):
        return make("sigmoid", *inner.args, shape=inner.shape)
    if part.op == "exp" and inner.op == "subtract" and inner.args[1].op == "logsumexp":
        x, total = inner.args
        if total.args[0] == x and total.shape != x.shape or not total.shape:
            axes = total.param("axes")
            return make("softmax", x, shape=x.shape, axes=axes) if total.args[0] == x else None
    return None


def reflected(part: Expression) -> Expression | None:
    """σ(−x) = 1 − σ(x)."""
    if part.op != "sigmoid" or part.args[0].op != "negative":
        return None
    inner = part.args[0].args[0]
    return add(ONE, negative(make("sigmoid", inner, shape=inner.shape)))


# --- sums -------------------------------------------------------------------------------------


def pulled_out(part: Expression) -> Expression | None:
    """Σ c x = c Σ x where c is the same for everything that is added up."""
    if part.op != "sum":
        return None
    axes, kept = part.param("axes"), part.param("keepdims")
    inner = part.args[0]
    if inner.op == "negative":
        return negative(reduced("sum", inner.args[0], axes, kept))
    if inner.op == "divide" and not inner.args[1].shape:
        top = stretched(inner.args[0], inner.shape)
        return divide(reduced("sum", top, axes, kept), inner.args[1])
    if inner.op == "divide" and not inner.args[0].shape and inner.args[0] != ONE:
        rest = reduced("sum", divide(ONE, inner.args[1]), axes, kept)
        return multiply(inner.args[0], rest)
    if inner.op != "multiply":
        return None
    outside, inside = _split(inner, axes if kept else ())
    if not outside or not inside:
        return None
    rest = multiply(*inside)
    if rest.shape != inner.shape:
        return None
    return multiply(*outside, reduced("sum", rest, axes, kept))


def _split(whole: Expression, axes: tuple[int, ...]) -> tuple[list[Expression], list[Expression]]:
    """Return the factors that are numbers, or the same all along some axes, and the others."""
    outside: list[Expression] = []
    inside: list[Expression] = []
    for factor in _factors(whole):
        constant = not factor.shape or (axes and _constant_along(factor, whole, axes))
        (outside if constant else inside).append(factor)
    return outside, inside


def _factors(whole: Expression) -> list[Expression]:
    if whole.op != "multiply":
        return [whole]
    return [factor for part in whole.args for factor in _factors(part)]


def _constant_along(factor: Expression, whole: Expression, axes: tuple[int, ...]) -> bool:
    offset = len(whole.shape) - len(factor.shape)
    return all(k < offset or factor.shape[k - offset] == 1 for k in axes)


def product_of_sums(part: Expression) -> Expression | None:
    """Σⱼ Mᵢⱼ vⱼ = M v, Σᵢ Mᵢⱼ vᵢ = v M."""
    if part.op != "sum" or part.param("keepdims") or part.args[0].op != "multiply":
        return None
    inner, axes = part.args[0], part.param("axes")
    if len(inner.shape) != 2 or len(axes) != 1:
        return None
    for vector, matrix in (inner.args, inner.args[::-1]):
        if matrix.shape != inner.shape or matrix.value is not None:
            continue
        column = vector.op == "reshape" and vector.shape == (inner.shape[0], 1)
        if axes == (1,) and vector.shape == inner.shape[1:] and vector.value is None:
            return matmul(matrix, vector)
        if axes == (0,) and column and len(vector.args[0].shape) == 1:
            return matmul(vector.args[0], matrix)
    return None


def kept_for_nothing(part: Expression) -> Expression | None:
    """An axis of length one that is kept in a sum and then dropped need not be kept."""
    if part.op != "reshape" or [n for n in part.args[0].shape if n != 1] != list(part.shape):
        return None
    return _dropped(part.args[0])


def _dropped(part: Expression) -> Expression | None:
    """Return an expression without its axes of length one, None where that takes a reshape."""
    long = tuple([n for n in part.shape if n != 1])
    if part.op == "sum" and part.param("keepdims"):
        axes = part.param("axes")
        found = reduced("sum", part.args[0], axes)
        return found if found.shape == long else None
    if not is_elementwise(part.op):
        return None
    args = [_dropped(a) if len(a.shape) == len(part.shape) else a for a in part.args]
    if any(a is None or (a.shape and len(a.shape) != len(long)) for a in args):
        return None
    return make(part.op, *[a for a in args if a], shape=long, **dict(part.params))


def repeated(part: Expression) -> Expression | None:
    """Σ c = n c where c is broadcast along the n elements that are added up."""
    if part.op != "sum" or part.args[0].op != "broadcast_to":
        return None
    inner, axes = unstretched(part.args[0]), part.param("axes")
    whole = part.args[0]
    if not _constant_along(inner, whole, axes) or (inner.shape and not part.param("keepdims")):
        return None
    count = 1
    for k in axes:
        count *= whole.shape[k]
    return stretched(multiply(number(count), inner), part.shape)


def whole_rows(part: Expression) -> Expression | None:
    """Σ one_hot(k) = 1 along the axis that has one 1."""
    if part.op != "sum" or part.args[0].op != ONE_HOT:
        return None
    axes, rank = part.param("axes"), len(part.args[0].shape)
    return stretched(ONE, part.shape) if axes == (rank - 1,) else None


# --- matrices ---------------------------------------------------------------------------------


def factor_of_product(part: Expression) -> Expression | None:
    """(c A) B = c (A B) for a number c."""
    if part.op not in ("matmul", OUTER):
        return None
    scale, moved = ONE, list(part.args)
    for k, side in enumerate(part.args):
        c, rest = scaled(side)
        if c != ONE and rest is not None and rest.shape == side.shape:
            scale = c if scale == ONE else multiply(scale, c)
            moved[k] = rest
    if scale == ONE:
        return None
    return multiply(scale, Expression(part.op, moved, part.params, part.shape))


def scaled(part: Expression) -> tuple[Expression, Expression | None]:
    """Return a number in front of an expression, 1 if there is none, and the rest."""
    if part.op == "negative":
        c, rest = scaled(part.args[0])
        return negative(c), rest
    if part.op == "multiply":
        outside, inside = _split(part, ())
        if outside and inside:
            return multiply(*outside), multiply(*inside)
    if part.op == "divide" and not part.args[1].shape and part.args[0].shape:
        return divide(ONE, part.args[1]), part.args[0]
    return ONE, part


def turned(part: Expression) -> Expression | None:
    """(A B)ᵀ = Bᵀ Aᵀ, (Aᵀ)ᵀ = A, (c A)ᵀ = c Aᵀ."""
    if part.op != "transpose" or part.param("axes") != (1, 0):
        return None
    inner = part.args[0]
    if inner.op == "transpose":
        return inner.args[0]
    if inner.op == "matmul" and all(len(a.shape) == 2 for a in inner.args):
        left, right = inner.args
        return matmul(transposed(right), transposed(left))
    if inner.op == OUTER:
        return make(OUTER, inner.args[1], inner.args[0], shape=part.shape)
    if inner.op == "negative":
        return negative(transposed(inner.args[0]))
    if is_elementwise(inner.op) and all(not a.shape or (len(a.shape) == 2) for a in inner.args):
        args = [transposed(a) if a.shape else a for a in inner.args]
        return make(inner.op, *args, shape=part.shape, **dict(inner.params))
    return None


# --- arithmetic -------------------------------------------------------------------------------


def neutral(part: Expression) -> Expression | None:
    """x + 0 = x, 1 · x = x, 0 · x = 0, x / 1 = x, −(−x) = x, x¹ = x; numbers are put together."""
    values = [a.value for a in part.args]
    if part.op == "matmul" and 0 in values:
        return stretched(ZERO, part.shape)
    if part.op not in _ARITHMETIC or not part.args:
        return None
    found: Expression | None = None
    if part.op == "negative" and part.args[0].op == "negative":
        found = part.args[0].args[0]
    elif all(isinstance(v, Fraction) for v in values):
        found = _folded(part, [v for v in values if isinstance(v, Fraction)])
    elif part.op in ("add", "multiply", "subtract", "divide"):
        first, second = part.args
        neutral_value = 0 if part.op in ("add", "subtract") else 1
        if values[1] == neutral_value:
            found = first
        elif values[0] == neutral_value and part.op in ("add", "multiply"):
            found = second
        elif values[0] == 0 and part.op == "subtract":
            found = negative(second)
        elif part.op == "multiply" and 0 in values:
            found = ZERO
        elif part.op == "divide" and values[0] == 0:
            found = ZERO
        elif part.op == "multiply" and -1 in values:
            found = negative(first if values[1] == -1 else second)
        elif part.op in ("add", "subtract"):
            found = _with_sign(part, first, second)
    elif part.op == "integer_power" and part.param("n") in (0, 1, 2):
        exponent = part.param("n")
        found = ONE if exponent == 0 else power(part.args[0], exponent)
    if found is None:
        return None
    return stretched(unstretched(found) if found.value is not None else found, part.shape)


def sign(part: Expression) -> Expression | None:
    """a (−b) = −(a b), (−a) / b = −(a / b)."""
    if part.op not in ("multiply", "divide"):
        return None
    signs = sum(a.op == "negative" for a in part.args)
    if not signs:
        return None
    plain = [a.args[0] if a.op == "negative" else a for a in part.args]
    found = make(part.op, *plain, shape=part.shape)
    return negative(found) if signs == 1 else found


def _with_sign(part: Expression, first: Expression, second: Expression) -> Expression | None:
    """Return x − y for x + −y, and x + y for x − −y."""
    positive: Expression | None = None
    if second.op == "negative":
        positive = second.args[0]
    elif second.op == NUMBER and isinstance(second.value, Fraction) and second.value < 0:
        positive = number(-second.value)
    if positive is None:
        return None
    return make("subtract" if part.op == "add" else "add", first, positive, shape=part.shape)


def _folded(part: Expression, values: list[Fraction]) -> Expression | None:
    first, second = values[0], values[-1]
    if part.op == "integer_power":
        n = part.param("n")
        return number(first**n) if first or n >= 0 else None
    if part.op in ("divide", "reciprocal") and not second:
        return None
    found = {
        "add": lambda: first + second,
        "subtract": lambda: first - second,
        "multiply": lambda: first * second,
        "divide": lambda: first / second,
        "reciprocal": lambda: 1 / second,
        "negative": lambda: -first,
        "square": lambda: first * first,
    }[part.op]()
    return number(found)


def collected(part: Expression) -> Expression | None:
    """Brought to a common denominator, multiplied out, cancelled."""
    if part.op not in _ARITHMETIC:
        return None
    field = Field()
    try:
        simpler = field.expression(field.product(part))
    except (TooLarge, ZeroDivisionError):
        return None
    simpler = stretched(simpler, part.shape)
    return simpler if weight(simpler) < weight(part) else None


def numbers(part: Expression) -> Expression | None:
    """½ (2 x) = x: two numbers in one product."""
    if part.op != "multiply":
        return None
    for first, other in (part.args, part.args[::-1]):
        if other.op != "multiply" or not isinstance(first.value, Fraction):
            continue
        for second, rest in (other.args, other.args[::-1]):
            if isinstance(second.value, Fraction):
                together = first.value * second.value
                whole = rest if together == 1 else multiply(number(together), rest)
                return stretched(whole, part.shape)
    return None


def weight(part: Expression) -> int:
    """Return how much there is to read: operations and leaves, signs counting less."""
    total = 0
    for inner in _all(part):
        total += 1 if inner.op in ("negative", NUMBER) else 2
    return total


def _all(part: Expression) -> list[Expression]:
    found, waiting = [], [part]
    while waiting:
        top = waiting.pop()
        found.append(top)
        waiting.extend(top.args)
    return found


# --- choices ----------------------------------------------------------------------------------


def known_choice(part: Expression) -> Expression | None:
    """A comparison with an outcome that is known: [x > x] = 0."""
    if part.op in ("greater", "less", "not_equal") and part.args[0] == part.args[1]:
        return stretched(ZERO, part.shape)
    return None


def rebroadcast(part: Expression) -> Expression | None:
    """An elementwise operation broadcasts by itself."""
    if not is_elementwise(part.op):
        return None
    plain = [unstretched(a) for a in part.args]
    if all(a is b for a, b in zip(plain, part.args, strict=True)):
        return None
    return elementwise(part.op, plain, part.shape, dict(part.params))


RULES = (
    Rule("local derivative", "g′(x) written out", slope),
    Rule("broadcast", "an elementwise operation broadcasts by itself", rebroadcast),
    Rule("inverse functions", "e^(log x) = x", inverse),
    Rule("reflection", "σ(−x) = 1 − σ(x)", reflected),
    Rule("labels", "a 1 at the label of every row: one_hot", labels),
    Rule("rows of a table", "rows added at labels: one_hotᵀ G", rows_of_table),
    Rule("choice", "[x > x] = 0", known_choice),
    Rule("sign", "a (−b) = −(a b)", sign),
    Rule("neutral elements", "1 x = x, x + 0 = x, −(−x) = x", neutral),
    Rule("numbers", "½ (2 x) = x", numbers),
    Rule("another place", "x with v at place i is x at every other place", elsewhere),
    Rule("sum of one-hot rows", "Σ one_hot = 1", whole_rows),
    Rule("constant factor", "Σ c x = c Σ x", pulled_out),
    Rule("matrix product", "Σⱼ Mᵢⱼ vⱼ = M v", product_of_sums),
    Rule("one place", "x[3:4][0] = x[3]", single_place),
    Rule("kept axis", "an axis that is kept and then dropped", kept_for_nothing),
    Rule("sum of equal terms", "Σ c = n c", repeated),
    Rule("constant factor", "(c A) B = c (A B)", factor_of_product),
    Rule("transpose", "(A B)ᵀ = Bᵀ Aᵀ", turned),
    Rule("collect", "common denominator, multiplied out and cancelled", collected),
)

NEUTRAL = tuple([rule for rule in RULES if rule.change is neutral])


def simplified(
    expression: Expression, rules: Sequence[Rule] = RULES
) -> list[tuple[Rule, Expression]]:
    """Apply rules until none makes a difference.

    Parameters
    ----------
    expression : Expression
    rules : sequence of Rule

    Returns
    -------
    list of (Rule, Expression)
        After each rule that changed something, the whole expression; the last one is the result.
    """
    steps: list[tuple[Rule, Expression]] = []
    for _ in range(8):  # every rule makes it smaller or moves something outwards
        before = expression
        for rule in rules:
            changed = _everywhere(expression, rule.change)
            if changed != expression:
                expression = changed
                steps.append((rule, changed))
        if expression == before:
            break
    return steps


def tidied(expression: Expression) -> Expression:
    """Return an expression without 1 x, x + 0, −(−x) and the like.

    Parameters
    ----------
    expression : Expression

    Returns
    -------
    Expression
    """
    steps = simplified(expression, NEUTRAL)
    return steps[-1][1] if steps else expression


def _everywhere(expression: Expression, change: Change) -> Expression:
    def attempt(part: Expression) -> Expression:
        found = change(part)
        return part if found is None else found

    if change is collected:
        return _outermost(expression)
    return expression.map(attempt)


def _outermost(expression: Expression) -> Expression:
    """Collect in the largest expressions first, then inside what was left as it is."""
    found = collected(expression)
    if found is not None:
        return found
    args = [_outermost(a) for a in expression.args]
    if all(a is b for a, b in zip(args, expression.args, strict=True)):
        return expression
    return Expression(expression.op, args, expression.params, expression.shape)
