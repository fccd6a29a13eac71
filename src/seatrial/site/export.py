"""The site as files: every page that others link to, its JSON, and what pages refer to, for any plain file server.

In: what stands at each path, rendered for static use. Out: a folder; `/compare/x` is `compare/x/index.html` in it and
`compare/x.json`. It is built beside its goal and takes its place whole, after every link in it was followed. Votes,
blind votes, search and the digest need the running site and are left out, with what leads to them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import SeatrialError, StorageError, UsageError
from seatrial.site.cache import Made
from seatrial.site.export_links import PageLinks, faults, read_links, target
from seatrial.site.views.reading import Reading
from seatrial.site.votes.opinion import Opinions

MARK = ".seatrial-site"
"""The file that says that a folder was built by us, and may be built anew."""

_FILES = ("/feed.atom", "/sitemap.xml", "/robots.txt")
_MOST_SHOWN = 10


class BrokenLinks(SeatrialError):
    """The build has links that lead nowhere. Nothing was put in place."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a build holds."""

    num_pages: int
    num_files: int
    num_bytes: int


def build_static(reading: Reading, opinions: Opinions, out: Path) -> Built:
    """Write the site to `out`, which is new, empty or an earlier build.

    Raises UsageError for a folder that holds something else, StorageError, BrokenLinks.
    """
    _refuse_other_files(out)
    with _beside(out) as part:
        build = _Build(reading, opinions, part)
        build.add_pages(reading.static_paths())
        build.add_files(_FILES)
        build.add_assets()
        wrong = list(faults(build.pages, build.places))
        if wrong:
            more = f"\n… and {len(wrong) - _MOST_SHOWN:,} more" if len(wrong) > _MOST_SHOWN else ""
            shown = "\n".join(wrong[:_MOST_SHOWN])
            raise BrokenLinks(f"{len(wrong):,} links of the static site lead nowhere:\n{shown}{more}")
        _write(part / MARK, b"Built by `seatrial site build`, which may delete this folder.\n")
        _put_in_place(part, out)
    return Built(len(build.pages), len(build.places), build.num_bytes)


class _Build:
    """Pages, and whatever they link to in turn."""

    def __init__(self, reading: Reading, opinions: Opinions, folder: Path) -> None:
        self._reading, self._opinions, self._folder = reading, opinions, folder
        self.pages: list[PageLinks] = []
        self.places: set[str] = set()
        self.num_bytes = 0

    def add_pages(self, paths: Iterable[str]) -> None:
        """Write these pages and those that they lead to."""
        waiting = deque(paths)
        seen = set(waiting)
        while waiting:
            links = self._add_page(waiting.popleft())
            further = {path for link in links if (path := _page_path(link)) is not None} - seen
            seen |= further
            waiting.extend(sorted(further))

    def add_files(self, paths: Iterable[str]) -> None:
        """Write what stands at these paths."""
        for path in paths:
            made = self._reading.make(path, self._opinions)
            if isinstance(made, Made):
                self._add(path.lstrip("/"), made.body)

    def add_assets(self) -> None:
        """Write styles and scripts."""
        for asset in self._reading.renderer.assets():
            self._add(f"static/{asset.name}", asset.body)

    def _add_page(self, path: str) -> Iterator[str]:
        """Write the page at `path` with its twin and pictures. The files that it links to."""
        page = self._reading.page(path, self._opinions)
        if page is None:
            return iter(())
        renderer, place = self._reading.renderer, _place(path)
        html = renderer.html(page)
        self._add(place, html)
        self._add(page.frame.twin.lstrip("/"), renderer.twin(page))
        if page.frame.picture is not None:
            self.add_files([page.frame.picture])
        self.add_files(page.frame.files)
        links = read_links(place, html.decode())
        self.pages.append(links)
        return (file for link in links.links if (file := _target(link, place)) is not None)

    def _add(self, place: str, content: bytes) -> None:
        goal = (self._folder / place).resolve()
        assert goal.is_relative_to(self._folder.resolve()), place
        _write(goal, content)
        self.places.add(place)
        self.num_bytes += len(content)


def _place(path: str) -> str:
    """`/compare/x` is in `compare/x/index.html`."""
    return f"{path.strip('/')}/index.html".lstrip("/")


def _page_path(place: str) -> str | None:
    """The path of the page in a file; None for files that are no pages."""
    if place == "index.html":
        return "/"
    return f"/{place.removesuffix('/index.html')}" if place.endswith("/index.html") else None


def _target(link: str, place: str) -> str | None:
    try:
        return target(link, place)
    except ValueError:
        return None


def _refuse_other_files(out: Path) -> None:
    try:
        names = set(os.listdir(out))
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{out} is no folder that can be built in: {error.strerror}. Name another.") from None
    if names and MARK not in names:
        raise UsageError(f"{out} holds other files than a site built before. Name a new folder, or empty this one.")


@contextlib.contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A folder beside the goal; whatever is left of it at the end is deleted."""
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.absolute().parent))
        part.chmod(0o755)
    except OSError as error:
        raise StorageError(f"{out} cannot be written: {error.strerror}. Name another folder.") from None
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _put_in_place(part: Path, out: Path) -> None:
    old = part.with_name(f"{part.name}.old")
    try:
        if out.exists():
            os.replace(out, old)
        os.replace(part, out)
    except OSError as error:
        if old.exists() and not out.exists():
            os.replace(old, out)
        raise StorageError(f"{out} cannot be written: {error.strerror}. Name another folder.") from None
    shutil.rmtree(old, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}. Free some space.") from None
