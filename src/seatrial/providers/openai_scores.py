"""Log-probabilities in the OpenAI wire format to `TokenScore`s.

In: the `logprobs` of a choice. Chat completions list an object for each token; text completions have lists side by
side (`tokens`, `token_logprobs`, `top_logprobs`), but llama.cpp answers them in the form of chat.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from seatrial.chat import TokenScore
from seatrial.errors import BadReply

_Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]
_HEX_BYTES = re.compile(r"bytes:((?:\\x[0-9a-f]{2})+)")


class _Score(msgspec.Struct, gc=False):
    token: str
    logprob: float
    bytes: list[_Byte] | None = None
    top_logprobs: list[_Score] | None = None


class _Logprobs(msgspec.Struct, gc=False):
    content: list[_Score] | None = None
    refusal: list[_Score] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


def scores_of(logprobs: Any, num_best: int) -> tuple[TokenScore, ...]:
    """The tokens' scores, in order, each with at most `num_best` of the best. Raises BadReply for another shape."""
    try:
        wire = msgspec.convert(logprobs, _Logprobs)
        listed = _side_by_side(wire, num_best)
    except ValueError as error:
        raise BadReply(f"Its log-probabilities are not what the protocol promises: {error}.") from None
    return (*(_of_chat(score, num_best) for score in [*(wire.content or ()), *(wire.refusal or ())]), *listed)


def _of_chat(score: _Score, num_best: int) -> TokenScore:
    top = _best_first([_of_chat(one, 0) for one in score.top_logprobs or ()], num_best)
    raw = _bytes_of(score.token) if score.bytes is None else bytes(score.bytes)
    return TokenScore(score.token, raw, score.logprob, top)


def _side_by_side(wire: _Logprobs, num_best: int) -> list[TokenScore]:
    tokens, logprobs = wire.tokens or [], wire.token_logprobs or []
    tops = wire.top_logprobs or [None] * len(tokens)
    scores = []
    for token, logprob, top in zip(tokens, logprobs, tops, strict=True):
        best = [TokenScore(other, _bytes_of(other), score) for other, score in (top or {}).items()]
        scores.append(TokenScore(token, _bytes_of(token), logprob, _best_first(best, num_best)))
    return scores


def _best_first(scores: list[TokenScore], num_best: int) -> tuple[TokenScore, ...]:
    """Servers add the chosen token where it is none of the best, and some leave the order open."""
    return tuple(sorted(scores, key=lambda score: -score.logprob)[:num_best])


def _bytes_of(token: str) -> bytes:
    """A token that is no whole character is written `bytes:\\xe2\\x80` in text completions."""
    written = _HEX_BYTES.fullmatch(token)
    if written is not None:
        return bytes.fromhex(written[1].replace("\\x", ""))
    return token.encode("utf-8", "replace")
