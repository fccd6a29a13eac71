"""The site as a whole: every kind of page, its twin, its headers; what is asked for that is not there; what breaks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from site_samples import run_document

from seatrial.errors import StorageError

PAIR = "/compare/gpt-5-mini-vs-smollm3-3b"
PAGES = ["/", "/compare", PAIR, "/models", "/models/gpt-5-mini", "/categories/text", "/methodology", "/digest"]
CSP_LACKS = ("unsafe-inline", "unsafe-eval", "*", "http:")


@pytest.fixture
async def site(new_url: Callable[..., str], clock: Any) -> AsyncIterator[Any]:
    from visitor import open_site_under_test

    from seatrial.site.db.opening import open_database

    database = open_database(new_url("sqlite"))
    opened = open_site_under_test(database, clock)
    yield opened
    await opened.booth.close()
    database.close()


@pytest.fixture
def reader(site: Any) -> Any:
    return site.visitor()


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_reads_alone_with_its_twin(reader: Any, path: str) -> None:
    answer = await reader.get(path)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "set-cookie" not in answer.headers
    assert answer.text.count("<h1") == 1
    assert f'<link rel="canonical" href="https://seatrial.example{path}">' in answer.text
    twin = await reader.get("/index.json" if path == "/" else f"{path}.json")
    assert twin.status == 200
    assert twin.headers["content-type"] == "application/json"
    assert isinstance(twin.json, dict)


@pytest.mark.parametrize(
    "path", [*PAGES, "/search?q=smollm3", "/no/such/page", "/votes/mine", "/feed.atom", "/healthz"]
)
async def test_security_headers_stand_on_every_answer(reader: Any, path: str) -> None:
    for _ in range(2):  # out of the view, then out of the cache
        headers = (await reader.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert not any(word in policy for word in CSP_LACKS)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "max-age=" in headers["strict-transport-security"]


@pytest.mark.parametrize("path", [*PAGES, "/search?q=smollm3", "/votes/mine", "/no/such/page"])
async def test_nothing_on_a_page_needs_more_than_its_policy_allows(reader: Any, path: str) -> None:
    class Looker(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = dict(attrs)
            assert "style" not in given, (tag, given)
            assert not any(name.startswith("on") for name in given), (tag, given)
            assert tag not in ("style", "iframe", "object", "base")
            if tag == "script":
                assert given.get("type") == "application/ld+json" or (given.get("src") or "").startswith("/static/")
            if tag == "link" and given.get("rel") == "stylesheet":
                assert (given["href"] or "").startswith("/static/")

    Looker().feed((await reader.get(path)).text)


async def test_a_page_out_of_the_cache_is_the_same_and_known_by_its_tag(site: Any, reader: Any) -> None:
    first = await reader.get(PAIR, accept_encoding="gzip")
    again = await reader.get(PAIR, accept_encoding="gzip")
    assert first.headers == again.headers
    assert first.body == again.body == (await reader.get(PAIR)).body
    assert first.headers["content-encoding"] == "gzip"
    for tag in (first.headers["etag"], f"W/{first.headers['etag']}", (await reader.get(PAIR)).headers["etag"]):
        unchanged = await reader.get(PAIR, if_none_match=tag)
        assert (unchanged.status, unchanged.raw) == (304, b"")
    head = await reader.ask("HEAD", PAIR, b"", {})
    assert (head.status, head.raw) == (200, b"")
    assert int(head.headers["content-length"]) == len(first.body)


async def test_other_orders_other_capitals_and_slashes_lead_to_the_one_page(reader: Any) -> None:
    for path in ("/compare/smollm3-3b-vs-gpt-5-mini", "/compare/GPT-5-mini-vs-SmolLM3-3B", f"{PAIR}/"):
        moved = await reader.get(path)
        assert (moved.status, moved.location) == (308, PAIR), path
    twin = await reader.get("/compare/smollm3-3b-vs-gpt-5-mini.json")
    assert (twin.status, twin.location) == (308, f"{PAIR}.json")


async def test_two_models_are_picked(reader: Any) -> None:
    picked = await reader.get("/compare?a=smollm3-3b&b=gpt-5-mini")
    assert (picked.status, picked.location) == (303, PAIR)
    for query in ("a=smollm3-3b", "a=smollm3-3b&b=smollm3-3b", "a=smollm3-3b&b=no-such", "a=<script>&b=%00"):
        refused = await reader.get(f"/compare?{query}")
        assert refused.status == 400
        assert "<script>" not in refused.text.replace("<script src", "")


async def test_a_query_changes_nothing_on_a_page(reader: Any) -> None:
    assert (await reader.get(f"{PAIR}?utm_source=x")).body == (await reader.get(PAIR)).body


async def test_a_published_run_stands_at_once_on_its_page_lists_and_picture(site: Any, reader: Any) -> None:
    document = run_document()
    slug = site.library.publish(document).slug
    site.wait()
    page = await reader.get(f"/compare/{slug}")
    assert "Ship, says run-1." in page.text
    assert f'href="/compare/{slug}"' in (await reader.get("/")).text
    picture = await reader.get(f"/pictures/{slug}.png")
    assert picture.headers["content-type"] == "image/png"
    assert picture.raw.startswith(b"\x89PNG")
    feed = ElementTree.fromstring((await reader.get("/feed.atom")).body)
    assert any(slug in (link.get("href") or "") for link in feed.iter("{http://www.w3.org/2005/Atom}link"))
    sitemap = (await reader.get("/sitemap.xml")).text
    assert f"<loc>https://seatrial.example/compare/{slug}</loc>" in sitemap
    site.library.publish(run_document("run-2", decision="undecided"))
    assert "says run-1" in (await reader.get(f"/compare/{slug}")).text
    site.wait()
    assert "Undecided, says run-2." in (await reader.get(f"/compare/{slug}")).text
    site.library.remove(slug)
    site.wait()
    assert (await reader.get(f"/compare/{slug}")).status == 404


async def test_what_the_page_loads_is_there_for_ever(reader: Any) -> None:
    page = (await reader.get(PAIR)).text
    for beginning in ('<link rel="stylesheet" href="', '<script src="'):
        path = page.partition(beginning)[2].partition('"')[0]
        asset = await reader.get(path, accept_encoding="gzip")
        assert asset.status == 200
        assert int(asset.headers["cache-control"].partition("max-age=")[2]) >= 31_536_000
    for path in ("/static/site.css", "/static/../app.py", "/static/%2e%2e%2fapp.py", "/static/"):
        assert (await reader.get(path)).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/no",
        "/compare/no-such-vs-gpt-5-mini",
        "/compare/gpt-5-mini",
        "/compare/gpt-5-mini-vs-gpt-5-mini",
        "/compare/../etc/passwd",
        "/compare/%2e%2e%2fetc%2fpasswd",
        "/compare/a%00b",
        "/compare/" + "a" * 5000,
        "/compare/gpt-5-mini-vs-smollm3-3b%0d%0aset-cookie:x=1",
        "/models/<script>alert(1)</script>",
        "/models/%3Cscript%3E.json",
        "/categories/nothing",
        "/digest/2026-W99",
        "/digest/2026-W01",
        "/pictures/no-such-vs-gpt-5-mini.png",
        "/pictures/..%2f..%2fx.png",
        "/blind/gpt-5-mini-vs-smollm3-3b",
        "/blind/no-such",
        "//evil.example/",
        "//evil.example/compare",
        "/\\evil.example/",
        "/%F0%9F%9A%A2",
        "/.json",
        "/index.json.json",
    ],
)
async def test_what_is_not_there_is_said_to_be_so(reader: Any, path: str) -> None:
    answer = await reader.get(path)
    assert answer.status == 404, answer.headers
    assert "<script>alert" not in answer.text
    assert "location" not in answer.headers


async def test_programs_are_told_in_json(reader: Any) -> None:
    for answer in (
        await reader.get("/compare/no-such.json"),
        await reader.get("/no", accept="application/json"),
        await reader.post("/votes", {}, accept="application/json"),
    ):
        assert answer.headers["content-type"] == "application/json"
        assert set(answer.json) == {"title", "text", "links"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.text(alphabet=st.sampled_from("/\\.%<>\"'&?#;:@ \t\r\n\x00éa0-json"), max_size=30))
async def test_no_path_breaks_it(reader: Any, path: str) -> None:
    answer = await reader.get("/" + path)
    assert answer.status in (200, 303, 308, 404, 400)
    if "location" in answer.headers:
        assert not answer.location.startswith(("//", "/\\"))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "X"])
async def test_other_methods_are_refused(reader: Any, method: str) -> None:
    answer = await reader.ask(method, PAIR, b"", {})
    assert answer.status == 405
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("query", ["smollm3", "", "vs", "<b>x</b>", "%00", "%ff", "a" * 3000, "gpt-5 mini vs smollm3"])
async def test_search_answers_anything(reader: Any, query: str) -> None:
    for path in (f"/search?q={query}", f"/search.json?q={query}"):
        answer = await reader.get(path)
        assert answer.status == 200
        assert answer.headers["cache-control"] == "no-store"
        assert "<b>x</b>" not in answer.text or answer.headers["content-type"] == "application/json"


async def test_one_network_cannot_have_the_site_render_without_end(new_url: Any, clock: Any) -> None:
    from visitor import open_site_under_test

    from seatrial.site.db.opening import open_database

    database = open_database(new_url("sqlite"))
    site = open_site_under_test(database, clock, num_pages=5)
    try:
        flood, other = site.visitor("198.51.100.1"), site.visitor("203.0.113.1")
        statuses = [(await flood.get(f"/compare/no-{number}-vs-such")).status for number in range(8)]
        assert statuses == [404] * 5 + [429] * 3
        assert "retry-after" in (await flood.get("/models/no")).headers
        assert (await other.get(PAIR)).status == 200
        assert (await flood.get(PAIR)).status == 200  # it is rendered already
    finally:
        await site.booth.close()
        database.close()


async def test_a_database_that_is_away_leaves_the_pages_that_were_read(
    site: Any, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seatrial.site.library import Library

    assert (await reader.get(PAIR)).status == 200

    def away(self: Library) -> int:
        raise StorageError("The database postgresql://seatrial:***@db/site is away.")

    monkeypatch.setattr(Library, "revision", away)
    site.wait()
    assert (await reader.get(PAIR)).status == 200
    other = await reader.get("/compare/gpt-5-mini-vs-smollm2-135m")
    assert other.status == 503
    assert "postgresql" not in other.text
    assert (await reader.get("/healthz")).status == 503


async def test_what_breaks_is_logged_and_not_shown(
    reader: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from seatrial.site.views import reading

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr(reading, "methodology_page", broken)
    answer = await reader.get("/methodology")
    assert answer.status == 500
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text
    assert "content-security-policy" in answer.headers
    assert "a secret detail" in caplog.text


async def test_even_an_error_page_that_breaks_is_an_answer(reader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from seatrial.site.views import answers

    def broken(*_: object) -> None:
        raise ZeroDivisionError("twice")

    monkeypatch.setattr(answers, "not_found_page", broken)
    answer = await reader.get("/no")
    assert answer.status == 500
    assert "twice" not in answer.text


async def test_robots_are_told_what_to_leave(reader: Any) -> None:
    robots = (await reader.get("/robots.txt")).text
    assert "Disallow: /votes/" in robots
    assert "Sitemap: https://seatrial.example/sitemap.xml" in robots
    assert (await reader.get("/healthz")).text == "ok\n"
    assert (await reader.get("/favicon.ico")).location.startswith("/static/icon.")


async def test_json_ld_cannot_be_broken_out_of(site: Any, reader: Any) -> None:
    from site_samples import replaced

    document = run_document()
    first, *rest = document.candidates
    hostile = replaced(first, name="</script><script>alert(1)</script>", tagline="<img src=x onerror=alert(1)>")
    slug = site.library.publish(replaced(document, candidates=[hostile, *rest])).slug
    for path in (f"/compare/{slug}", "/", "/search?q=script", f"/compare/{slug}.json"):
        answer = await reader.get(path)
        if answer.headers["content-type"].startswith("text/html"):
            assert "<script>alert(1)" not in answer.text
            assert "<img src=x" not in answer.text
            for piece in answer.text.split('<script type="application/ld+json">')[1:]:
                json.loads(piece.partition("</script>")[0])
