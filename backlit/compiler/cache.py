"""Machine code kept on disk between processes, and found again by what it was made from.

Loading machine code is running it: only files that belong to the user, that nobody else may write,
and whose contents have the checksum they state are loaded. Anything else is ignored and made anew.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as onp

from backlit.compiler.target import Target
from backlit.config import cache_dir
from backlit.core.graph import Graph, Literal, Var

_MAGIC = b"backlit object 1\n"
_SUFFIX = ".code"
# What the folder may hold; the files that were not used for longest go first.
LIMIT = 256 * 1024 * 1024


def folder() -> Path:
    """Return where machine code is kept."""
    return cache_dir() / "compiled"


def key_of(graph: Graph, target: Target, donated: Sequence[int] = ()) -> str:
    """Return a digest of everything that machine code depends on.

    Parameters
    ----------
    graph : Graph
    target : Target
    donated : sequence of int
        Inputs whose memory results may take.

    Returns
    -------
    str
        The graph, the processor, the versions of LLVM's binding and of this compiler.
    """
    digest = hashlib.sha256()
    digest.update(repr((target, _versions(), tuple(donated))).encode())
    _feed(digest, graph)
    return digest.hexdigest()


@functools.lru_cache(maxsize=1)
def _versions() -> tuple[str, str]:
    import llvmlite

    sources = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        sources.update(path.read_bytes())
    return str(llvmlite.__version__), sources.hexdigest()


def _feed(digest: Any, graph: Graph) -> None:
    """Add a graph to a digest: what it computes, not what things are called."""
    numbers: dict[Var, int] = {var: k for k, var in enumerate(graph.inputs)}
    parts: list[Any] = [[(v.aval.shape, v.aval.dtype.str, v.aval.weak) for v in graph.inputs]]

    def atom(a: Var | Literal) -> Any:
        if isinstance(a, Var):
            return numbers[a]
        array = onp.asarray(a.value)
        content: Any = array.item() if array.size == 1 else hashlib.sha256(array.tobytes()).digest()
        return type(a.value).__name__, array.shape, array.dtype.str, repr(content)

    for equation in graph.equations:
        parts.append((equation.primitive.name, [atom(a) for a in equation.inputs]))
        for name, value in sorted(equation.params.items()):
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Graph):
                    digest.update(repr(parts).encode())
                    parts.clear()
                    _feed(digest, part)
                else:
                    parts.append((name, part))
        for var in equation.outputs:
            numbers[var] = len(numbers)
            parts.append((var.aval.shape, var.aval.dtype.str))
    parts.append([atom(a) for a in graph.outputs])
    digest.update(repr(parts).encode())


def load(key: str) -> bytes | None:
    """Return the machine code of a key, or None if there is none that can be trusted."""
    path = folder() / (key + _SUFFIX)
    try:
        with open(path, "rb") as file:
            if not _ours(os.fstat(file.fileno())):
                return None
            content = file.read(LIMIT)
    except OSError:
        return None
    size = hashlib.sha256().digest_size
    head, body = content[: len(_MAGIC) + size], content[len(_MAGIC) + size :]
    if head != _MAGIC + hashlib.sha256(key.encode() + body).digest():
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # it was used
    return body


def _ours(status: os.stat_result) -> bool:
    if not hasattr(os, "geteuid"):
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def store(key: str, code: bytes) -> None:
    """Keep machine code under a key; what cannot be written is not kept.

    The file appears under its name complete or not at all.
    """
    try:
        place = folder()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _ours(place.stat()):
            return
        handle, name = tempfile.mkstemp(dir=place, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_MAGIC + hashlib.sha256(key.encode() + code).digest() + code)
            os.replace(name, place / (key + _SUFFIX))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        _shrink(place)
    except OSError:
        return


def _shrink(place: Path) -> None:
    """Remove the files used longest ago until the folder is within its limit."""
    files = []
    for path in place.iterdir():
        with contextlib.suppress(OSError):
            status = path.stat()
            files.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= LIMIT:
            break
        with contextlib.suppress(OSError):
            path.unlink()
            total -= size


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What the cache holds.

    Attributes
    ----------
    folder : Path
    files, nbytes, limit : int
    """

    folder: Path
    files: int
    nbytes: int
    limit: int


def info() -> CacheInfo:
    """Return what the cache of machine code holds."""
    sizes = []
    with contextlib.suppress(OSError):
        for path in folder().glob("*" + _SUFFIX):
            with contextlib.suppress(OSError):
                sizes.append(path.stat().st_size)
    return CacheInfo(folder(), len(sizes), sum(sizes), LIMIT)


def clear() -> CacheInfo:
    """Remove all machine code from the cache; return what it held."""
    held = info()
    with contextlib.suppress(OSError):
        for path in folder().iterdir():
            with contextlib.suppress(OSError):
                path.unlink()
    return held
