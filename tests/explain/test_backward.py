"""Hand-written backward passes: right ones pass, and the statement that was spoilt is named."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backlit as bl
from backlit.core.errors import DifferentiationError, InputError
from backlit.explain.backward import BackwardCheck, check_backward
from backlit.explain.handwritten import run_watched

RNG = np.random.default_rng(0)
ARGS = (
    RNG.standard_normal((3, 2)),
    RNG.standard_normal((3, 1)),
    RNG.standard_normal((1, 3)),
    RNG.standard_normal((1, 1)),
    RNG.standard_normal((2, 5)),
    (RNG.random((1, 5)) > 0.5) * 1.0,
)


def forward(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, Y: Any) -> Any:
    m = X.shape[1]
    Z1 = np.dot(W1, X) + b1
    A1 = np.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = 1 / (1 + np.exp(-Z2))
    J = -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m
    return J, (Z1, A1, Z2, A2)


def right(W1: Any, W2: Any, X: Any, Y: Any, cache: Any) -> Any:
    Z1, A1, Z2, A2 = cache
    m = X.shape[1]
    dZ2 = A2 - Y
    dW2 = dZ2 @ A1.T / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dA1 = np.dot(W2.T, dZ2)
    dZ1 = dA1 * (1 - A1**2)
    dW1 = np.dot(dZ1, X.T) / m
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}


def averaged(W2: Any, X: Any, Y: Any, A1: Any, A2: Any, m: Any) -> Any:
    dJ_dZ2 = (A2 - Y) / m
    grads = {"dW2": dJ_dZ2 @ A1.T, "db2": dJ_dZ2.sum(axis=1, keepdims=True)}
    delta = W2.T @ dJ_dZ2
    delta = delta * (1 - np.square(A1))
    grads["dW1"] = delta @ X.T
    grads["db1"] = delta.sum(axis=1, keepdims=True)
    return grads


def verdicts(check: BackwardCheck) -> dict[str, tuple[str, str | None]]:
    return {s.name: (s.verdict, s.kind) for s in check.statements}


def test_a_right_backward_pass_is_right_statement_by_statement() -> None:
    check = bl.check_backward(forward, right, *ARGS)
    assert check.ok
    assert check.exit_code == 0
    names = [s.name for s in check.statements]
    assert names == ["dZ2", "dW2", "db2", "dA1", "dZ1", "dW1", "db1"]
    assert "5 times" in check.convention
    lines = [s.line for s in check.statements]
    start = right.__code__.co_firstlineno
    assert lines == [start + k for k in (3, 4, 5, 6, 7, 8, 9)]
    assert check.statements[0].code == "dZ2 = A2 - Y"
    assert "all right" in str(check)


def test_other_names_a_dict_and_the_averaged_convention() -> None:
    check = check_backward(forward, averaged, *ARGS)
    assert check.ok
    assert check.convention == ""
    names = {s.name: s.gradient for s in check.statements}
    assert names["dJ_dZ2"] == "∂J/∂Z2"
    assert names["delta"] == "∂J/∂Z1"
    assert {"dW1", "db1", "dW2", "db2"} <= set(names)


def _spoilt(old: str, new: str, tmp: Any) -> Callable[..., Any]:
    import importlib.util
    import inspect

    source = inspect.getsource(right)
    assert source.count(old) == 1
    tmp.write_text("from typing import Any\nimport numpy as np\n" + source.replace(old, new))
    spec = importlib.util.spec_from_file_location("spoilt", tmp)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.right  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("old", "new", "name", "kinds"),
    [
        ("dZ2 = A2 - Y", "dZ2 = Y - A2", "dZ2", {"sign"}),
        ("dW2 = dZ2 @ A1.T / m", "dW2 = dZ2 @ A1.T", "dW2", {"one-over-m"}),
        ("dW2 = dZ2 @ A1.T / m", "dW2 = dZ2 @ A1.T / m / m", "dW2", {"one-over-m"}),
        ("np.dot(dZ1, X.T) / m", "np.dot(X, dZ1.T) / m", "dW1", {"transpose", "shape"}),
        ("dA1 * (1 - A1**2)", "dA1", "dZ1", {"path", "elementwise", "other"}),
        ("dA1 * (1 - A1**2)", "dA1 * (1 - Z1**2)", "dZ1", None),
        ("dA1 * (1 - A1**2)", "2 * dA1 * (1 - A1**2)", "dZ1", {"factor"}),
    ],
)
def test_a_spoilt_statement_is_found_and_what_follows_is_not_blamed(
    old: str, new: str, name: str, kinds: set[str] | None, tmp_path: Any
) -> None:
    check = check_backward(forward, _spoilt(old, new, tmp_path / "spoilt.py"), *ARGS)
    found = verdicts(check)
    assert found[name][0] == "wrong"
    assert kinds is None or found[name][1] in kinds
    assert check.exit_code == 1
    others = {n: v for n, v in found.items() if n != name}
    # Right in itself, or wrong only by what it starts from.
    assert all(v == ("right", None) or v == ("wrong", "upstream") for v in others.values())
    if name == "dZ1":
        assert others["dW1"] == ("wrong", "upstream")
        assert others["dW2"] == ("right", None)
    assert json.loads(check.to_json())["statements"]


def test_a_sum_over_the_wrong_axis_is_a_matter_of_shape(tmp_path: Any) -> None:
    old = "db1 = np.sum(dZ1, axis=1, keepdims=True) / m"
    spoilt = _spoilt(old, old.replace("axis=1", "axis=0"), tmp_path / "spoilt.py")
    check = check_backward(forward, spoilt, *ARGS)
    found = next(s for s in check.statements if s.name == "db1")
    assert found.verdict == "wrong"
    assert found.kind in ("axis", "shape")


def test_what_cannot_be_run_says_so() -> None:
    with pytest.raises(InputError, match="'surprise'"):
        check_backward(forward, lambda surprise: surprise, *ARGS)
    with pytest.raises(DifferentiationError, match="the loss"):
        check_backward(lambda w: w, lambda w: w, np.ones(2))
    check = check_backward(lambda w: (w**2).sum(), lambda w: None, np.ones(2))
    assert check.exit_code == 3
    assert check.missing == ("w",)


def test_every_assignment_is_seen_also_in_place_and_in_loops() -> None:
    def f(x: Any) -> Any:
        total = np.zeros(2)
        for k in range(3):
            total += k * x
        table = {}
        table["a"] = total[0]
        total[1] = 0.0
        return total

    before = sys.gettrace()
    result, assigned = run_watched(f, [np.array([1.0, 2.0])])
    assert sys.gettrace() is before
    values = {one.name: one for one in assigned}
    assert values["a"].value == 3.0
    assert values["total"].value.tolist() == [3.0, 0.0] == result.tolist()
    assert values["total"].code == "total[1] = 0.0"
    assert "x" not in values
    with pytest.raises(InputError, match="not a function written in Python"):
        run_watched(max, [1, 2])
