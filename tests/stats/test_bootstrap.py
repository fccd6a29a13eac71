from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from seatrial.stats.bootstrap import BootstrapT, resample
from seatrial.stats.estimate import Estimate
from seatrial.stats.intervals import mean
from seatrial.stats.paired import PairedTest, paired_difference
from seatrial.stats.sample import Sample, take_sample


def sample(values: NDArray[np.float64], clusters: list[str] | None = None) -> Sample:
    taken = take_sample(values, clusters, what="test")
    assert isinstance(taken, Sample)
    return taken


def test_studentised_means_are_distributed_as_scipys_bootstrap_finds_them() -> None:
    costs = np.random.default_rng(1).lognormal(0.0, 1.0, 25)

    def studentised(values: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        errors = values.std(axis=axis, ddof=1) / np.sqrt(values.shape[axis])
        return np.asarray((values.mean(axis=axis) - costs.mean()) / errors)

    theirs = stats.bootstrap(
        (costs,), studentised, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2)
    ).bootstrap_distribution
    ours = resample(sample(costs), 0.95, np.random.default_rng(3))

    assert ours is not None
    assert stats.ks_2samp(ours.t_values, theirs).pvalue > 0.001
    error = stats.sem(costs)
    expected = costs.mean() - np.quantile(theirs, [0.975, 0.025]) * error
    assert ours.interval() == pytest.approx(expected, abs=0.25 * error)


def test_clusters_are_drawn_whole() -> None:
    rng = np.random.default_rng(4)
    sizes = rng.integers(1, 6, 15)
    values = np.repeat(rng.normal(size=15), sizes) + rng.normal(0, 0.1, sizes.sum())
    codes = np.repeat(np.arange(15), sizes)
    taken = sample(values, [str(code) for code in codes])
    ours = resample(taken, 0.95, np.random.default_rng(5))
    assert ours is not None

    draws = np.random.default_rng(5).multinomial(15, np.full(15, 1 / 15), size=1999)
    expected = []
    for times in draws[:40]:
        drawn = [values[codes == code] for code in range(15) for _ in range(times[code])]
        pooled = np.concatenate(drawn)
        residuals = [np.sum(part - pooled.mean()) for part in drawn]
        error = np.sqrt(15 / 14 * np.sum(np.square(residuals))) / len(pooled)
        expected.append((pooled.mean() - values.mean()) / error)
    assert np.isin(np.round(expected, 6), np.round(ours.t_values, 6)).all()


def test_the_same_seed_gives_the_same_figures_and_no_generator_gives_students_t() -> None:
    costs = np.random.default_rng(6).lognormal(0.0, 1.0, 30)
    first, second = (mean(costs, rng=np.random.default_rng(0)) for _ in range(2))
    assert first == second
    assert isinstance(first, Estimate)
    assert "bootstrap-t" in first.method
    plain = mean(costs)
    assert isinstance(plain, Estimate)
    assert "Student" in plain.method


def test_it_leans_to_the_side_of_the_long_tail() -> None:
    costs = np.random.default_rng(7).lognormal(0.0, 1.2, 30)
    figure = mean(costs, rng=np.random.default_rng(0))
    assert isinstance(figure, Estimate)
    assert figure.high - figure.value > 1.2 * (figure.value - figure.low)


def test_interval_and_p_value_tell_the_same_story() -> None:
    rng = np.random.default_rng(8)
    for shift in (0.0, 0.3, 0.6, 1.0):
        a, b = rng.lognormal(shift, 0.5, 30), rng.lognormal(0.0, 0.5, 30)
        found = paired_difference(a, b, rng=np.random.default_rng(1), bounds=None)
        assert isinstance(found, PairedTest)
        assert 0 < found.p_value <= 1
        if abs(found.p_value - 0.05) > 0.005:
            assert (found.p_value < 0.05) == (not found.estimate.low <= 0 <= found.estimate.high)


@pytest.mark.parametrize("n", [9, 50])
def test_too_few_or_enough_clusters_get_students_t(n: int) -> None:
    figure = mean(np.random.default_rng(9).lognormal(0.0, 1.0, n), rng=np.random.default_rng(0))
    assert isinstance(figure, Estimate)
    assert "Student" in figure.method


def test_values_that_hardly_differ_cannot_be_resampled() -> None:
    values = np.array([0.0] * 28 + [5.0, 6.0])
    assert resample(sample(values), 0.95, np.random.default_rng(0)) is None
    figure = mean(values, rng=np.random.default_rng(0))
    assert isinstance(figure, Estimate)
    assert "Student" in figure.method


def test_it_misses_skewed_means_less_often_than_students_t() -> None:
    rng = np.random.default_rng(10)
    true = float(np.exp(0.5))
    missed = {"bootstrap": 0, "student": 0}
    for _ in range(400):
        costs = rng.lognormal(0.0, 1.0, 20)
        bootstrapped = resample(sample(costs), 0.95, rng)
        assert isinstance(bootstrapped, BootstrapT)
        plain = mean(costs)
        assert isinstance(plain, Estimate)
        low, high = bootstrapped.interval()
        missed["bootstrap"] += not low <= true <= high
        missed["student"] += not plain.low <= true <= plain.high
    assert missed["bootstrap"] < 0.75 * missed["student"]
