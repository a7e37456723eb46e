"""What compiling keeps in memory, and how code grows with the program."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np

SCRIPT = """
import gc, resource
import numpy as onp
import backlit as bl
import backlit.numpy as np

def peak():
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if __import__("sys").platform == "darwin" else size * 1024

x = onp.ones(5)
def compiled(count):
    for k in range(count):
        bl.jit(lambda x: np.sin(x) * float(k) + 1.0 / (k + 1))(x)
    gc.collect()
    return peak()

first = compiled(200)
print((compiled(800) - first) / 800)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="uses getrusage")
def test_a_thousand_compilations_leave_memory_flat() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300, check=True
    )
    # LLVM keeps about 10 KB of every module; a graph, a plan and its arrays would be far more.
    assert float(done.stdout) < 24_000


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_that_are_used_often_are_called(dtype: str) -> None:
    """A long chain grows by a few lines per function, and every element has the same bits."""

    def chain(n: int) -> Any:
        def f(x: Any) -> Any:
            for k in range(n):
                x = np.sin(x * 0.5) + float(onp.cos(k))
            return x

        return f

    x = onp.linspace(-2, 2, 37).astype(dtype)
    lines = [bl.jit(chain(n)).inspect(x).ir.count("\n") for n in (60, 120, 180)]
    assert lines[2] - lines[1] < 60 * 40
    assert abs((lines[2] - lines[1]) - (lines[1] - lines[0])) < 100
    expected, one = x, bl.jit(lambda x, c: np.sin(x * 0.5) + c)
    for k in range(60):
        expected = one(expected, float(onp.cos(k)))
    assert bl.jit(chain(60))(x).tobytes() == expected.tobytes()


def test_functions_of_two_numbers_are_called_too() -> None:
    x, y = onp.linspace(0.1, 2, 37), onp.linspace(1.5, 0.2, 37)

    def f(x: Any, y: Any) -> Any:
        for k in range(40):
            x, y = np.power(x, 1.0 / (k + 1)), np.arctan2(y, x) + 0.1
        return x + y

    with onp.errstate(all="ignore"):
        onp.testing.assert_allclose(bl.jit(f)(x, y), f(x, y), rtol=1e-12)
