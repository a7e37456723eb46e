"""Networks to be trained by the benchmarks, with their weights and batches, and two update rules.

Plain gradient descent ("sgd") or Adam ("adam"), with the same constants for every contender.
"""

from dataclasses import dataclass
from typing import Any

import numpy as onp

# Small, so that a value that rounds to the other side of a kink does not grow, within one pass,
# into another course of training: contenders could not be compared.
RATES = {"sgd": 0.001, "adam": 0.0001}
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Task:
    """A network and batches for it.

    One output means two classes and the logistic loss, more mean cross-entropy.
    """

    name: str
    sizes: tuple[int, ...]
    batch: int
    steps: int
    activation: str = "relu"

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each layer."""
        return list(zip(self.sizes, self.sizes[1:], strict=False))

    @property
    def forward_flops(self) -> int:
        """Operations of a step's forward products."""
        return sum(2 * self.batch * a * b for a, b in self.pairs)

    @property
    def flops(self) -> int:
        """Of a whole step: three products a layer, two in the first."""
        return sum(2 * self.batch * a * b * (3 if k else 2) for k, (a, b) in enumerate(self.pairs))

    @property
    def shape(self) -> str:
        """The network in a few words."""
        sizes = "-".join(map(str, self.sizes))
        if len(self.sizes) > 8 and len(set(self.sizes)) == 1:
            sizes = f"{len(self.sizes) - 1} x {self.sizes[0]}"
        return f"{sizes} {self.activation}, batch {self.batch}"

    def weights(self) -> list[Any]:
        """W and b of each layer, fresh copies, always the same ones."""
        rng = onp.random.default_rng(0)
        made = []
        for n_in, n_out in self.pairs:
            made.append((rng.normal(size=(n_in, n_out)) * (2 / n_in) ** 0.5).astype(onp.float32))
            made.append(onp.zeros(n_out, onp.float32))
        return made

    def batches(self) -> tuple[Any, Any]:
        """Inputs (steps, batch, n) and labels (steps, batch)."""
        rng = onp.random.default_rng(1)
        classes = max(self.sizes[-1], 2)
        X = rng.normal(size=(self.steps, self.batch, self.sizes[0])).astype(onp.float32)
        return X, rng.integers(0, classes, (self.steps, self.batch))


TASKS = (
    Task("xor", (2, 4, 1), 4, 2000, "sigmoid"),
    Task("digits", (64, 32, 10), 32, 400),
    Task("mnist", (784, 128, 64, 10), 64, 60),
    Task("deep", (64,) * 32, 64, 20),
    Task("wide", (784, 512, 512, 10), 128, 10),
    Task("big", (1024,) * 4, 256, 3),
)
