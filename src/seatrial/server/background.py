"""Responses that are made after their request was answered.

In: a response's work as a coroutine. Out: a `Job` that can be read, followed and cancelled. They live in this process:
`close` ends them all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from seatrial.server.errors import Failure, failure_of
from seatrial.server.response_run import ResponseRun
from seatrial.server.wire.responses_output import Response

_log = logging.getLogger(__name__)


class EventLog:
    """The events of one stream, which many may read, from any place and more than once."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._is_over = False
        self._grew = asyncio.Event()
        self.num_bytes = 0

    def add(self, pieces: Iterable[bytes]) -> None:
        """More events."""
        for piece in pieces:
            self._pieces.append(piece)
            self.num_bytes += len(piece)
        self._wake()

    def close(self) -> None:
        """No more will come."""
        self._is_over = True
        self._wake()

    async def read(self, start: int = 0) -> AsyncGenerator[bytes]:
        """Events from number `start` on, to the last one there will be."""
        while True:
            if start < len(self._pieces):
                pieces = self._pieces[start:]
                start += len(pieces)
                yield b"".join(pieces)
            elif self._is_over:
                return
            else:
                await self._grew.wait()

    def _wake(self) -> None:
        self._grew.set()
        self._grew = asyncio.Event()


@dataclass(slots=True, eq=False)
class Job:
    """A response in the making. `log` is there where its stream can be read."""

    run: ResponseRun
    log: EventLog | None
    on_end: Callable[[Job], None]
    task: asyncio.Task[None] | None = field(default=None, init=False)

    @property
    def response(self) -> Response:
        """As it stands now."""
        return self.run.response

    def tell(self, pieces: Iterable[bytes]) -> None:
        """What its stream says."""
        if self.log is not None:
            self.log.add(pieces)

    async def cancel(self) -> Response:
        """Stop the work, and wait until it has stopped."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])
        return self.run.response


class Background:
    """The jobs that run: at most `max_running`, each for at most `timeout_s`."""

    def __init__(self, *, max_running: int = 32, timeout_s: float = 3600.0) -> None:
        self._max_running, self._timeout_s = max_running, timeout_s
        self._jobs: set[Job] = set()

    def check_room(self) -> None:
        """Raises Failure 429 where another job is too many."""
        if len(self._jobs) >= self._max_running:
            raise Failure(
                429,
                f"{self._max_running} background responses are running; this server runs no more at once. Try again.",
                "rate_limit_error",
                "rate_limit_exceeded",
                retry_after_s=1.0,
            )

    def start(self, job: Job, work: Callable[[Job], Awaitable[None]]) -> None:
        """Run a job. Its end, however it comes, is told to `on_end`."""
        self._jobs.add(job)
        job.task = asyncio.create_task(self._run(job, work))
        job.task.add_done_callback(lambda _: self._over(job))

    async def close(self) -> None:
        """Cancel what still runs."""
        await asyncio.gather(*(job.cancel() for job in list(self._jobs)))

    async def _run(self, job: Job, work: Callable[[Job], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await work(job)
        except Exception as error:
            failure = failure_of(error)
            if failure.status >= 500:
                _log.error("%s: %s", job.response.id, type(error).__name__, exc_info=error)
            job.tell(job.run.fail(failure))

    def _over(self, job: Job) -> None:
        self._jobs.discard(job)
        if not job.response.is_over:
            job.tell(job.run.cancel())
        if job.log is not None:
            job.log.close()
        job.on_end(job)
