"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SettableClock:
    """`clock()` is the instant, aware, in UTC; assign `clock.now`, or `clock.advance(hours=1)`."""

    def __init__(self, now: datetime = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> datetime:
        """Move on by what `timedelta` takes: `seconds=`, `hours=`, `days=`."""
        self.now += timedelta(**by)
        return self.now
