r"""Finds out what the names in some notes stand for, from the tokens of all their equations.

Two rounds. First what is certain: names on the left of definitions, in headers, single letters,
names spelled as one (``\sigma``, ``\mathrm{loss}``). Then the longer words: known names side by
side, d before a known name, or names of their own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from backlit.explain.equation.text import bare
from backlit.explain.equation.text.cursor import partners
from backlit.explain.equation.text.foreign import is_foreign
from backlit.explain.equation.text.symbols import GREEK
from backlit.explain.equation.text.tokens import NotationError, Token
from backlit.explain.equation.text.vocabulary import (
    CONSTANTS,
    FUNCTIONS,
    LOSSES,
    MODULES,
    OPERATIONS,
    Vocabulary,
    stem,
)
from backlit.explain.equation.text.words import index_letters, separated

_EQUALS = frozenset(["=", ":=", "<-"])
_LAYER_WORDS = frozenset(["l", "L", "ell"])
_NOT_NAMES = frozenset(
    [*MODULES, *CONSTANTS, "T", "d", "partial", "axis", "keepdims", "newaxis", "grad", "reals"]
)
# Of those, what is a name where it is defined: π = softmax(θ), d = 1 + e.
_DEFINABLE = frozenset(["pi", "d"])
_MOST_SCRIPTS = 40
_LONGEST_TARGET = 24
_SIGNS = frozenset(["Sigma", "Pi", "sum", "prod"])
# Greek letters that are functions of the notation, and those that people call functions of theirs.
_GREEK_FUNCTIONS = frozenset(["sigma", "Phi", "Gamma"])
_CALLED_LETTERS = _GREEK_FUNCTIONS | {"phi", "psi", "Psi", "chi", "ell"}
_GREEK = frozenset(GREEK.values())
# Single letters before a bracket that holds a sum.
_USUAL_FUNCTIONS = frozenset("fghFGHJLEp")
_SURE = _USUAL_FUNCTIONS | _CALLED_LETTERS
_USUAL_FACTORS = frozenset("bkmnw")


@dataclass
class _Evidence:
    certain: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)  # longer words that may be products
    defined: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    applied: set[str] = field(default_factory=set)  # called, and surely no factor
    functions: set[str] = field(default_factory=set)
    layered: set[str] = field(default_factory=set)
    bracketed: set[str] = field(default_factory=set)
    indexed: set[str] = field(default_factory=set)  # seen with a bracket behind, as in W[1]
    bare: set[str] = field(default_factory=set)  # and without
    has_examples: bool = False
    given: set[str] = field(default_factory=set)  # dout of L = Σ dout y, or with a header
    stated: set[str] = field(default_factory=set)  # on a left side
    squares: set[str] = field(default_factory=set)
    primed: set[str] = field(default_factory=set)
    uses: dict[str, set[str]] = field(default_factory=dict)


def vocabulary(
    parts: Iterable[Sequence[Token]],
    declared: Iterable[str] = (),
    bracketed: Iterable[str] = (),
) -> Vocabulary:
    r"""Return what the names in some equations stand for.

    Parameters
    ----------
    parts : iterable of sequence of Token
        Equations, and expressions that are only mentioned.
    declared, bracketed : iterable of str
        Names from headers and from a function's arguments; those with a layer in brackets.

    Returns
    -------
    Vocabulary

    Examples
    --------
    >>> from backlit.explain.equation.text.lexer import tokens
    >>> lines = ["z = Wx + b", "a = g(z)", "dP = dz x"]
    >>> known = vocabulary([tokens(line) for line in lines], ["W", "x"])
    >>> sorted(known.variables), sorted(known.functions), known.has("dP")
    (['W', 'a', 'b', 'dP', 'x', 'z'], ['g'], True)
    """
    evidence = _Evidence()
    for known in (evidence.certain, evidence.defined, evidence.given):
        known |= set(declared)
    evidence.bracketed |= set(bracketed)
    equations = list(map(list, parts))
    for equation in equations:
        _Reader(equation, evidence).read()
    unapplied = bare.functions(equations, evidence.applied, evidence.functions)
    unapplied -= evidence.defined | evidence.given
    evidence.functions |= unapplied
    for known in (evidence.certain, evidence.words, evidence.primed):
        known -= unapplied
    return _settled(evidence)


def _settled(evidence: _Evidence) -> Vocabulary:
    """Decide the longer words, once all that is certain is known."""
    every = evidence.certain | evidence.words
    every |= _factors(evidence, evidence.certain)
    given = evidence.given - evidence.stated
    certain = {n for n in evidence.certain if n in given or not _is_differential(n, every)}
    primed = {name for name in evidence.primed if name not in evidence.uses}
    certain |= {name + "'" for name in primed}
    certain |= every - evidence.certain - evidence.words
    functions = frozenset(evidence.functions | (evidence.called - certain))
    first = Vocabulary(frozenset(certain), functions)
    own = frozenset(evidence.functions)
    for word in sorted(evidence.words - certain, key=len):
        if word in given:
            certain.add(word)
        if _is_differential(word, certain | own) or word in own:
            continue
        pieces = separated([Token("word", word, 0, len(word)), Token("end", "", 0, 0)], first)
        if len(pieces) == 2:
            certain.add(word)
    known = frozenset(certain)
    bracketed = evidence.bracketed
    bracketed |= (evidence.indexed - evidence.bare) if bracketed else set()
    return Vocabulary(
        variables=known,
        functions=own | (functions - certain),
        defined=frozenset(evidence.defined & known),
        layered=frozenset(evidence.layered),
        bracketed=frozenset(name for word in bracketed for name in (word, word.removeprefix("d"))),
        squares=frozenset(evidence.squares),
        arguments=_arguments(evidence, first, known),
        has_examples=evidence.has_examples,
    )


def _factors(evidence: _Evidence, certain: set[str]) -> set[str]:
    """Return W and x of ``Wx`` where ``dW`` stands elsewhere and x is known."""
    seen = {word[1:] for word in evidence.words if word[0] == "d"}
    possible = Vocabulary(frozenset(certain | seen))
    found: set[str] = set()
    for word in evidence.words - certain - seen:
        pieces = separated([Token("word", word, 0, 0), Token("end", "", 0, 0)], possible)
        if len(pieces) > 2:
            found |= {token.text for token in pieces[:-1]} & seen
    return found


def _arguments(evidence: _Evidence, first: Vocabulary, known: frozenset[str]) -> Mapping[str, str]:
    """Return the only leaf of each defined name whose derivative is written with a prime."""
    found: dict[str, str] = {}
    for name in evidence.primed & evidence.uses.keys():
        leaves: set[str] = set()
        waiting, seen = [name], set()
        while waiting:
            word = waiting.pop()
            if word in seen:
                continue
            seen.add(word)
            if word in evidence.uses:
                waiting.extend(evidence.uses[word])
            elif word in known:
                leaves.add(word)
            else:
                pieces = separated([Token("word", word, 0, 0), Token("end", "", 0, 0)], first)
                waiting.extend(token.text for token in pieces[:-1] if token.text != word)
        if len(leaves) == 1:
            found[name] = leaves.pop()
    return found


def _is_differential(word: str, names: set[str]) -> bool:
    """Whether a word is d and a name seen elsewhere, perhaps with another number, or ``dfdz``."""
    if len(word) < 2 or word[0] != "d":
        return False
    stems = {stem(name) for name in names}
    return stem(word[1:]) in stems or any(
        word[1:at] in names and stem(word[at + 1 :]) in stems for at in _inner_ds(word)
    )


def _inner_ds(word: str) -> list[int]:
    """Return where a d stands in a word that could begin ``dz`` of ``dfdz``."""
    return [at for at in range(2, min(len(word) - 1, _LONGEST_TARGET)) if word[at] == "d"]


class _Reader:
    """Gathers the evidence of one equation."""

    def __init__(self, found: list[Token], evidence: _Evidence) -> None:
        self.tokens = found
        self.evidence = evidence
        try:
            self.pairs = partners(found)
        except NotationError:
            self.pairs = {}
        self.running: set[str] = set()

    def read(self) -> None:
        equals = self._equals()
        if equals:
            self._left(equals)
        used: set[str] = set()
        texts = [token.text for token in self.tokens]
        # a^{[1](i)}
        self.evidence.has_examples |= any(
            pair == ("]", "(") and k and texts[self.pairs.get(k + 1, k) + 1] == "}"
            for k, pair in enumerate(itertools.pairwise(texts))
        )
        place = 0
        while place < len(self.tokens):
            place = self._at(place, used)
        head = self.tokens[0]
        if equals and head.text in LOSSES:
            # The loss is made of it: it is no derivative of this loss.
            self.evidence.given |= {word for word in used if word[0] == "d" and word[1:] in used}
        primed = equals > 1 and self.tokens[1].text == "'"
        if equals and head.kind == "word" and head.text in self.evidence.defined and not primed:
            self.evidence.uses.setdefault(head.text, set()).update(used - {head.text})

    def _equals(self) -> int:
        depth = 0
        for place, token in enumerate(self.tokens):
            depth += (token.kind == "open") - (token.kind == "close")
            if not depth and token.kind == "op" and token.text in _EQUALS:
                return place
        return 0

    # -- the left side ----------------------------------------------------------------------------

    def _left(self, equals: int) -> None:
        """Note what an equation defines: a name, a function, a square, a layer."""
        head = self.tokens[0]
        if head.kind != "word" or (head.text in _NOT_NAMES and head.text not in _DEFINABLE):
            return
        base = head.text
        place = 1
        squared = primed = False
        while place < equals:
            token = self.tokens[place]
            if token.text == "'":
                primed = True
                place += 1
            elif token.kind == "op" and token.text in ("^", "_"):
                above = [t.text for t in self.tokens[place + 1 : self._past(place + 1)]]
                if token.text == "^" and set(above) - {"{", "}"} == {"'"}:  # y^\prime
                    primed = True
                squared = squared or self._script(base, place)
                place = self._past(place + 1)
            elif token.text == "[" and not token.spaced and self._is_layer(place):
                self.evidence.bracketed.add(base)
                place = self._past(place)
            else:
                break
        if place == equals and self._names_function(equals):
            self.evidence.functions.add(base)
        elif place == equals:
            self._defines(base, squared, primed)
        elif self.tokens[place].text == "(" and self._past(place) == equals and not primed:
            self._defines_function(base, place)

    def _names_function(self, equals: int) -> bool:
        """Whether the right side is the name of a function and nothing else: g = σ."""
        right = self.tokens[equals + 1 : -1]
        word = right[0].text if len(right) == 1 and right[0].kind == "word" else ""
        return word in _GREEK_FUNCTIONS or word.lower() in FUNCTIONS

    def _defines(self, base: str, squared: bool, primed: bool) -> None:
        if primed:
            self.evidence.primed.add(base)
        elif squared:
            self.evidence.squares.add(base)
            self.evidence.certain.add(base + "2")
            self.evidence.defined.add(base + "2")
        else:
            self.evidence.certain.add(base)
            self.evidence.defined.add(base)
            self.evidence.stated.add(base)

    def _defines_function(self, base: str, place: int) -> None:
        inside = self.tokens[place + 1 : self.pairs.get(place, place)]
        signs = (",", ";", "_", "{", "}")
        plain = all(
            t.kind == "word" or t.text in signs or (t.kind == "number" and before.text in "_{")
            for before, t in zip(self.tokens[place:], inside, strict=False)
        )
        if plain and FUNCTIONS.get(base.lower()) is None:
            self.evidence.functions.add(base)

    def _script(self, base: str, place: int) -> bool:
        """Note a superscript on the left; return whether it is a square."""
        if self.tokens[place].text == "_":
            return False
        first = self.tokens[place + 1]
        inner = self.tokens[place + 2] if first.text == "{" else first
        if inner.kind == "number" and inner.value == 2 and self._length(place + 1) == 1:
            return True
        if inner.kind in ("word", "number") and inner.text != "T":
            self.evidence.layered.add(base)
        return False

    def _is_layer(self, place: int) -> bool:
        inner = self.tokens[place + 1 : self.pairs.get(place, place)]
        return bool(inner) and all(t.kind in ("word", "number") or t.text in "+-" for t in inner)

    def _length(self, place: int) -> int:
        return self._past(place) - place - 2 if self.tokens[place].kind == "open" else 1

    def _past(self, place: int) -> int:
        return self.pairs.get(place, place) + 1

    # -- everywhere -------------------------------------------------------------------------------

    def _at(self, place: int, used: set[str]) -> int:
        """Note the word at a place and return the next place to look at."""
        token = self.tokens[place]
        if token.kind == "op" and token.text == "_":
            self._below(place)
            return self._past(place + 1)
        if token.kind != "word":
            return place + 1
        after = place + 1
        if token.text in MODULES and self.tokens[after].text == ".":
            while self.tokens[after].text in (".", "_") and self.tokens[after + 1].kind == "word":
                after += 2
            return after
        before = self.tokens[place - 1] if place else None
        if before is not None and before.text == ".":
            return after
        if self.tokens[after].text == "=" and place and before is not None and before.text in "(,":
            return after
        self._word(token, place, used)
        return after

    def _below(self, place: int) -> None:
        """Note the running index below a sum, which is no variable."""
        before = self.tokens[place - 1] if place else None
        if before is None or before.text not in _SIGNS:
            return
        for token in self.tokens[place + 1 : self._past(place + 1)]:
            if token.text in ("=", "∈", "!="):
                break
            if token.kind == "word":
                self.running.update(index_letters(token.text))

    def _is_sign(self, place: int) -> bool:
        """Whether Σ is the sign of a sum and not a matrix."""
        following = self.tokens[place + 1]
        if following.text == "^":
            inner = self.tokens[place + 2 : place + 4]
            return not any(token.text in ("-", "T", "⊤") for token in inner)
        if following.kind == "op":
            return following.text in ("_", "|", "‖", "-")
        return following.kind not in ("close", "end")

    def _word(self, token: Token, place: int, used: set[str]) -> None:
        text = token.text
        before = self.tokens[place - 1].text if place else ""
        if before == "^" and text[0] == "T":
            text = text[1:]
        after = self._behind(text, place)
        is_call = before != "^" and (
            self.tokens[after].text == "("
            or (self.tokens[after].text == "{" and self.tokens[after + 1].text == "(")
        )
        if not text or self._is_in_layer(place) or text in self.running:
            return
        if text in _GREEK_FUNCTIONS and self.tokens[place + 1].text == "'" and not is_call:
            return  # y σ' says not of what; σ stays a function.
        accented = self.tokens[place + 1].text == "_" and self.tokens[place + 2].text in (
            "hat",
            "bar",
            "tilde",
        )
        text += self.tokens[place + 2].text if accented else ""
        if self._is_reserved(text) or (text in _SIGNS and self._is_sign(place)):
            return
        if self._over(text, after) and is_call:
            return
        has_bracket = any(t.text == "[" for t in self.tokens[place + 1 : after])
        if is_call and not self._multiplies(text, after):
            if has_bracket:
                self.evidence.indexed.add(text)
            below = self.tokens[place + 2].text if self.tokens[place + 1].text == "_" else ""
            if text not in _GREEK_FUNCTIONS and not is_foreign(text + below):
                self.evidence.called.add(text)
                primed = any(t.text == "'" for t in self.tokens[place + 1 : after])
                if not primed and (text in _SURE or not self._holds_sum(after)):
                    self.evidence.applied.add(text)
            return
        used.add(text)
        (self.evidence.indexed if has_bracket else self.evidence.bare).add(text)
        single = len(stem(text)) == 1 or token.whole
        (self.evidence.certain if single else self.evidence.words).add(text)

    def _multiplies(self, text: str, bracket: int) -> bool:
        """Whether a name before a bracket is a factor: λ(x), k (x + c x³)."""
        if text in _GREEK:
            return text not in _CALLED_LETTERS
        spaced = self.tokens[bracket].spaced and text not in _USUAL_FUNCTIONS
        if len(text) > 1 or not (spaced or text in _USUAL_FACTORS):
            return False
        return self._holds_sum(bracket)

    def _holds_sum(self, bracket: int) -> bool:
        depth = 0
        for token in self.tokens[bracket : self._past(bracket)]:
            depth += (token.kind == "open") - (token.kind == "close")
            if depth == 1 and token.text in ("+", "-"):
                return True
        return False

    def _over(self, text: str, after: int) -> bool:
        """Take the names out of ``dL/da`` and ``\frac{dL}{da}``, which may stand nowhere else."""
        if text[0] != "d" or len(text) < 2:
            return False
        if self.tokens[after].text == "(":
            after = self._past(after)
        if self.tokens[after].text == "}" and self.tokens[after + 1].text == "{":
            after += 1
        elif self.tokens[after].text != "/":
            return False
        below = self.tokens[after + 1]
        if below.kind != "word" or below.text[0] != "d" or len(below.text) < 2:
            return False
        for name in (text[1:], below.text[1:]):
            if len(stem(name)) <= 2 or name in self.evidence.defined:
                self.evidence.certain.add(name)
        return True

    def _is_reserved(self, text: str) -> bool:
        if text in _NOT_NAMES or text in self.evidence.functions:
            return text not in self.evidence.certain
        if text in _GREEK or text in self.evidence.defined:
            return False
        if text == "e":
            return True
        return text.lower() in FUNCTIONS or text in OPERATIONS

    def _behind(self, base: str, place: int) -> int:
        """Return the place behind the scripts of a word, noting which of them are layers."""
        place += 1
        for _ in range(_MOST_SCRIPTS):
            token = self.tokens[place]
            if token.kind == "end":
                break
            if token.text == "'":
                place += 1
            elif token.kind == "op" and token.text in ("^", "_"):
                if token.text == "^" and self._is_plain_layer(place + 1):
                    self.evidence.layered.add(base)
                place = self._past(place + 1)
            elif token.text == "[" and not token.spaced and self._is_layer(place):
                place = self._past(place)
            else:
                break
            place = min(place, len(self.tokens) - 1)
        return place

    def _is_plain_layer(self, place: int) -> bool:
        """Whether a superscript is 1, l or L - 1: nobody writes such a power."""
        first = self.tokens[place]
        inner = self.tokens[place + 1 : self._past(place) - 1] if first.kind == "open" else [first]
        if first.text == "{" and inner and inner[0].text == "(":
            inner = inner[1:-1]
        if not inner or len(inner) > 3:
            return False
        if inner[0].kind == "word":
            return inner[0].text in _LAYER_WORDS
        return inner[0].kind == "number" and inner[0].value == 1 and len(inner) == 1

    def _is_in_layer(self, place: int) -> bool:
        """Whether a word stands in a superscript that is a layer."""
        before = self.tokens[place - 1] if place else None
        if before is None or before.text not in ("^", "[", "(", "{", "-", "+"):
            return False
        depth = 0
        for at in range(place - 1, max(place - 8, -1), -1):
            token = self.tokens[at]
            if token.kind == "close":
                depth += 1
            elif token.kind == "open":
                depth -= 1
                if depth < 0 and at and self.tokens[at - 1].text == "^":
                    inner = self.tokens[at + 1]
                    layer = token.text == "[" or inner.text in ("[", "⟨", "<")
                    return layer or self._is_plain_layer(at) or inner.text == "("
            elif token.text == "^" and at == place - 1:
                return self._is_plain_layer(place)
        return False
