"""The responses API, from the body of a request to a `ChatRequest`, and to the response that will say what was asked.

In: the body, and the items of the turns before it. Out: a `Plan`. Fields that would change the answer and that are not
done here are refused by name; fields that only steer OpenAI's own operation are accepted and do nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from msgspec import UNSET

from seatrial.chat import ChatRequest, ReasoningEffort, Sampling, message
from seatrial.server.errors import bad_request, unsupported
from seatrial.server.wire.format import FREE, Form, check_strict
from seatrial.server.wire.images import Fetched
from seatrial.server.wire.limits import WireLimits
from seatrial.server.wire.responses_body import (
    AnyObject,
    CreateBody,
    OfSchema,
    PromptFields,
    ReasoningOptions,
    TextOptions,
)
from seatrial.server.wire.responses_input import Item, checked, messages_of
from seatrial.server.wire.responses_output import Response
from seatrial.server.wire.responses_tools import FlatFunction, functions_of, offer_of
from seatrial.server.wire.sampling import answer_tokens
from seatrial.server.wire.tools import check_name
from seatrial.server.wire.videos import KeepVideo

_REFUSED = {
    "conversation": "Conversations are not kept here; go on from an answer with 'previous_response_id'.",
    "personality": "Say it in 'instructions'.",
    "prompt": "Prompts are not kept here; send 'instructions' and 'input'.",
    "context_management": "Nothing is compacted here; 'truncation' drops old turns.",
    "moderation": "Nothing is moderated here; leave it out.",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """A request that can be answered. `response` is its answer before there is any, `input_items` all that was read."""

    request: ChatRequest
    input_items: tuple[Item, ...]
    response: Response


def items_of(body: PromptFields, earlier: Sequence[Item] | None) -> tuple[Item, ...]:
    """The whole conversation. Raises Failure where there is none, and for fields that are not done here."""
    for name, way_out in _REFUSED.items():
        if getattr(body, name, None) is not None:
            raise unsupported(name, way_out)
    if body.input is None and earlier is None:
        raise bad_request(
            "One of 'input' or 'previous_response_id' must be provided.",
            param="input",
            code="missing_required_parameter",
        )
    return (*(earlier or ()), *checked(body.input or ()))


@dataclass(frozen=True, slots=True)
class Media:
    """Where the pictures and videos of a request come from: `fetched` is from the web, `keep` makes files of videos."""

    limits: WireLimits
    fetched: Fetched
    keep: KeepVideo


def prompt_of(body: PromptFields, items: tuple[Item, ...], num_earlier: int, media: Media) -> ChatRequest:
    """The request as far as its prompt goes. Raises Failure for what cannot be, naming the field."""
    return _prompt(body, functions_of(body.tools), items, num_earlier, media)


def plan_of(
    body: CreateBody,
    items: tuple[Item, ...],
    num_earlier: int,
    media: Media,
    *,
    response_id: str,
    created_at: int,
) -> Plan:
    """The request and the response-to-be. Raises as `prompt_of` does."""
    functions = functions_of(body.tools)
    prompt = _prompt(body, functions, items, num_earlier, media)
    request = replace(
        prompt,
        max_tokens=answer_tokens(body.max_output_tokens, media.limits, "max_output_tokens"),
        sampling=_sampling(body),
        num_logprobs=_num_logprobs(body),
    )
    return Plan(request, items, _response(body, functions, response_id, created_at))


def _prompt(
    body: PromptFields,
    functions: list[FlatFunction],
    items: tuple[Item, ...],
    num_earlier: int,
    media: Media,
) -> ChatRequest:
    messages = messages_of(items, num_earlier, media.limits, media.fetched, media.keep)
    if body.instructions:
        messages = (message("system", body.instructions), *messages)
    offer = offer_of(functions, body.tool_choice)
    form = _form(body.text)
    return ChatRequest(
        messages,
        json_schema=form.json_schema,
        json_object=form.json_object,
        tools=offer.tools,
        tool_choice=offer.choice,
        named_tool=offer.named,
        parallel_tool_calls=body.parallel_tool_calls is not False,
        reasoning_effort=_effort(body.reasoning),
    )


def _form(text: TextOptions | None) -> Form:
    match text.format if text else None:
        case OfSchema(name=name, schema=schema, strict=strict):
            check_name(name, "text.format.name")
            if strict:
                check_strict(schema, "text.format.schema")
            return Form(json_schema=schema)
        case AnyObject():
            return Form(json_object=True)
        case _:
            return FREE


def _effort(reasoning: ReasoningOptions | None) -> ReasoningEffort | None:
    if reasoning is None:
        return None
    if reasoning.context == "all_turns":
        raise unsupported("reasoning.context", "Reasoning of earlier turns is not shown to the model again.")
    if reasoning.mode not in (None, "standard"):
        raise unsupported("reasoning.mode", "There is one mode here: 'standard'.")
    return reasoning.effort


def _sampling(body: CreateBody) -> Sampling:
    """A `top_p` of 0 leaves the best token alone, which is greedy choice."""
    if body.top_p == 0:
        return Sampling(temperature=0.0)
    return Sampling(temperature=body.temperature, top_p=body.top_p)


def _num_logprobs(body: CreateBody) -> int | None:
    asked = body.include is not None and "message.output_text.logprobs" in body.include
    return body.top_logprobs or 0 if asked or body.top_logprobs else None


def _response(body: CreateBody, functions: list[FlatFunction], response_id: str, created_at: int) -> Response:
    reasoning = body.reasoning or ReasoningOptions()
    return Response(
        id=response_id,
        created_at=created_at,
        model=body.model,
        status="in_progress",
        background=body.background or False,
        instructions=body.instructions,
        max_output_tokens=body.max_output_tokens,
        max_tool_calls=body.max_tool_calls,
        metadata=body.metadata or {},
        parallel_tool_calls=body.parallel_tool_calls is not False,
        previous_response_id=body.previous_response_id,
        prompt_cache_key=body.prompt_cache_key,
        reasoning={"effort": reasoning.effort, "summary": reasoning.summary or reasoning.generate_summary},
        safety_identifier=body.safety_identifier,
        store=body.store is not False,
        temperature=body.temperature,
        text=_text_echo(body.text),
        tool_choice=body.tool_choice or "auto",
        tools=[_tool_echo(function) for function in functions],
        top_logprobs=body.top_logprobs or 0,
        top_p=body.top_p,
        truncation=body.truncation or "disabled",
        user=UNSET if body.user is None else body.user,
    )


def _text_echo(text: TextOptions | None) -> dict[str, Any]:
    echo: dict[str, Any] = {"format": {"type": "text"}}
    if text is not None and text.format is not None:
        given = msgspec.structs.asdict(text.format)
        if given.get("description", "") is None:
            del given["description"]
        echo["format"] = {"type": text.format.__struct_config__.tag, **given}
    if text is not None and text.verbosity is not None:
        echo["verbosity"] = text.verbosity
    return echo


def _tool_echo(function: FlatFunction) -> dict[str, Any]:
    return {
        "type": "function",
        "name": function.name,
        "description": function.description,
        "parameters": function.parameters,
        "strict": function.strict,
    }
