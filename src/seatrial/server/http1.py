"""HTTP/1.1 (RFC 9112) over the sockets of one event loop: bytes in, ASGI calls out, replies back as bytes.

In: an ASGI application, and where to listen. Parsing is llhttp's, through httptools; this module holds what stands
around it: one request after another on each connection, bodies and replies that wait for each other, and an end to
connections that say nothing. A client that leaves is seen at once, whatever its request is doing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote

import httptools

from seatrial.server.asgi import ASGIApp, Message

Refuse = Callable[[int, str], bytes]
"""The body, as JSON, of a reply to what is no request."""

MAX_HEAD_BYTES = 65_536
_MAX_HEADERS = 256
_MAX_UNREAD_BYTES = 65_536
_MAX_UNSENT_BYTES = 65_536
_SWEEP_S = 5.0
_LOOK_S = 0.02

_log = logging.getLogger(__name__)

_ASGI = {"version": "3.0", "spec_version": "2.3"}
_STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_WITHOUT_BODY = frozenset({204, 304})
_DISCONNECTED: Message = {"type": "http.disconnect"}


class Listener:
    """The connections of one application. `idle_s` is how long one may take to say what it wants."""

    def __init__(self, app: ASGIApp, refuse: Refuse, *, idle_s: float = 75.0) -> None:
        self.app, self.refuse = app, refuse
        self.loop = asyncio.get_running_loop()
        self.connections: set[Connection] = set()
        self.is_stopping = False
        self.now = b""
        self._second = 0
        self._idle_s = idle_s
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int | None:
        """Where it listens; None before it does."""
        return self._server.sockets[0].getsockname()[1] if self._server is not None else None

    async def listen(self, host: str, port: int, backlog: int) -> None:
        """Take connections from now on. Raises OSError where the address is taken."""
        self._server = await self.loop.create_server(lambda: Connection(self), host, port, backlog=backlog)
        self._sweep()

    async def close(self, patience_s: float) -> None:
        """Take no more connections, close idle ones, let the others end their reply, and drop what is left then."""
        self.is_stopping = True
        if self._server is not None:
            self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in tuple(self.connections):
            if connection.is_idle:
                connection.close()
        ends_s = self.loop.time() + patience_s
        while self.connections and self.loop.time() < ends_s:
            await asyncio.sleep(_LOOK_S)
        for connection in tuple(self.connections):
            connection.abort()

    def date(self) -> bytes:
        """The `date` header's line (RFC 9110, section 6.6.1)."""
        second = int(time.time())
        if second != self._second:
            self._second, self.now = second, b"date: %b\r\n" % formatdate(second, usegmt=True).encode()
        return self.now

    def _sweep(self) -> None:
        oldest = self.loop.time() - self._idle_s
        for connection in tuple(self.connections):
            if connection.is_idle and connection.quiet_since < oldest:
                connection.close()
        self._sweeper = self.loop.call_later(_SWEEP_S, self._sweep)


class Connection(asyncio.Protocol):
    """One client's connection. It answers one request at a time, in the order in which they came."""

    __slots__ = (
        "_current",
        "_head_bytes",
        "_headers",
        "_is_in_head",
        "_listener",
        "_name",
        "_parser",
        "_peer",
        "_reading",
        "_resumed",
        "_size",
        "_target",
        "_waiting",
        "is_paused",
        "quiet_since",
        "transport",
    )

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._parser = httptools.HttpRequestParser(self)
        self._current: _Exchange | None = None  # being answered
        self._reading: _Exchange | None = None  # whose body is coming
        self._waiting: deque[_Exchange] = deque()
        self._headers: list[tuple[bytes, bytes]] = []
        self._target = b""
        self._head_bytes = 0  # that came, of a head that is not whole
        self._size = 0  # of a head as it was read
        self._is_in_head = True
        self._resumed: asyncio.Future[None] | None = None
        self.is_paused = False
        self.quiet_since = listener.loop.time()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being answered."""
        return self._current is None

    def close(self) -> None:
        """Close when what was written has left."""
        self.transport.close()

    def abort(self) -> None:
        """Close now."""
        self.transport.abort()

    def hold(self) -> None:
        """Read nothing for now."""
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        if not self.transport.is_closing():
            self.transport.resume_reading()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_MAX_UNSENT_BYTES)
        self._peer = _address(transport.get_extra_info("peername"))
        self._name = _address(transport.get_extra_info("sockname"))
        self._listener.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left, or was left."""
        self._listener.connections.discard(self)
        self._waiting.clear()
        self.resume_writing()
        for exchange in (self._current, self._reading):
            if exchange is not None:
                exchange.leave()

    def data_received(self, data: bytes) -> None:
        """The client said something."""
        if self._is_in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # HTTP/1.1 is all that is spoken here: what asks for another protocol is answered as if it had not.
            if self._reading is not None:
                self.on_message_complete()
            self._end_of_requests()
        except httptools.HttpParserError as error:
            refused = error.__context__ if isinstance(error.__context__, _Refused) else None
            status, why = (refused.status, refused.why) if refused else (400, "This is not an HTTP/1.1 request.")
            self._refuse(status, why)
        else:
            if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES:
                too_large = _too_large()
                self._refuse(too_large.status, too_large.why)

    def pause_writing(self) -> None:
        """The client does not read."""
        self.is_paused = True

    def resume_writing(self) -> None:
        """The client reads again."""
        self.is_paused = False
        resumed, self._resumed = self._resumed, None
        if resumed is not None and not resumed.done():
            resumed.set_result(None)

    async def writable(self) -> None:
        """Return when the client reads again, or has left."""
        if self._resumed is None:
            self._resumed = self._listener.loop.create_future()
        await asyncio.shield(self._resumed)

    # What the parser calls

    def on_message_begin(self) -> None:
        """A request begins."""
        self._headers, self._target, self._is_in_head, self._size = [], b"", True, 0

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        self._target += url
        self._grow(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header. Raises where there are too many."""
        if len(self._headers) == _MAX_HEADERS:
            raise _Refused(431, f"The request has more than {_MAX_HEADERS} headers.")
        self._grow(len(name) + len(value))
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The body comes next: the request can begin."""
        self._is_in_head, self._head_bytes = False, 0
        exchange = _Exchange(self, self._scope(), self._parser.should_keep_alive())
        self._reading = exchange
        if self._current is None:
            self._start(exchange)
        else:
            self._waiting.append(exchange)
            self.hold()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        assert self._reading is not None
        self._reading.take(body)

    def on_message_complete(self) -> None:
        """The body is whole."""
        exchange, self._reading = self._reading, None
        self._is_in_head = True
        if exchange is not None:
            exchange.take_end()

    def _grow(self, num_bytes: int) -> None:
        self._size += num_bytes
        if self._size > MAX_HEAD_BYTES:
            raise _too_large()

    def _scope(self) -> dict[str, Any]:
        target, parser = self._target, self._parser
        if not target.startswith(b"/"):
            target = _path_of(target)
        raw_path, _, query = target.partition(b"?")
        path = raw_path.decode("latin-1")
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": parser.get_http_version(),
            "method": parser.get_method().decode("latin-1"),
            "scheme": "http",
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self._headers,
            "client": self._peer,
            "server": self._name,
        }

    def _start(self, exchange: _Exchange) -> None:
        self._current = exchange
        exchange.task = self._listener.loop.create_task(exchange.run(self._listener.app))

    def over(self, exchange: _Exchange, *, keeps_alive: bool) -> None:
        """The application is done with a request: the next, or the end."""
        self._current = None
        self.quiet_since = self._listener.loop.time()
        if not keeps_alive or self._listener.is_stopping:
            self._waiting.clear()
            self.transport.close()
        elif self._waiting:
            self._start(self._waiting.popleft())
            if not self._waiting:
                self.go_on()

    def _refuse(self, status: int, why: str) -> None:
        """Say what is wrong, where no reply is being written, and close."""
        if self._current is None:
            body = self._listener.refuse(status, why)
            self.transport.write(
                b"%bcontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
                % (_STATUS_LINES[status], len(body), body)
            )
        self._end_of_requests()

    def _end_of_requests(self) -> None:
        """Read no more; what is being answered is answered."""
        if self._reading is not None:
            self._reading.leave()
        if self._current is None:
            self.transport.close()
        else:
            self._current.keeps_alive = False
            self.hold()

    def reply_head(self, status: int, headers: list[tuple[bytes, bytes]], framing: bytes) -> bytes:
        """Status line and headers. Raises ValueError for a header that would end its line."""
        lines = [_STATUS_LINES[status]]
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
        lines += (self._listener.date(), framing, b"\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(headers) + 3 + framing.count(b"\n"):
            raise ValueError("A header holds a line break.")
        return head


class _Exchange:
    """A request and its reply, as an ASGI application sees them."""

    __slots__ = (
        "_awaited",
        "_body",
        "_connection",
        "_expects_continue",
        "_framing",
        "_head",
        "_is_taken",
        "_is_whole",
        "_num_unread",
        "_scope",
        "has_left",
        "is_replied",
        "keeps_alive",
        "task",
    )

    def __init__(self, connection: Connection, scope: dict[str, Any], keeps_alive: bool) -> None:
        self._connection, self._scope, self.keeps_alive = connection, scope, keeps_alive
        self._body: list[bytes] = []
        self._num_unread = 0
        self._is_whole = self._is_taken = self.has_left = self.is_replied = False
        self._awaited: asyncio.Future[None] | None = None
        self._head: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self._framing = _PLAIN
        self._expects_continue = (b"expect", b"100-continue") in scope["headers"]
        self.task: asyncio.Task[None] | None = None

    async def run(self, app: ASGIApp) -> None:
        """Let the application answer."""
        try:
            await app(self._scope, self.receive, self.send)
        except Exception:
            _log.exception("The application broke")
        finally:
            self._connection.over(self, keeps_alive=self.keeps_alive and self.is_replied and self._is_whole)

    def take(self, piece: bytes) -> None:
        """A piece of the body came."""
        self._body.append(piece)
        self._num_unread += len(piece)
        if self._num_unread > _MAX_UNREAD_BYTES:
            self._connection.hold()
        self._wake()

    def take_end(self) -> None:
        """The body is whole."""
        self._is_whole = True
        self._wake()

    def leave(self) -> None:
        """The client is gone."""
        self.has_left = True
        self._wake()

    async def receive(self) -> Message:
        """The body, then nothing until the client leaves."""
        if self._expects_continue and not (self._is_whole or self._head or self.is_replied or self.has_left):
            self._expects_continue = False
            self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not (self._body or (self._is_whole and not self._is_taken) or self.has_left):
            if self._is_taken and self.is_replied:
                return _DISCONNECTED
            await self._wait()
        if self.has_left:
            return _DISCONNECTED
        pieces, self._body = self._body, []
        if self._num_unread > _MAX_UNREAD_BYTES:
            self._connection.go_on()
        self._num_unread = 0
        self._is_taken = self._is_whole
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return {"type": "http.request", "body": body, "more_body": not self._is_whole}

    async def send(self, message: Message) -> None:
        """The reply: its head, then its body in one or more pieces. What comes after the client left is dropped."""
        if message["type"] == "http.response.start":
            self._head = message["status"], message["headers"]
            return
        if self.has_left or self.is_replied:
            return
        body: bytes = message.get("body", b"")
        is_last = not message.get("more_body", False)
        head = b""
        if self._head is not None:
            head, self._head = self._begin(*self._head, is_last, len(body)), None
        if self._framing is _CHUNKED:
            body = _chunk(body, is_last)
        elif self._framing is _NONE:
            body = b""
        self.is_replied = is_last
        connection = self._connection
        connection.transport.write(head + body if head else body)
        if is_last:
            self._wake()
        elif connection.is_paused:
            await connection.writable()

    def _begin(self, status: int, headers: list[tuple[bytes, bytes]], is_last: bool, num_bytes: int) -> bytes:
        """The head, with what it says of the body's length and of the connection."""
        names = {name for name, _ in headers}
        self.keeps_alive = self.keeps_alive and b"connection" not in names
        framing = b"" if self.keeps_alive else b"connection: close\r\n"
        if self._scope["method"] == "HEAD" or status in _WITHOUT_BODY:
            self._framing = _NONE
        elif b"content-length" in names:
            self._framing = _PLAIN
        elif is_last:
            framing += b"content-length: %d\r\n" % num_bytes
        elif self._scope["http_version"] == "1.1":
            self._framing = _CHUNKED
            framing += b"transfer-encoding: chunked\r\n"
        else:
            self.keeps_alive, framing = False, b"connection: close\r\n"
        return self._connection.reply_head(status, headers, framing)

    async def _wait(self) -> None:
        self._awaited = asyncio.get_running_loop().create_future()
        try:
            await self._awaited
        finally:
            self._awaited = None

    def _wake(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)


# How the end of a reply's body is told: by its length or the connection's end, in chunks, or not, as there is none.
_PLAIN, _CHUNKED, _NONE = "plain", "chunked", "none"


class _Refused(Exception):
    def __init__(self, status: int, why: str) -> None:
        self.status, self.why = status, why
        super().__init__(why)


def _too_large() -> _Refused:
    return _Refused(431, f"The request's head has more than {MAX_HEAD_BYTES:,} bytes.")


def _chunk(body: bytes, is_last: bool) -> bytes:
    if not is_last:
        return b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"


def _path_of(target: bytes) -> bytes:
    """The path and query of a target in another form than a path: absolute, or `*` (RFC 9112, section 3.2)."""
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError:
        return target
    return (url.path or b"/") + (b"?" + url.query if url.query else b"")


def _address(name: Any) -> tuple[str, int] | None:
    return (name[0], name[1]) if isinstance(name, tuple) else None
