"""A training step as one would write it in NumPy, with care."""

from typing import Any

import numpy as onp

from bench.tasks import BETA1, BETA2, EPS, RATES, Task


class ByHand:
    """The gradient worked out on paper, every array made once and used again in each step.

    Weights lie one after the other in one array, and so do gradients: a small network is updated
    in one go, a large one in pieces that stay in the cache.
    """

    PIECE = 32 * 1024

    def __init__(self, task: Task, rule: str) -> None:
        given = task.weights()
        self.task, self.rate = task, onp.float32(RATES[rule])
        self.flat = onp.concatenate([w.ravel() for w in given])
        self.grads = onp.empty_like(self.flat)
        ends = onp.cumsum([w.size for w in given])
        self.weights, self.slopes = (
            [
                part.reshape(w.shape)
                for part, w in zip(onp.split(whole, ends[:-1]), given, strict=True)
            ]
            for whole in (self.flat, self.grads)
        )
        state = onp.zeros((2, self.flat.size), onp.float32)
        cuts = range(0, self.flat.size, self.PIECE)
        self.pieces = [
            tuple([a[k : k + self.PIECE] for a in (self.flat, self.grads, *state)]) for k in cuts
        ]
        self.spare = onp.empty(min(self.PIECE, self.flat.size), onp.float32)
        self.A = [onp.empty((task.batch, n), onp.float32) for n in task.sizes]
        self.G = [onp.empty((task.batch, n), onp.float32) for n in task.sizes]
        self.rows = onp.arange(task.batch)
        self._update = self._adam if rule == "adam" else self._sgd
        self.count = 0
        self.X, self.labels = task.batches()

    def run(self) -> Any:
        """Take the steps of one pass and return their losses."""
        return onp.array([self._one(X, y) for X, y in zip(self.X, self.labels, strict=True)])

    def _one(self, X: Any, y: Any) -> Any:
        A, G, weights, last = [X, *self.A[1:]], self.G, self.weights, len(self.task.sizes) - 2
        for k in range(last + 1):
            onp.matmul(A[k], weights[2 * k], out=A[k + 1])
            A[k + 1] += weights[2 * k + 1]
            if k < last:
                self._activate(A[k + 1])
        value = self._loss(A[-1], y, G[-1])
        for k in range(last, -1, -1):
            onp.matmul(A[k].T, G[k + 1], out=self.slopes[2 * k])
            onp.add.reduce(G[k + 1], axis=0, out=self.slopes[2 * k + 1])
            if k:
                onp.matmul(G[k + 1], weights[2 * k].T, out=G[k])
                self._times_slope(G[k], A[k])
        self._update()
        return value

    def _activate(self, Z: Any) -> None:
        if self.task.activation == "relu":
            onp.maximum(Z, 0, out=Z)
        elif self.task.activation == "tanh":
            onp.tanh(Z, out=Z)
        else:
            onp.negative(Z, out=Z)
            onp.exp(Z, out=Z)
            Z += 1
            onp.reciprocal(Z, out=Z)

    def _times_slope(self, G: Any, A: Any) -> None:
        """Multiply by the activation's derivative; the activations are overwritten."""
        if self.task.activation == "relu":
            G *= A > 0
        elif self.task.activation == "tanh":
            A *= A
            G *= onp.subtract(1, A, out=A)
        else:
            G *= A
            G *= onp.subtract(1, A, out=A)

    def _loss(self, Z: Any, y: Any, G: Any) -> Any:
        """Return the loss; its derivative in the logits goes to G."""
        m = self.task.batch
        if self.task.sizes[-1] == 1:
            t = y.astype(onp.float32)[:, None]
            value = onp.mean(onp.logaddexp(0, Z) - t * Z)
            G[...] = (1 / (1 + onp.exp(-Z)) - t) / m
            return value
        Z -= Z.max(axis=1, keepdims=True)
        onp.exp(Z, out=G)
        total = G.sum(axis=1, keepdims=True)
        value = onp.mean(onp.log(total)[:, 0] - Z[self.rows, y])
        G /= total
        G[self.rows, y] -= 1
        G /= m
        return value

    def _sgd(self) -> None:
        for w, g, _, _ in self.pieces:
            g *= self.rate
            w -= g

    def _adam(self) -> None:
        self.count += 1
        rate = RATES["adam"] / (1 - BETA1**self.count)
        root = (1 - BETA2**self.count) ** -0.5
        for w, g, m, v in self.pieces:
            spare = self.spare[: w.size]
            m *= BETA1
            m += onp.multiply(g, 1 - BETA1, out=spare)
            v *= BETA2
            g *= g
            g *= 1 - BETA2
            v += g
            onp.sqrt(v, out=spare)
            spare *= root
            spare += EPS
            onp.divide(m, spare, out=spare)
            spare *= rate
            w -= spare
