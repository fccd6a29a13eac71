"""What has changed: verdicts that published runs came to, and models that are being shut down.

Changes of the library and entries of the catalog come in, lines for pages go out, newest or nearest first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from seatrial.catalog.entry import Entry
from seatrial.site.library import Library
from seatrial.site.listings import Change, Listing
from seatrial.site.pages.lines import ModelLine, model_line, readable
from seatrial.verdict.report.headline import BADGES

SOON_DAYS = 365
RECENT_DAYS = 90


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A published run. `was` is the verdict that stood before it ("" where it is the first), `now` the one since.

    `kind` is `new`, `flipped` or `confirmed`. `at` is aware UTC.
    """

    path: str
    title: str
    at: datetime
    kind: str
    was: str
    now: str
    decision: str
    sentence: str

    def data(self) -> dict[str, Any]:
        """What a JSON twin says of it."""
        return {
            "path": self.path,
            "title": self.title,
            "at": self.at.isoformat(),
            "kind": self.kind,
            "was": self.was or None,
            "now": self.now,
            "decision": self.decision,
            "sentence": self.sentence,
        }


def verdict_changes(library: Library, changes: Sequence[Change]) -> tuple[VerdictChange, ...]:
    """The changes with their comparisons' names; a comparison that is no longer listed is left out."""
    listings = {listing.slug: listing for listing in library.listings()}
    return tuple(_line(change, listings[change.slug]) for change in changes if change.slug in listings)


def retiring(entries: Mapping[str, Entry], today: date) -> tuple[ModelLine, ...]:
    """Models shut down within the last `RECENT_DAYS` days or the next `SOON_DAYS`, the earliest first."""
    lines = [model_line(entry, today) for entry in entries.values() if entry.retirement]
    near = [
        (line.retires_on, line.name.casefold(), line)
        for line in lines
        if line.retires_on is not None and -RECENT_DAYS <= (line.retires_on - today).days <= SOON_DAYS
    ]
    return tuple(line for _, _, line in sorted(near, key=lambda found: found[:2]))


def _line(change: Change, listing: Listing) -> VerdictChange:
    names = {candidate.id: candidate.name for candidate in listing.candidates}
    kind = "new" if change.is_new else "flipped" if change.is_flip else "confirmed"
    return VerdictChange(
        path=listing.path,
        title=listing.title,
        at=change.now.at,
        kind=kind,
        was="" if change.before is None else _said(change.before.decision, change.before.candidate, names),
        now=_said(change.now.decision, change.now.candidate, names),
        decision=change.now.decision,
        sentence=readable(change.now.sentence, names),
    )


def _said(decision: str, candidate: str | None, names: Mapping[str, str]) -> str:
    """`Ship SmolLM3-3B`, `Undecided`."""
    badge = BADGES.get(decision, decision)
    return f"{badge} {names.get(candidate, candidate)}" if decision == "ship" and candidate is not None else badge
