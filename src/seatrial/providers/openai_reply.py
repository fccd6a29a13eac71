"""Replies in the OpenAI wire format, streamed or whole, of chat and of text completions, to `ChatEvent`s.

Pure translation, no network. What comes in from a server is checked here, once, by type; a reply that does not fit is a
BadReply that says where.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec

from seatrial.chat import ChatEvent, FinishReason, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from seatrial.errors import BadReply
from seatrial.providers.openai_scores import scores_of

_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: _Delta | None = None
    message: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Any = None  # read by `openai_scores` where it was asked for


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class Chunk(msgspec.Struct, gc=False):
    """A `chat.completion.chunk`. A whole `chat.completion` has `message` for `delta`, a `text_completion` `text`."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_decode = msgspec.json.Decoder(Chunk).decode


def decode_chunk(data: bytes) -> Chunk:
    """One chunk, or one whole reply. Raises BadReply where it is not JSON of that shape."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if b"\\ud" in data.lower():  # half of a surrogate pair, cut between two pieces of text: JSON allows it
            with contextlib.suppress(ValueError, RecursionError):
                return msgspec.convert(json.loads(data), Chunk)
        raise BadReply(f"The reply is not what the protocol promises: {error}.") from None


def events_of(chunk: Chunk, *, num_logprobs: int | None = None) -> list[ChatEvent]:
    """The deltas in a chunk's first choice. Empty pieces, such as the opening role, are none.

    With `num_logprobs` (as in `ChatRequest`) text comes with the scores of its tokens, also where it is empty because
    a character goes on in the next piece. Raises BadReply for log-probabilities of another shape.
    """
    events: list[ChatEvent] = []
    for choice in chunk.choices or ():
        if choice.index != 0:
            continue
        given = None if num_logprobs is None else choice.logprobs
        scores = () if num_logprobs is None or given is None else scores_of(given, num_logprobs)
        delta = choice.delta or choice.message
        if delta is None:
            if choice.text or scores:
                events.append(TextDelta(choice.text or "", scores))
            continue
        reasoning = delta.reasoning_content or delta.reasoning
        if reasoning and isinstance(reasoning, str):
            events.append(ReasoningDelta(reasoning))
        text = (delta.content or "") + (delta.refusal or "")
        if text:
            events.append(TextDelta(text, scores))
        elif scores and not (events or delta.tool_calls):
            events.append(TextDelta("", scores))
        for position, call in enumerate(delta.tool_calls or ()):
            function = call.function or _Function()
            index = position if call.index is None else call.index
            events.append(ToolCallDelta(index, call.id, function.name, function.arguments or ""))
    return events


def finish_of(chunk: Chunk) -> FinishReason | None:
    """Why the first choice ended, where this chunk ends it. Raises BadReply for a reason we do not know."""
    for choice in chunk.choices or ():
        if choice.index == 0 and choice.finish_reason:
            reason = _FINISH_REASONS.get(choice.finish_reason.lower())
            if reason is None:
                raise BadReply(f"The answer ended for the unknown reason `{choice.finish_reason[:60]}`.")
            return reason
    return None


def usage_of(chunk: Chunk) -> Usage | None:
    """The tokens as the server counted them, where it did."""
    usage = chunk.usage
    if usage is None or usage.prompt_tokens is None:
        return None
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        usage.prompt_tokens,
        usage.completion_tokens or 0,
        (prompt.cached_tokens or 0) if prompt else 0,
        (completion.reasoning_tokens or 0) if completion else 0,
    )
