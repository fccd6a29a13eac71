from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from seatrial.site.db.instants import naive
from seatrial.site.votes.cast import check_voter
from seatrial.site.votes.voters import Voter, email_hash, new_voter

AT = datetime(2026, 11, 16, 9, 0)


def test_new_voters_are_all_different_and_fit() -> None:
    ids = {new_voter() for _ in range(1000)}
    assert len(ids) == 1000
    for each in ids:
        check_voter(each)


@pytest.mark.parametrize(
    ("minutes", "confirmed", "weight"),
    [(0, False, 100), (59.9, False, 100), (60, False, 250), (6000, False, 250), (0, True, 1000), (6000, True, 1000)],
)
def test_weights(minutes: float, confirmed: bool, weight: int) -> None:
    assert Voter("v", AT, AT if confirmed else None).weight_at(AT + timedelta(minutes=minutes)) == weight


@pytest.mark.parametrize("address", ["me@example.org", " Me@EXAMPLE.org ", "me+a@example.org", "ME+b+c@example.org"])
def test_one_mailbox_has_one_hash(address: str) -> None:
    assert email_hash(b"secret", address) == email_hash(b"secret", "me@example.org")


def test_other_mailboxes_and_other_secrets_have_others() -> None:
    assert len({email_hash(b"secret", each) for each in ("a@x.org", "b@x.org", "a@y.org", "+a@x.org", "+b@x.org")}) == 5
    assert email_hash(b"secret", "a@x.org") != email_hash(b"other", "a@x.org")
    assert len(email_hash(b"secret", "a@x.org")) == 64


def test_instants_are_stored_in_utc() -> None:
    at = datetime(2026, 11, 16, 10, 0, tzinfo=timezone(timedelta(hours=1)))
    assert naive(at) == AT == naive(AT.replace(tzinfo=UTC))
