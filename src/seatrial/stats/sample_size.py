"""How many items would settle the matter, judged from the differences seen so far.

In come per-item differences and the gap to be resolved; out goes a number of items, or None where items would not help.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri, stdtrit

from seatrial.errors import UsageError
from seatrial.stats.estimate import NotEnough
from seatrial.stats.sample import Clusters, Sample, Values, check_level, checked_values, take_sample

_MOST_ITEMS = 10**7
_WIDEST = 1.0 - 1e-9


def items_needed(
    differences: Values,
    margin_or_effect: float,
    clusters: Clusters | None = None,
    level: float = 0.95,
    power: float = 0.8,
) -> int | None:
    """Items in all (those seen too) with which a gap of `margin_or_effect` would be shown with probability `power`.

    The gap is the distance between the true mean difference and the value to be excluded. To show that a difference
    as large as the one seen is real: `abs(mean)`. To show non-inferiority where both are equally good: the margin;
    where the truth is what was seen: margin + mean. `differences`, shape (n,), are of scores from 0 to 1; new items are
    taken to come in new clusters of the sizes seen.

    Miller 2024 (arXiv 2411.00640, "power analysis"): n = (z_{α/2} + z_power)² · variance / gap², with the standard
    error clustered, and with what `GaffkeBound` asks beyond the normal theory: one more item at the worst value. One
    unseen disagreement is counted into the variance, so that differences all zero do not promise too much.

    Example: 30 items, all differences zero, margin 0.03: 376 items. (If all agreed again, 122 would do.)

    None where no number of items helps: a gap of zero or less, or more than ten million items; or where there is
    nothing to plan from: fewer than two items or two clusters of like weight.
    Raises `UsageError` for NaN, differences outside −1 to 1, or a `power` not between 0.5 and 1.
    """
    check_level(level)
    if not 0.5 <= power < 1.0:
        raise UsageError(f"Power {power} is not between 0.5 and 1; 0.8 is usual.")
    values = checked_values(differences, (-1.0, 1.0), what="items needed")
    sample = take_sample(values, clusters, what="items needed")
    if isinstance(sample, NotEnough) or not (math.isfinite(margin_or_effect) and margin_or_effect > 0.0):
        return None
    too_few, enough = 1, 2
    while not _settles(sample, enough, margin_or_effect, level, power):
        too_few, enough = enough, enough * 2
        if too_few >= _MOST_ITEMS:
            return None
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if _settles(sample, middle, margin_or_effect, level, power):
            enough = middle
        else:
            too_few = middle
    return enough if enough <= _MOST_ITEMS else None


def _settles(sample: Sample, num_items: int, gap: float, level: float, power: float) -> bool:
    """Would `num_items` items like those of `sample` show a gap of `gap` with probability `power`?

    With m effective items the weighted sum that `GaffkeBound` tests has mean m · gap − 1 and, as weights vary, variance
    m · (variance + gap²) + 1; from one set of items to another, its mean varies by m · variance. And m is never less
    than the rule of three asks, the items that would do if none made a difference.
    """
    effective_items = num_items / sample.design_effect
    if sample.clustered:
        clusters = sample.effective_clusters * num_items / sample.n
        if clusters < 2.0:
            return False
        quantile = (1.0 + level) / 2.0
        effective_items *= float(stdtrit(num_items - 1.0, quantile) / stdtrit(clusters - 1.0, quantile)) ** 2
    squares = float(np.sum((sample.values - sample.mean) ** 2))
    variance = (squares + 1.0) / sample.n
    tail = (1.0 - level) / 2.0
    if effective_items * -math.log1p(-min(gap, _WIDEST)) < -math.log(tail):
        return False
    by_weights = math.sqrt(effective_items * (variance + gap**2) + 1.0)
    by_items = math.sqrt(effective_items * variance)
    reach = -float(ndtri(tail)) * by_weights + float(ndtri(power)) * by_items
    return effective_items * gap - 1.0 >= reach
