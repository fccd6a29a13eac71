"""The static build: whole, every link followed, and fit for any folder of any file server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from site_samples import MadeUpOpinions, make_library, run_document

from seatrial.catalog.loading import Catalog, load_catalog
from seatrial.errors import StorageError, UsageError
from seatrial.site.db.opening import open_database
from seatrial.site.digest.feed import Feed
from seatrial.site.export import MARK, BrokenLinks, build_static
from seatrial.site.export_links import faults, read_links, target
from seatrial.site.rendering import Renderer
from seatrial.site.views.reading import Reading


@pytest.fixture
def reading(new_url: Callable[..., str], clock: Any) -> Iterator[Reading]:
    with opened(new_url("sqlite"), clock) as reading:
        yield reading


@pytest.fixture
def small(new_url: Callable[..., str], clock: Any) -> Iterator[Reading]:
    """A catalog of the models that featured comparisons are of."""
    entries = load_catalog().entries
    few = Catalog({name: entries[name] for name in ("gpt-5-mini", "smollm2-135m", "smollm3-3b", "smolvlm2-2.2b")})
    with opened(new_url("sqlite"), clock, few) as reading:
        yield reading


@contextmanager
def opened(url: str, clock: Any, catalog: Catalog | None = None) -> Iterator[Reading]:
    database = open_database(url)
    library = make_library(database, clock, catalog)
    renderer = Renderer("https://example.org/models", is_static=True)
    yield Reading(library, renderer, database, Feed(library, clock, base_url=renderer.site.base_url).atom)
    database.close()


@pytest.mark.slow
def test_every_page_is_a_file_with_its_twin_and_every_link_leads_somewhere(reading: Reading, tmp_path: Path) -> None:
    slug = reading.library.publish(run_document()).slug
    out = tmp_path / "out"
    built = build_static(reading, MadeUpOpinions(), out)
    for place in (
        "index.html",
        "index.json",
        f"compare/{slug}/index.html",
        f"compare/{slug}.json",
        "models/index.html",
    ):
        assert (out / place).is_file(), place
    for place in (f"pictures/{slug}.png", "feed.atom", "sitemap.xml", "robots.txt", "models/gpt-5-mini/index.html"):
        assert (out / place).is_file(), place
    assert built.num_pages == len(list(out.rglob("index.html")))
    assert built.num_files == len([path for path in out.rglob("*") if path.is_file() and path.name != MARK])
    page = (out / f"compare/{slug}/index.html").read_text()
    assert f'<link rel="canonical" href="https://example.org/models/compare/{slug}/">' in page
    assert f"<loc>https://example.org/models/compare/{slug}/</loc>" in (out / "sitemap.xml").read_text()
    assert "<form" not in page
    assert 'href="/' not in page
    assert 'src="/' not in page


def test_links_are_followed_by_an_independent_reader(small: Reading, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build_static(small, MadeUpOpinions(), out)
    num = 0
    for page in out.rglob("index.html"):
        for link in read_links("", page.read_text()).links:
            path = link.partition("#")[0].partition("?")[0]
            if not path or ":" in path:
                continue
            goal = page.parent / path
            assert (goal / "index.html" if path.endswith("/") else goal).is_file(), (page, link)
            num += 1
    assert num > 100


def test_building_anew_takes_away_what_is_gone(small: Reading, tmp_path: Path) -> None:
    out = tmp_path / "out"
    slug = small.library.publish(run_document()).slug
    build_static(small, MadeUpOpinions(), out)
    small.library.remove(slug)
    build_static(small, MadeUpOpinions(), out)
    assert not (out / f"compare/{slug}").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []


def test_a_folder_with_other_files_is_left_alone(small: Reading, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="other files"):
        build_static(small, MadeUpOpinions(), tmp_path)
    with pytest.raises(UsageError):
        build_static(small, MadeUpOpinions(), tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_full_disk_leaves_the_earlier_build(small: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    build_static(small, MadeUpOpinions(), out)
    before = (out / "index.html").read_bytes()
    num_written = 0
    write_bytes = Path.write_bytes

    def fails(path: Path, content: bytes) -> int:
        nonlocal num_written
        num_written += 1
        if num_written > 5:
            raise OSError(28, "No space left on device")
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", fails)
    with pytest.raises(StorageError, match="No space left"):
        build_static(small, MadeUpOpinions(), out)
    assert (out / "index.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []


def test_a_broken_link_stops_the_build(small: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    html = small.renderer.html
    monkeypatch.setattr(
        type(small.renderer),
        "html",
        lambda self, page: html(page).replace(b"</main>", b'<a href="gone/">x</a></main>'),
    )
    with pytest.raises(BrokenLinks, match=r"gone/index\.html, which is not there"):
        build_static(small, MadeUpOpinions(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("link", "goal"),
    [
        ("../../models/b/#facts", "models/b/index.html"),
        ("../b/", "compare/b/index.html"),
        ("../../static/site.1.css", "static/site.1.css"),
        ("../a.json", "compare/a.json"),
        ("../../", "index.html"),
        ("./", "compare/a/index.html"),
        ("..", "compare/index.html"),
        ("#here", None),
        ("https://elsewhere.example/", None),
        ("../../../../../etc/passwd", "etc/passwd"),
        ("b%20c.json", "compare/a/b c.json"),
    ],
)
def test_where_links_lead(link: str, goal: str | None) -> None:
    assert target(link, "compare/a/index.html") == goal


def test_what_is_wrong_is_found() -> None:
    html = (
        '<p id="a"><a href="#a">1</a><a href="#b">2</a><a href="/x">3</a><a href="//x.example">4</a>'
        '<a href="javascript:x">5</a><a href="mailto:x@y.example">6</a><form></form><a href="other.html#c">7</a>'
    )
    pages = [read_links("index.html", html), read_links("other.html", '<p id="d">')]
    found = "\n".join(faults(pages, {"index.html", "other.html"}))
    for part in ("`#b`", "`/x`", "`//x.example`", "`javascript:x`", "forms", "`#c`"):
        assert part in found
    for part in ("`#a`", "mailto"):
        assert part not in found
