"""API keys: a file of hashes, read by the server and written by `seatrial keys`.

In: a folder. Out: a new key's secret, shown once, and afterwards the `Key` that a presented secret belongs to. The file
is looked at before each use, so that a revocation holds from the next request on.

A secret has 256 random bits. A guess is hopeless however fast the hash, so one round of SHA-256 without salt is enough:
salt and slow hashes protect what people choose, and would cost each request a tenth of a second.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from seatrial.errors import InputError, StorageError, UnknownName, UsageError

if sys.platform != "win32":
    import fcntl

KEYS, USED, LOCK = "keys.json", "keys-used.json", "keys.lock"
PREFIX = "sk-seatrial-"
_SCHEMA = "seatrial.keys/1"
_LONGEST_NAME = 64


class Key(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key as it is stored. `sha256` is of the whole secret, in hex; limits are None where there are none."""

    id: str
    name: str
    sha256: str
    created_at: datetime
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True):
    schema: str = _SCHEMA
    keys: list[Key] = []


class KeyStore:
    """The keys in `folder`. Every method may raise InputError for a file that is not one of keys."""

    def __init__(
        self,
        folder: Path,
        *,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._folder, self._now, self._random_bytes = folder, now, random_bytes
        self._seen: tuple[int, int, int] | None = None
        self._by_hash: dict[str, Key] = {}
        self._ids: frozenset[str] = frozenset()
        self._used: set[str] = set()

    def add(
        self, name: str, *, requests_per_minute: int | None = None, tokens_per_minute: int | None = None
    ) -> tuple[str, Key]:
        """Make a key; its secret is nowhere else. Raises UsageError for a name that is taken or odd, StorageError."""
        if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME or name != name.strip():
            raise UsageError(
                f"A key's name is 1 to {_LONGEST_NAME} printable characters; `{name[:80]!r}` is not such a name."
            )
        secret = PREFIX + base64.urlsafe_b64encode(self._random_bytes(32)).decode().rstrip("=")
        key = Key(
            id=f"key_{self._random_bytes(6).hex()}",
            name=name,
            sha256=_digest(secret),
            created_at=self._now(),
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
        )
        with self._locked():
            keys = self.all()
            if any(known.name == name for known in keys):
                raise UsageError(f"There is a key `{name}` already. Revoke it first, or take another name.")
            self._write([*keys, key])
        return secret, key

    def revoke(self, name_or_id: str) -> Key:
        """Forget a key; running servers refuse it at once. Raises UnknownName, StorageError."""
        with self._locked():
            keys = self.all()
            gone = next((key for key in keys if name_or_id in (key.name, key.id)), None)
            if gone is None:
                raise UnknownName("key", name_or_id, [key.name for key in keys], "`seatrial keys list` shows them.")
            self._write([key for key in keys if key is not gone])
        return gone

    def all(self) -> list[Key]:
        """Every key, in the order they were made."""
        self._refresh()
        return list(self._by_hash.values())

    def find(self, secret: str) -> Key | None:
        """The key of a secret that somebody presents. Notes its use."""
        self._refresh()
        digest = _digest(secret)
        key = self._by_hash.get(digest)
        if key is None or not hmac.compare_digest(key.sha256, digest):
            return None
        self._used.add(key.id)
        return key

    def is_valid(self, key_id: str) -> bool:
        """Whether the key has not been revoked."""
        self._refresh()
        return key_id in self._ids

    def last_used(self) -> dict[str, datetime]:
        """When each key was last used, by id, as servers wrote it down: to the minute."""
        try:
            return msgspec.json.decode((self._folder / USED).read_bytes(), type=dict[str, datetime])
        except (OSError, msgspec.DecodeError):
            return {}

    def write_uses(self) -> None:
        """Write down the uses since the last time. Raises StorageError."""
        fresh, self._used = self._used, set()
        if fresh:
            with self._locked():
                used = self.last_used() | dict.fromkeys(fresh, self._now())
                _write_whole(self._folder / USED, msgspec.json.encode(used))

    def _refresh(self) -> None:
        path = self._folder / KEYS
        try:
            status = os.stat(path)
        except OSError:
            self._seen, self._by_hash, self._ids = None, {}, frozenset()
            return
        seen = (status.st_mtime_ns, status.st_ino, status.st_size)
        if seen == self._seen:
            return
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_File)
        except (OSError, msgspec.DecodeError) as error:
            raise InputError(f"the keys cannot be read: {error}", path=path) from None
        if found.schema != _SCHEMA:
            raise InputError(f"`{found.schema}` is not `{_SCHEMA}`", path=path, field="schema")
        self._by_hash = {key.sha256: key for key in found.keys}
        self._ids = frozenset(key.id for key in found.keys)
        self._seen = seen

    def _write(self, keys: list[Key]) -> None:
        content = msgspec.json.format(msgspec.json.encode(_File(keys=keys)), indent=2) + b"\n"
        _write_whole(self._folder / KEYS, content)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps two commands from writing at once; on Windows nothing does."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(f"{self._folder} cannot be written: {error.strerror}.") from None
        try:
            if sys.platform != "win32":
                fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _write_whole(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(part, path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}.") from None
