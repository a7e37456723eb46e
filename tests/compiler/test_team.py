"""The team of threads: its number, its life, forks and interrupts, and no way to hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.compiler import threads
from backlit.core.errors import InputError
from tests.compiler.arrays import draw

pytestmark = pytest.mark.usefixtures("keep_count")


# --- settings -----------------------------------------------------------------------------------


def test_the_number_of_threads() -> None:
    bl.set_num_threads(3)
    assert bl.num_threads() == 3
    bl.set_num_threads(onp.int64(2))
    assert bl.num_threads() == 2 and type(bl.num_threads()) is int
    for wrong in (0, -1, 257, 1.5, "two", True, None):
        with pytest.raises(InputError, match="count is"):
            bl.set_num_threads(wrong)  # type: ignore[arg-type]
    assert bl.num_threads() == 2


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, which has a minute."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("value", ["3", " 1 ", "256"])
def test_the_environment_variable(value: str) -> None:
    ran = python("import backlit as bl; print(bl.num_threads())", BACKLIT_NUM_THREADS=value)
    assert (ran.stdout.strip(), ran.stderr) == (value.strip(), "")


@pytest.mark.parametrize("value", ["0", "-2", "two", "1.5", "257", "9" * 5000])
def test_a_wrong_environment_variable(value: str) -> None:
    ran = python(
        """
        import backlit as bl
        try:
            bl.num_threads()
        except bl.BacklitError as error:
            print(error)
        bl.set_num_threads(2)  # needs no variable
        print(bl.num_threads())
        """,
        BACKLIT_NUM_THREADS=value,
    )
    assert ran.stderr == ""
    assert ran.stdout.startswith("the environment variable BACKLIT_NUM_THREADS is '")
    assert "from 1 to 256" in ran.stdout and ran.stdout.endswith("\n2\n")


def test_the_default_is_what_the_process_may_use() -> None:
    ran = python("import backlit as bl; print(bl.num_threads())", BACKLIT_NUM_THREADS="")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert int(ran.stdout) == usable


# --- threads ------------------------------------------------------------------------------------


BIG = """
    import os, sys, threading, numpy, backlit as bl, backlit.numpy as np
    from backlit.compiler import threads
    bl.set_num_threads(3)
    x = numpy.random.default_rng(0).normal(size=(300, 300)).astype("float32")
    f = bl.jit(lambda x: bl.scan(lambda h, _: (np.tanh(h @ x), None), x, None, 30)[0])
"""


def script(code: str) -> str:
    return textwrap.dedent(BIG) + textwrap.dedent(code)


def test_small_programs_and_single_threads_start_no_threads() -> None:
    ran = python(
        script(
            """
            small = bl.jit(lambda x: bl.scan(lambda h, _: (np.tanh(h @ h), None), x, None, 1000))
            small(x[:20, :20])
            assert threads.started() == 0
            bl.set_num_threads(1)
            f(x)
            assert threads.started() == 0 and threading.active_count() == 1
            bl.set_num_threads(4)
            f(x)
            assert threads.started() == 3 and threading.active_count() == 4
            bl.set_num_threads(2)
            f(x)
            assert threads.started() == 3
            """
        )
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_the_process_ends_while_threads_live() -> None:
    for end in ("", "sys.exit(0)", "threading.Thread(target=f, args=(x,)).start()"):
        ran = python(script(f"f(x)\nf(x)\nprint(threads.started())\n{end}"))
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "2\n", "")


@pytest.mark.parametrize(("failure", "started"), [("raise RuntimeError", 0), ("pass", 3)])
def test_threads_that_do_not_come(failure: str, started: int) -> None:
    """They cannot be started, or have not begun to run yet: the calling thread does it all."""
    ran = python(
        script(
            f"""
            def start(thread):
                {failure}
            bl.set_num_threads(1)
            alone = f(x)
            threading.Thread.start = start
            bl.set_num_threads(4)
            assert (f(x) == alone).all() and (f(x) == alone).all()
            print(threads.started())
            """
        )
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{started}\n", "")


def test_sleeping_threads_are_woken_and_help() -> None:
    """All of them wake, though each wakes few others, and somebody beside the caller computes."""
    ran = python(
        script(
            """
            import time
            from backlit.compiler import team

            bl.set_num_threads(9)
            expected, seen, helped = f(x), set(), 0
            until = time.monotonic() + 50
            while (len(seen) < 8 or not helped) and time.monotonic() < until:
                time.sleep(0.005)
                assert (f(x) == expected).all()
                words = threads._team._words[threads._team._first:]
                own = [(team.WORKERS + k * team.LINE + team.ASLEEP) // 8 for k in range(8)]
                seen |= {k for k in range(8) if not words[own[k]]}
                helped += words[team.DONE // 8]
            print(sorted(seen), helped > 0)
            """
        )
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{list(range(8))} True\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forks_in_the_middle() -> None:
    ran = python(
        script(
            """
            import warnings
            warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads
            expected = f(x)
            stop = threading.Event()

            def compute():
                while not stop.is_set():
                    assert (f(x) == expected).all()

            other = threading.Thread(target=compute)
            other.start()
            children = []
            for _ in range(10):
                child = os.fork()
                if not child:
                    same = threads.started() == 0 and (f(x) == expected).all()
                    os._exit(0 if same and (f(x) == expected).all() and threads.started() else 1)
                children.append(child)
                assert (f(x) == expected).all()
            print([os.waitpid(child, 0)[1] for child in children])
            stop.set()
            other.join()
            """
        )
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{[0] * 10}\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forks_while_another_thread_compiles() -> None:
    """The child compiles: locks of LLVM that the other thread holds would stay held there."""
    ran = python(
        script(
            """
            import gc, signal, time, warnings
            warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads
            f(x)  # Python itself does not survive a fork while another thread imports a module
            stop = threading.Event()

            def keep_compiling():
                k = 0
                while not stop.is_set():
                    k += 1
                    bl.jit(lambda x: np.sin(x) * k + np.exp(x))(x[0])

            other = threading.Thread(target=keep_compiling)
            other.start()
            children = []
            for k in range(15):
                time.sleep(0.02)
                child = os.fork()
                if not child:
                    signal.alarm(20)  # ends it
                    right = numpy.allclose(bl.jit(lambda x: x * (k + 0.5))(x), x * (k + 0.5))
                    os._exit(0 if right and gc.isenabled() else 1)
                children.append(child)
            print([os.waitpid(child, 0)[1] for child in children])
            stop.set()
            other.join()
            """
        ),
        BACKLIT_CACHE_DIR=os.devnull,  # so that everything is compiled
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{[0] * 15}\n", "")


def test_several_python_threads_at_once() -> None:
    bl.set_num_threads(3)
    x, w = draw(201, 301), draw(301, 301) / 20
    f = bl.jit(lambda x, w: bl.scan(lambda h, _: (np.tanh(h @ w), np.sum(h)), x, None, 10))
    g = bl.jit(lambda w: (np.sum(np.exp(w @ w)), np.tanh(w @ w.T)))
    expected = [leaf.tobytes() for leaf in (*f(x, w), *g(w))]
    wrong: list[Any] = []

    def compute() -> None:
        for _ in range(20):
            if [leaf.tobytes() for leaf in (*f(x, w), *g(w))] != expected:
                wrong.append(threading.get_ident())

    callers = [threading.Thread(target=compute) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_the_team_is_given_back() -> None:
    bl.set_num_threads(2)
    x = draw(500, 500)
    f = bl.jit(lambda x, i: np.tanh(x @ x)[i])
    for _ in range(3):
        with pytest.raises(IndexError, match="out of bounds"):
            f(x, onp.array([1, 500]))
    assert f(x, onp.array([1, 2])).shape == (2, 500)
    address = threads.take(2, f)  # type: ignore[arg-type]
    try:
        assert address and not elsewhere(lambda: threads.take(2, f))  # type: ignore[arg-type]
        onp.testing.assert_allclose(
            elsewhere(lambda: f(x, onp.array([3]))),
            onp.tanh(x @ x)[3:4],
            rtol=1e-5,
            atol=1e-4,
        )
    finally:
        threads.lock().release()


def elsewhere(compute: Any) -> Any:
    """Return what another thread computes."""
    found: list[Any] = []
    other = threading.Thread(target=lambda: found.append(compute()))
    other.start()
    other.join()
    return found[0]


def free() -> bool:
    """Tell whether another thread could have the team."""

    def asked() -> bool:
        lock = threads.lock()
        if not lock.acquire(blocking=False):
            return False
        lock.release()
        return True

    return bool(elsewhere(asked))


def test_an_interrupt_leaves_the_team_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come as soon as the team is taken, before its caller knows."""
    bl.set_num_threads(2)
    x = draw(500, 500)
    f = bl.jit(lambda x: np.tanh(x @ x))
    f(x)
    take = threads.take

    def interrupted(count: int, library: Any) -> int:
        assert take(count, library)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threads, "take", interrupted)
        with pytest.raises(KeyboardInterrupt):
            f(x)
    assert free()


_INTERRUPTED = """
import signal
import numpy
import backlit as bl
from backlit.compiler import threads

bl.set_num_threads(2)
x = numpy.random.default_rng(0).standard_normal((200, 200))
f = bl.jit(lambda x: x @ x)
before = f(x).tobytes()

def interrupt(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
caught = 0
for k in range(400):
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-5 * (1 + k % 37))
        for _ in range(4):
            f(x)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        caught += 1
signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, signal.SIG_IGN)
assert caught
lock = threads.lock()
assert lock.acquire(blocking=False)
lock.release()
try:
    lock.release()
except RuntimeError:
    pass
else:
    raise AssertionError("the team is still taken")
assert f(x).tobytes() == before
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that interrupts")
def test_interrupts_at_any_moment_leave_the_team_free() -> None:
    # In a process of its own: an interrupt inside a coverage tool leaves that tool's lock taken.
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
