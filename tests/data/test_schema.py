"""Strict JSON and checks of single values."""

import json

import pytest

from backlit.core.errors import InputError
from backlit.data import schema


@pytest.mark.parametrize("text", ['{"a": [1, -2.5e3, true, null, "x"]}', "[]", "0", '"\\u00e9"'])
def test_valid_json_is_what_the_standard_parser_gives(text):
    assert schema.loads(text, "the text") == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{'a': 1}",
        '{"a": 1} x',
        '{"a": 1, "a": 2}',
        '[{"b": {"a": 1, "a": 1}}]',
        "NaN",
        "[Infinity]",
        "-Infinity",
        "1e999",
        "9" * 5000,
        "[" * 100_000,
        '{"a":' * 100_000,
        "[" + "1," * 600_000 + "1]",
    ],
)
def test_other_json_is_refused(text):
    with pytest.raises(InputError, match="the text") as caught:
        schema.loads(text, "the text")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("check", "bad"),
    [
        (lambda v: schema.fields(v, ["a"], "it"), [None, {}, {"a": 1, "b": 2}, {"b": 1}, []]),
        (lambda v: schema.text(v, "it"), [None, 1, ["a"]]),
        (lambda v: schema.choice(v, ["a"], "it"), ["b", None, ["a"], {}]),
        (lambda v: schema.number(v, "it"), ["1", True, None, float("nan"), float("inf"), 10**400]),
        (lambda v: schema.number(v, "it", positive=True), [0, -1.0]),
        (lambda v: schema.whole(v, "it"), [-1, 1.0, True, "1", 2**53 + 1, None]),
        (lambda v: schema.flag(v, "it"), [0, 1, "true", None]),
        (lambda v: schema.items(v, "it"), [(1,), {}, "ab", None]),
    ],
)
def test_checks_refuse(check, bad):
    for value in bad:
        with pytest.raises(InputError, match=r"^it |it is|it has"):
            check(value)
