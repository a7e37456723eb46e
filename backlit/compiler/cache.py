"""Machine code kept on disk between processes, and found again by what it was made from.

Loading machine code is running it: only files that belong to the user, that nobody else may write,
and whose contents have the checksum they state are loaded. Anything else is ignored and made anew.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as onp

import backlit
from backlit.compiler.target import Target
from backlit.config import cache_dir
from backlit.core.graph import Graph, Literal, Var

_MAGIC = b"backlit object 1\n"
_SUFFIX, _UNFINISHED = ".code", ".part"
# What the folder may hold; the files that were not used for longest go first.
LIMIT = 256 * 1024 * 1024
# Looking through a folder of ten thousand files takes longer than compiling a small program: it is
# done when a process has written this share of the limit, and for one key in so many.
_SHARE, _SAMPLE = 64, 32
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)
_written = 0  # bytes since this process last looked


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
        The graph, the processor, the versions of LLVM's binding and of this library.
    """
    digest = hashlib.sha256()
    digest.update(repr((target, _versions(), tuple(donated))).encode())
    _feed(digest, graph)
    return digest.hexdigest()


@functools.lru_cache(maxsize=1)
def _versions() -> tuple[str, ...]:
    import llvmlite

    # The sources too, for those who work on them: of the compiler, and of the operations, which say
    # how some are written out in terms of others.
    sources = hashlib.sha256()
    package = Path(__file__).parent.parent
    for part in ("compiler", "ops"):
        for path in sorted((package / part).rglob("*.py")):
            sources.update(path.read_bytes())
    return str(llvmlite.__version__), backlit.__version__, sources.hexdigest()


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
            parts.append((var.aval.shape, var.aval.dtype.str, var.aval.weak))
    parts.append([atom(a) for a in graph.outputs])
    digest.update(repr(parts).encode())


def load(key: str) -> bytes | None:
    """Return the machine code of a key, or None if there is none that can be trusted."""
    path = folder() / (key + _SUFFIX)
    try:
        # Without waiting, should somebody have put a pipe there.
        with open(path, "rb", opener=lambda p, flags: os.open(p, flags | _AT_ONCE)) as file:
            status = os.fstat(file.fileno())
            if not (stat.S_ISREG(status.st_mode) and _ours(status)):
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
    global _written
    try:
        place = folder()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _ours(place.stat()):
            return
        handle, name = tempfile.mkstemp(dir=place, prefix=".", suffix=_UNFINISHED)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_MAGIC + hashlib.sha256(key.encode() + code).digest() + code)
            os.replace(name, place / (key + _SUFFIX))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        _written += len(code)
        if _written * _SHARE > LIMIT or int(key, 16) % _SAMPLE == 0:
            _written = 0
            _shrink(place)
    except OSError:
        return


def _files(place: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the files in the folder that are this module's, unfinished ones too."""
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.name.endswith((_SUFFIX, _UNFINISHED)) and entry.is_file():
                    yield Path(entry.path), entry.stat()


def _shrink(place: Path) -> None:
    """Remove the files used longest ago until the folder is within its limit."""
    files = [(status.st_mtime, status.st_size, path) for path, status in _files(place)]
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
    place = folder()
    sizes = [status.st_size for path, status in _files(place) if path.suffix == _SUFFIX]
    return CacheInfo(place, len(sizes), sum(sizes), LIMIT)


def clear() -> CacheInfo:
    """Remove all machine code from the cache, and nothing else; return what it held."""
    held = info()
    for path, _ in _files(held.folder):
        with contextlib.suppress(OSError):
            path.unlink()
    return held
