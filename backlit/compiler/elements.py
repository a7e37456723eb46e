"""One vector of elements: loading and storing it, and the steps of a unit on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as onp

from backlit.compiler.scalars import cast, lowering
from backlit.compiler.text import Code, Lanes, memory_type, scalar_type
from backlit.compiler.units import Buffer, Constant, Operand, Step, Unit, View
from backlit.core.graph import Var

DType = onp.dtype[Any]
_BOOL = onp.dtype(bool)
Env = dict[Var, str]
# Names of the pointers to the memory of buffers.
Pointers = dict[Buffer, str]


def start_of(code: Code, pointers: Pointers, view: View) -> str:
    """Return a pointer to a view's first element."""
    return code.address(pointers[view.buffer.root], view.offset, view.dtype)


def numbered(views: Iterable[View]) -> dict[View, int]:
    """Return views with their places in a list of them, each once, in order of first use."""
    return {view: k for k, view in enumerate(dict.fromkeys(views))}


class Memory:
    """Loads and stores of a vector of which the first lanes are active.

    Parameters
    ----------
    lanes : Lanes
    active : int
        The others are neither read nor written.
    """

    def __init__(self, lanes: Lanes, active: int) -> None:
        self.lanes, self.active = lanes, active
        self.masked = active < lanes.width

    @property
    def mask(self) -> str:
        """Which lanes are active."""
        bits = ", ".join(
            f"i1 {'true' if k < self.active else 'false'}" for k in range(self.lanes.width)
        )
        return f"<{bits}>"

    def load(self, dtype: DType, pointer: str) -> str:
        """Load elements that lie side by side."""
        lanes, scalar = self.lanes, memory_type(dtype)
        kind = lanes.of(scalar)
        if self.masked:
            zero = f"{kind} zeroinitializer"
            value = lanes.code.let(
                self._intrinsic(
                    "load",
                    scalar,
                    f"{kind}",
                    [
                        f"ptr align {dtype.itemsize} {pointer}",
                        f"{lanes.of('i1')} {self.mask}",
                        zero,
                    ],
                )
            )
        else:
            value = lanes.code.let(f"load {kind}, ptr {pointer}, align {dtype.itemsize}")
        return self._from_memory(dtype, value)

    def gather(self, dtype: DType, pointer: str, stride: int) -> str:
        """Load elements that lie a number of elements apart; 0 loads one for all lanes."""
        lanes = self.lanes
        if lanes.width == 1 or stride == 0:
            scalar = Memory(Lanes(lanes.code, 1), 1).load(dtype, pointer)
            return lanes.splat(scalar, scalar_type(dtype))
        if stride == 1:
            return self.load(dtype, pointer)
        kind = lanes.of(memory_type(dtype))
        value = "zeroinitializer"
        for k in range(self.active):
            place = lanes.code.address(pointer, k * stride, dtype)
            item = lanes.code.let(f"load {memory_type(dtype)}, ptr {place}, align {dtype.itemsize}")
            value = lanes.code.let(
                f"insertelement {kind} {value}, {memory_type(dtype)} {item}, i64 {k}"
            )
        return self._from_memory(dtype, value)

    def store(self, dtype: DType, value: str, pointer: str) -> None:
        """Store elements side by side."""
        lanes, scalar = self.lanes, memory_type(dtype)
        kind, value = lanes.of(scalar), self._to_memory(dtype, value)
        if self.masked:
            lanes.code.do(
                self._intrinsic(
                    "store",
                    scalar,
                    "void",
                    [
                        f"{kind} {value}",
                        f"ptr align {dtype.itemsize} {pointer}",
                        f"{lanes.of('i1')} {self.mask}",
                    ],
                )
            )
        else:
            lanes.code.do(f"store {kind} {value}, ptr {pointer}, align {dtype.itemsize}")

    def scatter(self, dtype: DType, value: str, pointer: str, stride: int) -> None:
        """Store elements a number of elements apart; 0 stores the first lane."""
        lanes = self.lanes
        if lanes.width == 1 or stride == 1:
            self.store(dtype, value, pointer)
            return
        kind, value = lanes.of(memory_type(dtype)), self._to_memory(dtype, value)
        for k in range(self.active if stride else 1):
            place = lanes.code.address(pointer, k * stride, dtype)
            item = lanes.code.let(f"extractelement {kind} {value}, i64 {k}")
            lanes.code.do(f"store {memory_type(dtype)} {item}, ptr {place}, align {dtype.itemsize}")

    def _intrinsic(self, what: str, scalar: str, result: str, operands: Sequence[str]) -> str:
        short = {"float": "f32", "double": "f64", "half": "f16"}.get(scalar, scalar)
        name = f"llvm.masked.{what}.v{self.lanes.width}{short}.p0"
        kinds = [_type_of(o) for o in operands]
        self.lanes.code.module.declare(name, result, kinds)
        return f"call {result} @{name}({', '.join(operands)})"

    def _from_memory(self, dtype: DType, value: str) -> str:
        if dtype != _BOOL:
            return value
        kind = self.lanes.of("i8")
        zero = "0" if self.lanes.width == 1 else "zeroinitializer"
        return self.lanes.code.let(f"icmp ne {kind} {value}, {zero}")

    def _to_memory(self, dtype: DType, value: str) -> str:
        return self.lanes.convert("zext", "i1", value, "i8") if dtype == _BOOL else value


def _type_of(operand: str) -> str:
    """Return the type of an operand as it is written in a call."""
    if operand.startswith("ptr"):
        return "ptr"
    if operand.startswith("<"):
        return operand[: operand.index(">") + 1]
    return operand.split(" ", 1)[0]


class _Owner(Protocol):
    places: dict[View, int]
    views: list[View]


class Elements(Memory):
    """One vector of elements of a unit's space.

    Parameters
    ----------
    lanes : Lanes
    active : int
    strides : sequence of int
        Per view of the unit, how far apart the elements of neighbouring lanes are.
    pointers : list of str
        Per view, where the first lane's element is.
    owner : Nest or product
    """

    def __init__(
        self, lanes: Lanes, active: int, strides: Sequence[int], pointers: list[str], owner: _Owner
    ) -> None:
        super().__init__(lanes, active)
        self.strides, self.pointers, self.owner = strides, pointers, owner
        self._loaded: dict[View, str] = {}

    def at(self, pointers: list[str]) -> Elements:
        """Return the elements at another place."""
        return Elements(self.lanes, self.active, self.strides, pointers, self.owner)

    def read(self, view: View) -> str:
        """Load a view's elements, once."""
        if view not in self._loaded:
            k = self.owner.places[view]
            self._loaded[view] = self.gather(view.dtype, self.pointers[k], self.strides[k])
        return self._loaded[view]

    def put(self, view: View, value: str) -> None:
        """Store a view's elements."""
        k = self.owner.places[view]
        self.scatter(view.dtype, value, self.pointers[k], self.strides[k])

    def value(self, operand: Operand, env: Env, dtype: DType) -> str:
        """Return an operand converted to a type."""
        if isinstance(operand, Constant):
            return self.lanes.const(operand.value, dtype)
        if isinstance(operand, View):
            return cast(self.lanes, self.read(operand), operand.dtype, dtype)
        return cast(self.lanes, env[operand], operand.aval.dtype, dtype)


def run_steps(unit: Unit, elements: Elements, env: Env) -> Env:
    """Write a unit's steps for one vector of elements; return the names of their results."""
    for step in unit.steps:
        env[step.out] = _run(step, elements, env)
    return env


def _run(step: Step, elements: Elements, env: Env) -> str:
    lanes, out = elements.lanes, step.out.aval.dtype
    if step.name == "astype":
        return elements.value(step.operands[0], env, out)
    if step.name == "where":
        mask = elements.value(step.operands[0], env, _BOOL)
        yes, no = (elements.value(o, env, out) for o in step.operands[1:])
        if out.kind == "f" and not any(value.startswith("%") for value in (yes, no)):
            mask = lanes.hidden(mask)
        return lanes.select(mask, out, yes, no)
    if step.name == "clip":
        value, low, high = (elements.value(o, env, out) for o in step.operands)
        return _binary("minimum", lanes, out, _binary("maximum", lanes, out, value, low), high)
    if step.name == "integer_power":
        return _power(lanes, out, elements.value(step.operands[0], env, out), step.params["n"])
    assert step.working is not None
    write = lowering(step.name, step.working)
    assert write is not None
    operands = [elements.value(o, env, step.working) for o in step.operands]
    result = write(lanes, step.working, *operands)
    made = _BOOL if out == _BOOL else step.working
    return cast(lanes, result, made, out)


def _binary(name: str, lanes: Lanes, dtype: DType, a: str, b: str) -> str:
    write = lowering(name, dtype)
    assert write is not None
    return write(lanes, dtype, a, b)


def _power(lanes: Lanes, dtype: DType, x: str, n: int) -> str:
    """Return xⁿ by squaring."""
    if n == 0:
        return lanes.const(1, dtype)
    result, square = "", x
    while n:
        if n & 1:
            result = lanes.op("fmul", dtype, result, square) if result else square
        n >>= 1
        if n:
            square = lanes.op("fmul", dtype, square, square)
    return result
