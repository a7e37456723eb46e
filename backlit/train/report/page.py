"""The report of one training run: a single page that needs nothing but itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as onp

from backlit import nn
from backlit.train.report.axes import text_of
from backlit.train.report.examples import Example, confusion, worst_examples
from backlit.train.report.figures import layer_histories, learning_curves, residuals
from backlit.train.report.html import Html, table, tag
from backlit.train.report.network import network, stages_of
from backlit.train.tabular.folder import typed
from backlit.train.tabular.ownership import GENERATOR
from backlit.train.tabular.predicting import label_text
from backlit.train.tabular.problem import Problem
from backlit.train.tabular.result import TrainResult
from backlit.train.tabular.suggestions import hardest_rows

Array = onp.ndarray[Any, Any]

_WORST = 12


def report_page(
    result: TrainResult,
    problem: Problem,
    model: Any,
    outputs: Array,
    settings: Mapping[str, Any],
    hint: str,
) -> str:
    """Return the report as HTML.

    Parameters
    ----------
    result : TrainResult
    problem : Problem
    model : Module
        The saved model, whose network is drawn.
    outputs : ndarray, shape (held-out rows, outputs)
        What the measured model returned for the held-out rows.
    settings : mapping
        Every setting of the run, as plain JSON values.
    hint : str
        A command that explains one of the held-out rows; "" for none.

    Returns
    -------
    str
    """
    source = problem.source
    if os.path.exists(source):
        source = os.path.basename(source)
    title = f"{problem.target.name} from {source}"
    # Marked only where the model was trained for that long, and not for more.
    best = result.history.best_epoch if result.history.best_epoch == result.epochs else None
    curves = learning_curves(result.history, result.metric, best)
    layers = layer_histories(result.history)
    body = [
        tag("header", tag("h1", title), _summary(result), _notes(result, problem)),
        _section("Learning", curves, "grid"),
        _section("On rows it never saw", _outcome(problem, outputs, hint)),
        _section("Inside the layers", layers, "grid"),
        _section("The network", [network(stages_of(model, result.features))]),
        _section("To repeat this run", _settings(result, settings)),
        tag("footer", "Made by Backlit. This page needs no connection and runs no script."),
    ]
    return "<!doctype html>\n" + tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="generator", content=GENERATOR),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            # Whatever a table holds: this page can load nothing and run nothing.
            tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
            tag("title", f"Backlit: {title}"),
            tag(
                "style", Html(resources.files(__package__).joinpath("style.css").read_text("utf-8"))
            ),
        ),
        tag("body", tag("main", body)),
        lang="en",
    )


_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def _section(title: str, parts: list[Html], class_: str | None = None) -> Html | None:
    if not parts:
        return None
    return tag("section", tag("h2", title), tag("div", parts, class_=class_))


def _summary(result: TrainResult) -> Html:
    """Return the figures at the top."""
    name = "R²" if result.metric == "r2" else result.metric
    answer = "the mean" if result.metric == "r2" else "the most frequent class"
    tiles = [
        (
            result.undefined or _figure(result.test[result.metric], result.metric),
            f"{name} on held-out rows",
        ),
        (
            result.undefined or _figure(result.baseline, result.metric),
            f"{name} of always answering {answer}",
        ),
        (_figure(result.test["loss"], ""), "loss on held-out rows"),
        (f"{result.rows:,}", f"rows, {result.test_rows:,} held out"),
        (f"{result.features:,}", "features"),
        (f"{result.epochs:,}", "epochs"),
        (f"{result.seconds:.1f}", "seconds"),
    ]
    return tag("dl", [tag("div", tag("dt", words), tag("dd", value)) for value, words in tiles])


def _figure(value: float | None, metric: str) -> str:
    if value is None:
        return "not finite"
    if metric == "accuracy":
        return f"{100 * value:.1f} %"
    if metric == "r2" and abs(value) < 10:
        # To three places, and a zero without a sign.
        return f"{round(value, 3) + 0.0:.3f}".replace("-", "−")
    return text_of(value, 3)


def _notes(result: TrainResult, problem: Problem) -> Html | None:
    notes = []
    if result.interrupted:
        notes.append("Training was interrupted. The saved model is the best one so far.")
    if result.refitted:
        notes.append(
            f"The figures are those of a model that never saw the {result.test_rows} held-out "
            f"rows. The saved model has then learned from all {result.rows} rows, for as many "
            "epochs."
        )
    if problem.unlabelled:
        notes.append(
            f"{problem.unlabelled} rows have no {problem.target.name!r} and were left out."
        )
    for column, reason in problem.preprocessor.dropped.items():
        notes.append(f"The column {column!r} was left out: {reason}.")
    return tag("ul", [tag("li", note) for note in notes], class_="notes") if notes else None


def _outcome(problem: Problem, outputs: Array, hint: str) -> list[Html]:
    """Return confusion matrix or residuals, and the rows with the largest loss."""
    numeric = problem.target.task == "regression"
    first, examples, about = (_numbers if numeric else _classes)(problem, outputs)
    columns = [name for name in problem.table.names if name != problem.target.name]
    part = problem.table.take(problem.test)
    parts = [
        first,
        tag("h3", "The hardest rows"),
        tag("p", f"{about} Row numbers count from 0 in the table that was trained on."),
        worst_examples(examples, part, columns),
    ]
    if hint:
        words = "To see how the gradient of the first of them reaches a weight of the saved model:"
        parts += [tag("p", words), tag("pre", typed(hint), tabindex=0, aria_label="command")]
    return parts


def _numbers(problem: Problem, outputs: Array) -> tuple[Html, list[Example], str]:
    """Return the pictures of residuals, the rows with the largest ones, and what they are."""
    target, rows = problem.target, problem.rows[problem.test]
    expected = onp.asarray(problem.table[target.name][problem.test], onp.float64)
    predicted = onp.asarray(target.decode(outputs[:, 0]), onp.float64)
    errors = predicted - expected
    examples = [
        Example(
            int(rows[k]),
            int(k),
            text_of(float(expected[k])),
            text_of(float(predicted[k])),
            f"off by {text_of(float(errors[k]))}",
        )
        for k in hardest_rows(problem, outputs)[:_WORST]
    ]
    about = f"Of {len(errors):,} held-out rows, these have the largest errors."
    pictures = residuals(target.name, expected, predicted)
    return tag("div", pictures, class_="grid"), examples, about


def _classes(problem: Problem, outputs: Array) -> tuple[Html, list[Example], str]:
    """Return the confusion matrix, the rows whose class got too little, and what they are."""
    labels = [label_text(label) for label in problem.target.labels]
    wanted, rows = problem.testing[1], problem.rows[problem.test]
    given = outputs.argmax(axis=1)
    scores = onp.asarray(nn.log_softmax(outputs.astype(onp.float64)))
    right = scores[onp.arange(len(wanted)), wanted]
    examples = [
        Example(
            int(rows[k]),
            int(k),
            labels[wanted[k]],
            labels[given[k]],
            f"{100 * float(onp.exp(right[k])):.1f} % for {labels[wanted[k]]}",
        )
        for k in hardest_rows(problem, outputs)[:_WORST]
    ]
    wrong, shown = int((given != wanted).sum()), len(examples)
    about = (
        f"The model got {wrong or 'none'} of {len(wanted):,} held-out rows wrong. These "
        f"{shown} gave their own class the smallest probability"
    )
    return confusion(labels, wanted, given), examples, f"{about}."


def _settings(result: TrainResult, settings: Mapping[str, Any]) -> list[Html]:
    history = result.history.settings
    versions = history.get("versions", {})
    lines = [[name.replace("_", " "), _plain(value)] for name, value in settings.items()]
    lines += [[f"{name} version", version] for name, version in versions.items()]
    everything = json.dumps({"settings": dict(settings), "fit": history}, indent=2, default=str)
    return [
        tag("p", "The same command with the same table and versions gives the same model."),
        tag("pre", typed(result.command), tabindex=0, aria_label="command"),
        table(["setting", "value"], lines, "Settings", class_="settings"),
        tag("details", tag("summary", "Everything, as JSON"), tag("pre", everything, tabindex=0)),
    ]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def write_report(
    path: Any,
    result: TrainResult,
    problem: Problem,
    model: Any,
    outputs: Array,
    settings: Mapping[str, Any],
    hint: str,
) -> None:
    """Write the report to a file, whole or not at all; arguments as for `report_page`."""
    from backlit.data.tensorfile import replace_file

    text = report_page(result, problem, model, outputs, settings, hint)
    # A lone surrogate from a file name must not cost the report.
    replace_file(path, [text.encode("utf-8", "replace")])
