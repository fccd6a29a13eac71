"""The observation log: one JSON line an observation, appended as it ends, never rewritten.

A line is one `write` to the operating system, so that `kill -9` loses only what was in flight: the kernel has the line
and writes it out whatever becomes of the process. What a power cut could lose is bounded by `sync`, which the runner
calls every few seconds from a thread, and at the end: an fsync for each item would cost more than many an item. A
crash can leave a torn last line; `read_log` finds it and `ObservationLog` cuts it off.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from seatrial.errors import InputError, StorageError
from seatrial.trial.record import Observation

_encoder = msgspec.json.Encoder(enc_hook=str)
_decoder = msgspec.json.Decoder(Observation)


class LogContents(NamedTuple):
    """A log as it lies on disk. `num_torn_bytes` follow the last whole line, which ends at `num_bytes`."""

    observations: list[Observation]
    num_bytes: int
    num_torn_bytes: int


def read_log(path: Path) -> LogContents:
    """The whole observations of a log, in the order they ended; none where there is no file.

    A last line without an end was cut by a crash and is left out. Raises InputError for a broken line before the last,
    which no crash leaves: the file was changed by something else.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return LogContents([], 0, 0)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from None
    num_bytes = data.rfind(b"\n") + 1
    observations = []
    for number, line in enumerate(data[:num_bytes].split(b"\n")[:-1], start=1):
        try:
            observations.append(_decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            reason = f"not an observation ({error}). Restore the file, or delete this line to ask its item again."
            raise InputError(reason, path=path, line=number) from None
    return LogContents(observations, num_bytes, len(data) - num_bytes)


class ObservationLog:
    """An open log. Opening it cuts a torn last line off, so that the next one begins on a line of its own.

    `write` stands for `os.write`, for tests. Raises StorageError where the file cannot be opened or changed.
    """

    def __init__(self, path: Path, contents: LogContents, write: Callable[[int, bytes], int] = os.write) -> None:
        self._path = path
        self._write = write
        self._num_safe = len(contents.observations)
        self._num_bytes = contents.num_bytes
        try:
            self._file: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            if contents.num_torn_bytes:
                os.truncate(path, contents.num_bytes)
        except OSError as error:
            raise self._full(error) from None

    def append(self, observation: Observation) -> None:
        """Write one observation. Raises StorageError where the disk takes no more; the log is whole nonetheless."""
        assert self._file is not None
        line = _encoder.encode(observation) + b"\n"
        try:
            num_written = self._write(self._file, line)
            while num_written < len(line):
                num_written += self._write(self._file, line[num_written:])
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._num_bytes)
            raise self._full(error) from None
        self._num_bytes += len(line)
        self._num_safe += 1

    def sync(self) -> None:
        """Have the disk take what was written. Raises StorageError where it does not."""
        if self._file is not None:
            try:
                os.fsync(self._file)
            except OSError as error:
                raise self._full(error) from None

    def close(self) -> None:
        """Sync and close. Safe to call twice."""
        try:
            self.sync()
        finally:
            file, self._file = self._file, None
            if file is not None:
                os.close(file)

    def _full(self, error: OSError) -> StorageError:
        return StorageError(
            f"{self._path} cannot be written: {error.strerror}. {self._num_safe:,} observations in it are safe. "
            "Make room, then run the same command again to go on from there."
        )
