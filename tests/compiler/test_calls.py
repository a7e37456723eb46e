"""Calls of compiled functions that go wrong, and numbers at the edges of their types."""

from __future__ import annotations

import operator
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import DifferentiationError, IndexRangeError, IntegerRangeError

TABLE = onp.arange(3.0)
PLACES = onp.array([0, 5])


def pick(x: Any, i: Any) -> Any:
    return np.sum(x[i] ** 2)  # the line


def in_a_loop(x: Any, i: Any) -> Any:
    return bl.scan(lambda total, k: (total + x[k] ** 2, None), 0.0, i)[0]  # the line


def in_a_choice(x: Any, i: Any) -> Any:
    return bl.cond(i[1] > 0, lambda x, i: np.sum(x[i]), lambda x, i: np.sum(x), x, i)  # the line


def written(x: Any, i: Any) -> Any:
    y = np.zeros(3)
    y[i] = x[:2]  # the line
    return np.sum(y * x)


TRANSFORMS: list[Any] = [
    bl.jit,
    lambda f: bl.jit(bl.grad(f)),
    lambda f: bl.grad(bl.jit(f)),
    lambda f: bl.jit(bl.jit(f)),
    lambda f: bl.jit(bl.hessian(f)),
]
CASES = [(f, t) for f in (pick, in_a_loop, written) for t in TRANSFORMS]


@pytest.mark.parametrize(("f", "transform"), [*CASES, (in_a_choice, bl.jit)])
def test_an_index_out_of_range_is_shown_at_its_line(f: Any, transform: Any) -> None:
    run = transform(f)
    with pytest.raises(
        IndexRangeError, match="index 5 is out of bounds for axis 0 with size 3"
    ) as e:
        run(TABLE, PLACES)
    assert isinstance(e.value, IndexError)
    assert "# the line" in str(e.value) and e.value.fix is not None
    assert "0 to n - 1" in e.value.fix
    run(TABLE, onp.array([0, 2]))  # and the next call is fine


def test_a_derivative_that_needs_no_value_names_what_it_derives() -> None:
    with pytest.raises(IndexRangeError, match="derivative of getitem"):
        bl.jit(bl.grad(lambda x, i: np.sum(x[i])))(TABLE, PLACES)


def test_an_index_out_of_range_where_the_evaluator_runs_it() -> None:
    graph = bl.trace(lambda x, i: x[i])(TABLE, onp.array([0, 1]))
    with pytest.raises(IndexRangeError, match=r"(?s)getitem cannot take .*x\[i\]"):
        graph(TABLE, PLACES)


COMPARISONS = (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)


@pytest.mark.parametrize("n", [2**63, 2**64, -(2**63) - 1, 10**400])
def test_a_python_integer_beyond_int64_is_explained(n: int) -> None:
    x = onp.ones(2, "f4")
    for call in (
        lambda: bl.jit(lambda x, n: x < n)(x, n),
        lambda: bl.jit(lambda x, n: x < n)(x, n=n),
        lambda: bl.grad(lambda x: bl.jit(lambda x, n: np.sum(x * n))(x, n))(x),
    ):
        with pytest.raises(
            IntegerRangeError, match=r"(?s)^n in .*int64.*static_argnames=\'n\'"
        ) as e:
            call()
        assert isinstance(e.value, OverflowError)
        assert ("numpy.uint64(n)" in str(e.value)) == (n == 2**63)
        assert "test_calls.py" in str(e.value)
    with pytest.raises(IntegerRangeError, match="^a number in"):
        bl.jit(lambda x, t: x * t[0])(x, (n,))
    for compare in COMPARISONS:  # what the message suggests, as Python compares
        found = bl.jit(lambda x, n, c=compare: c(x, n), static_argnames="n")(x.astype(int), n)
        assert found.tolist() == [compare(1, n)] * 2


def test_the_integers_that_fit_are_taken() -> None:
    for n in (-(2**63), 2**63 - 1):
        assert int(bl.jit(lambda n: n + onp.int64(0))(n)) == n
    assert bl.jit(lambda x, n: x < n)(onp.ones(2, int), onp.uint64(2**63)).all()


def test_options_alone_make_a_decorator() -> None:
    @bl.jit(static_argnums=1)
    def power(x: Any, n: int) -> Any:
        """Raise."""
        return x if n == 0 else x * power.__wrapped__(x, n - 1)

    onp.testing.assert_array_equal(power(TABLE, 2), TABLE**3)
    assert power.__doc__ == "Raise." and "1 program" in repr(power)
    over = bl.jit(donate_argnums=0)(lambda x: x + 1.0)
    onp.testing.assert_array_equal(over(TABLE.copy()), TABLE + 1.0)
    with pytest.raises(bl.InputError, match="static_argnums=3"):
        bl.jit(static_argnums=3)(lambda x: x)
    for call in (lambda: bl.jit(static_argnums=0)(3), lambda: bl.jit(None), lambda: bl.jit()):  # type: ignore[call-overload]
        with pytest.raises(DifferentiationError, match="jit takes a function"):
            call()


SPECIAL = onp.array([-onp.inf, -0.0, 0.0, onp.inf, onp.nan, -1.0, 2.0])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("exponent", [0.5, -0.5, 1.5, 2.0, -1.0, 0.0, 1.0, 3, onp.float32(0.5)])
def test_powers_of_special_values_are_numpys(dtype: str, exponent: Any) -> None:
    x = SPECIAL.astype(dtype)
    with onp.errstate(all="ignore"):
        expected = x**exponent
    found = bl.jit(lambda x: x**exponent)(x)
    assert found.dtype == expected.dtype
    onp.testing.assert_allclose(found, expected, rtol=2 * onp.finfo(dtype).eps)
    onp.testing.assert_array_equal(onp.signbit(found)[:4], onp.signbit(expected)[:4])


def test_the_sign_of_a_zero_is_numpys() -> None:
    """But for the choices between zeros that docs/conventions.md lists."""
    a, b = onp.array([0.0, -0.0, 0.0, -0.0, 0.0]), onp.array([-0.0, 0.0, 3.0, -3.0, -3.0])
    one = "absolute negative sign floor ceil trunc rint sqrt cbrt sin tanh expm1 log1p square sum"
    two = "add subtract multiply divide fmod remainder floor_divide copysign hypot arctan2"
    for name in (one + " " + two).split():
        operands = (a, b) if name in two.split() else (a,)
        with onp.errstate(all="ignore"):
            expected = getattr(onp, name)(*operands)
        function = getattr(np, name)
        found = bl.jit(lambda *x, f=function: f(*x))(*operands)
        onp.testing.assert_array_equal(found, expected, err_msg=name)
        sure = ~onp.isnan(expected)
        signs = onp.signbit(found)[sure], onp.signbit(expected)[sure]
        onp.testing.assert_array_equal(*signs, err_msg=name)
