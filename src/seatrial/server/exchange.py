"""One request and its answer, from its headers to the last byte of the reply.

    route -> ready? -> who is it -> may it -> body -> endpoint (watched) -> reply or stream -> counts and log

In: an ASGI scope with its two ends. Whatever fails on the way becomes an error reply of the contract's shape; in
mid-stream, an error event.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from seatrial.errors import BadReply, SeatrialError
from seatrial.server import errors, request_body
from seatrial.server.access import Access
from seatrial.server.access_log import AccessLog
from seatrial.server.asgi import Receive, Scope, Send
from seatrial.server.errors import Failure
from seatrial.server.http import JSON, Call, Endpoint, Header, Reply, Streamed, Tally
from seatrial.server.limits import Allowance, Allowances, BodyRoom, Queue
from seatrial.server.metrics import UNMATCHED, Metrics
from seatrial.server.readiness import Readiness
from seatrial.server.routing import Found, RouteTable
from seatrial.server.watch import Watch

_log = logging.getLogger(__name__)

OPENAI_VERSION = b"2020-10-01"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_EVERY_REPLY: tuple[Header, ...] = (
    (b"openai-version", OPENAI_VERSION),
    (b"x-content-type-options", b"nosniff"),
    (b"server", b"seatrial"),
)
# Of a key that has limits, these are told alone: an upstream's besides would read as if they were the same ones.
_OF_LIMITS = b"x-ratelimit-"
_STREAM_HEADERS: tuple[Header, ...] = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
_STOPPED_RETRY_S = 5.0
_LAST_WORD_S = 1.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one request may take: bytes of its body, and seconds without progress."""

    max_body_bytes: int = 20_000_000
    timeout_s: float = 600.0


@dataclass(slots=True)
class Shared:
    """What all exchanges of a server share. `clock` is monotonic; `new_id` makes ids where clients bring none."""

    table: RouteTable
    access: Access
    bounds: Bounds
    queue: Queue
    bodies: BodyRoom
    metrics: Metrics
    log: AccessLog | None
    allowances: Allowances
    clock: Callable[[], float]
    new_id: Callable[[], str]
    readiness: Readiness


class Exchange:
    """One request and its answer."""

    def __init__(self, shared: Shared, scope: Scope, receive: Receive, send: Send) -> None:
        self.shared, self.scope, self.receive, self.send = shared, scope, receive, send
        self.arrived_s = shared.clock()
        self.watch = Watch(shared.bounds.timeout_s)
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.method: str = scope["method"]
        raw_path: bytes | None = scope.get("raw_path")
        self.path = raw_path.decode("latin-1") if raw_path else scope["path"]
        brought = self.headers.get("x-request-id")
        self.request_id = brought if brought is not None and _REQUEST_ID.fullmatch(brought) else shared.new_id()
        self.route = UNMATCHED
        self.tally = Tally()
        self.body = b""
        self.place = shared.bodies.place()
        self.key_id: str | None = None
        self.allowance: Allowance | None = None
        self.in_queue = self.body_left = self.has_begun = self.is_charged = False
        self.status = 0

    async def run(self) -> None:
        """Answer the request, and account for it."""
        self.shared.metrics.num_in_flight += 1
        try:
            reply = await self._reply()
            if isinstance(reply, Streamed):
                await self._stream(reply)
            else:
                await self._whole(reply)
        except asyncio.CancelledError:
            if self.watch.why is None:
                raise
            self.watch.task.uncancel()
            await self._cut_short(self.watch.why)
        finally:
            self._over()
        if self.body_left:
            await request_body.discard(self.receive)

    async def _reply(self) -> Reply | Streamed:
        try:
            found, endpoint = self._route()
            if endpoint is None:
                return self._preflight(found)
            return await endpoint(await self._call(found))
        except Exception as error:
            return self._failed(error)

    def _route(self) -> tuple[Found, Endpoint | None]:
        """What answers. No endpoint: a browser asks whether it may. Raises Failure for everybody who may not."""
        shared, headers = self.shared, self.headers
        self.body_left = self.method not in ("GET", "HEAD", "OPTIONS") and _has_body(headers)
        shared.access.check_caller(headers)
        found = shared.table.find(self.path)
        if found is None:
            raise Failure(404, f"Unknown request URL: {self.method} {self.path[:200]}.", code="unknown_url")
        self.route = found.path
        route = found.by_method.get("GET" if self.method == "HEAD" else self.method)
        if route is None:
            if self.method == "OPTIONS":
                return found, None
            raise _wrong_method(self.method, found)
        if not route.is_open:
            shared.readiness.check()
        key = None if route.is_open else shared.access.key_of(headers)
        if key is not None:
            self.key_id = key.id
            self.watch.hold_key(lambda: shared.access.still_holds(key))
            self.allowance = shared.allowances.of(key.id, key.requests_per_minute, key.tokens_per_minute)
        if route.is_generation:
            shared.queue.enter()
            self.in_queue = True
            if self.allowance is not None:
                self.allowance.take()
        return found, route.endpoint

    async def _call(self, found: Found) -> Call:
        if self.method == "POST":
            max_bytes = self.shared.bounds.max_body_bytes
            if self.body_left:
                self.place.hold(request_body.check(self.headers, max_bytes))
            self.body = await request_body.read(self.receive, max_bytes, self.place.hold, self.watch.progressed)
            self.body_left = False
        self.watch.listen(self.receive)
        query = self.scope.get("query_string")
        return Call(
            method="GET" if self.method == "HEAD" else self.method,
            path=self.path,
            request_id=self.request_id,
            body=self.body,
            query=dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)) if query else {},
            headers=self.headers,
            path_values=found.values,
            key_id=self.key_id,
            arrived_s=self.arrived_s,
            tally=self.tally,
            place=self.place,
        )

    def _preflight(self, found: Found) -> Reply:
        reply = self.shared.access.preflight(self.headers)
        if reply is None:
            raise _wrong_method("OPTIONS", found)
        return reply

    def _failed(self, error: Exception) -> Reply:
        failure = self.watch.why or errors.failure_of(error)
        if failure.status >= 500 and not isinstance(error, Failure):
            _log.error("%s %s %s: %s", self.request_id, self.method, self.route, _described(error))
        return Reply(errors.body(failure), failure.status, JSON, errors.headers(failure))

    async def _whole(self, reply: Reply) -> None:
        if reply.status == 499:
            self.status, self.body_left = 499, False
            return
        self.watch.close()
        self._charge()
        body = reply.body
        lead = (b"content-type", reply.media_type), (b"content-length", b"%d" % len(body))
        await self._begin(reply.status, lead if reply.status != 204 else (), reply.headers)
        await self.send({"type": "http.response.body", "body": b"" if self.method == "HEAD" else body})

    async def _stream(self, streamed: Streamed) -> None:
        """Write pieces as they come. What fails before the first of them is still a whole reply with its status."""
        pieces, send, progressed = streamed.pieces, self.send, self.watch.progressed
        try:
            try:
                piece = await anext(pieces, b"")
            except Exception as error:
                return await self._whole(self._failed(error))
            await self._begin(200, ((b"content-type", streamed.media_type), *_STREAM_HEADERS), streamed.headers)
            self.shared.metrics.first_piece(self.route, self.shared.clock() - self.arrived_s)
            try:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                async for piece in pieces:
                    progressed()
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = b""
            except Exception as error:
                piece = b"data: " + self._failed(error).body + b"\n\n"
        finally:
            await pieces.aclose()
        self.watch.close()
        return await self._end_stream(piece)

    async def _cut_short(self, why: Failure) -> None:
        """End a request that the watch has cancelled."""
        if why.status == 499:
            self.status = 499
        elif not self.has_begun:
            await self._whole(self._failed(why))
        else:
            with contextlib.suppress(TimeoutError):  # a client that does not read is not told
                async with asyncio.timeout(_LAST_WORD_S):
                    await self._end_stream(b"data: " + errors.body(why) + b"\n\n")

    async def _end_stream(self, last: bytes) -> None:
        if last:
            await self.send({"type": "http.response.body", "body": last, "more_body": True})
        await self.send({"type": "http.response.body", "body": b""})

    async def _begin(self, status: int, lead: tuple[Header, ...], others: tuple[Header, ...]) -> None:
        self.status, self.has_begun = status, True
        spent_ms = int((self.shared.clock() - self.arrived_s) * 1000)
        headers: list[Header] = [
            *lead,
            (b"x-request-id", self.request_id.encode("ascii")),
            (b"openai-processing-ms", b"%d" % spent_ms),
            *_EVERY_REPLY,
            *self.shared.access.cors(self.headers),
        ]
        if self.allowance is not None:
            headers += self.allowance.headers()
            others = tuple(header for header in others if not header[0].startswith(_OF_LIMITS))
        if others:
            ours = {name for name, _ in headers}
            headers += (header for header in others if header[0] not in ours)
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    def _charge(self) -> None:
        """Count the tokens, once: before the headers of a whole reply, at the end of a stream."""
        usage = self.tally.usage
        if usage is not None and not self.is_charged:
            self.is_charged = True
            if self.allowance is not None:
                self.allowance.charge(usage)
            self.shared.metrics.used(self.tally.model or UNMATCHED, usage)

    def _over(self) -> None:
        self.watch.close()
        self._charge()
        shared = self.shared
        if self.in_queue:
            shared.queue.leave()
        self.place.leave()
        shared.metrics.num_in_flight -= 1
        seconds = shared.clock() - self.arrived_s
        shared.metrics.ended(self.method if self.route != UNMATCHED else "", self.route, self.status, seconds)
        if shared.log is not None:
            shared.log.add(
                request_id=self.request_id,
                key=self.key_id,
                method=self.method,
                path=self.path,
                model=self.tally.model,
                status=self.status,
                seconds=seconds,
                usage=self.tally.usage,
                body=self.body,
            )


def shutting_down() -> Failure:
    """What a request is told that still runs when the server ends."""
    return Failure(503, "The server is shutting down.", "api_error", "shutting_down", retry_after_s=_STOPPED_RETRY_S)


def _wrong_method(method: str, found: Found) -> Failure:
    message = f"Not allowed to {method} on {found.path}. It answers {found.allow}."
    return Failure(405, message, code="method_not_allowed", headers={"allow": found.allow})


def _has_body(headers: Mapping[str, str]) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _described(error: Exception) -> str:
    """For the log: where it happened, and the message where it is one of ours and quotes nobody."""
    kind = type(error).__name__
    if isinstance(error, SeatrialError):
        return kind if isinstance(error, BadReply) else f"{kind}: {error}"
    return f"{kind}\n{''.join(traceback.format_tb(error.__traceback__))}"
