"""What visitors think of a subject, as pages show it: nothing below 20 voters, then shares with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

MIN_VOTERS = 20
LEVEL = 0.95
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class ChoiceTally:
    """Sums over the votes for one choice; weights in thousandths."""

    num_voters: int
    weight: int
    weight_squared: int


@dataclass(frozen=True, slots=True)
class Share:
    """A weighted share of the votes with its interval, fractions."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Opinion:
    """`shares`, by choice, is None below `MIN_VOTERS`."""

    num_voters: int
    shares: Mapping[str, Share] | None


NO_VOTES = Opinion(0, None)


class Opinions(Protocol):
    """Where pages get opinions from."""

    def of(self, subject_key: str) -> Opinion:
        """The opinion on a subject; `NO_VOTES` where nobody voted."""
        ...


def opinion_of(tallies: Mapping[str, ChoiceTally]) -> Opinion:
    """The opinion that tallies by choice come to.

    A share's interval is Wilson's (1927) at the effective number of votes, Σw squared over Σw² (Kish 1965).
    """
    num_voters = sum(tally.num_voters for tally in tallies.values())
    weight = sum(tally.weight for tally in tallies.values())
    if num_voters < MIN_VOTERS or weight == 0:
        return Opinion(num_voters, None)
    effective = weight**2 / sum(tally.weight_squared for tally in tallies.values())
    return Opinion(num_voters, {choice: _share(tally.weight / weight, effective) for choice, tally in tallies.items()})


def _share(value: float, n: float) -> Share:
    centre = (value + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * math.sqrt(value * (1 - value) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    return Share(value, max(0.0, centre - half), min(1.0, centre + half))
