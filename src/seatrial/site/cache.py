"""Pages as bytes: rendered once, compressed once, and sent until what they show has changed.

In: `make`, which renders a path, and `stamp`, which changes when any page may have. Out: a page's `Stored` variants,
and the answer to a request for one. An entry is looked at again at most once a second: against the stamp, and against
the opinions that the page showed when it was rendered. While the database is away the last rendering stands.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from seatrial.errors import StorageError
from seatrial.site.security.headers import Header
from seatrial.site.votes.opinion import Opinion, Opinions

_log = logging.getLogger(__name__)

_CHECK_S = 1.0
_MAX_BYTES = 128 << 20
_RENDERS_AT_ONCE = 2
_MAX_WAITING = 256
_GZIP_LEVEL = 6
# Below this, compressing saves no packet.
_GZIP_FROM_BYTES = 1000


class Made(NamedTuple):
    """What stands at a path. `max_age_s` is how long others may keep it without asking."""

    body: bytes
    media_type: str
    is_text: bool = True
    max_age_s: int = 0


class Moved(NamedTuple):
    """The path under which the same thing stands."""

    path: str


class Busy(Exception):
    """More pages are waiting to be rendered than is reasonable. Nothing was done."""


class Make(Protocol):
    """Renders what stands at a path, in a thread; None where nothing does."""

    def __call__(self, path: str, opinions: Opinions) -> Made | Moved | None:
        """See above."""
        ...


class Variant(NamedTuple):
    """One encoding of a page, with the headers that go with it."""

    body: bytes
    etag: bytes
    headers: list[Header]
    unchanged_headers: list[Header]


class Stored(NamedTuple):
    """A page in both encodings; the same one twice where compressing does not pay."""

    plain: Variant
    gzipped: Variant

    def variant(self, accept_encoding: bytes) -> Variant:
        """The one for a client that accepts these encodings."""
        return self.gzipped if _takes_gzip(accept_encoding) else self.plain


@dataclass(slots=True)
class _Entry:
    stored: Stored
    stamp: Hashable
    shown: Mapping[str, Opinion]
    checked_s: float


class PageCache:
    """See the module. `headers` stand on every answer; `clock` is monotonic, seconds."""

    def __init__(
        self,
        make: Make,
        *,
        stamp: Callable[[], Hashable],
        opinions: Opinions,
        headers: tuple[Header, ...],
        clock: Callable[[], float],
        max_bytes: int = _MAX_BYTES,
    ) -> None:
        self._make, self._stamp, self._opinions, self._clock = make, stamp, opinions, clock
        self._headers, self._max_bytes = headers, max_bytes
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._num_bytes = 0
        self._flying: dict[str, asyncio.Task[Stored | Moved | None]] = {}
        self._renders = asyncio.Semaphore(_RENDERS_AT_ONCE)

    def ready(self, path: str) -> Stored | None:
        """The page, where it was looked at within the last second. Never waits."""
        entry = self._entries.get(path)
        if entry is None or self._clock() - entry.checked_s >= _CHECK_S:
            return None
        self._entries.move_to_end(path)
        return entry.stored

    def holds(self, path: str) -> bool:
        """Whether the page was rendered before, so that another look at it is cheap."""
        return path in self._entries

    async def get(self, path: str) -> Stored | Moved | None:
        """What stands at `path` now; None where nothing does. Whoever asks meanwhile waits for the same rendering.

        Raises `Busy`, StorageError where the database is away and the page was never rendered.
        """
        if (stored := self.ready(path)) is not None:
            return stored
        task = self._flying.get(path)
        if task is None:
            if len(self._flying) >= _MAX_WAITING:
                raise Busy
            task = self._flying[path] = asyncio.create_task(self._refresh(path))
            task.add_done_callback(lambda _: self._flying.pop(path, None))
        return await asyncio.shield(task)

    async def _refresh(self, path: str) -> Stored | Moved | None:
        entry = self._entries.get(path)
        asked_s = self._clock()
        async with self._renders:
            try:
                found = await asyncio.to_thread(self._look, path, entry)
            except StorageError as error:
                if entry is None:
                    raise
                _log.warning("%s is shown as it was: %s", path, error)
                found = entry
        if isinstance(found, _Entry):
            found.checked_s = self._clock() if found is entry else asked_s
            self._keep(path, found)
            return found.stored
        self._forget(path)
        return found

    def _look(self, path: str, entry: _Entry | None) -> _Entry | Moved | None:
        """In a thread: the entry if nothing has changed since, else a new one."""
        stamp = self._stamp()
        if entry is not None and entry.stamp == stamp and self._shows_the_same(entry):
            return entry
        seen = _Seen(self._opinions)
        made = self._make(path, seen)
        if not isinstance(made, Made):
            return made
        return _Entry(store(made, self._headers), stamp, seen.shown, 0.0)

    def _shows_the_same(self, entry: _Entry) -> bool:
        return all(self._opinions.of(key) == opinion for key, opinion in entry.shown.items())

    def _keep(self, path: str, entry: _Entry) -> None:
        self._forget(path)
        self._entries[path] = entry
        self._num_bytes += _size(entry)
        while self._num_bytes > self._max_bytes and len(self._entries) > 1:
            _, oldest = self._entries.popitem(last=False)
            self._num_bytes -= _size(oldest)

    def _forget(self, path: str) -> None:
        entry = self._entries.pop(path, None)
        if entry is not None:
            self._num_bytes -= _size(entry)


class _Seen:
    """Opinions that remember which were asked for."""

    def __init__(self, opinions: Opinions) -> None:
        self._opinions = opinions
        self.shown: dict[str, Opinion] = {}

    def of(self, subject_key: str) -> Opinion:
        opinion = self.shown[subject_key] = self._opinions.of(subject_key)
        return opinion


def store(made: Made, headers: tuple[Header, ...]) -> Stored:
    """Both encodings of what was made, with their headers; `headers` are added to each."""
    digest = hashlib.sha256(made.body).hexdigest()[:32].encode()
    plain = _variant(made, made.body, b'"' + digest + b'"', None, headers)
    if not made.is_text or len(made.body) < _GZIP_FROM_BYTES:
        return Stored(plain, plain)
    compressed = gzip.compress(made.body, _GZIP_LEVEL, mtime=0)
    return Stored(plain, _variant(made, compressed, b'"' + digest + b'-gz"', b"gzip", headers))


def is_unchanged(stored: Stored, if_none_match: bytes) -> bool:
    """Whether a client's copy is this page (RFC 9110, section 13.1.2)."""
    if if_none_match.strip() == b"*":
        return True
    known = {tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")}
    return stored.plain.etag in known or stored.gzipped.etag in known


def _variant(made: Made, body: bytes, etag: bytes, encoding: bytes | None, headers: tuple[Header, ...]) -> Variant:
    lasting = b"public, max-age=%d" % made.max_age_s if made.max_age_s else b"no-cache"
    unchanged: list[Header] = [(b"etag", etag), (b"cache-control", lasting), (b"vary", b"accept-encoding"), *headers]
    whole: list[Header] = [
        (b"content-type", made.media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        *unchanged,
    ]
    if encoding is not None:
        whole.append((b"content-encoding", encoding))
    return Variant(body, etag, whole, unchanged)


def _size(entry: _Entry) -> int:
    plain, gzipped = entry.stored
    return len(plain.body) + (len(gzipped.body) if gzipped is not plain else 0)


def _takes_gzip(accept_encoding: bytes) -> bool:
    for offer in accept_encoding.lower().split(b","):
        name, _, weight = offer.partition(b";")
        if name.strip() == b"gzip":
            return not weight or weight.replace(b" ", b"").removeprefix(b"q=").strip(b"0.") != b""
    return False
