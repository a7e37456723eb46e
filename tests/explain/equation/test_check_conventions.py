"""What bare derivatives mean, 1/m in one place or the other, definitions between claims."""

from __future__ import annotations

import pytest

from backlit.explain.equation.sheet import check
from tests.explain.equation.sheets import assert_as_marked

AVERAGED = """
X: (3, m)
Y: (2, m)
Z1 = W1 @ X + b1
A1 = np.tanh(Z1)
Z2 = W2 @ A1 + b2
A2 = sigmoid(Z2)
J = -1/m * np.sum(Y*np.log(A2) + (1-Y)*np.log(1-A2))
"""

PER_EXAMPLE = """
dZ2 = A2 - Y   %% right
dW2 = 1/m * dZ2 @ A1.T   %% right
db2 = 1/m * np.sum(dZ2, axis=1, keepdims=True)   %% right
dZ1 = W2.T @ dZ2 * (1 - A1**2)   %% right
dW1 = 1/m * dZ1 @ X.T   %% right
db1 = 1/m * np.sum(dZ1, axis=1, keepdims=True)   %% right
"""

OF_THE_AVERAGE = """
dZ2 = 1/m * (A2 - Y)   %% right
dW2 = dZ2 @ A1.T   %% right
db2 = np.sum(dZ2, axis=1, keepdims=True)   %% right
dZ1 = W2.T @ dZ2 * (1 - A1**2)   %% right
dW1 = dZ1 @ X.T   %% right
"""


@pytest.mark.parametrize("claims", [PER_EXAMPLE, OF_THE_AVERAGE])
def test_both_conventions_are_right(claims):
    assert_as_marked(AVERAGED + claims)


def test_the_conventions_do_not_mix():
    first = assert_as_marked(
        AVERAGED
        + """
dZ2 = A2 - Y   %% right
dW2 = dZ2 @ A1.T   %% wrong
dZ1 = 1/m * W2.T @ dZ2 * (1 - A1**2)   %% wrong
"""
    )
    assert [v.kind for v in first.verdicts] == [None, "one-over-m", "one-over-m"]
    second = assert_as_marked(
        AVERAGED
        + """
dZ2 = 1/m * (A2 - Y)   %% right
dW2 = 1/m * dZ2 @ A1.T   %% wrong
"""
    )
    assert second.verdicts[1].kind == "one-over-m"
    assert "once too often" in second.verdicts[1].message


def test_fractions_are_exact_in_either_convention():
    assert_as_marked(
        AVERAGED
        + """
dZ2 = A2 - Y   %% right
∂J/∂Z2 = A2 - Y   %% wrong
∂J/∂Z2 = 1/m (A2 - Y)   %% right
∂J/∂W2 = 1/m dZ2 A1^T   %% right
∂J/∂W2 = ∂J/∂Z2 A1^T   %% right
∂J/∂W2 = 1/m ∂J/∂Z2 A1^T   %% wrong
"""
    )


def test_a_claim_that_tells_nothing_fixes_nothing():
    """The recursion holds in both conventions; the line after it decides."""
    assert_as_marked(
        AVERAGED
        + """
dZ1 = W2.T @ dZ2 * (1 - A1**2)   %% right
dZ2 = 1/m * (A2 - Y)   %% right
dW1 = dZ1 @ X.T   %% right
dW1 = 1/m * dZ1 @ X.T   %% wrong
"""
    )


def test_a_wrong_first_line_leaves_it_to_the_others():
    sheet = assert_as_marked(
        AVERAGED
        + """
dZ2 = Y - A2   %% wrong
dW2 = 1/m * dZ2 @ A1.T   %% right
"""
    )
    wrong, right = sheet.verdicts
    assert wrong.kind == "sign" and f"line {wrong.line}" in right.message


def test_only_an_average_has_derivatives_per_example():
    assert_as_marked(
        """
X: (3, m)
Y: (2, m)
Z = W X
J = Σ (Z - Y)^2
dZ = 2 (Z - Y)   %% right
dZ = 2 m (Z - Y)   %% wrong
"""
    )


def test_the_mean_of_numpy_is_an_average_too():
    assert_as_marked(
        """
X: (m, 3)
y: (m,)
w: (3,)
z = X @ w
J = np.mean((z - y)**2)
dz = 2*(z - y)   %% right
dw = X.T @ dz / m   %% right
dw = X.T @ dz   %% wrong
"""
    )


def test_examples_written_one_by_one():
    assert_as_marked(
        r"""
z^{(i)} = w^T x^{(i)} + b
a^{(i)} = σ(z^{(i)})
J = -\frac{1}{m} \sum_{i=1}^{m} (y^{(i)} \log a^{(i)} + (1-y^{(i)}) \log(1-a^{(i)}))
dz^{(i)} = a^{(i)} - y^{(i)}   %% right
dw = \frac{1}{m} \sum_{i=1}^m x^{(i)} dz^{(i)}   %% right
db = \sum_{i=1}^m dz^{(i)}   %% wrong
∂J/∂z^{(i)} = a^{(i)} - y^{(i)}   %% wrong
∂J/∂w_j = \frac1m \sum_{i=1}^m (a^{(i)} - y^{(i)}) x_j^{(i)}   %% right
"""
    )


def test_bare_derivatives_are_of_the_last_scalar():
    assert_as_marked(
        """
z = w x
C = (z - y)^2
R = λ w^2
J = C + R
dw = 2 (z - y) x + 2 λ w   %% right
dw = 2 (z - y) x   %% wrong
dz = 2 (z - y)   %% right
∂C/∂w = 2 (z - y) x   %% right
"""
    )


def test_without_a_loss_the_last_scalar_is_meant():
    assert_as_marked(
        """
z = w x + b
a = σ(z)
dw = a (1 - a) x   %% right
da = 1   %% wrong
"""
    )


def test_a_definition_between_claims_is_no_loss():
    sheet = assert_as_marked(
        """
h = σ(w1 x)
o = σ(w2 h)
L = ½ (y - o)²
delta2 = (o - y)*o*(1 - o)
dw2 = delta2*h   %% right
delta1 = delta2*w2*h*(1 - h)
dw1 = delta1*x   %% right
dw1 = delta2*x   %% wrong
"""
    )
    assert any("is of L" in text for text in sheet.assumptions)


def test_definitions_made_of_derivatives_stand_for_their_values():
    assert_as_marked(
        """
h = σ(w1 x)
o = σ(w2 h)
L = ½ (y - o)²
g = ∂L/∂o o (1 - o)
k = g w2
dw2 = g h   %% right
dh = k   %% right
dh = g   %% wrong
"""
    )


def test_a_wrong_definition_makes_the_claim_wrong():
    assert_as_marked(
        """
o = σ(w h)
L = ½ (y - o)²
delta = (y - o)*o*(1 - o)
dw = delta*h   %% wrong
"""
    )


def test_an_update_defines_nothing():
    assert_as_marked(
        """
z = w x + b
L = (z - y)²
dw = 2 (z - y) x   %% right
w = w - α dw
b := b - α db
dw = 2 (z - y) x   %% right
db = 2 (z - y)   %% right
"""
    )


def test_a_new_definition_holds_from_its_line_on():
    assert_as_marked(
        """
z = w x + b
a = σ(z)
L = (a - y)²
dL/dz = 2 (a - y) a (1 - a)   %% right
a = tanh(z)
dL/dz = 2 (a - y) a (1 - a)   %% wrong
dL/dz = 2 (a - y) (1 - a²)   %% right
"""
    )


def test_definitions_may_come_after_the_claims():
    assert_as_marked("dL/dw = 2 (z - y) x   %% right\nz = w x\nL = (z - y)²")


def test_each_claim_is_judged_by_the_true_derivatives_above_it():
    """The first error is told apart from what it dragged along."""
    sheet = assert_as_marked(
        AVERAGED
        + """
dZ2 = A2 - Y   %% right
dZ1 = W2.T @ dZ2   %% wrong
dW1 = 1/m * dZ1 @ X.T   %% right
dW1 = 1/m * W2.T @ (A2 - Y) @ X.T   %% wrong
"""
    )
    _, wrong, carried, dragged = sheet.verdicts
    assert f"line {wrong.line} has wrong" in carried.message
    assert f"follows from line {wrong.line}" in dragged.message
    assert "line" not in wrong.message


def test_a_chain_is_one_claim():
    sheet = check(
        "z = w x\na = σ(z)\nL = (a - y)²\n"
        "∂L/∂w = ∂L/∂a · ∂a/∂z · ∂z/∂w = 2 (a - y) a (1 - a) x\n"
        "∂L/∂w = ∂L/∂a · ∂a/∂z · ∂z/∂w = 2 (a - y) a (1 + a) x"
    )
    right, wrong = sheet.verdicts
    assert (right.verdict, wrong.verdict) == ("right", "wrong")
    assert wrong.claim[wrong.span[0] :] == "2 (a - y) a (1 + a) x"


def test_numbers_are_compared_where_the_notes_evaluate_them():
    assert_as_marked(
        """
w = 0.5
x = 2
y = 0.25
z = w x
L = (z - y)²
dL/dz = 1.5   %% right
dL/dw = 3.0   %% right
dL/dw = 3.1   %% wrong
dz/dx = 0.5   %% right
"""
    )


def test_a_number_is_rounded_in_its_last_place():
    notes = "w = 0.3\nx = 0.7\na = σ(w x)\nda/dw = {}"  # 0.17308...
    for written, verdict in [("0.173", "right"), ("0.1731", "right"), ("0.1732", "wrong")]:
        assert check(notes.format(written)).verdicts[0].verdict == verdict
    for written in ("0", "0.2", "1"):
        assert check(notes.format(written)).verdicts[0].verdict == "wrong"


def test_a_name_for_a_derivative_makes_claims_of_the_lines_about_it():
    notes = "z = w x + b\nL = ½ z²\nδ = ∂L/∂z\n"
    found = check(notes + "δ = -z\nδ = z\n∂L/∂w = δ x").verdicts
    assert [v.verdict for v in found] == ["wrong", "right", "right"]
    assert found[0].kind == "sign"
    chain = check("z = w x + b\nL = ½ z²\nδ = ∂L/∂z = 3 z").verdicts
    assert [(v.verdict, v.kind) for v in chain] == [("wrong", "factor")]
    # The other way round: a formula first, and then what it is said to be.
    turned = check("z = w x\nL = ½ z²\nδ = z\nδ = ∂L/∂z\nδ = ∂L/∂w").verdicts
    assert [v.verdict for v in turned] == ["right", "wrong"]


def test_names_for_derivatives_have_layers():
    notes = r"""Z^{[l]} = W^{[l]} A^{[l-1]} + b^{[l]}
A^{[l]} = g(Z^{[l]})
A^{[0]} = x
L = ½ ‖A^{[L]} - y‖²
\delta^{[l]} = \frac{\partial L}{\partial Z^{[l]}}
\delta^{[L]} = (A^{[L]} - y) \odot g'(Z^{[L]})
\delta^{[l]} = W^{[l+1]T} \delta^{[l+1]} \odot g'(Z^{[l]})
\delta^{[l]} = W^{[l]T} \delta^{[l+1]} \odot g'(Z^{[l]})
"""
    found = check(notes).verdicts
    assert [(v.verdict, v.kind) for v in found] == [
        ("right", None),
        ("right", None),
        ("wrong", "index"),
    ]


def test_a_tab_is_a_space():
    found = check("z\t=\tw\tx\t+\tb\ndz/dw\t=\tx").verdicts
    assert [v.verdict for v in found] == ["right"]
