"""How many pixels are in memory for pictures of requests, and who prepares them: a bound, and two threads.

In: work that decodes and cuts pictures, with the pixels it holds. Out: what came of it, and the place that it takes
until the engine has looked at the pictures. Requests beyond the bound wait in order of arrival, as bytes of files; who
goes away while waiting was never there, and whose work has begun has it stopped. Places are entered from any event loop
and left from any thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from seatrial.errors import ProviderUnavailable
from seatrial.media.bounds import MOST_PIXELS
from seatrial.models.pictures.decoding import Stopped

_Made = TypeVar("_Made")

MOST_PIXELS_AT_ONCE = MOST_PIXELS
"""As many as the largest picture that is decoded has: many together take no more memory than that one alone must have.

Measured, a pixel takes 8 bytes (JPEG, PNG) to 20 (PNG with transparency) while it is decoded, one of a tile takes 15
until it is encoded. So 0.5 to 1.3 GB: 18 pages of 1536 × 1152 with their tiles, or 4 photographs of 12 megapixels.
"""

# A small picture need not wait behind a large one; more threads would take cores from the engine.
_THREADS = 2


class Place:
    """Pixels that are taken, until `leave`; leaving twice is leaving once."""

    __slots__ = ("_num_pixels", "_room")

    def __init__(self, room: PictureRoom | None, num_pixels: int) -> None:
        self._room = room
        self._num_pixels = num_pixels

    def leave(self) -> None:
        """Give the place back."""
        room, self._room = self._room, None
        if room is not None:
            room.give_back(self._num_pixels)


class _Waiter:
    """Somebody who waits. `is_in` is set under the room's lock, `woken` in the waiter's own loop, perhaps never."""

    __slots__ = ("is_in", "loop", "num_pixels", "woken")

    def __init__(self, num_pixels: int, loop: asyncio.AbstractEventLoop) -> None:
        self.num_pixels, self.loop = num_pixels, loop
        self.woken: asyncio.Future[None] = loop.create_future()
        self.is_in = False


class PictureRoom:
    """Places for `most_pixels` together; one request alone always finds room, however many it takes."""

    def __init__(self, most_pixels: int = MOST_PIXELS_AT_ONCE, *, num_threads: int = _THREADS) -> None:
        self.most_pixels = most_pixels
        self._num_taken = 0
        self._waiting: deque[_Waiter] = deque()
        self._stops: set[threading.Event] = set()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="seatrial-pictures")

    @property
    def num_pixels(self) -> int:
        """Pixels of all places that are taken now."""
        return self._num_taken

    @property
    def num_waiting(self) -> int:
        """Requests that wait for a place."""
        return len(self._waiting)

    async def prepare(self, num_pixels: int, work: Callable[[threading.Event], _Made]) -> tuple[_Made, Place]:
        """Do `work`, which holds `num_pixels`, in a thread once there is room; the caller leaves the place it returns.

        Where `work` raises, or the caller is cancelled, the place is given back as soon as the thread is done. The
        event that `work` gets is set when the caller is cancelled and by `close`: then it raises Stopped soon. Raises
        what `work` raises, and ProviderUnavailable after `close`.
        """
        place = await self._enter(num_pixels)
        stop = threading.Event()
        try:
            doing = self._submit(work, stop)
        except RuntimeError:
            place.leave()
            raise _closed() from None
        try:
            return await asyncio.wrap_future(doing), place
        except BaseException as error:
            stop.set()
            doing.add_done_callback(lambda _: place.leave())
            if isinstance(error, Stopped):
                raise _closed() from None
            raise

    def close(self, *, wait: bool = False) -> None:
        """Take no more work, and stop what is being done; wait for its end where `wait` says so."""
        self._threads.shutdown(wait=False)
        for stop in tuple(self._stops):
            stop.set()
        self._threads.shutdown(wait=wait)

    def give_back(self, num_pixels: int) -> None:
        """For `Place.leave` alone."""
        with self._lock:
            self._num_taken -= num_pixels
            let_in = self._let_in()
        self._wake(let_in)

    def _submit(self, work: Callable[[threading.Event], _Made], stop: threading.Event) -> Future[_Made]:
        """Raises RuntimeError after `close`, which sets the `stop` of whatever was taken on before."""
        self._stops.add(stop)
        try:
            doing = self._threads.submit(work, stop)
        except RuntimeError:
            self._stops.discard(stop)
            raise
        doing.add_done_callback(lambda _: self._stops.discard(stop))
        return doing

    async def _enter(self, num_pixels: int) -> Place:
        loop = asyncio.get_running_loop()
        with self._lock:
            if not self._waiting and self._has_room(num_pixels):
                self._num_taken += num_pixels
                return Place(self, num_pixels)
            waiter = _Waiter(num_pixels, loop)
            self._waiting.append(waiter)
        try:
            await waiter.woken
        except BaseException:
            self._forget(waiter)
            raise
        return Place(self, num_pixels)

    def _has_room(self, num_pixels: int) -> bool:
        return not self._num_taken or self._num_taken + num_pixels <= self.most_pixels

    def _forget(self, waiter: _Waiter) -> None:
        """Somebody waits no longer, or was let in and does not know it yet."""
        with self._lock:
            if waiter.is_in:
                self._num_taken -= waiter.num_pixels
            else:
                self._waiting.remove(waiter)
            let_in = self._let_in()
        self._wake(let_in)

    def _let_in(self) -> list[_Waiter]:
        """Who finds room now, in order; the caller holds the lock."""
        let_in: list[_Waiter] = []
        while self._waiting and self._has_room(self._waiting[0].num_pixels):
            waiter = self._waiting.popleft()
            waiter.is_in = True
            self._num_taken += waiter.num_pixels
            let_in.append(waiter)
        return let_in

    def _wake(self, let_in: list[_Waiter]) -> None:
        for waiter in let_in:
            try:
                waiter.loop.call_soon_threadsafe(_woken, waiter)
            except RuntimeError:  # its event loop is closed: nobody comes any more
                self._forget(waiter)


def _closed() -> ProviderUnavailable:
    return ProviderUnavailable("The model has been closed.")


def _woken(waiter: _Waiter) -> None:
    if not waiter.woken.done():
        waiter.woken.set_result(None)


NO_PLACE = Place(None, 0)
"""What a prompt without pictures takes."""
