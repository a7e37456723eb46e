"""A sheet of notes, judged line by line."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backlit.core.errors import InputError
from backlit.explain.equation.binding.assumptions import assumptions
from backlit.explain.equation.binding.names import BindingError
from backlit.explain.equation.binding.network import Networks
from backlit.explain.equation.binding.powers import Powers
from backlit.explain.equation.binding.script import Claim, Definition, sort
from backlit.explain.equation.binding.sums import element_by_element
from backlit.explain.equation.judging.claims import (
    POINTS,
    Bound,
    Outcome,
    bind,
    disoriented,
    judge,
)
from backlit.explain.equation.judging.completing import Convention
from backlit.explain.equation.judging.consequences import Mistake, follows, uses
from backlit.explain.equation.judging.given import Stated, is_number, stated
from backlit.explain.equation.judging.wording import (
    holds_at,
    printer_of,
    refused,
    sentence,
    unread,
    verdict_of,
)
from backlit.explain.equation.mending.diagnosis import Case, wrong_number
from backlit.explain.equation.mending.repair import explained, surroundings
from backlit.explain.equation.text import printing
from backlit.explain.equation.text.headers import Header
from backlit.explain.equation.text.notes import read
from backlit.explain.equation.tree import Binary, Derivative, Equation, Name
from backlit.explain.equation.values.evaluate import EvaluationFault
from backlit.explain.equation.verdicts import REFUSED, RIGHT, WRONG, Sheet, Verdict

_SECONDS, _SECONDS_MORE = 20.0, 0.2  # Of a sheet, and more for each of its claims.
_SECONDS_A_CLAIM = 3.0
_LARGEST_FILE = 1_000_000
_MOST_AMBIGUOUS = 3
_BRACKETS = "put brackets around what belongs together"
# x**2 or x ** 2, not a word in bold.
_PROGRAM_POWER = re.compile(r"[\w)\]](?:\*\*| \*\* )\(?-?\d")
_CLOSE = 1e-6
_FAULTS = (
    ArithmeticError,
    LookupError,
    RecursionError,
    ValueError,
    BindingError,
    EvaluationFault,
)


def check(notes: str | os.PathLike[str]) -> Sheet:
    r"""Judge the derivatives that some notes state.

    Parameters
    ----------
    notes : str or path
        The text itself, or the path of a file: definitions and claims, as ``docs/check.md`` says.

    Returns
    -------
    Sheet
        One verdict for each claim.

    Raises
    ------
    InputError
        If the file cannot be read.

    Examples
    --------
    >>> sheet = check("z = w x + b\na = σ(z)\nda/dw = a(1-a)x\nda/db = a(1+a)")
    >>> [v.verdict for v in sheet.verdicts]
    ['right', 'wrong']
    """
    text = notes if isinstance(notes, str) else _text(Path(notes))
    powers = Powers(written=_PROGRAM_POWER.search(text) is None)
    first = _Check(text, powers)
    sheet = first.sheet()
    if all(v.verdict != WRONG for v in sheet.verdicts):
        return sheet
    if powers.met:
        by_element = Powers(matrix=False)
        other = _Check(text, by_element).sheet()
        if _wrong(other) < _wrong(sheet):
            sheet, powers = other, by_element
    several = [d for d in first.script.definitions if len(d.readings) > 1]
    for definition in several[:_MOST_AMBIGUOUS]:
        other = _Check(text, powers, definition.line).sheet()
        sheet = _with_ambiguous(sheet, other, definition)
    return sheet


def _wrong(sheet: Sheet) -> int:
    return sum(v.verdict == WRONG for v in sheet.verdicts)


def _with_ambiguous(sheet: Sheet, other: Sheet, definition: Definition) -> Sheet:
    """Refuse what is wrong only because of how a definition was read."""
    right = {(v.line, v.claim) for v in other.verdicts if v.verdict == RIGHT}
    shown = [f"‘{printing.written(r, definition.style)}’" for r in definition.readings[:2]]
    message = (
        f"Ambiguous. Line {definition.line} can be read in more than one way: "
        f"with {shown[0]} this is wrong, with {shown[1]} it is right."
    )
    found = [
        replace(
            v, verdict=REFUSED, kind="other", message=message, suggestion=_BRACKETS, proved=False
        )
        if v.verdict == WRONG and (v.line, v.claim) in right
        else v
        for v in sheet.verdicts
    ]
    return replace(sheet, verdicts=tuple(found))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(f"{path} is larger than {_LARGEST_FILE:,} bytes")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text", fix="save it as UTF-8") from None


@dataclass(frozen=True)
class _Reading:
    """One reading of a claim, what came of it, and that in the other convention if it is open."""

    equation: Equation
    outcome: Outcome
    per_example: bool
    other: _Reading | None = None


@dataclass(frozen=True)
class _How:
    """How thoroughly a claim is judged.

    Attributes
    ----------
    points : slice
        Which of the random points of a network.
    networks : int or None
        In how many networks; None for all.
    prove : bool
    """

    points: slice
    networks: int | None = None
    prove: bool = False


_FULL = _How(slice(0, POINTS), prove=True)
_PROBE = _How(slice(0, 2), networks=1)
_FRESH = _How(slice(POINTS, 2 * POINTS))


class _Check:
    """One run over some notes."""

    def __init__(self, text: str, powers: Powers, other: int | None = None) -> None:
        self.lines = tuple(text.splitlines())
        self.script = sort(read(text))
        self.script.definitions = [
            replace(d, readings=d.readings[1:]) if d.line == other else d
            for d in self.script.definitions
        ]
        self.networks = Networks(self.script, powers)
        headers = self.script.headers
        dims = (Name(dim) for h in headers for dim in h.dims or () if isinstance(dim, str))
        self.around = surroundings(
            tuple([header.name for header in headers]), tuple(self.script.equations()), tuple(dims)
        )
        self.end = time.thread_time() + _SECONDS + _SECONDS_MORE * len(self.script.claims)
        self.per_example: bool | None = None
        self.latest = 0.0
        self.mistakes: list[Mistake] = []
        used = [node for e in self.script.equations() for node in e.walk()]
        self.is_program = any(isinstance(node, Binary) and node.op == "@" for node in used)

    def sheet(self) -> Sheet:
        entries = [
            (fault.line, fault.span[0], unread(fault, self.around.names))
            for fault in self.script.faults
        ]
        claims = self.script.claims
        claims[:] = [element_by_element(c, self.networks.at(c.line)[0]) for c in claims]
        self._settle_convention()
        for claim in claims:
            entries.append((claim.line, claim.span[0], self._verdict(claim)))
        entries += [(v.line, v.span[0], v) for v in self._refused_definitions()]
        entries.sort(key=lambda entry: entry[:2])
        verdicts = tuple([verdict for _, _, verdict in entries])
        assumed = assumptions(self.script, self.networks, self.per_example)
        return Sheet(verdicts, tuple(assumed), self.lines)

    # --- one claim --------------------------------------------------------------------------

    def _verdict(self, claim: Claim) -> Verdict:
        self.latest = min(self.end, time.thread_time() + _SECONDS_A_CLAIM)
        worst: Verdict | None = None
        order = (RIGHT, WRONG, REFUSED)
        for part in claim.parts:
            try:
                found = self._part(claim, part)
            except BindingError as fault:
                found = refused(claim, fault)
                unread = sorted(self.script.unread.values())
                if unread:
                    told = f"{found.message} The definition on line {unread[0]} could not be read."
                    found = replace(found, message=told)
            except EvaluationFault as fault:
                found = refused(claim, fault)
            except _TooLong:
                found = refused(claim, BindingError("judging it takes too long: exceeds a cap"))
            except (ArithmeticError, LookupError, RecursionError, ValueError) as error:
                # The other claims still have their verdicts.
                found = refused(claim, BindingError(f"a fault of ours, please report it: {error}"))
            if worst is None or order.index(found.verdict) > order.index(worst.verdict):
                worst = found
        assert worst is not None
        return worst

    def _part(self, claim: Claim, readings: Sequence[Equation]) -> Verdict:
        found: list[_Reading] = []
        faults: list[BindingError] = []
        for equation in readings:
            try:
                found.append(self._read(claim, equation))
            except BindingError as fault:
                faults.append(fault)
        if not found:
            raise faults[0]
        # The definitions force a reading under which the shapes fit.
        found = [r for r in found if r.outcome.fault is None] or found
        if len({r.outcome.status for r in found}) > 1:
            return self._ambiguous(claim, found)
        return self._said(claim, found[0])

    def _read(self, claim: Claim, equation: Equation) -> _Reading:
        """Judge one reading, in the convention of the notes or, while that is open, in both."""
        asked = (self.per_example,) if self.per_example is not None else (False, True)
        found: list[_Reading] = []
        for per_example in asked:
            outcome, met = self._outcome(claim, equation, per_example, _FULL)
            found.append(_Reading(equation, outcome, per_example))
            if outcome.status == RIGHT or not met:
                break
        right = [r for r in found if r.outcome.status == RIGHT]
        if right:
            return right[0]
        # Of two conventions that are both possible, the one in which less is wrong.
        found.sort(key=_distance)
        return replace(found[0], other=found[1] if found[1:] else None)

    def _outcome(
        self,
        claim: Claim,
        equation: Equation,
        per_example: bool,
        how: _How,
    ) -> tuple[Outcome, bool]:
        """Judge an equation, and tell whether the convention of examples matters to it."""
        convention = Convention(per_example)
        try:
            bounds = self._bounds(claim, equation, convention, how.networks)
        except BindingError as fault:
            if fault.kind in ("shape", "independent"):
                return Outcome(WRONG, (), fault=fault), convention.met
            raise
        outcome = judge(bounds, how.points, prove=how.prove, pause=self._check_time)
        if outcome.status == RIGHT and claim.style != "python":
            left = equation.left
            bare = isinstance(left, Derivative) and left.target is None
            mixed = disoriented(bounds[0], outcome.layout, is_bare=bare)
            if mixed is not None:
                outcome = Outcome(WRONG, bounds, outcome.layout, mixed, bounds[0])
        return outcome, convention.met

    def _bounds(
        self, claim: Claim, equation: Equation, convention: Convention, networks: int | None
    ) -> list[Bound]:
        """Tie an equation to the networks that it is not at odds with."""
        bounds: list[Bound] = []
        fault: BindingError | None = None
        for scene in self.networks.at(claim.line)[:networks]:
            self._check_time()
            try:
                bounds += bind(scene, equation, convention)
            except BindingError as error:
                fault = fault or error
        if not bounds:
            assert fault is not None
            raise fault
        return bounds

    def _check_time(self) -> None:
        if time.thread_time() > self.latest:
            raise _TooLong

    # --- conventions ------------------------------------------------------------------------

    def _settle_convention(self) -> None:
        """Fix whether bare dZ are per example: by the first that tells, else by most claims."""
        votes = {True: 0, False: 0}
        for claim in self.script.claims:
            if not _mentions_bare(claim):
                continue
            self.latest = min(self.end, time.thread_time() + _SECONDS_A_CLAIM)
            away = {p: self._distance(claim, p) for p in votes}
            if away[True] == away[False]:
                continue
            nearer = min(votes, key=away.__getitem__)
            if away[nearer] < 2 and self._is_per_example(claim):
                self.per_example = nearer
                return
            votes[nearer] += away[nearer] == 0
        if votes[True] != votes[False]:
            self.per_example = max(votes, key=votes.__getitem__)

    def _is_per_example(self, claim: Claim) -> bool:
        """Tell whether a claim is about a derivative that there is once per example."""
        left = claim.parts[0][0].left
        bare = isinstance(left, Derivative) and left.target is None
        try:
            return bare and self._outcome(claim, Equation(left, left), False, _PROBE)[1]
        except (*_FAULTS, _TooLong):
            return False  # A claim without a value tells no convention; it is refused in its turn.

    def _distance(self, claim: Claim, per_example: bool) -> int:
        """Tell how far from right a claim is in a convention: 1 by a sign, 2 by more."""
        try:
            outcome, _ = self._outcome(claim, claim.parts[0][0], per_example, _PROBE)
        except (*_FAULTS, _TooLong):
            return 2
        if outcome.status == RIGHT:
            return 0
        ratio = None if outcome.comparison is None else outcome.comparison.ratio
        return 1 if ratio is not None and abs(ratio + 1) < _CLOSE else 2

    # --- words ------------------------------------------------------------------------------

    def _said(self, claim: Claim, reading: _Reading) -> Verdict:
        """Put a judged reading into words."""
        outcome = reading.outcome
        number = self._number(claim, reading) if outcome.status == WRONG else None
        if number is not None and number.holds:
            outcome = replace(outcome, status=RIGHT, points=1)
        if outcome.status == RIGHT:
            message = " ".join([holds_at(outcome), *self._carried(outcome)])
            return verdict_of(claim, outcome, None, message, None, claim.span)
        if outcome.status == REFUSED:
            assert outcome.fault is not None
            return refused(claim, outcome.fault)
        case = self._case(claim, reading)
        found = explained(case, self.around)
        unclear = found.suggestion is None or found.kind == "other"
        if unclear and reading.other is not None:
            other = explained(self._case(claim, reading.other), self.around)
            found = found if other.suggestion is None else other
        if number is not None:
            found = wrong_number(found, case, number)
        message = " ".join([found.message, *self._dragged(outcome)])
        self.mistakes.append(Mistake(claim.line, case.write(reading.equation.left), outcome.bounds))
        return verdict_of(claim, outcome, found.kind, message, found.suggestion, found.span)

    def _case(self, claim: Claim, reading: _Reading) -> Case:
        per_example = reading.per_example
        style = claim.style
        if style == "unicode" and claim.text.isascii() and self.is_program:
            style = "python"
        return Case(
            reading.equation,
            reading.outcome,
            lambda equation: self._is_right(claim, equation, per_example),
            printer_of(claim, style),
            lambda: self.latest - time.thread_time(),
            per_example,
            lambda equation: self._bounds(claim, equation, Convention(per_example), None),
            style == "python",
        )

    def _number(self, claim: Claim, reading: _Reading) -> Stated | None:
        """Return a number that a claim states and the derivative where the notes evaluate it."""
        right = reading.equation.right
        bound = reading.outcome.wrong
        if bound is None or not is_number(right):
            return None
        return stated(bound, self.script.given, right, claim.text)

    def _carried(self, outcome: Outcome) -> Iterator[str]:
        mistake = uses(outcome.bounds, self.mistakes)
        if mistake is not None:
            yield (
                f"It uses {mistake.what}, which line {mistake.line} has wrong: computed with that, "
                "its value is wrong too."
            )

    def _dragged(self, outcome: Outcome) -> Iterator[str]:
        mistake = follows(outcome.bounds, self.mistakes)
        if mistake is not None:
            yield (
                f"It follows from line {mistake.line}: with the {mistake.what} stated there this "
                "would be right, so correct that line first."
            )

    def _is_right(self, claim: Claim, equation: Equation, per_example: bool) -> bool:
        """Judge a repair: at a few points, and if it is right there, at fresh ones everywhere.

        What is tried is made by rule and need not have a value: then it is no repair.
        """
        try:
            return all(
                self._outcome(claim, equation, per_example, how)[0].status == RIGHT
                for how in (_PROBE, _FRESH)
            )
        except (*_FAULTS, _TooLong):
            return False

    def _ambiguous(self, claim: Claim, readings: Sequence[_Reading]) -> Verdict:
        write = printer_of(claim)
        shown = [f"‘{write(r.equation)}’ is {r.outcome.status}" for r in readings]
        message = f"This can be read in more than one way: {'; '.join(shown)}."
        return Verdict(
            claim.line,
            claim.source,
            REFUSED,
            False,
            "other",
            f"Ambiguous. {message}",
            _BRACKETS,
            claim.span,
            0,
        )

    def _refused_definitions(self) -> Iterator[Verdict]:
        lines: dict[int, BindingError] = {}
        for scene in self.networks.all():
            for line, fault in scene.binding.faults.items():
                lines.setdefault(line, fault)
        stated: list[Header | Definition] = [*self.script.headers, *self.script.definitions]
        for given in stated:
            if given.line in lines:
                fault = lines.pop(given.line)
                yield Verdict(
                    given.line,
                    given.text[slice(*given.span)],
                    REFUSED,
                    False,
                    fault.kind,
                    sentence(fault.what),
                    fault.fix,
                    fault.span if fault.span[1] else given.span,
                    0,
                )


def _distance(reading: _Reading) -> tuple[bool, float]:
    """Tell how far from right a reading is: by a sign, by a factor, or in another way."""
    comparison = reading.outcome.comparison
    ratio = None if comparison is None else comparison.ratio
    return ratio is None, 0.0 if ratio is None else abs(abs(ratio) - 1.0)


class _TooLong(Exception):
    """A claim takes longer than it may."""


def _mentions_bare(claim: Claim) -> bool:
    return any(isinstance(n, Derivative) and n.target is None for n in claim.parts[0][0].walk())
