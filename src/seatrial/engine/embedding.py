"""Embeddings: one vector for each text, from the model, the cache and the steps that answers come from.

In: jobs of one or more texts as token ids. Out: one `Gain` for each job, once all of its texts are read. A text becomes
a sequence like any other, but for two things: nothing of it is taken from the cache, because the hidden states of all
its tokens are wanted, and beside answers it is read in small pieces, so that these go on. Jobs take turns, and fill
half of the places at most.

The vector of a text is the mean of its tokens' hidden states after the last norm, scaled to length 1.

Shape suffixes: T tokens of a pass, N texts of a job, D hidden size.
"""

# ruff: noqa: N815 - fields carry shape suffixes

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Sequence as Several
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seatrial.engine.request import Gain, Sequence
from seatrial.engine.runner import Runner, StepInput
from seatrial.engine.scheduler import Chunk, Scheduler
from seatrial.errors import ContextTooLong, UsageError

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Job:
    """Texts that one caller waits for; `num_entered` of them are or were with the scheduler."""

    key: int
    texts: Several[list[int]]
    vectors_ND: NDArray[np.float32]
    num_entered: int = 0
    num_read: int = 0


@dataclass(slots=True, eq=False)
class _Text:
    """A text with the scheduler, and the sum of its hidden states so far."""

    job: _Job
    index: int
    sequence: Sequence
    sum_D: NDArray[np.float64]


class Embedder:
    """Reads texts in the steps of an engine. The keys of its sequences are negative; those of answers are not."""

    def __init__(self, runner: Runner, scheduler: Scheduler, *, num_places: int, longest: int, name: str) -> None:
        self._runner, self._scheduler, self._name = runner, scheduler, name
        self._num_places, self._longest = num_places, longest
        self._keys = itertools.count(-1, -1)
        self._jobs: dict[int, _Job] = {}
        self._unread: deque[_Job] = deque()
        self._texts: dict[int, _Text] = {}

    def __len__(self) -> int:
        """Jobs that are not finished."""
        return len(self._jobs)

    def reads(self, chunk: Chunk) -> bool:
        """Whether a chunk is of one of the texts."""
        return chunk.sequence.key in self._texts

    def add(self, key: int, texts: Several[list[int]]) -> int:
        """Queue a job under a key of the caller's; returns its tokens. Raises ContextTooLong, UsageError."""
        if not texts:
            raise UsageError("There is no text to embed; give at least one.")
        for index, tokens in enumerate(texts):
            self._check(f"Text {index + 1} of {len(texts)}" if len(texts) > 1 else "The text", tokens)
        vectors_ND = np.zeros((len(texts), self._runner.config.hidden_size), np.float32)
        job = _Job(key, texts, vectors_ND)
        self._jobs[key] = job
        self._unread.append(job)
        return sum(map(len, texts))

    def cancel(self, key: int) -> None:
        """Drop a job. Unknown keys are ignored."""
        job = self._jobs.pop(key, None)
        if job is None:
            return
        if job in self._unread:
            self._unread.remove(job)
        for sequence_key in [key for key, text in self._texts.items() if text.job is job]:
            del self._texts[sequence_key]
            self._scheduler.cancel(sequence_key)

    def enter(self) -> None:
        """Hand texts to the scheduler, as many as have a place."""
        while self._unread and len(self._texts) < self._num_places:
            job = self._unread.popleft()
            index, tokens = job.num_entered, job.texts[job.num_entered]
            sequence = Sequence(next(self._keys), list(tokens), len(tokens), len(tokens), is_read_whole=True)
            self._scheduler.add(sequence)
            self._texts[sequence.key] = _Text(job, index, sequence, np.zeros(job.vectors_ND.shape[1]))
            job.num_entered += 1
            if job.num_entered < len(job.texts):
                self._unread.append(job)

    def read(self, chunks: tuple[Chunk, ...], step: StepInput) -> list[Gain]:
        """Compute the chunks, which `step` is made of, and report the jobs that this finishes or that fail."""
        try:
            hidden_TD = self._runner.hidden(replace(step, rows_R=np.arange(len(step.tokens_T), dtype=np.int32)))
        except Exception as error:  # whatever it was, these texts cannot go on, and the engine must
            _log.error("reading texts failed in %s", self._name, exc_info=error)
            reason = f"`{self._name}` failed while it computed: {type(error).__name__}: {str(error)[:200]}"
            return self._failed(chunks, reason)
        gains: list[Gain] = []
        for chunk, start in zip(chunks, step.starts_S1.tolist(), strict=False):
            text = self._texts.get(chunk.sequence.key)
            if text is None:
                continue  # its job failed over another text of this pass
            if not self._take(text, chunk, hidden_TD[start : start + chunk.length]):
                reason = f"`{self._name}` computed numbers that are none; its weights may be damaged."
                gains += self._failed((chunk,), reason)
            elif text.job.num_read == len(text.job.texts):
                del self._jobs[text.job.key]
                gains.append(Gain(text.job.key, None, "", "stop", 0, vectors_ND=text.job.vectors_ND))
        return gains

    def close(self) -> None:
        """Drop all jobs."""
        for key in list(self._jobs):
            self.cancel(key)

    def _check(self, what: str, tokens: list[int]) -> None:
        if not tokens:
            raise UsageError(f"{what} is empty; give it at least one character.")
        if len(tokens) > self._longest:
            raise ContextTooLong(
                f"{what} has {len(tokens):,} tokens; `{self._name}` takes {self._longest:,}. "
                "Shorten it, or embed it in parts."
            )
        vocabulary = self._runner.config.vocab_size
        if min(tokens) < 0 or max(tokens) >= vocabulary:
            wrong = next(token for token in tokens if not 0 <= token < vocabulary)
            raise UsageError(f"{what} has token id {wrong}, which is outside the vocabulary of {vocabulary:,}.")

    def _take(self, text: _Text, chunk: Chunk, hidden_TD: NDArray[np.float32]) -> bool:
        """Add a chunk to its text's sum, which is its vector after the last chunk. False: no vector comes of it.

        A text that lost its blocks begins again at position 0.
        """
        is_last = chunk.samples
        if chunk.start == 0:
            text.sum_D[:] = 0
        text.sum_D += hidden_TD.sum(axis=0, dtype=np.float64)
        self._scheduler.commit(chunk, [])
        if not is_last:
            return True
        length = float(np.linalg.norm(text.sum_D))
        if not 0 < length < float("inf"):
            return False
        text.job.vectors_ND[text.index] = text.sum_D / length
        text.job.num_read += 1
        del self._texts[text.sequence.key]
        self._scheduler.finish(text.sequence.key)
        return True

    def _failed(self, chunks: tuple[Chunk, ...], reason: str) -> list[Gain]:
        """End the jobs that the chunks are of; what these computed is never found again."""
        keys: dict[int, None] = {}
        for chunk in chunks:
            text = self._texts.pop(chunk.sequence.key)
            self._scheduler.finish(chunk.sequence.key, failed=True)
            keys[text.job.key] = None
        for key in keys:
            self.cancel(key)
        return [Gain(key, None, "", "failed", 0, error=reason) for key in keys]
