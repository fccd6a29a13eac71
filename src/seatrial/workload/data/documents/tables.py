"""Tables: timetables, results, stock, rainfall, rotas and food labels, with rows and columns to find one's way in."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from seatrial.workload.data.documents import names
from seatrial.workload.data.documents.grid import Column, column_widths, draw_table, some_ruling
from seatrial.workload.data.documents.page import Align, Document, Question, Sheet, as_screen, letters, scanned

_FACES = ("sans", "serif", "mono", "condensed", "grotesque", "roman", "typewriter", "narrow", "aileron", "dots")


class Contents(NamedTuple):
    """A table: the first column names the rows, and `asks` words a question for a row and a column.

    `rankable` are the columns whose figures can be compared, each with how one asks for the most and for the least.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    asks: Callable[[str, str], str]
    rankable: tuple[tuple[str, str, str], ...]


def draw_table_page(dice: random.Random) -> Document:
    """A table on paper or on a screen, with what can be asked about it."""
    contents = dice.choice(_TOPICS)(dice)
    face, size = dice.choice(_FACES), dice.choice((14, 15, 16, 17))
    how, bold = letters(face, size), letters(face, size, bold=True)
    title = letters(face, round(size * dice.choice((1.2, 1.5))), bold=True)
    pad = dice.choice((18, 26, 38))
    widths = [width + pad for width in column_widths(contents.heads, contents.rows, how, bold)]
    margin = dice.randint(18, 44)
    sheet = Sheet(max(sum(widths), title.width(contents.title)) + 2 * margin, 900, dice.choice((255, 250, 243)))
    aligns: tuple[Align, ...] = ("right", "centre")
    align = dice.choice(aligns)
    columns = [
        Column(head, width, align if place else "left")
        for place, (head, width) in enumerate(zip(contents.heads, widths, strict=True))
    ]
    y = sheet.text(margin, margin, contents.title, title) + 8
    y = draw_table(sheet, margin, y, columns, contents.rows, how, bold, some_ruling(dice))
    if dice.random() < 0.5:
        y = sheet.text(margin, y + 8, dice.choice(("Subject to change.", "All figures as reported.")), how, ink=110)
    sheet.cropped(y + margin)
    picture = scanned(sheet, dice) if dice.random() < 0.6 else as_screen(sheet)
    return Document(picture, _questions(contents, dice), {"contents": contents})


def _questions(contents: Contents, dice: random.Random) -> tuple[Question, ...]:
    asked = []
    for number in range(3):
        row = contents.rows[dice.randrange(len(contents.rows))]
        column = dice.randrange(1, len(contents.heads))
        asked.append(Question(f"cell-{number + 1}", contents.asks(row[0], contents.heads[column]), (row[column],)))
    for head, most, least in contents.rankable:
        ranked = sorted(contents.rows, key=lambda row: float(row[contents.heads.index(head)]))
        figures = [row[contents.heads.index(head)] for row in ranked]
        name = head.lower().replace(" ", "-").strip(".")
        if figures[-1] != figures[-2]:
            asked.append(Question(f"most-{name}", most, (ranked[-1][0],)))
        if figures[0] != figures[1]:
            asked.append(Question(f"least-{name}", least, (ranked[0][0],)))
    if dice.random() < 0.25:
        asked.append(Question("rows", "How many rows does the table have below its head?", (str(len(contents.rows)),)))
    return tuple(asked)


def _ferries(dice: random.Random) -> Contents:
    harbours = dice.sample(names.TOWNS, dice.randint(4, 6))
    boats = [f"Boat {letter}" for letter in "ABCDE"[: dice.randint(2, 4)]]
    starts = sorted(dice.sample(range(6 * 60, 18 * 60, 5), len(boats)))
    rows, late = [], 0
    for harbour in harbours:
        rows.append((harbour, *(f"{(start + late) // 60:02}:{(start + late) % 60:02}" for start in starts)))
        late += 5 * dice.randint(2, 7)
    return Contents(
        f"Ferries, {dice.choice(('summer', 'winter', 'weekdays', 'Sundays'))}",
        ("Harbour", *boats),
        tuple(rows),
        lambda harbour, boat: f"At what time does {boat} leave {harbour}?",
        (),
    )


def _league(dice: random.Random) -> Contents:
    teams = dice.sample(names.TOWNS, dice.randint(4, 7))
    rows = []
    for team in teams:
        won, drawn, lost = dice.randint(0, 14), dice.randint(0, 9), dice.randint(0, 12)
        rows.append((f"{team} {dice.choice(('United', 'Rovers', 'Town'))}", won, drawn, lost, 3 * won + drawn))
    rows.sort(key=lambda row: -row[-1])
    heads = ("Team", "Won", "Drawn", "Lost", "Points")
    return Contents(
        f"Northern League, round {dice.randint(20, 34)}",
        heads,
        tuple((name, *map(str, figures)) for name, *figures in rows),
        lambda team, head: f"What stands under {head} for {team}?",
        (("Lost", "Which team lost the most matches?", "Which team lost the fewest matches?"),
         ("Drawn", "Which team drew the most matches?", "Which team drew the fewest matches?")),
    )  # fmt: skip


def _rain(dice: random.Random) -> Contents:
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun")[: dice.randint(3, 6)]
    towns = dice.sample(names.TOWNS, dice.randint(3, 6))
    rows = tuple((town, *(f"{dice.randint(8, 990) / 10:.1f}" for _ in months)) for town in towns)
    month = dice.choice(months)
    return Contents(
        f"Rain in millimetres, {dice.randint(2019, 2026)}",
        ("Town", *months),
        rows,
        lambda town, head: f"How much rain fell in {town} in {head}, in millimetres?",
        ((month, f"Which town had the most rain in {month}?", f"Which town had the least rain in {month}?"),),
    )


def _stock(dice: random.Random) -> Contents:
    shop = dice.choice(names.SHOPS)
    rows = []
    for name, price in dice.sample(shop.goods, dice.randint(4, 8)):
        code = f"{dice.choice('ABCDEFGH')}{dice.randint(100, 999)}"
        cents = names.near(price, dice)
        rows.append((name, code, str(dice.randint(0, 240)), f"{cents / 100:.2f}"))
    return Contents(
        f"Stock list, {shop.name}",
        ("Article", "Code", "In stock", "Price"),
        tuple(rows),
        lambda article, head: f"What is given under {head} for {article}?",
        (("In stock", "Of which article is the most in stock?", "Of which article is the least in stock?"),
         ("Price", "Which article has the highest price?", "Which article has the lowest price?")),
    )  # fmt: skip


def _rota(dice: random.Random) -> Contents:
    days = ("Mon", "Tue", "Wed", "Thu", "Fri")
    desks = dice.sample(("Front desk", "Phones", "Stores", "Workshop", "Deliveries", "Archive"), dice.randint(3, 5))
    rows = tuple((desk, *dice.sample(names.PEOPLE, len(days))) for desk in desks)
    return Contents(
        f"Rota, week {dice.randint(2, 51)}",
        ("Desk", *days),
        rows,
        lambda desk, day: f"Who is at {desk} on {day}?",
        (),
    )


def _food(dice: random.Random) -> Contents:
    foods = [name for name, _ in dice.sample(names.SHOPS[0].goods, dice.randint(3, 6))]
    rows = tuple(
        (food, str(dice.randint(28, 890)), *(f"{dice.randint(1, 400) / 10:.1f}" for _ in range(3))) for food in foods
    )
    return Contents(
        "Per 100 g",
        ("Food", "kcal", "Fat g", "Sugar g", "Protein g"),
        rows,
        lambda food, head: f"What stands under {head} for {food}?",
        (("kcal", "Which food has the most kcal?", "Which food has the fewest kcal?"),
         ("Protein g", "Which food has the most protein?", "Which food has the least protein?")),
    )  # fmt: skip


_TOPICS: Sequence[Callable[[random.Random], Contents]] = (_ferries, _league, _rain, _stock, _rota, _food)
