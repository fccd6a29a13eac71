"""Answers that are one reader's own, never kept: pages, redirects, JSON; and the one table from errors to them.

In: a request, and a page or what went wrong. Out: a response. Who asks for JSON (a path that ends in `.json`, or an
`Accept` header that names it and not HTML) gets the page's twin.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from seatrial.errors import SeatrialError, StorageError, TooManyRequests, UnknownName, UsageError
from seatrial.site.cache import Busy
from seatrial.site.mail.carriers import MailError
from seatrial.site.pages.frame import Page
from seatrial.site.pages.message import failure_page, message_page, not_found_page
from seatrial.site.rendering import Renderer
from seatrial.site.security.limits import retry_after
from seatrial.site.views.refusals import Interposed, Refusal

_log = logging.getLogger(__name__)

_OWN = {"cache-control": "no-store", "vary": "cookie"}
_BUSY_S = 2.0
_AWAY_S = 10.0
_OF_STATUS = {
    400: ("Not understood", "The request cannot be read."),
    405: ("Not here", "This address does not take that kind of request."),
}


@dataclass(frozen=True, slots=True)
class Answers:
    """Makes responses."""

    renderer: Renderer

    def page(
        self,
        request: Request,
        page: Page,
        *,
        status: int = 200,
        cookie: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """A page as HTML or JSON, for this reader alone. `cookie` is a `Set-Cookie` header."""
        as_json = wants_json(request)
        body = self.renderer.twin(page) if as_json else self.renderer.html(page)
        given = {**_OWN, **(headers or {}), **({"set-cookie": cookie} if cookie else {})}
        return Response(body, status, given, media_type="application/json" if as_json else "text/html")

    def see_other(self, path: str, *, cookie: str | None = None, is_lasting: bool = False) -> Response:
        """Sends the reader to a path on this site: with GET (303), or, where it is `is_lasting`, from now on (308)."""
        given = {"location": path, **_OWN, **({"set-cookie": cookie} if cookie else {})}
        return Response(status_code=308 if is_lasting else 303, headers=given)

    def of_error(self, request: Request, error: Exception) -> Response:
        """The answer to whatever a view raised."""
        match error:
            case Interposed():
                return self.page(request, error.page, status=error.status, cookie=error.cookie)
            case HTTPException(status_code=404):
                return self.page(request, not_found_page(request.scope["path"]), status=404)
            case HTTPException():
                title, text = _OF_STATUS.get(error.status_code, _OF_STATUS[400])
                return self._refused(request, Refusal(error.status_code, title, text), error.headers)
            case Refusal(status=404):
                return self.page(request, not_found_page(request.scope["path"], error.text), status=404)
            case Refusal():
                return self._refused(request, error)
            case SeatrialError() | Busy():
                return self._refused(request, _refusal_of(error))
            case _:
                _log.exception("%s %s", request.method, request.scope["path"], exc_info=error)
                return self.page(request, failure_page(request.scope["path"]), status=500)

    def _refused(self, request: Request, refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
        page = message_page(refusal.title, refusal.text, path=request.scope["path"], tone="bad")
        given = dict(headers or {})
        if refusal.retry_after_s is not None:
            given["retry-after"] = retry_after(refusal.retry_after_s)
        return self.page(request, page, status=refusal.status, headers=given)


def wants_json(request: Request) -> bool:
    """Whether a program asks."""
    accept = request.headers.get("accept", "")
    return request.scope["path"].endswith(".json") or ("application/json" in accept and "text/html" not in accept)


def _refusal_of(error: SeatrialError | Busy) -> Refusal:
    """The table. Messages of errors are fit to be shown, but a disk's and a database's are for the operator."""
    match error:
        case Busy():
            return Refusal(503, "Busy", "More pages are asked for than can be made. Try again in a moment.", _BUSY_S)
        case TooManyRequests():
            return Refusal(429, "Too often", str(error), error.retry_after_s)
        case UnknownName():
            return Refusal(404, "Not found", str(error))
        case UsageError():
            return Refusal(400, "That cannot be", str(error))
        case StorageError() | MailError():
            _log.error("%s", error)
            what = "mail" if isinstance(error, MailError) else "what you sent"
            return Refusal(
                503, "Not now", f"The site cannot take {what} at the moment, and nothing was done. Try again.", _AWAY_S
            )
        case _:
            _log.error("%s", error)
            return Refusal(500, "That did not work", "Something went wrong on our side. Try again in a moment.")
