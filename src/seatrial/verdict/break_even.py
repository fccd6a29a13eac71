"""From how many tasks a month a machine of one's own is cheaper than paying by the task.

Pricing rows and slices come in, a `BreakEven` for every pair of a candidate that runs on the own machine (local or
baseline) and a hosted one goes out. The machine is taken to be kept on: a month of it is a fixed cost, and what it can
do at the speed measured is a ceiling.
"""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.verdict import wording
from seatrial.verdict.contender import Contender
from seatrial.verdict.document import BreakEven, PricingRow, Span
from seatrial.verdict.evidence import Ledger
from seatrial.verdict.slices import Slices

HOURS_PER_MONTH = 730
_S_PER_HOUR = 3_600


def break_evens(
    contenders: Sequence[Contender],
    rows: Sequence[PricingRow],
    slices: Slices,
    machine_usd_per_hour: float,
    ledger: Ledger,
) -> list[BreakEven]:
    """Every local candidate or baseline against every hosted one, over all workloads."""
    overall = {row.candidate: row for row in rows if row.workload is None}
    return [
        _break_even(local, paid, overall[paid.id], slices, machine_usd_per_hour, ledger)
        for local in contenders
        if local.runs != "hosted"
        for paid in contenders
        if paid.runs == "hosted"
    ]


def capacity_per_month(candidate: str, slices: Slices) -> float | None:
    """Tasks that one machine does in a month of work without a pause, at the speed measured; None where nothing was."""
    own = [each for (who, _), each in slices.items() if who == candidate]
    busy_s = sum(each.busy_s for each in own)
    num_answered = sum(len(each.answered) for each in own)
    return num_answered / busy_s * _S_PER_HOUR * HOURS_PER_MONTH if busy_s > 0 and num_answered else None


def _break_even(
    local: Contender,
    paid: Contender,
    row: PricingRow,
    slices: Slices,
    machine_usd_per_hour: float,
    ledger: Ledger,
) -> BreakEven:
    names = (local.span(ledger), paid.span(ledger))
    if row.cost_per_1k_usd is None:
        text = wording.says(
            "What a task costs with ", names[1], " is not known, so there is nothing to break even with."
        )
        return BreakEven(local=local.id, paid=paid.id, tasks_per_month=None, text=text)
    month_usd = machine_usd_per_hour * HOURS_PER_MONTH
    terms = _terms(names[1], row, month_usd, machine_usd_per_hour, ledger)
    if row.cost_per_1k_usd == 0:
        text = wording.says(*terms, "It costs nothing by the task: never.")
        return BreakEven(local=local.id, paid=paid.id, tasks_per_month=None, text=text)
    tasks = month_usd / row.cost_per_1k_usd * 1_000
    tasks_span = Span(text=wording.rough(tasks), evidence=[*row.evidence, ledger.machine_hour(machine_usd_per_hour)])
    capacity = capacity_per_month(local.id, slices)
    if capacity is None:
        text = wording.says(
            *terms,
            names[0],
            " is cheaper from ",
            tasks_span,
            " tasks a month, if one machine can do as many: not measured.",
        )
        return BreakEven(local=local.id, paid=paid.id, tasks_per_month=tasks, text=text)
    capacity_span = Span(
        text=wording.rough(capacity),
        evidence=[ledger.measured(name, who, each.n) for (who, name), each in slices.items() if who == local.id],
    )
    if tasks > capacity:
        text = wording.says(
            *terms, names[0], " would have to do ", tasks_span, " tasks a month to pay for itself, and does ",
            capacity_span, " at the speed measured: never on one machine.",
        )  # fmt: skip
        return BreakEven(local=local.id, paid=paid.id, tasks_per_month=None, text=text)
    text = wording.says(
        *terms, names[0], " is cheaper from ", tasks_span, " tasks a month; one machine can do ", capacity_span, "."
    )
    return BreakEven(local=local.id, paid=paid.id, tasks_per_month=tasks, text=text)


def _terms(paid: Span, row: PricingRow, month_usd: float, machine_usd_per_hour: float, ledger: Ledger) -> list[Span]:
    assert row.cost_per_1k_usd is not None
    hour = ledger.machine_hour(machine_usd_per_hour)
    month = ledger.assumed("hours-per-month", f"A month has {HOURS_PER_MONTH} hours")
    return wording.says(
        "A machine kept on costs ",
        Span(text=wording.usd(month_usd), evidence=[hour, month]),
        " a month; ",
        paid,
        " costs ",
        Span(text=f"{wording.usd(row.cost_per_1k_usd)} per 1,000", evidence=row.evidence),
        " tasks. " if row.kind == "measured" else " tasks, as estimated. ",
    )
