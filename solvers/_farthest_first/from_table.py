"""Farthest-first over points that stay on disk: the picks of ``greedy``, in few passes and bounded memory.

A pass brings every row up to date that could matter and keeps a pool of those farthest from the picks. All other rows
are at most as far as the pool's threshold, and distances to the picks only shrink. So the traversal goes on within the
pool, with the picks it would make over all rows, until the best of the pool is no farther than the threshold.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import numba
import numpy as np

from mmdp import DataFileError
from mmdp.arrays import Indices, Points, Vector
from mmdp.metrics import Metric
from mmdp.tables.blocks import Table, listed
from solvers._farthest_first.accelerated import kernel
from solvers._farthest_first.farthest_pool import FarthestPool
from solvers._farthest_first.table_pass import lower_block
from solvers._framework.distance_forms import FEW_DIMENSIONS, KINDS
from solvers._framework.table_problem import TableProblem
from solvers._framework.warm_up import once

_Far = tuple[int, Indices, Points, float]
_POOL_BYTES = 2**26
_PART, _PART_PICKS = 256, 3  # rows on which kernels are compiled, and picks among them


@dataclass(frozen=True)
class Traversed:
    """Picks of a table, their embedded vectors, the reduced distance of the last pick, and how many passes it took."""

    picks: list[int]
    vectors: Points
    radius: float
    passes: int


def traverse_table(asked: TableProblem, first: int | None = None) -> Traversed:
    """Choose k rows as the greedy does, reading the table a few times, block by block.

    Parameters
    ----------
    asked : TableProblem
        With a metric of a compiled distance form, so any named one. A checkpoint is written after every pass and
        removed at the end; a run that finds it goes on from there to the same answer.
    first : int, optional
        The first pick, where no row is included; the row farthest from the first one if not given.

    Notes
    -----
    Memory: 12 bytes a row, the pool (64 MB, at least 4 k rows) up to three times while it is trimmed, and up to three
    blocks of 4 MB for each thread. Time: as many passes as pools run dry.
    """
    return _Traversal(asked, first).run()


def warm_up(table: Table, geometry: Metric) -> None:
    """Compile on the first rows, before the clock of a traversal starts."""
    _, block = next(table.blocks(geometry))
    if len(block) >= _PART_PICKS:
        part = listed([block[:_PART]])
        key = ("table", geometry.form, str(block.dtype), table.d <= FEW_DIMENSIONS)
        once(key, lambda: traverse_table(TableProblem(part, _PART_PICKS, geometry)))


class _Traversal:
    def __init__(self, asked: TableProblem, first: int | None) -> None:
        assert isinstance(asked.table, Table)
        self.table, self.k, self.geometry, self.first = asked.table, asked.k, asked.geometry, first
        self.checkpoint, self.include, self.exclude = asked.checkpoint, list(asked.include), list(asked.exclude)
        self.kind = KINDS[self.geometry.form]
        self.nearest: Vector = np.full(self.table.n, np.inf)
        self.nearest[self.exclude] = -1.0
        self.seen = np.zeros(self.table.n, np.int32)
        self.pool = FarthestPool(max(4 * self.k, _POOL_BYTES // (8 * self.table.d)), self.nearest)
        self.picks: list[int] = []
        self.passes = 0
        self.bar = _bar(self.k, asked.progress)

    def run(self) -> Traversed:
        self.picks = self._resume() or self.include.copy()
        if self.picks:
            centres = self.table.vectors(self.picks, self.geometry)
        elif self.first is None:
            centres = self._sweep()
        else:
            self.picks = [self.first]
            centres = self.table.vectors(self.picks, self.geometry)
        radius = np.inf
        self.bar.update(len(self.picks) - self.bar.n)
        self.nearest[self.picks] = -1.0
        while len(self.picks) < self.k:
            self._pass(centres, self.pool)
            indices, rows, count = self.pool.indices, self.pool.rows, 0
            found = np.empty(self.k - len(self.picks), np.int64)
            advance = kernel(rows, self.geometry, self.nearest[indices], len(found))
            while count < len(found):
                distance = float(advance(found, count, count + 1))
                if count and distance <= self.pool.outside:
                    break
                radius, count = distance, count + 1
                self.bar.update(1)
            added = found[:count]
            self.picks += indices[added].tolist()
            self.nearest[indices[added]] = -1.0
            centres = np.concatenate([centres, rows[added]])
            self._save()
        self.bar.close()
        if math.isinf(radius):
            raise DataFileError(f"{self.checkpoint}: holds all {self.k} picks already; remove it to start again")
        if self.checkpoint is not None:
            self.checkpoint.unlink(missing_ok=True)
        return Traversed(self.picks, centres, radius, self.passes)

    def _sweep(self) -> Points:
        """Begin with the row farthest from the first one that may be chosen; return its vector."""
        start = int(self.nearest.argmax())
        origin = self.table.vectors([start], self.geometry)
        farthest = FarthestPool(1, self.nearest)
        self.nearest[start] = -1.0  # another row begins
        self._pass(origin, farthest)
        best = int(np.lexsort((farthest.indices, -self.nearest[farthest.indices]))[0])
        self.picks = [int(farthest.indices[best])]
        self.nearest[:], self.seen[:] = np.inf, 0
        self.nearest[self.exclude + self.picks] = -1.0
        self._save()
        return farthest.rows[best : best + 1].copy()

    def _pass(self, centres: Points, pool: FarthestPool) -> None:
        """Fill the pool with the rows farthest from the centres; each thread reads and compares a block at a time."""
        pool.empty()
        threads = numba.get_num_threads()
        running: deque[Future[_Far]] = deque()
        tasks = self.table.tasks(self.geometry, checked=self.passes > 0)
        with ThreadPoolExecutor(threads) as workers:
            for task in chain(tasks, repeat(None, 2 * threads)):
                if task is not None:
                    running.append(workers.submit(self._far, task, centres, pool))
                if running and (task is None or len(running) > 2 * threads):
                    stop, far, rows, outside = running.popleft().result()
                    pool.add(far, rows, outside)
                    self.bar.set_postfix_str(f"pass {self.passes + 1}, row {stop:,} of {self.table.n:,}")
        self.passes += 1

    def _far(self, task: Callable[[], tuple[int, Points]], centres: Points, pool: FarthestPool) -> _Far:
        """Where a block ends; indices and vectors of its rows that the pool may want, and a bound on the others."""
        start, block = task()
        stop = start + len(block)
        nearest, seen = self.nearest[start:stop], self.seen[start:stop]
        far, outside = lower_block(self.kind, block, centres, nearest, seen, pool.floor)
        return stop, start + far, block[far], outside

    @property
    def _identity(self) -> dict[str, Any]:
        fixed: dict[str, Any] = {}
        if self.include or self.exclude:
            digest = hashlib.sha256(np.sort(self.exclude).astype(np.int64).tobytes()).hexdigest()[:16]
            fixed = {"include": self.include, "exclude": digest}
        return {
            "table": self.table.name,
            "n": self.table.n,
            "d": self.table.d,
            "columns": list(self.table.columns),
            "metric": self.geometry.name,
            "first": self.first,
            **fixed,
        }

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
        if not picks or len(set(picks)) < len(picks) or not 0 <= min(picks) <= max(picks) < self.table.n:
            raise DataFileError(f"{self.checkpoint}: its picks are not distinct rows of {self.table.name}; remove it")
        return picks[: self.k - 1]

    def _save(self) -> None:
        if self.checkpoint is not None:
            whole = self.checkpoint.with_suffix(".tmp")
            try:
                whole.write_text(json.dumps({**self._identity, "picks": self.picks}))
                whole.replace(self.checkpoint)
            except OSError as error:
                raise DataFileError(f"{self.checkpoint}: cannot be written ({error})") from error


def _bar(total: int, shown: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, unit="pick", disable=not shown)
