"""Videos of requests as files, for as long as a request needs them: requests bring bytes, decoders read files.

In: a video's bytes. Out: the path of a file that this user alone may read, gone when the last request that holds it
ends. Name and time of a file follow from its content, so that what was prepared for one question about a video is found
again for the next. Each folder is locked by its process for as long as it is there. A process that is killed leaves its
folder behind without the lock; `remove_left_over` is for the next one to call.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal

from seatrial.errors import StorageError

if sys.platform != "win32":
    import fcntl

# The time that every file bears.
_EPOCH = (0, 0)
_PREFIX = "seatrial-videos-"
# Names of folders, and of files in them: their digest; before they are whole, one that `tempfile` gave.
_FOLDER = re.compile(_PREFIX + "[a-z0-9_]{8}")
_FILE = re.compile("[0-9a-f]{64}|tmp[a-z0-9_]{8}")
# How often another folder is made where a process that looks for left-overs has taken the new one for one.
_NUM_TRIES = 10


def remove_left_over(parent: Path | None = None) -> None:
    """Remove the folders in `parent` that processes of this user left when they were killed.

    A folder stays that a running process has locked, that belongs to another user, that is reached through a link, or
    that holds anything else than we write; so does what cannot be removed. Where folders have no locks (Windows, some
    file systems) all stay.
    """
    if sys.platform == "win32":
        return
    with suppress(OSError):
        within = os.open(parent or tempfile.gettempdir(), os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in os.listdir(within):
                if _FOLDER.fullmatch(name):
                    _remove_unlocked(within, name)
        finally:
            os.close(within)


class VideoFiles:
    """The files of all requests, in a folder of their own that is there while there is one. Safe for several threads.

    `parent` is where that folder is made: the system's place for temporary files, unless said otherwise.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent
        self._folder: Path | None = None
        self._lock_file: int | None = None  # the folder's descriptor, while there is one
        self._num_holders: dict[Path, int] = {}
        self._lock = threading.Lock()

    def held(self) -> HeldVideos:
        """What one request holds: nothing yet."""
        return HeldVideos(self)

    def take(self, data: bytes) -> Path:
        """A file with these bytes, held once more. Raises StorageError."""
        name = hashlib.sha256(data).hexdigest()
        try:
            with self._lock:
                path = (self._folder if self._num_holders and self._folder else self._new_folder()) / name
                self._num_holders[path] = self._num_holders.get(path, 0) + 1
            try:
                if not path.exists():
                    _write(path, data)
            except BaseException:
                self.leave(path)
                raise
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise StorageError(f"A video could not be laid down to be read: {why}. Ask the operator.") from error
        return path

    def leave(self, path: Path) -> None:
        """A file is held once less; what nobody holds is removed."""
        with self._lock:
            self._num_holders[path] -= 1
            if self._num_holders[path]:
                return
            del self._num_holders[path]
            with suppress(OSError):
                path.unlink()
            if not self._num_holders:
                with suppress(OSError):
                    path.parent.rmdir()
                self._unlock()

    def _new_folder(self) -> Path:
        """The folder, made again under the same name where that is free."""
        if self._folder is not None:
            with suppress(FileExistsError):
                self._folder.mkdir(mode=0o700)
                if self._locks(self._folder):
                    return self._folder
        for _ in range(_NUM_TRIES):
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
            if self._locks(self._folder):
                return self._folder
        raise BlockingIOError(errno.EWOULDBLOCK, "other processes take away its folders")

    def _locks(self, folder: Path) -> bool:
        """Whether the folder is ours: not taken for a left-over before it was locked."""
        self._unlock()
        if sys.platform == "win32":
            return True
        try:
            self._lock_file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        return _lock(self._lock_file) != "taken" and _is_still(self._lock_file, folder)

    def _unlock(self) -> None:
        lock_file, self._lock_file = self._lock_file, None
        if lock_file is not None:
            os.close(lock_file)


class HeldVideos:
    """The videos of one request, until it is closed; closing twice is closing once."""

    __slots__ = ("_files", "_is_over", "_lock", "_paths")

    def __init__(self, files: VideoFiles) -> None:
        self._files = files
        self._paths: list[Path] = []
        self._is_over = False
        self._lock = threading.Lock()

    def keep(self, data: bytes) -> Path:
        """A file with these bytes. Raises StorageError, also where the request has ended meanwhile."""
        path = self._files.take(data)
        with self._lock:
            if not self._is_over:
                self._paths.append(path)
                return path
        self._files.leave(path)
        raise StorageError("The request has ended.")

    def close(self) -> None:
        """Let go of every file."""
        with self._lock:
            self._is_over = True
            paths, self._paths = self._paths, []
        for path in paths:
            self._files.leave(path)

    def __enter__(self) -> HeldVideos:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    file, part = tempfile.mkstemp(dir=path.parent)  # readable by this user alone
    try:
        with os.fdopen(file, "wb") as opened:
            opened.write(data)
        os.utime(part, _EPOCH)
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise


def _remove_unlocked(within: int, name: str) -> None:
    """Remove a folder, unless it is not ours, or its process runs."""
    with suppress(OSError):
        folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=within)
        try:
            is_left = (
                os.fstat(folder).st_uid == os.geteuid()
                and _lock(folder) == "locked"
                and _is_still(folder, name, within)
            )
            files = os.listdir(folder) if is_left else []
            if is_left and all(map(_FILE.fullmatch, files)):
                for file in files:
                    os.unlink(file, dir_fd=folder)
                os.rmdir(name, dir_fd=within)
        finally:
            os.close(folder)


def _lock(folder: int) -> Literal["locked", "taken", "impossible"]:
    """Lock an open folder until it is closed, also by the end of its process and of those it forked."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return "taken"
    except OSError:
        return "impossible"
    return "locked"


def _is_still(folder: int, path: str | Path, within: int | None = None) -> bool:
    """Whether the folder that is open is the one at its path."""
    try:
        return os.path.samestat(os.fstat(folder), os.stat(path, dir_fd=within, follow_symlinks=False))
    except FileNotFoundError:
        return False
