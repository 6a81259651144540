"""Problems with published values: the instance files of a folder, and the tables beside them that say what is known."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmdp import DataFileError
from mmdp.instance_readers import read
from mmdp.instances import Instance

_LOW = ("published_lower_bound", "best_known")
_HIGH = "published_upper_bound"
_SECONDS = "published_cpu_seconds"


@dataclass(frozen=True)
class Published:
    """What the literature says of one instance and k."""

    instance: str
    k: int
    low: float = math.nan
    high: float = math.nan
    seconds: str = ""
    rounding: float = 0.0
    source: str = ""

    @property
    def closed(self) -> bool:
        """Whether the published bounds meet."""
        return self.low == self.high

    def agrees(self, objective: float, upper_bound: float) -> bool:
        """Whether our bounds and the published ones can both hold, to the digits printed."""
        slack = self.rounding + 1e-9 * abs(self.low)
        return not (upper_bound < self.low - slack or objective > self.high + slack)

    def columns(self, objective: float, upper_bound: float) -> dict[str, Any]:
        """What a row says of the published bounds beside ours; nothing if none are known."""
        if math.isnan(self.low):
            return {}
        return {
            "published_low": self.low,
            "published_high": self.high,
            "published_seconds": self.seconds,
            "agrees": self.agrees(objective, upper_bound),
        }


def tables(folder: Path) -> list[Published]:
    """Rows of every CSV file of the folder with columns instance, k and a value; a column source is optional.

    The value is ``best_known``, or ``published_lower_bound`` with ``published_upper_bound``; a column
    ``proven_optimal`` says of a best known value that it is also an upper bound.

    Raises
    ------
    DataFileError
        Naming the file and the line.
    """
    found = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            rows = csv.DictReader(file)
            low = next((name for name in _LOW if name in (rows.fieldnames or ())), None)
            if low is None:
                continue
            for number, row in enumerate(rows, 2):
                try:
                    value = float(row[low])
                    proven = row.get("proven_optimal", "").lower() == "true"
                    high = float(row[_HIGH]) if row.get(_HIGH) else value if proven else math.inf
                    seconds = " ".join((row.get(_SECONDS) or "").split())
                    rounding, source = _rounding(row[low]), row.get("source") or path.stem
                    known = Published(row["instance"], int(row["k"]), value, high, seconds, rounding, source)
                except (KeyError, TypeError, ValueError) as error:
                    raise DataFileError(f"{path}, line {number}: {error!r}") from error
                found.append(known)
    return found


def _rounding(text: str) -> float:
    """Half a unit of the last decimal that is printed; whole numbers are exact."""
    decimals = len(text.partition(".")[2])
    return 0.5 * 10.0**-decimals if decimals else 0.0


def problems(folder: Path, ks: list[int] | None) -> Iterator[tuple[Instance, Published]]:
    """Every instance file under the folder, for each k of the tables, or of ``ks`` if given.

    Raises
    ------
    DataFileError
        No instance file, or no k for any of them.
    """
    known: dict[str, dict[int, Published]] = {}
    for row in tables(folder):
        known.setdefault(row.instance, {})[row.k] = row
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".tsp", ".txt"))
    if not files:
        raise DataFileError(f"{folder} holds no instance files (*.tsp or *.txt)")
    if not ks and not any(path.stem in known for path in files):
        raise DataFileError(f"no table (*.csv) in {folder} gives a k for {files[0].name} or another file: pass --k")
    for path in files:
        wanted = ks or sorted(known.get(path.stem, {}))
        if wanted:
            instance = read(path)
            for k in wanted:
                yield instance, known.get(path.stem, {}).get(k, Published(path.stem, k))
