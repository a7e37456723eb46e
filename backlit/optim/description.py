"""Writing down the settings of optimisers and schedules."""

from __future__ import annotations

from typing import Any


def description_of(value: Any) -> Any:
    """Return a setting as plain JSON values.

    Parameters
    ----------
    value : number, bool, Schedule, Optimizer, callable, or a sequence of them

    Returns
    -------
    number, bool, list or dict
        Schedules and optimisers by their own `describe`; another function by its name only.

    Examples
    --------
    >>> import math
    >>> description_of((0.1, math.sqrt))
    [0.1, {'name': 'callable', 'function': 'math.sqrt'}]
    """
    if hasattr(value, "describe"):
        return value.describe()
    if isinstance(value, (tuple, list)):
        return [description_of(item) for item in value]
    if callable(value):
        where = f"{getattr(value, '__module__', '?')}.{getattr(value, '__qualname__', '?')}"
        return {"name": "callable", "function": where}
    return value.item() if hasattr(value, "item") else value
