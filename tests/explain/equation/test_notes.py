"""Notes as students write them: what is found on which line, where it stands, and what is not."""

from __future__ import annotations

import pytest

from backlit.explain.equation.text.entries import Notes, Refusal, Statement
from backlit.explain.equation.text.headers import Header
from backlit.explain.equation.text.notes import read
from backlit.explain.equation.text.parser import parse
from backlit.explain.equation.tree import Call, Derivative, Equation, Function, Items, Name, Number


def summary(notes: Notes) -> list[tuple[int, str, str]]:
    """Return line, kind and source of every entry; a second D or C of a line is its chain."""
    found = []
    for entry in notes.entries:
        if isinstance(entry, Statement):
            found.append((entry.line, "C" if entry.equation.is_claim else "D", entry.source))
        elif isinstance(entry, Header):
            found.append((entry.line, "H", entry.name.base))
        else:
            found.append((entry.line, "R", entry.text[slice(*entry.span)]))
    return found


CASES = {
    "markdown with headings, bullets, numbers and inline formulas": (
        "# Logistic regression\n\n"
        "1. z = Wx + b\n"
        "2) a = σ(z)\n"
        "(c) L = (a - y)²\n"
        "- [ ] dz = 2(a - y) ⊙ a(1-a)\n"
        "> * db = dz\n"
        "Therefore $dW = dz x^T$ where $x$ is the input and `dx = W.T @ dz` follows.\n",
        [
            (3, "D", "z = Wx + b"),
            (4, "D", "a = σ(z)"),
            (5, "D", "L = (a - y)²"),
            (6, "C", "dz = 2(a - y) ⊙ a(1-a)"),
            (7, "C", "db = dz"),
            (8, "C", "dW = dz x^T"),
            (8, "C", "dx = W.T @ dz"),
        ],
    ),
    "labels, lead-ins and remarks": (
        "z = w x\n"
        "Step 1: L = z\n"
        "**Backward:** dz = 1\n"
        "So we get dw = x (elementwise), where x is the input.\n"
        "By the chain rule dx = w dz for all i\n"
        "Output layer: dw = x dz  # per example\n",
        [
            (1, "D", "z = w x"),
            (2, "D", "L = z"),
            (3, "C", "dz = 1"),
            (4, "C", "dw = x"),
            (5, "C", "dx = w dz"),
            (6, "C", "dw = x dz"),
        ],
    ),
    "several equations in one line": (
        "z = w·x + b, a = σ(z), i = 1, …, n\n"
        r"$L = a - y, \quad da = 1 \text{ and } dz = a(1-a)\ \forall i$" + "\n"
        "z = w x ⇒ dw = x; dx = w if y = 1\n",
        [
            (1, "D", "z = w·x + b"),
            (1, "D", "a = σ(z)"),
            (2, "D", "L = a - y"),
            (2, "C", "da = 1"),
            (2, "C", r"dz = a(1-a)"),
            (3, "R", "if"),
            (3, "D", "z = w x"),
            (3, "C", "dw = x"),
        ],
    ),
    "LaTeX with an align block": (
        "\\documentclass{article}\n\\usepackage{amsmath}\n\\begin{document}\n"
        "\\section{Backward pass}\n"
        "\\begin{align*}\n"
        "Z^{[2]} &= W^{[2]} A^{[1]} \\label{eq:z} \\\\\n"
        "dZ^{[2]} &= A^{[2]} - Y, \\\\\n"
        "dW^{[2]} &= \\frac{1}{m} dZ^{[2]} % the mean\n"
        "   A^{[1]T} \\\\\n"
        "  &= \\frac1m (A^{[2]} - Y) A^{[1]T}.\n"
        "\\end{align*}\n"
        "\\end{document}\n",
        [
            (6, "D", "Z^{[2]} &= W^{[2]} A^{[1]}"),
            (7, "C", "dZ^{[2]} &= A^{[2]} - Y"),
            (8, "C", "dW^{[2]} &= \\frac{1}{m} dZ^{[2]} % the mean\n   A^{[1]T}"),
            (10, "C", "= \\frac1m (A^{[2]} - Y) A^{[1]T}"),
        ],
    ),
    "displays without line breaks of TeX": (
        "$$\nz = w x\ndw = x\n   + 0\n$$\n\\[ dx = w \\] and $L = z$\n",
        [(2, "D", "z = w x"), (3, "C", "dw = x\n   + 0"), (6, "C", "dx = w"), (6, "D", "L = z")],
    ),
    "a table": (
        "z = w x\n| name | claim |\n|---|:---:|\n| a | dw = x |\n| b | $dx = w$ and $|z| = z$ |\n",
        [(1, "D", "z = w x"), (4, "C", "dw = x"), (5, "C", "dx = w"), (5, "D", "|z| = z")],
    ),
    "a function in Python": (
        "```python\n"
        "import numpy as np\n\n"
        "def loss(W1, b1, X, Y, rate=0.1):\n"
        '    """Return the loss.\n\n    L = nothing\n    """\n'
        "    m, n = X.shape\n"
        "    W2 = params['W2']  # second\n"
        "    Z1 = W1 @ X + b1\n"
        "    L = -np.mean(\n"
        "        Y * np.log(Z1)\n"
        "        + (1 - Y)  # the rest\n"
        "    )\n"
        "    dW1 = dZ1 @ X.T\n"
        "    W1 = W1 - rate * dW1\n"
        "    b1 -= rate * db1\n"
        "    return {'dW1': dW1}\n"
        "```\n",
        [
            (9, "D", "m, n = X.shape"),
            (9, "D", "m, n = X.shape"),
            (11, "D", "Z1 = W1 @ X + b1"),
            (
                12,
                "D",
                "L = -np.mean(\n        Y * np.log(Z1)\n        + (1 - Y)  # the rest\n    )",
            ),
            (16, "C", "dW1 = dZ1 @ X.T"),
        ],
    ),
    "chains": (
        "z = w x\nδ = ∂L/∂z = a − y ≈ 0.5\nL\n  = z\n",
        [(1, "D", "z = w x"), (2, "D", "δ = ∂L/∂z = a − y ≈ 0.5")] * 1
        + [(2, "D", "δ = ∂L/∂z = a − y ≈ 0.5"), (3, "D", "L\n  = z")],
    ),
    "sentences are passed over": (
        "The loss is zero when y = a for every example.\n"
        "Note that we set the rate = 0.1 in all of our runs\n"
        "There are three layers, see (2) and Note: (a) below.\n"
        "=====\n---\n",
        [],
    ),
    "a mistake in the typing is refused": (
        "z = w x +\nz = (w x\nw x) = z\nz = w ? x\nz = w $ x\nz = \\foo{x}\n",
        [(1, "R", "+"), (2, "R", "("), (3, "R", ")"), (4, "R", "?"), (5, "D", "z = w $ x")]
        + [(6, "R", "\\foo")],
    ),
    "values that change are not equations": (
        "z = w x\nz = z + 1\nz += x\nz *= x\nw := w − α dw\nw ← w − γ ∂L/∂w\nw += -α dw\n",
        [(1, "D", "z = w x"), (2, "D", "z = z + 1"), (3, "D", "z += x"), (4, "R", "*=")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_found_where(case: str) -> None:
    text, expected = CASES[case]
    assert summary(read(text)) == expected


def test_spans_of_every_node_lie_in_the_original_text() -> None:
    text = "z = w x\r\n   1. we have **$\\frac{\\partial L}{\\partial w} = \\hat y_1\\,x^{T}$**  "
    statement = read(text).statements[-1]
    assert statement.line == 2 and statement.text == text.splitlines()[1]
    spelled = {
        statement.text[slice(*node.span)]: node for node in statement.equation.walk() if node.span
    }
    assert isinstance(spelled[r"\frac{\partial L}{\partial w}"], Derivative)
    assert spelled[r"\hat y_1"] == Name("yhat", index=(Number(1),))  # type: ignore[arg-type]
    assert "x^{T}" in spelled and "x" in spelled and "w" in spelled


def test_a_link_takes_the_left_side_of_the_line_before() -> None:
    first, second = read("$$ dw = x y \\\\\n &= y x $$").statements
    assert second.equation.left == first.equation.left
    assert second.equation.left.span == (0, 0)


HEADERS = [
    (r"W^{[1]}: (4, 2)", Name("W", Number(1)), (4, 2), ""),  # type: ignore[arg-type]
    ("`b1`: (4,)", Name("b1"), (4,), ""),
    ("- $y$: (3,) positive", Name("y"), (3,), "positive"),
    ("Y: (k, m) one-hot columns", Name("Y"), ("k", "m"), "one-hot columns"),
    ("Y: (m, k) one-hot rows, positive", Name("Y"), ("m", "k"), "one-hot rows|positive"),
    ("a: in (0, 1)", Name("a"), None, "in (0, 1)"),
    ("p: (n,) ∈ (0,1)", Name("p"), ("n",), "in (0, 1)"),
    ("S: (3, 3) [symmetric]", Name("S"), (3, 3), "symmetric"),
    ("L: ()", Name("L"), (), ""),
    ("L: scalar", Name("L"), (), ""),
    ("ŷ: (1, m)", Name("yhat"), (1, "m"), ""),
    (r"\hat{y}: (1 \times m)", Name("yhat"), (1, "m"), ""),
    ("W: 4×2", Name("W"), (4, 2), ""),
    (r"$W \in \mathbb{R}^{4 \times n}$", Name("W"), (4, "n"), ""),
    ("x ∈ R^3", Name("x"), (3,), ""),
    ("# X: (n, m)", Name("X"), ("n", "m"), ""),
    ("W[1]: (4, 2)", Name("W", Number(1)), (4, 2), ""),  # type: ignore[arg-type]
    ("W₁: (4, 2)", Name("W", index=(Number(1),)), (4, 2), ""),  # type: ignore[arg-type]
    ("y': (3,)", Name("y'"), (3,), ""),
]


@pytest.mark.parametrize(("line", "name", "dims", "properties"), HEADERS)
def test_headers(
    line: str, name: Name, dims: tuple[int | str, ...] | None, properties: str
) -> None:
    (header,) = read(line).headers
    assert header.name == name and header.dims == dims
    assert header.properties == frozenset(filter(None, properties.split("|")))


def test_headers_of_several_names_and_of_families() -> None:
    text = "W1, W2: (4, 4), b: (4,)\nW^{[l]}: (n^{[l]}, n_{l-1})"
    found = read(text).headers
    assert [(h.name.base, h.dims) for h in found[:3]] == [
        ("W1", (4, 4)),
        ("W2", (4, 4)),
        ("b", (4,)),
    ]
    assert [str(d.base) for d in found[3].dims or () if isinstance(d, Name)] == ["n", "n"]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("W: (4, 2) positiv", "positiv"),
        ("W: (4, 0)", "0"),
        ("W: (4, 2.5)", "2.5"),
        ("W + b: (4, 2)", "W + b"),
        ("W: (4,, 2)", ","),
    ],
)
def test_wrong_headers_are_refused_with_their_place(line: str, part: str) -> None:
    (refusal,) = read(line).refusals
    assert part in refusal.text[slice(*refusal.span)] and refusal.message


def equation(text: str, notes: str) -> Equation:
    statement = next(s for s in read(notes).statements if s.source == text)
    assert len(statement.readings) == 1
    return statement.equation


class TestDefinitionsDecide:
    def test_a_prime_is_part_of_a_name(self) -> None:
        notes = "h = σ(x w)\ny′ = σ(h v)\nL = ½ (y − y′)²\ndh = (y'-y) y'(1-y') v"
        product = equation("dh = (y'-y) y'(1-y') v", notes).right
        assert Name("y'") in list(product.walk())

    def test_a_prime_is_a_transpose(self) -> None:
        right = equation("dX = W' dZ", "Z = W X\ndX = W' dZ").right
        assert right == parse("a = Wᵀ b")[0].right.map(
            lambda n: Derivative(None, Name("Z"), style="bare") if n == Name("b") else n
        )

    def test_a_prime_is_a_derivative(self) -> None:
        notes = "A = g(Z)\ndZ = dA ⊙ g'(Z)"
        call = Call(Function("g", order=1), (Name("Z"),))
        assert call in list(equation("dZ = dA ⊙ g'(Z)", notes).right.walk())

    def test_a_prime_on_the_left_is_a_derivative_by_the_only_variable(self) -> None:
        left = equation("y′ = 2x exp(u)", "u = x²\ny = exp(u)\ny′ = 2x exp(u)").left
        assert left == Derivative(Name("y"), Name("x"))
        left = equation("f'(x) = 2x", "f(x) = x²\nf'(x) = 2x").left
        assert left == Derivative(Call(Function("f"), (Name("x"),)), Name("x"))

    def test_brackets_are_arguments_or_factors(self) -> None:
        notes = "z = w x\na = f(z)\ndz = a(1-a)"
        assert isinstance(equation("a = f(z)", notes).right, Call)
        assert not any(isinstance(n, Call) for n in equation("dz = a(1-a)", notes).walk())

    def test_a_word_is_a_product_or_a_name(self) -> None:
        notes = "z = Wx + b\nnet = 2z\nL = net\ndW = dz x^T"
        assert Name("W") in list(equation("z = Wx + b", notes).walk())
        assert equation("L = net", notes).right == Name("net")

    def test_d_and_a_name_are_a_derivative_or_a_name(self) -> None:
        notes = "Z = W X\nP = dist X\ndist = 2\ndZ = P\ndQ = Z\ndW = dZ"
        found = {s.source: s.equation for s in read(notes).statements}
        assert found["dist = 2"].left == Name("dist") and found["dQ = Z"].left == Name("dQ")
        assert found["dZ = P"].is_claim and found["dW = dZ"].is_claim

    def test_sigma_is_the_sigmoid_a_deviation_or_a_variance(self) -> None:
        assert equation("a = σ(z)", "a = σ(z)").right == Call(Function("sigmoid"), (Name("z"),))
        deviation = "σ = np.std(x)\ny = (x - μ)/σ\nv = σ(x - μ)"
        assert Name("sigma") in list(equation("v = σ(x - μ)", deviation).right.walk())
        variance = "\\sigma^2 = x\ny = \\sqrt{\\sigma^2 + \\epsilon}"
        assert Name("sigma2") in list(
            equation("y = \\sqrt{\\sigma^2 + \\epsilon}", variance).walk()
        )

    def test_plain_superscripts_and_brackets_are_layers(self) -> None:
        notes = "Z¹ = W¹X + b¹\nZ² = W²Z¹\nq = x²"
        one, two = Number(1), Number(2)  # type: ignore[arg-type]
        assert Name("W", two) in list(equation("Z² = W²Z¹", notes).walk())
        assert Name("W", one) in list(equation("Z¹ = W¹X + b¹", notes).walk())
        assert Name("x") in list(equation("q = x²", notes).walk())
        notes = "Z[1] = W[1] @ x[0]\nx = Z[1] + x0"
        assert Name("W", one) in list(equation("Z[1] = W[1] @ x[0]", notes).walk())

    def test_e_is_a_name_where_it_is_defined(self) -> None:
        right = equation("L = e²", "e = y - a\nL = e²").right
        assert Name("e") in list(right.walk())


def test_both_readings_of_an_ambiguous_line_are_kept() -> None:
    (statement,) = read("y = 1/2x").statements
    assert len(statement.readings) == 2 and statement.readings[0] == statement.equation


def test_the_style_of_a_line() -> None:
    notes = read("a = \\frac12\nb = a ⊙ c\nd1 = np.exp(a)")
    assert [s.style for s in notes.statements] == ["latex", "unicode", "python"]


def test_what_surrounds_the_notes_does_not_matter() -> None:
    plain = read("z = w x\ndw = x")
    for text in ("\ufeffz = w x\ndw = x", "z = w x\r\ndw = x\r\n", "z = w x\rdw = x"):
        assert [s.equation for s in read(text).statements] == [s.equation for s in plain.statements]
    assert read("").entries == () and read("\n\n").entries == ()


def test_tuples_are_unpacked_and_vectors_are_not() -> None:
    notes = read("a, b = 1, 2\nv = (a, b)")
    assert [s.equation.left for s in notes.statements] == [Name("a"), Name("b"), Name("v")]
    assert isinstance(notes.statements[2].equation.right, Items)


def test_too_much_is_refused_at_once() -> None:
    (refusal,) = read("a = b\n" * 300_000).entries
    assert isinstance(refusal, Refusal) and "300,001 lines" in refusal.message
    (refusal,) = read("a = " + "b + " * 5_000 + "c").entries
    assert isinstance(refusal, Refusal) and "characters" in refusal.message
