"""A compiled training step, from the smallest network to a large one, in float32 on one core.

Every contender starts from the same weights and sees the same batches in the same order; the losses
of all steps are compared before anything is timed. A turn is one pass over the batches, timed per
step. "Peak" is what a loop of multiply-adds on registers reaches in the same run; operations are
those of the matrix products, without the gradient with respect to the data.
"""

from bench import harness  # first: it sets the thread counts

# isort: split
import ctypes
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as onp

RATE = 0.01


@dataclass(frozen=True)
class Task:
    """A network of relu layers (one of sigmoids for XOR), and batches for it."""

    name: str
    sizes: tuple[int, ...]
    batch: int
    steps: int
    bars: tuple[harness.Bar, ...]
    share: float

    @property
    def sigmoid(self) -> bool:
        """Whether the hidden layers are sigmoids."""
        return self.name == "xor"

    @property
    def flops(self) -> int:
        """Of one step: three products a layer, two in the first."""
        pairs = list(zip(self.sizes, self.sizes[1:], strict=False))
        return sum(2 * self.batch * a * b * (3 if k else 2) for k, (a, b) in enumerate(pairs))

    def weights(self) -> list[Any]:
        """W and b of each layer, fresh copies, always the same ones."""
        rng = onp.random.default_rng(0)
        made = []
        for n_in, n_out in zip(self.sizes, self.sizes[1:], strict=False):
            made.append((rng.normal(size=(n_in, n_out)) * (2 / n_in) ** 0.5).astype(onp.float32))
            made.append(onp.zeros(n_out, onp.float32))
        return made

    def batches(self) -> tuple[Any, Any]:
        """Inputs (steps, batch, n) and labels (steps, batch)."""
        rng = onp.random.default_rng(1)
        classes = max(self.sizes[-1], 2)
        X = rng.normal(size=(self.steps, self.batch, self.sizes[0])).astype(onp.float32)
        return X, rng.integers(0, classes, (self.steps, self.batch))


def bars(least: float) -> tuple[harness.Bar, ...]:
    names = ("NumPy by hand", "PyTorch eager", "JAX jit", "JAX scan", "scikit-learn")
    return tuple([harness.Bar(name, least, f"{least:g} x the best peer") for name in names])


TASKS = (
    Task("xor", (2, 4, 1), 4, 2000, bars(10), 0.0),
    Task("digits", (64, 32, 10), 32, 400, bars(3), 0.60),
    Task("mnist", (784, 128, 64, 10), 64, 60, bars(1.4), 0.75),
    Task("deep", (64,) * 32, 64, 20, bars(1.5), 0.70),
    Task("wide", (784, 512, 512, 10), 128, 10, bars(1.25), 0.80),
    Task("big", (1024,) * 4, 256, 3, bars(1.1), 0.85),
)


def network(np: Any, task: Task, weights: Any, X: Any) -> Any:
    last = len(weights) // 2 - 1
    for k in range(last + 1):
        X = X @ weights[2 * k] + weights[2 * k + 1]
        if k < last:
            X = 1 / (1 + np.exp(-X)) if task.sigmoid else np.maximum(X, 0)
    return X


def backlit(task: Task) -> harness.Run:
    import backlit as bl
    import backlit.numpy as np
    from backlit.nn import losses

    def step(weights: Any, batch: Any) -> Any:
        X, labels = batch

        def loss(weights: Any) -> Any:
            Z = X
            last = len(weights) // 2 - 1
            for k in range(last + 1):
                Z = Z @ weights[2 * k] + weights[2 * k + 1]
                if k < last:
                    Z = np.sigmoid(Z) if task.sigmoid else np.relu(Z)
            if task.sizes[-1] == 1:
                return losses.binary_cross_entropy(Z[:, 0], np.astype(labels, "float32"))
            return losses.cross_entropy(Z, labels, check=False)

        value, grads = bl.value_and_grad(loss)(weights)
        return [w - RATE * g for w, g in zip(weights, grads, strict=True)], value

    epoch = bl.jit(lambda w, X, labels: bl.scan(step, w, (X, labels)), donate_argnums=0)
    weights = task.weights()
    X, labels = task.batches()

    def run() -> Any:
        nonlocal weights
        weights, values = epoch(weights, X, labels)
        return values

    return run


def by_hand(task: Task) -> harness.Run:
    """The gradient worked out on paper, arrays reused where NumPy lets them be."""
    weights = task.weights()
    batches, labels = task.batches()
    m = task.batch
    rows = onp.arange(m)
    last = len(weights) // 2 - 1

    def one(X: Any, y: Any) -> Any:
        A = [X]
        for k in range(last + 1):
            Z = A[-1] @ weights[2 * k]
            Z += weights[2 * k + 1]
            if k < last:
                if task.sigmoid:
                    Z = 1 / (1 + onp.exp(-Z))
                else:
                    onp.maximum(Z, 0, out=Z)
            A.append(Z)
        Z = A.pop()
        if task.sizes[-1] == 1:
            t = y.astype(onp.float32)[:, None]
            value = onp.mean(onp.logaddexp(0, Z) - t * Z)
            G = (1 / (1 + onp.exp(-Z)) - t) / m
        else:
            Z -= Z.max(axis=1, keepdims=True)
            E = onp.exp(Z)
            total = E.sum(axis=1, keepdims=True)
            value = onp.mean(onp.log(total)[:, 0] - Z[rows, y])
            E /= total
            E[rows, y] -= 1
            E /= m
            G = E
        for k in range(last, -1, -1):
            dW, db = A[k].T @ G, G.sum(axis=0)
            if k:
                G = G @ weights[2 * k].T
                G *= A[k] * (1 - A[k]) if task.sigmoid else A[k] > 0
            dW *= onp.float32(RATE)
            weights[2 * k] -= dW
            weights[2 * k + 1] -= onp.float32(RATE) * db
        return value

    return lambda: onp.array([one(X, y) for X, y in zip(batches, labels, strict=True)])


def torch_eager(task: Task) -> harness.Run:
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    weights = task.weights()
    layers: list[Any] = []
    for k in range(len(weights) // 2):
        layer = torch.nn.Linear(*weights[2 * k].shape)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(weights[2 * k].T))
            layer.bias.copy_(torch.tensor(weights[2 * k + 1]))
        layers += [layer, torch.nn.Sigmoid() if task.sigmoid else torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    X, labels = map(torch.tensor, task.batches())

    def run() -> Any:
        values = []
        for x, y in zip(X, labels, strict=True):
            logits = model(x)
            if task.sizes[-1] == 1:
                loss = functional.binary_cross_entropy_with_logits(logits[:, 0], y.float())
            else:
                loss = functional.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            values.append(loss.detach())
        return torch.stack(values).numpy()

    return run


def jax_step(task: Task, scan: bool) -> harness.Run:
    import jax
    import jax.numpy as jnp

    def step(weights: Any, batch: Any) -> Any:
        X, y = batch

        def loss(weights: Any) -> Any:
            Z = X
            last = len(weights) // 2 - 1
            for k in range(last + 1):
                Z = Z @ weights[2 * k] + weights[2 * k + 1]
                if k < last:
                    Z = jax.nn.sigmoid(Z) if task.sigmoid else jnp.maximum(Z, 0)
            if task.sizes[-1] == 1:
                return jnp.mean(jax.nn.softplus(Z[:, 0]) - y * Z[:, 0])
            return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(Z), y[:, None], 1))

        value, grads = jax.value_and_grad(loss)(weights)
        return [w - RATE * g for w, g in zip(weights, grads, strict=True)], value

    weights = [jnp.asarray(w) for w in task.weights()]
    X, y = map(jnp.asarray, task.batches())
    if scan:
        epoch = jax.jit(lambda w, X, y: jax.lax.scan(step, w, (X, y)), donate_argnums=0)

        def run() -> Any:
            nonlocal weights
            weights, values = epoch(weights, X, y)
            return onp.asarray(values)

        return run
    one = jax.jit(step, donate_argnums=0)
    rows = [(X[k], y[k]) for k in range(task.steps)]

    def run_steps() -> Any:
        nonlocal weights
        values = []
        for batch in rows:
            weights, value = one(weights, batch)
            values.append(value)
        return onp.array([float(v) for v in values])

    return run_steps


def scikit_learn(task: Task) -> harness.Run:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        task.sizes[1:-1],
        activation="logistic" if task.sigmoid else "relu",
        solver="sgd",
        alpha=0,
        learning_rate_init=RATE,
        momentum=0,
        shuffle=False,
        batch_size=task.batch,
    )
    X, y = task.batches()
    classes = onp.arange(max(task.sizes[-1], 2))
    model.partial_fit(X[0], y[0], classes=classes)
    weights = task.weights()
    for own, given in zip(
        model.coefs_ + model.intercepts_, weights[::2] + weights[1::2], strict=True
    ):
        own[:] = given

    def run() -> Any:
        values = []
        for x, labels in zip(X, y, strict=True):
            model.partial_fit(x, labels)
            values.append(model.loss_)
        return onp.array(values)

    return run


def peak() -> float:
    """Return multiply-adds on registers, in floating-point operations per second."""
    from backlit.compiler.runtime import Library, object_code
    from backlit.compiler.target import host
    from backlit.compiler.text import Code, Lanes, Module

    target = host()
    module = Module()
    code, count, turns = Code(module), 24 if target.registers == 32 else 12, 1_000_000
    lanes = Lanes(code, target.lanes(4))
    kind = lanes.type("float32")
    a = lanes.splat(code.let("load float, ptr %p, align 4"), "float")
    carried = [(kind, lanes.const(0.0, "float32"))] * count
    with code.loop(turns, carried) as loop:
        loop.next = [lanes.intrinsic("fma", "float32", a, a, v) for v in loop.values]
    total = loop.values[0]
    for value in loop.values[1:]:
        total = lanes.op("fadd", "float32", total, value)
    code.do(f"store {kind} {total}, ptr %p, align 4")
    module.add(f"define void @peak(ptr %p) nounwind {{\n{code.body()}}}\n")
    library = Library(object_code(str(module), target), ["peak"], target)
    memory = onp.full(64, 0.5, onp.float32)
    best = 1e9
    for _ in range(7):
        start = time.perf_counter()
        library.functions["peak"](ctypes.c_void_p(memory.ctypes.data))
        best = min(best, time.perf_counter() - start)
    return 2.0 * lanes.width * count * turns / best


def table(task: Task, rounds: int, speed: float) -> harness.Table:
    """Measure one task."""
    contenders = [
        harness.Contender("Backlit", partial(backlit, task)),
        harness.Contender("NumPy by hand", partial(by_hand, task)),
        harness.Contender("PyTorch eager", partial(torch_eager, task), "torch"),
        harness.Contender("JAX jit", partial(jax_step, task, False), "jax"),
        harness.Contender("JAX scan", partial(jax_step, task, True), "jax"),
        harness.Contender("scikit-learn", partial(scikit_learn, task), "sklearn"),
    ]
    runs = harness.build(contenders)
    harness.agree(runs, rtol=2e-3)
    times = harness.measure(runs, rounds, slot=0.05)
    for one in times.values():
        one.seconds = [s / task.steps for s in one.seconds]
    rate = task.flops / times["Backlit"].best
    sizes = "-".join(map(str, task.sizes)) if len(task.sizes) < 8 else f"{len(task.sizes) - 1} x 64"
    title = f"{task.name}: {sizes}, batch {task.batch}; {rate / 1e9:.0f} GF/s, "
    title += f"{rate / speed:.0%} of peak"
    if task.share:
        met = "met" if rate / speed >= task.share else "MISSED"
        title += f" (at least {task.share:.0%}: {met})"
    return harness.Table(title, "Backlit", list(runs), times, task.bars)


def tables(rounds: int) -> list[harness.Table]:
    speed = peak()
    print(f"peak {speed / 1e9:.0f} GF/s")
    return [table(task, rounds, speed) for task in TASKS]


if __name__ == "__main__":
    harness.main("A compiled training step", tables, rounds=9)
