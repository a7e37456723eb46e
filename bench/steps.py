"""Training steps of fully connected networks, in float32, as each contender takes them.

Every contender starts from the same weights and sees the same batches in the same order. A run is
one pass over the batches that goes on from the weights the last one left, and returns the losses.
"""

from bench import harness  # first: it sets the thread counts

# isort: split
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as onp

from bench.by_hand import ByHand
from bench.tasks import BETA1, BETA2, EPS, RATES, Task


@dataclass(frozen=True)
class Steps:
    """Passes over the batches of a task, to be called: `weights` gives W and b of each layer."""

    run: Callable[[], Any]
    weights: Callable[[], list[Any]]

    def __call__(self) -> Any:
        """Take the steps of one pass and return their losses."""
        return self.run()


def backlit_loss(task: Task, weights: Any, X: Any, labels: Any) -> Any:
    """The loss of a batch, as Backlit differentiates it."""
    import backlit.numpy as np
    from backlit.nn import losses

    activation = {"relu": np.relu, "sigmoid": np.sigmoid, "tanh": np.tanh}[task.activation]
    last = len(weights) // 2 - 1
    for k in range(last + 1):
        X = X @ weights[2 * k] + weights[2 * k + 1]
        if k < last:
            X = activation(X)
    if task.sizes[-1] == 1:
        return losses.binary_cross_entropy(X[:, 0], np.astype(labels, "float32"))
    return losses.cross_entropy(X, labels, check=False)


def backlit_step(task: Task, rule: str) -> tuple[Callable[..., Any], Any]:
    """One step for ``bl.scan``, and what it carries: the weights and the optimizer's state."""
    import backlit as bl
    from backlit import optim

    optimizer = optim.adam(RATES[rule], BETA1, BETA2, EPS) if rule == "adam" else None

    def step(carry: Any, batch: Any) -> Any:
        weights, state = carry
        value, grads = bl.value_and_grad(lambda w: backlit_loss(task, w, *batch))(weights)
        if optimizer is None:
            weights = [w - RATES[rule] * g for w, g in zip(weights, grads, strict=True)]
        else:
            weights, state = optimizer.step(grads, state, weights)
        return (weights, state), value

    weights = task.weights()
    return step, (weights, () if optimizer is None else optimizer.init(weights))


def backlit(task: Task, rule: str) -> Steps:
    import backlit as bl

    step, carry = backlit_step(task, rule)
    epoch = bl.jit(lambda c, X, labels: bl.scan(step, c, (X, labels)), donate_argnums=0)
    X, labels = task.batches()

    def run() -> Any:
        nonlocal carry
        carry, values = epoch(carry, X, labels)
        return values

    return Steps(run, lambda: carry[0])


def by_hand(task: Task, rule: str) -> Steps:
    made = ByHand(task, rule)
    return Steps(made.run, lambda: made.weights)


def torch_steps(task: Task, rule: str, compiled: bool) -> Steps:
    """Modules and ``torch.optim``; compiled, the loss and the optimizer's step are."""
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # no helpers that stay and wait
    import torch
    from torch.nn import functional

    torch.set_num_threads(harness.THREADS)
    weights = task.weights()
    kind = {"relu": torch.nn.ReLU, "sigmoid": torch.nn.Sigmoid, "tanh": torch.nn.Tanh}
    linear, layers = [], []
    for k in range(len(weights) // 2):
        layer = torch.nn.Linear(*weights[2 * k].shape)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(weights[2 * k].T))
            layer.bias.copy_(torch.tensor(weights[2 * k + 1]))
        linear.append(layer)
        layers += [layer, kind[task.activation]()]
    model = torch.nn.Sequential(*layers[:-1])
    X, labels = map(torch.tensor, task.batches())

    def loss_of(x: Any, y: Any) -> Any:
        logits = model(x)
        if task.sizes[-1] == 1:
            return functional.binary_cross_entropy_with_logits(logits[:, 0], y.float())
        return functional.cross_entropy(logits, y)

    # Compiled code is made for one whole program; eager is quickest with its fused updates.
    options = {"lr": RATES[rule], "fused": not compiled}
    if rule == "adam":
        optimizer = torch.optim.Adam(model.parameters(), betas=(BETA1, BETA2), eps=EPS, **options)
    else:
        optimizer = torch.optim.SGD(model.parameters(), **options)
    loss, update = loss_of, optimizer.step
    if compiled:
        loss, update = _compiled(loss_of, update)
        _try(lambda: loss(X[0], labels[0]))

    def run() -> Any:
        values = []
        for x, y in zip(X, labels, strict=True):
            value = loss(x, y)
            optimizer.zero_grad()
            value.backward()
            update()
            values.append(value.detach())
        return torch.stack(values).numpy()

    def now() -> list[Any]:
        pairs = [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in linear]
        return [array for pair in pairs for array in pair]

    return Steps(run, now)


def _compiled(*functions: Any) -> list[Any]:
    import logging

    import torch

    torch._logging.set_logs(dynamo=logging.ERROR)  # it warns of every profiler hook it leaves out
    torch.compiler.reset()  # what earlier tasks compiled counts towards a limit
    return [torch.compile(f) for f in functions]


def _try(run: Callable[[], Any]) -> None:
    """Run what torch compiles; say so if there is no C++ compiler, which it needs."""
    from torch._inductor.exc import InductorError, InvalidCxxCompiler

    try:
        run()
    except InductorError as error:
        if not isinstance(error.inner_exception, InvalidCxxCompiler):
            raise
        raise harness.Absent("no C++ compiler") from None


def jax_steps(task: Task, rule: str, scan: bool) -> Steps:
    """One call per step, or the whole pass in one ``lax.scan``; Adam is optax's."""
    import jax
    import jax.numpy as jnp
    import optax

    kind = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh}[task.activation]
    make = partial(optax.adam, b1=BETA1, b2=BETA2, eps=EPS) if rule == "adam" else optax.sgd
    optimizer = make(RATES[rule])

    def loss(weights: Any, X: Any, y: Any) -> Any:
        last = len(weights) // 2 - 1
        for k in range(last + 1):
            X = X @ weights[2 * k] + weights[2 * k + 1]
            if k < last:
                X = kind(X)
        if task.sizes[-1] == 1:
            return jnp.mean(jax.nn.softplus(X[:, 0]) - y * X[:, 0])
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(X), y[:, None], 1))

    def step(carry: Any, batch: Any) -> Any:
        weights, state = carry
        value, grads = jax.value_and_grad(loss)(weights, *batch)
        updates, state = optimizer.update(grads, state)
        return (optax.apply_updates(weights, updates), state), value

    weights = [jnp.asarray(w) for w in task.weights()]
    carry = (weights, optimizer.init(weights))
    X, y = map(jnp.asarray, task.batches())
    if scan:
        epoch = jax.jit(lambda c, X, y: jax.lax.scan(step, c, (X, y)), donate_argnums=0)

        def run() -> Any:
            nonlocal carry
            carry, values = epoch(carry, X, y)
            return onp.asarray(values)
    else:
        one = jax.jit(step, donate_argnums=0)
        rows = [(X[k], y[k]) for k in range(task.steps)]

        def run() -> Any:
            nonlocal carry
            values = []
            for batch in rows:
                carry, value = one(carry, batch)
                values.append(value)
            return onp.array([float(v) for v in values])

    return Steps(run, lambda: [onp.asarray(w) for w in carry[0]])


def scikit_learn(task: Task, rule: str) -> Steps:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        task.sizes[1:-1],
        activation="logistic" if task.activation == "sigmoid" else task.activation,
        solver=rule,
        alpha=0,
        learning_rate_init=RATES[rule],
        momentum=0,
        beta_1=BETA1,
        beta_2=BETA2,
        epsilon=EPS,
        shuffle=False,
        batch_size=task.batch,
    )
    X, y = task.batches()
    # The first call makes the weights; the ones to start from take their place after it, and the
    # optimizer it made, which has taken a step, is made again by the next one.
    model.partial_fit(X[0], y[0], classes=onp.arange(max(task.sizes[-1], 2)))
    del model._optimizer
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

    def now() -> list[Any]:
        pairs = zip(model.coefs_, model.intercepts_, strict=True)
        return [array for pair in pairs for array in pair]

    return Steps(run, now)


def contenders(task: Task, rule: str, names: Sequence[str] = ()) -> list[harness.Contender]:
    """The ways of taking the steps that are named, or all, Backlit's first."""
    listed: list[tuple[str, Callable[[], Steps], str]] = [
        ("Backlit", partial(backlit, task, rule), ""),
        ("NumPy by hand", partial(by_hand, task, rule), ""),
        ("PyTorch eager", partial(torch_steps, task, rule, False), "torch"),
        ("PyTorch compiled", partial(torch_steps, task, rule, True), "torch"),
        ("JAX jit", partial(jax_steps, task, rule, False), "jax optax"),
        ("JAX scan", partial(jax_steps, task, rule, True), "jax optax"),
        ("scikit-learn", partial(scikit_learn, task, rule), "sklearn"),
    ]
    return [harness.Contender(*one) for one in listed if not names or one[0] in names]


def agree(runs: Mapping[str, Any], task: Task) -> None:
    """Raise unless all runs have the losses of the first one and move its weights the same way.

    For runs that have not been called. Losses are compared one by one, to 0.2 %; weights all
    together, to a tenth of the way they went in this first pass: scikit-learn's Adam adds its ε
    elsewhere, and a value near a kink may round to its other side.
    """
    present = {name: run for name, run in runs.items() if not isinstance(run, str)}
    harness.agree(present, rtol=2e-3)
    ends = {name: _joined(run.weights()) for name, run in present.items()}
    first, *others = present
    went = onp.linalg.norm(ends[first] - _joined(task.weights()))
    for name in others:
        apart = onp.linalg.norm(ends[name] - ends[first]) / went
        if not apart <= 0.1:
            raise AssertionError(f"weights of {name} are {apart:.0%} of the way from {first}'s")


def _joined(weights: list[Any]) -> Any:
    return onp.concatenate([onp.ravel(w) for w in weights])
