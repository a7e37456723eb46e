"""The nearest right equation: spoilt claims are mended by the very edit, or an equal one."""

from __future__ import annotations

import pytest

from backlit.explain.equation.mending.edits import edits
from backlit.explain.equation.mending.surroundings import Surroundings
from backlit.explain.equation.sheet import check
from backlit.explain.equation.tree import Binary, Name, Transpose

ROWS = """X: (m, 3)
Y: (m, 2)
W1: (3, 4)
W2: (4, 2)
b1: (4,)
b2: (2,)
Z1 = X @ W1 + b1
A1 = np.tanh(Z1)
Z2 = A1 @ W2 + b2
J = np.sum((Z2 - Y)**2) / (2*m)
"""
NEURON = """z = w x + b
a = σ(z)
L = -(y log a + (1-y) log(1-a))
"""
SLIPS = [
    (ROWS, "dW2 = A1.T @ (Z2 - Y) / m", "dW2 = A1 @ (Z2 - Y) / m", {"transpose"}),
    (ROWS, "dW2 = A1.T @ (Z2 - Y) / m", "dW2 = (Z2 - Y) @ A1.T / m", {"transpose"}),
    (ROWS, "dW2 = A1.T @ (Z2 - Y) / m", "dW2 = A1.T @ (Z2 - Y)", {"one-over-m"}),
    (ROWS, "dW2 = A1.T @ (Z2 - Y) / m", "dW2 = A1.T @ (Y - Z2) / m", {"sign"}),
    (ROWS, "dW2 = A1.T @ (Z2 - Y) / m", "dW2 = 2 * A1.T @ (Z2 - Y) / m", {"factor"}),
    (ROWS, "dW2 = A1.T @ (Z2 - Y) / m", "dW2 = Z1.T @ (Z2 - Y) / m", {"symbol", "index"}),
    (
        ROWS,
        "∂J/∂b2 = np.sum(Z2 - Y, axis=0) / m",
        "∂J/∂b2 = np.sum(Z2 - Y, axis=1) / m",
        {"axis"},
    ),
    (
        ROWS,
        "∂J/∂Z1 = ((Z2 - Y) @ W2.T) * (1 - A1**2) / m",
        "∂J/∂Z1 = ((Z2 - Y) @ W2.T) / m",
        {"path"},
    ),
    (
        ROWS,
        "∂J/∂Z1 = ((Z2 - Y) @ W2.T) * (1 - A1**2) / m",
        "∂J/∂Z1 = ((Z2 - Y) @ W2.T) * (1 - Z1**2) / m",
        {"activation-for-preactivation"},
    ),
    (
        ROWS,
        "∂J/∂W1 = X.T @ (((Z2 - Y) @ W2.T) * (1 - A1**2)) / m",
        "∂J/∂W1 = X.T @ (((Z2 - Y) @ W2) * (1 - A1**2)) / m",
        {"transpose"},
    ),
    (NEURON, "dL/dz = a - y", "dL/dz = a + y", {"sign"}),
    (NEURON, "dL/dw = (a - y) x", "dL/dw = (a - y) w", {"symbol"}),
    (NEURON, "dL/dw = (a - y) x", "dL/dw = (a - y)", {"path"}),
    (NEURON, "da/dz = a (1 - a)", "da/dz = z (1 - z)", {"activation-for-preactivation"}),
]


@pytest.mark.parametrize(("notes", "right", "wrong", "kinds"), SLIPS)
def test_a_slip_is_named_and_mended(notes: str, right: str, wrong: str, kinds: set[str]) -> None:
    truth = check(notes + right).verdicts[-1]
    assert truth.verdict == "right"
    assert truth.kind is None
    found = check(notes + wrong).verdicts[-1]
    assert found.verdict == "wrong"
    assert found.kind in kinds
    assert found.suggestion is not None
    # What is suggested is itself a claim, and a right one.
    mended = check(notes + found.suggestion).verdicts[-1]
    assert mended.verdict == "right"
    start, end = found.span
    assert 0 <= start < end <= len(wrong)


def test_a_missing_path_is_added() -> None:
    notes = """h = σ(w1 x)
o1 = σ(w5 h)
o2 = σ(w7 h)
L = ½ ((o1 - y1)^2 + (o2 - y2)^2)
"""
    claim = "∂L/∂h = (o1 - y1) o1 (1 - o1) w5"
    found = check(notes + claim).verdicts[-1]
    assert (found.verdict, found.kind) == ("wrong", "path")
    assert found.suggestion is not None
    assert check(notes + found.suggestion).verdicts[-1].verdict == "right"


def test_where_no_edit_helps_the_chain_rule_is_told() -> None:
    found = check(NEURON + "dL/dw = exp(x) + w^3 b - 7").verdicts[-1]
    assert (found.verdict, found.kind) == ("wrong", "other")
    assert found.suggestion is not None
    assert check(NEURON + found.suggestion).verdicts[-1].verdict == "right"


def test_what_nothing_mends_is_wrong_without_a_suggestion() -> None:
    notes = "A: (3, 3)\nL = det(A)\n∂L/∂A = exp(A)"
    found = check(notes).verdicts[-1]
    assert (found.verdict, found.kind, found.suggestion) == ("wrong", "other", None)


BLOCK = r"""Z^{[l]} = W^{[l]} A^{[l-1]} + b^{[l]}
A^{[l]} = g^{[l]}(Z^{[l]})
A^{[L]} = \sigma(Z^{[L]})
A^{[0]} = X
J = -\frac1m \sum (Y \odot \log A^{[L]} + (1-Y) \odot \log(1 - A^{[L]}))
X: (n, m)
Y: (k, m)
"""


@pytest.mark.parametrize(
    ("notes", "claim", "kind", "told"),
    [
        # What is said of each has to name the slips that were made.
        (
            BLOCK,
            r"dZ^{[L-1]}={dW^{[L]}}^{T}dZ^{[2]}g'^{[1]}(Z^{[1]})",
            "symbol",
            ["4 slips", "dW^{[L]}", "dZ^{[2]}", "elementwise", "Z^{[L - 1]}"],
        ),
        ("y = f(g(x))\n", "dy/dx = f'(x) g'(x)", "symbol", ["f'(g(x))"]),
        ("h = w₁ x\np = w₂ h\nL = w₃ p\n", "dL/dw₁ = x", "path", ["w₂", "w₃", "missing"]),
        ("z = w x + b\n", "dz/db = 0", "path", ["‘1’"]),
        ("y = exp(sin(x²))\n", "dy/dx = cos(x²) exp(sin x²)", "path", ["2 x", "missing"]),
        (
            "z = f(x, y)\nL = g(z)\n",
            "∂L/∂y = ∂L/∂z · ∂z/∂x",
            "symbol",
            ["∂z/∂x", "∂z/∂y"],
        ),
        (NEURON, "dL/dz = a", "path", ["‘y’", "missing"]),
        ("q = 1 - η x² + c w\n", "dq/dx = 1 - 2 η x", "path", ["one too many"]),
    ],
)
def test_what_is_said_names_the_slip(notes: str, claim: str, kind: str, told: list[str]) -> None:
    found = check(notes + claim).verdicts[-1]
    assert (found.verdict, found.kind) == ("wrong", kind)
    assert all(words in found.message for words in told), found.message
    assert found.suggestion is not None
    assert check(notes + found.suggestion).verdicts[-1].verdict == "right"


def test_every_edit_changes_one_place() -> None:
    product = Binary("@", Transpose(Name("W")), Name("x"))
    around = Surroundings((Name("z"),), (Name("m"),), ())
    found = list(edits(product, around))
    assert len({edit.whole for edit in found}) == len(found)
    assert product not in {edit.whole for edit in found}
    kinds = {edit.kind for edit in found}
    assert {"transpose", "elementwise", "sign", "factor", "one-over-m", "symbol"} <= kinds


def test_what_holds_for_symmetric_matrices_is_said() -> None:
    verdict = check("x: (n,)\nA: (n, n)\nf = x^T A x\n∂f/∂x = 2 A x").verdicts[0]
    assert verdict.verdict == "wrong" and "holds where A is symmetric" in verdict.message
    assert check("x: (n,)\nA: (n, n) symmetric\nf = x^T A x\n∂f/∂x = 2 A x").ok


@pytest.mark.parametrize(
    ("right", "told"),
    [
        ("∑_i (a^{(i)} - y^{(i)})", "The factor ‘x^{(i)}’ of the chain rule is missing."),
        ("(a^{(1)} - y^{(1)}) x^{(1)}", ""),
    ],
)
def test_what_is_missing_below_a_sum(right: str, told: str) -> None:
    notes = (
        "z^{(i)} = w x^{(i)} + b\na^{(i)} = σ(z^{(i)})\n"
        "J = -∑_{i=1}^m (y^{(i)} log a^{(i)} + (1 - y^{(i)}) log(1 - a^{(i)}))\n"
    )
    verdict = check(f"{notes}∂J/∂w = {right}").verdicts[0]
    assert verdict.verdict == "wrong"
    assert told in verdict.message
    if told:
        assert check(f"{notes}{verdict.suggestion}").ok


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("(o_k - t_k) v_{kj} h_j (1 - h_j) x_i", "The sum over ‘k’ is missing"),
        ("Σ_k (o_k - t_k) h_j (1 - h_j) x_i", "The factor ‘vₖⱼ’ of the chain rule is missing."),
        ("Σ_k (o_k - t_k) v_{kj} x_i", "of the chain rule is missing."),
    ],
)
def test_sums_over_units(wrong: str, told: str) -> None:
    notes = "h_j = σ(Σ_i w_{ji} x_i)\no_k = Σ_j v_{kj} h_j\nE = ½ Σ_k (t_k - o_k)²\n"
    verdict = check(f"{notes}∂E/∂w_{{ji}} = {wrong}").verdicts[0]
    assert verdict.verdict == "wrong" and told in verdict.message
    assert verdict.suggestion is not None and check(f"{notes}{verdict.suggestion}").ok


def test_fractions_of_a_suggestion_are_cancelled() -> None:
    verdict = check("K = Σ p_i log(p_i/q_i)\n∂K/∂p_i = log(p_i/q_i)").verdicts[0]
    assert verdict.suggestion == "∂K/∂pᵢ = log(pᵢ/qᵢ) + 1"


PERCEPTRON = "W: (k, n)\nx: (n,)\nz = W @ x + b\nL = 0.5 * np.sum((z - y)**2)\n"
REGRESSION = "X: (n, p)\nW: (p, k)\nT: (n, k)\nY = X @ W + b\nL = 0.5 * np.sum((Y - T)**2)\n"
INTERCEPT = "X: (n, p)\nw: (p,)\nb: ()\ny: (n,)\nz = X w + b\na = σ(z)\nL = sum((a - y)²)\n"
RECURRENT = "h_t = tanh(W x_t + U h_{t-1})\no_t = V h_t\nL = ½ \\sum_t ‖o_t - y_t‖²\n"
DEEP = "z1 = w1 x + b1\na1 = σ(z1)\nz2 = w2 a1 + b2\na2 = σ(z2)\nz3 = w3 a2 + b3\nL = ½ (z3 - y)²\n"


@pytest.mark.parametrize(
    ("notes", "claim", "suggestion"),
    [
        # Where examples share a bias, the sum over them.
        (REGRESSION, "db = dY", "db = np.sum(dY, axis=0)"),
        (REGRESSION, "db = Y - T", "db = np.sum(Y - T, axis=0)"),
        (INTERCEPT, "∂L/∂b = ∂L/∂a · ∂a/∂z", "∂L/∂b = sum(∂L/∂a · ∂a/∂z)"),
        (INTERCEPT, "∂L/∂b = 2 (a - y) a (1 - a)", "∂L/∂b = sum(2 (a - y) ⊙ a ⊙ (1 - a))"),
        # What is suggested for a program is a program.
        (PERCEPTRON, "dW = dz * x", "dW = np.outer(dz, x)"),
        (PERCEPTRON, "dx = W @ dz", "dx = W.T @ dz"),
        (REGRESSION, "dX = Y - T", "dX = (Y - T) @ W.T"),
        # The path through the next step.
        (
            RECURRENT,
            "∂L/∂h_t = V^T (o_t - y_t)",
            "∂L/∂hₜ = Vᵀ (oₜ - yₜ) + Uᵀ (∂L/∂h_{t + 1} ⊙ (1 - h_{t + 1}²))",
        ),
        # Two factors, without brackets that products do not need.
        (DEEP, "∂L/∂w1 = (z3 - y) w3 w2 x", "∂L/∂w1 = (z3 - y) w3 w2 x a2 (1 - a2) a1 (1 - a1)"),
        # Neither two columns side by side nor a path that is nought.
        ("w: (p,)\nλ: ()\nL = λ sum(|w|)\n", "∂L/∂λ = sign(w)", "∂L/∂λ = sum(|w|)"),
        ("x: (n,)\nA: (n, n)\nf = x^T A x\n", "∂f/∂x = A x + x A", "∂f/∂x = A x + Aᵀ x"),
        # Terms that are alike are put together, and letters that are taken are not used again.
        ("μ = σ(η)\n", "d²μ/dη² = μ (1 - μ)", "∂²μ/∂η² = (1 - 2 μ) (μ (1 - μ))"),
        (
            "x: (n,)\nf = log Σ_i exp(x_i)\n",
            "∂f/∂x_i = exp(x_i) / f",
            "∂f/∂xᵢ = exp(xᵢ)/(∑_{j} exp(xⱼ))",
        ),
    ],
)
def test_what_is_suggested(notes: str, claim: str, suggestion: str) -> None:
    found = check(notes + claim).verdicts[-1]
    assert (found.verdict, found.suggestion) == ("wrong", suggestion)
    assert check(notes + suggestion).verdicts[-1].verdict == "right"


def test_derivatives_off_the_path_are_not_suggested() -> None:
    notes = "X: (n, p)\nb: ()\ny: (n,)\nr = y - b\nL = rᵀr/2\n"
    found = check(f"{notes}∂L/∂b = -2 r").verdicts[-1]
    assert found.suggestion == "∂L/∂b = -sum(r)"
    assert "sum over the examples is missing" in found.message


def test_brackets_are_said_to_be_missing() -> None:
    notes = "h_1 = tanh(W x_1)\nh_2 = tanh(W x_2 + U h_1)\nL = ½ ‖h_2 - y‖²\n"
    found = check(f"{notes}∂L/∂h_1 = U^T (h_2 - y) ⊙ (1 - h_2²)").verdicts[-1]
    assert found.suggestion == "∂L/∂h₁ = Uᵀ ((h₂ - y) ⊙ (1 - h₂²))"
    assert "Brackets are missing" in found.message


def test_a_number_is_said_to_be_one() -> None:
    found = check("y = (x - d)²\ndy/dx = 7").verdicts[-1]
    assert "is the number 7" in found.message and "2 (x - d)" in found.message


def test_a_misspelt_variable_gets_the_nearest_names() -> None:
    (verdict,) = check("L = ½ (α w - y)²\ndL/dalpah = (α w - y) w").verdicts
    assert (verdict.verdict, verdict.suggestion) == ("refused", "did you mean α?")
