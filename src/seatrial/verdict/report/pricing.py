"""The pricing read: what 1,000 tasks cost, from when a machine of one's own pays, and how list prices moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seatrial.verdict.document import BreakEven, Document, PricePoint, PricingRow
from seatrial.verdict.report.figures import NOT_ENOUGH, count, interval, list_price, quantity, usd
from seatrial.verdict.report.footnotes import Footnotes
from seatrial.verdict.report.names import Name, name_of
from seatrial.verdict.report.plots.plot import in_workload_order, workload_title


@dataclass(frozen=True, slots=True)
class PriceCell:
    """What a candidate costs on one workload."""

    cost: str
    interval: str
    tokens: str
    kind: str
    has_data: bool
    marks: Markup


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One candidate; None where the document has no row for a workload. `bases` say how the costs come about."""

    name: Name
    cells: list[PriceCell | None]
    bases: list[str]


@dataclass(frozen=True, slots=True)
class BreakEvenLine:
    """From how many tasks a month the local candidate costs less; `figure` is empty where it never does."""

    local: str
    paid: str
    figure: str
    text: Markup


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """List prices from a date on, US dollars per million tokens."""

    since: str
    input: str
    output: str
    cached: str
    note: str
    marks: Markup


@dataclass(frozen=True, slots=True)
class PricingView:
    """The section. `columns` are workload titles."""

    columns: list[str]
    rows: list[PriceRow]
    break_even: list[BreakEvenLine]
    history: list[tuple[str, list[HistoryLine]]]
    machine: str


def view_pricing(document: Document, names: Mapping[str, Name], notes: Footnotes) -> PricingView | None:
    """The pricing read, or None where the document prices nothing."""
    pricing = document.pricing
    rows = [row for row in pricing.rows if row.candidate in names]
    history = {candidate: points for candidate, points in pricing.price_history.items() if points}
    if not (rows or pricing.break_even or history):
        return None
    workloads = in_workload_order((row.workload for row in rows), document.workloads)
    return PricingView(
        columns=[
            "Per 1,000 tasks" if workloads == [None] else workload_title(workload, document.workloads)
            for workload in workloads
        ],
        rows=[
            _row(name, rows, workloads, notes) for name in names.values() if any(r.candidate == name.id for r in rows)
        ],
        break_even=[_break_even(line, names, notes) for line in pricing.break_even],
        history=[(name_of(names, candidate), _history(points, notes)) for candidate, points in history.items()],
        machine=usd(pricing.machine_usd_per_hour),
    )


def _row(name: Name, rows: Sequence[PricingRow], workloads: Sequence[str | None], notes: Footnotes) -> PriceRow:
    mine = {row.workload: row for row in rows if row.candidate == name.id}
    return PriceRow(
        name=name,
        cells=[_cell(mine[workload], notes) if workload in mine else None for workload in workloads],
        bases=list(dict.fromkeys(row.basis for row in mine.values() if row.basis)),
    )


def _cell(row: PricingRow, notes: Footnotes) -> PriceCell:
    tokens = (row.prompt_tokens_mean, row.completion_tokens_mean)
    return PriceCell(
        cost=quantity(row.cost_per_1k_usd, "usd") if row.cost_per_1k_usd is not None else NOT_ENOUGH,
        interval=interval(row.low, row.high, "usd"),
        tokens=""
        if not any(tokens)
        else ", ".join(
            f"{count(round(value))} {way}"
            for value, way in zip(tokens, ("in", "out"), strict=True)
            if value is not None
        ),
        kind=row.kind,
        has_data=row.cost_per_1k_usd is not None,
        marks=notes.marks(row.evidence),
    )


def _break_even(line: BreakEven, names: Mapping[str, Name], notes: Footnotes) -> BreakEvenLine:
    return BreakEvenLine(
        local=name_of(names, line.local),
        paid=name_of(names, line.paid),
        figure="" if line.tasks_per_month is None else count(float(f"{line.tasks_per_month:.3g}")),
        text=notes.prose(line.text),
    )


def _history(points: Sequence[PricePoint], notes: Footnotes) -> list[HistoryLine]:
    return [
        HistoryLine(
            since=point.valid_from.isoformat() if point.valid_from else "since release",
            input=list_price(point.input_usd),
            output=list_price(point.output_usd),
            cached="—" if point.cached_input_usd is None else list_price(point.cached_input_usd),
            note=point.note,
            marks=notes.marks([point.evidence] if point.evidence else []),
        )
        for point in points
    ]
