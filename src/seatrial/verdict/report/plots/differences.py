"""Paired differences in quality: a row per pair and workload, its interval drawn over the band that counts as alike.

The band reaches one margin to either side of zero. An interval wholly right of the band's left edge shows that the
first is not worse than the second by more than the margin; one that crosses an edge cannot tell yet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seatrial.verdict.document import Claim, Document
from seatrial.verdict.report.figures import NOT_ENOUGH, bounds, claim_interval, claim_value, number
from seatrial.verdict.report.names import Name, shortened
from seatrial.verdict.report.plots.plot import Panel, Plot, in_workload_order, panel_width, workload_title
from seatrial.verdict.report.plots.scale import Linear
from seatrial.verdict.report.plots.svg import drawing, element, line, text, text_width, tip

SIDE = 10.0
ROW_HEIGHT = 72.0
AXIS_HEIGHT = 44.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """One pair on one workload: the difference (first minus second) and what the tests say of it."""

    claim: Claim
    first: Name
    second: Name
    reading: str


def plot_differences(document: Document, names: Mapping[str, Name]) -> Plot | None:
    """The figure, or None where no two candidates were measured on the same items."""
    comparisons = compared_pairs(document.claims, names)
    if not comparisons:
        return None
    groups = in_workload_order((pair.claim.workload for pair in comparisons), document.workloads)
    width = panel_width(len(groups))
    margin = document.run.margin
    reach = max([2 * margin, 0.02, *(abs(b) for pair in comparisons for b in _reach(pair.claim))])
    scale = Linear(-1.05 * reach, 1.05 * reach, SIDE, width - SIDE)
    panels = []
    for place, workload in enumerate(groups):
        title = workload_title(workload, document.workloads)
        here = [pair for pair in comparisons if pair.claim.workload == workload]
        panels.append(Panel(title=title, svg=_panel(f"dif{place}", title, here, scale, margin, width)))
    return Plot(
        id="differences",
        title="Paired differences in quality",
        reading=f"Same items, first minus second. The band is the margin of {100 * margin:g} points either way: "
        "an interval inside it means alike, one that crosses an edge cannot tell yet.",
        panels=panels,
        header=("Workload", "First", "Second", "Difference", "Interval", "p", "p, adjusted", "n", "Reading"),
        rows=[
            (
                workload_title(pair.claim.workload, document.workloads),
                pair.first.text,
                pair.second.text,
                claim_value(pair.claim),
                claim_interval(pair.claim) or "—",
                p_text(pair.claim.p_value),
                p_text(pair.claim.p_adjusted),
                "—" if pair.claim.n is None else f"{pair.claim.n:,}",
                pair.reading,
            )
            for pair in comparisons
        ],
    )


def compared_pairs(claims: Sequence[Claim], names: Mapping[str, Name]) -> list[Comparison]:
    """Each pair once per workload, in the orientation that comes first in the document."""
    tests = {
        (claim.key, claim.workload, claim.candidate, claim.against): claim.value
        for claim in claims
        if claim.key in ("beats", "non_inferior")
    }
    seen = set()
    pairs = []
    for claim in claims:
        first, second = names.get(claim.candidate), names.get(claim.against or "")
        if claim.key != "quality_difference" or first is None or second is None:
            continue
        pair = (claim.workload, frozenset((first.id, second.id)))
        if pair in seen:
            continue
        seen.add(pair)
        pairs.append(Comparison(claim, first, second, _reading(claim, first, second, tests)))
    return pairs


def p_text(p_value: float | None) -> str:
    """A p-value: `0.031`, `< 0.001`, or a dash where there is none."""
    if p_value is None or not math.isfinite(p_value):
        return "—"
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}" if p_value < 0.1 else f"{p_value:.2f}"


def _reading(
    claim: Claim,
    first: Name,
    second: Name,
    tests: Mapping[tuple[str, str | None, str, str | None], float | str | bool | None],
) -> str:
    forth = (claim.workload, first.id, second.id)
    back = (claim.workload, second.id, first.id)
    if claim.value is None:
        return NOT_ENOUGH
    if tests.get(("beats", *forth)) is True:
        return f"{first.text} is better"
    if tests.get(("beats", *back)) is True:
        return f"{second.text} is better"
    alike = tests.get(("non_inferior", *forth)), tests.get(("non_inferior", *back))
    if alike == (True, True):
        return "alike, within the margin"
    if alike[0] is True:
        return f"{first.text} is good enough"
    if alike[1] is True:
        return f"{second.text} is good enough"
    if alike[0] is False:
        return f"{first.text} is worse by more than the margin"
    if alike[1] is False:
        return f"{second.text} is worse by more than the margin"
    return "cannot tell yet"


def _reach(claim: Claim) -> list[float]:
    found = map(number, (claim.value, claim.low, claim.high))
    return [min(max(bound, -1.0), 1.0) for bound in found if bound is not None]


def _panel(id: str, title: str, pairs: list[Comparison], scale: Linear, margin: float, width: float) -> Markup:
    height = ROW_HEIGHT * len(pairs) + AXIS_HEIGHT
    floor = height - AXIS_HEIGHT
    parts = [line(SIDE, floor, width - SIDE, floor, "axis")]
    for tick in scale.ticks():
        parts.append(line(scale(tick), floor, scale(tick), floor + 4, "axis"))
        words = "0" if tick == 0 else f"{100 * tick:+.3g}".replace("-", "−")
        parts.append(text(scale(tick), floor + 16, words, "tick", "middle"))
    parts.append(text(SIDE, height - 8, "← second better", "label"))
    parts.append(text(width - SIDE, height - 8, "first better →", "label", "end"))
    for place, pair in enumerate(pairs):
        parts.append(_row(pair, scale, margin, ROW_HEIGHT * place, width))
    description = "; ".join(
        f"{p.first.text} minus {p.second.text}: {claim_value(p.claim)} {claim_interval(p.claim)}, {p.reading}"
        for p in pairs
    )
    return drawing(id, f"Paired differences in quality on {title}", description, width, height, *parts)


def _row(pair: Comparison, scale: Linear, margin: float, top: float, width: float) -> Markup:
    claim = pair.claim
    value = claim_value(claim)
    room = int((width - 2 * SIDE - text_width(value)) / text_width("x")) - 4
    first = shortened(pair.first.text, max(6, room - min(len(pair.second.text), room // 2)))
    second = shortened(pair.second.text, max(6, room - len(first)))
    y = top + 35
    parts = [
        element("rect", x=scale(-margin), y=y - 10, width=scale(margin) - scale(-margin), height=20.0, class_="band"),
        line(SIDE, y, width - SIDE, y, "grid"),
        line(scale(0), y - 10, scale(0), y + 10, "zero"),
        element("rect", x=SIDE, y=top + 4, width=width - 2 * SIDE, height=ROW_HEIGHT - 6, class_="reach"),
        text(SIDE, top + 18, f"{first} − {second}", "name"),
        text(width - SIDE, top + 18, value, "value", "end"),
    ]
    if ends := bounds(claim):
        parts.append(line(scale(ends[0]), y, scale(ends[1]), y, "whisker ink"))
        parts += [line(scale(end), y - 4, scale(end), y + 4, "whisker ink") for end in ends]
    if (difference := number(claim.value)) is not None:
        parts.append(element("circle", cx=scale(difference), cy=y, r=4.5, class_="point"))
    parts.append(text(SIDE, top + 58, shortened(pair.reading, int((width - 2 * SIDE) / text_width("x"))), "reading"))
    spread = claim_interval(claim) or "no interval"
    return tip(f"{pair.first.text} minus {pair.second.text}: {value} ({spread}); {pair.reading}", *parts)
