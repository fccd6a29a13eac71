"""A local model as a provider: streams, usage, batches, refusals, cancelling, failures that stay with their request."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from chat_models import TOKENS, ask, checkpoint, random_model

from seatrial.chat import (
    ChatRequest,
    ChatStream,
    Finished,
    ImagePart,
    Message,
    ReasoningDelta,
    Sampling,
    TextDelta,
    Usage,
    gather,
)
from seatrial.engine.model import Model
from seatrial.engine.request import SamplingParams
from seatrial.engine.torch_runner import TorchRunner
from seatrial.errors import ContextTooLong, NotRunnable, ProviderError, ProviderUnavailable, RequestRejected
from seatrial.models.checkpoint import SamplingDefaults
from seatrial.models.smollm import Decoder
from seatrial.models.store import ModelStore
from seatrial.providers.base import Provider
from seatrial.providers.local import LocalProvider, load_local


def model(sampling: SamplingDefaults | None = None) -> Model:
    return random_model(checkpoint(sampling=sampling), context_length=512)


def plain(loaded: Model) -> Decoder:
    assert isinstance(loaded.runner, TorchRunner)
    return loaded.runner.decoder


def scripted(loaded: Model, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Make the decoder write `answer` and then stop, whatever the prompt: position after the prompt picks the token."""
    ids = [*loaded.tokenizer.encode(answer), loaded.tokenizer.token_id("<|im_end|>") or 0]
    written: dict[int, int] = {}

    def logits(hidden: torch.Tensor) -> torch.Tensor:
        scores = torch.full((hidden.shape[0], len(TOKENS)), -10.0)
        for row in range(hidden.shape[0]):
            written[row] = written.get(row, -1) + 1
            scores[row, ids[min(written[row], len(ids) - 1)]] = 10.0
        return scores

    monkeypatch.setattr(plain(loaded), "logits", logits)
    loaded.checkpoint = replace(loaded.checkpoint, config=replace(loaded.config, stop_ids=(ids[-1],)))


@pytest.fixture
async def provider() -> AsyncIterator[LocalProvider]:
    local = LocalProvider(model(), name="random", rng=random.Random(0))
    yield local
    await local.close()


async def test_streams_text_and_finishes_once(provider: LocalProvider) -> None:
    typed: Provider = provider
    events = [event async for event in typed.stream(ask())]
    *deltas, last = events
    assert last == Finished("length", Usage(prompt_tokens=23, completion_tokens=8))
    assert len(deltas) > 1
    assert all(isinstance(delta, TextDelta) for delta in deltas)
    loaded = model()
    expected = loaded.generate(list(ask().messages), SamplingParams(max_tokens=8))
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == expected.text


async def test_many_at_once_get_what_each_gets_alone(provider: LocalProvider) -> None:
    requests = [ask(f"question {i} " * (1 + i % 3)) for i in range(12)]
    alone = [(await gather(provider.stream(request))).text for request in requests]
    together = await asyncio.gather(*(gather(provider.stream(request)) for request in requests))
    assert [reply.text for reply in together] == alone
    assert all(reply.finished and reply.finished.usage for reply in together)


async def test_the_common_prompt_counts_as_cached(provider: LocalProvider) -> None:
    first, second = [await gather(provider.stream(ask("the same long instruction: " + end))) for end in "ab"]
    assert first.finished is not None
    assert second.finished is not None
    assert first.finished.usage == Usage(prompt_tokens=46, completion_tokens=8, cached_tokens=0)
    assert second.finished.usage == Usage(prompt_tokens=46, completion_tokens=8, cached_tokens=32)


async def test_reasoning_is_told_apart_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = model()
    scripted(loaded, monkeypatch, "<think>\nhmm</think>\nyes")
    local = LocalProvider(loaded, name="random")
    events = [event async for event in local.stream(ask(max_tokens=50))]
    await local.close()
    assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == "hmm"
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "yes"
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.reason == "stop"
    assert finished.usage is not None
    assert finished.usage.completion_tokens == 11  # 3 + 2 tags, two line breaks, 3 + 3 letters, the stop token
    assert finished.usage.reasoning_tokens == 5


async def test_thinking_switch_reaches_the_template(provider: LocalProvider) -> None:
    off = await gather(provider.stream(ask(thinking=False)))
    assert off.finished is not None
    assert off.finished.usage is not None
    assert off.finished.usage.prompt_tokens == 23 + 5


async def test_seeds_and_defaults() -> None:
    local = LocalProvider(model(sampling=SamplingDefaults(1.0, top_p=0.9)), name="x", rng=random.Random(4))

    async def text(**sampling: Any) -> str:
        return (await gather(local.stream(ask(sampling=Sampling(**sampling))))).text

    assert await text(seed=1) == await text(seed=1) != await text(seed=2)
    assert await text() != await text()  # the checkpoint's own temperature, and seeds from `rng`
    assert await text(temperature=0.0) == await text(temperature=0.0)
    await local.close()


async def test_stop_texts(provider: LocalProvider) -> None:
    whole = (await gather(provider.stream(ask()))).text
    reply = await gather(provider.stream(ask(stop=(whole[2:4],))))
    assert reply.text == whole.split(whole[2:4])[0]
    assert reply.finished is not None
    assert reply.finished.reason == "stop"


@pytest.mark.parametrize(
    ("request_", "error", "reason"),
    [
        (ChatRequest((Message("user", (ImagePart(b"", "image/png"),)),)), RequestRejected, "text only.*picture"),
        (ask(sampling=Sampling(temperature=-1)), RequestRejected, "temperature"),
        (ask(max_tokens=0), RequestRejected, "max_tokens"),
        (ask("x" * 600), ContextTooLong, r"Prompt has 619 tokens; `random` takes 512"),
    ],
)
async def test_refusals_leave_the_provider_working(
    provider: LocalProvider, request_: ChatRequest, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        await gather(provider.stream(request_))
    assert (await gather(provider.stream(ask()))).finished is not None


async def test_cancelling_stops_the_sequence(provider: LocalProvider) -> None:
    stream = provider.stream(ask(max_tokens=480))
    async for _ in stream:
        break
    await stream.aclose()  # type: ignore[attr-defined]
    task = asyncio.create_task(gather(provider.stream(ask(max_tokens=480))))
    await asyncio.sleep(0.02)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert (await gather(provider.stream(ask(max_tokens=2)))).finished is not None
    await asyncio.sleep(0.05)
    assert len(provider.model.engine) == 0


async def test_a_step_that_fails_fails_its_requests_only(provider: LocalProvider) -> None:
    decoder = plain(provider.model)
    hidden = decoder.hidden

    def broken(*args: Any) -> Any:
        decoder.hidden = hidden  # type: ignore[method-assign]
        raise RuntimeError("out of memory")

    decoder.hidden = broken  # type: ignore[method-assign]
    with pytest.raises(ProviderError, match=r"RuntimeError: out of memory"):
        await gather(provider.stream(ask()))
    assert (await gather(provider.stream(ask()))).finished is not None


async def test_scores_that_are_not_numbers_fail_one_request(provider: LocalProvider) -> None:
    decoder = plain(provider.model)
    logits = decoder.logits

    def poisoned(rows: torch.Tensor) -> torch.Tensor:
        decoder.logits = logits  # type: ignore[method-assign]
        scores = logits(rows).clone()
        scores[0] = float("nan")
        return scores

    decoder.logits = poisoned  # type: ignore[method-assign]
    replies = await asyncio.gather(*(gather(provider.stream(ask(c))) for c in "abc"), return_exceptions=True)
    assert sum(isinstance(reply, ProviderError) for reply in replies) == 1
    assert "not numbers" in str(next(reply for reply in replies if isinstance(reply, ProviderError)))


async def test_closing(provider: LocalProvider) -> None:
    running = asyncio.create_task(gather(provider.stream(ask(max_tokens=480))))
    await asyncio.sleep(0.01)
    await provider.close()
    await provider.close()
    with pytest.raises(ProviderUnavailable, match="closed before"):
        await running
    with pytest.raises(ProviderUnavailable, match="has been closed"):
        await gather(provider.stream(ask()))


def test_one_provider_serves_several_event_loops(tmp_path: Path) -> None:
    local = LocalProvider(model(), name="random")

    async def once(stream: ChatStream) -> str:
        return (await gather(stream)).text

    assert asyncio.run(once(local.stream(ask()))) == asyncio.run(once(local.stream(ask())))
    asyncio.run(local.close())
    with pytest.raises(NotRunnable, match="seatrial pull smollm2-135m"):
        load_local("smollm2-135m", store=ModelStore(tmp_path))


async def test_the_real_model_answers(smollm2_gguf: Path) -> None:
    local = load_local(smollm2_gguf, dtype="float32", device="cpu", name="smollm2-135m")
    question = ask("What is the capital of France?", max_tokens=12, sampling=Sampling(temperature=0))
    replies = await asyncio.gather(*(gather(local.stream(question)) for _ in range(3)))
    await local.close()
    assert {reply.text for reply in replies} == {"The capital of France is Paris."}
    assert [reply.finished.reason for reply in replies if reply.finished] == ["stop"] * 3
