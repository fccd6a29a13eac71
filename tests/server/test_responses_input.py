"""The items of an input: what conversation they make, and which are refused by their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from drawn_pictures import data_url, huge_png, picture
from responses_client import ResponsesClient

from seatrial.chat import ImagePart, Message, TextPart, ToolCall, message
from seatrial.server.errors import Failure
from seatrial.server.wire.images import Fetched
from seatrial.server.wire.limits import WireLimits

ClientOf = Callable[..., ResponsesClient]

PNG = picture()
PNG_URL = data_url(PNG)
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "7"}


async def _messages(client: ResponsesClient, items: Any) -> tuple[Message, ...]:
    await client.create(input=items)
    messages: tuple[Message, ...] = client.provider.requests[-1].messages
    return messages


async def test_roles_and_texts(responses_client: ClientOf) -> None:
    items = [
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "And kind."}]},
        {"role": "user", "content": [{"type": "input_text", "text": "one"}, {"type": "input_text", "text": " two"}]},
        {"role": "assistant", "content": "three", "phase": "final_answer"},
        {
            "id": "msg_1",
            "status": "completed",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "four", "annotations": [], "logprobs": None}],
        },
        {"role": "user", "content": "five"},
    ]
    assert await _messages(responses_client(), items) == (
        message("system", "Be brief."),
        message("system", "And kind."),
        Message("user", (TextPart("one"), TextPart(" two"))),
        message("assistant", "three"),
        message("assistant", "four"),
        message("user", "five"),
    )


async def test_calls_join_what_the_assistant_said_before_them(responses_client: ClientOf) -> None:
    items = [
        {"role": "user", "content": "Weather?"},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Hm"}],
            "encrypted_content": "x",
        },
        {"role": "assistant", "content": "I shall look."},
        CALL,
        {**CALL, "call_id": "c2", "id": "fc_2", "status": "completed"},
        RESULT,
        {**RESULT, "call_id": "c2", "output": [{"type": "input_text", "text": "8"}]},
    ]
    assert await _messages(responses_client(), items) == (
        message("user", "Weather?"),
        Message("assistant", (TextPart("I shall look."),), (ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}"))),
        Message("tool", (TextPart("7"),), tool_call_id="c1"),
        Message("tool", (TextPart("8"),), tool_call_id="c2"),
    )


async def test_pictures(responses_client: ClientOf) -> None:
    content = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": PNG_URL, "detail": "low"},
        {"type": "input_image", "image_url": PNG_URL, "detail": "original"},
        {"type": "input_image", "image_url": PNG_URL},
    ]
    (shown,) = await _messages(responses_client(), [{"role": "user", "content": content}])
    assert shown.parts == (
        TextPart("What is it?"),
        ImagePart(PNG, "image/png", "low"),
        ImagePart(PNG, "image/png", "high"),
        ImagePart(PNG, "image/png", "auto"),
    )


async def test_pictures_are_fetched_from_hosts_that_are_allowed(responses_client: ClientOf) -> None:
    asked: list[Mapping[str, str]] = []

    async def fetch(places: Mapping[str, str], hold: Any) -> Fetched:
        asked.append(places)
        return {url: ImagePart(PNG, "image/png") for url in places}

    url = "https://pictures.example/a.png"
    items = [{"role": "user", "content": [{"type": "input_image", "image_url": url}] * 2}]
    limits = WireLimits(image_hosts=frozenset({"pictures.example"}))
    (shown,) = await _messages(responses_client(limits=limits, fetch_pictures=fetch), items)
    assert shown.parts == (ImagePart(PNG, "image/png"),) * 2
    assert asked == [{url: "input[0].content[0].image_url"}]

    with pytest.raises(Failure) as refused:
        await responses_client(fetch_pictures=fetch).create(input=items)
    assert refused.value.code == "invalid_image_url"
    assert refused.value.param == "input[0].content[0].image_url"
    assert len(asked) == 1


async def test_too_many_pictures(responses_client: ClientOf) -> None:
    items = [{"role": "user", "content": [{"type": "input_image", "image_url": PNG_URL}] * 3}]
    with pytest.raises(Failure) as refused:
        await responses_client(limits=WireLimits(max_images=2)).create(input=items)
    assert "3 pictures" in refused.value.message


def _said(role: str, part: Any) -> list[Any]:
    return [{"role": role, "content": [part]}]


@pytest.mark.parametrize(
    ("items", "param", "code"),
    [
        ([7], "input[0]", "invalid_type"),
        ([{"type": "web_search_call"}], "input[0].type", "invalid_value"),
        ([{"type": "item_reference", "id": "msg_1"}], "input[0].type", "invalid_value"),
        ([{"content": "Hi"}], "input[0].role", "missing_required_parameter"),
        ([{"role": "user"}], "input[0].content", "missing_required_parameter"),
        ([{"role": "tool", "content": "Hi"}], "input[0].role", "invalid_value"),
        ([{"role": "user", "content": 7}], "input[0].content", "invalid_type"),
        ([{"role": "user", "content": "Hi", "name": "Ann"}], "input[0].name", "unsupported_parameter"),
        ([{"role": "user", "content": "Hi", "colour": "red"}], "input[0].colour", "unsupported_parameter"),
        (_said("user", {"text": "Hi"}), "input[0].content[0].type", "missing_required_parameter"),
        (_said("user", {"type": "input_text"}), "input[0].content[0].text", "missing_required_parameter"),
        (_said("user", {"type": "input_audio"}), "input[0].content[0].type", "invalid_value"),
        (_said("user", {"type": "output_text", "text": "Hi"}), "input[0].content[0].type", "invalid_value"),
        (_said("user", {"type": "summary_text", "text": "Hi"}), "input[0].content[0].type", "invalid_value"),
        (_said("assistant", {"type": "input_text", "text": "Hi"}), "input[0].content[0].type", "invalid_value"),
        (_said("system", {"type": "input_image", "image_url": PNG_URL}), "input[0].content[0].type", "invalid_value"),
        (_said("user", {"type": "input_image"}), "input[0].content[0].image_url", "missing_required_parameter"),
        (
            _said("user", {"type": "input_image", "file_id": "file_1"}),
            "input[0].content[0].file_id",
            "unsupported_parameter",
        ),
        (
            _said("user", {"type": "input_image", "image_url": data_url(b"a cat")}),
            "input[0].content[0].image_url",
            "invalid_image",
        ),
        (
            _said("user", {"type": "input_image", "image_url": data_url(huge_png(60_000, 60_000))}),
            "input[0].content[0].image_url",
            "image_too_large",
        ),
        (
            _said("user", {"type": "input_image", "image_url": "cat.png"}),
            "input[0].content[0].image_url",
            "invalid_image_url",
        ),
        ([{"type": "function_call", "call_id": "c", "name": "f"}], "input[0].arguments", "missing_required_parameter"),
        ([CALL, {"type": "function_call_output", "output": "7"}], "input[1].call_id", "missing_required_parameter"),
        ([{**CALL, "namespace": "n"}], "input[0].namespace", "unsupported_parameter"),
        ([{**CALL, "caller": {"type": "program"}}], "input[0].caller", "unsupported_parameter"),
        ([CALL], "input", None),
        ([RESULT], "input", None),
        ([RESULT, CALL], "input", None),
    ],
)
async def test_what_is_refused(responses_client: ClientOf, items: Any, param: str, code: str | None) -> None:
    client = responses_client()
    with pytest.raises(Failure) as refused:
        await client.create(input=items)
    assert (refused.value.status, refused.value.param, refused.value.code) == (400, param, code)
    assert client.provider.requests == []
