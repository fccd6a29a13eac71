"""Vectors of texts: the mean of hidden states, whatever runs beside them, on both runners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seatrial.engine import Model, SamplingParams
from seatrial.engine.loop import Engine, EngineLimits
from seatrial.engine.request import Gain
from seatrial.engine.runner import StepInput
from seatrial.engine.service import EngineService
from seatrial.engine.torch_runner import TorchRunner
from seatrial.errors import ContextTooLong, ProviderError, ProviderUnavailable, UsageError
from seatrial.kernels import cpu

TEXTS = [[5, 9, 40, 41, 42], [7], list(range(60, 130)), [5, 9, 40, 41, 42, 43, 44], [*range(60, 120), 4, 4, 4]]
LONG = SamplingParams(max_tokens=60, ignore_eos=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Any]) -> Path:
    return tiny("smollm3", eos_token_id=None).write_folder(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module", params=["float32", "int8"])
def opened(folder: Path, request: pytest.FixtureRequest) -> Callable[..., Model]:
    """Opens the tiny model: in plain PyTorch (float32) or on the native kernels (int8)."""
    if request.param == "int8" and cpu.why_absent():
        pytest.skip(str(cpu.why_absent()))

    def open_model(max_sequences: int = 4) -> Model:
        return Model.from_pretrained(
            folder, dtype=request.param, device="cpu", threads=1, max_sequences=max_sequences, name="tiny"
        )

    return open_model


@pytest.fixture
def model(opened: Callable[..., Model]) -> Model:
    return opened()


@pytest.fixture(scope="module")
def pair(opened: Callable[..., Model]) -> tuple[Model, Model]:
    return opened(), opened()


@pytest.fixture
async def service(model: Model) -> AsyncIterator[EngineService]:
    service = EngineService(model.engine, name="tiny")
    yield service
    await service.close()


def engine_of(model: Model, **limits: Any) -> Engine:
    settled = {"num_blocks": 64, "context_length": 256, "max_sequences": 4} | limits
    return Engine(model.runner, model.tokenizer, (), EngineLimits(**settled), name="tiny")


def vectors(engine: Engine, texts: list[list[int]]) -> NDArray[np.float32]:
    engine.embed(0, texts)
    gains: list[Gain] = []
    while len(engine):
        gains += engine.step()
    assert [(gain.key, gain.token_id, gain.text, gain.finish) for gain in gains] == [(0, None, "", "stop")]
    assert gains[0].vectors_ND is not None
    return gains[0].vectors_ND


def same(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Sums of the same numbers in another order."""
    np.testing.assert_allclose(found, expected, atol=1e-6)


class OneByOne:
    """Attention over one sequence in PyTorch, without a cache."""

    def attend(self, layer: int, q_TNH: torch.Tensor, k_TKH: torch.Tensor, v_TKH: torch.Tensor) -> torch.Tensor:
        q, k, v = (x.transpose(0, 1) for x in (q_TNH, k_TKH, v_TKH))
        attended = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return attended.transpose(0, 1).flatten(1)


def test_a_vector_is_the_mean_of_the_hidden_states_at_length_1(folder: Path) -> None:
    """The native kernels round weights and inputs to 8 bits: under 5 % of a vector, as the scores show it too."""
    plain = Model.from_pretrained(folder, dtype="float32", device="cpu")
    assert isinstance(plain.runner, TorchRunner)
    expected = []
    for text in TEXTS:
        ids = torch.tensor(text)
        hidden_TD = plain.runner.decoder.hidden(ids, torch.arange(len(text)), len(text), OneByOne()).numpy()
        expected.append(hidden_TD.mean(0) / np.linalg.norm(hidden_TD.mean(0)))
    found = plain.embed(TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.array(expected), atol=1e-5)
    if not cpu.why_absent():
        native = Model.from_pretrained(folder, dtype="int8", device="cpu").embed(TEXTS)
        assert np.linalg.norm(native - found, axis=1).max() < 0.05
        np.testing.assert_allclose(np.linalg.norm(native, axis=1), 1, atol=1e-6)


def test_texts_and_their_token_ids_are_the_same(model: Model) -> None:
    same(model.embed(["hello world"]), model.embed([model.tokenizer.encode("hello world")]))


@pytest.mark.parametrize("max_sequences", [1, 2, 8])
def test_together_is_as_alone(opened: Callable[..., Model], model: Model, max_sequences: int) -> None:
    alone = np.concatenate([model.embed([text]) for text in TEXTS])
    same(opened(max_sequences).embed(TEXTS), alone)


@pytest.mark.parametrize("max_step_tokens", [4, 7, 16, 100])
def test_a_long_text_in_pieces_is_as_at_once(model: Model, max_step_tokens: int) -> None:
    same(vectors(engine_of(model, max_step_tokens=max_step_tokens), TEXTS), vectors(engine_of(model), TEXTS))


def test_what_the_cache_knows_is_read_all_the_same(model: Model) -> None:
    engine = engine_of(model)
    first = vectors(engine, TEXTS)
    engine.add(1, TEXTS[2], SamplingParams(max_tokens=3))
    cached = [gain.num_cached for _ in range(5) for gain in engine.step()]
    assert cached[0] == 64  # answers find what was read for a vector
    same(vectors(engine, TEXTS), first)
    assert engine.metrics.num_blocks_used == 0


def test_a_text_that_loses_its_blocks_begins_again(model: Model) -> None:
    text = [5 + i % 150 for i in range(150)]
    expected = model.embed([text])
    engine = engine_of(model, num_blocks=16, max_step_tokens=5, speculate=False)
    for key in (1, 2):
        engine.add(key, [key] * 20, SamplingParams(max_tokens=100, ignore_eos=True))
    for _ in range(12):
        engine.step()
    engine.embed(0, [text])
    found: dict[int, Any] = {}
    while len(engine):
        collect(found, engine.step())
    assert engine.metrics.num_preempted > 0
    same(found[0], expected)
    assert engine.metrics.num_blocks_used == 0


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_texts_and_answers_come_and_go_together(pair: tuple[Model, Model], data: st.DataObject) -> None:
    """In a cache so small that sequences lose their blocks, with jobs and answers cancelled on the way."""
    calm = engine_of(pair[0], num_blocks=128)
    engine = engine_of(
        pair[1], num_blocks=data.draw(st.integers(16, 24)), max_step_tokens=data.draw(st.integers(8, 64))
    )
    how = SamplingParams(max_tokens=20, ignore_eos=True)
    expected: dict[int, Any] = {}
    found: dict[int, Any] = {}
    for key in range(data.draw(st.integers(2, 6))):
        if data.draw(st.booleans()):
            texts = [
                [key + 3, *range(3, 3 + n)] for n in data.draw(st.lists(st.integers(0, 150), min_size=1, max_size=4))
            ]
            expected[key] = vectors(calm, texts)
            engine.embed(key, texts)
        else:
            prompt = [key + 3, *range(3, 3 + data.draw(st.integers(0, 120)))]
            calm.add(0, prompt, how)
            expected[key] = [gain.token_id for _ in iter(lambda: len(calm), 0) for gain in calm.step()]
            engine.add(key, prompt, how)
        for _ in range(data.draw(st.integers(0, 6))):
            collect(found, engine.step())
        if data.draw(st.integers(0, 3)) == 0:
            engine.cancel(key)
            expected.pop(key)
            found.pop(key, None)
    while len(engine):
        collect(found, engine.step())
    assert found.keys() == expected.keys()
    for key, one in expected.items():
        if isinstance(one, list):
            assert found[key] == one
        else:
            same(found[key], one)
    assert engine.metrics.num_blocks_used == engine.metrics.num_running == engine.metrics.num_waiting == 0


def collect(found: dict[int, Any], gains: list[Gain]) -> None:
    for gain in gains:
        if gain.vectors_ND is not None:
            found[gain.key] = gain.vectors_ND
        else:
            found.setdefault(gain.key, []).append(gain.token_id)


def test_beside_answers_texts_are_read_in_small_pieces(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, read = engine_of(model), []
    hidden = model.runner.hidden

    def counting(step: StepInput) -> NDArray[np.float32]:
        read.append(len(step.tokens_T))
        return hidden(step)

    monkeypatch.setattr(model.runner, "hidden", counting)
    engine.embed(0, [[5] * 200, [6] * 200])
    engine.step()
    assert read == [400]
    engine.embed(1, [[5] * 100, [6] * 100])
    engine.add(2, [7] * 50, SamplingParams(max_tokens=6, ignore_eos=True))
    answers = 0
    while answers < 6:
        answers += len(engine.step())
    assert max(read[1:]) == 2 * model.runner.cheap_tokens
    while len(engine):
        engine.step()
    assert sum(read[1:]) == 200


def test_what_cannot_be_embedded_is_named(model: Model) -> None:
    small = engine_of(model, num_blocks=4)
    for engine, texts, error, message in (
        (small, [[5], [5] * 65], ContextTooLong, "Text 2 of 2 has 65 tokens; `tiny` takes 64. Shorten it"),
        (model.engine, [[5] * 257], ContextTooLong, "The text has 257 tokens; `tiny` takes 256"),
        (model.engine, [[5], []], UsageError, "Text 2 of 2 is empty"),
        (model.engine, [], UsageError, "no text to embed"),
        (model.engine, [[5, 999_999]], UsageError, "The text has token id 999999, which is outside the vocabulary"),
        (model.engine, [[5], [-1]], UsageError, "Text 2 of 2 has token id -1"),
    ):
        with pytest.raises(error, match=message):
            engine.embed(0, texts)
        assert len(engine) == 0
    assert vectors(small, [[5] * 64]).shape == (1, 64)


async def tokens(service: EngineService, prompt: list[int], params: SamplingParams) -> list[int | None]:
    return [gain.token_id async for gain in service.stream(prompt, params)]


async def test_beside_generation_both_are_as_alone(service: EngineService) -> None:
    prompts = [[5, 6, 7 + i] * (1 + i % 3) for i in range(6)]
    how = SamplingParams(max_tokens=20, ignore_eos=True)
    alone = [await tokens(service, prompt, how) for prompt in prompts]
    expected = await service.embed(TEXTS)
    answers, *found = await asyncio.gather(
        asyncio.gather(*(tokens(service, prompt, how) for prompt in prompts)),
        *(service.embed(TEXTS) for _ in range(5)),
    )
    assert answers == alone
    for one in found:
        same(one, expected)
    assert service.metrics.num_blocks_used == 0


async def test_a_question_that_comes_after_a_thousand_texts_does_not_wait_for_them(service: EngineService) -> None:
    job = asyncio.create_task(service.embed([[5 + i % 200] * 60 for i in range(1000)]))
    await asyncio.sleep(0.05)
    assert len(await tokens(service, [5, 6, 7], SamplingParams(max_tokens=3, ignore_eos=True))) == 3
    assert not job.done()
    second = await service.embed([[1, 2, 3]])  # nor does another job
    assert second.shape == (1, 64)
    assert not job.done()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    for _ in range(200):
        if service.metrics.num_running == service.metrics.num_waiting == 0:
            break
        await asyncio.sleep(0.01)
    assert service.metrics.num_blocks_used == 0


async def test_an_exception_fails_the_texts_of_the_pass_and_nothing_else(
    model: Model, service: EngineService, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await tokens(service, [1, 2, 3], LONG)
    hidden = model.runner.hidden

    def breaks(step: StepInput) -> NDArray[np.float32]:
        raise RuntimeError("the device is gone")

    monkeypatch.setattr(model.runner, "hidden", breaks)
    answer = asyncio.create_task(tokens(service, [1, 2, 3], LONG))
    with pytest.raises(ProviderError, match="`tiny` failed while it computed: RuntimeError: the device is gone"):
        await service.embed(TEXTS)
    monkeypatch.setattr(model.runner, "hidden", hidden)
    assert await answer == expected
    assert (await service.embed(TEXTS)).shape == (5, 64)
    assert service.metrics.num_blocks_used == 0


async def test_numbers_that_are_none_fail_their_own_job(
    model: Model, service: EngineService, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = model.runner.hidden

    def poisoned(step: StepInput) -> NDArray[np.float32]:
        rows = hidden(step).copy()
        rows[step.tokens_T == 200] = np.nan
        return rows

    expected = await service.embed(TEXTS)
    monkeypatch.setattr(model.runner, "hidden", poisoned)
    bad, good = await asyncio.gather(
        service.embed([[5], [6, 200], [7], [8]]), service.embed(TEXTS), return_exceptions=True
    )
    assert isinstance(bad, ProviderError)
    assert "numbers that are none" in str(bad)
    assert isinstance(good, np.ndarray)
    same(good, expected)
    assert service.metrics.num_blocks_used == 0


async def test_closing_fails_what_is_still_read(model: Model) -> None:
    service = EngineService(model.engine, name="tiny")
    reading = asyncio.create_task(service.embed([[5] * 200] * 500))
    await asyncio.sleep(0.02)
    await service.close()
    with pytest.raises(ProviderUnavailable, match="closed before"):
        await reading
