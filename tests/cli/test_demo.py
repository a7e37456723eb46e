"""``backlit demo``: its figure, its files, and that what it suggests works as printed."""

from __future__ import annotations

import json
import shlex

import numpy as onp
import pytest

from backlit.data import load_digits, read_table
from backlit.train.tabular import showcase


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The outcome of one demo, and the folder it ran in."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return showcase.demo(seed=0, progress=False), folder


def test_it_is_as_good_as_promised(finished):
    assert finished[0].test["accuracy"] >= 0.965
    assert finished[0].test_rows == 359 and finished[0].features == 64


def test_what_it_suggests_works(finished, run, monkeypatch):
    result, folder = finished
    monkeypatch.chdir(folder)
    assert [command.split()[1] for command in result.next] == ["predict", "explain", "train"]
    for command in result.next[:2]:
        ran = run_in(run, folder, shlex.split(command)[1:])
        assert ran.code == 0, ran.err
    # The weight it suggests is one with a gradient: the example must show something.
    assert "paths lead from w to L" in ran.out and "∂L/∂w  0, " not in ran.out
    given = read_table(folder / "backlit-demo" / "predictions.csv")["prediction"]
    wanted = read_table(folder / "backlit-demo" / "held-out.csv")["digit"]
    assert (given == wanted).mean() == pytest.approx(result.test["accuracy"])
    train = [*shlex.split(result.next[2])[1:], "--epochs", "2", "--no-report", "--json"]
    found = json.loads(run_in(run, folder, train).out)
    assert found["rows"] == 1797 and found["task"] == "classification"


def run_in(run, folder, words):
    import os

    os.chdir(folder)  # `run` went to a folder of its own when it was made
    return run(*words)


def test_held_out_digits_have_no_influence(monkeypatch):
    """The same weights to the bit when every held-out image is replaced by ink."""
    recipe = showcase._recipe(seed=4, epochs=1)
    problem = showcase.digits_problem(4)
    honest = showcase.learn_digits(problem, recipe, progress=False)
    _, test = problem.train, problem.test
    pixels = [onp.array(values) for values in problem.table.columns]
    for values in pixels[:-1]:
        values[test] = 16
    spoiled = showcase.Problem(
        problem.source,
        type(problem.table)(problem.table.names, tuple(pixels), problem.table.kinds),
        problem.rows,
        problem.train,
        problem.test,
        problem.preprocessor,
    )
    other = showcase.learn_digits(spoiled, recipe, progress=False)
    for one, two in zip(honest.model.layers, other.model.layers, strict=True):
        assert onp.array_equal(one.W, two.W) and onp.array_equal(one.b, two.b)
    # Not even the curves look at them.
    assert honest.history.curve("val_loss") == other.history.curve("val_loss")


def test_moved_copies_hold_the_same_ink_but_for_the_edge():
    images, _ = load_digits()
    copies = showcase.moved_copies(images[:50]).reshape(5, 50, 8, 8)
    assert onp.array_equal(copies[0].reshape(50, 64), images[:50])
    # A shift by half a pixel moves the centre of mass by half a pixel, if nothing crosses the edge.
    inner = onp.zeros((3, 8, 8), onp.float32)
    inner[:, 2:6, 2:6] = onp.random.default_rng(0).uniform(size=(3, 4, 4))
    moved = showcase.moved_copies(inner.reshape(3, 64)).reshape(5, 3, 8, 8)
    grid = onp.arange(8)

    def centre(stack):
        mass = stack.sum(axis=(1, 2))
        return (
            onp.stack([(stack * grid[:, None]).sum(axis=(1, 2)), (stack * grid).sum(axis=(1, 2))])
            / mass
        )

    steps = [centre(stack) - centre(inner) for stack in moved[1:]]
    wanted = [(0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5)]
    for step, (down, right) in zip(steps, wanted, strict=True):
        onp.testing.assert_allclose(step, [[down] * 3, [right] * 3], atol=1e-5)


def test_json_and_options(run):
    ran = run("demo", "--json", "--epochs", "1", "--seed", "3", "--out", "d", "--no-report", "-q")
    assert ran.code == 0 and ran.err == ""
    found = json.loads(ran.out)
    assert list(found)[:7] == ["task", "rows", "features", "test", "model", "report", "seconds"]
    assert found["model"] == "d/model.safetensors" and found["report"] is None
    assert len(found["next"]) == 3
    other = run("demo", "--json", "--epochs", "1", "--seed", "4", "--out", "d", "--no-report", "-q")
    assert json.loads(other.out)["test"] != found["test"]


def test_text_says_where_everything_is(run):
    ran = run("demo", "--epochs", "1")
    assert ran.code == 0
    assert "epoch 1/1" in ran.err  # it can be watched even when it is quick
    for words in ("accuracy", "359 held-out rows", "model.safetensors", "report.html", "try next"):
        assert words in ran.out


@pytest.mark.parametrize(("words", "message"), [(["--epochs", "0"], "epochs is 0"),
                                                (["--seed", "-3"], "seed is -3")])  # fmt: skip
def test_bad_options(run, words, message):
    ran = run("demo", *words)
    assert ran.code == 2 and message in ran.err and ran.out == ""
