"""Videos of requests as files, for as long as a request needs them: requests bring bytes, decoders read files.

In: a video's bytes. Out: the path of a file that this user alone may read, gone when the last request that holds it
ends. Name and time of a file follow from its content, so that what was prepared for one question about a video is found
again for the next. A process that is killed leaves its files in the folder for temporary ones.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from seatrial.errors import StorageError

# The time that every file bears.
_EPOCH = (0, 0)


class VideoFiles:
    """The files of all requests, in a folder of their own that is there while there is one. Safe for several threads.

    `parent` is where that folder is made: the system's place for temporary files, unless said otherwise.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent
        self._folder: Path | None = None
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

    def _new_folder(self) -> Path:
        """The folder, made again under the same name where that is free."""
        if self._folder is not None:
            with suppress(FileExistsError):
                self._folder.mkdir(mode=0o700)
                return self._folder
        self._folder = Path(tempfile.mkdtemp(prefix="seatrial-videos-", dir=self._parent))
        return self._folder


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
