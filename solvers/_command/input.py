"""What a command reads: a file of points, how it is to be read, and which of its rows are fixed."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mmdp.metrics import Metric
from mmdp.tables import Partitions, Table, open_table, read_mixed
from mmdp.tables.dialect import TextOptions
from mmdp.tables.labels import rows_typed
from mmdp.tables.source import Source
from mmdp.tables.table_files import holds_arrays, open_source

_SHOWN = 8


@dataclass(frozen=True)
class Input:
    """A file as a user describes it.

    Parameters
    ----------
    points : str
        A path, a pattern or a URI.
    text : TextOptions
    columns, drop : sequence of str, optional
        Names as typed: one, or several with commas between them.
    drop_null : bool
    """

    points: str
    text: TextOptions
    columns: Sequence[str] | None = None
    drop: Sequence[str] | None = None
    drop_null: bool = False

    @cached_property
    def source(self) -> Source | None:
        """The table of named columns; None for an array of numpy."""
        return None if holds_arrays(self.points) else open_source(self.points, self.text)

    def opened(
        self, metric: str, beside: Sequence[str] = (), partitioned: bool = False
    ) -> tuple[Table | Partitions, str | Metric]:
        """The points, and the metric that compares them; columns ``beside`` them are read as something else."""
        names, dropped = self._names(self.columns), self._names(self.drop) or []
        if names is None:
            dropped = [*dropped, *beside]
        if metric == "gower":
            return read_mixed(self.points, names, dropped, self.drop_null, self.text)
        table = open_table(
            self.points,
            names,
            dropped,
            drop_null=self.drop_null,
            header=self.text.header,
            separator=self.text.separator,
            decimal=self.text.decimal,
            encoding=self.text.encoding,
            partitioned=partitioned,
        )
        return table, metric

    def fixed(self, include: Sequence[str] | None, exclude: Sequence[str] | None) -> tuple[list[int], list[int]]:
        """The rows to include and to exclude."""
        return rows_typed(include, "--include", self.text), rows_typed(exclude, "--exclude", self.text)

    def _names(self, typed: Sequence[str] | None) -> list[str] | None:
        if typed is None:
            return None
        known = {column.name for column in self.source.columns} if self.source is not None else set()
        return [name for text in typed for name in ([text] if text in known else next(csv.reader([text]), [""]))]


def told_coordinates(table: Any) -> str:
    """The line that says which columns are compared."""
    names = table.columns
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"  coordinates  {', '.join(names[:_SHOWN])}{more}"
