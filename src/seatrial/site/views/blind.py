"""Judging answers blind: a pair without names, a vote, then what was hidden and the next pair.

In: a published run's slug, and a form with the token of the pair that was shown. Out: pages of one reader's own. A vote
once revealed stands: whoever has seen the names judges no longer blind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from seatrial.site.bounded import Bounded
from seatrial.site.library import Comparison
from seatrial.site.pages.blind import Ranks, blind_page, reveal_page, view_ranks
from seatrial.site.views.parts import ViewParts
from seatrial.site.views.refusals import not_found
from seatrial.site.views.voting import take_vote
from seatrial.site.votes.blind import choice_of, next_pair, num_pairs, read_token, reveal, token_of
from seatrial.site.votes.ranking import ranks_of_run
from seatrial.site.votes.subject import parts_of
from seatrial.verdict.document import Document

_RANKED_FOR_S = 60.0
_NUM_RANKED = 256


def blind_routes(parts: ViewParts) -> list[Route]:
    """What `/blind` answers."""
    views = _Blind(parts)
    return [
        Route("/blind/{slug}.json", views.show, methods=["GET"]),
        Route("/blind/{slug}", views.show, methods=["GET"]),
        Route("/blind/{slug}", views.judge, methods=["POST"]),
    ]


class _Blind:
    def __init__(self, parts: ViewParts) -> None:
        self._parts, self._site = parts, parts.site
        self._ranks: Bounded[tuple[str, int], Ranks] = Bounded(_NUM_RANKED)

    async def show(self, request: Request) -> Response:
        """The next pair of a run, or that there is none left."""
        comparison = await self._comparison(request)
        voter = self._site.cookie.read(request.cookies)
        done = await self._choices_of(voter)
        total = num_pairs(comparison.document)
        pair = next_pair(comparison.document, voter or self._site.cookie.new_id(), done, self._site.secret)
        page = blind_page(
            comparison,
            pair,
            "" if pair is None else token_of(pair, self._site.tokens),
            num_done=min(total, _num_done(comparison.document, done)),
            num_pairs=total,
            ranks=await self._ranks_of(comparison) if pair is None else None,
        )
        return self._parts.answers.page(request, page)

    async def judge(self, request: Request) -> Response:
        """Take the vote on a pair, and show what was hidden."""
        comparison = await self._comparison(request)
        form = await self._parts.forms.read(request)
        document = comparison.document
        pair = read_token(form.get("token"), document, self._site.secret, self._site.tokens)
        choice = choice_of(pair, form.get("side"))
        done = await self._choices_of(form.voter)
        cookie = None
        if pair.subject.key in done:
            choice = done[pair.subject.key]
        else:
            taken = await take_vote(request, self._parts, form, pair.subject, choice)
            choice, cookie = taken.receipt.choice, taken.cookie
            done = {**done, pair.subject.key: choice}
        is_last = next_pair(document, pair.reader, done, self._site.secret) is None
        num_left = 0 if is_last else max(1, num_pairs(document) - _num_done(document, done))
        page = reveal_page(
            comparison,
            pair,
            reveal(pair, choice, document),
            num_left=num_left,
            ranks=await self._ranks_of(comparison) if is_last else None,
        )
        return self._parts.answers.page(request, page, cookie=cookie)

    async def _comparison(self, request: Request) -> Comparison:
        comparison = await asyncio.to_thread(self._site.library.find, request.path_params["slug"])
        if comparison is None or not num_pairs(comparison.document):
            raise not_found("There are no answers here that could be judged.")
        return comparison

    async def _choices_of(self, voter: str | None) -> Mapping[str, str]:
        return {} if voter is None else await asyncio.to_thread(self._site.booth.choices_of, voter)

    async def _ranks_of(self, comparison: Comparison) -> Ranks:
        """The run's standings as of at most a minute ago: they take long to compute."""
        document = comparison.document
        key = (document.run.id, int(self._site.monotonic() / _RANKED_FOR_S))
        return await asyncio.to_thread(
            self._ranks.get, key, lambda: view_ranks(ranks_of_run(self._site.database, document.run.id), document)
        )


def _num_done(document: Document, done: Mapping[str, str]) -> int:
    """How many pairs of a run a reader has judged."""
    return sum(parts_of(key)[:2] == ("blind", document.run.id) for key in done)
