"""The same changes as an Atom feed (RFC 4287): the last fifty, newest first.

In: the library and a clock. Out: the feed's bytes. An entry has the same id for ever, made from what changed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as Xml

from seatrial.site.digest import wording
from seatrial.site.digest.changes import Change, PriceChange, RetirementNotice, VerdictChange, latest_changes
from seatrial.site.library import Library

MEDIA_TYPE = "application/atom+xml; charset=utf-8"
NUM_ENTRIES = 50

_ATOM = "http://www.w3.org/2005/Atom"
_TITLE = "Seatrial: what changed"
_NOTHING_YET = datetime(2026, 1, 1, tzinfo=UTC)


class Feed:
    """The feed of the site at `base_url` (without a slash at its end)."""

    def __init__(self, library: Library, clock: Callable[[], datetime], *, base_url: str) -> None:
        self._library, self._clock, self._base_url = library, clock, base_url

    def atom(self) -> bytes:
        """The feed as it is now. Raises StorageError."""
        return atom(latest_changes(self._library, self._clock(), NUM_ENTRIES), base_url=self._base_url)


def atom(changes: list[Change], *, base_url: str) -> bytes:
    """These changes, in their order, as a feed."""
    feed = Xml.Element("feed", {"xmlns": _ATOM, "xml:lang": "en"})
    _add(feed, "id", _tag(base_url, "feed"))
    _add(feed, "title", _TITLE)
    _add(feed, "updated", _instant(max((change.at for change in changes), default=_NOTHING_YET)))
    _add(feed, "link", rel="self", type="application/atom+xml", href=f"{base_url}/feed.atom")
    _add(feed, "link", rel="alternate", type="text/html", href=f"{base_url}/")
    _add(Xml.SubElement(feed, "author"), "name", "Seatrial")
    for change in changes:
        _add_entry(feed, change, base_url)
    Xml.indent(feed, space=" ")
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(feed, encoding="unicode").encode() + b"\n"


def _add_entry(feed: Xml.Element, change: Change, base_url: str) -> None:
    entry = Xml.SubElement(feed, "entry")
    _add(entry, "id", _tag(base_url, _key(change)))
    _add(entry, "title", wording.headline(change))
    _add(entry, "updated", _instant(change.at))
    _add(entry, "link", rel="alternate", type="text/html", href=f"{base_url}{wording.path(change)}")
    _add(entry, "category", term=wording.kind(change))
    _add(entry, "summary", wording.text(change))


def _add(parent: Xml.Element, name: str, text: str | None = None, **attributes: str) -> None:
    """`wording` leaves no character in a text that XML cannot have."""
    Xml.SubElement(parent, name, attributes).text = text


def _key(change: Change) -> str:
    match change:
        case VerdictChange():
            return f"verdict/{change.after.run_id}"
        case PriceChange():
            return f"price/{change.model}/{change.at:%Y-%m-%d}/{change.after.above_prompt_tokens or 0}"
        case RetirementNotice():
            return f"retirement/{change.model}/{change.on}/{change.days}"


def _tag(base_url: str, key: str) -> str:
    """RFC 4151: names that need no address, under the host that the site has."""
    return f"tag:{urlsplit(base_url).hostname or 'localhost'},2026:{quote(key, safe='/')}"


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
