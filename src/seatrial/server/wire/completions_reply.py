"""`POST /v1/completions`, the answer: whole, or in chunks. Both have the same shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from seatrial.chat import ChatEvent, Finished, FinishReason, TextDelta, TokenScore, Usage
from seatrial.server.generation import Answer, usage_of
from seatrial.server.sse import DONE
from seatrial.server.wire.chat_reply import Heading
from seatrial.server.wire.json_text import json_bytes
from seatrial.server.wire.logprobs import CompletionLogprobs, CompletionScores
from seatrial.server.wire.usage import UsageBody, usage_body

CompletionReason = Literal["stop", "length", "content_filter"]


class CompletionChoice(Struct):
    """One continuation. Choices of one prompt stand together, prompts in the order they were sent."""

    text: str
    index: int
    logprobs: CompletionLogprobs | None
    finish_reason: CompletionReason


class CompletionReply(Struct):
    """`text_completion`."""

    id: str
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: UsageBody | None
    system_fingerprint: str | None
    object: Literal["text_completion"] = "text_completion"


def completion_reply(
    heading: Heading, answers: Sequence[Answer], echoes: Sequence[str], usage: Usage | None, *, with_logprobs: bool
) -> bytes:
    """The whole reply. `echoes` has what stands before each answer."""
    choices = []
    for at, (answer, echo) in enumerate(zip(answers, echoes, strict=True)):
        assert answer.finished is not None
        logprobs = CompletionScores(len(echo)).add(answer.scores) if with_logprobs else None
        choices.append(CompletionChoice(echo + answer.text, at, logprobs, _reason(answer.finished.reason)))
    return json_bytes(
        CompletionReply(
            heading.id, heading.created, heading.model, choices, usage_body(usage), heading.system_fingerprint
        )
    )


def _reason(reason: FinishReason) -> CompletionReason:
    return "stop" if reason == "tool_calls" else reason


class CompletionChunks:
    """The chunks of one reply, `num_choices` to each prompt. `echoes` has what stands before each answer."""

    def __init__(
        self, heading: Heading, echoes: Sequence[str], *, num_choices: int, includes_usage: bool, with_logprobs: bool
    ) -> None:
        constant = msgspec.json.encode(
            {
                "id": heading.id,
                "object": "text_completion",
                "created": heading.created,
                "model": heading.model,
                "system_fingerprint": heading.system_fingerprint,
            }
        )
        self._head = b"data: " + constant[:-1] + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if includes_usage else b"]}\n\n"
        self._includes_usage = includes_usage
        self._num_choices = num_choices
        self._echoes: list[str] = list(echoes)
        self.usage: Usage | None = None
        self._finished: list[Finished | None] = [None] * len(echoes)
        self._scores = [CompletionScores(len(echo)) for echo in echoes] if with_logprobs else None

    def of(self, at: int, event: ChatEvent) -> bytes:
        """What an event adds to choice `at`; after the end of the last choice also the end of the stream."""
        echo = b""
        if self._echoes[at]:
            echo = self._chunk(at, self._echoes[at])
            self._echoes[at] = ""
        if isinstance(event, TextDelta) and (event.text or event.scores):
            return echo + self._chunk(at, event.text, event.scores)
        if isinstance(event, Finished):
            return echo + self._ended(at, event)
        return echo

    def _chunk(self, at: int, text: str, scores: Sequence[TokenScore] = (), reason: bytes = b"null") -> bytes:
        logprobs = b"null" if self._scores is None or not scores else json_bytes(self._scores[at].add(scores))
        return b'%b{"text":%b,"index":%d,"logprobs":%b,"finish_reason":%b}%b' % (
            self._head,
            json_bytes(text),
            at,
            logprobs,
            reason,
            self._tail,
        )

    def _ended(self, at: int, event: Finished) -> bytes:
        chunk = self._chunk(at, "", reason=json_bytes(_reason(event.reason)))
        self._finished[at] = event
        if None in self._finished:
            return chunk
        self.usage = usage_of(self._finished, self._num_choices)
        if not self._includes_usage:
            return chunk + DONE
        return b'%b%b],"usage":%b}\n\n%b' % (chunk, self._head, json_bytes(usage_body(self.usage)), DONE)
