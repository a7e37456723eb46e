"""`make` says in one sentence what is missing before it can start."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make_demo(folder: Path, python: Path) -> str:
    """Run `make demo` in a bare copy with that Python; it must fail, and its message returns."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    done = subprocess.run(
        ["make", "--no-print-directory", "demo", f"PYTHON={python}"],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert not (folder / ".venv").exists()
    sentences = [line for line in done.stderr.splitlines() if not line.startswith("make:")]
    assert len(sentences) == 1, done.stderr
    return sentences[0]


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "a checkout"
    folder.mkdir()
    return folder


def test_no_python(checkout, tmp_path):
    message = make_demo(checkout, tmp_path / "nowhere")
    assert "needs Python 3.11 or newer" in message
    assert "does not run" in message


def test_python_too_old(checkout, tmp_path):
    old = script(
        tmp_path / "old",
        'case "$*" in *version_info*) exit 1;; -V) echo Python 3.9.18;; esac',
    )
    message = make_demo(checkout, old)
    assert "needs Python 3.11 or newer" in message
    assert "Python 3.9.18" in message


def test_no_venv_module(checkout, tmp_path):
    bare = script(
        tmp_path / "bare",
        f'case "$*" in *ensurepip*) exit 1;; esac; exec "{sys.executable}" "$@"',
    )
    assert "apt install python3-venv" in make_demo(checkout, bare)
