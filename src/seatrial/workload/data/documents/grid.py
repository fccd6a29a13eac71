"""A ruled table on a sheet: for invoices, and for documents that are nothing else."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from seatrial.workload.data.documents.page import Align, Letters, Sheet


class Column(NamedTuple):
    """A column's head, its width in pixels, and where its cells stand."""

    head: str
    width: int
    align: Align = "left"


class Ruling(NamedTuple):
    """How a table is ruled: every cell, the rows alone, or shaded rows; how dark its head; space around a text."""

    cells: bool
    rows: bool
    shaded: bool
    head_ink: int
    pad: int


def some_ruling(dice: random.Random) -> Ruling:
    """One of the ways."""
    cells, rows, shaded = dice.choice(
        ((True, True, False), (False, True, False), (False, False, True), (False, False, False), (True, True, True))
    )
    return Ruling(cells, rows, shaded, dice.choice((215, 232, 250, 70)), dice.choice((5, 6, 8)))


def column_widths(heads: Sequence[str], rows: Sequence[Sequence[str]], how: Letters, bold: Letters) -> list[int]:
    """How wide each column's longest text is, pixels."""
    return [max(bold.width(head), *(how.width(row[place]) for row in rows)) for place, head in enumerate(heads)]


def draw_table(
    sheet: Sheet,
    left: int,
    top: int,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    how: Letters,
    bold: Letters,
    ruling: Ruling,
) -> int:
    """Draw a head and rows of cells; returns where the table ends."""
    right = left + sum(column.width for column in columns)
    row_height = how.height + ruling.pad
    y = top
    for number, cells in enumerate([[column.head for column in columns], *rows]):
        is_head = number == 0
        if is_head:
            sheet.box((left, y, right, y + row_height), fill=ruling.head_ink)
        elif ruling.shaded and number % 2 == 0:
            sheet.box((left, y, right, y + row_height), fill=236)
        ink = 245 if is_head and ruling.head_ink < 128 else 25
        _draw_row(sheet, left, y + ruling.pad // 2, columns, cells, bold if is_head else how, ink)
        y += row_height
        if is_head or ruling.rows:
            sheet.rule(left, right, y, ink=110)
    if ruling.cells:
        for x in [left + sum(column.width for column in columns[:place]) for place in range(len(columns) + 1)]:
            sheet.line([(x, top), (x, y)], 110)
        sheet.rule(left, right, top, ink=110)
    sheet.rule(left, right, y, ink=110)
    return y


def _draw_row(
    sheet: Sheet, left: int, y: int, columns: Sequence[Column], cells: Sequence[str], how: Letters, ink: int
) -> None:
    x = left
    for column, cell in zip(columns, cells, strict=True):
        at = {"left": x + 6, "right": x + column.width - 6, "centre": x + column.width // 2}[column.align]
        sheet.text(at, y, cell, how, align=column.align, ink=ink)
        x += column.width
