"""Files to read, made in the test's own folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str | bytes], str]:
    """Write a file into the current folder, which is empty, and return its name."""
    monkeypatch.chdir(tmp_path)

    def write_file(name: str, content: str | bytes) -> str:
        data = content.encode() if isinstance(content, str) else content
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)
        return name

    return write_file


@pytest.fixture
def not_root():
    """Return a context without root's right to read everything, in a folder that it then owns."""

    @contextmanager
    def give_up_root(folder: Path) -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        nobody = 65534
        closed = []
        for parent in [folder, *folder.parents]:  # the folders pytest makes are for root only
            if not parent.stat().st_mode & 0o001:
                closed.append((parent, parent.stat().st_mode))
                parent.chmod(0o711)
        os.chown(folder, nobody, -1)
        os.seteuid(nobody)
        try:
            yield
        finally:
            os.seteuid(0)
            for parent, mode in closed:
                parent.chmod(mode)

    return give_up_root
