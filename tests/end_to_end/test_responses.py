"""The responses API as the official client sees it, of the real model."""

from __future__ import annotations

from typing import Any

import openai
import pydantic
import pytest

MODEL = "smollm2-135m"
HELLO: Any = {"model": MODEL, "input": "Say hello.", "temperature": 0}
ORDER = (
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.incomplete",
)


class City(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=20)
    is_large: bool


def test_create_retrieve_delete(client: openai.OpenAI, recorder: Any) -> None:
    made = client.responses.create(**HELLO, max_output_tokens=16, metadata={"case": "1"}, user="someone")
    assert made.status == "incomplete"
    assert made.incomplete_details is not None
    assert made.incomplete_details.reason == "max_output_tokens"
    assert made.output_text
    assert made.usage is not None
    assert made.usage.output_tokens == 16
    assert client.responses.retrieve(made.id) == made
    items = client.responses.input_items.list(made.id).data
    assert [item.type for item in items] == ["message"]
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    assert recorder.num_checked["Response"] == 2


def test_going_on_from_a_response(client: openai.OpenAI) -> None:
    first = client.responses.create(**HELLO, max_output_tokens=16, instructions="Be kind.")
    second = client.responses.create(**HELLO, max_output_tokens=16, previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens
    items = client.responses.input_items.list(second.id, order="asc").data
    assert [getattr(item, "role", None) for item in items] == ["user", "assistant", "user"]


def test_a_response_that_is_not_kept(client: openai.OpenAI) -> None:
    made = client.responses.create(**HELLO, max_output_tokens=16, store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(**HELLO, previous_response_id=made.id)
    assert refused.value.code == "previous_response_not_found"


def test_events_of_a_stream(client: openai.OpenAI, recorder: Any) -> None:
    with client.responses.create(**HELLO, max_output_tokens=16, stream=True) as stream:
        events = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert tuple(dict.fromkeys(kinds)) == ORDER
    assert all(kinds.count(kind) == 1 for kind in ORDER if kind != "response.output_text.delta")
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    last = events[-1]
    assert last.type == "response.incomplete"
    assert last.response.output_text == text
    assert client.responses.retrieve(last.response.id).output_text == text
    assert recorder.num_checked["ResponseStreamEvent"] == len(events)


async def test_the_streaming_helper(async_client: openai.AsyncOpenAI) -> None:
    """Of an answer that ends by itself; the helper gives no response that is incomplete."""
    prompt = 'Answer with the word "yes" and nothing else.'
    async with async_client.responses.stream(model=MODEL, input=prompt, temperature=0) as stream:
        deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
        final = await stream.get_final_response()
    assert final.status == "completed"
    assert "".join(deltas) == final.output_text


def test_parse_with_a_pydantic_model(client: openai.OpenAI) -> None:
    made = client.responses.parse(
        model=MODEL, input="Describe the city of Riga.", text_format=City, max_output_tokens=80, temperature=0
    )
    assert made.status == "completed"
    assert isinstance(made.output_parsed, City)


def test_the_streaming_helper_parses(client: openai.OpenAI) -> None:
    with client.responses.stream(
        model=MODEL, input="Describe the city of Riga.", text_format=City, max_output_tokens=80, temperature=0
    ) as stream:
        done = [event for event in stream if event.type == "response.output_text.done"]
        final = stream.get_final_response()
    assert isinstance(final.output_parsed, City)
    assert done[0].parsed == final.output_parsed


def test_log_probabilities(client: openai.OpenAI) -> None:
    made = client.responses.create(
        **HELLO, max_output_tokens=16, include=["message.output_text.logprobs"], top_logprobs=2
    )
    (message,) = made.output
    assert message.type == "message"
    (part,) = message.content
    assert part.type == "output_text"
    assert part.logprobs is not None
    assert "".join(token.token for token in part.logprobs) == part.text
    assert all(len(token.top_logprobs) == 2 for token in part.logprobs)


def test_input_tokens_are_what_an_answer_is_charged(client: openai.OpenAI) -> None:
    asked: Any = {"model": MODEL, "input": "How many tokens is this?", "instructions": "Be brief."}
    counted = client.responses.input_tokens.count(**asked)
    made = client.responses.create(**asked, max_output_tokens=16)
    assert made.usage is not None
    assert counted.input_tokens == made.usage.input_tokens


async def test_background_and_cancel(async_client: openai.AsyncOpenAI, server: Any) -> None:
    made = await async_client.responses.create(**HELLO, max_output_tokens=4000, background=True)
    assert made.status in ("queued", "in_progress")
    cancelled = await async_client.responses.cancel(made.id)
    assert cancelled.status == "cancelled"
    assert (await async_client.responses.retrieve(made.id)).status == "cancelled"
    server.seconds_until(lambda: server.total("engine_running") == 0)
