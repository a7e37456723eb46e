"""Every script prints its answer; the index names every script and picture."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "examples" / "questions"
INDEX = ROOT / "docs" / "questions.md"

# What an asker must find in the output. q3 is run in test_q3_xor.py, which has XOR's table at hand.
SENTENCES = {
    "q0": ["Correct. This is forward mode", "dL/dh = +0.21166429", "6,208", "one forward pass"],
    "q1": ["1.99281, sum of 2", "f″ = -4: a maximum", "not even continuous", "5 repeat", "ndarray"],
    "q2": ["+0.000438568", "0.291027774", "3.51018", "∂w₇/∂h₁ = 0", "independent variable"],
    "q4": [
        "‘A^{[L]}’ should be ‘A^{[L - 1]}’",
        "as printed: wrong",
        "inf",
        "dW2 = (1/m) (dZ2 A1ᵀ)",
    ],
    "elsewhere": [
        "ratio 4",
        "0.125",
        "twice as much",
        "float32",
        "relu is off",
        "2,000 operations",
    ],
}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_script_prints_its_answer(name: str, tmp_path: Path) -> None:
    # As a reader runs it, from a folder of its own.
    command = [sys.executable, "-W", "error", str(SCRIPTS / f"{name}.py")]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(("Q", "What people"))
    for sentence in SENTENCES[name]:
        assert sentence in done.stdout
    assert not re.search(r"\bnan\b", done.stdout.replace("inf        nan", ""))


def test_the_picture_of_the_two_modes(tmp_path: Path) -> None:
    path = importlib.import_module("q0").plot(tmp_path)
    picture = ElementTree.parse(path).getroot()
    words = " ".join("".join(text.itertext()) for text in picture.iter() if "text" in text.tag)
    assert "operations, forward ÷ reverse" in words and "outputs" in words
    assert path.stat().st_size < 60_000


def test_the_picture_of_the_two_paths(tmp_path: Path) -> None:
    picture = ElementTree.parse(importlib.import_module("q2").plot(tmp_path)).getroot()
    words = " ".join("".join(text.itertext()) for text in picture.iter() if "text" in text.tag)
    for number in ("+0.000668396", "-0.000229828", "+0.000438568"):
        assert number in words


def test_a_wrong_option_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["q4.py", "--plot", "."])
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module("q4").main()
    assert stopped.value.code == 2
    assert "--plot" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("script", "module"),
    [
        ("q0", "matplotlib"),
        ("q1", "graphlay"),
        ("q2", "matplotlib"),
        ("q3", "matplotlib"),
        ("q3_xor", "matplotlib"),
    ],
)
def test_without_what_draws_it_a_picture_is_refused_at_once(
    script: str, module: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("report.find_spec", lambda name: None)
    monkeypatch.setattr("sys.argv", [f"{script}.py", "--plot", "."])
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module(script).main()
    assert stopped.value.code == 2
    written = capsys.readouterr()
    assert "needs" not in written.out and "Traceback" not in written.err
    assert f"error: argument --plot: pictures need {module}" in written.err
    assert f" -m pip install {module}" in written.err and "backlit[" not in written.err


def test_plotting_is_loaded_only_when_asked_for() -> None:
    code = "import sys, q0, q2, q3_xor, elsewhere; print('matplotlib' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_the_index_names_every_script_and_its_pictures_exist() -> None:
    text = INDEX.read_text(encoding="utf-8")
    for script in ("q0", "q1", "q2", "q3", "q3_xor", "q4", "elsewhere"):
        assert f"examples/questions/{script}.py" in text
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert len(links) > 8
    for link in links:
        assert (INDEX.parent / link).exists(), link
