"""How long answers take: one row of dots per candidate, each dot a twentieth of its answers, on a logarithmic axis.

A reader can count: two dots beyond a second mean that one answer in ten took longer. The median and the 95th
percentile stand under the dots with their intervals. Quantile dotplots: Kay et al. 2016, "When (ish) is my bus?", CHI.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from seatrial.verdict.document import Claim, Document, LatencyProfile
from seatrial.verdict.report.figures import (
    NOT_ENOUGH,
    bounds,
    claim_interval,
    claim_value,
    number,
    seconds,
    seconds_tick,
)
from seatrial.verdict.report.names import Name, shortened
from seatrial.verdict.report.plots.plot import Panel, Plot, in_workload_order, panel_width, workload_title
from seatrial.verdict.report.plots.scale import Log, log_over
from seatrial.verdict.report.plots.svg import drawing, element, line, text, text_width, tip

NUM_DOTS = 20
SIDE = 10.0
ROW_HEIGHT = 82.0
DOTS_HEIGHT = 44.0
AXIS_HEIGHT = 34.0
DIAMETERS = (7.0, 6.0, 5.0, 4.2, 3.6, 3.0, 2.6, 2.2)
LEAST_S = 1e-6
MARKS = (("latency_p50_s", "p50"), ("latency_p95_s", "p95"))
_Marks = Mapping[tuple[str, str | None, str], Claim]


def plot_latency(document: Document, names: Mapping[str, Name]) -> Plot | None:
    """The figure, or None where no latency was measured."""
    profiles = [
        profile
        for profile in document.latency_profiles
        if profile.candidate in names and any(map(math.isfinite, profile.seconds))
    ]
    if not profiles:
        return None
    keys = [key for key, _ in MARKS]
    marks = {
        (claim.candidate, claim.workload, claim.key): claim
        for claim in document.claims
        if claim.key in keys and number(claim.value) is not None
    }
    groups = in_workload_order((profile.workload for profile in profiles), document.workloads)
    width = panel_width(len(groups))
    times = log_over([value for profile in profiles for value in _clean(profile)], SIDE, width - SIDE)
    panels = []
    for place, workload in enumerate(groups):
        title = workload_title(workload, document.workloads)
        here = [profile for profile in profiles if profile.workload == workload]
        panels.append(Panel(title=title, svg=_panel(f"lat{place}", title, here, marks, times, width, names)))
    return Plot(
        id="latency",
        title="Time to the whole answer",
        reading="Each dot is one answer in twenty. Under the dots: median (p50) and 95th percentile with their 95% "
        "intervals. Logarithmic axis.",
        panels=panels,
        header=("Workload", "Candidate", "Answers shown", "p50", "Interval", "p95", "Interval"),
        rows=[
            (
                workload_title(profile.workload, document.workloads),
                names[profile.candidate].text,
                f"{len(profile.seconds)}",
                *_row(profile, marks),
            )
            for profile in profiles
        ],
    )


def _clean(profile: LatencyProfile) -> list[float]:
    return sorted(max(LEAST_S, value) for value in profile.seconds if math.isfinite(value))


def _row(profile: LatencyProfile, marks: _Marks) -> list[str]:
    cells = []
    for key, _ in MARKS:
        claim = marks.get((profile.candidate, profile.workload, key))
        cells += [claim_value(claim), claim_interval(claim) or "—"] if claim else [NOT_ENOUGH, "—"]
    return cells


def _panel(
    id: str,
    title: str,
    profiles: Sequence[LatencyProfile],
    marks: _Marks,
    times: Log,
    width: float,
    names: Mapping[str, Name],
) -> Markup:
    height = ROW_HEIGHT * len(profiles) + AXIS_HEIGHT
    floor = height - AXIS_HEIGHT
    ticks = times.ticks(at_most=5)
    parts = [line(SIDE, floor, width - SIDE, floor, "axis")]
    for tick in ticks:
        at = times(tick)
        parts.append(line(at, floor, at, floor + 4, "axis"))
        anchor = "start" if at < SIDE + 14 else "end" if at > width - SIDE - 14 else "middle"
        parts.append(text(at, floor + 16, seconds_tick(tick), "tick", anchor))
    said = []
    for place, profile in enumerate(profiles):
        name = names[profile.candidate]
        found = [marks.get((profile.candidate, profile.workload, key)) for key, _ in MARKS]
        summary = " · ".join(
            f"{label} {claim_value(claim)}" for claim, (_, label) in zip(found, MARKS, strict=True) if claim
        )
        said.append(f"{name.text}: {summary or NOT_ENOUGH}")
        parts += _candidate_row(name, _clean(profile), found, summary, times, ROW_HEIGHT * place, width)
    return drawing(id, f"Time to the whole answer on {title}", "; ".join(said), width, height, *parts)


def _candidate_row(
    name: Name, values: list[float], found: list[Claim | None], summary: str, times: Log, top: float, width: float
) -> list[Markup]:
    room = int((width - 2 * SIDE - text_width(summary)) / text_width("x")) - 2
    floor = top + ROW_HEIGHT - 4
    parts = [line(times(tick), top + 23, times(tick), floor, "grid") for tick in times.ticks(at_most=5)]
    parts += [
        text(SIDE, top + 16, shortened(name.text, max(8, room)), f"name c{name.slot}"),
        text(width - SIDE, top + 16, summary, "value", "end"),
    ]
    baseline = top + 22 + DOTS_HEIGHT
    parts.append(
        tip(
            f"{name.text}: {summary or NOT_ENOUGH}; shown from {seconds(values[0])} to {seconds(values[-1])}",
            element("rect", x=SIDE, y=top + 20, width=width - 2 * SIDE, height=ROW_HEIGHT - 22, class_="reach"),
            *_dots(values, times, baseline, name.slot),
            *_quantile_marks(found, times, baseline + 6, name.slot),
        )
    )
    return parts


def _dots(values: list[float], times: Log, baseline: float, slot: int) -> list[Markup]:
    places = [times(_quantile(values, (index + 0.5) / NUM_DOTS)) for index in range(NUM_DOTS)]
    stacks, diameter = _stacked(places)
    return [
        element("circle", cx=x, cy=baseline - diameter * (level + 0.5), r=diameter * 0.46, class_=f"dot c{slot}")
        for x, num_dots in stacks
        for level in range(num_dots)
    ]


def _stacked(places: list[float]) -> tuple[list[tuple[float, int]], float]:
    """Neighbours within a dot's width share a stack; the dots shrink until the tallest stack fits the row.

    `[10, 12, 30]` with dots of 7: stacks at 11 (two dots) and 30 (one).
    """
    for diameter in DIAMETERS:
        stacks: list[list[float]] = []
        for place in places:
            if stacks and place - stacks[-1][0] < diameter:
                stacks[-1].append(place)
            else:
                stacks.append([place])
        if max(map(len, stacks)) * diameter <= DOTS_HEIGHT:
            break
    return [(sum(stack) / len(stack), len(stack)) for stack in stacks], diameter


def _quantile_marks(found: list[Claim | None], times: Log, y: float, slot: int) -> list[Markup]:
    parts = []
    for claim, class_ in zip(found, ("mid", "far"), strict=True):
        value = number(claim.value) if claim else None
        if claim is None or value is None:
            continue
        if ends := bounds(claim):
            low, high = (times(max(LEAST_S, end)) for end in ends)
            parts.append(line(low, y, high, y, f"whisker c{slot}"))
        at = times(max(LEAST_S, value))
        parts.append(line(at, y - 4, at, y + 4, f"quantile {class_} c{slot}"))
    return parts


def _quantile(values: list[float], share: float) -> float:
    """Linear between neighbours; `[1, 3]` at 0.5 is 2."""
    place = share * (len(values) - 1)
    below = math.floor(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (place - below) * (values[above] - values[below])
