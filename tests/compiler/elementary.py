"""Run the generated elementary functions on arrays, and measure their errors."""

from __future__ import annotations

import ctypes
import itertools
from typing import Any

import numpy as np

from backlit.compiler.text import Code, Lanes, Module, scalar_type
from backlit.compiler.vecmath import FUNCTIONS

BINARY = ("power", "logaddexp", "arctan2", "hypot")
_count = itertools.count()


def source(name: str, dtype: str, width: int) -> str:
    """Return a module whose ``kernel(out, x, y, n)`` computes n elements, n a multiple of width."""
    module = Module()
    code = Code(module)
    lanes = Lanes(code, width)
    kind, size = lanes.type(dtype), np.dtype(dtype).itemsize
    with code.loop("%n", step=width) as loop:
        names = []
        for operand in ("%x", "%y")[: 2 if name in BINARY else 1]:
            address = code.address(operand, loop.i, dtype)
            names.append(code.let(f"load {kind}, ptr {address}, align {size}"))
        result = FUNCTIONS[name](lanes, dtype, *names)
        address = code.address("%out", loop.i, dtype)
        code.do(f"store {kind} {result}, ptr {address}, align {size}")
    body = code.body()
    module.add(f"define void @kernel(ptr %out, ptr %x, ptr %y, i64 %n) {{\n{body}}}\n")
    assert scalar_type(dtype) in kind
    return str(module)


def machine(cpu: str | None = None, features: str | None = None, triple: str | None = None) -> Any:
    """Return an LLVM target machine, of the host unless said."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if triple is not None:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    triple = triple or llvm.get_default_triple()
    if cpu is None:
        cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_triple(triple).create_target_machine(
        cpu=cpu, features=features or "", opt=2
    )


def optimized(text: str, target: Any) -> Any:
    """Parse, verify and optimize a module."""
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = target.triple, str(target.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)
    return module


class Compiled:
    """A function on arrays of one dimension.

    Attributes
    ----------
    kernel : callable
        ``kernel(out, x, y, n)`` on addresses.
    """

    def __init__(self, name: str, dtype: str, width: int, target: Any) -> None:
        import llvmlite.binding as llvm

        module = optimized(source(name, dtype, width), target)
        self.dtype, self.width = dtype, width
        self._engine = llvm.create_lljit_compiler(target)
        self._library = (
            llvm.JITLibraryBuilder()
            .add_ir(module)
            .add_current_process()
            .export_symbol("kernel")
            .link(self._engine, f"elementary{next(_count)}")
        )
        signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)
        self.kernel: Any = signature(self._library["kernel"])

    def __call__(self, *operands: Any) -> Any:
        arrays = [np.ascontiguousarray(x, self.dtype) for x in operands]
        size = arrays[0].size
        extra = -size % self.width
        if extra:
            arrays = [np.concatenate([x, np.ones(extra, self.dtype)]) for x in arrays]
        out = np.empty(size + extra, self.dtype)
        places = [x.ctypes.data for x in arrays]
        self.kernel(out.ctypes.data, places[0], places[-1], size + extra)
        return out[:size]


def build(name: str, dtype: str, width: int, target: Any = None) -> Compiled:
    """Compile a function, for the host unless a target is given."""
    return Compiled(name, dtype, width, target or machine())
