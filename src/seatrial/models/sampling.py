"""Which token comes next.

In: scores over the vocabulary and how each sequence wants to choose. Out: one token id each, or None where the scores
are not numbers. Sampling is by inverse distribution with one uniform draw per token from the sequence's own
generator, so a seed gives the same draws whatever else is in the batch.

Shape suffixes: R rows (one per sequence), V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch


class Chooser(NamedTuple):
    """Temperature 0 takes the best token. `top_k` and then `top_p` narrow the choice, after the temperature."""

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    generator: torch.Generator | None = None


def choose_tokens(logits_RV: torch.Tensor, choosers: Sequence[Chooser]) -> list[int | None]:
    """One token per row; None for a row with a NaN or without any finite score."""
    best_R, at_R = logits_RV.max(dim=-1)
    sound = torch.isfinite(best_R).tolist()
    greedy = at_R.tolist()
    return [
        None if not sound[row] else greedy[row] if chooser.temperature <= 0 else _sample(logits_RV[row], chooser)
        for row, chooser in enumerate(choosers)
    ]


def _sample(logits_V: torch.Tensor, chooser: Chooser) -> int:
    """Nucleus sampling (Holtzman et al. 2019, arXiv 1904.09751, section 3.1) over the `top_k` best tokens."""
    count = min(chooser.top_k or logits_V.shape[0], logits_V.shape[0])
    sorted_K, ids_K = torch.topk(logits_V, count) if count < logits_V.shape[0] else logits_V.sort(descending=True)
    probabilities_K = torch.softmax(sorted_K.double() / chooser.temperature, dim=-1)
    cumulative_K = probabilities_K.cumsum(dim=-1)
    kept = count
    if chooser.top_p is not None and chooser.top_p < 1:
        # A token stays when those before it do not reach top_p yet: of (0.5, 0.3, 0.2) at 0.7, the first two.
        kept = int((cumulative_K - probabilities_K < chooser.top_p).sum().item()) or 1
    draw = torch.rand(1, generator=chooser.generator, dtype=torch.float64).item() * cumulative_K[kept - 1].item()
    rank = int(torch.searchsorted(cumulative_K[:kept], draw, right=True).item())
    return int(ids_K[min(rank, kept - 1)].item())
