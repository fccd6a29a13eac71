"""What every statistic here returns: a figure with its n, method and interval, or the word that data is too little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval `[low, high]` at confidence `level`, from `n` observations by `method`."""

    value: float
    low: float
    high: float
    n: int
    method: str
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class NotEnough:
    """Too little data for a figure: `n` observations where `method` wants at least `needed`.

    Reads "not enough data", never zero.
    """

    n: int
    needed: int
    method: str


class Interval(NamedTuple):
    """The two ends of a confidence interval."""

    low: float
    high: float
