"""The front end's half: as many placeholders in the prompt as tokens will stay, known before any image is encoded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from vllm.multimodal.inputs import MultiModalBatchedField, MultiModalFieldElem
from vllm.multimodal.processing import BaseMultiModalProcessor, BaseProcessingInfo, PromptUpdateDetails

from lmm_integration.vllm import metrics
from lmm_integration.vllm.options import Options
from lmm_integration.vllm.runs import check_separated, shortened

SIZES = "visual_token_sizes"
"""Field of an item's data: of each of its runs the tokens before pruning and after, an int64 tensor (runs, 2)."""


@dataclass
class ShorterDetails(PromptUpdateDetails):
    """Placeholders of one item after pruning, with the number there was before."""

    before: int = 0


class PrunedInfo(BaseProcessingInfo):
    """Mixin of a ``BaseProcessingInfo``: the options, and the most tokens of one item."""

    @cached_property
    def pruning(self) -> Options:
        """The options of this server."""
        options = Options.of(getattr(self.ctx.model_config.hf_config, "visual_pruning", None))
        options.check_configured(self.ctx.get_mm_config().mm_processor_kwargs or {})
        return options

    def get_mm_max_tokens_per_item(self, seq_len: int, mm_counts: Mapping[str, int]) -> Mapping[str, int] | None:
        """See vLLM; after pruning."""
        most = super().get_mm_max_tokens_per_item(seq_len, mm_counts)
        return most and {m: self.pruning.most_of(n, self.most_runs(m), m) for m, n in most.items()}

    def most_runs(self, modality: str) -> int:
        """How many runs an item may have, each with a budget of its own."""
        return 1


class PrunedProcessor(BaseMultiModalProcessor):
    """Mixin of a ``BaseMultiModalProcessor``: shorter runs, whose sizes travel with the item to the model."""

    _counts = True

    def _apply_hf_processor_main(self, mm_items: Any, hf_kwargs: Mapping[str, object]) -> Any:
        return super()._apply_hf_processor_main(mm_items, _without_keep(hf_kwargs))

    def _get_mm_fields_config(self, hf_inputs: Any, hf_processor_mm_kwargs: Mapping[str, object]) -> Any:
        return super()._get_mm_fields_config(hf_inputs, _without_keep(hf_processor_mm_kwargs))

    def _get_mm_prompt_updates(
        self, mm_items: Any, hf_processor_mm_kwargs: Mapping[str, object], out_mm_kwargs: Any
    ) -> Any:
        options = self.info.pruning.asked(hf_processor_mm_kwargs)
        updates = super()._get_mm_prompt_updates(mm_items, _without_keep(hf_processor_mm_kwargs), out_mm_kwargs)
        return {
            modality: [
                [
                    replace(update, content=_shorter(update.content, options, modality, out_mm_kwargs[modality][item]))
                    for update in of_item
                ]
                for item, of_item in enumerate(items)
            ]
            for modality, items in updates.items()
        }

    def _get_mm_hashes(self, inputs: Any) -> Any:
        """Add the options to the keys of all caches, also to those that a client chose itself."""
        options = self.info.pruning.asked(inputs.hf_processor_mm_kwargs)
        digest = hashlib.blake2b(options.identity.encode(), digest_size=8).hexdigest()
        hashes = super()._get_mm_hashes(inputs)
        return {modality: [f"{key}-{digest}" for key in keys] for modality, keys in hashes.items()}

    def _maybe_apply_prompt_updates(self, mm_items: Any, mm_res: Any) -> Any:
        prompt, placeholders = super()._maybe_apply_prompt_updates(mm_items, mm_res)
        self._check_prompt(prompt, placeholders)
        if self._counts:
            for modality, items in mm_res.prompt_updates.items():
                before = sum(of_item[0].content.before for of_item in items)
                after = sum(place.to_range().get_num_embeds() for place in placeholders.get(modality, ()))
                metrics.count_prompt(modality, len(items), before, after)
        return prompt, placeholders

    def get_dummy_mm_inputs(self, *args: Any, **kwargs: Any) -> Any:
        """Leave vLLM's own measurement of memory out of the counters."""
        self._counts = False
        try:
            return super().get_dummy_mm_inputs(*args, **kwargs)
        finally:
            self._counts = True

    def _check_prompt(self, prompt: list[int], placeholders: Mapping[str, Iterable[Any]]) -> None:
        """Nothing to check where positions are counted along the prompt."""


class PrunedThreeAxesProcessor(PrunedProcessor):
    """The same for models whose positions have three axes: those of kept tokens are counted from text around them."""

    def _check_prompt(self, prompt: list[int], placeholders: Mapping[str, Iterable[Any]]) -> None:
        ranges = [place.to_range() for of_modality in placeholders.values() for place in of_modality]
        runs = [range(start, end + 1) for place in ranges for start, end in place.extract_embeds_range()]
        check_separated(prompt, self._placeholders, runs)

    def get_dummy_inputs(self, *args: Any, **kwargs: Any) -> Any:
        """Put text around the placeholders of the prompt that vLLM measures memory with."""
        inputs = super().get_dummy_inputs(*args, **kwargs)
        config = self.info.get_hf_config()
        around = (config.vision_start_token_id, config.vision_end_token_id)
        inputs.prompt = [
            token
            for inner in inputs.prompt
            for token in ((around[0], inner, around[1]) if inner in self._placeholders else (inner,))
        ]
        return inputs

    @property
    def _placeholders(self) -> frozenset[int]:
        config = self.info.get_hf_config()
        return frozenset((config.image_token_id, config.video_token_id))


def _without_keep(request: Mapping[str, object]) -> dict[str, object]:
    """What the model's own processor is given of ``mm_processor_kwargs``."""
    return {name: value for name, value in request.items() if name != "keep"}


def _shorter(content: PromptUpdateDetails, options: Options, modality: str, item: Any) -> ShorterDetails:
    """Shorten each run of an item's placeholders, and note the sizes in the item's data."""
    full = content.full
    visual = [True] * len(full) if content.is_embed is None else content.is_embed(full).tolist()
    short, sizes = shortened(full, visual, lambda n: options.count(n, modality))
    field = MultiModalBatchedField(keep_on_cpu=True)
    item[SIZES] = MultiModalFieldElem(data=torch.tensor(sizes, dtype=torch.int64), field=field)
    return ShorterDetails(short, content.is_embed, sum(n for n, _ in sizes))
