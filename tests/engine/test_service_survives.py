"""A request that breaks the engine's rules, or a fault between steps: the others are answered, and nobody hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial.engine import Model, SamplingParams
from seatrial.engine.request import Gain
from seatrial.engine.service import EngineService
from seatrial.errors import ProviderError, SeatrialError, UsageError

SHORT = SamplingParams(max_tokens=5, ignore_eos=True)
PATIENCE_S = 2.0


@pytest.fixture
def model(tmp_path: Path, tiny: Callable[..., Any]) -> Model:
    path = tiny(num_hidden_layers=1).write_gguf(tmp_path / "model.gguf", "Q8_0")
    return Model.from_pretrained(path, device="cpu", threads=1, max_sequences=4, name="tiny")


@pytest.fixture
async def service(model: Model) -> AsyncIterator[EngineService]:
    service = EngineService(model.engine, name="tiny")
    yield service
    await service.close()


async def answer(service: EngineService, prompt: Any) -> list[Gain]:
    async with asyncio.timeout(PATIENCE_S):
        return [gain async for gain in service.stream(prompt, SHORT)]


@pytest.mark.parametrize("wrong", [10**6, -1, 266])
async def test_a_token_outside_the_vocabulary_fails_its_own_request(service: EngineService, wrong: int) -> None:
    expected = await answer(service, [5, 6])
    good, bad = await asyncio.gather(answer(service, [5, 6]), answer(service, [5, wrong]), return_exceptions=True)
    assert isinstance(bad, UsageError)
    assert f"Token id {wrong} is outside the vocabulary of 266" in str(bad)
    assert isinstance(good, list)
    assert [gain.token_id for gain in good] == [gain.token_id for gain in expected]


async def test_a_request_that_is_none_fails_and_the_worker_goes_on(service: EngineService) -> None:
    good, bad = await asyncio.gather(answer(service, [5, 6]), answer(service, None), return_exceptions=True)
    assert isinstance(bad, SeatrialError)
    assert isinstance(good, list)
    assert len(await answer(service, [5, 6])) == 5


async def test_a_fault_between_steps_fails_those_that_wait_and_the_engine_goes_on(
    model: Model, service: EngineService, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, step, left = await answer(service, [5, 6]), model.engine.step, [2]

    def breaks() -> list[Gain]:
        left[0] -= 1
        if left[0] == 0:
            raise KeyError("a block")
        return step()

    monkeypatch.setattr(model.engine, "step", breaks)
    with pytest.raises(ProviderError, match=r"`tiny` failed: KeyError: 'a block'"):
        await answer(service, [5, 6])
    again = await answer(service, [5, 6])
    assert [gain.token_id for gain in again] == [gain.token_id for gain in expected]
    assert service.metrics.num_blocks_used == 0
