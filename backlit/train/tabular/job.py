"""One run over a problem: measuring its model, and writing model file and report."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as onp

from backlit.core.errors import InputError
from backlit.core.settings import shown
from backlit.data import Preprocessor, ReplacedWarning
from backlit.train.evaluation import evaluate, predict
from backlit.train.metrics import r2
from backlit.train.modelfile import save
from backlit.train.tabular.folder import MODEL, REPORT
from backlit.train.tabular.learning import Learned
from backlit.train.tabular.ownership import FAILED, INTERRUPTED, SPARE, info_of
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
        """Return metric and loss of a model on the held-out rows; None for what is no number.

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
    def baseline(self) -> float | None:
        """What always giving the most frequent class, or the mean, of the training rows scores."""
        y, wanted = self.problem.training[1], self.problem.testing[1]
        if self.problem.metric == "accuracy":
            return float((wanted == onp.bincount(y).argmax()).mean())
        # Targets are standardised, so the mean of the training rows is 0.
        found = r2(onp.zeros_like(wanted), wanted)
        return found if math.isfinite(found) else None

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
        info = {
            "command": self.command,
            "table": self.problem.source,
            "settings": dict(self.settings),
            "refitted": False,
            **more,
        }
        save(path, model, preprocessing=preprocessor, info=info)
        return path

    def rescue(self, model: Any, preprocessor: Preprocessor) -> Path:
        """Write the model that was good before training failed, never over one that works."""
        return self.save(model, preprocessor, name=self._beside(FAILED))

    def store(
        self,
        learned: Learned,
        preprocessor: Preprocessor,
        *,
        report: bool,
        **more: Any,
    ) -> Path:
        """Write the model file, in the place of the one that was there if training was completed.

        A model whose training was interrupted goes beside one that is there already. A completed
        one replaces it, its report, and what runs that did not end well have left; a warning says
        so.

        Parameters
        ----------
        learned : Learned
        preprocessor : Preprocessor
        report : bool
            Whether another report will be written.
        **more
            As for `save`.

        Returns
        -------
        Path
        """
        if learned.interrupted:
            name = self._beside(INTERRUPTED)
            return self.save(learned.model, preprocessor, name=name, **more)
        replaced = self._replaced(report)
        path = self.save(learned.model, preprocessor, **more)
        for name in (REPORT, *SPARE):
            (self.folder / name).unlink(missing_ok=True)
        if replaced:
            warnings.warn(replaced, ReplacedWarning, stacklevel=3)
        return path

    def _beside(self, name: str) -> str:
        """Return a name for a model of an unfinished run: never that of one that is there."""
        return name if (self.folder / MODEL).exists() else MODEL

    def _replaced(self, report: bool) -> str:
        """Return what will be said of the files that `store` replaces; "" for none."""
        there = {name for name in (MODEL, REPORT, *SPARE) if (self.folder / name).exists()}
        said = []
        if MODEL in there:
            earlier = info_of(self.folder / MODEL).get("table", self.problem.source)
            other = f", which was trained on {shown(earlier)}," * (earlier != self.problem.source)
            also = " and its report" if report else " and removed its report"
            said.append(f"replaced the model in {self.folder}{other}{also * (REPORT in there)}")
        elif REPORT in there:
            said.append(f"{'replaced' if report else 'removed'} the report in {self.folder}")
        said += [f"removed {self.folder / name}" for name in SPARE if name in there]
        return "; ".join(said).replace(",;", ";").removesuffix(",")

    @contextmanager
    def kept(self, path: Path) -> Iterator[None]:
        """Let Ctrl-C say where the model is that was saved before."""
        try:
            yield
        except KeyboardInterrupt:
            own_report = path.name == MODEL and (self.folder / REPORT).exists()
            without = "" if own_report else ", without a report"
            raise KeyboardInterrupt(f"interrupted; the model is in {path}{without}") from None

    def finish(
        self,
        learned: Learned,
        test: Mapping[str, float | None],
        saved: tuple[Any, Preprocessor],
        path: Path,
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
        path : Path
            The model file.
        refitted : bool
            Whether the saved model is another one, which has learned from all rows.
        report : bool
            Not written beside the model of an earlier run, which has one of its own.

        Returns
        -------
        TrainResult
        """
        outputs = predict(learned.model, self.problem.testing[0])
        place = self.folder if path.name == MODEL else path
        hint = self._hint(place, outputs, *saved)
        result = TrainResult(
            task=self.problem.target.task,
            rows=len(self.problem.table),
            features=len(saved[1].feature_names),
            test=dict(test),
            model=path,
            report=self.folder / REPORT if report and path.name == MODEL else None,
            seconds=time.perf_counter() - self.began,
            target=self.problem.target.name,
            test_rows=len(self.problem.test),
            baseline=self.baseline,
            epochs=learned.epochs,
            refitted=refitted,
            interrupted=learned.interrupted,
            command=self.command,
            history=learned.history,
            next=(predict_command(place, self.table), hint) if self.table else (),
        )
        return result if result.report is None else self._reported(result, saved[0], outputs, hint)

    def _reported(self, result: TrainResult, model: Any, outputs: Any, hint: str) -> TrainResult:
        """Write the report; a disk that is full costs the report, and not the figures."""
        # Drawing is of no use to those who train without a report.
        from backlit.train.report import write_report

        try:
            write_report(result.report, result, self.problem, model, outputs, self.settings, hint)
        except InputError as error:
            return replace(result, report=None, unreported=error.what)
        return result

    def _hint(self, place: Path, outputs: Any, model: Any, preprocessor: Preprocessor) -> str:
        """Return the command that explains the worst held-out row; "" without a table to name."""
        if self.table is None:
            return ""
        row = self.problem.test[hardest_rows(self.problem, outputs)[0]]
        weight = steepest_weight(model, preprocessor, self.problem.table.take([row]))
        return explain_command(place, self.table, int(self.problem.rows[row]), weight)
