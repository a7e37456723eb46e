"""Makes docs/notation.md: run as a module, it prints the page."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.core.graph import Var
from backlit.core.primitive import Primitive, registry
from backlit.core.tracer import bind
from backlit.explain.derivation.build import Builder
from backlit.explain.derivation.definitions import DEFINITIONS, FORMS
from backlit.explain.derivation.expression import ONE_HOT, OUTER, SERIES, SLOPE, leaf, make
from backlit.explain.derivation.pieces import call, whole
from backlit.explain.equation.text.printing import latex
from backlit.explain.equation.tree import Call, Function, Name, Series
from backlit.explain.notation import to_tree
from backlit.testing.registry import Instance, instances
from backlit.transforms import trace

_LETTERS = "xyzuvw"
_MOST = 3
_HEAD = """# The notation of derivations

`backlit.explain.derive` prints the equations of a program and of its gradient, as LaTeX, as Unicode
text or as Python. This page says what the signs mean. What is printed can be read back: the parser
of `backlit.check` reads the LaTeX, and the tests evaluate it at new points, with fifty digits and
without the code that computed the gradient, and compare.

## Reading a derivation

- Names are those of the program. `layers.0.W` of a model is $W^{[1]}$, and what is computed with it
  is $Z^{[1]}$, $A^{[1]}$. A name that is assigned again and again gets its turn as a layer. An
  underscore goes, so that `y_hat` is yhat; a name that means something else in mathematics, `log`
  or `e`, gets a 0. What has no name and is needed more than once is called t1, t2, …, numbered
  through the whole program; u1, u2, … are steps of the backward pass.
- Side by side stand a matrix product, or a product with a number: the shapes say which. $\\odot$ is
  the product element by element. Everything else works element by element and broadcasts as NumPy
  does.
- $m$ is the number of examples that a mean is over, $N$ the number of all elements.
- A condition such as $x > 0$ is 1 where it holds and 0 elsewhere.
- Places, and indices under a sum, count from 0. A sum without bounds runs over all there is. In
  equations for one element an axis of length one has no index.
- ∂L/∂W has the shape of W (denominator layout); `numerator` gives the other layout. A bare dZ is
  m ∂J/∂Z for the averaged loss J (`per_example`).
- Branches that the program took on values are conditions of the derivation, printed with it.

## Conventions at the edges

Behind a choice (`where`, relu, max) zero times an infinite local derivative is zero; derivations
multiply plainly, or keep the choice around the product. At a kink the derivative is the one of
[conventions.md](conventions.md): [x > 0] for relu, one half each for the two sides of a tie.

## Primitives

"""


def page() -> str:
    """Return the page."""
    rows = ["| primitive | written | meaning |", "|---|---|---|"]
    for name in sorted(registry):
        written = ", ".join([f"${text}$" for text in _examples(registry[name])])
        rows.append(f"| `{name}` | {_escaped(written) or '—'} | {_escaped(DEFINITIONS[name])} |")
    rows += ["", "## Forms that only derivations have", "", "| written | meaning |", "|---|---|"]
    rows += [f"| ${_escaped(latex(_forms()[form]))}$ | {FORMS[form]} |" for form in sorted(FORMS)]
    return _HEAD + "\n".join(rows)


def _escaped(text: str) -> str:
    return text.replace("|", r"\|")


def _forms() -> dict[str, Any]:
    x, y = Name("x"), Name("y")
    return {
        OUTER: to_tree(make(OUTER, leaf(x, (3,)), leaf(y, (2,)), shape=(3, 2))),
        ONE_HOT: call("onehot", Name("k"), whole(10)),
        SLOPE: Call(Function("sigmoid", order=1), (x,)),
        "delta": Name("delta", None, (Name("i"), Name("k"))),
        SERIES: Series("sum", Name("x", None, (Name("i"),)), "i"),
    }


def _examples(primitive: Primitive) -> list[str]:
    """Return the primitive applied to letters, in the forms that its cases take."""
    found: list[str] = []
    if primitive.name == "call":
        return found
    for instance in instances(primitive):
        if any(onp.asarray(a).dtype == onp.float32 or 0 in onp.shape(a) for a in instance.args):
            continue
        text = _written(instance)
        if text is not None and text not in found:
            found.append(text)
        if len(found) == _MOST:
            break
    return found


def _written(instance: Instance) -> str | None:
    arrays = [k for k, a in enumerate(instance.args) if hasattr(a, "dtype")]
    if len(arrays) < len(instance.args):
        return None

    def f(*operands: Any) -> Any:
        return bind(instance.primitive, *operands, **instance.params)

    try:
        with onp.errstate(all="ignore"):
            graph = trace(f)(*instance.args)
    except (TypeError, ValueError):
        return None
    leaves = {
        var: leaf(Name(letter), var.aval.shape)
        for var, letter in zip(graph.inputs, _LETTERS, strict=False)
    }
    programs: list[Any] = []

    def program(inner: Any) -> str:
        programs.append(inner)
        return f"f{len(programs)}"

    builder = Builder(graph, leaves, lambda array: leaf(Name("c"), array.shape), {}, program)
    out = graph.outputs[0]
    assert isinstance(out, Var)
    return latex(to_tree(builder.opened(out)))


if __name__ == "__main__":
    print(page())
