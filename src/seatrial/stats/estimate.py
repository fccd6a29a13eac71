"""What every statistic here returns: a figure that knows its n, method and interval, or the word that there is too little data."""

from __future__ import annotations

from dataclasses import dataclass


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
    """Too little data for a figure: `n` observations where `method` wants at least `needed`. Reads "not enough data", never zero."""

    n: int
    needed: int
    method: str
