"""The OpenAI chat-completions wire format: a `ChatRequest` to a JSON body, and replies to `ChatEvent`s.

Pure translation, no network. What comes in from a server is checked here, once, by type; a reply that does not fit is a
BadReply that says where. `Dialect` holds what servers of this format disagree on.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from seatrial.chat import (
    ChatEvent,
    ChatRequest,
    FinishReason,
    ImagePart,
    Message,
    ReasoningDelta,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from seatrial.errors import BadReply, NotRunnable

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


MaxTokensField = Literal["max_tokens", "max_completion_tokens"]
HOSTED_REFUSES = frozenset({"top_k", "thinking"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """What servers of this format disagree on.

    `refuses` names what the model does not take, in the words of a candidate's settings (`temperature`, `top_p`,
    `top_k`, `seed`, `thinking`, `reasoning_effort`); `top_k` and `thinking` are extensions of vLLM and llama.cpp.
    """

    max_tokens_field: MaxTokensField = "max_tokens"
    refuses: frozenset[str] = frozenset()


def encode_request(request: ChatRequest, model: str, dialect: Dialect) -> bytes:
    """The JSON body that asks `model` for a streamed answer.

    Raises NotRunnable where the request sets what the model does not take: nothing is dropped in silence.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": [_wire_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.max_tokens is not None:
        body[dialect.max_tokens_field] = request.max_tokens
    settings = _settings(request)
    refused = [name for name in settings if name in dialect.refuses]
    if refused:
        quoted = " and ".join(f"`{name}`" for name in refused)
        raise NotRunnable(f"`{model}` takes no {quoted} over this API.", f"Leave out {quoted}.")
    for field in settings.values():
        body.update(field)
    if request.stop:
        body["stop"] = list(request.stop)
    if request.tools:
        body["tools"] = [_wire_tool(tool) for tool in request.tools]
    if request.json_schema is not None:
        body["response_format"] = _response_format(request.json_schema)
    return msgspec.json.encode(body)


def _settings(request: ChatRequest) -> dict[str, dict[str, Any]]:
    """Every setting that the request makes, by our name for it, as the field that says it."""
    sampling = request.sampling
    plain = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "seed": sampling.seed,
        "reasoning_effort": request.reasoning_effort,
    }
    settings: dict[str, dict[str, Any]] = {name: {name: value} for name, value in plain.items() if value is not None}
    if request.thinking is not None:
        settings["thinking"] = {"chat_template_kwargs": {"enable_thinking": request.thinking}}
    return settings


def _wire_message(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role}
    if any(isinstance(part, ImagePart) for part in message.parts):
        wire["content"] = [_wire_part(part) for part in message.parts]
    elif message.parts or not message.tool_calls:
        wire["content"] = message.text
    if message.tool_calls:
        wire["tool_calls"] = [_wire_tool_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def _wire_part(part: Any) -> dict[str, Any]:
    if isinstance(part, ImagePart):
        data = base64.b64encode(part.data).decode("ascii")
        return {"type": "image_url", "image_url": {"url": f"data:{part.media_type};base64,{data}"}}
    return {"type": "text", "text": part.text}


def _wire_tool_call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _wire_tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    named = {"name": "answer", "schema": dict(schema), "strict": _is_strict(schema)}
    return {"type": "json_schema", "json_schema": named}


def _is_strict(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes the schema: every object closed, with all of its properties required."""
    if isinstance(schema, list):
        return all(_is_strict(part) for part in schema)
    if not isinstance(schema, Mapping):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, Mapping):
        names = set(properties or ())
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != names:
            return False
    return all(_is_strict(part) for part in schema.values())


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
    finish_reason: str | None = None


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
    """A `chat.completion.chunk`, or a whole `chat.completion`: the same fields with `message` for `delta`."""

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


def events_of(chunk: Chunk) -> list[ChatEvent]:
    """The deltas in a chunk's first choice. Empty pieces, such as the opening role, are none."""
    events: list[ChatEvent] = []
    for choice in chunk.choices or ():
        delta = choice.delta or choice.message
        if delta is None or choice.index != 0:
            continue
        reasoning = delta.reasoning_content or delta.reasoning
        if reasoning and isinstance(reasoning, str):
            events.append(ReasoningDelta(reasoning))
        if delta.content:
            events.append(TextDelta(delta.content))
        if delta.refusal:
            events.append(TextDelta(delta.refusal))
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
