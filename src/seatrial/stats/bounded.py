"""The mean of values that cannot leave a known range: interval and p-value that hold for few, rare or equal values.

Student's t trusts the spread it has seen. Scores deceive it: two candidates that agreed on 30 items have differences
all zero and a standard error of zero, and that is no proof that they always agree. Since scores have bounds, the worst
that the unseen items could do is known, and Gaffke's bound counts it in.

In comes a `Sample` with the bounds of its values; out go interval and p-value, which always agree: the interval leaves
out a value exactly where the p-value against it is below 1 − level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, ndtr, ndtri, stdtrit

from seatrial.stats.estimate import Interval
from seatrial.stats.sample import Bounds, Sample

_FARTHEST = 40.0
_NEGLIGIBLE = 1e-12
_SMALLEST = 1e-300


class WeightedValues(NamedTuple):
    """Distinct values, ascending, and the weight of each: shapes (distinct,)."""

    values: NDArray[np.float64]
    weights: NDArray[np.float64]

    def mirrored(self) -> WeightedValues:
        """The same with values negated: an upper bound is the lower bound of these, negated."""
        return WeightedValues(-self.values[::-1], self.weights[::-1])


@dataclass(frozen=True, slots=True)
class GaffkeBound:
    """Gaffke's bound on the mean of bounded values, with an effective sample size where items are clustered.

    Lower bound at confidence 1 − α: add one value at the lower bound to the n seen, give the n + 1 values random
    weights from the flat Dirichlet distribution, and take the α quantile of the weighted mean. This is the Bayesian
    bootstrap (Rubin 1981) with one item that went as badly as an item can. The upper bound mirrors it.
    (Gaffke 2005; Learned-Miller and Thomas 2019, arXiv 1905.06208. That it covers for every distribution is
    conjectured, and no counterexample is known; for two-valued data it is proven, being Clopper-Pearson.)

    Known methods are its special cases, and the tests hold it to them:
    - scores of 0 and 1: Clopper-Pearson;
    - differences of −1, 0 and 1 tested against 0: the exact McNemar test;
    - n equal values: the rule of three. 100 differences of 0 give ±(1 − 0.025^(1/100)) = ±0.036, not ±0.

    Clusters enter as in Korn and Graubard 1998 (Survey Methodology 24), whose interval for clustered proportions this
    is for 0/1 scores: an item counts as 1/design effect of an item, and less by (t_{n−1} / t_{clusters−1})² where
    clusters are few. Values without any spread show no design effect; items then count as independent.

    Weighted sums of exponentials have no simple distribution: where the values above the tested mean are all equal
    and those below as well, it is an exact beta; otherwise the saddlepoint approximation (Lugannani and Rice 1980, in
    Barndorff-Nielsen's r* form) stands in, right within 6 % of a tail probability of 2.5 %, on the cautious side.

    What it cannot see: a disaster that strikes whole clusters and struck none of those seen. With 20 clusters, each hit
    with probability 0.1, none is hit in 12 % of trials, and those trials may claim too much. (Student's t does so more
    often.) More clusters are the remedy.
    """

    sample: Sample
    bounds: Bounds
    level: float

    @property
    def label(self) -> str:
        """The method in words."""
        if not self.sample.clustered:
            return "Gaffke's bound"
        effective = self.sample.n * self._item_weight()
        return f"Gaffke's bound, effective n {effective:.0f} in {self.sample.num_clusters} clusters"

    def interval(self) -> Interval:
        """Two-sided interval; each side errs with probability at most (1 − `level`) / 2."""
        low, high = self.bounds
        seen = self._weighted_values()
        tail = (1.0 - self.level) / 2.0
        return Interval(
            _lower_bound(seen, low, self.sample.mean, tail),
            -_lower_bound(seen.mirrored(), -high, -self.sample.mean, tail),
        )

    def p_value(self, null: float = 0.0) -> float:
        """Two-sided p-value of "the mean is `null`": twice the smaller one-sided one."""
        low, high = self.bounds
        seen = self._weighted_values()
        score = min(_tail_score(seen, low, null), _tail_score(seen.mirrored(), -high, -null))
        return min(1.0, 2.0 * float(ndtr(score)))

    def _weighted_values(self) -> WeightedValues:
        """The distinct values, each with what its items weigh together."""
        values, counts = np.unique(self.sample.values, return_counts=True)
        return WeightedValues(values, np.multiply(counts, self._item_weight(), dtype=np.float64))

    def _item_weight(self) -> float:
        """How much of an independent item each item is worth, at most 1."""
        sample = self.sample
        if not sample.clustered:
            return 1.0
        quantile = (1.0 + self.level) / 2.0
        as_items = float(stdtrit(sample.n - 1.0, quantile))
        as_clusters = float(stdtrit(sample.degrees_of_freedom, quantile))
        return (as_items / as_clusters) ** 2 / sample.design_effect


def _lower_bound(seen: WeightedValues, worst: float, mean: float, tail: float) -> float:
    """The mean below which the weighted mean of the values seen and one `worst` falls with probability `tail`."""
    wanted = float(ndtri(tail))

    def excess(candidate: float) -> float:
        return _tail_score(seen, worst, candidate) - wanted

    if excess(worst) >= 0.0:
        return worst
    if excess(mean) <= 0.0:
        return mean
    return float(brentq(excess, worst, mean, xtol=1e-12, rtol=1e-10))


def _tail_score(seen: WeightedValues, worst: float, null: float) -> float:
    """z such that Φ(z) = P(Σ Γ(weight) · (value − null) + Γ(1) · (worst − null) ≤ 0), cut at ±40 where it is certain.

    The Γ are independent gamma variables: Φ(z) is the chance of a weighted mean at or below `null`, and the p-value
    of "the mean is at most `null`".

    Example: values +1 (weight 5) and −1 (weight 1), worst −1, null 0: P(Γ(5) ≤ Γ(1 + 1)) = P(Binomial(6, ½) ≥ 5), which
    is 7/64, the one-sided exact McNemar p-value for 5 items won and 1 lost.
    """
    scales, shapes = np.append(seen.values, worst) - null, np.append(seen.weights, 1.0)
    scales /= max(float(np.abs(scales).max()), _SMALLEST)
    gains, losses = scales > _NEGLIGIBLE, scales < -_NEGLIGIBLE
    if not gains.any():
        return _FARTHEST
    if not losses.any():
        return -_FARTHEST
    up, down = scales[gains], -scales[losses]
    if np.all(up == up[0]) and np.all(down == down[0]):
        probability = betainc(shapes[gains].sum(), shapes[losses].sum(), down[0] / (up[0] + down[0]))
        return float(np.clip(ndtri(probability), -_FARTHEST, _FARTHEST))
    counted = gains | losses
    return _saddlepoint(scales[counted], shapes[counted])


def _saddlepoint(scales: NDArray[np.float64], shapes: NDArray[np.float64]) -> float:
    """z such that Φ(z) ≈ P(Σ scale · Γ(shape) ≤ 0), where scales of both signs occur, the largest of size 1.

    The cumulant generating function is K(s) = −Σ shape · log(1 − scale · s), for 1/min(scale) < s < 1/max(scale); the
    saddlepoint is where K'(s) = 0. K' has a pole at either end, which two factors take away before the root is sought.
    """
    smallest, largest = float(scales.min()), float(scales.max())

    def slope(s: float) -> float:
        return float(np.sum(shapes * scales / (1.0 - scales * s))) * (1.0 - smallest * s) * (1.0 - largest * s)

    inward = 1.0 - 1e-12
    saddle = float(brentq(slope, inward / smallest, inward / largest, xtol=1e-14, rtol=1e-12))
    ratios = scales / (1.0 - scales * saddle)
    curvature = float(np.sum(shapes * ratios**2))
    depth = float(np.sum(shapes * np.log1p(-scales * saddle)))
    signed_root = math.copysign(math.sqrt(max(0.0, 2.0 * depth)), saddle)
    if abs(signed_root) < 1e-3:
        skew = 2.0 * float(np.sum(shapes * ratios**3)) / math.pow(curvature, 1.5)
        return signed_root + skew / 6.0
    return float(signed_root + math.log(saddle * math.sqrt(curvature) / signed_root) / signed_root)
