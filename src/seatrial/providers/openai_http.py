"""Any server of the OpenAI API, over HTTP: its chat completions, and its text completions for a bare prompt.

A `ChatRequest` comes in; events go out as their bytes arrive. This module owns the connection pool and decides whether
and when to ask again; a stream that is left early closes its connection, so that the server stops working. One
attempt is `http_attempt`, the wire format `openai_wire` and `openai_reply`, what failures mean `http_failures`.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from seatrial import __version__
from seatrial.chat import ChatEvent, ChatRequest
from seatrial.errors import SeatrialError, UsageError
from seatrial.providers.http_attempt import Attempt, Timeouts
from seatrial.providers.http_failures import Retries
from seatrial.providers.openai_wire import Dialect, MaxTokensField, encode_request, shows_other_formats
from seatrial.providers.sse import MAX_EVENT_BYTES

if TYPE_CHECKING:
    from seatrial.providers.picture_room import PictureRoom

_DEFAULT_TIMEOUTS = Timeouts()
_DEFAULT_RETRIES = Retries()


class OpenAIProvider:
    """One model at one server. Safe to stream from many times at once; all share one connection pool.

    `base_url` ends where `/chat/completions` begins (`https://host/v1`); `name` is how messages call the provider.
    `max_tokens_field` and `refused_parameters` are what servers differ in (`openai_wire.Dialect`): OpenAI itself wants
    `max_completion_tokens` and refuses `HOSTED_REFUSES`, its reasoning models `temperature` and `top_p` too.
    `retries` None lets every error through at once, for a caller whose own client asks again.
    `max_connections` 0 means no limit. Raises UsageError for a URL or key that cannot be sent.
    """

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: str | None,
        name: str,
        rng: random.Random,
        max_tokens_field: MaxTokensField = "max_tokens",
        refused_parameters: frozenset[str] = frozenset(),
        timeouts: Timeouts = _DEFAULT_TIMEOUTS,
        retries: Retries | None = _DEFAULT_RETRIES,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        max_connections: int = 0,
        max_event_bytes: int = MAX_EVENT_BYTES,
    ) -> None:
        self._chat_url = _endpoint(base_url, "/chat/completions", name)
        self._completion_url = _endpoint(base_url, "/completions", name)
        self._model = model
        self._api_key = api_key
        self._name = name
        self._rng = rng
        self._dialect = Dialect(max_tokens_field, refused_parameters)
        self._timeouts = timeouts
        self._retries = retries
        self._clock = clock
        self._sleep = sleep
        self._max_connections = max_connections
        self._max_event_bytes = max_event_bytes
        self._headers = _headers(api_key, name)
        self._session: aiohttp.ClientSession | None = None
        self._room: PictureRoom | None = None

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        """Answer a request, asking again after passing failures as long as nothing has been yielded.

        Raises RequestRejected for what cannot be sent, and what `http_failures` makes of the server's errors.
        """
        body = encode_request(await self._in_taken_formats(request), self._model, self._dialect)
        url = self._chat_url if request.prompt is None else self._completion_url
        deadline = self._clock() + self._timeouts.overall_s
        has_yielded = False
        for number in itertools.count(1):
            attempt = Attempt(self._name, self._api_key, self._timeouts, self._max_event_bytes, request.num_logprobs)
            try:
                await attempt.open(self._open_session(), url, body, left_s=deadline - self._clock())
                while events := await attempt.read():
                    has_yielded = True
                    for event in events:
                        yield event
                yield attempt.finished(number)
                await attempt.drain()
                return
            except SeatrialError as error:
                wait_s = self._wait_s(error, number) if attempt.may_retry and not has_yielded else None
                if wait_s is None or self._clock() + wait_s > deadline:
                    raise
            finally:
                attempt.close()
            await self._sleep(wait_s)

    async def close(self) -> None:
        """Close every connection."""
        room, self._room = self._room, None
        if room is not None:
            room.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _in_taken_formats(self, request: ChatRequest) -> ChatRequest:
        """The request with every picture in a format that the API takes, where the model takes any."""
        if "image_url" in self._dialect.refuses or not shows_other_formats(request):
            return request
        from seatrial.providers.picture_formats import with_taken_formats
        from seatrial.providers.picture_room import PictureRoom

        if self._room is None:
            self._room = PictureRoom()
        return await with_taken_formats(request, self._room)

    def _wait_s(self, error: SeatrialError, number: int) -> float | None:
        if self._retries is None:
            return None
        return self._retries.wait_s(number, getattr(error, "retry_after_s", None), self._rng)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._max_connections),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=None, connect=self._timeouts.connect_s),
            )
        return self._session


def _endpoint(base_url: str, path: str, name: str) -> str:
    try:
        parts = urlsplit(base_url)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        has_host = False
    if not has_host or parts.scheme not in ("http", "https"):
        raise UsageError(f"The address of `{name}` is not one of a server. It looks like `http://host:port/v1`.")
    if parts.username is not None:
        raise UsageError(f"The address of `{name}` holds a user name. Keys do not belong into an address.")
    root = parts.path.rstrip("/").removesuffix("/chat/completions")
    return urlunsplit((parts.scheme, parts.netloc, root + path, parts.query, ""))


def _headers(api_key: str | None, name: str) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json",
        "Accept": "text/event-stream, application/json",
        "Accept-Encoding": "identity",
        "User-Agent": f"seatrial/{__version__}",
    }
    if api_key:
        if not (api_key.isascii() and api_key.isprintable()) or " " in api_key:
            raise UsageError(f"The API key for `{name}` holds characters that no key has. Copy it again.")
        headers["Authorization"] = f"Bearer {api_key}"
    return headers
