"""What a compiled step has to know of an optimizer: its learning rates are arguments of the step,
so that a new one compiles nothing, and some rules hide that a gradient is infinite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as onp

from backlit.core.tracer import Tracer
from backlit.optim import Optimizer, chain
from backlit.optim.catalogue import RULES
from backlit.optim.optimizer import rate_at
from backlit.transforms import trace


def open_rates(optimizer: Optimizer) -> list[float | Callable[[Any], Any]]:
    """Return the learning rates that a compiled step takes as numbers.

    A schedule is compiled: it computes with the number of the step. A function that returns a
    plain number whatever it is given, such as one that reads what a callback sets, is not.

    Parameters
    ----------
    optimizer : Optimizer

    Returns
    -------
    list of float or callable

    Examples
    --------
    >>> from backlit import optim
    >>> open_rates(optim.chain(optim.clip_by_value(1.0), optim.sgd(0.1)))
    [0.1]
    >>> open_rates(optim.sgd(optim.schedules.cosine(0.1, steps=10)))
    []
    """
    return [part.settings["rate"] for part in _parts(optimizer) if _is_open(part)]


def values_at(rates: Sequence[float | Callable[[Any], Any]], step: int) -> list[float]:
    """Return what learning rates are after a number of steps."""
    return [rate_at(rate, step) for rate in rates]


def with_rates(optimizer: Optimizer, values: Any) -> Optimizer:
    """Return an optimizer whose open rates have other values, traced ones for instance.

    Parameters
    ----------
    optimizer : Optimizer
    values : array of shape (rates,)

    Returns
    -------
    Optimizer
    """
    places = iter(range(len(open_rates(optimizer))))
    return _rebuilt(optimizer, values, places)


def hides_infinity(optimizer: Optimizer) -> bool:
    """Tell whether an infinite gradient may leave all parameters finite.

    The rules of this library spoil a parameter whose gradient is infinite, but for the one that
    clips numbers; what somebody's own rule does is not known.

    Parameters
    ----------
    optimizer : Optimizer

    Returns
    -------
    bool

    Examples
    --------
    >>> from backlit import optim
    >>> hides_infinity(optim.adam()), hides_infinity(optim.clip_by_value(1.0))
    (False, True)
    """
    parts = list(_parts(optimizer))
    return any(part.name == "clip_by_value" or not _is_ours(part) for part in parts)


def _rebuilt(optimizer: Optimizer, values: Any, places: Iterator[int]) -> Optimizer:
    if optimizer.name == "chain":
        parts = optimizer.settings["parts"]
        return chain(*[_rebuilt(part, values, places) for part in parts])
    if not _is_open(optimizer):
        return optimizer
    return RULES[optimizer.name](**{**optimizer.settings, "rate": values[next(places)]})


def _parts(optimizer: Optimizer) -> Iterator[Optimizer]:
    if optimizer.name != "chain":
        yield optimizer
        return
    for part in optimizer.settings["parts"]:
        yield from _parts(part)


def _is_ours(rule: Optimizer) -> bool:
    """Tell whether a rule is one of this library; somebody's own may have the same name."""
    try:
        again = RULES[rule.name](**rule.settings)
    except Exception:  # whatever a rule of ours says to settings that are not its own
        return False
    return again.update_leaves.__code__ is getattr(rule.update_leaves, "__code__", None)


def _is_open(rule: Optimizer) -> bool:
    """Tell whether a rule is one of ours, which can be made again, and its rate a number."""
    rate = rule.settings.get("rate")
    if rate is None or not _is_ours(rule):
        return False
    if not callable(rate):
        return not isinstance(rate, Tracer)
    try:
        graph = trace(rate, abstract=True)(onp.int64(0))
    except Exception:  # a function that looks at the number of the step
        return False
    return not graph.equations and graph.outputs[0] not in graph.inputs
