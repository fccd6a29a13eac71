"""The outermost layer: pages that are ready go out from here, everything else goes on to the routes.

In: ASGI calls. Out: answers with the security headers on each. A page that was looked at within the last second needs
no routing, no database and no thread. Whatever rises from below is answered here; no client sees a traceback.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seatrial.site.cache import PageCache, Stored, is_unchanged
from seatrial.site.security.headers import Header

_log = logging.getLogger(__name__)

_READS = ("GET", "HEAD")
OnError = Callable[[Request, Exception], Awaitable[Response]]


class Edge:
    """See the module. `on_error` makes the answer to what a view raised."""

    def __init__(self, app: ASGIApp, *, cache: PageCache, headers: tuple[Header, ...], on_error: OnError) -> None:
        self._app, self._cache, self._headers, self._on_error = app, cache, headers, on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if scope["method"] in _READS and not scope["query_string"]:
            stored = self._cache.ready(scope["path"])
            if stored is not None:
                return await send_stored(stored, scope, send)
        guarded = _Guarded(send, self._headers)
        try:
            await self._app(scope, receive, guarded)
        except Exception as error:
            await self._answer(error, scope, receive, guarded)
        return None

    async def _answer(self, error: Exception, scope: Scope, receive: Receive, send: _Guarded) -> None:
        if send.has_begun:
            _log.error("%s %s broke off", scope["method"], scope["path"], exc_info=error)
            return
        try:
            response = await self._on_error(Request(scope, receive), error)
        except Exception:
            _log.exception("%s %s", scope["method"], scope["path"])
            response = PlainTextResponse("Something went wrong on our side. Try again in a moment.\n", 500)
        await response(scope, receive, send)


class _Guarded:
    """Sends, with the security headers that an answer does not have."""

    def __init__(self, send: Send, headers: tuple[Header, ...]) -> None:
        self._send, self._headers = send, headers
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            given = list(message.get("headers", ()))
            names = {name for name, _ in given}
            message["headers"] = [*given, *(header for header in self._headers if header[0] not in names)]
        await self._send(message)


async def send_stored(stored: Stored, scope: Scope, send: Send) -> None:
    """A page out of the cache: whole, or only that it has not changed, in the encoding that the client takes."""
    accept_encoding = if_none_match = b""
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            accept_encoding = value
        elif name == b"if-none-match":
            if_none_match = value
    variant = stored.variant(accept_encoding)
    if if_none_match and is_unchanged(stored, if_none_match):
        await send({"type": "http.response.start", "status": 304, "headers": variant.unchanged_headers})
        await send({"type": "http.response.body", "body": b""})
        return
    await send({"type": "http.response.start", "status": 200, "headers": variant.headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else variant.body})
