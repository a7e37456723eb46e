"""The equations of the five questions come out as the texts they are from were corrected to."""

from __future__ import annotations

import pytest

from backlit.explain.equation.sheet import check
from tests.explain.equation.sheets import assert_as_marked

NEURON = r"""
z = \sum_{i=1}^{n} w_i x_i + b
a = \sigma(z)
L = -[y \log a + (1-y) \log(1-a)]
"""

TWO_TWO_TWO = """
h1 = σ(w1 i1 + w2 i2 + b1)
h2 = σ(w3 i1 + w4 i2 + b1)
o1 = σ(w5 h1 + w6 h2 + b2)
o2 = σ(w7 h1 + w8 h2 + b2)
L = ½ (t1 - o1)² + ½ (t2 - o2)²
"""

LAYERS = r"""
A^{[0]} = X
Z^{[l]} = W^{[l]} A^{[l-1]} + b^{[l]}
A^{[l]} = g^{[l]}(Z^{[l]})
A^{[L]} = \sigma(Z^{[L]})
J = -\frac1m \sum (Y \odot \log A^{[L]} + (1-Y) \odot \log(1-A^{[L]}))
"""

PRINTED = r"""
dZ^{[L]}=A^{[L]}-Y   %% right
dW^{[L]}=\frac1m\,dZ^{[L]}{A^{[L]}}^{T}   %% wrong
db^{[L]}=\frac1m\,\operatorname{np.sum}(dZ^{[L]},\operatorname{axis}=1,\operatorname{keepdims}=\operatorname{True})   %% right
dZ^{[L-1]}={dW^{[L]}}^{T}dZ^{[2]}g'^{[1]}(Z^{[1]})   %% wrong
dW^{[1]}=\frac1m\,dZ^{[1]}{A^{[1]}}^{T}   %% wrong
db^{[1]}=\frac1m\,\operatorname{np.sum}(dZ^{[1]},\operatorname{axis}=1,\operatorname{keepdims}=\operatorname{True})   %% right
"""  # noqa: E501

CORRECTED = r"""
dW^{[L]}=\frac1m\,dZ^{[L]}{A^{[L-1]}}^{T}   %% right
dZ^{[L-1]}={W^{[L]}}^{T}dZ^{[L]}\odot g'^{[L-1]}(Z^{[L-1]})   %% right
dZ^{[l]}={W^{[l+1]}}^{T}dZ^{[l+1]}\odot g'^{[l]}(Z^{[l]})   %% right
dW^{[1]}=\frac1m\,dZ^{[1]}{A^{[0]}}^{T}   %% right
dW^{[1]}=\frac1m\,dZ^{[1]}X^{T}   %% right
dW^{[l]}=\frac1m\,dZ^{[l]}{A^{[l-1]}}^{T}   %% right
"""

SQUARE = """
X: (3, 3)
Y: (3, 3)
m = 3
W^{[1]}: (3, 3)
W^{[2]}: (3, 3)
b^{[1]}: (3, 1)
b^{[2]}: (3, 1)
L = 2
"""


def test_q0_every_step_of_one_neuron():
    assert_as_marked(
        NEURON
        + r"""
\frac{\partial L}{\partial a} = -\frac{y}{a} + \frac{1-y}{1-a}   %% right
\frac{\partial a}{\partial z} = a(1-a)   %% right
\frac{\partial L}{\partial z} = a - y   %% right
\frac{\partial L}{\partial w_i} = (a-y) x_i   %% right
\frac{\partial L}{\partial b} = a - y   %% right
\frac{\partial L}{\partial w_i} = (a-y) w_i   %% wrong
"""
    )


def test_q0_layers_multiply_their_jacobians():
    assert_as_marked(
        r"""
z^{(k)} = w^{(k)} a^{(k-1)} + b^{(k)}
a^{(k)} = \sigma(z^{(k)})
L = \frac12 (a^{(n)} - y)^2
∂L/∂w^{(n-1)} = ∂L/∂a^{(n)} · ∂a^{(n)}/∂z^{(n)} · ∂z^{(n)}/∂a^{(n-1)} · ∂a^{(n-1)}/∂z^{(n-1)} · ∂z^{(n-1)}/∂w^{(n-1)}   %% right
∂L/∂w^{(n-1)} = ∂L/∂a^{(n)} · ∂z^{(n)}/∂a^{(n-1)} · ∂a^{(n-1)}/∂z^{(n-1)} · ∂z^{(n-1)}/∂w^{(n-1)}   %% wrong
"""  # noqa: E501
    )


def test_q0_a_unit_that_feeds_several_units_adds_up_its_paths():
    assert_as_marked(
        """
h = tanh(w x)
p = u h
q = v h
L = p² + sin(q)
dL/dh = dL/dp dp/dh + dL/dq dq/dh   %% right
dL/dh = dL/dp dp/dh   %% wrong
"""
    )


def test_q2_the_same_bias_in_both_layers():
    assert_as_marked(
        """
h = σ(x w₁ + b)
y' = σ(h w₂ + b)
L = ½ Σ (y - y')²
δ₂ = (y'-y) y'(1-y')
∂L/∂w₂ = δ₂ h   %% right
∂L/∂w₁ = δ₂ w₂ h(1-h) x   %% right
∂L/∂b = δ₂ (1 + w₂ h(1-h))   %% right
∂L/∂b = δ₂   %% wrong
"""
    )


def test_q2_summed_over_samples():
    assert_as_marked(
        """
x: (m,)
y: (m,)
w₁: ()
w₂: ()
b: ()
h = σ(x w₁ + b)
y' = σ(h w₂ + b)
L = ½ Σ (y - y')²
δ₂ = (y'-y) ⊙ y' ⊙ (1-y')
∂L/∂w₂ = Σ δ₂ ⊙ h   %% right
∂L/∂w₁ = Σ δ₂ ⊙ w₂ ⊙ h ⊙ (1-h) ⊙ x   %% right
∂L/∂b = Σ δ₂ ⊙ (1 + w₂ h ⊙ (1-h))   %% right
∂L/∂b = δ₂ ⊙ (1 + w₂ h ⊙ (1-h))   %% wrong
"""
    )


def test_q2_the_independent_variable_is_named_and_the_equation_corrected():
    sheet = assert_as_marked(
        TWO_TWO_TWO
        + """
∂L/∂w1 = ∂h1/∂w1·∂o2/∂h1·∂L/∂o2 + ∂h1/∂w1·∂o1/∂h1·∂L/∂o1   %% right
∂L/∂w1 = ∂h1/∂w1·∂w7/∂h1·∂o2/∂w7·∂L/∂o2 + ∂h1/∂w1·∂w5/∂h1·∂o1/∂w5·∂L/∂o1   %% wrong
"""
    )
    right, wrong = sheet.verdicts
    assert wrong.kind == "independent"
    assert wrong.claim[wrong.span[0] : wrong.span[1]] == "∂w7/∂h1"
    for part in ("independent variable", "∂w", "= 0", "the whole right side", "should stand"):
        assert part in wrong.message
    # The suggestion is an equation: read again, it is right.
    (again,) = check(TWO_TWO_TWO + wrong.suggestion).verdicts
    assert again.verdict == "right" and "w7" not in wrong.suggestion.replace("₇", "7")


def test_q2_the_published_numbers():
    assert_as_marked(
        """
i1 = 0.05, i2 = 0.10
w1 = .15, w2 = .20, w3 = .25, w4 = .30, w5 = .40, w6 = .45, w7 = .50, w8 = .55
b1 = .35, b2 = .60
t1 = 0.01, t2 = 0.99
"""
        + TWO_TWO_TWO
        + """
L = 0.298371109
∂L/∂w1 = 0.000438568   %% right
∂L/∂o1 ∂o1/∂h1 ∂h1/∂w1 = 0.000668396
∂L/∂w1 = 0.000668396   %% wrong
∂L/∂w5 = ∂L/∂o1 ∂o1/∂w5   %% right
""".replace("∂L/∂o1 ∂o1/∂h1 ∂h1/∂w1 = 0.000668396\n", "")
    )


def test_q3_a_function_of_a_function_of_a_function():
    assert_as_marked(
        """
y = exp(sin(x²))
y' = 2x cos(x²) exp(sin x²)   %% right
dy/dx = 2x cos(x²) exp(cos x²)   %% wrong
"""
    )


def test_q3_what_is_propagated():
    assert_as_marked(
        r"""
z^{(l)} = W^{(l)} a^{(l-1)} + b^{(l)}
a^{(l)} = g(z^{(l)})
E = \frac12 \sum (a^{(L)} - t)^2
\delta^{(L)} = (a^{(L)} - t) \odot g'(z^{(L)})
\delta^{(l)} = {W^{(l+1)}}^T \delta^{(l+1)} \odot g'(z^{(l)})
∂E/∂z^{(l)} = \delta^{(l)}   %% right
∂E/∂W^{(l)} = \delta^{(l)} {a^{(l-1)}}^T   %% right
∂E/∂z^{(l)} = {W^{(l+1)}}^T ∂E/∂z^{(l+1)} \odot g'(z^{(l)})   %% right
∂E/∂z^{(l)} = {W^{(l+1)}}^T ∂E/∂z^{(l+1)}   %% wrong
"""
    )


def test_q3_without_g_prime_it_is_right_for_linear_units_only():
    assert_as_marked(
        r"""
z^{(l)} = W^{(l)} z^{(l-1)} + b^{(l)}
E = \frac12 \sum (z^{(L)} - t)^2
∂E/∂z^{(l)} = {W^{(l+1)}}^T ∂E/∂z^{(l+1)}   %% right
"""
    )


def test_q3_the_derivative_of_the_sigmoid():
    assert_as_marked(
        """
σ'(z) = σ(z)(1-σ(z))   %% right
σ'(z) = z(1-z)   %% wrong
"""
    )


def test_q3_the_slip_of_passing_the_activation():
    assert_as_marked(
        """
z = w x + b
a = σ(z)
L = ½ (a - y)²
dL/dz = (a - y) σ'(z)   %% right
dL/dz = (a - y) σ'(a)   %% wrong
"""
    )


def test_q4_the_printed_block_for_every_depth():
    sheet = assert_as_marked(LAYERS + PRINTED.strip("\n") + CORRECTED)
    assert "L was tried as 2, 3 and 4." in sheet.assumptions
    assert any("per example" in text for text in sheet.assumptions)


def test_q4_at_two_layers():
    assert_as_marked("L = 2" + LAYERS + PRINTED)


def test_q4_square_layers_hide_nothing_from_values():
    """The slips that pass every check of shapes; the missing ⊙ needs m = the width as well."""
    assert_as_marked(SQUARE + LAYERS + PRINTED)


def test_q4_the_transpose_of_the_gradient_for_that_of_the_weights():
    sheet = assert_as_marked(
        LAYERS + r"dZ^{[L-1]}={dW^{[L]}}^{T}dZ^{[L]}\odot g'^{[L-1]}(Z^{[L-1]})   %% wrong"
    )
    assert sheet.verdicts[0].kind != "shape"


@pytest.mark.parametrize(
    ("output", "loss", "claim", "verdict"),
    [
        (r"\sigma(Z)", r"-\frac1m \sum (Y \odot \log A + (1-Y) \odot \log(1-A))", "A - Y", "right"),
        (r"softmax(Z, axis=0)", r"-\frac1m \sum Y \odot \log A", "A - Y", "right"),
        ("Z", r"\frac{1}{2m} \sum (A - Y)^2", "A - Y", "right"),
        (r"\sigma(Z)", r"\frac{1}{2m} \sum (A - Y)^2", "A - Y", "wrong"),
        (r"\sigma(Z)", r"\frac{1}{2m} \sum (A-Y)^2", r"(A - Y) \odot A \odot (1-A)", "right"),
    ],
)
def test_q4_where_the_first_line_is_right(output, loss, claim, verdict):
    sheet = check(f"Z = W X + b\nA = {output}\nJ = {loss}\ndZ = {claim}\ndW = \\frac1m dZ X^T")
    assert [v.verdict for v in sheet.verdicts] == [verdict, "right"]


def test_q4_the_chain_rule_as_the_reply_printed_it():
    assert_as_marked(
        """
(f(g(x)))' = f'(x)·g'(x)   %% wrong
(f(g(x)))' = f'(g(x))·g'(x)   %% right
"""
    )


def test_q4_the_stable_loss_gives_the_same_derivative():
    assert_as_marked(
        """
a = σ(z)
L = max(z, 0) - z y + log(1 + e^{-|z|})
dL/dz = a - y   %% right
"""
    )


def test_q4_the_bias_is_not_a_constant():
    assert_as_marked(
        """
z = w x + b
a = σ(z)
L = -(y log a + (1-y) log(1-a))
dL/da = -y/a + (1-y)/(1-a)   %% right
dL/dz = dL/da da/dz = a - y   %% right
dL/dw = (a - y) x   %% right
dz/db = 1   %% right
dz/db = 0   %% wrong
dL/db = a - y   %% right
"""
    )


def test_elsewhere_a_factor_that_equal_weights_hide():
    """With every weight one half the two are equal; at random points they are not."""
    assert_as_marked(
        """
w1 = 0.5
w2 = 0.5
w3 = 0.5
h = w1 x
p = w2 h
q = w3 p
L = q
dL/dw1 = w3 w2 x   %% right
dL/dw1 = w2 w2 x   %% wrong
"""
    )


def test_elsewhere_one_over_m_in_both_places():
    marked = """
X: (3, m)
Y: (2, m)
Z = W X + b
A = σ(Z)
J = -1/m Σ (Y ⊙ log A + (1-Y) ⊙ log(1-A))
dZ = 1/m (A - Y)   %% right
dW = 1/m dZ X^T   %% wrong
dW = dZ X^T   %% right
"""
    wrong = assert_as_marked(marked).verdicts[1]
    assert wrong.kind == "one-over-m" and "1/m" in wrong.message
