"""Comparisons and models as one line each, for the pages that list them.

A `Listing` or an `Entry` comes in, a line goes out: names, verdict, price and address, every text ready to print.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import quote

from seatrial.catalog.entry import Entry
from seatrial.catalog.prices import price_on
from seatrial.site.listings import Listing
from seatrial.verdict import wording
from seatrial.verdict.report.headline import BADGES

CATEGORIES = {"text": "Text", "vision-language": "Vision and language"}
RUNS = {"local": "on your machine", "hosted": "hosted, by API"}
_CODE = re.compile(r"`([^`\n]*)`")


@dataclass(frozen=True, slots=True)
class ComparisonLine:
    """A comparison in a list. `basis` is what it stands on: items measured, or published evidence alone.

    `sentence` is the verdict as plain text. `added_at` (aware UTC) is set for published runs.
    """

    slug: str
    path: str
    title: str
    names: tuple[str, ...]
    decision: str
    badge: str
    sentence: str
    basis: str
    num_items: int
    added_at: datetime | None

    def data(self) -> dict[str, Any]:
        """What a JSON twin says of it."""
        return {
            "slug": self.slug,
            "path": self.path,
            "names": list(self.names),
            "decision": self.decision,
            "sentence": self.sentence,
            "num_items": self.num_items,
            "added_at": None if self.added_at is None else self.added_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A model in a list. `retires_on` is the day its maker gives, `retires` the same in words; None and "" where no day
    is known. `commercial` False: its licence allows no commercial use.

    Prices are US dollars per million tokens today, None where none is known.
    """

    id: str
    path: str
    name: str
    maker: str
    tagline: str
    category: str
    fee: str
    runs: str
    licence: str
    commercial: bool
    context_tokens: int | None
    input_usd: float | None
    output_usd: float | None
    retires_on: date | None
    retires: str

    @property
    def price(self) -> str:
        """`$0.25 in, $2 out`, or why there is none."""
        if self.input_usd is None or self.output_usd is None:
            return "none per token" if self.fee == "Free" else "not known"
        return f"{wording.list_price(self.input_usd)} in, {wording.list_price(self.output_usd)} out"

    @property
    def context(self) -> str:
        """`400,000`, or a dash."""
        return "—" if self.context_tokens is None else f"{self.context_tokens:,}"

    def data(self) -> dict[str, Any]:
        """What a JSON twin says of it."""
        return {
            "id": self.id,
            "path": self.path,
            "name": self.name,
            "maker": self.maker,
            "tagline": self.tagline,
            "category": self.category,
            "entry": self.fee.lower(),
            "runs": self.runs,
            "licence": self.licence,
            "commercial_use": self.commercial,
            "context_tokens": self.context_tokens,
            "input_usd_per_million_tokens": self.input_usd,
            "output_usd_per_million_tokens": self.output_usd,
            "retires_on": None if self.retires_on is None else self.retires_on.isoformat(),
        }


def comparison_line(listing: Listing) -> ComparisonLine:
    """A comparison in a list."""
    names = {candidate.id: candidate.name for candidate in listing.candidates}
    return ComparisonLine(
        slug=listing.slug,
        path=listing.path,
        title=listing.title,
        names=tuple(names.values()),
        decision=listing.decision,
        badge=BADGES.get(listing.decision, listing.decision),
        sentence=readable(listing.sentence, names),
        basis=basis(listing.num_items),
        num_items=listing.num_items,
        added_at=listing.added_at,
    )


def model_line(entry: Entry, today: date) -> ModelLine:
    """A model in a list, with the price that holds today."""
    price = price_on(entry, today)
    retires_on = entry.retirement[0].value.on if entry.retirement else None
    return ModelLine(
        id=entry.id,
        path=model_path(entry.id),
        name=entry.name,
        maker=entry.maker,
        tagline=entry.tagline,
        category=entry.category,
        fee=entry.entry.capitalize(),
        runs=RUNS[entry.runs],
        licence=entry.licence[0].value.name if entry.licence else "not known",
        commercial=not entry.licence or entry.licence[0].value.commercial,
        context_tokens=entry.context_tokens[0].value if entry.context_tokens else None,
        input_usd=price.value.input_usd if price else None,
        output_usd=price.value.output_usd if price else None,
        retires_on=retires_on,
        retires="" if retires_on is None else shutdown(retires_on, today),
    )


def shutdown(on: date, today: date) -> str:
    """`shuts down on 11 December 2026, in 19 days`, or `was shut down on …`."""
    verb = "shuts down on" if on >= today else "was shut down on"
    return f"{verb} {wording.day(on)}, {wording.from_today((on - today).days)}"


def basis(num_items: int) -> str:
    """What a comparison stands on."""
    if not num_items:
        return "from published evidence alone"
    return f"{num_items:,} {'item' if num_items == 1 else 'items'} measured"


def readable(text: str, names: Mapping[str, str]) -> str:
    """A text as people read it: what stands between backticks loses them, a candidate's id becomes its name."""
    return _CODE.sub(lambda code: names.get(code[1], code[1]), text)


def model_path(id: str) -> str:
    """Where a model's page is."""
    return f"/models/{quote(id, safe='')}"


def category_path(category: str) -> str:
    """Where a category's page is."""
    return f"/categories/{quote(category, safe='')}"


def by_name(entries: Iterable[Entry]) -> list[Entry]:
    """Entries as a reader looks for them: by name, case aside."""
    return sorted(entries, key=lambda entry: (entry.name.casefold(), entry.id))
