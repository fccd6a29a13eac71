"""A local model as a provider of embeddings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.chat import ChatRequest, gather, message
from seatrial.errors import ContextTooLong, RequestRejected
from seatrial.providers.base import Embeds
from seatrial.providers.local import LocalProvider, load_local


@pytest.fixture
async def provider(tmp_path: Path, tiny: Callable[..., Any]) -> AsyncIterator[LocalProvider]:
    folder = tiny("smollm3", eos_token_id=None).write_folder(tmp_path / "model")
    provider = load_local(folder, dtype="float32", device="cpu", name="tiny", threads=1, max_sequences=4)
    yield provider
    await provider.close()


async def test_texts_and_ids_give_vectors_of_length_1(provider: LocalProvider) -> None:
    assert isinstance(provider, Embeds)
    ids = provider.model.tokenizer.encode("hello world")
    found = await provider.embed(["hello world", ids, "something else"])
    assert found.vectors_ND.shape == (3, provider.model.config.hidden_size)
    assert found.vectors_ND.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found.vectors_ND, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found.vectors_ND[0], found.vectors_ND[1], atol=1e-6)
    assert np.abs(found.vectors_ND[0] - found.vectors_ND[2]).max() > 0.01
    assert found.num_tokens == 2 * len(ids) + len(provider.model.tokenizer.encode("something else"))


@pytest.mark.parametrize(
    ("texts", "error", "words"),
    [
        (["fine", ""], RequestRejected, "`tiny`: Text 2 of 2 is empty"),
        ([[5, 9_999]], RequestRejected, "`tiny`: Token id 9999 is outside the vocabulary of 2"),
        ([[-1]], RequestRejected, "Token id -1"),
        (["half \ud83d"], RequestRejected, "half of a surrogate pair"),
        ([[]], RequestRejected, "empty"),
        ([], RequestRejected, "no text"),
        ([[5] * 257], ContextTooLong, "The text has 257 tokens; `tiny` takes 256"),
    ],
)
async def test_what_cannot_be_embedded(
    provider: LocalProvider, texts: list[Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        await provider.embed(texts)
    if isinstance(caught.value, RequestRejected):
        assert caught.value.param == "input"


async def test_embedding_and_answering_at_once(provider: LocalProvider) -> None:
    asked = ChatRequest((message("user", "hello"),), max_tokens=8)
    alone, expected = await gather(provider.stream(asked)), await provider.embed(["hello", "world " * 20])
    reply, found = await asyncio.gather(gather(provider.stream(asked)), provider.embed(["hello", "world " * 20]))
    assert reply.text == alone.text
    np.testing.assert_allclose(found.vectors_ND, expected.vectors_ND, atol=1e-6)
