r"""Splits a line into tokens, whatever notation it is in, and remembers where each one stood.

LaTeX commands, Unicode symbols and Python operators come out in one spelling, so that the parser
sees one language: ``\odot`` and ``⊙`` are ``*``, ``xᵀ`` is ``x^{T}``, ``\hat{y}`` is the word
``yhat``. TeX's habit of taking a single character as an argument (``\frac1m``) is resolved here.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from fractions import Fraction

from backlit.explain.equation.text import symbols
from backlit.explain.equation.text.letterforms import plain_letter, unknown_character
from backlit.explain.equation.text.tokens import NotationError as NotationError
from backlit.explain.equation.text.tokens import Token

LONGEST_LINE = 10_000
LARGEST_EXPONENT = 1_000
_MOST_DIGITS = 400
# A point before a letter is Python's attribute access, as in W_1.T.
_NUMBER = re.compile(
    r"(?:[0-9]+(?:\.[0-9]+|\.(?=[eE][+-]?[0-9])|\.(?![A-Za-z.]))?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
)
_DIGITS = re.compile(r"[0-9]+")
_COMMAND = re.compile(r"\\(?:[A-Za-z]+\*?|.|\n|$)")
_UPRIGHT_ARGUMENT = re.compile(r"\s*\{([^{}]*)\}|\s*([A-Za-z])")
_ENVIRONMENT = re.compile(r"\s*\{([A-Za-z]+\*?)\}(?:\{[^{}]*\})?")
_COVERED = re.compile(r"\s*(?:(1)(?![0-9])|\{\s*(1)\s*\}|([A-Za-z][0-9]*))")
_DOTTED = re.compile(r"\s*[A-Za-z][A-Za-z0-9]*(?:\\?[._][A-Za-z][A-Za-z0-9]*)*\s*")
_CALLED = re.compile(r"\s*(?:\\left)?\s*\(")
_CONNECTIVES = frozenset("and or where if for with when so then otherwise else since".split())
_DOUBLE = ("**", "<-", "<=", ">=", "==", "!=", ":=", "=>", "->", "||", "//", "...", "..")
_SPACES = frozenset(
    " \t\r\n\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f"
)


def tokens(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """Return the tokens of ``text[start:end]``, with an ``end`` token behind them.

    Parameters
    ----------
    text : str
    start, end : int, optional

    Returns
    -------
    list of Token

    Raises
    ------
    NotationError
        For a character, a command or a number that has no meaning in an equation.

    Examples
    --------
    >>> [token.text for token in tokens(r"\\hat y = σ(W₁x)")][:-1]
    ['yhat', '=', 'sigma', '(', 'W', '_', '{', '1', '}', 'x', ')']
    """
    end = len(text) if end is None else end
    if end - start > LONGEST_LINE:
        raise NotationError(
            f"a line of {end - start:,} characters is longer than the {LONGEST_LINE:,} allowed",
            (start, end),
            fix="split it into several equations",
        )
    return _Lexer(text, start, end).run()


class _Lexer:
    def __init__(self, text: str, start: int, end: int) -> None:
        self.text = text
        self.at = start
        self.end = end
        self.found: list[Token] = []
        self.spaced = False
        self.needed = 0  # arguments the last command still has to take
        # The same for the groups around, and where a group began that an accent or a style covers.
        self.waiting: list[tuple[int, int, int]] = []
        self.environments: list[str] = []
        self.accent = ""
        self.covering = -1  # where an accent or a style stands whose group comes next

    def run(self) -> list[Token]:
        while self.at < self.end:
            char = self.text[self.at]
            if char in _SPACES:
                self.at += 1
                self.spaced = True
            elif self.needed and char != "{" and char != "[":
                self._short_argument(char)
            else:
                self._one(char)
        if self.needed or self.accent:
            raise NotationError(
                "an argument is missing at the end", (self.end - 1, self.end), fix="write {…}"
            )
        self._emit("end", "", self.end, self.end)
        return self.found

    # -- pieces ---------------------------------------------------------------------------------

    def _emit(self, kind: str, text: str, start: int, end: int, **more: object) -> None:
        if self.accent and kind == "word":
            letters = text.rstrip("0123456789")
            text = letters + self.accent + text[len(letters) :]
            more["whole"], self.accent = True, ""
        elif self.accent and kind != "open":
            raise NotationError("an accent needs a letter", (start, end), fix="write \\hat{y}")
        if kind != "open":
            self.covering = -1
        self.found.append(Token(kind, text, start, end, self.spaced, **more))  # type: ignore[arg-type]
        self.spaced = False

    def _short_argument(self, char: str) -> None:
        """Read TeX's argument of one character as if it stood in braces."""
        self.needed -= 1
        waiting, self.needed = self.needed, 0
        self._emit("open", "{", self.at, self.at)
        if char.isdigit() and char in "0123456789":
            self._emit("number", char, self.at, self.at + 1, value=Fraction(int(char)))
            self.at += 1
        elif char.isascii() and char.isalpha():
            self._emit("word", char, self.at, self.at + 1)
            self.at += 1
        else:
            self._one(char)
            if self.needed or self.found[-1].kind not in ("word", "number"):
                raise NotationError(
                    f"‘{char}’ cannot be an argument without braces",
                    (self.at - 1, self.at),
                    fix="write {…} around it",
                )
        self._emit("close", "}", self.at, self.at)
        self.needed = waiting

    def _one(self, char: str) -> None:
        if char == "\\":
            self._command()
        elif char in "0123456789" or (char == "." and self._digit_follows()):
            self._number()
        elif char in symbols.FRACTIONS:
            value = Fraction(*symbols.FRACTIONS[char])
            self._emit("number", char, self.at, self.at + 1, value=value)
            self.at += 1
        elif char in symbols.SUPERSCRIPTS:
            self._script("^", symbols.SUPERSCRIPTS)
        elif char in symbols.SUBSCRIPTS:
            self._script("_", symbols.SUBSCRIPTS)
        elif char in symbols.OPENING:
            self._open(char, 1)
        elif char in symbols.CLOSING:
            self._close(char, 1)
        else:
            self._symbol(char)

    def _open(self, text: str, length: int) -> None:
        covered = (len(self.found), self.covering) if text == "{" else (0, -1)
        self.waiting.append((self.needed - (text == "{" and self.needed > 0), *covered))
        self.needed, self.covering = 0, -1
        self._emit("open", text, self.at, self.at + length)
        self.at += length

    def _close(self, text: str, length: int) -> None:
        if text == "}" and self._is_empty_group():
            self.found.pop()  # TeX's {}, which only keeps things apart
            self.needed = self.waiting.pop()[0]
            self.at += length
            return
        self._emit("close", text, self.at, self.at + length)
        self.needed, first, covering = self.waiting.pop() if self.waiting else (0, 0, -1)
        if text == "}":
            self._divide(first)
        self.at += length
        if covering >= 0 and len(self.found) == first + 3:
            opened, word, _ = self.found[first:]
            if word.kind == "word":  # \hat{y}, \mathbf{x}: the braces group nothing
                self.found[first:] = [
                    replace(word, spaced=opened.spaced, start=covering, end=self.at)
                ]

    def _divide(self, first: int) -> None:
        r"""Read ``{a \over b}``, the group that starts at a token, as ``\frac{a}{b}``."""
        places = [
            place
            for place in range(first, len(self.found))
            if self.found[place].text == "over" and self.found[place].kind == "command"
        ]
        if not places:
            return
        opened, over = self.found[first], self.found[places[0]]
        self.found[first : places[0] + 1] = [
            replace(opened, kind="command", text="frac"),
            replace(opened, spaced=False),
            *self.found[first + 1 : places[0]],
            Token("close", "}", over.start, over.start),
            Token("open", "{", over.end, over.end),
        ]

    def _is_empty_group(self) -> bool:
        """Whether the brace that closes here encloses nothing, behind a factor."""
        if len(self.found) < 2 or not self.waiting or self.found[-1].text != "{":
            return False
        return self.found[-2].kind in ("word", "number", "close") and not self.waiting[-1][0]

    def _digit_follows(self) -> bool:
        after_script = bool(self.found) and self.found[-1].text == "_"
        return not after_script and self.text[self.at + 1 : self.at + 2] in tuple("0123456789")

    def _number(self) -> None:
        after_script = bool(self.found) and self.found[-1].text == "_"
        match = (_DIGITS if after_script else _NUMBER).match(self.text, self.at, self.end)
        assert match is not None
        written = match[0]
        mantissa, _, exponent = written.lower().partition("e")
        if len(mantissa) > _MOST_DIGITS or len(exponent) > 6:
            raise NotationError("a number with too many digits", match.span())
        if exponent and abs(int(exponent)) > LARGEST_EXPONENT:
            raise NotationError(
                f"the exponent of {written} is beyond {LARGEST_EXPONENT:,}", match.span()
            )
        value = Fraction(mantissa.rstrip(".") or "0") * Fraction(10) ** int(exponent or 0)
        self._emit("number", written, *match.span(), value=value)
        self.at = match.end()

    def _script(self, op: str, table: dict[str, str]) -> None:
        """Read a run of raised or lowered characters as a script in braces."""
        start = self.at
        while self.at < self.end and self.text[self.at] in table:
            self.at += 1
        inner = "".join([table[char] for char in self.text[start : self.at]])
        self._emit("op", op, start, start)
        self._emit("open", "{", start, start)
        for token in _Lexer(inner, 0, len(inner)).run()[:-1]:
            self.found.append(
                Token(
                    token.kind,
                    token.text,
                    start + token.start,
                    start + token.end,
                    token.spaced,
                    token.whole,
                    token.value,
                )
            )
        self._emit("close", "}", self.at, self.at)

    def _symbol(self, char: str) -> None:
        double = next((op for op in _DOUBLE if self.text.startswith(op, self.at, self.end)), "")
        if char in symbols.PIPES:
            op = "‖" if double == "||" else symbols.PIPES[char]
            self._op(op, len(double) or 1)
        elif double:
            self._double(double)
        elif char in symbols.GREEK or char in symbols.STRUCTURE_SPELLINGS:
            self._special(char)
        elif char == "ℯ":
            self._emit("word", "e", self.at, self.at + 1, whole=True)
            self.at += 1
        elif char == "&" and not self.environments and self._is_alignment():
            self.at += 1
            self.spaced = True
        elif char in "″‴":
            for _ in range(2 + (char == "‴")):
                self._emit("op", "'", self.at, self.at + 1)
            self.at += 1
        elif char == "$" or (char == "~" and self._is_tie()):
            self.at += 1
            self.spaced = True
        elif char in symbols.OPERATORS:
            self._op(symbols.OPERATORS[char], 1)
        else:
            self._letters(char)

    def _is_alignment(self) -> bool:
        """Whether & stands at the start of a row or beside a relation or a sign, as in ``&=``."""
        before = self.found[-1] if self.found else None
        if before is None or (before.kind == "op" and before.text not in ("'", "⊤")):
            return True
        following = self.text[self.at + 1 : self.at + 40].lstrip()[:1]
        return following in tuple("=<>≤≥≈≔:+-−\\&")

    def _is_tie(self) -> bool:
        """Whether ~ is TeX's space that does not break, directly behind a factor."""
        return bool(self.found) and self.found[-1].kind not in ("op", "open") and not self.spaced

    def _double(self, double: str) -> None:
        if double == "<-":
            after = self.text[self.at + 2 : self.at + 3]
            if not (self.spaced and after in _SPACES):
                self._op("<", 1)  # z<-1
                return
        spelled = {"->": "=>", "..": "..."}.get(double, double)
        self._op(spelled, len(double))

    def _op(self, text: str, length: int) -> None:
        self._emit("op", text, self.at, self.at + length)
        self.at += length

    def _special(self, char: str) -> None:
        if char in symbols.GREEK:
            start, self.at = self.at, self.at + 1
            self._greek(symbols.GREEK[char], start)
            return
        self._structure(symbols.STRUCTURE_SPELLINGS[char], self.at + 1)

    def _greek(self, name: str, start: int) -> None:
        """Take the accent and the digits behind a Greek letter into its name."""
        name += self._marks() or ""
        name += self._digits()
        self._emit("word", name, start, self.at, whole=True)

    def _digits(self) -> str:
        start = self.at
        while self.at < self.end and self.text[self.at] in "0123456789":
            self.at += 1
        return self.text[start : self.at]

    def _marks(self) -> str | None:
        """Skip combining accents and return what they add to a name, or None without any."""
        found = None
        while self.at < self.end and unicodedata.combining(self.text[self.at]):
            mark = self.text[self.at]
            if mark not in symbols.ACCENT_MARKS:
                break
            found = (found or "") + symbols.ACCENT_MARKS[mark]
            self.at += 1
        return found

    def _letters(self, char: str) -> None:
        """Read a run of letters and digits; an accent ends it and makes its letter a name."""
        start, run = self.at, ""
        while self.at < self.end and self.text[self.at] not in symbols.GREEK:
            plain, accent = plain_letter(self.text[self.at])
            if not plain or not (plain.isalpha() or (run and plain in "0123456789")):
                break
            if plain in symbols.GREEK:  # 𝜎, and the micro sign
                if not run:
                    self.at += 1
                    self._greek(symbols.GREEK[plain], start)
                    return
                break
            at, self.at = self.at, self.at + 1
            combined = self._marks() if plain.isalpha() else None
            if accent is None and combined is None:
                run += plain
                continue
            if run:
                self._emit("word", run, start, at)
            name = plain + (accent or "") + (combined or "") + self._digits()
            self._emit("word", name, at, self.at, whole=True)
            return
        if not run:
            raise unknown_character(char, self.at)
        self._emit("word", run, start, self.at)

    # -- LaTeX commands -------------------------------------------------------------------------

    def _command(self) -> None:
        match = _COMMAND.match(self.text, self.at, self.end)
        assert match is not None
        name, start, after = match[0][1:], match.start(), match.end()
        if name not in symbols.UPRIGHT and name.endswith("*"):
            name, after = name[:-1], after - 1
        if name in symbols.SPACING:
            self.spaced = name not in ("!", "left", "right", "limits", "nolimits")
            unseen = name in ("left", "right") and self.text[after : after + 1] == "."
            self.at = min(after + unseen, self.end)
        elif name in symbols.STYLES:
            self._cover(start, after)
        elif name in symbols.WORD_COMMANDS:
            self.at = after
            if name in symbols.GREEK.values():
                self._greek(name, start)
            else:
                self._emit("word", symbols.WORD_COMMANDS[name], start, after, whole=True)
        elif name in symbols.OPERATOR_COMMANDS:
            self._emit("op", symbols.OPERATOR_COMMANDS[name], start, after)
            self.at = after
        elif name in symbols.STRUCTURE_SPELLINGS:
            self._structure(symbols.STRUCTURE_SPELLINGS[name], after)
        elif name in symbols.OPENING_COMMANDS:
            self._open(symbols.OPENING_COMMANDS[name], after - start)
        elif name in symbols.CLOSING_COMMANDS:
            self._close(symbols.CLOSING_COMMANDS[name], after - start)
        elif name in symbols.ACCENT_COMMANDS:
            self.accent = symbols.ACCENT_COMMANDS[name] + self.accent
            self._cover(start, after)
        elif name == "mathbb":
            self._blackboard(start, after)
        elif name in symbols.UPRIGHT:
            self._upright(name, start, after)
        elif name in symbols.SKIPPED_WITH_ARGUMENT:
            self._skip(after)
        elif name in ("begin", "end"):
            self._environment(name, start, after)
        elif name == "over":
            self._emit("command", name, start, after)
            self.at = after
        elif name == "\\":
            self._emit("op", "\\\\", start, after)
            self.at = after
        else:
            self._unknown_command(name, start, after)

    def _cover(self, start: int, after: int) -> None:
        """Let an accent or a style cover one letter, or the group that follows."""
        match = _COVERED.match(self.text, after, self.end)
        self.at = after
        if match is None:
            self.covering = start
        elif match[1] or match[2]:
            self._emit("command", "indicator", start, match.end())
            self.at = match.end()
        else:
            self._emit("word", match[3], start, match.end(), whole=True)
            self.at = match.end()

    def _structure(self, name: str, after: int) -> None:
        self._emit("command", name, self.at, after)
        self.at = after
        self.needed = symbols.STRUCTURES.get(name, 0) if self.text[after - 1] not in "√∛" else 0

    def _blackboard(self, start: int, after: int) -> None:
        match = re.compile(r"\s*(?:\{([^{}]*)\}|(\S))").match(self.text, after, self.end)
        letter = (match[1] or match[2] or "") if match else ""
        if match is None or letter not in ("1", "I", "R", "E"):
            raise NotationError("this letter has no meaning in an equation", (start, after))
        self.at = match.end()
        if letter in ("1", "I"):
            self._emit("command", "indicator", start, self.at)
        else:
            self._emit("word", {"R": "reals", "E": "mean"}[letter], start, self.at, whole=True)

    def _upright(self, name: str, start: int, after: int) -> None:
        match = _UPRIGHT_ARGUMENT.match(self.text, after, self.end)
        if match is None:  # \mathrm{\hat y}: only a matter of looks
            self.at = after
            return
        written = match[1] if match[1] is not None else match[2]
        self.at = match.end()
        called = written == "where" and _CALLED.match(self.text, match.end())
        connects = written.lower() in _CONNECTIVES and not called
        is_prose = connects or written != written.strip()
        if (is_prose and name in symbols.PROSE) or not _DOTTED.fullmatch(written):
            self._styled_text(written, start, match)
            return
        at = self.text.index(written, after)
        for part in re.finditer(r"[A-Za-z0-9]+|[._]", written):
            is_word = part[0] not in "._"
            span = (at + part.start(), at + part.end())
            self._emit("word" if is_word else "op", part[0], *span, whole=is_word)

    def _styled_text(self, written: str, start: int, match: re.Match[str]) -> None:
        """Read digits and operators in ``\\mathrm{…}`` as such, anything else as prose."""
        if re.fullmatch(r"[\s0-9+\-*/=().,^A-Z]*", written) and written.strip():
            inner = _Lexer(self.text, match.start(1), match.end(1)).run()[:-1]
            self.found.extend(inner)
            return
        self._emit("text", written, start, match.end())

    def _skip(self, after: int) -> None:
        match = re.compile(r"\s*\{[^{}]*\}").match(self.text, after, self.end)
        self.at = match.end() if match else after
        self.spaced = True

    def _environment(self, name: str, start: int, after: int) -> None:
        match = _ENVIRONMENT.match(self.text, after, self.end)
        if match is None:
            raise NotationError(f"\\{name} needs the name of an environment", (start, after))
        kind = match[1].rstrip("*")
        if kind not in ("matrix", "pmatrix", "bmatrix", "vmatrix", "array", "cases"):
            raise NotationError(
                f"\\{name}{{{match[1]}}} cannot stand inside an equation", (start, match.end())
            )
        self.at = match.end()
        if name == "begin":
            self.environments.append(kind)
            self._emit("open", kind, start, self.at)
        else:
            if self.environments:
                self.environments.pop()
            self._emit("close", f"end of {kind}", start, self.at)

    def _unknown_command(self, name: str, start: int, after: int) -> None:
        if name in symbols.CODE_COMMANDS:
            raise NotationError(
                f"\\{name} is a command to TeX, not part of an equation",
                (start, after),
                fix="write the equation out without it",
                is_code=True,
            )
        raise NotationError(
            f"the command \\{name} is not known",
            (start, after),
            fix=f"write a name as \\mathrm{{{name}}}, or the symbol itself",
        )
