"""The step loop over both runners: batches equal single runs, prefixes are reused, limits and stops hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.chat import message
from seatrial.engine import Model, SamplingParams
from seatrial.engine.loop import Engine, EngineLimits
from seatrial.engine.request import Constraint, Gain
from seatrial.engine.runner import Scores, StepInput
from seatrial.errors import ContextTooLong, UsageError
from seatrial.kernels import cpu

Alone = Callable[[list[int], SamplingParams], list[int]]

PROMPTS = [[5, 9, 40, 41, 42], [7], list(range(60, 130)), [5, 9, 40, 41, 42, 43, 44], [*range(60, 120), 4, 4, 4]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Any]) -> Path:
    return tiny("smollm3", eos_token_id=None).write_folder(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module", params=["float32", "int8"])
def opened(folder: Path, request: pytest.FixtureRequest) -> Callable[..., Model]:
    """Opens the tiny model: in plain PyTorch (float32) or on the native kernels (int8)."""
    if request.param == "int8" and cpu.why_absent():
        pytest.skip(str(cpu.why_absent()))

    def open_model(max_sequences: int = 8, *, path: Path = folder, **changes: Any) -> Model:
        return Model.from_pretrained(path, dtype=request.param, device="cpu", max_sequences=max_sequences, **changes)

    return open_model


@pytest.fixture(scope="module")
def model(opened: Callable[..., Model]) -> Model:
    return opened()


@pytest.fixture
def fresh(opened: Callable[..., Model]) -> Model:
    """One whose cache holds nothing."""
    return opened()


def run(batch: Engine) -> dict[int, list[Gain]]:
    gains: dict[int, list[Gain]] = {}
    while len(batch):
        for gain in batch.step():
            gains.setdefault(gain.key, []).append(gain)
    return gains


@pytest.fixture(scope="module")
def alone(model: Model) -> Alone:
    """The answer of a prompt that is the only one."""
    known: dict[str, list[int]] = {}

    def answer(prompt: list[int], how: SamplingParams) -> list[int]:
        asked = f"{prompt} {how}"
        if asked not in known:
            known[asked] = model.generate(prompt, how).token_ids
        return known[asked]

    return answer


@pytest.mark.parametrize("num_slots", [1, 2, 3, 8])
@pytest.mark.parametrize(
    "how", [SamplingParams(max_tokens=12), SamplingParams(max_tokens=12, temperature=0.8, top_p=0.9, seed=3)]
)
def test_batched_output_equals_one_at_a_time(
    alone: Alone, opened: Callable[..., Model], num_slots: int, how: SamplingParams
) -> None:
    batch = opened(num_slots).engine
    for key, prompt in enumerate(PROMPTS):
        batch.add(key, prompt, how)
    gains = run(batch)
    for key, prompt in enumerate(PROMPTS):
        assert [gain.token_id for gain in gains[key]] == alone(prompt, how)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_random_arrivals_cancellations_and_shared_prefixes(
    alone: Alone, opened: Callable[..., Model], data: st.DataObject
) -> None:
    """Whatever comes and goes, every answer that is not cancelled is the one its prompt has alone."""
    batch = opened(data.draw(st.integers(1, 4))).engine
    prompts: dict[int, list[int]] = {}
    found: dict[int, list[int]] = {}
    cancelled: set[int] = set()
    for key in range(data.draw(st.integers(1, 8))):
        prefix = list(range(60, 60 + data.draw(st.sampled_from([0, 3, 50, 90]))))
        prompts[key] = prefix + data.draw(st.lists(st.integers(3, 250), min_size=1, max_size=6))
        batch.add(key, prompts[key], SamplingParams(max_tokens=6))
        for _ in range(data.draw(st.integers(0, 3))):
            for gain in batch.step():
                found.setdefault(gain.key, []).append(gain.token_id or 0)
        if data.draw(st.booleans()) and data.draw(st.booleans()):
            victim = data.draw(st.sampled_from(sorted(prompts)))
            if len(found.get(victim, [])) < 6:
                batch.cancel(victim)
                cancelled.add(victim)
    while len(batch):
        for gain in batch.step():
            found.setdefault(gain.key, []).append(gain.token_id or 0)
    for key in prompts.keys() - cancelled:
        assert found[key] == alone(prompts[key], SamplingParams(max_tokens=6))


def test_a_shared_prompt_is_computed_once(opened: Callable[..., Model], monkeypatch: pytest.MonkeyPatch) -> None:
    common = list(range(20, 120))
    model = opened(4)
    fed: list[int] = []
    forward = model.runner.forward

    def counting(step: StepInput) -> Scores:
        fed.append(len(step.tokens_T))
        return forward(step)

    monkeypatch.setattr(model.runner, "forward", counting)
    batch = model.engine
    for key in range(8):
        batch.add(key, [*common, 200 + key, 201], SamplingParams(max_tokens=2))
    cached = {key: gains[-1].num_cached for key, gains in run(batch).items()}
    assert sorted(cached.values()) == [0, *[96] * 7]  # six whole blocks of 16
    assert sum(fed) == 102 + 7 * 6 + 8  # one prompt, seven own tails, one fed-back token each
    assert batch.metrics.num_cached_tokens == 7 * 96


def test_the_next_call_reuses_the_last_ones_prefix(fresh: Model, alone: Alone) -> None:
    common = list(range(20, 120))
    how = SamplingParams(max_tokens=4)
    first, second = fresh.generate([*common, 5], how), fresh.generate([*common, 6, 7], how)
    assert (first.num_cached, second.num_cached) == (0, 96)
    assert second.num_prompt == 102
    assert second.token_ids == alone([*common, 6, 7], how)
    assert fresh.generate(list(range(20, 116)), how).num_cached == 80  # the last token is computed for its scores


def test_long_prompts_go_in_chunks_and_mix_with_running_ones(
    tmp_path: Path, tiny: Callable[..., Any], opened: Callable[..., Model]
) -> None:
    model = opened(path=tiny(max_position_embeddings=4096, eos_token_id=None).write_folder(tmp_path))
    long = [3 + i % 200 for i in range(2500)]
    batch = model.engine
    batch.add(0, [9, 8, 7], SamplingParams(max_tokens=9))
    batch.step()
    batch.add(1, long, SamplingParams(max_tokens=3))
    steps = [batch.step() for _ in range(4)]
    assert [[gain.key for gain in step] for step in steps] == [[0]] * 4  # the running one goes on meanwhile
    gains = run(batch)
    assert [gain.token_id for gain in gains[1]] == model.generate(long, SamplingParams(max_tokens=3)).token_ids


def test_limits_of_tokens_and_context(model: Model) -> None:
    assert len(model.generate([5], SamplingParams(max_tokens=1)).token_ids) == 1
    limit = model.config.context_length
    near = model.generate([5] * (limit - 3), SamplingParams(max_tokens=50))
    assert (len(near.token_ids), near.finish) == (3, "length")
    with pytest.raises(ContextTooLong, match=r'Prompt has 1,234 tokens; `.*` takes 256, .*truncate="left"'):
        model.generate([5] * 1234)
    cut = model.generate([5] * 1234, SamplingParams(max_tokens=6, truncate="left"))
    assert (cut.num_prompt, len(cut.token_ids)) == (250, 6)


def test_what_cannot_be_generated_is_refused(model: Model) -> None:
    with pytest.raises(UsageError, match="empty"):
        model.generate("")
    with pytest.raises(UsageError, match="outside the vocabulary"):
        model.generate([10**6])
    for wrong in ({"max_tokens": 0}, {"temperature": -1}, {"top_k": 0}, {"top_p": 0.0}, {"temperature": float("nan")}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            SamplingParams(**wrong)  # type: ignore[arg-type]


def test_stop_tokens_end_an_answer_and_are_not_part_of_it(fresh: Model) -> None:
    free = fresh.generate([5, 6, 7], SamplingParams(max_tokens=10))
    limits = EngineLimits(num_blocks=16, context_length=256)
    batch = Engine(fresh.runner, fresh.tokenizer, (free.token_ids[4],), limits, name="x")
    batch.add(0, [5, 6, 7], SamplingParams(max_tokens=10))
    gains = run(batch)[0]
    stop_at = free.token_ids.index(free.token_ids[4])
    assert [gain.finish for gain in gains] == [None] * stop_at + ["stop"]
    assert "".join(gain.text for gain in gains) == fresh.tokenizer.decode(free.token_ids[:stop_at])


def test_stop_texts(fresh: Model) -> None:
    free = fresh.generate([5, 6, 7], SamplingParams(max_tokens=12))
    stop = free.text[3:5]
    answer = fresh.generate([5, 6, 7], SamplingParams(max_tokens=12, stop=(stop,)))
    assert answer.text == free.text.split(stop)[0]
    assert answer.finish == "stop"


def test_seeds(model: Model) -> None:
    def text(seed: int) -> list[int]:
        return model.generate(
            [5, 6], SamplingParams(max_tokens=20, temperature=1.5, seed=seed, ignore_eos=True)
        ).token_ids

    assert text(1) == text(1)
    assert len({tuple(text(seed)) for seed in range(5)}) == 5
    assert text(-1) == text((1 << 128) - 1)


def test_streaming_cancelling_and_one_at_a_time(fresh: Model) -> None:
    whole = fresh.generate([5, 6, 7], SamplingParams(max_tokens=10))
    stream = fresh.stream([5, 6, 7], SamplingParams(max_tokens=10))
    first = next(stream)
    with pytest.raises(UsageError, match="answering already"):
        fresh.generate([1])
    stream.close()
    assert whole.text.startswith(first)
    assert "".join(fresh.stream([5, 6, 7], SamplingParams(max_tokens=10))) == whole.text
    stopped = fresh.generate_all([[5, 6, 7], [8]], SamplingParams(max_tokens=10), on_gain=lambda gain: gain.key == 1)
    assert [len(answer.token_ids) for answer in stopped] == [1, 10]
    assert [answer.finish for answer in stopped] == ["cancelled", "length"]


def test_messages_go_through_the_template(model: Model) -> None:
    ids = model.prompt_ids([message("user", "hello 1")])
    assert model.tokenizer.decode(ids) == "user\nhello 1\nassistant\n"
    assert ids[0] == 1
    with pytest.raises(UsageError, match="thinking"):
        model.prompt_ids([message("user", "hello")], thinking=True)


@pytest.mark.parametrize(
    ("constraint", "pattern"),
    [
        (Constraint("choice", '["hello", "well", "no"]'), "hello|well|no"),
        (Constraint("regex", "[a-c]{3}-[0-9]{2}"), "[a-c]{3}-[0-9]{2}"),
        (
            Constraint(
                "json_schema", '{"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}'
            ),
            r'\{\s*"ok"\s*:\s*(true|false)\s*\}',
        ),
    ],
)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_constrained_answers_keep_to_their_grammar_with_guesses_and_without(
    opened: Callable[..., Model], model: Model, constraint: Constraint, pattern: str, temperature: float
) -> None:
    params = SamplingParams(max_tokens=60, temperature=temperature, seed=4, constraint=constraint)
    plain = opened(speculate=False)
    guessed, unguessed = model.generate([5, 6, 7], params), plain.generate([5, 6, 7], params)
    assert re.fullmatch(pattern, guessed.text)
    assert (guessed.text, guessed.finish, guessed.token_ids) == (unguessed.text, "stop", unguessed.token_ids)
    assert plain.engine.metrics.num_drafted == 0


def test_speculation_changes_how_many_steps_an_answer_takes_and_not_the_answer(opened: Callable[..., Model]) -> None:
    params = SamplingParams(max_tokens=120, ignore_eos=True, logit_bias={7: 100, 8: 100, 9: 100}, temperature=0.3)
    answers, steps = [], []
    for speculate in (True, False):
        model = opened(speculate=speculate)
        answers.append(model.generate([7, 8, 9] * 20, params).token_ids)
        steps.append(model.engine.metrics.num_steps)
    assert answers[0] == answers[1]
    assert steps[1] == 120
    assert steps[0] < 120


def test_log_probabilities_come_with_their_tokens(model: Model) -> None:
    engine = model.engine
    engine.add(0, [5, 6], SamplingParams(max_tokens=3, num_logprobs=4, ignore_eos=True))
    for gain in run(engine)[0]:
        assert len(gain.top) == 4
        assert gain.top[0].token_id == gain.token_id
        assert gain.top[0].logprob == gain.logprob
        assert gain.logprob is not None
        assert gain.logprob < 0
