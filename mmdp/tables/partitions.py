"""A Dask array or data frame, whose partitions stay where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmdp.arrays import Points
from mmdp.exceptions import InvalidProblemError


@dataclass(frozen=True)
class Partitions:
    """A table of which no machine need hold all rows.

    Parameters
    ----------
    collection : dask.array.Array or dask.dataframe.DataFrame
        Of shape (n, d), or of numeric columns.
    """

    collection: Any

    def load(self) -> Points:
        """Refuse: to fetch all partitions is a decision of the caller's.

        Raises
        ------
        InvalidProblemError
            Always.
        """
        raise InvalidProblemError(
            "a Dask collection takes solver='coreset'; for another solver compute() it into memory first"
        )
