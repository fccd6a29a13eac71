"""Quantiles, of latency above all, with intervals that assume no shape: the order statistics between which they lie.

In come per-item values; out goes an `Estimate`, or `NotEnough` where n is too small for the quantile to be bounded.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import binom

from seatrial.errors import UsageError
from seatrial.stats.estimate import Estimate, NotEnough
from seatrial.stats.sample import Values, check_level, checked_values


def quantile(values: Values, q: float, level: float = 0.95) -> Estimate | NotEnough:
    """The `q` quantile of independent `values`, shape (n,), any order, with a distribution-free interval.

    The number of values below the true quantile is Binomial(n, q), so the k-th smallest value lies above it with
    probability P(Binomial ≤ k − 1), whatever the distribution. The interval runs between the two order statistics that
    leave at most (1 − `level`) / 2 on each side (David and Nagaraja 2003, Order Statistics, §7.1). The figure itself
    interpolates linearly between order statistics, as `numpy.quantile` does.

    Example: the median of 10 values: P(Binomial(10, ½) ≤ 1) = 0.011, so from the 2nd to the 9th smallest.

    Returns `NotEnough` where an end would lie beyond the largest or smallest value: at 95 %, the median needs 6 values,
    p95 72, p99 368. Raises `UsageError` for NaN, or a `q` not between 0 and 1.
    """
    check_level(level)
    if not 0.0 < q < 1.0:
        raise UsageError(f"Quantile {q} is not between 0 and 1; 0.99 asks for the 99th percentile.")
    ascending = np.sort(checked_values(values, None, what="quantile"))
    n = len(ascending)
    method = "quantile, binomial order statistics"
    needed = _needed(q, level)
    if n < needed:
        return NotEnough(n, needed, method)
    tail = (1.0 - level) / 2.0
    low_rank = max(1, int(binom.ppf(tail, n, q)))
    high_rank = min(n, int(binom.ppf(1.0 - tail, n, q)) + 1)
    value = float(np.quantile(ascending, q))
    low = min(value, float(ascending[low_rank - 1]))
    high = max(value, float(ascending[high_rank - 1]))
    return Estimate(value, low, high, n, method, level)


def _needed(q: float, level: float) -> int:
    """The fewest values whose largest and smallest enclose the quantile: the rarer side's q^n must fall to the tail."""
    return math.ceil(math.log((1.0 - level) / 2.0) / math.log(max(q, 1.0 - q)))
