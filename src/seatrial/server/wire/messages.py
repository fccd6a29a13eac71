"""The messages of a chat body: what each role may say, and the conversation that they make.

In: decoded structs. Out: `seatrial.chat.Message`s. `developer` is `system` under its newer name. What replies carry
beside an answer (reasoning, annotations) may come back in the history and is left out of the prompt.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from seatrial.chat import Detail, Message, Part, Role, TextPart, ToolCall
from seatrial.server.errors import Failure, bad_request, unsupported
from seatrial.server.wire.images import Fetched, check_host, image_part, is_web_address
from seatrial.server.wire.limits import WireLimits
from seatrial.server.wire.videos import KeepVideo, VideoContent, too_many_videos, video_part


class TextContent(Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    """A run of text."""

    text: str


class RefusalContent(Struct, tag_field="type", tag="refusal", forbid_unknown_fields=True):
    """What the assistant said instead of an answer."""

    refusal: str


class ImageUrl(Struct, forbid_unknown_fields=True):
    """Where a picture is. `detail` is how closely it shall be looked at."""

    url: str
    detail: Detail | None = None


class ImageContent(Struct, tag_field="type", tag="image_url", forbid_unknown_fields=True):
    """A picture."""

    image_url: ImageUrl


TextParts = Annotated[list[TextContent], Meta(min_length=1)]


class SystemMessage(Struct, tag_field="role", tag="system", forbid_unknown_fields=True):
    """Instructions."""

    content: str | TextParts
    name: str | None = None


class DeveloperMessage(SystemMessage, tag_field="role", tag="developer", forbid_unknown_fields=True):
    """Instructions, under the newer name."""


class UserMessage(Struct, tag_field="role", tag="user", forbid_unknown_fields=True):
    """What the user says and shows."""

    content: str | Annotated[list[TextContent | ImageContent | VideoContent], Meta(min_length=1)]
    name: str | None = None


class CalledFunction(Struct, forbid_unknown_fields=True):
    """`parsed_arguments` is what the Python SDK adds to a reply that it parsed."""

    name: str
    arguments: str
    parsed_arguments: Any = None


class CalledTool(Struct, tag_field="type", tag="function", forbid_unknown_fields=True):
    """A call that the assistant made. `index` comes from streams that were put together."""

    id: str
    function: CalledFunction
    index: int | None = None


class AssistantMessage(Struct, tag_field="role", tag="assistant", forbid_unknown_fields=True):
    """An earlier answer, as replies give it and as SDKs write it back."""

    content: str | Annotated[list[TextContent | RefusalContent], Meta(min_length=1)] | None = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: list[CalledTool] | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    annotations: Any = None
    parsed: Any = None
    audio: Any = None
    function_call: Any = None


class ToolMessage(Struct, tag_field="role", tag="tool", forbid_unknown_fields=True):
    """What a tool answered."""

    content: str | TextParts
    tool_call_id: str
    name: str | None = None


WireMessage = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage

_ROLES: dict[type, Role] = {
    SystemMessage: "system",
    DeveloperMessage: "system",
    UserMessage: "user",
    AssistantMessage: "assistant",
    ToolMessage: "tool",
}


def web_addresses(messages: list[WireMessage], limits: WireLimits) -> dict[str, str]:
    """The pictures that must be fetched, each once, with the place that first names it.

    Raises Failure for hosts that are not allowed, and for too many pictures or videos.
    """
    urls: dict[str, str] = {}
    num_images = num_videos = 0
    for at, message in enumerate(messages):
        if not isinstance(message, UserMessage) or isinstance(message.content, str):
            continue
        for part_at, part in enumerate(message.content):
            if isinstance(part, VideoContent):
                num_videos += 1
                if num_videos > limits.max_videos:
                    raise too_many_videos(limits, "messages")
            elif isinstance(part, ImageContent):
                num_images += 1
                if num_images > limits.max_images:
                    raise _too_many_images(limits)
                if is_web_address(part.image_url.url):
                    check_host(part.image_url.url, limits, _url_param(at, part_at))
                    urls.setdefault(part.image_url.url, _url_param(at, part_at))
    return urls


def conversation(
    messages: list[WireMessage], limits: WireLimits, fetched: Fetched, keep: KeepVideo
) -> tuple[Message, ...]:
    """The messages as providers take them. Raises Failure naming the part that cannot be, and what `keep` raises."""
    return tuple([_message(message, at, limits, fetched, keep) for at, message in enumerate(messages)])


def _message(message: WireMessage, at: int, limits: WireLimits, fetched: Fetched, keep: KeepVideo) -> Message:
    kind = type(message)
    content = message.content
    if kind is AssistantMessage:
        return _assistant(message, at)  # type: ignore[arg-type]
    tool_call_id = message.tool_call_id if kind is ToolMessage else None  # type: ignore[union-attr]
    if isinstance(content, str):
        return Message(_ROLES[kind], (TextPart(content),), (), tool_call_id)
    parts = tuple([_part(part, at, part_at, limits, fetched, keep) for part_at, part in enumerate(content or ())])
    return Message(_ROLES[kind], parts, (), tool_call_id)


def _part(part: Any, at: int, part_at: int, limits: WireLimits, fetched: Fetched, keep: KeepVideo) -> Part:
    if isinstance(part, TextContent):
        return TextPart(part.text)
    if isinstance(part, VideoContent):
        return video_part(part, limits, keep, f"messages[{at}].content[{part_at}]")
    picture: ImageUrl = part.image_url
    return image_part(picture.url, picture.detail, limits, fetched, _url_param(at, part_at))


def _assistant(message: AssistantMessage, at: int) -> Message:
    for name in ("audio", "function_call"):
        if getattr(message, name) is not None:
            raise unsupported(f"messages[{at}].{name}", "Text and tool calls are what an answer can hold here.")
    content = message.content
    calls = tuple([ToolCall(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()])
    if isinstance(content, str):
        return Message("assistant", (TextPart(content),) if content or not calls else (), calls)
    if content:
        texts = [part.text if isinstance(part, TextContent) else part.refusal for part in content]
        return Message("assistant", tuple([TextPart(text) for text in texts]), calls)
    if message.refusal is not None:
        return Message("assistant", (TextPart(message.refusal),), calls)
    if calls:
        return Message("assistant", (), calls)
    raise bad_request(
        f"Invalid type: 'messages[{at}].content' must be a string or a list where an assistant calls no tool.",
        param=f"messages[{at}].content",
        code="invalid_type",
    )


def _url_param(at: int, part_at: int) -> str:
    return f"messages[{at}].content[{part_at}].image_url.url"


def _too_many_images(limits: WireLimits) -> Failure:
    return bad_request(
        f"The messages hold more than {limits.max_images} pictures, which is what one request may have. Send fewer.",
        param="messages",
        code="too_many_images",
    )
