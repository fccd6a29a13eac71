"""Quality against cost: up is better, left is cheaper. A panel per workload, all on the same axes.

Cost runs on a logarithmic axis. What costs nothing has no place on it and stands in a lane of its own at the left,
before the axis breaks. Whiskers are the intervals of both figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seatrial.verdict.document import Claim, Document
from seatrial.verdict.report.figures import bounds, claim_interval, claim_value, number, percent, usd, usd_tick
from seatrial.verdict.report.names import Name, listed, shortened
from seatrial.verdict.report.plots.plot import Panel, Plot, in_workload_order, panel_width, workload_title
from seatrial.verdict.report.plots.scale import Linear, Log, log_over
from seatrial.verdict.report.plots.svg import drawing, element, line, marker, text, text_width, tip

HEIGHT = 250.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 12.0, 14.0, 44.0
ZERO_LANE = 48.0


@dataclass(frozen=True, slots=True)
class _Point:
    name: Name
    quality: Claim
    cost: Claim

    @property
    def place(self) -> tuple[float, float]:
        """Cost, quality."""
        return number(self.cost.value) or 0.0, number(self.quality.value) or 0.0


def plot_quality_cost(document: Document, names: Mapping[str, Name]) -> Plot | None:
    """The figure, or None where no candidate has both figures measured on one workload.

    What spans all workloads is drawn only where there is nothing else: it is a mean of unlike things.
    """
    found = _points(document, names)
    points = [point for point in found if point.quality.workload is not None] or found
    if not points:
        return None
    groups = in_workload_order((point.quality.workload for point in points), document.workloads)
    width = panel_width(len(groups))
    costs, quality = _axes(points, width)
    panels = []
    for place, workload in enumerate(groups):
        title = workload_title(workload, document.workloads)
        here = [point for point in points if point.quality.workload == workload]
        panels.append(Panel(title=title, svg=_panel(f"qc{place}", title, here, costs, quality, width)))
    drawn = {point.name.id for point in points}
    absent = [name.text for name in names.values() if name.id not in drawn]
    return Plot(
        id="quality-cost",
        title="Quality against cost",
        reading="Up is better, left is cheaper. Whiskers are 95% intervals; the cost axis is logarithmic.",
        panels=panels,
        header=("Workload", "Candidate", "Quality", "Interval", "Cost of 1,000 tasks", "Interval"),
        rows=[
            (
                workload_title(point.quality.workload, document.workloads),
                point.name.text,
                claim_value(point.quality),
                claim_interval(point.quality) or "—",
                claim_value(point.cost),
                claim_interval(point.cost) or "—",
            )
            for point in points
        ],
        remark=f"Not drawn, for want of a quality or a cost measured here: {listed(absent)}." if absent else "",
    )


def _points(document: Document, names: Mapping[str, Name]) -> list[_Point]:
    found: dict[tuple[str, str | None, str], Claim] = {}
    for claim in document.claims:
        if claim.key in ("quality", "cost_per_1k_usd") and claim.candidate in names and _is_figure(claim):
            found.setdefault((claim.candidate, claim.workload, claim.key), claim)
    return [
        _Point(names[candidate], claim, found[candidate, workload, "cost_per_1k_usd"])
        for (candidate, workload, key), claim in found.items()
        if key == "quality" and (candidate, workload, "cost_per_1k_usd") in found
    ]


def _is_figure(claim: Claim) -> bool:
    value = number(claim.value)
    return value is not None and value >= 0


def _axes(points: Sequence[_Point], width: float) -> tuple[Log | None, Linear]:
    """The axes that all panels share. The cost axis is None where nothing costs anything."""
    reached = [bound for point in points for bound in (point.place[1], *(bounds(point.quality) or ()))]
    low, high = (min(max(end, 0.0), 1.0) for end in (min(reached), max(reached)))
    low, high = math.floor(10 * low - 0.2) / 10, math.ceil(10 * high + 0.2) / 10
    low, high = max(0.0, low), min(1.0, max(high, low + 0.2))
    paid = [cost for point in points for cost in (point.place[0], *(bounds(point.cost) or ())) if cost > 0]
    start = LEFT + (ZERO_LANE if any(point.place[0] == 0 for point in points) else 0)
    costs = log_over(paid, start + 6, width - RIGHT - 6) if paid else None
    low = min(low, high - 0.2)
    return costs, Linear(low - 0.04 * (high - low), high, HEIGHT - BOTTOM, TOP)


def _panel(id: str, title: str, points: list[_Point], costs: Log | None, quality: Linear, width: float) -> Markup:
    floor = HEIGHT - BOTTOM
    parts = [line(LEFT, quality(tick), width - RIGHT, quality(tick), "grid") for tick in quality.ticks()]
    parts += [text(LEFT - 6, quality(tick) + 4, f"{100 * tick:.0f}%", "tick", "end") for tick in quality.ticks()]
    parts.append(line(LEFT, floor, width - RIGHT, floor, "axis"))
    has_zero_lane = costs is None or costs.start > LEFT + 6
    if has_zero_lane:
        parts.append(text(LEFT + ZERO_LANE / 2, floor + 16, "$0", "tick", "middle"))
    if costs is not None:
        parts += _cost_axis(costs, floor, has_zero_lane)
    parts.append(text((LEFT + width - RIGHT) / 2, HEIGHT - 8, "cost of 1,000 tasks", "label", "middle"))
    placed = _placed(points, costs, quality)
    for point, x, y in placed:
        words = (
            f"{point.name.text}: {claim_value(point.quality)} {_bracketed(claim_interval(point.quality))}at "
            f"{claim_value(point.cost)} {_bracketed(claim_interval(point.cost))}per 1,000 tasks"
        )
        parts.append(tip(words, *_whiskers(point, x, y, costs, quality), marker(point.name.slot, x, y)))
    parts += _labels([(point.name, x, y) for point, x, y in placed], width)
    description = "; ".join(
        f"{point.name.text} {percent(point.place[1])} at {usd(point.place[0])} per 1,000 tasks" for point in points
    )
    return drawing(id, f"Quality against cost on {title}", description, width, HEIGHT, *parts)


def _cost_axis(costs: Log, floor: float, has_zero_lane: bool) -> list[Markup]:
    parts = []
    for tick in costs.ticks(at_most=4):
        parts.append(line(costs(tick), floor, costs(tick), floor + 4, "axis"))
        parts.append(text(costs(tick), floor + 16, usd_tick(tick), "tick", "middle"))
    if has_zero_lane:
        x = LEFT + ZERO_LANE
        parts.append(line(x, TOP, x, floor, "grid dashed"))
        parts.append(line(x - 5, floor + 4, x - 1, floor - 4, "axis"))
        parts.append(line(x - 1, floor + 4, x + 3, floor - 4, "axis"))
    return parts


def _placed(points: list[_Point], costs: Log | None, quality: Linear) -> list[tuple[_Point, float, float]]:
    """Where each point stands; those that cost nothing share the zero lane side by side."""
    free = [point for point in points if point.place[0] == 0 or costs is None]
    step = ZERO_LANE / (len(free) + 1)
    return [
        (
            point,
            LEFT + step * (free.index(point) + 1) if costs is None or point in free else costs(point.place[0]),
            quality(point.place[1]),
        )
        for point in points
    ]


def _whiskers(point: _Point, x: float, y: float, costs: Log | None, quality: Linear) -> list[Markup]:
    parts = [element("circle", cx=x, cy=y, r=12.0, class_="reach")]
    whisker = f"whisker c{point.name.slot}"
    if ends := bounds(point.quality):
        parts.append(line(x, quality(ends[0]), x, quality(ends[1]), whisker))
    if costs is not None and point.place[0] > 0 and (ends := bounds(point.cost)) and ends[0] > 0:
        parts.append(line(costs(ends[0]), y, costs(ends[1]), y, whisker))
    return parts


def _labels(marks: list[tuple[Name, float, float]], width: float) -> list[Markup]:
    """Names beside their markers, at the first spot that hits no marker and no other name."""
    taken = [(x - 8, y - 8, x + 8, y + 8) for _, x, y in marks]
    parts = []
    for name, x, y in marks:
        words = shortened(name.text, 22)
        wide = text_width(words)
        spots = [(x + 11, y + 4), (x - 11 - wide, y + 4), *((x + 6, y + dy) for dy in (-11, 19, -25, 32, -39))]
        boxes = [(left, base - 10, left + wide, base + 3) for left, base in spots]
        fits = [b for b in boxes if b[0] >= LEFT and b[2] <= width and b[1] >= 0 and b[3] <= HEIGHT - BOTTOM + 1]
        free = next((box for box in fits if not any(_overlap(box, other) for other in taken)), None)
        box = free or (fits[0] if fits else (max(LEFT, width - RIGHT - wide), y - 10, width, y + 3))
        taken.append(box)
        at_left = box[2] < x
        parts.append(
            text(box[2] if at_left else box[0], box[3] - 3, words, f"name c{name.slot}", "end" if at_left else None)
        )
    return parts


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _bracketed(words: str) -> str:
    return f"({words}) " if words else ""
