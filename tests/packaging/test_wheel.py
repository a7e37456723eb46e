"""What a user gets: the built wheel, in an environment that holds it and what it asks for."""

import importlib.metadata
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
BUILD = ["wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir"]

GRADIENT = """
import backlit as bl, backlit.numpy as np
import math
assert abs(bl.grad(lambda x: x * np.sin(x))(2.0) - (math.sin(2) + 2 * math.cos(2))) < 1e-15
import backlit.data
assert len(backlit.data.load_digits()[0]) == 1797
print(bl.__version__)
"""


def run(*command: object, cwd: Path | None = None) -> str:
    """Run a command to its end and return what it printed; its errors fail the test."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(*PIP, *BUILD, folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheel_holds_the_package_and_nothing_else(wheel):
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "backlit").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    about = {name for name in names_in(wheel) if ".dist-info/" in name}
    assert "backlit/py.typed" in package
    assert names_in(wheel) - about == package
    assert any(name.endswith("/LICENSE") for name in about)


def test_wheel_made_from_the_source_archive_is_the_same(wheel, tmp_path):
    code = f"from flit_core.buildapi import build_sdist; print(build_sdist({str(tmp_path)!r}))"
    archive = tmp_path / run(sys.executable, "-c", code, cwd=ROOT).strip()
    with tarfile.open(archive) as opened:
        assert any(name.endswith("/LICENSE") for name in opened.getnames())
    run(*PIP, *BUILD, tmp_path, archive)
    (rebuilt,) = tmp_path.glob("*.whl")
    assert names_in(rebuilt) == names_in(wheel)


def required_by(distribution: importlib.metadata.Distribution) -> set[str]:
    """Names of the distributions that this one needs here, extras aside."""
    requirements = map(Requirement, distribution.requires or [])
    return {r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})}


def closure(names: set[str]) -> list[importlib.metadata.Distribution]:
    """The installed distributions of that name and all that they need, in turn."""
    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = sorted(names)
    while waiting:
        name = waiting.pop().lower()
        if name not in found:
            found[name] = importlib.metadata.distribution(name)
            waiting += required_by(found[name])
    return list(found.values())


def link(distribution: importlib.metadata.Distribution, site_packages: Path) -> None:
    """Make an installed distribution visible in another environment."""
    for first in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
        target = site_packages / first
        if not target.exists():
            target.symlink_to(Path(str(distribution.locate_file(first))).resolve())


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """An environment without even pip: only the wheel and what its metadata asks for.

    The dependencies are linked from where this test runs, so that no network is needed; a module
    that the metadata does not ask for is as absent as on a user's machine.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    run(*PIP, "--python", python, "install", "--no-index", "--no-deps", wheel)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    metadata = next(iter(importlib.metadata.distributions(path=[str(site_packages)])))
    for distribution in closure(required_by(metadata)):
        link(distribution, site_packages)
    return folder


def test_environment_is_otherwise_empty(environment):
    absent = "import importlib.util as u; print([m for m in ('scipy', 'pytest') if u.find_spec(m)])"
    assert run(environment / "bin" / "python", "-I", "-c", absent).strip() == "[]"
    run(*PIP, "--python", environment / "bin" / "python", "check")


def test_engine_and_shipped_data_work(environment, tmp_path):
    version = run(environment / "bin" / "python", "-I", "-c", GRADIENT, cwd=tmp_path).strip()
    assert version == importlib.metadata.version("backlit")


def test_commands_work(environment, tmp_path):
    backlit = environment / "bin" / "backlit"
    rows = [
        f"{i / 60:.3f},{(i * 7 % 60) / 60:.3f},{'high' if i >= 30 else 'low'}" for i in range(60)
    ]
    (tmp_path / "t.csv").write_text("a,b,level\n" + "\n".join(rows) + "\n", encoding="utf-8")
    run(backlit, "doctor", cwd=tmp_path)
    run(backlit, "train", "t.csv", "--target", "level", "--epochs", 2, "--out", "m", cwd=tmp_path)
    (model,) = (tmp_path / "m").glob("*.safetensors")
    run(backlit, "predict", model, "t.csv", "--out", "p.csv", cwd=tmp_path)
    predictions = (tmp_path / "p.csv").read_text(encoding="utf-8").splitlines()
    assert predictions[0].startswith("prediction,")
    assert len(predictions) == 1 + len(rows)
