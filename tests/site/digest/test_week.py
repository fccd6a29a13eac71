"""Weeks are ISO's, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import UsageError
from seatrial.site.digest.week import Week, read_week, week_of

INSTANTS = st.datetimes(datetime(2001, 1, 2), datetime(9000, 1, 1), timezones=st.just(UTC))


def test_a_week_begins_on_monday() -> None:
    week = read_week("2026-W47")
    assert week == Week(2026, 47)
    assert (week.begins_at, week.ends_at) == (datetime(2026, 11, 16, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))
    assert week_of(datetime(2026, 11, 23, 0, 30, tzinfo=timezone(timedelta(hours=1)))) == week
    assert str(Week(2027, 1).before()) == "2026-W53"


@given(at=INSTANTS)
def test_every_instant_lies_in_one_week(at: datetime) -> None:
    week = week_of(at)
    assert week.begins_at <= at < week.ends_at
    assert read_week(str(week)) == week
    assert week.before().ends_at == week.begins_at
    assert week.before() < week


@pytest.mark.parametrize(
    "text",
    ["", "2026-47", "2026W47", "2026-W00", "2026-W54", "2025-W53", "2026-w47", "2026-W47\n", "٢٠٢٦-W47", "1999-W01"],
)
def test_what_is_no_week_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="2026-W47"):
        read_week(text)
