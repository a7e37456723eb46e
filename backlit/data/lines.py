"""Which line of a text file a row of a table was read from, found again when a message needs it."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TextFiles:
    """Files of separated values that were read as one table.

    Parameters
    ----------
    paths : tuple of Path
        In the order of their rows.
    separator : str
    header : bool
        Whether the first line of each holds the names.
    """

    paths: tuple[Path, ...]
    separator: str
    header: bool

    def lines(self, rows: Sequence[int]) -> dict[int, str]:
        """Return where rows begin, as far as the files can still be read.

        Parameters
        ----------
        rows : sequence of int
            Of the table, counted from 0.

        Returns
        -------
        dict of int to str
            "line 3 of flowers.csv" by row.
        """
        wanted, found = set(rows), dict[int, str]()
        try:
            for row, (path, line) in enumerate(self._rows()):
                if row in wanted:
                    found[row] = f"line {line} of {path.name}"
                    if len(found) == len(wanted):
                        break
        except (OSError, EOFError, UnicodeDecodeError, csv.Error):
            pass  # without the line, the message still has the row
        return found

    def _rows(self) -> Iterator[tuple[Path, int]]:
        for path in self.paths:
            for number, (line, _) in enumerate(records(path, self.separator)):
                if number or not self.header:
                    yield path, line


def records(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the records of a file that are not blank, each with the line it begins on.

    Parameters
    ----------
    path : Path
        Plain or gzip.
    separator : str

    Yields
    ------
    line : int
        Counted from 1; a value in quotes may take several.
    record : list of str

    Raises
    ------
    OSError, EOFError, UnicodeDecodeError, csv.Error
        If the file cannot be read this way.
    """
    suffix = path.suffix.lower()
    if suffix == ".zst":
        raise OSError("Python before 3.14 does not read this compression")
    packed = gzip.open(path, "rt", encoding="utf-8-sig", newline="") if suffix == ".gz" else None
    with packed or path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        line = 1
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1
