"""What changed between two instants: verdicts, list prices, retirements.

In: the library, for the published runs and the catalog. Out: changes in the order in which they happened, of three
kinds. The catalog's are dated by the catalog: a price changes on the day from which it holds, and a retirement is told
ninety, thirty and seven days before and on the day itself. What the catalog learns later of a week whose issue is
written is in the feed and in no issue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from seatrial.catalog.entry import Entry, Price
from seatrial.catalog.loading import Catalog
from seatrial.site.library import Library
from seatrial.site.listings import Standing

NOTICE_DAYS = (90, 30, 7, 0)
"""How many days before a retirement it is told."""

_CATALOG_SPAN = timedelta(days=730)


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A comparison that is new (`before` None), or whose verdict is another one.

    `title` is as in `GPT-5 mini or SmolLM3-3B`.
    """

    slug: str
    title: str
    at: datetime
    before: Standing | None
    after: Standing


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A list price from a day on; `before` None where none was known. Both are of the same tier."""

    model: str
    name: str
    at: datetime
    before: Price | None
    after: Price


@dataclass(frozen=True, slots=True)
class RetirementNotice:
    """A model that will be, or is, retired: `days` after `at`, on the day `on`. `replacement` is its maker's word."""

    model: str
    name: str
    at: datetime
    on: date
    days: int
    replacement: str | None


Change = VerdictChange | PriceChange | RetirementNotice


def changes_between(library: Library, since: datetime, until: datetime) -> list[Change]:
    """What changed from `since` until before `until` (both aware UTC), oldest first."""
    return sorted(
        [*_verdict_changes(library, since, until), *catalog_changes(library.catalog, since, until)], key=lambda c: c.at
    )


def latest_changes(library: Library, until: datetime, limit: int) -> list[Change]:
    """The last `limit` changes before `until`, newest first; of the catalog's, those of two years."""
    verdicts = _verdict_changes(library, None, until, limit)
    found = [*verdicts, *catalog_changes(library.catalog, until - _CATALOG_SPAN, until)]
    return sorted(found, key=lambda c: c.at, reverse=True)[:limit]


def catalog_changes(catalog: Catalog, since: datetime, until: datetime) -> list[PriceChange | RetirementNotice]:
    """What the catalog's dates say happened in that time, by model."""
    found: list[PriceChange | RetirementNotice] = []
    for entry in catalog.entries.values():
        found += _prices(entry)
        found += _retirements(entry)
    return [change for change in found if since <= change.at < until]


def _verdict_changes(
    library: Library, since: datetime | None, until: datetime, limit: int | None = None
) -> Iterator[VerdictChange]:
    changes = library.changes(since=since, until=until, limit=limit)
    titles = {listing.slug: listing.title for listing in library.published()}
    for change in changes:
        if change.is_new or change.is_flip:
            title = titles.get(change.slug, change.slug)  # the slug where it was removed this very moment
            yield VerdictChange(change.slug, title, change.now.at, change.before, change.now)


def _prices(entry: Entry) -> Iterator[PriceChange]:
    """Of sources that give a price from the same day on, the first counts."""
    by_tier: dict[int | None, dict[date, Price]] = {}
    for fact in entry.prices:
        of_tier = by_tier.setdefault(fact.value.above_prompt_tokens, {})
        of_tier.setdefault(fact.value.valid_from or date.min, fact.value)
    for of_tier in by_tier.values():
        days = sorted(of_tier)
        for before_day, day in zip([None, *days], days, strict=False):
            before, after = None if before_day is None else of_tier[before_day], of_tier[day]
            if day > date.min and (before is None or _figures(before) != _figures(after)):
                yield PriceChange(entry.id, entry.name, _midnight(day), before, after)


def _retirements(entry: Entry) -> Iterator[RetirementNotice]:
    """The date that the most trusted source gives."""
    for fact in entry.retirement[:1]:
        for days in NOTICE_DAYS:
            at = _midnight(fact.value.on) - timedelta(days=days)
            yield RetirementNotice(entry.id, entry.name, at, fact.value.on, days, fact.value.replacement)


def _figures(price: Price) -> tuple[float, float, float | None]:
    return (price.input_usd, price.output_usd, price.cached_input_usd)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
