"""What was taken for granted because the notes do not say it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backlit.explain.equation.binding.guess import COLUMN, FITTED, MATRIX, ROW, SCALAR, VECTOR
from backlit.explain.equation.binding.network import Networks
from backlit.explain.equation.binding.scene import Scene
from backlit.explain.equation.binding.script import Script
from backlit.explain.equation.text.printing import unicode
from backlit.explain.equation.tree import Derivative, Name

_PLURALS = {
    SCALAR: "numbers",
    VECTOR: "vectors",
    COLUMN: "columns",
    ROW: "rows",
    MATRIX: "matrices",
}


def assumptions(script: Script, networks: Networks, per_example: bool | None) -> list[str]:
    """Return what was assumed, one sentence each.

    Parameters
    ----------
    script : Script
    networks : Networks
        After all claims were judged.
    per_example : bool or None
        The convention of the bare derivatives; None where no claim told.

    Returns
    -------
    list of str
    """
    scenes = networks.all()
    if not scenes:
        return []
    first = scenes[0]
    said = [
        *_forms(first),
        *_sizes(script, networks, scenes),
        *_ties(first),
        *_properties(scenes),
        *_products(first),
        *_losses(script, first),
    ]
    if script.implied is not None:
        said.append(f"{unicode(script.implied.left)} is {unicode(script.implied.right)}.")
    if per_example is not None:
        said.append(
            "Bare derivatives of what there is once per example, as dZ, are "
            + ("per example: m ∂J/∂Z." if per_example else "those of the average: ∂J/∂Z.")
        )
    return list(dict.fromkeys(said))


def _forms(scene: Scene) -> Iterator[str]:
    """Say what was inferred about shapes."""
    names: dict[str, list[str]] = {}
    for symbol, form in scene.guess.forms.items():
        if symbol not in scene.binding.resolver.tied and symbol in scene.shapes:
            places = scene.binding.places(symbol)
            if form == FITTED:
                form = (SCALAR, VECTOR, MATRIX)[len(scene.shapes[symbol])]
            form = (SCALAR, VECTOR, MATRIX)[places] if form == SCALAR and places < 3 else form
            if form == MATRIX and 1 in scene.shapes[symbol]:
                form = ROW if scene.shapes[symbol][0] == 1 else COLUMN
            names.setdefault(form, []).append(scene.binding.show(symbol))
    if not names:
        return
    if set(names) == {SCALAR} and not scene.binding.headers:
        yield "Every variable is a number."
        return
    for form in (MATRIX, COLUMN, ROW, VECTOR, SCALAR):
        if form in names:
            found = names[form]
            yield f"{', '.join(found)}: {_PLURALS[form] if len(found) > 1 else 'a ' + form}."


def _sizes(script: Script, networks: Networks, scenes: Sequence[Scene]) -> Iterator[str]:
    for family in networks.letters.families:
        for name in sorted(family.constants):
            tried = sorted({s.choice.sizes.constants[name] for s in scenes})
            if name not in script.counts:
                yield f"{name} was tried as {_listed(tried)}."


def _listed(numbers: Sequence[int]) -> str:
    words = [str(n) for n in numbers]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _ties(scene: Scene) -> Iterator[str]:
    for symbol, name in scene.binding.resolver.tied.items():
        arrays = [
            f"axis {shape.index(scene.named[name])} of {scene.binding.show(other)}"
            for other, shape in scene.shapes.items()
            if scene.named[name] in shape and other in scene.program.leaves
        ]
        if arrays:
            yield f"{scene.binding.show(symbol)} is the length of {arrays[0]}."


def _properties(scenes: Sequence[Scene]) -> Iterator[str]:
    for scene in scenes:
        for symbol, what in {**scene.program.assumed, **scene.assumed}.items():
            prefix = "" if what.startswith(("in ", "rows", "columns")) else "is "
            if symbol in scene.binding.resolver.symbols:
                yield f"{scene.binding.show(symbol)} {prefix or 'has '}{what}.".replace(
                    "has in", "is in"
                )


def _products(scene: Scene) -> Iterator[str]:
    for line in sorted(scene.relaxed):
        yield (
            f"Line {line} writes arrays of one shape side by side: they are multiplied element "
            "by element."
        )


def _losses(script: Script, scene: Scene) -> Iterator[str]:
    """Say what bare derivatives are of."""
    bare: dict[str, None] = {}
    for equation in script.claimed():
        for part in equation.walk():
            if isinstance(part, Derivative) and part.target is None and isinstance(part.wrt, Name):
                bare[part.wrt.base] = None
    found = {loss for loss in scene.losses() if loss is not None}
    if bare and len(found) == 1:
        yield f"A bare derivative, as d{next(iter(bare))}, is of {scene.binding.show(found.pop())}."
