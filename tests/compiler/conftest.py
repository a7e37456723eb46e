"""What tests of the compiler share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import backlit as bl


@pytest.fixture
def keep_count() -> Iterator[None]:
    """Set the number of threads back behind a test."""
    before = bl.num_threads()
    yield
    bl.set_num_threads(before)
