"""From an item to the request that a provider gets, and from an example to what a baseline learns.

The system message, then the first `shots` examples as turns of user and assistant, then the item. The input is put in
for `{input}` as it stands: braces in it mean nothing. What an item shows stands before the text of its last turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from seatrial.chat import ChatRequest, ImagePart, Message, Part, VideoPart, message
from seatrial.media.types import picture_type
from seatrial.workload.manifest import INPUT_MARK
from seatrial.workload.media import check_unchanged, read_unchanged
from seatrial.workload.scorers.json_fields import answer_schema, in_declared_order
from seatrial.workload.scorers.number import number_text
from seatrial.workload.specification import Item, Workload

_ONE_OF_SEVERAL = ("exact", "anls", "relaxed_accuracy")


def render(workload: Workload, item: Item) -> ChatRequest:
    """The request for an item, its pictures read. Sampling is left to the provider and its candidate's settings.

    Every file that is shown is read for it, videos of gigabytes too: call it beside the event loop where there is any.

    Raises:
        WorkloadError: a picture or a video is gone, or was changed since the workload was loaded.
    """
    turns: list[Message] = []
    for example in workload.examples[: workload.prompt.shots]:
        turns += _shown(workload, example)
        turns.append(message("assistant", expected_text(workload, example)))
    turns += _shown(workload, item)
    return ChatRequest(
        messages=(*_system(workload, item), *turns),
        max_tokens=workload.prompt.max_tokens,
        json_schema=_answer_schema(workload),
    )


def rendered_examples(workload: Workload) -> tuple[tuple[str, str], ...]:
    """For every example, the last thing the user would say and the answer that is expected."""
    return tuple(
        (_asked(workload, example)[-1].text, expected_text(workload, example)) for example in workload.examples
    )


def expected_text(workload: Workload, item: Item) -> str:
    """What is expected, as an answer would write it: texts as they are, of several accepted ones the first, objects as
    JSON on one line with the fields in declared order."""
    expected = item.expected
    if isinstance(expected, list) and expected and workload.scorer.name in _ONE_OF_SEVERAL:
        expected = expected[0]
    match expected:
        case str():
            return expected
        case int() | float() if not isinstance(expected, bool):
            return number_text(expected)
        case dict() if workload.scorer.name == "json_fields":
            expected = in_declared_order(workload.scorer.settings["fields"], expected)
            return json.dumps(expected, ensure_ascii=False)
        case list() if workload.scorer.name == "contains":
            return ", ".join(str(one) for one in expected)
        case _:
            return json.dumps(expected, ensure_ascii=False, sort_keys=True)


def _system(workload: Workload, item: Item) -> tuple[Message, ...]:
    own = tuple(turn for turn in item.messages if turn.role == "system")
    return own or ((message("system", workload.prompt.system),) if workload.prompt.system else ())


def _shown(workload: Workload, item: Item) -> list[Message]:
    """What is asked, with what the item shows in the last turn."""
    *before, last = _asked(workload, item)
    if not item.media_sha256:
        return [*before, last]
    text = last.parts if last.text.strip() else ()
    return [*before, replace(last, parts=(*_media(workload, item), *text))]


def _media(workload: Workload, item: Item) -> Iterator[Part]:
    for path, sha256 in zip(item.pictures, item.media_sha256, strict=False):
        data = read_unchanged(path, sha256)
        yield ImagePart(data, picture_type(data) or "", workload.prompt.detail)
    if item.video is not None:
        check_unchanged(item.video, item.media_sha256[-1])
        yield VideoPart(item.video)


def _asked(workload: Workload, item: Item) -> list[Message]:
    if item.messages:
        return [turn for turn in item.messages if turn.role != "system"]
    return [message("user", workload.prompt.user.replace(INPUT_MARK, item.input))]


def _answer_schema(workload: Workload) -> Mapping[str, Any] | None:
    match workload.scorer.name:
        case "json_fields":
            return answer_schema(workload.scorer.settings["fields"])
        case "json_schema":
            schema: Mapping[str, Any] = workload.scorer.settings["schema"]
            return schema
        case _:
            return None
