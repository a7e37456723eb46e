"""What is said of one slip in a hand-written backward pass: its name, its line and no other."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backlit.numpy as bnp
from backlit.core.errors import DifferentiationError, InputError
from backlit.explain.backward import check_backward
from backlit.explain.compared import CheckedStatement
from backlit.explain.handwritten import run_watched, statements_of
from backlit.explain.mismatch import compare

RNG = np.random.default_rng(1)
Write = Callable[..., Any]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(head: str, *lines: str, file: str = "student.py") -> Any:
        path = tmp_path / file
        body = "".join(f"    {line}\n" for line in lines)
        path.write_text(f"import numpy as np\n\ndef student({head}):\n{body}", encoding="utf-8")
        return runpy.run_path(str(path))["student"]

    return written


def judged(forward: Any, backward: Any, args: Any) -> dict[str, CheckedStatement]:
    return {s.name: s for s in check_backward(forward, backward, *args).statements}


# --- several statements in one line ---------------------------------------------------------------


def scaled(gamma: Any, beta: Any, x: Any, y: Any) -> Any:
    mu = np.mean(x, axis=0)
    xhat = x - mu
    out = gamma * xhat + beta
    L = np.sum((out - y) ** 2)
    return L


SCALED = (RNG.normal(size=3), RNG.normal(size=3), RNG.normal(size=(6, 3)), RNG.normal(size=(6, 3)))


def test_each_statement_of_a_line_has_its_own_text_and_diagnosis(write: Write) -> None:
    backward = write(
        "x, y, out, xhat",
        "dout = 2 * (out - y)",
        "dbeta = dout.sum(1); dgamma = (dout * x).sum(0)",
        "return dgamma, dbeta",
    )
    found = judged(scaled, backward, SCALED)
    assert found["dbeta"].code == "dbeta = dout.sum(1)"
    assert found["dbeta"].suggestion == "dbeta = np.sum(dout, axis=0)"
    assert found["dgamma"].code == "dgamma = (dout * x).sum(0)"
    assert found["dgamma"].kind == "symbol" and "‘xhat’" in found["dgamma"].message
    assert found["dgamma"].suggestion == "dgamma = np.sum(dout*xhat, axis=0)"


def test_what_follows_in_the_same_line_is_not_blamed(write: Write) -> None:
    backward = write(
        "x, y, out, xhat",
        "dout = out - y; dbeta = dout.sum(0); dgamma = (dout * xhat).sum(0)",
        "return dgamma, dbeta",
    )
    found = judged(scaled, backward, SCALED)
    assert list(found) == ["dout", "dbeta", "dgamma"]
    assert (found["dout"].kind, found["dout"].suggestion) == ("factor", "dout = 2 * (out - y)")
    assert found["dbeta"].kind == found["dgamma"].kind == "upstream"


def test_statements_of_a_line_are_told_apart_by_what_they_assign(write: Write) -> None:
    f = write(
        "x",
        "if x: b = 1.0; a = b + 1.0",
        "g = {'w': 1.0}; g['v'] = 2.0; b *= 2.0",
        "c = 'a; b'; d, e = 1.0, 2.0; return g, c, d, e",
    )
    run = run_watched(f, [np.array(1.0)])
    assert {one.name: (one.code, one.place[1]) for one in run.assigned} == {
        "a": ("a = b + 1.0", 1),
        "w": ("g = {'w': 1.0}", 0),
        "v": ("g['v'] = 2.0", 1),
        "b": ("b *= 2.0", 2),
        "d": ("d, e = 1.0, 2.0", 1),
        "e": ("d, e = 1.0, 2.0", 1),
    }
    assert run.before == ("c = 'a; b'", "d, e = 1.0, 2.0")
    assert [one.code for one in statements_of("while x:")] == ["while x:"]


# --- the message and the suggestion are about one slip --------------------------------------------


def fitted(w: Any, b: Any, x: Any, y: Any) -> Any:
    z = x @ w + b
    e = z - y
    return bnp.mean(e**2)


FITTED = (RNG.normal(size=3), 0.5, RNG.normal(size=(4, 3)), RNG.normal(size=4))


@pytest.mark.parametrize(
    ("line", "kind", "words", "suggestion"),
    [
        ("db = -2*e.sum()/m", "sign", "it has the opposite sign", "db = 2*e.sum()/m"),
        ("dw = 2*e@x", "one-over-m", "4 times too large: 1/4 is missing", "dw = 2*e@x / m"),
        ("dw = -2*e@x", "one-over-m", "the opposite sign and is 4 times", "dw = 2*e@x / m"),
        ("dw = 2*e@x/m/m", "one-over-m", "1/4 is taken twice", "dw = 2*e@x/m/m * m"),
        ("dw = e@x/m", "factor", "0.5 times", "dw = 2 * e@x/m"),
        ("db = -e.sum()/m", "factor", "the opposite sign and is 0.5 times", "db = 2 * e.sum()/m"),
    ],
)
def test_the_simplest_slip_is_named_and_mended(
    write: Write, line: str, kind: str, words: str, suggestion: str
) -> None:
    backward = write("w, b, x, y", "e = x@w + b - y; m = len(e)", line, "return " + line[:2])
    found = judged(fitted, backward, FITTED)[line[:2]]
    assert found.kind == kind and words in found.message and "‘" not in found.message
    assert found.suggestion == suggestion


def test_a_number_without_a_simple_ratio_is_no_forgotten_factor() -> None:
    one = np.array([1.0, 2.0])
    assert compare(one * 3, one, {}, 1).repair == "{} / 3"
    assert compare(one * -0.25, one, {}, 1).repair == "-4 * {}"
    assert compare(one * 1_000_000.3, one, {}, 1).repair == ""
    assert compare(one * -0.37, one, {}, 1).message == "it is -0.37 times what it should be"


# --- the derivative of an activation --------------------------------------------------------------


def rectified(W1: Any, b1: Any, W2: Any, X: Any, Y: Any) -> Any:
    Z1 = X @ W1 + b1
    A1 = bnp.maximum(0, Z1)
    S = A1 @ W2
    S = S - bnp.max(S, axis=1, keepdims=True)
    P = bnp.exp(S) / bnp.sum(bnp.exp(S), axis=1, keepdims=True)
    return -bnp.sum(Y * bnp.log(P)) / len(X)


RECTIFIED = (
    *[RNG.normal(size=shape) for shape in [(3, 4), (4,), (4, 3), (5, 3)]],
    np.eye(3)[[0, 1, 2, 1, 0]],
)
SENT = ("dS = (P - Y) / len(X)", "dW2 = A1.T @ dS", "dA1 = dS @ W2.T")


@pytest.mark.parametrize(
    ("name", "written", "suggestion", "words"),
    [
        (
            "dZ1",
            "dA1*(1-A1**2)",
            "dA1 * (Z1 > 0)",
            "relu(Z1) is (Z1 > 0); ‘1-A1**2’ is that of tanh",
        ),
        ("dZ1", "A1 * dA1 * (1 - A1)", "dA1 * (Z1 > 0)", "‘A1 * (1 - A1)’ is that of sigmoid"),
        ("dZ1", "dA1 * Z1", "dA1 * (Z1 > 0)", "A1 = relu(Z1) is (Z1 > 0), not ‘Z1’"),
        ("dZ1", "dA1", "dA1 * (Z1 > 0)", "the factor (Z1 > 0) is missing, the derivative of A1"),
        ("dZ1", "dS @ W2.T", "(dS @ W2.T) * (Z1 > 0)", "the factor (Z1 > 0) is missing"),
        ("dW1", "X.T @ dA1", "X.T @ (dA1 * (Z1 > 0))", "the factor (Z1 > 0) is missing"),
        (
            "dW1",
            "np.dot(X.T, (P - Y) @ W2.T) / len(X)",
            "np.dot(X.T, ((P - Y) @ W2.T) * (Z1 > 0)) / len(X)",
            "the factor (Z1 > 0) is missing",
        ),
    ],
)
def test_the_derivative_of_a_relu_is_named(
    write: Write, name: str, written: str, suggestion: str, words: str
) -> None:
    lines = (*SENT, f"{name} = {written}", f"return {{'{name}': {name}}}")
    found = judged(rectified, write("W2, X, Y, Z1, A1, P", *lines), RECTIFIED)[name]
    assert found.kind == "path" and words in found.message
    assert found.suggestion == f"{name} = {suggestion}"
    # Pasted into the function, it is right.
    lines = (*SENT, found.suggestion, f"return {{'{name}': {name}}}")
    mended = judged(rectified, write("W2, X, Y, Z1, A1, P", *lines, file="mended.py"), RECTIFIED)
    assert mended[name].verdict == "right"


def test_only_names_that_the_backward_pass_has_are_suggested(write: Write) -> None:
    lines = (*SENT, "dZ1 = dA1", "dW1 = X.T @ dZ1", "return dW1, dW2")
    found = judged(rectified, write("W2, X, Y, A1, P", *lines), RECTIFIED)
    assert found["dZ1"].suggestion == "dZ1 = dA1 * (A1 > 0)"
    assert found["dW1"].kind == "upstream"


def test_what_is_returned_under_no_name_is_right_in_itself(write: Write) -> None:
    lines = (*SENT, "dZ1 = dA1 * (Z1 < 0)", "return X.T @ dZ1, dZ1.sum(axis=0), dW2")
    found = judged(rectified, write("W2, X, Y, Z1, A1, P", *lines), RECTIFIED)
    assert "not ‘Z1 < 0’" in found["dZ1"].message
    assert found["value 1 returned"].kind == found["value 2 returned"].kind == "upstream"


# --- errors in the student's own lines ------------------------------------------------------------


def test_an_error_in_either_function_is_shown_with_its_line(write: Write) -> None:
    backward = write("x, e", "m = len(e)", "dw = e @ x.T", "return dw")
    with pytest.raises(InputError) as caught:
        check_backward(fitted, backward, *FITTED)
    said = str(caught.value).splitlines()
    assert said[0].startswith("student stopped with ValueError: matmul:")
    assert said[1].endswith("student.py:5, in student")
    assert said[2].strip() == "dw = e @ x.T" and said[3].strip() == "^^^^^^^"
    assert caught.value.where is not None and caught.value.where.line == 5
    assert type(caught.value.__cause__) is ValueError

    forward = write("w, b, x, y", "for row in x:", "    z = {}['w']", "return z.sum()")
    with pytest.raises(InputError, match=r"stopped with KeyError: 'w'\n.*student.py:5, ") as caught:
        check_backward(forward, backward, *FITTED)
    assert type(caught.value.__cause__) is KeyError


def test_errors_that_no_line_of_the_student_raised_are_passed_on(write: Write) -> None:
    with pytest.raises(TypeError, match="missing 1 required") as caught:
        check_backward(write("w, b", "return np.sum(w * b)"), write("w", "return w"), np.ones(2))
    assert not isinstance(caught.value, InputError)
    with pytest.raises(DifferentiationError, match="the loss"):
        check_backward(write("w", "return w"), write("w", "return w"), np.ones(2))


def squashed(w: Any, b: Any, x: Any, y: Any) -> Any:
    a = 1 / (1 + bnp.exp(-(w * x + b)))
    h = bnp.tanh(a)
    return bnp.sum((h - y) ** 2)


SQUASHED = tuple(RNG.normal(size=4) for _ in range(4))


@pytest.mark.parametrize(
    ("written", "suggestion", "kind", "words"),
    [
        ("dh * (1 - a**2)", "dh * (1 - h**2)", "activation-for-preactivation", "a where h belongs"),
        ("dh * h * (1 - h)", "dh * (1 - h**2)", "path", "‘h * (1 - h)’ is that of sigmoid"),
        ("dh * slope(a)", "dh * (1 - h**2)", "path", "h = tanh(a) is (1 - h**2), not ‘slope(a)’"),
        ("np.multiply(dh, h)", "dh * (1 - h**2)", "path", "not ‘h’"),
    ],
)
def test_other_activations(
    write: Write, written: str, suggestion: str, kind: str, words: str
) -> None:
    lines = ("slope = np.abs", "dh = 2 * (h - y)", f"da = {written}", "return {'da': da}")
    found = judged(squashed, write("a, h, x, y", *lines), SQUASHED)["da"]
    assert (found.kind, found.suggestion) == (kind, f"da = {suggestion}")
    assert words in found.message


def test_what_is_added_before_an_activation_is_not_what_it_is_of(write: Write) -> None:
    lines = ("da = 2 * (h - y) * (1 - h**2)", "db = da * (1 - a**2)", "return {'db': db}")
    found = judged(squashed, write("a, h, x, y", *lines), SQUASHED)["db"]
    assert "the sigmoid that makes a is a * (1 - a); ‘1 - a**2’ is that of tanh" in found.message
    assert found.suggestion == "db = da * a * (1 - a)"


def test_a_mask_that_keeps_the_wrong_half(write: Write) -> None:
    lines = (*SENT, "dZ1 = dA1.copy()", "dZ1[Z1 > 0] = 0", "return {'dZ1': dZ1}")
    found = judged(rectified, write("W2, X, Y, Z1, A1, P", *lines), RECTIFIED)["dZ1"]
    # Its first value is a gradient of the forward pass, which excuses a loop, and nothing else.
    assert found.verdict == "wrong"
    assert found.suggestion == "dZ1[Z1 <= 0] = 0" and "the other half" in found.message


def leaky(W: Any, x: Any, y: Any) -> Any:
    z = W @ x
    a = bnp.where(z > 0, z, 0.1 * z)
    return bnp.sum((a - y) ** 2)


def smooth(W: Any, x: Any, y: Any) -> Any:
    z = W @ x
    a = bnp.log1p(bnp.exp(z))
    return bnp.sum((a - y) ** 2)


def curved(W: Any, x: Any, y: Any) -> Any:
    z = W @ x
    a = bnp.tanh(z)
    return bnp.sum((a - y) ** 2)


@pytest.mark.parametrize(
    ("forward", "written", "suggestion", "words"),
    [
        (leaky, "da", "da * np.where(z > 0, 1, 0.1)", "a = leaky_relu(z)"),
        (leaky, "da * (z > 0)", "da * np.where(z > 0, 1, 0.1)", "‘z > 0’ is that of relu"),
        (smooth, "da", "da * (1 / (1 + np.exp(-z)))", "a = softplus(z)"),
        (smooth, "da * (1 - a**2)", "da * (1 / (1 + np.exp(-z)))", "is that of tanh"),
        (curved, "da * (1/(1 + np.exp(-z)))", "da * (1 - a**2)", "is that of softplus"),
        (curved, "da * np.where(z > 0, 1, 0.01)", "da * (1 - a**2)", "is that of leaky_relu"),
    ],
)
def test_the_slopes_of_leaky_relu_and_softplus_are_known(
    write: Write, forward: Any, written: str, suggestion: str, words: str
) -> None:
    made = {leaky: "np.where(z > 0, z, 0.1 * z)", smooth: "np.log1p(np.exp(z))"}
    backward = write(
        "W, x, y",
        "z = W @ x",
        f"a = {made.get(forward, 'np.tanh(z)')}",
        "da = 2 * (a - y)",
        f"dz = {written}",
        "return dz @ x.T",
    )
    args = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 5)), RNG.normal(size=(3, 5))
    found = judged(forward, backward, args)["dz"]
    assert found.verdict == "wrong" and words in found.message
    assert found.suggestion == f"dz = {suggestion}"


# --- names that are assigned twice, and names of one's own ----------------------------------------


def squared(W1: Any, W2: Any, X: Any, Y: Any) -> Any:
    Z1 = W1 @ X
    A1 = 1 / (1 + np.exp(-Z1))
    Z2 = W2 @ A1
    A2 = 1 / (1 + np.exp(-Z2))
    return 0.5 * np.sum((A2 - Y) ** 2) / X.shape[1]


SQUARED = tuple(RNG.normal(size=shape) for shape in [(4, 3), (2, 4), (3, 6), (2, 6)])
OWN = "W1, W2, X, Y, Z1, A1, Z2, A2"


def test_a_wrong_sign_in_a_name_that_is_assigned_twice(write: Write) -> None:
    lines = ("m = X.shape[1]", "dZ2 = (Y - A2) / m", "dZ2 = dZ2 * A2 * (1 - A2)")
    found = judged(squared, write(OWN, *lines, "return {'W2': dZ2 @ A1.T}"), SQUARED)
    assert (found["dZ2"].verdict, found["dZ2"].kind) == ("wrong", "sign")
    assert found["W2"].kind == "upstream"
    right = write(OWN, *lines, "dZ2 = -dZ2", "return {'W2': dZ2 @ A1.T}")
    assert judged(squared, right, SQUARED)["dZ2"].verdict == "right"


def test_a_name_that_the_forward_pass_assigns_twice_stands_for_either(write: Write) -> None:
    def twice(w: Any, v: Any, x: Any) -> Any:
        h = np.tanh(w * x)
        h = np.tanh(v * h)
        return np.sum(h**2)

    args = tuple(RNG.normal(size=3) for _ in range(3))
    lines = ("k = np.tanh(w * x)", "dh = 2 * h", "dv = dh * (1 - h**2) * k")
    back = ("dh = dh * (1 - h**2) * v", "dw = dh * (1 - k**2) * x", "return dw, dv")
    assert check_backward(twice, write("w, v, x, h", *lines, *back), *args).ok


def test_a_delta_is_no_gradient_of_a_term_without_a_name(write: Write) -> None:
    lines = ("m = X.shape[1]", "delta2 = (Y - A2) * A2 * (1 - A2) / m", "dW2 = delta2 @ A1.T")
    found = judged(squared, write(OWN, *lines, "return {'dW2': dW2}"), SQUARED)
    assert (found["delta2"].gradient, found["delta2"].kind) == ("∂L/∂Z2", "sign")
    assert found["dW2"].kind == "upstream"


def logistic_of(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def test_what_a_helper_of_the_forward_pass_returns_has_the_name_it_is_given(write: Write) -> None:
    def helped(w: Any, v: Any, x: Any) -> Any:
        h = logistic_of(w @ x)
        return np.sum(v * h)

    args = RNG.normal(size=(3, 2)), RNG.normal(size=3), RNG.normal(size=2)
    found = judged(helped, write("w, v, h", "dh = v * h", "return {'dh': dh}"), args)
    assert found["dh"].gradient == "∂L/∂h" and found["dh"].verdict == "wrong"


def test_one_slip_in_the_convention_per_example_leaves_the_other_lines_right(write: Write) -> None:
    lines = ("m = X.shape[1]", "dZ2 = A2 - Y", "dW2 = dZ2 @ A1.T / m")
    rest = ("dZ1 = W2.T @ dZ2 * A1 * (1 - A1)", "dW1 = dZ1 @ X.T / m", "return dW1, dW2")
    check = check_backward(squared, write(OWN, *lines, *rest), *SQUARED)
    assert check.convention == "dZ is taken per example: 6 times ∂L/∂Z."
    assert [s.kind for s in check.statements] == ["path", *["upstream"] * 3]
    assert check.statements[0].suggestion == "dZ2 = (A2 - Y) * A2 * (1 - A2)"
    assert "shape(" not in str(check)


@pytest.mark.parametrize(
    ("lines", "suggestion"),
    [
        (("dZ2 *= A2 * (1 - A2)", "dZ1 *= Z1 * (1 - Z1)"), "(W2.T @ dZ2) * A1 * (1 - A1)"),
        (("dZ2 *= A2 * (1 - A2)", "dZ1 = dZ1 * (1 - A1)"), "(W2.T @ dZ2) * A1 * (1 - A1)"),
        (("dZ2 *= A2", "dZ1 *= A1 * (1 - A1)"), "dA2 * A2 * (1 - A2)"),
    ],
)
def test_what_an_augmented_assignment_starts_from_belongs_to_it(
    write: Write, lines: tuple[str, str], suggestion: str
) -> None:
    first = ("dA2 = (A2 - Y) / X.shape[1]", "dZ2 = dA2.copy()", lines[0])
    rest = ("dZ1 = W2.T @ dZ2", lines[1], "return {'W1': dZ1 @ X.T}")
    found = judged(squared, write(OWN, *first, *rest), SQUARED)
    wrong = next(s for s in found.values() if s.verdict == "wrong")
    assert wrong.suggestion is not None
    left, _, right = wrong.suggestion.partition(" = ")
    assert (left, right.replace(" ", "")) == (wrong.name, suggestion.replace(" ", ""))
    others = [s.kind for s in found.values() if s.verdict == "wrong" and s is not wrong]
    assert set(others) == {"upstream"}


def test_an_array_that_is_changed_by_another_name_of_it_is_judged_where_it_was_made(
    write: Write,
) -> None:
    lines = ("dA2 = (A2 - Y) / X.shape[1]", "dZ2 = dA2", "dZ2 *= A2 * (1 - A2)")
    found = judged(squared, write(OWN, *lines, "return {'W2': dZ2 @ A1.T}"), SQUARED)
    assert [s.verdict for s in found.values()] == ["right"] * 3
    assert found["dA2"].code == lines[0]


def test_what_one_edit_put_in_is_not_replaced_by_the_next(write: Write) -> None:
    back = write(OWN, "g = (A2 - Y) * A2", "h = W2.T @ g", "return {'dW1': h @ X.T}")
    found = judged(squared, back, SQUARED)["dW1"]
    assert found.verdict == "wrong"
    assert not re.search("should be ‘(.*)’ and ‘\\1’ should be", found.message), found.message


def test_a_statement_is_not_suggested_in_its_own_place(write: Write) -> None:
    lines = ("dZ2 = (A2 - Y) * A2 * (1 - A2) / X.shape[1]", "E = dZ2", "E *= 2", "dW2 = dZ2 @ A1.T")
    found = judged(squared, write(OWN, *lines, "return {'dW2': dW2}"), SQUARED)["dW2"]
    assert (found.verdict, found.kind, found.suggestion) == ("wrong", "upstream", None)
    assert "because what it starts from is wrong" in found.message


def test_a_list_of_the_forward_pass_comes_by_a_cache(write: Write) -> None:
    def listed(w: Any, x: Any) -> Any:
        hs = [w * x]
        hs.append(np.tanh(hs[0]))
        return np.sum(hs[1])

    args = RNG.normal(size=3), RNG.normal(size=3)
    with pytest.raises(InputError, match="nor a number or an array assigned in it") as error:
        check_backward(listed, write("x, hs", "return (1 - hs[1]**2) * x"), *args)
    assert "`return loss, hs`, and take `cache` for 'hs'" in str(error.value)

    def cached(w: Any, x: Any) -> Any:
        hs = [w * x]
        hs.append(np.tanh(hs[0]))
        loss = np.sum(hs[1])
        return loss, hs

    back = write("x, cache", "hs = cache", "dw = (1 - hs[1]**2) * x", "return {'dw': dw}")
    assert check_backward(cached, back, *args).ok


def test_nothing_is_said_of_notes_where_there_are_none(write: Write) -> None:
    args = tuple(RNG.normal(size=(3, 3)) for _ in range(4))
    lines = ("dZ2 = (A2 - Y) * A2 * (1 - A2) / X.shape[1]", "dA1 = W2 @ dZ2")
    found = judged(squared, write(OWN, *lines, "return {'dA1': dA1}"), args)["dA1"]
    assert found.kind == "transpose" and found.suggestion == "dA1 = W2.T @ dZ2"
    assert "notes" not in found.message
