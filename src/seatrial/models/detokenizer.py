"""Tokens of one answer to text, piece by piece, with stop texts.

In: token ids as they are generated. Out: text that is certain: never half a character, and never the beginning of a
stop text that may still be completed. Torch-free.
"""

from __future__ import annotations

import codecs

from seatrial.models.tokenizer import Tokenizer


class Detokenizer:
    """The text of one answer so far. `stopped` turns true when a stop text was met; it is not part of the text."""

    def __init__(self, tokenizer: Tokenizer, stop: tuple[str, ...] = ()) -> None:
        self._tokenizer = tokenizer
        self._stop = tuple(text for text in stop if text)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self.stopped = False

    def push(self, token_id: int, *, may_stop: bool = True) -> str:
        """Take one token; return the text that is now certain (often empty). `may_stop` False: no stop text counts."""
        text = self._decoder.decode(self._tokenizer.token_bytes(token_id))
        return self._release(text, last=False) if may_stop and self._stop else self._pass_on(text)

    def finish(self) -> str:
        """The rest: what was held back, with U+FFFD for a character that never became whole."""
        return self._release(self._decoder.decode(b"", final=True), last=True)

    def _pass_on(self, text: str) -> str:
        text, self._held = self._held + text, ""
        return text

    def _release(self, text: str, *, last: bool) -> str:
        if self.stopped:
            return ""
        self._held += text
        found = [place for stop in self._stop if (place := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            certain, self._held = self._held[: min(found)], ""
            return certain
        keep = 0 if last else max((_overlap(self._held, stop) for stop in self._stop), default=0)
        cut = len(self._held) - keep
        certain, self._held = self._held[:cut], self._held[cut:]
        return certain


def _overlap(text: str, stop: str) -> int:
    """How many last characters of `text` begin `stop`: 3 for "a END" and "END OF"."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
