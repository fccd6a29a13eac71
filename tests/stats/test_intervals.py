from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import proportion_confint

from seatrial.errors import UsageError
from seatrial.stats.estimate import Estimate, NotEnough
from seatrial.stats.intervals import SCORES, clopper_pearson, mean, wilson

counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def estimate(result: Estimate | NotEnough) -> Estimate:
    assert isinstance(result, Estimate), result
    return result


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (8, 10), (10, 10), (1, 1), (263, 300), (3, 10_000)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_rates_agree_with_scipy_and_statsmodels(successes: int, n: int, level: float) -> None:
    scipy_test = stats.binomtest(successes, n)
    for ours, scipy_name, statsmodels_name in ((wilson, "wilson", "wilson"), (clopper_pearson, "exact", "beta")):
        figure = estimate(ours(successes, n, level))
        theirs = scipy_test.proportion_ci(level, method=scipy_name)
        assert (figure.low, figure.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
        theirs = proportion_confint(successes, n, alpha=1 - level, method=statsmodels_name)
        assert (figure.low, figure.high) == pytest.approx(theirs, abs=1e-12)
        assert (figure.value, figure.n, figure.level) == (successes / n, n, level)


def test_published_rate_intervals() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263 and 0 of 20.
    assert (estimate(wilson(81, 263)).low, estimate(wilson(81, 263)).high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert estimate(wilson(0, 20)).high == pytest.approx(0.1611, abs=5e-5)
    exact = estimate(clopper_pearson(81, 263))
    assert (exact.low, exact.high) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert estimate(clopper_pearson(0, 20)).high == pytest.approx(0.1684, abs=5e-5)


@settings(max_examples=50, deadline=None)
@given(counts)
def test_rate_intervals_contain_the_rate_and_mirror(count: tuple[int, int]) -> None:
    successes, n = count
    for interval in (wilson, clopper_pearson):
        figure, mirrored = estimate(interval(successes, n)), estimate(interval(n - successes, n))
        assert 0.0 <= figure.low <= figure.value <= figure.high <= 1.0
        assert figure.low < figure.high
        assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((figure.low, figure.high), abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(counts)
def test_rate_intervals_rise_with_successes_and_widen_with_level(count: tuple[int, int]) -> None:
    successes, n = count
    for interval in (wilson, clopper_pearson):
        figure, wider = estimate(interval(successes, n)), estimate(interval(successes, n, 0.99))
        assert wider.low <= figure.low + 1e-12
        assert figure.high <= wider.high + 1e-12
        if successes < n:
            above = estimate(interval(successes + 1, n))
            assert above.low >= figure.low
            assert above.high >= figure.high


def test_no_items_is_not_enough_data() -> None:
    assert wilson(0, 0) == NotEnough(0, 1, "Wilson score")
    assert clopper_pearson(0, 0) == NotEnough(0, 1, "Clopper-Pearson")


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_impossible_counts_and_levels_are_refused(interval: object) -> None:
    assert callable(interval)
    for successes, n, level in ((3, 2, 0.95), (-1, 5, 0.95), (1, 2, 1.0), (1, 2, 0.0), (1, 2, float("nan"))):
        with pytest.raises(UsageError):
            interval(successes, n, level)


def sizes_to_clusters(sizes: list[int]) -> list[str]:
    return [f"c{number}" for number, size in enumerate(sizes) for _ in range(size)]


@pytest.mark.parametrize("sizes", [[4] * 12, [1, 9, 3, 3, 5, 2, 7, 8], [1] * 30])
def test_clustered_standard_error_is_that_of_statsmodels(sizes: list[int]) -> None:
    rng = np.random.default_rng(7)
    clusters = sizes_to_clusters(sizes)
    values = rng.normal(3.0, 1.0, len(clusters)) + np.repeat(rng.normal(0.0, 1.0, len(sizes)), sizes)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    fit = OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": codes}, use_t=True)

    figure = estimate(mean(values, clusters))

    freedom = sum(sizes) ** 2 / sum(size**2 for size in sizes) - 1
    assert figure.value == pytest.approx(float(fit.params[0]))
    assert (figure.high - figure.low) / 2 / stats.t.ppf(0.975, freedom) == pytest.approx(float(fit.bse[0]), rel=1e-10)
    if len(set(sizes)) == 1:
        assert (figure.low, figure.high) == pytest.approx(tuple(fit.conf_int()[0]), rel=1e-10)


def test_independent_items_get_students_interval() -> None:
    values = [1.0, 2.0, 3.0, 4.0]
    figure = estimate(mean(values))
    low, high = stats.t.interval(0.95, 3, loc=2.5, scale=stats.sem(values))
    assert (figure.value, figure.low, figure.high, figure.n) == pytest.approx((2.5, low, high, 4))


def test_worked_example_of_a_clustered_error() -> None:
    figure = estimate(mean([1, 1, 0, 0], ["a", "a", "b", "b"]))
    assert (figure.high - figure.value) / stats.t.ppf(0.975, 1) == pytest.approx(0.5)


def test_an_item_without_a_cluster_stands_alone() -> None:
    values = [0.2, 0.4, 0.9, 0.1, 0.5]
    assert mean(values, [None] * 5) == mean(values) == mean(values, list("abcde"))
    assert mean(values, ["x", "x", None, None, None]) == mean(values, ["x", "x", "p", "q", "r"])


def test_too_few_items_or_clusters_is_not_enough_data() -> None:
    for bounds in (None, SCORES):
        for few in ([], [1.0]):
            result = mean(few, bounds=bounds)
            assert isinstance(result, NotEnough)
            assert (result.n, result.needed) == (len(few), 2)
        alone = mean([0.0, 1.0, 1.0], ["a", "a", "a"], bounds=bounds)
        assert isinstance(alone, NotEnough)
        assert (alone.n, alone.needed) == (1, 2)
        dominated = mean([0.0, 1.0] * 10 + [1.0], ["a"] * 20 + ["b"], bounds=bounds)
        assert isinstance(dominated, NotEnough)


def test_equal_values_never_give_a_width_of_zero() -> None:
    assert isinstance(mean([512.0] * 50), NotEnough)
    assert isinstance(mean([0.1] * 50), NotEnough)
    for score in (0.0, 0.4, 1.0):
        for clusters in (None, sizes_to_clusters([5] * 10)):
            figure = estimate(mean([score] * 50, clusters, bounds=SCORES))
            assert figure.high - figure.low > 0.05
            assert figure.low <= score <= figure.high


def test_what_is_no_sample_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="value 1 is nan"):
        mean([0.0, float("nan")])
    with pytest.raises(UsageError, match="value 0 is inf"):
        mean([float("inf"), 1.0])
    with pytest.raises(UsageError, match=r"value 2 is 1\.5, outside 0 to 1"):
        mean([0.0, 1.0, 1.5], bounds=SCORES)
    with pytest.raises(UsageError, match="3 clusters for 2 values"):
        mean([0.0, 1.0], ["a", "b", "c"])
    with pytest.raises(UsageError, match="shape"):
        mean(np.zeros((2, 2)))
    with pytest.raises(UsageError, match="level"):
        mean([0.0, 1.0], level=95)


scores = st.lists(st.sampled_from([0.0, 0.25, 0.5, 2 / 3, 1.0]), min_size=4, max_size=40)


@settings(max_examples=50, deadline=None)
@given(scores, st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_items_does_not_matter(values: list[float], random: object, bounded: bool) -> None:
    clusters = [str(index // 2) for index in range(len(values))]
    order = list(range(len(values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    bounds = SCORES if bounded else None
    first = mean(values, clusters, bounds=bounds)
    second = mean([values[index] for index in order], [clusters[index] for index in order], bounds=bounds)
    if isinstance(first, NotEnough):
        assert second == first
        return
    second = estimate(second)
    assert (second.value, second.low, second.high) == pytest.approx((first.value, first.low, first.high), abs=1e-8)


@settings(max_examples=50, deadline=None)
@given(scores, st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_the_interval_of_scores_contains_their_mean_and_stays_inside(values: list[float], level: float) -> None:
    clusters = [str(index // 2) for index in range(len(values))]
    for given_clusters in (None, clusters):
        figure = mean(values, given_clusters, level, bounds=SCORES)
        if isinstance(figure, Estimate):
            assert 0.0 <= figure.low <= figure.value <= figure.high <= 1.0
            assert figure.low < figure.high
