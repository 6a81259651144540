"""Farthest-first over points that stay on disk: the picks of ``greedy``, in few passes and bounded memory.

A pass brings every row up to date that could matter and keeps a pool of those farthest from the picks. All other rows
are at most as far as the pool's threshold, and distances to the picks only shrink. So the traversal goes on within the
pool, with the picks it would make over all rows, until the best of the pool is no farther than the threshold.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from mmdp import DataFileError, InvalidOptionError, Result
from mmdp._validation import picks as checked_picks
from mmdp.metrics import Metric, Vector, resolve
from solvers._graded import graded
from solvers._kernels.numba import KINDS, lower_nearest
from solvers._kernels.passes import lower_block
from solvers._sources import Source

_POOL_BYTES = 2**26


def greedy(
    source: Source,
    k: int,
    metric: str | Metric = "euclidean",
    *,
    checkpoint: str | Path | None = None,
    progress: bool = False,
) -> Result:
    """Choose k rows as ``Greedy(start="sweep")`` does, reading the source a few times, block by block.

    Parameters
    ----------
    source : Source
    k : int
    metric : str or Metric
        With a compiled kernel, so any named one.
    checkpoint : path, optional
        Written after every pass and removed at the end; a run that finds it goes on from there to the same answer.
    progress : bool
        Show a bar.

    Notes
    -----
    Memory: 12 bytes a row, the pool (64 MB, at least 4 k rows) up to four times while it is trimmed, and two blocks of
    4 MB more than threads. Time: as many passes as pools run dry.
    """
    geometry = resolve(metric)
    checked_picks(source.n, k, (), ())
    if geometry.kernel not in KINDS:
        raise InvalidOptionError(
            f"metric {geometry.name!r} has no compiled kernel to read blocks with; load the points"
        )
    begin = time.perf_counter()
    traversal = _Traversal(source, k, geometry, None if checkpoint is None else Path(checkpoint), progress)
    picks, rows, radius, passes = traversal.run()
    runtime = time.perf_counter() - begin
    growth = geometry.two_hops
    return graded(
        rows,
        np.array(picks),
        geometry,
        math.inf if growth is None else float(geometry.value(np.asarray(growth * radius))),
        solver="greedy",
        n=source.n,
        runtime=runtime,
        iterations=k,
        notes={"passes": passes},
    )


class _Traversal:
    def __init__(self, source: Source, k: int, geometry: Metric, checkpoint: Path | None, progress: bool) -> None:
        self.source, self.k, self.geometry, self.checkpoint = source, k, geometry, checkpoint
        self.kind = KINDS[geometry.kernel]
        self.nearest: Vector = np.full(source.n, np.inf)
        self.seen = np.zeros(source.n, np.int32)
        self.room = max(4 * k, _POOL_BYTES // (8 * source.d))
        self.floor = 0.0  # rows nearer than this to the picks are out of the pool of this pass
        self.picks: list[int] = []
        self.passes = 0
        self.bar = _bar(k, progress)

    def run(self) -> tuple[list[int], NDArray[Any], float, int]:
        """Picks, their vectors, the distance of the last pick (a surrogate), and how many passes it took."""
        self.picks = self._resume()
        if self.picks:
            centres = self._rows(self.picks)
        else:
            centres = next(block[:1] for _, block in self.source.blocks(self.geometry))
            room, self.room = self.room, 1
            indices, rows, _ = self._pass(centres)
            self.room = room
            best = int(np.lexsort((indices, -self.nearest[indices]))[0])
            self.picks, centres = [int(indices[best])], rows[best : best + 1].copy()
            self.nearest[:], self.seen[:] = np.inf, 0
            self.nearest[self.picks] = -1.0
            self._save()
        radius = np.inf
        self.nearest[self.picks] = -1.0
        while len(self.picks) < self.k:
            indices, rows, outside = self._pass(centres)
            distance = self.nearest[indices].copy()
            first = True
            added = []
            while len(self.picks) < self.k:
                best = int(distance.argmax())
                if not first and distance[best] <= outside:
                    break
                first, radius = False, float(distance[best])
                self.picks.append(int(indices[best]))
                added.append(best)
                distance[best] = self.nearest[indices[best]] = -1.0
                lower_nearest(self.kind, rows, best, distance)
                self.bar.update(1)
            centres = np.concatenate([centres, rows[added]])
            self._save()
        self.bar.close()
        if math.isinf(radius):
            raise DataFileError(f"{self.checkpoint}: holds all {self.k} picks already; remove it to start anew")
        if self.checkpoint is not None:
            self.checkpoint.unlink(missing_ok=True)
        return self.picks, centres, radius, self.passes

    def _pass(self, centres: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any], float]:
        """Indices (ascending) and vectors of the rows farthest from the centres, and a bound on all other rows."""
        pool: list[tuple[NDArray[np.int64], NDArray[Any]]] = []
        size, outside, self.floor = 0, -1.0, 0.0
        for start, block in self._lowered(centres):
            nearest = self.nearest[start : start + len(block)]
            reaches = nearest >= self.floor
            outside = max(outside, float(nearest[~reaches].max(initial=-1.0)))
            far = np.flatnonzero(reaches)
            pool.append((start + far, block[far]))
            size += len(far)
            if size > 2 * self.room:
                pool, self.floor = self._trimmed(pool)
                size, outside = self.room, max(outside, self.floor)
            self.bar.set_postfix_str(f"pass {self.passes + 1}, row {start + len(block):,} of {self.source.n:,}")
        self.passes += 1
        return *_joined(pool), outside

    def _lowered(self, centres: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
        """The blocks, their rows compared with the centres; a few ahead of the caller, each by one thread."""
        threads = numba.get_num_threads()
        blocks = self.source.blocks(self.geometry, checked=self.passes > 0)
        running: deque[Future[tuple[int, NDArray[Any]]]] = deque()
        with ThreadPoolExecutor(threads) as workers:
            for item in chain(blocks, repeat(None, threads)):
                if item is not None:
                    running.append(workers.submit(self._lower, *item, centres, self.floor))
                if running and (item is None or len(running) > threads):
                    yield running.popleft().result()

    def _lower(self, start: int, block: NDArray[Any], centres: NDArray[Any], floor: float) -> tuple[int, NDArray[Any]]:
        rows = slice(start, start + len(block))
        lower_block(self.kind, block, centres, self.nearest[rows], self.seen[rows], floor)
        return start, block

    def _trimmed(
        self, pool: list[tuple[NDArray[np.int64], NDArray[Any]]]
    ) -> tuple[list[tuple[NDArray[np.int64], NDArray[Any]]], float]:
        """The ``room`` farthest rows of a pool, the lowest indices among ties, and the distance of the last."""
        nearest = np.concatenate([self.nearest[indices] for indices, _ in pool])
        floor = float(np.partition(nearest, len(nearest) - self.room)[len(nearest) - self.room])
        keep = nearest > floor
        keep[np.flatnonzero(nearest == floor)[: self.room - int(keep.sum())]] = True
        parts = np.split(keep, np.cumsum([len(indices) for indices, _ in pool])[:-1])
        kept = [(indices[part], rows[part]) for (indices, rows), part in zip(pool, parts, strict=True)]
        return [_joined(kept)], floor

    def _rows(self, wanted: list[int]) -> NDArray[Any]:
        """Read the vectors of some rows, in the order asked for."""
        order = np.argsort(wanted)
        ascending = np.asarray(wanted)[order]
        parts = []
        for start, block in self.source.blocks(self.geometry):
            low, high = np.searchsorted(ascending, (start, start + len(block)))
            parts.append(block[ascending[low:high] - start])
        rows = np.concatenate(parts)
        out = np.empty_like(rows)
        out[order] = rows
        return out

    @property
    def _identity(self) -> dict[str, Any]:
        return {"source": self.source.name, "n": self.source.n, "d": self.source.d, "metric": self.geometry.name}

    def _resume(self) -> list[int]:
        if self.checkpoint is None or not self.checkpoint.exists():
            return []
        try:
            saved = json.loads(self.checkpoint.read_text())
            picks = [int(i) for i in saved.pop("picks")]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataFileError(f"{self.checkpoint}: not a checkpoint of this program; remove it") from error
        if saved != self._identity:
            raise DataFileError(f"{self.checkpoint}: belongs to {saved}, not to {self._identity}; remove it")
        picks = picks[: self.k - 1]
        self.bar.update(len(picks))
        return picks

    def _save(self) -> None:
        if self.checkpoint is not None:
            whole = self.checkpoint.with_suffix(".tmp")
            whole.write_text(json.dumps({**self._identity, "picks": self.picks}))
            whole.replace(self.checkpoint)


def _joined(pool: list[tuple[NDArray[np.int64], NDArray[Any]]]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    return np.concatenate([indices for indices, _ in pool]), np.concatenate([rows for _, rows in pool])


def _bar(total: int, shown: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, unit="pick", disable=not shown)
