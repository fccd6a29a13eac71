"""The mean of values without known bounds: Student's t on the clustered standard error.

In comes a `Sample` with some spread; out go interval and p-value.
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

from seatrial.stats.estimate import Interval
from seatrial.stats.sample import Sample


@dataclass(frozen=True, slots=True)
class StudentT:
    """mean ± t · standard error (Miller 2024, arXiv 2411.00640, with Student's t in place of the normal quantile).

    Needs a standard error above zero. Standard error and degrees of freedom are explained at `take_sample`.

    Example: values 1, 2, 3, 4. Mean 2.5, standard error 0.645, t with 3 degrees of freedom 3.18: 0.446 to 4.554.
    """

    sample: Sample
    level: float

    @property
    def label(self) -> str:
        """The method in words."""
        if self.sample.clustered:
            return f"clustered standard error ({self.sample.num_clusters} clusters), Student's t"
        return "Student's t"

    def interval(self) -> Interval:
        """Two-sided interval."""
        quantile = float(stdtrit(self.sample.degrees_of_freedom, (1.0 + self.level) / 2.0))
        reach = quantile * self.sample.standard_error
        return Interval(self.sample.mean - reach, self.sample.mean + reach)

    def p_value(self, null: float = 0.0) -> float:
        """Two-sided p-value of "the mean is `null`"."""
        t = (self.sample.mean - null) / self.sample.standard_error
        return 2.0 * float(stdtr(self.sample.degrees_of_freedom, -abs(t)))
