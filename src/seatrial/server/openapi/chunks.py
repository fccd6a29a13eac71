"""The shapes of what the server writes without a type of its own: streamed chunks, made of bytes for speed,
errors, health.

For schemas alone; nothing is decoded or encoded with them.
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from seatrial.chat import FinishReason
from seatrial.server.wire.completions_reply import CompletionReason
from seatrial.server.wire.logprobs import ChatLogprobs, CompletionLogprobs
from seatrial.server.wire.usage import UsageBody


class ErrorDetails(Struct):
    """What went wrong, and with which field."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(Struct):
    """Every failure, on every path."""

    error: ErrorDetails


class FunctionDelta(Struct):
    """The name comes first, then the arguments in fragments."""

    arguments: str
    name: str | UnsetType = UNSET


class ToolCallDelta(Struct):
    """A piece of a call. `id` and `type` come with its first piece."""

    index: int
    function: FunctionDelta
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class Delta(Struct):
    """What is new in a choice."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    refusal: UnsetType | None = UNSET
    reasoning_content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET


class ChunkChoice(Struct):
    """One answer, as far as this chunk goes. `finish_reason` comes with the last one."""

    index: int
    delta: Delta
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason | None


class ChatChunk(Struct):
    """One `data:` line of a stream, before `data: [DONE]`. Where usage is asked for, the last has it and no choices."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    service_tier: Literal["default"]
    system_fingerprint: str | None
    choices: list[ChunkChoice]
    usage: UsageBody | UnsetType | None = UNSET


class CompletionPiece(Struct):
    """One continuation, as far as this chunk goes."""

    text: str
    index: int
    logprobs: CompletionLogprobs | None
    finish_reason: CompletionReason | None


class CompletionChunk(Struct):
    """One `data:` line of a stream, before `data: [DONE]`. Where usage is asked for, the last has it and no choices."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str | None
    choices: list[CompletionPiece]
    usage: UsageBody | UnsetType | None = UNSET


class Health(Struct):
    """All is well."""

    status: Literal["ok"]
