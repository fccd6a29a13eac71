"""Plans: the same questions for the same trial, and stable keys."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trial_values import candidate, plan, workload

from seatrial.errors import UsageError
from seatrial.trial.plan import Plan, plan_trial


def keys(plan: Plan) -> list[str]:
    return [
        question.key
        for candidate in plan.candidates
        for planned in plan.workloads
        for question in plan.questions(candidate, planned)
    ]


def test_keys_are_the_same_every_time_and_none_twice() -> None:
    both = (candidate("a"), candidate("b"))
    assert keys(plan(*both)) == keys(plan(*both))
    assert len(set(keys(plan(*both)))) == 12 == plan(*both).num_questions


def test_a_key_is_pinned() -> None:
    """Runs on disk are resumed by these: a change here makes every stored observation a stranger."""
    assert keys(plan(items=1)) == ["34b6ed5fcc88be569760c062f05d8796"]


@pytest.mark.parametrize(
    "other",
    [
        plan(candidate("echo-2")),
        plan(candidate(settings={"temperature": 1.0})),
        plan(candidate(target="other")),
        plan(candidate(revision="v2")),
        plan(candidate(base_url="http://h/v1")),
        plan(seed=1),
        plan(items=7),
    ],
)
def test_whatever_could_change_an_answer_changes_the_key(other: Plan) -> None:
    assert not set(keys(plan())) & set(keys(other))


def test_the_order_of_settings_does_not() -> None:
    forth, back = {"seed": 1, "top_p": 0.5}, {"top_p": 0.5, "seed": 1}
    assert keys(plan(candidate(settings=forth))) == keys(plan(candidate(settings=back)))


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5))
def test_a_larger_limit_only_adds_items(smaller: int, larger: int, seed: int) -> None:
    smaller, larger = sorted((smaller, larger))
    few, many = plan(items=30, seed=seed, limit=smaller), plan(items=30, seed=seed, limit=larger)
    assert set(keys(few)) <= set(keys(many))
    assert len(few.workloads[0].items) == min(30, smaller)


def test_a_limit_draws_by_the_seed_and_keeps_the_order() -> None:
    drawn = [tuple(item.id for item in plan(items=30, seed=seed, limit=5).workloads[0].items) for seed in range(5)]
    assert len(set(drawn)) > 1
    for ids in drawn:
        assert list(ids) == sorted(ids, key=lambda item: int(item[1:]))


def test_every_candidate_is_asked_the_same_items() -> None:
    limited = plan(candidate("a"), candidate("b"), items=30, limit=4)
    asked = [
        [question.item.id for question in limited.questions(one, limited.workloads[0])] for one in limited.candidates
    ]
    assert asked[0] == asked[1]


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_below_one(limit: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        plan(limit=limit)


def test_twins_and_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="two candidates called `echo-1`"):
        plan(candidate(), candidate(target="other"))
    with pytest.raises(UsageError, match="two workloads called `echo`"):
        plan_trial([candidate()], [workload(3), workload(4)], seed=0)
    with pytest.raises(UsageError, match="needs a candidate"):
        plan_trial([], [workload(3)], seed=0)


def test_a_plan_without_workloads_asks_nothing() -> None:
    assert plan_trial([candidate()], [], seed=0).num_questions == 0
