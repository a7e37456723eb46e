"""What may not stand beside a traced array is refused: nothing loses its gradient silently."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import BacklitError, DTypeError, ShapeError, TracedValueError
from backlit.testing import check_grads

X = onp.array([1.5, 2.5, 3.5])
OBJECTS = onp.array([1, 2, 3], dtype=object)
MATRIX = onp.arange(3.0).reshape(1, 3).view(onp.matrix)
MASKED = onp.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])

Program = Callable[[Any], Any]

WITHOUT_GRADIENT: dict[str, Program] = {
    "objects": lambda x: x * OBJECTS,
    "objects first": lambda x: OBJECTS * x,
    "objects by function": lambda x: np.multiply(OBJECTS, x),
    "objects of a choice": lambda x: np.where(x > 2.0, x, OBJECTS),
    "objects of a product": lambda x: np.dot(x, OBJECTS),
    "big integers": lambda x: x * onp.array([10**30, 1, 1]),
    "fraction": lambda x: x * Fraction(1, 2),
    "fraction first": lambda x: Fraction(1, 2) * x,
    "fraction as power": lambda x: x ** Fraction(1, 2),
    "decimal": lambda x: x + Decimal(2),
    "none": lambda x: x + None,
    "text": lambda x: x + "a",
    "array of text": lambda x: np.equal(x, onp.array(["a", "b", "c"])) * x,
    "times": lambda x: x * onp.array([1, 2, 3], "m8[s]"),
    "to objects": lambda x: x.astype(object),
    "number to object": lambda x: x[0].astype(object) * x,
    "array of objects": lambda x: np.array([x[0], x[1], x[2]], dtype=object),
    "to text and back": lambda x: x.astype(str).astype(float),
    "to complex": lambda x: np.real(x.astype(complex)),
    "imaginary": lambda x: np.real(x * 1j),
    "imaginary first": lambda x: np.abs(np.exp(1j * x) + x),
    "complex array": lambda x: np.real(x * onp.array([1j, 2.0, 0.0])),
    "complex array made inside": lambda x: np.real(x * np.ones(3, complex)),
}
TRANSFORMS: dict[str, Callable[[Program], Any]] = {
    "grad": lambda f: bl.grad(lambda x: np.sum(f(x)))(X),
    "hessian": lambda f: bl.hessian(lambda x: np.sum(f(x)))(X),
    "jvp": lambda f: bl.jvp(f, (X,), (onp.ones(3),)),
    "trace": lambda f: bl.trace(f)(X),
    "by shape": lambda f: bl.trace(f, abstract=True)(X),
    "in a loop": lambda f: bl.fori_loop(0, 2, lambda i, c: f(c), X),
    "captured": lambda f: bl.grad(lambda x: bl.fori_loop(0, 1, lambda i, c: np.sum(f(x)), 0.0))(X),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", WITHOUT_GRADIENT)
def test_what_has_no_gradient_is_refused_with_line_and_fix(name: str, transform: str) -> None:
    with pytest.raises(DTypeError, match="fix: ") as caught:
        TRANSFORMS[transform](WITHOUT_GRADIENT[name])
    assert "test_operands.py" in str(caught.value)
    if "complex" in name or "imaginary" in name:
        assert "real and imaginary parts" in str(caught.value)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (x * OBJECTS.astype(float)) ** 2,
        lambda x: x * float(Fraction(1, 2)) + x**2,
        lambda x: x * onp.array([1, 2, 3], onp.uint8) * x,
        lambda x: x * onp.float16(0.5) * x * onp.array([True, False, True]),
        lambda x: x * x * onp.array([1.0, 2.0, 3.0], onp.longdouble),
        lambda x: [1, 2, 3] * x * [x[0], 1.0, 2],
        lambda x: x * 10**3 * x * onp.int8(2),
        lambda x: x * x + np.real(np.ones(3, complex) * 2j),
        lambda x: x * x * onp.arange(3.0).view(onp.recarray),
    ],
)
def test_every_real_number_may_be_an_operand(f: Program) -> None:
    check_grads(f, (X,), order=2)


@pytest.mark.parametrize("other", [MASKED, MATRIX, onp.ma.masked])
@pytest.mark.parametrize(
    "f",
    [
        lambda x, m: x * m,
        lambda x, m: m - x,
        lambda x, m: np.add(m, x),
        lambda x, m: np.where(x > 0.0, x, m),
        lambda x, m: np.concatenate([x[None], m]),
        lambda x, m: np.stack([x, m]),
        lambda x, m: np.fmax(x, m),
        lambda x, m: np.dot(x, m),
    ],
)
@pytest.mark.parametrize("run", [bl.grad, bl.jacfwd, bl.trace])
def test_masked_arrays_and_matrices_are_no_operands(run: Any, f: Any, other: Any) -> None:
    with pytest.raises(TracedValueError, match="fix: ") as caught:
        run(lambda x: np.sum(f(x, other)))(X)
    assert "test_operands.py" in str(caught.value)


@pytest.mark.parametrize("given", [MASKED, MATRIX])
@pytest.mark.parametrize(
    "call",
    [
        lambda m: bl.grad(np.sum)(m),
        lambda m: bl.grad(lambda t: np.sum(t["w"]))({"w": m}),
        lambda m: bl.jvp(np.sum, (m,), (onp.ones(3),)),
        lambda m: bl.vjp(np.sum, m),
        lambda m: bl.jacobian(lambda x: x)(m),
        lambda m: bl.trace(np.sum)(m),
        lambda m: bl.trace(np.sum, abstract=True)(m),
        lambda m: bl.jit(np.sum)(m),
        lambda m: bl.cond(True, np.sum, np.max, m),
        lambda m: bl.scan(lambda c, x: (c + np.sum(x), ()), 0.0, m),
    ],
)
def test_masked_arrays_and_matrices_are_no_arguments(call: Any, given: Any) -> None:
    with pytest.raises(TracedValueError, match=r"filled\(0.0\)|numpy.asarray\(m\)"):
        call(given)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: ~x, "only integers and booleans have bits"),
        (lambda x: x & 1, "only integers and booleans have bits"),
        (lambda x: x[7], "count from 0 to n - 1"),
        (lambda x: x[0, 0], "see x.shape"),
        (lambda x: np.sum(x, axis=3), "count axes from 0 to 0"),
        (lambda x: np.sum(x[0], axis=0), "leave the axis out"),
        (lambda x: np.concatenate([x, x[:, None]]), "agree in all axes"),
        (lambda x: np.einsum("i,i->i", x, onp.ones(4)), "another letter"),
        (lambda x: set_item(x.copy(), slice(0, 2), onp.ones(5)), "shape of the part"),
        (lambda x: set_item(x.copy(), 9, 1.0), "count from 0 to n - 1"),
    ],
)
@pytest.mark.parametrize("abstract", [False, True])
def test_complaints_name_line_and_fix(f: Program, message: str, abstract: bool) -> None:
    with pytest.raises(BacklitError, match=message) as caught:
        bl.trace(f, abstract=abstract)(X)
    assert "test_operands.py" in str(caught.value) and "fix: " in str(caught.value)


def test_an_array_of_indices_out_of_bounds() -> None:
    with pytest.raises(ShapeError, match="count from 0 to n - 1"):
        bl.grad(lambda x: x[onp.array([1, 5])].sum())(X)


def set_item(x: Any, index: Any, value: Any) -> Any:
    x[index] = value
    return x


def test_int_of_a_value_whose_gradient_was_cut() -> None:
    def f(x: Any) -> Any:
        return int(bl.stop_gradient(x)) * x

    assert bl.grad(f)(3.7) == 3.0
    assert bl.trace(f)(3.7).guards
    with pytest.raises(TracedValueError, match=r"int\(\) of a traced"):
        bl.grad(lambda x: int(x) * x)(3.7)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: np.add(x, x, dtype=int), r"np\.add\(…\)\.astype\(dtype\)"),
        (lambda x: np.add(x, x, out=onp.ones(3)), r"y = np\.add\(…\)"),
        (lambda x: x.flat, r"x\.ravel\(\)"),
        (lambda x: x.view(onp.float32), r"x\.astype\(dtype\)"),
        (lambda x: x.fill(2.0), r"x\[\.\.\.\] = value"),
        (lambda x: x.astype(onp.float32, casting="safe"), "casting"),
        (lambda x: x.reshape(3, 1, order="F"), "transpose first"),
        (lambda x: x.flatten("F"), "transpose first"),
    ],
)
def test_advice_fits_the_call(f: Program, message: str) -> None:
    with pytest.raises((TracedValueError, BacklitError, AttributeError), match=message):
        bl.grad(lambda x: np.sum(f(x)))(X)


def test_methods_take_numpys_arguments() -> None:
    def f(x: Any) -> Any:
        same = x.astype(float, copy=False)
        again = x.astype(float, order="C", copy=True)
        rows = x.reshape(3, 1, order="C").reshape((1, 3), copy=True).flatten(order="C")
        assert not hasattr(x, "value") or (same is x and again is not x)
        return np.sum(same * again * rows)

    assert f(X) == pytest.approx((X**3).sum())
    assert bl.grad(f)(X) == pytest.approx(3.0 * X**2)
