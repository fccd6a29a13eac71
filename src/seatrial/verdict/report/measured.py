"""The measured tables: one per workload, metrics down, candidates across; every figure with interval, n and method."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seatrial.verdict.document import KEYS, Claim, Document, WorkloadInfo
from seatrial.verdict.report.figures import (
    NONE,
    NOT_ENOUGH,
    bounds,
    claim_interval,
    claim_value,
    number,
    plural,
)
from seatrial.verdict.report.footnotes import Footnotes
from seatrial.verdict.report.names import Name
from seatrial.verdict.report.plots.plot import in_workload_order, workload_title

LABELS = {
    "quality": "Quality",
    "worst_cluster": "Worst slice",
    "failure_rate": "Failures",
    "valid_output_rate": "Valid output",
    "truncated_rate": "Cut off",
    "ttft_p50_s": "First token, median",
    "latency_p50_s": "Whole answer, median",
    "latency_p95_s": "Whole answer, p95",
    "latency_p99_s": "Whole answer, p99",
    "token_time_p50_s": "Per token, median",
    "prompt_tokens_mean": "Prompt tokens",
    "completion_tokens_mean": "Output tokens",
    "cost_per_1k_usd": "Cost of 1,000 tasks",
    "throughput_per_hour": "Items per hour",
}
LONG_DESCRIPTION = 200
_FIRST_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)")
WITH_BAR = ("quality", "worst_cluster", "valid_output_rate")


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure on a track from 0 to 1: where its interval starts, how wide it is, where the value lies; percent."""

    start: float
    width: float
    value: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure. `has_data` False: `value` says so. `detail` is n, method and level."""

    value: str
    interval: str
    detail: str
    note: str
    marks: Markup
    has_data: bool
    bar: Bar | None


@dataclass(frozen=True, slots=True)
class Row:
    """One metric across candidates; None where it does not apply."""

    label: str
    meaning: str
    cells: list[Cell | None]


@dataclass(frozen=True, slots=True)
class Table:
    """One workload's figures."""

    title: str
    facts: str
    description: Markup
    more: Markup
    columns: list[Name]
    rows: list[Row]
    details: list[tuple[str, ...]]


def view_measured(document: Document, names: Mapping[str, Name], notes: Footnotes) -> list[Table]:
    """A table per workload that has figures; none where nothing was measured."""
    claims = [
        claim
        for claim in document.claims
        if claim.against is None and claim.kind == "measured" and claim.candidate in names
    ]
    tables = []
    for workload in in_workload_order((claim.workload for claim in claims), document.workloads):
        here = [claim for claim in claims if claim.workload == workload]
        info = next((info for info in document.workloads if info.name == workload), None)
        description = info.description.strip() if info else ""
        lead = (
            description if len(description) <= LONG_DESCRIPTION else _FIRST_SENTENCE.split(description, maxsplit=1)[0]
        )
        columns = [name for name in names.values() if any(claim.candidate == name.id for claim in here)]
        tables.append(
            Table(
                title=workload_title(workload, document.workloads),
                facts=_facts(info) if info else "",
                description=notes.text(lead),
                more=notes.text(description[len(lead) :].strip()),
                columns=columns,
                rows=_rows(here, columns, notes),
                details=[_detail_row(claim, names) for claim in here],
            )
        )
    return tables


def metric_label(key: str) -> str:
    """How the page heads a metric."""
    return LABELS.get(key) or key.replace("_", " ").capitalize()


def _facts(info: WorkloadInfo) -> str:
    items = plural(info.num_items, "item")
    if info.num_available > info.num_items:
        items = f"{info.num_items:,} of {plural(info.num_available, 'item')}"
    clusters = f" in {plural(info.num_clusters, 'cluster')}" if info.num_clusters else ""
    return f"{items}{clusters} · scored by {info.scorer} · {info.name} {info.version}".strip()


def _rows(claims: Sequence[Claim], columns: Sequence[Name], notes: Footnotes) -> list[Row]:
    found: dict[tuple[str, str], Claim] = {}
    for claim in claims:
        found.setdefault((claim.key, claim.candidate), claim)
    present = dict.fromkeys(claim.key for claim in claims)
    ordered = [key for key in KEYS if key in present] + [key for key in present if key not in KEYS]
    return [
        Row(
            label=metric_label(key),
            meaning=KEYS.get(key, ""),
            cells=[_cell(found[key, name.id], notes) if (key, name.id) in found else None for name in columns],
        )
        for key in ordered
    ]


def _cell(claim: Claim, notes: Footnotes) -> Cell:
    value = claim_value(claim)
    has_data = value != NOT_ENOUGH
    return Cell(
        value=value,
        interval=claim_interval(claim) if has_data else "",
        detail=_detail(claim),
        note=claim.note.removeprefix(f"{NOT_ENOUGH}: ") if not has_data or claim.key == "worst_cluster" else "",
        marks=notes.marks(claim.evidence),
        has_data=has_data,
        bar=_bar(claim),
    )


def _detail(claim: Claim) -> str:
    """`n = 160 · 95% interval · Wilson · note`."""
    parts = [
        f"n = {claim.n:,}" if claim.n is not None else "",
        f"{_level(claim.level)} interval" if claim.level is not None else "",
        claim.method,
        claim.note,
    ]
    return " · ".join(part for part in parts if part)


def _level(level: float) -> str:
    return f"{100 * level:g}%"


def _bar(claim: Claim) -> Bar | None:
    value = number(claim.value)
    if value is None or claim.key not in WITH_BAR:
        return None
    low, high = (min(max(end, 0.0), 1.0) for end in bounds(claim) or (value, value))
    return Bar(start=100 * low, width=100 * (high - low), value=100 * min(max(value, 0.0), 1.0))


def _detail_row(claim: Claim, names: Mapping[str, Name]) -> tuple[str, ...]:
    return (
        names[claim.candidate].text,
        metric_label(claim.key),
        claim_value(claim),
        claim_interval(claim) or NONE,
        NONE if claim.level is None else _level(claim.level),
        NONE if claim.n is None else f"{claim.n:,}",
        claim.method or NONE,
        claim.note,
    )
