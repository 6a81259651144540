"""What a pruning did: the rows kept of each image, and the counts and times over all calls."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lmm_integration.selectors import Grid


@dataclass(frozen=True, eq=False)
class Kept:
    """What stayed of one image.

    Attributes
    ----------
    sample : int
        Row of the batch.
    modality : str
        "image" or "video".
    indices : (k,) int64 tensor
        Kept feature rows of the image, ascending.
    n : int
        How many it had.
    grid : (frames, rows, columns) or None
        Patch layout of the first ``frames * rows * columns`` rows; None if it is not rectangular.
    """

    sample: int
    modality: str
    indices: Tensor
    n: int
    grid: Grid | None


@dataclass
class Stats:
    """Counts and times over all pruned calls; host times, so asynchronous devices finish later."""

    calls: int = 0
    tokens_before: int = 0
    tokens_after: int = 0
    encode_seconds: float = 0.0
    solve_seconds: float = 0.0

    def __str__(self) -> str:
        if not self.calls:
            return "nothing pruned yet"
        share = self.tokens_after / self.tokens_before
        return (
            f"visual tokens {self.tokens_before} -> {self.tokens_after} ({share:.1%}) in {self.calls} "
            f"call{'s' if self.calls > 1 else ''}, encode {self.encode_seconds:.3f} s, solve {self.solve_seconds:.3f} s"
        )
