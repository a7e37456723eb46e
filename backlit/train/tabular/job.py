"""One run over a problem: measuring its model, and writing model file and report."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as onp

from backlit.data import Preprocessor
from backlit.train.evaluation import evaluate, predict
from backlit.train.modelfile import save
from backlit.train.tabular.folder import MODEL, REPORT
from backlit.train.tabular.learning import Learned
from backlit.train.tabular.problem import Problem
from backlit.train.tabular.result import TrainResult
from backlit.train.tabular.suggestions import (
    explain_command,
    hardest_rows,
    predict_command,
    steepest_weight,
)


@dataclass(frozen=True, eq=False)
class Job:
    """What measuring, saving and reporting need to know.

    Attributes
    ----------
    problem : Problem
    folder : Path
        Where files go.
    command : str
        The command line that repeats the run.
    settings : dict
        The same, setting by setting, as plain JSON values.
    began : float
        Seconds on `time.perf_counter` when the run began.
    table : str, optional
        What to type for the table; None if it came from no file.
    """

    problem: Problem
    folder: Path
    command: str
    settings: Mapping[str, Any]
    began: float = field(default_factory=time.perf_counter)
    table: str | None = None

    def measure(self, model: Any) -> dict[str, float | None]:
        """Return metric and loss of a model on the held-out rows; None for what is not finite.

        Parameters
        ----------
        model : Module

        Returns
        -------
        dict of str to float
        """
        found = evaluate(model, self.problem.testing, self.problem.loss)
        figures = {name: found[name] for name in (self.problem.metric, "loss")}
        return {name: value if math.isfinite(value) else None for name, value in figures.items()}

    @property
    def baseline(self) -> float:
        """What always giving the most frequent class, or the mean, of the training rows scores."""
        y, wanted = self.problem.training[1], self.problem.testing[1]
        if self.problem.metric == "accuracy":
            return float((wanted == onp.bincount(y).argmax()).mean())
        # Targets are standardised, so the mean of the training rows is 0.
        spread = float(onp.square(wanted - wanted.mean()).sum())
        return 1.0 - float(onp.square(wanted).sum()) / spread if spread else 0.0

    @property
    def rescue(self) -> str:
        """A file name for a model whose training failed: never that of one that works."""
        return f"before-failure-{MODEL}" if (self.folder / MODEL).exists() else MODEL

    def save(
        self, model: Any, preprocessor: Preprocessor, *, name: str = MODEL, **more: Any
    ) -> Path:
        """Write the model file.

        Parameters
        ----------
        model : Module
        preprocessor : Preprocessor
        name : str
            Of the file in the run's folder.
        **more
            Noted in the file besides command and settings.

        Returns
        -------
        Path
        """
        path = self.folder / name
        info = {"command": self.command, "settings": dict(self.settings), "refitted": False, **more}
        save(path, model, preprocessing=preprocessor, info=info)
        return path

    def replace(
        self,
        model: Any,
        preprocessor: Preprocessor,
        say: Callable[[str], object],
        *,
        report: bool,
        **more: Any,
    ) -> Path:
        """Write the model file, and remove the report on the one that was there before.

        Parameters
        ----------
        model : Module
        preprocessor : Preprocessor
        say : callable
            Is told what was replaced.
        report : bool
            Whether another one will be written.
        **more
            As for `save`.

        Returns
        -------
        Path
        """
        before, stale = (self.folder / MODEL).exists(), self.folder / REPORT
        path = self.save(model, preprocessor, **more)
        if stale.is_file():
            stale.unlink()
            say(f"replaced the model in {self.folder} and {'' if report else 'removed '}its report")
        elif before:
            say(f"replaced the model in {self.folder}")
        return path

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Let Ctrl-C say where the model is that was saved before."""
        try:
            yield
        except KeyboardInterrupt:
            without = "" if (self.folder / REPORT).exists() else ", without a report"
            raise KeyboardInterrupt(
                f"interrupted; the model is in {self.folder / MODEL}{without}"
            ) from None

    def finish(
        self,
        learned: Learned,
        test: Mapping[str, float | None],
        saved: tuple[Any, Preprocessor],
        *,
        refitted: bool,
        report: bool,
    ) -> TrainResult:
        """Write the report, if asked to, and return the result.

        Parameters
        ----------
        learned : Learned
            The measured model.
        test : mapping of str to float
            What `measure` returned for it.
        saved : (Module, Preprocessor)
            What is in the model file.
        refitted : bool
            Whether the saved model is another one, which has learned from all rows.
        report : bool

        Returns
        -------
        TrainResult
        """
        outputs = predict(learned.model, self.problem.testing[0])
        hint = self._hint(outputs, *saved)
        result = TrainResult(
            task=self.problem.target.task,
            rows=len(self.problem.table),
            features=len(self.problem.preprocessor.feature_names),
            test=dict(test),
            model=self.folder / MODEL,
            report=self.folder / REPORT if report else None,
            seconds=time.perf_counter() - self.began,
            target=self.problem.target.name,
            test_rows=len(self.problem.test),
            baseline=self.baseline,
            epochs=learned.epochs,
            refitted=refitted,
            interrupted=learned.interrupted,
            command=self.command,
            history=learned.history,
            next=(predict_command(self.folder, self.table), hint) if self.table else (),
        )
        if result.report is not None:
            # Drawing is of no use to those who train without a report.
            from backlit.train.report import write_report

            write_report(
                result.report, result, self.problem, learned.model, outputs, self.settings, hint
            )
        return result

    def _hint(self, outputs: Any, model: Any, preprocessor: Preprocessor) -> str:
        """Return the command that explains the worst held-out row; "" without a table to name."""
        if self.table is None:
            return ""
        place = self.problem.test[hardest_rows(self.problem, outputs)[0]]
        weight = steepest_weight(model, preprocessor, self.problem.table.take([place]))
        return explain_command(self.folder, self.table, int(self.problem.rows[place]), weight)
