"""What the verdict room says of one model alone: its notices, its facts with sources, its marketing lines checked.

An entry of the catalog and the day come in. What published runs found about a line, where they found something else,
stands beside what the catalog's evidence comes to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from seatrial.catalog.entry import Entry
from seatrial.catalog.loading import Catalog
from seatrial.site.library import Comparison
from seatrial.site.pages.lines import readable
from seatrial.site.pages.sources import SourceLine, Stated, evidence_lines, source_data, source_line
from seatrial.trial.candidates import parse_candidates
from seatrial.trial.record import Run, RunManifest
from seatrial.verdict.cards import cards_of
from seatrial.verdict.contender import contenders_of
from seatrial.verdict.document import Evidence, MarketingFinding, Span
from seatrial.verdict.evidence import Ledger
from seatrial.verdict.marketing import check_marketing
from seatrial.verdict.report.published import STATUSES
from seatrial.verdict.wording import plain

_PRICE = "Price"
_MANY = ("Notes", "Refuses")
"""Labels under which several texts stand without contradicting each other."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about a model that cannot be missed."""

    text: str
    sources: tuple[SourceLine, ...]


@dataclass(frozen=True, slots=True)
class FactLine:
    """A line of the facts. `differs`: sources contradict each other, and all of them stand here."""

    label: str
    values: tuple[Stated, ...]
    differs: bool


@dataclass(frozen=True, slots=True)
class RunFinding:
    """What a published run found about a marketing line."""

    status: str
    label: str
    finding: str
    path: str


@dataclass(frozen=True, slots=True)
class CheckedLine:
    """A marketing line held against the catalog's evidence, and what runs found where that is something else."""

    line: str
    status: str
    label: str
    finding: str
    sources: tuple[SourceLine, ...]
    by_runs: tuple[RunFinding, ...]

    def data(self) -> dict[str, Any]:
        """What a JSON twin says of it."""
        return {
            "line": self.line,
            "status": self.status,
            "finding": self.finding,
            "sources": [source_data(source) for source in self.sources],
            "by_runs": [{"status": run.status, "finding": run.finding, "path": run.path} for run in self.by_runs],
        }


@dataclass(frozen=True, slots=True)
class EntryView:
    """The whole of it."""

    notices: tuple[Notice, ...]
    facts: tuple[FactLine, ...]
    claims: tuple[CheckedLine, ...]


def view_entry(entry: Entry, catalog: Catalog, today: date, runs: Sequence[Comparison]) -> EntryView:
    """What is said of `entry` on the day; `runs` are the published comparisons in which it takes part."""
    run = _run_of(entry, catalog, today)
    ledger = Ledger(run)
    contenders = contenders_of(run.manifest, catalog.entries)
    card = cards_of(contenders, run, today=today, ledger=ledger)[0]
    found = check_marketing(contenders, catalog.entries, [], today=today, ledger=ledger)
    evidence = {each.id: each for each in ledger.listed()}
    names = {each.id: each.name for each in catalog.entries.values()}
    notices = [Notice(readable(plain(spans), names), _sources(spans, evidence)) for spans in card.notices]
    facts = [
        FactLine(
            label=row.label,
            values=tuple(Stated(readable(span.text, names), "", _sources([span], evidence)) for span in row.values),
            differs=row.label not in _MANY and len(row.values) > 1,
        )
        for row in card.facts
        if row.label != _PRICE
    ]
    return EntryView(
        notices=(*notices, *_own_terms(entry)),
        facts=tuple(facts),
        claims=tuple(_checked(finding, evidence, names, runs) for finding in found),
    )


def _run_of(entry: Entry, catalog: Catalog, today: date) -> Run:
    """A run in which the model alone was named and nothing was asked."""
    manifest = RunManifest(
        id="catalog",
        created_at=datetime.combine(today, time(), UTC),
        command=f"seatrial compare {entry.id}",
        seed=0,
        candidates=list(parse_candidates([entry.id], catalog)),
        workloads=[],
        concurrency=1,
    )
    return Run(manifest=manifest, items=[], observations=[])


def _own_terms(entry: Entry) -> list[Notice]:
    """Weights under terms that are nobody else's: allowed to be used, but to be read first."""
    licence = entry.licence[0] if entry.licence else None
    if entry.runs != "local" or licence is None or licence.value.spdx or not licence.value.commercial:
        return []
    note = f": {licence.note}" if licence.note else ""
    text = f"Its licence is not an open-source one but its maker's own, {licence.value.name}{note}. Read it before use."
    return [Notice(text, (source_line(licence.source),))]


def _checked(
    finding: MarketingFinding, evidence: Mapping[str, Evidence], names: Mapping[str, str], runs: Sequence[Comparison]
) -> CheckedLine:
    spans = [*finding.finding, Span(text="", evidence=finding.evidence)]
    return CheckedLine(
        line=finding.line,
        status=finding.status,
        label=STATUSES[finding.status],
        finding=readable(plain(finding.finding), names),
        sources=_sources(spans, evidence),
        by_runs=tuple(
            RunFinding(other.status, STATUSES[other.status], readable(plain(other.finding), names), run.path)
            for run in runs
            for other in run.document.marketing
            if (other.model, other.line) == (finding.model, finding.line) and other.status != finding.status
        ),
    )


def _sources(spans: Sequence[Span], evidence: Mapping[str, Evidence]) -> tuple[SourceLine, ...]:
    """Sources apart from what is assumed, such as the day itself."""
    return tuple(source for source in evidence_lines(spans, evidence) if source.kind != "assumed")
