"""Signing up for the digest, and leaving it. Its pages are among those that `pages.py` answers.

In: an address that somebody typed, and tokens from mails. Out: the same page for every address. A link in a mail only
asks; what it asks about is done by the button, or by a mail program's own (RFC 8058), which sends a POST to the same
address. The token in it is all the leave that it needs.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from seatrial.site.mail.address import read_address
from seatrial.site.pages.message import HOME, Ask, MessageLink, message_page
from seatrial.site.views.forms import read_body
from seatrial.site.views.parts import ViewParts
from seatrial.site.views.voter import take_mail

_DIGEST = MessageLink("The digest", "/digest")


def digest_routes(parts: ViewParts) -> list[Route]:
    """What `/digest` answers besides its pages."""
    views = _Digest(parts)
    return [
        Route("/digest/subscribe", views.subscribe, methods=["POST"]),
        Route("/digest/confirm/{token}", views.ask_confirm, methods=["GET"]),
        Route("/digest/confirm/{token}", views.confirm, methods=["POST"]),
        Route("/digest/unsubscribe/{token}", views.ask_unsubscribe, methods=["GET"]),
        Route("/digest/unsubscribe/{token}", views.unsubscribe, methods=["POST"]),
    ]


class _Digest:
    def __init__(self, parts: ViewParts) -> None:
        self._parts, self._subscriptions = parts, parts.site.subscriptions

    async def subscribe(self, request: Request) -> Response:
        """Ask the owner of an address; what is answered tells nothing of it."""
        form = await self._parts.forms.read(request)
        typed = form.get("email")
        read_address(typed)
        take_mail(request, self._parts)
        await asyncio.to_thread(self._subscriptions.subscribe, typed)
        page = message_page(
            "Look into your mailbox",
            "If that address does not have the digest yet, a mail with a link is on its way. Open the link within "
            "three days; until then nothing is sent.",
            path=request.scope["path"],
            links=(_DIGEST, HOME),
        )
        return self._parts.answers.page(request, page)

    async def ask_confirm(self, request: Request) -> Response:
        """Ask once more."""
        who = await asyncio.to_thread(self._subscriptions.who_confirms, request.path_params["token"])
        return self._ask(request, "Do you want the weekly digest?", f"It will go to {who}.", "Yes, send it")

    async def confirm(self, request: Request) -> Response:
        """Begin to send."""
        await read_body(request)
        who = await asyncio.to_thread(self._subscriptions.confirm, request.path_params["token"])
        text = f"The next digest goes to {who}. Every issue has a link that ends it."
        return self._done(request, "You have the digest", text)

    async def ask_unsubscribe(self, request: Request) -> Response:
        """Ask once more: programs that look into mail follow links, and must not unsubscribe anybody by it."""
        who = await asyncio.to_thread(self._subscriptions.who_unsubscribes, request.path_params["token"])
        return self._ask(request, "No more digest?", f"Nothing more will be sent to {who}.", "Unsubscribe")

    async def unsubscribe(self, request: Request) -> Response:
        """Send no more. What the body says plays no part: mail programs send several kinds."""
        await read_body(request)
        who = await asyncio.to_thread(self._subscriptions.unsubscribe, request.path_params["token"])
        return self._done(request, "You are unsubscribed", f"Nothing more is sent to {who}.")

    def _ask(self, request: Request, title: str, text: str, button: str) -> Response:
        page = message_page(
            title, text, path=request.scope["path"], ask=Ask(request.scope["path"], button), links=(HOME,)
        )
        return self._parts.answers.page(request, page)

    def _done(self, request: Request, title: str, text: str) -> Response:
        page = message_page(title, text, path=request.scope["path"], tone="good", links=(_DIGEST, HOME))
        return self._parts.answers.page(request, page)
