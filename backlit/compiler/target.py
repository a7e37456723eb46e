"""The processor that code is generated for."""

from __future__ import annotations

import functools
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """What the code generator has to know of a processor.

    Attributes
    ----------
    triple, cpu, features : str
        As LLVM names them.
    vector_bytes : int
        Width of a vector register.
    registers : int
        Number of vector registers.
    """

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int

    def lanes(self, itemsize: int) -> int:
        """Return how many elements of a size fit a vector."""
        return max(self.vector_bytes // itemsize, 1)

    def tile(self, itemsize: int) -> tuple[int, int]:
        """Return rows and vectors of the block of a product that is kept in registers.

        A row costs one broadcast, a vector of columns one load, a block rows × vectors
        multiply-adds: the most square block that leaves registers for the operands needs the
        fewest loads.
        """
        vectors = 2
        return (self.registers - vectors - 2) // vectors, vectors


@functools.lru_cache(maxsize=1)
def host() -> Target:
    """Return the processor that runs this program."""
    import llvmlite.binding as llvm

    features = {name for name, on in llvm.get_host_cpu_features().items() if on}
    triple = llvm.get_default_triple()
    if triple.startswith(("x86_64", "i686")):
        width = 64 if "avx512f" in features else 32 if "avx" in features else 16
        registers = 32 if width == 64 else 16
    else:
        width, registers = 16, 32
    return Target(
        triple,
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
        width,
        registers,
    )
