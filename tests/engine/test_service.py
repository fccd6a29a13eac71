"""The engine behind a thread: streams from several loops, streams closed early, failures, closing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.engine import Model, SamplingParams
from seatrial.engine.request import Gain
from seatrial.engine.runner import Scores, StepInput
from seatrial.engine.service import EngineService
from seatrial.errors import ContextTooLong, ProviderUnavailable

SHORT, LONG = SamplingParams(max_tokens=5, ignore_eos=True), SamplingParams(max_tokens=240, ignore_eos=True)


@pytest.fixture
def model(tmp_path: Path, tiny: Callable[..., Any]) -> Model:
    folder = tiny("smollm3", eos_token_id=None).write_folder(tmp_path / "model")
    return Model.from_pretrained(folder, dtype="float32", device="cpu", max_sequences=4)


@pytest.fixture
async def service(model: Model) -> AsyncIterator[EngineService]:
    service = EngineService(model.engine, name="tiny")
    yield service
    await service.close()


async def tokens(service: EngineService, prompt: list[int], params: SamplingParams = SHORT) -> list[int]:
    return [gain.token_id async for gain in service.stream(prompt, params) if gain.token_id is not None]


async def settled(service: EngineService) -> None:
    for _ in range(200):
        if service.metrics.num_running == service.metrics.num_waiting == 0:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(service.metrics)


async def test_many_streams_at_once_get_what_each_gets_alone(service: EngineService) -> None:
    prompts = [[5, 6, 7 + i] * (1 + i % 5) for i in range(40)]
    alone = [await tokens(service, prompt) for prompt in prompts]
    assert await asyncio.gather(*(tokens(service, prompt) for prompt in prompts)) == alone
    assert service.metrics.num_generated_tokens == 2 * 40 * 5


async def test_a_stream_closed_early_leaves_the_engine_and_gives_its_blocks_back(service: EngineService) -> None:
    stream = service.stream([5, 6, 7], LONG)
    await anext(stream)
    waiting = [asyncio.create_task(tokens(service, [8, i], LONG)) for i in range(9)]
    await asyncio.sleep(0.02)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await stream.aclose()
    await settled(service)
    assert service.metrics.num_blocks_used == 0
    assert len(await tokens(service, [5, 6, 7])) == 5


async def test_an_exception_in_a_step_fails_its_answers_and_the_engine_survives(
    model: Model, service: EngineService, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, left = model.runner.forward, [3]

    def breaks(step: StepInput) -> Scores:
        left[0] -= 1
        if left[0] == 0:
            raise RuntimeError("the device is gone")
        return forward(step)

    expected = await tokens(service, [1, 2, 3])
    monkeypatch.setattr(model.runner, "forward", breaks)
    gains: list[Gain] = [gain async for gain in service.stream([1, 2, 9], LONG)]
    assert gains[-1].finish == "failed"
    assert "RuntimeError: the device is gone" in str(gains[-1].error)
    assert len(gains) == 3
    assert await tokens(service, [1, 2, 3]) == expected
    assert service.metrics.num_blocks_used == 0


async def test_scores_that_are_not_numbers_fail_one_answer(
    model: Model, service: EngineService, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = model.runner.forward

    def poisoned(step: StepInput) -> Scores:
        scores = np.array(forward(step))
        scores[step.tokens_T[step.rows_R] == 200] = float("nan")
        return scores

    expected = await tokens(service, [5, 6])
    monkeypatch.setattr(model.runner, "forward", poisoned)
    good, bad = await asyncio.gather(
        tokens(service, [5, 6]), anext(aiter(service.stream([5, 200], SHORT))), return_exceptions=True
    )
    assert good == expected
    assert isinstance(bad, Gain)
    assert bad.finish == "failed"
    assert "not numbers" in str(bad.error)


async def test_what_cannot_be_answered_raises_from_its_own_stream(service: EngineService) -> None:
    with pytest.raises(ContextTooLong, match=r"Prompt has 300 tokens; .* takes 256"):
        await tokens(service, [5] * 300)
    assert len(await tokens(service, [5])) == 5


async def test_a_thousand_requests_at_once(service: EngineService) -> None:
    replies = await asyncio.gather(
        *(tokens(service, [3 + i % 200, 4], SamplingParams(max_tokens=2, ignore_eos=True)) for i in range(1000))
    )
    assert [len(reply) for reply in replies] == [2] * 1000
    assert service.metrics.num_blocks_used == 0


async def test_closing_fails_what_still_runs(model: Model) -> None:
    service = EngineService(model.engine, name="tiny")
    running = asyncio.create_task(tokens(service, [5], LONG))
    await asyncio.sleep(0.01)
    await asyncio.gather(service.close(), service.close())
    with pytest.raises(ProviderUnavailable, match="closed before it had answered"):
        await running
    with pytest.raises(ProviderUnavailable, match="has been closed"):
        await tokens(service, [5])


@pytest.mark.slow
def test_a_process_that_ends_in_the_middle_of_an_answer_ends_cleanly(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    folder = tiny("smollm3", eos_token_id=None).write_folder(tmp_path / "model")
    program = f"""
import asyncio
import subprocess
import sys
from seatrial.engine import Model, SamplingParams
from seatrial.engine.service import EngineService

async def main():
    service = EngineService(Model.from_pretrained({str(folder)!r}, device="cpu").engine, name="tiny")
    stream = service.stream([5], SamplingParams(max_tokens=250, ignore_eos=True))
    await anext(stream)
    raise SystemExit(7)

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (7, "")
