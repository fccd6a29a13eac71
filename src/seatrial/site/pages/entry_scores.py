"""A model's scores, each by its exact variant: those that are published, and those that published runs measured.

Entries of the catalog and documents of runs come in, lines go out. What may share a line is decided in
`catalog.scores`; nothing is averaged, and where sources differ all of them stand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from seatrial.catalog.entry import Entry, PublishedScore
from seatrial.catalog.loading import Catalog
from seatrial.catalog.scores import ComparableRow, score_rows
from seatrial.site.library import Comparison
from seatrial.site.pages.lines import model_path
from seatrial.site.pages.sources import Stated, source_data, stated
from seatrial.verdict.document import Claim, Document
from seatrial.verdict.report.figures import claim_interval, claim_value
from seatrial.verdict.report.plots.plot import workload_title


@dataclass(frozen=True, slots=True)
class RivalScore:
    """What another model reached on the same line; `path` None where the catalog has no such model."""

    name: str
    path: str | None
    values: tuple[Stated, ...]


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One benchmark run one way. `setting` is empty where the sources do not say how."""

    benchmark: str
    variant: str
    setting: str
    unit: str
    values: tuple[Stated, ...]
    rivals: tuple[RivalScore, ...]

    @property
    def differs(self) -> bool:
        """Do sources disagree?"""
        return len({value.text for value in self.values}) > 1

    def data(self) -> dict[str, Any]:
        """What a JSON twin says of it."""
        return {
            "benchmark": self.benchmark,
            "variant": self.variant,
            "setting": self.setting,
            "unit": self.unit,
            "values": [
                {"value": value.text, "note": value.note, "sources": [source_data(each) for each in value.sources]}
                for value in self.values
            ],
            "others": {rival.name: [value.text for value in rival.values] for rival in self.rivals},
        }


@dataclass(frozen=True, slots=True)
class MeasuredLine:
    """Quality of one candidate (the model with its settings) on one workload, in one published run."""

    candidate: str
    workload: str
    value: str
    interval: str
    n: str
    path: str
    comparison: str
    claim: Claim

    def data(self) -> dict[str, Any]:
        """What a JSON twin says of it."""
        claim = self.claim
        return {
            "candidate": claim.candidate,
            "workload": claim.workload,
            "quality": claim.value,
            "low": claim.low,
            "high": claim.high,
            "level": claim.level,
            "n": claim.n,
            "method": claim.method,
            "path": self.path,
        }


def score_lines(entry: Entry, catalog: Catalog) -> tuple[ScoreLine, ...]:
    """The published scores of `entry`, in its file's order, beside its competitors' on the same lines."""
    competitors = [catalog.entries[rival] for rival in entry.competitors if rival in catalog.entries]
    rows = score_rows([entry, *competitors])
    return tuple(_line(row, entry, catalog) for row in rows if entry.id in row.scores)


def measured_lines(comparisons: Iterable[Comparison], model: str) -> tuple[MeasuredLine, ...]:
    """What published runs measured of `model`, run by run."""
    return tuple(
        _measured(claim, comparison)
        for comparison in comparisons
        for claim in comparison.document.claims
        if claim.key == "quality" and claim.kind == "measured" and claim.candidate in _candidates(comparison, model)
    )


def _line(row: ComparableRow, entry: Entry, catalog: Catalog) -> ScoreLine:
    def values(subject: str) -> tuple[Stated, ...]:
        return stated(row.scores[subject], _value)

    rivals = []
    for subject in row.scores:
        if subject != entry.id:
            known = catalog.find(subject)
            name, path = (subject, None) if known is None else (known.name, model_path(known.id))
            rivals.append(RivalScore(name, path, values(subject)))
    return ScoreLine(row.benchmark, row.variant, row.setting, row.unit, values(entry.id), tuple(rivals))


def _value(score: PublishedScore) -> str:
    return f"{score.value:g}"


def _candidates(comparison: Comparison, model: str) -> set[str]:
    return {card.id for card in comparison.document.candidates if card.model == model}


def _measured(claim: Claim, comparison: Comparison) -> MeasuredLine:
    document: Document = comparison.document
    return MeasuredLine(
        candidate=claim.candidate,
        workload=workload_title(claim.workload, document.workloads),
        value=claim_value(claim),
        interval=claim_interval(claim),
        n="—" if claim.n is None else f"{claim.n:,}",
        path=comparison.path,
        comparison=" or ".join(card.name or card.id for card in document.candidates),
        claim=claim,
    )
