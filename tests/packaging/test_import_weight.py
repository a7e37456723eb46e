"""`import backlit` brings NumPy and the engine; everything heavier waits for its first use.

These tests look at which modules a fresh interpreter holds afterwards. How long that takes is for
`make bench`: a time would make a test that fails by chance.
"""

import json
import subprocess
import sys

import pytest

ENGINE = {"config", "core", "early", "ops", "numpy", "random", "transforms"}

HEAVY = {"duckdb", "matplotlib", "rich", "safetensors", "scipy", "typer"}

# Parts of the standard library that cost a noticeable share of `import numpy` itself.
SLOW_STANDARD = {
    "asyncio",
    "concurrent",
    "email",
    "http",
    "logging",
    "multiprocessing",
    "pydoc",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "unittest",
    "xml",
}

CODE = """
import json, sys
import numpy
before = set(sys.modules)
{statements}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def modules_brought_by(statements: str) -> set[str]:
    """Names of the modules that ``statements`` import in a new process, beyond NumPy's."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", CODE.format(statements=statements)],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


def first_parts(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize(
    "statements",
    [
        "import backlit",
        "import backlit.numpy",
        "import backlit as bl, backlit.numpy as np; bl.grad(lambda x: np.sum(np.sin(x) * x))"
        "(numpy.ones(2))",
    ],
)
def test_engine_needs_numpy_only(statements):
    brought = modules_brought_by(statements)
    parts = {name.split(".")[1] for name in brought if name.startswith("backlit.")}
    assert parts, "nothing of backlit was imported"
    assert parts <= ENGINE
    foreign = first_parts(brought) - {"backlit", "numpy"} - set(sys.stdlib_module_names)
    assert not foreign
    assert not first_parts(brought) & SLOW_STANDARD
    assert "numpy.ma" not in brought


@pytest.mark.parametrize(
    "module", ["backlit.nn", "backlit.optim", "backlit.data", "backlit.train", "backlit.cli"]
)
def test_heavy_dependencies_wait_for_first_use(module):
    assert not first_parts(modules_brought_by(f"import {module}")) & HEAVY


def test_the_check_sees_a_heavy_import():
    assert "safetensors" in first_parts(modules_brought_by("import safetensors"))
