"""Requests that go wrong beside others that do not, as callers of `EngineService` meet them, on both runners."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import gguf
import pytest

from seatrial.engine import Model, SamplingParams
from seatrial.engine.loop import Engine, EngineLimits
from seatrial.engine.request import Constraint, Gain
from seatrial.engine.runner import StepInput
from seatrial.engine.service import EngineService
from seatrial.errors import ContextTooLong, UsageError
from seatrial.kernels import cpu

SHORT = SamplingParams(max_tokens=5, ignore_eos=True)
BAD_TOKEN = 200
PROMPTS = [[5, 6, 7 + i] * (1 + i % 3) for i in range(6)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Any]) -> Path:
    """A Q8_0 file in which the embedding of `BAD_TOKEN` has a scale that is no number. The output is its own matrix."""
    model = tiny(num_hidden_layers=2, tie_word_embeddings=False)
    path: Path = model.write_gguf(tmp_path_factory.mktemp("faults") / "model.gguf", "Q8_0")
    tensors = gguf.GGUFReader(path).tensors
    at = next(int(one.data_offset) for one in tensors if one.name == "token_embd.weight")
    data = bytearray(path.read_bytes())
    row = at + BAD_TOKEN * 64 // 32 * 34
    data[row : row + 2] = b"\x00\x7e"
    path.write_bytes(bytes(data))
    return path


@pytest.fixture(params=["float32", "auto"])
def model(file: Path, request: pytest.FixtureRequest) -> Model:
    """In plain PyTorch, and on the native kernels."""
    if request.param == "auto" and cpu.why_absent():
        pytest.skip(str(cpu.why_absent()))
    return Model.from_pretrained(file, dtype=request.param, device="cpu", threads=1, max_sequences=4, name="tiny")


@pytest.fixture
async def service(model: Model) -> AsyncIterator[EngineService]:
    service = EngineService(model.engine, name="tiny")
    yield service
    await service.close()


async def answer(service: EngineService, prompt: list[int], params: SamplingParams = SHORT) -> list[Gain]:
    return [gain async for gain in service.stream(prompt, params)]


async def tokens(service: EngineService, prompt: list[int], params: SamplingParams = SHORT) -> list[int]:
    gains = await answer(service, prompt, params)
    assert gains[-1].finish != "failed", gains[-1].error
    return [gain.token_id for gain in gains if gain.token_id is not None]


async def settled(service: EngineService) -> None:
    for _ in range(500):
        metrics = service.metrics
        if metrics.num_running == metrics.num_waiting == metrics.num_blocks_used == 0:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(service.metrics)


async def test_scores_that_are_not_numbers_fail_their_own_answer(service: EngineService) -> None:
    alone = [await tokens(service, prompt) for prompt in PROMPTS]
    bad = [[5, BAD_TOKEN], [5] * 20 + [BAD_TOKEN], [BAD_TOKEN, 5]]
    found = await asyncio.gather(*(answer(service, prompt) for prompt in [*PROMPTS, *bad]))
    assert [[gain.token_id for gain in gains] for gains in found[: len(PROMPTS)]] == alone
    for gains in found[len(PROMPTS) :]:
        assert [gain.finish for gain in gains] == ["failed"]
        assert gains[0].error == "`tiny` computed scores that are not numbers; its weights may be damaged."
    await settled(service)
    assert await tokens(service, PROMPTS[0]) == alone[0]


async def test_an_exception_in_a_step_fails_all_that_were_in_it_and_no_others(
    model: Model, service: EngineService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four at once, and six asked: the four that run when it breaks fail, the two that wait are answered."""
    alone = [await tokens(service, prompt) for prompt in PROMPTS]
    forward, in_step = model.runner.forward, []

    def breaks(step: StepInput) -> Any:
        in_step.append(len(step.starts_S1) - 1)
        if len(in_step) == 3:
            raise RuntimeError("the device is gone")
        return forward(step)

    monkeypatch.setattr(model.runner, "forward", breaks)
    found = await asyncio.gather(*(answer(service, prompt) for prompt in PROMPTS))
    failed = [gains for gains in found if gains[-1].finish == "failed"]
    assert len(failed) == in_step[2] > 1
    for gains in failed:
        assert gains[-1].error == "`tiny` failed while it computed: RuntimeError: the device is gone"
    for gains, expected in zip(found, alone, strict=True):
        if gains[-1].finish != "failed":
            assert [gain.token_id for gain in gains] == expected
    assert sum(gains[-1].finish != "failed" for gains in found) == len(PROMPTS) - in_step[2] >= 2
    await settled(service)
    assert [await tokens(service, prompt) for prompt in PROMPTS] == alone


async def test_an_abort_storm_leaves_nothing_behind_and_the_others_unchanged(service: EngineService) -> None:
    rng = random.Random(4)
    params = SamplingParams(max_tokens=60, ignore_eos=True, logit_bias={BAD_TOKEN: -100})
    kept = {i: await tokens(service, PROMPTS[i], params) for i in range(len(PROMPTS))}

    async def aborted(delay_s: float, num_gains: int) -> None:
        """Leaves after so many tokens, or after so long, whichever comes first."""
        prompt = [rng.randrange(3, 190) for _ in range(rng.randrange(1, 90))]
        async with aclosing(service.stream(prompt, params)) as stream:
            try:
                async with asyncio.timeout(delay_s):
                    for _ in range(num_gains):
                        await anext(stream)
            except TimeoutError:
                pass

    storm = [aborted(rng.choice([0, 0.001, 0.01, 0.1]), rng.choice([0, 1, 2, 10])) for _ in range(300)]
    found = await asyncio.gather(*(tokens(service, PROMPTS[i], params) for i in kept), *storm)
    assert found[: len(kept)] == list(kept.values())
    await settled(service)
    assert await tokens(service, PROMPTS[0], params) == kept[0]


async def test_a_thousand_at_once_with_some_of_every_kind(service: EngineService) -> None:
    """Good ones, too long ones, poisoned ones and bad constraints, all queued before the first is answered."""
    params = SamplingParams(max_tokens=2, ignore_eos=True)
    kinds: dict[str, tuple[list[int], SamplingParams]] = {
        "good": ([5, 6], params),
        "long": ([5] * 300, params),
        "poisoned": ([5, BAD_TOKEN], params),
        "bad grammar": ([5, 6], SamplingParams(constraint=Constraint("regex", "(a"))),
        "empty": ([], params),
    }
    expected = await tokens(service, [5, 6], params)
    asked = [list(kinds)[i % len(kinds)] for i in range(1000)]
    found = await asyncio.gather(*(answer(service, *kinds[kind]) for kind in asked), return_exceptions=True)
    errors = {"long": ContextTooLong, "bad grammar": UsageError, "empty": UsageError}
    for kind, reply in zip(asked, found, strict=True):
        if kind in errors:
            assert isinstance(reply, errors[kind])
        elif kind == "poisoned":
            assert [gain.finish for gain in reply] == ["failed"]
        else:
            assert [gain.token_id for gain in reply] == expected
    await settled(service)


async def test_a_prompt_longer_than_the_context_names_both_or_is_cut_when_asked(service: EngineService) -> None:
    with pytest.raises(ContextTooLong, match=r"Prompt has 300 tokens; `tiny` takes 256, its answer included"):
        await tokens(service, [5] * 300)
    long = [5 + i % 100 for i in range(300)]
    cut = SamplingParams(max_tokens=6, ignore_eos=True, truncate="left")
    whole = SamplingParams(max_tokens=6, ignore_eos=True)
    assert await tokens(service, long, cut) == await tokens(service, long[-250:], whole)


async def test_a_cache_too_small_for_one_sequence_refuses_that_sequence(model: Model) -> None:
    """Four blocks hold 64 tokens, and the context would allow 256."""
    limits = EngineLimits(num_blocks=4, context_length=256, max_sequences=4)
    small = Engine(model.runner, model.tokenizer, model.config.stop_ids, limits, name="tiny")
    service = EngineService(small, name="tiny")
    refused, good = await asyncio.gather(tokens(service, [5] * 61), tokens(service, [5, 6]), return_exceptions=True)
    assert isinstance(refused, ContextTooLong)
    for part in ("61 tokens", "66 in all", "cache of 64", "max_tokens"):
        assert part in str(refused)
    assert isinstance(good, list)
    assert len(good) == 5
    assert len(await tokens(service, [5] * 59)) == 5
    await service.close()


BOMBS = [
    Constraint("regex", "(a{1,1000}){1,1000}"),
    Constraint("regex", "(?:(?:(?:x{0,100}){0,100}){0,100}){0,100}"),
    Constraint("json_schema", json.dumps({"type": "array", "minItems": 10**6, "items": {"maxLength": 10**9}})),
    Constraint("json_schema", '{"properties":{"a":' * 100 + "{}" + "}}" * 100),
    Constraint("json_schema", json.dumps({"enum": [f"{i} {'x' * 20}" for i in range(10_000)]})),
    Constraint("choice", json.dumps([str(i) for i in range(5000)])),
]


async def test_a_grammar_bomb_costs_its_own_request_and_not_the_others(service: EngineService) -> None:
    alone = [await tokens(service, prompt) for prompt in PROMPTS]
    with pytest.raises(UsageError):  # the vocabulary is read for the first constraint of all
        await answer(service, [5], SamplingParams(constraint=Constraint("regex", "(a")))
    begun = time.perf_counter()

    async def defused(constraint: Constraint) -> str:
        params = SamplingParams(max_tokens=20, constraint=constraint)
        try:
            return str((await answer(service, [5, 6], params))[-1].finish)
        except UsageError:
            return "refused"

    bombs = asyncio.gather(*(defused(bomb) for bomb in BOMBS))
    found = await asyncio.gather(*(tokens(service, prompt) for prompt in PROMPTS))
    assert found == alone
    ends = await asyncio.wait_for(bombs, timeout=30)
    assert set(ends) <= {"refused", "length", "stop", "failed"}
    assert ends.count("refused") >= 3
    assert time.perf_counter() - begun < 20
    await settled(service)
