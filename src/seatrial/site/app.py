"""The site as an ASGI application: its parts come in, put together elsewhere; what answers every request goes out.

Edge (pages that are ready, headers)  ->  routes  ->  a view  ->  cache, booth, subscriptions
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from seatrial.site.cache import PageCache
from seatrial.site.security.headers import security_headers
from seatrial.site.views.answers import Answers
from seatrial.site.views.blind import blind_routes
from seatrial.site.views.digest import digest_routes
from seatrial.site.views.edge import Edge
from seatrial.site.views.forms import Forms
from seatrial.site.views.pages import page_routes
from seatrial.site.views.parts import SiteParts, ViewParts
from seatrial.site.views.reading import Reading
from seatrial.site.views.voter import voter_routes
from seatrial.site.views.voting import voting_routes

__all__ = ["SiteParts", "build_site"]


def build_site(parts: SiteParts) -> Starlette:
    """The application. It opens and closes nothing; its cache of pages is `app.state.cache`."""
    headers = security_headers(is_https=parts.is_https)
    reading = Reading(parts.library, parts.renderer, parts.database, parts.feed)
    cache = PageCache(
        reading.make,
        stamp=reading.stamp,
        opinions=parts.booth.opinions,
        headers=headers,
        clock=parts.monotonic,
    )
    answers = Answers(parts.renderer)
    views = ViewParts(parts, cache, answers, Forms(parts.cookie, parts.tokens, parts.base_url))

    async def on_error(request: Request, error: Exception) -> Response:
        return answers.of_error(request, error)

    app = Starlette(
        routes=[
            *voting_routes(views),
            *blind_routes(views),
            *voter_routes(views),
            *digest_routes(views),
            *page_routes(views),
        ],
        middleware=[Middleware(Edge, cache=cache, headers=headers, on_error=on_error)],
        exception_handlers={HTTPException: on_error},
    )
    app.router.redirect_slashes = False
    app.state.cache = cache
    return app
