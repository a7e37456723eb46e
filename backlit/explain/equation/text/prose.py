r"""Tells equations from sentences and from programs, and cuts the words around an equation off."""

from __future__ import annotations

import re

from backlit.explain.equation.text import choices
from backlit.explain.equation.text.symbols import CODE_COMMANDS, GREEK
from backlit.explain.equation.text.vocabulary import CONSTANTS, FUNCTIONS, MODULES
from backlit.explain.equation.tree import Span

_LEADING = re.compile(
    r"\s*(?:then|so|hence|thus|therefore|where|with|and|but|let|now|first|second|third|next|finally|"
    r"since|because|also|again|similarly|likewise|here|define|set|put|given|we|us|i|you|one|it|this|"
    r"that|which|there|gets?|got|have|has|know|obtain|find|see|write|compute|is|are|gives?|yields?|"
    r"follows|means|implies|by|from|using|the|chain|rule|of|definition|gradient|derivative|loss|"
    r"forward|backward|pass|layer|for|be|as|only|output|hidden|input|last|case)\b[,:]?\s+",
    re.IGNORECASE,
)
_NAME_ENDS = re.compile(r"\s*(?:[-+*/@]?=|:=|≔|←|<-|[_^'(])")
_TRAILING = re.compile(
    r"(?<![\s,;.])[\s,;.]+(?:(?<!\.)(?:\(\s*)?(?:where(?!\()|for|with|since|because|when|if(?![^\n]*\belse\b)|using|which|assuming|elementwise|"
    r"element-wise|here|as|by|from|is|are|in which|such that|unless|otherwise|per|recall|note)\b"
    r"|\\forall|∀|\\text\{\s*(?:for|if|where|since|with|when|because)\b)"
)
_REMARK = re.compile(
    r"(?<![\s+*/@=·⊙×-])\s+\((?!if\b|otherwise|else|when\b)(?=[^()=]*[A-Za-z]{3})[A-Za-z](?:[^()=+*/^\\_-]|(?<=\w)-(?=\w))*\)\s*[.,;]?\s*$|"
    r"\s+\[[A-Za-z]{2,}(?:[ -][A-Za-z]{2,}){1,6}\]\s*[.,;]?\s*$"
)
# A sentence before the one with the equation.
_CLAUSE = re.compile(r"[^=]*[A-Za-z]{2,}[?!.]\s+(?=[A-Za-z\\∂∇δ])")
# Directly behind a factor; a sentence that ends with an equation ends with a full stop.
_FACTORIAL = re.compile(r"=[^=]*[\w)\]}]!$")
_EQUATION_NUMBER = re.compile(
    r"(?<=[\w)\]}²³])(?:\s+\([0-9]{1,2}(?:\.[0-9]{1,2})*[a-z]?\)|\s+\[[0-9]{1,2}\.[0-9.]{1,4}[a-z]?\]|"
    r"\s{2,}(?:\[[0-9]{1,2}[a-z]?\]|[(\[][A-Z]{1,4}-?[0-9]{1,2}[a-z]?[)\]]))\s*$"
)
_FUNCTION_BEFORE = re.compile(r"(?<![A-Za-z])(?:[fghFG]|[a-z]{3,})'?$")
_WORD = re.compile(r"(?<![\\\w.^_{'])[A-Za-z][a-z']*[a-z](?![\w(^_\[.=])")
_TELLING = frozenset(
    "the is are of we this that to because it in an our you so when which be can will has have not "
    "does do at on or but only where with for from by as if and then use used using".split()
)
_EQUALS = re.compile(
    r"=|≔|≜|≝|≡|←|<-|\\gets\b|\\leftarrow\b|\\coloneqq\b|\\equiv\b|\\triangleq\b|\\doteq\b"
)
_PAGE = re.compile(
    r"\s*\\(?:documentclass|usepackage|title|author|date|maketitle|section|subsection|paragraph|"
    r"subsubsection|chapter|begin\{(?:document|itemize|enumerate|center|proof|theorem|solution)\}|"
    r"end\{|label|caption|vspace|hspace|newpage|clearpage|bigskip|medskip|smallskip|textbf|emph|"
    r"pagestyle|geometry|setlength|tableofcontents|footnote)"
)
_FURNITURE = re.compile(
    r"\s*(?:for\s+\w+\s*=.*(?::|\.\.\.|…)|def\s+\w+\s*\(|return\b|pass\s*$|import\s+(?:numpy|math|backlit)\b|"
    r"from\s+(?:numpy|math|backlit)\b|\.\.\.\s*$|\w+\s*=\s*(?:\{\s*\}|dict\(\s*\))\s*$|"
    r"\w+\s*=\s*\{\s*(?:[\"']\w+[\"']\s*:\s*\w+\s*(?:,\s*)?)+\}\s*$)"
)
_UNPACKED = re.compile(
    r"\s*\(?\s*(?P<names>[A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)*)\s*\)?\s*=\s*"
    r"(?:[A-Za-z]\w*|(?:[A-Za-z]\w*\[(?P<q>[\"'])\w+(?P=q)\](?:\s*,\s*|\s*$))+)\s*$"
)
_CODE = re.compile(
    r"\b__|__\b|\b[fFrRbB]+(?:\"|'\{[^{}]*\}')|\blambda\b[^=:]*:|"
    r"^\s*[A-Za-z_][\w.]*\(.*\)\s*;?\s*$|"
    r"\b(?:os|sys|subprocess|shutil|socket|builtins|importlib)\.|"
    r"\b(?:exec|eval|compile|open|getattr|setattr|delattr|globals|locals|breakpoint)\s*\("
)
_SURELY_CODE_LINE = re.compile(
    r"\s*(?:from\s+[\w.]+\s+import\b|for\s+\w+\s+in\s.*:\s*$|import\s+\w+(?:\.\w+)*\s*(?:[;,]|as\b|$))"
)
_COMPREHENSION = re.compile(r"[\[(][^\])]*\bfor\s+\w+(?:\s*,\s*\w+)*\s+in\b")
_CODE_LINE = re.compile(
    r"\s*(?:import\s|class\s+\w|while\s|try\s*:|raise\b|assert\b|del\s|"
    r"global\s|with\s+\w+\(|yield\b|await\b|async\s|exec\b|eval\b|@\w|%\w|!\w|if\s[^=]*:|elif\s|"
    r"else\s*:|for\s+\w+\s+in\b.*:\s*$)"
)
_TEX_CODE = re.compile(r"\\(" + "|".join(sorted(CODE_COMMANDS)) + r")(?![A-Za-z])")


def has_equals(text: str, start: int, end: int) -> bool:
    """Whether an equals sign of any kind stands in ``text[start:end]``."""
    return _EQUALS.search(text, start, end) is not None


def is_furniture(written: str) -> bool:
    r"""Whether a line only surrounds equations: ``\section``, ``def f(x):``, ``import numpy``.

    Examples
    --------
    >>> is_furniture("def loss(W, x):"), is_furniture("import numpy as np"), is_furniture("z = w")
    (True, True, False)
    """
    return bool(_PAGE.match(written) or _FURNITURE.match(written))


def declared(written: str) -> list[str]:
    """Return the names that a line of Python only unpacks or takes as arguments.

    Examples
    --------
    >>> declared("W1, b1 = params['W1'], params['b1']"), declared("def f(x, *, rate=0.1):")
    (['W1', 'b1'], ['x', 'rate'])
    """
    unpacked = _UNPACKED.match(written)
    if unpacked:
        return re.findall(r"\w+", unpacked["names"])
    signature = re.match(r"\s*def\s+\w+\s*\((.*?)\)?\s*(?:->[^:]*)?:?\s*$", written)
    if signature:
        parts = signature[1].split(",")
        found = [re.match(r"\s*\**([A-Za-z]\w*)", part) for part in parts]
        return [match[1] for match in found if match]
    return []


def is_unpacking(written: str) -> bool:
    """Whether a line only takes values out of a container: ``W1 = params["W1"]``."""
    match = _UNPACKED.match(written)
    return match is not None and (match["q"] is not None or "," in match["names"])


def code(written: str, names: frozenset[str]) -> tuple[str, Span] | None:
    r"""Return what makes a line a program and not an equation, and where in it.

    Parameters
    ----------
    written : str
    names : frozenset of str
        Names that the notes define.

    Returns
    -------
    (str, (int, int)) or None

    Examples
    --------
    >>> code("import os", frozenset())
    ('this is code, and nothing here is run', (0, 9))
    >>> code("dW = X dZ", frozenset()) is None
    True
    """
    match = _TEX_CODE.search(written)
    if match:
        return f"{match[0]} is a command to TeX", match.span()
    match = _COMPREHENSION.search(written) if " for " in written else None
    match = match or _SURELY_CODE_LINE.match(written) or _CODE.search(written)
    if match is None or _is_function_alone(match[0]):
        match = _CODE_LINE.match(written)
        if match is None or is_sentence(written, names):
            return None
    start = match.start() + len(match[0]) - len(match[0].lstrip())
    return "this is code, and nothing here is run", (start, match.end())


def _is_function_alone(written: str) -> bool:
    """Whether a call of a whole line is one of the notation's: ``np.sum(x)``, ``f(x)``."""
    match = re.match(r"\s*([A-Za-z_][\w.]*)\(", written)
    if match is None:
        return False
    *modules, name = match[1].split(".")
    if modules:
        return all(part in MODULES for part in modules)
    return name in FUNCTIONS or len(name) == 1


def trimmed(text: str, start: int, end: int) -> Span:
    """Return the part of ``text[start:end]`` without the words before and after an equation.

    Examples
    --------
    >>> line = "So we get dW = X dZ (elementwise), where X is the input."
    >>> line[slice(*trimmed(line, 0, len(line)))]
    'dW = X dZ'
    """
    clause = _CLAUSE.match(text, start, end)
    if clause:
        start = clause.end()
    leading = _LEADING.match(text, start, end)
    while leading and not _NAME_ENDS.match(text, leading.end(), end):
        start = leading.end()
        leading = _LEADING.match(text, start, end)
    equals = _EQUALS.search(text, start, end)
    if equals:
        end = _cut(text, start, equals.end(), end)
    number = _EQUATION_NUMBER.search(text, start, end)
    if number and not _FUNCTION_BEFORE.search(text, start, number.start()):
        end = number.start()
    remark = _REMARK.search(text, start, end)
    if remark and equals and remark.start() > equals.end():
        end = remark.start()
    while end > start and text[end - 1] in " \t.,;!?\\":
        if text[end - 1] == "!" and _FACTORIAL.search(text, start, end):
            break
        end -= 1
    return start, end


def _cut(text: str, start: int, after: int, end: int) -> int:
    """Return where words such as ``where`` and ``for`` begin that stand in no brackets."""
    depth, at = 0, start
    for trailing in _TRAILING.finditer(text, after, end):
        stretch = text[at : trailing.start()]
        depth += sum((char in "([{") - (char in ")]}") for char in stretch)
        depth += stretch.count("\\begin{") - stretch.count("\\end{")
        at = trailing.start()
        if depth <= 0 and not choices.is_condition(text[at:end]):
            return at
    return end


def is_sentence(written: str, names: frozenset[str]) -> bool:
    """Whether a line with an equals sign in it is plainly prose.

    Parameters
    ----------
    written : str
    names : frozenset of str
        Names that the notes define.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_sentence("the loss is zero when y = a for every example", frozenset())
    True
    >>> is_sentence("loss = mean(errors)", frozenset()), is_sentence("a = b", frozenset())
    (False, False)
    """
    words = [
        match[0]
        for match in _WORD.finditer(written)
        if _is_prose(match[0], names)
        and not (choices.CASE.match(match[0]) and choices.is_condition(written[match.start() :]))
    ]
    telling = sum(word.lower() in _TELLING for word in words)
    return (telling >= 2 and len(words) >= 2) or len(words) >= 5 or (telling > 0 and len(words) > 2)


def _is_prose(word: str, names: frozenset[str]) -> bool:
    lower = word.lower()
    if word in names or lower in FUNCTIONS or lower in CONSTANTS or lower in GREEK.values():
        return False
    if word[0] == "d" and (word[1:] in names or (len(word) == 2 and lower not in _TELLING)):
        return False
    return lower not in MODULES
