"""Requests in the OpenAI wire format: a `ChatRequest` to the JSON body of chat completions, or of text completions.

Pure translation, no network; replies are read by `openai_reply`. Every field that a request sets is sent or refused by
name, never dropped. `Dialect` holds what servers of this format disagree on.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from seatrial.chat import ChatRequest, ImagePart, Message, Part, TextPart, Tool, ToolCall, VideoPart
from seatrial.errors import RequestRejected
from seatrial.media.types import PICTURE_TYPES

MaxTokensField = Literal["max_tokens", "max_completion_tokens"]
HOSTED_REFUSES = frozenset({"top_k", "min_p", "repetition_penalty", "ignore_eos", "thinking", "chat_template_kwargs"})
_OF_CHATS = ("thinking", "chat_template_kwargs", "reasoning_effort", "response_format", "tools", "tool_choice")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What servers of this format disagree on.

    `refuses` names what the model does not take, by the field's name in the API (`temperature`, `logprobs`,
    `response_format`, `image_url`), and `thinking` for the switch in `chat_template_kwargs`. HOSTED_REFUSES are
    extensions of vLLM, llama.cpp and Seatrial's own server.
    """

    max_tokens_field: MaxTokensField = "max_tokens"
    refuses: frozenset[str] = frozenset()


def encode_request(request: ChatRequest, model: str, dialect: Dialect) -> bytes:
    """The JSON body that asks `model` for a streamed answer: of text completions where the request has a `prompt`.

    Raises RequestRejected, with the field in `param`, where the request sets what the model does not take or the API
    has no field for.
    """
    continues = request.prompt is not None
    settings = _settings(request)
    refused = [name for name in settings if name in dialect.refuses or (continues and name in _OF_CHATS)]
    if request.thinking_tokens is not None:
        refused.append("thinking_tokens")
    if continues and request.messages:
        refused.append("messages")
    if refused:
        quoted = " and ".join(f"`{name}`" for name in refused)
        raise RequestRejected(
            f"`{model}` takes no {quoted} over this API{' beside a prompt' if continues else ''}. Leave out {quoted}.",
            code="unsupported_parameter",
            param=next(iter(settings.get(refused[0], refused))),
        )
    if "image_url" in dialect.refuses and _shows_pictures(request):
        raise RequestRejected(
            f"`{model}` reads text only; the request holds a picture. Ask a model that sees, such as `smolvlm2-256m`.",
            code="unsupported_parameter",
            param="messages",
        )
    _refuse_videos(request, model)
    asked = {"prompt": request.prompt} if continues else {"messages": [_wire_message(one) for one in request.messages]}
    body: dict[str, Any] = {"model": model, **asked, "stream": True, "stream_options": {"include_usage": True}}
    if request.max_tokens is not None:
        body["max_tokens" if continues else dialect.max_tokens_field] = request.max_tokens
    for fields in settings.values():
        body |= fields
    return msgspec.json.encode(body)


def shows_other_formats(request: ChatRequest) -> bool:
    """Whether a picture of the request is of a type that the API does not take. `picture_formats` makes PNG of it."""
    return any(
        isinstance(part, ImagePart) and part.media_type not in PICTURE_TYPES
        for message in request.messages
        for part in message.parts
    )


def _shows_pictures(request: ChatRequest) -> bool:
    return any(isinstance(part, ImagePart) for message in request.messages for part in message.parts)


def _refuse_videos(request: ChatRequest, model: str) -> None:
    for at, message in enumerate(request.messages):
        for place, part in enumerate(message.parts):
            if isinstance(part, VideoPart):
                raise RequestRejected(
                    f"`{model}` is asked over the OpenAI API, which takes no videos. Send frames of it as pictures, or "
                    "ask a model that runs here, such as `smolvlm2-256m`.",
                    code="unsupported_parameter",
                    param=f"messages[{at}].content[{place}]",
                )


def _settings(request: ChatRequest) -> dict[str, dict[str, Any]]:
    """Every setting that the request makes, by the name it is refused by, as the fields that say it."""
    sampling = request.sampling
    plain = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "seed": sampling.seed,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "repetition_penalty": sampling.repetition_penalty,
        "logit_bias": _logit_bias(sampling.logit_bias),
        "ignore_eos": sampling.ignore_eos or None,
        "stop": request.stop or None,
        "reasoning_effort": request.reasoning_effort,
        "response_format": _response_format(request),
        "tools": [_wire_tool(tool) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request),
        "parallel_tool_calls": False if request.tools and not request.parallel_tool_calls else None,
    }
    settings: dict[str, dict[str, Any]] = {name: {name: value} for name, value in plain.items() if value is not None}
    if request.num_logprobs is not None:
        settings["logprobs"] = _logprobs(request.num_logprobs, continues=request.prompt is not None)
    variables = dict(request.template_variables)
    if request.thinking is not None:
        settings["thinking"] = {"chat_template_kwargs": variables | {"enable_thinking": request.thinking}}
    if variables:
        settings.setdefault("chat_template_kwargs", settings.get("thinking", {"chat_template_kwargs": variables}))
    return settings


def _logit_bias(bias_of: Mapping[int, float]) -> dict[int, float] | None:
    """OpenAI's document has whole numbers here; those that are not go to whoever takes them."""
    return {token: int(bias) if bias == int(bias) else bias for token, bias in bias_of.items()} or None


def _logprobs(num_best: int, *, continues: bool) -> dict[str, Any]:
    if continues:
        return {"logprobs": num_best}
    return {"logprobs": True, "top_logprobs": num_best} if num_best else {"logprobs": True}


def _tool_choice(request: ChatRequest) -> str | dict[str, Any] | None:
    """None where it goes without saying: `auto`, and `none` without tools, which the API does not take."""
    if request.named_tool is not None:
        return {"type": "function", "function": {"name": request.named_tool}}
    if request.tool_choice == "auto" or (request.tool_choice == "none" and not request.tools):
        return None
    return request.tool_choice


def _wire_message(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role}
    if not all(isinstance(part, TextPart) for part in message.parts):
        wire["content"] = [_wire_part(part) for part in message.parts]
    elif message.parts or not message.tool_calls:
        wire["content"] = message.text
    if message.tool_calls:
        wire["tool_calls"] = [_wire_tool_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def _wire_part(part: Part) -> dict[str, Any]:
    assert not isinstance(part, VideoPart)
    if isinstance(part, ImagePart):
        data = base64.b64encode(part.data).decode("ascii")
        image = {"url": f"data:{part.media_type};base64,{data}"}
        return {"type": "image_url", "image_url": image if part.detail == "auto" else image | {"detail": part.detail}}
    return {"type": "text", "text": part.text}


def _wire_tool_call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _wire_tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function | {"strict": True} if tool.strict else function}


def _response_format(request: ChatRequest) -> dict[str, Any] | None:
    schema = request.json_schema
    if schema is None:
        return {"type": "json_object"} if request.json_object else None
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
