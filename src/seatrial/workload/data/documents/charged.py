"""What is charged on a receipt or an invoice: rows of articles, tax, and what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Charge(NamedTuple):
    """A row: an article, how many, and the price of one in hundredths."""

    name: str
    quantity: int
    price: int

    @property
    def amount(self) -> int:
        """What they come to together, hundredths."""
        return self.quantity * self.price


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """Rows and a rate of tax. Amounts in hundredths."""

    charges: tuple[Charge, ...]
    tax_percent: int

    @property
    def subtotal(self) -> int:
        """Before tax."""
        return sum(charge.amount for charge in self.charges)

    @property
    def tax(self) -> int:
        """Tax on the subtotal, rounded half up."""
        return (self.subtotal * self.tax_percent + 50) // 100

    @property
    def total(self) -> int:
        """To be paid."""
        return self.subtotal + self.tax
