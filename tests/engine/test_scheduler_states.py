"""The scheduler against a model of the cache, under random arrivals, drafts, cancels, failures and lost passes.

The model keeps, for each slot of each block, which tokens lay behind it when it was written. Whatever a pass reads
must be the sequence's own beginning, whatever it writes must belong to it alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from seatrial.engine.blocks import BlockPool
from seatrial.engine.request import Sequence
from seatrial.engine.scheduler import Chunk, Scheduler, Step
from seatrial.errors import ContextTooLong

END = 0
BEGINNINGS = ([1] * 12, [1] * 5 + [2] * 9, [1] * 5 + [2] * 4 + [3] * 8, [2, 3])

Slot = tuple[int, int]
Fate = Literal["computed", "cancelled", "failed"]


def next_token(tokens: list[int]) -> int:
    """The model: any fixed function of all tokens so far, that ends now and then."""
    state = len(tokens)
    for token in tokens:
        state = (state * 31 + token * 17 + 7) % 1009
    return state % 7 if state % 7 < 4 else 1


def answer_alone(prompt: list[int], max_length: int) -> list[int]:
    tokens = list(prompt)
    while len(tokens) < max_length:
        tokens.append(next_token(tokens))
        if tokens[-1] == END:
            break
    return tokens


@dataclass
class Cache:
    """What lies in each slot: a write, with the tokens up to and with its own, and the write of the position before.

    A write is tainted when a failed sequence held it, or when it was computed from a tainted one.
    """

    block_tokens: int
    last_write: dict[Slot, int] = field(default_factory=dict)
    tokens: list[tuple[int, ...]] = field(default_factory=list)
    parents: list[int | None] = field(default_factory=list)
    tainted: set[int] = field(default_factory=set)

    def slots(self, sequence: Sequence, start: int, end: int) -> list[Slot]:
        size = self.block_tokens
        return [(sequence.blocks[position // size], position % size) for position in range(start, end)]

    def check_read(self, chunk: Chunk) -> None:
        for position, slot in enumerate(self.slots(chunk.sequence, 0, chunk.start)):
            assert self.tokens[self.last_write[slot]] == tuple(chunk.sequence.tokens[: position + 1])

    def write(self, chunk: Chunk, *, garbage: bool) -> None:
        sequence, end = chunk.sequence, chunk.start + chunk.length
        stream = [*sequence.tokens, *sequence.draft]
        before = self.slots(sequence, chunk.start - 1, chunk.start) if chunk.start else []
        parent = self.last_write[before[0]] if before else None
        for position, slot in enumerate(self.slots(sequence, chunk.start, end), chunk.start):
            self.tokens.append(() if garbage else tuple(stream[: position + 1]))
            self.parents.append(parent)
            parent = self.last_write[slot] = len(self.tokens) - 1
            if garbage or self.parents[-1] in self.tainted:
                self.tainted.add(parent)

    def taint(self, sequence: Sequence) -> None:
        held = self.slots(sequence, 0, len(sequence.blocks) * self.block_tokens)
        self.tainted.update(self.last_write[slot] for slot in held if slot in self.last_write)
        for write, parent in enumerate(self.parents):
            if parent in self.tainted:
                self.tainted.add(write)


class SchedulerStates(RuleBasedStateMachine):
    @initialize(
        num_blocks=st.integers(3, 24),
        block_tokens=st.integers(1, 4),
        max_sequences=st.integers(1, 5),
        spare_tokens=st.integers(0, 12),
    )
    def begin(self, num_blocks: int, block_tokens: int, max_sequences: int, spare_tokens: int) -> None:
        self.pool = BlockPool(num_blocks, block_tokens)
        self.max_sequences, self.max_step_tokens = max_sequences, max_sequences + spare_tokens
        self.scheduler = Scheduler(self.pool, max_sequences=max_sequences, max_step_tokens=self.max_step_tokens)
        self.cache = Cache(block_tokens)
        self.known: set[tuple[int, ...]] = set()  # beginnings of whole blocks that were computed
        self.num_failed = self.num_keys = 0
        self.num_cached: dict[int, int] = {}

    @rule(
        beginning=st.sampled_from(BEGINNINGS),
        shared=st.integers(0, 17),
        own=st.lists(st.integers(1, 3), max_size=10),
        answer=st.integers(1, 16),
    )
    def add(self, beginning: list[int], shared: int, own: list[int], answer: int) -> None:
        prompt = [*beginning[:shared], *own] or [1]
        self.num_keys += 1
        sequence = Sequence(self.num_keys, list(prompt), len(prompt), len(prompt) + answer)
        room = self.pool.num_blocks * self.pool.block_tokens
        if sequence.max_length > room:
            with pytest.raises(ContextTooLong):
                self.scheduler.add(sequence)
        else:
            self.scheduler.add(sequence)

    @precondition(lambda self: len(self.scheduler))
    @rule(which=st.integers(0, 50))
    def cancel(self, which: int) -> None:
        everyone = self.scheduler.running + self.scheduler.waiting
        sequence = everyone[which % len(everyone)]
        assert self.scheduler.cancel(sequence.key) is sequence
        assert sequence not in self.scheduler.running + self.scheduler.waiting

    @rule(
        drafts=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=5, max_size=5),
        fates=st.lists(st.sampled_from(["computed"] * 12 + ["cancelled", "failed"]), min_size=5, max_size=5),
    )
    def step(self, drafts: list[tuple[int, int]], fates: list[Fate]) -> None:
        """A pass; each sequence with a draft right so far and wrong so far, and a fate."""
        for sequence, (num_right, num_wrong) in zip(self.scheduler.running, drafts, strict=False):
            future = answer_alone(sequence.tokens, len(sequence.tokens) + num_right)[len(sequence.tokens) :]
            sequence.draft = [*future, *[4] * num_wrong]
        step = self.take_step()
        for chunk, fate in zip(step.chunks, fates, strict=False):
            self.cache.write(chunk, garbage=fate == "failed")
        for chunk, fate in zip(step.chunks, fates, strict=False):
            self.conclude(chunk, fate)

    @rule()
    def lose_a_step(self) -> None:
        """A pass broke off: it wrote anything, and nothing of it counts."""
        for chunk in self.take_step().chunks:
            self.cache.write(chunk, garbage=True)

    def take_step(self) -> Step:
        ran_before, waited_before = self.scheduler.running, self.scheduler.waiting
        step = self.scheduler.schedule()
        running = self.scheduler.running
        assert not ran_before or running[0] is ran_before[0]
        assert step.preempted == tuple(reversed(ran_before[len(ran_before) - len(step.preempted) :]))
        assert self.scheduler.waiting[: len(step.preempted)] == tuple(reversed(step.preempted))
        assert running[: len(ran_before) - len(step.preempted)] == ran_before[: len(ran_before) - len(step.preempted)]
        assert sum(chunk.length for chunk in step.chunks) <= self.max_step_tokens
        if running:
            assert any(chunk.sequence is running[0] for chunk in step.chunks)
        else:
            assert not len(self.scheduler)
        self.check_slots(step)
        for chunk in step.chunks:
            if chunk.sequence not in ran_before:
                self.check_admission(chunk)
                self.check_order(waited_before[: waited_before.index(chunk.sequence)])
        return step

    def check_slots(self, step: Step) -> None:
        written: list[Slot] = []
        read: set[Slot] = set()
        assert len({chunk.sequence.key for chunk in step.chunks}) == len(step.chunks)
        for chunk in step.chunks:
            sequence, end = chunk.sequence, chunk.start + chunk.length
            assert chunk.length >= 1
            assert chunk.start == sequence.num_computed
            assert chunk.num_draft == len(sequence.draft)
            assert chunk.samples == (end - chunk.num_draft == len(sequence.tokens))
            assert end < sequence.max_length or not chunk.num_draft
            assert end <= len(sequence.tokens) + len(sequence.draft)
            assert all(self.pool.num_users(block) == 1 for block, _ in self.cache.slots(sequence, chunk.start, end))
            self.cache.check_read(chunk)
            written += self.cache.slots(sequence, chunk.start, end)
            read.update(self.cache.slots(sequence, 0, chunk.start))
        assert len(set(written)) == len(written)
        assert read.isdisjoint(written)

    def check_admission(self, chunk: Chunk) -> None:
        sequence, size = chunk.sequence, self.pool.block_tokens
        found = self.cache.slots(sequence, 0, chunk.start)
        assert self.cache.tainted.isdisjoint(self.cache.last_write[slot] for slot in found)
        assert chunk.start % size == 0
        assert chunk.start < len(sequence.tokens)
        if not (self.pool.num_evictions or self.num_failed):  # then all that was ever computed is there
            num_usable = (len(sequence.tokens) - 1) // size
            ends = [index * size for index in range(1, num_usable + 1)]
            assert chunk.start == sum(tuple(sequence.tokens[:end]) in self.known for end in ends) * size
        if sequence.key not in self.num_cached:
            assert sequence.num_cached == chunk.start < sequence.num_prompt
            self.num_cached[sequence.key] = sequence.num_cached

    def check_order(self, earlier: tuple[Sequence, ...]) -> None:
        """Who came earlier and was passed shares two blocks of its beginning, at least, with one that runs."""
        running = self.scheduler.running
        num_shared = 2 * self.pool.block_tokens
        for sequence in earlier:
            beginning = sequence.tokens[:num_shared]
            assert sequence in running or any(other.tokens[:num_shared] == beginning for other in running)

    def conclude(self, chunk: Chunk, fate: Fate) -> None:
        sequence = chunk.sequence
        if fate == "failed":
            self.num_failed += 1
            self.cache.taint(sequence)
            self.scheduler.finish(sequence.key, failed=True)
            return
        if fate == "cancelled":
            assert self.scheduler.cancel(sequence.key) is sequence
            self.scheduler.commit(chunk, [next_token(sequence.tokens)] if chunk.samples else [])
            assert sequence.blocks == []
            return
        self.commit(chunk)

    def commit(self, chunk: Chunk) -> None:
        sequence = chunk.sequence
        gained: list[int] = []
        if chunk.samples:
            for guess in [*sequence.draft[: chunk.num_draft], None]:
                gained.append(next_token([*sequence.tokens, *gained]))
                if gained[-1] != guess or gained[-1] == END:
                    break
        before = len(sequence.tokens)
        self.scheduler.commit(chunk, gained)
        assert sequence.tokens[before:] == gained
        assert sequence.num_computed == (len(sequence.tokens) - 1 if gained else chunk.start + chunk.length)
        size = self.pool.block_tokens
        self.known.update(
            tuple(sequence.tokens[:end]) for end in range(size, sequence.num_computed // size * size + 1, size)
        )
        if gained and (gained[-1] == END or len(sequence.tokens) == sequence.max_length):
            assert sequence.tokens == answer_alone(sequence.tokens[: sequence.num_prompt], sequence.max_length)
            self.scheduler.finish(sequence.key)

    @invariant()
    def blocks_are_conserved(self) -> None:
        running = self.scheduler.running
        held = [block for sequence in running for block in sequence.blocks]
        for block in range(self.pool.num_blocks):
            assert self.pool.num_users(block) == held.count(block)
        assert self.pool.num_used == len(set(held))
        assert 0 <= self.pool.num_kept <= self.pool.num_free
        assert self.scheduler.metrics.num_used_blocks == len(set(held))

    @invariant()
    def each_sequence_holds_what_it_should(self) -> None:
        running, waiting = self.scheduler.running, self.scheduler.waiting
        assert len(running) <= self.max_sequences
        assert len(running) + len(waiting) == len(self.scheduler)
        for sequence in running:
            num_full = sequence.num_computed // self.pool.block_tokens
            assert len(set(sequence.blocks)) == len(sequence.blocks)
            assert len(sequence.blocks) >= self.pool.num_blocks_for(sequence.num_computed)
            assert all(self.pool.num_users(block) == 1 for block in sequence.blocks[num_full:])
            assert sequence.num_computed < len(sequence.tokens) <= sequence.max_length
            assert sequence.num_cached == self.num_cached[sequence.key]
        for sequence in waiting:
            assert (sequence.blocks, sequence.num_computed) == ([], 0)
            assert sequence.num_cached == self.num_cached.get(sequence.key, 0)

    def teardown(self) -> None:
        """Everyone gets done, in a number of steps that the work explains."""
        if not hasattr(self, "scheduler"):
            return
        everyone = self.scheduler.running + self.scheduler.waiting
        for _ in range(sum(2 * sequence.max_length for sequence in everyone)):
            for chunk in self.take_step().chunks:
                self.cache.write(chunk, garbage=False)
                self.commit(chunk)
            self.blocks_are_conserved()
        assert len(self.scheduler) == 0
        assert self.pool.num_used == 0
        for sequence in everyone:
            assert sequence.tokens == answer_alone(sequence.tokens[: sequence.num_prompt], sequence.max_length)


SchedulerStates.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestSchedulerStates = SchedulerStates.TestCase
