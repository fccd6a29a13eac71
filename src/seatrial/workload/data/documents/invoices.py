"""Invoices: a page with a sender, a customer, dates, a table of what is charged, and what is due."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from seatrial.workload.data.documents import names
from seatrial.workload.data.documents.charged import Charge, Charged
from seatrial.workload.data.documents.grid import Column, column_widths, draw_table, some_ruling
from seatrial.workload.data.documents.names import amount, written_day
from seatrial.workload.data.documents.page import Document, Letters, Question, Sheet, letters, scanned, some_sign

_FACES = ("sans", "serif", "grotesque", "roman", "condensed", "aileron", "typewriter", "narrow")
_WORDS = ("INVOICE", "Invoice", "TAX INVOICE", "Statement of charges")
_HEADS = (("Description", "Qty", "Unit price", "Amount"), ("Item", "Quantity", "Price", "Total"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill(Charged):
    """What an invoice tells."""

    sender: str
    sender_address: tuple[str, str]
    customer: str
    contact: str
    customer_address: tuple[str, str]
    number: str
    order: str
    day: date
    due: date
    day_form: int


class _Type(NamedTuple):
    plain: Letters
    bold: Letters
    title: Letters
    small: Letters


def draw_invoice(dice: random.Random) -> Document:
    """A bill on a page, with all that can be asked about it."""
    bill = _bill(dice)
    face, size = dice.choice(_FACES), dice.choice((13, 14, 15))
    type_ = _Type(
        letters(face, size), letters(face, size, bold=True), letters(face, 2 * size, bold=True), letters(face, size - 2)
    )
    sheet = Sheet(640, 1000, paper=dice.choice((253, 248, 242)))
    left, right = 44, 596
    y = _head(sheet, bill, type_, dice, left, right)
    y = _parties(sheet, bill, type_, dice, left, right, y + 16)
    y = _charges(sheet, bill, type_, dice, left, right, y + 20)
    sign = some_sign(face, dice)
    y = _sums(sheet, bill, type_, dice, right, y + 12, sign)
    y = _foot(sheet, bill, type_, dice, left, y + 22)
    sheet.cropped(y + 30)
    return Document(scanned(sheet, dice, most_degrees=1.2), _questions(bill, sign), {"bill": bill})


def _bill(dice: random.Random) -> Bill:
    sender, customer = dice.sample(names.FIRMS, 2)
    day = names.some_day(dice)
    charges = tuple(
        Charge(name, dice.choice((1, 1, 2, 3, 4, 5, 8, 10, 12, 25)), names.near(price, dice))
        for name, price in dice.sample(names.SERVICES, dice.randint(3, 7))
    )
    return Bill(
        sender=sender,
        sender_address=_address(dice),
        customer=customer,
        contact=f"{dice.choice(names.PEOPLE)} {dice.choice(names.SURNAMES)}",
        customer_address=_address(dice),
        number=dice.choice(("INV-{:05}", "{:06}", "R{:04}/26", "2026-{:04}")).format(dice.randint(1200, 9899)),
        order=f"{dice.choice('ABKPTX')}{dice.choice('CDMNRS')}-{dice.randint(100, 999)}",
        day=day,
        due=day + timedelta(days=dice.choice((7, 10, 14, 21, 30, 45))),
        day_form=dice.randrange(5),
        charges=charges,
        tax_percent=dice.choice((5, 7, 12, 19, 20, 21)),
    )


def _address(dice: random.Random) -> tuple[str, str]:
    return f"{dice.randint(1, 180)} {dice.choice(names.STREETS)}", dice.choice(names.TOWNS)


def _head(sheet: Sheet, bill: Bill, type_: _Type, dice: random.Random, left: int, right: int) -> int:
    """The sender and the word for what this is; returns where it ends."""
    word, y = dice.choice(_WORDS), 36
    match dice.randrange(3):
        case 0:
            sheet.text(right, y, word, type_.title, align="right", ink=60)
            below = _block(sheet, left, y + 4, [bill.sender, *bill.sender_address], type_)
        case 1:
            below = sheet.text((left + right) // 2, y, bill.sender, type_.title, align="centre")
            address = ", ".join(bill.sender_address)
            below = sheet.text((left + right) // 2, below, address, type_.small, align="centre")
            below = sheet.text(left, below + 14, word, type_.bold)
        case _:
            sheet.box((0, 0, sheet.picture.width, y + type_.title.height + 8), fill=70)
            sheet.text(left, y, word, type_.title, ink=245)
            below = y + type_.title.height + 20
            below = _block(sheet, left, below, [bill.sender, *bill.sender_address], type_)
    return below


def _block(sheet: Sheet, x: int, y: int, lines: Sequence[str], type_: _Type) -> int:
    """Lines below each other, the first in bold."""
    for number, line in enumerate(lines):
        y = sheet.text(x, y, line, type_.plain if number else type_.bold)
    return y


def _parties(sheet: Sheet, bill: Bill, type_: _Type, dice: random.Random, left: int, right: int, top: int) -> int:
    """The customer at one side, numbers and dates at the other; returns where the longer one ends."""
    at_left, at_right = (left, 350) if dice.random() < 0.7 else (350, left)
    y = sheet.text(at_left, top, dice.choice(("Bill to", "Customer", "Invoice to")), type_.small, ink=90)
    y = _block(sheet, at_left, y, [bill.customer, f"Attn. {bill.contact}", *bill.customer_address], type_)
    rows = [
        (dice.choice(("Invoice no.", "Invoice number", "Number")), bill.number),
        (dice.choice(("Invoice date", "Date", "Date of issue")), written_day(bill.day, bill.day_form)),
        (dice.choice(("Due date", "Payment due", "Pay by")), written_day(bill.due, bill.day_form)),
        (dice.choice(("Your order", "Order ref.", "PO number")), bill.order),
    ]
    far = top
    for word, value in rows:
        sheet.text(at_right, far, word, type_.plain, ink=70)
        far = sheet.text(at_right + 124, far, value, type_.plain) + 2
    return max(y, far)


def _charges(sheet: Sheet, bill: Bill, type_: _Type, dice: random.Random, left: int, right: int, top: int) -> int:
    heads = dice.choice(_HEADS)
    rows = [[charge.name, str(charge.quantity), amount(charge.price), amount(charge.amount)] for charge in bill.charges]
    widths = [width + 24 for width in column_widths(heads, rows, type_.plain, type_.bold)]
    widths[0] = right - left - sum(widths[1:])
    columns = [
        Column(head, width, "right" if place else "left")
        for place, (head, width) in enumerate(zip(heads, widths, strict=True))
    ]
    return draw_table(sheet, left, top, columns, rows, type_.plain, type_.bold, some_ruling(dice))


def _sums(sheet: Sheet, bill: Bill, type_: _Type, dice: random.Random, right: int, top: int, sign: str) -> int:
    x, y = right - 220, top
    for word, value in (("Subtotal", bill.subtotal), (f"VAT {bill.tax_percent}%", bill.tax)):
        sheet.text(right - 6, y, amount(value), type_.plain, align="right")
        y = sheet.text(x, y, word, type_.plain) + 3
    if dice.random() < 0.5:
        sheet.box((x - 8, y, right, y + type_.bold.height + 8), fill=222)
    else:
        sheet.rule(x, right, y + 1, ink=40)
    y += 5
    sheet.text(right - 6, y, f"{sign}{amount(bill.total)}", type_.bold, align="right")
    return sheet.text(x, y, dice.choice(("Total due", "Amount due", "TOTAL", "Balance due")), type_.bold)


def _foot(sheet: Sheet, bill: Bill, type_: _Type, dice: random.Random, left: int, top: int) -> int:
    days = (bill.due - bill.day).days
    lines = [
        f"Payment within {days} days, please. Quote {bill.number}.",
        dice.choice(("Goods remain ours until paid in full.", "Thank you for your custom.", "Questions? Write to us.")),
    ]
    y = top
    for line in lines:
        y = sheet.text(left, y, line, type_.small, ink=90)
    return y


def _questions(bill: Bill, sign: str) -> tuple[Question, ...]:
    def ask(name: str, text: str, *answers: str) -> Question:
        return Question(name, text, answers)

    charge = bill.charges[bill.day.toordinal() % len(bill.charges)]
    largest = sorted(bill.charges, key=lambda each: each.amount)
    asked = [
        ask("total", "What is the amount due, tax included?", f"{sign}{amount(bill.total)}"),
        ask("number", "What is the invoice number?", bill.number),
        ask("due", "By which date is it to be paid, exactly as printed?", written_day(bill.due, bill.day_form)),
        ask("date", "What is the date of the invoice, exactly as printed?", written_day(bill.day, bill.day_form)),
        ask("customer", "Which firm is the invoice addressed to?", bill.customer),
        ask("sender", "Which firm sent the invoice?", bill.sender),
        ask("contact", "To whose attention is it sent?", bill.contact, f"Attn. {bill.contact}"),
        ask("order", "What is the customer's order reference?", bill.order),
        ask("tax", "How much is the VAT?", amount(bill.tax)),
        ask("rate", "What is the rate of VAT, in percent?", f"{bill.tax_percent}%"),
        ask("subtotal", "What is the subtotal before VAT?", amount(bill.subtotal)),
        ask("price", f"What does one unit of {charge.name} cost?", amount(charge.price)),
        ask("quantity", f"How many units of {charge.name} are charged?", str(charge.quantity)),
        ask("amount", f"What is charged for {charge.name} in all, before VAT?", amount(charge.amount)),
        ask("rows", "How many rows of charges does the table have?", str(len(bill.charges))),
    ]
    if largest[-1].amount > largest[-2].amount:
        asked.append(ask("largest", "What costs the most in all?", largest[-1].name))
    return tuple(asked)
