"""Weeks as ISO 8601 numbers them: `2026-W47` goes from Monday 2026-11-16, 00:00 UTC, to the Monday after it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from seatrial.errors import UsageError

_FORM = re.compile(r"([2-9][0-9]{3})-W([0-9]{2})", re.ASCII)
_LENGTH = timedelta(weeks=1)
_YEARS = range(2000, 9999)


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """A week of an ISO year; `str` writes it as `2026-W47`."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04}-W{self.number:02}"

    @property
    def begins_at(self) -> datetime:
        """Its first instant, aware UTC."""
        return datetime.combine(date.fromisocalendar(self.year, self.number, 1), time(), UTC)

    @property
    def ends_at(self) -> datetime:
        """The first instant of the next week."""
        return self.begins_at + _LENGTH

    def before(self) -> Week:
        """The week before."""
        return week_of(self.begins_at - _LENGTH)


def week_of(at: datetime) -> Week:
    """The week that an instant (aware) lies in."""
    year, number, _ = at.astimezone(UTC).date().isocalendar()
    return Week(year, number)


def read_week(text: str) -> Week:
    """The week that `text` names. Raises UsageError."""
    form = _FORM.fullmatch(text)
    try:
        if form is None or int(form[1]) not in _YEARS:
            raise ValueError
        date.fromisocalendar(int(form[1]), int(form[2]), 1)
    except ValueError:
        raise UsageError(
            f"`{text[:40]!r}` is not a week. Write year and ISO week as in 2026-W47; a year has 52 or 53.", field="week"
        ) from None
    return Week(int(form[1]), int(form[2]))
