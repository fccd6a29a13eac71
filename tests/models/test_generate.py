"""Generation: batches equal single runs, prefixes are reused, limits and stops hold, cancelling works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.chat import message
from seatrial.errors import ContextTooLong, UsageError
from seatrial.models import Model
from seatrial.models.generate import Batch, Gain, Settings
from seatrial.models.sampling import Chooser, choose_tokens

PROMPTS = [[5, 9, 40, 41, 42], [7], list(range(60, 130)), [5, 9, 40, 41, 42, 43, 44], [*range(60, 120), 4, 4, 4]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Any]) -> Path:
    return tiny("smollm3", eos_token_id=None).write_folder(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return Model.from_pretrained(folder, dtype="float32", device="cpu")


@pytest.fixture
def fresh(folder: Path) -> Model:
    """One whose slots hold nothing."""
    return Model.from_pretrained(folder, dtype="float32", device="cpu")


def run(batch: Batch) -> dict[int, list[Gain]]:
    gains: dict[int, list[Gain]] = {}
    while len(batch):
        for gain in batch.step():
            gains.setdefault(gain.key, []).append(gain)
    return gains


def alone(model: Model, prompt: list[int], how: Settings) -> list[int]:
    batch = model.batch(1)
    batch.add(0, prompt, how)
    return [gain.token_id for gain in run(batch)[0] if gain.token_id is not None]


@pytest.mark.parametrize("num_slots", [1, 2, 3, 8])
@pytest.mark.parametrize("how", [Settings(max_tokens=12), Settings(max_tokens=12, temperature=0.8, top_p=0.9, seed=3)])
def test_batched_output_equals_one_at_a_time(model: Model, num_slots: int, how: Settings) -> None:
    batch = model.batch(num_slots)
    for key, prompt in enumerate(PROMPTS):
        batch.add(key, prompt, how)
    gains = run(batch)
    for key, prompt in enumerate(PROMPTS):
        assert [gain.token_id for gain in gains[key]] == alone(model, prompt, how)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_random_arrivals_cancellations_and_shared_prefixes(model: Model, data: st.DataObject) -> None:
    """Whatever comes and goes, every answer that is not cancelled is the one its prompt has alone."""
    batch = model.batch(data.draw(st.integers(1, 4)))
    prompts: dict[int, list[int]] = {}
    found: dict[int, list[int]] = {}
    cancelled: set[int] = set()
    for key in range(data.draw(st.integers(1, 8))):
        prefix = list(range(60, 60 + data.draw(st.sampled_from([0, 3, 50, 90]))))
        prompts[key] = prefix + data.draw(st.lists(st.integers(3, 250), min_size=1, max_size=6))
        batch.add(key, prompts[key], Settings(max_tokens=6))
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
        assert found[key] == alone(model, prompts[key], Settings(max_tokens=6))


def test_prompts_of_one_token_each_in_slots_out_of_order(model: Model) -> None:
    batch = model.batch(3)
    for key, prompt in enumerate([[3], [4, 5], [6]]):
        batch.add(key, prompt, Settings(max_tokens=1 + key))
    run(batch)
    for key, prompt in enumerate([[6, 7], [3], [4]]):  # their prefixes lie in slots 2, 0 and 1
        batch.add(key, prompt, Settings(max_tokens=4))
    for key, gains in run(batch).items():
        assert [gain.token_id for gain in gains] == alone(model, [[6, 7], [3], [4]][key], Settings(max_tokens=4))


def test_a_shared_prompt_is_computed_once(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    common = list(range(20, 120))
    batch = model.batch(4)
    fed: list[int] = []
    hidden = model.decoder.hidden

    def counting(tokens: torch.Tensor, *rest: Any) -> torch.Tensor:
        fed.append(len(tokens))
        return hidden(tokens, *rest)

    monkeypatch.setattr(model.decoder, "hidden", counting)
    for key in range(8):
        batch.add(key, [*common, 200 + key, 201], Settings(max_tokens=2))
    cached = {key: gains[-1].num_cached for key, gains in run(batch).items()}
    assert sorted(cached.values()) == [0, *[100] * 7]
    assert sum(fed) == 102 + 7 * 2 + 8  # one prompt, seven own tails, one fed-back token each


def test_the_next_call_reuses_the_last_ones_prefix(fresh: Model) -> None:
    common = list(range(20, 120))
    how = Settings(max_tokens=4)
    first, second = fresh.generate([*common, 5], how), fresh.generate([*common, 6, 7], how)
    assert (first.num_cached, second.num_cached) == (0, 100)
    assert second.num_prompt == 102
    assert second.token_ids == alone(fresh, [*common, 6, 7], how)
    assert fresh.generate([*common, 6, 7], how).num_cached == 101  # the last token is computed for its scores


def test_long_prompts_go_in_chunks_and_mix_with_running_ones(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    model = Model.from_pretrained(
        tiny(max_position_embeddings=4096, eos_token_id=None).write_folder(tmp_path), dtype="float32", device="cpu"
    )
    long = [3 + i % 200 for i in range(2500)]
    batch = model.batch(2)
    batch.add(0, [9, 8, 7], Settings(max_tokens=5))
    batch.step()
    batch.add(1, long, Settings(max_tokens=3))
    steps = [batch.step() for _ in range(3)]
    assert [len(step) for step in steps] == [0, 0, 1]
    gains = run(batch)
    assert [steps[2][0].token_id, *(gain.token_id for gain in gains[1])] == alone(model, long, Settings(max_tokens=3))


def test_limits_of_tokens_and_context(model: Model) -> None:
    assert len(model.generate([5], Settings(max_tokens=1)).token_ids) == 1
    limit = model.config.context_length
    near = model.generate([5] * (limit - 3), Settings(max_tokens=50))
    assert (len(near.token_ids), near.finish) == (3, "length")
    with pytest.raises(ContextTooLong, match=r'Prompt has 1,234 tokens; `.*` takes 256, .*truncate="left"'):
        model.generate([5] * 1234)
    cut = model.generate([5] * 1234, Settings(max_tokens=6, truncate="left"))
    assert (cut.num_prompt, len(cut.token_ids)) == (250, 6)


def test_what_cannot_be_generated_is_refused(model: Model) -> None:
    with pytest.raises(UsageError, match="empty"):
        model.generate("")
    with pytest.raises(UsageError, match="outside the vocabulary"):
        model.generate([10**6])
    for wrong in ({"max_tokens": 0}, {"temperature": -1}, {"top_k": 0}, {"top_p": 0.0}, {"temperature": float("nan")}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            Settings(**wrong)  # type: ignore[arg-type]


def test_stop_tokens_end_an_answer_and_are_not_part_of_it(folder: Path, fresh: Model) -> None:
    free = fresh.generate([5, 6, 7], Settings(max_tokens=10))
    batch = Batch(fresh.decoder, fresh.tokenizer, [free.token_ids[4]], 1, "x")
    batch.add(0, [5, 6, 7], Settings(max_tokens=10))
    gains = run(batch)[0]
    stop_at = free.token_ids.index(free.token_ids[4])
    assert [gain.finish for gain in gains] == [None] * stop_at + ["stop"]
    assert "".join(gain.text for gain in gains) == fresh.tokenizer.decode(free.token_ids[:stop_at])


def test_stop_texts(fresh: Model) -> None:
    free = fresh.generate([5, 6, 7], Settings(max_tokens=12))
    stop = free.text[3:5]
    answer = fresh.generate([5, 6, 7], Settings(max_tokens=12, stop=(stop,)))
    assert answer.text == free.text.split(stop)[0]
    assert answer.finish == "stop"


def test_seeds(model: Model) -> None:
    def text(seed: int) -> list[int]:
        return model.generate([5, 6], Settings(max_tokens=20, temperature=1.5, seed=seed)).token_ids

    assert text(1) == text(1)
    assert len({tuple(text(seed)) for seed in range(5)}) == 5
    assert text(-1) == text((1 << 63) - 1)


def test_streaming_cancelling_and_one_at_a_time(fresh: Model) -> None:
    whole = fresh.generate([5, 6, 7], Settings(max_tokens=10))
    stream = fresh.stream([5, 6, 7], Settings(max_tokens=10))
    first = next(stream)
    with pytest.raises(UsageError, match="answering already"):
        fresh.generate([1])
    stream.close()
    assert whole.text.startswith(first)
    assert "".join(fresh.stream([5, 6, 7], Settings(max_tokens=10))) == whole.text
    stopped = fresh.generate_all([[5, 6, 7], [8]], Settings(max_tokens=10), on_gain=lambda gain: gain.key == 1)
    assert [len(answer.token_ids) for answer in stopped] == [1, 10]
    assert [answer.finish for answer in stopped] == ["cancelled", "length"]


def test_messages_go_through_the_template(model: Model) -> None:
    ids = model.prompt_ids([message("user", "hello 1")])
    assert model.tokenizer.decode(ids) == "user\nhello 1\nassistant\n"
    assert ids[0] == 1
    with pytest.raises(UsageError, match="thinking"):
        model.prompt_ids([message("user", "hello")], thinking=True)


def test_sampling_follows_the_distribution() -> None:
    logits = torch.tensor([0.5, 0.25, 0.15, 0.1]).log()
    generator = torch.Generator().manual_seed(0)

    def shares(**how: Any) -> list[float]:
        chooser = Chooser(temperature=how.pop("temperature", 1.0), generator=generator, **how)
        drawn = [choose_tokens(logits[None], [chooser])[0] for _ in range(1000)]
        return [drawn.count(token) / 1000 for token in range(4)]

    assert shares() == pytest.approx([0.5, 0.25, 0.15, 0.1], abs=0.06)
    assert shares(top_k=2) == pytest.approx([2 / 3, 1 / 3, 0, 0], abs=0.06)
    assert shares(top_p=0.7) == pytest.approx([2 / 3, 1 / 3, 0, 0], abs=0.06)
    assert shares(top_p=0.01) == [1, 0, 0, 0]
    assert shares(temperature=0.5) == pytest.approx([0.725, 0.181, 0.065, 0.029], abs=0.06)


def test_scores_that_are_not_numbers() -> None:
    nan, inf = float("nan"), float("inf")
    rows = torch.tensor([[0.0, nan, 1.0], [0.0, 1.0, -inf], [-inf, -inf, -inf]])
    assert choose_tokens(rows, [Chooser(), Chooser(), Chooser(1.0)]) == [None, 1, None]
