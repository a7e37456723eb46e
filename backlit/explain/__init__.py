"""Explanations of gradients: the chain rule as it was applied, number by number.

The package itself can be called: ``bl.explain(loss, model, x, y, wrt="layers.0.W", index=(5, 3))``
is `explain_weight`, or `explain_formulas` where the shape of an argument is all that is given.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from backlit.core import tree
from backlit.core.aval import AbstractValue
from backlit.explain.backward import BackwardCheck as BackwardCheck
from backlit.explain.backward import check_backward as check_backward
from backlit.explain.graphs import Drawing as Drawing
from backlit.explain.graphs import draw as draw
from backlit.explain.names import parse_weight as parse_weight
from backlit.explain.views import Explanation as Explanation
from backlit.explain.weight import ExplanationError as ExplanationError
from backlit.explain.weight import explain_weight as explain_weight
from backlit.explain.why import why_large as why_large
from backlit.explain.why import why_nan as why_nan
from backlit.explain.why import why_zero as why_zero

if TYPE_CHECKING:
    from backlit.explain.symbolic import Symbolic as Symbolic
    from backlit.explain.symbolic import explain_formulas as explain_formulas


def __getattr__(name: str) -> Any:
    # Loaded on first use: the first explanation of a process should not wait for it.
    if name in ("Symbolic", "explain_formulas"):
        from backlit.explain import symbolic

        return getattr(symbolic, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Callable(ModuleType):
    # A function called `explain` and a package of that name would shadow each other in `backlit`,
    # depending on which was imported first.
    def __call__(self, *args: Any, **kwargs: Any) -> Explanation | Symbolic:
        if any(isinstance(leaf, AbstractValue) for leaf in tree.flatten(args)[0]):
            from backlit.explain.symbolic import explain_formulas

            return explain_formulas(*args, **kwargs)
        return explain_weight(*args, **kwargs)


explain = sys.modules[__name__]
explain.__class__ = _Callable
