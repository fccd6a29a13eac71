"""What a browser or a generator of clients reads: the chat page at `/`, `/docs`, `/openapi.json`, and their assets.

All of it is open: it needs no key and tells nothing of the models served. Nothing here is read, made or
even imported before the first call that needs it: a server starts without.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
from functools import lru_cache

from seatrial.server.errors import Failure
from seatrial.server.http import JSON, Call, Header, Reply, Route
from seatrial.server.page.assets import chat_page, read_assets

HTML = b"text/html; charset=utf-8"
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    b"media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
REVALIDATED: Header = (b"cache-control", b"no-cache")
FOR_GOOD: Header = (b"cache-control", b"public, max-age=31536000, immutable")
HOST = re.compile(r"[A-Za-z0-9.\-_:\[\]]{1,255}")
LOCAL_HOST = "localhost:8000"


def document_routes(*, example_model: str = "smollm3-3b", max_body_bytes: int = 20_000_000) -> tuple[Route, ...]:
    """The routes. `example_model` stands in examples, so that they work as they are pasted; the chat page says what
    is too large for `max_body_bytes`."""

    async def chat(call: Call) -> Reply:
        return _reply(call, chat_page(max_body_bytes), HTML, REVALIDATED)

    async def docs(call: Call) -> Reply:
        from seatrial.server.openapi.page import docs_page

        page = await asyncio.to_thread(docs_page, example_model, _base_url(call))
        return _reply(call, page, HTML, REVALIDATED)

    async def openapi(call: Call) -> Reply:
        from seatrial.server.openapi import openapi_json

        document = await asyncio.to_thread(openapi_json, example_model)
        return _reply(call, document, JSON, REVALIDATED)

    return (
        Route("GET", "/", chat, is_open=True),
        Route("GET", "/docs", docs, is_open=True),
        Route("GET", "/openapi.json", openapi, is_open=True),
        Route("GET", "/assets/{name}", _asset, is_open=True),
    )


async def _asset(call: Call) -> Reply:
    name = call.path_values["name"]
    asset = read_assets().served.get(name)
    if asset is None:
        raise Failure(404, f"There is no file `{name}`. Reload the page: it asks for the files of this version.")
    return _reply(call, asset.content, asset.media_type, FOR_GOOD)


def _reply(call: Call, content: bytes, media_type: bytes, caching: Header) -> Reply:
    """The content, compressed where the client takes it; 304 where it has it already."""
    packed, etag = _packed(content)
    headers = (*PAGE_HEADERS, caching, (b"etag", etag.encode()), (b"vary", b"accept-encoding"))
    known = call.headers.get("if-none-match", "")
    if known.strip() == "*" or etag in known:
        return Reply(b"", 304, media_type, headers)
    if "gzip" in call.headers.get("accept-encoding", ""):
        return Reply(packed, 200, media_type, (*headers, (b"content-encoding", b"gzip")))
    return Reply(content, 200, media_type, headers)


@lru_cache(maxsize=32)
def _packed(content: bytes) -> tuple[bytes, str]:
    """The content compressed, and its entity tag."""
    return gzip.compress(content, 6, mtime=0), f'W/"{hashlib.sha256(content).hexdigest()[:16]}"'


def _base_url(call: Call) -> str:
    """Where the client found this server, as far as its headers say."""
    host = call.headers.get("host", "")
    if not HOST.fullmatch(host):
        host = LOCAL_HOST
    scheme = call.headers.get("x-forwarded-proto", "http")
    return f"{scheme if scheme in ('http', 'https') else 'http'}://{host}"
