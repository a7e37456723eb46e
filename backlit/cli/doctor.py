"""``backlit doctor``, and the function behind it."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as onp
import typer

import backlit
from backlit import config
from backlit.cli.threads import VARIABLES
from backlit.core.threads import VARIABLE, usable_processors

EXAMPLES = """\b
Examples:
  backlit doctor
  backlit doctor --json
"""

# What each package is for; those in the first group are needed, the others come in useful.
NEEDED = {
    "numpy": "arrays",
    "llvmlite": "compiling to machine code",
    "duckdb": "reading tables",
    "typer": "this command line",
    "rich": "progress bars",
}
OPTIONAL = {"matplotlib": "pictures of a history"}


@dataclass(frozen=True)
class Diagnosis:
    """What Backlit found on this machine.

    Attributes
    ----------
    backlit, python, platform : str
        Versions, and the operating system.
    packages : mapping of str to str or None
        Version of each package; None for those that are not installed.
    cpu : str
        Architecture and, where it is known, model.
    features : tuple of str
        Vector instructions that NumPy found.
    blas : str
        The library that multiplies matrices for NumPy.
    cores, usable : int
        Cores of the machine, and how many of them this process may use.
    compiled_threads : int
        Threads of compiled programs; 0 if the setting in the environment is no such number.
    threads : mapping of str to str
        Settings in the environment that limit threads.
    cache : str
        Folder for files that can be made again.
    cache_writable : bool
    gradient : bool
        Whether a small gradient came out right.
    compiling : bool or None
        Whether a small compiled function did; None if that could not be tried.
    problems : tuple of str
        What has to be mended before Backlit works; empty if nothing.
    """

    backlit: str
    python: str
    platform: str
    packages: Mapping[str, str | None]
    cpu: str
    features: tuple[str, ...]
    blas: str
    cores: int
    usable: int
    compiled_threads: int
    threads: Mapping[str, str]
    cache: str
    cache_writable: bool
    gradient: bool
    compiling: bool | None
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return asdict(self) | {"features": list(self.features), "problems": list(self.problems)}


def doctor() -> Diagnosis:
    """Look at what Backlit needs, and try a gradient and a compiled function.

    Returns
    -------
    Diagnosis

    Examples
    --------
    >>> doctor().problems
    ()
    """
    from backlit.train.plot import install_command

    packages = {name: _version(name) for name in (*NEEDED, *OPTIONAL)}
    problems = [
        f"{name} is not installed; it is needed for {use}: {install_command(name)}"
        for name, use in NEEDED.items()
        if packages[name] is None
    ]
    cache = config.cache_dir()
    writable = _writable(cache)
    if not writable:
        problems.append(
            f"the cache folder {cache} cannot be written to: set BACKLIT_CACHE_DIR to another one"
        )
    right = _gradient_is_right()
    if not right:
        problems.append("a small gradient came out wrong: install Backlit and NumPy anew")
    compiled_threads = 0
    try:
        compiled_threads = backlit.num_threads()
    except backlit.InputError as error:
        problems.append(str(error))
    compiles = _compiles() if compiled_threads else None
    if compiles is False:
        problems.append(
            f"a small function could not be compiled: {install_command('llvmlite')}, or train with "
            "--no-jit"
        )
    features, blas = _numpy_build()
    return Diagnosis(
        backlit=backlit.__version__,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        platform=platform.platform(terse=True),
        packages=packages,
        cpu=_cpu(),
        features=features,
        blas=blas,
        cores=os.cpu_count() or 1,
        usable=usable_processors(),
        compiled_threads=compiled_threads,
        threads={name: os.environ[name] for name in (*VARIABLES, VARIABLE) if name in os.environ},
        cache=str(cache),
        cache_writable=writable,
        gradient=right,
        compiling=compiles,
        problems=tuple(problems),
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _numpy_build() -> tuple[tuple[str, ...], str]:
    """Return the vector instructions NumPy found and the library it multiplies matrices with."""
    build: Any = onp.show_config(mode="dicts") or {}
    vectors = build.get("SIMD Extensions", {})
    found = (*vectors.get("baseline", ()), *vectors.get("found", ()))
    library = build.get("Build Dependencies", {}).get("blas", {})
    name, version = library.get("name", "unknown"), library.get("version", "")
    return found, f"{name} {version}".strip()


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return f"{platform.machine()}, {line.partition(':')[2].strip()}"
    except OSError:
        pass  # other systems do not have this file
    return platform.machine()


def _writable(folder: Path) -> bool:
    """Tell whether files can be made in a folder, or in the one it would be made in."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _gradient_is_right() -> bool:
    """Compare one gradient with its closed form: that of Σ tanh(w x) is Σ x (1 − tanh²(w x))."""
    import backlit.numpy as np

    x = onp.linspace(-1.0, 1.0, 9)
    slope = backlit.grad(lambda w: np.sum(np.tanh(w * x)))(0.7)
    return bool(abs(slope - (x * (1 - onp.tanh(0.7 * x) ** 2)).sum()) < 1e-12)


def _compiles() -> bool:
    """Compile one function, without the cache, and compare it with its closed form."""
    import backlit.numpy as np

    x = onp.linspace(-1.0, 1.0, 9)
    graph = backlit.trace(lambda x: np.sum(np.tanh(x) * x))(x)
    try:
        from backlit.compiler import compile_graph

        (found,) = compile_graph(graph, kept=False)([x])
    except (ImportError, OSError, RuntimeError):
        return False
    return bool(abs(found - (onp.tanh(x) * x).sum()) < 1e-12)


def command(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was found as one line of JSON, for scripts.")
    ] = False,
) -> int:
    """Say what is installed and whether it works.

    Versions, processor, cache folder, and one gradient checked. The exit code is 1 if something
    has to be mended.
    """
    from backlit.cli.console import fail
    from backlit.cli.output import print_json

    found = doctor()
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found)
    for problem in found.problems:
        fail(problem)
    sys.stdout.flush()
    return 1 if found.problems else 0


def _show(found: Diagnosis) -> None:
    from backlit.cli.console import styled
    from backlit.train.plot import install_command

    limits = [f"{name}={found.threads[name]}" for name in VARIABLES if name in found.threads]
    threads = found.compiled_threads or f"{VARIABLE}={found.threads[VARIABLE]} is no number"
    lines = [
        ("backlit", found.backlit),
        ("python", f"{found.python} on {found.platform}"),
        ("processor", f"{found.cpu}; {found.usable} of {found.cores} cores usable"),
        ("vectors", " ".join(found.features) or "unknown"),
        ("threads", f"{threads} for compiled programs"),
        ("blas", f"{found.blas}, {', '.join(limits) or 'one thread while a command runs'}"),
        ("cache", found.cache + ("" if found.cache_writable else " (not writable)")),
        ("gradient", "right" if found.gradient else "wrong"),
        ("compiling", {True: "right", False: "wrong", None: "not tried"}[found.compiling]),
    ]
    for name, text in lines:
        print(f"{name:<12} {text}")
    print(f"\n{styled('Packages', 'bold')}")
    for name, version in found.packages.items():
        use = NEEDED.get(name) or OPTIONAL[name]
        how = "" if version else f": {install_command(name)}"
        print(f"{name:<12} {version or 'not installed':<14} {use}{how}")
    if not found.problems:
        print(f"\n{styled('Everything Backlit needs is there.', 'green')}")
