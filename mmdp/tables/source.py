"""A table of named columns, wherever it is: what the readers of files give, and how points come out of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmdp.arrays import Indices
from mmdp.exceptions import DataFileError
from mmdp.tables.arrow import arrow, as_arrow
from mmdp.tables.blocks import Table, spooled
from mmdp.tables.columns import Column, chosen
from mmdp.tables.coordinates import Decoder

Batch = Sequence[Any]


@dataclass(frozen=True)
class Source:
    """A table that can be read again and again, a batch of rows at a time.

    Parameters
    ----------
    name : str
        For messages.
    columns : tuple of Column
    batches : callable
        Begins a pass over the columns at some places: batches, each a list of Arrow arrays in the order asked for.
    records : callable
        Begins a pass over whole rows: Arrow tables, of a text file with its texts, each with the number of its first
        row. Given the numbers of some rows, ascending, it may leave out tables without any of them.
    typed : callable
        Of a text file: gives the columns of such a table of texts the types that the texts show.
    separator, decimal : str
        Of a text file.
    headed : bool
        Whether the columns have names of their own.
    has_dates : bool
        Whether the format has a type for dates, so that a text is not one.
    """

    name: str
    columns: tuple[Column, ...]
    batches: Callable[[Sequence[int]], Iterator[Batch]] = field(repr=False)
    records: Callable[[Indices | None], Iterator[tuple[int, Any]]] = field(repr=False)
    typed: Callable[[Any], Any] | None = field(default=None, repr=False)
    separator: str = ","
    decimal: str = "."
    headed: bool = True
    has_dates: bool = True

    def table(
        self, wanted: str | Collection[str] | None = None, drop: str | Collection[str] = (), drop_null: bool = False
    ) -> Table:
        """Read the coordinates once, in full, and keep them as plain numbers.

        Decoding is the expensive part, and the searches read points several times. What does not fit a small part of
        the memory is written to a temporary file.
        """
        places = chosen(self.name, self.columns, wanted, drop)
        decoder = Decoder(self.name, [self.columns[place] for place in places], drop_null)
        blocks = decoder.blocks(self.batches(places))
        names = tuple(self.columns[place].name for place in places)
        return spooled(
            blocks,
            self.name,
            columns=names,
            row_numbers=decoder.row_numbers,
            rows_in_all=decoder.rows_in_all,
            whole_rows=self.rows,
        )

    def rows(self, indices: Indices) -> Any:
        """The rows of these numbers, in this order, as an Arrow table with all columns."""
        rows = self.verbatim_rows(indices)
        return rows if self.typed is None else self.typed(rows)

    def column(self, place: int) -> Any:
        """All values of one column, as an array of Arrow."""
        pa = arrow("pyarrow")
        if self.typed is None:
            parts = [batch[0] for batch in self.batches([place])]
            return pa.chunked_array(parts) if parts else pa.chunked_array([], pa.null())
        texts = [table.select([place]) for _, table in self.records(None)]
        return self.typed(pa.concat_tables(texts)).column(0) if texts else pa.chunked_array([], pa.null())

    def verbatim_rows(self, indices: Indices) -> Any:
        """These rows with the texts that a text file holds, such as 007 or 38.70."""
        pa = arrow("pyarrow")
        order = np.argsort(indices, kind="stable")
        ascending = np.asarray(indices)[order]
        parts: list[Any] = []
        end = 0
        for start, table in self.records(ascending):
            end = start + len(table)
            low, high = np.searchsorted(ascending, (start, end))
            if high > low or not parts:
                parts.append(table.take(as_arrow(ascending[low:high] - start)))
            if end > ascending[-1]:
                break
        if end <= ascending[-1]:
            raise DataFileError(f"{self.name}: has too few rows now: row {ascending[-1]} was chosen; has it changed?")
        return pa.concat_tables(parts, promote_options="permissive").take(as_arrow(np.argsort(order)))


def counted(tables: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """Tables that come one after the other, each with the number of its first row."""
    start = 0
    for table in tables:
        yield start, table
        start += len(table)
