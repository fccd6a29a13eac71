"""However mails are asked for, no day has more than three for one mailbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from seatrial.site.mail.sparing import MOST, WITHIN, Sparing


@given(pauses_h=st.lists(st.floats(0, 30), max_size=60))
def test_no_day_has_more_than_three(pauses_h: list[float]) -> None:
    now = datetime(2026, 11, 16, tzinfo=UTC)
    sparing, taken = Sparing(lambda: now), []
    for pause_h in pauses_h:
        now += timedelta(hours=pause_h)
        if sparing.take("a@example.org"):
            taken.append(now)
        else:
            assert len([at for at in taken if now - at < WITHIN]) == MOST
    assert all(len([at for at in taken if begin <= at < begin + WITHIN]) <= MOST for begin in taken)


def test_mailboxes_are_counted_apart_and_a_bounded_number_of_them() -> None:
    now = datetime(2026, 11, 16, tzinfo=UTC)
    sparing = Sparing(lambda: now, most=1, most_mailboxes=2)
    assert sparing.take("a")
    assert sparing.take("b")
    assert not sparing.take("a")
    assert sparing.take("c")  # and `b` is forgotten
    assert not sparing.take("a")
    assert sparing.take("b")
