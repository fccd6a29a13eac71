"""The feed is Atom as RFC 4287 has it, with ids that stay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as Xml

from seatrial.site.digest.feed import NUM_ENTRIES, Feed

ATOM = "{http://www.w3.org/2005/Atom}"
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
AddRun = Callable[..., None]


def read(library: Any, clock: Any) -> Xml.Element:
    return Xml.fromstring(Feed(library, clock, base_url="https://site.example").atom())


def texts(element: Xml.Element, name: str) -> list[str | None]:
    return [found.text for found in element.iter(f"{ATOM}{name}")]


def test_a_feed_without_entries_is_whole(library: Any, clock: Any) -> None:
    feed = read(library, clock)
    assert feed.tag == f"{ATOM}feed"
    for name in ("id", "title", "updated"):
        assert feed.findtext(f"{ATOM}{name}")
    assert feed.findtext(f"{ATOM}author/{ATOM}name")
    assert {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")} == {
        "self": "https://site.example/feed.atom",
        "alternate": "https://site.example/",
    }
    assert feed.findall(f"{ATOM}entry") == []


def test_entries_say_what_changed_newest_first(library: Any, clock: Any, add_run: AddRun) -> None:
    hostile = "<b>&\x00\x08\ufffe]]> Ship it"
    add_run("gpt-5-mini-vs-smollm3-3b", MONDAY, "ship", "gpt-5-mini", hostile.replace("\x00", ""))
    add_run("gpt-5-mini-vs-smollm3-3b", MONDAY + timedelta(hours=1), "skip", None, "Skip both.")
    feed = read(library, clock)
    assert texts(feed, "title")[1:] == ["GPT-5 mini or SmolLM3-3B? Now: skip them all", "GPT-5 mini or SmolLM3-3B?"]
    assert texts(feed, "summary")[1] == "<b>&]]> Ship it."
    assert texts(feed, "updated") == ["2026-11-16T01:00:00Z", "2026-11-16T01:00:00Z", "2026-11-16T00:00:00Z"]
    entry = feed.findall(f"{ATOM}entry")[0]
    assert entry.find(f"{ATOM}link").get("href") == "https://site.example/compare/gpt-5-mini-vs-smollm3-3b"  # type: ignore[union-attr]
    assert entry.find(f"{ATOM}category").get("term") == "flipped"  # type: ignore[union-attr]


def test_ids_are_unique_and_stay(library: Any, clock: Any, add_run: AddRun) -> None:
    for i in range(NUM_ENTRIES + 5):
        add_run(f"a-vs-b{i}", MONDAY + timedelta(minutes=i), "skip")
    before = texts(read(library, clock), "id")
    assert len(set(before)) == len(before) == NUM_ENTRIES + 1
    add_run("a-vs-c", MONDAY + timedelta(hours=2), "skip")
    clock.advance(days=1)
    after = texts(read(library, clock), "id")
    assert after[0] == before[0]
    assert after[2:] == before[1:-1]
    assert all(str(name).startswith("tag:site.example,2026:") for name in after)
