"""Log-probabilities of tokens, in the form of chat completions and in the older one of text completions."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from msgspec import Struct

from seatrial.chat import TokenScore

_IMPOSSIBLE = -9999.0


class TopScore(Struct):
    """One of the best tokens at a place. `bytes` are its UTF-8, part of a character possibly."""

    token: str
    logprob: float
    bytes: list[int]


class ChosenScore(Struct):
    """The token that was chosen, and the best ones at its place."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopScore]


class ChatLogprobs(Struct):
    """`logprobs` of a choice."""

    content: list[ChosenScore]
    refusal: None = None


def chat_logprobs(scores: Sequence[TokenScore]) -> ChatLogprobs:
    """The scores of an answer, or of a piece of one."""
    return ChatLogprobs(
        [
            ChosenScore(
                score.text,
                _sayable(score.logprob),
                list(score.bytes),
                [TopScore(top.text, _sayable(top.logprob), list(top.bytes)) for top in score.top],
            )
            for score in scores
        ]
    )


class CompletionLogprobs(Struct):
    """`logprobs` of a text completion: four lists, one entry for each token."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class CompletionScores:
    """Turns the scores of one text completion into their wire form, piece by piece.

    `text_offset` counts characters from `start`. A character of several tokens begins where its first one does.
    """

    def __init__(self, start: int) -> None:
        self._offset = start
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, scores: Sequence[TokenScore]) -> CompletionLogprobs:
        """The next tokens. The token that was chosen stands among the best ones at its place, also below them."""
        wire = CompletionLogprobs([], [], [], [])
        for score in scores:
            name = _name(score)
            wire.tokens.append(name)
            wire.token_logprobs.append(_sayable(score.logprob))
            wire.top_logprobs.append(
                {_name(top): _sayable(top.logprob) for top in score.top} | {name: _sayable(score.logprob)}
            )
            wire.text_offset.append(self._offset)
            self._offset += len(self._decoder.decode(score.bytes))
        return wire


def _sayable(logprob: float) -> float:
    """JSON has no infinity: what cannot be is as unlikely as OpenAI says it."""
    return max(logprob, _IMPOSSIBLE)


def _name(score: TokenScore) -> str:
    """A token's text; of part of a character its bytes, as `bytes:\\xf0\\x9f`."""
    try:
        return score.bytes.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in score.bytes)
