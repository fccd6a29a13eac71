"""What a month costs against its tasks, drawn: a line for each candidate, both axes logarithmic.

Curves come in, an SVG goes out. Its root carries, for the page's script, where on the drawing which volume lies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seatrial.verdict.report.figures import count, usd, usd_tick
from seatrial.verdict.report.names import Name, shortened
from seatrial.verdict.report.plots.scale import Log, log_over
from seatrial.verdict.report.plots.svg import element, line, marker, text, tip

WIDTH, HEIGHT = 400.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 116.0, 12.0, 44.0
NUM_STEPS = 96
_NAME_CHARS = 16
_LABEL_GAP = 14.0


@dataclass(frozen=True, slots=True)
class Curve:
    """US dollars a month of a candidate, as a function of tasks a month."""

    name: Name
    usd_of: Callable[[float], float]


def draw_volumes(curves: Sequence[Curve], least: int, most: int, start: int) -> Markup:
    """The drawing, with an upright line at `start` tasks. What costs nothing lies on the floor."""
    volumes = Log(least, most, LEFT, WIDTH - RIGHT)
    paid = [
        cost for curve in curves for end in (least, most) if (cost := curve.usd_of(end)) > 0 and math.isfinite(cost)
    ]
    costs = log_over(paid or [1.0], HEIGHT - BOTTOM, TOP, pad=1.6)
    parts = _axes(volumes, costs)
    parts += [_line(curve, volumes, costs) for curve in curves]
    parts += _names(curves, costs, most)
    parts.append(
        element(
            "path",
            d=f"M0 {TOP:g}V{HEIGHT - BOTTOM:g}",
            class_="at-volume",
            transform=f"translate({volumes(start):.1f} 0)",
        )
    )
    words = "; ".join(
        f"{curve.name.text}: {usd(curve.usd_of(least))} for {count(least)} tasks, {usd(curve.usd_of(most))} for "
        f"{count(most)}"
        for curve in curves
    )
    return element(
        "svg",
        element("title", "Cost of a month against its tasks", id="volume-t"),
        element("desc", words, id="volume-d"),
        *parts,
        class_="plot",
        role="img",
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        aria_labelledby="volume-t",
        aria_describedby="volume-d",
        data_left=LEFT,
        data_right=WIDTH - RIGHT,
    )


def _axes(volumes: Log, costs: Log) -> list[Markup]:
    floor = HEIGHT - BOTTOM
    parts = []
    for tick in costs.ticks(at_most=6):
        parts.append(line(LEFT, costs(tick), WIDTH - RIGHT, costs(tick), "grid"))
        parts.append(text(LEFT - 6, costs(tick) + 4, usd_tick(tick), "tick", "end"))
    parts.append(line(LEFT, floor, WIDTH - RIGHT, floor, "axis"))
    for tick in volumes.ticks(at_most=6):
        parts.append(line(volumes(tick), floor, volumes(tick), floor + 4, "axis"))
        parts.append(text(volumes(tick), floor + 16, _volume(tick), "tick", "middle"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "tasks a month", "label", "middle"))
    return parts


def _line(curve: Curve, volumes: Log, costs: Log) -> Markup:
    ratio = volumes.high / volumes.low
    points = [volumes.low * ratio ** (step / NUM_STEPS) for step in range(NUM_STEPS + 1)]
    places = " ".join(f"{volumes(tasks):.1f},{_height(curve.usd_of(tasks), costs):.1f}" for tasks in points)
    words = f"{curve.name.text}: {usd(curve.usd_of(points[0]))} to {usd(curve.usd_of(points[-1]))} a month"
    drawn = element("polyline", points=places, class_=f"curve c{curve.name.slot}")
    reach = element("polyline", points=places, class_="curve-reach")
    start = marker(curve.name.slot, volumes.start, _height(curve.usd_of(points[0]), costs))
    return tip(words, reach, drawn, start)


def _names(curves: Sequence[Curve], costs: Log, most: int) -> list[Markup]:
    """Names to the right of the lines' ends, moved apart where they would meet."""
    ordered = sorted(curves, key=lambda curve: curve.usd_of(most), reverse=True)
    heights: list[float] = []
    for curve in ordered:
        heights.append(max(_height(curve.usd_of(most), costs), heights[-1] + _LABEL_GAP if heights else TOP))
    lowest = HEIGHT - BOTTOM
    for place in reversed(range(len(heights))):
        heights[place] = min(heights[place], lowest)
        lowest = heights[place] - _LABEL_GAP
    return [
        text(
            WIDTH - RIGHT + 8,
            height + 4,
            shortened(curve.name.text, _NAME_CHARS),
            f"name c{curve.name.slot}",
        )
        for curve, height in zip(ordered, heights, strict=True)
    ]


def _height(cost: float, costs: Log) -> float:
    return costs(cost) if cost > 0 and math.isfinite(cost) else costs.start


def _volume(tasks: float) -> str:
    return f"{tasks / 1e6:g}M" if tasks >= 1e6 else f"{tasks / 1e3:g}k"
