"""Programs divided among threads: the same bits for any number of them, and no way to hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit import nn, optim
from backlit.compiler import division, program, runtime, threads
from backlit.compiler.division import bounds, chunks_for, divided_work, overlap
from backlit.compiler.plan import plan
from backlit.compiler.target import host
from backlit.compiler.text import Code, Module
from backlit.core import tree
from backlit.core.errors import InputError

COUNTS = (1, 2, 3, 5)


@pytest.fixture(autouse=True)
def keep_count() -> Iterator[None]:
    before = bl.num_threads()
    yield
    bl.set_num_threads(before)


def draw(*shape: int, dtype: str = "float32") -> Any:
    return onp.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


def divided(f: Any, *args: Any) -> int:
    """Return how many units of a program are cut into chunks, those of loops included."""
    text = bl.jit(f).inspect(*args).ir
    return text.count("call void @share(")


def same_for_any_count(f: Any, *args: Any, rounds: int = 4) -> list[Any]:
    """Return results as arrays, after checking that no number of threads changes a bit."""
    g = bl.jit(f)
    first: list[Any] = []
    for count in COUNTS * rounds:
        bl.set_num_threads(count)
        found = [onp.asarray(leaf) for leaf in tree.flatten(g(*args))[0]]
        first = first or found
        for a, b in zip(found, first, strict=True):
            assert a.tobytes() == b.tobytes(), f"{count} threads"
    return first


def check(f: Any, *args: Any, units: int = 1, tolerance: float = 1e-5) -> None:
    assert divided(f, *args) >= units
    found = same_for_any_count(f, *args)
    expected = [onp.asarray(leaf) for leaf in tree.flatten(f(*args))[0]]
    for a, b in zip(found, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        scale = max(float(onp.max(onp.abs(b))), 1e-30) if b.dtype.kind == "f" else 1.0
        onp.testing.assert_allclose(a / scale, b / scale, rtol=tolerance, atol=tolerance)


# --- results ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape", [(257, 313, 311), (1, 2000, 3001), (13, 999, 1000), (3001, 997, 3), (320, 320, 320)]
)
def test_products(shape: tuple[int, int, int], dtype: str) -> None:
    m, k, n = shape
    a, b, c = draw(m, k, dtype=dtype), draw(k, n, dtype=dtype), draw(n, dtype=dtype)
    check(lambda a, b, c: np.relu(a @ b + c), a, b, c)
    if m in (257, 320):
        check(lambda a, b: (a.T @ b, a @ b.T), draw(k, m, dtype=dtype), draw(k, m, dtype=dtype))


@pytest.mark.parametrize("lead", [2, 37])
def test_stacks_of_products(lead: int) -> None:
    a, b = draw(lead, 65, 400) / 20, draw(lead, 400, 177)
    check(lambda a, b: np.tanh(a @ b), a, b)
    check(lambda a, b: a @ b[0], a, b)


@pytest.mark.parametrize(
    "shape", [(1_000_003,), (1031, 1037), (3, 400_001), (400_001, 3), (7, 300, 501), (1, 999_999)]
)
def test_nests(shape: tuple[int, ...]) -> None:
    x = draw(*shape)
    check(lambda x: (np.tanh(x) * 2 + x, x > 0), x)
    check(lambda x: np.exp(x) + np.sin(x[..., ::-1]), x)
    check(lambda x: np.astype(x * 100, "int8"), x)


@pytest.mark.parametrize("shape", [(1031, 1037), (4099, 300), (130, 8191), (20, 301, 403)])
def test_reductions(shape: tuple[int, ...]) -> None:
    x = draw(*shape)
    last = len(shape) - 1
    check(lambda x: (np.sum(np.exp(x), axis=0), np.max(x, axis=last), np.min(x, axis=0)), x)
    check(lambda x: (np.sum(x * x, axis=last), np.all(x < 9, axis=0), np.mean(x, axis=last)), x)


@pytest.mark.parametrize("shape", [(3_000_017,), (1731, 1737), (20, 401, 403)])
def test_reductions_of_everything(shape: tuple[int, ...]) -> None:
    x = draw(*shape)
    check(lambda x: (np.sum(np.exp(x)), np.max(x), np.min(x), np.any(x > 99), np.all(x < 99)), x)
    check(lambda x: np.sum(np.astype(x * 1000, "int32")), x)
    x[(-1,) * x.ndim] = onp.nan
    assert onp.isnan(same_for_any_count(lambda x: np.max(x[::2, ...]) + np.max(x), x)[0])


def test_views_that_do_not_lie_side_by_side() -> None:
    x = draw(1031, 1037)[::2, ::-3]
    check(lambda x: np.sqrt(np.abs(x) + 1) + x[:, ::-1] * np.exp(x), x)
    check(lambda x: np.sum(np.exp(np.broadcast_to(x, (5, *x.shape)))), x)


@pytest.mark.parametrize("shape", [(1031, 1037), (4099, 301), (17, 301, 403)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_transposes(shape: tuple[int, ...], dtype: str) -> None:
    x = draw(*shape).astype(dtype) * 100
    onp.testing.assert_array_equal(*[f(x) for f in (bl.jit(np.ravel), np.ravel)])
    check(lambda x: np.ravel(x.T), x)
    check(lambda x: np.concatenate([x, x]), x)


@pytest.mark.parametrize("columns", [3, 10, 60])
@pytest.mark.parametrize("lead", [(60_001,), (3, 20_001), (20_001, 3)])
def test_rows(lead: tuple[int, ...], columns: int) -> None:
    x = draw(*lead, columns)
    check(lambda x: (np.softmax(x, axis=-1), np.logsumexp(x, axis=-1)), x)


def test_a_training_step_and_updates_in_place() -> None:
    X, y = draw(101, 401), onp.random.default_rng(0).integers(0, 10, 101)
    model, rule = nn.MLP([401, 503, 299, 10], seed=0), optim.momentum(1e-2)

    def step(model: Any, state: Any, X: Any, y: Any) -> Any:
        value, grads = bl.value_and_grad(lambda m: nn.losses.cross_entropy(m(X), y))(model)
        updates, state = rule.update(grads, state, model)
        return optim.apply(model, updates), state, value

    check(step, model, rule.init(model), X, y, units=5, tolerance=1e-3)

    def epoch(model: Any, state: Any, X: Any, y: Any) -> Any:
        def turn(carry: Any, _: Any) -> Any:
            model, state, value = step(*carry, X, y)
            return (model, state), value

        return bl.scan(turn, (model, state), None, 3)

    check(epoch, model, rule.init(model), X, y, units=5, tolerance=1e-2)


def test_loops_and_choices() -> None:
    x, w = draw(301, 401), draw(401, 401) / 20

    def f(x: Any, w: Any) -> Any:
        y = bl.fori_loop(0, 3, lambda i, h: np.tanh(h @ w), x)
        z = bl.while_loop(lambda h: np.sum(h * h) > 1.0, lambda h: np.tanh(h @ w) / 2, x)
        return y, z, bl.cond(np.sum(y) > 0, lambda: y @ w, lambda: z @ w)

    check(f, x, w, units=4, tolerance=1e-4)


def test_beside_what_the_evaluator_runs() -> None:
    x = draw(601, 601)

    def f(x: Any) -> Any:
        half = np.astype(np.tanh(x @ x / 30), "float16") ** 0.5
        return np.tanh(x @ np.astype(half, "float32"))

    assert bl.jit(f).inspect(x).evaluated == ["power"]
    check(f, np.abs(x), tolerance=1e-3)


@pytest.fixture
def everything_divided(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Divide units that are far too small for it."""
    monkeypatch.setenv("BACKLIT_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(division, "UNIT", 40)
    monkeypatch.setattr(division, "CHUNK", 20)
    monkeypatch.setattr(runtime, "PROGRAM", 0)


@pytest.mark.usefixtures("everything_divided")
@pytest.mark.parametrize("columns", [3, 17, 70])
def test_jobs_in_quick_succession(columns: int) -> None:
    x, w = draw(37, columns), draw(columns, columns) / max(columns, 9)

    def turn(h: Any, _: Any) -> Any:
        h = np.tanh(h @ w) + np.softmax(h.T, axis=1).T
        return h / (1 + np.max(np.abs(h))), (np.sum(h, axis=0), np.min(h, axis=1), np.sum(h))

    check(lambda x: bl.scan(turn, x, None, 300), x, units=2, tolerance=1e-2)


@pytest.mark.usefixtures("everything_divided")
@pytest.mark.parametrize("most", [1, 3, 7])
def test_more_chunks_than_can_be_counted(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(program, "MOST_CHUNKS", most)
    a, b = draw(300 + most, 90), draw(90, 700)
    check(lambda a, b: (np.tanh(a @ b / 10), np.sum(np.exp(a))), a, b, units=2)


# --- division -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [5, 32, 33, 1000])
@pytest.mark.parametrize("chunks", [1, 2, 3, 5])
def test_chunks_are_a_partition(pieces: int, chunks: int) -> None:
    code = Code(Module())
    spans = [bounds(code, k, chunks, pieces) for k in range(chunks)]
    assert [stop for _, stop in spans] == [*(start for start, _ in spans[1:]), pieces]
    assert spans[0][0] == 0
    sizes = [int(stop) - int(start) for start, stop in spans]
    assert max(sizes) - min(sizes) <= 1
    # Turns that begin in piece 2: three in each piece but the last, which has one.
    turns = (pieces - 3) * 3 + 1
    found = [overlap(code, span, 2, turns, 3) for span in spans]
    assert sorted(k for a, n in found for k in range(int(a), int(a) + int(n))) == list(range(turns))
    assert bounds(code, None, chunks, pieces) == (0, pieces)


def test_what_is_worth_dividing_depends_on_its_size() -> None:
    def most(f: Any, *args: Any) -> int:
        return max(chunks_for(unit, host()) for unit in plan(bl.jit(f).graph(*args)).units)

    def product(n: int) -> int:
        return most(lambda a, b: a @ b, draw(n, n), draw(n, n))

    assert product(64) == 1 < product(140) < product(1024) == 32
    assert most(np.tanh, draw(1000)) == most(np.sum, draw(1000)) == 1
    assert most(np.tanh, draw(10**6)) == most(np.sum, draw(10**7)) == 32


def test_loops_count_their_turns() -> None:
    x = draw(301, 301)
    once = divided_work(plan(bl.jit(lambda x: np.tanh(x @ x)).graph(x)), host())

    def work(turns: int) -> int:
        f = bl.jit(lambda x: bl.scan(lambda h, _: (np.tanh(h @ h), None), x, None, turns))
        return divided_work(plan(f.graph(x)), host())

    assert once > 0 and work(7) == 7 * once
    small = bl.jit(lambda x: bl.scan(lambda h, _: (np.tanh(h @ h), None), x, None, 10**6))
    assert divided_work(plan(small.graph(draw(20, 20))), host()) == 0


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
