"""Simulated worlds in which the truth is known: how often "A beats B", or an interval, is wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from seatrial.stats.bounded import GaffkeBound
from seatrial.stats.multiplicity import holm
from seatrial.stats.paired import NonInferiority, PairedTest, non_inferiority, paired_difference
from seatrial.stats.sample import SCORES, Sample, take_sample

LEVEL = 0.95
Floats = NDArray[np.float64]


def within_level(errors: int, trials: int, rate: float = 1 - LEVEL) -> bool:
    """No more errors than a method of exactly that error rate would make in 999 of 1,000 simulations."""
    return errors <= int(binom.ppf(0.999, trials, rate))


def cluster_names(sizes: list[int]) -> list[str]:
    return [f"c{number}" for number, size in enumerate(sizes) for _ in range(size)]


def clustered(rng: np.random.Generator, sizes: list[int], likeness: float, draw: Callable[[int], Floats]) -> Floats:
    """Items of which each, with probability √likeness, repeats what its cluster drew: correlation `likeness` within."""
    together = np.repeat(draw(len(sizes)), sizes)
    return np.where(rng.random(sum(sizes)) < np.sqrt(likeness), together, draw(sum(sizes)))


def p_value(differences: Floats, clusters: list[str] | None, null: float = 0.0) -> float:
    """What `paired_difference` reports (and `mean`, for a null other than 0), without the work of an interval."""
    sample = take_sample(differences, clusters, what="simulation")
    assert isinstance(sample, Sample)
    bounds = (-1.0, 1.0) if null == 0.0 else SCORES
    return GaffkeBound(sample, bounds, LEVEL).p_value(null)


def test_the_shortcut_of_these_simulations_is_the_p_value_reported() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.integers(0, 3, 30) / 2, rng.integers(0, 3, 30) / 2
        clusters = cluster_names([3] * 10)
        found = paired_difference(a, b, clusters)
        assert isinstance(found, PairedTest)
        assert found.p_value == p_value(a - b, clusters)


DISPUTES = {
    "few": lambda rng: lambda size: rng.choice([-1.0, 0.0, 1.0], p=[0.05, 0.9, 0.05], size=size),
    "many": lambda rng: lambda size: rng.choice([-1.0, 0.0, 1.0], p=[0.3, 0.4, 0.3], size=size),
    "per field": lambda rng: lambda size: (rng.integers(0, 7, size) - rng.integers(0, 7, size)) / 6,
    "lopsided": lambda rng: lambda size: np.where(rng.random(size) < 0.3, -0.7, 0.3),
}
SIZES = {
    "30 alone": None,
    "10 of 3": [3] * 10,
    "10 uneven": [15] + [2] * 9,
    "20 uneven": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] * 2,
}


@pytest.mark.parametrize("dispute", DISPUTES)
@pytest.mark.parametrize("sizes", SIZES)
def test_a_beats_b_is_rarely_claimed_where_they_are_equals(dispute: str, sizes: str) -> None:
    check_false_positives(dispute, sizes, likeness=0.3, trials=400)


@pytest.mark.slow
@pytest.mark.parametrize("dispute", DISPUTES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("likeness", [0.0, 0.1, 0.3, 0.7, 1.0])
def test_a_beats_b_is_rarely_claimed_where_they_are_equals_at_length(dispute: str, sizes: str, likeness: float) -> None:
    check_false_positives(dispute, sizes, likeness, trials=2000)


def check_false_positives(dispute: str, sizes: str, likeness: float, trials: int) -> None:
    rng = np.random.default_rng(2024)
    draw, of_clusters = DISPUTES[dispute](rng), SIZES[sizes]
    clusters = cluster_names(of_clusters) if of_clusters else None
    claims = 0
    for _ in range(trials):
        differences = clustered(rng, of_clusters, likeness, draw) if of_clusters else draw(30)
        claims += p_value(differences, clusters) < 1 - LEVEL
    assert within_level(claims, trials)


def test_rare_disasters_among_independent_items_are_reckoned_with() -> None:
    rng = np.random.default_rng(3)
    claims = sum(p_value(np.where(rng.random(30) < 0.1, -0.9, 0.1), None) < 1 - LEVEL for _ in range(400))
    assert within_level(claims, 400)


def test_the_simulation_would_catch_a_test_that_ignores_clusters() -> None:
    rng = np.random.default_rng(1)
    draw = DISPUTES["many"](rng)
    claims = sum(p_value(clustered(rng, [10] * 10, 0.5, draw), None) < 1 - LEVEL for _ in range(400))
    assert not within_level(claims, 400)


def test_real_differences_are_found() -> None:
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(200):
        differences = rng.choice([-1.0, 0.0, 1.0], p=[0.05, 0.7, 0.25], size=160)
        found += p_value(differences, cluster_names([8] * 20)) < 1 - LEVEL
    assert found > 180


@pytest.mark.parametrize("likeness", [0.0, 0.3])
def test_intervals_of_scores_cover_the_true_mean(likeness: float) -> None:
    worlds: dict[float, Callable[[np.random.Generator], Callable[[int], Floats]]] = {
        0.05: lambda rng: lambda size: (rng.random(size) < 0.05).astype(float),
        0.7: lambda rng: lambda size: (rng.random(size) < 0.7).astype(float),
        2 / 3: lambda rng: lambda size: rng.beta(2.0, 1.0, size),
    }
    for true, world in worlds.items():
        rng = np.random.default_rng(77)
        draw, sizes = world(rng), [3] * 10
        missed = sum(
            p_value(clustered(rng, sizes, likeness, draw), cluster_names(sizes), null=true) < 1 - LEVEL
            for _ in range(400)
        )
        assert within_level(missed, 400), true


@pytest.mark.parametrize(("wins", "losses", "n"), [(0.0, 0.1, 100), (0.1, 0.2, 100), (0.0, 0.2, 30)])
def test_good_enough_is_rarely_claimed_at_the_very_margin(wins: float, losses: float, n: int) -> None:
    rng = np.random.default_rng(13)
    claims = 0
    for _ in range(200):
        differences = rng.choice([1.0, -1.0, 0.0], p=[wins, losses, 1 - wins - losses], size=n)
        result = non_inferiority(np.maximum(differences, 0), np.maximum(-differences, 0), losses - wins)
        assert isinstance(result, NonInferiority)
        claims += result.holds is True
    assert within_level(claims, 200, (1 - LEVEL) / 2)


def test_holm_keeps_three_workloads_together_at_their_level() -> None:
    rng = np.random.default_rng(31)
    draw, sizes, trials = DISPUTES["many"](rng), [4] * 15, 300
    families = 0
    for _ in range(trials):
        p_values = [p_value(clustered(rng, sizes, 0.2, draw), cluster_names(sizes)) for _ in range(3)]
        families += min(holm(p_values)) < 1 - LEVEL
    assert within_level(families, trials)


def test_holm_is_what_keeps_it() -> None:
    rng = np.random.default_rng(32)
    families = rng.random((4000, 3))
    unadjusted = int(np.sum(families.min(axis=1) < 0.05))
    adjusted = sum(min(holm(list(family))) < 0.05 for family in families)
    assert not within_level(unadjusted, 4000)
    assert within_level(adjusted, 4000)
    assert adjusted > 0.04 * 4000
