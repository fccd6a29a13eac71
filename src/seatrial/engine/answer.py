"""One answer's own state while it is generated: how it chooses, its text, its grammar and its guesses.

In: rows of scores. Out: choices, and the `Gain` that each becomes. Which blocks it has and when its turn comes is the
scheduler's affair.

Shape suffixes: R rows of scores, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seatrial.engine.grammar import Matcher
from seatrial.engine.request import Finish, Gain, SamplingParams, Sequence
from seatrial.engine.runner import Scores
from seatrial.engine.sampler import Choice, Chooser, choose_each
from seatrial.engine.speculation import Drafter, accept
from seatrial.models.detokenizer import Detokenizer


@dataclass(slots=True, eq=False)
class Answer:
    """See the module. `matcher` is None without a constraint, `drafter` None where nothing is guessed."""

    sequence: Sequence
    params: SamplingParams
    stop_ids: frozenset[int]
    chooser: Chooser
    text: Detokenizer
    matcher: Matcher | None
    drafter: Drafter | None

    def draft(self, cheap: int) -> None:
        """Guess what comes next: what the grammar forces, else up to `cheap` tokens that followed the same before."""
        sequence = self.sequence
        sequence.draft = []
        room = sequence.max_length - len(sequence.tokens) - 1
        decoding = sequence.num_computed == len(sequence.tokens) - 1 and len(sequence.tokens) > sequence.num_prompt
        if self.drafter is None or room <= 0 or not decoding:
            return
        guesses = self.matcher.forced() if self.matcher else []
        if not guesses and cheap > 0:
            guesses = self.drafter.propose(sequence.tokens)[:cheap]
        sequence.draft = guesses[:room]

    def choose(self, draft: list[int], logits_RV: Scores, first_mask: NDArray[np.int32] | None) -> list[Choice]:
        """Choices one after another, each with the state that the one before leaves; ends where a guess fails.

        Where the grammar is complete the answer is: no stop token is waited for.
        """
        complete: list[int] = []

        def chosen(index: int) -> Choice:
            mask = self.matcher.mask() if index and self.matcher is not None else first_mask
            choice = choose_each(logits_RV[index : index + 1], [self.chooser], [mask])[0]
            if choice.token_id is not None:
                self.chooser.observe(choice.token_id)
                if self.matcher is not None and choice.token_id not in self.stop_ids:
                    self.matcher.accept(choice.token_id)
                    if self.matcher.finished:
                        complete.append(index + 1)
            return choice

        return accept(draft, chosen, self.stop_ids)[: min(complete, default=None)]

    def gain(self, choice: Choice, length: int, *, is_last: bool) -> Gain:
        """What the caller hears of a chosen token, with which the sequence has `length` tokens.

        `is_last`: of those chosen in this pass, so that the grammar's state is the one after it.
        """
        assert choice.token_id is not None
        ends = choice.token_id in self.stop_ids and not self.params.ignore_eos
        text = "" if ends else self.text.push(choice.token_id)
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
        )
