"""One step of training, in float32: loss, gradient, and plain gradient descent.

Every contender starts from the same weights and sees the same batch; the losses of three steps in a
row are compared before anything is timed, which checks the gradients and updates as well. These
figures set no bar: they are where the compiler starts from.
"""

from bench import harness  # first: it sets the thread counts

# isort: split
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as onp

RATE = 0.1


@dataclass(frozen=True)
class Task:
    """A network with one hidden relu layer, and a batch for it.

    `outputs` is 1 for two classes told apart by one logit, else the number of classes.
    """

    title: str
    inputs: int
    hidden: int
    outputs: int
    X: Any
    labels: Any

    def weights(self) -> tuple[Any, ...]:
        """Fresh copies of W1, b1, W2, b2, always the same ones."""
        rng = onp.random.default_rng(0)
        shapes = [(self.inputs, self.hidden), (self.hidden, self.outputs)]
        made = []
        for n_in, n_out in shapes:
            made.append((rng.normal(size=(n_in, n_out)) * n_in**-0.5).astype(onp.float32))
            made.append(onp.full(n_out, 0.1, onp.float32))
        return tuple(made)


def xor() -> Task:
    X = onp.array([[0, 0], [0, 1], [1, 0], [1, 1]], onp.float32)
    return Task("XOR 2-4-1, batch 4", 2, 4, 1, X, onp.array([0, 1, 1, 0]))


def digits() -> Task:
    rng = onp.random.default_rng(1)
    X = rng.random((32, 64), dtype=onp.float32)
    return Task("digits 64-32-10, batch 32", 64, 32, 10, X, onp.arange(32) % 10)


def backlit(task: Task) -> harness.Run:
    import backlit as bl
    import backlit.numpy as np

    rows, labels = onp.arange(len(task.labels)), task.labels
    y = labels.astype(onp.float32)

    def loss(weights: tuple[Any, ...], X: Any) -> Any:
        W1, b1, W2, b2 = weights
        z = np.relu(X @ W1 + b1) @ W2 + b2
        if task.outputs == 1:
            z = z[:, 0]
            return np.mean(np.softplus(z) - y * z)
        return np.mean(np.logsumexp(z, axis=1) - z[rows, labels])

    step = bl.value_and_grad(loss)
    weights = task.weights()

    def run() -> Any:
        nonlocal weights
        value, grads = step(weights, task.X)
        weights = tuple(w - RATE * g for w, g in zip(weights, grads, strict=True))
        return value

    return run


def backlit_layers(task: Task) -> harness.Run:
    """The same step from the library's parts: a model, a loss and an optimizer."""
    import backlit as bl
    from backlit import nn, optim
    from backlit.core import tree

    model = nn.MLP([task.inputs, task.hidden, task.outputs], seed=0)
    model = tree.unflatten(tree.flatten(model)[1], task.weights())
    rule = optim.sgd(RATE)
    state = rule.init(model)
    binary = task.outputs == 1
    y = task.labels.astype(onp.float32) if binary else task.labels
    loss = nn.binary_cross_entropy if binary else nn.cross_entropy
    step = bl.value_and_grad(lambda model, X: loss(model(X), y))

    def run() -> Any:
        nonlocal model, state
        value, grads = step(model, task.X)
        model, state = rule.step(grads, state, model)
        return value

    return run


def by_hand(task: Task) -> harness.Run:
    """The same step as one would write it in NumPy, with its gradient worked out on paper."""
    W1, b1, W2, b2 = task.weights()
    m = len(task.X)
    y = task.labels.astype(onp.float32)[:, None]
    one_hot = onp.eye(task.outputs, dtype=onp.float32)[task.labels] if task.outputs > 1 else None

    def run() -> Any:
        A = onp.maximum(task.X @ W1 + b1, 0)
        Z = A @ W2 + b2
        if one_hot is None:
            value = onp.mean(onp.logaddexp(0, Z) - y * Z)
            dZ = (1 / (1 + onp.exp(-Z)) - y) / m
        else:
            Z -= Z.max(axis=1, keepdims=True)
            E = onp.exp(Z)
            total = E.sum(axis=1, keepdims=True)
            value = onp.mean(onp.log(total)[:, 0] - Z[onp.arange(m), task.labels])
            dZ = (E / total - one_hot) / m
        dW2, db2 = A.T @ dZ, dZ.sum(axis=0)
        dH = dZ @ W2.T * (A > 0)
        dW1, db1 = task.X.T @ dH, dH.sum(axis=0)
        for weight, gradient in ((W1, dW1), (b1, db1), (W2, dW2), (b2, db2)):
            weight -= onp.float32(RATE) * gradient
        return value

    return run


def torch_eager(task: Task) -> harness.Run:
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    first = torch.nn.Linear(task.inputs, task.hidden)
    second = torch.nn.Linear(task.hidden, task.outputs)
    W1, b1, W2, b2 = map(torch.tensor, task.weights())
    with torch.no_grad():
        for layer, W, b in ((first, W1, b1), (second, W2, b2)):
            layer.weight.copy_(W.T)
            layer.bias.copy_(b)
    model = torch.nn.Sequential(first, torch.nn.ReLU(), second)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    X, labels = torch.tensor(task.X), torch.tensor(task.labels)
    y = labels.to(torch.float32)[:, None]

    def run() -> Any:
        logits = model(X)
        if task.outputs == 1:
            loss = functional.binary_cross_entropy_with_logits(logits, y)
        else:
            loss = functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


def scikit_learn(task: Task) -> harness.Run:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        (task.hidden,), solver="sgd", alpha=0, learning_rate_init=RATE, momentum=0, shuffle=False
    )
    # The first call makes the weights; the ones to start from take their place after it.
    model.partial_fit(task.X, task.labels, classes=onp.unique(task.labels))
    W1, b1, W2, b2 = task.weights()
    for own, given in zip(model.coefs_ + model.intercepts_, (W1, W2, b1, b2), strict=True):
        own[:] = given

    def run() -> Any:
        model.partial_fit(task.X, task.labels)
        return model.loss_

    return run


def table(task: Task, rounds: int) -> harness.Table:
    """Measure one task."""
    contenders = [
        harness.Contender("Backlit, eager", partial(backlit, task)),
        harness.Contender("Backlit, nn and optim", partial(backlit_layers, task)),
        harness.Contender("NumPy by hand", partial(by_hand, task)),
        harness.Contender("PyTorch eager", partial(torch_eager, task), "torch"),
        harness.Contender("scikit-learn", partial(scikit_learn, task), "sklearn"),
    ]
    runs = harness.build(contenders)
    harness.agree(runs, calls=3, rtol=1e-4)
    return harness.Table(task.title, contenders[0].name, runs, harness.measure(runs, rounds))


def tables(rounds: int) -> list[harness.Table]:
    return [table(task, rounds) for task in (xor(), digits())]


if __name__ == "__main__":
    harness.main("One training step", tables, rounds=25)
