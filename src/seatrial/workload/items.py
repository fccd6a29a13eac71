"""Items from the objects on a file's lines: plain ones (`input`, `expected`) and conversations (`messages`).

Either may show pictures or a video (`image`, `images`, `video`): files beside the one with the items. What is expected
stays as the file has it; the scorer checks it later, with the line at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any, cast

from seatrial.chat import Message, Role, message
from seatrial.errors import WorkloadError, nearest_names
from seatrial.workload.lines import Line, read_lines
from seatrial.workload.media import Media, MediaFolder
from seatrial.workload.media_fields import refuse_misnamed
from seatrial.workload.specification import Item

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_SHOW_INSTEAD = " To show a picture, save it beside the file and name it in the item's `image`."


@dataclass(frozen=True, slots=True)
class PlacedItem:
    """An item and the line it stands on."""

    line: int
    item: Item


def read_items(
    file: Traversable, *, folder: Traversable, cluster: str | None, cluster_required: bool
) -> list[PlacedItem]:
    """The items of a file in `folder`. `cluster` names the field that says which items share a source.

    Raises:
        WorkloadError: a line that is no item, or an id that was there before (names both lines).
    """
    placed: list[PlacedItem] = []
    line_of_id: dict[str, int] = {}
    beside = MediaFolder(folder)
    for line in read_lines(file):
        try:
            item = _item(line, beside, cluster, cluster_required)
        except WorkloadError as error:
            raise WorkloadError(error.reason, path=str(file), line=line.number, field=error.field) from None
        first = line_of_id.setdefault(item.id, line.number)
        if first != line.number:
            raise WorkloadError(
                f"repeats the id {item.id!r} of line {first}.", path=str(file), line=line.number, field="id"
            )
        placed.append(PlacedItem(line.number, item))
    return placed


def _item(line: Line, beside: MediaFolder, cluster: str | None, cluster_required: bool) -> Item:
    record = line.record
    if "messages" in record and "input" in record:
        raise WorkloadError("stands beside `input`: an item has one or the other.", field="messages")
    item_id = _name(record, "id") or f"line-{line.number}"
    group = _name(record, cluster) if cluster is not None else None
    if group is None and cluster_required:
        raise _lacks(record, cast(str, cluster), "`workload.toml` names it as the cluster field.")
    refuse_misnamed(record, cluster)
    media = beside.media(record)
    if "messages" in record:
        messages, expected = _conversation(record)
        return Item(item_id, messages[-1].text, expected, group, messages, *media)
    return Item(item_id, _input(record, media), record.get("expected"), group, (), *media)


def _input(record: Mapping[str, Any], media: Media) -> str:
    """The text that is asked; beside a picture or a video there need be none."""
    text = record.get("input", "") if media.sha256 else record.get("input")
    if text is None and "input" not in record:
        raise _lacks(record, "input", "An item has `input` (or `messages`) and `expected`.")
    if not isinstance(text, str):
        raise WorkloadError(f"must be a text, is {_kind(text)}.", field="input")
    if not text.strip() and not media.sha256:
        raise WorkloadError("must not be empty.", field="input")
    return text


def _lacks(record: Mapping[str, Any], field: str, why: str) -> WorkloadError:
    near = nearest_names(field, record)
    has = f"it has `{near[0]}`" if near else f"it has {', '.join(f'`{name}`' for name in list(record)[:6]) or 'none'}"
    return WorkloadError(f"the item lacks this field ({has}). {why}", field=field)


def _name(record: Mapping[str, Any], field: str) -> str | None:
    """An id or a cluster: a text or a whole number."""
    value = record.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise WorkloadError(f"must be a text or a whole number, is {_kind(value)}.", field=field)
    if not str(value).strip():
        raise WorkloadError("must not be empty.", field=field)
    return str(value)


def _conversation(record: Mapping[str, Any]) -> tuple[tuple[Message, ...], Any]:
    """The turns that are asked, and what is expected: the field `expected`, else the last turn, by the assistant."""
    turns = record["messages"]
    if not isinstance(turns, list) or not turns:
        raise WorkloadError("must be a list of at least one message.", field="messages")
    for name in ("tools", "functions"):
        if record.get(name):
            raise WorkloadError("tool calls cannot be scored yet. Leave the item out, or the field.", field=name)
    messages = tuple(_turn(turn, f"messages[{place}]") for place, turn in enumerate(turns))
    last = f"messages[{len(turns) - 1}]"
    expected = record.get("expected")
    if expected is None:
        if messages[-1].role != "assistant":
            raise WorkloadError(
                "must be by the assistant: the last message is what is expected, unless `expected` says it.", field=last
            )
        expected, messages = messages[-1].text, messages[:-1]
    if not messages or messages[-1].role != "user":
        raise WorkloadError("what is asked must end with a message by the user.", field=last)
    if any(turn.role == "system" for turn in messages[1:]):
        raise WorkloadError("a system message must come first, and alone.", field="messages")
    return messages, expected


def _turn(turn: Any, field: str) -> Message:
    if not isinstance(turn, dict):
        raise WorkloadError(f"must be an object with `role` and `content`, is {_kind(turn)}.", field=field)
    role = turn.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise WorkloadError(f"must be one of {', '.join(_ROLES)}, is {role!r}.", field=f"{field}.role")
    if turn.get("tool_calls") or turn.get("function_call"):
        raise WorkloadError("tool calls cannot be scored yet. Leave the item out.", field=f"{field}.tool_calls")
    content = _content(turn.get("content"), f"{field}.content")
    if not content.strip():
        raise WorkloadError("must not be empty.", field=f"{field}.content")
    return message(cast(Role, _ROLES[role]), content)


def _content(content: Any, field: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise WorkloadError(f"must be a text or a list of parts, is {_kind(content)}.", field=field)
    texts = []
    for place, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text" or not isinstance(part.get("text"), str):
            raise WorkloadError(
                f"parts of a workload must be of the type `text`; this one is of {kind!r}."
                f"{_SHOW_INSTEAD if kind in ('image', 'image_url', 'input_image', 'video') else ''}",
                field=f"{field}[{place}]",
            )
        texts.append(part["text"])
    return "".join(texts)


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), f"the number {value}")
