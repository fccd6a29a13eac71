"""Drives an ASGI application in process: whole requests, streams read piece by piece, clients that leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answer:
    """What came back. `headers` have the last value of each name."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    header_list: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]


class Exchange:
    """A request that is being answered. `leave` is the client closing its connection."""

    def __init__(self, app: Any, scope: dict[str, Any], pieces: Iterable[bytes], *, body_stalls: bool) -> None:
        self.answer = Answer()
        self.num_body_pieces_taken = 0
        self.is_complete = False
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._written = asyncio.Event()
        self.may_write = asyncio.Event()
        self.may_write.set()
        pieces = list(pieces)
        for at, piece in enumerate(pieces):
            more = body_stalls or at < len(pieces) - 1
            self._events.put_nowait({"type": "http.request", "body": piece, "more_body": more})
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    def leave(self) -> None:
        self._events.put_nowait({"type": "http.disconnect"})

    async def begun(self) -> Answer:
        """The answer, as soon as its head is there."""
        while not self.answer.status:
            await self._next()
        return self.answer

    async def until(self, text: bytes) -> Answer:
        while text not in self.answer.body:
            await self._next()
        return self.answer

    async def done(self) -> Answer:
        await asyncio.wait_for(self.task, 10)
        return self.answer

    async def _next(self) -> None:
        self._written.clear()
        written = asyncio.create_task(self._written.wait())
        await asyncio.wait([written, self.task], timeout=10, return_when=asyncio.FIRST_COMPLETED)
        written.cancel()
        assert not self.task.done() or self._written.is_set(), self.task

    async def _receive(self) -> dict[str, Any]:
        event = await self._events.get()
        self.num_body_pieces_taken += event["type"] == "http.request"
        return event

    async def _send(self, message: dict[str, Any]) -> None:
        await self.may_write.wait()
        if message["type"] == "http.response.start":
            assert not self.answer.status, "two heads"
            self.answer.status = message["status"]
            self.answer.header_list = list(message["headers"])
            self.answer.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            assert self.answer.status, "a body without a head"
            assert not self.is_complete, "more after the end"
            self.answer.body += message.get("body", b"")
            self.is_complete = not message.get("more_body", False)
            if self.is_complete:
                self.leave()  # as servers do once a reply is written
        self._written.set()


def start(
    app: Any,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    *,
    pieces: Iterable[bytes] | None = None,
    body_stalls: bool = False,
) -> Exchange:
    """Begin a request. `body` is bytes, or a value for JSON; `pieces` send it in parts, without a length."""
    path, _, query = path.partition("?")
    sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    named = {"host": "localhost:8000"}
    if body is not None:
        named |= {"content-type": "application/json", "content-length": str(len(sent))}
    if pieces is not None:
        named |= {"content-type": "application/json", "transfer-encoding": "chunked"}
    named |= headers or {}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in named.items() if value is not None],
    }
    return Exchange(app, scope, [sent] if pieces is None else pieces, body_stalls=body_stalls)


async def request(app: Any, method: str, path: str, body: Any = None, headers: Any = None, **more: Any) -> Answer:
    """A request and its whole answer."""
    return await start(app, method, path, body, headers, **more).done()


@asynccontextmanager
async def streaming(app: Any, path: str, body: Any, headers: Any = None) -> AsyncIterator[Exchange]:
    """A request whose answer is still coming; the client leaves on the way out."""
    exchange = start(app, "POST", path, body, headers)
    try:
        yield exchange
    finally:
        if not exchange.task.done():
            exchange.leave()
        await exchange.done()
