"""Losses, activations and their gradients against PyTorch and scikit-learn.

Runs under `make peers`, which has those libraries.
"""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest
import torch
from sklearn import metrics
from torch.nn import functional as F

import backlit as bl
from backlit import nn

RNG = onp.random.default_rng(3)
Z = RNG.normal(size=(40, 5)) * 3
LABELS = RNG.integers(0, 5, 40)
BITS = RNG.integers(0, 2, (40, 5)).astype(float)
REAL = RNG.normal(size=(40, 5))
SOFT = RNG.dirichlet(onp.ones(5), 40)

PAIRS: list[tuple[str, Any, Any]] = [
    ("cross_entropy", LABELS, F.cross_entropy),
    ("cross_entropy", SOFT, F.cross_entropy),
    ("binary_cross_entropy", BITS, F.binary_cross_entropy_with_logits),
    ("mse", REAL, F.mse_loss),
    ("mae", REAL, F.l1_loss),
    ("huber", REAL, F.huber_loss),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "targets", "peer"), PAIRS)
def test_losses_and_gradients_match_pytorch(
    name: str, targets: Any, peer: Any, reduction: Any
) -> None:
    z = torch.tensor(Z, requires_grad=True)
    expected = peer(z, torch.tensor(targets), reduction=reduction)
    expected.sum().backward()

    def total(z: Any) -> Any:
        return bl.numpy.sum(nn.LOSSES[name](z, targets, reduction=reduction))

    found = nn.LOSSES[name](Z, targets, reduction=reduction)
    onp.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    onp.testing.assert_allclose(bl.grad(total)(Z), z.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_hinge_losses_match_scikit_learn() -> None:
    found = nn.hinge(Z[:, 0], 2 * BITS[:, 0] - 1)
    assert float(found) == pytest.approx(metrics.hinge_loss(BITS[:, 0], Z[:, 0]), rel=1e-13)
    several = nn.multiclass_hinge(Z, LABELS)
    assert float(several) == pytest.approx(metrics.hinge_loss(LABELS, Z), rel=1e-13)


def test_weighted_cross_entropy_matches_scikit_learn() -> None:
    weights = RNG.uniform(0.1, 2, 40)
    expected = metrics.log_loss(LABELS, onp.asarray(nn.softmax(Z)), sample_weight=weights)
    found = nn.cross_entropy(Z, LABELS, weights=weights)
    assert float(found) == pytest.approx(expected, rel=1e-12)


ACTIVATIONS: dict[str, Any] = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": lambda z: F.softplus(z, threshold=1e9),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": lambda z: F.softmax(z, dim=-1),
    "log_softmax": lambda z: F.log_softmax(z, dim=-1),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_gradients_match_pytorch(name: str) -> None:
    z = torch.tensor(Z, requires_grad=True)
    expected = ACTIVATIONS[name](z)
    (expected * torch.tensor(REAL)).sum().backward()
    function = nn.ACTIVATIONS[name]
    slope = bl.grad(lambda z: bl.numpy.sum(function(z) * REAL))(Z)
    onp.testing.assert_allclose(function(Z), expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    onp.testing.assert_allclose(slope, z.grad.numpy(), rtol=1e-10, atol=1e-13)


def test_a_whole_network_matches_pytorch() -> None:
    model = nn.MLP([5, 7, 6, 3], "tanh", seed=2, dtype="float64")
    labels = LABELS % 3
    grads = bl.grad(lambda m: nn.cross_entropy(m(Z), labels))(model)
    pairs = [
        [torch.tensor(a, requires_grad=True) for a in (layer.W, layer.b)] for layer in model.layers
    ]
    a = torch.tensor(Z)
    for index, (W, b) in enumerate(pairs):
        a = a @ W + b
        if index < len(pairs) - 1:
            a = torch.tanh(a)
    F.cross_entropy(a, torch.tensor(labels)).backward()
    for layer, (W, b) in zip(grads.layers, pairs, strict=True):
        onp.testing.assert_allclose(layer.W, W.grad.numpy(), rtol=1e-10, atol=1e-14)
        onp.testing.assert_allclose(layer.b, b.grad.numpy(), rtol=1e-10, atol=1e-14)
