"""How far a run in memory is: a bar of points chosen, or the incumbent and its bound as they get better."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from mmdp import Incumbent

Watch = Callable[[Incumbent], None]


@contextmanager
def shown(k: int, watch: Watch | None) -> Iterator[tuple[Watch, Callable[[int], None]]]:
    """Show a bar on the standard error; yields what to call with incumbents and with numbers of points chosen."""
    with tqdm(total=k, unit="pick") as bar:

        def both(moment: Incumbent) -> None:
            bound = f", at most {moment.upper_bound:.6g}" if math.isfinite(moment.upper_bound) else ""
            bar.set_postfix_str(f"objective {moment.objective:.6g}{bound}")
            if watch is not None:
                watch(moment)

        def chosen(points: int) -> None:
            bar.update(points - bar.n)

        yield both, chosen
        chosen(k)
