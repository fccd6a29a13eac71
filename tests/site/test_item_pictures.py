"""Pictures of items on the site: files of their own beside the page, bounded, and old verdicts shown as before."""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sql
from site_samples import MadeUpOpinions, make_library, page_tree, replaced, run_document, sample_pictures

from seatrial.catalog.loading import Catalog, load_catalog
from seatrial.errors import InputError
from seatrial.site.db.opening import open_database, reading
from seatrial.site.db.tables import runs
from seatrial.site.digest.feed import Feed
from seatrial.site.export import build_static
from seatrial.site.library import Library
from seatrial.site.pages.blind import blind_page, reveal_page
from seatrial.site.pages.comparison import comparison_page
from seatrial.site.rendering import Renderer
from seatrial.site.views.reading import Reading
from seatrial.site.votes.blind import Pair, next_pair, reveal
from seatrial.verdict.document import MOST_PICTURES, Document
from seatrial.verdict.report.pictures import picture_files

item, pictured_document, shown = sample_pictures.item, sample_pictures.pictured_document, sample_pictures.shown
parse = page_tree.parse
FILE = re.compile(r"/item-pictures/[a-z0-9.-]+/[0-9a-f]{32}\.webp")


@pytest.fixture
def database(new_url: Callable[..., str]) -> Iterator[Any]:
    opened = open_database(new_url("sqlite"))
    yield opened
    opened.close()


@pytest.fixture
def library(database: Any, clock: Any) -> Library:
    entries = load_catalog().entries
    few = Catalog({name: entries[name] for name in ("gpt-5-mini", "smollm2-135m", "smollm3-3b")})
    return make_library(database, clock, few)


@pytest.fixture
async def site(database: Any, clock: Any) -> AsyncIterator[Any]:
    from visitor import open_site_under_test

    opened = open_site_under_test(database, clock)
    yield opened
    await opened.booth.close()


async def test_a_page_shows_pictures_that_are_served_beside_it(site: Any) -> None:
    document = pictured_document()
    slug = site.library.publish(document).slug
    reader = site.visitor()
    page = await reader.get(f"/compare/{slug}")
    assert "data:image/webp" not in page.text
    assert "img-src 'self' data:" in page.headers["content-security-policy"]
    pictures = parse(page.text.replace("<!doctype html>", "", 1)).by_id("items").all("img")
    assert len(pictures) == 9
    for picture in pictures:
        path = picture.attributes["src"] or ""
        assert FILE.fullmatch(path)
        assert picture.attributes["alt"]
        file = await reader.get(path)
        assert (file.status, file.headers["content-type"]) == (200, "image/webp")
        assert file.headers["x-content-type-options"] == "nosniff"
        assert "max-age" in file.headers["cache-control"]
        assert file.raw == picture_files(document)[path.rpartition("/")[2]]
    assert "pictures/0123" not in page.text, "a link into the run's folder, which no reader of the site has"
    twin = (await reader.get(f"/compare/{slug}.json")).json
    assert twin["verdict"]["item_differences"][0]["pictures"][0]["name"] == "receipt-0.png"


async def test_no_other_path_gives_a_picture(site: Any) -> None:
    slug = site.library.publish(pictured_document()).slug
    name = next(iter(picture_files(pictured_document())))
    reader = site.visitor()
    for path in (
        f"/item-pictures/{slug}/{'0' * 32}.webp",
        f"/item-pictures/{slug}/",
        f"/item-pictures/{slug}",
        f"/item-pictures/gpt-5-mini-vs-smollm3-3b/{name}",
        f"/item-pictures/../{name}",
        f"/item-pictures/{slug}/..%2f{name}",
        f"/item-pictures/{slug}/{name}.json",
    ):
        assert (await reader.get(path)).status == 404, path
    site.library.remove(slug)
    site.wait()
    assert (await reader.get(f"/item-pictures/{slug}/{name}")).status == 404


def test_a_static_build_has_every_picture_as_a_file(
    library: Library, database: Any, clock: Any, tmp_path: Path
) -> None:
    slug = library.publish(pictured_document()).slug
    renderer = Renderer("https://example.org/models", is_static=True)
    site = Reading(library, renderer, database, Feed(library, clock, base_url=renderer.site.base_url).atom)
    build_static(site, MadeUpOpinions(), tmp_path / "out")
    html = (tmp_path / "out" / "compare" / slug / "index.html").read_text()
    sources = re.findall(r'<img src="([^"]+)"', html)
    assert len(sources) == 9
    for source in sources:
        assert source.startswith(f"../../item-pictures/{slug}/")
        file = (tmp_path / "out" / "compare" / slug / source).resolve()
        assert file.read_bytes() == picture_files(pictured_document())[file.name]


def test_the_blind_page_shows_what_is_asked_about_and_says_no_name(library: Library) -> None:
    comparison = library.publish(pictured_document())
    pair = pair_on(comparison.document, "bundle-1")
    page = blind_page(comparison, pair, "token-1")
    renderer = Renderer("https://example.org")
    tree = parse(renderer.html(page).decode().replace("<!doctype html>", "", 1))
    pictures = tree.by_id("main").all("img")
    assert len(pictures) == 3
    assert pictures[0].attributes["alt"] == f"Picture 1 of 3 for: {pair.input}"
    assert all(FILE.fullmatch(picture.attributes["src"] or "") for picture in pictures)
    assert page.data()["question"]["pictures"] == [picture.attributes["src"] for picture in pictures]
    for candidate in comparison.document.candidates:
        assert candidate.id not in str(page.data()).replace(comparison.slug, "")
    after = reveal_page(comparison, pair, reveal(pair, "tie", comparison.document))
    tree = parse(renderer.html(after).decode().replace("<!doctype html>", "", 1))
    assert len(tree.by_id("main").all("img")) == 3


def test_the_blind_page_says_where_a_picture_is_not_there(library: Library) -> None:
    comparison = library.publish(pictured_document())
    page = blind_page(comparison, pair_on(comparison.document, "damaged-1"), "token-1")
    tree = parse(Renderer("https://example.org").html(page).decode().replace("<!doctype html>", "", 1))
    assert tree.all("img") == []
    assert "Picture for: Who signed it?" in tree.by_id("main").text
    assert "damaged" in tree.by_id("main").text
    untold = blind_page(comparison, pair_on(comparison.document, "untold-1"), "token-1")
    tree = parse(Renderer("https://example.org").html(untold).decode().replace("<!doctype html>", "", 1))
    assert len(tree.all("img")) == 1
    assert tree.all("pre", "asked") == []


def test_more_pictures_than_a_verdict_carries_are_refused(library: Library) -> None:
    picture = shown_small()
    items = [item(f"i{n}", "?", [picture], "x") for n in range(MOST_PICTURES + 1)]
    with pytest.raises(InputError, match="41 pictures; at most 40"):
        library.publish(replaced(pictured_document(), item_differences=items))
    library.publish(replaced(pictured_document(), item_differences=items[:-1]))


def test_a_verdict_with_all_the_pictures_it_may_carry_is_stored_and_shown(library: Library, database: Any) -> None:
    import random

    rng = random.Random(0)
    pictures = [replaced(shown_small(), data=shown_small().data + rng.randbytes(11_000)) for _ in range(MOST_PICTURES)]
    document = replaced(
        pictured_document(), item_differences=[item(f"i{n}", "?", [each], "x") for n, each in enumerate(pictures)]
    )
    comparison = library.publish(document)
    with reading(database) as connection:
        stored = connection.execute(sql.select(runs.c.document).where(runs.c.slug == comparison.slug)).scalar_one()
    assert len(stored) < 700_000
    page = comparison_page(comparison, MadeUpOpinions(), library)
    assert len(page.frame.files) == MOST_PICTURES
    assert len(Renderer("https://example.org").html(page)) < 500_000


def test_verdicts_without_pictures_are_stored_as_they_were_before_there_were_any(
    library: Library, database: Any
) -> None:
    document = msgspec.json.decode(msgspec.json.encode(run_document()), type=Document)
    slug = library.publish(document).slug
    with reading(database) as connection:
        stored = zlib.decompress(connection.execute(sql.select(runs.c.document)).scalar_one())
    assert b"pictures" not in stored
    assert len(library.changes(slug)) == 1
    library.publish(msgspec.json.decode(stored, type=Document))
    assert len(library.changes(slug)) == 1


def shown_small() -> Any:
    return shown(sample_pictures.chart(1).resize((8, 8)), "a.png")


def pair_on(document: Any, wanted: str) -> Pair:
    only = replaced(document, item_differences=[each for each in document.item_differences if each.item == wanted])
    pair = next_pair(only, "reader", set(), b"secret")
    assert pair is not None
    return pair
