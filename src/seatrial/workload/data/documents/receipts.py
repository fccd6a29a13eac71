"""Receipts: a shop's head, what was bought, what it came to and how it was paid, on a narrow strip of paper."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import date

from seatrial.workload.data.documents import names
from seatrial.workload.data.documents.charged import Charge, Charged
from seatrial.workload.data.documents.names import amount, written_day
from seatrial.workload.data.documents.page import Document, Letters, Question, Sheet, letters, scanned, some_sign

_FACES = ("mono", "typewriter", "dots", "sans", "narrow", "condensed", "grotesque", "aileron")
_TALLEST = 1400


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase(Charged):
    """What a receipt tells. `given`, in hundredths, None: paid by card, whose last digits are `card`."""

    shop: str
    address: str
    number: str
    day: date
    day_form: int
    time: str
    served_by: str
    given: int | None
    card: str


def draw_receipt(dice: random.Random) -> Document:
    """A purchase on paper, with all that can be asked about it."""
    purchase = _purchase(dice)
    strip = _Strip(dice)
    sign = some_sign(strip.face, dice)
    _head(strip, purchase, dice)
    dice.choice((_lines_in_one_row, _lines_in_two_rows, _lines_in_columns))(strip, purchase)
    _sums(strip, purchase, sign, dice)
    _foot(strip, purchase, dice)
    strip.sheet.cropped(strip.y + dice.randint(16, 40))
    return Document(scanned(strip.sheet, dice), _questions(purchase, sign), {"purchase": purchase})


def _purchase(dice: random.Random) -> Purchase:
    shop = dice.choice(names.SHOPS)
    goods = dice.sample(shop.goods, dice.randint(3, 7))
    charges = tuple(
        Charge(name, dice.choice((1, 1, 1, 2, 2, 3, 4, 6)), names.near(price, dice)) for name, price in goods
    )
    purchase = Purchase(
        shop=shop.name,
        address=f"{dice.randint(1, 99)} {dice.choice(names.STREETS)}, {dice.choice(names.TOWNS)}",
        number=f"{dice.randint(1, 9)}{dice.randint(0, 99999):05}",
        day=names.some_day(dice),
        day_form=dice.randrange(5),
        time=f"{dice.randint(8, 19):02}:{dice.randint(0, 59):02}",
        served_by=dice.choice(names.PEOPLE),
        charges=charges,
        tax_percent=dice.choice((0, 5, 8, 10, 20)),
        given=None,
        card=f"{dice.randint(0, 9999):04}",
    )
    if dice.random() < 0.6:
        note = dice.choice((500, 1000, 2000, 5000))
        return replace(purchase, given=(purchase.total // note + 1) * note)
    return purchase


class _Strip:
    """A strip of paper, printed from the top: the place of the next line is `y`."""

    def __init__(self, dice: random.Random) -> None:
        face, size = dice.choice(_FACES), dice.choice((14, 15, 16, 18))
        self.face = face
        self.plain, self.bold = letters(face, size), letters(face, size, bold=True)
        self.large = letters(face, round(size * dice.choice((1.2, 1.4, 1.7))), bold=True)
        self.margin = dice.randint(14, 30)
        self.width = max(self.plain.width("n" * 32), 290) + 2 * self.margin
        self.sheet = Sheet(self.width, _TALLEST, paper=dice.choice((252, 248, 243, 238)))
        self.y = dice.randint(14, 34)
        self._dash = dice.choice((0, 3, 6))
        self.right = self.width - self.margin

    def centred(self, text: str, how: Letters | None = None) -> None:
        """A line in the middle."""
        self.y = self.sheet.text(self.width // 2, self.y, text, how or self.plain, align="centre")

    def pair(self, left: str, right: str, how: Letters | None = None) -> None:
        """Something at the left edge and something at the right."""
        self.sheet.text(self.right, self.y, right, how or self.plain, align="right")
        self.y = self.sheet.text(self.margin, self.y, left, how or self.plain)

    def rule(self) -> None:
        """A line across."""
        self.sheet.rule(self.margin, self.right, self.y + 5, dash=self._dash)
        self.y += 12


def _head(strip: _Strip, purchase: Purchase, dice: random.Random) -> None:
    name = purchase.shop.upper() if dice.random() < 0.4 else purchase.shop
    strip.centred(name, strip.large if strip.large.width(name) < strip.width - 8 else strip.bold)
    street, town = purchase.address.split(", ")
    strip.centred(street)
    strip.centred(town)
    strip.rule()
    day = written_day(purchase.day, purchase.day_form)
    if dice.random() < 0.5:
        strip.pair(f"Date: {day}", purchase.time)
        strip.pair(f"Receipt no. {purchase.number}", "")
        strip.pair(f"Served by {purchase.served_by}", "")
    else:
        strip.pair("RECEIPT", f"#{purchase.number}")
        strip.pair(day, purchase.time)
        strip.pair("Cashier", purchase.served_by)
    strip.rule()


def _lines_in_one_row(strip: _Strip, purchase: Purchase) -> None:
    for line in purchase.charges:
        strip.pair(f"{line.quantity} x {line.name}", amount(line.amount))


def _lines_in_two_rows(strip: _Strip, purchase: Purchase) -> None:
    for line in purchase.charges:
        strip.pair(line.name, "")
        strip.pair(f"   {line.quantity} @ {amount(line.price)}", amount(line.amount))


def _lines_in_columns(strip: _Strip, purchase: Purchase) -> None:
    strip.pair("QTY  ITEM", "AMOUNT", strip.bold)
    indent = strip.plain.width("0000 ")
    for line in purchase.charges:
        strip.sheet.text(strip.margin, strip.y, str(line.quantity), strip.plain)
        strip.sheet.text(strip.margin + indent, strip.y, line.name, strip.plain)
        strip.pair("", amount(line.amount))


def _sums(strip: _Strip, purchase: Purchase, sign: str, dice: random.Random) -> None:
    strip.rule()
    if purchase.tax_percent:
        strip.pair("Subtotal", amount(purchase.subtotal))
        strip.pair(f"Tax {purchase.tax_percent}%", amount(purchase.tax))
    word = dice.choice(("TOTAL", "Total", "TOTAL DUE", "Amount due"))
    total = f"{sign}{amount(purchase.total)}"
    fits = strip.large.width(f"{word}   {total}") < strip.right - strip.margin
    strip.pair(word, total, strip.large if fits else strip.bold)
    strip.rule()
    if purchase.given is None:
        strip.pair("CARD", f"**** {purchase.card}")
    else:
        strip.pair("Cash", amount(purchase.given))
        strip.pair("Change", amount(purchase.given - purchase.total))


def _foot(strip: _Strip, purchase: Purchase, dice: random.Random) -> None:
    strip.y += 8
    strip.centred(dice.choice(("Thank you!", "Please call again", "Goods exchanged within 14 days", "* * *")))
    if dice.random() < 0.4:
        x = strip.width // 2 - 70
        for _ in range(46):
            strip.sheet.box((x, strip.y + 4, x + dice.choice((0, 0, 1, 2)), strip.y + 34), fill=30)
            x += dice.choice((2, 3, 4))
        strip.y += 38


def _questions(purchase: Purchase, sign: str) -> tuple[Question, ...]:
    def ask(name: str, text: str, answer: str) -> Question:
        return Question(name, text, (answer,))

    largest = sorted(purchase.charges, key=lambda line: line.amount)
    line = purchase.charges[int(purchase.number) % len(purchase.charges)]
    asked = [
        ask("total", "What is the total?", f"{sign}{amount(purchase.total)}"),
        ask("shop", "Which shop is this receipt from?", purchase.shop),
        ask("date", "What is the date, exactly as printed?", written_day(purchase.day, purchase.day_form)),
        ask("number", "What is the number of the receipt?", purchase.number),
        ask("time", "At what time was the receipt printed?", purchase.time),
        ask("served", "Who served the customer?", purchase.served_by),
        ask("street", "In which street is the shop, with the house number?", purchase.address.split(", ")[0]),
        ask("amount", f"What amount stands beside {line.name}?", amount(line.amount)),
        ask("quantity", f"What quantity of {line.name} was bought?", str(line.quantity)),
    ]
    if largest[-1].amount > largest[-2].amount:
        asked.append(ask("largest", "Which article has the largest amount?", largest[-1].name))
    if purchase.tax_percent:
        asked.append(ask("tax", "How much is the tax?", amount(purchase.tax)))
        asked.append(ask("subtotal", "What is the subtotal?", amount(purchase.subtotal)))
    if purchase.given is None:
        asked.append(ask("card", "What are the last four digits of the card?", purchase.card))
    else:
        asked.append(ask("change", "How much change was given?", amount(purchase.given - purchase.total)))
    return tuple(asked)
