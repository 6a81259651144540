"""Readers of the literature's files: Geo, Ran, Glover, GKD and MDG texts, TSPLIB and p-median files, and capacities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mmdp.exceptions import DataFileError
from mmdp.instances import Floats, Instance, along_edges


def read(path: str | Path) -> Instance:
    """Read an instance file; the format is recognised by its first lines.

    - TSPLIB: ``KEYWORD : value`` lines and a ``NODE_COORD_SECTION`` (:func:`read_tsplib`)
    - coordinates: ``n``, ``d``, then ``index x1 ... xd`` (Geo, Glover)
    - distances: ``n`` or ``n m``, then ``i j distance`` for every pair (Ran, GKD, MDG)
    - p-median: ``n edges p``, then ``i j cost`` for every edge of a graph (OR-Library's pmed files). The distances are
      those along the edges; of several costs of an edge the last one counts.
    - capacities: ``n``, the demand, n capacities in one line, then n lines of n distances, with empty lines between
      them or not (the benchmark of the capacitated dispersion problem)

    Indices of coordinates and distances start at 0, those of p-median files at 1.

    Raises
    ------
    DataFileError
        Naming the file, the line and what was expected there.
    """
    path = Path(path)
    lines = _Lines(path)
    first = lines.fields(0)
    if not first or not first[0].replace(".", "", 1).isdecimal():
        return read_tsplib(path)
    n = lines.integer(0, 0)
    if len(first) == 3:
        return Instance(path.stem, distances=_along_edges(lines, n, lines.integer(0, 1)))
    filled = lines.filled()
    is_square = len(filled) == n + 3 and len(lines.fields(filled[2])) == n
    if is_square and (not lines.fields(1) or lines.fields(1) != [str(n - 1)]):  # which are coordinates with a row more
        return _capacitated(lines, n, filled)
    if len(lines.fields(1)) == 1:
        return Instance(path.stem, points=_coordinates(lines, n, lines.integer(1, 0)))
    return Instance(path.stem, distances=_pairs(lines, n))


def read_tsplib(path: str | Path, distinct: bool = True) -> Instance:
    """Read the node coordinates of a TSPLIB file.

    Parameters
    ----------
    path : str or Path
    distinct : bool
        Keep the first of points with equal coordinates, as the published p-dispersion results do.

    Raises
    ------
    DataFileError
        Also for an ``EDGE_WEIGHT_TYPE`` without coordinates in the plane.
    """
    path = Path(path)
    lines = _Lines(path)
    header: dict[str, str] = {}
    number = 0
    while number < len(lines) and not lines.text(number).startswith("NODE_COORD_SECTION"):
        key, _, value = lines.text(number).partition(":")
        header[key.strip()] = value.strip()
        number += 1
    if number == len(lines):
        raise lines.error(number - 1, "the file ends before NODE_COORD_SECTION")
    if not header.get("DIMENSION", "").isdecimal():
        raise lines.error(number, "no line 'DIMENSION : n' before the coordinates")
    points = _rows(lines, number + 1, int(header["DIMENSION"]), 3)[:, 1:]
    if distinct:
        points = points[np.sort(np.unique(points, axis=0, return_index=True)[1])]
    metric = header.get("EDGE_WEIGHT_TYPE", "EUC_2D").lower()
    if metric not in ("euc_2d", "ceil_2d", "geo"):
        raise lines.error(number, f"EDGE_WEIGHT_TYPE {header['EDGE_WEIGHT_TYPE']} is not one of EUC_2D, CEIL_2D, GEO")
    return Instance(header.get("NAME", path.stem), points=points, metric=metric)


def _capacitated(lines: _Lines, n: int, filled: list[int]) -> Instance:
    (demand,) = _numbers(lines, filled[1], 1)
    capacity, D = _numbers(lines, filled[2], n), np.array([_numbers(lines, number, n) for number in filled[3:]])
    return Instance(lines.path.stem, distances=D, capacity=capacity, demand=float(demand))


def _coordinates(lines: _Lines, n: int, d: int) -> Floats:
    table = _rows(lines, 2, n, d + 1)
    if not np.array_equal(table[:, 0], np.arange(n)):
        wrong = int(np.flatnonzero(table[:, 0] != np.arange(n))[0])
        raise lines.error(2 + wrong, f"point {wrong} was expected, not {lines.fields(2 + wrong)[0]}")
    return table[:, 1:]


def _pairs(lines: _Lines, n: int) -> Floats:
    table = _rows(lines, 1, n * (n - 1) // 2, 3)
    i, j = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    outside = np.flatnonzero(
        (i < 0) | (j < 0) | (i >= n) | (j >= n) | (i == j) | (i != table[:, 0]) | (j != table[:, 1])
    )
    if len(outside):
        raise lines.error(1 + int(outside[0]), f"two different indices from 0 to {n - 1} were expected")
    D = np.full((n, n), np.nan)
    D[i, j] = D[j, i] = table[:, 2]
    np.fill_diagonal(D, 0.0)
    if np.isnan(D).any():
        a, b = np.argwhere(np.isnan(D))[0]
        raise lines.error(len(lines) - 1, f"no line gives the distance of {a} and {b}; another pair appears twice")
    return D


def _along_edges(lines: _Lines, n: int, edges: int) -> Floats:
    table = _rows(lines, 1, edges, 3)
    ends, cost = table[:, :2], table[:, 2]
    inside = (ends >= 1) & (ends <= n) & (ends == ends.round())
    wrong = np.flatnonzero(~inside.all(axis=1) | (ends[:, 0] == ends[:, 1]) | (cost < 0))
    if len(wrong):
        raise lines.error(1 + int(wrong[0]), f"two different vertices from 1 to {n} and a cost were expected")
    i, j = ends.astype(np.int64).T - 1
    D = along_edges(n, i, j, cost)
    if np.isinf(D).any():
        a, b = np.argwhere(np.isinf(D))[0] + 1
        raise lines.error(len(lines) - 1, f"no edges lead from vertex {a} to vertex {b}; is the file cut short?")
    return D


def _rows(lines: _Lines, start: int, count: int, width: int) -> Floats:
    if len(lines) < start + count:
        raise lines.error(
            len(lines) - 1, f"the file is cut short: {count} rows were announced, {len(lines) - start} are there"
        )
    after = next((line for line in range(start + count, len(lines)) if lines.text(line)), None)
    if after is not None and lines.fields(after)[0].lstrip("-").replace(".", "", 1).isdecimal():
        raise lines.error(after, f"{count} rows were announced, and here is one more")
    if count and len(lines.fields(start)) != width:
        raise lines.error(start, f"{width} numbers were expected, {len(lines.fields(start))} fields are there")
    return np.array([_numbers(lines, start + row, width) for row in range(count)]).reshape(count, width)


def _numbers(lines: _Lines, number: int, width: int) -> Floats:
    """The numbers of one line."""
    fields = lines.fields(number)
    if len(fields) != width:
        raise lines.error(number, f"{width} numbers were expected, {len(fields)} fields are there")
    try:
        row = np.array(fields, dtype=np.float64)
    except ValueError as error:
        raise lines.error(number, str(error)) from error
    if not np.isfinite(row).all():
        raise lines.error(number, "a number is NaN or infinite")
    return row


class _Lines:
    """The lines of a text file up to its end or ``EOF``, with errors that name them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataFileError(f"{path} cannot be read as text: {error}") from error
        self._lines = list(self._until_end(lines))
        if not self._lines:
            raise DataFileError(f"{path} is empty")

    @staticmethod
    def _until_end(lines: list[str]) -> Iterator[str]:
        for line in lines:
            if line.strip() == "EOF":
                return
            yield line.strip()

    def __len__(self) -> int:
        return len(self._lines)

    def filled(self) -> list[int]:
        """Numbers of the lines that are not empty."""
        return [number for number, line in enumerate(self._lines) if line]

    def text(self, number: int) -> str:
        return self._lines[number]

    def fields(self, number: int) -> list[str]:
        return self._lines[number].split() if number < len(self) else []

    def integer(self, number: int, place: int) -> int:
        text = self.fields(number)[place]
        if not text.isdecimal():
            raise self.error(number, f"a whole number was expected, not {text!r}")
        return int(text)

    def error(self, number: int, what: str) -> DataFileError:
        shown = self._lines[number][:60] if 0 <= number < len(self) else ""
        return DataFileError(f"{self.path}, line {number + 1}: {what}; the line reads {shown!r}")
