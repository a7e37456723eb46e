"""What an explanation of one weight has to say, as a document."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as onp

from backlit.explain.document import (
    NOTHING,
    Bullets,
    Code,
    Content,
    Document,
    Figure,
    Head,
    Math,
    Paragraph,
    Part,
    Section,
    Step,
    Steps,
    Table,
    joined,
)
from backlit.explain.drawing.elements import weight_picture
from backlit.explain.equation.tree import Binary, Derivative, Equation, Node
from backlit.explain.formula import counted, number, number_node, plain
from backlit.explain.selection import Convention
from backlit.explain.views import (
    Accumulated,
    Backward,
    Computed,
    Element,
    Explanation,
    Factor,
    Path,
)

# Of one array in the table of the forward pass.
_ELEMENTS = 2
# A result that the program gives no name.
_NUMBERED = re.compile(r"t\d+")
# Of one path, at either end.
_PATH_ENDS = 6

Row = tuple[Content, ...]


def explanation_page(
    e: Explanation, views: Sequence[str], convention: Convention | None = None
) -> Document:
    """Return an explanation as a document.

    Parameters
    ----------
    e : Explanation
    views : sequence of str
        Which of `backlit.explain.selection.VIEWS`.
    convention : Convention, optional
        How the derivation in matrices is written.

    Returns
    -------
    Document
    """
    title = f"The gradient of {e.function} with respect to {e.weight.label}, step by step"
    parts: list[Part] = [_summary(e)]
    how = convention or Convention()
    for view in views:
        if e.paths.count or view in ("picture", "forward"):
            parts += _WRITTEN[view](e, how)
    if e.zeros:
        parts.append(_listed("Where the gradient stops", e.zeros))
    if e.guards:
        said = "The program took branches; the explanation holds where it takes them again"
        parts.append(_listed(said, e.guards))
    parts.append(Paragraph((e.statement,)))
    return Document((title,), tuple(parts))


def _listed(title: str, texts: Sequence[str]) -> Section:
    return Section((title,), (Bullets(tuple([((text,),) for text in texts])),))


def _summary(e: Explanation) -> Table:
    loss = f"the loss, what {e.function} returns"
    if e.loss_name != e.loss.label and not _NUMBERED.fullmatch(e.loss_name):
        loss += f", there {e.loss_name}"
    weight = f"the weight {e.weight.label} = {number(e.weight.value)}"
    if e.symbol == e.weight.label:
        weight = f"the weight, {number(e.weight.value)}"
    rows: list[Row] = [
        ((Math(_symbol(e), e.symbol),), (weight,)),
        (_name(e.loss), (f"{loss}: {number(e.loss.value)}",)),
        ((_slope(e.loss.node, _symbol(e)),), (f"{number(e.gradient)}, explained below",)),
    ]
    return Table("What is explained", (), "<<", tuple(rows))


def _symbol(e: Explanation) -> Node:
    return e.symbol_node


def _name(element: Element) -> Content:
    return (Math(element.node, element.label),)


def _slope(result: Node, element: Node) -> Math:
    node = Derivative(result, element)
    return Math(node, plain(node))


# --- forward ----------------------------------------------------------------------------------


def _forward(e: Explanation) -> Section:
    heads = tuple([Head(t) for t in ("result", "operation", "shape", "value", "line")])
    rows: list[Row] = []
    for row in e.forward:
        shape = "×".join(map(str, row.shape)) or "scalar"
        operation = " ".join([row.operation, *row.operands])
        source: Content = (Code(row.source),) if row.source else NOTHING
        name: Content = (Code(row.name) if row.array is None else Math(row.array, row.name),)
        rows.append((name, (Code(operation),), (shape,), (_value(row),), source))
    return Section(
        ("1. Forward pass: what was computed",),
        (Table("The forward pass", heads, "<<<<<", tuple(rows)),),
        note=(f"Elements that {e.symbol} can change are given one by one.",),
    )


def _value(row: Computed) -> str:
    if not row.reached:
        if row.values:
            return ", ".join(number(value) for value in row.values)
        return f"all {number(row.low)}" if row.low == row.high else _range(row)
    if row.shape == ():
        return number(row.high)
    shown = row.elements[:_ELEMENTS]
    text = ", ".join(
        f"{element.label.removeprefix(row.name)} = {number(element.value)}" for element in shown
    )
    more = row.reached - len(shown)
    return f"{text}, … {more:,} more" if more else text


def _range(row: Computed) -> str:
    return f"{number(row.low)} … {number(row.high)}"


# --- backward ---------------------------------------------------------------------------------


def _backward(e: Explanation) -> Section:
    heads = (
        Head("gradient of"),
        Head("upstream", 3),
        Head("local derivative", 3),
        Head("contribution"),
    )
    rows = [row for step in e.backward for row in _step(step, e.loss.node)]
    return Section(
        ("2. Backward pass: upstream · local derivative = contribution",),
        (Table("The backward pass", heads, "<<><<><>", tuple(rows)),),
        note=("An element that is used several times adds up what comes back from every use.",),
    )


def _step(step: Backward, loss: Node) -> list[Row]:
    rows: list[Row] = []
    for item in step.elements:
        rows += _accumulated(item, loss)
    more = step.element_count - len(step.elements)
    if more:
        rows.append(((f"… {more:,} more of {step.name}",), *[NOTHING] * 7))
    return rows


def _accumulated(item: Accumulated, loss: Node) -> list[Row]:
    mine, none = _name(item.element), NOTHING
    if not item.terms:
        said = ("the loss itself",)
        return [(mine, none, none, none, said, none, none, (number(item.gradient),))]
    rows: list[Row] = [
        (
            none if k else mine,
            (_slope(loss, term.result.node),),
            (number(term.upstream),),
            ("·",),
            (_slope(term.result.node, item.element.node),),
            (number(term.local),),
            _rule(term.operation, term.rule, term.formula, term.local),
            (number(term.contribution),),
        )
        for k, term in enumerate(item.terms)
    ]
    more = item.term_count - len(item.terms)
    if more:
        uses = (f"… {more:,} more use{'s' * (more > 1)}",)
        rows.append((none, uses, none, none, none, none, none, (number(item.rest),)))
    if item.term_count > 1:
        total = (_slope(loss, item.element.node), ", the sum")
        rows.append((none, none, none, none, total, none, none, (number(item.gradient),)))
    return rows


def _rule(operation: str, rule: str, formula: Node | None, local: float) -> Content:
    """Return the formula of a local derivative; one that is just the number says nothing more."""
    if not rule or rule == number(local):
        return (operation,)
    return (rule,) if formula is None else (Math(formula, rule),)


# --- chain ------------------------------------------------------------------------------------


def _chain(e: Explanation) -> Section:
    title = f"3. The chain from the loss to {e.symbol}: each gradient is the one above · the factor"
    heads = (Head("gradient of"), Head("factor", 2), Head("because"), Head("gradient"))
    rows: list[Row] = [(_name(e.loss), NOTHING, NOTHING, ("the loss itself",), ("1",))]
    for factor in e.chain:
        rows.append(
            (
                _name(factor.element),
                (_slope(factor.result.node, factor.element.node),),
                (number(factor.local),),
                _ways(factor),
                (number(factor.gradient),),
            )
        )
    return Section((title,), (_product(e), Table("The chain", heads, "<<><>", tuple(rows))))


def _ways(factor: Factor) -> Content:
    rule = _rule(factor.operation, factor.rule, factor.formula, factor.local)
    text = rule if rule == (factor.operation,) else (f"{factor.operation}: ", *rule)
    if factor.paths == 1:
        return text
    ways = f"sum over {counted(factor.paths)} paths"
    return (*text, f", {ways}") if factor.operation else (ways,)


def _product(e: Explanation) -> Steps:
    """Return the chain as one product, results without a name of their own left out."""
    slopes: list[Math] = []
    values: list[float] = []
    top: Element | None = None
    local = 1.0
    for k, factor in enumerate(e.chain):
        top = top or factor.result
        local *= factor.local
        if factor.element.named or k == len(e.chain) - 1:
            slopes.append(_slope(top.node, factor.element.node))
            values.append(local)
            top, local = None, 1.0
    total = Step((_number(e.gradient),))
    steps: tuple[Step, ...] = (total,)
    if len(slopes) > 1:
        steps = (Step(_multiplied(slopes)), Step(_multiplied([_number(v) for v in values])), total)
    return Steps(_slope(e.loss.node, _symbol(e)), steps)


def _multiplied(factors: Sequence[Math]) -> Content:
    """Return a product, as one formula if it is short."""
    shown = _ends(factors)
    if len(shown) < len(factors):
        return joined([_piece(factor) for factor in shown], " · ")
    node, text = factors[0].node, _bracketed(factors[0])
    for factor in factors[1:]:
        node, text = Binary(".", node, factor.node), f"{text} · {_bracketed(factor)}"
    return (Math(node, text),)


def _piece(factor: Math | str) -> Content:
    return (factor,) if isinstance(factor, str) else (Math(factor.node, _bracketed(factor)),)


def _bracketed(factor: Math) -> str:
    return f"({factor.text})" if factor.text.startswith("-") else factor.text


def _number(value: float) -> Math:
    return Math(number_node(value), number(value))


def _ends(items: Sequence[Math]) -> list[Math | str]:
    """Return a list without its middle if it is long."""
    if len(items) <= 2 * _PATH_ENDS:
        return list(items)
    return [*items[:_PATH_ENDS], "…", *items[-_PATH_ENDS:]]


# --- paths ------------------------------------------------------------------------------------


def _paths(e: Explanation) -> Section:
    p = e.paths
    plural = "path leads" if p.count == 1 else "paths lead"
    title = f"4. Sum over paths: {counted(p.count)} {plural} from {e.symbol} to {e.loss.label}"
    if p.open < p.count:
        title += f", {counted(p.open)} of them without" if p.open else ", each with"
        title += " a factor of exactly 0"
    rows: list[tuple[str, str, str]] = []
    hidden = p.count - len(p.largest)
    if hidden:
        shown = "the path above" if len(p.largest) == 1 else f"the {len(p.largest)} paths above"
        other = "the other path" if hidden == 1 else f"the other {counted(hidden)} paths"
        rows += [
            (shown, number(p.shown), _share(p.shown, p.total)),
            (other, number(p.rest), _share(p.rest, p.total)),
        ]
    rows += [
        ("the sum over all paths", number(p.total), ""),
        ("backlit.grad (reverse mode)", number(e.reverse_mode), f"differs by {e.difference:.1e}"),
    ]
    cells = [tuple([(cell,) if cell else NOTHING for cell in row]) for row in rows]
    ways = [_stations(path) for path in p.largest]
    alike = {way for way in ways if ways.count(way) > 1}
    listed = Bullets(
        tuple(
            [_path(path, p.total, way in alike) for path, way in zip(p.largest, ways, strict=True)]
        ),
        ordered=True,
    )
    return Section((title,), (listed, Table("The sum over paths", (), "<><", tuple(cells))))


def _stations(path: Path) -> tuple[str, ...]:
    """Return the elements on a path whose names are the user's."""
    return tuple([element.label for element in path.elements if element.named])


def _path(path: Path, total: float, whole: bool) -> tuple[Content, Content]:
    """Return a way and its product; `whole`: with elements that have no name of the user's."""
    names, factors, local = [_name(path.elements[0])], [], 1.0
    for k, element in enumerate(path.elements[1:]):
        local *= path.factors[k]
        if whole or element.named or k == len(path.factors) - 1:
            names.append(_name(element))
            factors.append(_number(local))
            local = 1.0
    labels = [math for name in names for math in name if isinstance(math, Math)]
    product = _multiplied(factors) if factors else ("1",)
    if len(factors) > 1:
        product = _equal(product, _number(path.product))
    share = _share(path.product, total)
    way = joined([_piece(label) for label in _ends(labels)], " → ")
    return way, (*product, f"   {share}") if share else product


def _equal(left: Content, right: Math) -> Content:
    """Return an equation, as one formula where the left side is one."""
    if len(left) == 1 and isinstance(left[0], Math):
        whole = Equation(left[0].node, right.node)
        return (Math(whole, f"{left[0].text} = {right.text}"),)
    return (*left, " = ", right)


def _share(part: float, total: float) -> str:
    """Return a part in percent of the total, or nothing where that says nothing."""
    if not total or abs(part) > 100 * abs(total):
        return ""
    return f"({100 * part / total + 0.0:.3g} %)"


# --- the derivation ---------------------------------------------------------------------------


def _picture(e: Explanation, how: Convention) -> list[Part]:
    picture = weight_picture(e)
    return [] if picture is None else [Figure(picture)]


def _matrices(e: Explanation, how: Convention) -> list[Part]:
    from backlit.explain.derivation import report

    found = how.of(e.derivation)
    tables = [report.program_table(found), report.gradient_table(found)]
    title = ("5. In matrices, by the program's names",)
    return [Section(title, (*tables, report.legend(found)), how.note(e.derivation))]


def _steps(e: Explanation, how: Convention) -> list[Part]:
    from backlit.explain.derivation import report

    found = how.of(e.derivation)
    steps = [report.steps_of(line) for line in found.backward if line.steps]
    return [Section(("The steps to every line, each of them checked with numbers",), tuple(steps))]


def _elements(e: Explanation, how: Convention) -> list[Part]:
    from backlit.explain.derivation import report
    from backlit.explain.derivation.checking import worked_out

    found, program = e.derivation, e.explained
    with onp.errstate(all="ignore"):
        values = worked_out(found, program.args)
        numbers = report.number_list(found, values, program.index)
        chains = report.element_chains(found, values)
    title = "6. Element by element, sums running over all there is, and with numbers"
    return [Section((title,), (report.element_table(found), *chains, numbers))]


def _modes(e: Explanation, how: Convention) -> list[Part]:
    from backlit.explain.derivation import report

    title = "7. Forward mode, whose tangents travel with the values, and what either mode costs"
    parts = report.tangent_table(e.tangents), *report.mode_parts(e.modes)
    return [Section((title,), parts)]


def _second(e: Explanation, how: Convention) -> list[Part]:
    from backlit.explain.derivation import report

    found = how.of(e.second)
    name = Math(found.target)
    said: Content = (name, " is the gradient ", _slope(e.loss.node, _symbol(e)), " of above")
    tables = report.program_table(found), report.gradient_table(found), report.legend(found)
    return [Section(("Second derivatives: how the gradient changes",), tables, said)]


_WRITTEN: dict[str, Callable[[Explanation, Convention], list[Part]]] = {
    "picture": _picture,
    "forward": lambda e, how: [_forward(e)],
    "backward": lambda e, how: [_backward(e)],
    "chain": lambda e, how: [_chain(e)],
    "paths": lambda e, how: [_paths(e)],
    "matrices": _matrices,
    "steps": _steps,
    "elements": _elements,
    "modes": _modes,
    "second": _second,
}
