"""What search engines are told of: every page worth finding, with the day it last changed.

The library comes in; entries, and the XML of sitemaps.org made from them, go out. Pages of a reader's own, blind votes,
searches and addresses that answer with a redirect are not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from xml.sax.saxutils import escape

from seatrial.site.library import Library
from seatrial.site.pages.category import category_links
from seatrial.site.pages.lines import model_path

MOST_ENTRIES = 50_000
"""What one sitemap may hold; the newest comparisons come first, so that what is left out is what is oldest."""


@dataclass(frozen=True, slots=True)
class SitemapEntry:
    """A page's canonical path, and the day it changed where that is known."""

    path: str
    changed_on: date | None = None


def sitemap_entries(library: Library) -> list[SitemapEntry]:
    """Every page of the site that search engines may show."""
    listings = library.listings()
    newest = next((listing.added_at.date() for listing in listings if listing.added_at is not None), None)
    entries = [SitemapEntry("/", newest), SitemapEntry("/models"), SitemapEntry("/methodology")]
    entries += [SitemapEntry("/compare"), SitemapEntry("/digest")]
    entries += [SitemapEntry(link.path) for link in category_links(library)]
    entries += [SitemapEntry(model_path(model)) for model in library.catalog.entries]
    entries += [
        SitemapEntry(listing.path, None if listing.added_at is None else listing.added_at.date())
        for listing in listings
    ]
    return entries[:MOST_ENTRIES]


def sitemap_xml(entries: Iterable[SitemapEntry], absolute: Callable[[str], str]) -> bytes:
    """The sitemap; `absolute` makes a path the whole address of a page."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">']
    for entry in entries:
        changed = f"<lastmod>{entry.changed_on.isoformat()}</lastmod>" if entry.changed_on else ""
        lines.append(f"<url><loc>{escape(absolute(entry.path))}</loc>{changed}</url>")
    return "\n".join([*lines, "</urlset>", ""]).encode()
