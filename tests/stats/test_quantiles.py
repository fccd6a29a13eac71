from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seatrial.errors import UsageError
from seatrial.stats.estimate import Estimate, NotEnough
from seatrial.stats.quantiles import quantile


def test_published_ranks() -> None:
    # Conover 1999, Practical Nonparametric Statistics, 3rd ed., §3.2: the median of 10 lies from the 2nd to the 9th.
    ranks = list(range(1, 11))
    median = quantile(ranks, 0.5)
    assert isinstance(median, Estimate)
    assert (median.value, median.low, median.high, median.n) == (5.5, 2, 9, 10)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 600), st.sampled_from([0.05, 0.5, 0.9, 0.95, 0.99]), st.sampled_from([0.8, 0.95, 0.99]))
def test_each_side_keeps_its_level_and_could_not_be_nearer(n: int, q: float, level: float) -> None:
    figure = quantile(np.arange(1, n + 1), q, level)
    below = stats.binom(n, q)
    tail = (1 - level) / 2
    if isinstance(figure, NotEnough):
        assert below.cdf(0) > tail or below.sf(n - 1) > tail
        assert isinstance(quantile(np.arange(figure.needed), q, level), Estimate)
        assert isinstance(quantile(np.arange(figure.needed - 1), q, level), NotEnough)
        return
    low, high = round(figure.low), round(figure.high)
    assert below.cdf(low - 1) <= tail + 1e-12
    assert below.sf(high - 1) <= tail + 1e-12
    assert below.cdf(low) >= tail
    assert below.sf(high - 2) >= tail
    assert figure.low <= figure.value <= figure.high


@pytest.mark.parametrize(("q", "needed"), [(0.5, 6), (0.95, 72), (0.99, 368)])
def test_a_tail_needs_enough_values(q: float, needed: int) -> None:
    too_few = quantile(np.ones(needed - 1), q)
    assert too_few == NotEnough(needed - 1, needed, "quantile, binomial order statistics")
    assert isinstance(quantile(np.ones(needed), q), Estimate)
    assert quantile([], q) == NotEnough(0, needed, "quantile, binomial order statistics")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=80, max_size=200), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_the_figure_is_numpys(values: list[float], random: object) -> None:
    figure = quantile(values, 0.95)
    assert isinstance(figure, Estimate)
    assert figure.value == pytest.approx(np.quantile(values, 0.95))
    random.shuffle(values)  # type: ignore[attr-defined]
    assert quantile(values, 0.95) == figure


def test_the_interval_covers_the_quantile_of_skewed_latencies() -> None:
    rng = np.random.default_rng(17)
    true = float(stats.lognorm(0.7).ppf(0.95))
    figures = [quantile(rng.lognormal(0.0, 0.7, 120), 0.95) for _ in range(1000)]
    misses = sum(not (isinstance(each, Estimate) and each.low <= true <= each.high) for each in figures)
    assert misses <= stats.binom.ppf(0.999, 1000, 0.05)


def test_bad_input_is_refused() -> None:
    for q in (0.0, 1.0, 99.0, float("nan")):
        with pytest.raises(UsageError, match="Quantile"):
            quantile([1.0] * 10, q)
    with pytest.raises(UsageError, match="value 0 is nan"):
        quantile([float("nan")], 0.5)
