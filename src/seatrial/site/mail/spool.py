"""Mail that is taken at once and carried later: a folder in front of another carrier.

A message comes in and is on disk when `send` returns, so that a page need not wait for a mail server, or tell by its
waiting whether it wrote to anybody. A thread hands it on, waits while the server is down, and takes up after a restart
what was left. Of several processes with the same folder one hands on at a time.

A message may go out twice, if the process is killed between the server's word and the file's end. So the digest, which
must not, does not come through here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from seatrial.errors import StorageError
from seatrial.site.mail.carriers import Carrier, Deferred, Refused, Unavailable, Uncertain
from seatrial.site.mail.message import Message
from seatrial.site.mail.outbox import file_stem, write_whole

if sys.platform != "win32":
    import fcntl

logger = logging.getLogger(__name__)

PAUSE_S = 15.0
"""How long to wait before a server that took nothing is tried again."""

GIVE_UP_S = 86400.0
"""How old a message may become here. Who asked has long asked again."""

DEFERRED_FOR = timedelta(minutes=15)
"""How long an address is left alone that does not take its message yet."""

MOST_WAITING = 10_000
_LOCK = "spool.lock"


class Spool:
    """Messages wait as files in `folder` for `carrier`, which the thread alone uses."""

    def __init__(
        self,
        folder: Path,
        carrier: Carrier,
        *,
        clock: Callable[[], datetime],
        pause_s: float = PAUSE_S,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._folder, self._carrier, self._clock = folder, carrier, clock
        self._pause_s, self._most_waiting = pause_s, most_waiting
        self._wake, self._is_closing = threading.Event(), threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._not_before: dict[Path, datetime] = {}

    def start(self) -> None:
        """Begin to hand on, what an earlier process left first. `send` does so by itself."""
        with self._starting:
            if self._thread is None and not self._is_closing.is_set():
                self._thread = threading.Thread(target=self._work, name="mail-spool", daemon=True)
                self._thread.start()

    def send(self, message: Message) -> None:
        """Keep the message until it can be handed on. Raises StorageError, and `Unavailable` where too many wait."""
        if self._num_waiting() >= self._most_waiting:
            raise Unavailable(
                f"{self._most_waiting:,} messages wait for the mail server already. Try again when it takes mail."
            )
        write_whole(self._folder / f"{file_stem(message.id)}.json", msgspec.json.encode(message))
        self.start()
        self._wake.set()

    def holds(self, id: str) -> bool | None:
        """What was handed on is not kept."""
        return None

    def close(self, timeout_s: float = 10.0) -> None:
        """Stop after the message that is under way; what waits goes out after the next start."""
        self._is_closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _work(self) -> None:
        """The thread. Nothing that goes wrong here may end it: the mail would wait for ever."""
        try:
            while not self._is_closing.is_set():
                self._wake.clear()
                if self._hand_on_all() and not self._is_closing.is_set():
                    self._wake.wait(self._pause_s)  # until there is a message; other processes bring theirs unsaid
                else:
                    self._is_closing.wait(self._pause_s)
        finally:
            self._carrier.close()

    def _hand_on_all(self) -> bool:
        """Whether nothing waits that could be handed on."""
        try:
            with self._turn() as is_ours:
                return is_ours and all(self._hand_on(path) for path in self._waiting())
        except Exception:
            logger.exception("the mail that waits in %s was not handed on", self._folder)
            return False

    def _hand_on(self, path: Path) -> bool:
        """Hand on one message; whether the next may be tried."""
        if self._is_closing.is_set():
            return False
        now = self._clock()
        if now < self._not_before.get(path, now):
            return True
        try:
            age_s = now.timestamp() - path.stat().st_mtime
            message = msgspec.json.decode(path.read_bytes(), type=Message)
        except FileNotFoundError:
            return True
        except msgspec.DecodeError as error:
            logger.warning("%s is set aside: it is no message (%s)", path, error)
            path.replace(path.with_suffix(".spoilt"))
            return True
        is_old = age_s >= GIVE_UP_S
        try:
            self._carrier.send(message)
        except (Unavailable, StorageError) as error:
            logger.warning("message %s %s: %s", message.id, "is given up after a day" if is_old else "waits", error)
            if not is_old:
                return False
        except Deferred as error:
            logger.warning("message %s %s: %s", message.id, "is given up after a day" if is_old else "waits", error)
            if not is_old:
                self._not_before[path] = now + DEFERRED_FOR
                return True
        except (Refused, Uncertain) as error:
            logger.warning("message %s was not taken: %s", message.id, error)
        path.unlink(missing_ok=True)
        self._not_before.pop(path, None)
        return True

    def _waiting(self) -> list[Path]:
        """Messages, the oldest first."""
        found: list[tuple[float, Path]] = []
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(".json") and not entry.name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):
                        found.append((entry.stat().st_mtime, Path(entry.path)))
        return [path for _, path in sorted(found)]

    def _num_waiting(self) -> int:
        try:
            return len(os.listdir(self._folder))
        except FileNotFoundError:
            return 0

    @contextlib.contextmanager
    def _turn(self) -> Iterator[bool]:
        """Whether it is this process's turn to hand on; on Windows it always is."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            is_ours = True
            if sys.platform != "win32":
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    is_ours = False
            yield is_ours
        finally:
            os.close(file)
