"""The body of a request to the responses API: which fields there are, and what they may be."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from seatrial.chat import ReasoningEffort
from seatrial.server.wire.decoding import BodyDecoder
from seatrial.server.wire.responses_input import InputItem
from seatrial.server.wire.responses_tools import WireToolChoice, WireTools

Summary = Literal["auto", "concise", "detailed"]
Include = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]
Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]


class _Shape(Struct, kw_only=True, forbid_unknown_fields=True):
    pass


class PlainText(_Shape, tag_field="type", tag="text"):
    """Free text."""


class AnyObject(_Shape, tag_field="type", tag="json_object"):
    """Any JSON object."""


class OfSchema(_Shape, tag_field="type", tag="json_schema"):
    """JSON of a schema."""

    name: str
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class TextOptions(_Shape):
    """The form of the answer. `verbosity` is accepted and has no effect."""

    format: PlainText | AnyObject | OfSchema | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningOptions(_Shape):
    """How much to think. Reasoning is given as it is, so that a summary has no effect."""

    effort: ReasoningEffort | None = None
    summary: Summary | None = None
    generate_summary: Summary | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None
    mode: str | None = None


class StreamOptions(_Shape):
    """Padding of events on OpenAI's servers; no effect here."""

    include_obfuscation: bool | None = None


class PromptFields(_Shape):
    """What makes the prompt: the part that a body for counting tokens shares with one for an answer."""

    model: str
    input: str | list[InputItem] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    tools: WireTools | None = None
    tool_choice: WireToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = None
    truncation: Literal["auto", "disabled"] | None = None
    conversation: Any = None
    personality: Any = None


class CreateBody(PromptFields):
    """What asks for an answer."""

    max_output_tokens: Annotated[int, Meta(ge=1, lt=2**31)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    include: list[Include] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    store: bool | None = None
    background: bool | None = None
    metadata: Metadata | None = None
    max_tool_calls: int | None = None
    client_metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: Annotated[str, Meta(max_length=64)] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"] | None = None
    prompt: Any = None
    context_management: Any = None
    moderation: Any = None


create_decoder = BodyDecoder(CreateBody)
count_decoder = BodyDecoder(PromptFields)
