"""Documents of every kind, to print."""

from __future__ import annotations

from typing import Any

import numpy as onp

import backlit as bl
import backlit.numpy as np
from backlit.explain import explain_weight
from backlit.explain.derive import modes, second, sheet, tangents
from backlit.explain.document import (
    Bullets,
    Code,
    Document,
    Formula,
    Head,
    Listing,
    Math,
    Paragraph,
    Section,
    Step,
    Steps,
    Strong,
    Table,
)
from backlit.explain.equation.text.parser import parse_expression
from backlit.explain.equation.tree import Name
from backlit.explain.graphs import draw
from backlit.explain.shown import Shown
from tests.explain.derivation import networks
from tests.explain.drawing.programs import SMALL, network, two_two_two


def everything() -> Document:
    """Return a document with every kind of part, and characters that printers have to escape."""
    formula = parse_expression(r"\frac{1}{m} (A_2 - Y) A_1^T")[0]
    odd = '50 % of a_b & c#d {x} ~y^z \\ $5 < 6 > 4 | "quoted" — naïve Łódź ∂L/∂w₁² σ′ 網 ∞'
    rows = tuple([((Code(f"row{k}"),), (f"{k}",), (Math(Name(f"x{k}")),)) for k in range(200)])
    return Document(
        ("Everything & more",),
        (
            Paragraph((odd, " ", Strong("important"), " ", Code("f(x) = {x}"))),
            Section(
                ("A section: ", Math(formula)),
                (
                    Table("Numbers", (Head("name"), Head("both", 2)), "<><", rows),
                    Table("Without titles", (), "<>", (((odd,), ("1",)), ((), ("2",)))),
                    Table("Empty", (Head("nothing"),), "<", ()),
                    Formula(Math(formula), ("a note & more",)),
                    Steps(
                        Math(Name("y")),
                        (
                            Step((Math(formula),), ("why & how",)),
                            Step(("1 · ", Math(Name("x")), " · … · ", "2")),
                        ),
                    ),
                    Bullets((((odd,),), (("two",), ("lines",)))),
                    Bullets(((("first",),),), ordered=True),
                    Bullets(()),
                    Listing("def f(x):\n    return {x: 1}  # 100 % ∂\n\nend", "a program"),
                ),
                note=("A note.",),
            ),
        ),
    )


def scores(W1: Any, b1: Any, W2: Any, x: Any) -> Any:
    z = x @ W1 + b1
    h = np.relu(z)
    return np.sum(h @ W2)


def views() -> dict[str, Shown]:
    """Return one of each kind of what can be shown."""
    f, args = two_two_two()
    model, X, Y = network(6, 9, 4)[1]
    narrow = (onp.ones((2, 3)), onp.full(3, -9.0), onp.ones((3, 2)), onp.array([1.0, 2.0]))

    def one(model: Any, x: Any) -> Any:
        return bl.nn.cross_entropy(model(x), Y[:1])

    two_layers = networks.two_layer_arguments()
    return {
        "weight": explain_weight(f, *args, wrt="W1", index=(0, 0)),
        "model": explain_weight(one, model, X[:1], wrt="layers.1.W", index=(3, 2)),
        "no path": explain_weight(lambda a, b: b * 2.0, 1.0, 2.0, wrt="a"),
        "long": explain_weight(chained_a_little, 0.5, 1.5, wrt="w"),
        "zero": bl.why_zero(scores, *narrow, wrt="W1"),
        "fine": bl.why_nan(scores, *narrow),
        "sheet": sheet(networks.two_layers, *two_layers),
        "tangents": tangents(networks.two_layers, *two_layers, wrt="W1"),
        "second": second(networks.neuron, 0.3, -0.2, 1.7, 0.4, wrt="w"),
        "modes": modes(networks.two_layers, *two_layers, wrt="W1"),
        "attention": sheet(networks.attention, *networks.drawn((3, 2), (4, 2), (4, 2), (3, 2))),
        "gate": draw(SMALL["gate"][0], 3.0, -4.0, upstream=2.0),
        "network": draw(*network(4, *[8] * 20, 3)[:1], *network(4, *[8] * 20, 3)[1]),
    }


def chained_a_little(x: Any, w: Any) -> Any:
    for _ in range(120):
        x = np.sin(x * w)
    return x


VIEWS = views()
DOCUMENTS = {name: view.document() for name, view in VIEWS.items()} | {"all": everything()}
