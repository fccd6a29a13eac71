"""Intervals for one candidate's figures: rates (Wilson, Clopper-Pearson) and means, with items in clusters or alone.

In come counts or per-item values; out goes an `Estimate`, or `NotEnough` where the data cannot bear a figure.
`mean_method` chooses how a mean is judged, here and for paired differences.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import betaincinv, ndtri

from seatrial.errors import UsageError
from seatrial.stats.bootstrap import ENOUGH_CLUSTERS, FEWEST_CLUSTERS, BootstrapT, resample
from seatrial.stats.bounded import GaffkeBound
from seatrial.stats.estimate import Estimate, NotEnough
from seatrial.stats.sample import SCORES, Bounds, Clusters, Sample, Values, check_level, checked_values, take_sample
from seatrial.stats.student import StudentT

__all__ = ["SCORES", "clopper_pearson", "mean", "mean_method", "wilson"]


def wilson(successes: int, n: int, level: float = 0.95) -> Estimate | NotEnough:
    """Rate `successes` / `n` with Wilson's score interval: right on average, for display (Wilson 1927, JASA 22).

    Brown, Cai and DasGupta 2001 (Statistical Science 16) recommend it. Example: 8 of 10 gives 0.490 to 0.943; 0 of 10
    gives 0 to 0.278. Items must be independent; where they are clustered, take `mean` with `bounds=SCORES`.

    Returns `NotEnough` for n = 0. Raises `UsageError` unless 0 ≤ `successes` ≤ `n`.
    """
    _check_counts(successes, n, level)
    if n == 0:
        return NotEnough(0, 1, "Wilson score")
    z = float(ndtri((1.0 + level) / 2.0))
    rate = successes / n
    centre = (successes + z**2 / 2.0) / (n + z**2)
    reach = z / (n + z**2) * math.sqrt(n * rate * (1.0 - rate) + z**2 / 4.0)
    low = 0.0 if successes == 0 else centre - reach
    high = 1.0 if successes == n else centre + reach
    return Estimate(rate, low, high, n, "Wilson score", level)


def clopper_pearson(successes: int, n: int, level: float = 0.95) -> Estimate | NotEnough:
    """Rate `successes` / `n` with the exact interval: never covers less than `level` (Clopper and Pearson 1934).

    For claims that must hold, such as a failure rate promised to stay below a limit. Example: 8 of 10 gives 0.444 to
    0.975; 0 of 10 gives 0 to 0.308, the rule of three.

    Returns `NotEnough` for n = 0. Raises `UsageError` unless 0 ≤ `successes` ≤ `n`.
    """
    _check_counts(successes, n, level)
    if n == 0:
        return NotEnough(0, 1, "Clopper-Pearson")
    tail = (1.0 - level) / 2.0
    low = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(betaincinv(successes + 1, n - successes, 1.0 - tail))
    return Estimate(successes / n, low, high, n, "Clopper-Pearson", level)


def mean(
    values: Values,
    clusters: Clusters | None = None,
    level: float = 0.95,
    *,
    bounds: Bounds | None = None,
    rng: np.random.Generator | None = None,
) -> Estimate | NotEnough:
    """Mean of per-item `values`, shape (n,), with an interval that knows which items share a cluster.

    Pass `bounds=SCORES` for scores from 0 to 1: the interval then stays inside, and holds for few, rare or equal
    scores (`GaffkeBound`). Without bounds (tokens, seconds, dollars) it is Student's t on the clustered standard error
    (`StudentT`), or, given `rng`, the bootstrap-t between 10 and 50 clusters (`BootstrapT`).
    An item whose cluster is None stands alone.

    Example: 20 scores of 1 with `bounds=SCORES` give 1, from 0.832 to 1.

    Returns `NotEnough` below two items or two clusters of like weight, and, without bounds, where all values are
    equal: no spread seen is not a spread of zero. Raises `UsageError` for NaN, values outside `bounds`, or clusters of
    another length.
    """
    check_level(level)
    sample = take_sample(checked_values(values, bounds, what="mean"), clusters, what="mean")
    if isinstance(sample, NotEnough):
        return sample
    method = mean_method(sample, level, bounds, rng)
    if method is None:
        return NotEnough(sample.n, sample.n + 1, "mean (all values so far are equal)")
    return Estimate(sample.mean, *method.interval(), sample.n, f"mean, {method.label}", level)


def mean_method(
    sample: Sample, level: float, bounds: Bounds | None, rng: np.random.Generator | None
) -> GaffkeBound | BootstrapT | StudentT | None:
    """How the mean of `sample` is judged. None: without bounds and without spread nothing can be said.

    With bounds: Gaffke's bound, at any size. Without: the bootstrap-t where a generator is given, clusters are too few
    to lean on the central limit theorem (below 50) and enough to resample (10); else Student's t.
    """
    if bounds is not None:
        return GaffkeBound(sample, bounds, level)
    if sample.standard_error == 0.0:
        return None
    if rng is not None and FEWEST_CLUSTERS <= sample.effective_clusters < ENOUGH_CLUSTERS:
        return resample(sample, level, rng) or StudentT(sample, level)
    return StudentT(sample, level)


def _check_counts(successes: int, n: int, level: float) -> None:
    check_level(level)
    if not 0 <= successes <= n:
        raise UsageError(f"{successes} successes of {n} is not a count; it must lie between 0 and {n}.")
