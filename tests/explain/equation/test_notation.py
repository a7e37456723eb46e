"""The same equation in LaTeX, Unicode and Python is one tree, and the tree is the one meant."""

from __future__ import annotations

from fractions import Fraction

import pytest

from backlit.explain.equation.text.parser import parse, parse_chain, parse_expression
from backlit.explain.equation.text.tokens import NotationError
from backlit.explain.equation.text.vocabulary import Vocabulary
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Compare,
    Constant,
    Derivative,
    Element,
    Function,
    Items,
    Name,
    Node,
    Number,
    Power,
    Series,
    Slice,
    Transpose,
    Unary,
)

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
    (
        Compare(">", z, number(0)),
        r"1_{z>0}   \mathbb{1}[z > 0]   \mathbb{1}_{z > 0}   \mathbf{1}\{z>0\}   [z > 0]   𝟙[z>0]"
        r"   (z > 0).astype(float)   1[z > 0]   1(z > 0)   z \gt 0",
    ),
    (
        Call(Function("where"), (Compare(">", z, number(0)), a, b)),
        r"np.where(z > 0, a, b)   where(z > 0, a, b)   \begin{cases} a & z > 0 \\ b \end{cases}"
        r"   \begin{cases} a & \text{if } z > 0 \\ b & \text{otherwise} \end{cases}",
    ),
    (Transpose(Power(W, Unary("-", number(1)))), r"W^{-T}   (W^{-1})^T   W⁻¹ᵀ   (W**-1).T"),
    (
        Call(Function("arcsin"), (x,)),
        r"\sin^{-1}(x)   \arcsin x   np.arcsin(x)   asin(x)   sin⁻¹(x)",
    ),
    (
        Power(Call(Function("sin"), (x,)), number(2)),
        r"\sin^2 x   \sin^2(x)   sin²(x)   np.sin(x)**2",
    ),
    (Call(Function("log2"), (x,)), r"\log_2 x   \log_{2}(x)   np.log2(x)   log₂(x)"),
    (
        Call(Function("norm"), (x,), (("ord", number(1)),)),
        r"\|x\|_1   ‖x‖₁   np.linalg.norm(x, ord=1)",
    ),
    (Call(Function("norm"), (W,)), r"\|W\|_F   ‖W‖_F   \lVert W \rVert_2   np.linalg.norm(W)"),
    (Call(Function("inner"), (x, y)), r"\langle x, y \rangle   ⟨x, y⟩   np.inner(x, y)"),
    (Call(Function("mean"), (x,)), r"np.mean(x)   mean(x)   x.mean()   \mathbb{E}[x]   E[x]"),
    (
        Call(Function("softmax"), (z,)),
        r"\operatorname{softmax}(z)   \text{softmax}(z)   softmax(z)",
    ),
    (
        Call(Function("leaky_relu"), (z,)),
        r"\operatorname{leaky\_relu}(z)   leaky_relu(z)   LReLU(z)",
    ),
    (
        Call(Function("trace"), (W,)),
        r"\operatorname{tr}(W)   \mathrm{tr}(W)   np.trace(W)   W.trace()",
    ),
    (
        Element(x, (Slice(), Constant("None"))),
        r"x[:, None]   x[:, np.newaxis]   x[:,None]",
    ),
    (
        Call(Function("reshape"), (x, Items((number(3), number(4))))),
        r"x.reshape(3, 4)   x.reshape((3, 4))",
    ),
    (Element(Call(Function("shape"), (X,)), (number(0),)), r"X.shape[0]   np.shape(X)[0]"),
    (number("1/100000000"), r"1e-8   0.00000001   1E-8   .00000001"),
    (
        Binary(" ", Binary("/", number(1), m), dW),
        r"\frac1m dW   \frac{1}{m}\,dW   1/m dW   (1/m) dW   \frac1m(dW)",
    ),
    (Binary("/", number(1), Binary(" ", number(2), m)), r"\frac{1}{2m}   1/(2m)   \frac1{2 m}"),
    (Name("x", number(2), (Name("j"),)), r"x^{(2)}_j   x_j^{(2)}   x⁽²⁾ⱼ   x_{j}^{[2]}"),
    (Name("a", number(1), (Name("i"),)), r"a^{[1](i)}   a^{[1]}_i   a_i^{[1]}   a^{[1]}_{i}"),
    (Name("a", Name("t")), r"a^{<t>}   a^{\langle t\rangle}   a^{[t]}   a^{(t)}"),
    (Name("wstar"), r"w^*   w^{*}"),
    (
        Items((Items((a, b)), Items((x, y)))),
        r"\begin{bmatrix} a & b \\ x & y \end{bmatrix}   [[a, b], [x, y]]   ((a, b), (x, y))"
        r"   \begin{pmatrix} a & b \\ x & y \end{pmatrix}   np.array([[a, b], [x, y]])",
    ),
    (
        Series(
            "sum",
            Series("sum", Power(Name("W", index=(Name("i"), Name("j"))), number(2)), "j"),
            "i",
        ),
        r"\sum_{i,j} W_{ij}^2   \sum_{ij} W_{ij}^2   \sum_i \sum_j W_{i,j}^2   Σᵢ Σⱼ Wᵢⱼ²",
    ),
    (
        Derivative(Power(x, number(2)), x),
        r"\frac{d}{dx} x^2   d/dx (x²)   d(x²)/dx   \frac{\mathrm d}{\mathrm dx}(x^2)",
    ),
    (Transpose(Derivative(L, W)), r"\frac{\partial L}{\partial W^T}   (∂L/∂W)^T   ∂L/∂Wᵀ"),
    (
        Derivative(L, Name("w"), Name("w")),
        r"\frac{\partial^2 L}{\partial w\,\partial w^T}   ∂²L/∂w∂w",
    ),
    (Derivative(L, Name("w")), r"\frac{\delta L}{\delta w}   δL/δw   \partial_w L   ∂_w L"),
    (Binary("*", Name("delta"), z), r"\delta \odot z   δ ⊙ z   delta * z"),
    (Call(Function("maximum"), (number(0), z)), r"\max\{0, z\}   \max(0, z)   max(0, z)"),
    (Binary(" ", x, y), r"xy   x y   x~y   {x}{y}   x{\,}y   \mathbf{x}\mathbf{y}"),
    (Call(Function("sqrt"), (number(2),)), r"\sqrt2   √2   \sqrt{2}   np.sqrt(2)"),
    (Binary("/", number(1), number(2)), r"\frac12   \frac{1}{2}   1/2   \dfrac12"),
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


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("1/2x", ["1/(2x)", "(1/2)x"]),
        ("1/2m", ["1/(2m)", "(1/2)m"]),
        ("a/b(x + y)", ["a/(b(x + y))", "(a/b)(x + y)"]),
        ("1/2(x - y)^2", ["(1/2)(x - y)^2", "1/(2(x - y)^2)"]),
        ("a / b c", ["a/(b c)", "(a/b) c"]),
        ("1/m X", ["(1/m)X"]),
        ("1/2 (x - y)^2", ["(1/2)(x - y)^2"]),
        ("-1/m Σ_i y_i", ["-((1/m) Σ_i y_i)"]),
        (r"\log a b", [r"\log(a b)", r"\log(a) b"]),
        (r"\sin 2x", [r"\sin(2x)"]),
        (r"y \log a", [r"y \log(a)"]),
        (r"\log a (1 - a)", [r"\log(a)(1 - a)"]),
        (r"\log(a)^2", [r"(\log a)^2"]),
        (r"\sum_i y_i \log a_i + (1 - y_i) \log(1 - a_i)",
         [r"\sum_i (y_i \log a_i + (1 - y_i) \log(1 - a_i))"]),
        (r"\sum_i x_i y + b", [r"(\sum_i x_i y) + b"]),
        (r"-\frac1m \sum_i y_i + a_i", [r"-(\frac1m \sum_i (y_i + a_i))"]),
        (r"\sum_i x_i^2", [r"\sum_i (x_i^2)"]),
        ("-a * b", ["-(a * b)"]),
        ("a - b - x", ["(a - b) - x"]),
        ("a / b / x", ["(a / b) / x"]),
        ("W x ⊙ y", ["(W x) ⊙ y"]),
        ("a ⊙ W x", ["a ⊙ (W x)"]),
        ("-x^2", ["-(x^2)"]),
        ("2**x**y", ["2**(x**y)"]),
        ("0 < x < 1", ["(0 < x) * (x < 1)"]),
        ("x^Ty", ["x^T y"]),
        ("W^TX", ["W^T X"]),
        ("ylog(a)", ["y log(a)"]),
        ("2xy", ["(2 x) y"]),
        (r"\frac{1}{2}m w^2", [r"(\frac12 m) w^2"]),
        (r"\sum_ix_i", [r"\sum_i x_i"]),
    ],
)  # fmt: skip
def test_how_far_signs_reach(text: str, readings: list[str]) -> None:
    # What is on the right has all its brackets, so that it says the same in only one way.
    assert list(parse_expression(text, KNOWN)) == [read(reading) for reading in readings]


@pytest.mark.parametrize(
    ("text", "part", "fix"),
    [
        ("x + ", "+", None),
        ("x + * y", "*", None),
        (r"\sigma^{-1}(x)", r"\sigma^{-1}", "1/sigma"),
        (r"\nabla L", r"\nabla", "∇_W L"),
        (r"\partial L", r"\partial L", "∂L/∂W"),
        (r"\frac{\partial^3 L}{\partial w^3}", "^3", "∂²L/∂w²"),
        (r"\frac{\partial^2 L}{\partial w}", r"\partial w", "∂²L/∂w²"),
        ("∂L/∂(a + b)", "∂(a + b", "a name"),
        (r"\max_j z_j", r"\max_j", "axis=1"),
        ("a ⊗ b", "⊗", "outer"),
        ("a // b", "//", "write /"),
        ("x_1 + x_2 + ... + x_n", "...", "Σ"),
        ("x^2^3", "x^2^3", "brackets"),
        (r"\foo x", r"\foo", r"\mathrm{foo}"),
        ("2 3", "2 3", "operator"),
        ("np.sum()", "()", None),
        ("np.foo(x)", "np.foo", "docs/notation.md"),
        ("np.exp", "np.exp", None),
        ("np.sum(x, where=y)", "where", "axis"),
        ("x.foo", "foo", ".T"),
        ("np.dot(x)", "np.dot(x)", None),
        ("|x", "|", "abs"),
        ("(x", "(", "brackets"),
        (r"\begin{bmatrix} a & b \\ x \end{bmatrix}", r"\begin{bmatrix}", None),
        (r"1_{z}", "{", "1[z > 0]"),
        (r"\sum_{i < j} x_i", r"i <", "terms"),
        (r"\prod_{i \ne j} x_i", r"i \ne j", "divide"),
        (r"\sum^n x", r"\sum^n", "i=1"),
        (r"\int x", r"\int", "integrals"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_pointed_at(text: str, part: str, fix: str | None) -> None:
    with pytest.raises(NotationError) as caught:
        parse_expression(text, KNOWN)
    start, end = caught.value.span
    assert text[start:end].startswith(part) or part.startswith(text[start:end])
    assert caught.value.what and (fix is None or fix in (caught.value.fix or ""))


def test_all_notations_on_one_line() -> None:
    mixed = r"dW^{[1]} = ½ np.dot(∂L/∂Z^{[1]}, X.T) ⊙ \sigma'(W^{[1]}x) - \frac{λ}{m} ‖W₁‖²**0.5"
    (equation,) = parse(mixed, KNOWN)
    latex = (
        r"dW^{[1]} = 0.5 (\frac{\partial L}{\partial Z^{[1]}} @ X^T) \odot \sigma'(W^{[1]} x)"
        r" - \frac{\lambda}{m} {\|W_1\|^2}^{0.5}"
    )
    assert parse(latex, KNOWN) == (equation,)


def test_a_chain_is_several_equations() -> None:
    first, second = parse_chain("dW = ∂L/∂W = dZ Xᵀ ≈ 0.3", KNOWN)
    assert first[0].left == second[0].left == dW and first[0].right == Derivative(L, W)
    with pytest.raises(NotationError, match="more than one"):
        parse("a = b = x", KNOWN)
    with pytest.raises(NotationError, match="no equals sign"):
        parse("a + b", KNOWN)


@pytest.mark.parametrize(
    "sign", ["=", ":=", "≔", r"\coloneqq", "←", " <- ", r"\gets", r"\equiv", "=="]
)
def test_signs_that_define(sign: str) -> None:
    assert parse(f"z {sign} W x", KNOWN) == parse("z = W x", KNOWN)
