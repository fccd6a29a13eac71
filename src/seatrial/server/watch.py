"""Ends a request early: its client left, its time is up, its key was revoked, the server stops.

In: the task that answers, and the ASGI `receive`. What ends early is cancelled, and `why` says what for. Most requests
are over before anybody looks: the first look costs one timer, and only then a task listens for the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from seatrial.server.asgi import Receive
from seatrial.server.errors import Failure

_FIRST_LOOK_S = 0.01
_KEY_LOOK_S = 0.5


class Watch:
    """Watches over the current task. `close` it before the last byte is sent.

    `timeout_s` bounds the time without progress: since the start, or since `progressed` was called last. `is_valid`
    says whether the request's key still holds, None where there is none.
    """

    __slots__ = ("_handle", "_is_valid", "_listener", "_loop", "_moved_s", "_receive", "_timeout_s", "task", "why")

    def __init__(self, timeout_s: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.why: Failure | None = None
        self.task: asyncio.Task[Any] = task
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._moved_s = self._loop.time()
        self._is_valid: Callable[[], bool] | None = None
        self._receive: Receive | None = None
        self._listener: asyncio.Task[None] | None = None
        self._handle: asyncio.TimerHandle | None = self._loop.call_later(_FIRST_LOOK_S, self._look)

    def listen(self, receive: Receive) -> None:
        """From now on nothing is expected from the client but its leaving."""
        self._receive = receive

    def hold_key(self, is_valid: Callable[[], bool]) -> None:
        """Ask this now and then while the request lasts."""
        self._is_valid = is_valid

    def progressed(self) -> None:
        """The request went on; its time starts anew."""
        self._moved_s = self._loop.time()

    def end(self, why: Failure) -> None:
        """End the request, unless it is over or ending already."""
        if self.why is None and self._handle is not None:
            self.why = why
            self.task.cancel()

    def close(self) -> None:
        """Watch no more. Safe to call twice."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.cancel()
        if self._listener is not None:
            self._listener.cancel()

    def _look(self) -> None:
        left_s = self._moved_s + self._timeout_s - self._loop.time()
        if left_s <= 0:
            self.end(self._out_of_time())
        elif self._is_valid is not None and not self._is_valid():
            self.end(Failure(401, "The API key was revoked.", code="invalid_api_key"))
        elif self._receive is None:  # the body is still coming
            self._handle = self._loop.call_later(min(left_s, _FIRST_LOOK_S * 5), self._look)
        else:
            if self._listener is None:
                self._listener = self._loop.create_task(self._listen(self._receive))
            wait_s = left_s if self._is_valid is None else min(left_s, _KEY_LOOK_S)
            self._handle = self._loop.call_later(wait_s, self._look)

    def _out_of_time(self) -> Failure:
        allowed = f"{self._timeout_s:g} seconds without progress"
        if self._receive is None:
            return Failure(408, f"The request's body did not come: {allowed} are allowed.", code="timeout")
        return Failure(504, f"The request took too long: this server allows {allowed}.", "api_error", "timeout")

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.end(client_left())


def client_left() -> Failure:
    """What the log says of a request whose client did not wait for the answer."""
    return Failure(499, "The client closed the connection.", "api_error", "client_left")
