"""Which token comes next.

In: scores over the vocabulary, and for each row how its sequence wants to choose (`Chooser`) and which tokens may come
(a mask, where the answer is constrained). Out: a `Choice` per row.

The order is bias, repetition penalty, frequency and presence penalty, mask, temperature, top-k, top-p, min-p: vLLM's
up to the temperature, Hugging Face transformers' from there on. Log-probabilities are of the raw scores. Everything is
exact: only scores near the best are sorted where they hold what was asked for, and all where they do not.

The draw for the n-th token of an answer depends on the seed and n alone, so the same request gives the same text
whatever else is in the batch, after preemption, and with speculation.

Shape suffixes: R rows, V vocabulary, A tokens that may come (ids ascending), K tokens kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.engine.request import SamplingParams, TokenLogprob
from seatrial.engine.runner import Scores
from seatrial.errors import UsageError

Floats = NDArray[np.floating[Any]]
Ids = NDArray[np.int64]

_GREEDY_BELOW = 1e-5
_NEAR = 8.0  # weights of e^-8 of the best one
_WORD = 2**64 - 1
_STEP = 0x9E3779B97F4A7C15


class Choice(NamedTuple):
    """A chosen token. None: the scores are not numbers, or no token may come.

    `logprob` and `top` (best first) are given where the request asked for log-probabilities. `reasoning` as in `Gain`.
    """

    token_id: int | None
    logprob: float | None = None
    top: tuple[TokenLogprob, ...] = ()
    reasoning: bool = False


class Chooser:
    """How one sequence chooses: its parameters, what it has said so far, and its own random draws.

    `plain` says that the best token is all it ever needs: greedy, nothing added to the scores, no constraint.
    Raises UsageError where `logit_bias` names a token that the vocabulary does not have.
    """

    def __init__(self, params: SamplingParams, prompt_ids: Sequence[int], vocab_size: int) -> None:
        self.params, self.num_chosen = params, 0
        self._start = _mixed((params.seed & _WORD) ^ _mixed(params.seed >> 64))
        self.greedy = params.temperature < _GREEDY_BELOW
        self._bias_ids, self._bias = _bias_of(params, vocab_size)
        self._penalises = params.frequency_penalty != 0 or params.presence_penalty != 0
        self._repeats = params.repetition_penalty != 1
        self._counts_V = np.zeros(vocab_size if self._penalises else 0, np.int32)
        self._seen_V = np.zeros(vocab_size if self._repeats else 0, np.bool_)
        if self._repeats:
            self._seen_V[np.asarray(prompt_ids, np.int64)] = True
        self.changes_scores = bool(self._bias_ids.size) or self._penalises or self._repeats
        self.wants_best = self.greedy and not self.changes_scores and params.num_logprobs is None
        self.plain = self.wants_best and params.constraint is None

    def observe(self, token_id: int) -> None:
        """A token of the answer was accepted."""
        self.num_chosen += 1
        if self._penalises:
            self._counts_V[token_id] += 1
        if self._repeats:
            self._seen_V[token_id] = True

    def draw(self) -> float:
        """The uniform draw in [0, 1) for the token that comes next: the n-th of the seed's own SplitMix64 sequence.

        Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", section 5: a counter that is
        stepped by an odd constant and then mixed, so the n-th number needs none of those before it.
        """
        return (_mixed(self._start + (self.num_chosen + 1) * _STEP) >> 11) * 2.0**-53

    def adjusted(self, scores_V: Floats) -> Floats:
        """Scores with bias and penalties; the input is left as it is."""
        if not self.changes_scores:
            return scores_V
        params, scores_V = self.params, scores_V.copy()
        scores_V[self._bias_ids] += self._bias
        if self._repeats:
            seen = np.flatnonzero(self._seen_V)
            known = scores_V[seen]
            penalty = np.float32(params.repetition_penalty)
            scores_V[seen] = np.where(known < 0, known * penalty, known / penalty)
        if self._penalises:
            said = np.flatnonzero(self._counts_V)
            scores_V[said] -= params.frequency_penalty * self._counts_V[said] + params.presence_penalty
        return scores_V


def choose_each(
    logits_RV: Scores, choosers: Sequence[Chooser], masks: Sequence[NDArray[np.int32] | None]
) -> list[Choice]:
    """One choice per row. Bit i % 32 of word i // 32 of a mask says whether token i may come; None allows all.

    A chooser's state is not changed; `observe` does that. Of equal scores the lowest id wins, everywhere.
    """
    best_R, highest_R = _best_of(logits_RV)
    choices = []
    for row, (best, highest, chooser, mask) in enumerate(zip(best_R, highest_R, choosers, masks, strict=True)):
        if not math.isfinite(highest):
            choices.append(Choice(None))
        elif chooser.wants_best and (mask is None or _allows(mask, best)):
            choices.append(Choice(best))
        else:
            choices.append(_choose(_as_floats(logits_RV[row]), chooser, mask))
    return choices


def _best_of(logits_RV: Scores) -> tuple[list[int], list[float]]:
    """Id and score of each row's best token; a NaN counts as the highest. A GPU searches its own memory."""
    if isinstance(logits_RV, np.ndarray):
        best_R = logits_RV.argmax(axis=1)
        return best_R.tolist(), logits_RV[np.arange(len(best_R)), best_R].tolist()
    at_R = logits_RV.detach().argmax(dim=-1, keepdim=True)
    return at_R[:, 0].tolist(), logits_RV.detach().gather(-1, at_R)[:, 0].tolist()


def _as_floats(logits_V: Scores) -> Floats:
    return logits_V if isinstance(logits_V, np.ndarray) else logits_V.detach().float().cpu().numpy()


def _allows(mask: NDArray[np.int32], token_id: int) -> bool:
    """Example: token 37 is bit 5 of word 1."""
    word, bit = divmod(token_id, 32)
    return word < mask.size and bool((int(mask[word]) >> bit) & 1)


def _choose(raw_V: Floats, chooser: Chooser, mask: NDArray[np.int32] | None) -> Choice:
    params, scores_A = chooser.params, chooser.adjusted(raw_V)
    allowed_A: Ids | None = None
    if mask is not None:
        bits = np.unpackbits(mask.view(np.uint8), bitorder="little")[: scores_A.size]
        allowed_A = np.flatnonzero(bits)
        scores_A = scores_A[allowed_A]
        if not scores_A.size or not np.isfinite(scores_A.max()):
            return Choice(None)
    at = int(scores_A.argmax()) if chooser.greedy else _sample(scores_A, params, chooser.draw())
    token_id = at if allowed_A is None else int(allowed_A[at])
    if params.num_logprobs is None:
        return Choice(token_id)
    return _with_logprobs(raw_V, token_id, params.num_logprobs)


def _sample(scores_A: Floats, params: SamplingParams, draw: float) -> int:
    """A place in `scores_A`, by inverse distribution."""
    scaled_A = (scores_A - scores_A.max()) / np.float32(params.temperature)
    kept_K, weights_K = _kept(scaled_A, params)
    cumulative_K = np.cumsum(weights_K, dtype=np.float64)
    at = int(np.searchsorted(cumulative_K, draw * cumulative_K[-1], side="right"))
    if at == cumulative_K.size:  # the product was rounded up to the whole
        at = int(np.flatnonzero(weights_K)[-1])
    return at if kept_K is None else int(kept_K[at])


def _kept(scaled_A: Floats, params: SamplingParams) -> tuple[Ids | None, Floats]:
    """Places (None: all) that top-k, top-p and min-p leave, and the weight of each: 1 for the best token.

    Top-k: Fan et al. 2018, arXiv 1805.04833, section 5. Top-p, over what top-k left: Holtzman et al. 2019,
    arXiv 1904.09751, section 3.1. Min-p: Nguyen et al. 2024, arXiv 2407.01082, section 3.
    """
    kept_K: Ids | None = None
    scaled_K = scaled_A
    if params.top_k is not None and params.top_k < scaled_A.size:
        kept_K = _first_of_highest(scaled_A, _nth_highest(scaled_A, params.top_k), params.top_k)
        scaled_K = scaled_A[kept_K]
    weights_K = np.exp(scaled_K)
    if params.top_p is not None and params.top_p < 1:
        nucleus = _nucleus(scaled_K, weights_K, params.top_p)
        kept_K = nucleus if kept_K is None else kept_K[nucleus]
        weights_K = weights_K[nucleus]
    if params.min_p:
        enough = np.flatnonzero(weights_K >= params.min_p)
        kept_K, weights_K = enough if kept_K is None else kept_K[enough], weights_K[enough]
    return kept_K, weights_K


def _nucleus(scaled_A: Floats, weights_A: Floats, top_p: float) -> Ids:
    """The fewest places, of the highest scores, that together weigh `top_p` of the whole.

    Scores are sorted by value alone, and only those near the best where they suffice; places follow from the last
    value that is needed.
    """
    wanted = top_p * float(weights_A.sum(dtype=np.float64))
    near_K = scaled_A[scaled_A >= -_NEAR]
    if float(np.exp(near_K).sum(dtype=np.float64)) < wanted:
        near_K = scaled_A
    falling_K = np.sort(near_K)[::-1]
    falling_weights_K = np.exp(falling_K).astype(np.float64)
    # A token stays when those before it do not reach top_p yet: of (0.5, 0.3, 0.2) at 0.7, the first two.
    before_K = np.cumsum(falling_weights_K) - falling_weights_K
    count = max(1, int(np.searchsorted(before_K, wanted, side="left")))
    return _first_of_highest(scaled_A, falling_K[count - 1], count)


def _first_of_highest(scores_A: Floats, least: np.floating[Any], count: int) -> Ids:
    """`count` places, ascending, with scores of `least`, the lowest that is needed, or more.

    Of those that equal it the first are taken: of (1, 2, 1, 1) two with least 1 are places 0 and 1.
    """
    places = np.flatnonzero(scores_A >= least)
    num_over = places.size - count
    if num_over <= 0:
        return places
    equal = np.flatnonzero(scores_A[places] == least)
    return np.delete(places, equal[equal.size - num_over :])


def _nth_highest(scores_A: Floats, count: int) -> np.floating[Any]:
    at = scores_A.size - count
    lowest: np.floating[Any] = np.partition(scores_A, at)[at]
    return lowest


def best_places(scores_A: Floats, count: int) -> Ids:
    """Places of the `count` highest scores, best first; of equal scores the earlier place."""
    count = min(count, scores_A.size)
    places = np.flatnonzero(scores_A >= _nth_highest(scores_A, count))
    return places[np.argsort(-scores_A[places], kind="stable")][:count]


def _with_logprobs(raw_V: Floats, token_id: int, num_top: int) -> Choice:
    highest = float(raw_V.max())
    log_total = highest + math.log(float(np.exp(raw_V - raw_V.max()).sum(dtype=np.float64)))
    top = best_places(raw_V, num_top).tolist() if num_top else []
    return Choice(
        token_id,
        float(raw_V[token_id]) - log_total,
        tuple(TokenLogprob(each, float(raw_V[each]) - log_total) for each in top),
    )


def _bias_of(params: SamplingParams, vocab_size: int) -> tuple[Ids, NDArray[np.float32]]:
    unknown = [token_id for token_id in params.logit_bias if not 0 <= token_id < vocab_size]
    if unknown:
        raise UsageError(
            f"`logit_bias` names token {unknown[0]:,}; the model has tokens 0 to {vocab_size - 1:,}. Leave it out.",
            field="logit_bias",
        )
    ids = np.fromiter(params.logit_bias.keys(), np.int64, len(params.logit_bias))
    return ids, np.fromiter(params.logit_bias.values(), np.float32, len(params.logit_bias))


def _mixed(word: int) -> int:
    """SplitMix64's mixing of 64 bits (variant 13 of Stafford's constants); what is above them is dropped."""
    word &= _WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    return word ^ (word >> 31)
