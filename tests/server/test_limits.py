"""Token buckets and the queue: what may pass, when to come back, and what the headers say."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.chat import Usage
from seatrial.server.errors import Failure
from seatrial.server.limits import SMALL_BODY_BYTES, Allowance, Allowances, BodyPlace, BodyRoom, Queue, duration


class Clock:
    def __init__(self) -> None:
        self.now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


def refusal(allowance: Allowance) -> Failure | None:
    try:
        allowance.take()
    except Failure as failure:
        return failure
    return None


@settings(deadline=None)
@given(limit=st.integers(1, 100_000), waits=st.lists(st.floats(0, 30), max_size=60))
def test_no_more_pass_than_the_limit_and_what_flows_in(limit: int, waits: list[float]) -> None:
    clock = Clock()
    allowance = Allowance((limit, None), clock)
    began_s, passed = clock.now_s, 0
    for wait_s in waits:
        clock.now_s += wait_s
        refused = refusal(allowance)
        if refused is not None:
            assert refused.retry_after_s is not None
            assert 0 < refused.retry_after_s <= 60 / limit + 1e-6
            clock.now_s += refused.retry_after_s
            allowance.take()
        passed += 1
    assert passed <= limit + (clock.now_s - began_s) * limit / 60 + 1e-3


@settings(deadline=None)
@given(limit=st.integers(1, 10_000), num_taken=st.integers(0, 50))
def test_the_headers_count_down_exactly(limit: int, num_taken: int) -> None:
    allowance = Allowance((limit, None), Clock())
    num_taken = min(num_taken, limit)
    for _ in range(num_taken):
        allowance.take()
    said = dict(allowance.headers())
    assert said[b"x-ratelimit-limit-requests"] == str(limit).encode()
    assert said[b"x-ratelimit-remaining-requests"] == str(limit - num_taken).encode()
    assert said[b"x-ratelimit-reset-requests"] == duration(num_taken * 60 / limit).encode()
    assert b"x-ratelimit-limit-tokens" not in said


def test_tokens_may_be_overdrawn_once_and_then_fill_up() -> None:
    clock = Clock()
    allowance = Allowance((None, 600), clock)
    allowance.take()
    allowance.charge(Usage(500, 400))
    said = dict(allowance.headers())
    assert said[b"x-ratelimit-remaining-tokens"] == b"0"
    assert said[b"x-ratelimit-reset-tokens"] == b"1m30s"
    with pytest.raises(Failure) as raised:
        allowance.take()
    assert raised.value.status == 429
    assert raised.value.type == "tokens"
    assert raised.value.retry_after_s == pytest.approx(30.1, abs=0.01)
    clock.now_s += 30.1
    allowance.take()


def test_a_refusal_takes_nothing() -> None:
    clock = Clock()
    allowance = Allowance((5, 60), clock)
    allowance.charge(Usage(100, 0))
    for _ in range(10):
        with pytest.raises(Failure):
            allowance.take()
    assert dict(allowance.headers())[b"x-ratelimit-remaining-requests"] == b"5"


def test_each_key_has_its_own_and_new_limits_start_anew() -> None:
    allowances = Allowances(Clock())
    one, two = allowances.of("one", 1, None), allowances.of("two", 1, None)
    assert one is not None
    assert two is not None
    one.take()
    two.take()
    assert allowances.of("one", 1, None) is one
    assert allowances.of("one", 2, None) is not one
    assert allowances.of("three", None, None) is None


def test_the_queue_has_so_many_places() -> None:
    queue = Queue(capacity=2, max_waiting=1)
    for _ in range(3):
        queue.enter()
    with pytest.raises(Failure, match="2 requests run at once and 1 may wait") as raised:
        queue.enter()
    assert (raised.value.status, raised.value.retry_after_s) == (429, 1.0)
    queue.leave()
    queue.enter()


def is_taken(place: BodyPlace, num_bytes: int) -> bool:
    try:
        place.hold(num_bytes)
    except Failure:
        return False
    return True


@settings(deadline=None)
@given(
    most=st.integers(1, 20_000_000),
    steps=st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.integers(0, 8_000_000))), max_size=60),
)
def test_bodies_stay_within_their_room(most: int, steps: list[tuple[int, int | None]]) -> None:
    """Each step is a request that grows to so many bytes, or ends."""
    room = BodyRoom(most)
    places, sizes = [room.place() for _ in range(5)], [0] * 5
    for at, num_bytes in steps:
        if num_bytes is None:
            places[at].leave()
            places[at], sizes[at] = room.place(), 0
        else:
            grown = [max(size, num_bytes) if place == at else size for place, size in enumerate(sizes)]
            small, large = [n for n in grown if 0 < n <= SMALL_BODY_BYTES], [n for n in grown if n > SMALL_BODY_BYTES]
            if is_taken(places[at], num_bytes):
                sizes = grown
                assert sum(small) <= most or len(small) == 1
                assert sum(large) <= most * 3 // 4 or len(large) == 1
            else:
                assert len(small if grown[at] <= SMALL_BODY_BYTES else large) > 1, "one alone finds room"
                assert grown[at] > SMALL_BODY_BYTES or sum(small) > most // 4, "large bodies keep small ones out"
                assert sum(grown) > most * 3 // 4
        assert room.num_bytes == sum(sizes)


def test_a_place_is_given_back_by_the_last_who_shares_it() -> None:
    room = BodyRoom()
    place = room.place()
    place.hold(5)
    place.share()
    place.leave()
    assert room.num_bytes == 5
    place.leave()
    assert room.num_bytes == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.02, "20ms"),
        (0.0001, "1ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.9999, "1m0s"),
        (360, "6m0s"),
        (3661.25, "61m1.25s"),
    ],
)
def test_durations_read_as_the_api_writes_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@settings(deadline=None)
@given(seconds=st.floats(0, 1e5))
def test_durations_are_never_shorter_than_they_are(seconds: float) -> None:
    found = re.fullmatch(r"(?:(\d+)m)?(?:([\d.]+)s)?|(\d+)ms", duration(seconds))
    assert found
    told = int(found[3]) / 1000 if found[3] else int(found[1] or 0) * 60 + float(found[2] or 0)
    assert seconds - 1e-6 <= told <= seconds + 0.0011
