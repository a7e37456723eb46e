"""A program that stays with its memory, for calls that come by the thousand."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from backlit.compiler.runtime import Executable, aligned, given_up, in_order, out_of_range, room
from backlit.core.errors import GraphError


class Bound:
    """A compiled graph that always reads and writes the same arrays.

    Finding where arrays lie and making room for results costs as much as a small program itself;
    here it is done once. New arguments are written into `inputs` before a call.

    Parameters
    ----------
    executable : Executable
    args : sequence of array_like
        One per input.

    Attributes
    ----------
    inputs : list of ndarray
        The arguments themselves where they are arrays of the right type with their elements in
        order; what results are written over must also begin where `room` lets arrays begin.
    outputs : list of ndarray
        Results of the last call. One that is written over an input is that same array.

    Raises
    ------
    GraphError
        If an argument is not of the shape that the program was compiled for.

    Examples
    --------
    >>> import numpy
    >>> import backlit as bl
    >>> from backlit.compiler import bind
    >>> x = numpy.array([1.0, 2.0])
    >>> double = bind(bl.trace(lambda x: x + x)(x), [x])
    >>> x[:] = 5.0
    >>> double()
    >>> double.outputs
    [array([10., 10.])]
    """

    def __init__(self, executable: Executable, args: Sequence[Any]) -> None:
        if len(args) != len(executable.kinds):
            raise GraphError(f"the program has {len(executable.kinds)} inputs, not {len(args)}")
        self._executable = executable
        self.inputs: list[Any] = [
            in_order(a, *kind) for a, kind in zip(args, executable.kinds, strict=True)
        ]
        for k in executable.over.values():
            self.inputs[k] = given_up(args[k], self.inputs, k, executable.plan.constants)
        self.outputs: list[Any] = [
            self.inputs[executable.over[k]] if k in executable.over else room(*kind)
            for k, kind in enumerate(executable.outs)
        ]
        self._scratch = aligned(executable.plan.scratch)
        self._error = ctypes.c_int64(0)
        self._table = executable.table(self.inputs, self.outputs, self._scratch, self._error)

    def __call__(self) -> None:
        """Run the program.

        Raises
        ------
        IndexRangeError
            If an index is out of bounds.
        """
        self._error.value = 0
        self._executable.launch(self._table, self.inputs, self.outputs, self._scratch)
        if self._error.value:
            raise out_of_range(self._executable.plan.graph, self._error.value - 1)
