"""``backlit train``: what it prints, what it writes, and that its figures are honest."""

from __future__ import annotations

import html
import json
import re
import shlex
from pathlib import Path

import numpy as onp
import pytest

from backlit import nn, optim
from backlit.core.errors import InputError
from backlit.data import read_table, split_rows
from backlit.train import fit, load
from backlit.train.tabular import train
from tests.cli.samples import flowers, houses

QUICK = ["--epochs", "40", "--hidden", "8", "--no-report"]


def trained(run, *words, out="out"):
    ran = run("train", *words, "--out", out, "--json")
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def weights(folder):
    saved = load(f"{folder}/model.safetensors")
    return [array for layer in saved.model.layers for array in (layer.W, layer.b)], saved


def same(one, other):
    return all(map(onp.array_equal, one, other))


def test_json_has_exactly_the_documented_fields(run, table):
    path = table("flowers.csv", flowers())
    ran = run("train", path, "--target", "species", "--epochs", "30", "--json")
    found = json.loads(ran.out)
    assert list(found) == ["task", "rows", "features", "test", "model", "report", "seconds"]
    assert list(found["test"]) == ["accuracy", "loss"]
    assert found["task"] == "classification" and found["rows"] == 60
    assert found["features"] == 4  # two numbers, two colours
    assert found["model"] == "backlit-flowers/model.safetensors"
    assert found["report"] == "backlit-flowers/report.html"
    assert found["seconds"] > 0
    assert ran.out.count("\n") == 1


def test_regression_json(run, table):
    found = trained(run, table("houses.csv", houses()), "--target", "price", *QUICK)
    assert found["task"] == "regression" and list(found["test"]) == ["r2", "loss"]
    assert found["report"] is None


def test_text_output_names_figures_files_and_what_to_try(run, table):
    path = table("flowers.csv", flowers())
    ran = run("train", path, "--target", "species", "--epochs", "30", "--quiet")
    assert ran.code == 0 and ran.err == ""
    for words in (
        "accuracy",
        "held-out rows",
        "backlit-flowers/model.safetensors",
        "backlit-flowers/report.html",
        "backlit predict backlit-flowers",
        "backlit explain backlit-flowers",
    ):
        assert words in ran.out


def test_what_it_suggests_works(run, table):
    path = table("flowers.csv", flowers())
    ran = run("train", path, "--target", "species", "--epochs", "5", "--quiet")
    commands = [
        line.split("backlit ", 1)[1] for line in ran.out.splitlines() if "  backlit " in line
    ]
    assert len(commands) == 2
    for command in commands:
        assert run(*shlex.split(command)).code == 0


def test_the_figures_are_those_of_the_held_out_rows(run, table):
    """Recomputed from the files alone: the split, the predictions, and the definition."""
    columns = flowers()
    path = table("flowers.csv", columns)
    found = trained(run, path, "--target", "species", "--no-refit", "--seed", "3", *QUICK)
    _, test = split_rows(60, 0.2, 3, stratify=columns["species"])
    run("predict", "out", path, "--out", "p.csv")
    given = read_table("p.csv")
    right = [given["prediction"][k] == columns["species"][k] for k in test]
    assert found["test"]["accuracy"] == pytest.approx(sum(right) / len(test))
    chance = [given[f"probability:{columns['species'][k]}"][k] for k in test]
    assert found["test"]["loss"] == pytest.approx(-onp.log(chance).mean(), rel=1e-5)


def test_the_figures_of_regression(run, table):
    columns = houses()
    path = table("houses.csv", columns)
    found = trained(run, path, "--target", "price", "--no-refit", "--split", "0.3", *QUICK)
    learned, test = split_rows(50, 0.3, 0)
    run("predict", "out", path, "--out", "p.csv")
    given, price = read_table("p.csv")["prediction"][test], onp.array(columns["price"])
    wanted = price[test]
    r2 = 1 - ((given - wanted) ** 2).sum() / ((wanted - wanted.mean()) ** 2).sum()
    assert found["test"]["r2"] == pytest.approx(r2, rel=1e-5)
    loss = (((given - wanted) / price[learned].std()) ** 2).mean()
    assert found["test"]["loss"] == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("validation", ["0", "0.2"])
def test_held_out_rows_have_no_influence(run, table, validation):
    """The same weights to the bit whatever the held-out rows hold."""
    words = ["--target", "price", "--no-refit", "--validation", validation, *QUICK]
    columns = houses()
    path = table("houses.csv", columns)
    one = trained(run, path, *words, out="one")
    _, test = split_rows(50, 0.2, 0)
    for k in test:
        columns["area"][k] = 1000.0 + k
        columns["price"][k] = -5.0
    other = trained(run, table("changed.csv", columns), *words, out="other")
    assert one["test"] != other["test"]
    assert same(weights("one")[0], weights("other")[0])


def test_preprocessing_learns_from_the_training_rows_only_until_it_is_refitted(run, table):
    columns = houses()
    path = table("houses.csv", columns)
    trained(run, path, "--target", "price", "--no-refit", *QUICK, out="held")
    trained(run, path, "--target", "price", *QUICK, out="all")
    learned, _ = split_rows(50, 0.2, 0)
    for folder, rows in (("held", learned), ("all", onp.arange(50))):
        saved = weights(folder)[1]
        for column in saved.preprocessing.columns:
            values = onp.array(columns[column.name], float)[rows]
            assert column.mean == pytest.approx(values.mean())
            assert column.scale == pytest.approx(values.std())
        assert saved.preprocessing.target.mean == pytest.approx(
            onp.array(columns["price"])[rows].mean()
        )


def test_refitting_changes_the_model_but_not_the_figures(run, table):
    path = table("flowers.csv", flowers())
    words = [path, "--target", "species", *QUICK]
    held, everything = trained(run, *words, "--no-refit", out="a"), trained(run, *words, out="b")
    assert held["test"] == everything["test"]
    assert not same(weights("a")[0], weights("b")[0])


def test_same_seed_same_file_other_seed_other_file(run, table):
    path = table("flowers.csv", flowers())
    files = []
    for seed in ("1", "1", "2"):
        trained(run, path, "--target", "species", "--seed", seed, *QUICK)
        with open("out/model.safetensors", "rb") as file:
            files.append(file.read())
    assert files[0] == files[1] != files[2]


def test_the_command_that_the_model_notes_repeats_the_run(run, table):
    table("flowers of mine.csv", flowers())
    words = ["flowers of mine.csv", "--target", "species", "--epochs", "20", "--no-report"]
    trained(run, *words)
    first, saved = weights("out")
    command = shlex.split(saved.info["command"])
    assert command[0] == "backlit"
    assert run(*command[1:], "--no-report").code == 0
    assert same(first, weights("out")[0])


def noisy(seed=1):
    """Return 80 rows whose labels are half noise, so that training for long does harm."""
    rng = onp.random.default_rng(seed)
    x, z = rng.normal(size=80), rng.normal(size=80)
    y = onp.where(rng.uniform(size=80) < 0.5, x > 0, rng.uniform(size=80) < 0.5)
    return {
        "x": x.tolist(),
        "z": z.tolist(),
        "y": ["no", "yes"] * 2 + onp.where(y, "yes", "no").tolist()[4:],
    }


def test_early_stopping_finds_the_number_of_epochs_for_all_training_rows(run, table):
    """With a validation part the measured model is one trained on every training row."""
    path = table("noisy.csv", noisy())
    words = ["--hidden", "8", "--epochs", "200", "--patience", "15", "--weight-decay", "0"]
    trained(run, path, "--target", "y", "--no-report", "--no-refit", *words, "--validation", "0.25")
    measured, saved = weights("out")
    epochs = saved.info["epochs"]
    result = train(path, "y", out="again", hidden=(8,), epochs=200, patience=15, weight_decay=0.0,
                   validation=0.25, refit=False, report=False, progress=False)  # fmt: skip
    curve = result.history.curve("val_loss")
    assert epochs == result.epochs == curve.index(min(curve)) + 1
    assert len(curve) == epochs + 15  # it stopped early, and not at the best epoch
    assert result.history.settings["data"]["rows"] == 48  # 64 for training, 16 of them watched
    # By hand: all 64 training rows for as many epochs, under the schedule of 200.
    rows, _ = split_rows(80, 0.2, 0, stratify=noisy()["y"])
    assert same(measured, by_hand(saved, noisy(), rows, epochs, total=200))


def by_hand(saved, columns, rows, epochs, total):
    """Return the arrays of a network trained on some rows with `fit` alone."""
    kept = {name: onp.array(values)[rows] for name, values in columns.items()}
    X = onp.column_stack([(kept[n] - kept[n].mean()) / kept[n].std() for n in ("x", "z")])
    y = (kept["y"] == "yes").astype(int)
    settings = saved.info["settings"]
    steps = total * -(-len(rows) // settings["batch"])
    rate = optim.schedules.one_cycle(settings["rate"], steps=steps)
    history = fit(
        nn.MLP([2, *settings["hidden"], 2], settings["activation"], seed=settings["seed"]),
        (X.astype("float32"), y),
        optimizer=optim.adamw(rate, decay=settings["weight_decay"], biases=False),
        epochs=epochs,
        batch_size=settings["batch"],
        seed=settings["seed"],
        progress=False,
    )
    return [array for layer in history.model.layers for array in (layer.W, layer.b)]


def test_refitting_trains_anew_on_all_rows_for_as_many_epochs(run, table):
    columns = noisy(2)
    words = ["--hidden", "6", "--epochs", "25", "--seed", "5", "--no-report"]
    trained(run, table("noisy.csv", columns), "--target", "y", *words)
    arrays, saved = weights("out")
    assert saved.info["refitted"] is True
    assert same(arrays, by_hand(saved, columns, onp.arange(80), 25, total=25))


def test_rows_without_a_target_are_left_out_and_numbers_still_fit_the_file(run, table):
    columns = flowers()
    columns["species"][0] = columns["species"][7] = None
    found = run("train", table("gaps.csv", columns), "--target", "species", *QUICK, "--json")
    assert json.loads(found.out)["rows"] == 58
    assert "2 of 60 rows have no 'species'" in found.err


def test_sql_patterns_and_default_folders(run, table):
    columns = flowers()
    for part in range(2):
        table(f"part-{part}.csv", {k: v[part * 30 : part * 30 + 30] for k, v in columns.items()})
    words = ["--target", "species", *QUICK, "--json"]
    found = json.loads(run("train", "part-*.csv", *words).out)
    assert (found["rows"], found["model"]) == (60, "backlit-part/model.safetensors")
    query = "SELECT length, species FROM 'part-*.csv' WHERE width > 0"
    found = json.loads(run("train", query, *words).out)
    assert (found["rows"], found["features"]) == (60, 1)
    assert found["model"] == "backlit-part/model.safetensors"
    table("data.csv.tsv", columns)
    assert run("train", "part-0.csv", *words).out.find("backlit-part-0/") > 0


def test_a_second_run_says_what_it_replaces(run, table, tmp_path):
    words = ["train", table("flowers.csv", flowers()), "--target", "species", "--epochs", "2"]
    report = tmp_path / "backlit-flowers" / "report.html"
    assert "replaced" not in run(*words).err and report.exists()
    before = report.read_text()
    again = run(*words, "--seed", "1")
    assert "replaced the model in backlit-flowers and its report" in again.err
    assert report.read_text() != before
    # Without a report of its own, the new model is not left beside that of the old one.
    again = run(*words, "--seed", "2", "--no-report")
    assert "replaced the model in backlit-flowers and removed its report" in again.err
    assert not report.exists() and "report" not in again.out
    assert run(*words, "--no-report").err.count("replaced the model in backlit-flowers\n") == 1
    # Nor does -q hide it.
    ran = run(*words, "-q", "--no-report")
    assert ran.err == "warning: replaced the model in backlit-flowers\n"


def test_a_folder_of_the_same_name_by_another_table(run, table):
    columns = flowers()
    table("flowers.csv", columns)
    path = table("flowers.tsv", columns)
    path.write_text(path.read_text().replace(",", "\t"))
    words = ["--target", "species", "--epochs", "2", "--no-report", "-q"]
    assert run("train", "flowers.csv", *words).err == ""
    assert run("train", "flowers.tsv", *words).err == (
        "warning: replaced the model in backlit-flowers, which was trained on 'flowers.csv'\n"
    )


def test_what_a_failed_run_left_goes_with_the_next_good_one(run, table, tmp_path):
    path = table("flowers.csv", flowers())
    words = ["train", path, "--target", "species", "--no-report", "--out", "out", "-q"]
    assert run(*words, "--epochs", "2").code == 0
    assert run(*words, "--rate", "1e30").code == 1
    spare = tmp_path / "out" / "before-failure-model.safetensors"
    assert spare.exists()
    ran = run(*words, "--epochs", "2")
    assert ran.code == 0 and not spare.exists()
    assert ran.err == (
        "warning: replaced the model in out; removed out/before-failure-model.safetensors\n"
    )


def test_a_disk_that_is_full_costs_the_report_only(run, table, tmp_path, monkeypatch):
    def full(*_):
        raise InputError("out/report.html cannot be written: No space left on device")

    monkeypatch.setattr("backlit.train.report.write_report", full)
    path = table("flowers.csv", flowers())
    ran = run("train", path, "--target", "species", "--epochs", "2", "--out", "out", "-q")
    assert ran.code == 1 and ran.out.startswith("accuracy ") and "report " not in ran.out
    assert ran.err.startswith(
        "error: out/report.html cannot be written: No space left on device; the model is saved in "
        "out/model.safetensors\n  fix: "
    )
    assert load(tmp_path / "out" / "model.safetensors").info["refitted"] is True
    ran = run("train", path, "--target", "species", "--epochs", "2", "--out", "out", "--json")
    assert ran.code == 1 and json.loads(ran.out)["report"] is None


def test_one_held_out_row_has_no_r2(run, table):
    path = table("t.csv", {"x": [1.0, 2.0, 3.0, 4.5, 6.0], "y": [1.5, 2.5, 3.5, 4.5, 5.5]})
    words = ["train", path, "--target", "y", "--epochs", "2", "--no-report", "-q"]
    ran = run(*words)
    assert ran.out.splitlines()[0] == (
        "R²        undefined (one row) on 1 held-out row (always the mean: undefined (one row))"
    )
    found = json.loads(run(*words, "--json").out)
    assert found["test"]["r2"] is None and found["test"]["loss"] > 0


def test_a_split_that_leaves_little_to_learn_from(run, table):
    path = table("houses.csv", houses())
    words = ["train", path, "--target", "price", "--epochs", "1", "--no-report", "-q"]
    ran = run(*words, "--split", "0.9")
    assert ran.code == 0
    assert "warning: split 0.9 leaves 5 rows to learn from, and holds 45 out" in ran.err
    assert "leaves" not in run(*words, "--split", "0.5").err


def test_what_it_suggests_works_and_shows_something(run, table):
    for name, columns, target in (("f.csv", flowers(), "species"), ("h.csv", houses(), "price")):
        table(name, columns)
        ran = run("train", name, "--target", target, "--epochs", "20")
        lines = ran.out.partition("What to try next")[2].split("\n")[1:-1]
        steps = [re.sub(r"^\s*\S*backlit ", "", line) for line in lines]
        assert [step.split()[0] for step in steps] == ["predict", "explain"]
        page = html.unescape(Path(f"backlit-{name[0]}/report.html").read_text("utf-8"))
        assert f"backlit {steps[1]}" in page and "TABLE" not in page
        for step in steps:
            ran = run(*shlex.split(step))
            assert ran.code == 0, ran.err
        assert "paths lead from w to L" in ran.out and "∂L/∂w  0, " not in ran.out


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"] * 15, "classification"),
        (["true", "false"] * 15, "classification"),
        ([k % 10 for k in range(30)], "classification"),
        ([k % 11 for k in range(33)], "regression"),
        ([k / 4 for k in range(30)], "regression"),
    ],
)
def test_the_task_goes_by_the_target(run, table, values, task):
    path = table("t.csv", {"x": list(range(len(values))), "y": values})
    assert trained(run, path, "--target", "y", *QUICK)["task"] == task


def test_a_task_can_be_chosen(run, table):
    path = table("t.csv", {"x": list(range(30)), "y": [k % 3 for k in range(30)]})
    assert (
        trained(run, path, "--target", "y", "--task", "regression", *QUICK)["task"] == "regression"
    )
    path = table("u.csv", {"x": list(range(48)), "y": [k % 12 for k in range(48)]})
    found = trained(run, path, "--target", "y", "--task", "classification", *QUICK)
    assert found["task"] == "classification"


def test_a_rare_class_needs_no_validation_part(run, table):
    """250 rows would be enough for one, but one class has a single training row."""
    y = ["a", "b"] * 124 + ["c", "c"]
    path = table("t.csv", {"x": list(range(250)), "y": y})
    found = trained(run, path, "--target", "y", *QUICK)
    assert found["rows"] == 250
    ran = run("train", path, "--target", "y", "--validation", "0.1", *QUICK)
    assert ran.code == 2 and "only 1 row" in ran.err


def test_existing_folders_are_filled_and_files_replaced(run, table, tmp_path):
    path = table("flowers.csv", flowers())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    trained(run, path, "--target", "species", *QUICK, "--seed", "1")
    trained(run, path, "--target", "species", *QUICK)
    assert len(weights("out")[0]) == 4
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "model.safetensors",
        "notes.txt",
    ]
    trained(run, path, "--target", "species", *QUICK, out="deep/er/out")
    assert (tmp_path / "deep" / "er" / "out" / "model.safetensors").exists()


@pytest.mark.parametrize(
    "optimizer", ["adamw", "adam", "rmsprop", "adagrad", "sgd", "momentum", "nesterov"]
)
def test_every_optimizer_learns_with_its_default_rate(run, table, optimizer):
    path = table("flowers.csv", flowers())
    words = [path, "--target", "species", "--optimizer", optimizer, "--no-report"]
    assert trained(run, *words, "--hidden", "16")["test"]["accuracy"] >= 0.9
    found = trained(run, *words, "--weight-decay", "0.1", "--epochs", "5", "--activation", "tanh")
    info = weights("out")[1].info["settings"]
    assert (info["optimizer"], info["weight_decay"]) == (optimizer, 0.1)
    assert found["test"]["loss"] > 0


def test_a_linear_model(run, table):
    """On nearly linear data it comes close to least squares."""
    columns = houses()
    path = table("houses.csv", columns)
    words = ["--target", "price", "--hidden", "none", "--weight-decay", "0", "--no-report"]
    found = trained(run, path, *words, "--no-refit")
    arrays, saved = weights("out")
    assert len(saved.model.layers) == 1
    learned, test = split_rows(50, 0.2, 0)
    X = onp.column_stack([columns["area"], columns["age"], onp.ones(50)])
    y = onp.array(columns["price"])
    fit = onp.linalg.lstsq(X[learned], y[learned])[0]
    best = 1 - ((X[test] @ fit - y[test]) ** 2).sum() / ((y[test] - y[test].mean()) ** 2).sum()
    assert found["test"]["r2"] == pytest.approx(best, abs=2e-3)


def test_overflow_ends_with_the_operation_and_keeps_the_last_good_model(run, table):
    path = table("flowers.csv", flowers())
    ran = run("train", path, "--target", "species", "--rate", "1e30", "--out", "out")
    assert ran.code == 1 and ran.out == ""
    assert "first wrong operation: matmul" in ran.err
    assert "out/model.safetensors" in ran.err and "Traceback" not in ran.err
    # In words of the command line, and of the table.
    assert "fix: a smaller learning rate, such as --rate 0.005; it was 1e+30" in ran.err
    assert "optim." not in ran.err and "history" not in ran.err and "dense.py" not in ran.err
    learned, _ = split_rows(60, 0.2, 0, stratify=flowers()["species"])
    listed = ran.err.partition("counted from 0: ")[2].splitlines()[0].removesuffix(", …")
    assert {int(row) for row in listed.split(", ")} <= set(learned.tolist())
    assert all(onp.isfinite(array).all() for array in weights("out")[0])


def test_small_tables_are_learned_with_the_defaults(run, table):
    assert trained(run, table("f.csv", flowers()), "--target", "species")["test"]["accuracy"] == 1.0
    assert trained(run, table("h.csv", houses()), "--target", "price")["test"]["r2"] > 0.95
