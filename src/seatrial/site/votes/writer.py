"""The one thread that writes votes: it takes what waits, up to 1,000 at once, and commits it together.

In: casts and confirmations, from any event loop. Out: their receipts, once the transaction that holds them is on disk.
While a commit is under way the next ones gather, so that the number of commits follows the disk and not the visitors.

A database that goes away is asked again for `patience_s`; then those who wait hear that it failed. A vote may have been
written all the same, where the connection broke during the commit: casting it again changes nothing. What waits when
the writer is closed is written first.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from seatrial.errors import SeatrialError, StorageError, TooManyRequests
from seatrial.site.db.instants import naive
from seatrial.site.db.opening import Database, writing
from seatrial.site.votes.batch import MOST_AGED, Age, Aged, Done, Timed, Wanted, carry_out

AT_ONCE = 1_000
MOST_WAITING = 20_000
PATIENCE_S = 5.0
_FIRST_AGE_S, _AGE_EVERY_S, _AGE_ON_S = 30.0, 300.0, 1.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0
_BUSY_RETRY_S = 2.0
# The log has the reason; names of files and hosts are none of a visitor's business.
_AWAY = "Votes cannot be written at the moment, and yours was not. Vote again in a minute."
_BROKEN = "Your vote was not written: something in the site broke. Vote again later."

log = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    """What is wanted, and who waits for it; nobody waits for what the writer wants itself."""

    timed: Timed
    future: asyncio.Future[Any] | None = None


class Writer:
    """Writes to `database`; `clock` gives aware instants. The thread begins with `start`, or the first vote."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        *,
        most_waiting: int = MOST_WAITING,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._database, self._clock = database, clock
        self._most_waiting, self._patience_s = most_waiting, patience_s
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def start(self) -> None:
        """Start the thread, unless it runs. Raises StorageError where the writer is closed."""
        with self._changed:
            self._start()

    async def write(self, wanted: Wanted) -> Done:
        """Returns once `wanted` is on disk. Raises TooManyRequests where too much waits already, StorageError."""
        future: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        timed = Timed(wanted, naive(self._clock()))
        with self._changed:
            self._start()
            if len(self._waiting) >= self._most_waiting:
                raise TooManyRequests(
                    f"More votes come in than can be written: {self._most_waiting:,} wait. Vote again in a moment.",
                    retry_after_s=_BUSY_RETRY_S,
                )
            self._waiting.append(_Waiting(timed, future))
            self._changed.notify()
        return await future

    def close(self) -> None:
        """Write what waits, then end the thread. Takes nothing more from now on."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _start(self) -> None:
        if self._is_closed:
            raise StorageError("The site is shutting down; your vote was not taken. Vote again in a moment.")
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="votes", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        age_at_s = time.monotonic() + _FIRST_AGE_S
        while (taken := self._take(age_at_s)) is not None:
            is_time_to_age = time.monotonic() >= age_at_s
            if is_time_to_age:
                taken.append(_Waiting(Timed(Age(), naive(self._clock()))))
            if taken:
                is_more_to_age = self._commit(taken)
                if is_time_to_age:
                    age_at_s = time.monotonic() + (_AGE_ON_S if is_more_to_age else _AGE_EVERY_S)

    def _take(self, until_s: float) -> list[_Waiting] | None:
        """What waits; empty when nothing came until then, None where there is nothing and never will be."""
        with self._changed:
            if not self._waiting and not self._is_closed:
                self._changed.wait(max(0.0, until_s - time.monotonic()))
            if not self._waiting and self._is_closed:
                return None
            return [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]

    def _commit(self, taken: Sequence[_Waiting]) -> bool:
        """Whether there are more votes to age than were now."""
        try:
            done = self._written([each.timed for each in taken])
        except SeatrialError as error:
            log.warning("%s votes were not written: %s", len(taken), error)
            self._fail([*taken, *self._all_waiting()], _AWAY)
        except Exception:
            log.exception("%s votes were not written", len(taken))
            self._fail(taken, _BROKEN)
        else:
            _tell((each.future, receipt) for each, receipt in zip(taken, done, strict=True))
            return any(isinstance(each, Aged) and each.num_weighed >= MOST_AGED for each in done)
        return False

    def _written(self, wanted: Sequence[Timed]) -> list[Done]:
        """Raises what the database raises once patience is at its end."""
        until_s, pause_s = time.monotonic() + self._patience_s, _FIRST_PAUSE_S
        while True:
            try:
                with writing(self._database) as connection:
                    done = carry_out(connection, wanted)
            except StorageError as error:
                if time.monotonic() + pause_s > until_s:
                    raise
                log.info("votes wait for the database: %s", error)
            else:
                return done
            time.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)

    def _all_waiting(self) -> list[_Waiting]:
        """Those who came while the database was away: they would wait as long, for the same answer."""
        with self._changed:
            waiting = list(self._waiting)
            self._waiting.clear()
        return waiting

    def _fail(self, taken: Sequence[_Waiting], message: str) -> None:
        _tell((each.future, StorageError(message)) for each in taken)


def _tell(answers: Iterable[tuple[asyncio.Future[Any] | None, Done | StorageError]]) -> None:
    """Answer those who wait, each event loop in one go."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Done | StorageError]]] = {}
    for future, answer in answers:
        if future is not None:
            by_loop.setdefault(future.get_loop(), []).append((future, answer))
    for loop, theirs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, theirs)
        except RuntimeError:  # the loop is closed: nobody waits any more
            log.info("%s votes were written, and nobody waited for the answer", len(theirs))


def _settle(answers: Sequence[tuple[asyncio.Future[Any], Done | StorageError]]) -> None:
    for future, answer in answers:
        if future.done():  # who waited has gone
            continue
        if isinstance(answer, StorageError):
            future.set_exception(answer)
        else:
            future.set_result(answer)
