"""Claims that hold at moderate numbers only, and right ones in forms that are hard on doubles."""

import numpy as onp
import pytest

import backlit as bl
from backlit.explain.equation.text.parser import parse_expression
from backlit.explain.equation.values import stress
from backlit.explain.equation.values.draws import Leaf
from backlit.explain.equation.values.program import Program

CHAIN = "\n".join(["a0 = x", *(f"a{k} = σ(a{k - 1})" for k in range(1, 101))])

WRONG = [
    ("f = min(x, 5)", "df/dx = 1"),
    ("f = clip(x, -3, 3)", "df/dx = 1"),
    ("f = relu(x^2 - 10)", "df/dx = 0"),
    ("f = min(max(x, 0), 6)", "df/dx = 1[x > 0]"),
    ("f = σ(1000 x)", "df/dx = 0"),
    (CHAIN, "da100/dx = 0"),
    ("f = x + σ(-100 - x)", "df/dx = 1"),
    ("f = x + σ(1000 x)", "df/dx = 1"),
    ("f = max(x, -50)", "df/dx = 1"),
    ("f = relu(x - 20)", "df/dx = 0"),
    ("f = relu(x + 100)", "df/dx = 1"),
    ("f = tanh(500 x)", "df/dx = 0"),
    ("f = min(x, 10^6)", "df/dx = 1"),
    ("f = min(exp(x), 1000)", "df/dx = exp(x)"),
    ("f = abs(x - 30)", "df/dx = -1"),
    ("f = sqrt(x^2)", "df/dx = 1"),
    ("f = log(x^2) x", "df/dx = 2 log(x) + 2"),
    ("f = x^3/3", "df/dx = x sqrt(x^2)"),
    ("f = x log(x^2)", "df/dx = 2 log(abs(x)) + 2.0000000001"),
    ("f = sin(x)", "df/dx = cos(x + 0.000000000001)"),
    ("f = exp(-1000 x^2)", "df/dx = 0"),
    ("f = softplus(x)", "df/dx = 1[x>0]"),
    ("f = softplus(100 x)", "df/dx = 100*1[x>0]"),
    ("f = 5 x^21/21", "df/dx = 5 x^20 + 0.000000000001"),
    ("f = x + 10^(-12) x^2", "df/dx = 1"),
    ("f = x + 10^(-12) x^9", "df/dx = 1"),
    ("f = floor(x) x", "df/dx = floor(x) + 10^(-10)"),
    ("f = exp(x)", "df/dx = (1+x/10^12)^(10^12)"),
    ("f = sin(x)^2", "df/dx = 2 sin(x) sqrt(1 - sin(x)^2)"),
    ("f = elu(x)", "df/dx = 1[x > 0]"),
    ("f = leaky_relu(x)", "df/dx = 1[x>0]"),
    ("f = x^2", "df/dx = 2 x + relu(x - 50)"),
    ("f = x^2", "df/dx = 2 x + exp(-10^6 x^2)"),
    ("f = tan(x)", "df/dx = 1+tan(x)^2+relu(x-1000)"),
    ("f = cos(pi x)", "df/dx = 0"),
    ("f = w x + 10^(-300) y", "df/dy = 0"),
    ("f = 10^(-200) x", "df/dx = 2 10^(-200)"),
    ("f = exp(-800 - x^2)", "df/dx = 0"),
    ("f = max(x, y)", "df/dx = 1[x > y] + 1[x < -200]"),
    ("f = arctan(tan(x))", "df/dx = 1[x > -1000]"),
    ("f = x", "df/dx = 1[x > -1000]"),
    ("f = x", "df/dx = 1[x > -7]"),
    ("f = x", "df/dx = sign(x)^2 1[abs(x) > 0.01]"),
    ("f = log(σ(x))", "df/dx = 1 - relu(tanh(x))"),
    ("f = σ(x)", "df/dx = σ(x) - σ(x)^2 + σ(x - 60)"),
    ("f = where(x > 40, x^2, x)", "df/dx = 1"),
    ("f = max(x, y - 30)", "df/dx = 1"),
    ("f = gelu(x)", "df/dx = 1[x>0]"),
    ("f = x^2/2", "df/dx = abs(x) "),
    ("f = acos(cos(x))", "df/dx = 1[x>0] - 1[x<0]"),
    ("f = x tanh(200 x)", "df/dx = sign(x)"),
    ("f=abs(x)", "df/dx = tanh(10^4 x)"),
    ("X: (m, n)\nF = min(X, 8)\nL = sum(F)", "dL/dX = ones(m, n)"),
    ("f = relu(10 - x y)", "df/dx = -y"),
    ("f = huber(x, 5)", "df/dx = x"),
]

RIGHT = [
    ("f = relu(x^2 - 10)", "df/dx = 2x 1[x^2 > 10]"),
    ("f = min(x, 5)", "df/dx = 1[x < 5]"),
    ("f = clip(x, -3, 3)", "df/dx = 1[x > -3] 1[x < 3]"),
    ("f = σ(1000 x)", "df/dx = 1000 σ(1000x) σ(-1000x)"),
    ("f = σ(x)", "df/dx = σ(x)(1 - σ(x))"),
    ("f = σ(x)", "df/dx = 1/(e^(x/2) + e^(-x/2))^2"),
    ("f = σ(x)", "df/dx = (1 - tanh(x/2)^2)/4"),
    ("f = tanh(x)", "df/dx = 4/(e^x + e^(-x))^2"),
    ("f = tanh(x)", "df/dx = 1 - tanh(x)^2"),
    ("f = log(1 + e^x)", "df/dx = e^x/(1+e^x)"),
    ("f = log(1 + e^x)", "df/dx = 1/(1+e^(-x))"),
    ("f = softplus(x)", "df/dx = (1 + tanh(x/2))/2"),
    ("f = sqrt(x^2)", "df/dx = sign(x)"),
    ("f = sqrt(x^2)", "df/dx = x/abs(x)"),
    ("f = log(x^2)", "df/dx = 2/x"),
    ("f = x log(x^2)", "df/dx = 2 log(abs(x)) + 2"),
    ("f = sin(x)^2", "df/dx = sin(2x)"),
    ("f = cos(x)^4", "df/dx = -4 cos(x)^3 sin(x)"),
    ("f = cos(x)^4", "df/dx = -2 cos(x)^2 sin(2x)"),
    ("f = (1 - cos(x))/x^2", "df/dx = sin(x)/x^2 - 2(1-cos(x))/x^3"),
    ("f = (1 - cos(x))/x^2", "df/dx = sin(x)/x^2 - 4 sin(x/2)^2/x^3"),
    ("f = arctan(x)", "df/dx = cos(arctan(x))^2"),
    ("f = arctan(1/x)", "df/dx = -1/(1+x^2)"),
    ("f = atanh(x)", "df/dx = 1/(1-x^2)"),
    ("f = 5 x^21/21", "df/dx = 5 x^20"),
    ("f = log(cosh(x))", "df/dx = tanh(x)"),
    ("f = log(cosh(x))", "df/dx = 1 - 2/(e^(2x) + 1)"),
    ("f = erf(x)", "df/dx = 2/sqrt(pi) exp(-x^2)"),
    ("f = gelu(x)", "df/dx = (1+erf(x/sqrt(2)))/2 + x exp(-x^2/2)/sqrt(2 pi)"),
    ("f = max(x, y)", "df/dx = 1[x > y]"),
    ("f = abs(x - 30)", "df/dx = sign(x - 30)"),
    ("f = (x^2 - y^2)/(x - y)", "df/dx = 1"),
    ("f = e^(x+y) / e^x", "df/dx = 0"),
    ("f = sinh(x)", "df/dx = sqrt(1 + sinh(x)^2)"),
    ("f = x^3/3", "df/dx = abs(x) sqrt(x^2)"),
    ("f = swish(x)", "df/dx = swish(x) + σ(x)(1 - swish(x))"),
    ("f = leaky_relu(x)", "df/dx = 1[x>0] + 0.01*1[x<0]"),
    ("f = elu(x)", "df/dx = min(1, exp(x))"),
    ("f = x^x", "df/dx = x^x (log(x) + 1)"),
    ("f = log(σ(x))", "df/dx = σ(-x)"),
    ("a = σ(w x + b)\nL = -(y log(a) + (1-y) log(1-a))", "dL/dw = (a - y) x"),
    ("z: (n,)\nL = log(sum(exp(z)))", "dL/dz = softmax(z)"),
    ("z: (n,)\nL = log(sum(exp(z)))", "dL/dz_i = exp(z_i)/sum(exp(z))"),
    ("f = max(x, 0)", "df/dx = (sign(x) + 1)/2"),
    ("f = acos(x)", "df/dx = -1/sqrt(1-x^2)"),
    ("f = min(max(x, 0), 6)", "df/dx = 1[x > 0] 1[x < 6]"),
    ("f = x exp(-x^2/2)", "df/dx = (1-x)(1+x) exp(-x^2/2)"),
    ("f = log(x + sqrt(x^2+1))", "df/dx = 1/sqrt(x^2+1)"),
    ("f = sqrt(x + 1) - sqrt(x)", "df/dx = (sqrt(x) - sqrt(x+1))/(2 sqrt(x) sqrt(x+1))"),
    ("x: (n,)\nf = norm(x)", "df/dx = x/norm(x)"),
    ("A: (n, n) \nf = log(det(A^T A))", "df/dA = 2 inv(A)^T"),
    ("f = cbrt(x)", "df/dx = 1/(3 cbrt(x)^2)"),
    ("f = σ(1000 x) - σ(1000 x)", "df/dx = 0"),
    ("f = cos(x)^2 + sin(x)^2", "df/dx = 0"),
    ("f = 10^20 + x - 10^20", "df/dx = 1"),
    ("f = log(exp(x))", "df/dx = 1"),
    ("f = exp(-1000 x^2)", "df/dx = -2000 x exp(-1000 x^2)"),
]


@pytest.mark.parametrize(("definitions", "claim"), WRONG)
def test_what_holds_at_moderate_numbers_only_is_not_right(definitions: str, claim: str) -> None:
    verdicts = [v.verdict for v in bl.check(f"{definitions}\n{claim}").verdicts]
    assert verdicts and "right" not in verdicts


@pytest.mark.parametrize(("definitions", "claim"), RIGHT)
def test_right_forms_stay_right(definitions: str, claim: str) -> None:
    assert [v.verdict for v in bl.check(f"{definitions}\n{claim}").verdicts] == ["right"]


def test_points_lie_on_both_sides_of_written_numbers() -> None:
    node = parse_expression("min(max(x, -3), 1000)")[0]
    numbers = stress.written([node])
    assert numbers == (1000.0, 3.0)
    found = stress.points(Program([("f", node)], {"x": Leaf(())}), numbers)
    x = onp.array([float(point.leaves["x"]) for point in found])
    for turn in (-3.0, 1000.0):
        assert onp.any(x < turn) and onp.any(x > turn)
    assert onp.min(onp.abs(x)) < 1e-3
    again = stress.points(Program([("f", node)], {"x": Leaf(())}), numbers)
    assert [float(p.leaves["x"]) for p in again] == x.tolist()


def test_stretched_values_keep_their_properties() -> None:
    leaves = {
        "p": Leaf((4,), frozenset(["positive"])),
        "q": Leaf((4,), frozenset(["in (0, 1)"])),
        "r": Leaf((4,), frozenset(["above 1"])),
        "s": Leaf((3, 3), frozenset(["symmetric"])),
        "t": Leaf((3, 3), frozenset(["one-hot rows"])),
    }
    for point in stress.points(Program([], leaves), (7.0,)):
        p, q, r, s, t = (point.leaves[k] for k in "pqrst")
        assert onp.all(p > 0) and onp.all((q > 0) & (q <= 1)) and onp.all(r > 1)
        assert onp.array_equal(s, s.T) and onp.array_equal(t.sum(axis=1), onp.ones(3))
