"""Voting: ship or skip, or which of two; changing a vote, taking it back, and the reader's own votes.

In: forms that carry a subject, a choice and the page they stand on. Out: a redirect to a page that says what was
counted, never before it is on disk. While the site is under attack a page with some work comes first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from seatrial.errors import ProofWanted, UsageError
from seatrial.site.library import Library
from seatrial.site.pages.message import Ask, MessageLink, MessagePage, Work, message_page
from seatrial.site.pages.my_votes import PATH as MINE
from seatrial.site.pages.my_votes import my_votes_page
from seatrial.site.security.own_paths import own_path
from seatrial.site.views.answers import wants_json
from seatrial.site.views.forms import Form
from seatrial.site.views.pages import network_of
from seatrial.site.views.parts import ViewParts
from seatrial.site.views.refusals import Interposed, Refusal, not_found
from seatrial.site.votes.booth import Cast, Receipt
from seatrial.site.votes.subject import SHIP, SKIP, WITHDRAWN, Subject, parts_of, subject_of

DONE = "/votes/done"
PROOF = "proof"
_KNOWN_FOR_S = 5.0


def voting_routes(parts: ViewParts) -> list[Route]:
    """What `/votes` answers."""
    views = _Voting(parts)
    return [
        Route("/votes", views.vote, methods=["POST"]),
        Route(DONE, views.done),
        Route(MINE, views.mine),
        Route(f"{MINE}.json", views.mine),
    ]


class Taken(NamedTuple):
    """A vote that is on disk. `cookie` is the header that names its voter from now on."""

    receipt: Receipt
    voter: str
    cookie: str


async def take_vote(request: Request, parts: ViewParts, form: Form, subject: Subject, choice: str) -> Taken:
    """Cast or withdraw a vote for whoever sent the form. Raises what the booth does; `Interposed` where work is due."""
    site = parts.site
    voter, network = form.voter or site.cookie.new_id(), network_of(request, parts)
    cookie = site.cookie.header(voter)
    try:
        if choice == WITHDRAWN:
            receipt = await site.booth.withdraw(voter, network, subject)
        else:
            receipt = await site.booth.cast(Cast(voter, network, subject, choice), proof=form.get(PROOF))
    except ProofWanted as wanted:
        raise Interposed(_work_page(request, form, wanted), cookie=cookie, status=429) from None
    return Taken(receipt, voter, cookie)


class _Voting:
    def __init__(self, parts: ViewParts) -> None:
        self._parts, self._site = parts, parts.site
        self._candidates = _Candidates(parts.site.library, parts.site.monotonic)

    async def vote(self, request: Request) -> Response:
        """Take a vote for a model or between two."""
        form = await self._parts.forms.read(request)
        subject = subject_of(form.get("subject"))
        kind, *names = parts_of(subject.key)
        choice = form.get("choice")
        if kind == "blind":
            raise Refusal(400, "That cannot be", "Answers are judged on the page that shows them without their names.")
        if "choice" not in form.fields:
            raise UsageError("The form names no choice. Vote with the buttons of a page.", field="choice")
        if choice != WITHDRAWN and not await self._candidates.know(names):
            raise not_found("A model that was to be voted on is on no page of this site.")
        taken = await take_vote(request, self._parts, form, subject, choice)
        if wants_json(request):
            return self._said(taken, subject)
        back = own_path(form.get("back"))
        query = urlencode({"subject": subject.key, "back": back})
        goal = MINE if back.partition("#")[0] == MINE else f"{DONE}?{query}"
        return self._parts.answers.see_other(goal, cookie=taken.cookie)

    async def done(self, request: Request) -> Response:
        """What the reader says of a subject now, and the way back."""
        subject = subject_of(request.query_params.get("subject", ""))
        back = own_path(request.query_params.get("back", ""))
        voter = self._site.cookie.read(request.cookies)
        choice = (await self._choices_of(voter)).get(subject.key, WITHDRAWN)
        links = (MessageLink("Back to where you were", back), MessageLink("Your votes", MINE))
        if choice == WITHDRAWN:
            page = message_page(
                "You have no vote here", "Nothing is counted for you on this question.", path=DONE, links=links
            )
        else:
            said = f"You said: {self._label(choice)}. You can change it at any time."
            page = message_page("Your vote is counted", said, path=DONE, tone="good", links=links)
        return self._parts.answers.page(request, page)

    async def mine(self, request: Request) -> Response:
        """Everything that the reader said."""
        voter = self._site.cookie.read(request.cookies)
        choices = await self._choices_of(voter)
        standing = None if voter is None else await asyncio.to_thread(self._site.booth.standing_of, voter)
        page = await asyncio.to_thread(
            my_votes_page,
            self._site.library,
            choices,
            is_confirmed=standing is not None and standing.is_confirmed,
            weight=None if standing is None else standing.weight,
        )
        return self._parts.answers.page(request, page)

    def _said(self, taken: Taken, subject: Subject) -> Response:
        said = {"subject": subject.key, "choice": taken.receipt.choice, "weight": taken.receipt.weight / 1000}
        return JSONResponse(said, headers={"cache-control": "no-store", "set-cookie": taken.cookie})

    async def _choices_of(self, voter: str | None) -> dict[str, str]:
        return {} if voter is None else dict(await asyncio.to_thread(self._site.booth.choices_of, voter))

    def _label(self, choice: str) -> str:
        entry = self._site.library.catalog.find(choice)
        return {SHIP: "ship", SKIP: "skip"}.get(choice, entry.name if entry is not None else choice)


class _Candidates:
    """Which candidates are on a page: those of the catalog and of published runs, looked at again now and then."""

    def __init__(self, library: Library, monotonic: Callable[[], float]) -> None:
        self._library, self._monotonic = library, monotonic
        self._published: frozenset[str] = frozenset()
        self._read_s = float("-inf")

    async def know(self, names: list[str]) -> bool:
        """Whether each of them is one."""
        unknown = [name for name in names if self._library.catalog.find(name) is None]
        if not unknown:
            return True
        if self._monotonic() - self._read_s > _KNOWN_FOR_S:
            listings = await asyncio.to_thread(self._library.listings)
            self._published = frozenset(candidate.id for listing in listings for candidate in listing.candidates)
            self._read_s = self._monotonic()
        return self._published.issuperset(unknown)


def _work_page(request: Request, form: Form, wanted: ProofWanted) -> MessagePage:
    fields = {name: value for name, value in form.fields.items() if name != PROOF}
    work = Work(wanted.challenge, wanted.num_bits, round(wanted.retry_after_s))
    return message_page(
        "One moment, please",
        str(wanted),
        path=request.scope["path"],
        ask=Ask(request.scope["path"], "Send my vote", fields, work),
        links=(MessageLink("Leave it", own_path(form.get("back"))),),
    )
