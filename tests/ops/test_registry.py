"""The registry drives its own tests: a new primitive is checked without a line added here."""

from __future__ import annotations

import pytest

from backlit.core.primitive import Primitive, registry
from backlit.testing.primitives import CHECKS, PrimitiveError, check_primitive
from backlit.testing.registry import FORWARD_ONLY, instances

FAMILIES = {"elementwise", "linear", "bilinear", "custom", "constant"}
# Primitives that no case can be made for. Each needs a reason; none has one so far.
UNTESTED: dict[str, str] = {}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", sorted(registry))
def test_primitive(name: str, check: str) -> None:
    if name in UNTESTED:
        return
    assert check_primitive(registry[name], [check]) > 0


def test_the_exceptions_are_primitives_and_have_reasons() -> None:
    for exceptions in (UNTESTED, FORWARD_ONLY):
        assert set(exceptions) <= set(registry)
        assert all(exceptions.values())


@pytest.mark.parametrize("name", sorted(registry))
def test_every_family_states_what_it_must(name: str) -> None:
    primitive = registry[name]
    assert primitive.name == name
    assert primitive.family in FAMILIES
    if primitive.family == "constant":
        assert primitive.push is None and primitive.pull is None
        return
    assert primitive.push is not None
    assert (primitive.pull is None) == (name in FORWARD_ONLY)
    assert bool(primitive.partials) == (primitive.family == "elementwise")


@pytest.mark.parametrize("name", sorted(registry))
def test_operands_cover_types_ranks_and_broadcasting(name: str) -> None:
    primitive = registry[name]
    found = instances(primitive)
    if primitive.family != "elementwise":
        return
    dtypes = {str(a.dtype) for i in found for a in i.args if hasattr(a, "dtype")}
    ranks = {a.ndim for i in found for a in i.args if hasattr(a, "ndim")}
    assert dtypes == {"float32", "float64", "int64", "bool"} and ranks >= {0, 1, 2}
    assert any(isinstance(a, float) for i in found for a in i.args)
    if len(primitive.partials) > 1:
        shapes = [{getattr(a, "shape", ()) for a in i.args} for i in found]
        assert any(s >= {(2, 1), (1, 3)} for s in shapes)


def test_a_primitive_without_cases_fails(scratch: type[Primitive]) -> None:
    bare = scratch("bare", "custom", lambda x: x, lambda x: x)
    with pytest.raises(PrimitiveError, match="neither a domain nor cases") as caught:
        check_primitive(bare)
    assert "cases=(Case(" in str(caught.value)
