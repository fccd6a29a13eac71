"""The outbox: a folder with a file for each message, to be looked at or carried on by something else.

A file is there whole or not at all, and its name is made from the Message-ID: the same message sent again takes the
place of the first.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from urllib.parse import quote

from seatrial.errors import StorageError
from seatrial.site.mail.message import Message


class OutboxFolder:
    """Messages as `.eml` files in `folder`, which is made with the first. Nobody but the owner may read them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def send(self, message: Message) -> None:
        """Put the message into the folder. Raises StorageError; then it is not there."""
        write_whole(self._path(message.id), message.content)

    def holds(self, id: str) -> bool | None:
        """Whether the message is in the folder."""
        return self._path(id).exists()

    def close(self) -> None:
        """Nothing is held."""

    def _path(self, id: str) -> Path:
        return self.folder / f"{file_stem(id)}.eml"


def file_stem(id: str) -> str:
    """A Message-ID as a file's name; different ones stay different."""
    return quote(id, safe="@+-_.")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole, and stays, or is not there. Raises StorageError."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(part, path)
        _keep_name(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise StorageError(
            f"{path} cannot be written: {error.strerror}. Make room, or name another folder for mail."
        ) from None


def _keep_name(folder: Path) -> None:
    """A new name is on disk once its folder is; Windows cannot be asked for that."""
    if os.name != "nt":
        file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)
