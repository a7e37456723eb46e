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
    import inspect

    source = inspect.getsource(right)
    assert source.count(old) == 1
    tmp.write_text("from typing import Any\nimport numpy as np\n" + source.replace(old, new))
    return _loaded(tmp)


def _loaded(path: Any) -> Callable[..., Any]:
    import importlib.util

    spec = importlib.util.spec_from_file_location("spoilt", path)
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
    run = run_watched(f, [np.array([1.0, 2.0])])
    assert sys.gettrace() is before
    values = {one.name: one for one in run.assigned}
    assert values["a"].value == 3.0
    assert values["total"].value.tolist() == [3.0, 0.0] == run.result.tolist()
    assert values["total"].code == "total[1] = 0.0"
    assert "x" not in values
    with pytest.raises(InputError, match="not a function written in Python"):
        run_watched(max, [1, 2])


# --- what is returned ---------------------------------------------------------------------------


def logistic(w: Any, b: Any, x: Any, y: Any) -> Any:
    z = x @ w + b
    a = 1 / (1 + np.exp(-z))
    return -np.mean(y * np.log(a) + (1 - y) * np.log(1 - a))


LOGISTIC = (
    RNG.standard_normal(3),
    0.3,
    RNG.standard_normal((6, 3)),
    np.array([1.0, 0, 0, 1, 1, 0]),
)


def test_expressions_are_compared_by_their_place() -> None:
    def right(x: Any, y: Any, a: Any) -> Any:
        return x.T @ (a - y) / len(y), np.mean(a - y)

    def not_averaged(x: Any, y: Any, a: Any) -> Any:
        return (
            x.T @ (a - y),
            np.mean(a - y),
        )

    def exchanged(x: Any, y: Any, a: Any) -> Any:
        return np.mean(a - y), x.T @ (a - y) / len(y)

    check = check_backward(logistic, right, *LOGISTIC)
    assert check.ok and [s.gradient for s in check.statements] == ["∂L/∂w", "∂L/∂b"]
    check = check_backward(logistic, not_averaged, *LOGISTIC)
    assert [s.verdict for s in check.statements] == ["wrong", "right"]
    assert check.statements[0].kind == "one-over-m"
    assert check.statements[0].code == "x.T @ (a - y)"
    assert check.exit_code == 1
    check = check_backward(logistic, exchanged, *LOGISTIC)
    assert verdicts(check)["return"] == ("wrong", "order")
    assert check.statements[-1].suggestion == "return x.T @ (a - y) / len(y), np.mean(a - y)"


def test_dicts_of_gradients_are_compared_by_their_keys() -> None:
    def filled(x: Any, y: Any, a: Any, w: Any, b: Any) -> Any:
        grads = {}
        grads["w"] = x.T @ (y - a) / len(y)
        grads["b"] = np.mean(a - y)
        return grads

    def literal(x: Any, y: Any, a: Any) -> Any:
        return {"dw": x.T @ (a - y) / len(y), "db": np.mean(y - a)}

    def exchanged(x: Any, y: Any, a: Any) -> Any:
        dw = x.T @ (a - y) / len(y)
        db = np.mean(a - y)
        return {"dw": db, "db": dw}

    check = check_backward(logistic, filled, *LOGISTIC)
    assert [(s.gradient, s.verdict, s.kind) for s in check.statements] == [
        ("∂L/∂w", "wrong", "sign"),
        ("∂L/∂b", "right", None),
    ]
    assert check.statements[0].code == 'grads["w"] = x.T @ (y - a) / len(y)'
    check = check_backward(logistic, literal, *LOGISTIC)
    assert [s.verdict for s in check.statements] == ["right", "wrong"]
    assert check.statements[1].code == "'db': np.mean(y - a)"
    check = check_backward(logistic, exchanged, *LOGISTIC)
    assert [s.verdict for s in check.statements[-2:]] == ["wrong", "wrong"]
    assert "gradient of b, not of w" in check.statements[-2].message


def test_other_names_are_known_or_compared_by_their_place() -> None:
    def short(x: Any, y: Any, a: Any) -> Any:
        gw = x.T @ (a - y) / len(y)
        gb = np.mean(y - a)
        return gw, gb

    def free(x: Any, y: Any, a: Any) -> Any:
        first = x.T @ (a - y) / len(y)
        second = np.sum(a - y)
        return first, second

    found = verdicts(check_backward(logistic, short, *LOGISTIC))
    assert found["gw"] == ("right", None) and found["gb"] == ("wrong", "sign")
    check = check_backward(logistic, free, *LOGISTIC)
    assert [s.verdict for s in check.statements] == ["right", "wrong"]
    assert check.statements[1].gradient == "∂L/∂b"


def test_nothing_compared_is_never_all_right() -> None:
    check = check_backward(logistic, lambda w: w, *LOGISTIC)
    assert check.exit_code == 3 and not check.ok
    assert "Nothing could be compared" in str(check) and "all right" not in str(check)
    assert "dW1" in str(check)


RETURN = 'return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}'


@pytest.mark.parametrize(
    ("new", "kind"),
    [
        ("return dW1, db1, dW2, db2", None),
        ("return dW2, db2, dW1, db1", None),  # from the last layer to the first
        ("return dW1, dW2, db1, db2", None),  # the weights, then the biases
        ("return (dW1, db1), (dW2, db2)", None),
        ("return J, dW1, db1, dW2, db2", None),
        ("return dW1, db1, dW2, db2, dZ1", None),
        ("return dW1 * 1, db1, dW2, db2, None, None", None),
        ('"""Return dW1, dW2, db2, db1."""; return dW1, dW2, db2, db1', "order"),
        ("return dW2, db1, dW1, db2", "order"),
        ("return dW1, db2, dW2, db1", "order"),
        ("return dW1 * 1, db2 * 1, dW2 * 1, db1 * 1", "order"),
        ("return db1, dW1, db2, dW2", "order"),
    ],
)
def test_the_order_of_what_is_returned(new: str, kind: str | None, tmp_path: Any) -> None:
    if "J" in new:
        new = new.replace("J", "-np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m")
    check = check_backward(forward, _spoilt(RETURN, new, tmp_path / "spoilt.py"), *ARGS)
    assert check.ok == (kind is None), str(check)
    if kind is not None:
        assert verdicts(check)["return"] == ("wrong", kind)
        assert "another order" in str(check)
        if "*" not in new:
            assert check.statements[-1].suggestion == "return dW1, db1, dW2, db2"


def test_an_order_that_is_documented_is_meant() -> None:
    def backward(x: Any, y: Any, a: Any) -> Any:
        """Return db and dw."""
        dw = x.T @ (a - y) / len(y)
        db = np.mean(a - y)
        return db, dw

    check = check_backward(logistic, backward, *LOGISTIC)
    assert check.ok
    assert check.notes == ("returned in the order b, w; the arguments stand in the order w, b",)


@pytest.mark.parametrize(
    "new", ["return dW1, db1, dW2", 'return {"W1": dW1, "b1": db1, "W2": dW2}']
)
def test_a_gradient_that_is_not_returned_is_named(new: str, tmp_path: Any) -> None:
    check = check_backward(forward, _spoilt(RETURN, new, tmp_path / "spoilt.py"), *ARGS)
    assert check.missing == ("b2",)
    assert check.exit_code == 1 and not check.ok
    assert "no gradient was returned for b2" in str(check)
    assert "1 missing" in str(check) and "all right" not in str(check)


def test_sums_that_are_averaged_on_the_way_out_and_local_derivatives_are_right() -> None:
    def backward(x: Any, y: Any, a: Any) -> Any:
        da = a * (1 - a)
        dw = np.zeros(3)
        db = 0.0
        for k in range(len(y)):
            dw += (a[k] - y[k]) * da[k] / (a[k] * (1 - a[k])) * x[k]
            db += a[k] - y[k]
        return dw / len(y), db / len(y)

    check = check_backward(logistic, backward, *LOGISTIC)
    assert check.ok, str(check)
    assert set(check.unknown) == {"da", "dw", "db"}


# --- loops --------------------------------------------------------------------------------------


def recurrent(W: Any, U: Any, x: Any, y: Any) -> Any:
    h = np.zeros(3)
    for t in range(4):
        h = np.tanh(W @ h + U @ x[t])
    L = 0.5 * np.sum((h - y) ** 2)
    return L


RECURRENT = tuple(RNG.standard_normal(shape) for shape in [(3, 3), (3, 2), (4, 2), (3,)])


def through_time(W: Any, U: Any, x: Any, y: Any, transposed: bool = True) -> Any:
    hs = [np.zeros(3)]
    for t in range(4):
        hs.append(np.tanh(W @ hs[-1] + U @ x[t]))
    dh = hs[-1] - y
    dW = np.zeros((3, 3))
    dU = np.zeros((3, 2))
    for t in reversed(range(4)):
        dz = dh * (1 - hs[t + 1] ** 2)
        dW = dW + np.outer(dz, hs[t])
        dU = dU + np.outer(dz, x[t])
        dh = W.T @ dz if transposed else W @ dz
    return dW, dU


def test_backpropagation_through_time_is_judged_step_by_step() -> None:
    check = check_backward(recurrent, through_time, *RECURRENT)
    assert check.ok, str(check)
    assert verdicts(check)["dh"] == ("right", None)

    def spoilt(W: Any, U: Any, x: Any, y: Any) -> Any:
        hs = [np.zeros(3)]
        for t in range(4):
            hs.append(np.tanh(W @ hs[-1] + U @ x[t]))
        dh = hs[-1] - y
        dW = np.zeros((3, 3))
        dU = np.zeros((3, 2))
        for t in reversed(range(4)):
            dz = dh * (1 - hs[t + 1] ** 2)
            dW = dW + np.outer(dz, hs[t])
            dU = dU + np.outer(dz, x[t])
            dh = W @ dz
        return dW, dU

    found = verdicts(check_backward(recurrent, spoilt, *RECURRENT))
    assert found["dW"][0] == found["dU"][0] == found["dh"][0] == "wrong"


# --- what is suggested --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "suggestion"),
    [
        ("dA1 * (1 - A1**2)", "dA1", "dZ1 = dA1*(1 - A1**2)"),
        ("dW2 = dZ2 @ A1.T / m", "dW2 = dZ2 @ A1.T", "dW2 = dZ2 @ A1.T/m"),
        ("db2 = np.sum(dZ2, axis=1, keepdims=True) / m", "db2 = dZ2 / m", None),
        ("np.sum(dZ1, axis=1, keepdims=True) / m", "np.mean(dZ1, axis=1, keepdims=True) / m", None),
        ("dZ2 = A2 - Y", "dZ2 = Y - A2", "dZ2 = A2 - Y"),
    ],
)
def test_what_is_suggested_can_be_pasted(
    old: str, new: str, suggestion: str | None, tmp_path: Any
) -> None:
    import inspect

    spoilt = _spoilt(old, new, tmp_path / "spoilt.py")
    check = check_backward(forward, spoilt, *ARGS)
    first = next(s for s in check.statements if s.verdict == "wrong")
    assert first.suggestion is not None
    if suggestion is not None:
        assert first.suggestion.replace(" ", "") == suggestion.replace(" ", "")
    # Pasted into the file, it makes the backward pass right.
    source = inspect.getsource(spoilt)
    assert source.count(first.code) == 1
    path = tmp_path / "mended.py"
    mended = source.replace(first.code, first.suggestion)
    path.write_text("from typing import Any\nimport numpy as np\n" + mended)
    assert check_backward(forward, _loaded(path), *ARGS).ok, first.suggestion


def test_no_derivative_and_no_sign_of_mathematics_is_suggested() -> None:
    def bias(x: Any, y: Any, a: Any) -> Any:
        dz = (a - y) / len(y)
        dw = dz @ x
        db = dz
        return dw, db

    check = check_backward(logistic, bias, *LOGISTIC)
    wrong = next(s for s in check.statements if s.verdict == "wrong")
    assert wrong.name == "db" and wrong.suggestion == "db = np.sum(dz)"
    assert "∂z/∂b" not in wrong.message
