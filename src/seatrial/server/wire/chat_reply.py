"""`POST /v1/chat/completions`, the answer: whole, or in chunks.

In: gathered answers, or events as they come. Out: bytes. A chunk is the JSON of what is new between two texts that are
made once for each reply, so that a token costs one small encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from seatrial.chat import (
    ChatEvent,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    TokenScore,
    ToolCallDelta,
    Usage,
)
from seatrial.server.generation import Answer, usage_of
from seatrial.server.sse import DONE
from seatrial.server.wire.json_text import json_bytes
from seatrial.server.wire.logprobs import ChatLogprobs, chat_logprobs
from seatrial.server.wire.usage import UsageBody, usage_body

NewId = Callable[[str], str]


class Heading(Struct):
    """What the reply and every chunk of it say alike."""

    id: str
    created: int
    model: str
    system_fingerprint: str | None


class CalledFunctionBody(Struct):
    """Arguments are JSON text, as the model wrote it."""

    name: str
    arguments: str


class ToolCallBody(Struct):
    """A call that the model makes."""

    id: str
    function: CalledFunctionBody
    type: Literal["function"] = "function"


class AnswerMessage(Struct):
    """The assistant's message. Reasoning has two names, since clients look for either."""

    content: str | None
    refusal: None = None
    role: Literal["assistant"] = "assistant"
    annotations: tuple[()] = ()
    reasoning_content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    tool_calls: list[ToolCallBody] | UnsetType = UNSET


class ChoiceBody(Struct):
    """One answer."""

    index: int
    message: AnswerMessage
    finish_reason: FinishReason
    logprobs: ChatLogprobs | None = None


class ChatReply(Struct):
    """`chat.completion`."""

    id: str
    created: int
    model: str
    choices: list[ChoiceBody]
    usage: UsageBody | None
    system_fingerprint: str | None
    metadata: Mapping[str, str] | UnsetType = UNSET  # put in by `with_metadata`, since it can be changed later
    object: Literal["chat.completion"] = "chat.completion"
    service_tier: Literal["default"] = "default"


def chat_reply(
    heading: Heading,
    answers: Sequence[Answer],
    usage: Usage | None,
    *,
    with_logprobs: bool,
    new_id: NewId,
) -> bytes:
    """The whole reply. `new_id` names calls that the model left unnamed."""
    return json_bytes(
        ChatReply(
            heading.id,
            heading.created,
            heading.model,
            [_choice(at, answer, with_logprobs, new_id) for at, answer in enumerate(answers)],
            usage_body(usage),
            heading.system_fingerprint,
        )
    )


def with_metadata(reply: bytes, metadata: Mapping[str, str] | None) -> bytes:
    """A whole reply with what its client wants kept beside it."""
    return reply if metadata is None else b'%b,"metadata":%b}' % (reply[:-1], json_bytes(metadata))


def _choice(at: int, answer: Answer, with_logprobs: bool, new_id: NewId) -> ChoiceBody:
    assert answer.finished is not None
    calls = [
        ToolCallBody(call.id or new_id("call_"), CalledFunctionBody(call.name, call.arguments))
        for call in answer.tool_calls
    ]
    text, reasoning = answer.text, answer.reasoning
    message = AnswerMessage(text if text or not calls else None)
    if reasoning:
        message.reasoning_content = message.reasoning = reasoning
    if calls:
        message.tool_calls = calls
    logprobs = chat_logprobs(answer.scores) if with_logprobs else None
    return ChoiceBody(at, message, _reason(answer.finished.reason, bool(calls)), logprobs)


def _reason(reason: FinishReason, has_called: bool) -> FinishReason:
    """An answer that calls tools ends for that reason, whatever word the model's side has for it."""
    return "tool_calls" if has_called and reason == "stop" else reason


class ChatChunks:
    """The chunks of one reply with `num_choices` answers to one prompt."""

    def __init__(
        self, heading: Heading, *, num_choices: int, includes_usage: bool, with_logprobs: bool, new_id: NewId
    ) -> None:
        constant = msgspec.json.encode(
            {
                "id": heading.id,
                "object": "chat.completion.chunk",
                "created": heading.created,
                "model": heading.model,
                "service_tier": "default",
                "system_fingerprint": heading.system_fingerprint,
            }
        )
        self._head = b"data: " + constant[:-1] + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if includes_usage else b"]}\n\n"
        self._includes_usage = includes_usage
        self._with_logprobs = with_logprobs
        self._new_id = new_id
        self.usage: Usage | None = None
        self._finished: list[Finished | None] = [None] * num_choices
        self._begun: dict[int, tuple[bytes, bytes]] = {}
        self._calls: set[tuple[int, int]] = set()

    def of(self, at: int, event: ChatEvent) -> bytes:
        """What an event adds to choice `at`, its role before the first one; empty where it adds nothing.

        After the end of the last choice comes the end of the stream: usage, where it is wanted, and `[DONE]`.
        """
        opening = b""
        if at not in self._begun:
            opening = self._begin(at, event)
        before, after = self._begun[at]
        if type(event) is TextDelta:
            if event.scores and self._with_logprobs:
                return opening + self._scored(at, event.text, event.scores)
            if not event.text:
                return opening
            return b'%b%b{"content":%b%b' % (opening, before, json_bytes(event.text), after)
        return opening + self._other(at, event)

    def _begin(self, at: int, event: ChatEvent) -> bytes:
        index = b'{"index":%d,"delta":' % at
        self._begun[at] = (self._head + index, b'},"logprobs":null,"finish_reason":null}' + self._tail)
        content = b"null" if isinstance(event, ToolCallDelta) else b'""'
        return self._chunk(at, b'{"role":"assistant","content":%b,"refusal":null}' % content)

    def _chunk(self, at: int, delta: bytes, logprobs: bytes = b"null", reason: bytes = b"null") -> bytes:
        before, _ = self._begun[at]
        return b'%b%b,"logprobs":%b,"finish_reason":%b}%b' % (before, delta, logprobs, reason, self._tail)

    def _scored(self, at: int, text: str, scores: Sequence[TokenScore]) -> bytes:
        return self._chunk(at, b'{"content":%b}' % json_bytes(text), json_bytes(chat_logprobs(scores)))

    def _other(self, at: int, event: ChatEvent) -> bytes:
        match event:
            case ReasoningDelta(text) if text:
                encoded = json_bytes(text)
                return self._chunk(at, b'{"reasoning_content":%b,"reasoning":%b}' % (encoded, encoded))
            case ToolCallDelta():
                return self._called(at, event)
            case Finished():
                return self._ended(at, event)
            case _:
                return b""

    def _called(self, at: int, delta: ToolCallDelta) -> bytes:
        pieces = b""
        if (at, delta.index) not in self._calls:
            self._calls.add((at, delta.index))
            call_id, name = json_bytes(delta.id or self._new_id("call_")), json_bytes(delta.name or "")
            pieces = self._chunk(
                at,
                b'{"tool_calls":[{"index":%d,"id":%b,"type":"function","function":{"name":%b,"arguments":""}}]}'
                % (delta.index, call_id, name),
            )
        if delta.arguments:
            arguments = json_bytes(delta.arguments)
            pieces += self._chunk(
                at, b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}' % (delta.index, arguments)
            )
        return pieces

    def _ended(self, at: int, event: Finished) -> bytes:
        has_called = any(choice == at for choice, _ in self._calls)
        chunk = self._chunk(at, b"{}", reason=json_bytes(_reason(event.reason, has_called)))
        self._finished[at] = event
        if None in self._finished:
            return chunk
        self.usage = usage_of(self._finished, len(self._finished))
        if not self._includes_usage:
            return chunk + DONE
        return b'%b%b],"usage":%b}\n\n%b' % (chunk, self._head, json_bytes(usage_body(self.usage)), DONE)
