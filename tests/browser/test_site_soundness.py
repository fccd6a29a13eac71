"""Every kind of page of the site in a real browser: sound for axe-core and our own checks, still while it loads, fit
for paper, tame where every text is hostile, and whole as static files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from page_checks import CONTRAST, MOVED, OUTSIDE, REVERSED, SMUGGLED, UNNAMED
from site_process import (
    CATALOG,
    HOSTILE_IDS,
    MEASURED,
    TWO_ITEMS,
    SiteProcess,
    arriving_slowly,
    hostile_document,
    serving_files,
    week_before,
)
from site_reader import DESKTOP, MODES, PHONE, Reader, reading

from seatrial.site.slugs import slug_of

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

HOSTILE = f"/compare/{slug_of(HOSTILE_IDS.values())}"
LAST_WEEK = week_before(1)
SOUND = [
    "/",
    CATALOG,
    MEASURED,
    HOSTILE,
    "/compare",
    "/models",
    "/models/gpt-5-mini",
    "/models/smollm3-3b",
    "/categories/vision-language",
    "/search?q=smol",
    "/search?q=nothing-like-it",
    "/methodology",
    "/digest",
    f"/digest/{LAST_WEEK}",
    "/votes/mine",
    "/votes/done?subject=model%3Agpt-5-mini&back=%2F",
    f"/blind/{TWO_ITEMS}",
    "/no-such-page",
    "/compare?a=gpt-5-mini&b=gpt-5-mini",
]

IS_THERE = """place => document.querySelector(place).getBoundingClientRect().top < 60
  || scrollY + innerHeight > document.documentElement.scrollHeight - 2"""
"""Whether a place has come to the top, or as near to it as the page's end allows."""

SPARED = {
    CATALOG: ("dark", "light"),
    MEASURED: ("light", "dark"),
    HOSTILE: ("dark", "light"),
    "/models/gpt-5-mini": ("dark", "light"),
    "/models/smollm3-3b": ("light", "dark"),
    "/methodology": ("dark", "light"),
}
"""Axe-core takes seconds for each: the scheme that it does not look at, on the desktop and on the phone."""


@pytest.mark.parametrize("path", SOUND)
def test_every_kind_of_page_is_sound(browser: Any, site: SiteProcess, path: str) -> None:
    status = {"/no-such-page": "404", "/compare?a=gpt-5-mini&b=gpt-5-mini": "400"}.get(path, "")
    with reading(browser, site.url, may_fail=status, viewport=DESKTOP) as page:
        for viewport, spared in zip((DESKTOP, PHONE), SPARED.get(path, (None, None)), strict=True):
            page.set_viewport_size(viewport)
            page.goto(site.url + path)
            assert page.evaluate(MOVED) == []
            _check_soundness(page, without_axe=spared)


def _check_soundness(page: Any, *, without_axe: str | None = None) -> None:
    """What axe-core and our own checks find wrong, in both schemes; `without_axe` is one that ours alone look at."""
    assert page.evaluate(OUTSIDE) == []
    assert page.evaluate(UNNAMED) == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(CONTRAST) == []
        if scheme != without_axe:
            assert _violations(page) == []


def _violations(page: Any) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html'][:150]} {node['failureSummary']}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize(
    "path",
    ["/", CATALOG, MEASURED, "/models", "/models/gpt-5-mini", "/categories/text", "/search?q=smol", "/methodology"],
)
def test_nothing_moves_while_a_page_arrives_slowly(browser: Any, site: SiteProcess, path: str) -> None:
    with arriving_slowly(site.url) as address:
        for viewport in (DESKTOP, PHONE):
            with reading(browser, address, viewport=viewport) as page:
                page.goto(address + path)
                assert page.evaluate(MOVED) == []


@pytest.mark.parametrize("place", ["#volume", "#items", "#repeat", "#vote"])
def test_a_reader_who_comes_to_the_middle_of_a_page_is_there_at_once_and_nothing_moves(
    browser: Any, site: SiteProcess, place: str
) -> None:
    for viewport in (DESKTOP, PHONE):
        with reading(browser, site.url, viewport=viewport) as page:
            page.goto(site.url + MEASURED + place)
            assert page.evaluate(MOVED) == []
            assert page.evaluate(IS_THERE, place)


@pytest.mark.parametrize("path", [CATALOG, MEASURED, "/models/gpt-5-mini", "/methodology"])
def test_paper_gets_what_can_be_read_and_no_controls(browser: Any, site: SiteProcess, path: str) -> None:
    with reading(browser, site.url, viewport={"width": 720, "height": 1000}, color_scheme="dark") as page:
        page.goto(site.url + path)
        page.emulate_media(media="print", color_scheme="dark")
        assert page.locator(".masthead:visible, form:visible, button:visible, input:visible, nav:visible").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.locator("h1").is_visible()
        assert page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("mode", ["desktop", "phone"])
def test_hostile_names_and_texts_stay_texts(browser: Any, site: SiteProcess, mode: str) -> None:
    names = [card.name for card in hostile_document().candidates]
    with reading(browser, site.url, may_fail="404", **MODES[mode]) as page:
        reader = Reader(site, page, f"hostile-{mode}", has_script=True)
        for path in ("/", HOSTILE, f"/blind/{HOSTILE.removeprefix('/compare/')}", "/search?q=evil", "/digest"):
            reader.open(path)
            _check_tame(page)
        reader.open(HOSTILE)
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        _check_tame(page)
        for name in names:
            assert page.locator("h1").inner_text().count(name) == 1
        page.locator(".mark-pair").first.hover()
        page.locator(".fn a").first.hover()
        page.locator(".vote-form button").first.click()
        reader.follow("Your votes")
        _check_tame(page)
        reader.open(f"/blind/{HOSTILE.removeprefix('/compare/')}")
        reader.press("Left is better")
        _check_tame(page)
        for path in ("/votes/done?subject=model%3Agpt-5-mini&back=javascript%3Aalert(1)", "/%22%3E%3Cimg%20src=x>"):
            reader.open(path)
            _check_tame(page)


def _check_tame(page: Any) -> None:
    page.wait_for_load_state()
    assert page.evaluate(SMUGGLED) == []
    assert page.evaluate(REVERSED) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"], page.url
    assert page.evaluate(OUTSIDE) == []


@pytest.fixture(scope="module")
def files(site: SiteProcess) -> Iterator[str]:
    """The address of a static build, in a folder of a plain file server."""
    out = site.home / "public" / "trial"
    with serving_files(out.parent) as address:
        site.command("site", "build", str(out), "--url", f"{address}/trial")
        yield f"{address}/trial/"


def test_every_link_of_the_static_site_leads_somewhere(browser: Any, files: str) -> None:
    with reading(browser, files, viewport=DESKTOP) as page:
        page.goto(files)
        walked = page.evaluate(_WALK, files)
        assert walked["broken"] == []
        assert walked["numPages"] > 50


_WALK = """async root => {
  const broken = [], ids = new Map(), wanted = [], seen = new Set([root]), waiting = [root];
  let numPages = 0;
  while (waiting.length) {
    const asked = waiting.pop(), reply = await fetch(asked), address = reply.url;
    if (!reply.ok) { broken.push(`${reply.status} ${asked}`); continue; }
    if (!reply.headers.get('content-type').includes('text/html')) continue;
    numPages += 1;
    const page = new DOMParser().parseFromString(await reply.text(), 'text/html');
    if (page.querySelector('form')) broken.push(`a form in ${address}`);
    ids.set(address, new Set([...page.querySelectorAll('[id]')].map(e => e.id)));
    for (const element of page.querySelectorAll('[href], [src]')) {
      const goal = new URL(element.getAttribute('href') ?? element.getAttribute('src'), address);
      const file = goal.href.split('#')[0];
      if (!file.startsWith(root)) {
        if (goal.origin === location.origin) broken.push(`${address} leaves the folder: ${goal}`);
        continue;
      }
      if (goal.hash) wanted.push([file, decodeURIComponent(goal.hash.slice(1)), address]);
      if (!seen.has(file)) { seen.add(file); waiting.push(file); }
    }
  }
  for (const [file, id, from] of wanted)
    if (ids.has(file) && !ids.get(file).has(id)) broken.push(`${from}: no #${id} in ${file}`);
  return { broken, numPages };
}"""


@pytest.mark.parametrize(
    "path", ["", "compare/gpt-5-mini-vs-smollm3-3b/", "models/", "models/gpt-5-mini/", "methodology/"]
)
def test_pages_of_the_static_site_look_as_those_of_the_running_one(browser: Any, files: str, path: str) -> None:
    with reading(browser, files, **MODES["phone"]) as page:
        page.goto(files + path)
        assert page.locator("form").count() == 0
        assert page.evaluate("getComputedStyle(document.querySelector('.masthead')).display") == "block"
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        _check_soundness(page, without_axe="dark")
