"""Writes names, functions and numbers in each notation, as the parser reads them back."""

from __future__ import annotations

import unicodedata
from fractions import Fraction

from backlit.explain.equation.text import symbols
from backlit.explain.equation.text.vocabulary import stem
from backlit.explain.equation.text.words import index_letters
from backlit.explain.equation.tree import Name, Node, Number

# Smaller numbers are written with a power of ten.
_LEAST_POWER = -5
# Digits of a number in text, and of a fraction that is kept as one.
_DIGITS = 6
_MOST_EXACT = 10_000
LETTERS = {name: letter for letter, name in reversed(symbols.GREEK.items())}
_MARKS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303"}
_RAISED = {plain: char for char, plain in symbols.SUPERSCRIPTS.items()}
_LOWERED = {plain: char for char, plain in symbols.SUBSCRIPTS.items()}
_COMMANDS = frozenset(
    "exp log sin cos tan cot sec csc sinh cosh tanh max min det arcsin arccos arctan".split()
)
_OF_NUMPY = frozenset(
    "exp log log2 log10 log1p expm1 sqrt cbrt abs sign square sin cos tan arcsin arccos arctan "
    "sinh cosh tanh arcsinh arccosh arctanh maximum minimum clip where sum mean var std prod max "
    "min cumsum outer inner trace diag reshape ravel expand_dims squeeze concatenate stack zeros "
    "ones eye zeros_like ones_like".split()
)
_GREEK_SIGNS = {"sigmoid": "sigma", "gamma": "Gamma"}
_OF_LINALG = frozenset(["norm", "det", "inv", "solve"])


def accented(base: str) -> tuple[str, str, str]:
    """Return the letter, the accent and the digits of a name.

    Examples
    --------
    >>> accented("yhat1"), accented("sigmabar"), accented("what"), accented("W1")
    (('y', 'hat', '1'), ('sigma', 'bar', ''), ('w', 'hat', ''), ('W', '', '1'))
    """
    letters = stem(base)
    digits = base[len(letters) :]
    for accent in _MARKS:
        letter = letters.removesuffix(accent)
        if letter != letters and (len(letter) == 1 or letter in LETTERS):
            return letter, accent, digits
    return letters, "", digits


def primes(base: str) -> tuple[str, str]:
    """Return a name without the primes that belong to it, and those."""
    bare = base.rstrip("'")
    return bare, base[len(bare) :]


def latex_name(base: str) -> str:
    r"""Return a name in LaTeX.

    Examples
    --------
    >>> [latex_name(base) for base in ("W1", "yhat", "sigma", "loss", "y'")]
    ['W1', '\\hat{y}', '\\sigma', '\\mathrm{loss}', "y'"]
    """
    base, marks = primes(base)
    letter, accent, digits = accented(base)
    if letter in LETTERS:
        written = "\\" + letter + digits
    elif len(letter) == 1:
        written = letter + digits
    else:
        written = f"\\mathrm{{{letter}{digits}}}"
    return (f"\\{accent}{{{written}}}" if accent else written) + marks


def unicode_name(base: str) -> str:
    """Return a name in Unicode.

    Examples
    --------
    >>> [unicode_name(base) for base in ("W1", "yhat", "sigma", "loss", "y'")]
    ['W1', 'ŷ', 'σ', 'loss', "y'"]
    """
    base, marks = primes(base)
    letter, accent, digits = accented(base)
    written = LETTERS.get(letter, letter)
    if accent:
        written = unicodedata.normalize("NFC", written + _MARKS[accent])
    return written + digits + marks


def latex_function(name: str, is_own: bool) -> str:
    """Return a function's name in LaTeX; σ is the sigmoid unless the notes use it otherwise."""
    if is_own:
        return (
            latex_name(name) if len(name) == 1 or name in LETTERS else f"\\operatorname{{{name}}}"
        )
    if name in _GREEK_SIGNS:
        return "\\" + _GREEK_SIGNS[name]
    for base in ("2", "10"):
        if name == f"log{base}":
            return f"\\log_{{{base}}}"
    if name in _COMMANDS:
        return "\\" + name
    escaped = name.replace("_", "\\_")
    return f"\\operatorname{{{escaped}}}"


def unicode_function(name: str, is_own: bool) -> str:
    """Return a function's name in Unicode."""
    if is_own:
        return unicode_name(name)
    return LETTERS[_GREEK_SIGNS[name]] if name in _GREEK_SIGNS else name


def python_function(name: str, order: int) -> str:
    """Return a function's name in Python, with its module; a derivative has none there."""
    if not order and name in _OF_LINALG:
        return f"np.linalg.{name}"
    return f"np.{name}" if not order and name in _OF_NUMPY else name


def number(value: Fraction) -> str | None:
    """Return a number's decimals, None if they would not end.

    Examples
    --------
    >>> number(Fraction(1, 8)), number(Fraction(1, 10**8)), number(Fraction(1, 3))
    ('0.125', '1e-8', None)
    >>> number(Fraction("0.000438568")), number(Fraction("0.0000000438568"))
    ('0.000438568', '4.38568e-8')
    """
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1 or value < 0:
        return None
    places = max(value.denominator.bit_length(), 1)
    digits = value * 10**places
    text, exponent = str(digits.numerator), -places
    while text.endswith("0") and len(text) > 1:
        text, exponent = text[:-1], exponent + 1
    if value == 0 or 0 <= exponent <= 12:
        return text + "0" * exponent if value else "0"
    power = exponent + len(text) - 1  # of the first digit
    if exponent < 0 and power >= _LEAST_POWER:
        padded = text.rjust(1 - exponent, "0")
        return f"{padded[:exponent]}.{padded[exponent:]}"
    decimals = f".{text[1:]}" if len(text) > 1 else ""
    return f"{text[0]}{decimals}e{power}"


def short(value: Fraction) -> str | None:
    """Return a number that has many digits with six of them, None for any other.

    Whole numbers and plain fractions stay as they are.

    Examples
    --------
    >>> short(Fraction("0.7071067811865476")), short(Fraction("2.000000001")), short(Fraction(1, 3))
    ('0.707107', '2.00000', None)
    """
    if value.denominator == 1 or max(abs(value.numerator), value.denominator) < _MOST_EXACT:
        return None
    text = number(value)
    if text is not None and sum(map(str.isdigit, text.partition("e")[0].lstrip("0."))) <= _DIGITS:
        return None
    digits, _, power = f"{float(value):#.{_DIGITS}g}".partition("e")
    return digits.rstrip(".") + (f"e{int(power)}" if power else "")


def raised(text: str) -> str | None:
    """Return digits and signs as Unicode superscripts, None where some have none."""
    return "".join([_RAISED[char] for char in text]) if set(text) <= set("0123456789-") else None


def lowered(index: tuple[Node, ...]) -> str | None:
    """Return subscripts in Unicode: ``₁``, ``ᵢⱼ``; None where they need brackets."""
    texts = [_single(node) for node in index]
    if any(text is None for text in texts):
        return None
    text = "".join([text or "" for text in texts])
    if not set(text) <= set(_LOWERED) or (len(texts) > 1 and index_letters(text) != tuple(texts)):
        return None
    if len(texts) == 1 and not text.isdigit() and len(text) > 1:
        return None
    return "".join([_LOWERED[char] for char in text])


def below(index: tuple[Node, ...]) -> str:
    """Return subscripts of one character each in Unicode, for the eye; "" where one has none."""
    texts = [_single(node) or "" for node in index]
    plain = all(len(text) == 1 and text in _LOWERED for text in texts)
    return "".join([_LOWERED[text] for text in texts]) if plain else lowered(index) or ""


def underscored(index: tuple[Node, ...]) -> str | None:
    """Return subscripts in Python: ``_1``, ``_i_j``, ``_xh``; None where Python cannot say it."""
    texts = [_single(node) for node in index]
    if any(text is None for text in texts):
        return None
    parts = [text or "" for text in texts]
    if any(index_letters(text) != (text,) and not text.isdigit() for text in parts):
        return None
    return "".join([f"_{text}" for text in parts])


def _single(node: Node) -> str | None:
    """Return a subscript that is one number or one plain word."""
    if isinstance(node, Number) and node.value.denominator == 1 and node.value >= 0:
        return str(node.value)
    if isinstance(node, Name) and node.layer is None and not node.index:
        plain = node.base.isascii() and node.base.isalpha()
        return node.base if plain and node.base not in _MARKS and node.base[0] != "d" else None
    return None


def are_letters(parts: list[str]) -> bool:
    """Whether several subscripts can stand without commas between them: ``ij``."""
    text = "".join(parts)
    return len(parts) > 1 and list(index_letters(text)) == parts


def latex_label(node: Node) -> str | None:
    """Return a subscript that is one word as a label, None if it is an expression."""
    if isinstance(node, Name) and node.layer is None and not node.index and len(node.base) > 1:
        return latex_name(node.base)
    return None
