"""Machine code on disk: found again, never trusted, never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as onp
import pytest

import backlit as bl
from backlit.compiler import cache, compile_graph
from backlit.compiler.target import host

X = onp.arange(5.0)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BACKLIT_CACHE_DIR", str(tmp_path))
    return tmp_path / "compiled"


def graph(scale: float = 3.0) -> Any:
    return bl.trace(lambda x: x * scale + 1.0)(X)


def key(g: Any) -> str:
    return cache.key_of(g, host())


def test_code_is_kept_with_private_permissions_and_found_again(place: Path) -> None:
    compile_graph(graph())
    (file,) = place.iterdir()
    assert file.stat().st_mode & 0o077 == 0 and place.stat().st_mode & 0o077 == 0
    assert cache.load(key(graph())) is not None
    assert cache.info().files == 1 and cache.info().nbytes == file.stat().st_size
    assert cache.clear().files == 1 and cache.info().files == 0


def test_a_key_is_of_this_version_this_processor_and_these_sources(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import llvmlite

    def anew() -> str:
        cache._versions.cache_clear()
        return key(graph())

    keys = [anew()]
    keys.append(cache.key_of(graph(), replace(host(), features="-avx")))
    keys.append(cache.key_of(graph(), host(), donated=[0]))
    with monkeypatch.context() as patched:
        patched.setattr(bl, "__version__", "999.0")
        keys.append(anew())
    with monkeypatch.context() as patched:
        patched.setattr(llvmlite, "__version__", "999.0")
        keys.append(anew())
    with monkeypatch.context() as patched:
        read = Path.read_bytes
        patched.setattr(Path, "read_bytes", lambda path: read(path) + b"#")
        keys.append(anew())
    assert len(set(keys)) == 6
    assert anew() == keys[0]


def test_a_key_tells_programs_apart_and_forgets_names() -> None:
    keys = {
        key(g)
        for g in (
            graph(),
            graph(4.0),
            bl.trace(lambda x: x * 3.0 - 1.0)(X),
            bl.trace(lambda x: x * 3.0 + 1.0)(X.astype("float32")),
            bl.trace(lambda x: x * 3.0 + 1.0)(onp.arange(6.0)),
            bl.trace(lambda x: x * onp.array([3.0, 1, 1, 1, 1]) + 1.0)(X),
            bl.trace(lambda x: x * onp.array([3.0, 1, 1, 1, 2]) + 1.0)(X),
            bl.trace(lambda x: bl.scan(lambda c, _: (c * 3.0, ()), x, length=2)[0])(X),
            bl.trace(lambda x: bl.scan(lambda c, _: (c * 3.5, ()), x, length=2)[0])(X),
        )
    }
    assert len(keys) == 9
    assert key(graph()) == key(bl.trace(lambda other: other * 3.0 + 1.0)(X))


DAMAGES = ["cut", "flipped", "empty", "foreign", "other key", "shared", "pipe", "folder"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_and_foreign_files_are_made_anew(place: Path, damage: str) -> None:
    g = graph(7.0)
    compile_graph(g)
    (file,) = place.iterdir()
    content = file.read_bytes()
    if damage == "cut":
        file.write_bytes(content[:-100])
    elif damage == "flipped":
        file.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "foreign":
        file.write_bytes(b"\x7fELF" + content)
    elif damage == "other key":
        other = graph(8.0)
        file.rename(file.with_name(key(other) + file.suffix))
        g = other
    elif damage == "shared":
        file.chmod(0o666)
    else:
        file.unlink()
        (os.mkfifo if damage == "pipe" else os.mkdir)(file)
    assert cache.load(key(g)) is None
    scale = 8.0 if damage == "other key" else 7.0
    onp.testing.assert_array_equal(compile_graph(g)([X])[0], X * scale + 1.0)
    assert (cache.load(key(g)) is None) == (damage == "folder")  # it is not ours to remove


def test_the_folder_stays_within_its_limit(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_graph(graph(1.5))
    (file,) = place.iterdir()
    monkeypatch.setattr(cache, "LIMIT", int(2.5 * file.stat().st_size))
    os.utime(file, (1, 1))
    for scale in (2.5, 3.5, 4.5):
        compile_graph(graph(scale))
        assert cache.info().nbytes <= cache.LIMIT
    assert not file.exists()  # the one that was not used for longest


def test_a_large_folder_is_looked_through_now_and_then(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []
    monkeypatch.setattr(cache, "_shrink", looks.append)
    for number in range(200):
        cache.store(f"{number:064x}", bytes(1000))
    assert 200 / 32 <= len(looks) <= 200 / 32 + 2
    looks.clear()
    for number in range(10):
        cache.store(f"{32 * number + 1:064x}", bytes(3_000_000))
    assert 5 <= len(looks) < 10


def test_other_files_in_the_folder_stay(place: Path) -> None:
    compile_graph(graph(5.0))
    (place / "thesis.txt").write_text("precious")
    (place / ".left-by-a-killed-process.part").write_text("half")
    assert cache.info().files == 1
    assert cache.clear().files == 1
    assert [path.name for path in place.iterdir()] == ["thesis.txt"]


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("BACKLIT_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", home)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for _ in range(2):
        onp.testing.assert_array_equal(compile_graph(graph(6.0))([X])[0], X * 6.0 + 1.0)
    assert cache.info().files == 1 and tmp_path in cache.info().folder.parents


def test_a_folder_that_cannot_be_written_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("BACKLIT_CACHE_DIR", str(blocked))
    onp.testing.assert_array_equal(compile_graph(graph(9.0))([X])[0], X * 9.0 + 1.0)
    assert cache.info().files == 0


PROGRAM = """
import numpy, sys, backlit as bl
x = numpy.arange(64.0)
for k in range(6):
    f = bl.jit(lambda x: x * (k + 0.25) + {0})
    assert (f(x) == x * (k + 0.25) + {0}).all()
"""


def test_processes_that_meet_or_are_killed_leave_whole_files(place: Path) -> None:
    environment = os.environ | {"BACKLIT_CACHE_DIR": str(place.parent)}
    command = [sys.executable, "-c", PROGRAM.format(1.0)]
    running = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [p.wait() for p in running] == [0, 0, 0]
    for delay in (0.5, 0.7, 0.9):
        doomed = subprocess.Popen([sys.executable, "-c", PROGRAM.format(delay)], env=environment)
        try:
            doomed.wait(timeout=delay)
        except subprocess.TimeoutExpired:
            doomed.kill()
            doomed.wait()
    for file in place.glob("*.code"):
        assert cache.load(file.stem) is not None
