"""What a pruning did: which rows stayed of each image, and counts and times over all calls."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lmm_integration.selectors import Grid


@dataclass(frozen=True, eq=False)
class Kept:
    """Which feature rows stayed of one image or video.

    Attributes
    ----------
    sample : int
        Row of the batch.
    modality : str
        "image" or "video".
    indices : (k,) int64 tensor
        The feature rows that stayed, in ascending order.
    n : int
        How many feature rows there were.
    grid : (frames, rows, columns) or None
        Layout of the first ``frames * rows * columns`` feature rows; None if it is not rectangular.
    """

    sample: int
    modality: str
    indices: Tensor
    n: int
    grid: Grid | None


@dataclass
class Stats:
    """Counts and times over all pruned calls.

    Attributes
    ----------
    calls : int
        How many calls were pruned.
    tokens_before, tokens_after : int
        Visual tokens in the prompts, and those that stayed.
    encode_seconds, solve_seconds : float
        Time for encoding images and for choosing tokens, measured on the host; a GPU may finish later.
    """

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
