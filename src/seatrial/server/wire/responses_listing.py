"""The items that a response was an answer to, as the API lists them again: in full, each with an id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from seatrial.server.wire.responses_input import (
    AnsweredRefusal,
    AnsweredText,
    InputImage,
    InputItem,
    InputPart,
    InputText,
    Item,
    ThoughtText,
)
from seatrial.server.wire.responses_output import ItemStatus, OutputItem
from seatrial.server.wire.videos import VideoContent


def listed(items: Sequence[Item], response_id: str) -> Iterator[Mapping[str, Any] | OutputItem]:
    """The items of one response. An id that a client gave is kept; given twice, the second item gets another."""
    seen: set[str] = set()
    for at, item in enumerate(items):
        given = item.id if item.id not in seen else None
        seen.add(given or "")
        if not isinstance(item, InputItem):
            yield item if given else replace(item, id=f"item_{response_id}_{at}")
            continue
        suffix = f"{response_id.removeprefix('resp_')}_{at}"
        status = item.status or "completed"
        match item.type:
            case "message":
                yield _listed_message(item, given or f"msg_{suffix}", status)
            case "function_call":
                yield {
                    "type": "function_call",
                    "id": given or f"fc_{suffix}",
                    "call_id": item.call_id,
                    "name": item.name,
                    "arguments": item.arguments,
                    "status": status,
                }
            case "function_call_output":
                yield {
                    "type": "function_call_output",
                    "id": given or f"fc_{suffix}",
                    "call_id": item.call_id,
                    "output": item.output if isinstance(item.output, str) else _listed_parts(item.output or ()),
                    "status": status,
                }
            case "reasoning":
                content = item.content if not isinstance(item.content, str) else (ThoughtText(item.content),)
                yield {
                    "type": "reasoning",
                    "id": given or f"rs_{suffix}",
                    "summary": item.summary or (),
                    "content": content or (),
                    "status": status,
                }


def _listed_message(item: InputItem, id: str, status: ItemStatus) -> Mapping[str, Any]:
    content: Sequence[InputPart] = ()
    if isinstance(item.content, str):
        content = (AnsweredText(item.content) if item.role == "assistant" else InputText(item.content),)
    elif item.content is not None:
        content = item.content
    return {"type": "message", "id": id, "role": item.role, "status": status, "content": _listed_parts(content)}


def _listed_parts(parts: Sequence[InputPart]) -> list[Mapping[str, Any]]:
    listed: list[Mapping[str, Any]] = []
    for part in parts:
        match part:
            case InputText(text):
                listed.append({"type": "input_text", "text": text})
            case InputImage():
                detail = part.detail or "auto"
                listed.append({"type": "input_image", "image_url": part.image_url, "detail": detail})
            case VideoContent():
                listed.append({"type": "video_url", "video_url": {"url": part.video_url.url}})
            case AnsweredText(text):
                listed.append({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
            case AnsweredRefusal(refusal):
                listed.append({"type": "refusal", "refusal": refusal})
            case ThoughtText(text):
                listed.append({"type": "reasoning_text", "text": text})
    return listed
