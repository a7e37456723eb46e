"""What notes say, sorted: sizes, functions, definitions, given numbers and claims."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial

from backlit.explain.equation.binding import applied, labels, picked
from backlit.explain.equation.binding.columns import of_losses, over_columns, with_ranges
from backlit.explain.equation.binding.elements import (
    determinants,
    of_matrices,
    with_letters,
)
from backlit.explain.equation.binding.signals import Signals, implied
from backlit.explain.equation.binding.updates import Updates, pieces, rectified
from backlit.explain.equation.binding.versions import VERSION, in_versions
from backlit.explain.equation.binding.written import slots_of, variables
from backlit.explain.equation.text.entries import Notes, Refusal, Statement
from backlit.explain.equation.text.headers import Header
from backlit.explain.equation.text.parser import parse_expression
from backlit.explain.equation.text.spelling import unicode_function
from backlit.explain.equation.text.tokens import NotationError
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Derivative,
    Equation,
    Function,
    Items,
    Name,
    Node,
    Number,
    Span,
    Unary,
)
from backlit.explain.equation.values.functions import builtin

# A whole number set to a letter beyond this is a value, not the number of layers.
_LARGEST_COUNT = 12


@dataclass(frozen=True)
class Definition:
    """A line that says what a variable is.

    Attributes
    ----------
    line : int
    left : Name
    readings : tuple of Node
        Of the right side, the preferred one first.
    span : (int, int)
    text : str
    style : str
        ``latex``, ``unicode`` or ``python``.
    """

    line: int
    left: Name
    readings: tuple[Node, ...]
    span: Span
    text: str
    style: str = "unicode"


@dataclass(frozen=True)
class FunctionDefinition:
    """A line that says what a function is: ``f(x) = x²``, or ``g^{[1]} = σ``.

    Attributes
    ----------
    line : int
    function : Function
        As it stands on the left.
    parameters : tuple of str
    body : Node or str
        The right side; the name of a function of the notation.
    """

    line: int
    function: Function
    parameters: tuple[str, ...]
    body: Node | str


@dataclass(frozen=True)
class Claim:
    """A line whose left side is a derivative.

    Attributes
    ----------
    line : int
    text : str
    span : (int, int)
    style : str
        ``latex``, ``unicode`` or ``python``.
    parts : tuple of tuple of Equation
        For ``a = b = c`` the readings of a = b, then those of a = c.
    """

    line: int
    text: str
    span: Span
    style: str
    parts: tuple[tuple[Equation, ...], ...]

    @property
    def source(self) -> str:
        """The claim as it was written."""
        return self.text[slice(*self.span)]


@dataclass
class Script:
    """The lines of some notes by what they are for.

    Attributes
    ----------
    headers : list of Header
    definitions : list of Definition
    functions : list of FunctionDefinition
    given : dict of Name to Node
        Names set to written numbers, ``w1 = 0.15``: places to evaluate at, not equations.
    counts : dict of str to int
        Letters set to small whole numbers: L = 3.
    claims : list of Claim
    faults : list of Refusal
    unread : dict of Name to int
        What refused lines would have defined, and the lines.
    implied : Equation or None
        What a name of derivatives is that the notes use and do not introduce: δ^{(l)}.
    """

    headers: list[Header] = field(default_factory=list)
    definitions: list[Definition] = field(default_factory=list)
    functions: list[FunctionDefinition] = field(default_factory=list)
    given: dict[Name, Node] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    faults: list[Refusal] = field(default_factory=list)
    unread: dict[Name, int] = field(default_factory=dict)
    implied: Equation | None = None

    def equations(self) -> list[Equation]:
        """Return the definitions as equations, for those who look for letters in them."""
        own = [Equation(d.left, d.readings[0]) for d in self.definitions]
        functions = [
            Equation(Call(f.function, tuple([Name(p) for p in f.parameters])), f.body)
            for f in self.functions
            if isinstance(f.body, Node)
        ]
        return own + functions

    @property
    def signs(self) -> tuple[bool, bool]:
        """Whether the notes write ⊙, and whether the definitions are written in Python."""
        texts = [d.text for d in self.definitions]
        claimed = [claim.text for claim in self.claims]
        odots = ("⊙", "\\odot", "∘", "\\circ")
        return (
            any(sign in text for text in [*texts, *claimed] for sign in odots),
            any(sign in text for text in texts for sign in ("np.", "**", " @ ")),
        )

    def claimed(self) -> list[Equation]:
        """Return the preferred readings of the claims."""
        return [part[0] for claim in self.claims for part in claim.parts]


def sort(notes: Notes) -> Script:
    """Sort the lines of some notes.

    Parameters
    ----------
    notes : Notes

    Returns
    -------
    Script
    """
    written, headers = labels.one_hot(notes.statements, notes.headers)
    script = Script(headers=headers, faults=list(notes.refusals))
    script.unread = dict(_unread(notes))
    declared = [header.name.base for header in headers]
    functions = notes.vocabulary.functions - notes.vocabulary.variables
    statements = picked.named(applied.with_arguments(written, functions))
    statements = with_letters(_with_values(pieces(statements, declared)), headers)
    statements = determinants(of_matrices(statements, headers), headers)
    statements = of_losses(over_columns(statements, declared), _open(statements))
    statements = with_ranges(statements, declared)
    called = {
        v.name
        for s in statements
        for v in variables(s.equation)
        if isinstance(v, Function) and builtin(v.name) is None
    }
    formulas = {
        s.equation.left
        for s in statements
        if isinstance(s.equation.left, Name) and _has_names(s.equation.right)
    }
    values = {v.base for s in statements for v in variables(s.equation) if isinstance(v, Name)}
    chains: dict[tuple[int, Node], int] = {}
    signals = Signals()
    begun = implied(statements)
    if begun is not None:
        script.implied = begun.equation
        statements = [begun, *statements]
    versions: dict[str, str] = {}
    updates = Updates(VERSION, rectified(statements))
    for line in statements:
        changed = updates.read(in_versions(line, versions), partial(_add_term, script))
        if changed is None:
            continue
        statement = signals.stated(changed)
        equation = statement.equation
        alone = applied.unapplied(equation)
        if alone is not None:
            _refuse(script, statement, *_of_what(alone))
        elif is_claim(equation):
            _add_claim(script, statement, chains)
        elif isinstance(equation.left, Call):
            _add_function(script, statement, values)
        elif not isinstance(equation.left, Name):
            _add_other(script, statement)
        elif _alias(equation, called):
            _add_alias(script, statement, equation.left)
        else:
            _add_definition(script, statement, equation.left, formulas)
    return script


def _open(statements: Sequence[Statement]) -> set[str]:
    """Return the functions that nothing defines."""
    nodes = [n for s in statements for n in s.equation.walk()]
    told = {s.equation.left.function for s in statements if isinstance(s.equation.left, Call)}
    called = {n.function for n in nodes if isinstance(n, Call)} - told
    return {f.name for f in called if builtin(f.name) is None}


def _with_values(statements: Sequence[Statement]) -> list[Statement]:
    """Read ∂J(w)/∂w as ∂J/∂w where J(w) = Σᵢ (w xᵢ − yᵢ)² is of more than its arguments."""
    heads = [
        s.equation.left
        for s in statements
        if isinstance(s.equation.left, Call) and _has_members(s.equation.right)
    ]

    def change(node: Node) -> Node:
        if isinstance(node, Derivative) and isinstance(node.target, Call) and node.target in heads:
            function = node.target.function
            return replace(node, target=Name(function.name, function.layer, span=node.target.span))
        return node

    return [statement.mapped(change) for statement in statements]


def _has_members(node: Node) -> bool:
    """Tell whether an expression has variables with layers or subscripts."""
    return any(isinstance(v, Name) and (v.layer or v.index) for v in variables(node))


def _unread(notes: Notes) -> Iterator[tuple[Name, int]]:
    """Yield what stands on the left of lines that cannot be read."""
    for refusal in notes.refusals:
        left, equals, _ = refusal.text.partition("=")
        try:
            left = left.strip(" $&*`").rstrip(" +-*/@")  # of loss += …
            readings = parse_expression(left, notes.vocabulary) if equals else ()
        except NotationError:
            continue
        if readings and isinstance(readings[0], Name):
            yield readings[0], refusal.line


def is_claim(equation: Equation) -> bool:
    """Tell whether an equation states a derivative: ∂L/∂w = … or σ′(z) = ….

    Parameters
    ----------
    equation : Equation

    Returns
    -------
    bool
    """
    left = equation.left
    return equation.is_claim or (isinstance(left, Call) and left.function.order > 0)


def _add_claim(script: Script, statement: Statement, chains: dict[tuple[int, Node], int]) -> None:
    readings = tuple([e for e in statement.readings if is_claim(e)])
    key = (statement.line, statement.equation.left)
    if key in chains:
        place = chains[key]
        claim = script.claims[place]
        span = (min(claim.span[0], statement.span[0]), max(claim.span[1], statement.span[1]))
        script.claims[place] = replace(claim, parts=(*claim.parts, readings), span=span)
        return
    chains[key] = len(script.claims)
    script.claims.append(
        Claim(statement.line, statement.text, statement.span, statement.style, (readings,))
    )


def _add_term(script: Script, left: Node, op: str, term: Node, statement: Statement) -> bool:
    """Join a term of a later line to the last claim about a derivative: ``dW += λ W``."""
    for place in reversed(range(len(script.claims))):
        claim = script.claims[place]
        if claim.parts[-1][0].left == left:
            behind = len(claim.text) + 1
            moved = term.map(partial(_shifted, by=behind))
            readings = [replace(e, right=Binary(op, e.right, moved)) for e in claim.parts[-1]]
            script.claims[place] = replace(
                claim,
                text=f"{claim.text}\n{statement.text}",
                span=(claim.span[0], behind + statement.span[1]),
                parts=(*claim.parts[:-1], tuple(readings)),
            )
            return True
    return False


def _shifted(node: Node, by: int) -> Node:
    return replace(node, span=(node.span[0] + by, node.span[1] + by))


def _add_function(script: Script, statement: Statement, values: Collection[str]) -> None:
    left = statement.equation.left
    assert isinstance(left, Call)
    whole = replace(left.function, layer=None)
    if left.function.layer is not None and any(f.function == whole for f in script.functions):
        # f^{(3)} of an f that has no layers.
        _refuse(script, statement, "of a function only the first and second derivative are read")
        return
    parameters = [arg.base for arg in left.args if isinstance(arg, Name)]
    plain = all(isinstance(a, Name) and a.layer is None and not a.index for a in left.args)
    if not plain or left.keywords or len(set(parameters)) != len(left.args):
        # L(a, y) of arguments that are more than letters: a value that is told with what it is of.
        if isinstance(left.function.name, str) and builtin(left.function.name) is None:
            name = Name(left.function.name, left.function.layer, span=left.span)
            script.definitions.append(_definition(statement, name))
            return
        _refuse(script, statement, "the left side is neither a name nor a derivative")
        return
    script.functions.append(
        FunctionDefinition(
            statement.line, left.function, tuple(parameters), statement.equation.right
        )
    )
    if left.function.name in values:
        # L(a, y) = …, of which ∂L/∂a is asked.
        name = Name(left.function.name, left.function.layer, span=left.span)
        script.definitions.append(_definition(statement, name))


def _alias(equation: Equation, called: Iterable[str]) -> bool:
    """Tell whether an equation names a function: g = σ, where g is called somewhere."""
    left, right = equation.left, equation.right
    return (
        isinstance(left, Name)
        and left.base in called
        and isinstance(right, Name)
        and right.layer is None
        and not right.index
        and builtin(right.base) is not None
    )


def _add_alias(script: Script, statement: Statement, left: Name) -> None:
    right = statement.equation.right
    assert isinstance(right, Name)
    function = Function(left.base, left.layer, span=left.span)
    script.functions.append(FunctionDefinition(statement.line, function, (), right.base))


def _add_other(script: Script, statement: Statement) -> None:
    """Take ``expression = name`` for a definition written from right to left."""
    right = statement.equation.right
    turned = [Equation(e.right, e.left, span=e.span) for e in statement.readings]
    if isinstance(right, Name) and not isinstance(statement.equation.left, (Number, Items)):
        swapped = replace(statement, equation=turned[0], readings=tuple(turned))
        script.definitions.append(_definition(swapped, right))
        return
    _refuse(script, statement, "the left side is neither a name nor a derivative")


def _refuse(
    script: Script,
    statement: Statement,
    what: str,
    fix: str = "define a variable (Z = …) or state a derivative (dW = …)",
    span: Span | None = None,
) -> None:
    span = span or statement.equation.left.span
    script.faults.append(Refusal(statement.line, statement.text, span, what, fix))


def _of_what(call: Call) -> tuple[str, str, Span]:
    shown = unicode_function(call.function.name, False) + "'" * call.function.order
    return f"‘{shown}’ of what?", f"write what it is applied to: {shown}(…)", call.span


def _add_definition(script: Script, statement: Statement, left: Name, formulas: set[Name]) -> None:
    right = statement.equation.right
    if not _has_names(right):
        if left in formulas:
            return  # The value of what a formula gave: w = 0.5 + …, then w = 0.53.
        if isinstance(right, Number) and left.layer is None and not left.index:
            value = right.value
            if value.denominator == 1 and 0 < value <= _LARGEST_COUNT:
                script.counts[left.base] = int(value)
        if _is_written(right):
            script.given[left] = right
            return
    script.definitions.append(_definition(statement, left))


def _has_names(node: Node) -> bool:
    return any(isinstance(v, Name) for v in variables(node))


def _definition(statement: Statement, left: Name) -> Definition:
    rights = tuple([e.right for e in statement.readings])
    span, text = statement.span, statement.text
    return Definition(statement.line, left, rights, span, text, statement.style)


def _is_written(node: Node) -> bool:
    if isinstance(node, Unary):
        return _is_written(node.operand)
    if isinstance(node, Items):
        return all(map(_is_written, node.items))
    return isinstance(node, Number)


def value_of(node: Node) -> Fraction | None:
    """Return the number that is written, or None.

    Parameters
    ----------
    node : Node

    Returns
    -------
    Fraction or None
    """
    if isinstance(node, Unary):
        inner = value_of(node.operand)
        return None if inner is None else -inner
    return node.value if isinstance(node, Number) else None


def written_numbers(equations: Sequence[Equation]) -> set[int]:
    """Return the whole numbers in equations, which dimensions should differ from.

    Parameters
    ----------
    equations : sequence of Equation

    Returns
    -------
    set of int
    """
    counters = {id(part) for e in equations for v in variables(e) for _, part in slots_of(v)}
    return {
        int(n.value)
        for e in equations
        for n in e.walk()
        if isinstance(n, Number) and n.value.denominator == 1 and id(n) not in counters
    }
