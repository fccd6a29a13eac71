"""The pages that the server has: the chat page, the document for people, and what they load."""

from __future__ import annotations

import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from documented import DOCUMENT, all_routes, operations
from scripted import (
    models_of,
)

import seatrial.server
from seatrial.server.endpoints.documents import document_routes
from seatrial.server.errors import Failure
from seatrial.server.http import Call, Reply

PAGES = Path(seatrial.server.__file__).parent / "page"


async def got(path: str, **headers: str) -> Reply:
    """What a page's route answers."""
    routes = all_routes(models_of())
    values = {"name": path.removeprefix("/assets/")} if path.startswith("/assets/") else {}
    route = routes["GET", "/assets/{name}" if values else path]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = await route.endpoint(Call("GET", path, "r", headers=named, path_values=values))
    assert isinstance(reply, Reply)
    return reply


def header(reply: Reply, name: bytes) -> str:
    return dict(reply.headers)[name].decode()


class Markup(HTMLParser):
    """A page's elements with their attributes, and the text of its scripts."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def all(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get(attribute)) is not None]


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_pages_ask_nobody_else_and_run_no_script_of_their_own_markup(path: str) -> None:
    reply = await got(path, host="example.org")
    policy = header(reply, b"content-security-policy")
    for directive in (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "media-src blob:;",
    ):
        assert directive in policy
    assert "unsafe" not in policy
    page = Markup(reply.body)
    assert all(
        re.match(r"data:image/svg|assets/|#|\./|docs$|openapi\.json$", link)
        for link in page.all("href") + page.all("src")
    )
    assert not page.all("style")
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert b"<style" not in reply.body
    scripts = [attributes for tag, attributes in page.elements if tag == "script"]
    assert scripts
    assert all("src" in attributes for attributes in scripts)
    assert len(page.all("id")) == len(set(page.all("id")))


async def test_every_asset_of_a_page_is_there_for_good_and_all_of_them_are_small() -> None:
    num_bytes = 0
    seen: set[str] = set()
    waiting = ["/"]
    while waiting:
        reply = await got(waiting.pop())
        num_bytes += len(reply.body)
        text = reply.body.decode()
        for name in re.findall(r'"assets/([^"]+)"', text) + re.findall(r'"\./([\w.]+\.js)"', text):
            if name not in seen:
                seen.add(name)
                waiting.append(f"/assets/{name}")
                asset = await got(f"/assets/{name}")
                assert header(asset, b"cache-control") == "public, max-age=31536000, immutable"
                assert re.fullmatch(r"\w+\.[0-9a-f]{10}\.(js|css)", name)
    assert len(seen) == 13
    assert num_bytes < 58_000


async def test_the_chat_page_knows_how_long_a_request_may_be() -> None:
    (page,) = (route for route in document_routes(max_body_bytes=1234) if route.path == "/")
    reply = await page.endpoint(Call("GET", "/", "r"))
    assert isinstance(reply, Reply)
    assert b'data-max-body-bytes="1234"' in reply.body


async def test_an_asset_of_another_version_is_not_there() -> None:
    with pytest.raises(Failure, match="Reload the page") as caught:
        await got("/assets/chat.0000000000.js")
    assert caught.value.status == 404


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json"])
async def test_pages_are_sent_once_and_compressed(path: str) -> None:
    plain = await got(path, host="h")
    packed = await got(path, host="h", accept_encoding="br, gzip")
    assert gzip.decompress(packed.body) == plain.body
    assert header(packed, b"content-encoding") == "gzip"
    assert len(packed.body) < len(plain.body) / 2
    assert header(plain, b"cache-control") == "no-cache"
    tag = header(plain, b"etag")
    again = await got(path, host="h", if_none_match=f'"other", {tag}')
    assert (again.status, again.body) == (304, b"")
    assert header(again, b"etag") == tag
    assert (await got(path, host="h", if_none_match='"other"')).status == 200


async def test_the_document_is_served_as_it_is() -> None:
    assert json.loads((await got("/openapi.json")).body) == DOCUMENT


async def test_docs_show_every_operation_with_its_fields_and_link_within_themselves() -> None:
    reply = await got("/docs", host="models.example:9000")
    page, text = Markup(reply.body), reply.body.decode()
    for method, path, operation in operations():
        assert operation["operationId"] in page.all("id")
        assert f'<span class="method">{method}</span> <code>{path}</code>' in text
    for field in ("max_completion_tokens", "logit_bias", "previous_response_id", "encoding_format"):
        assert f"<code>{field}</code>" in text
    links = {link[1:] for link in page.all("href") if link.startswith("#")}
    assert links <= set(page.all("id"))
    assert "curl http://models.example:9000/v1/chat/completions" in text
    assert "OpenAI(base_url=&#34;http://models.example:9000/v1&#34;" in text


@pytest.mark.parametrize("host", ['"><script>alert(1)</script>', "a b", "x" * 300, "", "evil/../"])
async def test_a_host_that_cannot_be_is_not_shown(host: str) -> None:
    text = (await got("/docs", host=host)).body.decode()
    assert "http://localhost:8000/v1" in text
    assert "alert(1)" not in text


async def test_a_proxy_says_how_it_was_reached() -> None:
    assert b"https://h/v1" in (await got("/docs", host="h", x_forwarded_proto="https")).body
    assert b"http://h/v1" in (await got("/docs", host="h", x_forwarded_proto="javascript")).body


def test_scripts_never_write_markup() -> None:
    for script in PAGES.glob("*.js"):
        text = script.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), (
            script
        )


def test_importing_the_routes_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from seatrial.server.endpoints.documents import document_routes; document_routes();"
        "print([name for name in ('jinja2', 'seatrial.server.openapi') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
