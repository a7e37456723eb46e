"""Modules: frozen dataclasses that are trees, and say what is wrong with them."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as onp
import pytest

import backlit as bl
from backlit import nn
from backlit.core import tree


class Line(nn.Module):
    slope: Any
    height: Any
    unit: str = nn.static("m")

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        return self.slope * x + self.height


class Doubled(nn.Module):
    inner: Line
    scale: Any

    def __init__(self, slope: float) -> None:
        self.inner = Line(onp.array(slope), onp.array(0.0))
        self.scale = onp.full(3, 2.0)


def line() -> Line:
    return Line(onp.array(2.0), onp.array(-1.0), unit="km")


def test_leaves_are_the_array_fields_with_their_paths() -> None:
    pairs, _ = tree.flatten_with_paths(Doubled(2.0))
    assert [path for path, _ in pairs] == ["inner.slope", "inner.height", "scale"]


def test_rebuilding_keeps_class_arrays_and_settings() -> None:
    leaves, treedef = tree.flatten(line())
    again = tree.unflatten(treedef, [10 * leaf for leaf in leaves])
    assert isinstance(again, Line)
    assert (again.slope, again.height, again.unit) == (20.0, -10.0, "km")


def test_trees_with_other_settings_differ() -> None:
    other = dataclasses.replace(line(), unit="mile")
    assert tree.flatten(line())[1] == tree.flatten(line())[1]
    assert tree.flatten(line())[1] != tree.flatten(other)[1]


def test_a_gradient_is_a_module_of_the_same_shape() -> None:
    grads = bl.grad(lambda model: model(3.0) ** 2)(line())
    assert isinstance(grads, Line)
    # d(sx + h)² = 2(sx + h)(x, 1) with s = 2, h = −1, x = 3.
    assert (float(grads.slope), float(grads.height), grads.unit) == (30.0, 10.0, "km")


def test_replace_works_with_either_kind_of_constructor() -> None:
    changed = dataclasses.replace(line(), slope=onp.array(7.0))
    assert float(changed.slope) == 7.0 and changed.unit == "km"
    doubled = Doubled(2.0)
    changed_too = dataclasses.replace(doubled, scale=onp.zeros(3))
    assert changed_too.inner is doubled.inner and not changed_too.scale.any()
    assert doubled.scale.all()


def test_replace_works_with_constructors_that_take_some_of_the_fields() -> None:
    class Scaled(nn.Module):
        W: Any
        scale: float = nn.static()

        def __init__(self, W: Any, *, seed: int) -> None:
            self.W = W + seed
            self.scale = 2.0

    class Stack(nn.Module):
        layers: tuple[Any, ...]

        def __init__(self, *layers: Any) -> None:
            self.layers = layers

    class Options(nn.Module):
        W: Any

        def __init__(self, shape: int = 3, **more: Any) -> None:
            self.W = more.get("W", onp.ones(shape))

    scaled = dataclasses.replace(Scaled(onp.ones(2), seed=5), scale=3.0)
    assert scaled.scale == 3.0 and scaled.W.tolist() == [6.0, 6.0]
    assert len(dataclasses.replace(Stack(line()), layers=(line(), line())).layers) == 2
    assert dataclasses.replace(Options(), W=onp.zeros(2)).W.tolist() == [0.0, 0.0]
    with pytest.raises(TypeError, match="seed"):
        Scaled(W=onp.ones(2))  # type: ignore[call-arg]


def test_replace_runs_the_checks_after_a_constructor() -> None:
    class Bounded(nn.Module):
        W: Any

        def __init__(self, size: int) -> None:
            self.W = onp.ones(size)
            self.__post_init__()

        def __post_init__(self) -> None:
            self.W = onp.minimum(self.W, 1.0)

    assert dataclasses.replace(Bounded(2), W=onp.array([0.5, 7.0])).W.tolist() == [0.5, 1.0]
    with pytest.raises(nn.FrozenModuleError):
        dataclasses.replace(Bounded(2), W=onp.ones(1)).W = onp.zeros(1)


def test_copies_are_modules() -> None:
    deep = copy.deepcopy(Doubled(2.0))
    assert isinstance(deep, Doubled) and float(deep.inner.slope) == 2.0
    assert copy.copy(deep).inner is deep.inner


def test_finished_modules_are_frozen() -> None:
    model = line()
    with pytest.raises(nn.FrozenModuleError, match="dataclasses.replace"):
        model.slope = onp.array(1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        del model.slope
    with pytest.raises(AttributeError):
        model.new = 1  # type: ignore[attr-defined]


def test_modules_compare_and_hash_by_identity() -> None:
    model = line()
    assert model == model and model != line()
    assert len({model, model, line()}) == 2


def test_a_constructor_must_set_every_field() -> None:
    class Forgetful(nn.Module):
        W: Any
        b: Any

        def __init__(self) -> None:
            self.W = onp.ones(2)

    with pytest.raises(nn.ModuleError, match=r"Forgetful.__init__ did not set b"):
        Forgetful()


def test_a_constructor_may_only_set_declared_fields() -> None:
    class Careless(nn.Module):
        W: Any

        def __init__(self) -> None:
            self.W = onp.ones(2)
            self.bias = onp.ones(2)

    with pytest.raises(nn.ModuleError, match="no field 'bias'"):
        Careless()


@pytest.mark.parametrize("value", ["relu", abs, onp.array(["a"]), [onp.ones(2), print]])
def test_what_is_not_an_array_must_be_static(value: Any) -> None:
    with pytest.raises(nn.ModuleError, match=r"Line.slope holds .*\n.*static\(\)"):
        Line(value, 1.0)


def test_arrays_must_not_be_static() -> None:
    with pytest.raises(nn.ModuleError, match="never be trained"):
        Line(1.0, 1.0, unit=onp.ones(2))  # type: ignore[arg-type]


def test_a_subclass_that_adds_nothing_keeps_the_constructor() -> None:
    class Named(Doubled):
        """Doubled with another name."""

    assert float(Named(5.0).inner.slope) == 5.0


def test_a_subclass_that_adds_fields_has_a_constructor_of_its_own() -> None:
    class Curve(Line):
        bend: Any = 0.0

    curve = Curve(1.0, 2.0, bend=3.0)
    assert [path for path, _ in tree.flatten_with_paths(curve)[0]] == ["slope", "height", "bend"]


def test_a_constructor_with_the_fields_as_arguments_still_runs() -> None:
    class Doubling(nn.Module):
        W: Any

        def __init__(self, W: Any) -> None:
            self.W = 2 * W

    assert Doubling(W=3.0).W == 6.0


def test_repr_shows_shapes_settings_and_the_number_of_parameters() -> None:
    assert repr(line()) == "Line(slope=float64[], height=float64[], unit='km')  # 2 parameters"
    assert repr(Doubled(1.0)).endswith("scale=float64[3])  # 5 parameters")
    wide = nn.Sequential(nn.Dense(2, 3, onp.cbrt, seed=0), nn.Dense(3, 1, seed=1, dtype="float64"))
    assert repr(wide).splitlines() == [
        "Sequential(",
        "  layers=(",
        "    Dense(W=float32[2,3], b=float32[3], activation=cbrt),",
        "    Dense(W=float64[3,1], b=float64[1], activation='identity'),",
        "  ),",
        ")  # 13 parameters",
    ]


def test_repr_of_containers_and_of_a_single_parameter() -> None:
    class Bag(nn.Module):
        parts: Any

    assert repr(Bag({"a": [onp.ones(1)]})) == "Bag(parts={'a': [float64[1]]})  # 1 parameter"


def test_counting_parameters_of_any_tree() -> None:
    assert nn.count_parameters({"a": onp.zeros((2, 3)), "b": (1.0, None)}) == 7
