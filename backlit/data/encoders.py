"""How one column becomes features: numbers are standardised, categories are one-hot."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as onp

from backlit.core.errors import InputError
from backlit.data import schema
from backlit.data.moments import mean_and_scale
from backlit.data.table import Array, DataWarning, Kind, Table, missing, parse_number
from backlit.data.target import refuse_infinite

# Limits on the one-hot features of a text column; docs/data.md tells users about both.
MOST_CATEGORIES = 50
_IDENTIFIER_ROWS = 20  # from this many distinct texts on, nearly one per row is an identifier
_IDENTIFIER_SHARE = 0.9

_NUMERIC: tuple[Kind, ...] = ("number", "integer", "boolean", "date")


@dataclass(frozen=True)
class NumberEncoder:
    """Standardise a numeric column; where training had gaps, also say where a value is missing.

    Parameters
    ----------
    name : str
    kind : str
        The column's kind at training: number, integer, boolean or date.
    mean, scale : float
        Of the training values. `scale` 0 means that they were all equal, and that the column
        yields no feature but the indicator.
    indicator : bool
        Whether training had missing values, and so a feature that is 1 where one is missing.

    Examples
    --------
    >>> table = Table.from_columns({"age": [20.0, 40.0, None]})
    >>> encoder = NumberEncoder.fit(table, "age")
    >>> encoder.feature_names
    ('age', 'age is missing')
    >>> encoder.transform(table)
    array([[-1.,  0.],
           [ 1.,  0.],
           [ 0.,  1.]], dtype=float32)
    """

    name: str
    kind: Kind
    mean: float
    scale: float
    indicator: bool

    @classmethod
    def fit(cls, table: Table, name: str) -> NumberEncoder | str:
        """Learn mean and scale, or say why the column is of no use.

        Parameters
        ----------
        table : Table
        name : str

        Returns
        -------
        NumberEncoder or str

        Raises
        ------
        InputError
            If a value is infinite.

        Examples
        --------
        >>> NumberEncoder.fit(Table.from_columns({"x": [7, 7]}), "x")
        'it is 7 in every row'
        """
        values = table[name].astype(onp.float64)
        refuse_infinite(values, name, table)
        gaps = onp.isnan(values)
        mean, scale = mean_and_scale(values[~gaps])
        if scale == 0 and not gaps.any():
            return f"it is {table[name][0]} in every row"
        return cls(name, table.kind(name), mean, scale, bool(gaps.any()))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        value = (self.name,) if self.scale else ()
        return (*value, f"{self.name} is missing") if self.indicator else value

    def transform(self, table: Table) -> Array:
        """Return the features of a table's column.

        Parameters
        ----------
        table : Table

        Returns
        -------
        numpy.ndarray of float32, shape (rows, features)

        Raises
        ------
        InputError
            If a value is not a number of the kind seen at training.

        Examples
        --------
        >>> NumberEncoder("x", "integer", 1.0, 2.0, False).transform(
        ...     Table.from_columns({"x": [3]}))
        array([[1.]], dtype=float32)
        """
        values = self._numbers(table)
        refuse_infinite(values, self.name, table)
        gaps = onp.isnan(values)
        if bool(gaps.any()) and not self.indicator:
            warnings.warn(
                f"column {self.name!r}: {int(gaps.sum())} of {len(gaps)} values are missing, which "
                "training never saw; the training mean takes their place (the first: "
                f"{table.places([int(gaps.argmax())])[0]})",
                DataWarning,
                stacklevel=4,
            )
        features = []
        if self.scale:
            with onp.errstate(over="ignore"):
                standard = (onp.where(gaps, self.mean, values) - self.mean) / self.scale
                single = standard.astype(onp.float32)
            far = onp.flatnonzero(onp.isinf(single))
            if len(far):
                raise InputError(
                    f"column {self.name!r} holds {values[far[0]]:g} in {table.places(far[:1])[0]}, "
                    f"too far from the training mean {self.mean:g} to be computed with"
                )
            features.append(single)
        if self.indicator:
            features.append(gaps.astype(onp.float32))
        return onp.stack(features, axis=1)

    def _numbers(self, table: Table) -> Array:
        """Return the column as float64, if its kind is the one seen at training."""
        values, kind = table[self.name], table.kind(self.name)
        if kind == "category":
            return self._parse(table)
        plain = {"number", "integer", "boolean"}
        if kind not in {"empty", self.kind} and not (kind in plain and self.kind in plain):
            raise InputError(
                f"column {self.name!r} held {_plural(self.kind)} at training and holds "
                f"{_plural(kind)} here"
            )
        return values.astype(onp.float64)

    def _parse(self, table: Table) -> Array:
        numbers = onp.full(len(table), onp.nan)
        for row, value in enumerate(table[self.name]):
            if value is None:
                continue
            parsed = None if self.kind == "date" else parse_number(value)
            if parsed is None:
                raise InputError(
                    f"column {self.name!r} held {_plural(self.kind)} at training, but "
                    f"{table.places([row])[0]} holds the text {value[:40]!r}",
                    fix="correct that value, or leave it empty if it is unknown",
                )
            numbers[row] = parsed
        return numbers

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, and `encoder_from_dict` reads.

        Returns
        -------
        dict
        """
        return {
            "name": self.name,
            "kind": self.kind,
            "mean": self.mean,
            "scale": self.scale,
            "indicator": self.indicator,
        }


@dataclass(frozen=True)
class CategoryEncoder:
    """One feature per category: 1 where the column has that text, 0 elsewhere.

    Parameters
    ----------
    name : str
    categories : tuple of str
        In order of character codes.
    indicator : bool
        Whether training had missing values, which are then a category of their own.
    complete : bool
        Whether `categories` holds every text of the training rows; if not, only the most
        frequent, and rarer texts are all zeros.

    Examples
    --------
    >>> table = Table.from_columns({"city": ["Rome", "Bonn", None]})
    >>> encoder = CategoryEncoder.fit(table, "city")
    >>> encoder.feature_names
    ('city=Bonn', 'city=Rome', 'city is missing')
    >>> encoder.transform(table)
    array([[0., 1., 0.],
           [1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """

    name: str
    categories: tuple[str, ...]
    indicator: bool
    complete: bool

    @classmethod
    def fit(cls, table: Table, name: str) -> CategoryEncoder | str:
        """Learn the categories, or say why the column is of no use.

        Parameters
        ----------
        table : Table
        name : str

        Returns
        -------
        CategoryEncoder or str

        Examples
        --------
        >>> CategoryEncoder.fit(Table.from_columns({"x": ["a", "a"]}), "x")
        "it is 'a' in every row"
        """
        counts = Counter(table[name].tolist())
        gaps = counts.pop(None, 0)
        present = len(table) - gaps
        if len(counts) == 1 and not gaps:
            return f"it is {next(iter(counts))!r} in every row"
        if len(counts) > _IDENTIFIER_ROWS and len(counts) >= _IDENTIFIER_SHARE * present:
            return f"nearly every row has its own text ({len(counts)} texts in {present} rows)"
        kept = sorted(counts, key=lambda text: (-counts[text], text))[:MOST_CATEGORIES]
        complete = len(kept) == len(counts)
        if not complete:
            warnings.warn(
                f"column {name!r} has {len(counts)} different texts; the {MOST_CATEGORIES} most "
                "frequent are told apart and the rest count as one",
                DataWarning,
                stacklevel=4,
            )
        return cls(name, tuple(sorted(kept)), gaps > 0, complete)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        names = tuple(f"{self.name}={category}" for category in self.categories)
        return (*names, f"{self.name} is missing") if self.indicator else names

    def transform(self, table: Table) -> Array:
        """Return the features of a table's column.

        Parameters
        ----------
        table : Table

        Returns
        -------
        numpy.ndarray of float32, shape (rows, features)

        Examples
        --------
        >>> CategoryEncoder("x", ("a", "b"), False, True).transform(
        ...     Table.from_columns({"x": ["b", "b"]}))
        array([[0., 1.],
               [0., 1.]], dtype=float32)
        """
        texts = _texts(table[self.name], table.kind(self.name))
        index: dict[str | None, int] = {text: i for i, text in enumerate(self.categories)}
        if self.indicator:
            index[None] = len(self.categories)
        where = onp.array([index.get(text, -1) for text in texts], dtype=onp.int64)
        unknown = onp.flatnonzero(where < 0)
        if self.complete and len(unknown):
            first = texts[unknown[0]]
            what = "is missing" if first is None else f"holds {first[:40]!r}"
            warnings.warn(
                f"column {self.name!r}: {len(unknown)} of {len(texts)} values are none that "
                "training saw and count as no category (the first: "
                f"{table.places(unknown[:1])[0]} {what})",
                DataWarning,
                stacklevel=4,
            )
        features = onp.zeros((len(texts), len(index)), dtype=onp.float32)
        known = onp.flatnonzero(where >= 0)
        features[known, where[known]] = 1
        return features

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, and `encoder_from_dict` reads.

        Returns
        -------
        dict
        """
        return {
            "name": self.name,
            "kind": "category",
            "categories": list(self.categories),
            "indicator": self.indicator,
            "complete": self.complete,
        }


Encoder = NumberEncoder | CategoryEncoder


def fit_encoder(table: Table, name: str) -> Encoder | str:
    """Learn how to encode a column, or say why it is of no use.

    Parameters
    ----------
    table : Table
        The training rows.
    name : str

    Returns
    -------
    NumberEncoder, CategoryEncoder or str

    Raises
    ------
    InputError
        If the column holds an infinite value.

    Examples
    --------
    >>> fit_encoder(Table.from_columns({"x": [None, None]}), "x")
    'it has no value in any row'
    """
    if bool(missing(table[name]).all()):
        return "it has no value in any row"
    if table.kind(name) == "category":
        return CategoryEncoder.fit(table, name)
    return NumberEncoder.fit(table, name)


def encoder_from_dict(value: Any) -> Encoder:
    """Rebuild an encoder from its `to_dict`, checking every field.

    Parameters
    ----------
    value : object
        What JSON gave.

    Returns
    -------
    NumberEncoder or CategoryEncoder

    Raises
    ------
    InputError
        If it is not the description of an encoder.

    Examples
    --------
    >>> encoder = NumberEncoder("x", "number", 0.0, 1.0, False)
    >>> encoder_from_dict(encoder.to_dict()) == encoder
    True
    """
    if isinstance(value, dict) and value.get("kind") == "category":
        given = schema.fields(value, ["name", "kind", "categories", "indicator", "complete"], _HERE)
        name = schema.text(given["name"], "a column's name")
        where = f"column {name!r}"
        categories = schema.items(given["categories"], f"{where}: categories")
        if any(not isinstance(category, str) for category in categories):
            raise InputError(f"{where}: a category is not text")
        if len(set(categories)) != len(categories) or not categories:
            raise InputError(f"{where}: the categories are not distinct, or there are none")
        indicator = schema.flag(given["indicator"], f"{where}: indicator")
        complete = schema.flag(given["complete"], f"{where}: complete")
        return CategoryEncoder(name, tuple(categories), indicator, complete)
    given = schema.fields(value, ["name", "kind", "mean", "scale", "indicator"], _HERE)
    name = schema.text(given["name"], "a column's name")
    where = f"column {name!r}"
    kind = cast(Kind, schema.choice(given["kind"], _NUMERIC, f"{where}: kind"))
    mean = schema.number(given["mean"], f"{where}: mean")
    scale = schema.number(given["scale"], f"{where}: scale")
    indicator = schema.flag(given["indicator"], f"{where}: indicator")
    if scale < 0 or (scale == 0 and not indicator):
        raise InputError(f"{where}: scale is not positive")
    return NumberEncoder(name, kind, mean, scale, indicator)


_HERE = "the description of a column"


def _texts(values: Array, kind: Kind) -> Sequence[str | None]:
    """Return a column as text: integers without a point, booleans as true and false."""
    if kind == "category":
        return cast("list[str | None]", values.tolist())
    return [None if value != value else _written(value, kind) for value in values.tolist()]


def _written(value: Any, kind: Kind) -> str:
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "date":
        return str(onp.datetime64("1970-01-01") + onp.timedelta64(round(value), "D"))
    return str(int(value) if kind == "integer" else value)


def _plural(kind: Kind) -> str:
    return {
        "number": "numbers",
        "integer": "numbers",
        "boolean": "true and false",
        "date": "dates",
        "category": "text",
        "empty": "nothing",
    }[kind]
