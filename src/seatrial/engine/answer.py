"""One answer's own state while it is generated: how it chooses, its text, its grammar and its guesses.

In: rows of scores. Out: choices, and the `Gain` that each becomes. Which blocks it has and when its turn comes is the
scheduler's affair.

Shape suffixes: R rows of scores, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seatrial.engine.grammar import Matcher
from seatrial.engine.reasoning import Reasoning
from seatrial.engine.request import Finish, Gain, SamplingParams, Sequence
from seatrial.engine.runner import Scores
from seatrial.engine.sampler import Choice, Chooser, choose_each
from seatrial.engine.scheduler import Chunk
from seatrial.engine.speculation import Drafter, accept
from seatrial.engine.step import guesses
from seatrial.models.detokenizer import Detokenizer


@dataclass(slots=True, eq=False)
class Answer:
    """See the module. `matcher` is None without a constraint, `drafter` None where nothing is guessed.

    `reasoning` is None where the model cannot reason; while it is open, the matcher waits.
    """

    sequence: Sequence
    params: SamplingParams
    stop_ids: frozenset[int]
    chooser: Chooser
    text: Detokenizer
    matcher: Matcher | None
    drafter: Drafter | None
    reasoning: Reasoning | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the best token is all it needs from now on."""
        return self.chooser.plain and (self.reasoning is None or self.reasoning.is_over)

    @property
    def is_held(self) -> bool:
        """Whether the grammar has a say in the next token."""
        reasoning = self.reasoning
        return self.matcher is not None and (reasoning is None or reasoning.is_over or reasoning.is_head)

    def mask(self) -> NDArray[np.int32]:
        """What may come next; ask only where `is_held`. At the head that is also the tag that opens reasoning."""
        assert self.matcher is not None
        mask = self.matcher.mask()
        if self.reasoning is not None and self.reasoning.is_head and self.reasoning.opening_id is not None:
            word, bit = divmod(self.reasoning.opening_id, 32)
            mask.view(np.uint32)[word] |= np.uint32(1 << bit)
        return mask

    def draft(self, cheap: int) -> None:
        """Guess what comes next: what is certain to, else up to `cheap` tokens that followed the same before."""
        sequence = self.sequence
        sequence.draft = []
        room = sequence.max_length - len(sequence.tokens) - 1
        decoding = sequence.num_computed == len(sequence.tokens) - 1 and len(sequence.tokens) > sequence.num_prompt
        if self.drafter is None or room <= 0 or not decoding:
            return
        guesses = self._certain()
        if not guesses and cheap > 0:
            guesses = self.drafter.propose(sequence.tokens)[:cheap]
        sequence.draft = guesses[:room]

    def choose(self, draft: list[int], logits_RV: Scores, first_mask: NDArray[np.int32] | None) -> list[Choice]:
        """Choices one after another, each with the state that the one before leaves; ends where a guess fails.

        Where the grammar is complete the answer is: no stop token is waited for.
        """
        complete: list[int] = []

        def chosen(index: int) -> Choice:
            mask = first_mask if index == 0 else self.mask() if self.is_held else None
            choice = self._next(logits_RV[index : index + 1], mask)
            if choice.token_id is not None:
                self._observe(choice.token_id)
                if self.matcher is not None and self.matcher.finished:
                    complete.append(index + 1)
            return choice

        return accept(draft, chosen, self.stop_ids)[: min(complete, default=None)]

    def _certain(self) -> list[int]:
        """Tokens that can only come next: what is forced, or what the grammar leaves no choice about."""
        if self.reasoning is not None and not self.reasoning.is_over:
            return list(self.reasoning.forced)
        return self.matcher.forced() if self.matcher else []

    def _next(self, logits_1V: Scores, mask: NDArray[np.int32] | None) -> Choice:
        """The token that comes next: the forced one, or the model's choice.

        A model that would end an answer in its reasoning, before what was asked for could begin, has that closed.
        """
        reasoning = self.reasoning
        is_open = reasoning is not None and reasoning.is_open
        if reasoning is not None and reasoning.forced:
            return Choice(reasoning.forced[0], reasoning=is_open)
        choice = choose_each(logits_1V, [self.chooser], [mask])[0]
        if reasoning is not None and is_open:
            if self.matcher is not None and choice.token_id in self.stop_ids:
                reasoning.end()
                return Choice(reasoning.forced[0], reasoning=True)
            return choice._replace(reasoning=True)
        return choice

    def _observe(self, token_id: int) -> None:
        self.chooser.observe(token_id)
        if self.reasoning is not None and not self.reasoning.is_over and self.reasoning.take(token_id):
            return
        if self.matcher is not None and token_id not in self.stop_ids:
            self.matcher.accept(token_id)

    def gain(self, choice: Choice, length: int, *, is_last: bool) -> Gain:
        """What the caller hears of a chosen token, with which the sequence has `length` tokens.

        `is_last`: of those chosen in this pass, so that the grammar's state is the one after it.
        """
        assert choice.token_id is not None
        ends = choice.token_id in self.stop_ids and not self.params.ignore_eos
        text = "" if ends else self.text.push(choice.token_id, may_stop=not choice.reasoning)
        complete = is_last and self.matcher is not None and self.matcher.finished
        finish: Finish | None = None
        if ends or complete or self.text.stopped:
            finish = "stop"
        elif length >= self.sequence.max_length:
            finish = "length"
        if finish:
            text += self.text.finish()
        return Gain(
            key=self.sequence.key,
            token_id=choice.token_id,
            text=text,
            finish=finish,
            num_cached=self.sequence.num_cached,
            logprob=choice.logprob,
            top=choice.top,
            reasoning=choice.reasoning,
        )


def best_choices(
    chunks: tuple[Chunk, ...], answers: Mapping[int, Answer], logits_RV: Scores
) -> dict[int, list[Choice]]:
    """The choices of all answers that only want the best token, by key, in one go, from the scores of `chunks`."""
    rows: list[int] = []
    owners: list[Chunk] = []
    row = 0
    for chunk in chunks:
        if not chunk.samples:
            continue
        if answers[chunk.sequence.key].is_plain:
            rows.extend(range(row, row + chunk.num_draft + 1))
            owners.append(chunk)
        row += chunk.num_draft + 1
    if not rows:
        return {}
    wanted_RV = logits_RV if len(rows) == logits_RV.shape[0] else logits_RV[rows]
    choosers = [answers[chunk.sequence.key].chooser for chunk in owners for _ in range(chunk.num_draft + 1)]
    choices = iter(choose_each(wanted_RV, choosers, [None] * len(rows)))
    found: dict[int, list[Choice]] = {}
    for chunk in owners:
        of_chunk = [next(choices) for _ in range(chunk.num_draft + 1)]
        answer = answers[chunk.sequence.key]
        found[chunk.sequence.key] = accept(guesses(chunk), of_chunk.__getitem__, answer.stop_ids)
    return found
