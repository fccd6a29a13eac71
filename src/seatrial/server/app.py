"""The ASGI application, which any ASGI server can run: every request becomes an `Exchange`.

In: routes, and what stands around them (keys, limits, metrics, log). `drain` and `end_all` are for the process around
the application.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable

from seatrial.server.access import Access
from seatrial.server.access_log import AccessLog
from seatrial.server.asgi import Receive, Scope, Send
from seatrial.server.exchange import Bounds, Exchange, Shared, shutting_down
from seatrial.server.http import Route
from seatrial.server.limits import Allowances, BodyRoom, Queue
from seatrial.server.metrics import Metrics
from seatrial.server.readiness import Readiness
from seatrial.server.routing import RouteTable

_UNBOUNDED = 1 << 30


class Application:
    """See the module. `new_id` makes request ids where clients bring none; `clock` is monotonic."""

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        access: Access | None = None,
        bounds: Bounds | None = None,
        queue: Queue | None = None,
        bodies: BodyRoom | None = None,
        metrics: Metrics | None = None,
        log: AccessLog | None = None,
        readiness: Readiness | None = None,
        clock: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = lambda: f"req_{secrets.token_hex(16)}",
    ) -> None:
        self._shared = Shared(
            table=RouteTable(routes),
            access=access or Access(),
            bounds=bounds or Bounds(),
            queue=queue or Queue(_UNBOUNDED, 0),
            bodies=bodies or BodyRoom(),
            metrics=metrics or Metrics(),
            log=log,
            allowances=Allowances(clock),
            clock=clock,
            new_id=new_id,
            readiness=readiness or Readiness(),
        )
        self._live: set[Exchange] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await _decline(scope, receive, send)
        exchange = Exchange(self._shared, scope, receive, send)
        self._live.add(exchange)
        self._idle.clear()
        try:
            await exchange.run()
        finally:
            self._live.discard(exchange)
            if not self._live:
                self._idle.set()
        return None

    @property
    def readiness(self) -> Readiness:
        """Whether requests are answered, open routes excepted."""
        return self._shared.readiness

    async def drain(self) -> None:
        """Turn new requests away, and return when those that run have ended."""
        self.readiness.reason = "The server is shutting down."
        await self._idle.wait()

    def end_all(self) -> None:
        """End what runs: streams with an error event, others with a 503."""
        for exchange in tuple(self._live):
            exchange.watch.end(shutting_down())


async def _decline(scope: Scope, receive: Receive, send: Send) -> None:
    """Web sockets are closed; a server's start and end need nothing here."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
    elif scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
