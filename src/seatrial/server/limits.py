"""How much may come in: token buckets for each API key, and bounds on the generations that wait and on all bodies.

In: a key with its limits, and the tokens that a request took; the bytes of its body. Out: leave to go on and the
`x-ratelimit-*` headers, or a `Failure` 429 that says when to come back. Tokens are counted when the answer is known, so
a bucket may be overdrawn once; the next request waits until it has filled up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from seatrial.chat import Usage
from seatrial.server.errors import Failure
from seatrial.server.http import Header

SMALL_BODY_BYTES = 1_000_000
"""Up to here a body is small: text, almost always."""

_QUEUE_RETRY_S = 1.0
_BODIES_RETRY_S = 5.0
# A client that waits exactly as long as it was told must not find a bucket short by a rounding error.
_ROUNDING = 1e-6


@dataclass(slots=True)
class Bucket:
    """Holds up to `limit`, and fills up from empty in a minute. `level` was true at `at_s` on the monotonic clock."""

    limit: int
    level: float
    at_s: float

    def fill(self, now_s: float) -> None:
        """Bring `level` to now."""
        self.level = min(float(self.limit), self.level + (now_s - self.at_s) * self.limit / 60)
        self.at_s = now_s

    def wait_s(self, wanted: float) -> float:
        """How long until `wanted` are there, in seconds; 0.0 where they are."""
        return max(0.0, (wanted - self.level) * 60 / self.limit)

    @property
    def remaining(self) -> int:
        """What is left to take, whole."""
        return max(0, math.floor(self.level + _ROUNDING))


class Allowance:
    """What one key may still do."""

    __slots__ = ("_clock", "requests", "tokens")

    def __init__(self, per_minute: tuple[int | None, int | None], clock: Callable[[], float]) -> None:
        requests, tokens = per_minute
        now_s = clock()
        self._clock = clock
        self.requests = Bucket(requests, requests, now_s) if requests is not None else None
        self.tokens = Bucket(tokens, tokens, now_s) if tokens is not None else None

    def take(self) -> None:
        """Take a request. Raises `Failure` 429 where one is not left, or no token."""
        now_s = self._clock()
        for bucket, kind in ((self.requests, "requests"), (self.tokens, "tokens")):
            if bucket is not None:
                bucket.fill(now_s)
                if bucket.remaining < 1:
                    raise self._exhausted(bucket, kind, bucket.wait_s(1.0))
        if self.requests is not None:
            self.requests.level -= 1.0

    def charge(self, usage: Usage) -> None:
        """Take the tokens that a request had."""
        if self.tokens is not None:
            self.tokens.fill(self._clock())
            self.tokens.level -= usage.prompt_tokens + usage.completion_tokens

    def headers(self) -> list[Header]:
        """`x-ratelimit-*` as of now, of the limits that are set."""
        now_s = self._clock()
        said: list[Header] = []
        for bucket, kind in ((self.requests, b"requests"), (self.tokens, b"tokens")):
            if bucket is not None:
                bucket.fill(now_s)
                said += (
                    (b"x-ratelimit-limit-" + kind, str(bucket.limit).encode()),
                    (b"x-ratelimit-remaining-" + kind, str(bucket.remaining).encode()),
                    (b"x-ratelimit-reset-" + kind, duration(bucket.wait_s(bucket.limit)).encode()),
                )
        return said

    def _exhausted(self, bucket: Bucket, kind: str, wait_s: float) -> Failure:
        return Failure(
            429,
            f"Rate limit reached: this API key may use {bucket.limit:,} {kind} a minute, and has used them. "
            f"Try again in {duration(wait_s)}.",
            kind,
            "rate_limit_exceeded",
            retry_after_s=round(wait_s, 9),
        )


class Allowances:
    """Every key's, made when the key is first used and again when its limits change."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._by_key: dict[str, tuple[tuple[int | None, int | None], Allowance]] = {}

    def of(self, key_id: str, requests_per_minute: int | None, tokens_per_minute: int | None) -> Allowance | None:
        """The key's allowance; None where it has no limit."""
        limits = (requests_per_minute, tokens_per_minute)
        if limits == (None, None):
            return None
        known = self._by_key.get(key_id)
        if known is None or known[0] != limits:
            known = self._by_key[key_id] = (limits, Allowance(limits, self._clock))
        return known[1]


class Queue:
    """Counts the generations that run or wait: at most `capacity + max_waiting`."""

    __slots__ = ("capacity", "max_waiting", "num_inside")

    def __init__(self, capacity: int, max_waiting: int) -> None:
        self.capacity, self.max_waiting, self.num_inside = capacity, max_waiting, 0

    def enter(self) -> None:
        """Take a place, to be given back with `leave`. Raises `Failure` 429 where there is none."""
        if self.num_inside >= self.capacity + self.max_waiting:
            raise Failure(
                429,
                f"The server is busy: {self.capacity:,} requests run at once and {self.max_waiting:,} may wait. "
                "Try again in a moment.",
                "rate_limit_error",
                "rate_limit_exceeded",
                retry_after_s=_QUEUE_RETRY_S,
            )
        self.num_inside += 1

    def leave(self) -> None:
        """Give the place back."""
        self.num_inside -= 1


class BodyRoom:
    """Counts the bytes of bodies that requests hold: `most_bytes` together, three quarters of it for large bodies.

    So a small body is never turned away because of large ones. One alone always finds room, however many bytes it has.
    A request takes about three times its body in memory: the bytes, the text in them, and what that holds in base64;
    five times where that goes on to another server.
    """

    __slots__ = ("_num_large", "_num_small", "most_bytes")

    def __init__(self, most_bytes: int = 256_000_000) -> None:
        self.most_bytes = most_bytes
        self._num_large = self._num_small = 0

    @property
    def num_bytes(self) -> int:
        """Bytes of all bodies that are held now, or that are on their way and were told of."""
        return self._num_large + self._num_small

    def place(self) -> BodyPlace:
        """What one request holds: nothing yet."""
        return BodyPlace(self)

    def change(self, before: int, after: int) -> None:
        """For `BodyPlace` alone. Raises `Failure` 429 where a body grows and there is no room; nothing changes then."""
        small, large = self._num_small, self._num_large
        for num_bytes, sign in ((before, -1), (after, 1)):
            if num_bytes > SMALL_BODY_BYTES:
                large += sign * num_bytes
            else:
                small += sign * num_bytes
        if after > before and not self._has_room(small, large, after):
            raise Failure(
                429,
                f"The server is busy: {after:,} bytes find no room beside {self.num_bytes - before:,} bytes of "
                f"other requests; large ones may have {self._most_large:,} together. Try again in a moment.",
                "rate_limit_error",
                "rate_limit_exceeded",
                retry_after_s=_BODIES_RETRY_S,
            )
        self._num_large, self._num_small = large, small

    @property
    def _most_large(self) -> int:
        return self.most_bytes * 3 // 4

    def _has_room(self, small: int, large: int, grown: int) -> bool:
        """Whether there may be so many bytes, one body of which has grown; alone of its kind it always fits."""
        if grown > SMALL_BODY_BYTES:
            return large == grown or (large <= self._most_large and small + large <= self.most_bytes)
        return small == grown or small + min(large, self._most_large) <= self.most_bytes


class BodyPlace:
    """The bytes that one request holds of a room, until everyone who shares the place has left it."""

    __slots__ = ("_num_bytes", "_num_inside", "_room")

    def __init__(self, room: BodyRoom) -> None:
        self._room = room
        self._num_bytes, self._num_inside = 0, 1

    def hold(self, num_bytes: int) -> None:
        """Hold so many bytes in all, unless it is as many already. Raises `Failure` 429 where there is no room."""
        if num_bytes > self._num_bytes:
            self._room.change(self._num_bytes, num_bytes)
            self._num_bytes = num_bytes

    def share(self) -> None:
        """One more keeps the place, who leaves it too."""
        self._num_inside += 1

    def leave(self) -> None:
        """One of those who keep the place is done."""
        self._num_inside -= 1
        if not self._num_inside:
            self._room.change(self._num_bytes, 0)


def duration(seconds: float) -> str:
    """As the API writes it, rounded up to the millisecond: `20ms`, `1.5s`, `6m0s`."""
    num_ms = math.ceil(round(seconds * 1000, 3))
    if num_ms < 1000:
        return f"{num_ms}ms"
    minutes, rest_ms = divmod(num_ms, 60_000)
    rest = f"{rest_ms / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{minutes}m{rest}" if minutes else rest
