"""The cache: what it serves is what stands there now, rendered no oftener than it must be."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections import Counter

import pytest

from seatrial.errors import StorageError
from seatrial.site.cache import Busy, Made, Moved, PageCache, Stored, is_unchanged, store
from seatrial.site.votes.opinion import NO_VOTES, Opinion, Opinions

HEADERS = ((b"x-frame-options", b"DENY"),)


class Site:
    """Pages, opinions and a revision, all of which may change; counts what is asked of it."""

    def __init__(self) -> None:
        self.pages: dict[str, str | Moved] = {"/a": "first"}
        self.opinion = NO_VOTES
        self.revision = 0
        self.now_s = 100.0
        self.num_rendered: Counter[str] = Counter()
        self.num_looks = 0
        self.fault: Exception | None = None
        self.shows: tuple[str, ...] = ("model:a",)
        self.cache = PageCache(
            self.make, stamp=self.stamp, opinions=self, headers=HEADERS, clock=lambda: self.now_s, max_bytes=1 << 20
        )

    def of(self, subject_key: str) -> Opinion:
        return self.opinion

    def stamp(self) -> int:
        self.num_looks += 1
        if self.fault is not None:
            raise self.fault
        return self.revision

    def make(self, path: str, opinions: Opinions) -> Made | Moved | None:
        self.num_rendered[path] += 1
        page = self.pages.get(path)
        if not isinstance(page, str):
            return page
        said = [f"{opinions.of(key).num_voters}" for key in self.shows]
        return Made(f"{page} {' '.join(said)}".encode(), "text/html; charset=utf-8")

    async def text(self, path: str = "/a") -> str:
        found = await self.cache.get(path)
        assert isinstance(found, Stored)
        return found.plain.body.decode()


@pytest.fixture
def site() -> Site:
    return Site()


async def test_a_page_is_rendered_once_and_looked_at_once_a_second(site: Site) -> None:
    assert site.cache.ready("/a") is None
    for _ in range(50):
        assert await site.text() == "first 0"
    assert site.cache.ready("/a") is not None
    assert (site.num_rendered["/a"], site.num_looks) == (1, 1)
    site.now_s += 1.5
    assert site.cache.ready("/a") is None
    for _ in range(50):
        await site.text()
    assert (site.num_rendered["/a"], site.num_looks) == (1, 2)


async def test_a_new_revision_shows_within_a_second(site: Site) -> None:
    await site.text()
    site.pages["/a"], site.revision = "second", 1
    assert await site.text() == "first 0"
    site.now_s += 1.0
    assert await site.text() == "second 0"


async def test_a_vote_shows_within_a_second_where_it_is_shown(site: Site) -> None:
    await site.text()
    site.opinion = Opinion(1, None)
    site.now_s += 1.0
    assert await site.text() == "first 1"
    site.shows, site.revision = (), 1
    site.now_s += 1.0
    await site.text()
    rendered = site.num_rendered["/a"]
    site.opinion = Opinion(2, None)
    site.now_s += 1.0
    await site.text()
    assert site.num_rendered["/a"] == rendered


async def test_all_who_ask_at_once_wait_for_one_rendering(site: Site) -> None:
    found = await asyncio.gather(*(site.text() for _ in range(200)))
    assert set(found) == {"first 0"}
    assert site.num_rendered["/a"] == 1


async def test_one_reader_who_leaves_takes_nothing_from_the_others(site: Site) -> None:
    waits = threading.Event()
    make = site.make

    def slow(path: str, opinions: Opinions) -> Made | Moved | None:
        waits.wait(5)
        return make(path, opinions)

    cache = PageCache(slow, stamp=site.stamp, opinions=site, headers=(), clock=lambda: site.now_s)
    first, second = asyncio.create_task(cache.get("/a")), asyncio.create_task(cache.get("/a"))
    await asyncio.sleep(0.01)
    first.cancel()
    waits.set()
    found = await second
    assert isinstance(found, Stored)


async def test_what_is_not_there_is_not_kept(site: Site) -> None:
    for number in range(100):
        assert await site.cache.get(f"/no/{number}") is None
    assert not site.cache.holds("/no/1")
    site.pages["/old"] = Moved("/a")
    assert await site.cache.get("/old") == Moved("/a")
    assert site.cache.ready("/old") is None


async def test_a_page_that_was_taken_away_is_gone(site: Site) -> None:
    await site.text()
    del site.pages["/a"]
    site.revision, site.now_s = 1, site.now_s + 1
    assert await site.cache.get("/a") is None
    assert not site.cache.holds("/a")


async def test_while_the_database_is_away_the_last_rendering_stands(site: Site) -> None:
    await site.text()
    site.fault = StorageError("The database is away.")
    site.now_s += 1.0
    assert await site.text() == "first 0"
    with pytest.raises(StorageError):
        await site.cache.get("/b")
    site.fault, site.revision, site.pages["/a"] = None, 1, "second"
    site.now_s += 1.0
    assert await site.text() == "second 0"


async def test_an_error_is_not_kept(site: Site) -> None:
    site.fault = RuntimeError("broken")
    with pytest.raises(RuntimeError):
        await site.cache.get("/a")
    site.fault = None
    assert await site.text() == "first 0"


async def test_memory_is_bounded_and_what_is_read_stays(site: Site) -> None:
    site.shows = ()
    for number in range(40):
        site.pages[f"/{number}"] = f"{number:05d}" * 20_000  # 100 kB
        await site.text(f"/{number}")
        assert site.cache.ready("/0") is not None
    held = [number for number in range(40) if site.cache.holds(f"/{number}")]
    assert 0 in held
    assert 39 in held
    assert len(held) <= 11


async def test_too_many_pages_at_once_are_turned_away(site: Site) -> None:
    waits = threading.Event()

    def slow(path: str, opinions: Opinions) -> Made | Moved | None:
        waits.wait(5)
        return None

    cache = PageCache(slow, stamp=site.stamp, opinions=site, headers=(), clock=lambda: site.now_s)
    asked = [asyncio.create_task(cache.get(f"/{number}")) for number in range(256)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await cache.get("/one-more")
    waits.set()
    assert await asyncio.gather(*asked) == [None] * 256


def test_both_encodings_say_the_same_under_different_tags() -> None:
    made = Made(b"a page " * 1000, "text/html; charset=utf-8")
    stored = store(made, HEADERS)
    assert gzip.decompress(stored.gzipped.body) == stored.plain.body == made.body
    assert stored.plain.etag != stored.gzipped.etag
    for variant in stored:
        headers = dict(variant.headers)
        assert int(headers[b"content-length"]) == len(variant.body)
        assert headers[b"vary"] == b"accept-encoding"
        assert headers[b"x-frame-options"] == b"DENY"
        assert dict(variant.unchanged_headers)[b"etag"] == variant.etag
    assert store(made, HEADERS).plain.etag == stored.plain.etag


def test_what_does_not_shrink_is_sent_as_it_is() -> None:
    small = store(Made(b"tiny", "text/plain"), ())
    picture = store(Made(b"\x89PNG" * 1000, "image/png", is_text=False), ())
    for stored in (small, picture):
        assert stored.gzipped is stored.plain
        assert b"content-encoding" not in dict(stored.plain.headers)


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [
        (b"gzip", True),
        (b"br, GZIP;q=0.5", True),
        (b"gzip, deflate, br, zstd", True),
        (b"", False),
        (b"identity", False),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000, br", False),
        (b"xgzip", False),
    ],
)
def test_a_client_gets_what_it_takes(accepted: bytes, is_compressed: bool) -> None:
    stored = store(Made(b"a page " * 1000, "text/html"), ())
    assert (stored.variant(accepted) is stored.gzipped) is is_compressed


@pytest.mark.parametrize(
    ("tag", "is_same"),
    [("{}", True), ("W/{}", True), ('"x", {}', True), ("*", True), ('"x"', False), ("", False), ("{}x", False)],
)
def test_a_copy_is_known_by_its_tag(tag: str, is_same: bool) -> None:
    stored = store(Made(b"a page " * 1000, "text/html"), ())
    for variant in stored:
        assert is_unchanged(stored, tag.format(variant.etag.decode()).encode()) is is_same
