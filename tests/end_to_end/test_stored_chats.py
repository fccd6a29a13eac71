"""Stored chat completions as the official client sees them, of the real model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from gateway import MODEL as STAND_IN
from gateway import Gateway

MODEL = "smollm2-135m"
HELLO: Any = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Say hello."}],
    "max_tokens": 6,
    "temperature": 0,
    "store": True,
}


@pytest.fixture(autouse=True)
def _nothing_is_left(client: openai.OpenAI) -> Iterator[None]:
    yield
    for completion in list(client.chat.completions.list(limit=100)):
        client.chat.completions.delete(completion.id)
    assert client.chat.completions.list().data == []


def test_create_retrieve_update_delete(client: openai.OpenAI, recorder: Any) -> None:
    made = client.chat.completions.create(**HELLO, metadata={"case": "1"}, logprobs=True)
    assert client.chat.completions.retrieve(made.id) == made
    changed = client.chat.completions.update(made.id, metadata={"case": "2"})
    assert changed.metadata == {"case": "2"}  # type: ignore[attr-defined]
    assert changed.choices == made.choices
    assert client.chat.completions.retrieve(made.id) == changed
    gone = client.chat.completions.delete(made.id)
    assert (gone.id, gone.deleted) == (made.id, True)
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.retrieve(made.id)
    assert made.id in missing.value.message
    assert recorder.num_checked["CreateChatCompletionResponse"] == 4


def test_a_stream_is_kept_as_the_whole_answer(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(**HELLO)
    with client.chat.completions.create(**HELLO, stream=True) as stream:
        chunks = list(stream)
    kept = client.chat.completions.retrieve(chunks[0].id)
    assert kept.id == chunks[-1].id
    assert kept.choices == whole.choices
    assert kept.usage is not None
    assert whole.usage is not None
    assert kept.usage.completion_tokens == whole.usage.completion_tokens == 6


def test_what_is_not_stored(client: openai.OpenAI) -> None:
    made = client.chat.completions.create(**{**HELLO, "store": False})
    with client.chat.completions.create(
        **{**HELLO, "max_tokens": 4000}, extra_body={"ignore_eos": True}, stream=True
    ) as left:
        first = next(iter(left))
    for completion_id in (made.id, first.id):
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.retrieve(completion_id)
    assert client.chat.completions.list().data == []


def test_the_client_turns_the_pages_of_a_list(client: openai.OpenAI, recorder: Any) -> None:
    made = [
        client.chat.completions.create(
            **HELLO | {"max_tokens": 1}, metadata={"even": str(number % 2 == 0), "[x]": "é&="}
        ).id
        for number in range(5)
    ]
    assert [each.id for each in client.chat.completions.list(limit=2)] == made
    assert [each.id for each in client.chat.completions.list(limit=2, order="desc")] == made[::-1]
    wanted = {"even": "True", "[x]": "é&="}
    assert [each.id for each in client.chat.completions.list(limit=1, metadata=wanted)] == made[::2]
    assert client.chat.completions.list(model="gpt-5-mini").data == []
    page = client.chat.completions.list(limit=2)
    assert page.has_more
    assert recorder.num_checked["ChatCompletionList"] > 8


def test_messages(server: Any, connect: Callable[..., openai.OpenAI], recorder: Any) -> None:
    """Not strictly: the client's type of a listed message is that of an answer, see `recording.py`."""
    client = connect(server.url)
    said: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Say hello."}]},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Again."},
    ]
    made = client.chat.completions.create(**HELLO | {"messages": said})
    listed = list(client.chat.completions.messages.list(made.id, limit=3))
    assert [message.role for message in listed] == ["system", "user", "assistant", "user"]  # type: ignore[comparison-overlap]
    assert [message.content for message in listed] == ["Be brief.", None, "Hello.", "Again."]
    (part,) = listed[1].content_parts or ()
    assert (part.type, part.text) == ("text", "Say hello.")  # type: ignore[union-attr]
    assert [message.id for message in client.chat.completions.messages.list(made.id, order="desc")] == [
        message.id for message in listed[::-1]
    ]
    assert recorder.num_checked["ChatCompletionMessageList"] == 3


async def test_asynchronously(async_client: openai.AsyncOpenAI) -> None:
    made = [await async_client.chat.completions.create(**HELLO | {"max_tokens": 1}) for _ in range(3)]
    assert [each async for each in async_client.chat.completions.list(limit=1)] == made
    assert await async_client.chat.completions.retrieve(made[1].id) == made[1]


def test_each_key_has_its_own(gateway: Gateway, connect: Callable[..., openai.OpenAI]) -> None:
    asked: Any = {"model": STAND_IN, "messages": [{"role": "user", "content": "keep this"}], "store": True}
    mine, others = (connect(gateway.server.url, api_key=key) for key in (gateway.key, gateway.limited_key))
    made = mine.chat.completions.create(**asked)
    assert mine.chat.completions.retrieve(made.id) == made
    assert others.chat.completions.list().data == []
    with pytest.raises(openai.NotFoundError):
        others.chat.completions.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        others.chat.completions.delete(made.id)
    mine.chat.completions.delete(made.id)
