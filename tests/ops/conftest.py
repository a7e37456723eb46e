"""Primitives that exist for one test only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backlit.core.primitive import Primitive, registry


@pytest.fixture
def scratch() -> Iterator[type[Primitive]]:
    """Declare primitives that are forgotten after the test."""
    before = dict(registry)
    yield Primitive
    registry.clear()
    registry.update(before)
