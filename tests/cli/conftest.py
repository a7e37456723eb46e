"""Small tables, models trained on them, and a way to run the command inside this process."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from backlit.cli import main
from tests.cli.samples import flowers, houses, write_csv


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capfd, monkeypatch, tmp_path):
    """Run ``backlit`` with some words, in an empty folder, and return what it did."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Ran:
        capfd.readouterr()
        code = main([str(word) for word in words])
        return Ran(code, *capfd.readouterr())

    return run


@pytest.fixture
def table(tmp_path):
    """Write columns to a CSV file of a given name."""
    return lambda name, columns: write_csv(tmp_path / name, columns)


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """A folder with both tables, a classifier and a regressor trained without refitting."""
    folder = tmp_path_factory.mktemp("shop")
    write_csv(folder / "flowers.csv", flowers())
    write_csv(folder / "houses.csv", houses())
    for name, target in (("flowers", "species"), ("houses", "price")):
        code = main(
            [
                "train",
                str(folder / f"{name}.csv"),
                "--target",
                target,
                "--out",
                str(folder / name),
                "--epochs",
                "60",
                "--hidden",
                "8,6",
                "--no-refit",
                "--quiet",
                "--json",
            ]
        )
        assert code == 0
    return folder
