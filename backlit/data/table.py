"""Tables: named columns of NumPy arrays, each of one kind, in the order of the file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as onp

from backlit.core.errors import InputError
from backlit.data.lines import TextFiles

Array = onp.ndarray[Any, Any]
Kind = Literal["number", "integer", "boolean", "date", "category", "empty"]

KINDS: tuple[str, ...] = get_args(Kind)

# What counts as a number written in text, here and in the CSV reader. The grammar is narrower
# than Python's `float`, which also accepts "1_000" and digits of other scripts.
NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_number = re.compile(NUMBER)


class DataWarning(UserWarning):
    """Something in the data was dropped or replaced, and training goes on without it."""


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Named columns of equal length.

    Parameters
    ----------
    names : tuple of str
        Column names, in order; no two alike.
    columns : tuple of numpy.ndarray
        One array of shape ``(rows,)`` per name. `integer`: int64, or float64 with NaN where a
        value is missing. `number`: float64, NaN where missing. `boolean`: bool, or float64 of 0
        and 1 with NaN where missing. `date`: float64 days since 1970-01-01 (UTC), NaN where
        missing. `category`: an object array of ``str``, ``None`` where missing. `empty`:
        float64, all NaN.
    kinds : tuple of str
        One of ``number``, ``integer``, ``boolean``, ``date``, ``category``, ``empty`` per name.
    rows : numpy.ndarray of int, optional
        Where each row was in the source, counted from 0; None if they are as they were there.
    files : TextFiles, optional
        What the source was, if it has lines.

    Raises
    ------
    InputError
        If two columns share a name or differ in length.

    Examples
    --------
    >>> table = Table.from_columns({"size": [1.5, None, 3.0], "city": ["Bonn", "Rome", None]})
    >>> table.kinds, len(table)
    (('number', 'category'), 3)
    >>> table
    Table: 3 rows × 2 columns
      size  city
    number  category
       1.5  Bonn
         -  Rome
         3  -
    """

    names: tuple[str, ...]
    columns: tuple[Array, ...]
    kinds: tuple[Kind, ...]
    rows: Array | None = None
    files: TextFiles | None = None

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.columns) == len(self.kinds):
            raise InputError(
                f"a table needs one array and one kind per name, got {len(self.names)} names, "
                f"{len(self.columns)} arrays and {len(self.kinds)} kinds"
            )
        reject_duplicates(self.names, "the table")
        for name, values, kind in zip(self.names, self.columns, self.kinds, strict=True):
            if kind not in KINDS:
                raise InputError(f"column {name!r} has unknown kind {kind!r}")
            if values.shape != (len(self),):
                raise InputError(
                    f"column {name!r} has shape {values.shape}, the first has {len(self)} rows"
                )

    @classmethod
    def from_columns(cls, columns: Mapping[str, Sequence[Any] | Array]) -> Table:
        """Make a table from sequences, working out the kind of each.

        Parameters
        ----------
        columns : mapping of str to sequence
            Numbers, booleans, text, or datetime64 arrays; ``None`` and NaN are missing values.

        Returns
        -------
        Table

        Raises
        ------
        InputError
            If a column mixes text with other values or holds something else.

        Examples
        --------
        >>> Table.from_columns({"n": [1, 2], "ok": [True, None]}).kinds
        ('integer', 'boolean')
        """
        made = [column_of(values, name) for name, values in columns.items()]
        return cls(tuple(columns), tuple(v for v, _ in made), tuple(k for _, k in made))

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> Array:
        return self.columns[self._index(name)]

    def kind(self, name: str) -> Kind:
        """Return the kind of a column.

        Parameters
        ----------
        name : str

        Returns
        -------
        str

        Raises
        ------
        InputError
            If there is no such column.

        Examples
        --------
        >>> Table.from_columns({"n": [1, 2]}).kind("n")
        'integer'
        """
        return self.kinds[self._index(name)]

    def _index(self, name: str) -> int:
        try:
            return self.names.index(name)
        except ValueError:
            raise unknown_column(name, self.names) from None

    def select(self, names: Sequence[str]) -> Table:
        """Return the named columns, in the order asked for.

        Parameters
        ----------
        names : sequence of str

        Returns
        -------
        Table

        Raises
        ------
        InputError
            If a name is not a column.

        Examples
        --------
        >>> Table.from_columns({"a": [1], "b": [2]}).select(["b"]).names
        ('b',)
        """
        where = [self._index(name) for name in names]
        return replace(
            self,
            names=tuple(names),
            columns=tuple(self.columns[i] for i in where),
            kinds=tuple(self.kinds[i] for i in where),
        )

    def drop(self, *names: str) -> Table:
        """Return the table without some columns.

        Parameters
        ----------
        *names : str

        Returns
        -------
        Table

        Raises
        ------
        InputError
            If a name is not a column.

        Examples
        --------
        >>> Table.from_columns({"a": [1], "b": [2]}).drop("a").names
        ('b',)
        """
        unwanted = {self._index(name) for name in names}
        return self.select([name for i, name in enumerate(self.names) if i not in unwanted])

    def take(self, rows: Array | Sequence[int]) -> Table:
        """Return some rows, in the order asked for.

        Parameters
        ----------
        rows : integer or boolean array
            Row indices from 0, or a mask of shape ``(rows,)``.

        Returns
        -------
        Table

        Examples
        --------
        >>> Table.from_columns({"a": [10, 20, 30]}).take([2, 0])["a"]
        array([30, 10])
        """
        index = onp.asarray(rows)
        if index.dtype != bool:
            index = index.astype(onp.intp)
        before = onp.arange(len(self)) if self.rows is None else self.rows
        return replace(
            self, columns=tuple(values[index] for values in self.columns), rows=before[index]
        )

    def places(self, rows: Sequence[int] | Array) -> list[str]:
        """Say where to find rows: by their number in the source, and by line where it has lines.

        Parameters
        ----------
        rows : sequence of int
            Of this table, counted from 0.

        Returns
        -------
        list of str

        Examples
        --------
        >>> Table.from_columns({"a": [10, 20, 30]}).take([2, 0]).places([0])
        ['row 2 (rows count from 0)']
        """
        numbers = [int(row if self.rows is None else self.rows[row]) for row in rows]
        lines = self.files.lines(numbers) if self.files is not None else {}
        return [
            f"row {number}, {lines[number]}" if number in lines
            else f"row {number} (rows count from 0)"
            for number in numbers
        ]  # fmt: skip

    def __repr__(self) -> str:
        shown = min(len(self), 5)
        rows, columns = len(self), len(self.names)
        cells = [
            [name, kind, *(_show(value) for value in values[:shown])]
            for name, values, kind in zip(self.names, self.columns, self.kinds, strict=True)
        ]
        padded = []
        for column, kind in zip(cells, self.kinds, strict=True):
            width = max(map(len, column))
            left = kind == "category"
            padded.append([cell.ljust(width) if left else cell.rjust(width) for cell in column])
        lines = ["  ".join(line).rstrip() for line in zip(*padded, strict=True)]
        more = [f"… {rows - shown} more rows"] if rows > shown else []
        title = f"Table: {rows} row{'s' * (rows != 1)} × {columns} column{'s' * (columns != 1)}"
        return "\n".join([title, *lines, *more])


def _show(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return "-"
    if isinstance(value, float | onp.floating):
        return f"{value:.6g}"
    text = " ".join(str(value).split())
    return text if len(text) <= 20 else text[:19] + "…"


def unknown_column(name: str, names: Sequence[str]) -> InputError:
    """Return the error for a name that is not a column, with the names that are.

    Parameters
    ----------
    name : str
    names : sequence of str

    Returns
    -------
    InputError

    Examples
    --------
    >>> print(unknown_column("Age", ["age", "city"]))
    there is no column 'Age'
      fix: did you mean 'age'? The columns are: age, city
    """
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), [n.lower() for n in names], n=1)
    guess = next((f"did you mean {n!r}? " for n in names if near and n.lower() == near[0]), "")
    shown = ", ".join(names[:20]) + (f", … ({len(names)} in all)" if len(names) > 20 else "")
    return InputError(f"there is no column {name!r}", fix=f"{guess}The columns are: {shown}")


def reject_duplicates(names: Sequence[str], where: str) -> None:
    """Raise an error if two columns share a name.

    Parameters
    ----------
    names : sequence of str
    where : str
        What the names belong to, for the message.

    Raises
    ------
    InputError

    Examples
    --------
    >>> reject_duplicates(["a", "b"], "the table")
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(
                f"{where} has two columns named {name!r}",
                fix="give every column its own name",
            )
        seen.add(name)


def column_of(values: Sequence[Any] | Array, name: str) -> tuple[Array, Kind]:
    """Return values as a column array and its kind.

    Parameters
    ----------
    values : sequence
        Numbers, booleans, text or datetime64; ``None`` and NaN are missing.
    name : str
        For messages.

    Returns
    -------
    values : numpy.ndarray, shape (rows,)
    kind : str

    Raises
    ------
    InputError
        If the values are of several sorts, or of one that is not supported.

    Examples
    --------
    >>> column_of([1, None, 3], "n")
    (array([ 1., nan,  3.]), 'integer')
    """
    array = values if isinstance(values, onp.ndarray) else _object_array(values)
    if array.ndim != 1:
        raise InputError(f"column {name!r} has {array.ndim} dimensions, not one")
    if array.dtype.kind == "M":
        days = (array - onp.datetime64("1970-01-01")) / onp.timedelta64(1, "D")
        return (days, "date") if not bool(onp.isnan(days).all()) else (days, "empty")
    if array.dtype.kind in "OU":
        return _from_objects([_plain(v) for v in array.tolist()], name)
    if array.dtype.kind == "b":
        return array, "boolean"
    if array.dtype.kind == "i" or (array.dtype.kind == "u" and array.dtype.itemsize < 8):
        return array.astype(onp.int64), "integer"
    if array.dtype.kind in "fu":
        floats = array.astype(onp.float64)
        return floats, "empty" if bool(onp.isnan(floats).all()) else "number"
    raise InputError(f"column {name!r} holds {array.dtype} values, which a table cannot hold")


def _object_array(values: Sequence[Any]) -> Array:
    array = onp.empty(len(values), dtype=object)
    array[:] = values
    return array


def _plain(value: Any) -> Any:
    """Return NumPy scalars as Python ones, and NaN and empty text as None."""
    if isinstance(value, onp.generic):
        value = value.item()
    return None if value == "" or (isinstance(value, float) and value != value) else value


def _from_objects(values: list[Any], name: str) -> tuple[Array, Kind]:
    found = {type(value) for value in values if value is not None}
    if not found:
        return onp.full(len(values), onp.nan), "empty"
    if found == {str}:
        return _object_array(values), "category"
    if not found <= {bool, int, float} or (bool in found and len(found) > 1):
        raise InputError(
            f"column {name!r} mixes or holds {', '.join(sorted(t.__name__ for t in found))}",
            fix="make every value a number, every value a boolean or every value text",
        )
    kind: Kind = "boolean" if bool in found else "number" if float in found else "integer"
    if any(value is None for value in values) or float in found:
        return onp.array([onp.nan if v is None else float(v) for v in values]), kind
    try:
        return onp.array(values, dtype=bool if kind == "boolean" else onp.int64), kind
    except OverflowError:
        return onp.array([float(v) for v in values]), "number"


def missing(values: Array) -> Array:
    """Return which values of a column are missing.

    Parameters
    ----------
    values : numpy.ndarray, shape (rows,)

    Returns
    -------
    numpy.ndarray of bool, shape (rows,)

    Examples
    --------
    >>> missing(Table.from_columns({"a": ["x", None]})["a"])
    array([False,  True])
    """
    if values.dtype == object:
        return onp.array([value is None for value in values], dtype=bool)
    if values.dtype.kind == "f":
        return onp.isnan(values)
    return onp.zeros(len(values), dtype=bool)


def parse_number(text: str) -> float | None:
    """Return the number a text spells, or None.

    Parameters
    ----------
    text : str

    Returns
    -------
    float or None

    Examples
    --------
    >>> parse_number(" 1.5e3 "), parse_number("abc")
    (1500.0, None)
    """
    stripped = text.strip()
    return float(stripped) if _number.fullmatch(stripped) else None
