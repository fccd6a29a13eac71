"""What an endpoint takes and gives, free of any HTTP library.

In: a `Call`, its body read whole and its key checked. Out: a `Reply`, or a `Streamed` whose events are written as they
come. `app` translates both ways; when the client goes away the endpoint's task is cancelled and a stream is closed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from seatrial.chat import Usage

Method = Literal["GET", "POST", "DELETE"]
Header = tuple[bytes, bytes]

JSON = b"application/json"
EVENT_STREAM = b"text/event-stream; charset=utf-8"


class Place(Protocol):
    """What a request takes of the room for all bodies; `limits.BodyPlace` is one."""

    def hold(self, num_bytes: int) -> None:
        """Hold so many bytes in all. Raises `Failure` 429 where there is no room."""

    def share(self) -> None:
        """One more keeps the place, who leaves it too."""

    def leave(self) -> None:
        """One of those who keep the place is done."""


@dataclass(slots=True)
class Tally:
    """What an endpoint says of its request for the log, metrics and token limits, as soon as it knows it."""

    model: str | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `headers` have lower-case names; `path_values` are what stood for `{name}` in the route's path.

    `key_id` names the API key that was used, None where none is asked for. `arrived_s` is on the monotonic clock. The
    endpoint fills in the `tally`. `place` counts the body among all requests' bytes: what the request brings to memory
    besides is held there too, and whoever goes on with it after the reply shares the place.
    """

    method: str
    path: str
    request_id: str
    body: bytes = b""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    path_values: Mapping[str, str] = field(default_factory=dict)
    key_id: str | None = None
    arrived_s: float = 0.0
    tally: Tally = field(default_factory=Tally)
    place: Place | None = None

    def hold(self, num_bytes: int) -> None:
        """Count so many bytes in all. Raises `Failure` 429 where there is no room for them."""
        if self.place is not None:
            self.place.hold(num_bytes)


class Reply(NamedTuple):
    """A whole answer."""

    body: bytes
    status: int = 200
    media_type: bytes = JSON
    headers: tuple[Header, ...] = ()


class Streamed(NamedTuple):
    """An answer in pieces, each written as it comes. Closing `pieces` stops the work behind them."""

    pieces: AsyncGenerator[bytes]
    media_type: bytes = EVENT_STREAM
    headers: tuple[Header, ...] = ()


Endpoint = Callable[[Call], Awaitable[Reply | Streamed]]


class Route(NamedTuple):
    """Where an endpoint answers. `path` may hold `{name}`, which stands for one segment.

    `is_open`: answered without an API key, and also while the server is draining. `is_generation`: counts against
    queue and rate limits.
    """

    method: Method
    path: str
    endpoint: Endpoint
    is_open: bool = False
    is_generation: bool = False
