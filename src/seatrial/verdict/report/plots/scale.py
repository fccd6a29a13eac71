"""Scales: from a figure's units to drawing units, with ticks at round values."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Linear:
    """Maps `[low, high]` onto `[start, end]` (`end` may lie before `start`)."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value; values outside the domain stick to its ends."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values inside the domain, steps of 1, 2 or 5 × 10ⁿ."""
        rough = (self.high - self.low) / about
        unit = 10 ** math.floor(math.log10(rough))
        step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [round(index * step, 12) for index in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class Log:
    """Maps `[low, high]`, both above 0, onto `[start, end]` by logarithm."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value; values outside the domain stick to its ends."""
        inside = min(max(value, self.low), self.high)
        share = math.log(inside / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, at_most: int = 5) -> list[float]:
        """Powers of ten; with 2s and 5s between where there are few, thinned where there are many."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for factors in ((1, 2, 5), (1, 3), (1,)):
            found = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
            inside = [value for value in found if self.low * 0.999 <= value <= self.high * 1.001]
            if len(inside) <= at_most:
                return inside
        return inside[:: math.ceil(len(inside) / at_most)]


def log_over(values: list[float], start: float, end: float, pad: float = 1.25, least_span: float = 8.0) -> Log:
    """A logarithmic scale around positive values, spanning at least a factor `least_span`; 10⁻⁹ to 10⁹ at the most."""
    low, high = (min(max(end, 1e-9), 1e9) for end in (min(values), max(values)))
    low, high = low / pad, high * pad
    if high / low < least_span:
        widen = math.sqrt(least_span / (high / low))
        low, high = low / widen, high * widen
    return Log(low, high, start, end)
