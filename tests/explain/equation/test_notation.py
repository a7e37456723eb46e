"""The same equation in LaTeX, Unicode and Python is one tree, and the tree is the one meant."""

from __future__ import annotations

from fractions import Fraction

import pytest

from backlit.explain.equation.parser import parse, parse_expression
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Constant,
    Derivative,
    Function,
    Name,
    Node,
    Number,
    Power,
    Series,
    Transpose,
    Unary,
)
from backlit.explain.equation.vocabulary import Vocabulary

KNOWN = Vocabulary(
    frozenset("W W1 W2 Z Z1 Z2 A A1 A2 X Y y a z x b b1 b2 L J m w h yhat gamma mu".split()),
    frozenset(["g", "f"]),
)


def number(value: int | str) -> Number:
    return Number(Fraction(value))


def read(text: str) -> Node:
    readings = parse_expression(text, KNOWN)
    assert len(readings) == 1, readings
    return readings[0]


W, x, y, z, a, b, m, L, Z, A, X = (Name(n) for n in "W x y z a b m L Z A X".split())
dW = Derivative(None, W, style="bare")

# Spellings are separated by three spaces.
SAME = [
    (
        Binary("/", number(1), m),
        r"\frac{1}{m}   \frac1m   \frac 1 m   \dfrac{1}m   \tfrac1{m}   1/m",
    ),
    (
        Derivative(L, W),
        r"\frac{\partial L}{\partial W}   ∂L/∂W   dL/dW   d L / d W   dL_dW   dLdW   \frac{dL}{dW}"
        r"   \frac{\mathrm{d}L}{\mathrm{d}W}   \frac{\partial}{\partial W} L   ∂(L)/∂(W)"
        r"   \partial L / \partial W   \frac{d}{dW} L   d/dW L   ∂/∂W L   d(L)/dW   ∂ L / ∂ W",
    ),
    (Derivative(L, W, style="nabla"), r"\nabla_W L   \nabla_{W} L   ∇_W L   \nabla_{W}L"),
    (dW, r"dW   \mathrm{d}W   \mathrm{dW}   d\mathbf{W}   W.grad   grad_W   d W   \text{d}W"),
    (
        Derivative(L, Name("w"), Name("w")),
        r"\frac{\partial^2 L}{\partial w^2}   ∂²L/∂w²   d²L/dw²   d^2L/dw^2"
        r"   \frac{\partial}{\partial w}\frac{\partial L}{\partial w}",
    ),
    (Derivative(L, Name("w"), b), r"\frac{\partial^2 L}{\partial w \partial b}   ∂²L/∂w∂b"),
    (
        Transpose(Name("A", layer=number(1))),
        r"{A^{[1]}}^{T}   A^{[1]T}   A^{[1]\top}   (A^{[1]})^T   \left(A^{[1]}\right)^\top"
        r"   A⁽¹⁾ᵀ   A^{(1)T}   A^[1].T   A^{[1]}'   A^{[1]^T}   A^{[1]{\top}}",
    ),
    (Transpose(X), r"X^T   X^\top   X^{T}   Xᵀ   X'   X.T   X′   np.transpose(X)   X^{\mathsf{T}}"),
    (
        Call(Function("g", number(1), 1), (Name("Z", number(1)),)),
        r"g'^{[1]}(Z^{[1]})   g^{[1]'}(Z^{[1]})   g^{[1]\prime}(Z^{(1)})   g′⁽¹⁾(Z⁽¹⁾)",
    ),
    (
        Call(Function("sigmoid", order=1), (z,)),
        r"\sigma'(z)   σ′(z)   \sigma^{\prime}(z)   sigmoid'(z)   \sigma^\prime \left(z\right)",
    ),
    (Call(Function("f", order=2), (x,)), r"f''(x)   f″(x)   f^{\prime\prime}(x)   f^{''}(x)"),
    (Binary("*", a, b), r"a \odot b   a \circ b   a ⊙ b   a ∘ b   a * b   np.multiply(a, b)"),
    (Binary(".", a, b), r"a \cdot b   a \times b   a · b   a × b"),
    (Binary("@", a, b), r"a @ b   np.dot(a, b)   a.dot(b)   np.matmul(a, b)"),
    (Binary(" ", W, x), r"W x   Wx   W\,x   W \; x   W(x)   \mathbf{W}\mathbf{x}   W\quad x"),
    (
        Series("sum", Name("x", index=(Name("i"),)), "i", number(1), Name("n")),
        r"\sum_{i=1}^{n} x_i   \sum_{i=1}^n x_{i}   Σ_{i=1}^n xᵢ   ∑_{i=1}^{n} x_i   Σᵢ₌₁ⁿ xᵢ"
        r"   sum_{i=1}^n x_i   \sum\limits_{i=1}^{n}x_i",
    ),
    (
        Series("sum", Power(Binary("-", y, a), number(2))),
        r"\sum (y-a)^2   Σ (y − a)²   ∑(y-a)^2   \sum \left(y - a\right)^{2}",
    ),
    (Series("sum", Name("x", index=(Name("i"),)), "i"), r"\sum_i x_i   Σᵢ xᵢ   Σ_i x_i"),
    (
        Call(Function("sum"), (dW,), (("axis", number(1)), ("keepdims", Constant("True")))),
        r"\operatorname{np.sum}(dW,\operatorname{axis}=1,\operatorname{keepdims}=\operatorname{True})"
        r"   np.sum(dW, axis=1, keepdims=True)   dW.sum(axis=1, keepdims=True)"
        r"   \mathrm{np.sum}(dW, axis=1, keepdims=\text{True})   np.sum(dW, 1, keepdims=True)"
        r"   torch.sum(dW, dim=1, keepdim=True)",
    ),
    (Name("yhat"), r"\hat y   \hat{y}   ŷ   ŷ   y_hat   yhat   \hat{\mathbf{y}}"),
    (Name("xbar"), r"\bar x   \bar{x}   x̄   \overline{x}   x_bar"),
    (Name("xtilde"), r"\tilde x   \tilde{x}   x̃"),
    (x, r"\mathbf{x}   \boldsymbol{x}   \vec{x}   \vec x   \mathrm{x}   𝑥   𝐱"),
    (
        Power(Call(Function("norm"), (x,)), number(2)),
        r"\lVert x \rVert^2   \|x\|_2^2   ‖x‖²   ||x||^2",
    ),
    (Call(Function("abs"), (x,)), r"|x|   \lvert x \rvert   np.abs(x)   abs(x)   \left|x\right|"),
    (Call(Function("sqrt"), (x,)), r"\sqrt{x}   \sqrt x   √x   √(x)   np.sqrt(x)   sqrt(x)"),
    (Call(Function("cbrt"), (x,)), r"\sqrt[3]{x}   ∛x   np.cbrt(x)"),
    (
        Call(Function("log"), (a,)),
        r"\log a   \ln a   \log(a)   np.log(a)   log a   ln(a)   \log{a}",
    ),
    (Power(Constant("e"), Unary("-", z)), r"e^{-z}   e^-z   e⁻ᶻ   np.e**-z   e**(-z)   e^(-z)"),
    (Power(x, Unary("-", number(1))), r"x^{-1}   x⁻¹   x**-1   x^-1   x**(-1)"),
    (Binary(" ", number("1/2"), x), r"½x   ½ x   0.5x   .5 x"),
    (Name("w", index=(number(1),)), r"w_1   w₁   w_{1}"),
    (Name("W", index=(Name("i"), Name("j"))), r"W_{ij}   W_{i,j}   Wᵢⱼ   W_ij   W_{i j}   W_i_j"),
    (Name("W", index=(Name("xh"),)), r"W_{xh}   W_xh   W_{\text{xh}}   W_{\mathrm{xh}}"),
    (Name("lambda"), r"\lambda   λ   lambda"),
    (Call(Function("maximum"), (number(0), z)), r"\max(0, z)   max(0,z)   np.maximum(0, z)"),
    (
        Name("W", layer=Binary("-", Name("l"), number(1))),
        r"W^{[l-1]}   W^{(l-1)}   W⁽ˡ⁻¹⁾   W^{l-1}   W^[l-1]   \mathbf{W}^{[l-1]}",
    ),
]


@pytest.mark.parametrize(("tree", "spellings"), SAME, ids=[s.split("   ")[0] for _, s in SAME])
def test_every_spelling_is_the_same_tree(tree: Node, spellings: str) -> None:
    for text in spellings.split("   "):
        assert read(text) == tree, text


def test_equation_and_span() -> None:
    text = r"dW = \frac1m\, dZ X^T"
    (equation,) = parse(text, KNOWN)
    assert equation.is_claim and equation.left == dW
    product = equation.right
    assert isinstance(product, Binary) and text[slice(*product.right.span)] == "X^T"
    assert text[slice(*product.left.span)] == r"\frac1m\, dZ"
