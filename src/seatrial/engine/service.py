"""The engine behind a thread, for asynchronous callers.

In: prompts with their parameters, from any event loop. Out: streams of gains. One worker thread owns the engine:
requests that arrive while it works join at the next step, and each step's gains cross to an event loop in one hop.
A stream that is closed early takes its answer out of the engine before the next step.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import logging
import queue
import threading
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seatrial.engine.grammar import Matcher
from seatrial.engine.loop import Engine
from seatrial.engine.metrics import EngineMetrics
from seatrial.engine.request import Gain, SamplingParams
from seatrial.errors import ProviderError, ProviderUnavailable, SeatrialError

if TYPE_CHECKING:
    from seatrial.models.pictures import PreparedPicture

_log = logging.getLogger(__name__)

# How long the worker waits for company after a first request has come to an idle engine.
_GATHER_S = 0.003
_PLAIN = SamplingParams()

_Event = Gain | SeatrialError


@dataclass(slots=True, eq=False)
class _Ticket:
    """One answer that somebody waits for, in an event loop of theirs. What arrived is touched by that loop alone.

    With `texts`, it is their vectors in place of an answer. `pictures` are the engine's once it has the prompt: each is
    tens of megabytes.
    """

    key: int
    prompt_ids: list[int]
    params: SamplingParams
    matcher: Matcher | None
    loop: asyncio.AbstractEventLoop
    texts: Sequence[list[int]] | None = None
    pictures: Sequence[PreparedPicture] = ()
    arrived: list[Gain] = field(default_factory=list)
    error: SeatrialError | None = None
    waiter: asyncio.Future[None] | None = None

    def arrive(self, event: _Event) -> None:
        """Keep an event, and wake who waits for it."""
        if isinstance(event, SeatrialError):
            self.error = event
        else:
            self.arrived.append(event)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def next_gains(self) -> list[Gain]:
        """Everything that has arrived since the last call, at least one; raises the error that came instead."""
        while not self.arrived:
            if self.error is not None:
                raise self.error
            self.waiter = self.loop.create_future()
            await self.waiter
        gains, self.arrived = self.arrived, []
        return gains


@dataclass(frozen=True, slots=True)
class _Cancel:
    key: int


class EngineService:
    """See the module. The worker starts with the first request."""

    def __init__(self, engine: Engine, *, name: str) -> None:
        self._engine, self._name = engine, name
        self._inbox: queue.SimpleQueue[_Ticket | _Cancel | None] = queue.SimpleQueue()
        self._keys = itertools.count()
        self._tickets: dict[int, _Ticket] = {}
        self._worker: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = False

    @property
    def metrics(self) -> EngineMetrics:
        """The engine's metrics; the queue counts what the worker has taken in."""
        return self._engine.metrics

    async def stream(
        self, prompt_ids: list[int], params: SamplingParams, pictures: Sequence[PreparedPicture] = ()
    ) -> AsyncGenerator[Gain]:
        """The gains of one answer, the last with `finish`. Raises as `batches`."""
        async with contextlib.aclosing(self.batches(prompt_ids, params, pictures)) as batches:
            async for gains in batches:
                for gain in gains:
                    yield gain

    async def batches(
        self, prompt_ids: list[int], params: SamplingParams, pictures: Sequence[PreparedPicture] = ()
    ) -> AsyncGenerator[list[Gain]]:
        """The gains of one answer, those that came together in one list; the last has `finish`.

        `pictures` as for `Engine.add`.

        Raises what `Engine.add` raises, and ProviderUnavailable where the service is closed before the answer is.
        """
        self._start()
        matcher = await asyncio.to_thread(self._engine.compile, params.constraint) if params.constraint else None
        loop = asyncio.get_running_loop()
        ticket = _Ticket(next(self._keys), prompt_ids, params, matcher, loop, pictures=pictures)
        del pictures
        async with contextlib.aclosing(self._follow(ticket)) as batches:
            async for gains in batches:
                yield gains

    async def embed(self, texts: Sequence[list[int]]) -> NDArray[np.float32]:
        """A vector for each text, [texts, hidden size], of length 1.

        Raises what `Engine.embed` raises, ProviderError where the engine failed, and ProviderUnavailable as `batches`.
        """
        self._start()
        ticket = _Ticket(next(self._keys), [], _PLAIN, None, asyncio.get_running_loop(), texts=texts)
        async with contextlib.aclosing(self._follow(ticket)) as batches:
            gain = (await anext(batches))[-1]
        if gain.vectors_ND is None:
            raise ProviderError(gain.error or f"`{self._name}` failed.")
        return gain.vectors_ND

    async def _follow(self, ticket: _Ticket) -> AsyncGenerator[list[Gain]]:
        self._inbox.put(ticket)
        ended = False
        try:
            while not ended:
                gains = await ticket.next_gains()
                ended = gains[-1].finish is not None
                yield gains
        finally:
            if not ended and ticket.error is None:
                self._inbox.put(_Cancel(ticket.key))

    async def close(self) -> None:
        """Stop the worker and the engine; answers still running fail with ProviderUnavailable."""
        with self._starting:
            closed, self._closed = self._closed, True
        await asyncio.to_thread(self._end_worker)
        atexit.unregister(self._end_worker)
        if not closed:
            self._engine.close()

    def _start(self) -> None:
        with self._starting:
            if self._closed:
                raise ProviderUnavailable(f"`{self._name}` has been closed.")
            if self._worker is None:
                atexit.register(self._end_worker)
                self._worker = threading.Thread(target=self._work, name=f"seatrial-{self._name}", daemon=True)
                self._worker.start()

    def _end_worker(self) -> None:
        """Also runs when the process ends: a thread inside a kernel must not outlive the interpreter."""
        worker = self._worker
        if worker is not None and worker.is_alive():
            self._inbox.put(None)
            worker.join()

    def _work(self) -> None:
        """The worker: take what has arrived, make one step, deliver, until told to end."""
        while self._take_in():
            try:
                gains = self._engine.step()
            except Exception as error:  # outside of any answer's own part: nobody may wait for ever
                self._fail_all(error)
            else:
                self._deliver(gains)
        gone = ProviderUnavailable(f"`{self._name}` was closed before it had answered.")
        for ticket in self._tickets.values():
            _hand_over(ticket.loop, [(ticket, gone)])
        self._tickets.clear()

    def _take_in(self) -> bool:
        """Add and cancel what the inbox holds, waiting while there is nothing to do. False: end."""
        idle = len(self._engine) == 0
        while True:
            try:
                order = self._inbox.get(timeout=None if len(self._engine) == 0 else _GATHER_S if idle else 0)
            except queue.Empty:
                return True
            if order is None:
                return False
            if isinstance(order, _Cancel):
                self._engine.cancel(order.key)
                self._tickets.pop(order.key, None)
                continue
            try:
                if order.texts is not None:
                    self._engine.embed(order.key, order.texts)
                else:
                    self._engine.add(order.key, order.prompt_ids, order.params, order.matcher, order.pictures)
                    order.pictures = ()
                self._tickets[order.key] = order
            except Exception as error:  # whatever it was, it is this request's, and the worker goes on
                _hand_over(order.loop, [(order, self._told(error))])

    def _fail_all(self, error: Exception) -> None:
        told = self._told(error)
        for key, ticket in self._tickets.items():
            self._engine.cancel(key)
            _hand_over(ticket.loop, [(ticket, told)])
        self._tickets.clear()

    def _told(self, error: Exception) -> SeatrialError:
        """An error as whoever waits hears it."""
        if isinstance(error, SeatrialError):
            return error
        _log.error("%s failed", self._name, exc_info=error)
        return ProviderError(f"`{self._name}` failed: {type(error).__name__}: {str(error)[:200]}")

    def _deliver(self, gains: list[Gain]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Ticket, _Event]]] = {}
        for gain in gains:
            ticket = self._tickets[gain.key]
            by_loop.setdefault(ticket.loop, []).append((ticket, gain))
            if gain.finish:
                del self._tickets[gain.key]
        for loop, events in by_loop.items():
            _hand_over(loop, events)


def _hand_over(loop: asyncio.AbstractEventLoop, events: list[tuple[_Ticket, _Event]]) -> None:
    def put() -> None:
        for ticket, event in events:
            ticket.arrive(event)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
        loop.call_soon_threadsafe(put)
