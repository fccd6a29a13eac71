"""The step loop: prompts in, tokens out, many answers at once.

`add` queues a prompt, `step` makes one pass of the model for whatever the scheduler has picked and reports what every
answer gained. An `Answer` holds its own state, the scheduler blocks and order, the runner computes. An answer that
goes wrong fails alone. `embed` queues texts that are only read, in the same steps. Pictures of prompts are encoded
between the passes, a few tiles at a time, and their prompts are queued when they are there.

Shape suffixes: R rows whose scores are wanted, V vocabulary.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from collections.abc import Sequence as Several
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seatrial.engine.answer import Answer, best_choices
from seatrial.engine.blocks import BlockPool
from seatrial.engine.embedding import Embedder
from seatrial.engine.grammar import GrammarCompiler, Matcher
from seatrial.engine.metrics import EngineMetrics, Totals, engine_metrics
from seatrial.engine.picture_queue import PictureQueue
from seatrial.engine.picture_rows import PictureRows
from seatrial.engine.prompt_check import fitted
from seatrial.engine.reasoning import Reasoning
from seatrial.engine.request import Constraint, Gain, SamplingParams, Sequence
from seatrial.engine.runner import BLOCK_TOKENS, Runner, Scores
from seatrial.engine.sampler import Choice, Chooser
from seatrial.engine.scheduler import Chunk, Scheduler
from seatrial.engine.speculation import Drafter
from seatrial.engine.step import guesses, step_input
from seatrial.errors import UsageError
from seatrial.models.detokenizer import Detokenizer
from seatrial.models.tokenizer import Tokenizer

if TYPE_CHECKING:
    from seatrial.engine.vision import VisionEncoder
    from seatrial.models.pictures import PreparedPicture

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What one engine takes on. `context_length` bounds a sequence, its answer included, in tokens.

    Of pictures as many rows are kept as the cache has positions, or as `most_picture_rows` says: at least a context's.
    """

    num_blocks: int
    context_length: int
    max_sequences: int = 32
    max_step_tokens: int = 512
    speculate: bool = True
    most_picture_rows: int | None = None


class Engine:
    """Answers prompts together. Not for two threads at once; `service` puts a thread around it.

    `vision` sees the pictures of prompts; without it there may be none. `clock` tells how long that takes.
    """

    def __init__(
        self,
        runner: Runner,
        tokenizer: Tokenizer,
        stop_ids: tuple[int, ...],
        limits: EngineLimits,
        *,
        name: str,
        vision: VisionEncoder | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits, self.name = limits, name
        self._runner, self._tokenizer, self._stop_ids = runner, tokenizer, frozenset(stop_ids)
        self._grammars = GrammarCompiler(tokenizer, runner.config.vocab_size, stop_ids)
        self._scheduler = Scheduler(
            BlockPool(limits.num_blocks, BLOCK_TOKENS),
            max_sequences=limits.max_sequences,
            max_step_tokens=limits.max_step_tokens,
            max_read_tokens=2 * runner.cheap_tokens,
        )
        self._answers: dict[int, Answer] = {}
        self._vision = vision
        self._pictures: PictureQueue | None = None
        if vision is not None:
            most_rows = max(limits.context_length, limits.most_picture_rows or limits.num_blocks * BLOCK_TOKENS)
            rows = PictureRows(most_rows, runner.config.hidden_size)
            self._pictures = PictureQueue(vision, rows, self._scheduler.num_known, name=name, clock=clock)
        self._embedder = Embedder(
            runner,
            self._scheduler,
            num_places=max(1, limits.max_sequences // 2),
            longest=min(limits.context_length, limits.num_blocks * BLOCK_TOKENS),
            name=name,
        )
        self._masking = ThreadPoolExecutor(1, thread_name_prefix="seatrial-grammar")
        self._totals = Totals()
        runner.allocate(limits.num_blocks)

    def __len__(self) -> int:
        """Answers, and jobs of texts to embed, that are not finished."""
        return len(self._answers) + len(self._embedder)

    def compile(self, constraint: Constraint) -> Matcher:
        """Make a constraint ready for one answer, from any thread. Raises UsageError where it cannot be held to."""
        return self._grammars.compile(constraint)

    def add(
        self,
        key: int,
        prompt_ids: list[int],
        params: SamplingParams,
        matcher: Matcher | None = None,
        pictures: Several[PreparedPicture] = (),
    ) -> int:
        """Queue a prompt under a key of the caller's; returns the number of prompt tokens.

        `matcher` is the compiled constraint of `params`; without one it is compiled here, which takes a second for the
        first of a model. `pictures` fill the places of the prompt that hold the model's `image_token_id`, in order.

        Raises ContextTooLong where no token of an answer would fit, UsageError for an empty prompt, pictures where the
        model has no eyes, or a constraint that cannot be held to.
        """
        tokens = self._fitted(list(prompt_ids), params, pictures)
        if matcher is None and params.constraint is not None:
            matcher = self.compile(params.constraint)
        sequence = Sequence(
            key=key,
            tokens=tokens,
            num_prompt=len(tokens),
            max_length=min(len(tokens) + params.max_tokens, self.limits.context_length),
        )
        answer = Answer(
            sequence=sequence,
            params=params,
            stop_ids=self._stop_ids,
            chooser=Chooser(params, self._said(tokens, pictures), self._runner.config.vocab_size),
            text=Detokenizer(self._tokenizer, params.stop),
            matcher=matcher,
            drafter=Drafter() if self.limits.speculate else None,
            reasoning=None
            if params.thinking is None
            else Reasoning(params.thinking, self._tokenizer, then_held=matcher is not None),
        )
        self._scheduler.check(sequence)
        if not pictures or self._pictures is None or self._pictures.add(sequence, pictures):
            self._scheduler.add(sequence)
        self._answers[key] = answer
        return len(tokens)

    def embed(self, key: int, texts: Several[list[int]]) -> int:
        """Queue texts to embed, as token ids, under a key like that of an answer; returns the number of tokens.

        One `Gain` with `vectors_ND` comes of them. Raises ContextTooLong, UsageError for an empty text and ids outside
        the vocabulary.
        """
        return self._embedder.add(key, texts)

    def cancel(self, key: int) -> None:
        """Drop an answer or texts; nothing more is reported of them. Unknown keys are ignored."""
        if key in self._answers:
            self._scheduler.cancel(key)
            self._forget(key)
        self._embedder.cancel(key)

    def step(self) -> list[Gain]:
        """One pass of the model, and one more where texts are read beside answers; before it, a few tiles of pictures.

        Empty when prompts are not through yet, or nothing is left to do.
        """
        self._embedder.enter()
        gains = self._look()
        running = self._scheduler.running
        cheap = self._runner.cheap_tokens - len(running)
        for sequence in running:
            if answer := self._answers.get(sequence.key):
                answer.draft(cheap)
                cheap -= len(sequence.draft)
        step = self._scheduler.schedule(None if self._pictures is None else self._pictures.can_start)
        if not step.chunks:
            return gains
        self._totals.steps += 1
        texts = tuple(chunk for chunk in step.chunks if self._embedder.reads(chunk))
        if not texts:
            return gains + self._answer(step.chunks)
        gains += self._embedder.read(texts, step_input(texts))
        chunks = tuple(chunk for chunk in step.chunks if chunk.sequence.key in self._answers)
        return gains + self._answer(chunks) if chunks else gains

    def _look(self) -> list[Gain]:
        """Encode tiles that prompts wait for; queue the prompts that have all of theirs, report those that failed."""
        if self._pictures is None or self._pictures.is_idle:
            return []
        seen = self._pictures.step(beside=len(self._scheduler) > 0)
        for sequence in seen.ready:
            self._scheduler.add(sequence)
        for key, _ in seen.failed:
            self._scheduler.cancel(key)
            self._forget(key)
        return [Gain(key, None, "", "failed", 0, error=reason) for key, reason in seen.failed]

    def _answer(self, chunks: tuple[Chunk, ...]) -> list[Gain]:
        """Compute the chunks of answers, and choose from their scores."""
        masks = {
            chunk.sequence.key: self._masking.submit(answer.mask)
            for chunk in chunks
            if chunk.samples and (answer := self._answers[chunk.sequence.key]).is_held
        }
        try:
            logits_RV = self._runner.forward(step_input(chunks, self._pictures))
            choices = best_choices(chunks, self._answers, logits_RV)
        except Exception as error:  # whatever it was, these answers cannot go on, and the engine must
            return [self._failed(self._answers[chunk.sequence.key], error) for chunk in chunks]
        gains: list[Gain] = []
        row = 0
        for chunk in chunks:
            answer = self._answers[chunk.sequence.key]
            num_rows = chunk.num_draft + 1 if chunk.samples else 0
            try:
                gains += self._advance(
                    answer, chunk, logits_RV[row : row + num_rows], choices, masks.get(answer.sequence.key)
                )
            except Exception as error:  # one answer's state is broken; the others go on
                gains.append(self._failed(answer, error))
            row += num_rows
        return gains

    @property
    def metrics(self) -> EngineMetrics:
        """Queue, cache and totals."""
        return engine_metrics(self._totals, self._scheduler.metrics, self._pictures)

    def close(self) -> None:
        """Drop all answers and give the memory back."""
        for key in list(self._answers):
            self.cancel(key)
        self._embedder.close()
        self._masking.shutdown()
        self._runner.close()
        if self._vision is not None:
            self._vision.close()

    def _fitted(self, tokens: list[int], params: SamplingParams, pictures: Several[PreparedPicture]) -> list[int]:
        if pictures and self._pictures is None:
            raise UsageError(f"`{self.name}` reads text only; it cannot look at pictures.", field="messages")
        return fitted(
            tokens,
            params,
            vocab_size=self._runner.config.vocab_size,
            limit=self.limits.context_length,
            name=self.name,
            picture_tokens=[picture.num_tokens for picture in pictures],
        )

    def _said(self, tokens: list[int], pictures: Several[PreparedPicture]) -> list[int]:
        """The prompt without its pictures: what penalties count."""
        if not pictures or self._pictures is None:
            return tokens
        return [token for token in tokens if token != self._pictures.image_token_id]

    def _forget(self, key: int) -> None:
        """An answer is over."""
        del self._answers[key]
        if self._pictures is not None:
            self._pictures.leave(key)

    def _advance(
        self,
        answer: Answer,
        chunk: Chunk,
        logits_RV: Scores,
        best: dict[int, list[Choice]],
        mask: Future[NDArray[np.int32]] | None,
    ) -> list[Gain]:
        """Append what an answer chooses from its rows, until it ends; commit, and report a gain for each token."""
        sequence, draft = answer.sequence, guesses(chunk)
        if not chunk.samples:
            self._scheduler.commit(chunk, [])
            return []
        choices = best.get(sequence.key) or answer.choose(draft, logits_RV, mask.result() if mask else None)
        tokens: list[int] = []
        gains: list[Gain] = []
        for choice in choices:
            if choice.token_id is None:
                return [*gains, self._failed(answer, None)]
            tokens.append(choice.token_id)
            is_last = len(tokens) == len(choices)
            gains.append(answer.gain(choice, len(sequence.tokens) + len(tokens), is_last=is_last))
            if gains[-1].finish:
                break
        if draft:
            self._totals.drafted += len(draft)
            self._totals.accepted += len(tokens) - 1
        self._totals.generated += len(tokens)
        self._scheduler.commit(chunk, tokens)
        if gains[-1].finish:
            self._scheduler.finish(sequence.key)
            self._forget(sequence.key)
        return gains

    def _failed(self, answer: Answer, error: Exception | None) -> Gain:
        """End one answer that cannot go on; `error` None means scores that are not numbers."""
        reason = f"`{self.name}` computed scores that are not numbers; its weights may be damaged."
        if error is not None:
            _log.error("an answer of %s failed", self.name, exc_info=error)
            reason = f"`{self.name}` failed while it computed: {type(error).__name__}: {str(error)[:200]}"
        self._scheduler.finish(answer.sequence.key, failed=True)
        self._forget(answer.sequence.key)
        return Gain(answer.sequence.key, None, "", "failed", answer.sequence.num_cached, error=reason)
