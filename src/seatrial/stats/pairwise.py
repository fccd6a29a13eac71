"""Strengths from comparisons of two at a time: Bradley and Terry's model, with intervals over who compared.

In come outcomes: one against another, won, lost or tied, with a weight and who judged. Out go standings with intervals
and ranks, or `NotEnough` where the comparisons cannot bear them: too few judges, candidates that were never compared
with the rest, or some that never lost to any of the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, stdtrit

from seatrial.errors import UsageError
from seatrial.stats.estimate import Estimate, NotEnough
from seatrial.stats.sample import check_level

METHOD = "Bradley-Terry, ties as halves"
FEWEST_CLUSTERS = 10
_MOST_STEPS = 10_000
_CLOSE = 1e-10
_NO_SPREAD = 1e-12

# Shapes: K candidates, V judges (clusters).


@dataclass(frozen=True, slots=True)
class Outcome:
    """`first` against `second`: `score` is 1 where `first` won, 0 where it lost, 0.5 for a tie.

    `weight` is above 0; only ratios of weights matter. Outcomes of one `cluster` (a judge) belong together; None stands
    alone.
    """

    first: str
    second: str
    score: float
    weight: float = 1.0
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """One candidate. `win_rate` is its chance against the average one, `strength` the same as log-odds.

    With confidence `level`, for all candidates at once, its rank lies between `best_rank` and `worst_rank`.
    `num_outcomes` counts those it was in.
    """

    name: str
    strength: Estimate
    win_rate: Estimate
    best_rank: int
    worst_rank: int
    num_outcomes: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """Standings, the strongest first, from `num_outcomes` outcomes of `num_clusters` judges."""

    standings: tuple[Standing, ...]
    num_outcomes: int
    num_clusters: int


def bradley_terry(outcomes: Sequence[Outcome], level: float = 0.95) -> Ranking | NotEnough:
    """Standings under P(i beats j) = π_i / (π_i + π_j) (Bradley and Terry 1952), a tie as half a win for each.

    Strengths β = log π, which sum to 0, are of greatest likelihood, found by Hunter's MM algorithm (2004, Annals of
    Statistics 32, §2). Their covariance is the sandwich H⁺ (G/(G−1) Σ_g s_g s_gᵀ) H⁺ over judges g, with s_g the
    score of a judge's outcomes and H⁺ the pseudo-inverse of the information: right though one judge's outcomes are
    alike, ties are none of the model's, and weights are not counts (Liang and Zeger 1986). Intervals are Student's t
    with G−1 degrees of freedom. Ranks follow from all pairwise differences at a level split among them (Bonferroni).

    Example: a beats b in 30 of 40 outcomes of 40 judges. Strengths ±0.549 (log 3 / 2), win rate of a against the
    average 0.634.

    Returns `NotEnough` below 10 judges; where candidates fall into groups that were not compared with each other;
    where some never lost to the rest, so that no strength is large enough for them (Ford 1957); and where there is no
    spread among judges. Raises `UsageError`
    for a score outside 0 to 1, a weight that is not above 0, or a candidate against itself.
    """
    check_level(level)
    for outcome in outcomes:
        _check(outcome)
    names = sorted({name for outcome in outcomes for name in (outcome.first, outcome.second)})
    table = _table(outcomes, {name: index for index, name in enumerate(names)})
    lacking = _lacking(table, len(outcomes))
    if lacking is not None:
        return lacking
    strength_K = _most_likely(table.wins)
    covariance_KK = _sandwich(table, strength_K)
    if np.diag(covariance_KK).min() < _NO_SPREAD:
        return NotEnough(len(outcomes), len(outcomes) + 1, f"{METHOD} (all judges so far say the same)")
    return _ranking(names, table, _Fit(strength_K, covariance_KK, level))


class _Table(NamedTuple):
    """Outcomes as arrays. `wins[i, j]`, shape (K, K), is the weight with which i beat j; the others are per outcome."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    score: NDArray[np.float64]
    weight: NDArray[np.float64]
    cluster: NDArray[np.int64]
    num_clusters: int
    wins: NDArray[np.float64]


class _Fit(NamedTuple):
    """Strengths, shape (K,), and their covariance, shape (K, K)."""

    strength: NDArray[np.float64]
    covariance: NDArray[np.float64]
    level: float


def _check(outcome: Outcome) -> None:
    between = f"`{outcome.first}` against `{outcome.second}`"
    if outcome.first == outcome.second:
        raise UsageError(f"{between}: a candidate cannot be compared with itself.")
    if not 0.0 <= outcome.score <= 1.0:
        raise UsageError(f"{between}: score {outcome.score} is not between 0 (lost) and 1 (won).")
    if not (outcome.weight > 0.0 and math.isfinite(outcome.weight)):
        raise UsageError(f"{between}: weight {outcome.weight} is not above 0. Leave the outcome out instead.")


def _table(outcomes: Sequence[Outcome], index: dict[str, int]) -> _Table:
    first = np.array([index[each.first] for each in outcomes], dtype=np.int64)
    second = np.array([index[each.second] for each in outcomes], dtype=np.int64)
    score = np.array([each.score for each in outcomes], dtype=np.float64)
    weight = np.array([each.weight for each in outcomes], dtype=np.float64)
    weight /= weight.mean() if len(weight) else 1.0
    numbers: dict[object, int] = {}
    alone = (each.cluster if each.cluster is not None else number for number, each in enumerate(outcomes))
    cluster = np.array([numbers.setdefault(name, len(numbers)) for name in alone], dtype=np.int64)
    wins_KK = np.zeros((len(index), len(index)))
    np.add.at(wins_KK, (first, second), weight * score)
    np.add.at(wins_KK, (second, first), weight * (1.0 - score))
    return _Table(first, second, score, weight, cluster, len(numbers), wins_KK)


def _lacking(table: _Table, num_outcomes: int) -> NotEnough | None:
    if table.num_clusters < FEWEST_CLUSTERS:
        return NotEnough(table.num_clusters, FEWEST_CLUSTERS, f"{METHOD}, over judges")
    beat_KK = table.wins > 0
    if _num_parts(beat_KK) > 1:
        return NotEnough(num_outcomes, num_outcomes + 1, f"{METHOD} (some were never compared with the others)")
    if _num_parts(beat_KK, "strong") > 1:
        return NotEnough(num_outcomes, num_outcomes + 1, f"{METHOD} (some never lost to any of the others)")
    return None


def _num_parts(graph_KK: NDArray[np.bool_], connection: Literal["weak", "strong"] = "weak") -> int:
    num, _ = connected_components(graph_KK, connection=connection)
    return int(num)


def _most_likely(wins_KK: NDArray[np.float64]) -> NDArray[np.float64]:
    """β of greatest likelihood, summing to 0: π_i ← W_i / Σ_j N_ij / (π_i + π_j) until the scores vanish."""
    games_KK = wins_KK + wins_KK.T
    won_K = wins_KK.sum(axis=1)
    power_K = np.ones(len(won_K))
    for _ in range(_MOST_STEPS):
        expected_K = power_K * (games_KK / (power_K[:, None] + power_K[None, :])).sum(axis=1)
        if np.abs(won_K - expected_K).max() < _CLOSE * won_K.sum():
            break
        power_K = power_K * won_K / expected_K
        power_K = power_K / np.exp(np.log(power_K).mean())
    strength_K: NDArray[np.float64] = np.log(power_K) - np.log(power_K).mean()
    return strength_K


def _sandwich(table: _Table, strength_K: NDArray[np.float64]) -> NDArray[np.float64]:
    games_KK = table.wins + table.wins.T
    chance_KK = expit(strength_K[:, None] - strength_K[None, :])
    pull_KK = games_KK * chance_KK * (1.0 - chance_KK)
    information_KK = np.diag(pull_KK.sum(axis=1)) - pull_KK
    residual = table.weight * (table.score - chance_KK[table.first, table.second])
    score_VK = np.zeros((table.num_clusters, len(strength_K)))
    np.add.at(score_VK, (table.cluster, table.first), residual)
    np.add.at(score_VK, (table.cluster, table.second), -residual)
    inverse_KK = np.linalg.pinv(information_KK, hermitian=True)
    correction = table.num_clusters / (table.num_clusters - 1)
    covariance_KK: NDArray[np.float64] = correction * inverse_KK @ (score_VK.T @ score_VK) @ inverse_KK
    return covariance_KK


def _ranking(names: Sequence[str], table: _Table, fit: _Fit) -> Ranking:
    num = len(names)
    freedom = table.num_clusters - 1
    t = float(stdtrit(freedom, (1.0 + fit.level) / 2.0))
    num_pairs = num * (num - 1) / 2
    t_of_ranks = float(stdtrit(freedom, 1.0 - (1.0 - fit.level) / (2.0 * num_pairs)))
    variance_K = np.diag(fit.covariance)
    variance_KK = variance_K[:, None] + variance_K[None, :] - 2 * fit.covariance
    apart_KK = fit.strength[:, None] - fit.strength[None, :]
    beats_KK = apart_KK > t_of_ranks * np.sqrt(np.maximum(variance_KK, 0.0))
    np.fill_diagonal(beats_KK, False)
    times = np.bincount(np.concatenate((table.first, table.second)), minlength=num)
    standings = [
        Standing(
            name,
            *_estimates(float(fit.strength[k]), t * math.sqrt(max(0.0, variance_K[k])), table, fit.level),
            best_rank=1 + int(beats_KK[:, k].sum()),
            worst_rank=num - int(beats_KK[k].sum()),
            num_outcomes=int(times[k]),
        )
        for k, name in enumerate(names)
    ]
    standings.sort(key=lambda each: (-each.strength.value, each.name))
    return Ranking(tuple(standings), len(table.score), table.num_clusters)


def _estimates(value: float, reach: float, table: _Table, level: float) -> tuple[Estimate, Estimate]:
    method = f"{METHOD}, sandwich over {table.num_clusters} judges, t"
    low, high, n = value - reach, value + reach, len(table.score)
    chances = (float(expit(value)), float(expit(low)), float(expit(high)))
    return Estimate(value, low, high, n, method, level), Estimate(*chances, n, method, level)
