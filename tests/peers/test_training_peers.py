"""Whole training runs against scikit-learn and PyTorch, step for step.

Runs under `make peers`, which has those libraries.
"""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as onp
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.neural_network import MLPClassifier, MLPRegressor

from backlit import data, nn, optim, train

RNG = onp.random.default_rng(8)


def with_weights_of(peer: Any, model: nn.MLP) -> nn.MLP:
    """Copy scikit-learn's weights."""
    layers = [
        dataclasses.replace(layer, W=W.copy(), b=b.copy())
        for layer, W, b in zip(model.layers, peer.coefs_, peer.intercepts_, strict=True)
    ]
    return dataclasses.replace(model, layers=tuple(layers))


def peer_run(peer: Any, X: Any, y: Any, model: nn.MLP, epochs: int) -> tuple[nn.MLP, Any]:
    """Start scikit-learn and Backlit from the same weights; return our start and their end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        peer.set_params(max_iter=1, warm_start=True).fit(X, y)
        start = with_weights_of(peer, model)
        peer.loss_curve_.clear()
        del peer._optimizer  # no momentum, no moments from the first epoch
        peer.t_ = 0
        peer.set_params(max_iter=epochs).fit(X, y)
    return start, peer


SETTINGS: dict[str, Any] = {
    "shuffle": False,
    "alpha": 0.0,
    "batch_size": 32,
    "n_iter_no_change": 1000,
    "random_state": 0,
}
RULES: list[tuple[dict[str, Any], optim.Optimizer]] = [
    ({"solver": "sgd", "learning_rate_init": 0.2, "momentum": 0.0}, optim.sgd(0.2)),
    (
        {
            "solver": "sgd",
            "learning_rate_init": 0.05,
            "momentum": 0.9,
            "nesterovs_momentum": True,
        },
        optim.nesterov(0.05, 0.9),
    ),
    # scikit-learn puts ε beside another root than the paper does, so ε has to be nothing.
    (
        {"solver": "adam", "learning_rate_init": 0.01, "epsilon": 1e-30},
        optim.adam(0.01, eps=1e-30),
    ),
]


@pytest.mark.parametrize(("theirs", "ours"), RULES)
def test_classification_of_digits_matches_scikit_learn(
    theirs: dict[str, Any], ours: optim.Optimizer
) -> None:
    X, y = data.load_digits()
    X, y = X[:300].astype("float64"), y[:300]  # the last of ten batches has 12 rows
    peer = MLPClassifier(hidden_layer_sizes=(16,), activation="tanh", **SETTINGS, **theirs)
    model = nn.MLP([64, 16, 10], activation="tanh", seed=0, dtype="float64")
    start, peer = peer_run(peer, X, y, model, 5)
    loose = 1e-6 if theirs["solver"] == "adam" else 1e-9
    history = train.fit(start, (X, y), "cross_entropy", ours, epochs=5, shuffle=False)
    assert history.curve("loss") == pytest.approx(peer.loss_curve_, rel=loose)
    for layer, W, b in zip(history.model.layers, peer.coefs_, peer.intercepts_, strict=True):
        onp.testing.assert_allclose(layer.W, W, rtol=loose, atol=loose)
        onp.testing.assert_allclose(layer.b, b, rtol=loose, atol=loose)
    predicted = train.predict(history.model, X).argmax(axis=1)
    assert (predicted == peer.predict(X)).all()


def test_regression_matches_scikit_learn() -> None:
    X = RNG.normal(size=(70, 3))
    y = onp.sin(X[:, 0]) + X[:, 1] * X[:, 2]
    peer = MLPRegressor(
        hidden_layer_sizes=(8,),
        activation="relu",
        solver="sgd",
        learning_rate_init=0.05,
        momentum=0.0,
        **SETTINGS,
    )
    model = nn.MLP([3, 8, 1], seed=0, dtype="float64")
    start, peer = peer_run(peer, X, y, model, 20)
    rule = optim.sgd(0.05)
    history = train.fit(start, (X, y), "half_squared_error", rule, epochs=20, shuffle=False)
    assert history.curve("loss") == pytest.approx(peer.loss_curve_, rel=1e-9)
    onp.testing.assert_allclose(history.model.layers[0].W, peer.coefs_[0], rtol=1e-9)
    onp.testing.assert_allclose(train.predict(history.model, X)[:, 0], peer.predict(X), rtol=1e-9)


def test_binary_classification_matches_pytorch() -> None:
    X, y = RNG.normal(size=(50, 4)), RNG.integers(0, 2, 50)
    start = nn.MLP([4, 6, 1], activation="tanh", seed=1, dtype="float64")
    rule = optim.chain(optim.clip_by_global_norm(0.1), optim.adamw(0.01, decay=0.1))
    history = train.fit(
        start, (X, y), "binary_cross_entropy", rule, epochs=6, batch_size=16, shuffle=False
    )
    parts = [torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1)]
    peer = torch.nn.Sequential(*parts).double()
    with torch.no_grad():
        for part, layer in zip((parts[0], parts[2]), start.layers, strict=True):
            part.weight.copy_(torch.tensor(layer.W.T))
            part.bias.copy_(torch.tensor(layer.b))
    optimizer = torch.optim.AdamW(peer.parameters(), lr=0.01, weight_decay=0.1)
    losses = []
    for _ in range(6):
        total = 0.0
        for begin in range(0, 50, 16):
            x, t = torch.tensor(X[begin : begin + 16]), torch.tensor(y[begin : begin + 16])
            optimizer.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(peer(x)[:, 0], t.double())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(peer.parameters(), 0.1)
            optimizer.step()
            total += loss.item() * len(x)
        losses.append(total / 50)
    assert history.curve("loss") == pytest.approx(losses, rel=1e-6)
    W = parts[0].weight.detach().numpy().T
    onp.testing.assert_allclose(history.model.layers[0].W, W, rtol=1e-5, atol=1e-7)


def test_metrics_match_scikit_learn() -> None:
    Y, P = RNG.normal(size=(40, 3)), RNG.normal(size=(40, 3))
    assert train.r2(P, Y) == pytest.approx(r2_score(Y, P))
    assert train.rmse(P[:, 0], Y[:, 0]) == pytest.approx(root_mean_squared_error(Y[:, 0], P[:, 0]))
    assert train.mae(P, Y) == pytest.approx(mean_absolute_error(Y, P))
    # Of equal targets it is undefined; scikit-learn gives a number.
    assert onp.isnan(train.r2([1.0, 2.0], [3.0, 3.0])) and r2_score([3.0, 3.0], [1.0, 2.0]) == 0.0
    labels = RNG.integers(0, 3, 40)
    assert train.accuracy(P, labels) == accuracy_score(labels, P.argmax(axis=1))
