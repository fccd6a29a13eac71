"""The comparison page: the report's own sections, with what only a site has around them.

A `Comparison` and what visitors think come in; a `ComparisonPage` goes out. The verdict, the scorecard, pricing, what
was measured and what was claimed are shown as the report shows them. The site adds the community's share and its vote
forms, a month's cost at the reader's own volume, how the verdict has changed, and links.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from seatrial.site.library import Comparison, Library
from seatrial.site.listings import Change, Standing
from seatrial.site.pages.community import CommunityView, community_data, community_figures, view_community
from seatrial.site.pages.frame import Frame
from seatrial.site.pages.json_ld import comparison_ld
from seatrial.site.pages.volume import VolumeView, view_volume, volume_data
from seatrial.site.votes.blind import num_pairs
from seatrial.site.votes.opinion import MIN_VOTERS, Opinions
from seatrial.verdict.report.headline import BADGES
from seatrial.verdict.report.names import name_candidates, shortened
from seatrial.verdict.report.page import Page as ReportPage
from seatrial.verdict.report.page import build_page
from seatrial.verdict.report.pictures import picture_files
from seatrial.verdict.report.templating import Around

PICTURES = "/item-pictures/"
"""Under this path each comparison has a folder with the pictures of its items."""

_DESCRIPTION_CHARS = 300


@dataclass(frozen=True, slots=True)
class PastVerdict:
    """A verdict that stood on this page from `at` on. `badge` is what the page prints for its decision."""

    at: datetime
    decision: str
    badge: str
    sentence: str
    is_flip: bool


@dataclass(frozen=True, slots=True)
class ComparisonPage:
    """`report` is what the shared sections show. `history` is newest first, empty where only one verdict stood."""

    TEMPLATE: ClassVar[str] = "compare.html.jinja"

    frame: Frame
    comparison: Comparison
    report: ReportPage
    around: Around
    community: CommunityView
    min_voters: int
    volume: VolumeView | None
    history: list[PastVerdict]
    community_data: dict[str, Any]
    history_data: list[dict[str, Any]]

    def data(self) -> dict[str, Any]:
        """The page's twin: the whole verdict document, with what the site adds."""
        comparison = self.comparison
        return {
            "slug": comparison.slug,
            "title": self.frame.title,
            "added_at": comparison.added_at,
            "run_id": comparison.run_id,
            "community": self.community_data,
            "volume": volume_data(comparison.document),
            "history": self.history_data,
            "verdict": comparison.document,
        }


def comparison_page(comparison: Comparison, opinions: Opinions, library: Library) -> ComparisonPage:
    """The page of a comparison as it stands now."""
    document = comparison.document
    names = name_candidates(document.candidates)
    report = build_page(document, community_figures(names, opinions))
    volume = view_volume(document, names)
    changes = library.changes(comparison.slug) if comparison.run_id is not None else []
    description = shortened(document.verdict.text, _DESCRIPTION_CHARS)
    frame = Frame(
        title=report.title,
        description=description,
        path=comparison.path,
        picture=f"/pictures/{comparison.slug}.png",
        files=tuple(pictures_path(comparison) + name for name in picture_files(document)),
        json_ld=comparison_ld(comparison, report.title, description),
    )
    models = [card.model for card in document.candidates if card.model is not None]
    return ComparisonPage(
        frame=frame,
        comparison=comparison,
        report=report,
        around=Around(
            is_site=True,
            anchors=(("vote", "Vote"), *((("volume", "Your volume"),) if volume else ())),
            linked_models=frozenset(model for model in models if library.catalog.find(model) is not None),
            blind=blind_path(comparison),
            twin=frame.twin,
            pictures=pictures_path(comparison),
        ),
        community=view_community(document, names, opinions),
        min_voters=MIN_VOTERS,
        volume=volume,
        history=[_past(change) for change in changes] if len(changes) > 1 else [],
        community_data=community_data(document, opinions),
        history_data=[_past_data(change.now) for change in changes],
    )


def pictures_path(comparison: Comparison) -> str:
    """Where the pictures of its items are; a file name goes after it."""
    return f"{PICTURES}{comparison.slug}/"


def blind_path(comparison: Comparison) -> str | None:
    """Where a run's answers can be judged blind; None where there are no two answers to one item that differ."""
    is_run = comparison.run_id is not None and num_pairs(comparison.document) > 0
    return f"/blind/{comparison.slug}" if is_run else None


def _past(change: Change) -> PastVerdict:
    now = change.now
    return PastVerdict(now.at, now.decision, BADGES.get(now.decision, now.decision), now.sentence, change.is_flip)


def _past_data(standing: Standing) -> dict[str, Any]:
    return {
        "run_id": standing.run_id,
        "at": standing.at,
        "decision": standing.decision,
        "candidate": standing.candidate,
        "sentence": standing.sentence,
    }
