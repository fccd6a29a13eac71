"""Charts: bars upright and lying, bars in pairs, lines, and pies, with their figures printed or to be read off an axis.

A figure that is not printed beside its mark lies on a grid line, so that every answer can be read exactly.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from seatrial.workload.data.documents.page import (
    Align,
    Document,
    Ink,
    Letters,
    Question,
    Sheet,
    as_screen,
    letters,
    scanned,
)

_FACES = ("sans", "serif", "condensed", "grotesque", "roman", "narrow", "aileron")
_COLOURS = (
    ((38, 92, 153), (206, 96, 54), (84, 140, 86), (150, 84, 150), (190, 154, 44), (90, 150, 170), (120, 120, 120)),
    ((22, 120, 110), (222, 140, 50), (120, 90, 170), (200, 70, 90), (110, 150, 60), (70, 110, 190), (150, 120, 90)),
    ((30, 90, 60), (230, 120, 100), (90, 130, 200), (220, 180, 70), (130, 90, 130), (120, 170, 120), (160, 160, 165)),
)
_GREYS = tuple((level, level, level) for level in (60, 165, 205, 100, 185, 130, 226))
_GRID: Ink = (214, 214, 214)
_TEXT: Ink = (40, 40, 44)


class Topic(NamedTuple):
    """What a chart is about: names along it, and how one asks for a value, for the most and for the least."""

    title: str
    unit: str
    names: tuple[str, ...]
    value: str
    most: str
    least: str


class Series(NamedTuple):
    """The figures of a chart, one for each name; `step` between two grid lines, of which there are `num_steps`."""

    topic: Topic
    labels: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]
    labels_of_series: tuple[str, ...]
    step: int
    num_steps: int
    is_printed: bool


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug")
_TOPICS = (
    Topic("Loaves sold", "loaves", _DAYS, "How many loaves were sold on {}?",
          "On which day were the most loaves sold?", "On which day were the fewest loaves sold?"),
    Topic("Visitors to the museum", "visitors", _MONTHS, "How many visitors came in {}?",
          "In which month did the most visitors come?", "In which month did the fewest visitors come?"),
    Topic("Tickets closed by desk", "tickets", ("Billing", "Returns", "Delivery", "Access", "Sales", "Other"),
          "How many tickets did {} close?", "Which desk closed the most tickets?",
          "Which desk closed the fewest tickets?"),
    Topic("Bicycles repaired", "bicycles", ("Ada", "Bram", "Cleo", "Felix", "Greta", "Hugo"),
          "How many bicycles did {} repair?", "Who repaired the most bicycles?", "Who repaired the fewest bicycles?"),
    Topic("Catch by harbour, in tonnes", "tonnes", ("Eastholm", "Penbrae", "Dunmere", "Tangmoor", "Skerrywick"),
          "How many tonnes were landed at {}?", "At which harbour was the most landed?",
          "At which harbour was the least landed?"),
    Topic("Trees planted", "trees", ("2019", "2020", "2021", "2022", "2023", "2024"),
          "How many trees were planted in {}?", "In which year were the most trees planted?",
          "In which year were the fewest trees planted?"),
)  # fmt: skip
_SHARES = Topic(
    "Share of orders", "%", ("Web", "Phone", "Shop", "Post", "Fairs", "Agents"), "What share of orders came by {}?",
    "Where did the largest share of orders come from?", "Where did the smallest share of orders come from?",
)  # fmt: skip
_PAIRS = (("2024", "2025"), ("North", "South"), ("Plan", "Actual"))


def draw_chart(dice: random.Random) -> Document:
    """A chart on a screen or printed, with what can be asked about it."""
    draw = dice.choice((_upright_bars, _lying_bars, _paired_bars, _lines, _pie))
    on_paper = dice.random() < 0.4
    sheet, series = draw(dice, _GREYS if on_paper else dice.choice(_COLOURS))
    picture = scanned(sheet, dice, most_degrees=1.0) if on_paper else as_screen(sheet)
    return Document(picture, _questions(series, dice), {"series": series})


class _Frame(NamedTuple):
    """Where a chart's figures stand on its sheet: the ground, and how many pixels one step of the axis takes."""

    left: int
    top: int
    right: int
    bottom: int

    def along(self, place: float, count: int) -> float:
        """The middle of the place-th of `count` parts, from left to right."""
        return self.left + (self.right - self.left) * (place + 0.5) / count

    def up(self, value: float, series: Series) -> float:
        """The height of a value."""
        return self.bottom - (self.bottom - self.top) * value / (series.step * series.num_steps)


def _series(dice: random.Random, num_series: int = 1, may_print: bool = True) -> Series:
    topic = dice.choice(_TOPICS)
    labels = topic.names[: dice.randint(4, 5 if num_series > 1 else len(topic.names))]
    step, num_steps = dice.choice((2, 5, 10, 20, 50, 100)), dice.randint(4, 7)
    is_printed = may_print and dice.random() < 0.5
    least = max(1, num_steps // 4)

    def value() -> int:
        return dice.randint(least * step, num_steps * step) if is_printed else step * dice.randint(least, num_steps)

    values = tuple(tuple(value() for _ in labels) for _ in range(num_series))
    of_series = dice.choice(_PAIRS) if num_series == 2 and topic.names[0] != "2019" else ("North", "South")
    return Series(topic, labels, values, of_series[:num_series], step, num_steps, is_printed)


class _Plot(NamedTuple):
    sheet: Sheet
    frame: _Frame
    how: Letters
    small: Letters


def _plot(dice: random.Random, series: Series) -> _Plot:
    """A sheet with title, grid lines and the axis of values."""
    face, size = dice.choice(_FACES), dice.choice((13, 14, 15))
    how, small, title = letters(face, size), letters(face, size - 3), letters(face, round(size * 1.35), bold=True)
    sheet = Sheet(
        dice.choice((480, 540, 600)), dice.choice((330, 370, 400)), dice.choice(((255,) * 3, (250, 250, 246)))
    )
    width, height = sheet.picture.size
    middle = dice.random() < 0.5
    sheet.text(
        width // 2 if middle else 18, 10, series.topic.title, title, align="centre" if middle else "left", ink=_TEXT
    )
    frame = _Frame(62, 54, width - 18, height - 44)
    for number in range(series.num_steps + 1):
        value = number * series.step
        y = round(frame.up(value, series))
        sheet.rule(frame.left, frame.right, y, ink=_GRID if number else _TEXT)
        sheet.text(frame.left - 8, y - how.height // 2, str(value), how, align="right", ink=_TEXT)
    sheet.turned_text(14, (frame.top + frame.bottom) // 2, series.topic.unit, how, _TEXT)
    return _Plot(sheet, frame, how, small)


def _names_below(sheet: Sheet, frame: _Frame, series: Series, how: Letters) -> None:
    for place, label in enumerate(series.labels):
        x = round(frame.along(place, len(series.labels)))
        sheet.text(x, frame.bottom + 6, label, how, align="centre", ink=_TEXT)


def _legend(sheet: Sheet, frame: _Frame, series: Series, how: Letters, inks: Sequence[Ink]) -> None:
    x, y = frame.right, frame.bottom + 10 + how.height
    for label, ink in reversed(list(zip(series.labels_of_series, inks, strict=False))):
        sheet.text(x, y, label, how, align="right", ink=_TEXT)
        x -= how.width(label) + 8
        sheet.box((x - 10, y + 3, x, y + 13), fill=ink)
        x -= 26


def _upright_bars(dice: random.Random, inks: Sequence[Ink]) -> tuple[Sheet, Series]:
    series = _series(dice)
    sheet, frame, how, _ = _plot(dice, series)
    half = (frame.right - frame.left) / len(series.labels) * dice.uniform(0.25, 0.42)
    many = dice.random() < 0.4
    for place, value in enumerate(series.values[0]):
        x, y = frame.along(place, len(series.labels)), frame.up(value, series)
        sheet.box((x - half, y, x + half, frame.bottom), fill=inks[place % len(inks) if many else 0])
        if series.is_printed:
            sheet.text(round(x), round(y) - how.height, str(value), how, align="centre", ink=_TEXT)
    _names_below(sheet, frame, series, how)
    return sheet, series


def _paired_bars(dice: random.Random, inks: Sequence[Ink]) -> tuple[Sheet, Series]:
    series = _series(dice, 2)
    sheet, frame, how, small = _plot(dice, series)
    width = (frame.right - frame.left) / len(series.labels) * 0.36
    for number, values in enumerate(series.values):
        for place, value in enumerate(values):
            x = frame.along(place, len(series.labels)) + (number - 1) * width
            y = frame.up(value, series)
            sheet.box((x + 1, y, x + width - 1, frame.bottom), fill=inks[number])
            if series.is_printed:
                sheet.text(round(x + width / 2), round(y) - small.height, str(value), small, align="centre", ink=_TEXT)
    _names_below(sheet, frame, series, how)
    _legend(sheet, frame, series, how, inks)
    return sheet, series


def _lines(dice: random.Random, inks: Sequence[Ink]) -> tuple[Sheet, Series]:
    num_series = dice.choice((1, 1, 2))
    series = _series(dice, num_series, may_print=num_series == 1)
    sheet, frame, how, _ = _plot(dice, series)
    for number, values in enumerate(series.values):
        points = [(frame.along(place, len(values)), frame.up(value, series)) for place, value in enumerate(values)]
        sheet.line(points, inks[number], 2)
        for (x, y), value in zip(points, values, strict=True):
            sheet.dot(x, y, 4, inks[number])
            if series.is_printed:
                half, top = how.width(str(value)) // 2 + 1, round(y) - how.height - 4
                sheet.box((x - half, top + 2, x + half, top + how.height - 1), fill=sheet.paper)
                sheet.text(round(x), top, str(value), how, align="centre", ink=_TEXT)
    _names_below(sheet, frame, series, how)
    if len(series.values) > 1:
        _legend(sheet, frame, series, how, inks)
    return sheet, series


def _lying_bars(dice: random.Random, inks: Sequence[Ink]) -> tuple[Sheet, Series]:
    series = _series(dice)
    face, size = dice.choice(_FACES), dice.choice((13, 14, 15))
    how, title = letters(face, size), letters(face, round(size * 1.35), bold=True)
    row = dice.choice((30, 36, 44))
    sheet = Sheet(dice.choice((500, 560)), 86 + row * len(series.labels), (255, 255, 255))
    sheet.text(18, 10, series.topic.title, title, ink=_TEXT)
    left = 30 + max(how.width(label) for label in series.labels)
    right, bottom = sheet.picture.width - 46, 48 + row * len(series.labels)
    most = series.step * series.num_steps
    for number in range(series.num_steps + 1):
        x = left + (right - left) * number / series.num_steps
        sheet.line([(x, 48), (x, bottom)], _GRID if number else _TEXT)
        sheet.text(round(x), bottom + 6, str(number * series.step), how, align="centre", ink=_TEXT)
    for place, (label, value) in enumerate(zip(series.labels, series.values[0], strict=True)):
        y, end = 48 + row * place, left + (right - left) * value / most
        sheet.box((left, y + 5, end, y + row - 5), fill=inks[0])
        sheet.text(left - 8, y + (row - how.height) // 2, label, how, align="right", ink=_TEXT)
        if series.is_printed:
            sheet.text(round(end) + 6, y + (row - how.height) // 2, str(value), how, ink=_TEXT)
    return sheet, series


def _pie(dice: random.Random, inks: Sequence[Ink]) -> tuple[Sheet, Series]:
    labels = _SHARES.names[: dice.randint(3, 6)]
    cuts = sorted(dice.sample(range(1, 25), len(labels) - 1))
    parts = [4 * (end - start) for start, end in zip([0, *cuts], [*cuts, 25], strict=True)]
    odd = dice.randint(0, 3) if len(parts) > 1 else 0
    parts[0], parts[1] = parts[0] + odd, parts[1] - odd
    series = Series(_SHARES, labels, (tuple(parts),), ("Orders",), 1, 100, True)
    face = dice.choice(_FACES)
    how, title = letters(face, 14), letters(face, 19, bold=True)
    sheet = Sheet(500, 340, (255, 255, 255))
    sheet.text(20, 12, _SHARES.title, title, ink=_TEXT)
    start, in_legend = float(dice.choice((-90, 0, 30))), dice.random() < 0.5
    middle_x, middle_y, radius = 155 if in_legend else 250, 190, 120
    for place, (label, part) in enumerate(zip(labels, parts, strict=True)):
        ink, end = inks[place], start + 3.6 * part
        sheet.slice((middle_x - radius, middle_y - radius, middle_x + radius, middle_y + radius), start, end, ink)
        if in_legend:
            at = 90 + 30 * place
            sheet.box((320, at, 334, at + 14), fill=ink)
            sheet.text(344, at - 2, f"{label} {part}%", how, ink=_TEXT)
        else:
            angle = math.radians((start + end) / 2)
            x, y = middle_x + 1.12 * radius * math.cos(angle), middle_y + 1.16 * radius * math.sin(angle)
            align: Align = "left" if math.cos(angle) > 0.1 else "right" if math.cos(angle) < -0.1 else "centre"
            sheet.text(round(x), round(y) - how.height // 2, f"{label} {part}%", how, align=align, ink=_TEXT)
        start = end
    return sheet, series


def _questions(series: Series, dice: random.Random) -> tuple[Question, ...]:
    topic, several = series.topic, len(series.values) > 1
    number = dice.randrange(len(series.values))
    values, which = series.values[number], series.labels_of_series[number]
    of = f" Look at {which}." if several else ""
    unit = "%" if topic.unit == "%" else ""
    asked = []
    for turn, place in enumerate(dice.sample(range(len(values)), 2)):
        text = topic.value.format(series.labels[place])
        asked.append(Question(f"value-{turn + 1}", f"{text}{of}", (f"{values[place]}{unit}",)))
    ranked = sorted(range(len(values)), key=values.__getitem__)
    if values[ranked[-1]] > values[ranked[-2]]:
        asked.append(Question("most", f"{topic.most}{of}", (series.labels[ranked[-1]],)))
        difference = values[ranked[-1]] - values[ranked[0]]
        asked.append(
            Question("range", f"What is the largest value shown less the smallest?{of}", (f"{difference}{unit}",))
        )
    if values[ranked[0]] < values[ranked[1]]:
        asked.append(Question("least", f"{topic.least}{of}", (series.labels[ranked[0]],)))
    if dice.random() < 0.3:
        asked.append(Question("count", _COUNT[several], (str(len(series.labels)),)))
    return tuple(asked)


_COUNT = {False: "How many values does the chart show?", True: "How many places along the axis have a name?"}
