"""Whether the pages of a static build hang together: every link leads to a file, every fragment to something there.

In: each page's place and HTML, and the places of all files. Out: what is wrong, a line each.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

_ELSEWHERE = frozenset({"http", "https", "mailto", "data"})
_LINKS = frozenset({"href", "src", "action", "poster", "xlink:href"})


@dataclass(slots=True)
class PageLinks:
    """What a page refers to and what may be referred to in it. `place` is its file's path from the root."""

    place: str
    links: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    num_forms: int = 0


def read_links(place: str, html: str) -> PageLinks:
    """What stands in a page."""
    reader = _Reader(PageLinks(place))
    reader.feed(html)
    reader.close()
    return reader.found


def faults(pages: Collection[PageLinks], places: Collection[str]) -> Iterator[str]:
    """What does not hold together. `places` are all files, pages among them, as paths from the root."""
    ids = {page.place: page.ids for page in pages}
    for page in pages:
        if page.num_forms:
            yield f"{page.place}: {page.num_forms} forms, which nobody would answer"
        for link in sorted(page.links):
            if (why := _fault(link, page, places, ids)) is not None:
                yield f"{page.place}: `{link[:200]}` {why}"


def target(link: str, place: str) -> str | None:
    """The file that a link on the page at `place` leads to; None for one that leads elsewhere or within the page.

    From `compare/a/index.html`, `../../models/b/#facts` leads to `models/b/index.html`.
    """
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or not parts.path:
        return None
    path = unquote(parts.path)
    joined = posixpath.normpath(posixpath.join("/", posixpath.dirname(place), path)).lstrip("/")
    return posixpath.join(joined, "index.html") if path.endswith(("/", "/.", "/..")) or path in (".", "..") else joined


def _fault(link: str, page: PageLinks, places: Collection[str], ids: dict[str, set[str]]) -> str | None:
    try:
        parts = urlsplit(link)
    except ValueError:
        return "is no address"
    if parts.scheme:
        return None if parts.scheme in _ELSEWHERE else "is not followed by any page of ours"
    if parts.netloc:
        return "leads to another site without saying how"
    if parts.path.startswith("/"):
        return "works at the root of a host only"
    file = target(link, page.place) or page.place
    if file not in places:
        return f"leads to {file}, which is not there"
    fragment = unquote(parts.fragment)
    if fragment and file in ids and fragment not in ids[file]:
        return f"leads to `#{fragment}`, which is not in {file}"
    return None


class _Reader(HTMLParser):
    def __init__(self, found: PageLinks) -> None:
        super().__init__(convert_charrefs=True)
        self.found = found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.num_forms += tag == "form"
        for name, value in attrs:
            if name == "id" and value:
                self.found.ids.add(value)
            elif name in _LINKS and value is not None:
                self.found.links.add(value)
