"""Check a recorded proof that no k points are farther apart than a bound: ``python check_certificate.py DATA PROOF``.

A proof about the sets that contain some points, or none of some, is accepted only if these are what is asked for:
``--include 3,17 --exclude 0``.

This file stands alone: it needs Python and numpy, and shares no code with the search that wrote the proof. Read it, and
nothing else has to be believed. docs/certificates.md describes the format.

The points are grouped into cells, so small that a solution has at most one point in each. Two cells are joined if a
point of one is at least ``threshold`` away from a point of the other. If no k cells are pairwise joined, no k points
are pairwise so far apart. The steps of a proof derive lemmas, each a set of cells without ``need`` pairwise joined
ones, and the last lemma is about all cells and k. A set of cells is an int whose bit i stands for cell i.
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = "mmdp-certificate 1"
GROUPS, KNOWN, ABSORB, BRANCH, LEMMA, FEW, END = range(7)
_CHUNK = 2**20  # bytes of steps decoded at a time
_PAIRS = 2**18  # pairs of boxes compared at a time

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


class RejectedError(ValueError):
    """The certificate proves nothing; the message says why."""


@dataclass(frozen=True)
class Verdict:
    """What an accepted certificate proves: no ``k`` points have all pairwise distances above ``bound``.

    Attributes
    ----------
    n, k : int
    include, exclude : tuple of int
        If there are any, it is proven only of points with all of ``include`` among them and none of ``exclude``.
    metric : str
    bound : float
    objective : float
        The smallest distance of the subset that the certificate names.
    cells, lemmas : int
        The size of the proof.
    """

    n: int
    k: int
    include: tuple[int, ...]
    exclude: tuple[int, ...]
    metric: str
    bound: float
    objective: float
    cells: int
    lemmas: int

    @property
    def optimal(self) -> bool:
        """Whether the named subset is proven to be optimal."""
        return self.objective == self.bound

    def __str__(self) -> str:
        """The claim in words."""
        fixed = [
            f"{word} {', '.join(map(str, points))}"
            for word, points in (("contain", self.include), ("do not contain", self.exclude))
            if points
        ]
        which = f" that {' and '.join(fixed)}" if fixed else ""
        optimal = "optimal" if self.optimal else f"not shown to be optimal: it reaches {self.objective!r}"
        return (
            f"no {self.k} of {self.n} points{which} are pairwise more than {self.bound!r} apart ({self.metric}), and "
            f"the subset of the certificate is {optimal}. {self.cells} cells, {self.lemmas} lemmas."
        )


# Distances: value(sum of coordinates(x - y)) of embedded points, and every rounded step is monotone


def _as_is(x: Floats) -> Floats:
    return x


def _sphere(degrees: Floats) -> Floats:
    if degrees.shape[1] != 2:
        raise RejectedError(f"latitude and longitude are two columns, and the data has {degrees.shape[1]}")
    latitude, longitude = degrees[:, 0] * (np.pi / 180), degrees[:, 1] * (np.pi / 180)
    flat = np.cos(latitude)
    return np.stack((flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)), axis=1)


def _minutes(x: Floats) -> Floats:
    return _sphere(np.trunc(x) + (x - np.trunc(x)) * (5.0 / 3.0))


def _arc(s: Floats) -> Floats:
    return 2.0 * np.arcsin(np.minimum(np.sqrt(s) / 2.0, 1.0))


def _directions(x: Floats) -> Floats:
    if not x.any(axis=1).all():
        raise RejectedError("a point is zero: it has no direction")
    exponents = np.frexp(np.abs(x).max(axis=1))[1]
    x = np.ldexp(x, 1 - exponents[:, None])  # rounds nothing, and no square is too large or too small for float64
    return x * (1 / np.sqrt(_combine("squares", np.abs(x))))[:, None]


METRICS: dict[str, tuple[Callable[[Floats], Floats], str, Callable[[Floats], Any]]] = {
    "euclidean": (_as_is, "squares", np.sqrt),
    "sqeuclidean": (_as_is, "squares", _as_is),
    "manhattan": (_as_is, "absolutes", _as_is),
    "chebyshev": (_as_is, "largest", _as_is),
    "euc_2d": (_as_is, "squares", lambda s: np.floor(np.sqrt(s) + 0.5)),
    "ceil_2d": (_as_is, "squares", lambda s: np.ceil(np.sqrt(s))),
    "cosine": (_directions, "squares", lambda s: s / 2.0),
    "angular": (_directions, "squares", _arc),
    "haversine": (_sphere, "squares", lambda s: 6371.0088 * _arc(s)),
    "geo": (_minutes, "squares", lambda s: np.where(s > 0, np.floor(6378.388 * _arc(s) + 1.0), 0.0)),
}
"""How points are embedded, how coordinates are combined, and the distance from that; "matrix" takes none of it."""


def _combine(form: str, differences: Floats) -> Floats:
    """Combine the last axis of non-negative differences, coordinate by coordinate in their order."""
    total = np.zeros(differences.shape[:-1])
    for c in range(differences.shape[-1]):
        delta = differences[..., c]
        if form == "largest":
            total = np.maximum(total, delta)
        else:
            total = total + (delta * delta if form == "squares" else delta)
    return total


@dataclass(frozen=True)
class _Boxes:
    low: Floats
    high: Floats
    form: str

    def farthest(self, a: Any, b: Any) -> Floats:
        """No point of box a is farther from one of box b than this, to the last bit."""
        return _combine(self.form, np.maximum(self.high[a] - self.low[b], self.high[b] - self.low[a]))

    def nearest(self, a: Any, b: Any) -> Floats:
        """No point of box a is nearer to one of box b than this, to the last bit."""
        return _combine(self.form, np.maximum(0.0, np.maximum(self.low[a] - self.high[b], self.low[b] - self.high[a])))


class _Halves:
    """Ranges of points and their halves down to single points; range i has the children left[i] and left[i] + 1."""

    def __init__(self, points: Floats, sizes: Numbers, form: str) -> None:
        stop = np.cumsum(sizes)
        start, levels, lefts, count = stop - sizes, [], [], 0
        while len(start):
            levels.append((start, stop))
            wide = stop - start > 1
            left = np.full(len(start), -1)
            left[wide] = count + len(start) + 2 * np.arange(wide.sum())
            lefts.append(left)
            count += len(start)
            middle = (start[wide] + stop[wide]) // 2
            start, stop = (np.stack(pair, axis=1).ravel() for pair in ((start[wide], middle), (middle, stop[wide])))
        self.left = np.concatenate(lefts)
        self.start, self.stop = (np.concatenate(ends) for ends in zip(*levels, strict=True))
        low, high = points[self.start].copy(), points[self.start].copy()
        end = count
        for left in reversed(lefts):
            parents = np.arange(end - len(left), end)[left >= 0]
            below = left[left >= 0]
            low[parents] = np.minimum(low[below], low[below + 1])
            high[parents] = np.maximum(high[below], high[below + 1])
            end -= len(left)
        self.boxes = _Boxes(low, high, form)

    def far(self, a: Numbers, b: Numbers, threshold: float) -> NDArray[np.bool_]:
        """Whether ranges a[i] and b[i] hold a pair of points at least ``threshold`` apart, for all i."""
        found = np.zeros(len(a), dtype=np.bool_)
        pair = np.arange(len(a))
        while len(pair):
            open_ = self.boxes.farthest(a, b) >= threshold
            pair, a, b = pair[open_], a[open_], b[open_]
            found[pair[self.boxes.nearest(a, b) >= threshold]] = True
            open_ = ~found[pair]
            pair, a, b = pair[open_], a[open_], b[open_]
            wide_a = self.stop[a] - self.start[a] >= self.stop[b] - self.start[b]
            split, other = np.where(wide_a, a, b), np.where(wide_a, b, a)
            pair, other = np.repeat(pair, 2), np.repeat(other, 2)
            a, b = np.stack((self.left[split], self.left[split] + 1), axis=1).ravel(), other
        return found


def _joined(points: Floats, sizes: Numbers, form: str, threshold: float) -> list[int]:
    """The cells that each cell is joined with; refused if a cell holds two points that far apart."""
    m = len(sizes)
    if m == 0:
        return []
    halves = _Halves(points, sizes, form)
    boxes, cells = halves.boxes, np.arange(m)
    inner = cells
    while len(inner := inner[boxes.farthest(inner, inner) >= threshold]):
        left = halves.left[inner]
        if halves.far(left, left + 1, threshold).any():
            raise RejectedError("a cell holds two points at the threshold or farther apart")
        inner = np.concatenate((left, left + 1))
    joined = np.zeros((m, m), dtype=np.bool_)
    rest: list[Numbers] = []
    for i in range(m):
        after = cells[i + 1 :]
        joined[i, i + 1 :] = boxes.nearest(i, after) >= threshold
        unknown = after[(boxes.farthest(i, after) >= threshold) & ~joined[i, i + 1 :]]
        rest.append(np.stack((np.full(len(unknown), i), unknown)))
    a, b = np.concatenate(rest, axis=1)
    for first in range(0, len(a), _PAIRS):
        some = slice(first, first + _PAIRS)
        joined[a[some], b[some]] = halves.far(a[some], b[some], threshold)
    return _as_ints(joined | joined.T)


def _as_ints(rows: NDArray[np.bool_]) -> list[int]:
    return [int.from_bytes(row.tobytes(), "little") for row in np.packbits(rows, axis=1, bitorder="little")]


# The steps


def _numbers(data: bytes) -> Iterator[int]:
    """Numbers of seven bits a byte, the lowest first; the eighth bit says that more follow."""

    def decoded() -> Iterator[list[int]]:
        first = 0
        while first < len(data):
            block = np.frombuffer(data, np.uint8, min(_CHUNK, len(data) - first), first)
            ends = np.flatnonzero(block < 128)
            if not len(ends):
                raise RejectedError("a number has more than a million bytes")
            starts = np.concatenate(([0], ends[:-1] + 1))
            if (ends - starts).max() > 7:
                raise RejectedError("a number has more than eight bytes")
            values = np.zeros(len(ends), dtype=np.int64)
            for place in range(int((ends - starts).max()) + 1):
                longer = starts + place <= ends
                values[longer] |= (block[starts[longer] + place].astype(np.int64) & 127) << (7 * place)
            yield values.tolist()
            first += int(ends[-1]) + 1

    return chain.from_iterable(decoded())


def _replay(steps: Iterator[int], joined: list[int], need: int) -> int:
    """Follow the steps to a lemma on all cells; return how many lemmas it took."""
    everything = (1 << len(joined)) - 1
    bit = [1 << v for v in range(len(joined))]
    apart = [everything ^ row for row in joined]
    lemmas: list[int] = []  # sets of cells,
    without: list[int] = []  # and how many pairwise joined cells are not in each
    outer: list[tuple[int, int, int, int, int, int]] = []
    left, allowed, chosen, vertex = everything, everything, 0, -1
    base, groups, used, begun = 0, list[int](), list[bool](), False
    for step in steps:
        if step == BRANCH:
            if vertex >= 0 or need < 2 or not begun:
                raise RejectedError("a branch begins where there can be none")
            vertex = next(steps)
            one = bit[vertex]
            if not allowed & one:
                raise RejectedError("a branch does not cover a later one")
            left &= ~one
            chosen |= one
            continue
        if step in (GROUPS, KNOWN):
            if begun:
                if vertex < 0:
                    raise RejectedError("a set is opened that belongs to no branch")
                outer.append((left, allowed, chosen, vertex, base, need))
                left, need = left & joined[vertex], need - 1
                allowed, chosen, vertex = everything, 0, -1
            begun = True
            if step == GROUPS:
                groups = _groups(steps, bit, joined)
                if len(groups) >= need:
                    raise RejectedError("there are as many groups as cells are needed, or more")
                base = 0
                for group in groups:
                    base |= group
                used = [False] * len(groups)
            else:
                base, groups = _looked_up(next(steps), lemmas, without, need), []
            continue
        if step == ABSORB:
            if vertex >= 0:
                raise RejectedError("a cell is absorbed where a branch is open")
            absorbed = next(steps)
            _check_chain(absorbed, list(islice(steps, next(steps))), groups, used, joined)
            base |= bit[absorbed]
            continue
        if step == END:
            if vertex >= 0 or not begun:
                raise RejectedError("a set ends before its branch does")
            known = base & allowed | chosen
            lemmas.append(known)
            without.append(need)
            if not outer:
                break
            left, allowed, chosen, vertex, base, need = outer.pop()
            groups = []
        elif vertex < 0:
            raise RejectedError("what ends a branch comes where there is none")
        elif step == LEMMA:
            known = _looked_up(next(steps), lemmas, without, need - 1)
        elif step == FEW:
            known = left & joined[vertex]
            if known.bit_count() >= need - 1:
                raise RejectedError("a branch has enough cells left")
        else:
            raise RejectedError(f"there is no step {step}")
        allowed &= known | apart[vertex]
        vertex = -1
    if outer or not lemmas or lemmas[-1] != everything or next(steps, None) is not None:
        raise RejectedError("the steps do not end with a lemma on all cells")
    return len(lemmas)


def _groups(steps: Iterator[int], bit: list[int], joined: list[int]) -> list[int]:
    """Sets of cells of which no two are joined: how many, and of each its size, its first cell and the differences."""
    groups = []
    for _ in range(next(steps)):
        members = clash = v = 0
        for difference in islice(steps, next(steps)):
            v += difference
            members |= bit[v]
            clash |= joined[v]
        if members & clash:
            raise RejectedError("a group holds two joined cells")
        groups.append(members)
    return groups


def _looked_up(back: int, lemmas: list[int], without: list[int], need: int) -> int:
    if not 1 <= back <= len(lemmas):
        raise RejectedError("a lemma is used that does not exist")
    if without[-back] > need:
        raise RejectedError("a lemma is used for fewer cells than it is about")
    return lemmas[-back]


def _check_chain(vertex: int, classes: list[int], groups: list[int], used: list[bool], joined: list[int]) -> None:
    """Refuse unless one cell of each of these groups and the vertex cannot be pairwise joined.

    The vertex leaves one cell to choose from in the first group, both leave one in the second, and so on to none.
    """
    common = joined[vertex]
    for place, c in enumerate(classes):
        if c >= len(groups) or used[c]:
            raise RejectedError("a group is used twice, or does not exist")
        used[c] = True
        choices = common & groups[c]
        if not choices:
            if place == len(classes) - 1:
                return
            break
        if choices & (choices - 1):
            break
        common &= joined[choices.bit_length() - 1]
    raise RejectedError("a cell is absorbed by groups that have a choice left")


# The certificate


def check(
    certificate: str | Path | bytes, data: Any, include: Iterable[int] = (), exclude: Iterable[int] = ()
) -> Verdict:
    """Return what a certificate proves about the data.

    Parameters
    ----------
    certificate : path or bytes
        Of a file that ``Exact(certificate_file=...)`` wrote.
    data : (n, d) array of points, or (n, n) array of distances
        The problem's. A certificate whose metric is "matrix" is about distances.
    include, exclude : iterable of int
        The problem's. A certificate about other points is rejected, because it proves less.

    Raises
    ------
    RejectedError
        If it proves nothing.

    Examples
    --------
    >>> import numpy as np
    >>> import solvers
    >>> from pathlib import Path
    >>> points = np.random.default_rng(0).random((300, 2))
    >>> result = solvers.solve(points, k=5, solver="exact", certificate_file="five.proof")
    >>> verdict = check("five.proof", points)
    >>> verdict.optimal, verdict.bound == result.objective
    (True, True)
    >>> Path("five.proof").unlink()
    """
    try:
        content = certificate if isinstance(certificate, bytes) else Path(certificate).read_bytes()
        header, _, body = lzma.decompress(content).partition(b"\n")
        claim = json.loads(header)
        fixed = [tuple(sorted(set(claim[name]))) for name in ("include", "exclude")]
        for name, asked, stated in zip(("include", "exclude"), (include, exclude), fixed, strict=True):
            if tuple(sorted(set(map(int, asked)))) != stated:
                raise RejectedError(
                    f"the proof is about sets with {name} = {[*stated]}, which is not what is asked for"
                )
        return _check(claim, body, np.asarray(data, dtype=np.float64), *fixed)
    except RejectedError:
        raise
    except (lzma.LZMAError, EOFError, StopIteration, LookupError, TypeError, ValueError, OverflowError) as error:
        raise RejectedError(f"the file is not a certificate, or is damaged: {error!r}") from error


def _check(
    claim: dict[str, Any], body: bytes, data: Floats, included: tuple[int, ...], excluded: tuple[int, ...]
) -> Verdict:
    if claim["format"] != FORMAT:
        raise RejectedError(f"the format is {claim['format']!r}, and this checks {FORMAT!r}")
    if data.ndim != 2 or len(data) != claim["n"] or data.shape[1] == 0:
        raise RejectedError(f"the certificate is about {claim['n']} points, and the data has the shape {data.shape}")
    if not np.isfinite(data).all():
        raise RejectedError("the data holds an infinite or missing number")
    k, threshold, bound = int(claim["k"]), float.fromhex(claim["threshold"]), float.fromhex(claim["bound"])
    distances = _Distances(claim["metric"], data)
    if not (threshold > 0 and bound >= 0):
        raise RejectedError("threshold and bound are not distances")
    if not distances.value(np.nextafter(threshold, -np.inf)) <= bound:
        raise RejectedError("a distance above the bound may lie below the threshold")
    include, exclude, picks = (np.array(part, dtype=np.int64) for part in (included, excluded, claim["picks"]))
    if min(part.min(initial=0) for part in (include, exclude, picks)) < 0:
        raise RejectedError("an index is negative")
    if len(set(picks.tolist())) != k or len(picks) != k or not np.isin(include, picks).all():
        raise RejectedError("the picks are not k points, or lack an included one")
    if np.isin(exclude, picks).any():
        raise RejectedError("an excluded point is picked")
    objective = distances.value(distances.nearest(picks))
    if objective > bound:
        raise RejectedError(f"the picks reach {objective!r}, above the bound {bound!r}")
    cells = lemmas = 0
    if distances.nearest(include) >= threshold:
        free = np.ones(len(data), dtype=np.bool_)
        free[include] = free[exclude] = False
        for i in include:
            free &= distances.between(np.full(len(data), i), np.arange(len(data))) >= threshold
        numbers = _numbers(body)
        order, sizes = (np.array(list(islice(numbers, claim[name])), dtype=np.int64) for name in ("free", "cells"))
        if not np.array_equal(np.sort(order), np.flatnonzero(free)) or sizes.sum() != len(order) or (sizes < 1).any():
            raise RejectedError("the cells do not hold every point exactly once")
        cells, lemmas = len(sizes), _replay(numbers, distances.joined(order, sizes, threshold), k - len(include))
    return Verdict(len(data), k, included, excluded, claim["metric"], bound, objective, cells, lemmas)


class _Distances:
    """Reduced distances of points, or those of a matrix, and what they mean."""

    def __init__(self, metric: str, data: Floats) -> None:
        self._of_matrix = metric == "matrix"
        if self._of_matrix:
            if data.shape != (len(data), len(data)) or (data != data.T).any() or (data < 0).any():
                raise RejectedError("a matrix of distances is square and symmetric, and nothing in it is negative")
            self._data, self._form, self._value = data, "", METRICS["sqeuclidean"][2]
        elif metric in METRICS:
            embed, self._form, self._value = METRICS[metric]
            self._data = embed(data)
        else:
            raise RejectedError(f"there is no metric {metric!r}")

    def value(self, reduced: Any) -> float:
        """Return the distance that a reduced distance stands for."""
        return float(self._value(np.array([reduced], dtype=np.float64))[0])

    def between(self, i: Numbers, j: Numbers) -> Floats:
        """Reduced distances of the points i[a] and j[a], for all a."""
        return self._data[i, j] if self._of_matrix else _combine(self._form, np.abs(self._data[i] - self._data[j]))

    def nearest(self, points: Numbers) -> float:
        """Return the smallest reduced distance of two of the points."""
        a, b = np.triu_indices(len(points), 1)
        return float(self.between(points[a], points[b]).min(initial=np.inf))

    def joined(self, order: Numbers, sizes: Numbers, threshold: float) -> list[int]:
        """The cells that each cell is joined with; the points of the cells stand one after the other in ``order``."""
        if not self._of_matrix:
            return _joined(self._data[order], sizes, self._form, threshold)
        if (sizes > 1).any():
            raise RejectedError("a cell of a matrix holds two points")
        far = self._data[np.ix_(order, order)] >= threshold
        np.fill_diagonal(far, False)
        return _as_ints(far)


# Files


def read_data(path: Path, n: int) -> Floats:
    """Return the points or distances of a file: .npy, TSPLIB, a text of the max-min diversity literature, or CSV.

    Of a TSPLIB file with more than n points, the first of points with equal coordinates stay.
    """
    if path.suffix == ".npy":
        return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    if "NODE_COORD_SECTION" in lines:
        rows = lines[lines.index("NODE_COORD_SECTION") + 1 :]
        rows = rows[: rows.index("EOF")] if "EOF" in rows else rows
        points = np.array([row.split()[1:] for row in rows if row], dtype=np.float64)
        return points if len(points) == n else np.array(list(dict.fromkeys(map(tuple, points.tolist()))))
    fields = [line.replace(",", " ").split() for line in lines if line]
    widths = [len(row) for row in fields]
    if fields[:1] == [[str(n)]] and widths[1:2] == [1] and widths[2:] == [1 + int(fields[1][0])] * n:
        return np.array([row[1:] for row in fields[2:]], dtype=np.float64)
    if fields and fields[0][0] == str(n) and widths[0] <= 2 and widths[1:] == [3] * (n * (n - 1) // 2):
        i, j = np.array([row[:2] for row in fields[1:]], dtype=np.int64).T
        if len({*map(frozenset, zip(i.tolist(), j.tolist(), strict=True))}) < len(i) or (i == j).any():
            raise RejectedError(f"{path}: a pair of points appears twice, or is a point with itself")
        D = np.zeros((n, n))
        D[i, j] = D[j, i] = np.array([row[2] for row in fields[1:]], dtype=np.float64)
        return D
    return np.array(fields, dtype=np.float64)


def main() -> None:
    """Print what the certificate proves, or say why it proves nothing and leave with status 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="points or distances: .npy, CSV, TSPLIB or a text of the literature")
    parser.add_argument("proof", type=Path)
    for name, what in (("include", "all of these points"), ("exclude", "none of these points")):
        parser.add_argument(f"--{name}", default="", help=f"the sets in question contain {what}, such as 3,17")
    asked = parser.parse_args()
    try:
        with lzma.open(asked.proof) as file:
            n = int(json.loads(file.readline())["n"])
        fixed = ([int(i) for i in typed.split(",") if i] for typed in (asked.include, asked.exclude))
        verdict = check(asked.proof, read_data(asked.data, n), *fixed)
    except (OSError, EOFError, LookupError, TypeError, ValueError, lzma.LZMAError) as error:
        sys.exit(f"REJECTED: {error}")
    print(f"ACCEPTED: {verdict}")


if __name__ == "__main__":
    main()
