"""Log-probabilities of a local model's tokens, handed out with the text that they carry.

In: gains, as they come. Out: the scores of the tokens that stand in a stretch of the answer's text. Text may be told
later than its tokens came (half a character, the beginning of a tag or of a stop text), so each token remembers where
its text begins and ends, in characters of everything the model wrote.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Container
from typing import NamedTuple

from seatrial.chat import TokenScore
from seatrial.engine.request import Gain, TokenLogprob
from seatrial.models.tokenizer import Tokenizer


class TokenScores:
    """The scores of one answer. `stop_ids` are tokens that end it and so are no part of it."""

    def __init__(self, tokenizer: Tokenizer, stop_ids: Container[int]) -> None:
        self._tokenizer, self._stop_ids = tokenizer, stop_ids
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._num_characters = 0
        self._waiting: deque[_Placed] = deque()

    def add(self, gain: Gain) -> None:
        """A token came. Those of the reasoning have no score; neither has the one that ends the answer."""
        if gain.token_id is None or (gain.finish == "stop" and gain.token_id in self._stop_ids):
            return
        start = self._num_characters
        self._num_characters += len(self._decoder.decode(self._tokenizer.token_bytes(gain.token_id)))
        if gain.logprob is not None and not gain.reasoning:
            # A token without a character of its own, or with a part of one, goes with the character that comes next.
            self._waiting.append(_Placed(start, max(self._num_characters, start + 1), gain))

    def between(self, start: int, end: int) -> tuple[TokenScore, ...]:
        """Scores of the tokens with text from character `start` to before `end`; none comes twice.

        Example: of "ab", "c", "d" at 0, 2 and 3, between(0, 1) gives "ab" and then between(1, 3) gives "c".
        """
        waiting = self._waiting
        while waiting and waiting[0].end <= start:
            waiting.popleft()
        found = []
        while waiting and waiting[0].start < end:
            found.append(self._scored(waiting.popleft().gain))
        return tuple(found)

    def rest(self) -> tuple[TokenScore, ...]:
        """Scores of the tokens at the end that carry no text."""
        return self.between(self._num_characters, self._num_characters + 1)

    def _scored(self, gain: Gain) -> TokenScore:
        assert gain.token_id is not None
        assert gain.logprob is not None
        top = tuple(self._one(best) for best in gain.top)
        return self._one(TokenLogprob(gain.token_id, gain.logprob), top)

    def _one(self, token: TokenLogprob, top: tuple[TokenScore, ...] = ()) -> TokenScore:
        """A special token has no bytes, and is called by its name."""
        written = self._tokenizer.token_bytes(token.token_id)
        text = written.decode(errors="replace") or self._tokenizer.token_text(token.token_id) or ""
        return TokenScore(text, written, token.logprob, top)


class _Placed(NamedTuple):
    start: int
    end: int
    gain: Gain
