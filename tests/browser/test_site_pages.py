"""The site in a real browser, from a real server: every page sound on desktop and phone, light and dark; a comparison
read, reckoned with and voted on, with and without JavaScript."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from page_checks import CONTRAST, OUTSIDE, UNNAMED
from playwright.sync_api import expect

sys.path.insert(0, str(Path(__file__).parents[1] / "site"))

from site_samples import make_library, replaced, run_document, sample

from seatrial.site.db.migrating import upgrade
from seatrial.site.db.opening import open_database, writing
from seatrial.site.db.tables import tallies
from seatrial.site.rendering import Renderer
from seatrial.site.votes.subject import model_subject, pair_subject

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
PHONE = {"width": 360, "height": 780}
DESKTOP = {"width": 1280, "height": 900}
CATALOG = "/compare/gpt-5-mini-vs-smollm3-3b"
MIX = "/compare/baseline-nearest-vs-smollm2-135m"
MEASURED = "/compare/baseline-majority-vs-baseline-nearest-vs-gpt-5-mini-vs-smollm2-135m-vs-smollm3-3b"
LONG = "/compare/gpt-5-vs-gpt-6-luna"
PAGES = [
    "/",
    CATALOG,
    "/compare/gpt-5-mini-vs-smolvlm2-2.2b",
    MEASURED,
    MIX,
    LONG,
    "/compare",
    "/models",
    "/models/gpt-5-mini",
    "/models/smollm3-3b",
    "/categories/vision-language",
    "/search?q=smol",
    "/methodology",
    "/digest",
    "/votes/mine",
    f"/blind/{MEASURED.removeprefix('/compare/')}",
    "/no-such-page",
]
VOTES = {
    model_subject("gpt-5-mini").key: {"ship": 9, "skip": 31},
    pair_subject("gpt-5-mini", "smollm3-3b").key: {"gpt-5-mini": 10, "smollm3-3b": 30},
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the site is, with published runs and enough votes to show shares."""
    folder = tmp_path_factory.mktemp("site")
    url = f"sqlite:///{folder / 'site.db'}"
    _fill(url)
    command = [
        sys.executable,
        "-c",
        "from seatrial.cli.main import run; run()",
        "site",
        "--port",
        "0",
        "--database",
        url,
    ]
    environment = {**os.environ, "SEATRIAL_HOME": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        found = re.search(r"http://[\d.]+:\d+", server.stdout.readline())
        assert found is not None
        yield found[0]
        server.terminate()


def _fill(url: str) -> None:
    database = open_database(url)
    upgrade(database)
    library = make_library(database, lambda: datetime.now(UTC))
    library.publish(run_document("run-0", decision="skip"))
    library.publish(sample.measured_document())
    library.publish(sample.mixed_document())
    document = run_document("run-long", decision="undecided", candidates=("gpt-5-mini", "smollm3-3b"))
    long = "Extraordinarily-long-model-name-without-a-single-break-" * 2 + "70B-Instruct-v0.3-GGUF"
    ids = {"gpt-5-mini": "gpt-5", "smollm3-3b": "gpt-6-luna"}
    cards = [
        replaced(card, id=ids[card.id], name=f"{long}-{card.id}", maker=long, licence=long, tagline=long)
        for card in document.candidates
    ]
    library.publish(replaced(document, candidates=cards, ballots=[], panel={}))
    with writing(database) as connection:
        for subject, votes in VOTES.items():
            for choice, n in votes.items():
                row = {"num_voters": n, "weight": 1_000 * n, "weight_squared": 1_000_000 * n}
                connection.execute(tallies.insert().values(subject=subject, choice=choice, **row))
    database.close()


@contextmanager
def opened(browser: Any, address: str, path: str, **options: Any) -> Iterator[Any]:
    """The page; fails on any console message, error, or request for something that is not this site's."""
    context = browser.new_context(**options)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: request.url.startswith(address) or complaints.append(request.url))
    page.goto(address + path)
    yield page
    context.close()
    assert [each for each in complaints if "404" not in each] == []


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_fits_has_contrast_and_names_its_controls(
    browser: Any, address: str, path: str, viewport: Any
) -> None:
    for scheme in ("light", "dark"):
        with opened(browser, address, path, viewport=viewport, color_scheme=scheme) as page:
            page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert page.evaluate(OUTSIDE) == []
            assert page.evaluate(CONTRAST) == []
            assert page.evaluate(UNNAMED) == []


@pytest.mark.parametrize("path", [CATALOG, MEASURED, "/", "/models/gpt-5-mini"])
def test_nothing_moves_while_a_page_loads(browser: Any, address: str, path: str) -> None:
    with opened(browser, address, path, viewport=DESKTOP) as page:
        page.wait_for_load_state("networkidle")
        shift = page.evaluate(
            """() => new Promise(resolve => {
                 let sum = 0;
                 new PerformanceObserver(list => { for (const entry of list.getEntries()) sum += entry.value; })
                   .observe({ type: 'layout-shift', buffered: true });
                 setTimeout(() => resolve(sum), 300);
               })"""
        )
        assert shift < 0.01


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_buttons_and_links_of_the_vote_are_large_enough_to_touch(browser: Any, address: str, viewport: Any) -> None:
    with opened(browser, address, CATALOG, viewport=viewport) as page:
        boxes = page.locator(".vote-form button, .masthead nav a, .search button").evaluate_all(
            "all => all.map(e => { const { width, height } = e.getBoundingClientRect(); return [width, height]; })"
        )
        assert len(boxes) >= 10
        assert min(min(box) for box in boxes) >= 24


def test_the_keyboard_reaches_the_content_first(browser: Any, address: str) -> None:
    with opened(browser, address, CATALOG, viewport=DESKTOP) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip-link"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_the_slider_recomputes_costs_and_says_who_is_cheapest(browser: Any, address: str) -> None:
    with opened(browser, address, CATALOG, viewport=DESKTOP) as page:
        slider, says, shown = page.locator("#volume-tasks"), page.locator("#volume-says"), page.locator("#volume-at")
        assert (
            says.inner_text()
            == "At 100,000 tasks a month, GPT-5 mini costs least: $65.00 against $73.00 for SmolLM3-3B."
        )
        before = page.locator(".at-volume").get_attribute("transform")
        slider.focus()
        for _ in range(2):
            page.keyboard.press("ArrowRight")
        assert shown.inner_text() == "130,000"
        assert slider.get_attribute("aria-valuetext") == "130,000 tasks a month"
        assert "SmolLM3-3B costs least: $73.00 against $84.50 for GPT-5 mini" in says.inner_text()
        assert page.locator(".at-volume").get_attribute("transform") != before
        yours = page.locator("#volume-table td.yours")
        assert yours.all_inner_texts() == ["$84.50", "$73.00\n, lowest"]
        assert page.locator("#volume-table th.yours").inner_text() == "130,000"
        page.keyboard.press("End")
        assert shown.inner_text() == "100,000,000"


def test_another_price_of_a_machine_moves_the_break_even(browser: Any, address: str) -> None:
    with opened(browser, address, CATALOG, viewport=PHONE) as page:
        page.get_by_label("A machine, US dollars an hour").fill("0.05")
        assert "SmolLM3-3B costs least: $36.50 against $65.00" in page.locator("#volume-says").inner_text()
        assert page.locator("#volume-table tbody tr").last.locator("td").nth(1).inner_text().startswith("$36.50")
        assert page.locator(".volume-drawing").is_hidden(), "the drawing holds for one price only"
        page.get_by_label("A machine, US dollars an hour").fill("0.1")
        assert page.locator(".volume-drawing").is_visible()


def test_the_script_says_the_same_as_the_server(browser: Any, address: str) -> None:
    for path in (CATALOG, MEASURED):
        texts = []
        for has_script in (False, True):
            with opened(browser, address, path, java_script_enabled=has_script) as page:
                cells = page.locator("#volume-table td:not(.yours)").all_inner_texts()
                texts.append([page.locator("#volume-says").inner_text(), *(cell.strip() for cell in cells)])
        assert texts[0] == texts[1]


def test_without_javascript_everything_is_there_but_the_slider(browser: Any, address: str) -> None:
    with opened(browser, address, MEASURED, java_script_enabled=False, viewport=PHONE) as page:
        assert page.locator(".volume-controls").is_hidden()
        assert page.locator("#volume-table").is_visible()
        assert page.locator("#volume-table .yours:visible").count() == 0
        assert page.locator(".vote-form:visible").count() == 11
        assert page.get_by_role("button", name="Copy").count() == 0
        item = page.locator("details.item").first
        item.locator("summary").click()
        assert item.locator("dl").is_visible()


@pytest.mark.parametrize("has_script", [True, False], ids=["with a script", "without"])
def test_a_vote_is_cast_changed_and_remembered(browser: Any, address: str, has_script: bool) -> None:
    with opened(browser, address, CATALOG, java_script_enabled=has_script, viewport=PHONE) as page:
        form = page.locator(".vote-form").nth(1)
        form.get_by_role("button", name="Ship").click()
        page.goto(f"{address}/votes/mine")
        mine = page.locator("main")
        expect(mine).to_contain_text("SmolLM3-3B")
        page.goto(address + CATALOG)
        page.locator(".vote-form").nth(1).get_by_role("button", name="Skip").click()
        page.goto(address + CATALOG)
        page.locator(".vote-form").nth(2).get_by_role("button", name="SmolLM3-3B").click()
        page.goto(address + CATALOG)
        pressed = page.locator(".vote-form button[aria-pressed='true']")
        if has_script:
            expect(pressed).to_have_count(2)
            assert [text.strip() for text in pressed.all_inner_texts()] == ["Skip", "SmolLM3-3B"]
        else:
            assert pressed.count() == 0


def test_a_reader_who_never_voted_asks_for_nothing_but_the_page(browser: Any, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(address).split(".")[0]))
    page.goto(address + CATALOG)
    page.wait_for_load_state("networkidle")
    assert set(asked) - {"/static/icon"} == {CATALOG, "/static/site"}
    assert context.cookies() == []
    context.close()


def test_a_footnote_leads_to_its_evidence_and_tips_appear(browser: Any, address: str) -> None:
    with opened(browser, address, CATALOG, viewport=DESKTOP) as page:
        page.locator(".sentence .fn a").first.hover()
        expect(page.locator(".tooltip")).to_be_visible()
        page.locator(".sentence .fn a").first.click()
        assert page.evaluate("document.querySelector(':target').id") == "e1"
        page.locator("#volume .tip").first.hover()
        expect(page.locator(".tooltip")).to_contain_text("a month")


def test_the_script_finds_the_work_that_the_site_asks_for(browser: Any, address: str) -> None:
    script = Renderer(address).asset("work.js")
    for length in (3, 54, 55, 62, 63, 64, 113, 118, 127, 128):
        challenge = ("0123456789abcdef." * 8)[:length]
        with opened(browser, address, "/votes/mine") as page:
            page.evaluate(
                """challenge => {
                     const form = document.createElement('form');
                     form.action = '/search'; form.dataset.challenge = challenge; form.dataset.bits = '12';
                     form.innerHTML = '<input type="hidden" name="proof">';
                     document.querySelector('main').append(form);
                   }""",
                challenge,
            )
            with page.expect_navigation(url="**/search?proof=*"):
                page.add_script_tag(url=script)
            proof = page.evaluate("new URLSearchParams(location.search).get('proof')")
        assert proof.startswith(f"{challenge}:")
        assert hashlib.sha256(proof.encode()).hexdigest().startswith("000")


def test_paper_gets_the_content_without_the_controls(browser: Any, address: str) -> None:
    with opened(browser, address, MEASURED) as page:
        page.emulate_media(media="print")
        for hidden in (".masthead", ".vote-form", ".volume-controls", "nav.contents"):
            assert page.locator(f"{hidden}:visible").count() == 0
        assert page.locator("#scorecard").is_visible()
        assert page.locator("#volume-table").is_visible()
