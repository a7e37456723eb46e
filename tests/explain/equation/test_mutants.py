"""One mistake put into a right claim makes it wrong, and is the one that is named.

Some of the mutants, drawn by a seed; ``python -m tests.exhaustive.mutants`` goes through all.
"""

from __future__ import annotations

import functools

from tests.explain.equation.corpus.judging import DIAGNOSED, Judged, judged, table
from tests.explain.equation.corpus.mutants import EDITS, sample

SIZE, SEED = 120, 4


@functools.cache
def some() -> tuple[Judged, ...]:
    return tuple([judged(mutant) for mutant in sample(SIZE, SEED)])


def test_there_are_mutants_of_every_kind():
    kinds = [j.mutant.kind for j in some()]
    assert set(kinds) == set(EDITS) and len(kinds) >= 0.8 * SIZE


def test_no_mutant_is_called_right():
    wrong = [str(j) for j in some() if j.is_right or j.verdict is None]
    assert not wrong, "\n".join(wrong)


def test_mistakes_are_diagnosed():
    good = sum(not j.fault for j in some())
    told = [table(some()), *[str(j) for j in some() if j.fault]]
    assert good >= DIAGNOSED * len(some()), "\n".join(told)
