"""A verdict on the screen: a table of candidates, what cannot be missed, the verdict in one sentence."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seatrial.verdict.document import CandidateCard, Claim, Document, Span

_BADGES = {
    "ship": "[bold white on green] SHIP [/]",
    "skip": "[bold white on red] SKIP [/]",
    "mix": "[bold white on blue] MIX [/]",
    "undecided": "[bold black on yellow] UNDECIDED [/]",
}


def print_document(document: Document, page: Path) -> None:
    """Print a verdict for people, on standard output."""
    console = Console(highlight=False)
    console.print()
    console.print(_table(document))
    for card in document.candidates:
        _print_notices(console, card)
    console.print()
    console.print(f"{_BADGES[document.verdict.decision]} {escape(document.verdict.text)}")
    for reason in document.verdict.reasons:
        console.print(f"  · {escape(_plain(reason))}")
    console.print(f"\nThe whole comparison: [bold]{escape(str(page))}[/]", soft_wrap=True)


def _table(document: Document) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("candidate", no_wrap=True)
    for workload in document.workloads:
        table.add_column(f"{workload.name}\n[dim]{workload.num_items} items[/]", justify="right", no_wrap=True)
    for heading in ("answer\n[dim]median[/]", "1,000\n[dim]tasks[/]", "panel\n[dim]ships[/]"):
        table.add_column(heading, justify="right", no_wrap=True)
    for card in document.candidates:
        quality = [_quality(document, card, workload.name) for workload in document.workloads]
        table.add_row(
            escape(card.id), *quality, _latency(document, card), _cost(document, card), _panel(document, card)
        )
    return table


def _quality(document: Document, card: CandidateCard, workload: str) -> str:
    claim = _find(document, card.id, "quality", workload)
    if not card.measured or claim is None:
        return "[dim]—[/]"
    if not isinstance(claim.value, float):
        return "[dim]not enough\ndata[/]"
    if claim.low is None or claim.high is None:
        return f"{claim.value:.0%}"
    return f"{claim.value:.0%}\n[dim]{claim.low * 100:.0f}–{claim.high:.0%}[/]"


def _latency(document: Document, card: CandidateCard) -> str:
    values = [
        claim.value
        for workload in document.workloads
        if (claim := _find(document, card.id, "latency_p50_s", workload.name)) and isinstance(claim.value, float)
    ]
    if not values:
        return "—"
    low, high = min(values), max(values)
    return _seconds(high) if _seconds(low) == _seconds(high) else f"{_seconds(low)}\nto {_seconds(high)}"


def _cost(document: Document, card: CandidateCard) -> str:
    for row in document.pricing.rows:
        if row.candidate == card.id and row.workload is None and row.cost_per_1k_usd is not None:
            return f"{'' if row.kind == 'measured' else '≈ '}{_dollars(row.cost_per_1k_usd)}"
    return "—"


def _panel(document: Document, card: CandidateCard) -> str:
    count = document.panel.get(card.id)
    if count is None or count.ship_pct is None:
        return "—"
    return f"{count.ship_pct:.0f}%\n[dim]{count.ships} of {count.cast}[/]"


def _print_notices(console: Console, card: CandidateCard) -> None:
    for notice in card.notices:
        console.print(f"[bold red]![/] {escape(card.id)}: {escape(_plain(notice))}")
    if not card.measured and card.way_out:
        console.print(
            f"[yellow]·[/] {escape(card.id)} was not measured here. {escape(card.not_measured)}", soft_wrap=True
        )
        console.print(f"  [dim]→[/] {escape(card.way_out)}", soft_wrap=True)


def _find(document: Document, candidate: str, key: str, workload: str) -> Claim | None:
    for claim in document.claims:
        if (claim.candidate, claim.key, claim.workload, claim.against) == (candidate, key, workload, None):
            return claim
    return None


def _plain(spans: list[Span]) -> str:
    return "".join(span.text for span in spans)


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _dollars(value: float) -> str:
    if 0 < value < 0.0001:
        return "< $0.0001"
    return f"${value:.4f}" if value < 1 else f"${value:,.2f}"
