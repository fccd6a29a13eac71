"""One reader's own votes: what they said, to be changed or taken back, and how to make it count in full.

The only page that knows who asks for it; it is never cached, and nothing of it is on any other page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from seatrial.site.library import Library
from seatrial.site.listings import Listing
from seatrial.site.pages.frame import Frame
from seatrial.site.pages.lines import model_path
from seatrial.site.slugs import slug_of
from seatrial.site.votes.subject import SHIP, SKIP, TIE, parts_of

PATH = "/votes/mine"
_SHIP_OR_SKIP = ((SHIP, "Ship"), (SKIP, "Skip"))


@dataclass(frozen=True, slots=True)
class VoteLine:
    """A vote. `kind` is model, pair or blind; `path` is where its subject is, None where that is gone.

    `choices` are what else can be said, with labels; empty where the vote can only be taken back.
    """

    subject: str
    kind: str
    title: str
    path: str | None
    choice: str
    label: str
    choices: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class MyVotesPage:
    """`weight` is what each vote counts for now, in thousandths; None for who has not voted."""

    TEMPLATE: ClassVar[str] = "my_votes.html.jinja"

    frame: Frame
    votes: tuple[VoteLine, ...]
    is_confirmed: bool
    weight: int | None

    @property
    def counts_for(self) -> str:
        """`0.25`, `1`."""
        return f"{(self.weight or 0) / 1000:g}"

    def data(self) -> dict[str, Any]:
        """The page's twin."""
        return {
            "votes": [{"subject": vote.subject, "choice": vote.choice} for vote in self.votes],
            "is_confirmed": self.is_confirmed,
            "weight": None if self.weight is None else self.weight / 1000,
        }


def my_votes_page(
    library: Library, choices: Mapping[str, str], *, is_confirmed: bool, weight: int | None
) -> MyVotesPage:
    """The page of a reader who chose `choices` (by subject key). `weight`: thousandths of a vote, None without one."""
    by_run = {listing.run_id: listing for listing in library.listings() if listing.run_id}
    return MyVotesPage(
        frame=Frame(
            title="Your votes",
            description="What you voted, to change or to take back.",
            path=PATH,
            is_indexed=False,
        ),
        votes=tuple(_line(library, by_run, key, choice) for key, choice in sorted(choices.items()) if choice),
        is_confirmed=is_confirmed,
        weight=weight,
    )


def _line(library: Library, by_run: Mapping[str, Listing], key: str, choice: str) -> VoteLine:
    match parts_of(key):
        case ("model", model):
            known = library.catalog.find(model)
            return VoteLine(
                subject=key,
                kind="model",
                title=f"Would you ship {known.name if known else model}?",
                path=model_path(model) if known else None,
                choice=choice,
                label=dict(_SHIP_OR_SKIP).get(choice, choice),
                choices=_SHIP_OR_SKIP,
            )
        case ("pair", first, second):
            names = {candidate: _name(library, candidate) for candidate in (first, second)}
            return VoteLine(
                subject=key,
                kind="pair",
                title=f"{names[first]} or {names[second]}?",
                path=f"/compare/{slug_of(names)}",
                choice=choice,
                label=names.get(choice, choice),
                choices=tuple(names.items()),
            )
        case ("blind", run_id, workload, item, first, second):
            return _blind(library, by_run.get(run_id), key, choice, (workload, item, first, second))
        case _:
            return VoteLine(key, "other", key, None, choice, choice, ())


def _blind(
    library: Library, listing: Listing | None, key: str, choice: str, parts: tuple[str, str, str, str]
) -> VoteLine:
    workload, item, first, second = parts
    names = {candidate.id: candidate.name for candidate in listing.candidates} if listing else {}
    said = {candidate: names.get(candidate) or _name(library, candidate) for candidate in (first, second)}
    return VoteLine(
        subject=key,
        kind="blind",
        title=f"Blind, on {item} of {workload}: {said[first]} or {said[second]}?",
        path=listing.path if listing else None,
        choice=choice,
        label="no difference" if choice == TIE else said.get(choice, choice),
        choices=(),
    )


def _name(library: Library, id: str) -> str:
    entry = library.catalog.find(id)
    return entry.name if entry else id
