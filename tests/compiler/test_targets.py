"""A whole training step becomes machine code for processors that this one is not."""

from __future__ import annotations

import importlib
from typing import Any

import llvmlite.binding as llvm
import numpy as onp
import pytest

import backlit as bl
from backlit import nn, optim
from backlit.compiler.memory import place
from backlit.compiler.plan import plan
from backlit.compiler.program import write
from backlit.compiler.target import Target
from backlit.nn import losses

planning = importlib.import_module("backlit.compiler.plan")  # the package has a function `plan`


def training_step(sizes: tuple[int, ...], batch: int) -> Any:
    """Return the graph of several steps of Adam."""
    model, optimizer = nn.MLP(sizes, "tanh", seed=0), optim.adam(0.01)
    X = onp.zeros((3, batch, sizes[0]), "f4")
    y = onp.zeros((3, batch), int)

    def step(carry: Any, examples: Any) -> Any:
        model, state = carry
        x, labels = examples

        def loss(model: Any) -> Any:
            return losses.cross_entropy(model(x), labels, check=False)

        value, gradient = bl.value_and_grad(loss)(model)
        updates, state = optimizer.update(gradient, state, model)
        return (optim.apply(model, updates), state), value

    return bl.jit(lambda *a: bl.scan(step, (a[0], a[1]), a[2:])).graph(
        model, optimizer.init(model), X, y
    )


@pytest.mark.parametrize(
    ("triple", "cpu", "vector", "registers", "multiply_add"),
    [
        ("aarch64-unknown-linux-gnu", "generic", 16, 32, "fmla"),
        ("aarch64-apple-darwin", "apple-m1", 16, 32, "fmla"),
        ("x86_64-unknown-linux-gnu", "x86-64-v3", 32, 16, "vfmadd"),
        ("x86_64-unknown-linux-gnu", "x86-64-v4", 64, 32, "vfmadd"),
    ],
)
@pytest.mark.parametrize(("sizes", "batch"), [((6, 5, 3), 4), ((300, 256, 10), 65)])
def test_training_steps_assemble(
    monkeypatch: pytest.MonkeyPatch,
    triple: str,
    cpu: str,
    vector: int,
    registers: int,
    multiply_add: str,
    sizes: tuple[int, ...],
    batch: int,
) -> None:
    target = Target(triple, cpu, "", vector, registers)
    monkeypatch.setattr(planning, "host", lambda: target)
    planned = plan(training_step(sizes, batch))
    place(planned)
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, opt=1)
    module = llvm.parse_assembly(write(planned, target))
    module.triple, module.data_layout = triple, str(machine.target_data)
    module.verify()
    listing = machine.emit_assembly(module)
    assert multiply_add in listing
    assert len(machine.emit_object(module)) > 1000
