"""The threads that help to run compiled programs: one team for the whole process.

Its threads are daemons that live in native code, where they share the chunks of whatever the team's
block says (`backlit.compiler.team`) and sleep in between. They never come back to Python, so that
waking one needs no lock of the interpreter, and the end of the process need not wait for them.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from typing import Any, Protocol

from backlit.compiler import team
from backlit.core.threads import MOST

_WORDS = (team.WORKERS + MOST * team.LINE) // 8


class _Loaded(Protocol):
    functions: dict[str, Any]


class Team:
    """Threads, and the memory through which they are given work."""

    def __init__(self) -> None:
        memory = (ctypes.c_int64 * (_WORDS + team.LINE // 8))()
        start = ctypes.addressof(memory)
        skipped = -start % team.LINE
        self._words = memory
        self._first = skipped // 8
        self.address = start + skipped
        self.started = 0
        self.full = False  # no more threads can be started
        api: Any = ctypes.pythonapi
        self._api = api
        api.PyThread_allocate_lock.restype = ctypes.c_void_p
        api.PyThread_acquire_lock.argtypes = [ctypes.c_void_p, ctypes.c_int]
        nap, duration, yielding = _waiting()
        self._set(team.NAP, _function(nap))
        self._set(team.DURATION, duration)
        self._set(team.YIELD, _function(yielding))
        self._set(team.ACQUIRE, _function(api.PyThread_acquire_lock))
        self._set(team.RELEASE, _function(api.PyThread_release_lock))

    def _set(self, offset: int, value: int) -> None:
        self._words[self._first + offset // 8] = value

    def gather(self, count: int, library: _Loaded) -> bool:
        """See that some threads take part from now on; return whether there are any.

        Parameters
        ----------
        count : int
            Beside the calling thread.
        library : Library
            Of a divided program.
        """
        while self.started < count and not self.full:
            self._start(library)
        taking_part = min(count, self.started)
        if self._words[self._first + team.LIMIT // 8] != taking_part:
            self._set(team.SLEEPERS, 1)  # some of them may be asleep: the next job looks
            self._set(team.LIMIT, taking_part)
        return taking_part > 0

    def _start(self, library: _Loaded) -> None:
        own = team.WORKERS + self.started * team.LINE
        lock = self._api.PyThread_allocate_lock()
        if not lock:
            self.full = True
            return
        self._api.PyThread_acquire_lock(lock, 0)
        self._set(own + team.LOCK, lock)
        self._set(own + team.NUMBER, self.started)
        self._set(own + team.TEAM, self.address)
        # The arguments keep the memory and the machine code alive as long as the thread is.
        thread = threading.Thread(
            target=_live,
            args=(library, self, self.address + own),
            name=f"backlit-{self.started + 1}",
            daemon=True,
        )
        # Counted first: an interrupt may come while it starts, and its place is taken then. One
        # that never comes is not missed.
        self.started += 1
        try:
            thread.start()
        except RuntimeError:  # the system, or an interpreter that is ending, allows no more
            self.full = True
            self.started -= 1


def _live(library: _Loaded, kept: Team, own: int) -> None:
    """Work as a member of a team; does not return."""
    library.functions["work"](own)


def _function(function: Any) -> int:
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address


def _waiting() -> tuple[Any, int, Any]:
    """Return the system's functions for a short sleep, its argument, and for letting others run."""
    if sys.platform == "win32":
        kernel = ctypes.windll.kernel32
        return kernel.Sleep, 1, kernel.SwitchToThread  # milliseconds
    library = ctypes.CDLL(None)
    return library.usleep, 50, library.sched_yield  # microseconds


_team: Team | None = None
_taken = threading.RLock()


def lock() -> threading.RLock:
    """Return the lock of the team, which `take` acquires and its caller releases."""
    return _taken


def take(count: int, library: _Loaded) -> int:
    """Take the team for one run of a program.

    Parameters
    ----------
    count : int
        Threads, the calling one included.
    library : Library
        Of a divided program.

    Returns
    -------
    int
        Address of the team's block; 0 if another thread has it, or if there are no threads: the
        program then runs on the calling thread alone.

    Notes
    -----
    Call it inside ``try`` and have `lock` released in ``finally``: an interrupt may come at any
    moment, also before this function or its caller knows that the team is taken. `lock` knows.
    """
    global _team
    if not _taken.acquire(blocking=False):
        return 0
    if _team is None:
        _team = Team()
    return _team.address if _team.gather(count - 1, library) else 0


def started() -> int:
    """Return how many threads have been started in this process."""
    return 0 if _team is None else _team.started


def _forget() -> None:
    """Begin anew in a process that was forked: its parent's threads are not there."""
    global _team, _taken
    _team, _taken = None, threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
