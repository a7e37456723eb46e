"""What a compiled function says of itself and of its arguments, and how it is copied and kept."""

from __future__ import annotations

import copy
import os
import pickle
import re
import subprocess
import sys
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import BacklitError


def scaled(x: Any, n: int = 2) -> Any:
    """Return n x."""
    return x * n


def pickled(f: Any) -> Any:
    return pickle.loads(pickle.dumps(f))  # noqa: S301 (our own)


by_name = bl.jit(scaled, static_argnames="n")


@bl.jit
def decorated(x: Any) -> Any:
    return np.sin(x)


def test_a_compiled_function_prints_as_what_it_is() -> None:
    f = bl.jit(scaled)
    assert repr(f) == str(f) == "<jit of scaled: not yet compiled>"
    f(1.0)
    assert repr(f) == "<jit of scaled: 1 program>"
    f(onp.ones(2))
    assert repr(f) == "<jit of scaled: 2 programs>"
    assert f.__doc__ == "Return n x."


def test_copies_compute_the_same() -> None:
    for kept in (copy.copy(by_name), copy.deepcopy(by_name), pickled(by_name)):
        assert kept is not by_name
        assert kept(3.0, n=4) == 12.0 and kept(3.0, n=5) == 15.0
    assert pickled(decorated) is decorated
    assert copy.deepcopy(decorated)(1.0) == decorated(1.0)
    with pytest.raises((pickle.PicklingError, AttributeError)):  # as the function itself
        pickle.dumps(bl.jit(lambda x: x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"static_argnums": 3}, "static_argnums=3: scaled takes 2 positional arguments"),
        ({"static_argnums": (0, -3)}, "static_argnums=-3: scaled takes 2 positional arguments"),
        ({"donate_argnums": 2}, "donate_argnums=2: scaled takes 2 positional arguments"),
        ({"static_argnames": "m"}, "static_argnames='m': scaled has no such argument"),
        ({"static_argnames": ("n", "k")}, "static_argnames='k': scaled has no such argument"),
    ],
)
def test_arguments_that_are_not_there(options: dict[str, Any], message: str) -> None:
    with pytest.raises(bl.InputError, match=re.escape(message)):
        bl.jit(scaled, **options)


def test_functions_that_take_anything_may_be_told_anything() -> None:
    f = bl.jit(lambda *a, **k: a[3] * k["n"], static_argnums=3, static_argnames="n")
    assert f(1.0, 1.0, 1.0, 5, n=2) == 10
    assert bl.jit(bl.grad(scaled), static_argnums=1)(1.0, 3) == 3.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bl.jit(lambda n: np.zeros(n))(3), "static_argnums"),
        (lambda: bl.jit(lambda n, x: np.ones((n, 2)) * x)(3, 1.0), "static_argnums"),
        (lambda: bl.jit(lambda x: np.arange(x[0]))(onp.ones(2)), "arange of a traced value"),
        (lambda: bl.jit(lambda n: np.arange(n))(3), "arange of a traced value"),
        (lambda: bl.jit(onp.linalg.inv)(onp.eye(2)), "numpy.linalg.inv does not know"),
        (lambda: bl.jit(onp.linalg.inv)(onp.eye(2)), "differentiated or compiled"),
        (
            lambda: bl.jit(
                bl.grad(lambda x, n: bl.fori_loop(0, n, lambda i, c: c * 2, x)),
            )(1.0, 3),
            "a fori_loop whose bounds are traced is one",
        ),
        (lambda: bl.explain(scaled, 1.0, 2.0), 'fix: wrt="x", or one of x, n'),
        (lambda: bl.explain(scaled), "give the arguments of the function"),
    ],
)
def test_messages_say_what_to_do(call: Any, words: str) -> None:
    with pytest.raises(BacklitError, match=re.escape(words)):
        call()


def test_a_branch_on_a_value_can_be_caught_by_name() -> None:
    with pytest.raises(bl.AbstractBranchError):
        bl.jit(lambda x: x if x > 0 else -x)(1.0)


def test_a_compiled_function_costs_what_the_function_costs() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.tanh(x) ** 2)

    inner = bl.jit(lambda x: np.tanh(x))
    x = onp.ones(5)
    assert bl.cost(bl.jit(f), x) == bl.cost(f, x)
    nested = bl.cost(lambda x: np.sum(inner(x) ** 2), x)
    assert nested.value == bl.cost(f, x).value


def test_the_package_lists_what_it_has() -> None:
    listed = set(dir(bl))
    assert {"jit", "grad", "AbstractBranchError", "nn", "train", "explain"} <= listed
    assert not listed & {"Any", "TYPE_CHECKING", "annotations", "importlib", "early"}


@pytest.mark.parametrize("size", [3, 1_000_000])
def test_a_wrong_number_of_threads_is_an_error_for_every_program(size: int) -> None:
    code = (
        "import numpy, backlit as bl\n"
        f"try: bl.jit(lambda x: x @ x)(numpy.ones({size}))\n"
        "except bl.InputError as error: print(error.what)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "BACKLIT_NUM_THREADS": "many"},
    )
    assert "BACKLIT_NUM_THREADS is 'many'" in done.stdout
