"""The site put together: settings and a database go in; a static build or a running site comes out."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from seatrial.cli.wiring import now
from seatrial.cli.wiring_database import open_library, open_site_database
from seatrial.cli.wiring_mail import open_post
from seatrial.server.readiness import Readiness
from seatrial.server.serving import Address, Lifetime, run
from seatrial.site.app import SiteParts, build_site
from seatrial.site.cache import PageCache
from seatrial.site.db.opening import Database
from seatrial.site.db.site_settings import secret
from seatrial.site.digest.feed import Feed
from seatrial.site.digest.subscriptions import Subscriptions
from seatrial.site.library import Library
from seatrial.site.pages.lines import model_path
from seatrial.site.rendering import Renderer
from seatrial.site.security.cookies import VoterCookie
from seatrial.site.security.limits import Buckets
from seatrial.site.security.networks import Networks
from seatrial.site.security.tokens import Tokens
from seatrial.site.views.parts import Throttles
from seatrial.site.views.reading import Reading
from seatrial.site.votes.booth import Booth
from seatrial.site.votes.throttle import USUAL_LIMITS, Limits
from seatrial.site.votes.voters import new_voter

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from seatrial.cli.settings import Settings
    from seatrial.site.mail.post import Post

# A reader who opens page after page, or a polite crawler; then two a second.
_PAGES_PER_HOUR, _PAGES_AT_ONCE = 7_200.0, 300
_MAILS_PER_HOUR, _MAILS_AT_ONCE = 20.0, 10


class SiteOrder(NamedTuple):
    """A site as it was ordered on the command line. `limits` are what voters and networks may cast."""

    address: Address
    database_url: str
    drain_s: float = 30.0
    limits: Limits = USUAL_LIMITS


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that serves."""

    order: SiteOrder
    app: SiteProcess
    cache: PageCache
    library: Library
    booth: Booth
    post: Post
    database: Database

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until a signal; what was voted by then is written."""
        lifetime = Lifetime(
            load=self._load, on_ready=on_ready, close=self._close, tend=self._tend, drain_s=self.order.drain_s
        )
        run(self.app, self.order.address, lifetime)

    async def _load(self) -> None:
        """The first pages are made before anybody asks: they bring templates and judged comparisons with them."""
        self.booth.start()
        listings = await asyncio.to_thread(self.library.listings)
        model = next(iter(self.library.catalog.entries))
        for path in ("/", model_path(model), *(listing.path for listing in listings[:1])):
            await self.cache.get(path)

    async def _close(self) -> None:
        await self.booth.close()
        await asyncio.to_thread(self.post.close)
        self.app.is_closed = True
        self.database.close()

    def _tend(self) -> None:
        """After midnight the catalog's comparisons are judged anew, before a reader asks for them."""
        if not self.app.is_closed:
            self.library.listings()


class SiteProcess:
    """The application as the process around it sees it: ready or not, with so many requests inside."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._num_inside = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.readiness = Readiness()
        self.is_closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self.readiness.reason is not None and scope["type"] == "http":
            return await _turn_away(self.readiness.reason, send)
        self._num_inside += 1
        self._idle.clear()
        try:
            await self._app(scope, receive, send)
        finally:
            self._num_inside -= 1
            if not self._num_inside:
                self._idle.set()
        return None

    async def drain(self) -> None:
        """Turn new requests away, and return when those that run have ended."""
        self.readiness.reason = "The site is shutting down."
        await self._idle.wait()

    def end_all(self) -> None:
        """Nothing here runs for long: what does after a drain waits for a database that is gone."""


def open_static(settings: Settings, database: Database, base_url: str) -> Reading:
    """What a static build reads. `base_url` is where its files will be found; raises UsageError for no address."""
    library = open_library(settings, database)
    renderer = Renderer(base_url, is_static=True)
    return Reading(library, renderer, database, Feed(library, now, base_url=renderer.site.base_url).atom)


def open_site(settings: Settings, order: SiteOrder) -> Site:
    """A site that can run. Raises UsageError for settings that cannot be, and what the database raises."""
    database = open_site_database(order.database_url)
    try:
        return _site_on(database, settings, order)
    except BaseException:
        database.close()
        raise


def _site_on(database: Database, settings: Settings, order: SiteOrder) -> Site:
    key = secret(database)
    tokens = Tokens(key, clock=now)
    library = open_library(settings, database)
    renderer = Renderer(settings.site_url or order.address.url)
    base_url = renderer.site.base_url
    networks = Networks(key, settings.trusted_proxies)
    post = open_post(settings if settings.smtp_url else dataclasses.replace(settings, site_url=base_url), now)
    booth = Booth(database, now, limits=order.limits)
    parts = SiteParts(
        library=library,
        renderer=renderer,
        booth=booth,
        database=database,
        secret=key,
        subscriptions=Subscriptions(database, now, tokens, post),
        post=post,
        feed=Feed(library, now, base_url=base_url).atom,
        tokens=tokens,
        cookie=VoterCookie(tokens, is_https=base_url.startswith("https://"), new_id=new_voter),
        networks=networks,
        throttles=Throttles(
            pages=Buckets(per_hour=_PAGES_PER_HOUR, burst=_PAGES_AT_ONCE, clock=time.monotonic),
            mails=Buckets(per_hour=_MAILS_PER_HOUR, burst=_MAILS_AT_ONCE, clock=time.monotonic),
        ),
        clock=now,
        monotonic=time.monotonic,
        base_url=settings.site_url,
    )
    app = build_site(parts)
    return Site(order, SiteProcess(app), app.state.cache, library, booth, post, database)


async def _turn_away(reason: str, send: Send) -> None:
    body = f"{reason}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 503, "headers": [*headers, (b"retry-after", b"2")]})
    await send({"type": "http.response.body", "body": body})
