"""What the command line asks of the chosen rows besides their number: groups, capacities and a demand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdp import InvalidOptionError, Problem, Result
from mmdp.metrics import Metric
from mmdp.tables import Table
from mmdp.tables.dialect import TextOptions
from mmdp.tables.labels import apart, counts, labels_of, labels_of_points
from solvers._framework.grading import places_of


@dataclass(frozen=True)
class TypedLimits:
    """The values of the options, with the labels and the capacities read.

    Parameters
    ----------
    labels : mapping
        Of all rows, for each attribute, by its name.
    capacity : array, optional
        Of all rows.
    columns : sequence of str
        Those of the points' file that hold labels or capacities, and so are no coordinates.
    files : mapping
        What was typed for each attribute, and for "" as capacity, for messages.
    """

    count: Sequence[str]
    apart: Sequence[str]
    demand: float | None
    labels: Mapping[str, NDArray[Any]]
    capacity: NDArray[Any] | None
    columns: Sequence[str]
    files: Mapping[str, str]

    @classmethod
    def read(
        cls,
        points: str,
        text: TextOptions,
        groups: Sequence[str],
        count: Sequence[str],
        apart: Sequence[str],
        capacity: str | None,
        demand: float | None,
    ) -> TypedLimits:
        """Read what the options name.

        Raises
        ------
        InvalidOptionError
            If one of them is given without the other that it needs.
        DataFileError
            If a file or a column cannot be read.
        """
        if bool(groups) != bool(count or apart):
            raise InvalidOptionError(
                "--groups gives each point a label, --count limits the labels and --apart keeps them apart: give "
                "--groups with --count or --apart, or none of them"
            )
        if (capacity is None) != (demand is None):
            raise InvalidOptionError(
                "--capacity (of each row) and --demand (the total that is needed) go together: give both"
            )
        files = {name if len(groups) == 1 else Path(name).stem: name for name in groups}
        if len(files) < len(groups):
            raise InvalidOptionError(f"--groups {' --groups '.join(groups)}: two of them have the same name")
        read = {name: labels_of(points, typed, text) for name, typed in files.items()}
        held, column = (None, None) if capacity is None else labels_of(points, capacity, text)
        columns = [name for _, name in read.values() if name is not None]
        return cls(
            count,
            apart,
            demand,
            {name: labels for name, (labels, _) in read.items()},
            held,
            columns if column is None else [*columns, column],
            files if capacity is None else {**files, "": capacity},
        )

    @property
    def solver(self) -> str:
        """The solver where none is named."""
        if self.apart and self.count:
            return "exact"
        return "local_search" if self.apart or self.demand is not None else "fair" if self.count else "greedy"

    def __bool__(self) -> bool:
        return bool(self.files)

    def problem(
        self,
        k: int | float | None,
        table: Table,
        metric: str | Metric,
        include: Sequence[int] = (),
        exclude: Sequence[int] = (),
    ) -> Problem:
        """Choose among the rows of a table, all of them in memory; ``include`` and ``exclude`` are rows of its file."""
        labels = {name: labels_of_points(all_, table, self.files[name]) for name, all_ in self.labels.items()}
        limits: dict[str, Any] = {} if k is None else {"k": k}
        if labels:
            limits["groups"] = labels if len(labels) > 1 else next(iter(labels.values()))
        if self.count:
            limits["counts"] = counts(self.count, labels)
        if self.apart:
            limits["apart"] = apart(self.apart, labels)
        if self.capacity is not None:
            limits["capacity"] = labels_of_points(self.capacity, table, self.files[""])
        return Problem(
            points=table.load(),
            metric=metric,
            demand=self.demand,
            include=places_of(include, table.row_numbers, "include"),
            exclude=places_of(exclude, table.row_numbers, "exclude"),
            **limits,
        )

    def lines(self, result: Result) -> Iterator[str]:
        """Say what the chosen rows have of each group, and in all."""
        for name, labels in self.labels.items():
            of_each = zip(*np.unique(labels[result.indices], return_counts=True), strict=True)
            title = f" of {name}" if len(self.labels) > 1 else ""
            yield f"  groups       {', '.join(f'{taken} of {label}' for label, taken in of_each)}{title}"
        if self.demand is not None:
            yield f"  capacity     {result.notes['capacity']:g}  (at least {self.demand:g})"
