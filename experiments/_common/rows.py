"""Results as an append-only CSV file: later runs extend it, a killed run resumes, files of two machines merge.

>>> rows = Rows(RESULTS / "mine.csv", key=("instance", "solver"))      # doctest: +SKIP
>>> if rows.find(instance="digits", solver="greedy") is None:          # doctest: +SKIP
...     rows.add(instance="digits", solver="greedy", objective=3.2)    # provenance is added
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from experiments._common.provenance import PACKAGES, RESULTS, code, machine, provenance
from mmdp import DataFileError

__all__ = ["RESULTS", "Rows"]

Row = dict[str, str]
_WHERE = ("code", "cpu", "cores")


class Rows:
    """The rows of one CSV file, found again by a key.

    Parameters
    ----------
    path : Path
        The file; made, with its folder, by the first row.
    key : iterable of str
        Columns that identify a measurement. The sources of ``sources``, the CPU and its cores always join them: a
        row of other code or of another machine stays in the file and is not taken for a measurement of this one.
    sources : iterable of str
        Packages of this project that the measurement depends on.
    packages : iterable of str
        Distributions whose versions each row records.
    """

    def __init__(
        self,
        path: Path,
        key: Iterable[str],
        sources: Iterable[str] = ("mmdp", "solvers"),
        packages: Iterable[str] = PACKAGES,
    ) -> None:
        self.path = Path(path)
        self.key = (*key, *_WHERE)
        self.packages = tuple(packages)
        self._here = {"code": code(*sources), **{name: machine()[name] for name in _WHERE[1:]}}
        self.columns, self._rows = _read(self.path)
        self._found = {self._identity(row): row for row in self._rows}

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, **key: Any) -> Row | None:
        """Return the newest row with this key, measured with this code on this machine, as text; None if none is."""
        return self._found.get(self._identity(_texts({**self._here, **key})))

    def add(self, **row: Any) -> Row:
        """Append one row with its provenance and return it as text; it is in the file when this returns."""
        texts = _texts({**row, **self._here, **provenance(self.packages)})
        self._append(texts)
        return texts

    def last_run(self) -> list[Row]:
        """Rows of the newest row's code and machine, the newest of each key, in the order of the file.

        Unlike :meth:`find` it asks nothing of this machine: a report can be written anew wherever the rows are.

        Raises
        ------
        DataFileError
            If there is no row.
        """
        if not self._rows:
            raise DataFileError(f"{self.path} has no rows to report on; measure first")
        newest = [self._rows[-1].get(name) for name in _WHERE]
        same = [row for row in self._rows if [row.get(name) for name in _WHERE] == newest]
        latest = {self._identity(row): row for row in same}
        return [row for row in same if latest[self._identity(row)] is row]

    def oldest(self, row: Row) -> Row:
        """Return the first row of the same measurement on the same machine, of any code; perhaps the row itself."""
        named = [name for name in self.key if name != "code"]
        return next(one for one in self._rows if all(one.get(name, "") == row.get(name, "") for name in named))

    def merge(self, other: Path) -> int:
        """Append the rows of another file that this one lacks; return how many."""
        known = {tuple(sorted(_filled(row).items())) for row in self._rows}
        new = [row for row in _read(Path(other))[1] if tuple(sorted(_filled(row).items())) not in known]
        for row in new:
            self._append(row)
        return len(new)

    def frame(self) -> pd.DataFrame:
        """All rows, typed by pandas."""
        return pd.read_csv(io.StringIO(_csv([self.columns, *_cells(self.columns, self._rows)])))

    def _identity(self, row: Row) -> tuple[str, ...]:
        return tuple(row.get(name, "") for name in self.key)

    def _append(self, row: Row) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._rows.append(row)
        self._found[self._identity(row)] = row
        if new := [name for name in row if name not in self.columns]:
            self.columns += new
            whole = self.path.with_suffix(".tmp")
            whole.write_text(_csv([self.columns, *_cells(self.columns, self._rows)]), encoding="utf-8")
            whole.replace(self.path)
        else:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                file.write(_csv(_cells(self.columns, [row])))


def _read(path: Path) -> tuple[list[str], list[Row]]:
    """Columns and rows of a file; a last line that a killed run left without its end is cut off the file."""
    if not path.exists():
        return [], []
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataFileError(f"{path} is not text: {error}; move it away to measure again") from error
    if not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        path.write_text(text, encoding="utf-8")
    columns, *lines = list(csv.reader(io.StringIO(text))) or [[]]
    for number, cells in enumerate(lines, 2):
        if cells and len(cells) != len(columns):
            raise DataFileError(
                f"{path}, line {number}: {len(cells)} cells in {len(columns)} columns; mend or delete it"
            )
    return columns, [dict(zip(columns, cells, strict=True)) for cells in lines if cells]


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = repr(float(value)) if isinstance(value, float) else str(value)
    if "\n" in text:
        raise ValueError(f"one row is one line, and this value has several: {text[:60]!r}")
    return text


def _texts(row: dict[str, Any]) -> Row:
    return {name: _text(value) for name, value in row.items()}


def _filled(row: Row) -> Row:
    return {name: text for name, text in row.items() if text}


def _cells(columns: list[str], rows: list[Row]) -> list[list[str]]:
    return [[row.get(name, "") for name in columns] for row in rows]


def _csv(lines: list[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue()
