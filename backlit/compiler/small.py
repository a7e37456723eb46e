"""Products of matrices of so few elements that they join the operations before and after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backlit.compiler.units import View
from backlit.core.aval import AbstractValue
from backlit.core.graph import Atom, Var

if TYPE_CHECKING:
    from backlit.compiler.plan import Planner

# Products of so few multiplications go element by element, and results of so few rows row by row.
_SMALL, _FEW = 64, 4


def small_product(planner: Planner, left: Atom, right: Atom, out: Var) -> bool:
    """Plan a product if it is small; return whether it was.

    A short sum is written out, element by element. A result of few rows is a sum over the rows of
    the right operand, such as a unit that computes them can keep.

    Parameters
    ----------
    planner : Planner
    left, right : Atom
        Of one type of floats, with elements.
    out : Var
        The product.
    """
    if len(left.aval.shape) != 2 or len(right.aval.shape) != 2 or right.aval.shape[1] == 1:
        return False
    (rows, inner), columns, kind = left.aval.shape, right.aval.shape[1], out.aval.dtype
    if inner > 1 and rows * inner * columns > _SMALL:
        return False
    if inner <= 2:
        _written_out(planner, left, right, out)
        return True
    if rows > _FEW:
        return False
    (a, ready), result, done = planner.in_memory(left), planner.scratch(out.aval), 0
    for i in range(rows):
        row = View(a.buffer, (inner, 1), (a.strides[1], 0), a.offset + i * a.strides[0])
        product = Var(AbstractValue((inner, columns), kind))
        factors = planner.named(row, ready), right
        planner.step("multiply", {}, factors, (kind, kind), kind, product)
        total = View(result.buffer, (columns,), (1,), i * columns)
        done = max(done, planner.reduce("sum", product, (0,), total))
    planner.memory[out] = result, done
    return True


def _written_out(planner: Planner, left: Atom, right: Atom, out: Var) -> None:
    """Plan a product as a sum of products, element by element."""
    (a, ready_a), (b, ready_b) = planner.in_memory(left), planner.in_memory(right)
    (rows, inner), columns, kind = a.shape, b.shape[1], out.aval.dtype
    total: Var | None = None
    for k in range(inner):
        column = View(a.buffer, (rows, 1), (a.strides[0], 0), a.offset + k * a.strides[1])
        row = View(b.buffer, (1, columns), (0, b.strides[1]), b.offset + k * b.strides[0])
        factors = planner.named(column, ready_a), planner.named(row, ready_b)
        last = k == inner - 1
        product = out if last and total is None else Var(AbstractValue(out.aval.shape, kind))
        planner.step("multiply", {}, factors, (kind, kind), kind, product)
        if total is not None:
            addends = total, product
            product = out if last else Var(AbstractValue(out.aval.shape, kind))
            planner.step("add", {}, addends, (kind, kind), kind, product)
        total = product
