"""A model's list prices over time, drawn as steps: input, cached input and output, US dollars per million tokens.

Facts of the catalog come in, a `Plot` goes out: an SVG that explains itself on hover and to a screen reader, and the
same data as a table. The axis of prices is logarithmic, so that a price halved looks the same at any height; where
something costs nothing it is linear. Only the price of short prompts is drawn; tiers for long ones stand in the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup

from seatrial.catalog.entry import Entry, Fact, Price
from seatrial.verdict import wording
from seatrial.verdict.report.figures import usd_tick
from seatrial.verdict.report.plots.plot import Panel, Plot
from seatrial.verdict.report.plots.scale import Linear, Log, log_over
from seatrial.verdict.report.plots.svg import drawing, element, line, text, text_width, tip

WIDTH, HEIGHT = 400.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 42.0, 30.0
_HEADER = ("Valid", "For prompts", "Input", "Cached input", "Output", "Source", "As of")
_LABEL_HEIGHT = 15.0
_LEAST_DAYS = 60
_FARTHEST_DAYS = 730


@dataclass(frozen=True, slots=True)
class _Step:
    """A price from a day on, until the next; `since` says the day in words."""

    day: date
    until: date
    usd: float
    since: str
    source: str


@dataclass(frozen=True, slots=True)
class _Series:
    """One kind of price, its steps in order of time."""

    name: str
    slot: int
    steps: list[_Step]


@dataclass(frozen=True, slots=True)
class _Axes:
    days: Linear
    usd: Linear | Log
    first: date
    today: date

    def x(self, day: date) -> float:
        return self.days(float(day.toordinal()))


def price_chart(entry: Entry, today: date) -> Plot | None:
    """The figure, or None where no list price is known."""
    facts = sorted(entry.prices, key=lambda fact: fact.value.valid_from or date.min)
    plain = [fact for fact in facts if fact.value.above_prompt_tokens is None]
    if not plain:
        return None
    ends_on = entry.retirement[0].value.on if entry.retirement else None
    first = _first_day(entry, plain, today)
    series = _series(plain, first, today)
    axes = _axes(series, first, today, ends_on)
    has_notes = any(fact.note for fact in facts)
    return Plot(
        id="prices",
        title="List prices over time",
        reading="US dollars per million tokens, from the day a price took effect. "
        + ("The axis of prices is logarithmic." if isinstance(axes.usd, Log) else "Prices start at nothing."),
        panels=[Panel(title="US dollars per million tokens", svg=_drawing(entry, series, axes, ends_on))],
        header=(*_HEADER, *(("Note",) if has_notes else ())),
        rows=[(*_row(fact), *((fact.note,) if has_notes else ())) for fact in facts],
        remark=""
        if entry.released or plain[0].value.valid_from
        else "The day of release is not known; the line begins where its source was read.",
    )


def _first_day(entry: Entry, plain: Sequence[Fact[Price]], today: date) -> date:
    """The day the chart begins: of the release, else of the first dated price or reading; two months at the least."""
    if entry.released:
        known = [entry.released[0].value]
    else:
        known = [fact.value.valid_from or fact.source.as_of for fact in plain]
    return min([*known, today - timedelta(days=_LEAST_DAYS)])


def _series(plain: Sequence[Fact[Price]], first: date, today: date) -> list[_Series]:
    """The prices as steps. Where sources name different prices for one day, the most trusted one is drawn."""
    by_day: dict[date, Fact[Price]] = {}
    for fact in plain:
        by_day.setdefault(max(first, fact.value.valid_from or first), fact)
    days = list(by_day)
    untils = [*days[1:], max(today, days[-1])]
    kinds = (("output", 2, "output_usd"), ("input", 1, "input_usd"), ("cached input", 3, "cached_input_usd"))
    found = []
    for name, slot, field in kinds:
        steps = [
            _Step(day, until, value, _since(fact.value), fact.source.title)
            for (day, fact), until in zip(by_day.items(), untils, strict=True)
            if (value := getattr(fact.value, field)) is not None
        ]
        if steps:
            found.append(_Series(name, slot, steps))
    return found


def _axes(series: Sequence[_Series], first: date, today: date, ends_on: date | None) -> _Axes:
    last = today
    if ends_on is not None and ends_on > today:
        last = min(ends_on, today + timedelta(days=_FARTHEST_DAYS))
    last = max([last, *(step.day for each in series for step in each.steps)])
    days = Linear(
        float(first.toordinal()), float(max(last, first + timedelta(days=1)).toordinal()), LEFT, WIDTH - RIGHT
    )
    values = [step.usd for each in series for step in each.steps]
    floor, top = HEIGHT - BOTTOM, TOP
    if min(values) > 0:
        return _Axes(days, log_over(values, floor - 8, top + 8), first, today)
    return _Axes(days, Linear(0.0, max(values) * 1.1 or 1.0, floor, top), first, today)


def _drawing(entry: Entry, series: Sequence[_Series], axes: _Axes, ends_on: date | None) -> Markup:
    floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for tick in axes.usd.ticks():
        parts.append(line(LEFT, axes.usd(tick), right, axes.usd(tick), "grid"))
        parts.append(text(LEFT - 6, axes.usd(tick) + 4, usd_tick(tick) if tick else "$0", "tick", "end"))
    parts.append(line(LEFT, floor, right, floor, "axis"))
    parts += _day_ticks(axes, floor)
    parts += _marked_days(axes, ends_on)
    for each in series:
        parts += _steps(each, axes)
    parts += _labels(series, axes)
    return drawing(
        "prices", f"List prices of {entry.name} over time", _described(series, ends_on), WIDTH, HEIGHT, *parts
    )


def _day_ticks(axes: _Axes, floor: float) -> list[Markup]:
    """The first of a month, five of them at the most, marked `2025-09`."""
    start, end = axes.first, date.fromordinal(round(axes.days.high))
    months = [(m // 12, m % 12 + 1) for m in range(start.year * 12 + start.month, end.year * 12 + end.month)]
    step = max(1, -(-len(months) // 5))
    parts = []
    for year, month in months[::step]:
        x = axes.x(date(year, month, 1))
        parts.append(line(x, floor, x, floor + 4, "axis"))
        parts.append(text(x, floor + 17, f"{year}-{month:02}", "tick", "end" if x > WIDTH - RIGHT - 24 else "middle"))
    return parts


def _marked_days(axes: _Axes, ends_on: date | None) -> list[Markup]:
    """Today, and the day of retirement where the chart reaches it."""
    marked = [(axes.today, "today", "grid dashed")]
    if ends_on is not None and axes.first <= ends_on <= date.fromordinal(round(axes.days.high)):
        words = "shuts down" if ends_on >= axes.today else "shut down"
        marked = [(ends_on, words, "whisker c7"), *([] if _close(axes, ends_on) else marked)]
    parts = []
    for day, words, class_ in marked:
        x = axes.x(day)
        at_edge = x + text_width(words) / 2 > WIDTH - RIGHT
        drawn = line(x, TOP - 6, x, HEIGHT - BOTTOM, class_)
        label = text(x, TOP - 11, words, "label", "end" if at_edge else "middle")
        parts.append(tip(f"{words[:1].upper()}{words[1:]}: {wording.day(day)}", drawn, label))
    return parts


def _close(axes: _Axes, day: date) -> bool:
    """Would the two labels touch?"""
    return abs(axes.x(day) - axes.x(axes.today)) < text_width("shuts down today") / 2


def _steps(series: _Series, axes: _Axes) -> list[Markup]:
    """A level line from each day to the next, a riser between, a dot where a price begins."""
    parts = []
    for place, step in enumerate(series.steps):
        x, y, end = axes.x(step.day), axes.usd(step.usd), axes.x(step.until)
        drawn = [
            element("rect", x=x, y=y - 9, width=max(6.0, end - x), height=18.0, class_="reach"),
            line(x, y, end, y, f"quantile c{series.slot}"),
            element("circle", cx=x, cy=y, r=3.5, class_=f"dot c{series.slot}"),
        ]
        if place and series.steps[place - 1].until == step.day:
            drawn.append(line(x, axes.usd(series.steps[place - 1].usd), x, y, f"whisker c{series.slot}"))
        price = f"{wording.list_price(step.usd)} per million tokens"
        words = f"{series.name.capitalize()}: {price}, {step.since} ({step.source})"
        parts.append(tip(words, *drawn))
    return parts


def _labels(series: Sequence[_Series], axes: _Axes) -> list[Markup]:
    """Each series' name and last price above the end of its line, kept apart; the lowest is placed first."""
    parts = []
    highest = HEIGHT
    for y, each in sorted(((axes.usd(s.steps[-1].usd), s) for s in series), key=lambda pair: pair[0], reverse=True):
        highest = min(y - 6, highest - _LABEL_HEIGHT)
        words = f"{each.name} {wording.list_price(each.steps[-1].usd)}"
        parts.append(text(axes.x(each.steps[-1].until), highest, words, f"name c{each.slot}", "end"))
    return parts


def _described(series: Sequence[_Series], ends_on: date | None) -> str:
    said = [
        f"{each.name}: " + ", then ".join(f"{wording.list_price(step.usd)} {step.since}" for step in each.steps)
        for each in series
    ]
    if ends_on is not None:
        said.append(f"shutdown: {ends_on.isoformat()}")
    return "; ".join(said)


def _row(fact: Fact[Price]) -> tuple[str, ...]:
    price = fact.value
    return (
        _since(price),
        f"above {price.above_prompt_tokens:,} tokens" if price.above_prompt_tokens else "of any length",
        wording.list_price(price.input_usd),
        "—" if price.cached_input_usd is None else wording.list_price(price.cached_input_usd),
        wording.list_price(price.output_usd),
        fact.source.title,
        fact.source.as_of.isoformat(),
    )


def _since(price: Price) -> str:
    return "since release" if price.valid_from is None else f"from {price.valid_from.isoformat()}"
