"""Explanations as plain text: four aligned tables and a last line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.explain.formula import counted, number
from backlit.explain.views import (
    Accumulated,
    Backward,
    Computed,
    Element,
    Explanation,
    Factor,
    Path,
)

_INDENT = "  "
_GAP = "  "
# A long program keeps its beginning and its end.
_MOST_LINES = 80
_FEWER_LINES = 16
# Of one array in the table of the forward pass.
_ELEMENTS = 2
# Of one path, at either end.
_PATH_ENDS = 6
ASCII = str.maketrans(
    {
        "∂": "d",
        "·": "*",
        "→": "->",
        "…": "..",
        "×": "x",
        "²": "^2",
        "σ": "sigma",
        "≥": ">=",
        "≤": "<=",
        "∑": "sum",
        "∏": "prod",
    }
)

Row = Sequence[str]
Encode = Callable[[str], str]


def render(explanation: Explanation, ascii: bool = False) -> str:
    """Return an explanation as text.

    Parameters
    ----------
    explanation : Explanation
    ascii : bool
        Use no character outside ASCII.

    Returns
    -------
    str
    """
    e = explanation

    def encode(text: str) -> str:
        return text.translate(ASCII).encode("ascii", "backslashreplace").decode() if ascii else text

    blocks = [_head(e, encode), _forward(e, encode)]
    if e.paths.count:
        blocks += [_backward(e, encode), _chain(e, encode), _paths(e, encode)]
    if e.is_derived and e.paths.count:
        blocks += _derivation(e, ascii, encode)
    if e.zeros:
        blocks.append(["Where the gradient stops", *[_INDENT + text for text in e.zeros]])
    if e.guards:
        title = "The program took branches; the explanation holds where it takes them again"
        blocks.append([title, *[_INDENT + guard for guard in e.guards]])
    blocks.append([e.statement])
    return "\n\n".join("\n".join(encode(line) for line in block) for block in blocks)


def _derivation(e: Explanation, ascii: bool, encode: Encode) -> list[list[str]]:
    """Return the derivation in matrices, element by element, and in both modes."""
    from backlit.explain.derivation import report
    from backlit.explain.equation.printing import python, unicode

    write, found = python if ascii else unicode, e.derivation
    told = [f"{_INDENT}{line}" for line in report.legend(found, write)]
    matrices = [
        "5. In matrices, by the program's names",
        "",
        *_table(report.program_rows(found, write), "<<<", encode, _FEWER_LINES),
        "",
        *_table(report.gradient_rows(found, write), "<<<", encode, _FEWER_LINES),
        "",
        *told,
    ]
    elements = [
        "6. Element by element, sums running over all there is, and with numbers",
        "",
        *_table(report.element_rows(found, write), "<<", encode, _FEWER_LINES),
        "",
        *_numbers(e, write),
    ]
    onward = [(write(line.equation), report.shape(line)) for line in e.tangents.backward]
    both = [
        "7. Forward mode, whose tangents travel with the values, and what either mode costs",
        "",
        *_table(onward, "<<", encode, _FEWER_LINES),
        "",
        *[f"{_INDENT}{line}" for line in report.mode_rows(e.modes, write)],
        "",
        *[f"{_INDENT}{line}" for line in str(e.modes.cost).splitlines()],
    ]
    return [matrices, elements, both]


def _numbers(e: Explanation, write: Callable[[Any], str]) -> list[str]:
    from backlit.explain.derivation import report

    assert e.program is not None
    with onp.errstate(all="ignore"):
        rows = report.number_rows(e.derivation, e.program.args, e.program.index, write)
    return [f"{_INDENT}{row}" for row in rows]


def _table(rows: Sequence[Row], align: str, encode: Encode, most: int = _MOST_LINES) -> list[str]:
    """Return aligned lines; `align` has "<" or ">" per column."""
    if not rows:
        return []
    cells = [[encode(cell) for cell in row] for row in rows]
    widths = [max(len(row[k]) for row in cells) for k in range(len(align))]
    lines = []
    for row in cells:
        padded = [
            cell.rjust(width) if side == ">" else cell.ljust(width)
            for cell, width, side in zip(row, widths, align, strict=True)
            if width
        ]
        lines.append((_INDENT + _GAP.join(padded)).rstrip())
    if len(lines) > 1.25 * most:
        half = most // 2
        left_out = len(lines) - 2 * half
        lines[half:-half] = [f"{_INDENT}… {left_out:,} lines left out …"]
    return lines


def _head(e: Explanation, encode: Encode) -> list[str]:
    loss = f"the loss, what {e.function} returns"
    if e.loss_name != e.loss.label:
        loss += f" ({e.loss_name} in table 1)"
    rows = [
        (e.symbol, f"the weight {e.weight.label} = {number(e.weight.value)}"),
        (e.loss.label, f"{loss}: {number(e.loss.value)}"),
        (f"∂{e.loss.label}/∂{e.symbol}", f"{number(e.gradient)}, explained below"),
    ]
    if e.symbol == e.weight.label:
        rows[0] = (e.symbol, f"the weight, {number(e.weight.value)}")
    title = f"The gradient of {e.function} with respect to {e.weight.label}, step by step"
    return [title, "", *_table(rows, "<<", encode)]


# --- forward ----------------------------------------------------------------------------------


def _forward(e: Explanation, encode: Encode) -> list[str]:
    rows: list[Row] = [("result", "operation", "shape", "value", "line")]
    for row in e.forward:
        shape = "×".join(map(str, row.shape)) or "scalar"
        operation = " ".join([row.operation, *row.operands])
        rows.append((row.name, operation, shape, _value(row), row.source))
    return [
        "1. Forward pass: what was computed",
        f"{_INDENT}Elements that {e.symbol} can change are given one by one.",
        "",
        *_table(rows, "<<<<<", encode),
    ]


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


def _backward(e: Explanation, encode: Encode) -> list[str]:
    rows: list[Row] = [
        ("gradient of", "upstream", "", "", "local derivative", "", "", "contribution")
    ]
    for step in e.backward:
        rows += _step(step, f"∂{e.loss.label}/∂")
    return [
        "2. Backward pass: upstream · local derivative = contribution",
        f"{_INDENT}An element that is used several times adds up what comes back from every use.",
        "",
        *_table(rows, "<<><<><>", encode),
    ]


def _step(step: Backward, head: str) -> list[Row]:
    rows: list[Row] = []
    for item in step.elements:
        rows += _accumulated(item, head)
    more = step.element_count - len(step.elements)
    if more:
        rows.append((f"… {more:,} more of {step.name}", "", "", "", "", "", "", ""))
    return rows


def _accumulated(item: Accumulated, head: str) -> list[Row]:
    mine = item.element.label
    if not item.terms:
        return [(mine, "", "", "", "the loss itself", "", "", number(item.gradient))]
    rows: list[Row] = [
        (
            "" if k else mine,
            head + term.result.label,
            number(term.upstream),
            "·",
            f"∂{term.result.label}/∂{mine}",
            number(term.local),
            term.operation if term.rule in ("", number(term.local)) else term.rule,
            number(term.contribution),
        )
        for k, term in enumerate(item.terms)
    ]
    more = item.term_count - len(item.terms)
    if more:
        uses = f"… {more:,} more use{'s' * (more > 1)}"
        rows.append(("", uses, "", "", "", "", "", number(item.rest)))
    if item.term_count > 1:
        total = f"{head}{mine}, the sum"
        rows.append(("", "", "", "", total, "", "", number(item.gradient)))
    return rows


# --- chain ------------------------------------------------------------------------------------


def _chain(e: Explanation, encode: Encode) -> list[str]:
    title = f"3. The chain from the loss to {e.symbol}: each gradient is the one above · the factor"
    rows: list[Row] = [("gradient of", "factor", "", "because", "gradient")]
    rows.append((e.loss.label, "", "", "the loss itself", "1"))
    for factor in e.chain:
        rows.append(
            (
                factor.element.label,
                f"∂{factor.result.label}/∂{factor.element.label}",
                number(factor.local),
                _ways(factor),
                number(factor.gradient),
            )
        )
    return [title, "", *_product(e), "", *_table(rows, "<<><>", encode)]


def _ways(factor: Factor) -> str:
    text = _because(factor.operation, factor.rule, factor.local)
    if factor.paths == 1:
        return text
    ways = f"sum over {counted(factor.paths)} paths"
    return f"{text}, {ways}" if text else ways


def _because(operation: str, rule: str, local: float) -> str:
    """Return operation and formula; a formula that is just the number says nothing more."""
    return f"{operation}: {rule}" if rule and rule != number(local) else operation


def _product(e: Explanation) -> list[str]:
    """Return the chain as one product, results without a name of their own left out."""
    parts: list[tuple[str, float]] = []
    top: Element | None = None
    local = 1.0
    for k, factor in enumerate(e.chain):
        top = top or factor.result
        local *= factor.local
        if factor.element.named or k == len(e.chain) - 1:
            parts.append((f"∂{top.label}/∂{factor.element.label}", local))
            top, local = None, 1.0
    head = f"{_INDENT}∂{e.loss.label}/∂{e.symbol} = "
    if len(parts) < 2:
        return [head + number(e.gradient)]
    symbols = " · ".join(_ends([symbol for symbol, _ in parts]))
    numbers = " · ".join(_ends([_factor(value) for _, value in parts]))
    indent = " " * (len(head) - 2)
    return [head + symbols, f"{indent}= {numbers}", f"{indent}= {number(e.gradient)}"]


# --- paths ------------------------------------------------------------------------------------


def _paths(e: Explanation, encode: Encode) -> list[str]:
    p = e.paths
    plural = "path leads" if p.count == 1 else "paths lead"
    title = f"4. Sum over paths: {counted(p.count)} {plural} from {e.symbol} to {e.loss.label}"
    if p.open < p.count:
        title += f", {counted(p.open)} of them without" if p.open else ", each with"
        title += " a factor of exactly 0"
    lines = [title, ""]
    for k, path in enumerate(p.largest):
        lines += _path(k + 1, path, p.total)
    rows: list[Row] = []
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
    return [*lines, "", *_table(rows, "<><", encode)]


def _path(rank: int, path: Path, total: float) -> list[str]:
    labels, factors, local = [path.elements[0].label], [], 1.0
    for k, element in enumerate(path.elements[1:]):
        local *= path.factors[k]
        if element.named or k == len(path.factors) - 1:
            labels.append(element.label)
            factors.append(_factor(local))
            local = 1.0
    head = f"{_INDENT}{rank}. "
    product = " · ".join(_ends(factors)) or "1"
    if len(factors) > 1:
        product += f" = {number(path.product)}"
    return [
        head + " → ".join(_ends(labels)),
        " " * len(head) + product + f"   {_share(path.product, total)}".rstrip(),
    ]


def _ends(items: list[str]) -> list[str]:
    """Return a list without its middle if it is long."""
    return (
        items if len(items) <= 2 * _PATH_ENDS else [*items[:_PATH_ENDS], "…", *items[-_PATH_ENDS:]]
    )


def _factor(value: float) -> str:
    return f"({number(value)})" if value < 0 else number(value)


def _share(part: float, total: float) -> str:
    """Return a part in percent of the total, or nothing where that says nothing."""
    if not total or abs(part) > 100 * abs(total):
        return ""
    return f"({100 * part / total:.3g} %)"
