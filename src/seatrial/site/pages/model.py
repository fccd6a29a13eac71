"""A model's page: facts with sources and dates, price over time, scores by exact variant, claims checked, comparisons.

The library and an id come in, a `ModelPage` goes out. Where sources disagree all of them stand; what is not known is
not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

import msgspec

from seatrial.catalog.entry import Entry
from seatrial.site.library import Comparison, Library
from seatrial.site.listings import Listing
from seatrial.site.pages.changes import VerdictChange, verdict_changes
from seatrial.site.pages.community import VoteView, model_vote, share_of
from seatrial.site.pages.entry_facts import EntryView, view_entry
from seatrial.site.pages.entry_scores import MeasuredLine, ScoreLine, measured_lines, score_lines
from seatrial.site.pages.frame import Frame
from seatrial.site.pages.json_ld import model_ld
from seatrial.site.pages.lines import (
    CATEGORIES,
    ComparisonLine,
    ModelLine,
    category_path,
    comparison_line,
    model_line,
    model_path,
)
from seatrial.site.pages.price_chart import price_chart
from seatrial.site.pages.sources import source_data
from seatrial.site.slugs import slug_of
from seatrial.site.votes.opinion import Opinions
from seatrial.site.votes.subject import SHIP, SKIP, model_subject
from seatrial.verdict.report.names import Name, listed
from seatrial.verdict.report.plots import Plot

MOST_RUNS = 20
"""Published comparisons whose measurements a page shows, the newest; the others are listed."""

MOST_CHANGES = 20


@dataclass(frozen=True, slots=True)
class Successor:
    """What its maker names instead of a model that is retired, with the comparison of both."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class ModelPage:
    """`vote` is the form; `price` the chart, None where no list price is known; `history` is newest first.

    `category` and `category_path` are where it belongs, `takes` what it takes in, `weights` where its weights lie.
    The page lists the newest `MOST_LISTED` of `published`, its twin all of them.
    """

    TEMPLATE: ClassVar[str] = "model.html.jinja"
    MOST_LISTED: ClassVar[int] = 100

    frame: Frame
    entry: Entry
    line: ModelLine
    category: str
    category_path: str
    takes: str
    weights: str
    view: EntryView
    successors: tuple[Successor, ...]
    vote: VoteView | None
    price: Plot | None
    scores: tuple[ScoreLine, ...]
    measured: tuple[MeasuredLine, ...]
    published: tuple[ComparisonLine, ...]
    from_catalog: tuple[ComparisonLine, ...]
    history: tuple[VerdictChange, ...]
    community: dict[str, Any]

    def data(self) -> dict[str, Any]:
        """The page's twin: the catalog's entry as it stands, and what is said of it."""
        return {
            "model": msgspec.to_builtins(self.entry),
            "notices": [
                {"text": notice.text, "sources": [source_data(source) for source in notice.sources]}
                for notice in self.view.notices
            ],
            "scores": [line.data() for line in self.scores],
            "measured": [line.data() for line in self.measured],
            "claims": [claim.data() for claim in self.view.claims],
            "comparisons": [line.data() for line in (*self.published, *self.from_catalog)],
            "verdict_history": [change.data() for change in self.history],
            "community": self.community,
        }


def model_page(library: Library, id: str, opinions: Opinions) -> ModelPage:
    """The page of a model of the catalog. Raises `UnknownName` where there is none of this id."""
    entry = library.catalog.get(id)
    today = library.today()
    listings = library.of_model(id)
    runs = _runs(library, listings)
    category = CATEGORIES[entry.category]
    return ModelPage(
        frame=Frame(
            title=entry.name,
            description=_description(entry, today),
            path=model_path(id),
            json_ld=model_ld(entry),
        ),
        entry=entry,
        line=model_line(entry, today),
        category=category,
        category_path=category_path(entry.category),
        takes=listed(entry.modalities),
        weights=_weights(entry),
        view=view_entry(entry, library.catalog, today, runs),
        successors=_successors(entry, library),
        vote=model_vote(Name(id, entry.name, 1), opinions),
        price=price_chart(entry, today),
        scores=score_lines(entry, library.catalog),
        measured=measured_lines(runs, id),
        published=tuple(comparison_line(listing) for listing in listings if listing.run_id is not None),
        from_catalog=tuple(comparison_line(listing) for listing in listings if listing.run_id is None),
        history=_history(library, listings),
        community=_community(id, opinions),
    )


def _description(entry: Entry, today: date) -> str:
    line = model_line(entry, today)
    retires = f" It {line.retires}." if line.retires else ""
    return f"{entry.name} by {entry.maker}: {entry.tagline}.{retires}"


def _weights(entry: Entry) -> str:
    """Where its weights lie, or by which name its API knows it."""
    if entry.weights is None:
        return entry.api_name or ""
    if entry.weights.kind == "hub":
        at = "" if entry.weights.revision == "main" else f" at {entry.weights.revision}"
        return f"{entry.weights.repository}{at}"
    return f"{entry.weights.package} {entry.weights.version}, {entry.weights.file}"


def _successors(entry: Entry, library: Library) -> tuple[Successor, ...]:
    named = dict.fromkeys(fact.value.replacement for fact in entry.retirement)
    known = [library.catalog.find(name) for name in named if name is not None and name != entry.id]
    return tuple(
        Successor(other.name, f"/compare/{slug_of((entry.id, other.id))}") for other in known if other is not None
    )


def _runs(library: Library, listings: Sequence[Listing]) -> list[Comparison]:
    """The newest published comparisons, whole."""
    slugs = [listing.slug for listing in listings if listing.run_id is not None][:MOST_RUNS]
    return [comparison for slug in slugs if (comparison := library.find(slug)) is not None]


def _history(library: Library, listings: Sequence[Listing]) -> tuple[VerdictChange, ...]:
    """How verdicts of runs with this model came and went."""
    slugs = {listing.slug for listing in listings if listing.run_id is not None}
    changes = [change for change in library.changes() if change.slug in slugs] if slugs else []
    return verdict_changes(library, changes[:MOST_CHANGES])


def _community(id: str, opinions: Opinions) -> dict[str, Any]:
    opinion = opinions.of(model_subject(id).key)
    share = share_of(opinion, SHIP, SKIP)
    return {
        "num_voters": opinion.num_voters,
        "ship": None if share is None else {"value": share.value, "low": share.low, "high": share.high},
    }
