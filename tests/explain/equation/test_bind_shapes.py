"""Shapes that nobody wrote down, and what follows from those that were."""

from __future__ import annotations

import pytest

from backlit.explain.equation.binding.network import Networks
from backlit.explain.equation.binding.script import sort
from backlit.explain.equation.sheet import check
from backlit.explain.equation.text.notes import read
from tests.explain.equation.sheets import assert_as_marked, only


def shapes(notes: str, network: int = 0) -> dict[str, tuple[int, ...]]:
    return dict(Networks(sort(read(notes))).at(10**6)[network].shapes)


def test_numbers_where_nothing_needs_more():
    found = shapes("Z = W X + b\nA = σ(Z)\nL = (A - Y)^2\ndW = 2 (A - Y) A (1 - A) X")
    assert set(found.values()) == {()}


def test_examples_as_columns():
    found = shapes(
        "Z1 = W1 X + b1\nA1 = tanh(Z1)\nZ2 = W2 A1 + b2\nA2 = σ(Z2)\nJ = 1/m Σ (A2 - Y)^2\n"
        "dW1 = 1/m dZ1 X^T\ndb1 = 1/m np.sum(dZ1, axis=1, keepdims=True)"
    )
    (h, d), (d2, m), (k, h2) = found["W1"], found["X"], found["W2"]
    assert (d2, h2) == (d, h) and found["b1"] == (h, 1) and found["Y"] == (k, m)
    assert len({h, d, m, k}) == 4 and 1 not in {h, d, m, k}


def test_examples_as_rows():
    found = shapes(
        "Z = X @ W + b\nP = softmax(Z)\nL = -np.sum(Y * np.log(P)) / m\n"
        "dW = X.T @ dZ\ndb = np.sum(dZ, axis=0)"
    )
    (m, d), (d2, k) = found["X"], found["W"]
    assert d2 == d and found["b"] == (k,) and found["Y"] == (m, k)
    assert len({m, d, k}) == 3


def test_one_example_in_vectors():
    found = shapes(r"z = W x + b" "\n" r"p = softmax(z)" "\n" r"L = -y^T \log p" "\n∂L/∂b = p - y")
    (k, d) = found["W"]
    assert found["x"] == (d,) and found["b"] == found["y"] == (k,)


def test_attention():
    found = shapes(
        r"S = Q K^T / \sqrt{d_k}" "\nP = softmax(S, axis=1)\nO = P V\nL = Σ (O - Y)^2\ndV = P^T dO"
    )
    (n, d), (m, d2), (m2, e) = found["Q"], found["K"], found["V"]
    assert (d2, m2) == (d, m) and found["d_k"] == () and found["O"] == (n, e)


def test_wrong_claims_do_not_make_rows_of_matrices():
    """Every claim would fit if all arrays were rows; then nothing would be tested."""
    found = shapes("Z = W X\nJ = Σ Z^2\ndW = X dZ^T\ndW = X^T dZ\ndX = W dZ")
    assert all(n > 1 for shape in found.values() for n in shape)


def test_written_numbers_are_kept_and_others_differ_from_them():
    for network in (0, 1):
        found = shapes("X: (4, m)\nW: (n, 4)\nZ = W X\nL = Σ Z / 2\ndW = dZ X^T", network)
        assert found["X"][0] == found["W"][1] == 4
        assert len({4, 2, found["X"][1], found["W"][0]}) == 4


def test_two_networks_have_different_sizes():
    notes = "X: (n, m)\nw: (n,)\nz = X^T w\nL = Σ z\ndL/dw = X z"
    assert shapes(notes, 0) != shapes(notes, 1)


def test_a_dimension_is_a_number_in_equations():
    assert_as_marked(
        r"""
x: (n,)
\mu = \frac1n Σ x
v = \frac{1}{n-1} Σ (x - \mu)^2
∂\mu/∂x = ones(n)/n   %% right
∂v/∂x = \frac{2}{n-1} (x - \mu)   %% right
∂v/∂x = \frac{2}{n} (x - \mu)   %% wrong
"""
    )


def test_a_coincidence_of_sizes_is_found_out():
    """Whatever n and m are in one network, n + 1 is not m in another."""
    assert_as_marked(
        """
X: (n, m)
L = Σ X
dL/dX = m/m ones((n, m))   %% right
dL/dX = (n - 1)/m ones((n, m))   %% wrong
dL/dX = m/(n + 1) ones((n, m))   %% wrong
dL/dX = (n + 1)/m ones((n, m))   %% wrong
dL/dX = m/(n + 2) ones((n, m))   %% wrong
"""
    )


@pytest.mark.parametrize("properties, verdict", [("one-hot rows", "right"), ("", "wrong")])
def test_properties_matter(properties, verdict):
    notes = f"z: (k,)\ny: (k,) {properties}\np = softmax(z)\nL = -Σ y ⊙ log p\ndL/dz = p - y"
    assert only(notes).verdict == verdict


def test_targets_without_a_header_weigh_a_distribution_like_one():
    sheet = check("p = softmax(z)\nL = -Σ y ⊙ log p\ndL/dz = p - y")
    assert sheet.ok and any("sum to 1" in text for text in sheet.assumptions)


def test_symmetric():
    notes = "A: (n, n)%s\nx: (n,)\nf = x^T A x\n∇_x f = 2 A x"
    assert only(notes % " symmetric").verdict == "right"
    assert only(notes % "").verdict == "wrong"


def test_the_layout_of_a_jacobian_may_be_either():
    assert_as_marked(
        """
W: (2, 3)
x: (3,)
z = W x
a = tanh(z)
∂z/∂x = W   %% right
∂z/∂x = W^T   %% right
∂a/∂z = 1 - a^2   %% right
∂a/∂z = diag(1 - a^2)   %% right
∂a/∂x = diag(1 - a^2) W   %% right
∂a/∂x = W diag(1 - a^2)   %% wrong
"""
    )


def test_vectors_have_outer_and_inner_products():
    assert_as_marked(
        """
W: (2, 3)
x: (3,)
v: (2,)
z = W x
L = v^T tanh(z)
∂L/∂W = (v ⊙ (1 - tanh(z)^2)) x^T   %% right
∂L/∂W = x (v ⊙ (1 - tanh(z)^2))^T   %% wrong
"""
    )


def test_a_one_by_one_matrix_is_a_scalar_loss():
    assert_as_marked(
        """
w: (3, 1)
x: (3, 1)
L = w^T x
dw = x   %% right
dw = x^T   %% wrong
"""
    )


def test_two_headers_that_differ_are_refused():
    sheet = check("X: (3, 4)\nX: (4, 3)\nL = Σ X\ndX = ones((3, 4))")
    assert [(v.line, v.verdict) for v in sheet.verdicts] == [(2, "refused"), (4, "right")]


def test_a_definition_whose_shapes_do_not_fit_is_refused_and_named():
    sheet = check("W: (2, 3)\nx: (4,)\nz = W @ x\nL = Σ z\ndL/dx = W^T z")
    assert [(v.line, v.verdict) for v in sheet.verdicts] == [(3, "refused"), (5, "refused")]
    assert sheet.verdicts[0].kind == "shape" and "line 3" in sheet.verdicts[1].message


@pytest.mark.parametrize("target", ["y", "Y"])
def test_an_output_is_as_wide_as_the_target_it_is_compared_with(target: str) -> None:
    notes = f"""X: (m, n)
{target}: (m, 1)
p = X @ W + b
J = np.mean((p - {target})**2)
dp = 2/m*(p - {target})
dW = X.T @ dp
db = np.sum(dp, axis=0)
"""
    assert [v.verdict for v in check(notes).verdicts] == ["right"] * 3
