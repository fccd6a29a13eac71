"""What each pass of the model computes: first come, first served, over a paged KV cache. Torch-free integers only.

In: sequences by `add`. Then, again and again: `schedule` says which positions of which sequences the next pass
computes, the caller computes them, and `commit` says what came of each; `finish` or `cancel` ends a sequence. Out:
a `Step` of `Chunk`s, and in each `Sequence` the blocks where its keys and values lie.

- A sequence with one token to compute decodes; decoding comes first in a step. What is left of `max_step_tokens` goes
  to prompts in pieces, oldest first, and then to prompts that wait.
- Blocks are taken when a position is about to be computed. Whoever is admitted must find blocks for all its tokens,
  beside what the running ones still lack and one more for each of them.
- Where that was not enough, the sequence admitted last gives its blocks back and waits at the front; its computed
  blocks can mostly be found again. The one admitted first is never touched, so there is always progress.
- A prompt stands back while a running sequence computes the beginning that both share.
- Whoever cannot start yet with as many of its tokens as the cache holds, as `can_start` says, is passed over.
- Texts that are only read go slowly while there are answers, so that these do not wait for them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain, islice, takewhile
from typing import NamedTuple

from seatrial.engine.blocks import BlockPool, extend_digests
from seatrial.engine.request import Sequence
from seatrial.errors import ContextTooLong, UsageError

_LOOK_AHEAD = 32
_LEAST_GAIN_BLOCKS = 2
_MOST_STAND_BACKS = 4

CanStart = Callable[[Sequence, int], bool]
"""Whether a sequence can be computed from so many tokens on; asked again in each step until it can."""


class Chunk(NamedTuple):
    """Positions `start` to `start + length - 1` of a sequence's tokens and draft; the last `num_draft` are guesses.

    Example: tokens of 20, of which 19 are computed, and a draft of 2: start 19, length 3, num_draft 2.
    """

    sequence: Sequence
    start: int
    length: int
    num_draft: int

    @property
    def samples(self) -> bool:
        """Whether the chunk reaches the last known token, so that its scores are wanted. Ask before `commit`."""
        return self.start + self.length - self.num_draft == len(self.sequence.tokens)


class Step(NamedTuple):
    """One pass, and who lost its blocks to make it possible."""

    chunks: tuple[Chunk, ...]
    preempted: tuple[Sequence, ...]


class Metrics(NamedTuple):
    """Counts as of now, and totals since the start (tokens, preemptions, evictions)."""

    num_waiting: int
    num_running: int
    num_blocks: int
    num_used_blocks: int
    num_prompt_tokens: int
    num_cached_tokens: int
    num_preemptions: int
    num_evictions: int


@dataclass(slots=True)
class _Entry:
    """A sequence with what only the scheduler knows of it.

    `digests` cover its full blocks, of which the first `num_published` lie in its `blocks` for others to find.
    `awaited` is the digest it stands back for and the key of the sequence that computes it.
    """

    sequence: Sequence
    digests: list[bytes] = field(default_factory=list)
    num_published: int = 0
    was_admitted: bool = False
    awaited: tuple[bytes, int] | None = None
    num_stand_backs: int = 0


class Scheduler:
    """Decides over `pool`; at most `max_sequences` run at once, at most `max_step_tokens` positions a step.

    Of these `max_read_tokens` at most are of texts that are only read, while there are answers beside them.
    """

    def __init__(
        self, pool: BlockPool, *, max_sequences: int, max_step_tokens: int, max_read_tokens: int | None = None
    ) -> None:
        if not 1 <= max_sequences <= max_step_tokens:
            raise UsageError(
                f"{max_sequences} sequences with {max_step_tokens} tokens a step cannot be scheduled: there must be at "
                "least 1 sequence, and a token a step for each. Lower `max_sequences` or raise `max_step_tokens`."
            )
        self._pool = pool
        self._max_sequences = max_sequences
        self._max_step_tokens = max_step_tokens
        self._max_read_tokens = max_read_tokens or max_step_tokens
        self._waiting: OrderedDict[int, _Entry] = OrderedDict()
        self._running: dict[int, _Entry] = {}  # in order of admission
        self._in_flight: dict[bytes, int] = {}  # digest of a block being computed -> key of who computes it
        self._num_prompt_tokens = self._num_cached_tokens = self._num_preemptions = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._running)

    @property
    def waiting(self) -> tuple[Sequence, ...]:
        """Who waits, next one first."""
        return tuple(entry.sequence for entry in self._waiting.values())

    @property
    def running(self) -> tuple[Sequence, ...]:
        """Who holds blocks, in order of admission."""
        return tuple(entry.sequence for entry in self._running.values())

    @property
    def metrics(self) -> Metrics:
        """Counts and totals, without looking at any sequence."""
        return Metrics(
            num_waiting=len(self._waiting),
            num_running=len(self._running),
            num_blocks=self._pool.num_blocks,
            num_used_blocks=self._pool.num_used,
            num_prompt_tokens=self._num_prompt_tokens,
            num_cached_tokens=self._num_cached_tokens,
            num_preemptions=self._num_preemptions,
            num_evictions=self._pool.num_evictions,
        )

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence. Raises as `check`."""
        assert self._find(sequence.key) is None, f"key {sequence.key} is taken"
        self.check(sequence)
        self._waiting[sequence.key] = _Entry(sequence)

    def check(self, sequence: Sequence) -> None:
        """Raises ContextTooLong if the whole cache could not hold a sequence, UsageError if it is empty."""
        if not sequence.tokens:
            raise UsageError("The prompt has 0 tokens; at least 1 is needed. Write something in it.")
        num_tokens = max(len(sequence.tokens), sequence.max_length)
        if self._pool.num_blocks_for(num_tokens) > self._pool.num_blocks:
            room = self._pool.num_blocks * self._pool.block_tokens
            raise ContextTooLong(
                f"A prompt of {len(sequence.tokens):,} tokens with an answer up to {num_tokens:,} in all does not fit "
                f"the engine's cache of {room:,}. Shorten the prompt, lower `max_tokens` or give the cache more memory."
            )

    def cancel(self, key: int) -> Sequence | None:
        """Drop a sequence, waiting or running; None where there is none. A `commit` that comes after is ignored."""
        entry = self._find(key)
        if entry is None:
            return None
        self._remove(entry)
        return entry.sequence

    def finish(self, key: int, *, failed: bool = False) -> None:
        """End a sequence. What it computed stays findable; after `failed`, nothing that it held does."""
        entry = self._find(key)
        assert entry is not None, f"key {key} is unknown"
        if failed:
            self._pool.forget(entry.sequence.blocks)
        self._remove(entry)

    def num_known(self, sequence: Sequence) -> int:
        """How many of a sequence's first tokens the cache holds now; never all of them. Takes no reference."""
        return len(self._known_prefix(_Entry(sequence))) * self._pool.block_tokens

    def schedule(self, can_start: CanStart | None = None) -> Step:
        """What the next pass computes; no chunks where nothing can be. Cuts drafts to what is computed of them."""
        chunks: list[Chunk] = []
        preempted: list[Sequence] = []
        budget, read_budget = self._grant_drafts(), self._read_budget()
        for key, entry in tuple(self._running.items()):
            if key not in self._running:
                break  # preempted, as are all after it
            sequence = entry.sequence
            num_missing = len(sequence.tokens) - sequence.num_computed
            num_known = 1 if num_missing == 1 else min(num_missing, budget)
            if sequence.is_read_whole:
                num_known = min(num_known, read_budget)
            if num_known and (chunk := self._chunk(sequence, num_known, preempted)):
                chunks.append(chunk)
                budget -= chunk.length if num_missing > 1 else 0
                read_budget -= chunk.length if sequence.is_read_whole else 0
        if budget and self._waiting and not preempted:
            self._admit(budget, read_budget, chunks, can_start)
        return Step(tuple(chunks), tuple(preempted))

    def commit(self, chunk: Chunk, tokens: list[int]) -> None:
        """The chunk is computed, and `tokens` came of it: accepted drafts, then the token after them, or none."""
        sequence = chunk.sequence
        entry = self._running.get(sequence.key)
        if entry is None or entry.sequence is not sequence:
            return
        num_accepted = max(0, len(tokens) - 1)
        assert chunk.samples or not tokens, "tokens from a chunk that does not reach the last one"
        assert tokens[:num_accepted] == sequence.draft[:num_accepted], "tokens before the last that are not the draft's"
        sequence.tokens.extend(tokens)
        sequence.draft = []
        sequence.num_computed = chunk.start + chunk.length - chunk.num_draft + num_accepted
        if sequence.num_computed // self._pool.block_tokens > entry.num_published:
            self._publish(entry)

    def _find(self, key: int) -> _Entry | None:
        return self._running.get(key) or self._waiting.get(key)

    def _read_budget(self) -> int:
        entries = chain(self._running.values(), islice(self._waiting.values(), _LOOK_AHEAD))
        are_answers = any(not entry.sequence.is_read_whole for entry in entries)
        return self._max_read_tokens if are_answers else self._max_step_tokens

    def _grant_drafts(self) -> int:
        """Cut drafts to the budget and to `max_length`; return the tokens that are left for prompts.

        Drafts leave half of what decoding leaves to prompts, where there are any.
        """
        decoding: list[Sequence] = []
        for entry in self._running.values():
            sequence = entry.sequence
            if len(sequence.tokens) - sequence.num_computed == 1:
                decoding.append(sequence)
            else:
                sequence.draft = []
        budget = self._max_step_tokens - len(decoding)
        are_prompts = self._waiting or len(decoding) < len(self._running)
        allowance = budget // 2 if are_prompts else budget
        for sequence in decoding:
            if sequence.draft:
                room = sequence.max_length - len(sequence.tokens) - 1
                sequence.draft = sequence.draft[: max(0, min(allowance, room))]
                allowance -= len(sequence.draft)
                budget -= len(sequence.draft)
        return budget

    def _chunk(self, sequence: Sequence, num_known: int, preempted: list[Sequence]) -> Chunk | None:
        """The next `num_known` tokens and the draft, as far as blocks can be had for them."""
        start = sequence.num_computed
        end = self._secure(sequence, start + num_known + len(sequence.draft), preempted)
        if end == start:
            return None
        sequence.draft = sequence.draft[: max(0, end - start - num_known)]
        return Chunk(sequence, start, end - start, len(sequence.draft))

    def _secure(self, sequence: Sequence, end: int, preempted: list[Sequence]) -> int:
        """Take blocks for the positions before `end`; return the end of those that have one.

        The first position to compute may cost others their blocks. For the rest, a block stays free for each of the
        other running ones. Example: blocks of 16, 30 positions computed, `end` 50: position 30 lies in the second
        block, which is there; 32 to 47 and 48 to 49 need one each, so the result is 32, 48 or 50.
        """
        pool, blocks = self._pool, sequence.blocks
        if len(blocks) * pool.block_tokens <= sequence.num_computed:
            while not pool.num_free:
                youngest = self._running[next(reversed(self._running))]
                if youngest.sequence is sequence:
                    return sequence.num_computed
                self._preempt(youngest)
                preempted.append(youngest.sequence)
            blocks.append(pool.take())
        while len(blocks) * pool.block_tokens < end and pool.num_free >= len(self._running):
            blocks.append(pool.take())
        return min(end, len(blocks) * pool.block_tokens)

    def _preempt(self, entry: _Entry) -> None:
        self._remove(entry)
        self._waiting[entry.sequence.key] = entry
        self._waiting.move_to_end(entry.sequence.key, last=False)
        self._num_preemptions += 1

    def _admit(self, budget: int, read_budget: int, chunks: list[Chunk], can_start: CanStart | None) -> None:
        """Admit who waits, in order; past those that stand back or cannot start, but not past one that lacks blocks."""
        pool = self._pool
        num_lacking = sum(self._num_lacking(entry.sequence) for entry in self._running.values())
        for entry in tuple(islice(self._waiting.values(), _LOOK_AHEAD)):
            num_reserved = num_lacking + len(self._running)
            if not budget or len(self._running) == self._max_sequences or pool.num_free <= num_reserved:
                break
            sequence = entry.sequence
            if sequence.is_read_whole and not read_budget:
                continue
            if entry.awaited and self._in_flight.get(entry.awaited[0]) == entry.awaited[1]:
                continue
            prefix = self._known_prefix(entry)
            if self._stands_back(entry, len(prefix)):
                continue
            num_fresh = pool.num_blocks_for(len(sequence.tokens)) - sum(pool.num_users(block) > 0 for block in prefix)
            if pool.num_free < num_fresh + num_reserved:
                break
            if can_start is not None and not can_start(sequence, len(prefix) * pool.block_tokens):
                continue
            self._start(entry, prefix)
            num_known = min(len(sequence.tokens) - sequence.num_computed, budget)
            if sequence.is_read_whole:
                num_known = min(num_known, read_budget)
            if chunk := self._chunk(sequence, num_known, []):
                chunks.append(chunk)
                budget -= chunk.length
                read_budget -= chunk.length if sequence.is_read_whole else 0
            num_lacking += self._num_lacking(sequence)

    def _num_lacking(self, sequence: Sequence) -> int:
        return max(0, self._pool.num_blocks_for(len(sequence.tokens)) - len(sequence.blocks))

    def _known_prefix(self, entry: _Entry) -> list[int]:
        """Blocks that hold its beginning; never all of its tokens, because the scores of the last one are wanted."""
        extend_digests(entry.digests, entry.sequence.tokens, self._pool.block_tokens)
        return self._pool.longest_prefix(islice(entry.digests, self._num_usable(entry)))

    def _num_usable(self, entry: _Entry) -> int:
        """Full blocks before the last token; none where all is read. Example: blocks of 16: 32 tokens have 1."""
        if entry.sequence.is_read_whole:
            return 0
        return (len(entry.sequence.tokens) - 1) // self._pool.block_tokens

    def _stands_back(self, entry: _Entry, num_found: int) -> bool:
        """Whether enough of what it lacks is being computed by others. A few times at most, so that all get on."""
        usable = islice(entry.digests, num_found, self._num_usable(entry))
        coming = list(takewhile(self._in_flight.__contains__, usable))
        if len(coming) < _LEAST_GAIN_BLOCKS or entry.num_stand_backs == _MOST_STAND_BACKS:
            return False
        entry.awaited = coming[-1], self._in_flight[coming[-1]]
        entry.num_stand_backs += 1
        return True

    def _start(self, entry: _Entry, prefix: list[int]) -> None:
        sequence = entry.sequence
        del self._waiting[sequence.key]
        self._running[sequence.key] = entry
        self._pool.share(prefix)
        sequence.blocks = prefix
        sequence.num_computed = len(prefix) * self._pool.block_tokens
        entry.num_published = len(prefix)
        for digest in islice(entry.digests, len(prefix), None):
            self._in_flight.setdefault(digest, sequence.key)
        if not entry.was_admitted:
            entry.was_admitted = True
            sequence.num_cached = sequence.num_computed
            self._num_cached_tokens += sequence.num_cached
            self._num_prompt_tokens += sequence.num_prompt

    def _publish(self, entry: _Entry) -> None:
        """Let others find the blocks that have become full."""
        sequence, blocks = entry.sequence, entry.sequence.blocks
        extend_digests(entry.digests, sequence.tokens, self._pool.block_tokens)
        num_full = sequence.num_computed // self._pool.block_tokens
        for index in range(entry.num_published, num_full):
            digest = entry.digests[index]
            blocks[index] = self._pool.publish(blocks[index], digest, blocks[index - 1] if index else None)
            self._leave_flight(digest, sequence.key)
        entry.num_published = num_full

    def _leave_flight(self, digest: bytes, key: int) -> None:
        if self._in_flight.get(digest) == key:
            del self._in_flight[digest]

    def _remove(self, entry: _Entry) -> None:
        """Take a sequence out of both queues and its blocks from it."""
        sequence = entry.sequence
        self._waiting.pop(sequence.key, None)
        if self._running.pop(sequence.key, None):
            for digest in islice(entry.digests, entry.num_published, None):
                self._leave_flight(digest, sequence.key)
            self._pool.release(sequence.blocks)
        sequence.blocks, sequence.draft, sequence.num_computed = [], [], 0
