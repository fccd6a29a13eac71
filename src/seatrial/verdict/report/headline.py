"""The top of the page: the question, who was asked about, the verdict with its reasons, and what nobody may miss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from seatrial.verdict.document import Document
from seatrial.verdict.report.figures import count, percent, usd
from seatrial.verdict.report.footnotes import Footnotes
from seatrial.verdict.report.names import Name, name_of

BADGES = {"ship": "Ship", "skip": "Skip all", "mix": "Ship a mix", "undecided": "Undecided"}
LONG_SENTENCE = 150


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that stands beside the verdict, with what it is."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Share:
    """What part of the work a candidate takes in a mix. `start` and `width` are percent of a bar."""

    name: str
    slot: int
    share: str
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that cannot be missed about a candidate: retirement, licence, unsupported parameters."""

    name: str
    text: Markup


@dataclass(frozen=True, slots=True)
class Headline:
    """`decision` is the document's word, `badge` what the page prints for it. `is_long` sets the sentence smaller."""

    question: str
    names: list[Name]
    decision: str
    badge: str
    sentence: Markup
    is_long: bool
    reasons: list[Markup]
    figures: list[Figure]
    shares: list[Share]
    notices: list[Notice]


def view_headline(document: Document, names: Mapping[str, Name], notes: Footnotes) -> Headline:
    """The headline of a document."""
    verdict = document.verdict
    return Headline(
        question="Which one should you ship?" if len(document.candidates) != 1 else "Should you ship it?",
        names=list(names.values()),
        decision=verdict.decision,
        badge=BADGES[verdict.decision],
        sentence=notes.prose(verdict.spans) if verdict.spans else Markup.escape(verdict.text),
        is_long=len(verdict.text) > LONG_SENTENCE,
        reasons=[notes.prose(reason) for reason in verdict.reasons],
        figures=_figures(document),
        shares=_shares(verdict.mix, names),
        notices=[
            Notice(name=names[card.id].text, text=notes.prose(notice))
            for card in document.candidates
            for notice in card.notices
        ],
    )


def _shares(mix: Mapping[str, float], names: Mapping[str, Name]) -> list[Share]:
    shares = []
    start = 0.0
    for candidate, share in mix.items():
        slot = names[candidate].slot if candidate in names else 1
        shares.append(Share(name_of(names, candidate), slot, percent(share), start, 100 * share))
        start += 100 * share
    return shares


def _figures(document: Document) -> list[Figure]:
    verdict = document.verdict
    figures = []
    if verdict.expected_quality is not None:
        figures.append(Figure(percent(verdict.expected_quality), "expected quality"))
    if verdict.expected_cost_per_1k_usd is not None:
        figures.append(Figure(usd(verdict.expected_cost_per_1k_usd), "expected cost of 1,000 tasks"))
    if verdict.decision == "undecided" and verdict.more_items:
        figures.append(Figure(_about(verdict.more_items), "more items would settle it"))
    panel = document.panel.get(verdict.candidate or "")
    if verdict.decision == "ship" and panel and panel.ship_pct is not None:
        figures.append(Figure(f"{panel.ship_pct:.0f}%", f"of the panel would ship it ({panel.ships} of {panel.cast})"))
    return figures


def _about(num_items: int) -> str:
    """Two significant digits say all that such an estimate knows: 1404 is `≈ 1,400`."""
    rounded = float(f"{num_items:.2g}")
    return count(num_items) if rounded == num_items else f"≈ {count(rounded)}"
