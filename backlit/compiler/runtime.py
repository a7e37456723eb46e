"""Machine code: built by LLVM, called through ctypes."""

from __future__ import annotations

import ctypes
import itertools
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as onp

from backlit.compiler import threads
from backlit.compiler.division import PROGRAM, divided_work
from backlit.compiler.program import table_index
from backlit.compiler.target import Target
from backlit.compiler.units import Constant, Fallback, Plan, View, size_of
from backlit.core.errors import GraphError, IndexRangeError
from backlit.core.evaluate import evaluate, wrong_index
from backlit.core.graph import Equation, Graph
from backlit.core.threads import num_threads

_lock = threading.RLock()
_numbers = itertools.count()
_engine: Any = None
_machine: Any = None
# Bytes of a cache line, and of arrays that are worth being aligned to one.
_ALIGNMENT, _LARGE = 64, 16 * 1024
_IN_ORDER = 257  # flags of an array that is aligned, its elements one after the other
_nothing = ctypes.c_char * 0


def _new_lock() -> None:
    """Let go of the lock in a process that was forked: the thread that holds it is not there."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    # A fork waits for threads that are in LLVM: with a copy of it in the middle of something, and
    # of the locks that its binding holds, the child would wait for ever.
    os.register_at_fork(
        before=lambda: _lock.acquire(),
        after_in_parent=lambda: _lock.release(),
        after_in_child=_new_lock,
    )


def _start(target: Target) -> Any:
    """Return LLVM's compiler for this process, started once."""
    global _engine, _machine
    import llvmlite.binding as llvm

    if _engine is None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        made = llvm.Target.from_triple(target.triple)

        # Addresses relative to the instruction, where LLVM's default for code made while running
        # loads every address of a constant or function. JITLink keeps code and constants together,
        # as this needs; on Windows it cannot, and the default there also asks for ELF.
        near = os.name != "nt"
        model = "small" if near else "jitdefault"

        def machine() -> Any:
            return made.create_target_machine(
                cpu=target.cpu, features=target.features, opt=1, reloc="pic", codemodel=model
            )

        _machine = machine()
        _engine = llvm.create_lljit_compiler(machine(), use_jit_link=near)
    return llvm


def object_code(text: str, target: Target) -> bytes:
    """Return the machine code of a program's text.

    The text is written so that LLVM's optimiser finds nothing to do; its passes would take longer
    than the code generator.
    """
    with _lock:
        module = _parsed(text, target)
        code: bytes = _machine.emit_object(module)
        del module  # while the lock is held
        return code


def assembly(text: str, target: Target) -> str:
    """Return the instructions of a program's text, for reading."""
    with _lock:
        module = _parsed(text, target)
        listing: str = _machine.emit_assembly(module)
        del module
        return listing


def _parsed(text: str, target: Target) -> Any:
    llvm = _start(target)
    module = llvm.parse_assembly(text)
    module.triple = target.triple
    module.data_layout = str(_machine.target_data)
    module.verify()
    return module


class Library:
    """Machine code, loaded.

    Parameters
    ----------
    code : bytes
    names : sequence of str
        Functions in it that take one pointer.
    target : Target
    """

    def __init__(self, code: bytes, names: Sequence[str], target: Target) -> None:
        self.functions: dict[str, Any] = {}
        if not names:
            return
        with _lock:
            llvm = _start(target)
            builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
            for name in names:
                builder.export_symbol(name)
            library = builder.link(_engine, f"backlit{next(_numbers)}")
            kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
            for name in names:
                self.functions[name] = kind(library[name])
        # When the process ends, threads may still be in this code.
        weakref.finalize(self, _unload, library).atexit = False


def _unload(library: Any) -> None:
    with _lock:
        library.close()


def _address(array: Any) -> int:
    """Return where an array's elements begin; `ndarray.ctypes` takes several times as long."""
    try:
        return ctypes.addressof(_nothing.from_buffer(array))
    except (TypeError, ValueError):  # it may not be written
        address: int = array.ctypes.data
        return address


def in_order(value: Any, dtype: onp.dtype[Any], shape: tuple[int, ...]) -> Any:
    """Return an input as an aligned array with its elements in order, or raise."""
    array = onp.require(value, dtype, ("C", "A"))
    if array.shape != shape:
        raise GraphError(f"the program was compiled for shape {shape}, and got {array.shape}")
    return array


def given_up(value: Any, inputs: Sequence[Any], place: int, constants: Sequence[Any] = ()) -> Any:
    """Return a donated input as memory to be written: itself, or a copy if others need it.

    Large arrays that do not begin at a cache line are copied as well. What comes out begins at
    one, so that this happens once where results are donated again.
    """
    array = inputs[place]
    others = [a for k, a in enumerate(inputs) if k != place]
    shared = any(onp.may_share_memory(array, a) for a in (*others, *constants))
    placed = array.nbytes < _LARGE or _address(array) % _ALIGNMENT == 0
    if array is value and array.flags.writeable and not shared and placed:
        return array
    copy = room(array.shape, array.dtype)
    copy[...] = array
    return copy


def room(shape: tuple[int, ...], dtype: onp.dtype[Any]) -> Any:
    """Return a new array; large ones begin at a cache line, or every vector would lie in two."""
    nbytes = size_of(shape) * dtype.itemsize
    if nbytes < _LARGE:
        return onp.empty(shape, dtype)
    return aligned(nbytes).view(dtype).reshape(shape)


def aligned(nbytes: int) -> Any:
    """Return new memory that begins at a cache line."""
    raw = onp.empty(nbytes + _ALIGNMENT, onp.uint8)
    start = -_address(raw) % _ALIGNMENT
    return raw[start : start + nbytes]


def out_of_range(graph: Graph, length: int) -> IndexRangeError:
    """Return the error for an index that is out of range of an axis, with the line if it is known.

    Parameters
    ----------
    graph : Graph
    length : int
        Of the axis.

    Returns
    -------
    IndexRangeError
        The same line may index forwards and in its derivative.
    """
    found = {e.source for e, shape in _indexing(graph) if length in shape}
    return IndexRangeError(
        f"an index is out of bounds for an axis with size {length}; which one cannot be said, as "
        "the program may have overwritten its arguments",
        where=found.pop() if len(found) == 1 else None,
        fix="call the function without jit, or without donate_argnums, to see the index",
    )


def _indexing(graph: Graph) -> Iterator[tuple[Equation, tuple[int, ...]]]:
    """Yield what indexes by arrays, with the shape of what is indexed, loops included."""
    for e in graph.equations:
        first = {"getitem": 1, "scatter_add": 1, "index_set": 2}.get(e.primitive.name)
        if first is not None and len(e.inputs) > first:
            adds = e.primitive.name == "scatter_add"
            yield e, (e.outputs[0] if adds else e.inputs[0]).aval.shape
        for inner in e.subgraphs():
            yield from _indexing(inner)


class Executable:
    """A compiled graph, to be called with arrays.

    Parameters
    ----------
    plan : Plan
    parts : sequence of str or Fallback
        What runs in which order: functions of the library, and equations for the evaluator.
    library : Library
    target : Target
    """

    def __init__(
        self, plan: Plan, parts: Sequence[str | Fallback], library: Library, target: Target
    ) -> None:
        self.plan, self.parts, self.library = plan, parts, library
        self.kinds = [
            (b.dtype, v.aval.shape) for b, v in zip(plan.inputs, plan.graph.inputs, strict=True)
        ]
        self.outs = [(v.shape, v.dtype) for v in plan.outputs]
        # Which donated input an output is written over.
        self.over = {
            k: view.buffer.host.index
            for k, view in enumerate(plan.outputs)
            if view.buffer.host is not None
        }
        # Results that are Python numbers, as the function's own are.
        self.numbers = [k for k, a in enumerate(plan.graph.outputs) if a.aval.weak]
        self._spare: list[Any] = []
        self._size = len(plan.inputs) + len(plan.outputs) + len(plan.constants) + 3
        # Waking threads has to be worth it: what is quicker done alone never asks for them.
        self._divided = divided_work(plan, target) >= PROGRAM
        self._constants = [c.ctypes.data for c in plan.constants]
        self._table = ctypes.c_void_p * self._size

    def __call__(self, args: Sequence[Any]) -> list[Any]:
        """Run the program.

        Parameters
        ----------
        args : sequence of array_like
            One per input, of the shapes and types that it was compiled for.

        Returns
        -------
        list of ndarray or scalar
        """
        inputs: list[Any] = []
        for a, (dtype, shape) in zip(args, self.kinds, strict=True):
            known = type(a) is onp.ndarray and a.dtype is dtype and a.shape == shape
            if not known or a.flags.num & _IN_ORDER != _IN_ORDER:
                a = in_order(a, dtype, shape)
            inputs.append(a)
        for i in self.over.values():
            inputs[i] = given_up(args[i], inputs, i, self.plan.constants)
        outputs = [
            inputs[self.over[k]] if k in self.over else room(shape, dtype)
            for k, (shape, dtype) in enumerate(self.outs)
        ]
        scratch = self._take()
        length = self.run(inputs, outputs, scratch)
        if length is not None:
            if not self.over:
                evaluate(self.plan.graph, args)  # which raises what went wrong
            raise out_of_range(self.plan.graph, length)  # the indices may be overwritten by now
        self._spare.append(scratch)
        found = [out if out.ndim else out[()] for out in outputs]
        for k in self.numbers:
            found[k] = found[k].item()
        return found

    def run(self, inputs: Sequence[Any], outputs: Sequence[Any], scratch: Any) -> int | None:
        """Run the program on memory of the right sizes.

        Parameters
        ----------
        inputs, outputs : sequence of ndarray
            Aligned, their elements in order.
        scratch : ndarray of uint8
            `Plan.scratch` bytes.

        Returns
        -------
        int or None
            The length of an axis that an index was out of range of, if one was.
        """
        error = ctypes.c_int64(0)
        self.launch(self.table(inputs, outputs, scratch, error), inputs, outputs, scratch)
        return error.value - 1 if error.value else None

    def table(
        self, inputs: Sequence[Any], outputs: Sequence[Any], scratch: Any, error: ctypes.c_int64
    ) -> Any:
        """Return the table of pointers that the program takes; `launch` sets the team's."""
        pointers = [*map(_address, inputs), *map(_address, outputs), *self._constants]
        pointers += [_address(scratch), ctypes.addressof(error), 0]
        table = self._table()
        table[:] = pointers
        return table

    def launch(
        self, table: Any, inputs: Sequence[Any], outputs: Sequence[Any], scratch: Any
    ) -> None:
        """Run the program on the memory of a table, with as many threads as it is worth."""
        count = num_threads() if self._divided else 1
        if count == 1:
            table[-1] = 0
            self._run(table, inputs, outputs, scratch)
            return
        taken = threads.lock()
        try:
            table[-1] = threads.take(count, self.library)
            self._run(table, inputs, outputs, scratch)
        finally:
            # Interrupts come where a function begins and after a call: not before this one.
            try:
                taken.release()
            except RuntimeError:
                pass  # another thread has the team

    def _run(self, table: Any, inputs: Sequence[Any], outputs: Sequence[Any], scratch: Any) -> None:
        arrays = None
        for part in self.parts:
            if isinstance(part, str):
                self.library.functions[part](table)
                continue
            if arrays is None:
                arrays = [*inputs, *outputs, *self.plan.constants, scratch]
            self._evaluate(part, arrays)

    def _take(self) -> Any:
        """Return scratch memory that no other call is using."""
        try:
            return self._spare.pop()
        except IndexError:
            return aligned(self.plan.scratch)

    def _evaluate(self, part: Fallback, arrays: Sequence[Any]) -> None:
        """Run one equation with the reference evaluator."""
        operands = [
            o.value if isinstance(o, Constant) else self._array(o, arrays) for o in part.operands
        ]
        # The evaluator has scalars where memory has arrays of no dimensions.
        for k, atom in enumerate(part.equation.inputs):
            if isinstance(operands[k], onp.ndarray) and not operands[k].ndim:
                operands[k] = operands[k].item() if atom.aval.weak else operands[k][()]
        try:
            with onp.errstate(all="ignore"):  # compiled code does not warn either
                result = part.equation.primitive.impl(*operands, **part.equation.params)
        except IndexError as error:
            raise wrong_index(part.equation, operands, error) from None
        results = result if part.equation.primitive.multi else (result,)
        for out, value in zip(part.outs, results, strict=True):
            self._array(out, arrays)[...] = value

    def _array(self, view: View, arrays: Sequence[Any]) -> Any:
        """Return a view as an ndarray."""
        buffer = view.buffer.root
        memory = arrays[table_index(self.plan, buffer)].reshape(-1)
        size = view.dtype.itemsize
        if not size_of(view.shape):
            return onp.empty(view.shape, view.dtype)
        if buffer.kind == "scratch":
            memory = memory[buffer.index : buffer.index + buffer.nbytes]
        strides = tuple([s * size for s in view.strides])
        return onp.ndarray(view.shape, view.dtype, memory, view.offset * size, strides)
