"""The first call of a compiled training step, and the overhead of every later one.

What is timed runs in a new process each time, so that nothing is warm that would not be. The first
call is tracing, differentiating, compiling, loading and one run of a step on a 784-128-64-10
network, batch 64. Imports are not counted: NumPy, the library, and for Backlit its compiler and
LLVM's binding, whose import loads LLVM itself. What LLVM does when it is first asked for something
(setting up its targets, its linker) is part of the call, and so is what JAX does to find its
processors, and PyTorch's C++ compiler. "From the cache": machine code is on disk, written by an
earlier process. The whole process is timed from outside, interpreter and imports included.

Compile time is also measured against the number of equations, on networks of more and more layers
of 16; the exponent is that of the whole range. The overhead of a call is that of functions so small
that they compute nothing.
"""

from bench import harness  # first: it sets the thread counts

# isort: split
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as onp

ROOT = Path(__file__).parents[1]

SETUP = """
import time
import numpy as onp
{imports}
rng = onp.random.default_rng(0)
sizes = {sizes}
weights = []
for m, n in zip(sizes, sizes[1:]):
    weights.append((rng.normal(size=(m, n)) * (2 / m) ** 0.5).astype("float32"))
    weights.append(onp.zeros(n, "float32"))
X = rng.normal(size=({batch}, sizes[0])).astype("float32")
labels = rng.integers(0, sizes[-1], {batch})

def network(relu, weights, Z):
    for k in range(0, len(weights), 2):
        Z = Z @ weights[k] + weights[k + 1]
        if k < len(weights) - 2:
            Z = relu(Z)
    return Z
"""

END = """
start = time.perf_counter()
value = float(step(weights, X, labels)[1])
print(time.perf_counter() - start, value)
"""

BACKLIT = """
def step(weights, X, labels):
    loss = lambda weights: losses.cross_entropy(network(np.relu, weights, X), labels)
    value, grads = bl.value_and_grad(loss)(weights)
    return [w - 0.01 * g for w, g in zip(weights, grads)], value

step = bl.jit(step)
"""

JAX = """
def step(weights, X, labels):
    def loss(weights):
        Z = jax.nn.log_softmax(network(lambda Z: jnp.maximum(Z, 0), weights, X))
        return -jnp.mean(jnp.take_along_axis(Z, labels[:, None], 1))

    value, grads = jax.value_and_grad(loss)(weights)
    return [w - 0.01 * g for w, g in zip(weights, grads)], value

step = jax.jit(step)
"""

JAX_CACHE = """
import os
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_CACHE"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
"""

TORCH = """
torch.set_num_threads(1)
weights = [torch.tensor(w, requires_grad=True) for w in weights]
X, labels = torch.tensor(X), torch.tensor(labels)

@torch.compile
def loss(weights, X, labels):
    return torch.nn.functional.cross_entropy(network(torch.relu, weights, X), labels)

def step(weights, X, labels):
    value = loss(weights, X, labels)
    value.backward()
    with torch.no_grad():
        for w in weights:
            w -= 0.01 * w.grad
    return weights, value
"""


@dataclass(frozen=True)
class Script:
    """A program whose first call is timed.

    Parameters
    ----------
    imports : str
        What is imported before the clock starts.
    code : str
        Defines ``step``.
    needs : str
        The module without which it cannot run.
    cache : str
        The environment variable that says where compiled code is kept.
    """

    imports: str
    code: str
    needs: str
    cache: str


SCRIPTS = {
    "Backlit": Script(
        "import backlit as bl, backlit.numpy as np, backlit.compiler, llvmlite.binding\n"
        "from backlit.nn import losses",
        BACKLIT,
        "backlit",
        "BACKLIT_CACHE_DIR",
    ),
    "JAX jit": Script("import jax, jax.numpy as jnp", JAX_CACHE + JAX, "jax", "JAX_CACHE"),
    "torch.compile": Script("import torch", TORCH, "torch", "TORCHINDUCTOR_CACHE_DIR"),
}


@dataclass(frozen=True)
class Found:
    """What one process found: seconds of its first call and of its life, and the loss."""

    call: float
    process: float
    loss: float


def run(name: str, cache: str, sizes: tuple[int, ...] = (784, 128, 64, 10), batch: int = 64) -> Any:
    """Run a script in a new process; None if its library is not installed."""
    script = SCRIPTS[name]
    text = SETUP.format(imports=script.imports, sizes=sizes, batch=batch) + script.code + END
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=ROOT,
        env=environment | {script.cache: cache},
        capture_output=True,
        text=True,
        check=False,
    )
    process = time.perf_counter() - start
    if done.returncode == 0:
        call, loss = map(float, done.stdout.split())
        return Found(call, process, loss)
    missing = f"ModuleNotFoundError: No module named '{script.needs}'" in done.stderr
    if missing or (name == "torch.compile" and shutil.which("g++") is None):
        return None
    raise RuntimeError(f"{name} failed:\n{done.stderr}")


def verdict(what: str, seconds: float, limit: float) -> str:
    """Return a figure beside the most it may be."""
    met = "met" if seconds <= limit else "MISSED"
    return f"{what} {seconds * 1e3:.0f} ms (at most {limit * 1e3:.0f} ms: {met})"


def first_calls(rounds: int) -> list[harness.Table]:
    """Time the first call with and without a cache, and whole processes."""
    with tempfile.TemporaryDirectory() as kept:
        caches = {name: os.path.join(kept, name) for name in SCRIPTS}
        warm = {name: run(name, caches[name]) for name in SCRIPTS}  # and Python's bytecode
        names = [name for name, found in warm.items() if found is not None]
        cold: dict[str, harness.Times] = {name: harness.Times() for name in names}
        cached: dict[str, harness.Times] = {name: harness.Times() for name in names}
        process: dict[str, harness.Times] = {name: harness.Times() for name in names}
        for turn in range(rounds):
            shift = turn % len(names)
            for name in names[shift:] + names[:shift]:
                with tempfile.TemporaryDirectory() as fresh:
                    first = run(name, fresh)
                again = run(name, caches[name])
                for found in (first, again):
                    onp.testing.assert_allclose(found.loss, warm["Backlit"].loss, rtol=1e-4)
                cold[name].seconds.append(first.call)
                cached[name].seconds.append(again.call)
                process[name].seconds.append(again.process)
    tables = []
    for what, times, limit in (
        ("first call, nothing cached", cold, 0.2),
        ("first call, compiled code on disk", cached, 0.02),
        ("a new process that does one step from the cache", process, 0.5),
    ):
        title = verdict(f"{what}: Backlit", times["Backlit"].median, limit)
        tables.append(harness.Table(title, "Backlit", list(SCRIPTS), times))
    return tables


def growth(rounds: int) -> harness.Table:
    """Time the first call of deeper and deeper networks."""
    depths = (250, 500, 1000, 2000)
    names = {depth: f"Backlit, {depth} layers" for depth in depths}
    times = {name: harness.Times() for name in names.values()}
    for _ in range(rounds):
        for depth, name in names.items():
            with tempfile.TemporaryDirectory() as fresh:
                found = run("Backlit", fresh, (*(16,) * depth, 10), 8)
            times[name].seconds.append(found.call)
    first, last = (times[names[depth]].median for depth in (depths[0], depths[-1]))
    exponent = math.log(last / first) / math.log(depths[-1] / depths[0])
    title = verdict("first call, by depth (14 equations a layer): 2000 layers", last, 10.0)
    title += f"; time ~ equations ^ {exponent:.2f}"
    return harness.Table(title, names[depths[0]], list(times), times)


def calls(rounds: int) -> list[harness.Table]:
    """Time calls of compiled functions that have next to nothing to compute."""
    x = onp.ones(8, onp.float32)
    rng = onp.random.default_rng(0)
    shapes = {"W1": (2, 4), "b1": (4,), "W2": (4, 1), "b2": (1,)}
    weights = {k: rng.normal(size=shape).astype(onp.float32) for k, shape in shapes.items()}
    X, t = onp.ones((4, 2), onp.float32), onp.ones((4, 1), onp.float32)

    def step(np: Any, value_and_grad: Any, weights: Any, X: Any, t: Any) -> Any:
        def loss(w: Any) -> Any:
            return np.mean((np.tanh(X @ w["W1"] + w["b1"]) @ w["W2"] + w["b2"] - t) ** 2)

        value, grads = value_and_grad(loss)(weights)
        return {k: w - 0.1 * grads[k] for k, w in weights.items()}, value

    def small(np: Any, value_and_grad: Any, x: Any, y: Any) -> Any:
        return x * y + 1.0

    def backlit(f: Any, args: Any) -> harness.Contender:
        def build() -> harness.Run:
            import backlit as bl
            import backlit.numpy as np

            compiled = bl.jit(lambda *args: f(np, bl.value_and_grad, *args))
            return lambda: compiled(*args)

        return harness.Contender("Backlit", build)

    def jax(f: Any, args: Any) -> harness.Contender:
        def build() -> harness.Run:
            import jax
            import jax.numpy as jnp

            compiled = jax.jit(lambda *args: f(jnp, jax.value_and_grad, *args))
            there = jax.tree.map(jnp.asarray, args)
            return lambda: jax.block_until_ready(compiled(*there))

        return harness.Contender("JAX jit", build, "jax")

    tables = []
    for title, f, args in (
        ("a call: x * y + 1 on 8 elements", small, (x, x)),
        ("a call: a step of a 2-4-1 network, batch 4, weights in a dict", step, (weights, X, t)),
    ):
        runs = harness.build([backlit(f, args), jax(f, args)])
        times = harness.measure(runs, max(rounds, 9))
        tables.append(harness.Table(title, "Backlit", list(runs), times))
    return tables


def tables(rounds: int) -> list[harness.Table]:
    return [*first_calls(rounds), growth(rounds), *calls(rounds)]


if __name__ == "__main__":
    harness.main("The first call, and the overhead of a call", tables, rounds=5)
