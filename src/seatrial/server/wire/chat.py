"""`POST /v1/chat/completions`, the body: what is honoured, what is taken without effect, what is refused.

In: bytes. Out: a `ChatBody`, and the `ChatRequest` that it makes. Whatever would change the answer and is not done is
refused by name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from seatrial.chat import ChatRequest, ReasoningEffort
from seatrial.server.errors import bad_request, unsupported
from seatrial.server.wire.decoding import BodyDecoder, check_depth
from seatrial.server.wire.format import ResponseFormat, form_of
from seatrial.server.wire.images import Fetched
from seatrial.server.wire.limits import WireLimits
from seatrial.server.wire.messages import WireMessage, conversation
from seatrial.server.wire.sampling import Count, GenerationFields, answer_tokens, sampling_of, stops_of
from seatrial.server.wire.tools import Tools, WireToolChoice, offer_of
from seatrial.server.wire.videos import KeepVideo

Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]


class ChatBody(GenerationFields, kw_only=True, forbid_unknown_fields=True):
    """A chat request. The fields of the last two groups have no effect, by design of the API, or are refused."""

    messages: Annotated[list[WireMessage], Meta(min_length=1)]
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: Tools | None = None
    tool_choice: WireToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: ReasoningEffort | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    metadata: Metadata | None = None
    safety_identifier: str | None = None
    store: bool | None = None

    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    service_tier: str | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    prediction: dict[str, Any] | None = None

    modalities: list[str] | None = None
    audio: Any = None
    web_search_options: Any = None
    functions: Any = None
    function_call: Any = None


_REFUSED = (
    ("audio", "Answers are text."),
    ("web_search_options", "This server searches nothing; offer a tool that does."),
    ("functions", "Send 'tools', which took its place."),
    ("function_call", "Send 'tool_choice', which took its place."),
)

decode_chat = BodyDecoder(ChatBody).decode


def chat_request(body: ChatBody, limits: WireLimits, fetched: Fetched, keep: KeepVideo) -> ChatRequest:
    """What a provider is asked. `fetched` has the pictures of every web address in the messages, `keep` takes videos.

    Raises Failure naming the field: out of this server's limits, in contradiction to another, or not supported.
    """
    _check_supported(body)
    form = form_of(body.response_format)
    offer = offer_of(body.tools, body.tool_choice)
    variables, thinking = _template_variables(body.chat_template_kwargs)
    return ChatRequest(
        messages=conversation(body.messages, limits, fetched, keep),
        max_tokens=_max_tokens(body, limits),
        sampling=sampling_of(body),
        stop=stops_of(body),
        num_logprobs=_num_logprobs(body),
        json_schema=form.json_schema,
        json_object=form.json_object,
        tools=offer.tools,
        tool_choice=offer.choice,
        named_tool=offer.named,
        parallel_tool_calls=body.parallel_tool_calls is not False,
        thinking=thinking,
        reasoning_effort=body.reasoning_effort,
        template_variables=variables,
    )


def _check_supported(body: ChatBody) -> None:
    if body.modalities is not None and body.modalities != ["text"]:
        raise unsupported("modalities", 'Answers are text: leave it out, or send ["text"].')
    for name, why in _REFUSED:
        if getattr(body, name) is not None:
            raise unsupported(name, why)


def _max_tokens(body: ChatBody, limits: WireLimits) -> int | None:
    newer, older = body.max_completion_tokens, body.max_tokens
    if newer is not None and older is not None and newer != older:
        raise bad_request(
            f"'max_tokens' is {older} and 'max_completion_tokens' is {newer}. Send one of them.",
            param="max_tokens",
            code="invalid_value",
        )
    if newer is not None:
        return answer_tokens(newer, limits, "max_completion_tokens")
    return answer_tokens(older, limits, "max_tokens")


def _num_logprobs(body: ChatBody) -> int | None:
    if body.logprobs:
        return body.top_logprobs or 0
    if body.top_logprobs is not None:
        raise bad_request(
            "'top_logprobs' has a meaning only with 'logprobs': true. Set it, or leave 'top_logprobs' out.",
            param="top_logprobs",
            code="invalid_value",
        )
    return None


def _template_variables(variables: dict[str, Any] | None) -> tuple[dict[str, Any], bool | None]:
    """The variables for the template, and apart from them whether the model shall think."""
    if not variables:
        return {}, None
    check_depth(variables, "chat_template_kwargs")
    thinking = variables.pop("enable_thinking", None)
    if thinking is not None and not isinstance(thinking, bool):
        raise bad_request(
            "Invalid type: 'chat_template_kwargs.enable_thinking' must be a boolean.",
            param="chat_template_kwargs.enable_thinking",
            code="invalid_type",
        )
    return variables, thinking
