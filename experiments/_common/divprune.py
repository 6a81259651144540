"""DivPrune's own loop, restated: what selection is measured against."""

from __future__ import annotations

import torch


def divprune_loop(features: torch.Tensor, k: int) -> torch.Tensor:
    """Select k rows of (n, d) features with the sequence of torch operations that DivPrune's released code runs.

    Alvar et al., DivPrune, CVPR 2025, algorithm 1: the whole matrix of cosine distances in the features' precision,
    then at every step the rows of all tokens selected so far, their column minima, and the largest of these.
    """
    unit = features / features.norm(dim=1, keepdim=True)
    distances = 1.0 - unit @ unit.t()
    selected = torch.empty(k, dtype=torch.long, device=features.device)
    for step in range(k):
        if step == 0:
            scores = distances.topk(2, dim=0, largest=False).values[1]
        else:
            rows = torch.index_select(selected, 0, torch.arange(0, step, device=selected.device))
            scores = torch.index_select(distances, 0, rows).min(dim=0).values
        selected[step] = scores.argmax()
    return selected


def quicker_loop(features: torch.Tensor, k: int) -> torch.Tensor:
    """Select the same, with the first pick by a minimum instead of two smallest, which a CPU finds sooner.

    So that no lead over the loop comes from a step that anybody would write otherwise. Rows that are selected are set
    aside, without which copies are selected twice.
    """
    unit = features / features.norm(dim=1, keepdim=True)
    distances = 1.0 - unit @ unit.t()
    others = distances.clone().fill_diagonal_(torch.inf)
    selected = torch.empty(k, dtype=torch.long, device=features.device)
    selected[0] = others.min(dim=0).values.argmax()
    for step in range(1, k):
        scores = torch.index_select(distances, 0, selected[:step]).min(dim=0).values
        scores[selected[:step]] = -1.0
        selected[step] = scores.argmax()
    return selected
