"""Answers from prompts, several sequences at a time, over a slot cache.

In: prompts as token ids with settings (`Batch.add`). Out: after each `step`, what every sequence gained. A step is one
forward pass: new tokens of waiting prompts first, otherwise one token for every running sequence. What a slot already
holds of a prompt is not computed again, and a prefix that several waiting prompts share is computed once.

Shape suffixes: T tokens of the pass, R sequences that get a token.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch

from seatrial.errors import ContextTooLong, UsageError
from seatrial.models.detokenizer import Detokenizer
from seatrial.models.kv_slots import KVSlots, Span
from seatrial.models.sampling import Chooser, choose_tokens
from seatrial.models.smollm import Decoder
from seatrial.models.tokenizer import Tokenizer

Finish = Literal["stop", "length", "failed"]
_TOKENS_PER_PASS = 1024
# A shared prefix shorter than this is not worth waiting one pass for.
_WORTH_WAITING = 32


@dataclass(frozen=True, slots=True)
class Settings:
    """How one answer is generated. `max_tokens` is also bounded by the context; `stop` texts end it."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0
    stop: tuple[str, ...] = ()
    truncate: Literal["left"] | None = None

    def __post_init__(self) -> None:
        checks: tuple[tuple[str, object, bool, str], ...] = (
            ("max_tokens", self.max_tokens, self.max_tokens >= 1, "at least 1"),
            ("temperature", self.temperature, 0 <= self.temperature <= 100, "from 0 to 100"),
            ("top_k", self.top_k, self.top_k is None or self.top_k >= 1, "at least 1"),
            ("top_p", self.top_p, self.top_p is None or 0 < self.top_p <= 1, "above 0 and at most 1"),
        )
        for name, value, sound, limit in checks:
            if not sound:
                raise UsageError(f"`{name}` is {value}; it must be {limit}.")


class Gain(NamedTuple):
    """What one sequence got in one step. `text` may be empty; `finish` is set on the last one.

    `num_cached` prompt tokens were not computed because a slot held them.
    `finish` "failed": the scores were not numbers (damaged weights); the other sequences go on.
    """

    key: int
    token_id: int | None
    text: str
    finish: Finish | None
    num_cached: int


@dataclass(slots=True)
class _Sequence:
    key: int
    tokens: list[int]
    num_prompt: int
    limit: int
    chooser: Chooser
    text: Detokenizer
    slot: int = -1
    num_cached: int = 0


@dataclass(slots=True)
class _Slot:
    tokens: list[int] = field(default_factory=list)
    owner: int | None = None
    used_at: int = 0


class Batch:
    """Sequences that are generated together, at most `num_slots` at once; others wait their turn."""

    def __init__(self, decoder: Decoder, tokenizer: Tokenizer, stop_ids: Sequence[int], num_slots: int, name: str):
        self._decoder, self._tokenizer, self._stop_ids, self._name = decoder, tokenizer, frozenset(stop_ids), name
        self._cache = KVSlots(decoder.config, num_slots, dtype=decoder.dtype, device=decoder.device)
        self._slots = [_Slot() for _ in range(num_slots)]
        self._waiting: deque[_Sequence] = deque()
        self._running: dict[int, _Sequence] = {}
        self._num_steps = 0

    def __len__(self) -> int:
        """Sequences that are not finished."""
        return len(self._waiting) + len(self._running)

    def add(self, key: int, prompt_ids: Sequence[int], settings: Settings) -> int:
        """Queue a prompt under a key of the caller's; returns the number of prompt tokens.

        Raises ContextTooLong where no token of an answer would fit, UsageError for an empty prompt.
        """
        tokens = self._fitted(list(prompt_ids), settings)
        generator = torch.Generator().manual_seed(settings.seed & (1 << 63) - 1) if settings.temperature > 0 else None
        self._waiting.append(
            _Sequence(
                key=key,
                tokens=tokens,
                num_prompt=len(tokens),
                limit=min(len(tokens) + settings.max_tokens, self._decoder.config.context_length),
                chooser=Chooser(settings.temperature, settings.top_k, settings.top_p, generator),
                text=Detokenizer(self._tokenizer, settings.stop),
            )
        )
        return len(tokens)

    def cancel(self, key: int) -> None:
        """Drop a sequence; nothing more is reported of it. Unknown keys are ignored."""
        self._waiting = deque(sequence for sequence in self._waiting if sequence.key != key)
        if key in self._running:
            self._release(self._running[key])

    def step(self) -> list[Gain]:
        """One forward pass. Empty when a long prompt is not through yet, or nothing is left to do."""
        self._num_steps += 1
        self._admit()
        pending = [s for s in self._running.values() if len(self._slots[s.slot].tokens) < s.num_prompt]
        spans = self._prompt_spans(pending) if pending else self._next_spans()
        return self._advance(sorted(spans, key=lambda one: one[1].slot)) if spans else []

    def _fitted(self, tokens: list[int], settings: Settings) -> list[int]:
        limit = self._decoder.config.context_length
        if not tokens:
            raise UsageError("The prompt is empty; give it at least one character.")
        if len(tokens) < limit:
            return tokens
        if settings.truncate == "left":
            return tokens[-max(1, limit - settings.max_tokens) :]
        raise ContextTooLong(
            f"Prompt has {len(tokens):,} tokens; `{self._name}` takes {limit:,}, its answer included. "
            'Shorten it or pass `truncate="left"`.'
        )

    def _admit(self) -> None:
        """Give free slots to waiting sequences, except those that gain by waiting for a running prompt."""
        later: deque[_Sequence] = deque()
        while self._waiting and any(slot.owner is None for slot in self._slots):
            sequence = self._waiting.popleft()
            if self._soon_shared(sequence):
                later.append(sequence)
            else:
                self._place(sequence)
        self._waiting.extendleft(reversed(later))

    def _soon_shared(self, sequence: _Sequence) -> bool:
        """Whether a prompt that is being computed will hold a longer prefix of this one than any slot does now."""
        held = max(_common(slot.tokens, sequence.tokens) for slot in self._slots)
        return any(
            min(_common(other.tokens, sequence.tokens), other.num_prompt) >= held + _WORTH_WAITING
            for other in self._running.values()
            if len(self._slots[other.slot].tokens) < other.num_prompt
        )

    def _place(self, sequence: _Sequence) -> None:
        prompt = sequence.tokens[:-1]  # the last token is always computed: its scores are wanted
        shared = [_common(slot.tokens, prompt) for slot in self._slots]
        free = [index for index, slot in enumerate(self._slots) if slot.owner is None]
        source = max(range(len(self._slots)), key=lambda index: shared[index])
        target = max(free, key=lambda index: (shared[index] == shared[source], -self._slots[index].used_at))
        length = shared[source]
        self._cache.copy(source, target, shared[target], length)
        self._slots[target] = _Slot(sequence.tokens[:length], sequence.key, self._num_steps)
        sequence.slot, sequence.num_cached = target, length
        self._running[sequence.key] = sequence

    def _prompt_spans(self, pending: list[_Sequence]) -> list[tuple[_Sequence, Span]]:
        budget, spans = _TOKENS_PER_PASS, []
        for sequence in pending:
            start = len(self._slots[sequence.slot].tokens)
            length = min(sequence.num_prompt - start, budget)
            if length:
                spans.append((sequence, Span(sequence.slot, start, length)))
            budget -= length
        return spans

    def _next_spans(self) -> list[tuple[_Sequence, Span]]:
        return [(sequence, Span(sequence.slot, len(sequence.tokens) - 1, 1)) for sequence in self._running.values()]

    def _advance(self, spans: list[tuple[_Sequence, Span]]) -> list[Gain]:
        device = self._decoder.device
        held = [self._slots[span.slot].tokens for _, span in spans]
        num_shared = min(_common(held[0], tokens) for tokens in held)
        positions_T = self._cache.plan([span for _, span in spans], num_shared)
        fed = [sequence.tokens[span.start : span.start + span.length] for sequence, span in spans]
        tokens_T = torch.tensor([token for tokens in fed for token in tokens], device=device)
        longest = max(span.start + span.length for _, span in spans)
        hidden_TD = self._decoder.hidden(tokens_T, positions_T, longest, self._cache)
        ends, complete, at = [], [], 0
        for (sequence, span), tokens in zip(spans, fed, strict=True):
            self._slots[span.slot].tokens.extend(tokens)
            at += span.length
            if span.start + span.length == len(sequence.tokens):
                ends.append(at - 1)
                complete.append(sequence)
        if not complete:
            return []
        hidden_RD = hidden_TD if len(ends) == hidden_TD.shape[0] else hidden_TD[torch.tensor(ends, device=device)]
        chosen = choose_tokens(self._decoder.logits(hidden_RD), [sequence.chooser for sequence in complete])
        return [self._gain(sequence, token) for sequence, token in zip(complete, chosen, strict=True)]

    def _gain(self, sequence: _Sequence, token_id: int | None) -> Gain:
        if token_id is None:
            self._cache.erase(sequence.slot)
            self._slots[sequence.slot].tokens.clear()
            self._release(sequence)
            return Gain(sequence.key, None, "", "failed", sequence.num_cached)
        sequence.tokens.append(token_id)
        text = "" if token_id in self._stop_ids else sequence.text.push(token_id)
        finish: Finish | None = None
        if token_id in self._stop_ids or sequence.text.stopped:
            finish = "stop"
        elif len(sequence.tokens) >= sequence.limit:
            finish = "length"
        if finish:
            text += sequence.text.finish()
            self._release(sequence)
        return Gain(sequence.key, token_id, text, finish, sequence.num_cached)

    def _release(self, sequence: _Sequence) -> None:
        self._slots[sequence.slot].owner = None
        del self._running[sequence.key]


def _common(left: list[int], right: list[int]) -> int:
    """Length of the longest common prefix, by bisection on slices."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
