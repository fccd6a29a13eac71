"""What others say: marketing lines held against the evidence, published scores, and facts with their sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from seatrial.verdict.document import Document, ScoreRow
from seatrial.verdict.report.footnotes import Footnotes
from seatrial.verdict.report.names import Name, name_of

STATUSES = {"contradicted": "Contradicted", "unsupported": "Unsupported", "supported": "Supported"}

SEVERAL = ("Notes",)
"""Labels under which several texts stand together without contradicting each other."""


@dataclass(frozen=True, slots=True)
class CheckedLine:
    """A marketing line with what the evidence says of it."""

    model: str
    line: str
    status: str
    label: str
    finding: Markup
    marks: Markup


@dataclass(frozen=True, slots=True)
class Score:
    """One subject's score, several texts where sources differ."""

    subject: str
    slot: int
    values: list[Markup]


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """Scores that may stand side by side: one benchmark, variant, setting and unit."""

    benchmark: str
    qualifiers: list[str]
    unit: str
    scores: list[Score]


@dataclass(frozen=True, slots=True)
class FactLine:
    """One label across candidates: a list of texts per candidate, several where sources differ."""

    label: str
    cells: list[list[Markup]]
    may_differ: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts table."""

    columns: list[Name]
    rows: list[FactLine]


def view_marketing(document: Document, names: Mapping[str, Name], notes: Footnotes) -> list[CheckedLine]:
    """The lines, contradicted ones first."""
    order = list(STATUSES)
    by_card = {card.model: names[card.id].text for card in reversed(document.candidates) if card.model}
    return [
        CheckedLine(
            model=by_card.get(finding.model) or name_of(names, finding.model),
            line=finding.line,
            status=finding.status,
            label=STATUSES[finding.status],
            finding=notes.prose(finding.finding),
            marks=notes.marks(set(finding.evidence) - {i for span in finding.finding for i in span.evidence}),
        )
        for finding in sorted(document.marketing, key=lambda finding: order.index(finding.status))
    ]


def view_scores(document: Document, names: Mapping[str, Name], notes: Footnotes) -> list[ScoreLine]:
    """One line per comparable row; rows never mix."""
    return [
        ScoreLine(
            benchmark=row.benchmark,
            qualifiers=[part for part in (row.variant, row.setting) if part],
            unit=row.unit,
            scores=_scores(row, names, notes),
        )
        for row in document.published_scores
    ]


def view_facts(document: Document, names: Mapping[str, Name], notes: Footnotes) -> Facts | None:
    """Facts by label, for the candidates that have any."""
    cards = [card for card in document.candidates if card.facts]
    labels = dict.fromkeys(fact.label for card in cards for fact in card.facts)
    if not labels:
        return None
    return Facts(
        columns=[names[card.id] for card in cards],
        rows=[
            FactLine(
                label=label,
                cells=[
                    [notes.prose([span]) for fact in card.facts if fact.label == label for span in fact.values]
                    for card in cards
                ],
                may_differ=label not in SEVERAL,
            )
            for label in labels
        ],
    )


def _scores(row: ScoreRow, names: Mapping[str, Name], notes: Footnotes) -> list[Score]:
    """Candidates of this comparison first, in their order; rivals after."""
    subjects = [subject for subject in names if subject in row.scores]
    subjects += [subject for subject in row.scores if subject not in names]
    return [
        Score(
            subject=name_of(names, subject),
            slot=names[subject].slot if subject in names else 0,
            values=[notes.prose([span]) for span in row.scores[subject]],
        )
        for subject in subjects
    ]
