"""One request to a server of the OpenAI API and its reply, from the first byte sent to the last byte read.

Owned by one `OpenAIProvider.stream` call, which asks again with a new `Attempt`. Comes in: an encoded body. Goes out:
events in batches as their bytes arrive, or one error from `errors.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp
import msgspec

from seatrial.chat import ChatEvent, Finished, FinishReason, TextDelta, Usage
from seatrial.errors import (
    BadReply,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    RequestRejected,
    SeatrialError,
)
from seatrial.providers.http_failures import bad_reply, failure_of, scrub, should_retry
from seatrial.providers.openai_reply import Chunk, decode_chunk, events_of, finish_of, usage_of
from seatrial.providers.sse import ReplyFrames

_ERROR_BODY_BYTES = 64 * 1024
_DRAIN_S = 0.2


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, seconds. `overall_s` spans one `stream` call with its retries; the others one attempt.

    `first_byte_s` runs from the sending of the request to the first byte of the answer's body, and is long because a
    reasoning model thinks before it speaks; `between_s` is the longest silence after that.
    """

    connect_s: float = 10.0
    first_byte_s: float = 300.0
    between_s: float = 60.0
    overall_s: float = 900.0


class Attempt:
    """`open`, then `read` until it returns nothing, then `finished` and `drain`; `close` at any time.

    `may_retry` says, after an error, whether asking again may help. `num_logprobs` is the request's.
    """

    def __init__(
        self, name: str, api_key: str | None, timeouts: Timeouts, max_event_bytes: int, num_logprobs: int | None = None
    ) -> None:
        self.may_retry = False
        self._name = name
        self._api_key = api_key
        self._num_logprobs = num_logprobs
        self._num_texts = 0
        self._num_scores = 0
        self._timeouts = timeouts
        self._frames = ReplyFrames(max_event_bytes)
        self._watch: _Watch | None = None
        self._response: aiohttp.ClientResponse | None = None
        self._reason: FinishReason | None = None
        self._usage: Usage | None = None
        self._is_done = False
        self._error: SeatrialError | None = None

    async def open(self, session: aiohttp.ClientSession, url: str, body: bytes, *, left_s: float) -> None:
        """Send the request and read the reply's head, in `left_s` at most for the reply as a whole.

        Raises the error that a status other than success stands for.
        """
        limit_s = min(self._timeouts.first_byte_s, left_s)
        watch = _Watch(self._timeouts, left_s)
        try:
            async with asyncio.timeout(limit_s):
                response = await session.post(url, data=body, allow_redirects=False)
        except aiohttp.ServerTimeoutError:
            self.may_retry = True
            limit_s = self._timeouts.connect_s
            raise ProviderUnavailable(f"`{self._name}` did not accept a connection in {limit_s:g} s.") from None
        except TimeoutError:
            raise ProviderTimeout(f"`{self._name}` did not begin to answer in {limit_s:.3g} s.") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._broken(error) from None
        self._response, self._watch = response, watch
        watch.start(response)
        if not 200 <= response.status < 300:
            raise await self._refused(response)

    async def read(self) -> list[ChatEvent]:
        """The next events, as soon as there are any; none at the end of the answer.

        What came before an error is handed out first, however the network packed the two.
        """
        if self._error is not None:
            raise self._error
        events: list[ChatEvent] = []
        try:
            while not (events or self._is_done):
                data = await self._receive()
                for payload in self._frames.feed(data) if data else self._frames.end():
                    self._take(payload, events)
                if not data:
                    self._end()
        except SeatrialError as error:
            self._error = bad_reply(error, self._name) if isinstance(error, BadReply) else error
            if not events:
                raise self._error from None
        return events

    def finished(self, number: int) -> Finished:
        """The last event. A server that ends its answer properly but gives no reason is taken to have stopped.

        Raises BadReply where log-probabilities were asked for and none came.
        """
        if self._num_logprobs is not None and self._num_texts and not self._num_scores:
            raise BadReply(f"`{self._name}` gave no log-probabilities, which it was asked for. Ask without `logprobs`.")
        return Finished(self._reason or "stop", self._usage, number)

    async def drain(self) -> None:
        """Give the server a moment to end its reply, so that the connection can be used again."""
        if self._response is None or self._response.content.at_eof():
            return
        try:
            async with asyncio.timeout(_DRAIN_S):
                while await self._response.content.readany():
                    pass
        except (TimeoutError, aiohttp.ClientError, OSError):
            return

    def close(self) -> None:
        """Let go of the connection; it is closed unless the reply has been read to its end."""
        if self._watch is not None:
            self._watch.stop()
        response, self._response = self._response, None
        if response is not None and not response.content.at_eof():
            response.close()

    async def _receive(self) -> bytes:
        """The next bytes of the body; none at its end, or where the connection broke after a complete answer."""
        assert self._response is not None
        assert self._watch is not None
        self._watch.wait()
        try:
            data = await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            if self._reason is not None:
                return b""
            if self._watch.expired:
                raise ProviderTimeout(f"`{self._name}` {self._watch.expired}.") from None
            raise self._broken(error) from None
        self._watch.hear()
        return data

    def _take(self, payload: bytes, events: list[ChatEvent]) -> None:
        if self._is_done or not payload:
            return
        if payload == b"[DONE]":
            self._is_done = True
            return
        chunk = decode_chunk(payload)
        if chunk.error:
            raise self._failure_in_stream(chunk)
        for found in events_of(chunk, num_logprobs=self._num_logprobs):
            if isinstance(found, TextDelta):
                self._num_texts += 1
                self._num_scores += len(found.scores)
            events.append(found)
        self._reason = finish_of(chunk) or self._reason
        self._usage = usage_of(chunk) or self._usage

    def _end(self) -> None:
        if self._reason is None and not (self._is_done or self._frames.is_plain):
            raise BadReply("The stream was cut before the answer's end.")
        self._is_done = True

    def _failure_in_stream(self, chunk: Chunk) -> SeatrialError:
        body = msgspec.json.encode({"error": chunk.error})
        failure = failure_of(200, body, {}, name=self._name, api_key=self._api_key)
        if isinstance(failure, ProviderError):
            self.may_retry = should_retry(failure.status or 500, {}, failure.code)
        return failure

    async def _refused(self, response: aiohttp.ClientResponse) -> SeatrialError:
        if response.status < 400:
            place = scrub(response.headers.get("location", "nowhere"), self._api_key)
            text = f"`{self._name}` redirects ({response.status}) to {place}. Use that address."
            return RequestRejected(text, status=response.status)
        body = b""
        try:
            while len(body) < _ERROR_BODY_BYTES and (data := await self._receive()):
                body += data
        except ProviderError:
            pass  # the status alone says what happened
        failure = failure_of(response.status, body, response.headers, name=self._name, api_key=self._api_key)
        code = failure.code if isinstance(failure, ProviderError) else None
        self.may_retry = should_retry(response.status, response.headers, code)
        return failure

    def _broken(self, error: Exception) -> ProviderError:
        """What a connection that could not be made, or broke, means."""
        self.may_retry = not isinstance(error, aiohttp.ClientSSLError)
        reason = scrub(str(error), self._api_key) or type(error).__name__
        if isinstance(error, aiohttp.ClientPayloadError):
            return BadReply("The reply was cut off in the middle.")
        if isinstance(error, aiohttp.ClientResponseError):
            return BadReply(f"`{self._name}` sent a reply that is not HTTP: {reason}.")
        if isinstance(error, aiohttp.ClientConnectorError):
            return ProviderUnavailable(f"`{self._name}` cannot be reached: {reason}.")
        return ProviderUnavailable(f"`{self._name}` closed the connection: {reason}.")


class _Watch:
    """Closes a response that has been silent for too long, or has taken too long as a whole.

    One timer serves all reads: it looks when it fires how long the silence has been, and goes off again at the
    earliest moment that could be too late. The consumer's own time between reads is no silence.
    """

    __slots__ = (
        "_deadline",
        "_has_heard",
        "_is_waiting",
        "_loop",
        "_response",
        "_since",
        "_timeouts",
        "_timer",
        "expired",
    )

    def __init__(self, timeouts: Timeouts, left_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeouts = timeouts
        self._since = self._loop.time()
        self._deadline = self._since + left_s
        self._has_heard = False
        self._is_waiting = False
        self._timer: asyncio.TimerHandle | None = None
        self._response: aiohttp.ClientResponse | None = None
        self.expired = ""

    def start(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._look()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._response = None

    def wait(self) -> None:
        self._is_waiting = True
        if self._has_heard:
            self._since = self._loop.time()

    def hear(self) -> None:
        self._is_waiting = False
        self._has_heard = True

    def _look(self) -> None:
        now = self._loop.time()
        limits, shortest_s = self._timeouts, min(self._timeouts.between_s, self._timeouts.first_byte_s)
        silence_s = limits.between_s if self._has_heard else limits.first_byte_s
        if now >= self._deadline:
            self._expire(f"did not end its answer in {limits.overall_s:g} s")
        elif self._is_waiting and now >= self._since + silence_s:
            what = "sent nothing more" if self._has_heard else "did not begin to answer"
            self._expire(f"{what} in {silence_s:g} s")
        else:
            due = self._since + silence_s if self._is_waiting else now + shortest_s
            self._timer = self._loop.call_at(min(due, now + shortest_s, self._deadline), self._look)

    def _expire(self, reason: str) -> None:
        self.expired = reason
        if self._response is not None:
            self._response.close()
