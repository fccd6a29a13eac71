"""Stored chat completions on the wire: listed, changed and deleted; and the messages that one is an answer to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from msgspec import UNSET, Raw, Struct, UnsetType

from seatrial.chat import Detail
from seatrial.server.wire.chat import Metadata
from seatrial.server.wire.chat_reply import CalledFunctionBody, ChatReply, ToolCallBody
from seatrial.server.wire.decoding import BodyDecoder
from seatrial.server.wire.json_text import json_bytes
from seatrial.server.wire.messages import (
    AssistantMessage,
    ImageContent,
    RefusalContent,
    TextContent,
    ToolMessage,
    WireMessage,
)
from seatrial.server.wire.videos import VideoContent

Role = Literal["system", "developer", "user", "assistant", "tool"]


class ChatUpdate(Struct, forbid_unknown_fields=True):
    """What can be changed of a stored completion."""

    metadata: Metadata | None


class ChatDeleted(Struct, frozen=True):
    """A completion is gone."""

    id: str
    object: Literal["chat.completion.deleted"] = "chat.completion.deleted"
    deleted: bool = True


class ChatList(Struct, frozen=True):
    """A page of stored completions."""

    data: list[ChatReply]
    has_more: bool
    first_id: str
    last_id: str
    object: Literal["list"] = "list"


class ListedText(Struct, tag_field="type", tag="text"):
    """A run of text."""

    text: str


class ListedUrl(Struct):
    """Where a picture is."""

    url: str
    detail: Detail


class ListedImage(Struct, tag_field="type", tag="image_url"):
    """A picture."""

    image_url: ListedUrl


class ListedVideoUrl(Struct):
    """Where a video is."""

    url: str


class ListedVideo(Struct, tag_field="type", tag="video_url"):
    """A video."""

    video_url: ListedVideoUrl


class ListedMessage(Struct):
    """A message of the conversation that was answered."""

    id: str
    role: Role
    content: str | None
    refusal: str | None = None
    name: str | None = None
    content_parts: list[ListedText | ListedImage | ListedVideo] | None = None
    tool_calls: list[ToolCallBody] | UnsetType = UNSET
    tool_call_id: str | UnsetType = UNSET


class MessageList(Struct, frozen=True):
    """A page of messages."""

    data: list[ListedMessage]
    has_more: bool
    first_id: str
    last_id: str
    object: Literal["list"] = "list"


decode_update = BodyDecoder(ChatUpdate).decode


def chat_list(replies: Sequence[bytes], *, has_more: bool, first_id: str, last_id: str) -> bytes:
    """A `ChatList` of completions that are JSON already."""
    data = cast(list[ChatReply], [Raw(reply) for reply in replies])
    return json_bytes(ChatList(data, has_more, first_id, last_id))


def listed_messages(messages: Sequence[WireMessage], completion_id: str) -> list[ListedMessage]:
    """The messages of a request, as the API lists them again: each has an id, and either `content` or its parts."""
    return [_listed(message, f"{completion_id}-{at}") for at, message in enumerate(messages)]


def _listed(message: WireMessage, message_id: str) -> ListedMessage:
    content = message.content
    listed = ListedMessage(message_id, _role_of(message), content if isinstance(content, str) else None)
    listed.name = message.name
    if content is not None and not isinstance(content, str):
        listed.content_parts = [_part(part) for part in content if not isinstance(part, RefusalContent)] or None
        listed.refusal = "".join([part.refusal for part in content if isinstance(part, RefusalContent)]) or None
    if isinstance(message, AssistantMessage):
        listed.refusal = message.refusal or listed.refusal
        if message.tool_calls:
            listed.tool_calls = [
                ToolCallBody(call.id, CalledFunctionBody(call.function.name, call.function.arguments))
                for call in message.tool_calls
            ]
    elif isinstance(message, ToolMessage):
        listed.tool_call_id = message.tool_call_id
    return listed


def _role_of(message: WireMessage) -> Role:
    return cast(Role, type(message).__struct_config__.tag)


def _part(part: TextContent | ImageContent | VideoContent) -> ListedText | ListedImage | ListedVideo:
    if isinstance(part, TextContent):
        return ListedText(part.text)
    if isinstance(part, VideoContent):
        return ListedVideo(ListedVideoUrl(part.video_url.url))
    return ListedImage(ListedUrl(part.image_url.url, part.image_url.detail or "auto"))
