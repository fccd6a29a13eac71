"""How often something may be done: token buckets by key, a bounded number of them.

In: a key (a network, an address's hash) and a clock. Out: whether it may be done now, or how long to wait. What falls
out of the table when it is full is what was used longest ago, which is full again or nearly so.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

_MOST_KEYS = 50_000


class Buckets:
    """Each key may do `burst` at once and `per_hour` in the long run. `clock` is monotonic, seconds."""

    def __init__(self, *, per_hour: float, burst: int, clock: Callable[[], float], most_keys: int = _MOST_KEYS) -> None:
        self._per_s, self._burst, self._clock, self._most_keys = per_hour / 3600, burst, clock, most_keys
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Take one. 0.0 where there was one to take, else how many seconds until there is."""
        now_s = self._clock()
        level, at_s = self._levels.pop(key, (float(self._burst), now_s))
        level = min(float(self._burst), level + (now_s - at_s) * self._per_s)
        wait_s = 0.0 if level >= 1 else (1 - level) / self._per_s
        self._levels[key] = (level if wait_s else level - 1, now_s)
        while len(self._levels) > self._most_keys:
            self._levels.popitem(last=False)
        return wait_s


def retry_after(wait_s: float) -> str:
    """What the `Retry-After` header says: whole seconds, at least one."""
    return str(max(1, math.ceil(wait_s)))
