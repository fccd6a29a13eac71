"""What stands at which path: pages, their JSON, pictures, feed and sitemap, the same for every reader.

In: a path as it was asked for. Out: the page's dataclass (`page`), or its bytes (`make`), or the path under which the
same thing stands. Nothing here knows of a request; the server's cache and the static build both read through it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import func, select

from seatrial.errors import UsageError
from seatrial.site.cache import Made, Moved
from seatrial.site.db.opening import Database, reading
from seatrial.site.db.tables import issues
from seatrial.site.digest.week import read_week
from seatrial.site.digest.writing import find_issue, latest_issues
from seatrial.site.library import Library
from seatrial.site.pages.category import category_page, models_page
from seatrial.site.pages.comparison import PICTURES, comparison_page
from seatrial.site.pages.digest import digest_page, issue_page
from seatrial.site.pages.frame import Page
from seatrial.site.pages.home import home_page
from seatrial.site.pages.methodology import methodology_page
from seatrial.site.pages.model import model_page
from seatrial.site.pages.pairs import pick_page
from seatrial.site.pages.sitemap import SitemapEntry, sitemap_entries, sitemap_xml
from seatrial.site.pictures import comparison_picture
from seatrial.site.rendering import Renderer
from seatrial.site.votes.opinion import Opinions
from seatrial.verdict.report.pictures import picture_files

HTML, JSON = "text/html; charset=utf-8", "application/json"
_LONGEST_PATH = 400
# Letters that no path of ours has are refused before a database sees them.
_PATH = re.compile(r"/[A-Za-z0-9._~@:+-]*(?:/[A-Za-z0-9._~@:+-]+){0,2}")
_FEED_S, _PICTURE_S = 300, 86_400
_LIVE_ONLY = frozenset({"/compare", "/digest"})
_NOT_CRAWLED = ("/votes/", "/voter/", "/blind/", "/search", "/digest/confirm/", "/digest/unsubscribe/")


@dataclass(frozen=True, slots=True)
class Reading:
    """`feed` writes the Atom feed; issues of the digest are read from `database`. Any number of threads may read."""

    library: Library
    renderer: Renderer
    database: Database
    feed: Callable[[], bytes]

    def make(self, path: str, opinions: Opinions) -> Made | Moved | None:
        """What stands at `path`; None where nothing does."""
        if len(path) > _LONGEST_PATH or not _PATH.fullmatch(path):
            return None
        if (file := self._file(path)) is not None:
            return file
        if path.endswith(".json") and (page := self._twin_page(path, opinions)) is not None:
            return Made(self.renderer.twin(page), JSON)
        if (page := self.page(path, opinions)) is not None:
            return Made(self.renderer.html(page), HTML)
        return self._moved(path)

    def page(self, path: str, opinions: Opinions) -> Page | None:
        """The page whose canonical path this is."""
        try:
            match path.split("/")[1:]:
                case [""]:
                    return home_page(self.library)
                case ["compare"]:
                    return pick_page(self.library)
                case ["compare", slug]:
                    return self._comparison(slug, opinions)
                case ["models"]:
                    return models_page(self.library)
                case ["models", id]:
                    return model_page(self.library, id, opinions)
                case ["categories", name]:
                    return category_page(self.library, name)
                case ["methodology"]:
                    return methodology_page()
                case ["digest"]:
                    return digest_page(latest_issues(self.database))
                case ["digest", week]:
                    issue = find_issue(self.database, read_week(week))
                    return None if issue is None else issue_page(issue)
        except UsageError:  # no such name, no such week
            return None
        return None

    def stamp(self) -> tuple[int, int]:
        """Another one as soon as any page may have changed, opinions aside. Raises StorageError."""
        with reading(self.database) as connection:
            num_issues = connection.execute(select(func.count()).select_from(issues)).scalar_one()
        return self.library.revision(), num_issues

    def static_paths(self) -> list[str]:
        """Where the pages stand that a static build begins with; what they link to comes after them."""
        return [entry.path for entry in self._sitemap()]

    def _comparison(self, slug: str, opinions: Opinions) -> Page | None:
        """A static page has no way to judge answers blind."""
        comparison = self.library.find(slug)
        if comparison is None:
            return None
        page = comparison_page(comparison, opinions, self.library)
        return replace(page, around=replace(page.around, blind=None)) if self.renderer.site.is_static else page

    def _twin_page(self, path: str, opinions: Opinions) -> Page | None:
        page = self.page("/" if path == "/index.json" else path.removesuffix(".json"), opinions)
        return page if page is not None and page.frame.twin == path else None

    def _file(self, path: str) -> Made | None:
        if path == "/feed.atom":
            return Made(self.feed(), "application/atom+xml; charset=utf-8", max_age_s=_FEED_S)
        if path == "/sitemap.xml":
            xml = sitemap_xml(self._sitemap(), self.renderer.absolute)
            return Made(xml, "application/xml; charset=utf-8", max_age_s=_FEED_S)
        if path == "/robots.txt":
            return Made(self._robots(), "text/plain; charset=utf-8", max_age_s=_FEED_S)
        if path.startswith("/pictures/") and path.endswith(".png"):
            comparison = self.library.find(path.removeprefix("/pictures/").removesuffix(".png"))
            if comparison is not None:
                return Made(comparison_picture(comparison), "image/png", is_text=False, max_age_s=_PICTURE_S)
        if path.startswith(PICTURES):
            return self._item_picture(path)
        return None

    def _item_picture(self, path: str) -> Made | None:
        """A picture of an item that a published run shows."""
        slug, _, name = path.removeprefix(PICTURES).partition("/")
        comparison = self.library.run_at(slug)
        data = None if comparison is None else picture_files(comparison.document).get(name)
        return None if data is None else Made(data, "image/webp", is_text=False, max_age_s=_PICTURE_S)

    def _moved(self, path: str) -> Moved | None:
        """Another order of the same candidates, or other capitals."""
        if not path.startswith("/compare/"):
            return None
        slug, suffix = path.removeprefix("/compare/").lower(), ""
        if slug.endswith(".json"):
            slug, suffix = slug.removesuffix(".json"), ".json"
        canonical = self.library.canonical(slug)
        goal = f"/compare/{canonical}{suffix}"
        return None if canonical is None or goal == path else Moved(goal)

    def _sitemap(self) -> list[SitemapEntry]:
        entries = sitemap_entries(self.library)
        return [entry for entry in entries if not (self.renderer.site.is_static and entry.path in _LIVE_ONLY)]

    def _robots(self) -> bytes:
        kept_out = "".join(f"Disallow: {path}\n" for path in _NOT_CRAWLED)
        return f"User-agent: *\n{kept_out}Sitemap: {self.renderer.absolute('/sitemap.xml')}\n".encode()
