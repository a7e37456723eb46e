"""``backlit train`` with its defaults beside scikit-learn's MLP, on small tables.

Both learn from the same rows and are measured on the same held-out rows, for several seeds, each
of which changes the split and the initial weights. scikit-learn gets standardised inputs (and, for
regression, a standardised target), once with its defaults and once with enough iterations to
converge. These are the runs by which the defaults in `backlit.train.tabular.recipe` were chosen.
"""

import argparse
import csv
import math
import statistics
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as onp

from backlit.cli.threads import one_blas_thread
from backlit.train.tabular import train
from backlit.train.tabular.problem import Problem, problem_for

SHIPPED = ("iris", "wine", "breast_cancer", "diabetes")
MADE = ("moons", "noisy", "friedman1", "linear")
TARGET = "target"


def table(name: str) -> tuple[Any, list[Any]]:
    """Inputs of shape (rows, features), and what to predict: names of classes or numbers."""
    from sklearn import datasets

    if name in SHIPPED:
        found = getattr(datasets, f"load_{name}")()
        if name == "diabetes":
            return found.data, found.target.tolist()
        return found.data, [str(found.target_names[k]) for k in found.target]
    make: dict[str, Any] = {
        "moons": lambda: datasets.make_moons(300, noise=0.25, random_state=0),
        "noisy": lambda: datasets.make_classification(
            600, 20, n_informative=6, n_redundant=4, flip_y=0.1, random_state=3
        ),
        "friedman1": lambda: datasets.make_friedman1(500, noise=1.0, random_state=0),
        "linear": lambda: datasets.make_regression(
            200, 8, n_informative=4, noise=20.0, random_state=1
        ),
    }
    X, y = make[name]()
    return X, y.tolist()


def write_csv(path: Path, X: Any, y: list[Any]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*[f"x{k}" for k in range(X.shape[1])], TARGET])
        writer.writerows([[*row, label] for row, label in zip(X.tolist(), y, strict=True)])


def score_of_sklearn(problem: Problem, seed: int, iterations: int) -> float:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    classes = problem.target.task == "classification"
    model = (MLPClassifier if classes else MLPRegressor)(random_state=seed, max_iter=iterations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged after the default 200
        model.fit(*problem.training)
    return float(model.score(*problem.testing))


def compare(name: str, seeds: int, folder: Path) -> bool:
    """Print one line, and say whether we do as well: not worse by two standard errors."""
    path = folder / f"{name}.csv"
    write_csv(path, *table(name))
    ours, theirs, longer = [], [], []
    for seed in range(seeds):
        result = train(
            path,
            TARGET,
            out=folder / f"{name}-{seed}",
            seed=seed,
            refit=False,
            report=False,
            progress=False,
        )
        problem = problem_for(path, TARGET, seed=seed)
        ours.append(result.test[result.metric] or 0.0)
        theirs.append(score_of_sklearn(problem, seed, 200))
        longer.append(score_of_sklearn(problem, seed, 2000))
    best = max(theirs, longer, key=statistics.mean)
    differences = [a - b for a, b in zip(ours, best, strict=True)]
    mean, error = statistics.mean(differences), statistics.stdev(differences) / math.sqrt(seeds)
    print(
        f"{name:<14}{problem.metric:<9} {len(problem.table):>5} {onp.mean(ours):>9.4f} "
        f"{onp.mean(theirs):>9.4f} {onp.mean(longer):>12.4f} {mean:>+11.4f} ± {error:.4f}",
        flush=True,
    )
    return mean >= -2 * error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=", ".join((*SHIPPED, *MADE)))
    parser.add_argument("--seeds", type=int, default=20)
    chosen = parser.parse_args()
    print("table         figure    rows   backlit   sklearn  2,000 iter.  difference to the better")
    with one_blas_thread(), tempfile.TemporaryDirectory() as folder:
        names = chosen.names or (*SHIPPED, *MADE)
        fine = [compare(name, chosen.seeds, Path(folder)) for name in names]
    print("as good or better" if all(fine) else "worse by more than two standard errors somewhere")
    return 0 if all(fine) else 1


if __name__ == "__main__":
    raise SystemExit(main())
