"""The report in a real browser: desktop and phone, light and dark, with and without JavaScript, and on paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
import sample
from page_checks import CONTRAST
from playwright.sync_api import expect

from seatrial.verdict.document import Document
from seatrial.verdict.report import write_report

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
LONG = "Extraordinarily-long-model-name-without-a-single-break-" * 2 + "70B-Instruct-v0.3-GGUF"


def long_names_document() -> Document:
    document = sample.measured_document()
    cards = [
        msgspec.structs.replace(card, name=f"{LONG}-{place}", maker=LONG, licence=LONG, tagline=LONG)
        for place, card in enumerate(document.candidates)
    ]
    return msgspec.structs.replace(document, candidates=cards)


DOCUMENTS: dict[str, Callable[[], Document]] = {
    "measured": sample.measured_document,
    "catalog": sample.catalog_document,
    "single": sample.single_document,
    "mixed": sample.mixed_document,
    "bare": sample.bare_document,
    "long names": long_names_document,
}


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        name: write_report(make(), tmp_path_factory.mktemp(name.replace(" ", "-"))).as_uri()
        for name, make in DOCUMENTS.items()
    }


@contextmanager
def opened(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """The page; fails on any console message, error or request for something else than the page."""
    context = browser.new_context(**options)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: request.url.startswith((address, "data:")) or complaints.append(request.url))
    page.goto(address)
    yield page
    context.close()
    assert complaints == []


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize(
    "viewport", [PHONE, DESKTOP, {"width": 768, "height": 1024}], ids=["phone", "desktop", "tablet"]
)
def test_the_page_never_scrolls_sideways(browser: Any, addresses: dict[str, str], name: str, viewport: Any) -> None:
    with opened(browser, addresses[name], viewport=viewport) as page:
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert widths[0] <= widths[1]
        outside = page.evaluate(
            """() => [...document.querySelectorAll('main *, header *')].filter(e => {
                 const box = e.getBoundingClientRect();
                 return box.width && box.right > innerWidth + 1 && !e.closest('.scroll, pre, .sr, .preview, svg');
               }).map(e => e.outerHTML.slice(0, 120))"""
        )
        assert outside == []


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_no_text_is_clipped_in_cards_and_figures(browser: Any, addresses: dict[str, str], viewport: Any) -> None:
    with opened(browser, addresses["measured"], viewport=viewport) as page:
        clipped = page.evaluate(
            """() => [...document.querySelectorAll('.card *, .voice *, .side, h1, h2, h3, .sentence')].filter(e =>
                 !e.closest('pre, .sr, svg') && e.scrollWidth > e.clientWidth + 1 && 
                 getComputedStyle(e).display !== 'inline')
               .map(e => e.outerHTML.slice(0, 120))"""
        )
        assert clipped == []
        outside = page.evaluate(
            """() => [...document.querySelectorAll('svg.plot')].flatMap(svg => {
                 const frame = svg.getBoundingClientRect();
                 return [...svg.querySelectorAll('text, .mark, .dot')].filter(e => {
                   const box = e.getBoundingClientRect();
                   return box.left < frame.left - 2 || box.right > frame.right + 2 || box.bottom > frame.bottom + 2;
                 }).map(e => e.outerHTML.slice(0, 120));
               })"""
        )
        assert outside == []


def test_the_votes_at_a_glance_fit_a_phone_without_breaking_words(browser: Any, addresses: dict[str, str]) -> None:
    with opened(browser, addresses["measured"], viewport=PHONE) as page:
        table = page.locator(".glance")
        assert table.evaluate("t => t.parentElement.scrollWidth <= t.parentElement.clientWidth")
        assert max(table.locator("thead th").evaluate_all("cells => cells.map(c => c.clientHeight)")) < 48


@pytest.mark.parametrize("name", ["measured", "mixed"])
def test_labels_in_figures_do_not_overlap(browser: Any, addresses: dict[str, str], name: str) -> None:
    with opened(browser, addresses[name], viewport=DESKTOP) as page:
        collisions = page.evaluate(
            """() => [...document.querySelectorAll('svg.plot')].flatMap(svg => {
                 const boxes = [...svg.querySelectorAll('text')].map(e => [e.textContent, e.getBoundingClientRect()]);
                 return boxes.flatMap(([words, a], i) => boxes.slice(i + 1).filter(([, b]) =>
                   a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3
                 ).map(([other]) => `${words} / ${other}`));
               })"""
        )
        assert collisions == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["measured", "catalog", "mixed", "single"])
def test_all_text_has_contrast_of_at_least_four_and_a_half(
    browser: Any, addresses: dict[str, str], name: str, scheme: str
) -> None:
    with opened(browser, addresses[name], viewport=DESKTOP, color_scheme=scheme) as page:
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        assert page.evaluate(CONTRAST) == []


def test_dark_is_dark_and_light_is_light(browser: Any, addresses: dict[str, str]) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        with opened(browser, addresses["measured"], color_scheme=scheme) as page:
            grounds[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert grounds == {"light": "rgb(253, 252, 249)", "dark": "rgb(11, 22, 32)"}


def test_the_copy_button_copies_the_whole_command(browser: Any, addresses: dict[str, str]) -> None:
    with opened(browser, addresses["measured"], permissions=["clipboard-read", "clipboard-write"]) as page:
        page.locator("#repeat button.copy").click()
        page.get_by_role("button", name="Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == sample.measured_document().run.repeat


def test_the_filter_shows_one_workload_and_all_again(browser: Any, addresses: dict[str, str]) -> None:
    with opened(browser, addresses["measured"], viewport=PHONE) as page:
        groups = page.locator(".item-group")
        assert [groups.nth(i).is_visible() for i in range(3)] == [True, True, True]
        page.get_by_role("button", name="Order extraction").click()
        assert [groups.nth(i).is_visible() for i in range(3)] == [False, True, False]
        assert page.get_by_role("button", name="Order extraction").get_attribute("aria-pressed") == "true"
        page.get_by_role("button", name="All", exact=True).click()
        assert [groups.nth(i).is_visible() for i in range(3)] == [True, True, True]


def test_an_item_opens_by_keyboard_and_shows_the_answers(browser: Any, addresses: dict[str, str]) -> None:
    with opened(browser, addresses["measured"]) as page:
        item = page.locator("details.item").first
        item.locator("summary").focus()
        page.keyboard.press("Enter")
        assert item.locator("dl").is_visible()
        assert "Expected" in item.inner_text()


def test_tips_appear_on_hover_and_on_focus_and_go_with_escape(browser: Any, addresses: dict[str, str]) -> None:
    with opened(browser, addresses["measured"], viewport=DESKTOP) as page:
        tip = page.locator(".tooltip")
        page.locator("#plot-differences svg .tip").first.hover()
        assert "SmolLM2-135M minus Nearest example: −36.2 pts" in tip.inner_text()
        page.locator(".voice .fn a").first.focus()
        assert "80 observations of SmolLM2-135M on extract" in tip.inner_text()
        page.keyboard.press("Escape")
        assert tip.is_hidden()
        page.locator("#measured tbody td").first.hover()
        assert "n = 160 · 95% interval · clustered mean, Student t" in tip.inner_text()


def test_a_footnote_leads_to_its_evidence(browser: Any, addresses: dict[str, str]) -> None:
    with opened(browser, addresses["measured"], viewport=PHONE) as page:
        page.locator(".sentence .fn a").first.click()
        expect(page.locator("#e1")).to_be_in_viewport()
        assert page.evaluate("document.querySelector(':target').id") == "e1"


def test_the_page_is_whole_without_javascript(browser: Any, addresses: dict[str, str]) -> None:
    with opened(browser, addresses["measured"], java_script_enabled=False, viewport=PHONE) as page:
        assert page.locator("button:visible").count() == 0
        assert page.locator(".item-group:visible").count() == 3
        item = page.locator("details.item").first
        item.locator("summary").click()
        assert item.locator("dl").is_visible()
        criteria = page.locator(".voice details").first
        criteria.locator("summary").click()
        assert criteria.locator("ul").is_visible()
        assert page.locator("svg.plot:visible").count() == 9


def test_paper_gets_the_content_without_the_controls(browser: Any, addresses: dict[str, str]) -> None:
    with opened(browser, addresses["measured"]) as page:
        page.emulate_media(media="print")
        assert page.locator("nav.contents").is_hidden()
        assert page.locator(".filter").is_hidden()
        assert page.locator("#scorecard").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
