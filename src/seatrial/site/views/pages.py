"""Pages that are the same for every reader, out of the cache; search, picking a pair, static files, health.

In: a request for a path. Out: its bytes, a redirect to where the thing stands, or 404. A page that nobody asked for
lately costs a rendering, so a network may ask for a limited number of such pages; pictures of items, many to a page,
cost none.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from seatrial.errors import StorageError, TooManyRequests, UsageError
from seatrial.site.cache import Made, Moved, Stored, store
from seatrial.site.pages.comparison import PICTURES
from seatrial.site.pages.pairs import pick_page
from seatrial.site.pages.search import search_page
from seatrial.site.rendering import Asset
from seatrial.site.security.headers import Header
from seatrial.site.slugs import slug_of
from seatrial.site.views.edge import send_stored
from seatrial.site.views.parts import ViewParts
from seatrial.site.views.refusals import not_found

_FOR_EVER_S = 31_536_000


def page_routes(parts: ViewParts) -> list[Route]:
    """What is read. The last of them takes every path, so they come last of all."""
    views = _Pages(parts)
    return [
        Route("/healthz", views.health),
        Route("/favicon.ico", views.icon),
        Route("/static/{name}", views.static),
        Route("/search", views.search),
        Route("/search.json", views.search),
        Route("/compare", views.compare),
        Route("/{path:path}", views.page),
    ]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A response that is ready: Starlette calls it."""

    stored: Stored

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_stored(self.stored, scope, send)


class _Pages:
    def __init__(self, parts: ViewParts) -> None:
        self._parts, self._site = parts, parts.site
        self._statics = {asset.name: _kept(asset, ()) for asset in parts.site.renderer.assets()}

    async def page(self, request: Request) -> Response | _Ready:
        """Whatever stands at the path."""
        path = request.scope["path"]
        found = await self._find(request, path)
        if found is None and len(path) > 1 and path.endswith("/"):
            found = await self._find(request, path.rstrip("/") or "/")
            if isinstance(found, Stored):
                found = Moved(path.rstrip("/"))
        if isinstance(found, Moved):
            return self._parts.answers.see_other(quote(found.path), is_lasting=True)
        if found is None:
            raise not_found("")
        return _Ready(found)

    async def compare(self, request: Request) -> Response | _Ready:
        """The form that picks two models; with `a` and `b` the way to their comparison."""
        picked = (request.query_params.get("a", ""), request.query_params.get("b", ""))
        ids = [model for model in picked if model]
        if not ids:
            return await self.page(request)
        library = self._site.library
        try:
            if len(ids) < 2 or ids[0] == ids[1]:
                raise UsageError("Pick two different models.")
            for model in ids:
                library.catalog.get(model)
        except UsageError as error:
            self._take(request)
            page = await asyncio.to_thread(pick_page, library, ids[0], ids[-1] if len(ids) > 1 else "", str(error))
            return self._parts.answers.page(request, page, status=400)
        return self._parts.answers.see_other(f"/compare/{slug_of(ids)}")

    async def search(self, request: Request) -> Response:
        """Models and comparisons that a query names."""
        self._take(request)
        page = await asyncio.to_thread(search_page, self._site.library, request.query_params.get("q", "")[:1000])
        return self._parts.answers.page(request, page)

    async def static(self, request: Request) -> Response | _Ready:
        """A style or a script, under a name that its content has for ever."""
        stored = self._statics.get(request.path_params["name"])
        if stored is None:
            raise not_found("")
        return _Ready(stored)

    async def icon(self, request: Request) -> Response:
        """Where browsers look for one that read no page."""
        return self._parts.answers.see_other(self._site.renderer.asset("icon.svg"))

    async def health(self, request: Request) -> Response:
        """200 while the database answers."""
        try:
            await asyncio.to_thread(self._site.library.revision)
        except StorageError:
            return Response("the database is away\n", 503, {"cache-control": "no-store", "retry-after": "10"})
        return Response("ok\n", 200, {"cache-control": "no-store"})

    async def _find(self, request: Request, path: str) -> Stored | Moved | None:
        if not (path.startswith(PICTURES) or self._parts.cache.holds(path)):
            self._take(request)
        return await self._parts.cache.get(path)

    def _take(self, request: Request) -> None:
        wait_s = self._site.throttles.pages.take(network_of(request, self._parts))
        if wait_s > 0:
            raise TooManyRequests(
                "Your network has asked for many pages in a short time. Go on in a moment.", retry_after_s=wait_s
            )


def network_of(request: Request, parts: ViewParts) -> str:
    """The keyed hash of the network that a request comes from."""
    peer = request.client.host if request.client is not None else None
    return parts.site.networks.of(peer, ",".join(request.headers.getlist("x-forwarded-for")))


def _kept(asset: Asset, headers: tuple[Header, ...]) -> Stored:
    return store(Made(asset.body, asset.media_type, max_age_s=_FOR_EVER_S), headers)
