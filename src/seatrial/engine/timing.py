"""Times what an engine does: a first token, steady decoding, one answer from its first token to its last.

In: an idle `Engine` and a clock (seconds, any origin). Out: seconds and counts. Answers are greedy and do not end by
themselves. What an earlier call left in the prefix cache is used, so fresh prompts are the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from seatrial.engine.loop import Engine
from seatrial.engine.request import Gain, SamplingParams
from seatrial.errors import CheckpointError

Clock = Callable[[], float]

# Answers of a batch that get ahead while others of it still read their prompts go on for this many tokens longer.
AHEAD_TOKENS = 8


class FirstToken(NamedTuple):
    """When it came, and how many tokens of the prompt were not computed for it."""

    seconds: float
    num_cached: int


class Answered(NamedTuple):
    """One answer. `seconds` run from its first token to its last: over all tokens but the first."""

    token_ids: list[int]
    seconds: float
    num_drafted: int
    num_accepted: int

    @property
    def tokens_per_s(self) -> float:
        """The rate after the first token."""
        return (len(self.token_ids) - 1) / self.seconds


class EngineTimer:
    """Drives one engine; nobody else may meanwhile."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def first_token(self, prompt_ids: Sequence[int]) -> FirstToken:
        """From the arrival of a prompt to its first token."""
        start = self._clock()
        self._add([prompt_ids], 1, speculate=False)
        gains = self._until_gains()
        return FirstToken(self._clock() - start, gains[0].num_cached)

    def decode(self, prompts: Sequence[Sequence[int]], num_steps: int) -> float:
        """Tokens a second of all prompts' answers together, over `num_steps` steps in which each gains a token.

        The steps begin when every answer has its first token. Their number is cut where the context ends.
        """
        self._add(prompts, num_steps + AHEAD_TOKENS, speculate=False)
        begun: set[int] = set()
        while len(begun) < len(prompts):
            begun |= {gain.key for gain in self._step()}
        num_tokens, start = 0, self._clock()
        for _ in range(num_steps):
            num_tokens += len(self._step())
            if len(self._engine) < len(prompts):
                break
        seconds = self._clock() - start
        for key in range(len(prompts)):
            self._engine.cancel(key)
        return num_tokens / seconds

    def answer(self, prompt_ids: Sequence[int], max_tokens: int, *, speculate: bool) -> Answered:
        """One answer of `max_tokens` (2 or more), with or without speculation."""
        before = self._engine.metrics
        self._add([prompt_ids], max_tokens, speculate=speculate)
        token_ids = _tokens(self._until_gains())
        start = self._clock()
        while len(self._engine):
            token_ids += _tokens(self._step())
        seconds, after = self._clock() - start, self._engine.metrics
        drafted, accepted = after.num_drafted - before.num_drafted, after.num_accepted - before.num_accepted
        return Answered(token_ids, seconds, drafted, accepted)

    def _add(self, prompts: Sequence[Sequence[int]], max_tokens: int, *, speculate: bool) -> None:
        self._engine.limits = replace(self._engine.limits, speculate=speculate)
        params = SamplingParams(max_tokens=max_tokens, ignore_eos=True)
        for key, prompt_ids in enumerate(prompts):
            self._engine.add(key, list(prompt_ids), params)

    def _until_gains(self) -> list[Gain]:
        gains: list[Gain] = []
        while not gains:
            gains = self._step()
        return gains

    def _step(self) -> list[Gain]:
        gains = self._engine.step()
        for gain in gains:
            if gain.finish == "failed":
                raise CheckpointError(gain.error or "")
        return gains


def _tokens(gains: list[Gain]) -> list[int]:
    return [gain.token_id for gain in gains if gain.token_id is not None]
