"""The benchmarks run, their contenders agree, and a library that is absent is said to be.

No time is looked at. That the contenders agree is checked by the benchmarks themselves.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import first_call, grid, harness, steps, tasks

ROOT = Path(__file__).parents[2]


def found_by(name, *options):
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", "--rounds", "2", "--json", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("eager", ""),
        ("imports", ""),
        ("training", ""),
        ("compiled", "--only xor"),
        ("work", "--only xor digits"),
        ("fit", "--only xor"),
        ("threads", "--only xor"),
        ("grid", "--only 3"),
    ],
)
def test_benchmark_runs(name, options):
    found = found_by(name, *options.split())
    assert found["rounds"] == 2
    for table in found["tables"]:
        first, *others = table["rows"]
        assert first["name"].startswith("Backlit")
        assert first["ratio"] == 1
        assert any("ratio" in row for row in others)
        for row in others:
            assert row["ratio"] > 0 if "ratio" in row else row["status"] == harness.NOT_INSTALLED


def test_random_networks_are_summed_up():
    spread, worst = found_by("grid", "--cases", "3", "--first", "2", "--worst", "2")["tables"]
    assert [v["text"] for v in spread["verdicts"]] == ["at or above the best peer", "the worst"]
    assert [row["below"] for row in spread["rows"]] == sorted(r["below"] for r in spread["rows"])
    assert [row["seed"] in {"2", "3", "4"} for row in worst["rows"]] == [True, True]
    assert worst["rows"][0]["ratio"] <= worst["rows"][1]["ratio"]


def test_memory_is_no_less_than_what_lives_at_once():
    (table,) = found_by("memory", "--only", "digits", "mnist")["tables"]
    for row in table["rows"]:
        assert row["liveness"] <= row["planned"] <= row["asked for"]


def test_contenders_take_the_same_steps_with_every_activation_and_rule():
    for activation in ("relu", "sigmoid", "tanh"):
        for rule in ("sgd", "adam"):
            for outputs in (1, 3):
                task = tasks.Task("small", (5, 7, 6, outputs), 3, 4, activation)
                runs = harness.build(steps.contenders(task, rule, ["Backlit", "NumPy by hand"]))
                steps.agree(runs, task)


def test_weights_that_go_another_way_are_noticed():
    task = tasks.Task("small", (5, 7, 3), 3, 4)
    runs = {
        "a": steps.by_hand(task, "sgd"),
        "b": steps.Steps(steps.by_hand(task, "sgd"), task.weights),
    }
    with pytest.raises(AssertionError, match="weights of b are 100% of the way from a's"):
        steps.agree(runs, task)


def test_random_networks_depend_on_the_seed_alone():
    drawn = [grid.draw(seed) for seed in range(40)]
    assert drawn == [grid.draw(seed) for seed in range(40)]
    assert {rule for _, rule in drawn} == {"sgd", "adam"}
    assert {task.activation for task, _ in drawn} == {"relu", "sigmoid", "tanh"}
    assert all(task.flops <= grid.MOST_FLOPS for task, _ in drawn)


def test_operations_are_counted_without_the_gradient_of_the_data():
    found = {task.name: task for task in tasks.TASKS}
    assert round(found["mnist"].flops / 1e6, 1) == 29.1
    assert round(found["wide"].flops / 1e6) == 411
    ratios = {n: round(t.flops / t.forward_flops, 2) for n, t in found.items()}
    assert ratios | {"mnist": 2.08, "wide": 2.4, "big": 2.67, "deep": 2.97} == ratios


def test_a_contender_that_cannot_run_here_says_why():
    def absent():
        raise harness.Absent("no C++ compiler")

    runs = harness.build([harness.Contender("a", lambda: int), harness.Contender("b", absent)])
    table = harness.Table("t", "a", runs, {"a": harness.Times([1.0, 1.0])})
    assert table.rows()[1] == {"name": "b", "status": "no C++ compiler"}
    assert "no C++ compiler" in str(table)


def test_a_verdict_is_met_up_to_its_limit_on_the_right_side():
    cases = [(1.0, False, True), (1.1, False, True), (0.9, False, False)]
    cases += [(1.0, True, True), (1.1, True, False), (0.9, True, True)]
    for value, most, met in cases:
        verdict = harness.Verdict("t", value, 1.0, most=most)
        assert verdict.met is met
        assert ("MISSED" in str(verdict)) is not met


def test_a_first_call_leaves_machine_code_that_the_next_process_finds(tmp_path):
    found = [first_call.run("Backlit", str(tmp_path), (3, 4, 2), 5) for _ in range(2)]
    assert found[0].loss == found[1].loss
    assert all(0 < one.call < one.process for one in found)
    assert len(list(tmp_path.glob("compiled/*.code"))) == 1
    assert first_call.verdict("x", 0.2, 0.2).endswith("met)")
    assert first_call.verdict("x", 0.3, 0.2).endswith("MISSED)")


def test_ratio_is_taken_within_each_round():
    subject = harness.Times([1.0, 10.0, 1.0])
    assert harness.ratio(harness.Times([2.0, 20.0, 2.0]), subject) == 2.0


def test_absent_library_is_no_error_but_a_broken_one_is():
    def missing():
        raise ModuleNotFoundError("No module named 'there'", name="there")

    assert harness.build([harness.Contender("a", missing, "there")]) == {"a": harness.NOT_INSTALLED}
    with pytest.raises(ModuleNotFoundError):
        harness.build([harness.Contender("a", missing, "elsewhere")])


def test_contenders_that_disagree_stop_the_benchmark():
    with pytest.raises(AssertionError, match="b against a"):
        harness.agree({"a": lambda: (1.0, [2.0]), "b": lambda: (1.0, [2.1]), "c": "not installed"})


def test_a_bar_is_met_from_its_limit_on():
    times = {"a": harness.Times([1.0, 1.0]), "b": harness.Times([3.0, 3.0])}
    for at_least, met in ((3.0, True), (3.1, False)):
        table = harness.Table(
            "t", "a", {"a": "", "b": ""}, times, [harness.Bar("b", at_least, "limit")]
        )
        assert table.rows()[1]["met"] is met
        assert ("limit: met" in str(table)) is met
