"""How often one may vote, and whether the site is under attack.

In: votes as they come, with voter and network. Out: leave to go on, or TooManyRequests; and a mode, `calm` or
`attacked`, that follows from the rate of all votes together. Both are this process's own: two servers on one database
let through twice as much, and each notices an attack on itself.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from seatrial.errors import TooManyRequests
from seatrial.site.security.limits import Buckets

Mode: TypeAlias = Literal["calm", "attacked"]
_MOST_NETWORKS, _MOST_VOTERS = 50_000, 100_000
_WINDOW_S = 10
_USUAL_OVER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one voter and one network may cast, and from which rate of all votes on the site is under attack.

    A network is a /24 or /48: a school or an office behind one address shares its limit. It is an attack where, over
    ten seconds, more than `attack_per_s` come and more than `attack_factor` times the usual rate; it is over
    once the rate has stayed below half of that for `calm_after_s`.
    """

    voter_per_hour: float = 600.0
    voter_burst: int = 40
    network_per_hour: float = 3_600.0
    network_burst: int = 120
    attack_per_s: float = 20.0
    attack_factor: float = 10.0
    calm_after_s: float = 60.0


USUAL_LIMITS = Limits()
UNLIMITED = Limits(1e9, 1_000_000, 1e9, 1_000_000, math.inf)
"""For load tests: nobody is throttled, and nothing is an attack."""


class Throttle:
    """Token buckets by network and by voter. `monotonic` is a clock in seconds."""

    def __init__(self, limits: Limits, monotonic: Callable[[], float]) -> None:
        self._networks = Buckets(
            per_hour=limits.network_per_hour,
            burst=limits.network_burst,
            clock=monotonic,
            most_keys=_MOST_NETWORKS,
        )
        self._voters = Buckets(
            per_hour=limits.voter_per_hour, burst=limits.voter_burst, clock=monotonic, most_keys=_MOST_VOTERS
        )

    def take(self, network: str, voter: str) -> None:
        """Let one vote through. Raises TooManyRequests.

        The network is asked first: who makes up a voter for each vote fills no table of voters.
        """
        self._take(self._networks, network, "Many votes come from your network")
        self._take(self._voters, voter, "You have voted often in a short time")

    def _take(self, buckets: Buckets, key: str, what: str) -> None:
        wait_s = buckets.take(key)
        if wait_s > 0:
            seconds = math.ceil(wait_s)
            raise TooManyRequests(
                f"{what}. Vote again in {seconds} second{'' if seconds == 1 else 's'}.", retry_after_s=wait_s
            )


class Alarm:
    """Notices an attack by the rate of votes that the throttle let through: a flood from one network is none.

    The usual rate is the exponentially weighted mean over seconds, with a time constant of an hour; it stands still
    during an attack, so that a long one does not become usual.
    """

    def __init__(self, limits: Limits, monotonic: Callable[[], float]) -> None:
        self._limits, self._monotonic = limits, monotonic
        self._second = math.floor(monotonic())
        self._now = 0
        self._window: deque[int] = deque([0] * _WINDOW_S, maxlen=_WINDOW_S)
        self._usual_per_s = 0.0
        self._attacked_until_s: float | None = None

    def note(self) -> None:
        """A vote came."""
        self._advance()
        self._now += 1
        if self._rate_per_s() > self._threshold_per_s():
            self._attacked_until_s = self._second + self._limits.calm_after_s

    @property
    def mode(self) -> Mode:
        """As of now."""
        self._advance()
        return "calm" if self._attacked_until_s is None else "attacked"

    def _advance(self) -> None:
        """Bring window, usual rate and mode to the current second."""
        second = math.floor(self._monotonic())
        passed = second - self._second
        if passed <= 0:
            return
        if self._attacked_until_s is None:
            keep = math.exp(-1 / _USUAL_OVER_S)
            self._usual_per_s = (self._usual_per_s * keep + self._now * (1 - keep)) * keep ** (passed - 1)
        elif self._rate_per_s() > self._threshold_per_s() / 2:
            self._attacked_until_s = self._second + self._limits.calm_after_s
        self._window.append(self._now)
        self._window.extend([0] * min(passed - 1, _WINDOW_S))
        self._second, self._now = second, 0
        if self._attacked_until_s is not None and second > self._attacked_until_s:
            self._attacked_until_s = None

    def _rate_per_s(self) -> float:
        """Over the last ten whole seconds, or over them with the running one in the place of the oldest."""
        return (sum(self._window) + max(0, self._now - self._window[0])) / _WINDOW_S

    def _threshold_per_s(self) -> float:
        return max(self._limits.attack_per_s, self._limits.attack_factor * self._usual_per_s)
