from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from seatrial.stats.bounded import GaffkeBound
from seatrial.stats.sample import Sample, take_sample


def bound(
    values: list[float] | NDArray[np.float64],
    bounds: tuple[float, float],
    clusters: list[str] | None = None,
    level: float = 0.95,
) -> GaffkeBound:
    sample = take_sample(np.asarray(values, dtype=float), clusters, what="test")
    assert isinstance(sample, Sample)
    return GaffkeBound(sample, bounds, level)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95]))
def test_right_and_wrong_give_clopper_pearson(count: tuple[int, int], level: float) -> None:
    successes, n = count
    interval = bound([1.0] * successes + [0.0] * (n - successes), (0, 1), level=level).interval()
    exact = stats.binomtest(successes, n).proportion_ci(level, method="exact")
    assert interval == pytest.approx((exact.low, exact.high), abs=1e-8)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(2, 50))
def test_wins_and_losses_give_the_exact_mcnemar_p(wins: int, losses: int, ties: int) -> None:
    p = bound([1.0] * wins + [-1.0] * losses + [0.0] * ties, (-1, 1)).p_value()
    exact = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert p == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("n", [2, 30, 100, 5000])
def test_equal_values_give_the_rule_of_three(n: int) -> None:
    reach = 1 - 0.025 ** (1 / n)
    assert bound([0.0] * n, (-1, 1)).interval() == pytest.approx((-reach, reach), abs=1e-9)
    low, high = bound([0.7] * n, (0, 1)).interval()
    assert (low, high) == pytest.approx((0.7 - 0.7 * reach, 0.7 + 0.3 * reach), abs=1e-9)


def test_clustered_rates_give_korn_and_graubards_interval() -> None:
    rng = np.random.default_rng(3)
    values = np.repeat(rng.random(15) < 0.6, 4).astype(float)
    values[rng.integers(0, 60, 12)] = 1.0
    clusters = [str(index // 4) for index in range(60)]
    rate = values.mean()
    sums = values.reshape(15, 4).sum(axis=1) - 4 * rate
    clustered_variance = 15 / 14 * np.sum(sums**2) / 60**2
    design_effect = clustered_variance / (values.var(ddof=1) / 60)
    assert design_effect > 1
    effective = 60 / design_effect * (stats.t.ppf(0.975, 59) / stats.t.ppf(0.975, 14)) ** 2
    wins = effective * rate
    low = stats.beta.ppf(0.025, wins, effective - wins + 1)
    high = stats.beta.ppf(0.975, wins + 1, effective - wins)

    assert bound(values, (0, 1), clusters).interval() == pytest.approx((low, high), abs=1e-8)


@pytest.mark.parametrize(
    "values",
    [
        [0.3, -0.2, 0.1],
        [1.0, 0.0, 0.0, -1.0, 0.5],
        [1 / 3, 0.5, 0.25, 1.0, 0.75, 0.8, 0.9, 0.6, 0.4, 2 / 3],
        [0.1] * 27 + [-0.9] * 3,
        list(np.random.default_rng(1).uniform(-0.3, 0.5, 40)),
    ],
)
def test_ends_are_those_of_the_dirichlet_weights_drawn_at_random(values: list[float]) -> None:
    rng = np.random.default_rng(11)
    weights = rng.standard_exponential((200_000, len(values) + 1))
    weights /= weights.sum(axis=1, keepdims=True)
    low, high = bound(values, (-1, 1)).interval()
    assert np.mean(weights @ [*values, -1.0] <= low) == pytest.approx(0.0245, rel=0.06)
    assert np.mean(weights @ [*values, 1.0] >= high) == pytest.approx(0.0245, rel=0.06)


def test_with_many_items_it_is_students_t() -> None:
    rng = np.random.default_rng(5)
    values = rng.beta(2.0, 1.0, 4000) - rng.beta(2.0, 1.0, 4000)
    low, high = bound(values, (-1, 1)).interval()
    t_low, t_high = stats.t.interval(0.95, 3999, loc=values.mean(), scale=stats.sem(values))
    assert (low, high) == pytest.approx((t_low, t_high), abs=0.05 * (t_high - t_low))


differences = st.lists(
    st.sampled_from([-1.0, -0.5, -0.1, 0.0, 0.0, 0.25, 1 / 3, 1.0]) | st.floats(-1, 1, allow_subnormal=False),
    min_size=2,
    max_size=40,
)


@settings(max_examples=50, deadline=None)
@given(differences, st.sampled_from([0.8, 0.95, 0.99]), st.booleans())
def test_interval_and_p_value_agree(values: list[float], level: float, clustered: bool) -> None:
    clusters = [str(index // 3) for index in range(len(values))] if clustered and len(values) > 9 else None
    judged = bound(values, (-1, 1), clusters, level)
    low, high = judged.interval()
    assert -1.0 <= low <= judged.sample.mean + 1e-12
    assert judged.sample.mean - 1e-12 <= high <= 1.0
    assert low < high
    for null in (-0.8, -0.1, 0.0, 0.03, 0.5):
        p = judged.p_value(null)
        assert 0.0 <= p <= 1.0
        if min(abs(null - low), abs(null - high)) > 1e-6:
            assert (p >= 1 - level) == (low <= null <= high)


@settings(max_examples=50, deadline=None)
@given(differences)
def test_negating_the_values_negates_the_interval(values: list[float]) -> None:
    forward, backward = bound(values, (-1, 1)), bound([-value for value in values], (-1, 1))
    low, high = forward.interval()
    assert backward.interval() == pytest.approx((-high, -low), abs=1e-8)
    assert backward.p_value() == pytest.approx(forward.p_value(), rel=1e-6)


def test_extreme_values_and_nulls_have_finite_answers() -> None:
    assert bound([-1.0] * 20, (-1, 1)).p_value() < 1e-5
    assert bound([1e-300] * 20, (-1, 1)).p_value() == pytest.approx(1.0)
    low, high = bound([1e-12, -1e-12, 0.5e-12] * 20, (-1, 1)).interval()
    assert -0.07 < low < 0 < high < 0.07
    assert bound([0.9] * 5000 + [-0.1], (-1, 1)).p_value() == pytest.approx(0.0, abs=1e-12)
