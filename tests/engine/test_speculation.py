"""Drafts change how many steps an answer takes, and nothing else."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.engine.picture_rows import FIRST_ROW
from seatrial.engine.request import SamplingParams
from seatrial.engine.sampler import Choice, Chooser, choose_each
from seatrial.engine.speculation import Drafter, accept, best_length

SIZE = 40
STOP = 39


class Answer(NamedTuple):
    tokens: list[int]
    num_steps: int
    num_drafted: int


def reciter(text: list[int]) -> Callable[[list[int]], torch.Tensor]:
    """A model that recites: after n tokens of answer, token n of `text` is by far the likeliest."""

    def model(tokens: list[int]) -> torch.Tensor:
        return torch.nn.functional.one_hot(torch.tensor(text[len(tokens) % len(text)]), SIZE).float() * 30

    return model


def rambler(seed: int, memory: int = 2, spread: float = 3.0) -> Callable[[list[int]], torch.Tensor]:
    """A model whose scores depend, at random, on the last few tokens."""

    @functools.cache
    def of(last: tuple[int, ...]) -> torch.Tensor:
        mixed = random.Random(f"{seed} {last}").getrandbits(60)
        return torch.randn(SIZE, generator=torch.Generator().manual_seed(mixed)) * spread

    return lambda tokens: of(tuple(tokens[-memory:]))


def answer(
    model: Callable[[list[int]], torch.Tensor],
    prompt: list[int],
    params: SamplingParams,
    drafter: Drafter | None = None,
    length: int = 200,
) -> Answer:
    """What a step loop does, for one sequence."""
    tokens, by, num_steps, num_drafted = list(prompt), Chooser(params, prompt, SIZE), 0, 0
    while len(tokens) < len(prompt) + length and tokens[-1] != STOP:
        draft = drafter.propose(tokens) if drafter else []
        rows = torch.stack([model([*tokens, *draft[:k]]) for k in range(len(draft) + 1)])

        def chosen(k: int, rows: torch.Tensor = rows) -> Choice:
            choice = choose_each(rows[k : k + 1], [by], [None])[0]
            assert choice.token_id is not None
            by.observe(choice.token_id)
            return choice

        gained = [choice.token_id for choice in accept(draft, chosen, {STOP}) if choice.token_id is not None]
        tokens += gained
        num_steps, num_drafted = num_steps + 1, num_drafted + len(draft)
    return Answer(tokens[len(prompt) :][:length], num_steps, num_drafted)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    memory=st.integers(1, 3),
    spread=st.sampled_from([1.0, 4.0, 20.0]),
    temperature=st.sampled_from([0.0, 0.7, 1.5]),
    penalties=st.sampled_from([(1.0, 0.0), (1.3, 0.0), (1.0, 0.4)]),
    prompt=st.lists(st.integers(0, 3), min_size=1, max_size=40),
)
def test_the_text_is_the_same_with_and_without(
    seed: int, memory: int, spread: float, temperature: float, penalties: tuple[float, float], prompt: list[int]
) -> None:
    params = SamplingParams(
        temperature=temperature, seed=seed, repetition_penalty=penalties[0], frequency_penalty=penalties[1], top_p=0.95
    )
    model = rambler(seed, memory, spread)
    plain = answer(model, prompt, params, length=60)
    eager = Drafter(draft_cost=0.0, shortest_ngram=1)
    assert answer(model, prompt, params, eager, length=60).tokens == plain.tokens
    assert answer(model, prompt, params, Drafter(), length=60).tokens == plain.tokens


def test_copying_takes_few_steps() -> None:
    rng = random.Random(1)
    document = [rng.randrange(SIZE - 1) for _ in range(300)]
    prompt = [*document, 1, 2, 3]
    model = reciter([0] * len(prompt) + document)
    found = answer(model, prompt, SamplingParams(), Drafter(), length=290)
    assert found.tokens == document[:290]
    assert found.num_steps < 290 / 5


def test_repetition_takes_few_steps() -> None:
    model = reciter([0, *([5, 6, 7] * 100)])
    found = answer(model, [0], SamplingParams(), Drafter(), length=200)
    assert found.num_steps < 200 / 4


def test_text_without_a_pattern_is_left_alone() -> None:
    """2,000 random tokens of 39: pairs recur by chance, so there are matches to be had, and all are misleading."""
    found = answer(rambler(3, memory=50, spread=1.0), [1], SamplingParams(temperature=1.0), Drafter(), length=2_000)
    assert found.num_drafted < 60


def test_it_comes_back_when_the_text_turns_repetitive() -> None:
    rng = random.Random(2)
    drafter = Drafter()
    tokens = [rng.randrange(30) for _ in range(1_500)]
    before = sum(len(drafter.propose(tokens[:end])) for end in range(1, len(tokens)))
    passage = tokens[:120]
    for end in range(1, len(passage)):
        drafter.propose([*tokens, *passage[:end]])
    assert len(drafter.propose([*tokens, *passage])) >= 4
    assert before < 80


@given(st.lists(st.integers(0, 3), max_size=80), st.integers(1, 9), st.integers(1, 3), st.integers(0, 2), st.data())
def test_a_draft_is_what_followed_the_latest_longest_match(
    tokens: list[int], most: int, shortest: int, more: int, data: st.DataObject
) -> None:
    """Against a search from scratch, however the tokens arrive."""
    drafter = Drafter(max_draft=most, shortest_ngram=shortest, longest_ngram=shortest + more, draft_cost=0.0)
    end = 0
    while end < len(tokens):
        end += data.draw(st.integers(1, len(tokens) - end))
        drafter.propose(tokens[:end])
    wanted: list[int] = []
    for length in range(shortest + more, shortest - 1, -1):
        places = [at for at in range(length, len(tokens)) if tokens[at - length : at] == tokens[len(tokens) - length :]]
        if places:
            going_on = tokens[places[-1] :]
            while len(going_on) < most:
                going_on += tokens[places[-1] :]
            wanted = going_on[:most]
            break
    found = drafter.propose(tokens)
    assert found == wanted[: len(found)]
    assert bool(found) <= bool(wanted)


def test_a_match_that_keeps_failing_is_no_longer_proposed_and_one_that_holds_is_lengthened() -> None:
    holds, fails = Drafter(draft_cost=0.3), Drafter(draft_cost=0.3)
    repeating, growing = [1, 2, 3, 4, 5, 6, 7, 8] * 2, [1, 2]
    first = len(holds.propose(repeating))
    for _ in range(10):
        repeating += [1, 2, 3, 4, 5, 6, 7, 8]
        last = len(holds.propose(repeating))
    assert last > first > 0
    lengths = []
    for fresh in range(3, 30):
        growing += [fresh, 1, 2]
        lengths.append(len(fails.propose(growing)))
    assert lengths[-1] == 0


class TestBestLength:
    """Tokens per time are (1 + p + ... + p^k) / (1 + cost k)."""

    def test_is_zero_when_a_draft_costs_more_than_it_brings(self) -> None:
        assert best_length(0.15, 0.15, 8) == 0
        assert best_length(0.9, 1.0, 8) == 0

    def test_grows_with_the_rate(self) -> None:
        lengths = [best_length(rate / 20, 0.15, 8) for rate in range(21)]
        assert lengths == sorted(lengths)
        assert lengths[-1] == 8

    @given(st.floats(0, 1), st.floats(0.01, 2), st.integers(1, 12))
    def test_is_the_best_of_all(self, rate: float, cost: float, most: int) -> None:
        speeds = [sum(rate**k for k in range(length + 1)) / (1 + cost * length) for length in range(most + 1)]
        assert speeds[best_length(rate, cost, most)] == pytest.approx(max(speeds))


class TestAccept:
    @pytest.mark.parametrize(
        ("draft", "chosen", "gained"),
        [
            ([], [4], [4]),
            ([5, 6, 7], [5, 9, 7, 1], [5, 9]),
            ([5, 6], [5, 6, 8], [5, 6, 8]),
            ([5, 6], [1, 6, 8], [1]),
            ([5, STOP, 7], [5, STOP, 7, 1], [5, STOP]),
            ([5, 6], [5, None, 8], [5, None]),
        ],
    )
    def test_ends_after_the_first_that_differs_or_ends(
        self, draft: list[int], chosen: list[int | None], gained: list[int | None]
    ) -> None:
        asked = []

        def choose(k: int) -> Choice:
            asked.append(k)
            return Choice(chosen[k])

        assert [choice.token_id for choice in accept(draft, choose, {STOP})] == gained
        assert asked == list(range(len(gained)))


@pytest.mark.parametrize("wrong", [{"max_draft": 0}, {"shortest_ngram": 5}, {"shortest_ngram": 0}, {"draft_cost": -1}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="drafter"):
        Drafter(**wrong)  # type: ignore[arg-type]


def test_a_long_prompt_is_indexed_once() -> None:
    """500 looks into 32,000 tokens; each would take 20 ms and more if it read them again."""
    rng, drafter = random.Random(4), Drafter()
    tokens = [rng.randrange(SIZE) for _ in range(32_000)]
    begun = time.process_time()
    for _ in range(500):
        drafter.propose(tokens)
        tokens.append(rng.randrange(SIZE))
    assert time.process_time() - begun < 2


def test_rows_of_a_picture_are_never_guessed() -> None:
    """What followed these words was a picture, or words and then a picture: guesses end where it begins."""
    rows = [FIRST_ROW + row for row in range(6)]
    assert Drafter().propose([1, 2, 3, 4, *rows, 1, 2, 3, 4]) == []
    guess = Drafter(draft_cost=0).propose([1, 2, 3, 4, 5, 6, *rows, 1, 2, 3, 4])
    assert guess == [5, 6]
