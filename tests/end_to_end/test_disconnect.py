"""A client that leaves frees the engine, streaming or not."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest

MODEL = "smollm2-135m"
LONG: Any = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Tell a long story."}],
    "max_tokens": 4000,
    "extra_body": {"ignore_eos": True},
}
# A hundred milliseconds is the aim; the rest is for a machine that runs other tests at the same time.
MOST_S = 1.0


def test_a_stream_that_is_left(client: openai.OpenAI, server: Any) -> None:
    stream = client.chat.completions.create(**LONG, stream=True)
    for _ in range(3):
        next(iter(stream))
    assert server.total("engine_running") == 1
    stream.close()
    assert server.seconds_until(lambda: server.total("engine_running") == 0) < MOST_S
    assert server.total("engine_blocks_used") == 0
    assert server.total("generations") == 0


async def test_a_whole_answer_that_is_not_waited_for(async_client: openai.AsyncOpenAI, server: Any) -> None:
    task = asyncio.create_task(async_client.chat.completions.create(**LONG))
    while server.total("engine_running") == 0:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert server.seconds_until(lambda: server.total("engine_running") == 0) < MOST_S


def test_a_response_that_is_left(client: openai.OpenAI, server: Any) -> None:
    with client.responses.create(
        model=MODEL, input="Tell a long story.", max_output_tokens=4000, stream=True
    ) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                break
    assert server.seconds_until(lambda: server.total("engine_running") == 0) < MOST_S


def test_a_timeout_of_the_client(client: openai.OpenAI, server: Any) -> None:
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.3).chat.completions.create(**LONG)
    assert server.seconds_until(lambda: server.total("engine_running") == 0) < MOST_S
    samples = server.metrics()
    assert samples['seatrial_requests_total{method="POST",route="/v1/chat/completions",status="499"}'] >= 1
