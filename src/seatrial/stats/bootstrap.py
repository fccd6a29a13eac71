"""The mean of few values without known bounds: the cluster bootstrap-t, which follows skew where Student's t cannot.

In come a `Sample` and a seeded generator; out go interval and p-value. Costs and latencies are such values: many small
ones, a few large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seatrial.stats.estimate import Interval
from seatrial.stats.sample import Sample

FEWEST_CLUSTERS = 10
ENOUGH_CLUSTERS = 50
_RESAMPLES = 1999


@dataclass(frozen=True, slots=True)
class BootstrapT:
    """Equal-tailed bootstrap-t over clusters: `t_values`, ascending, are the studentised means of the resamples.

    (Hall 1988; over clusters, Cameron, Gelbach and Miller 2008, §III, "pairs cluster bootstrap-t".) The interval is
    [mean − t_{1−α/2} · se, mean − t_{α/2} · se]: the upper quantile sets the lower end.
    """

    sample: Sample
    level: float
    t_values: NDArray[np.float64]

    @property
    def label(self) -> str:
        """The method in words."""
        units = f"{self.sample.num_clusters} clusters" if self.sample.clustered else "items"
        return f"bootstrap-t over {units}, {len(self.t_values):,} resamples"

    def interval(self) -> Interval:
        """Two-sided interval, outward to the next resample and never leaving the mean out."""
        tail = (1.0 - self.level) / 2.0
        low_t = min(0.0, float(np.quantile(self.t_values, tail, method="lower")))
        high_t = max(0.0, float(np.quantile(self.t_values, 1.0 - tail, method="higher")))
        error = self.sample.standard_error
        return Interval(self.sample.mean - high_t * error, self.sample.mean - low_t * error)

    def p_value(self, null: float = 0.0) -> float:
        """Two-sided p-value of "the mean is `null`", at least 2 / (resamples + 1) (Davison and Hinkley 1997, §4.2)."""
        t = (self.sample.mean - null) / self.sample.standard_error
        at_least = len(self.t_values) - int(np.searchsorted(self.t_values, t, side="left"))
        at_most = int(np.searchsorted(self.t_values, t, side="right"))
        return min(1.0, 2.0 * (1 + min(at_least, at_most)) / (len(self.t_values) + 1))


def resample(sample: Sample, level: float, rng: np.random.Generator) -> BootstrapT | None:
    """The bootstrap of `sample`, clusters drawn with replacement by `rng`.

    None where a resample has no spread, so that its t has no value: there are then too few distinct values to learn
    the shape from.
    """
    num_clusters, sums, sizes = sample.num_clusters, sample.cluster_sums, sample.cluster_sizes.astype(np.float64)
    times_drawn = rng.multinomial(num_clusters, np.full(num_clusters, 1.0 / num_clusters), size=_RESAMPLES)
    items = times_drawn @ sizes
    means = (times_drawn @ sums) / items
    residuals = sums - np.outer(means, sizes)
    variances = np.einsum("rg,rg->r", times_drawn, residuals**2) * num_clusters / (num_clusters - 1)
    errors = np.sqrt(variances) / items
    if errors.min() < 1e-9 * sample.standard_error or not math.isfinite(float(errors.max())):
        return None
    return BootstrapT(sample, level, np.sort((means - sample.mean) / errors))
