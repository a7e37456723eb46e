r"""What single characters and LaTeX commands mean, in one spelling for every notation.

``σ``, ``\sigma`` and ``sigma`` are one word; ``⊙``, ``\odot`` and ``*`` are one operator.
"""

from __future__ import annotations

GREEK = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "epsilon",
    "ϵ": "epsilon",
    "ζ": "zeta",
    "η": "eta",
    "θ": "theta",
    "ϑ": "theta",
    "ι": "iota",
    "κ": "kappa",
    "λ": "lambda",
    "μ": "mu",
    "ν": "nu",
    "ξ": "xi",
    "π": "pi",
    "ρ": "rho",
    "σ": "sigma",
    "ς": "sigma",
    "τ": "tau",
    "υ": "upsilon",
    "φ": "phi",
    "ϕ": "phi",
    "χ": "chi",
    "ψ": "psi",
    "ω": "omega",
    "Γ": "Gamma",
    "Δ": "Delta",
    "Θ": "Theta",
    "Λ": "Lambda",
    "Ξ": "Xi",
    "Π": "Pi",
    "Σ": "Sigma",
    "Υ": "Upsilon",
    "Φ": "Phi",
    "Ψ": "Psi",
    "Ω": "Omega",
    "ℓ": "ell",
}

# Commands that stand for a word.
WORD_COMMANDS = {
    **{name: name for name in GREEK.values()},
    **{
        name: name
        for name in ("log exp sin cos tan sinh cosh tanh max min det arcsin arccos arctan".split())
    },
    "ln": "log",
    "lg": "log10",
    "cot": "cot",
    "sec": "sec",
    "csc": "csc",
    "varepsilon": "epsilon",
    "varphi": "phi",
    "vartheta": "theta",
    "varrho": "rho",
    "varsigma": "sigma",
    "infty": "inf",
    "hbar": "hbar",
    "tr": "trace",
    "Pr": "Pr",
}

# Characters and commands that stand for an operator.
OPERATORS = {
    "+": "+",
    "-": "-",
    "−": "-",
    "–": "-",
    "﹣": "-",
    "/": "/",
    "÷": "/",
    "∕": "/",
    "⁄": "/",
    "*": "*",
    "⊙": "*",
    "∘": "*",
    "∗": "*",
    "⨀": "*",
    "⊛": "*",
    "◦": "*",
    "○": "*",
    "@": "@",
    "·": "·",
    "⋅": "·",
    "•": "·",
    "∙": "·",
    "×": "·",
    "^": "^",
    "_": "_",
    "'": "'",
    "′": "'",
    "’": "'",
    "ʹ": "'",
    ",": ",",
    ".": ".",
    ";": ";",
    "=": "=",
    "≔": ":=",
    "≜": ":=",
    "≝": ":=",
    "←": "<-",
    "≡": "=",
    "<": "<",
    ">": ">",
    "≤": "<=",
    "⩽": "<=",
    "≥": ">=",
    "⩾": ">=",
    "≠": "!=",
    "≈": "≈",
    "≃": "≈",
    "∝": "∝",
    "→": "=>",
    "⇒": "=>",
    "⟹": "=>",
    "⟶": "=>",
    "⇔": "=>",
    "∴": "=>",
    "∈": "∈",
    ":": ":",
    "!": "!",
    "&": "&",
    "…": "...",
    "⋯": "...",
    "⊗": "⊗",
    "∀": "∀",
    "⊤": "⊤",
    "⊺": "⊤",
    "⟙": "⊤",
    "~": "~",
    "%": "%",
    "±": "±",
    "∞": "∞",
    "∫": "∫",
    "≫": ">>",
    "≪": "<<",
}
OPERATOR_COMMANDS = {
    "odot": "*",
    "circ": "*",
    "ast": "*",
    "bigodot": "*",
    "bullet": "·",
    "cdot": "·",
    "cdotp": "·",
    "times": "·",
    "div": "/",
    "prime": "'",
    "top": "⊤",
    "intercal": "⊤",
    "coloneqq": ":=",
    "coloneq": ":=",
    "triangleq": ":=",
    "doteq": ":=",
    "equiv": "=",
    "gets": "<-",
    "leftarrow": "<-",
    "lt": "<",
    "gt": ">",
    "le": "<=",
    "leq": "<=",
    "leqslant": "<=",
    "ge": ">=",
    "geq": ">=",
    "geqslant": ">=",
    "ne": "!=",
    "neq": "!=",
    "approx": "≈",
    "simeq": "≈",
    "propto": "∝",
    "to": "=>",
    "rightarrow": "=>",
    "Rightarrow": "=>",
    "longrightarrow": "=>",
    "Longrightarrow": "=>",
    "implies": "=>",
    "iff": "=>",
    "Leftrightarrow": "=>",
    "in": "∈",
    "ldots": "...",
    "cdots": "...",
    "dots": "...",
    "dotsc": "...",
    "dotsb": "...",
    "vdots": "...",
    "otimes": "⊗",
    "forall": "∀",
    "therefore": "=>",
    "mid": "|",
    "vert": "|",
    "lvert": "|(",
    "rvert": "|)",
    "Vert": "‖",
    "|": "‖",
    "lVert": "‖(",
    "rVert": "‖)",
    "pm": "±",
    "int": "∫",
    "colon": ":",
    "backslash": "\\",
    "_": "_",
    "%": "%",
    "&": "&",
}
PIPES = {"|": "|", "∣": "|", "‖": "‖", "∥": "‖"}

# Brackets: their one spelling, and which closing one belongs to an opening one.
OPENING = frozenset("([{⟨")
CLOSING = frozenset(")]}⟩")
PAIRS = {"(": ")", "[": "]", "{": "}", "\\{": "\\}", "⟨": "⟩"}
OPENING_COMMANDS = {"{": "\\{", "lbrace": "\\{", "lbrack": "[", "langle": "⟨", "lparen": "("}
CLOSING_COMMANDS = {"}": "\\}", "rbrace": "\\}", "rbrack": "]", "rangle": "⟩", "rparen": ")"}

# Commands the parser knows the structure of, and the number of arguments TeX reads for each.
STRUCTURES = {"frac": 2, "sqrt": 1, "sum": 0, "prod": 0, "partial": 0, "nabla": 0}
STRUCTURE_SPELLINGS = {
    **{name: name for name in STRUCTURES},
    "dfrac": "frac",
    "tfrac": "frac",
    "cfrac": "frac",
    "∂": "partial",
    "𝜕": "partial",
    "∇": "nabla",
    "∑": "sum",
    "∏": "prod",
    "√": "sqrt",
    "∛": "cbrt",
    "𝟙": "indicator",
    "𝟏": "indicator",
}

# An accent makes a new name: ŷ is yhat. An arrow or a bar below only decorates.
ACCENT_COMMANDS = {
    "hat": "hat",
    "widehat": "hat",
    "bar": "bar",
    "overline": "bar",
    "tilde": "tilde",
    "widetilde": "tilde",
    "dot": "dot",
    "check": "check",
    "breve": "breve",
}
ACCENT_MARKS = {
    "\u0302": "hat",
    "\u0304": "bar",
    "\u0305": "bar",
    "\u0303": "tilde",
    "\u0307": "dot",
    "\u030c": "check",
    "\u20d7": "",
    "\u20d1": "",
    "\u0332": "",
}

# Commands that change only how their argument looks.
STYLES = frozenset(
    "mathbf boldsymbol bm pmb mathsf mathit mathnormal mathcal mathscr vec overrightarrow "
    "underline displaystyle textstyle bold mathbfit symbf boxed fbox framebox".split()
)
# Commands whose argument is read as one word.
UPRIGHT = frozenset(
    "mathrm operatorname operatorname* text textrm textit textbf texttt mathtt mbox rm textsf "
    "hbox".split()
)
PROSE = frozenset("text textrm textit textbf textsf mbox hbox".split())
# Commands that only move things about.
SPACING = frozenset(
    ", ; : ! > quad qquad enspace thinspace left right middle big Big bigg Bigg bigl bigr Bigl "
    "Bigr biggl biggr Biggl Biggr limits nolimits nonumber notag hfill hline displaylimits "
    "tiny scriptsize footnotesize small normalsize large Large LARGE huge Huge "
    "allowbreak centering newline par space ensuremath strut left. right.".split()
) | {" ", "\n"}
# Commands whose argument is for the page only.
SKIPPED_WITH_ARGUMENT = frozenset(
    "label tag textcolor mathcolor colorbox hspace vspace phantom hphantom vphantom color ref "
    "eqref cite mathstrut".split()
)

SUPERSCRIPTS = dict(
    zip(
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ᵀᵗⁿⁱʲᵏˡᵐᴸᴺᴹᵃᵇᶜᵈᵉᶠᵍʰᵒᵖʳˢᵘᵛʷˣʸᶻᴴ⁼",
        "0123456789+-()TtnijklmLNMabcdefghoprsuvwxyzH=",
        strict=True,
    )
)
SUBSCRIPTS = dict(
    zip(
        "₀₁₂₃₄₅₆₇₈₉₊₋₍₎₌ᵢⱼₖₗₘₙₜₐₑₕₒₚᵣₛᵤᵥₓ",
        "0123456789+-()=ijklmntaehoprsuvx",
        strict=True,
    )
)

FRACTIONS = {
    "½": (1, 2),
    "⅓": (1, 3),
    "⅔": (2, 3),
    "¼": (1, 4),
    "¾": (3, 4),
    "⅕": (1, 5),
    "⅙": (1, 6),
    "⅛": (1, 8),
}

# Characters nobody sees, or that change the order in which others are shown.
INVISIBLE = frozenset(
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b"
    "\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff\ufff9\ufffa\ufffb"
)

# Words of programs. None of them is a name in an equation.
CODE_WORDS = frozenset(
    "import from lambda def class return yield await async while for try except finally raise "
    "assert del global nonlocal pass break continue if elif else with is not and or".split()
)
# What programs call to reach outside themselves: refused before a bracket or a dot.
CODE_CALLS = frozenset(
    "exec eval compile open getattr setattr delattr hasattr globals locals vars dir input "
    "breakpoint print exit quit type object super os sys subprocess shutil socket builtins "
    "importlib pickle pathlib ctypes".split()
)
# Commands that would make TeX read files, define macros or run programs.
CODE_COMMANDS = frozenset(
    "input include includegraphics write immediate openin openout read csname endcsname def edef "
    "gdef xdef let catcode lccode uccode newcommand renewcommand providecommand "
    "DeclareMathOperator expandafter loop repeat special directlua usepackage RequirePackage "
    "jobname newwrite newread "
    "futurelet afterassignment lowercase uppercase scantokens everymath require href url".split()
)
