"""Compiling again and again keeps nothing but what LLVM itself never gives back."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
