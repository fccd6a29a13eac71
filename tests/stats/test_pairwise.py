from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import t as student
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from seatrial.errors import UsageError
from seatrial.stats.estimate import NotEnough
from seatrial.stats.pairwise import Outcome, Ranking, Standing, bradley_terry


def simulated(
    strengths: dict[str, float], *, judges: int, each: int, seed: int, ties: float = 0.0, taste: float = 0.0
) -> list[Outcome]:
    """`taste`: the spread of what a judge has for or against each candidate, so that one judge's outcomes are alike."""
    rng = np.random.default_rng(seed)
    names = sorted(strengths)
    outcomes = []
    for judge in range(judges):
        own = {name: strengths[name] + taste * rng.standard_normal() for name in names}
        weight = float(rng.choice([0.1, 0.25, 1.0]))
        for _ in range(each):
            first, second = (names[index] for index in rng.choice(len(names), 2, replace=False))
            score = 0.5 if rng.random() < ties else float(rng.random() < expit(own[first] - own[second]))
            outcomes.append(Outcome(first, second, score, weight, f"j{judge}"))
    return outcomes


def ranked(outcomes: list[Outcome], level: float = 0.95) -> dict[str, Standing]:
    found = bradley_terry(outcomes, level)
    assert isinstance(found, Ranking), found
    return {each.name: each for each in found.standings}


def test_two_candidates_are_the_odds() -> None:
    outcomes = [Outcome("a", "b", float(n < 30), cluster=str(n)) for n in range(40)]
    found = ranked(outcomes)

    assert found["a"].strength.value == pytest.approx(math.log(3) / 2, abs=1e-6)
    assert found["b"].strength.value == pytest.approx(-math.log(3) / 2, abs=1e-6)
    assert found["a"].win_rate.value == pytest.approx(0.634, abs=1e-3)
    # The difference of the two is the log-odds, whose standard error is known: sqrt(1/30 + 1/10), times G/(G-1).
    reach = student.ppf(0.975, 39) * math.sqrt((1 / 30 + 1 / 10) * 40 / 39) / 2
    assert found["a"].strength.high - found["a"].strength.value == pytest.approx(reach, rel=1e-6)
    assert (found["a"].num_outcomes, found["a"].strength.n) == (40, 40)


@pytest.mark.parametrize("seed", range(3))
def test_strengths_and_errors_are_those_of_a_clustered_logistic_regression(seed: int) -> None:
    strengths = {"a": 0.9, "b": 0.3, "c": -0.2, "d": -1.0}
    outcomes = simulated(strengths, judges=30, each=12, seed=seed, ties=0.15, taste=0.5)
    names = sorted(strengths)
    design = np.zeros((len(outcomes), 4))
    for row, outcome in enumerate(outcomes):
        design[row, names.index(outcome.first)], design[row, names.index(outcome.second)] = 1.0, -1.0
    judges = np.unique([outcome.cluster for outcome in outcomes], return_inverse=True)[1]
    fitted = GLM(
        [outcome.score for outcome in outcomes],
        design[:, 1:],  # the first is the reference
        family=Binomial(),
        var_weights=[outcome.weight for outcome in outcomes],
    ).fit(cov_type="cluster", cov_kwds={"groups": judges, "use_correction": False}, tol=1e-12)
    centring = np.vstack([np.zeros(3), np.eye(3)]) - 0.25
    expected = centring @ np.asarray(fitted.params)
    errors = np.sqrt(np.diag(centring @ np.asarray(fitted.cov_params()) @ centring.T) * 30 / 29)
    found = ranked(outcomes)

    for name, value, error in zip(names, expected, errors, strict=True):
        strength = found[name].strength
        assert strength.value == pytest.approx(value, abs=1e-5)
        assert (strength.high - strength.low) / 2 == pytest.approx(student.ppf(0.975, 29) * error, rel=1e-3)


@pytest.mark.parametrize("taste", [0.0, 0.8])
def test_intervals_cover_and_ranks_are_right_as_often_as_they_say(taste: float) -> None:
    strengths = {"a": 0.6, "b": 0.0, "c": -0.6}
    covered, wrong_ranks, num = 0, 0, 100
    for seed in range(num):
        found = ranked(simulated(strengths, judges=40, each=8, seed=seed, taste=taste))
        # Taste flattens what is measured on average towards 0; the order stays.
        covered += found["b"].strength.low <= 0.0 <= found["b"].strength.high
        wrong_ranks += any(
            not found[name].best_rank <= rank <= found[name].worst_rank for rank, name in enumerate("abc", 1)
        )
    assert 0.90 <= covered / num <= 0.99
    assert wrong_ranks / num <= 0.05


def test_equals_share_their_ranks_and_the_far_better_one_has_its_own() -> None:
    outcomes = simulated({"a": 3.0, "b": 0.0, "c": 0.0}, judges=60, each=10, seed=1)
    found = ranked(outcomes)
    assert (found["a"].best_rank, found["a"].worst_rank) == (1, 1)
    for name in "bc":
        assert (found[name].best_rank, found[name].worst_rank) == (2, 3)


def test_only_ratios_of_weights_matter() -> None:
    outcomes = simulated({"a": 0.5, "b": 0.0, "c": -0.5}, judges=20, each=6, seed=2)
    heavier = [Outcome(each.first, each.second, each.score, each.weight * 1000, each.cluster) for each in outcomes]
    for name, standing in ranked(outcomes).items():
        assert ranked(heavier)[name].strength.low == pytest.approx(standing.strength.low, abs=1e-7)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_names_order_and_side_play_no_part(seed: int, num: int) -> None:
    strengths = {f"m{n}": 0.3 * n for n in range(num)}
    outcomes = simulated(strengths, judges=15, each=10, seed=seed, ties=0.1)
    turned = [
        Outcome(each.second, each.first, 1 - each.score, each.weight, each.cluster) for each in reversed(outcomes)
    ]
    found, again = bradley_terry(outcomes), bradley_terry(turned)
    assert type(found) is type(again)
    if isinstance(found, Ranking) and isinstance(again, Ranking):
        by_name = {each.name: each for each in again.standings}
        assert sum(each.strength.value for each in found.standings) == pytest.approx(0.0, abs=1e-9)
        for each in found.standings:
            assert each.strength.value == pytest.approx(by_name[each.name].strength.value, abs=1e-5)
            assert each.strength.low <= each.strength.value <= each.strength.high
            assert 0 < each.win_rate.low <= each.win_rate.value <= each.win_rate.high < 1
            assert 1 <= each.best_rank <= each.worst_rank <= num


def wins(*pairs: tuple[str, str], judges: int = 12) -> list[Outcome]:
    return [Outcome(first, second, 1.0, cluster=str(judge)) for judge in range(judges) for first, second in pairs]


@pytest.mark.parametrize(
    ("outcomes", "says"),
    [
        ([], "over judges"),
        (wins(("a", "b"), ("b", "a"), judges=9), "over judges"),
        (wins(("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")), "never compared"),
        (wins(("a", "b")), "never lost"),
        (wins(("a", "b"), ("b", "c"), ("c", "b")), "never lost"),
        (wins(("a", "b"), ("b", "a")), "say the same"),
        ([Outcome("a", "b", 0.5, cluster=str(judge)) for judge in range(12)], "say the same"),
    ],
)
def test_what_cannot_be_ranked_is_not_enough_data(outcomes: list[Outcome], says: str) -> None:
    found = bradley_terry(outcomes)
    assert isinstance(found, NotEnough)
    assert says in found.method
    assert found.n < found.needed


def test_one_defeat_makes_a_champion_finite() -> None:
    outcomes = [*wins(("a", "b"), ("b", "c"), ("c", "b"), judges=20), Outcome("b", "a", 1.0, cluster="one more")]
    found = ranked(outcomes)
    assert found["a"].strength.value > found["b"].strength.value
    assert math.isfinite(found["a"].strength.high)
    assert found["a"].best_rank == 1


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("a", "a", 1.0),
        Outcome("a", "b", 1.5),
        Outcome("a", "b", math.nan),
        Outcome("a", "b", 1.0, 0.0),
        Outcome("a", "b", 1.0, math.inf),
        Outcome("a", "b", 1.0, math.nan),
    ],
)
def test_what_is_no_outcome_is_refused(outcome: Outcome) -> None:
    with pytest.raises(UsageError):
        bradley_terry([outcome])


def test_an_unreasonable_level_is_refused() -> None:
    with pytest.raises(UsageError, match="level"):
        bradley_terry(wins(("a", "b")), level=95)
