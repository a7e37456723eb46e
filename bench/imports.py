"""How long `import backlit` takes in a new process, beside `import numpy`.

Each figure is the time of the import statement alone, taken inside a process of its own: counting
the interpreter's start as well would flatter the ratio. Files are in the disk cache and compiled
to bytecode, as they are from the second run on.
"""

from bench import harness

# isort: split
import subprocess
import sys

MODULES = {"Backlit": "backlit", "NumPy": "numpy", "HIPS autograd": "autograd"}

CODE = """
import time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""


def seconds_to_import(module: str) -> float | None:
    """Time ``import module`` in a new process; None if it is not installed."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", CODE.format(module=module)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return float(done.stdout)
    if f"ModuleNotFoundError: No module named '{module}'" in done.stderr:
        return None
    raise RuntimeError(f"import {module} failed:\n{done.stderr}")


def tables(rounds: int) -> list[harness.Table]:
    present = {name: m for name, m in MODULES.items() if seconds_to_import(m) is not None}
    rows = {name: "" if name in present else harness.NOT_INSTALLED for name in MODULES}
    times = {name: harness.Times() for name in present}
    for _ in range(rounds):
        for name, module in present.items():
            seconds = seconds_to_import(module)
            assert seconds is not None
            times[name].seconds.append(seconds)
    bars = [harness.Bar("NumPy", 1 / 1.5, "Backlit takes ≤ 1.5 × this")]
    return [harness.Table("import, in a new process", "Backlit", rows, times, bars)]


if __name__ == "__main__":
    harness.main("Time to import", tables, rounds=15)
