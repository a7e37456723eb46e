"""The benchmarks run, their contenders agree, and a library that is absent is said to be.

No time is looked at. That the contenders agree is checked by the benchmarks themselves.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import harness

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["eager", "imports", "training"])
def test_benchmark_runs(name):
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", "--rounds", "2", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["rounds"] == 2
    for table in found["tables"]:
        first, *others = table["rows"]
        assert first["name"].startswith("Backlit")
        assert first["ratio"] == 1
        assert any("ratio" in row for row in others)
        for row in others:
            assert row["ratio"] > 0 if "ratio" in row else row["status"] == harness.NOT_INSTALLED


def test_ratio_is_taken_within_each_round():
    subject = harness.Times([1.0, 10.0, 1.0])
    assert harness.ratio(harness.Times([2.0, 20.0, 2.0]), subject) == 2.0


def test_absent_library_is_no_error_but_a_broken_one_is():
    def missing():
        raise ModuleNotFoundError("No module named 'there'", name="there")

    assert harness.build([harness.Contender("a", missing, "there")]) == {
        "a": harness.NOT_INSTALLED
    }
    with pytest.raises(ModuleNotFoundError):
        harness.build([harness.Contender("a", missing, "elsewhere")])


def test_contenders_that_disagree_stop_the_benchmark():
    with pytest.raises(AssertionError, match="b against a"):
        harness.agree({"a": lambda: (1.0, [2.0]), "b": lambda: (1.0, [2.1]), "c": "not installed"})


def test_a_bar_is_met_from_its_limit_on():
    times = {"a": harness.Times([1.0, 1.0]), "b": harness.Times([3.0, 3.0])}
    for at_least, met in ((3.0, True), (3.1, False)):
        table = harness.Table("t", "a", {"a": "", "b": ""}, times, [harness.Bar("b", at_least, "limit")])
        assert table.rows()[1]["met"] is met
        assert ("limit: met" in str(table)) is met
