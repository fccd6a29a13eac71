"""Two candidates on the same items: the difference, whether it is real, and whether the one is good enough.

In come per-item values of both, item by item, and the items' clusters; out go estimates with p-values and decisions,
or `NotEnough`. `holm` and `items_needed` are offered here too, because they are asked for together with a difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from seatrial.errors import UsageError
from seatrial.stats.estimate import Estimate, NotEnough
from seatrial.stats.intervals import mean_method
from seatrial.stats.multiplicity import holm
from seatrial.stats.sample import SCORES, Bounds, Clusters, Values, check_level, checked_values, take_sample
from seatrial.stats.sample_size import items_needed

__all__ = [
    "NonInferiority",
    "PairedTest",
    "holm",
    "items_needed",
    "mcnemar_exact",
    "non_inferiority",
    "paired_difference",
]


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Mean of a minus b, and the two-sided p-value of "there is no difference"."""

    estimate: Estimate
    p_value: float


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """Is a at most `margin` worse than b? `holds` None: the interval still contains −`margin`; we cannot tell yet."""

    holds: bool | None
    estimate: Estimate
    margin: float


def paired_difference(
    a: Values,
    b: Values,
    clusters: Clusters | None = None,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
    *,
    bounds: Bounds | None = SCORES,
) -> PairedTest | NotEnough:
    """Mean over items of `a` − `b`, shapes (n,), with clustered interval and two-sided p-value.

    The variance is that of the per-item differences, so what makes an item hard for both cancels (Miller 2024,
    arXiv 2411.00640, "paired analysis" and its clustered form). Scores from 0 to 1 are judged by `GaffkeBound`: right
    and wrong answers without clusters get the exact McNemar p-value, and differences that are all zero get an interval
    as wide as n allows, with p = 1. Interval and p-value agree: 0 is outside just where p < 1 − `level`.

    For values without bounds (seconds, dollars) pass `bounds=None`: Student's t, or the bootstrap-t between 10 and 50
    clusters where `rng` is given; `rng` has no other use.

    Example: on 30 items a alone is right 7 times, b alone once. Difference 0.2, p = 0.070, interval −0.015 to 0.403:
    not yet a difference. (Student's t would say p = 0.031.)

    Returns `NotEnough` below two items or two clusters of like weight, and, without bounds, where all differences are
    equal. Raises `UsageError` for NaN, scores outside `bounds`, or lengths that differ.
    """
    check_level(level)
    sample = take_sample(_differences(a, b, bounds), clusters, what="paired difference")
    if isinstance(sample, NotEnough):
        return sample
    method = mean_method(sample, level, _bounds_of_difference(bounds), rng)
    if method is None:
        return NotEnough(sample.n, sample.n + 1, "paired difference (all so far are equal)")
    label = f"paired difference, {method.label}"
    return PairedTest(Estimate(sample.mean, *method.interval(), sample.n, label, level), method.p_value())


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided p-value of "items that one alone got right are as often a's as b's" (McNemar 1947, exact form).

    Twice the binomial tail with probability ½, at most 1. Example: 7 against 1 gives 18/256 = 0.070.

    Raises `UsageError` for a negative count.
    """
    if only_a < 0 or only_b < 0:
        raise UsageError(f"McNemar: counts {only_a} and {only_b}; neither may be negative.")
    return min(1.0, 2.0 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def non_inferiority(
    a: Values,
    b: Values,
    margin: float,
    clusters: Clusters | None = None,
    level: float = 0.95,
    *,
    bounds: Bounds = SCORES,
) -> NonInferiority | NotEnough:
    """Is `a` less than `margin` worse than `b`, scores of the same items, shapes (n,)?

    True where the lower end of the two-sided `level` interval of a − b lies above −`margin`, False where the upper end
    lies below it, None between. Each claim is a one-sided test at (1 − `level`) / 2, so 2.5 % at 0.95, the level asked
    of non-inferiority trials (ICH E9, §3.3.2 and §3.5). It may be read on the interval that is shown, and claiming it
    on each of several workloads needs no correction if it must hold on all of them.

    Example: margin 0.03. 80 items all alike: the interval reaches −0.045, cannot tell yet. 160 items all alike: −0.023,
    holds.

    Returns `NotEnough` as `paired_difference` does. Raises `UsageError` for a margin that is negative, not finite, or
    as wide as the bounds, and for what `paired_difference` refuses.
    """
    widest = bounds[1] - bounds[0]
    if not (math.isfinite(margin) and 0.0 <= margin < widest):
        raise UsageError(f"Margin {margin} is not between 0 and {widest:g}; 0.03 means three points in a hundred.")
    test = paired_difference(a, b, clusters, level, bounds=bounds)
    if isinstance(test, NotEnough):
        return test
    estimate = test.estimate
    holds = True if estimate.low > -margin else False if estimate.high < -margin else None
    return NonInferiority(holds, estimate, margin)


def _differences(a: Values, b: Values, bounds: Bounds | None) -> NDArray[np.float64]:
    first = checked_values(a, bounds, what="paired difference, first candidate")
    second = checked_values(b, bounds, what="paired difference, second candidate")
    if len(first) != len(second):
        raise UsageError(
            f"Paired difference: {len(first)} values against {len(second)}; give both candidates the same items."
        )
    return np.asarray(first - second)


def _bounds_of_difference(bounds: Bounds | None) -> Bounds | None:
    if bounds is None:
        return None
    low, high = bounds
    return low - high, high - low
