from __future__ import annotations

import pytest

from seatrial.errors import TooManyRequests
from seatrial.site.votes.throttle import UNLIMITED, Alarm, Limits, Throttle


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_flood_from_one_network_lets_through_what_the_network_may() -> None:
    clock = Clock()
    throttle = Throttle(Limits(network_burst=100, network_per_hour=3600), clock)
    through = 0
    for number in range(10_000):
        clock.now_s += 1e-4
        try:
            throttle.take("network", str(number))
        except TooManyRequests:
            continue
        through += 1
    assert through in (100, 101)  # a second is not over by a rounding error
    throttle.take("another network", "voter")


def test_what_was_refused_may_be_done_when_it_was_said() -> None:
    clock = Clock()
    throttle = Throttle(Limits(voter_burst=2, voter_per_hour=60), clock)
    throttle.take("n", "v")
    throttle.take("n", "v")
    with pytest.raises(TooManyRequests, match="60 seconds") as caught:
        throttle.take("n", "v")
    clock.now_s += caught.value.retry_after_s + 1e-6
    throttle.take("n", "v")


def test_an_attack_is_noticed_at_once_and_over_after_a_calm_minute() -> None:
    clock = Clock()
    alarm = Alarm(Limits(attack_per_s=20, calm_after_s=60), clock)
    for _ in range(200):
        alarm.note()
    assert alarm.mode == "calm"
    alarm.note()
    assert alarm.mode == "attacked"

    clock.now_s += 30
    assert alarm.mode == "attacked"
    clock.now_s += 60
    assert alarm.mode == "calm"


def test_an_attack_that_goes_on_stays_one() -> None:
    clock = Clock()
    alarm = Alarm(Limits(attack_per_s=20), clock)
    for _ in range(7200):
        clock.now_s += 1
        for _ in range(30):
            alarm.note()
    assert alarm.mode == "attacked"
    for _ in range(3600):  # half the rate is too much to be called calm
        clock.now_s += 1
        for _ in range(12):
            alarm.note()
    assert alarm.mode == "attacked"


def test_votes_at_the_usual_rate_are_no_attack_however_many() -> None:
    clock = Clock()
    alarm = Alarm(Limits(attack_per_s=20, attack_factor=10), clock)
    for second in range(4 * 3600):
        clock.now_s += 1
        for _ in range(15 if second < 3600 * 3 else 60):  # a busy day after three quieter hours
            alarm.note()
        assert alarm.mode == "calm", second
    for _ in range(10_000):
        alarm.note()
    assert alarm.mode == "attacked"


def test_a_clock_that_stood_still_for_long_is_calm() -> None:
    clock = Clock()
    alarm = Alarm(Limits(), clock)
    for _ in range(150):
        alarm.note()
    clock.now_s += 1e7
    for _ in range(150):
        alarm.note()
    assert alarm.mode == "calm"


def test_without_limits_nothing_is_refused() -> None:
    clock = Clock()
    throttle, alarm = Throttle(UNLIMITED, clock), Alarm(UNLIMITED, clock)
    for _ in range(100_000):
        throttle.take("n", "v")
        alarm.note()
    assert alarm.mode == "calm"
