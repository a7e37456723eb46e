r"""Blanks out what notes carry beside their equations: ticks, boxes, bold type, remarks, arrows.

Every mark is replaced by as many spaces, so that all places stay what they were.
"""

from __future__ import annotations

import itertools
import re
import unicodedata

from backlit.explain.equation.text import containers, emphasis, octave, symbols
from backlit.explain.equation.text.vocabulary import FUNCTIONS

_LONGEST = 10_000
_LINE = re.compile(r"[^\r\n]+")
# A thin space: a run of plain ones would part two equations.
_FILL = "\u2009"
_TICKS = "✓✔✅☑✗✘❌✖"
_ENDS = re.compile(
    r"(?:\\(?:checkmark|qed|qedhere|square|blacksquare|Box|bigstar|dagger|ddagger|surd|"
    r"hfill)(?![A-Za-z])\s*|\\footnotemark(?:\[[^\]]*\])?|\[\^[^\[\]]{1,20}\]|[†‡∎※§]|"
    r"\\(?:footnote|tag|label)\*?\{[^{}]*\})+\s*(?=$|\||\$|\\\]|\\\)|\\\\)"
)
_ARROWS = (
    r"(?:∴|∵|⇒|⟹|→|⟶|⇔|➜|➔|➡|=>|={1,3}>|-{1,2}>|>>|\\(?:therefore|because|implies|Rightarrow|"
    r"rightarrow|Longrightarrow|to|iff|Leftrightarrow)(?![A-Za-z]))"
)
_START = re.compile(
    rf"(?P<before>^[\s&]*(?:(?:>|[-*+•]|\(?[0-9]{{1,3}}[.)])\s+)?\$*|\|\s*\$*|\$\s*)"
    rf"(?P<arrows>(?:{_ARROWS}\s*)+)"
)
_REMARK = re.compile(
    r"^\s*//|(?<![^\s])(?://|%)+\s*(?P<word>[A-Za-z][A-Za-z'’-]+)(?![\w(^_*/+@=\[])|"
    r"(?<![^\s])(?://|%)+\s*[A-Za-z0-9]+ [A-Za-z]{3,} |"
    r"(?<=\s)(?:-{2,}|—+|–{2,})\s*(?=\([0-9]|[A-Za-z]{2})"
)
_POINTER = re.compile(
    r"(?:←|⬅|👈|⟵|\\(?:leftarrow|gets)(?![A-Za-z])|<-+(?=\s)|<=+(?=\s+[A-Za-z]{3}))\s*"
    r"(?:\\text\{\s*)?[(\"']?[A-Za-z?][^=]*$"
)
_BOX = re.compile(
    r"\\(?:boxed|fbox|framebox|mathbox|underline|mathbf|boldsymbol|bm|highlight|hl|colorbox\{\w+\}|"
    r"(?:text|math)?color\{\w+\}|bbox(?:\[[^\]]*\])?|displaystyle)\s*\{|(?<![\\\w^_}])\{"
)
_BRACE = re.compile(r"\\(?:under|over)(?:brace|bracket|line)(?![A-Za-z])\s*(?=\{)")
_RELATION = re.compile(
    r"\\(?:overset|stackrel|underset)\s*\{(?:[^{}]|\{[^{}]*\})*\}\s*\{\s*=\s*\}|\{\s*=\s*\}|=\s*\?(?=\s)|"
    r"\\(?:xlongequal|overeq)(?:\{[^{}]*\})?"
)
_WORDS = re.compile(
    r"\\(?:text|mbox|textrm|mathrm|textit|hbox)\s*\{(?P<inner>[\s,;]*(?:if|otherwise|else|when|"
    r"elsewhere)\b[^{}]{0,40})\}"
)
_LONG_BOX = re.compile(r"\\boxed\s*\{")
_MOST_BOXES = 30
_MOST_TICKS = 40
_TAG = re.compile(r"</?(?:b|i|p|u|br|em|strong|span|div|mark|td|tr|li)(?:\s[^<>]{0,60})?/?>|&nbsp;")
_ARRAY = re.compile(
    r"\\left\s*\\(?:\{|lbrace)\s*\\begin\{array\}\s*\{[^{}]*\}|\\end\{array\}\s*\\right\s*\.|"
    r"\\(?:begin|end)\{dcases\}"
)
# (d/dx) cos x, with brackets around what is done to it.
_D = r"(?:d|∂|\\partial|\\mathrm\s*\{?\s*d\s*\}?)"
_VARIABLE = r"(?:\\?[A-Za-zα-ω][A-Za-z0-9]*(?:_\{?[A-Za-z0-9]{1,3}\}?)?)"
_OPERATOR = re.compile(
    r"(?:\\left\s*)?[(\[]\s*(?P<inner>"
    rf"{_D}\s*/\s*{_D}\s*{_VARIABLE}|\\[dt]?frac\s*\{{\s*{_D}\s*\}}\s*\{{\s*{_D}\s*{_VARIABLE}\s*\}}"
    r")\s*(?:\\right\s*)?[)\]]"
)
# Modules of functions: F.relu, tf.nn.softmax.
_MODULE = re.compile(
    r"(?<![\w.\])])(?:F|(?:torch\.)?nn\.functional|(?:tf|jax)\.nn|tf\.math|tf)\."
    r"(?=(?:relu6?|sigmoid|tanh|(?:log_)?softmax|log_?sigmoid|softplus|leaky_relu|elu|selu|gelu|"
    r"silu|swish|mish|hardtanh|reduce_(?:sum|mean|max)|exp|log|square|sqrt|matmul)\()"
)
# Characters of full width, as East Asian keyboards write them; letters are plain ones already.
_FULL_WIDTH = {
    code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if not chr(code - 0xFEE0).isalpha()
}


def blanked(text: str) -> str:
    r"""Return a text in which marks around equations are spaces.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        Of the same length.

    Examples
    --------
    >>> blanked(r"∴ **dz/dw** = x ✓").split()
    ['dz/dw', '=', 'x']
    >>> blanked(r"\boxed{dz/dw = x} // by the chain rule").split()
    ['dz/dw', '=', 'x']
    """
    text = text.translate(_FULL_WIDTH)
    names = frozenset(
        re.findall(
            r"(?<!\w)([A-Za-z]\w{0,40})\s{0,9}(?:\([^()\n]{0,80}\)\s{0,9})?:?=", text[:200_000]
        )
    )
    text = octave.translated(text)
    text = _LINE.sub(lambda match: _line(match[0], names), text)
    return _ARRAY.sub(_as_cases, _without_boxes(text, _LONG_BOX) if "\\boxed" in text else text)


# {g^{[l]}}'(z), where the braces would make a value of the function.
_GROUPED = re.compile(
    r"\{(?P<name>\\?[A-Za-zα-ω]{1,12}\s?(?:\^\s?\{\s?[\[(][^{}()\[\]]{1,9}[\])]\s?\})?)\}"
    r"(?=\s?(?:['′]|\^\s?\{?\s?\\prime\s?\}?)\s?\()"
)


def _line(line: str, names: frozenset[str]) -> str:
    if len(line) > _LONGEST:
        return line
    line = _without_remark(line, names)
    line = _without_ticks(line)
    line = _START.sub(lambda m: m["before"] + " " * len(m["arrows"]), line)
    line = containers.opened(emphasis.removed(line))
    for pattern in (_ENDS, _BRACE):
        if "\\" in line or pattern is _ENDS:
            line = _labelled(line) if pattern is _BRACE else pattern.sub(_blank, line)
    if "\\" in line:
        line = _WORDS.sub(_unwrapped, line)
    if "{" in line and ("'" in line or "prime" in line):
        line = _GROUPED.sub(lambda m: f" {m['name']} ", line)
    line = _RELATION.sub(lambda m: "=".rjust(len(m[0])), line)
    line = _OPERATOR.sub(_opened, line)
    if "(" in line and "." in line:
        line = _MODULE.sub(_blank, line)
    if "</" in line or "<br" in line or "&nbsp;" in line:
        line = _TAG.sub(_blank, line)
    return _without_boxes(line, _BOX) if "{" in line else line


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _opened(match: re.Match[str]) -> str:
    before, after = match.start("inner") - match.start(), match.end() - match.end("inner")
    return _FILL * before + match["inner"] + _FILL * after


def _unwrapped(match: re.Match[str]) -> str:
    before = match.start("inner") - match.start()
    inner = re.sub(r"[$,.;]", " ", match["inner"])
    return " " * before + inner + " " * (len(match[0]) - before - len(inner))


def _without_remark(line: str, names: frozenset[str]) -> str:
    """Blank ``// comment``, ``% comment`` and ``← check this``."""
    for match in _REMARK.finditer(line):
        word = match["word"]
        if word is None or not (word in names or word.lower() in FUNCTIONS):
            line = line[: match.start()].ljust(len(line))
            break
    equals = line.find("=")
    if equals >= 0:
        pointer = _POINTER.search(line, equals + 1)
        if pointer is not None and line[equals + 1 : pointer.start()].strip():
            line = line[: pointer.start()].ljust(len(line))
    return line


def _is_picture(char: str) -> bool:
    """Whether a character is a tick, an emoji or the like, and has no meaning in an equation."""
    if char.isascii() or char in symbols.OPERATORS or char in symbols.STRUCTURE_SPELLINGS:
        return False
    if char in "\ufe0f\ufe0e" or "\U0001f3fb" <= char <= "\U0001f3ff":
        return True
    return unicodedata.category(char) == "So" and not unicodedata.normalize("NFKD", char).isalnum()


def _without_ticks(line: str) -> str:
    """Blank ticks and pictures at either end of a line or a cell, and words behind a tick."""
    if line.isascii():
        return line
    marks = [place for place, char in enumerate(line) if _is_picture(char)]
    if len(marks) > _MOST_TICKS:
        return line
    chars = list(line)
    for place in reversed(marks):
        before = "".join(chars[:place])
        after = "".join(chars[place + 1 :])
        starts = re.fullmatch(r"[\s>*+\-•|$&\d.)(]*|.*[|$]\s*", before)
        ends = re.match(r"[\s\u200d.,;]*(?:\||\$|\*|\\|$)", after)
        if chars[place] in _TICKS and "=" in before and "=" not in after and "|" not in after:
            chars[place:] = " " * len(chars[place:])
        elif starts or ends:
            chars[place] = " "
            if place + 1 < len(chars) and chars[place + 1] == "\u200d":
                chars[place + 1] = " "
    return "".join(chars)


def _partner(line: str, opened: int) -> int:
    """Return where a brace closes, -1 if it does not."""
    depth = 0
    for place in range(opened, min(opened + _LONGEST, len(line))):
        if line[place] in "{}" and line[place - 1 : place] != "\\":
            depth += 1 if line[place] == "{" else -1
            if depth == 0:
                return place
    return -1


def _labelled(line: str) -> str:
    r"""Blank ``\underbrace`` and its label: ``\underbrace{x}_{\text{input}}`` is ``{x}``."""
    for _ in range(40):
        match = _BRACE.search(line)
        if match is None or "line" in match[0]:
            return line
        closed = _partner(line, match.end())
        if closed < 0:
            return line
        label = re.compile(r"\s*[_^]\s*").match(line, closed + 1)
        end = closed + 1
        if label is not None:
            braced = line[label.end() : label.end() + 1] == "{"
            end = _partner(line, label.end()) + 1 if braced else label.end() + 1
            end = end or closed + 1
        start = match.start()
        line = (
            line[:start]
            + _FILL * (match.end() - start)
            + line[match.end() : closed + 1]
            + _FILL * (end - closed - 1)
            + line[end:]
        )
    return line


def _as_cases(match: re.Match[str]) -> str:
    kind = "begin" if "begin" in match[0] else "end"
    return f"\\{kind}{{cases}}".ljust(len(match[0]))


def _without_boxes(line: str, box: re.Pattern[str]) -> str:
    r"""Blank ``\boxed{`` and its brace where a whole equation stands between them."""
    for match in itertools.islice(box.finditer(line), _MOST_BOXES):
        opened = match.end() - 1
        closed = _partner(line, opened)
        if closed < 0 or not _has_equals(line[opened + 1 : closed]):
            continue
        before = line[: match.start()].rstrip()
        if match[0] == "{" and before and before[-1] not in "$|&:":
            continue
        start = match.start()
        line = (
            line[:start] + " " * (match.end() - start) + line[match.end() : closed] + " "
        ) + line[closed + 1 :]
    return line


def _has_equals(inner: str) -> bool:
    """Whether an equals sign stands outside all braces."""
    depth = 0
    for char in inner:
        depth += (char == "{") - (char == "}")
        if char == "=" and depth == 0:
            return True
    return False
