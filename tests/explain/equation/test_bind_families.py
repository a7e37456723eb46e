"""Layers, time steps and examples: one equation for all of them."""

from __future__ import annotations

from backlit.explain.equation.binding.families import sizes_to_try
from backlit.explain.equation.binding.network import Networks
from backlit.explain.equation.binding.script import sort
from backlit.explain.equation.sheet import check
from backlit.explain.equation.text.notes import read
from tests.explain.equation.sheets import assert_as_marked

LAYERS = r"""
z^{[l]} = W^{[l]} a^{[l-1]} + b^{[l]}
a^{[l]} = g^{[l]}(z^{[l]})
E = \frac12 \sum (a^{[L]} - t)^2
"""


def test_every_number_of_layers_is_tried():
    networks = Networks(sort(read(LAYERS)))
    tried = sizes_to_try(networks.letters, {})
    assert [dict(s.constants) for s in tried] == [{"L": 2}, {"L": 3}, {"L": 4}]
    assert [len(scene.binding.defined) for scene in networks.at(99)] == [5, 7, 9]


def test_a_written_number_is_the_only_one():
    assert_as_marked(
        "L = 3"
        + LAYERS
        + r"""
∂E/∂z^{[3]} = (a^{[3]} - t) ⊙ g'^{[3]}(z^{[3]})   %% right
∂E/∂z^{[2]} = (a^{[2]} - t) ⊙ g'^{[2]}(z^{[2]})   %% wrong
∂E/∂z^{[4]} = (a^{[4]} - t) ⊙ g'^{[4]}(z^{[4]})   %% refused
"""
    )


def test_a_claim_holds_for_every_layer_or_is_wrong():
    """(L − l = 1 would hide it) the sum of what is right in the last but one layer only."""
    assert_as_marked(
        LAYERS
        + r"""
∂E/∂z^{[l]} = {W^{[l+1]}}^T ∂E/∂z^{[l+1]} ⊙ g'^{[l]}(z^{[l]})   %% right
∂E/∂z^{[l]} = {W^{[l+1]}}^T ((a^{[L]} - t) ⊙ g'^{[L]}(z^{[L]})) ⊙ g'^{[l]}(z^{[l]})   %% wrong
∂E/∂z^{[L-1]} = {W^{[L]}}^T ((a^{[L]} - t) ⊙ g'^{[L]}(z^{[L]})) ⊙ g'^{[L-1]}(z^{[L-1]})   %% right
∂E/∂W^{[l]} = ∂E/∂z^{[l]} {a^{[l-1]}}^T   %% right
∂E/∂W^{[l]} = ∂E/∂z^{[l]} {a^{[l]}}^T   %% wrong
∂E/∂W^{[l]} = ∂E/∂z^{[l+1]} {a^{[l]}}^T   %% wrong
"""
    )


def test_layers_that_a_page_shows_as_dots():
    assert_as_marked(
        r"""
Z^{[1]} = W^{[1]} X + b^{[1]}
A^{[1]} = \tanh(Z^{[1]})
Z^{[2]} = W^{[2]} A^{[1]} + b^{[2]}
A^{[2]} = \tanh(Z^{[2]})
…
Z^{[L]} = W^{[L]} A^{[L-1]} + b^{[L]}
A^{[L]} = σ(Z^{[L]})
J = \frac{1}{2m} \sum (A^{[L]} - Y)^2
∂J/∂Z^{[L]} = \frac1m (A^{[L]} - Y) ⊙ A^{[L]} ⊙ (1 - A^{[L]})   %% right
∂J/∂Z^{[1]} = {W^{[2]}}^T ∂J/∂Z^{[2]} ⊙ (1 - A^{[1]} ⊙ A^{[1]})   %% right
∂J/∂W^{[L]} = ∂J/∂Z^{[L]} {A^{[L-1]}}^T   %% right
"""
    )


def test_the_last_layer_is_not_the_one_that_is_defined_otherwise():
    """The second layer is tanh and the last one σ: there are at least three."""
    sheet = check(
        r"A^{[l]} = \tanh(W^{[l]} A^{[l-1]})"
        "\n"
        r"A^{[2]} = \sin(W^{[2]} A^{[1]})"
        "\n"
        r"A^{[L]} = σ(W^{[L]} A^{[L-1]})"
        "\n"
        r"J = \sum A^{[L]}"
        "\n"
        r"∂J/∂A^{[L]} = A^{[L]} ⊘ A^{[L]}".replace("⊘", "/")
    )
    assert "L was tried as 3, 4 and 5." in sheet.assumptions and sheet.ok


def test_recurrent_networks():
    assert_as_marked(
        r"""
a_t = W_{hh} h_{t-1} + W_{xh} x_t + b
h_t = tanh(a_t)
o_t = W_{hy} h_t + c
E_t = \frac12 \sum (o_t - y_t)^2
E = \sum_{t=1}^{T} E_t
∂E/∂o_t = o_t - y_t   %% right
∂E/∂c = \sum_{t=1}^{T} (o_t - y_t)   %% right
∂E/∂h_T = W_{hy}^T (o_T - y_T)   %% right
∂E/∂h_t = W_{hh}^T ∂E/∂a_{t+1} + W_{hy}^T (o_t - y_t)   %% right
∂E/∂h_t = W_{hy}^T (o_t - y_t)   %% wrong
∂E/∂a_t = (1 - h_t^2) ⊙ ∂E/∂h_t   %% right
∂E/∂W_{hh} = \sum_{t=1}^{T} ∂E/∂a_t h_{t-1}^T   %% right
∂E/∂W_{hh} = \sum_{t=1}^{T} ∂E/∂a_t h_{t}^T   %% wrong
∂E/∂W_{xh} = \sum_{t=1}^{T} ∂E/∂a_t x_t^T   %% right
∂E_T/∂h_T = W_{hy}^T (o_T - y_T)   %% right
∂h_t/∂a_t = 1 - h_t^2   %% right
"""
    )


def test_one_step_of_a_recurrence():
    assert_as_marked(
        r"""
h_t = \tanh(w h_{t-1} + u x_t)
∂h_t/∂h_{t-1} = (1 - h_t^2) w   %% right
∂h_t/∂x_t = (1 - h_t^2) u   %% right
∂h_t/∂x_t = (1 - h_t^2) w   %% wrong
"""
    )


def test_sizes_of_layers_are_named_by_layer():
    assert_as_marked(
        r"""
W^{[l]}: (n^{[l]}, n^{[l-1]})
b^{[l]}: (n^{[l]}, 1)
X: (n^{[0]}, m)
A^{[0]} = X
Z^{[l]} = W^{[l]} A^{[l-1]} + b^{[l]}
A^{[l]} = \tanh(Z^{[l]})
J = \frac1m \sum A^{[L]}
∂J/∂b^{[l]} = sum(∂J/∂Z^{[l]}, axis=1, keepdims=True)   %% right
∂J/∂b^{[l]} = sum(∂J/∂Z^{[l]}, axis=0, keepdims=True)   %% wrong
∂J/∂W^{[l]} = ∂J/∂Z^{[l]} {A^{[l-1]}}^T   %% right
"""
    )


def test_a_sum_over_the_layers():
    assert_as_marked(
        LAYERS
        + r"""
J = E + \frac{\lambda}{2} \sum_{l=1}^{L} \sum (W^{[l]})^2
∂J/∂W^{[l]} = ∂E/∂W^{[l]} + \lambda W^{[l]}   %% right
∂J/∂W^{[1]} = ∂E/∂W^{[1]} + \lambda W^{[2]}   %% wrong
"""
    )


def test_vectors_of_examples_in_a_sum():
    assert_as_marked(
        r"""
L = \frac{1}{N} \sum_{i=1}^{N} (w^T x_i - y_i)^2
\nabla_w L = \frac{2}{N} \sum_{i=1}^{N} (w^T x_i - y_i) x_i   %% right
\nabla_w L = \frac{1}{N} \sum_{i=1}^{N} (w^T x_i - y_i) x_i   %% wrong
"""
    )
