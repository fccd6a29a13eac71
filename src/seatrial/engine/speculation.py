"""Guessing what comes next from what was said before, so that several tokens can be had from one step. Torch-free.

Prompt lookup: where the last few tokens stood earlier in the prompt or the answer, what followed them then is proposed
now (Saxena 2023, "Prompt lookup decoding"; Yang et al. 2023, arXiv 2304.04487, section 2). In: a sequence's tokens.
Out: a draft. The model computes the draft's tokens in the same step, and `accept` keeps what it would have chosen
itself, so the text is the same with and without.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container
from itertools import islice, takewhile
from typing import TYPE_CHECKING, NamedTuple

from seatrial.engine.picture_rows import FIRST_ROW

if TYPE_CHECKING:
    from seatrial.engine.sampler import Choice

# A run of this many matched tokens ago is forgotten, so that a text that turns repetitive is noticed soon.
_REMEMBERED_TRIALS = 16.0
_PRIOR_TRIALS = 4.0
_PRIOR_RATE_OF_SHORTEST, _PRIOR_RATE_OF_LONGEST = 0.3, 0.7


class Drafter:
    """Drafts for one sequence.

    It is on when it pays. A step that checks k drafts takes 1 + `draft_cost` x k of a plain step, and when each draft
    is right with probability p it yields 1 + p + p^2 + ... + p^k tokens (Leviathan et al. 2022, arXiv 2211.17192,
    section 3.1), so k is chosen for the most tokens per time; at p below `draft_cost` that is 0. p is learnt from the
    text itself, apart for each length of the n-gram that matched: each guess is held against what then came, also a
    guess that was not proposed, so finding out that it would pay again costs nothing.
    """

    def __init__(
        self, *, max_draft: int = 8, longest_ngram: int = 4, shortest_ngram: int = 2, draft_cost: float = 0.15
    ) -> None:
        if not 1 <= shortest_ngram <= longest_ngram or max_draft < 1 or draft_cost < 0:
            raise ValueError("a drafter needs 1 <= shortest_ngram <= longest_ngram, max_draft >= 1, draft_cost >= 0")
        self._max_draft, self._draft_cost = max_draft, draft_cost
        self._lengths = range(longest_ngram, shortest_ngram - 1, -1)
        # For each length: where what follows an n-gram begins, for its latest place that something follows.
        self._next_of: dict[int, dict[tuple[int, ...], int]] = {length: {} for length in self._lengths}
        self._num_indexed = 0
        self._rates = {length: _Rate(_prior_rate(length, shortest_ngram, longest_ngram)) for length in self._lengths}
        self._guess: _Guess | None = None

    def propose(self, tokens: list[int]) -> list[int]:
        """A draft of the tokens that follow `tokens`: the prompt and the answer so far, which only ever grow.

        Takes what followed the latest earlier place of the longest matching n-gram. [] where there is none or where
        checking it would not pay. Time: a few dictionary accesses for each token that came since the last call.
        """
        self._learn(tokens)
        self._index(tokens)
        self._guess = self._look_up(tokens)
        if self._guess is None:
            return []
        rate = self._rates[self._guess.ngram_length].value
        return self._guess.tokens[: best_length(rate, self._draft_cost, self._max_draft)]

    def _learn(self, tokens: list[int]) -> None:
        """Hold the last guess against what came."""
        if self._guess is None:
            return
        came = tokens[self._guess.at : self._guess.at + len(self._guess.tokens)]
        num_right = count_equal(self._guess.tokens, came)
        self._rates[self._guess.ngram_length].add(num_right, num_right < len(came))

    def _index(self, tokens: list[int]) -> None:
        """Enter the n-grams that something follows. Of tokens (5, 6, 7), length 2: (5, 6) -> 2; (6, 7) waits."""
        count = len(tokens)
        for length, next_of in self._next_of.items():
            first = max(self._num_indexed, length)
            fresh = tokens[first - length : count - 1]
            ngrams = zip(*(islice(fresh, offset, None) for offset in range(length)), strict=False)
            next_of.update(zip(ngrams, range(first, count), strict=False))
        self._num_indexed = max(self._num_indexed, count)

    def _look_up(self, tokens: list[int]) -> _Guess | None:
        for length, next_of in self._next_of.items():
            at = next_of.get(tuple(tokens[-length:]))
            if at is not None and tokens[at] < FIRST_ROW:
                run = tokens[at : at + self._max_draft]
                # What follows may reach the end: (1, 2, 1, 2) then goes on as (1, 2, 1, 2, 1, 2, 1, 2).
                whole = (run * math.ceil(self._max_draft / len(run)))[: self._max_draft]
                # Rows of a picture are read and never said.
                return _Guess(len(tokens), list(takewhile(FIRST_ROW.__gt__, whole)), length)
        return None


def accept(draft: list[int], chosen: Callable[[int], Choice], stop_ids: Container[int] = ()) -> list[Choice]:
    """The tokens that one sequence gains from a step: at least one, at most one more than the draft has.

    `chosen(k)` is the model's own choice after k tokens of the draft. It is called for k = 0, 1, ... in order, and for
    k only when the first k choices were the draft's, so it may observe each choice (penalties, draws, grammar) as it is
    made. Ends after the first choice that differs from the draft, is one of `stop_ids`, or is no token. Example: draft
    (5, 6, 7) with the choices 5, 9 gives (5, 9): two tokens, as two plain steps would have given.
    """
    choices = []
    for at in range(len(draft) + 1):
        choice = chosen(at)
        choices.append(choice)
        if at == len(draft) or choice.token_id != draft[at] or choice.token_id in stop_ids:
            break
    return choices


def best_length(rate: float, draft_cost: float, max_draft: int) -> int:
    """How many drafts give the most tokens per time, when each is right with probability `rate`; 0: none pays."""
    best, best_speed, num_tokens = 0, 1.0, 1.0
    for length in range(1, max_draft + 1):
        num_tokens += rate**length
        speed = num_tokens / (1 + draft_cost * length)
        if speed > best_speed:
            best, best_speed = length, speed
    return best


def count_equal(left: list[int], right: list[int]) -> int:
    """How many tokens two lists have in common from the start."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(left), len(right)))


class _Guess(NamedTuple):
    """What was thought to follow the first `at` tokens, on the strength of an n-gram of `ngram_length`."""

    at: int
    tokens: list[int]
    ngram_length: int


class _Rate:
    """How often a guessed token was right, of late; begins as `prior` with the weight of a few trials."""

    def __init__(self, prior: float) -> None:
        self._right, self._trials = prior * _PRIOR_TRIALS, _PRIOR_TRIALS

    @property
    def value(self) -> float:
        return self._right / self._trials

    def add(self, num_right: int, then_wrong: bool) -> None:
        self._right += num_right
        self._trials += num_right + then_wrong
        if self._trials > _REMEMBERED_TRIALS:
            self._right *= _REMEMBERED_TRIALS / self._trials
            self._trials = _REMEMBERED_TRIALS


def _prior_rate(length: int, shortest: int, longest: int) -> float:
    if shortest == longest:
        return _PRIOR_RATE_OF_LONGEST
    share = (length - shortest) / (longest - shortest)
    return _PRIOR_RATE_OF_SHORTEST + share * (_PRIOR_RATE_OF_LONGEST - _PRIOR_RATE_OF_SHORTEST)
