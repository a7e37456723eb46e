"""The processor that code is generated for."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path


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
    cache : int
        Bytes of the second-level cache, which one core has to itself.
    """

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    cache: int = 1 << 18

    def lanes(self, itemsize: int) -> int:
        """Return how many elements of a size fit a vector."""
        return max(self.vector_bytes // itemsize, 1)


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
        _second_level(),
    )


def _second_level() -> int:
    """Return the bytes of the second-level cache, a careful guess if the system does not say."""
    try:
        text = Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text("ascii").strip()
        size = int(text.removesuffix("K")) * (1024 if text.endswith("K") else 1)
    except (OSError, ValueError):
        return 1 << 18
    return min(max(size, 1 << 18), 1 << 20)
