"""What the transformations take and return: argnums, trees, auxiliary results, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core import tree
from backlit.core.errors import BacklitError, DifferentiationError, DTypeError, ShapeError

X = onp.array([1.0, 2.0, 3.0])


def f(a: Any, b: Any, c: Any) -> Any:
    return (a * b**2).sum() * c


ARGS = (X, onp.array([0.5, 1.0, -1.0]), 2.0)
EXPECTED = (2.0 * ARGS[1] ** 2, 4.0 * X * ARGS[1], (X * ARGS[1] ** 2).sum())
WITH_ARGNUMS = [bl.grad, bl.jacobian, bl.jacfwd, bl.jacrev]


# --- what is no function ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "call"),
    [
        *[
            (name, lambda g, name=name: getattr(bl, name)(g(3.0)))
            for name in "grad value_and_grad jacobian jacfwd jacrev hessian trace cost".split()
        ],
        ("vjp", lambda g: bl.vjp(g(3.0), 1.0)),
        ("jvp", lambda g: bl.jvp(g(3.0), (1.0,), (1.0,))),
        ("hvp", lambda g: bl.hvp(g(3.0), (1.0,), (1.0,))),
        ("check_grads", lambda g: bl.check_grads(g(3.0), (1.0,))),
        ("cond", lambda g: bl.cond(True, g(3.0), lambda: 1.0)),
        ("scan", lambda g: bl.scan(g(3.0), 0.0, X)),
        ("while_loop", lambda g: bl.while_loop(lambda c: c < 1.0, g(3.0), 0.0)),
        ("fori_loop", lambda g: bl.fori_loop(0, 3, g(3.0), 0.0)),
    ],
)
def test_a_call_in_place_of_a_function_is_refused_at_once(name: str, call: Any) -> None:
    with pytest.raises(DifferentiationError, match=f"{name} takes a function, got a float") as e:
        call(lambda x: x * x)
    assert "test_arguments.py" in str(e.value)
    assert e.value.fix == f"name the function without calling it: {name}(f), not {name}(f(x))"


# --- a list is a tree -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (x * 2).sum(),
        lambda x: (x * 2.0)[0],
        lambda x: (x - 1.0)[0],
        lambda x: -x,
    ],
)
@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("transform", [bl.grad, bl.value_and_grad, bl.jacobian, bl.jacfwd])
def test_arithmetic_with_a_list_says_that_it_is_no_array(
    transform: Any, kind: type, f: Any
) -> None:
    with pytest.raises(DifferentiationError, match=f"`x` is a {kind.__name__}, which stays") as e:
        transform(f)(kind([1.0, 2.0]))
    assert e.value.fix == "pass numpy.array([...])"
    assert isinstance(e.value.__cause__, (TypeError, AttributeError))


def test_a_list_is_a_tree_otherwise_and_other_errors_stay() -> None:
    assert bl.grad(lambda x: x[0] * x[1])([2.0, 3.0]) == [3.0, 2.0]
    assert bl.grad(lambda x: np.sum(np.sin(x) * 0.0 + x))([2.0, 3.0]) == [1.0, 1.0]
    with pytest.raises(TypeError, match="has no len") as caught:
        bl.grad(lambda x: x[0] * len(3))([2.0, 3.0])
    assert not isinstance(caught.value, BacklitError)
    with pytest.raises(AttributeError, match="'list' object has no attribute 'sum'"):
        bl.grad(lambda x, y: y.sum(), argnums=0)(X, [1])


# --- argnums ----------------------------------------------------------------------------------


def test_hvp_in_some_arguments_holds_the_others_fixed() -> None:
    v = onp.array([0.3, -1.0, 0.2])
    product = bl.hvp(f, ARGS, (v,), argnums=1)
    onp.testing.assert_allclose(product, bl.hessian(f, 1)(*ARGS) @ v)
    onp.testing.assert_allclose(bl.hvp(f, ARGS, (v,), argnums=-2), product)
    found = bl.hvp(f, ARGS, (1.5, v), argnums=(2, 1))
    assert type(found) is tuple
    blocks = bl.hessian(f, (2, 1))(*ARGS)
    for part, (c, b) in zip(found, blocks, strict=True):
        onp.testing.assert_allclose(part, c * 1.5 + b @ v)
    labels = onp.array([0, 2])  # no float: only argnums makes such a function differentiable
    g = lambda x, k: (x[k] ** 3).sum()  # noqa: E731
    product = bl.hvp(g, (X, labels), (v,), argnums=0)
    onp.testing.assert_allclose(product, 6.0 * X * v * [1, 0, 1])
    with pytest.raises(DifferentiationError, match="hvp of f asks for argument 3"):
        bl.hvp(f, ARGS, (v,), argnums=3)


def test_hvp_takes_tuples() -> None:
    with pytest.raises(DifferentiationError, match="hvp takes.*two tuples") as caught:
        bl.hvp(lambda x: x * x, 2.0, 1.0)
    assert caught.value.fix == "hvp(f, (x,), (dx,))"


@pytest.mark.parametrize("transform", WITH_ARGNUMS)
@pytest.mark.parametrize("number", [0, 1, 2, -1, -3])
def test_one_argument_by_number(transform: Callable[..., Any], number: int) -> None:
    onp.testing.assert_allclose(transform(f, number)(*ARGS), EXPECTED[number])


@pytest.mark.parametrize("transform", WITH_ARGNUMS)
@pytest.mark.parametrize("numbers", [(0,), (0, 2), [2, 1], (-1, 0), (0, 1, 2)])
def test_several_arguments_give_a_tuple(transform: Callable[..., Any], numbers: Any) -> None:
    found = transform(f, numbers)(*ARGS)
    assert type(found) is tuple and len(found) == len(numbers)
    for part, number in zip(found, numbers, strict=True):
        onp.testing.assert_allclose(part, EXPECTED[number])


@pytest.mark.parametrize("transform", [*WITH_ARGNUMS, bl.value_and_grad, bl.hessian])
@pytest.mark.parametrize("numbers", [3, -4, (0, 5)])
def test_an_argument_that_is_not_there_is_named(
    transform: Callable[..., Any], numbers: Any
) -> None:
    with pytest.raises(DifferentiationError, match=r"asks for argument (3|-4|5), but.* has 3"):
        transform(f, numbers)(*ARGS)


@pytest.mark.parametrize("transform", [*WITH_ARGNUMS, bl.value_and_grad, bl.hessian])
def test_keywords_are_passed_on(transform: Callable[..., Any]) -> None:
    def g(x: Any, *, power: int, name: str = "") -> Any:
        assert name == "net"
        return (x**power).sum()

    found = transform(g)(X, power=2, name="net")
    expected = transform(lambda x: (x**2).sum())(X)
    for a, b in zip(bl.core.tree.flatten(found)[0], bl.core.tree.flatten(expected)[0], strict=True):
        assert onp.allclose(a, b)


def test_the_wrapped_function_keeps_its_name_and_documentation() -> None:
    def loss(x: Any) -> Any:
        """Say what it is."""
        return x

    for transform in (*WITH_ARGNUMS, bl.value_and_grad, bl.hessian, bl.trace):
        assert transform(loss).__name__ == "loss"
        assert transform(loss).__doc__ == "Say what it is."


# --- trees and auxiliary results ----------------------------------------------------------------


class Weights(NamedTuple):
    w: Any
    b: Any


def test_gradients_have_the_structure_of_the_argument() -> None:
    def loss(model: Any, extra: Any) -> Any:
        return (model["layer"].w @ X + model["layer"].b) * model["scale"][0] + extra[1]

    model = {"layer": Weights(onp.ones(3), 2.0), "scale": [3.0, None], "none": None}
    found, other = bl.grad(loss, (0, 1))(model, (1.0, 2.0))
    assert type(found["layer"]) is Weights and found["none"] is None
    assert found["layer"].w.tolist() == [3.0, 6.0, 9.0] and found["layer"].b == 3.0
    assert found["scale"] == [8.0, None] and other == (0.0, 1.0)


def test_aux_is_returned_as_plain_values() -> None:
    def loss(x: Any) -> Any:
        y = x * x
        return y.sum(), {"y": y, "note": "text", "n": 3, "shape": Weights(y[0], None)}

    gradient, aux = bl.grad(loss, has_aux=True)(X)
    assert gradient.tolist() == [2.0, 4.0, 6.0]
    assert type(aux["y"]) is onp.ndarray and aux["y"].tolist() == [1.0, 4.0, 9.0]
    assert aux["note"] == "text" and aux["n"] == 3 and aux["shape"] == Weights(1.0, None)
    (value, again), slope = bl.value_and_grad(loss, has_aux=True)(X)
    assert value == 14.0 and again["y"].tolist() == aux["y"].tolist() and slope[0] == 2.0
    out, pullback, third = bl.vjp(loss, X, has_aux=True)
    assert out == 14.0 and third["n"] == 3 and pullback(1.0)[0].tolist() == [2.0, 4.0, 6.0]


WITH_AUX: dict[str, tuple[Any, Any]] = {
    # With extra, and what it returns without.
    "grad": (lambda f: bl.grad(f, has_aux=True)(X), lambda f: bl.grad(f)(X)),
    "jacobian": (lambda f: bl.jacobian(f, has_aux=True)(X), lambda f: bl.jacobian(f)(X)),
    "jacfwd": (lambda f: bl.jacfwd(f, 0, True)(X), lambda f: bl.jacfwd(f)(X)),
    "jacrev": (lambda f: bl.jacrev(f, 0, True)(X), lambda f: bl.jacrev(f)(X)),
    "hessian": (lambda f: bl.hessian(f, has_aux=True)(X), lambda f: bl.hessian(f)(X)),
    "hvp": (
        lambda f: bl.hvp(f, (X,), (X,), has_aux=True),
        lambda f: bl.hvp(f, (X,), (X,)),
    ),
    "jvp": (
        lambda f: (lambda out, tangent, extra: ((out, tangent), extra))(
            *bl.jvp(f, (X,), (X,), has_aux=True)
        ),
        lambda f: bl.jvp(f, (X,), (X,)),
    ),
}


@pytest.mark.parametrize("name", WITH_AUX)
def test_every_transformation_hands_extra_values_through(name: str) -> None:
    with_extra, without = WITH_AUX[name]
    calls = []

    def loss(x: Any) -> Any:
        calls.append(x)
        y = np.sin(x)
        return (y**2).sum(), {"y": y, "note": "text", "x": x}

    found, extra = with_extra(loss)
    assert len(calls) == 1  # the extra comes from the same run
    expected = without(lambda x: (np.sin(x) ** 2).sum())
    for a, b in zip(tree.flatten(found)[0], tree.flatten(expected)[0], strict=True):
        onp.testing.assert_allclose(a, b)
    assert type(extra["y"]) is onp.ndarray and extra["note"] == "text"
    onp.testing.assert_array_equal(extra["y"], onp.sin(X))
    assert extra["x"] is not X


@pytest.mark.parametrize("name", WITH_AUX)
@pytest.mark.parametrize("result", [lambda x: x.sum(), lambda x: x, lambda x: [x.sum(), 1.0]])
def test_every_transformation_asks_for_a_pair(name: str, result: Any) -> None:
    with pytest.raises(DifferentiationError, match=r"must return \(value, extra\)") as caught:
        WITH_AUX[name][0](result)
    assert "test_arguments.py" in str(caught.value) and caught.value.fix == "return a pair"


def test_a_result_that_is_not_real_is_described() -> None:
    with pytest.raises(DifferentiationError, match=r"a result is int64\[\], not a real array") as e:
        bl.jacobian(lambda x: np.argmax(x))(X)
    assert "argmax" in (e.value.fix or "")
    with pytest.raises(DifferentiationError, match="a result is a str, not") as e:
        bl.jacfwd(lambda x: (x, "text"))(X)
    assert "has_aux" in (e.value.fix or "")
    with pytest.raises(DTypeError, match="has type object, which is no kind of number"):
        bl.grad(lambda x: x)(onp.array([1.0, None]))


def test_aux_of_an_inner_gradient_stays_differentiable() -> None:
    def outer(x: Any) -> Any:
        slope, y = bl.grad(lambda v: (v**3, v**2), has_aux=True)(x)
        return slope * y  # 3 x⁴

    assert bl.grad(outer)(2.0) == 96.0


@pytest.mark.parametrize("transform", [bl.grad, bl.value_and_grad])
@pytest.mark.parametrize("result", [lambda x: x, lambda x: (x, 1, 2), lambda x: [x, 1]])
def test_aux_asks_for_a_pair(transform: Callable[..., Any], result: Callable[..., Any]) -> None:
    with pytest.raises(DifferentiationError, match=r"must return \(value, extra\)"):
        transform(result, has_aux=True)(1.0)


def test_inputs_that_do_not_matter_have_gradient_zero() -> None:
    def g(a: Any, b: Any, c: Any) -> Any:
        return (a["x"] * 2.0).sum()

    args = ({"x": X, "y": onp.ones((2, 2), "float32")}, 1.5, onp.zeros((0, 3)))
    for transform in (bl.grad, bl.jacobian, bl.jacfwd, bl.jacrev):
        (da, db, dc) = transform(g, (0, 1, 2))(*args)
        assert da["y"].tolist() == [[0.0, 0.0], [0.0, 0.0]]
        assert db == 0.0 and dc.shape == (0, 3)
    assert bl.grad(g)(*args)["y"].dtype == onp.float32
    assert bl.jvp(lambda x: (3.0, onp.ones(2)), (X,), (X,))[1][1].tolist() == [0.0, 0.0]
    assert bl.vjp(lambda x: (x, 5.0), X)[1]((X, 1.0))[0].tolist() == X.tolist()


@pytest.mark.parametrize("constant", [3.0, onp.float64(3.0), onp.array(3.0)])
def test_a_constant_function_has_gradient_zero(constant: Any) -> None:
    assert bl.grad(lambda x: constant)(X).tolist() == [0.0, 0.0, 0.0]
    assert bl.value_and_grad(lambda x: np.zeros(()))(1.0) == (0.0, 0.0)
    assert bl.hessian(lambda x: constant)(X).tolist() == onp.zeros((3, 3)).tolist()


def test_zero_size_and_scalar_arrays() -> None:
    empty = onp.zeros((0, 3))
    g = lambda x: (x**2).sum() + np.sin(x).sum()  # noqa: E731
    assert bl.grad(g)(empty).shape == (0, 3)
    assert bl.hessian(g)(empty).shape == (0, 3, 0, 3)
    assert bl.jacobian(lambda x: x * 2.0)(empty).shape == (0, 3, 0, 3)
    assert bl.jacrev(lambda x: x.sum(axis=0))(empty).shape == (3, 0, 3)
    assert bl.jacfwd(lambda x: x.sum(axis=0))(empty).shape == (3, 0, 3)
    assert bl.jvp(g, (empty,), (empty,)) == (0.0, 0.0)
    for scalar in (1.5, onp.float64(1.5), onp.array(1.5)):
        found = bl.grad(lambda x: x * x)(scalar)
        assert onp.shape(found) == () and found == 3.0
    assert bl.grad(lambda x: (x * onp.ones((1, 3))).sum())(onp.zeros((0, 1))).shape == (0, 1)
    assert bl.grad(np.prod)(onp.zeros(0)).shape == (0,)
    assert bl.grad(lambda x: np.prod(x, axis=1).sum())(onp.zeros((0, 3))).shape == (0, 3)


def test_float16_has_gradients_too() -> None:
    found = bl.grad(lambda x: (x * x).sum())(onp.array([1.0, 2.0], "float16"))
    assert found.dtype == onp.float16 and found.tolist() == [2.0, 4.0]


# --- arguments are never changed, results are the caller's own ----------------------------------


def test_gradients_can_be_changed_in_place_and_do_not_share_memory() -> None:
    w = onp.ones(3)
    found = list(bl.grad(lambda a, b, c: (a + b + (c * w)).sum(), (0, 1, 2))(X, X * 2.0, X))
    found += list(bl.vjp(lambda a, b: a + b, X, X)[1](onp.ones(3)))
    found += [bl.grad(np.sum)(X), bl.grad(lambda x: x[0])(X)]
    for part in found:
        part *= 0.5
    assert [part[0] for part in found] == [0.5] * 7
    assert w.tolist() == [1.0] * 3 and X.tolist() == [1.0, 2.0, 3.0]


def test_results_of_vjp_do_not_depend_on_later_changes_of_the_arguments() -> None:
    x = X.copy()
    _, pullback = bl.vjp(lambda x: x * x, x)
    x[:] = 100.0
    assert pullback(onp.ones(3))[0].tolist() == [2.0, 4.0, 6.0]


# --- errors -----------------------------------------------------------------------------------

TAKING_ONE = {
    "grad": lambda f, x: bl.grad(f)(x),
    "value_and_grad": lambda f, x: bl.value_and_grad(f)(x),
    "jacobian": lambda f, x: bl.jacobian(f)(x),
    "jacfwd": lambda f, x: bl.jacfwd(f)(x),
    "jacrev": lambda f, x: bl.jacrev(f)(x),
    "vjp": lambda f, x: bl.vjp(f, x),
    "jvp": lambda f, x: bl.jvp(f, (x,), (x,)),
    "hessian": lambda f, x: bl.hessian(f)(x),
    "hvp": lambda f, x: bl.hvp(f, (x,), (x,)),
}


@pytest.mark.parametrize("name", TAKING_ONE)
@pytest.mark.parametrize(
    ("leaf", "what"),
    [
        (3, "int64, and integers and booleans have no gradient"),
        (True, "bool, and integers"),
        (onp.arange(3), "int64, and integers"),
        (onp.array([True]), "bool, and integers"),
        (1j, "complex"),
        (onp.array([1j]), "complex"),
        ("text", "is a str, not an array"),
        (onp.array(["a"]), "has (no gradient|type)|str"),
        (len, "is a builtin_function_or_method, not an array"),
    ],
)
def test_leaves_without_a_gradient_are_named(name: str, leaf: Any, what: str) -> None:
    with pytest.raises(DTypeError, match=what) as caught:
        TAKING_ONE[name](lambda model: model["w"], {"w": {"inner": leaf}})
    message = str(caught.value)
    assert "`model.w.inner`" in message and "test_arguments.py" in message and "fix:" in message


@pytest.mark.parametrize("transform", [bl.grad, bl.value_and_grad, bl.hessian])
@pytest.mark.parametrize(
    ("result", "what"),
    [
        (lambda x: x, r"an array of shape \(3,\)"),
        (lambda x: None, r"nothing \(no return\?\)"),
        (lambda x: "text", "a str"),
        (lambda x: (x.sum(), 1.0), "a tuple"),
        (lambda x: {"loss": x.sum()}, "a dict"),
        (lambda x: np.argmax(x), "int64"),
        (lambda x: x[0] > 0.0, "bool"),
        (lambda x: 3, "int64"),
        (lambda x: onp.array(1j), "complex128"),
        (lambda x: (y for y in x), "a generator"),
    ],
)
def test_results_without_a_gradient_are_described(
    transform: Callable[..., Any], result: Callable[..., Any], what: str
) -> None:
    with pytest.raises(DifferentiationError, match=what) as caught:
        transform(result)(X)
    assert "<lambda>" in str(caught.value) and "fix:" in str(caught.value)
    assert "test_arguments.py" in str(caught.value)


@pytest.mark.parametrize("transform", [bl.jacobian, bl.jacfwd, bl.jacrev])
@pytest.mark.parametrize("result", [lambda x: "text", lambda x: x > 0.0, lambda x: np.argmax(x)])
def test_jacobians_ask_for_float_results(
    transform: Callable[..., Any], result: Callable[..., Any]
) -> None:
    with pytest.raises(DifferentiationError, match="a result is .*, not a real array"):
        transform(result)(X)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: bl.jvp(np.sin, 1.0, 1.0), DifferentiationError, r"two tuples"),
        (lambda: bl.jvp(np.sin, (1.0,), (1.0, 2.0)), ShapeError, "tangents have structure"),
        (lambda: bl.jvp(np.sin, (X,), (1.0,)), ShapeError, r"`.*` has shape \(3,\).*tangent \(\)"),
        (lambda: bl.vjp(np.sin, X)[1](1.0), ShapeError, r"shape \(\) was given.*\(3,\)"),
        (lambda: bl.vjp(np.sin, X)[1]((X,)), ShapeError, "the cotangent has structure"),
    ],
)
def test_directions_must_fit(call: Any, kind: type[BacklitError], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        call()
    assert "test_arguments.py" in str(caught.value)


def test_errors_of_the_function_itself_are_not_changed() -> None:
    class Own(Exception):
        pass

    def g(x: Any) -> Any:
        raise Own("mine")

    for run in TAKING_ONE.values():
        with pytest.raises(Own, match="mine"):
            run(g, X)
    assert not bl.core.tracer.live_traces()
