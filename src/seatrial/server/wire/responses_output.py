"""What the responses API gives: the response object, its output items, its usage.

Structs that msgspec encodes as they stand. Fields that the API leaves out where nothing is known of them are `UNSET`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from seatrial.chat import Usage
from seatrial.server.wire.logprobs import ChosenScore

ItemStatus = Literal["in_progress", "completed", "incomplete"]
ResponseStatus = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
ErrorCode = Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]


class OutputText(Struct, frozen=True, tag_field="type", tag="output_text"):
    """The text of a message."""

    text: str
    annotations: tuple[()] = ()
    logprobs: Sequence[ChosenScore] = ()


class ReasoningText(Struct, frozen=True, tag_field="type", tag="reasoning_text"):
    """The text of a reasoning item."""

    text: str


class OutputMessage(Struct, frozen=True, tag_field="type", tag="message"):
    """An answer."""

    id: str
    status: ItemStatus
    content: tuple[OutputText, ...] = ()
    role: Literal["assistant"] = "assistant"


class OutputReasoning(Struct, frozen=True, tag_field="type", tag="reasoning"):
    """What the model thought before it answered, as text; a summary of it is never made."""

    id: str
    status: ItemStatus
    content: tuple[ReasoningText, ...] = ()
    summary: tuple[()] = ()


class OutputCall(Struct, frozen=True, tag_field="type", tag="function_call"):
    """A function that the model calls. `arguments` is the JSON text as the model wrote it."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: ItemStatus


OutputItem = OutputMessage | OutputReasoning | OutputCall


class InputDetails(Struct, frozen=True):
    """Where the prompt's tokens came from."""

    cached_tokens: int
    cache_write_tokens: int = 0


class OutputDetails(Struct, frozen=True):
    """What the answer's tokens were spent on."""

    reasoning_tokens: int


class ResponseUsage(Struct, frozen=True):
    """Tokens of one response."""

    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class IncompleteDetails(Struct, frozen=True):
    """Why an answer ends early."""

    reason: Literal["max_output_tokens", "content_filter"]


class ResponseError(Struct, frozen=True):
    """Why a response failed."""

    code: ErrorCode
    message: str


class Response(Struct, frozen=True, kw_only=True):
    """A response, finished or not. Its first half is what happened, its second what was asked for."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    model: str
    status: ResponseStatus
    output: tuple[OutputItem, ...] = ()
    completed_at: int | None = None
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    usage: ResponseUsage | UnsetType = UNSET

    background: bool = False
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    reasoning: Mapping[str, Any] | None = None
    safety_identifier: str | None = None
    service_tier: str | None = "default"
    store: bool = True
    temperature: float | None = None
    text: Mapping[str, Any] = msgspec.field(default_factory=dict)
    tool_choice: Any = "auto"
    tools: Sequence[Any] = ()
    top_logprobs: int = 0
    top_p: float | None = None
    truncation: Literal["auto", "disabled"] = "disabled"
    user: str | UnsetType = UNSET

    @property
    def is_over(self) -> bool:
        """Nothing about it will change."""
        return self.status not in ("queued", "in_progress")


class InputTokens(Struct, frozen=True):
    """How long a prompt would be."""

    input_tokens: int
    object: Literal["response.input_tokens"] = "response.input_tokens"


class Deleted(Struct, frozen=True):
    """A response is gone."""

    id: str
    object: Literal["response"] = "response"
    deleted: bool = True


class ItemList(Struct, frozen=True):
    """A page of items."""

    data: Sequence[Any]
    has_more: bool
    first_id: str
    last_id: str
    object: Literal["list"] = "list"


def usage_of(usage: Usage | None) -> ResponseUsage | UnsetType:
    """Usage on the wire; unset where the provider told none."""
    if usage is None:
        return UNSET
    return ResponseUsage(
        input_tokens=usage.prompt_tokens,
        input_tokens_details=InputDetails(usage.cached_tokens),
        output_tokens=usage.completion_tokens,
        output_tokens_details=OutputDetails(usage.reasoning_tokens),
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
    )
