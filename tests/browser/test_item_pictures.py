"""Items that ask about pictures in a real browser: on the report, the site, its blind page and its static build."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from page_checks import CONTRAST, MOVED, OUTSIDE, SMUGGLED, UNNAMED
from playwright.sync_api import expect
from site_process import SiteProcess, serving_files
from site_reader import DESKTOP, MODES, PHONE, reading
from site_samples import make_library, replaced, sample_pictures

from seatrial.site.db.opening import open_database
from seatrial.verdict.document import Document
from seatrial.verdict.report import write_report

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

UNLOADED = """() => [...document.querySelectorAll('img')].filter(img =>
  img.checkVisibility() && !(img.complete && img.naturalWidth > 0)).map(img => img.outerHTML.slice(0, 120))"""
"""Pictures in sight that a browser could not draw."""

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>'


def hostile_document() -> Document:
    document = sample_pictures.pictured_document()
    items = [
        replaced(
            item,
            input=f"{item.input} {HOSTILE}",
            pictures=[replaced(picture, name=HOSTILE, note=HOSTILE) for picture in item.pictures],
        )
        for item in document.item_differences
    ]
    return replaced(document, item_differences=items)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report beside one larger version, as in a run's folder."""
    document = sample_pictures.pictured_document()
    path = write_report(document, tmp_path_factory.mktemp("pictured"))
    (larger,) = {picture.larger for item in document.item_differences for picture in item.pictures if picture.larger}
    (path.parent / larger).parent.mkdir()
    (path.parent / larger).write_bytes(sample_pictures.webp(sample_pictures.chart(1)))
    return path


@pytest.fixture(scope="module")
def path(site: SiteProcess) -> str:
    """Where a published run with pictures stands on the site, under candidates that no other run has."""
    return _published(site, sample_pictures.pictured_document(), "baseline:rules")


@pytest.fixture(scope="module")
def blind_path(site: SiteProcess) -> str:
    """Where a run is judged whose every item has a picture to see, whichever pair comes first."""
    document = sample_pictures.pictured_document()
    items = [item for item in document.item_differences if any(picture.data for picture in item.pictures)]
    path = _published(site, replaced(document, item_differences=items), "baseline:regex")
    return path.replace("/compare/", "/blind/")


def _published(site: SiteProcess, document: Document, second: str) -> str:
    """Publishes the run with its second candidate under the id `second`, so that its page is its own."""
    run = replaced(document.run, id=hashlib.sha256(second.encode()).hexdigest()[:12])
    written = msgspec.json.encode(replaced(document, run=run))
    renamed = msgspec.json.decode(written.replace(b'"baseline:nearest"', f'"{second}"'.encode()), type=Document)
    database = open_database(f"sqlite:///{site.database}")
    try:
        return make_library(database, lambda: datetime.now(UTC)).publish(renamed).path
    finally:
        database.close()


@contextmanager
def opened(browser: Any, file: Path, **options: Any) -> Iterator[Any]:
    """The report; fails on any message, error, or request for anything but the page and what it holds."""
    with reading(browser, file.parent.as_uri(), **options) as page:
        page.goto(file.as_uri())
        yield page


@pytest.mark.parametrize("mode", MODES)
def test_a_row_shows_its_picture_small_and_opens_it_large(browser: Any, report: Path, mode: str) -> None:
    with opened(browser, report, **MODES[mode]) as page:
        row = page.locator("details.pictured").first
        picture = row.locator("img")
        picture.scroll_into_view_if_needed()
        closed = picture.bounding_box()
        assert 40 <= closed["width"] <= 60
        assert 40 <= closed["height"] <= 60
        row.locator("summary").click()
        large = picture.bounding_box()
        width = page.viewport_size["width"]
        assert large["width"] > min(300, 0.7 * width)
        assert large["x"] + large["width"] <= width
        assert abs(large["width"] / large["height"] - 420 / 394) < 0.02
        assert row.get_by_text("receipt-0.png, 420 × 394 pixels").is_visible()
        picture.click()
        assert picture.bounding_box() == closed
        assert page.evaluate(UNLOADED) == []


def test_the_keyboard_opens_a_picture_and_words_stand_for_it(browser: Any, report: Path) -> None:
    with opened(browser, report, viewport=DESKTOP) as page:
        row = page.locator("details.pictured").nth(4)
        row.locator("summary").focus()
        assert row.locator("img:visible").count() == 1
        page.keyboard.press("Enter")
        assert row.locator("img:visible").count() == 3
        names = [image.get_attribute("alt") for image in row.get_by_role("img").all() if image.get_attribute("alt")]
        assert len(names) == 3
        expect(row.get_by_role("img", name="Picture 1 of 3 for: Which of these three receipts")).to_be_visible()


def test_a_larger_version_opens_from_the_report(browser: Any, report: Path) -> None:
    with opened(browser, report, viewport=DESKTOP) as page:
        page.locator("details.pictured").nth(3).locator("summary").click()
        page.get_by_role("link", name="larger, in the run’s folder").click()
        page.wait_for_load_state()
        assert page.url.endswith("-large.webp")
        assert page.evaluate("document.querySelector('img').naturalWidth") == 900


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "open"])
def test_the_report_is_sound_with_pictures(browser: Any, report: Path, viewport: Any, is_open: bool) -> None:
    with opened(browser, report, viewport=viewport) as page:
        if is_open:
            page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        _check_soundness(page, ".item-group")


def test_paper_gets_the_pictures_of_open_items(browser: Any, report: Path) -> None:
    with opened(browser, report, viewport={"width": 720, "height": 1000}) as page:
        page.evaluate("document.querySelectorAll('details.pictured').forEach(d => { d.open = true; })")
        page.emulate_media(media="print")
        assert page.locator("details.pictured img:visible").count() == 9
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.pdf().startswith(b"%PDF")


def test_hostile_names_and_questions_stay_words(browser: Any, tmp_path: Path) -> None:
    with opened(browser, write_report(hostile_document(), tmp_path), viewport=PHONE) as page:
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        own = "<script>// Copy buttons"
        assert [each for each in page.evaluate(SMUGGLED) if not each.startswith(own)] == []
        assert page.evaluate(OUTSIDE) == []


@pytest.mark.parametrize("mode", MODES)
def test_the_comparison_page_shows_pictures_as_the_report_does(
    browser: Any, site: SiteProcess, path: str, mode: str
) -> None:
    with reading(browser, site.url, **MODES[mode]) as page:
        page.goto(site.url + path)
        row = page.locator("details.pictured").first
        row.scroll_into_view_if_needed()
        expect(row.locator("img")).to_have_js_property("complete", True)
        assert row.locator("img").evaluate("img => img.naturalWidth") == 420
        assert 40 <= row.locator("img").bounding_box()["width"] <= 60
        row.locator("summary").click()
        assert row.locator("img").bounding_box()["width"] > 200
        assert page.locator("a[href^='pictures/']").count() == 0


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_comparison_page_is_sound_and_still(browser: Any, site: SiteProcess, path: str, viewport: Any) -> None:
    with reading(browser, site.url, viewport=viewport) as page:
        page.goto(f"{site.url}{path}#items")
        page.wait_for_load_state("networkidle")
        assert page.evaluate(MOVED) == []
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        page.wait_for_load_state("networkidle")
        _check_soundness(page, ".item-group")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_blind_page_shows_what_is_asked_about(
    browser: Any, site: SiteProcess, blind_path: str, viewport: Any
) -> None:
    with reading(browser, site.url, viewport=viewport) as page:
        page.goto(site.url + blind_path)
        expect(page.locator(".seen img").first).to_be_visible()
        assert page.evaluate(UNLOADED) == []
        assert page.evaluate(MOVED) == []
        _check_soundness(page, "main")
        page.get_by_role("button", name="Left is better").click()
        expect(page.locator(".seen img").first).to_be_visible()
        assert page.evaluate(UNLOADED) == []
        _check_soundness(page, "main")


def test_the_static_site_has_the_pictures(browser: Any, site: SiteProcess, path: str) -> None:
    out = site.home / "public-pictures" / "trial"
    with serving_files(out.parent) as address:
        site.command("site", "build", str(out), "--url", f"{address}/trial")
        with reading(browser, f"{address}/trial/", viewport=DESKTOP) as page:
            page.goto(f"{address}/trial{path}/")
            for row in page.locator("details.pictured").all():
                row.locator("summary").click()
            page.wait_for_load_state("networkidle")
            assert page.locator("details.pictured img:visible").count() == 9
            assert page.evaluate(UNLOADED) == []


def _check_soundness(page: Any, within: str) -> None:
    """What axe-core finds wrong within a part of the page, and our own checks on all of it, in both schemes."""
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert page.evaluate(OUTSIDE) == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(CONTRAST) == []
    found = Axe().run(page, context=within).response["violations"]
    assert [f"{each['id']}: {node['html'][:150]}" for each in found for node in each["nodes"]] == []
