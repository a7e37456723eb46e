"""Sums and products whose index only counts the terms, or stands in them as a number."""

import pytest

import backlit as bl

RIGHT = [
    (r"f = \sum_{i=1}^{10} x", "df/dx = 10"),
    (r"f = \sum_{i=1}^{3} w x", "df/dw = 3x"),
    ("X: (m,)\n" + r"k = \sum_{i=1}^m c", "dk/dc = m"),
    (r"f = \sum_{i=1}^n c", "df/dc = n"),
    (r"f = \sum_{i=0}^{n-1} c x", "df/dc = n x"),
    (r"f = \sum_{i=1}^4 i x", "df/dx = 10"),
    (r"f = \prod_{i=1}^{3} x", "df/dx = 3x^2"),
    (r"f = \prod_{i=1}^{3} i x", "df/dx = 18x^2"),
    (r"f = \sum_{k=0}^{3} x^k", "df/dx = 1 + 2x + 3x^2"),
    (r"f = \sum_{k=1}^{3} x/k", "df/dx = 11/6"),
    (r"f = \sum_{i=1}^{1000000000} x", "df/dx = 1000000000"),
    (r"f = \sum_{i=1}^{10^9} x", "df/dx = 10^9"),
    (r"f = \sum_{i=1}^{10} \sum_{j=1}^{5} x", "df/dx = 50"),
    (r"f = \sum_{i=0}^{2} \sum_{j=0}^{i} x", "df/dx = 6"),
    (r"f = \sum_{i=-2}^{2} x", "df/dx = 5"),
    (r"f = \sum_{i=1}^{0} x", "df/dx = 0"),
    ("x: (n,)\n" + r"f = \sum_{i=1}^n \sum_{j=1}^3 x_i", "df/dx_i = 3"),
    ("x: (n,)\n" + r"f = \sum_{i=1}^n i x_i", "df/dx_i = i"),
    # All elements of an array.
    ("X: (m, n)\n" + r"f = \sum_{i=1}^m X^2", "df/dX = 2X"),
    ("X: (m, n)\n" + r"f = \sum_i X^2", "df/dX = 2X"),
    # The body is computed with one row: a number.
    ("x: (n, 1)\nw: (n, 1)\n" + r"f = \sum_{i=1}^{3} w^T x", "df/dw = 3x"),
]

WRONG = [
    (r"f = \sum_{i=1}^{10} x", "df/dx = 1"),
    (r"f = \sum_{i=1}^{3} w x", "df/dw = x"),
    ("X: (m,)\n" + r"k = \sum_{i=1}^m c", "dk/dc = 1"),
    (r"f = \sum_{i=1}^n c", "df/dc = 1"),
    (r"f = \sum_{i=1}^4 i x", "df/dx = 4 i"),
    (r"f = \sum_{i=1}^4 i x", "df/dx = 1"),
    (r"f = \prod_{i=1}^{3} x", "df/dx = 1"),
    (r"f = \sum_{i=1}^{1000000000} x", "df/dx = 20000"),
    (r"f = \sum_{i=1}^{10} x", r"df/dx = \sum_{i=1}^{9} 1"),
    ("x: (n,)\n" + r"f = \sum_{i=1}^n \sum_{j=1}^3 x_i", "df/dx_i = 1"),
    ("x: (n,)\n" + r"f = \sum_{i=1}^n i x_i", "df/dx_2 = 1"),
    (r"f = \prod_{i=1}^{10^9} x", "df/dx = 1"),
    (r"f = \sum_{i=1} x", "df/dx = 1"),
    (r"f = \sum_{i=1}^{2.5} x", "df/dx = 2.5"),
]


@pytest.mark.parametrize(("definitions", "claim"), RIGHT)
def test_every_term_of_a_sum_counts(definitions: str, claim: str) -> None:
    assert [v.verdict for v in bl.check(f"{definitions}\n{claim}").verdicts] == ["right"]


@pytest.mark.parametrize(("definitions", "claim"), WRONG)
def test_no_term_of_a_sum_is_lost(definitions: str, claim: str) -> None:
    verdicts = [v.verdict for v in bl.check(f"{definitions}\n{claim}").verdicts]
    assert verdicts and "right" not in verdicts
