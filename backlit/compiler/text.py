"""Writing LLVM's assembly language: functions, loops and typed values.

The text is written directly: it is what `inspect` shows, and it takes a small part of the time that
building the same program out of objects takes.
"""

from __future__ import annotations

import functools
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as onp

SCALARS = {
    "float16": "half",
    "float32": "float",
    "float64": "double",
    "bool": "i1",
    "int8": "i8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "uint8": "i8",
    "uint16": "i16",
    "uint32": "i32",
    "uint64": "i64",
}
# The types that code is written for: those in the byte order of this machine.
NATIVE = frozenset(map(onp.dtype, SCALARS))

# What code computes with: an integer known now, or the name of one known when it runs.
Index = int | str


@functools.cache  # asking NumPy for the name of a type takes longer than writing an instruction
def scalar_type(dtype: Any) -> str:
    """Return LLVM's type of one element; a boolean is one bit in a register, a byte in memory."""
    return SCALARS[onp.dtype(dtype).name]


@functools.cache
def memory_type(dtype: Any) -> str:
    """Return LLVM's type of one element in memory."""
    kind = scalar_type(dtype)
    return "i8" if kind == "i1" else kind


def scalar_constant(value: Any, dtype: Any) -> str:
    """Return a number as LLVM writes it, exactly.

    Examples
    --------
    >>> scalar_constant(0.1, "float32"), scalar_constant(-3, "int64"), scalar_constant(True, "bool")
    ('0x3FB99999A0000000', '-3', 'true')
    """
    dtype = onp.dtype(dtype)
    if dtype.kind == "b":
        return "true" if value else "false"
    if dtype.kind in "iu":
        return str(int(value))
    if dtype.itemsize == 2:
        return f"0xH{struct.unpack('<H', struct.pack('<e', float(dtype.type(value))))[0]:04X}"
    # A float32 is written as the double of the same value.
    bits = struct.unpack("<Q", struct.pack("<d", float(dtype.type(value))))[0]
    return f"0x{bits:016X}"


class Module:
    """Functions and declarations that are compiled together.

    Attributes
    ----------
    functions : list of str
        Text of every function, in order.
    written : dict
        Names of functions by what they were made for, so that nothing is written twice.
    uses : Counter
        How often elementary functions were used.
    """

    def __init__(self) -> None:
        self.functions: list[str] = []
        self.written: dict[Any, str] = {}
        self.uses: Counter[Any] = Counter()
        self._declared: dict[str, str] = {}
        self._kernels: dict[str, str] = {}

    def declare(self, name: str, result: str, operands: Sequence[str]) -> str:
        """Declare an external function or intrinsic once and return its name."""
        self._declared[name] = f"declare {result} @{name}({', '.join(operands)})"
        return name

    def kernel(self, prefix: str, signature: str, body: str, attributes: str = "nounwind") -> str:
        """Add an internal function and return its name; the same text is added only once.

        Layers of equal shape so share their kernels, which keeps compile time in bounds.
        """
        key = signature + attributes + body
        name = self._kernels.get(key)
        if name is None:
            name = self._kernels[key] = f"{prefix}_{len(self._kernels)}"
            head = signature.replace("@", f"@{name}", 1)
            self.functions.append(f"define internal {head} {attributes} {{\n{body}}}\n")
        return name

    def add(self, text: str) -> None:
        """Add a whole function."""
        self.functions.append(text)

    def __str__(self) -> str:
        return "\n".join([*self._declared.values(), "", *self.functions])


class Code:
    """The body of one LLVM function while it is written.

    Parameters
    ----------
    module : Module
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self.lines: list[str] = ["entry:"]
        self.block = "entry"
        self._count = 0

    def fresh(self, prefix: str = "v") -> str:
        """Return a name that is not in use."""
        self._count += 1
        return f"{prefix}{self._count}"

    def let(self, text: str) -> str:
        """Compute a value and return its name."""
        name = f"%{self.fresh()}"
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """Write an instruction that has no result."""
        self.lines.append(f"  {text}")

    def label(self, name: str) -> None:
        """Begin a block."""
        self.lines.append(f"{name}:")
        self.block = name

    def call(self, name: str, result: str, operands: Sequence[tuple[str, str]]) -> str:
        """Call a declared function or intrinsic on (type, value) pairs."""
        self.module.declare(name, result, [kind for kind, _ in operands])
        return self.let(f"call {result} @{name}({', '.join(f'{k} {v}' for k, v in operands)})")

    def add(self, a: Index, b: Index) -> Index:
        """Return the sum of two indices."""
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if a == 0 or b == 0:
            return b if a == 0 else a
        return self.let(f"add nsw i64 {a}, {b}")

    def times(self, a: Index, b: Index) -> Index:
        """Return the product of two indices."""
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if a == 0 or b == 0:
            return 0
        if a == 1 or b == 1:
            return b if a == 1 else a
        return self.let(f"mul nsw i64 {a}, {b}")

    def address(self, pointer: str, offset: Index, dtype: Any) -> str:
        """Return the address of an element some elements further on."""
        if offset == 0:
            return pointer
        return self.let(f"getelementptr inbounds {memory_type(dtype)}, ptr {pointer}, i64 {offset}")

    def prefetch(self, pointer: str) -> None:
        """Ask for an element that will be read."""
        self.module.declare("llvm.prefetch.p0", "void", ["ptr", "i32", "i32", "i32"])
        self.do(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 3, i32 1)")

    @contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """Write what is done only if a comparison holds."""
        yes, after = self.fresh("then"), self.fresh("after")
        self.do(f"br i1 {self.let(condition)}, label %{yes}, label %{after}")
        self.label(yes)
        yield
        self.do(f"br label %{after}")
        self.label(after)

    @contextmanager
    def loop(
        self, count: Index, carried: Sequence[tuple[str, str]] = (), step: int = 1
    ) -> Iterator[Loop]:
        """Write a loop over ``0, step, … < count``; values may be carried from turn to turn.

        Parameters
        ----------
        count : int or name
            A loop of a known single turn is written without a loop; one of no turns may not be.
        carried : sequence of (type, value)
            Types and first values. Inside, `Loop.values` are the present ones and `Loop.next` must
            be set; afterwards `Loop.values` are the last ones.
        step : int
        """
        if isinstance(count, int) and 0 < count <= step:
            single = Loop(0, [value for _, value in carried])
            yield single
            single.values = single.next
            return
        head, tail, done = self.fresh("loop"), self.fresh("next"), self.fresh("done")
        before = self.block
        if not isinstance(count, int):
            some = self.let(f"icmp sgt i64 {count}, 0")
            self.do(f"br i1 {some}, label %{head}, label %{done}")
        else:
            self.do(f"br label %{head}")
        self.label(head)
        counter, after = f"%{self.fresh('i')}", f"%{self.fresh('i')}"
        self.do(f"{counter} = phi i64 [0, %{before}], [{after}, %{tail}]")
        names = [f"%{self.fresh('c')}" for _ in carried]
        places = []
        for name, (kind, first) in zip(names, carried, strict=True):
            places.append((len(self.lines), kind, name, first))
            self.do("")
        loop = Loop(counter, names)
        yield loop
        self.do(f"br label %{tail}")
        self.label(tail)
        for (place, kind, name, first), value in zip(places, loop.next, strict=True):
            self.lines[place] = f"  {name} = phi {kind} [{first}, %{before}], [{value}, %{tail}]"
        self.do(f"{after} = add nuw nsw i64 {counter}, {step}")
        more = self.let(f"icmp slt i64 {after}, {count}")
        self.do(f"br i1 {more}, label %{head}, label %{done}")
        self.label(done)
        loop.values = loop.next
        if not isinstance(count, int) and carried:
            loop.values = [
                self.let(f"phi {kind} [{first}, %{before}], [{value}, %{tail}]")
                for (_, kind, _, first), value in zip(places, loop.next, strict=True)
            ]

    def body(self, result: str = "ret void") -> str:
        """Finish with a return and return the text."""
        return "\n".join([*self.lines, f"  {result}", ""])


class Loop:
    """A loop being written.

    Attributes
    ----------
    i : int or name
        The counter.
    values : list of str
        The carried values.
    next : list of str
        What they become; to be set inside the loop.
    """

    def __init__(self, i: Index, values: list[str]) -> None:
        self.i = i
        self.values = values
        self.next: list[str] = []


class Lanes:
    """A number of elements that are computed side by side.

    Parameters
    ----------
    code : Code
    width : int
        Elements in a vector; 1 for plain scalars.
    """

    def __init__(self, code: Code, width: int) -> None:
        self.code = code
        self.width = width

    def of(self, scalar: str) -> str:
        """Return the type of a vector of these scalars."""
        return scalar if self.width == 1 else f"<{self.width} x {scalar}>"

    def type(self, dtype: Any) -> str:
        """Return the type of a vector of an element type."""
        return self.of(scalar_type(dtype))

    def const(self, value: Any, dtype: Any) -> str:
        """Return a constant in every lane."""
        text = scalar_constant(value, dtype)
        return text if self.width == 1 else f"splat ({scalar_type(dtype)} {text})"

    def bits(self, value: int, scalar: str) -> str:
        """Return an integer constant of an LLVM type in every lane."""
        return str(value) if self.width == 1 else f"splat ({scalar} {value})"

    def op(self, name: str, dtype: Any, *operands: str) -> str:
        """Compute ``name type a, b``."""
        return self.code.let(f"{name} {self.type(dtype)} {', '.join(operands)}")

    def convert(self, name: str, source: str, value: str, target: str) -> str:
        """Convert between LLVM types: ``sitofp``, ``bitcast``, …"""
        return self.code.let(f"{name} {self.of(source)} {value} to {self.of(target)}")

    def hidden(self, truth: str) -> str:
        """Return a truth value of which LLVM can tell nothing, where there is one element.

        Of one that it finds to be constant late, LLVM 22 makes a load from a pair of constants, and
        then stops the process at an assertion of its own (X86FixupVectorConstants): the condition
        2 < x of a boolean x, say.
        """
        if self.width > 1:
            return truth
        whole = self.code.let(f"zext i1 {truth} to i32")
        same = self.code.let(f'call i32 asm "", "=r,0"(i32 {whole})')
        return self.code.let(f"icmp ne i32 {same}, 0")

    def select(self, mask: str, dtype: Any, yes: str, no: str) -> str:
        """Choose lane by lane."""
        kind = self.type(dtype)
        return self.code.let(f"select {self.of('i1')} {mask}, {kind} {yes}, {kind} {no}")

    def intrinsic(self, name: str, dtype: Any, *operands: str) -> str:
        """Call an intrinsic such as ``fma`` whose operands and result have one type."""
        scalar = scalar_type(dtype)
        short = {"float": "f32", "double": "f64", "half": "f16"}.get(scalar, scalar)
        suffix = short if self.width == 1 else f"v{self.width}{short}"
        kind = self.of(scalar)
        return self.code.call(f"llvm.{name}.{suffix}", kind, [(kind, v) for v in operands])

    def splat(self, value: str, scalar: str) -> str:
        """Return a scalar in every lane."""
        if self.width == 1:
            return value
        kind = self.of(scalar)
        first = self.code.let(f"insertelement {kind} poison, {scalar} {value}, i64 0")
        return self.code.let(
            f"shufflevector {kind} {first}, {kind} poison, <{self.width} x i32> zeroinitializer"
        )
