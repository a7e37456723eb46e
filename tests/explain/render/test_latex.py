"""LaTeX: ASCII, balanced, of known commands and declared packages; formulas that a parser takes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.mathtext import MathTextParser

from backlit.explain.equation.text.parser import parse, parse_expression
from backlit.explain.equation.tree import Name
from backlit.explain.render.characters import to_ascii, to_latex
from backlit.explain.render.latex import formulas_of, latex_of, math_text
from tests.explain.render.pages import DOCUMENTS

# What the documents use, by who defines it.
LATEX = set(
    """documentclass usepackage setlength renewcommand begin end section subsection subsubsection
    paragraph parindent parskip arraystretch labelitemi par footnotesize small ttfamily
    begingroup endgroup emph textbf texttt item mbox bullet multicolumn endhead endlastfoot
    linewidth raggedright qquad textbackslash textasciicircum textasciitilde dots ss ae AE o O oe
    OE aa AA l L i u r H v c k
    partial nabla cdot cdots times div pm odot circ rightarrow leftarrow uparrow downarrow
    Rightarrow geq leq neq approx infty surd sum prod in Vert ell top frac mathrm left right sqrt
    log exp sin cos tan cot sec csc sinh cosh tanh max min det arcsin arccos arctan le ge ne
    hat bar tilde langle rangle mathdollar alpha beta gamma delta epsilon zeta eta theta
    iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega Gamma Delta Theta Lambda
    Xi Pi Sigma Upsilon Phi Psi Omega
    put line vector oval framebox dashbox makebox thicklines normalsize setlength unitlength
    nopagebreak hfil""".split()
)
AMS = {"text", "operatorname", "allowdisplaybreaks", "lVert", "rVert", "lvert", "rvert"}
BOOKTABS = {"toprule", "midrule", "bottomrule"}
ARRAY = {"arraybackslash"}
GRAPHICX = {"scalebox"}
KNOWN = LATEX | AMS | BOOKTABS | ARRAY | GRAPHICX
PACKAGES = {"geometry", "amsmath", "amssymb", "booktabs", "longtable", "array", "graphicx"}
ENVIRONMENTS = {"document", "longtable", "align*", "aligned", "itemize", "enumerate", "bmatrix"}
ENVIRONMENTS.add("picture")
TOKEN = re.compile(r"\\([A-Za-z]+)\*?|\\(.)|([{}$&])|%")


def check(text: str) -> None:
    """Read LaTeX as TeX does: groups, formulas and environments close in the order they open."""
    assert text.isascii()
    open_: list[str] = []
    place = 0
    while (match := TOKEN.search(text, place)) is not None:
        place = match.end()
        word, sign, special = match.groups()
        assert word or sign or special, "a comment would swallow the rest of its line"
        if word in ("begin", "end"):
            name = re.compile(r"\{([a-z*]+)\}").match(text, place)
            assert name is not None and name[1] in ENVIRONMENTS
            place = name.end()
            if word == "begin":
                open_.append(name[1])
            else:
                assert open_.pop() == name[1]
        elif word:
            assert word in KNOWN, word
        elif special == "{":
            open_.append("{")
        elif special == "}":
            assert open_.pop() == "{"
        elif special == "$":
            if open_ and open_[-1] == "$":
                open_.pop()
            else:
                assert "$" not in open_ or any(o == "{" for o in open_)
                open_.append("$")
        elif special == "&":
            assert open_[-1] in ("longtable", "align*", "aligned", "bmatrix")
    assert not open_


@pytest.mark.parametrize("name", DOCUMENTS)
def test_structure(name: str) -> None:
    text = latex_of(DOCUMENTS[name])
    check(text)
    used = re.findall(r"\\usepackage(?:\[[^]]*\])?\{([^}]*)\}", text)
    assert {package for group in used for package in group.split(",")} == PACKAGES
    assert text.startswith("\\documentclass") and text.endswith("\\end{document}\n")
    preamble = text.partition("\\begin{document}")[0]
    assert text.index("\\allowdisplaybreaks") < len(preamble)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_rows_of_tables_have_as_many_cells_as_columns(name: str) -> None:
    text = latex_of(DOCUMENTS[name])
    tables = re.findall(
        r"\\begin\{longtable\}\[l\]\{([^\n]*)\}\n(.*?)\\end\{longtable\}", text, re.S
    )
    assert tables or name in ("fine",)
    for spec, body in tables:
        # A column with a width is written >{…}p{…}.
        columns = len(re.sub(r">\{[^}]*\}p\{[^}]*\}", "p", spec))
        for row in body.split("\\\\\n"):
            row = re.sub(r"\\(toprule|midrule|bottomrule|endhead|endlastfoot)\n?", "", row)
            spanned = re.search(r"\\multicolumn\{(\d+)\}", row)
            cells = len(re.split(r"(?<!\\)&", row)) if not spanned else int(spanned[1])
            assert not row.strip() or cells == columns, row


@pytest.mark.parametrize("name", DOCUMENTS)
def test_pdflatex_takes_it_where_there_is_one(name: str, tmp_path: Path) -> None:
    text = latex_of(DOCUMENTS[name])
    (tmp_path / "page.tex").write_text(text, encoding="ascii")
    if program := shutil.which("pdflatex"):
        words = [program, "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
        ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, errors="replace")
        assert ran.returncode == 0, ran.stdout[-2000:]
        assert (tmp_path / "page.pdf").stat().st_size > 5000
        assert "Overfull \\hbox" not in ran.stdout or name == "all"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_formulas_of_a_notebook_are_one_display(name: str) -> None:
    text = formulas_of(DOCUMENTS[name])
    if text:
        assert text.startswith("$$\\begin{aligned}\n") and text.endswith("\n\\end{aligned}$$")
        check(text.strip("$"))
    else:
        assert name in ("no path", "zero", "fine", "gate", "network", "tangents", "modes")


FORMULAS = [
    r"\frac{1}{m} (A_2 - Y) A_1^T",
    r"W_2^T (A_2 - Y) \odot (1 - A_1^2)",
    r"\sigma(z) (1 - \sigma(z))",
    r"\frac{\partial L}{\partial w_{i j}} = \sum_{k} \frac{\partial L}{\partial z_k} x_j",
    r"\sqrt{x^2 + y^2} + \exp(-x) \cdot 0.000438568",
    r"\hat{y} - y",
    r"\log(1 + \exp(-\lvert z \rvert))",
    r"W^{[1]} x + b^{[1]}",
]


@pytest.mark.parametrize("source", FORMULAS)
def test_another_parser_of_formulas_takes_ours(source: str) -> None:
    node = parse(source)[0] if "=" in source else parse_expression(source)[0]
    text = math_text(node).replace(r"\lvert", "|").replace(r"\rvert", "|")
    MathTextParser("path").parse(f"${text}$")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("W1", "W_{1}"),
        ("sigma2", r"\sigma_{2}"),
        ("Z_2", "Z_{2}"),
        ("log_P", r"\mathrm{log\_P}"),
        ("a_b_c_", r"\mathrm{a\_b\_c\_}"),
        ("layers.0.W", r"\mathrm{layers.0.W}"),
        ("größe", r"\mathrm{gr\text{\"{o}}\text{\ss{}}e}"),
        ("x", "x"),
    ],
)
def test_names_of_programs(name: str, expected: str) -> None:
    assert math_text(Name(name)) == expected
    check(f"${expected}$")


@given(st.text(max_size=40))
def test_any_text_becomes_ascii_that_is_balanced(text: str) -> None:
    found = to_latex(text)
    check(found)
    assert to_ascii(text).isascii()


def test_every_character_of_the_first_planes_has_a_form() -> None:
    for code in range(0x20, 0x3000):
        check(to_latex(chr(code)))


def test_accents_and_symbols_stay_what_they_are() -> None:
    assert to_latex("Ł é ñ ç ő ž ï") == r"\L{} \'{e} \~{n} \c {c} \H {o} \v {z} \"{i}"
    assert to_latex("α Ω Β ο") == r"$\alpha$ $\Omega$ $B$ $o$"
    assert to_latex("x⁻¹ⱼ") == r"x$^{-1}$$_{j}$"
    assert to_latex("a\tb") == "a b" and to_latex("網") == r"\texttt{[U+7DB2]}"


def test_long_sums_are_broken_before_their_signs() -> None:
    terms = " + ".join([f"a_{{{k}}} \\cdot b_{{{k}}} \\cdot c_{{{k}}}" for k in range(20)])
    from backlit.explain.document import Document, Formula, Math

    text = latex_of(Document((), (Formula(Math(parse_expression(terms)[0])),)))
    lines = [line for line in text.splitlines() if "b_{" in line]
    assert len(lines) > 1 and all(" + " in line for line in lines)
    joined = " ".join([line.replace("\\\\", "").replace("&", "").replace("\\qquad", "").strip()
                       for line in lines])  # fmt: skip
    assert parse_expression(joined)[0] == parse_expression(terms)[0]
