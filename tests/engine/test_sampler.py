"""Choosing: the same as transformers' processors leave, in the model's proportions, the same whatever stands beside."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from seatrial.engine.request import Constraint, SamplingParams
from seatrial.engine.sampler import Choice, Chooser, best_places, choose_each
from seatrial.errors import UsageError

SIZE = 50


def scores(seed: int, rows: int = 1, size: int = SIZE, spread: float = 2.0) -> torch.Tensor:
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(seed)) * spread


def chooser(size: int = SIZE, prompt: tuple[int, ...] = (), **params: Any) -> Chooser:
    return Chooser(SamplingParams(**params), list(prompt), size)


def choose(logits_V: torch.Tensor, by: Chooser, mask: np.ndarray | None = None) -> Choice:
    return choose_each(logits_V[None], [by], [mask])[0]


def mask_of(ids: list[int], size: int = SIZE) -> np.ndarray:
    bits = np.zeros((size + 31) // 32 * 32, np.uint8)
    bits[ids] = 1
    return np.packbits(bits, bitorder="little").view(np.int32)


def draws(logits_V: torch.Tensor, count: int, mask: np.ndarray | None = None, **params: Any) -> np.ndarray:
    """How often each token comes in `count` draws of one answer."""
    by = chooser(logits_V.shape[0], **params)
    found = np.zeros(logits_V.shape[0], np.int64)
    for _ in range(count):
        token = choose(logits_V, by, mask).token_id
        assert token is not None
        found[token] += 1
        by.num_chosen += 1
    return found


def expected(logits_V: torch.Tensor, **params: Any) -> np.ndarray:
    """Probabilities by transformers' processors, in its own order."""
    ids, left = torch.zeros(1, 1, dtype=torch.long), logits_V[None].double()
    for name, warper in [
        ("temperature", TemperatureLogitsWarper),
        ("top_k", TopKLogitsWarper),
        ("top_p", TopPLogitsWarper),
        ("min_p", MinPLogitsWarper),
    ]:
        if params.get(name) is not None:
            left = warper(params[name])(ids, left)
    return left.softmax(-1)[0].numpy()


SETTINGS = [
    {"temperature": 1.0},
    {"temperature": 0.5},
    {"temperature": 3.0},
    {"temperature": 1.0, "top_k": 5},
    {"temperature": 1.0, "top_p": 0.8},
    {"temperature": 1.0, "min_p": 0.05},
    {"temperature": 1.5, "top_k": 20, "top_p": 0.9, "min_p": 0.02},
    {"temperature": 0.7, "top_k": 1},
    {"temperature": 5.0, "top_p": 0.999},
    {"temperature": 1.0, "top_k": 5_000, "top_p": 1.0, "min_p": 0.0},
]


@pytest.mark.parametrize("params", SETTINGS, ids=str)
def test_tokens_come_in_the_proportions_that_transformers_gives(params: dict[str, Any]) -> None:
    logits_V = scores(1)[0]
    wanted, found = expected(logits_V, **params), draws(logits_V, 2_000, seed=5, **params)
    assert not found[wanted == 0].any()
    likely = wanted * 2_000 >= 5
    observed, foreseen = [*found[likely], found[~likely].sum()], [*wanted[likely], wanted[~likely].sum()]
    if foreseen[-1] == 0:
        observed.pop(), foreseen.pop()
    if len(observed) > 1:
        assert stats.chisquare(observed, np.array(foreseen) * 2_000).pvalue > 0.001


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    spread=st.sampled_from([0.01, 0.5, 2.0, 10.0]),
    temperature=st.floats(0.05, 20),
    top_k=st.none() | st.integers(1, 400),
    top_p=st.none() | st.floats(0.01, 0.999),
    min_p=st.none() | st.floats(0.001, 0.999),
    draw=st.integers(0, 2**64),
)
def test_only_tokens_that_transformers_keeps_can_come(
    seed: int, spread: float, temperature: float, top_k: int | None, top_p: float | None, min_p: float | None, draw: int
) -> None:
    """Borders are left out of the comparison: tokens whose cumulative weight is within rounding of the limit."""
    logits_V, params = scores(seed, size=300, spread=spread)[0], {"top_k": top_k, "top_p": top_p, "min_p": min_p}
    lenient = {
        "top_k": top_k,
        "top_p": None if top_p is None else min(1.0, top_p + 1e-5),
        "min_p": None if min_p is None else min_p * (1 - 1e-5),
    }
    token = choose(logits_V, chooser(300, seed=draw, temperature=temperature, **params)).token_id
    assert token is not None
    assert expected(logits_V, temperature=temperature, **lenient)[token] > 0


@given(st.integers(0, 10**6), st.sampled_from([1.1, 1.5, 0.5, 2.0]), st.lists(st.integers(0, SIZE - 1), max_size=20))
@settings(max_examples=50, deadline=None)
def test_the_repetition_penalty_is_that_of_transformers(seed: int, penalty: float, said: list[int]) -> None:
    logits_V, by = scores(seed)[0], chooser(repetition_penalty=penalty, prompt=tuple(said[:5]))
    for token in said[5:]:
        by.observe(token)
    oracle = RepetitionPenaltyLogitsProcessor(penalty)(torch.tensor([said], dtype=torch.long), logits_V[None])
    np.testing.assert_array_equal(by.adjusted(logits_V.numpy()), oracle[0].numpy())


def test_frequency_and_presence_count_the_answer_alone() -> None:
    by = chooser(frequency_penalty=0.5, presence_penalty=0.25, prompt=(3, 3, 3))
    for token in (7, 7, 9):
        by.observe(token)
    changed = by.adjusted(np.zeros(SIZE, np.float32))
    assert {int(at): float(changed[at]) for at in np.flatnonzero(changed)} == {7: -1.25, 9: -0.75}


def test_bias_is_added_before_penalties() -> None:
    by = chooser(logit_bias={4: 10.0, 5: -100.0}, repetition_penalty=2.0, prompt=(4,))
    raw = np.ones(SIZE, np.float32)
    assert by.adjusted(raw)[[4, 5, 6]].tolist() == [5.5, -99.0, 1.0]
    assert raw.tolist() == [1.0] * SIZE


def test_a_bias_for_a_token_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UsageError, match="token 50; the model has tokens 0 to 49"):
        chooser(logit_bias={50: 1.0})


class TestGreedy:
    def test_takes_the_best_and_of_equals_the_first(self) -> None:
        logits_RV = torch.tensor([[1.0, 3.0, 3.0, 2.0], [5.0, 5.0, 5.0, 5.0], [-math.inf, -2.0, -1.0, -1.0]])
        choices = choose_each(logits_RV, [chooser(4)] * 3, [None] * 3)
        assert [choice.token_id for choice in choices] == [1, 0, 2]
        assert choose(logits_RV[0], chooser(4, num_logprobs=4)).top[0].token_id == 1

    def test_of_equal_scores_top_k_keeps_the_first(self) -> None:
        assert set(np.flatnonzero(draws(torch.ones(20), 300, temperature=1.0, top_k=3))) == {0, 1, 2}
        assert best_places(np.array([1.0, 2.0, 2.0, 2.0, 3.0]), 3).tolist() == [4, 1, 2]

    def test_a_temperature_near_zero_is_greedy(self) -> None:
        assert choose(scores(3)[0], chooser(temperature=1e-9)).token_id == int(scores(3)[0].argmax())

    @pytest.mark.parametrize(
        "params",
        [
            {"temperature": 0.5},
            {"logit_bias": {1: 1.0}},
            {"repetition_penalty": 1.1},
            {"frequency_penalty": 0.1},
            {"presence_penalty": -0.1},
            {"num_logprobs": 0},
            {"constraint": Constraint("json")},
        ],
        ids=str,
    )
    def test_is_plain_only_when_the_best_token_is_all_it_needs(self, params: dict[str, Any]) -> None:
        assert chooser(top_p=0.5, seed=7).plain
        assert not chooser(**params).plain

    def test_a_mask_bounds_it(self) -> None:
        logits_V = scores(4)[0]
        order = logits_V.argsort(descending=True).tolist()
        assert choose(logits_V, chooser(), mask_of(order[3:])).token_id == order[3]
        assert choose(logits_V, chooser(), mask_of(order)).token_id == order[0]
        assert choose(logits_V, chooser(constraint=Constraint("json")), mask_of([order[9]])).token_id == order[9]


@pytest.mark.parametrize("params", [{}, *SETTINGS], ids=str)
def test_only_tokens_of_the_mask_come(params: dict[str, Any]) -> None:
    """Also where the mask is wider than the scores, or narrower."""
    logits_V, ids = scores(2)[0], [1, 7, 33, 48, 49]
    assert set(np.flatnonzero(draws(logits_V, 200, mask_of([*ids, 70], 96), **params))) <= set(ids)
    assert set(np.flatnonzero(draws(logits_V, 200, mask_of([1, 7], 32), **params))) <= {1, 7}


def test_a_masked_draw_keeps_the_proportions() -> None:
    logits_V, ids = scores(8)[0], list(range(0, SIZE, 5))
    found = draws(logits_V, 2_000, mask_of(ids), temperature=1.0, seed=3)[ids]
    assert stats.chisquare(found, logits_V[ids].double().softmax(-1).numpy() * 2_000).pvalue > 0.001


@pytest.mark.parametrize("params", [{}, {"temperature": 1.0}, {"num_logprobs": 3}, {"logit_bias": {2: 5.0}}], ids=str)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_row_that_is_not_numbers_gives_no_token_and_leaves_the_others(params: dict[str, Any], bad: float) -> None:
    logits_RV = scores(5, rows=3)
    wanted = choose(logits_RV[0], chooser(**params))
    logits_RV[1, 17] = bad
    logits_RV[2] = -math.inf
    choices = choose_each(logits_RV, [chooser(**params) for _ in range(3)], [None] * 3)
    assert choices == [wanted, Choice(None), Choice(None)]


@pytest.mark.parametrize("params", [{}, {"temperature": 1.0, "top_p": 0.5}], ids=str)
def test_no_token_comes_where_the_mask_allows_none(params: dict[str, Any]) -> None:
    logits_V = scores(6)[0]
    logits_V[3] = -math.inf
    assert choose(logits_V, chooser(**params), mask_of([])) == Choice(None)
    assert choose(logits_V, chooser(**params), mask_of([3])) == Choice(None)


def test_logprobs_are_of_the_raw_scores() -> None:
    logits_V = scores(7)[0]
    wanted = logits_V.double().log_softmax(-1)
    by = chooser(temperature=2.0, top_k=4, logit_bias={11: 100.0}, num_logprobs=5)
    choice = choose(logits_V, by)
    assert choice.token_id == 11
    assert choice.logprob == pytest.approx(float(wanted[11]), abs=1e-5)
    best = wanted.topk(5)
    assert [each.token_id for each in choice.top] == best.indices.tolist()
    assert [each.logprob for each in choice.top] == pytest.approx(best.values.tolist(), abs=1e-5)
    assert choose(logits_V, chooser(num_logprobs=0)).top == ()
    assert choose(logits_V, chooser()).logprob is None
    assert len(choose(logits_V[:10], chooser(10, num_logprobs=20)).top) == 10


class TestDraws:
    def test_depend_on_seed_and_place_alone(self) -> None:
        logits_RV, params = scores(9, rows=6), {"temperature": 1.0, "top_p": 0.9, "seed": 12}
        alone = [choose(row, chooser(**params)) for row in logits_RV]
        mixed: list[Chooser] = [chooser(**params) if at % 2 else chooser(temperature=2.0, seed=at) for at in range(6)]
        together = choose_each(logits_RV, mixed, [None] * 6)
        assert together[1::2] == alone[1::2]

    def test_go_on_where_a_resumed_answer_left_off(self) -> None:
        logits_V, params = scores(10)[0], {"temperature": 1.5, "seed": 4, "frequency_penalty": 0.3}
        by, said = chooser(**params), []
        for _ in range(30):
            said.append(choose(logits_V, by).token_id)
            by.observe(said[-1])
        resumed = chooser(**params)
        for token in said[:20]:
            resumed.observe(token)
        for token in said[20:]:
            assert choose(logits_V, resumed).token_id == token
            resumed.observe(token)

    def test_are_uniform_and_independent(self) -> None:
        """Along an answer, across seeds, and from one draw to the next."""
        by = chooser(seed=0)
        along = []
        for _ in range(5_000):
            along.append(by.draw())
            by.observe(0)
        across = [chooser(seed=seed).draw() for seed in range(5_000)]
        for sample in (along, across):
            assert min(sample) >= 0
            assert max(sample) < 1
            assert stats.kstest(sample, "uniform").pvalue > 0.001
            assert stats.kstest((np.array(sample[1:]) - sample[:-1]) % 1, "uniform").pvalue > 0.001

    @pytest.mark.parametrize("seed", [0, -1, 2**63, 2**200, -(2**64)])
    def test_any_whole_number_is_a_seed(self, seed: int) -> None:
        assert 0 <= chooser(seed=seed).draw() < 1

    def test_seeds_differ(self) -> None:
        assert len({chooser(seed=seed).draw() for seed in (0, 1, -1, 2**32, 2**64, 2**64 + 1)}) == 6


def test_half_precision_scores_are_taken() -> None:
    logits_RV = scores(11, rows=2).bfloat16()
    choices = choose_each(logits_RV, [chooser(), chooser(temperature=1.0, top_k=1)], [None, None])
    assert [choice.token_id for choice in choices] == logits_RV.argmax(-1).tolist()


@pytest.mark.parametrize("temperature", [1.0, 60.0])
def test_a_full_vocabulary_keeps_exactly_the_nucleus(temperature: float) -> None:
    """Peaked and nearly flat: candidates are found near the best score, or all of them are sorted."""
    logits_V = scores(12, size=49_152, spread=3.0)[0]
    wanted = expected(logits_V, temperature=temperature, top_p=0.9) > 0
    found = draws(logits_V, 60, temperature=temperature, top_p=0.9)
    assert not found[~wanted].any()
    assert (found > 0).sum() > 15
