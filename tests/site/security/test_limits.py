"""Token buckets: a burst, then a rate, for each key alone, in bounded memory."""

from __future__ import annotations

import pytest

from seatrial.site.security.limits import Buckets, retry_after


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_a_rate() -> None:
    clock = Seconds()
    buckets = Buckets(per_hour=3600, burst=3, clock=clock)
    assert [buckets.take("a") for _ in range(3)] == [0.0, 0.0, 0.0]
    assert buckets.take("a") == pytest.approx(1.0)
    assert buckets.take("b") == 0.0
    clock.now += 1.0
    assert buckets.take("a") == 0.0
    assert buckets.take("a") > 0


def test_being_refused_costs_nothing() -> None:
    clock = Seconds()
    buckets = Buckets(per_hour=3600, burst=1, clock=clock)
    buckets.take("a")
    waits = [buckets.take("a") for _ in range(100)]
    assert waits == [pytest.approx(1.0)] * 100


def test_many_keys_take_no_more_memory_than_allowed() -> None:
    buckets = Buckets(per_hour=60, burst=1, clock=Seconds(), most_keys=10)
    for number in range(1000):
        buckets.take(str(number))
    assert len(buckets._levels) == 10


def test_whoever_waits_as_long_as_told_is_let_through() -> None:
    clock = Seconds()
    buckets = Buckets(per_hour=7, burst=1, clock=clock)
    buckets.take("a")
    clock.now += int(retry_after(buckets.take("a")))
    assert buckets.take("a") == 0.0
