"""The voter's cookie names a voter to us alone."""

from __future__ import annotations

from datetime import UTC, datetime
from http.cookies import SimpleCookie

import pytest

from seatrial.site.security.cookies import VoterCookie
from seatrial.site.security.tokens import Tokens

VOTER = "0123456789abcdef" * 2


def cookie(*, is_https: bool, secret: bytes = b"s" * 32) -> VoterCookie:
    return VoterCookie(Tokens(secret, clock=lambda: datetime(2026, 11, 20, tzinfo=UTC)), is_https=is_https)


@pytest.mark.parametrize("is_https", [True, False])
def test_what_is_set_is_read(is_https: bool) -> None:
    ours = cookie(is_https=is_https)
    sent = SimpleCookie(ours.header(VOTER))
    assert ours.read({name: morsel.value for name, morsel in sent.items()}) == VOTER
    (morsel,) = sent.values()
    assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "Lax", "/")
    assert bool(morsel["secure"]) is is_https
    assert not morsel["domain"]


def test_on_https_it_is_for_this_host_alone() -> None:
    assert cookie(is_https=True).name == "__Host-voter"
    assert cookie(is_https=True).read({"voter": "x"}) is None


@pytest.mark.parametrize("value", ["", VOTER, "x.y.z", "a" * 5000])
def test_what_we_did_not_sign_names_nobody(value: str) -> None:
    assert cookie(is_https=False).read({"voter": value}) is None


def test_a_cookie_of_another_secret_names_nobody() -> None:
    header = cookie(is_https=False, secret=b"t" * 32).header(VOTER)
    value = header.partition(";")[0].partition("=")[2]
    assert cookie(is_https=False).read({"voter": value}) is None


def test_new_voters_differ_and_fit() -> None:
    ours = cookie(is_https=False)
    ids = {ours.new_id() for _ in range(100)}
    assert len(ids) == 100
    header = ours.header(ids.pop())
    assert "\n" not in header
