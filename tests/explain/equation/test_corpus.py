"""A corpus of notes comes out as it is labelled, and the labels are right by differences."""

from __future__ import annotations

import pytest

from backlit.explain.equation.verdicts import REFUSED, RIGHT, WRONG
from tests.explain.equation.corpus.judging import CALLED_RIGHT, verdicts
from tests.explain.equation.corpus.plain import holds
from tests.explain.equation.corpus.reading import TOPICS, Sheet, sheets


def test_the_corpus_is_large():
    labels = [mark.split()[0] for sheet in sheets() for mark in sheet.marks.values()]
    assert len(sheets()) >= 160 and labels.count(RIGHT) >= 650
    assert set(labels) <= {RIGHT, WRONG, REFUSED}
    titles = [sheet.title for sheet in sheets()]
    assert len(titles) == len(set(titles))


def of_topic(topic: str) -> list[Sheet]:
    return [sheet for sheet in sheets() if sheet.topic == topic]


@pytest.mark.parametrize("topic", TOPICS)
def test_labels_are_what_differences_of_a_network_by_hand_say(topic):
    for sheet in of_topic(topic):
        for line, equations in sheet.claims().items():
            assert equations, f"{sheet.title}: cannot be read: {sheet.line(line)}"
            right = all(holds(e, point) for e in equations for point in sheet.points)
            assert right == (sheet.marks[line] == RIGHT), f"{sheet.title}: {sheet.line(line)}"


@pytest.mark.parametrize("topic", TOPICS)
def test_the_network_by_hand_is_the_one_of_the_notes(topic):
    for sheet in of_topic(topic):
        for definition in sheet.definitions():
            assert holds(definition, sheet.points[0]), f"{sheet.title}: {definition.left}"


def test_right_claims_are_called_right():
    found = {
        f"{sheet.title}: {sheet.line(line)}": verdicts(sheet).get(line)
        for sheet in sheets()
        for line, mark in sheet.marks.items()
        if mark == RIGHT
    }
    failed = {claim: v for claim, v in found.items() if v is None or v.verdict != RIGHT}
    told = [f"{claim}\n    {v and v.verdict}: {v and v.message}" for claim, v in failed.items()]
    assert len(failed) <= (1 - CALLED_RIGHT) * len(found), "\n".join(told)


def test_wrong_claims_are_never_called_right():
    for sheet in sheets():
        for line, mark in sheet.marks.items():
            found = verdicts(sheet).get(line)
            if mark != RIGHT:
                assert found is None or found.verdict != RIGHT, f"{sheet.title}: {sheet.line(line)}"


def test_nothing_else_is_found():
    """Every line of the notes that is no claim was understood."""
    for sheet in sheets():
        others = set(verdicts(sheet)) - set(sheet.marks)
        assert not others, [verdicts(sheet)[line].message for line in others]


@pytest.mark.parametrize("sheet", of_topic("questions"), ids=lambda sheet: sheet.title)
def test_the_questions_come_out_as_they_were_answered(sheet):
    for line, mark in sheet.marks.items():
        verdict, *kinds = mark.split()
        found = verdicts(sheet)[line]
        assert found.verdict == verdict, f"{sheet.line(line)}: {found.message}"
        assert not kinds or found.kind in kinds[0].split("|"), f"{sheet.line(line)}: {found.kind}"
