"""The report page as its templates see it: one dataclass, assembled from a document, every text ready to print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from seatrial.verdict.document import Document
from seatrial.verdict.report.footnotes import Footnote, Footnotes
from seatrial.verdict.report.headline import Headline, view_headline
from seatrial.verdict.report.items import ItemGroup, view_items
from seatrial.verdict.report.measured import Table, view_measured
from seatrial.verdict.report.names import Name, listed, name_candidates
from seatrial.verdict.report.panel import Card, Community, Scorecard, Split, view_cards, view_scorecard, view_splits
from seatrial.verdict.report.plots import Plot, plot_differences, plot_latency, plot_quality_cost
from seatrial.verdict.report.pricing import PricingView, view_pricing
from seatrial.verdict.report.published import (
    CheckedLine,
    Facts,
    ScoreLine,
    view_facts,
    view_marketing,
    view_scores,
)


@dataclass(frozen=True, slots=True)
class Page:
    """The context of `report.html.jinja`. What is empty or None has no section, or one that says why."""

    title: str
    description: str
    document: Document
    names: Mapping[str, Name]
    headline: Headline
    cards: list[Card]
    scorecard: Scorecard
    splits: list[Split]
    pricing: PricingView | None
    measured: list[Table]
    unmeasured: str
    plots: list[Plot]
    items: list[ItemGroup]
    answering: frozenset[str]
    marketing: list[CheckedLine]
    scores: list[ScoreLine]
    facts: Facts | None
    evidence: list[Footnote]
    environments: list[list[tuple[str, str]]]
    is_measured: bool


def build_page(document: Document, community: Mapping[str, Community] = MappingProxyType({})) -> Page:
    """Everything the templates print. `community` is what visitors think, by candidate, where they are asked."""
    names = name_candidates(document.candidates)
    notes = Footnotes(document, names)
    plots = (plot_quality_cost(document, names), plot_differences(document, names), plot_latency(document, names))
    measured = view_measured(document, names, notes)
    return Page(
        title=f"{listed([name.text for name in names.values()], 'or')}: which one should you ship?",
        description=document.verdict.text,
        document=document,
        names=names,
        headline=view_headline(document, names, notes),
        cards=view_cards(document, names, notes, community),
        scorecard=view_scorecard(document, names, notes),
        splits=view_splits(document, names, notes),
        pricing=view_pricing(document, names, notes),
        measured=measured,
        unmeasured=listed([names[card.id].text for card in document.candidates if not card.measured]),
        plots=[plot for plot in plots if plot is not None],
        items=view_items(document, names),
        answering=frozenset(answer.candidate for item in document.item_differences for answer in item.answers),
        marketing=view_marketing(document, names, notes),
        scores=view_scores(document, names, notes),
        facts=view_facts(document, names, notes),
        evidence=notes.listed,
        environments=[_environment(environment) for environment in document.run.environments],
        is_measured=bool(measured),
    )


def _environment(environment: Mapping[str, object]) -> list[tuple[str, str]]:
    """The environment's entries as label and text; nested ones as `name value` pairs, bytes as GB."""
    lines = []
    for key, value in environment.items():
        label = key.removesuffix("_bytes").removesuffix("_at").replace("num_", "").replace("_", " ").capitalize()
        if isinstance(value, Mapping):
            shown = ", ".join(f"{name} {version}" for name, version in value.items())
        elif key.endswith("_bytes") and isinstance(value, int | float):
            shown = f"{value / 1e9:.1f} GB"
        elif key.endswith("_at"):
            shown = f"{str(value)[:16].replace('T', ' ')} UTC"
        else:
            shown = "—" if value is None else str(value)
        lines.append(("CPUs" if key == "num_cpus" else "CPU" if key == "cpu" else label, shown))
    return lines
