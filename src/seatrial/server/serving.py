"""The process that serves: its socket, its event loop, its signals, and how it ends.

In: an application, and what has to be opened first and closed last. Requests are taken from the moment the port is
bound, and turned away with 503 until the models are loaded. The first SIGTERM or SIGINT lets what runs come to its end,
for a while; the second ends it at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from seatrial.errors import SeatrialError, UsageError
from seatrial.server import errors
from seatrial.server.asgi import Receive, Scope, Send
from seatrial.server.errors import Failure
from seatrial.server.http1 import Listener
from seatrial.server.readiness import Readiness

_log = logging.getLogger(__name__)

_BACKLOG = 2048
# How long ended requests may take to say so, and the last bytes to leave.
_LAST_WORDS_S = 2.0
_TEND_S = 10.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Address(NamedTuple):
    """Where a server listens. `host` is numeric."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def url(self) -> str:
        """For people on this machine: `0.0.0.0` and `::` are shown as the loopback address."""
        address = ipaddress.ip_address(self.host)
        if address.is_unspecified:
            return f"http://{'127.0.0.1' if address.version == 4 else '[::1]'}:{self.port}"
        return f"http://{f'[{self.host}]' if address.version == 6 else self.host}:{self.port}"


class Application(Protocol):
    """What is served: an ASGI application that can be told to come to its end."""

    @property
    def readiness(self) -> Readiness:
        """What keeps it from answering; set here while models are loaded."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        ...

    async def drain(self) -> None:
        """Turn new requests away, and return when those that run have ended."""
        ...

    def end_all(self) -> None:
        """End what runs."""
        ...


@dataclass(frozen=True, slots=True)
class Lifetime:
    """What happens around serving. `load` may raise: then nothing was served. `tend` is called
    now and then in a thread, and once at the end.
    """

    load: Callable[[], Coroutine[Any, Any, None]]
    on_ready: Callable[[], None]
    close: Callable[[], Coroutine[Any, Any, None]]
    tend: Callable[[], None] = lambda: None
    drain_s: float = 30.0


def resolve(host: str, port: int) -> Address:
    """The address to listen at, which is free now; port 0 stands for any. Raises UsageError saying why it cannot be."""
    if not 0 <= port <= 65535:
        raise UsageError(f"`--port` is {port}; a port is from 1 to 65535.")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise UsageError(
            f"`--host {host}` is no address or name of this machine. Try 127.0.0.1, or 0.0.0.0 for all."
        ) from None
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            raise _cannot_listen(error, host, port) from None
        bound = probe.getsockname()
        return Address(str(bound[0]).partition("%")[0], int(bound[1]))


def run(app: Application, address: Address, lifetime: Lifetime) -> None:
    """Serve until a signal comes. Raises what `load` raises, UsageError where the port was taken meanwhile."""
    _allow_many_connections()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(app, address, lifetime))


async def _serve(app: Application, address: Address, lifetime: Lifetime) -> None:
    first, second = asyncio.Event(), asyncio.Event()
    _on_signals(first, second)
    listener = Listener(app, _refusal)
    try:
        await listener.listen(address.host, address.port, _BACKLOG)
    except OSError as error:
        raise _cannot_listen(error, address.host, address.port) from None
    app.readiness.reason = "The models are being loaded."
    try:
        if await _first_of(asyncio.create_task(lifetime.load()), first):
            app.readiness.reason = None
            lifetime.on_ready()
            await _first_of(asyncio.create_task(_tend(lifetime.tend)), first)
            await _drain(app, lifetime.drain_s, second)
    finally:
        await listener.close(_LAST_WORDS_S)
        await lifetime.close()
        await asyncio.to_thread(lifetime.tend)


async def _first_of(work: asyncio.Task[None], stop: asyncio.Event) -> bool:
    """Whether `work` came to its end before `stop`. Raises what `work` raises."""
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
            return True
        return False
    finally:
        stopped.cancel()
        work.cancel()


async def _drain(app: Application, drain_s: float, hurry: asyncio.Event) -> None:
    """Let what runs come to its end, for `drain_s` or until somebody is in a hurry; then end it."""
    drained, hurried = asyncio.create_task(app.drain()), asyncio.create_task(hurry.wait())
    await asyncio.wait([drained, hurried], timeout=drain_s, return_when=asyncio.FIRST_COMPLETED)
    if not drained.done():
        app.end_all()
        await asyncio.wait([drained], timeout=_LAST_WORDS_S)
    for task in (drained, hurried):
        task.cancel()


async def _tend(tend: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(_TEND_S)
        try:
            await asyncio.to_thread(tend)
        except SeatrialError as error:
            _log.warning("%s", error)


def _refusal(status: int, why: str) -> bytes:
    return errors.body(Failure(status, why, code="malformed_request"))


def _on_signals(first: asyncio.Event, second: asyncio.Event) -> None:
    """The first signal sets `first`, another `second`; a third has its usual effect."""
    loop = asyncio.get_running_loop()

    def hear() -> None:
        if not first.is_set():
            first.set()
        else:
            second.set()
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_DFL)

    for number in _SIGNALS:
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
            loop.add_signal_handler(number, hear)


def _cannot_listen(error: OSError, host: str, port: int) -> UsageError:
    match error.errno:
        case errno.EADDRINUSE:
            return UsageError(
                f"Port {port} of {host} is in use. Give another with `--port`, or 0 for any that is free."
            )
        case errno.EACCES:
            return UsageError(f"Port {port} may not be opened by this user; those below 1024 are reserved. Try 8000.")
        case errno.EADDRNOTAVAIL:
            return UsageError(f"`--host {host}` is no address of this machine. Try 127.0.0.1, or 0.0.0.0 for all.")
        case _:
            return UsageError(f"{host}:{port} cannot be listened at: {error.strerror}.")


def _allow_many_connections() -> None:
    """Each connection is an open file; the limit that a shell sets is for programs with few."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not made for this platform
        return None
    return uvloop.new_event_loop
