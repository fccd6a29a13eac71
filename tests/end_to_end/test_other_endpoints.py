"""Models, text completions and embeddings as the official client sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
import openai
import pytest

MODEL = "smollm2-135m"


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL, "gpt-5-mini"]
    assert client.models.retrieve("gpt-5-mini").id == "gpt-5-mini"
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("gpt-1")
    assert missing.value.code == "model_not_found"


async def test_models_asynchronously(async_client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in async_client.models.list()] == [MODEL, "gpt-5-mini"]


def test_completions(client: openai.OpenAI) -> None:
    reply = client.completions.create(
        model=MODEL, prompt=["The capital of France is", "1, 2, 3,"], max_tokens=4, temperature=0, logprobs=2
    )
    assert [choice.index for choice in reply.choices] == [0, 1]
    assert "Paris" in reply.choices[0].text
    for choice in reply.choices:
        assert choice.logprobs is not None
        assert choice.logprobs.tokens is not None
        assert "".join(choice.logprobs.tokens) == choice.text


def test_streamed_completions(server: Any, connect: Any) -> None:
    """Not strictly: the client's types know no choice that has not ended, see `recording.py`."""
    client: openai.OpenAI = connect(server.url)
    asked: Any = {"model": MODEL, "prompt": "Once upon a time", "max_tokens": 6, "temperature": 0}
    whole = client.completions.create(**asked)
    with client.completions.create(**asked, stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    reasons: list[Any] = [chunk.choices[0].finish_reason for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["length"]


def test_embeddings_as_the_client_asks_by_default(server: Any, connect: Any) -> None:
    """In base64, which the client decodes; a strict one would refuse the text that comes before."""
    client: openai.OpenAI = connect(server.url)
    asked: Any = {"model": MODEL, "input": ["a boat on the sea", "a ship on the ocean", "tax law"]}
    reply = client.embeddings.create(**asked)
    vectors = np.array([item.embedding for item in reply.data])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    likeness = vectors @ vectors.T
    assert likeness[0, 1] > likeness[0, 2]
    numbers = client.embeddings.create(**asked, encoding_format="float")
    assert np.allclose(np.array([item.embedding for item in numbers.data]), vectors, atol=1e-6)
    assert numbers.usage.prompt_tokens == numbers.usage.total_tokens > 0


def test_embeddings_strictly(client: openai.OpenAI) -> None:
    reply = client.embeddings.create(model=MODEL, input="a boat", encoding_format="float")
    assert len(reply.data[0].embedding) == 576
