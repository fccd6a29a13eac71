"""The reasoning at the head of one answer: whether it is open, and when it must end. Torch-free.

In: the tokens of an answer, one by one. Out: which of them are reasoning, and the tokens that come next whatever the
model would choose. Tags are found in the text of the tokens, so it does not matter whether the vocabulary has a tag as
one token. A tag counts only at the head, before any other text but white space.
"""

from __future__ import annotations

import codecs
from typing import Literal

from seatrial.engine.request import Thinking
from seatrial.models.tokenizer import Tokenizer


class Reasoning:
    """See the module. `forced` are the ids that must come next; `take` consumes them.

    `opening_id` is the opening tag, where it is one token of the vocabulary. With `then_held`, a constraint waits for
    the end: a line break is forced where the model itself closed the reasoning, as models write it.
    """

    def __init__(self, thinking: Thinking, tokenizer: Tokenizer, *, then_held: bool) -> None:
        self._thinking, self._tokenizer, self._then_held = thinking, tokenizer, then_held
        self._opening, self._closing = thinking.opening.encode(), thinking.closing.encode()
        self._state: Literal["head", "open", "closed"] = "open" if thinking.is_open else "head"
        self._read = b""
        self.opening_id = tokenizer.added_id(thinking.opening)
        self.num_tokens = 0
        self.forced: list[int] = []
        self._end_if_spent()

    @property
    def is_head(self) -> bool:
        """Whether nothing came yet but white space, so that reasoning may still begin."""
        return self._state == "head"

    @property
    def is_open(self) -> bool:
        """Whether the next token is reasoning."""
        return self._state == "open"

    @property
    def is_over(self) -> bool:
        """Whether what comes is the answer, and nothing else can."""
        return self._state == "closed" and not self.forced

    def take(self, token_id: int) -> bool:
        """The next token. Returns whether it belongs to the reasoning, its tags and forced tokens included."""
        was_forced = bool(self.forced)
        if was_forced:
            assert self.forced[0] == token_id, "a forced token did not come"
            self.forced.pop(0)
        text = self._tokenizer.token_bytes(token_id)
        if self._state == "head":
            return self._take_at_head(text)
        if self._state == "open":
            self.num_tokens += 1
            self._take_while_open(text, was_forced)
            return True
        return was_forced

    def end(self) -> None:
        """Force the closing tag, on lines of its own as models write it."""
        if self._state == "open" and not self.forced:
            lead = "" if self._read.endswith(b"\n") else "\n"
            self.forced = self._tokenizer.encode(f"{lead}{self._thinking.closing}\n")

    def _take_at_head(self, text: bytes) -> bool:
        self._read = (self._read + text).lstrip()
        if self._read.startswith(self._opening):
            self._state, self._read = "open", self._read[len(self._opening) :]
            self._end_if_spent()
            return True
        if self._read and (self._then_held or not self._opening.startswith(self._read)):
            self._state = "closed"
        return False

    def _take_while_open(self, text: bytes, was_forced: bool) -> None:
        self._read += text
        before, tag, after = self._read.partition(self._closing)
        if tag:
            self._state, self._read = "closed", b""
            if self._then_held and not after and not was_forced:
                self.forced = self._tokenizer.encode("\n")
        else:
            self._read = before[-len(self._closing) :]
            self._end_if_spent()

    def _end_if_spent(self) -> None:
        """Ends between characters: up to three tokens later where the last one is half a character."""
        most = self._thinking.max_tokens
        if most is None or self.num_tokens < most:
            return
        if self.num_tokens >= most + 3 or _is_whole(self._read):
            self.end()


def _is_whole(text: bytes) -> bool:
    """Whether a text ends with a whole character."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    decoder.decode(text[-4:])
    return not decoder.getstate()[0]
