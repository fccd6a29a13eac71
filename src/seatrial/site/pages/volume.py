"""What the work costs a month, at a volume of the reader's choosing: who is cheaper from where.

A document comes in; out goes a `VolumeView`: a table at round volumes, which reads without a script, a drawing of it,
and the figures from which the page's script computes any volume between. A hosted model costs its tasks. One's own
costs whole machines, kept on all month, as many as the measured speed asks for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from seatrial.site.pages.volume_drawing import Curve, draw_volumes
from seatrial.verdict.break_even import HOURS_PER_MONTH
from seatrial.verdict.document import Document, PricingRow
from seatrial.verdict.report.figures import NONE, count, quantity
from seatrial.verdict.report.names import Name

VOLUMES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
LEAST_VOLUME, MOST_VOLUME = 1_000, 100_000_000
START_VOLUME = 100_000
_NEVER = 1e15


@dataclass(frozen=True, slots=True)
class Cost:
    """What a month costs as a function of its tasks.

    `usd_per_task` for a hosted candidate, else `usd_per_machine` for a month of one machine, which does
    `tasks_per_machine`; None: not measured, one machine is taken to do.
    """

    usd_per_task: float | None = None
    usd_per_machine: float = 0.0
    tasks_per_machine: float | None = None

    def of(self, num_tasks: float) -> float:
        """US dollars for a month of so many tasks."""
        if self.usd_per_task is not None:
            return self.usd_per_task * num_tasks
        return self.usd_per_machine * self.machines(num_tasks)

    def machines(self, num_tasks: float) -> int:
        """How many machines of one's own it takes; 0 for a hosted candidate."""
        if self.usd_per_task is not None:
            return 0
        return 1 if self.tasks_per_machine is None else max(1, math.ceil(num_tasks / self.tasks_per_machine))


@dataclass(frozen=True, slots=True)
class VolumeRow:
    """A candidate's line. `cells` are the costs at `VOLUMES`, `is_least` whether each is the lowest there."""

    name: Name
    cost: Cost
    cells: list[str]
    is_least: list[bool]
    at_start: str
    note: str


@dataclass(frozen=True, slots=True)
class VolumeView:
    """The section. `least_exponent` and `most_exponent` bound the slider, powers of ten.

    `machine` is what a field shows of US dollars an hour.
    """

    columns: list[str]
    rows: list[VolumeRow]
    unpriced: list[Name]
    machine_usd_per_hour: float
    machine: str
    hours_per_month: int
    start_text: str
    says: str
    least_exponent: float
    most_exponent: float
    start_exponent: float
    drawing: Markup


def view_volume(document: Document, names: Mapping[str, Name]) -> VolumeView | None:
    """The section, or None unless at least two candidates have a cost and one of them by the task."""
    costs = volume_costs(document)
    if len(costs) < 2 or all(cost.usd_per_task is None and cost.tasks_per_machine is None for cost in costs.values()):
        return None
    rows = [_row(names[candidate], cost, costs) for candidate, cost in costs.items()]
    machine_usd = document.pricing.machine_usd_per_hour
    return VolumeView(
        columns=[f"{volume:,}" for volume in VOLUMES],
        rows=rows,
        unpriced=[name for name in names.values() if name.id not in costs],
        machine_usd_per_hour=machine_usd,
        machine=_amount(machine_usd),
        hours_per_month=HOURS_PER_MONTH,
        start_text=f"{START_VOLUME:,}",
        says=says_at(START_VOLUME, costs, names),
        least_exponent=math.log10(LEAST_VOLUME),
        most_exponent=math.log10(MOST_VOLUME),
        start_exponent=math.log10(START_VOLUME),
        drawing=draw_volumes([Curve(row.name, row.cost.of) for row in rows], LEAST_VOLUME, MOST_VOLUME, START_VOLUME),
    )


def volume_costs(document: Document) -> dict[str, Cost]:
    """How a month's cost comes about, by candidate; without those that have no known price."""
    month_usd = document.pricing.machine_usd_per_hour * HOURS_PER_MONTH
    costs = {}
    for card in document.candidates:
        row = _overall(document, card.id)
        cost_usd = row.cost_per_1k_usd if row is not None else None
        if cost_usd is not None and not 0 <= cost_usd < _NEVER:
            cost_usd = None
        if card.runs == "hosted":
            if cost_usd is not None:
                costs[card.id] = Cost(usd_per_task=cost_usd / 1_000)
        elif row is not None and row.kind == "measured" and cost_usd and month_usd:
            # A task measured here costs its part of the machine's hour; a month has so many such parts.
            costs[card.id] = Cost(usd_per_machine=month_usd, tasks_per_machine=month_usd / (cost_usd / 1_000))
        else:
            costs[card.id] = Cost(usd_per_machine=month_usd)
    return costs


def says_at(num_tasks: int, costs: Mapping[str, Cost], names: Mapping[str, Name]) -> str:
    """Who costs least at a volume, in a sentence; the page's script writes the same."""
    ranked = sorted((cost.of(num_tasks), place) for place, cost in enumerate(costs.values()))
    ids = list(costs)
    (least, first), (next_least, second) = ranked[:2]
    one, other = names[ids[first]].text, names[ids[second]].text
    at, lowest = f"At {num_tasks:,} tasks a month", quantity(least, "usd")
    if least == next_least:
        return f"{at}, {one} and {other} cost the same: {lowest}."
    return f"{at}, {one} costs least: {lowest} against {quantity(next_least, 'usd')} for {other}."


def volume_data(document: Document) -> list[dict[str, Any]]:
    """The same for programs: costs a month at `VOLUMES`, unrounded."""
    return [
        {
            "candidate": candidate,
            "usd_per_task": cost.usd_per_task,
            "usd_per_machine_month": None if cost.usd_per_task is not None else cost.usd_per_machine,
            "tasks_per_machine_month": cost.tasks_per_machine,
            "usd_per_month": {str(volume): cost.of(volume) for volume in VOLUMES},
        }
        for candidate, cost in volume_costs(document).items()
    ]


def _overall(document: Document, candidate: str) -> PricingRow | None:
    """The row over all workloads, or the only one there is."""
    rows = [row for row in document.pricing.rows if row.candidate == candidate]
    return next((row for row in rows if row.workload is None), rows[0] if len(rows) == 1 else None)


def _row(name: Name, cost: Cost, costs: Mapping[str, Cost]) -> VolumeRow:
    least = [min(other.of(volume) for other in costs.values()) for volume in VOLUMES]
    return VolumeRow(
        name=name,
        cost=cost,
        cells=[_cell(cost, volume) for volume in VOLUMES],
        is_least=[cost.of(volume) == lowest for volume, lowest in zip(VOLUMES, least, strict=True)],
        at_start=_cell(cost, START_VOLUME),
        note=_note(cost),
    )


def _cell(cost: Cost, num_tasks: int) -> str:
    value = cost.of(num_tasks)
    return quantity(value, "usd") if math.isfinite(value) else NONE


def _amount(value: float) -> str:
    """For a field: `0.10`, and all digits of what is finer than a cent."""
    return f"{value:.2f}" if round(value, 2) == value else f"{value:.12g}"


def _note(cost: Cost) -> str:
    if cost.usd_per_task is not None:
        return "by the task"
    if cost.tasks_per_machine is None:
        return "one machine, if it can do as many: not measured"
    return f"one machine for every {count(float(f'{cost.tasks_per_machine:.2g}'))} tasks, at the speed measured"
