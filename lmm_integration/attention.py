"""Which attention of the vision encoder the selectors rank by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from mmdp.exceptions import InvalidOptionError

Score = Literal["auto", "cls", "received"]


@dataclass(frozen=True)
class EncoderAttention:
    """Attention that :func:`lmm_integration.prune` records in the vision encoder, as one score for each token.

    The layer's queries and keys are recorded while the model encodes with whatever kernel it has, and the scores are
    computed from them: eager attention is never switched on, and the features are those without recording. Where the
    model merges patches into one token, the token's score is the mean of theirs.

    Parameters
    ----------
    score : {"auto", "cls", "received"}
        "cls": how much the class token attends to a patch (FasterVLM, VisPruner, VisionZip). "received": how much all
        tokens that attend to a patch do so on average. Either is a mean over the heads. "auto": "cls" where the encoder
        has a class token, "received" elsewhere (SigLIP, Qwen-VL).
    layer : int, optional
        Layer of the encoder, negative from the end; by default the one whose output becomes the features: for LLaVA
        the last but one, which the papers use.

    Examples
    --------
    >>> EncoderAttention("received", layer=-1)
    EncoderAttention(score='received', layer=-1)
    """

    score: Score = "auto"
    layer: int | None = None

    def __post_init__(self) -> None:
        if self.score not in get_args(Score):
            raise InvalidOptionError(f"attention={self.score!r}: choose a score of {', '.join(get_args(Score))}")
        if self.layer is not None and (isinstance(self.layer, bool) or not isinstance(self.layer, int)):
            raise InvalidOptionError(f"layer={self.layer!r} is not a layer; give a whole number, -1 for the last")
