"""Chat completions as the official client sees them, of the real model."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import openai
import pydantic
import pytest
from openai.types.chat import ChatCompletion

MODEL = "smollm2-135m"
HELLO: Any = [{"role": "user", "content": "Say hello."}]


class City(pydantic.BaseModel):
    """A city."""

    name: str = pydantic.Field(max_length=20)
    is_large: bool


def test_a_whole_answer(client: openai.OpenAI, recorder: Any) -> None:
    reply = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=8, temperature=0)
    (choice,) = reply.choices
    assert choice.message.role == "assistant"
    assert choice.message.content
    assert choice.message.refusal is None
    assert choice.finish_reason == "length"
    assert reply.model == MODEL
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 8
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + 8
    assert recorder.num_checked["CreateChatCompletionResponse"] == 1


def test_the_headers_of_a_reply(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=HELLO, max_tokens=1, extra_headers={"x-request-id": "mine-1"}
    )
    assert raw.headers["x-request-id"] == "mine-1"
    assert int(raw.headers["openai-processing-ms"]) >= 0
    assert raw.parse().choices[0].finish_reason == "length"
    other = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=1)
    assert other._request_id is not None
    assert other._request_id.startswith("req_")


def test_an_alias_answers_under_its_own_name(client: openai.OpenAI) -> None:
    asked = {"messages": HELLO, "max_tokens": 6, "temperature": 0}
    ours = client.chat.completions.create(model=MODEL, **asked)
    theirs = client.chat.completions.create(model="gpt-5-mini", **asked)
    assert theirs.model == "gpt-5-mini"
    assert theirs.choices[0].message.content == ours.choices[0].message.content


def test_several_choices_and_a_seed(client: openai.OpenAI) -> None:
    def texts() -> list[str | None]:
        reply = client.chat.completions.create(
            model=MODEL, messages=HELLO, max_tokens=6, n=3, seed=5, temperature=1.5, stop=["\n"]
        )
        assert [choice.index for choice in reply.choices] == [0, 1, 2]
        return [choice.message.content for choice in reply.choices]

    first = texts()
    assert len(set(first)) > 1
    assert texts() == first


def test_log_probabilities(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=4, temperature=0, logprobs=True, top_logprobs=3
    )
    (choice,) = reply.choices
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert "".join(token.token for token in choice.logprobs.content) == choice.message.content
    for token in choice.logprobs.content:
        assert token.bytes is not None
        assert len(token.top_logprobs) == 3
        assert token.logprob == max(top.logprob for top in token.top_logprobs)
        assert sum(math.exp(top.logprob) for top in token.top_logprobs) <= 1.0001


def test_parse_with_a_pydantic_model(client: openai.OpenAI) -> None:
    reply = client.chat.completions.parse(
        model=MODEL,
        messages=[{"role": "user", "content": "Describe the city of Riga."}],
        response_format=City,
        max_tokens=80,
        temperature=0,
    )
    assert isinstance(reply.choices[0].message.parsed, City)
    assert reply.choices[0].finish_reason == "stop"


def test_parse_of_an_answer_that_was_cut_off(client: openai.OpenAI) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model=MODEL, messages=HELLO, response_format=City, max_tokens=2)


def test_any_json_object(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": 'Answer in JSON: {"ok": true}'}],
        response_format={"type": "json_object"},
        max_tokens=60,
        temperature=0,
    )
    if reply.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(reply.choices[0].message.content or ""), dict)
    else:
        assert (reply.choices[0].message.content or "").lstrip().startswith("{")


def test_chunks_of_a_stream(client: openai.OpenAI, recorder: Any) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=8, temperature=0)
    with client.chat.completions.create(
        model=MODEL,
        messages=HELLO,
        max_tokens=8,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        chunks = list(stream)
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    *with_choices, last = chunks
    assert last.choices == []
    assert last.usage == whole.usage
    assert all(chunk.usage is None for chunk in with_choices)
    assert with_choices[0].choices[0].delta.role == "assistant"
    ends = [chunk.choices[0].finish_reason for chunk in with_choices]
    assert ends == [None] * (len(ends) - 1) + ["length"]
    said = "".join(chunk.choices[0].delta.content or "" for chunk in with_choices)
    assert said == whole.choices[0].message.content
    assert recorder.num_checked["CreateChatCompletionStreamResponse"] == len(chunks)


def test_the_streaming_helper(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL, messages=HELLO, max_tokens=60, temperature=0, stop=[",", ".", "!"]
    ) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    deltas = [event.delta for event in events if event.type == "content.delta"]
    assert deltas
    assert "".join(deltas) == final.choices[0].message.content
    assert [event.type for event in events].count("content.done") == 1
    assert final.choices[0].finish_reason == "stop"


async def test_the_streaming_helper_parses(async_client: openai.AsyncOpenAI) -> None:
    async with async_client.chat.completions.stream(
        model=MODEL, messages=HELLO, response_format=City, max_tokens=80, temperature=0
    ) as stream:
        done = [event async for event in stream if event.type == "content.done"]
        final = await stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, City)
    assert done[0].parsed == final.choices[0].message.parsed


async def test_many_at_once_answer_as_one_alone(async_client: openai.AsyncOpenAI) -> None:
    async def ask(topic: str) -> ChatCompletion:
        return await async_client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": f"Name a {topic}."}], max_tokens=6, temperature=0
        )

    topics = ["colour", "fruit", "river", "metal"]
    alone = [(await ask(topic)).choices[0].message.content for topic in topics]
    together = await asyncio.gather(*(ask(topic) for topic in topics))
    assert [reply.choices[0].message.content for reply in together] == alone
