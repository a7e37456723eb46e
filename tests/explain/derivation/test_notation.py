"""Every primitive has a notation, and docs/notation.md says what it means."""

from __future__ import annotations

from pathlib import Path

import pytest

from backlit.core.primitive import registry
from backlit.explain.derivation.definitions import DEFINITIONS
from backlit.explain.derivation.expression import leaf, make
from backlit.explain.equation.text.parser import parse_expression
from backlit.explain.equation.text.printing import latex
from backlit.explain.equation.text.vocabulary import Vocabulary
from backlit.explain.equation.tree import Call, Name
from backlit.explain.equation.values.operators import builtin
from backlit.explain.notation import WRITERS, to_tree
from tests.explain.derivation.notation_page import page

PAGE = Path(__file__).parents[3] / "docs" / "notation.md"


def test_the_page_is_the_table() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == page() + "\n", "run python -m tests.explain.derivation.notation_page"


@pytest.mark.parametrize("name", sorted(registry))
def test_every_primitive_has_a_notation_and_a_definition(name: str) -> None:
    assert DEFINITIONS[name]
    assert name in WRITERS or name == "call"  # which is written out
    assert f"| `{name}` |" in PAGE.read_text(encoding="utf-8")


def test_nothing_is_defined_that_is_not_there() -> None:
    assert set(DEFINITIONS) == set(registry)


def test_what_a_user_adds_is_printed_under_its_name() -> None:
    written = to_tree(make("bare", leaf(Name("x"), (3,)), shape=(3,)))
    assert isinstance(written, Call) and written.function.name == "bare"


@pytest.mark.parametrize(
    "text",
    [
        r"\operatorname{scatter}(g, \operatorname{places}((4, 3))[i, :], (4, 3))",
        r"\operatorname{scan}((c, x), f1, carries=1, length=4, result=0, reverse=False, rows=1)",
        r"\operatorname{einsum}(x, y, (0, 1), (1, 2), (0, 2))",
        r"\operatorname{where}(x > 0, x, 0)",
        r"\operatorname{mod}(x, y)",
    ],
)
def test_named_operators_are_read_as_they_are_written(text: str) -> None:
    names = frozenset("gicxy") | {"f1"}
    functions = frozenset(["scatter", "places", "scan", "einsum", "mod"])
    (node,) = parse_expression(text, Vocabulary(names, functions))
    assert isinstance(node, Call) and builtin(node.function.name) is not None
    assert parse_expression(latex(node), Vocabulary.of(node)) == (node,)
