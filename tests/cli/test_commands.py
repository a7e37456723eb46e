"""The command line itself: help, the tour, typing errors, and every way a command can end."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys

import pytest

import backlit
from backlit.cli import console, doctor

COMMANDS = ("demo", "train", "predict", "explain", "check", "doctor")


def backlit_process(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "backlit", *map(str, words)],
        capture_output=True,
        text=True,
        **options,
    )


def test_no_words_give_a_tour_of_every_command(run):
    ran = run()
    assert ran.code == 0 and ran.err == ""
    for name in COMMANDS:
        assert f"backlit {name}" in ran.out


def test_the_tour_and_the_help_use_only_options_that_exist(run):
    """Every option written in an example is one the help of that command lists."""
    texts = [run().out, run("--help").out, *[run(name, "--help").out for name in COMMANDS]]
    seen = 0
    for text in texts:
        for line in text.splitlines():
            words = line.split()
            if words[:1] != ["backlit"] or len(words) < 2 or words[1] not in COMMANDS:
                continue
            known = run(words[1], "--help").out
            for word in words[2:]:
                if word.startswith("--"):
                    assert f"{word} " in known or f"{word}\n" in known, line
                    seen += 1
    assert seen > 20


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(run, name):
    ran = run(name, "--help")
    assert ran.code == 0 and ran.err == ""
    assert "Examples:" in ran.out and f"backlit {name}" in ran.out.partition("Examples:")[2]


def test_version(run):
    assert run("--version").out == f"backlit {backlit.__version__}\n"


@pytest.mark.parametrize(
    ("words", "guess"),
    [
        (["trian"], "train"),
        (["exlain", "m", "t"], "explain"),
        (["demo", "--sed", "1"], "--seed"),
        (["predict", "m", "t", "--outt", "x"], "--out"),
        (["explain", "m", "t", "--wieght", "x"], "--weight"),
    ],
)
def test_a_typing_error_suggests_the_near_name(run, words, guess):
    ran = run(*words)
    assert ran.code == 2 and ran.out == ""
    assert "did you mean" in ran.err.lower() and guess in ran.err
    assert "--help" in ran.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["no-such-command"],
            "error: there is no command 'no-such-command'\n  fix: see backlit --help",
        ),
        (["trian"], "error: there is no command 'trian'\n  fix: did you mean train? See"),
        (["--bogus"], "error: there is no option --bogus\n  fix: see backlit --help"),
        (["train"], "error: TABLE is missing\n  fix: see backlit train --help"),
        (["train", "t"], "error: --target is missing\n  fix: --target COLUMN; see backlit train"),
        (
            ["train", "t", "--target"],
            "error: --target needs a value\n  fix: see backlit train --help",
        ),
        (["doctor", "who"], "error: there is no use here for 'who'\n  fix: see backlit doctor"),
    ],
)
def test_every_message_is_of_one_style(run, words, message):
    ran = run(*words)
    assert ran.code == 2 and ran.out == "" and ran.err.startswith(message)
    assert not ran.err.rstrip().endswith(".")


def test_usage_lines_are_what_is_typed(run):
    lines = {name: run(name, "--help").out.splitlines()[0] for name in COMMANDS}
    assert lines["train"] == "Usage: backlit train TABLE --target COLUMN [OPTIONS]"
    assert lines["predict"] == "Usage: backlit predict MODEL TABLE [OPTIONS]"
    assert lines["explain"].startswith("Usage: backlit explain MODEL TABLE --row N --weight ")
    assert lines["doctor"] == "Usage: backlit doctor [OPTIONS]"


def test_python_m_backlit_is_the_same_command():
    done = backlit_process("--version")
    assert (done.returncode, done.stdout) == (0, f"backlit {backlit.__version__}\n")
    assert backlit_process("no-such-command").returncode == 2


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from backlit.cli import main; main(['train', '--help']); main([]); "
        "print(sorted({'duckdb', 'matplotlib', 'scipy', 'backlit.train.loop'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_unexpected_error_is_short_unless_asked_otherwise(run, monkeypatch):
    def broken() -> None:
        raise ZeroDivisionError("the universe")

    monkeypatch.setattr("backlit.cli.doctor.doctor", broken)
    monkeypatch.delenv("BACKLIT_TRACEBACK", raising=False)
    ran = run("doctor")
    assert ran.code == 1 and ran.out == ""
    assert ran.err.startswith("error: ZeroDivisionError: the universe")
    assert "BACKLIT_TRACEBACK=1" in ran.err and "Traceback" not in ran.err
    monkeypatch.setenv("BACKLIT_TRACEBACK", "1")
    ran = run("doctor")
    assert ran.code == 1 and "Traceback (most recent call last)" in ran.err


def test_ctrl_c_outside_training(run, monkeypatch):
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("backlit.cli.doctor.doctor", interrupted)
    ran = run("doctor")
    assert ran.code == 130 and "interrupted" in ran.err and "Traceback" not in ran.err


def test_a_reader_that_stops_reading_is_no_error(shop):
    process = subprocess.Popen(
        [sys.executable, "-m", "backlit", "predict", str(shop / "flowers"), QUERY.format(shop)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline().startswith("prediction,")
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() != 0


# Far more rows than fit into the buffer of a pipe.
QUERY = "SELECT a.* FROM '{0}/flowers.csv' a, '{0}/flowers.csv' b, '{0}/flowers.csv' c LIMIT 50000"


def test_text_that_the_terminal_cannot_show_is_no_error(tmp_path):
    done = backlit_process(
        "--help", env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    )
    assert done.returncode == 0 and done.stderr == ""
    done = backlit_process(
        "train",
        "Ünbekannt.csv",
        "--target",
        "ü",
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 2 and "nbekannt.csv" in done.stderr


def test_an_explanation_is_readable_in_ascii(shop):
    words = ["explain", shop / "houses", shop / "houses.csv", "--row", "0", "--weight", "0.W[0,1]"]
    plain = backlit_process(*words, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert plain.returncode == 0 and plain.stdout.isascii()
    assert "dL/dw = " in plain.stdout and "?" not in plain.stdout
    full = backlit_process(*words, env=os.environ | {"PYTHONIOENCODING": "utf-8"})
    assert "∂L/∂w = " in full.stdout


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_that_want_it(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert console.styled("x", "red", Terminal()) == "\x1b[31mx\x1b[0m"
    assert console.styled("x", "red", io.StringIO()) == "x"
    monkeypatch.setenv("NO_COLOR", "")  # empty: as if it were not set
    assert console.styled("x", "red", Terminal()) != "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert console.styled("x", "red", Terminal()) == "x"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert console.styled("x", "red", Terminal()) == "x"


def test_doctor(run, monkeypatch, tmp_path):
    monkeypatch.setenv("BACKLIT_CACHE_DIR", str(tmp_path / "not" / "there" / "yet"))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    ran = run("doctor")
    assert ran.code == 0 and ran.err == ""
    found = json.loads(run("doctor", "--json").out)
    import numpy

    assert found["packages"]["numpy"] == numpy.__version__
    assert found["python"].endswith(".".join(map(str, sys.version_info[:3])))
    assert found["backlit"] == backlit.__version__ and found["gradient"] is True
    assert found["compiling"] is True and found["packages"]["llvmlite"]
    assert found["cache"] == str(tmp_path / "not" / "there" / "yet") and found["cache_writable"]
    assert found["threads"]["OMP_NUM_THREADS"] == "3"
    assert 1 <= found["usable"] <= found["cores"]
    assert found["compiled_threads"] == backlit.num_threads()
    assert f"{backlit.num_threads()} for compiled programs" in ran.out
    assert not (tmp_path / "not").exists()
    for value in (found["backlit"], found["cpu"], found["cache"]):
        assert value in ran.out


@pytest.mark.parametrize("rows", [30, 1000])  # too few for compiling, and enough
def test_a_wrong_number_of_threads_is_refused_before_training(run, table, monkeypatch, rows):
    def never(*_, **__):
        raise AssertionError("training began")

    columns = {"x": [*range(rows)], "y": [k % 2 for k in range(rows)]}
    words = ["train", table("t.csv", columns), "--target", "y", "--out", "out", "--epochs", "1"]
    monkeypatch.setattr("backlit.core.threads._chosen", None)
    monkeypatch.setenv("BACKLIT_NUM_THREADS", "zz")
    with monkeypatch.context() as patched:
        patched.setattr("backlit.train.tabular.training.learn", never)
        ran = run(*words)
    assert ran.code == 2 and "BACKLIT_NUM_THREADS is 'zz'" in ran.err
    assert not os.path.exists("out")
    assert run(*words, "--no-jit", "--no-report").code == 0


def test_doctor_finds_what_is_wrong(run, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BACKLIT_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr("backlit.cli.doctor._version", lambda name: None)
    monkeypatch.setattr("backlit.cli.doctor._gradient_is_right", lambda: False)
    monkeypatch.setattr("backlit.core.threads._chosen", None)
    monkeypatch.setenv("BACKLIT_NUM_THREADS", "none")
    ran = run("doctor")
    assert ran.code == 1
    wrong = ("BACKLIT_CACHE_DIR", "pip install duckdb", "gradient came out wrong", "'none'")
    for words in wrong:
        assert words in ran.err
    assert "BACKLIT_NUM_THREADS=none is no number for compiled programs" in ran.out
    assert "compiling    not tried" in ran.out
    assert "pip install matplotlib" not in ran.err


def test_doctor_says_if_nothing_can_be_compiled(run, monkeypatch):
    def broken(text, target):
        raise RuntimeError("no LLVM here")

    monkeypatch.setattr("backlit.compiler.object_code", broken)
    ran = run("doctor")
    assert ran.code == 1 and "compiling    wrong" in ran.out
    assert "could not be compiled" in ran.err and "--no-jit" in ran.err


def test_cache_counts_one_program(run, monkeypatch, tmp_path):
    monkeypatch.setenv("BACKLIT_CACHE_DIR", str(tmp_path))
    assert run("cache").out.startswith("kept 0 compiled programs")
    backlit.jit(lambda x: x * 1.2345678 + 2.0)(1.0)
    assert run("cache").out.startswith("kept 1 compiled program, ")


def test_doctor_loads_nothing_heavy():
    code = (
        "import sys; from backlit.cli import main; main(['doctor']); "
        "print(sorted({'duckdb', 'matplotlib', 'safetensors', 'rich.progress'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_doctor_says_how_to_get_what_is_missing(run, monkeypatch):
    usual = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "matplotlib" else "1")
    assert usual("numpy") is not None
    monkeypatch.setattr("sys.executable", os.path.join(os.getcwd(), ".venv", "bin", "python"))
    ran = run("doctor")
    (line,) = [line for line in ran.out.splitlines() if line.startswith("matplotlib")]
    # By the Python that runs, and by no name that could be somebody else's package.
    assert line.endswith(" -m pip install matplotlib") and ".venv/bin/python" in line
    assert "backlit[" not in ran.out


@pytest.mark.parametrize("unbuffered", ["", "1"])  # at the end, and in the middle of it
def test_output_that_finds_no_room(unbuffered):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "backlit", "doctor"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr == "error: the output cannot be written: No space left on device\n"


def test_an_error_of_the_system_that_is_not_expected(run, monkeypatch):
    def broken(*_):
        raise OSError(errno.ENOTDIR, "Not a directory")

    monkeypatch.setattr("backlit.cli.doctor.doctor", broken)
    ran = run("doctor")
    assert ran.code == 1 and "this should not happen" in ran.err
