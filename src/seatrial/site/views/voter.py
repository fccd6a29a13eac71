"""A voter's e-mail address: given once, confirmed by a link in a mail, and then votes count in full.

In: an address that somebody typed, and the token that came back. Out: the same page for every address, and a voter who
is confirmed. Of the address nothing is kept but a keyed hash; the token in the link names voter and address.
"""

from __future__ import annotations

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from seatrial.errors import TooManyRequests
from seatrial.site.mail.address import masked, read_address
from seatrial.site.pages.message import Ask, MessageLink, message_page
from seatrial.site.pages.my_votes import PATH as MINE
from seatrial.site.views.forms import read_body
from seatrial.site.views.pages import network_of
from seatrial.site.views.parts import ViewParts
from seatrial.site.views.refusals import Refusal

_PURPOSE = "voter-email"
CONFIRM_FOR_S = 3 * 86400.0


def voter_routes(parts: ViewParts) -> list[Route]:
    """What `/voter` answers."""
    views = _Voter(parts)
    return [
        Route("/voter/email", views.ask, methods=["POST"]),
        Route("/voter/confirm/{token}", views.show, methods=["GET"]),
        Route("/voter/confirm/{token}", views.confirm, methods=["POST"]),
    ]


class _Voter:
    def __init__(self, parts: ViewParts) -> None:
        self._parts, self._site = parts, parts.site

    async def ask(self, request: Request) -> Response:
        """Write to the address; what is answered tells nothing of it."""
        form = await self._parts.forms.read(request)
        voter = form.voter
        if voter is None or await asyncio.to_thread(self._site.booth.standing_of, voter) is None:
            raise Refusal(400, "Vote first", "An address is kept with your votes. Vote on a page, then come back here.")
        address = read_address(form.get("email"))
        take_mail(request, self._parts)
        token = self._site.tokens.sign(_PURPOSE, msgspec.json.encode([voter, address.text]).decode())
        await asyncio.to_thread(self._site.post.ask_voter, address.text, token)
        page = message_page(
            "Look into your mailbox",
            "If that address can be written to, a mail with a link is on its way. Open the link within three days, and "
            "your votes count in full.",
            path=request.scope["path"],
            links=(MessageLink("Your votes", MINE),),
        )
        return self._parts.answers.page(request, page)

    async def show(self, request: Request) -> Response:
        """Ask once more: programs that look into mail follow links, and must not confirm by it."""
        _, address = self._read(request)
        page = message_page(
            "Is this your address?",
            f"The votes cast in one browser will count in full, as those of {masked(address)}.",
            path=request.scope["path"],
            ask=Ask(request.scope["path"], "Yes, it is mine"),
        )
        return self._parts.answers.page(request, page)

    async def confirm(self, request: Request) -> Response:
        """Let the voter's votes count in full."""
        await read_body(request)
        voter, address = self._read(request)
        done = await self._site.booth.confirm(voter, address)
        text = ["Your votes now count in full."]
        if done.num_withdrawn:
            text.append(f"{done.num_withdrawn:,} votes that this address had confirmed elsewhere were taken back.")
        page = message_page(
            "Confirmed", text, path=request.scope["path"], tone="good", links=(MessageLink("Your votes", MINE),)
        )
        return self._parts.answers.page(request, page)

    def _read(self, request: Request) -> tuple[str, str]:
        said = self._site.tokens.read(_PURPOSE, request.path_params["token"], CONFIRM_FOR_S)
        return msgspec.json.decode(said, type=tuple[str, str])


def take_mail(request: Request, parts: ViewParts) -> None:
    """Let a network cause one more mail. Raises TooManyRequests."""
    wait_s = parts.site.throttles.mails.take(network_of(request, parts))
    if wait_s > 0:
        raise TooManyRequests("Your network has asked for many mails. Try again later.", retry_after_s=wait_s)
