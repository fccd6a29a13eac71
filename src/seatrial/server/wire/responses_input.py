"""The items that the responses API reads: messages, calls, their results, reasoning.

In: `input` as decoded, and the items of earlier turns. Out: the messages of a `ChatRequest`. What an item lacks or must
not have is refused here by its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import Struct

from seatrial.chat import Message, Part, TextPart, ToolCall
from seatrial.chat import Role as ChatRole
from seatrial.server.errors import Failure, bad_request, unsupported
from seatrial.server.wire.images import Fetched, check_host, image_part, is_web_address
from seatrial.server.wire.limits import WireLimits
from seatrial.server.wire.responses_output import ItemStatus, OutputCall, OutputItem, OutputMessage, OutputReasoning
from seatrial.server.wire.videos import KeepVideo, VideoContent, too_many_videos, video_part

Role = Literal["user", "assistant", "system", "developer"]


class _Shape(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    pass


class InputText(_Shape, frozen=True, tag_field="type", tag="input_text"):
    """Text in a message or in a function's result."""

    text: str
    prompt_cache_breakpoint: Mapping[str, Any] | None = None


class InputImage(_Shape, frozen=True, tag_field="type", tag="input_image"):
    """A picture by URL."""

    image_url: str | None = None
    file_id: str | None = None
    detail: Literal["low", "high", "auto", "original"] | None = None
    prompt_cache_breakpoint: Mapping[str, Any] | None = None


class AnsweredText(_Shape, frozen=True, tag_field="type", tag="output_text"):
    """What the assistant said, sent back."""

    text: str
    annotations: Sequence[Any] | None = None
    logprobs: Sequence[Any] | None = None


class AnsweredRefusal(_Shape, frozen=True, tag_field="type", tag="refusal"):
    """What the assistant would not say, sent back."""

    refusal: str


class ThoughtText(_Shape, frozen=True, tag_field="type", tag="reasoning_text"):
    """What the assistant thought, sent back."""

    text: str


class SummaryText(_Shape, frozen=True, tag_field="type", tag="summary_text"):
    """A summary of what the assistant thought, sent back."""

    text: str


InputPart = InputText | InputImage | VideoContent | AnsweredText | AnsweredRefusal | ThoughtText


class InputItem(_Shape, frozen=True):
    """Any item of `input`; `type` says which of the fields belong to it."""

    type: Literal["message", "function_call", "function_call_output", "reasoning"] = "message"
    id: str | None = None
    status: ItemStatus | None = None
    role: Role | None = None
    content: str | tuple[InputPart, ...] | None = None
    phase: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | tuple[InputPart, ...] | None = None
    summary: tuple[SummaryText, ...] | None = None
    encrypted_content: str | None = None
    namespace: str | None = None
    caller: Mapping[str, Any] | None = None


Item = InputItem | OutputItem

_FIELDS = {
    "message": (("role", "content"), ("phase",)),
    "function_call": (("call_id", "name", "arguments"), ("caller",)),
    "function_call_output": (("call_id", "output"), ("caller", "name")),
    "reasoning": ((), ("content", "summary", "encrypted_content")),
}
_OF_ANY_TYPE = ("type", "id", "status")


def checked(items: str | Sequence[InputItem]) -> tuple[InputItem, ...]:
    """The items of an `input`, each of the fields that belong together. Raises Failure 400 by the item's place."""
    if isinstance(items, str):
        return (InputItem(role="user", content=items),)
    for at, item in enumerate(items):
        required, optional = _FIELDS[item.type]
        for name in item.__struct_fields__:
            given = getattr(item, name) is not None
            if name in required and not given:
                raise _missing(f"input[{at}].{name}")
            if given and name not in required and name not in optional and name not in _OF_ANY_TYPE:
                raise unsupported(f"input[{at}].{name}", f"An item of type '{item.type}' has no such field here.")
        if item.caller is not None and item.caller.get("type") != "direct":
            raise unsupported(f"input[{at}].caller", "Functions are called by the model alone: 'direct'.")
    return tuple(items)


def _missing(param: str) -> Failure:
    return bad_request(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def web_addresses(items: Sequence[Item], num_earlier: int, limits: WireLimits) -> dict[str, str]:
    """The pictures that must be fetched, each once, with the place that first names it.

    Raises Failure for hosts that are not allowed, and for too many pictures or videos.
    """
    urls: dict[str, str] = {}
    num_images = num_videos = 0
    for at, item in enumerate(items):
        for name in ("content", "output") if isinstance(item, InputItem) else ():
            content = getattr(item, name)
            for part_at, part in enumerate(content if isinstance(content, tuple) else ()):
                num_videos += isinstance(part, VideoContent)
                if not isinstance(part, InputImage):
                    continue
                num_images += 1
                if part.image_url is not None and is_web_address(part.image_url):
                    param = f"{_place(at, num_earlier, name)}[{part_at}].image_url"
                    check_host(part.image_url, limits, param)
                    urls.setdefault(part.image_url, param)
    if num_images > limits.max_images:
        raise bad_request(
            f"The conversation holds {num_images} pictures; one request may have {limits.max_images}. Send fewer.",
            param="input",
            code="too_many_images",
        )
    if num_videos > limits.max_videos:
        raise too_many_videos(limits, "input")
    return urls


def messages_of(
    items: Sequence[Item], num_earlier: int, limits: WireLimits, fetched: Fetched, keep: KeepVideo
) -> tuple[Message, ...]:
    """The conversation in the neutral vocabulary. The first `num_earlier` items are of turns before this one.

    Reasoning of earlier turns is not shown to the model again. What the assistant said and the calls after it are one
    message. Raises Failure 400 for a result without its call, a call without its result, and parts out of place; and
    what `keep` raises.
    """
    _check_calls(items)
    reader = _PartReader(limits, fetched, keep)
    messages: list[Message] = []
    for at, item in enumerate(items):
        match item:
            case OutputMessage():
                text = "".join([part.text for part in item.content])
                messages.append(Message("assistant", (TextPart(text),)))
            case OutputReasoning() | InputItem(type="reasoning"):
                pass
            case InputItem(type="message"):
                assert item.role is not None
                assert item.content is not None
                role: ChatRole = "system" if item.role == "developer" else item.role
                messages.append(Message(role, reader.parts(item.content, role, _place(at, num_earlier, "content"))))
            case OutputCall() | InputItem(type="function_call"):
                _add_call(messages, ToolCall(item.call_id or "", item.name or "", item.arguments or ""))
            case _:
                parts = reader.parts(item.output or "", "tool", _place(at, num_earlier, "output"))
                messages.append(Message("tool", parts, tool_call_id=item.call_id))
    return tuple(messages)


def _place(at: int, num_earlier: int, name: str) -> str:
    """Where a field of an item stands, as errors name it."""
    return f"input[{at - num_earlier}].{name}" if at >= num_earlier else f"previous_response_id.{name}"


def _check_calls(items: Sequence[Item]) -> None:
    waiting: dict[str, None] = {}
    made: set[str] = set()
    for item in items:
        if isinstance(item, OutputCall) or (isinstance(item, InputItem) and item.type == "function_call"):
            made.add(item.call_id or "")
            waiting[item.call_id or ""] = None
        elif isinstance(item, InputItem) and item.type == "function_call_output":
            if item.call_id not in made:
                raise bad_request(
                    f"No tool call found for function call output with call_id {item.call_id}.", param="input"
                )
            waiting.pop(item.call_id or "", None)
    for call_id in waiting:
        raise bad_request(f"No tool output found for function call {call_id}.", param="input")


def _add_call(messages: list[Message], call: ToolCall) -> None:
    """A call joins what the assistant said, or called, right before it."""
    last = messages[-1] if messages else None
    if last is not None and last.role == "assistant":
        messages[-1] = Message("assistant", last.parts, (*last.tool_calls, call))
    else:
        messages.append(Message("assistant", (), (call,)))


@dataclass(frozen=True, slots=True)
class _PartReader:
    """Reads the parts of messages and of functions' results."""

    limits: WireLimits
    fetched: Fetched
    keep: KeepVideo

    def parts(self, content: str | Sequence[InputPart], role: ChatRole, place: str) -> tuple[Part, ...]:
        if isinstance(content, str):
            return (TextPart(content),)
        return tuple([self._part(part, role, f"{place}[{at}]") for at, part in enumerate(content)])

    def _part(self, part: InputPart, role: ChatRole, place: str) -> Part:
        match part:
            case InputText(text) if role != "assistant":
                return TextPart(text)
            case InputImage() if role in ("user", "tool"):
                if part.file_id is not None:
                    raise unsupported(f"{place}.file_id", "Files are not kept here: send the image as a data URL.")
                if part.image_url is None:
                    raise _missing(f"{place}.image_url")
                detail = "high" if part.detail == "original" else part.detail
                return image_part(part.image_url, detail, self.limits, self.fetched, f"{place}.image_url")
            case VideoContent() if role in ("user", "tool"):
                return video_part(part, self.limits, self.keep, place)
            case AnsweredText(text) | AnsweredRefusal(text) if role == "assistant":
                return TextPart(text)
            case _:
                raise _out_of_place(part, role, place)


def _out_of_place(part: InputPart, role: ChatRole, place: str) -> Failure:
    fits = "'output_text' or 'refusal'" if role == "assistant" else "'input_text'"
    if role in ("user", "tool"):
        fits += ", 'input_image' or 'video_url'"
    kind = part.__struct_config__.tag
    message = f"Invalid value: '{place}.type' is '{kind}'. Here it must be {fits}."
    return bad_request(message, param=f"{place}.type", code="invalid_value")
