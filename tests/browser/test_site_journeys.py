"""What readers do on the site, from one page to the next, in a real browser over a real server: on desktop and phone,
with and without JavaScript, and by keyboard alone."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from page_checks import FOCUS
from playwright.sync_api import expect
from site_process import CATALOG, MEASURED, TWO_ITEMS, SiteProcess, week_before
from site_reader import DESKTOP, MODES, Reader, reading

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(params=MODES)
def reader(browser: Any, site: SiteProcess, request: pytest.FixtureRequest) -> Iterator[Reader]:
    mode = MODES[request.param]
    with reading(browser, site.url, **mode) as page:
        yield Reader(site, page, request.param, mode.get("java_script_enabled", True))


def test_picking_two_models_leads_to_their_comparison_and_a_number_to_its_source(reader: Reader) -> None:
    reader.open("/")
    reader.check_fit()
    reader.page.get_by_label("One model").select_option("smollm3-3b")
    reader.page.get_by_label("The other").select_option("gpt-5-mini")
    reader.press("Compare them")
    assert reader.page.url == reader.site.url + CATALOG, "in whatever order they were picked"
    note = reader.page.locator(".sentence .fn a").first
    goal = note.get_attribute("href")
    note.click()
    assert reader.page.url.endswith(f"{CATALOG}{goal}")
    evidence = reader.page.locator(goal)
    expect(evidence).to_be_in_viewport()
    expect(evidence.locator(".kind")).to_be_visible()
    outlined = "e => getComputedStyle(e).backgroundColor !== getComputedStyle(e.nextElementSibling).backgroundColor"
    assert evidence.evaluate(outlined), "the line that was asked for is marked"


def test_searching_finds_models_and_leads_to_a_comparison(reader: Reader) -> None:
    reader.open("/models")
    field = reader.page.get_by_label("Search models and comparisons")
    field.fill("gpt-5 mini vs smollm3")
    field.press("Enter")
    reader.page.wait_for_url("**/search?q=*")
    reader.check_fit()
    reader.follow(re.compile("Compare"))
    assert reader.page.url == reader.site.url + CATALOG
    reader.page.get_by_label("Search models and comparisons").fill("smol")
    reader.press("Search")
    expect(reader.page.locator("#h-models")).to_be_visible()
    reader.follow("SmolLM3-3B")
    reader.expect_heading("SmolLM3-3B")
    reader.page.get_by_label("Search models and comparisons").fill("smolm")
    reader.press("Search")
    expect(reader.page.get_by_role("status")).to_contain_text("Nothing has all of these words. Did you mean")
    reader.page.get_by_label("Search models and comparisons").fill("<b>%00\"'")
    reader.press("Search")
    expect(reader.page.locator("main b")).to_have_count(0)


def test_from_a_category_to_a_model_to_a_comparison_to_the_methods(reader: Reader) -> None:
    reader.open("/")
    reader.follow("Models", within=".masthead")
    reader.expect_heading("Models")
    reader.follow(re.compile("^Vision"))
    assert "/categories/" in reader.page.url
    reader.page.locator("table.models th a").first.click()
    reader.page.wait_for_url("**/models/*")
    reader.check_fit()
    for name in ("Facts", "Prices", "Scores", "Comparisons"):
        reader.page.locator(".contents").get_by_role("link", name=name, exact=True).click()
        expect(reader.page.locator(f"#{name.lower()} h2")).to_be_in_viewport()
    reader.page.locator("#comparisons h3 a").first.click()
    reader.page.wait_for_url("**/compare/*")
    reader.check_fit()
    reader.follow("How votes count")
    assert reader.page.url.endswith("/methodology#votes")
    expect(reader.page.locator("#votes h3")).to_be_in_viewport()
    reader.follow("The panel")
    expect(reader.page.locator("#h-panel")).to_be_in_viewport()


def test_a_vote_is_cast_changed_seen_confirmed_and_taken_back(reader: Reader) -> None:
    reader.open(CATALOG)
    form = "Would you ship SmolLM3-3B"
    reader.vote_form(form).get_by_role("button", name="Ship").click()
    reader.expect_heading("Your vote is counted")
    expect(reader.page.get_by_role("status")).to_contain_text("You said: ship.")
    reader.follow("Back to where you were")
    assert reader.page.url == f"{reader.site.url}{CATALOG}#vote"
    expect(reader.vote_form(form)).to_be_in_viewport()
    if reader.has_script:
        expect(reader.vote_form(form).get_by_role("button", name="Ship")).to_have_attribute("aria-pressed", "true")
    reader.vote_form(form).get_by_role("button", name="Skip").click()
    expect(reader.page.get_by_role("status")).to_contain_text("You said: skip.")
    reader.open(CATALOG)
    reader.vote_form("GPT-5 mini or SmolLM3-3B").get_by_role("button", name="GPT-5 mini").click()
    reader.follow("Your votes")
    said = reader.page.locator(".said")
    expect(said).to_contain_text("You said Skip.")
    expect(said).to_contain_text("You said GPT-5 mini.")
    expect(reader.page.locator(".lede")).to_contain_text("counts 0.")
    _confirm_address(reader)
    expect(reader.page.locator(".lede")).to_contain_text("each of your votes counts in full")
    reader.press("Say SmolLM3-3B instead")
    expect(said).to_contain_text("You said SmolLM3-3B.")
    for _ in range(2):
        reader.page.get_by_role("button", name="Take it back").first.click()
        reader.page.wait_for_load_state()
    expect(said).to_have_count(0)


def _confirm_address(reader: Reader) -> None:
    """From `/votes/mine` and back to it, by way of the mail."""
    address = f"{reader.name}@voters.example"
    reader.page.get_by_label("E-mail address").fill("nobody")
    reader.page.get_by_role("button", name="Send me the link").click()
    assert reader.page.url.endswith("/votes/mine"), "the browser itself refuses what is no address"
    reader.page.get_by_label("E-mail address").fill(address)
    reader.press("Send me the link")
    reader.expect_heading("Look into your mailbox")
    reader.follow_mail(address)
    reader.expect_heading("Is this your address?")
    reader.press("Yes, it is mine")
    reader.expect_heading("Confirmed")
    reader.follow("Your votes")


def test_a_vote_on_a_models_own_page_counts_on_comparisons_too(reader: Reader) -> None:
    reader.open("/models/gpt-5-mini")
    reader.page.locator(".vote-form").get_by_role("button", name="Skip").click()
    reader.expect_heading("Your vote is counted")
    reader.follow("Back to where you were")
    assert reader.page.url.endswith("/models/gpt-5-mini#vote")
    reader.page.wait_for_timeout(1100)
    reader.open(CATALOG)
    shown = reader.page.locator("#vote .votes > li").filter(has=reader.vote_form("Would you ship GPT-5 mini"))
    found = re.search(r"(\d+) voters?", shown.inner_text())
    assert found is not None
    assert int(found[1]) > 40, "those who voted before, and this one"


def test_answers_are_judged_blind_and_revealed_to_the_last_pair(reader: Reader) -> None:
    reader.open(f"/compare/{TWO_ITEMS}")
    reader.follow("Judge them blind")
    num_judged = 0
    while reader.page.locator("button[name='side']").count():
        assert num_judged < 20
        lede = reader.page.locator(".lede").first
        expect(lede).to_contain_text(f"{num_judged} of")
        texts = reader.page.locator(".blind article pre").all_inner_texts()
        reader.press(("Left is better", "Right is better", "No difference")[num_judged % 3])
        num_judged += 1
        assert reader.page.locator(".blind article pre").all_inner_texts() == texts, "both stay where they stood"
        chosen = reader.page.locator(".blind article.preferred")
        if reader.page.get_by_text("You saw no difference.").count():
            expect(chosen).to_have_count(0)
        else:
            expect(chosen).to_contain_text("your choice")
        if not reader.page.get_by_role("link", name="The next pair").count():
            break
        reader.follow("The next pair")
    assert num_judged >= 2
    expect(reader.page.locator("main")).to_contain_text("That was the last pair.")
    expect(reader.page.locator("#h-ranks")).to_be_visible()
    reader.open(f"/blind/{TWO_ITEMS}")
    expect(reader.page.locator(".lede").first).to_contain_text("You have judged every pair of answers there is.")
    reader.open("/votes/mine")
    assert reader.page.locator(".said li").count() == num_judged


def test_the_digest_is_asked_for_confirmed_sent_and_ended(reader: Reader) -> None:
    address, week = f"{reader.name}@readers.example", week_before(2 + list(MODES).index(reader.name))
    num_before = _num_subscribers(reader)
    reader.open("/")
    reader.follow("Digest", within=".masthead")
    reader.page.get_by_label("E-mail address").fill(address)
    reader.press("Send it to me")
    reader.expect_heading("Look into your mailbox")
    reader.follow_mail(address)
    reader.expect_heading("Do you want the weekly digest?")
    reader.press("Yes, send it")
    reader.check_fit()
    assert len(reader.site.mails_to(address)) == 1
    reader.site.command("digest", "send", "--week", week)
    assert len(reader.site.mails_to(address)) == 2
    for _ in range(2):
        reader.follow_mail(address)
        expect(reader.page.locator("main button")).to_have_count(1)
    assert _num_subscribers(reader) == num_before + 1, "a link that was opened has ended nothing"
    reader.page.locator("main button").click()
    reader.page.wait_for_load_state()
    assert _num_subscribers(reader) == num_before
    reader.open("/digest")
    reader.page.locator(f".past a[href$='{week}']").click()
    reader.page.wait_for_url(f"**/digest/{week}")
    reader.check_fit()
    reader.page.locator(".issue a").first.click()
    assert reader.page.url.startswith(f"{reader.site.url}/compare/")


def _num_subscribers(reader: Reader) -> int:
    with sqlite3.connect(reader.site.database) as database:
        asked = "select count(*) from subscribers where confirmed_at is not null and left_at is null"
        return int(database.execute(asked).fetchone()[0])


def test_costs_at_the_readers_volume_can_be_had(reader: Reader) -> None:
    reader.open(f"{CATALOG}#volume")
    says = reader.page.locator("#volume-says")
    cheapest = reader.page.locator("#volume-table tbody tr", has=reader.page.locator("td.least:visible"))
    assert "GPT-5 mini costs least" in says.inner_text()
    if reader.has_script:
        slider = reader.page.get_by_label("Tasks a month", exact=True)
        slider.fill("6")
        expect(says).to_contain_text("At 1,000,000 tasks a month, SmolLM3-3B costs least")
        reader.page.get_by_label("A machine, US dollars an hour").fill("5")
        expect(says).to_contain_text("At 1,000,000 tasks a month, GPT-5 mini costs least: $650.00 against")
    else:
        expect(reader.page.locator(".volume-controls")).to_be_hidden()
        expect(cheapest).to_have_count(2)
        assert reader.page.locator("#volume-table thead th:visible").count() >= 5
    reader.check_fit()


def test_an_address_where_nothing_stands_leads_on(browser: Any, site: SiteProcess) -> None:
    for name, mode in MODES.items():
        with reading(browser, site.url, may_fail="404", **mode) as page:
            reader = Reader(site, page, name, has_script=True)
            for path in ("/compare/gpt-5-mini-vs-nobody", "/models/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "/a/b/c"):
                reader.open(path)
                reader.expect_heading("There is nothing here")
                reader.check_fit()
            reader.follow("Compare any two")
            assert page.url == f"{site.url}/compare"


@pytest.mark.parametrize("mode", MODES)
def test_a_browser_that_does_not_say_where_a_form_is_from_is_asked_once_more(
    browser: Any, site: SiteProcess, mode: str
) -> None:
    with reading(browser, site.url, **MODES[mode]) as page:
        page.route("**/*", _silently)
        reader = Reader(site, page, mode, has_script=True)
        reader.open(CATALOG)
        reader.vote_form("Would you ship SmolLM3-3B").get_by_role("button", name="Ship").click()
        reader.expect_heading("Send it once more?")
        reader.check_fit()
        reader.open("/votes/mine")
        expect(page.locator(".said")).to_have_count(0)
        page.go_back()
        reader.press("Yes, send it")
        reader.expect_heading("Your vote is counted")
        reader.follow("Back to where you were")
        assert page.url == f"{site.url}{CATALOG}#vote"
        page.unroute_all(behavior="ignoreErrors")


def _silently(route: Any) -> None:
    """Send a request as a browser would that says nothing of where it comes from."""
    unsaid = ("sec-fetch-", "origin", "referer")
    headers = {name: value for name, value in route.request.all_headers().items() if not name.startswith(unsaid)}
    route.fulfill(response=route.fetch(headers=headers, max_redirects=0))


def test_the_keyboard_alone_reaches_everything_in_order_and_shows_where_it_is(browser: Any, site: SiteProcess) -> None:
    with reading(browser, site.url, viewport=DESKTOP, reduced_motion="reduce") as page:
        reader = Reader(site, page, "keyboard", has_script=True)
        reader.open(CATALOG)
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
        seen = [page.evaluate(FOCUS)]
        for _ in range(1000):
            page.keyboard.press("Tab")
            focus = page.evaluate(FOCUS)
            if focus is None or focus["place"] == seen[0]["place"]:
                break
            seen.append(focus)
        assert [focus["html"] for focus in seen if not focus["isShown"]] == []
        places = [focus["place"] for focus in seen]
        assert places == sorted(places), "in the order in which they stand"
        missed = set(page.evaluate(_REACHABLE)) - set(places)
        assert [page.evaluate("at => document.querySelectorAll('*')[at].outerHTML", at) for at in missed] == []


_REACHABLE = """() => {
  const every = [...document.querySelectorAll('*')];
  const kinds = 'a[href], button, input:not([type=hidden]), select, summary';
  return every.filter(element => element.matches(kinds) && element.checkVisibility())
    .map(e => every.indexOf(e));
}"""


def test_the_keyboard_alone_compares_votes_and_reads_sources(browser: Any, site: SiteProcess) -> None:
    with reading(browser, site.url, viewport=DESKTOP, reduced_motion="reduce") as page:
        reader = Reader(site, page, "keyboard", has_script=True)
        press = page.keyboard.press
        reader.open("/")
        press("Tab")
        press("Enter")
        for model in ("GPT-5 mini", "SmolLM3"):
            press("Tab")
            page.keyboard.type(model)
        press("Tab")
        press("Enter")
        page.wait_for_url(f"**{CATALOG}")
        reader.vote_form("Would you ship SmolLM3-3B").get_by_role("button", name="Ship").focus()
        press("Tab")
        press("Enter")
        expect(page.get_by_role("status")).to_contain_text("You said: skip.")
        reader.open(MEASURED)
        page.locator("details.item summary").first.focus()
        press("Enter")
        expect(page.locator("details.item dl").first).to_be_visible()
        note = page.locator(".sentence .fn a").first
        note.focus()
        expect(page.locator(".tooltip")).to_be_visible()
        press("Escape")
        expect(page.locator(".tooltip")).to_be_hidden()
        press("Enter")
        expect(page.locator(":target")).to_be_in_viewport()
