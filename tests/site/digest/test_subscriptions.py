"""Subscribing takes a yes from the mailbox itself, leaving takes one click, and nobody can be bombed or found out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from readers import subscriber

from seatrial.errors import UsageError
from seatrial.site.digest.subscriptions import (
    CONFIRM,
    CONFIRM_FOR_S,
    MOST_MAILS,
    UNSUBSCRIBE,
    WITHIN,
    Counts,
    Subscriptions,
    unsubscribe_token,
)
from seatrial.site.mail.address import Address
from seatrial.site.mail.carriers import Unavailable
from seatrial.site.security.tokens import Tokens

EMAIL = "anna@example.org"
_numbers = count()


class Post:
    """Keeps what would be mailed."""

    def __init__(self, clock: Any) -> None:
        self.clock, self.mails, self.is_down = clock, list[tuple[str, str, datetime]](), False

    def ask_subscriber(self, to: Address, token: str) -> None:
        if self.is_down:
            raise Unavailable("down")
        self.mails.append((to.text, token, self.clock()))

    @property
    def token(self) -> str:
        return self.mails[-1][1]


@pytest.fixture
def post(clock: Any) -> Post:
    return Post(clock)


@pytest.fixture
def subscriptions(database: Any, clock: Any, tokens: Tokens, post: Post) -> Subscriptions:
    return Subscriptions(database, clock, tokens, post)


def leave(subscriptions: Subscriptions, tokens: Tokens, database: Any, email: str = EMAIL) -> str:
    return subscriptions.unsubscribe(unsubscribe_token(tokens, subscriber(database, email).id))


def test_from_asking_to_leaving_and_back(
    subscriptions: Subscriptions, post: Post, tokens: Tokens, database: Any, clock: Any
) -> None:
    subscriptions.subscribe(" Anna@Example.org")
    assert subscriptions.counts() == Counts(active=0, asked=1, left=0)
    assert [to for to, _, _ in post.mails] == ["Anna@example.org"]
    assert subscriptions.who_confirms(post.token) == "A…@example.org"
    assert subscriptions.counts().active == 0
    clock.advance(hours=1)
    assert subscriptions.confirm(post.token) == "A…@example.org"
    assert subscriptions.counts() == Counts(active=1, asked=0, left=0)

    out = unsubscribe_token(tokens, subscriber(database, "Anna@example.org").id)
    clock.advance(days=300)
    assert subscriptions.who_unsubscribes(out) == "A…@example.org"
    assert subscriptions.counts().active == 1
    assert subscriptions.unsubscribe(out) == "A…@example.org"
    left_at = subscriber(database, "Anna@example.org").left_at
    clock.advance(days=1)
    subscriptions.unsubscribe(out)
    assert subscriber(database, "Anna@example.org").left_at == left_at
    assert subscriptions.counts() == Counts(active=0, asked=0, left=1)

    clock.advance(days=1)
    subscriptions.subscribe(EMAIL)
    assert subscriptions.counts().active == 0
    assert subscriptions.confirm(post.token) == "a…@example.org"
    assert subscriptions.counts() == Counts(active=1, asked=0, left=0)


def test_a_subscriber_who_is_asked_for_again_gets_no_mail(subscriptions: Subscriptions, post: Post, clock: Any) -> None:
    subscriptions.subscribe(EMAIL)
    subscriptions.confirm(post.token)
    clock.advance(days=30)
    subscriptions.subscribe(EMAIL)
    assert len(post.mails) == 1
    assert subscriptions.counts().active == 1


def test_hundreds_of_sign_ups_of_one_address_are_three_mails(
    subscriptions: Subscriptions, post: Post, clock: Any
) -> None:
    def ask(thread: int) -> None:
        for i in range(40):
            subscriptions.subscribe(EMAIL.upper() if (thread + i) % 2 else EMAIL)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(post.mails) == MOST_MAILS == 3
    assert subscriptions.counts() == Counts(active=0, asked=1, left=0)
    subscriptions.confirm(post.token)
    assert subscriptions.counts().active == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pauses_h=st.lists(st.floats(0, 26), min_size=1, max_size=25))
def test_no_day_has_more_than_three_mails(
    subscriptions: Subscriptions, post: Post, clock: Any, pauses_h: list[float]
) -> None:
    email = f"a{next(_numbers)}@example.org"
    for pause_h in pauses_h:
        clock.advance(hours=pause_h)
        subscriptions.subscribe(email)
    sent = [at for to, _, at in post.mails if to == email]
    assert sent
    assert all(len([at for at in sent if begin <= at < begin + WITHIN]) <= MOST_MAILS for begin in sent)


def test_a_reader_who_asked_three_times_may_ask_the_next_day(
    subscriptions: Subscriptions, post: Post, clock: Any
) -> None:
    for _ in range(5):
        subscriptions.subscribe(EMAIL)
        clock.advance(minutes=1)
    assert len(post.mails) == 3
    clock.advance(days=1)
    subscriptions.subscribe(EMAIL)
    assert len(post.mails) == 4


def test_every_mailed_link_is_good_until_its_time_is_over(subscriptions: Subscriptions, post: Post, clock: Any) -> None:
    subscriptions.subscribe(EMAIL)
    clock.advance(hours=1)
    subscriptions.subscribe(EMAIL)
    first, second = (token for _, token, _ in post.mails)
    assert first != second
    subscriptions.confirm(first)
    subscriptions.confirm(second)
    clock.advance(seconds=CONFIRM_FOR_S + 2)
    with pytest.raises(UsageError, match="3 days"):
        subscriptions.confirm(second)


def test_a_replayed_confirmation_does_not_bring_anybody_back(
    subscriptions: Subscriptions, post: Post, tokens: Tokens, database: Any, clock: Any
) -> None:
    subscriptions.subscribe(EMAIL)
    token = post.token
    subscriptions.confirm(token)
    confirmed = subscriber(database, EMAIL)
    clock.advance(hours=1)
    subscriptions.confirm(token)
    assert subscriber(database, EMAIL) == confirmed
    leave(subscriptions, tokens, database)
    clock.advance(hours=1)
    for replay in (subscriptions.confirm, subscriptions.who_confirms):
        with pytest.raises(UsageError, match="has ended since"):
            replay(token)
    assert subscriptions.counts() == Counts(active=0, asked=0, left=1)


def test_leaving_before_confirming_ends_the_link(
    subscriptions: Subscriptions, post: Post, tokens: Tokens, database: Any, clock: Any
) -> None:
    subscriptions.subscribe(EMAIL)
    clock.advance(hours=1)
    leave(subscriptions, tokens, database)
    with pytest.raises(UsageError, match="has ended since"):
        subscriptions.confirm(post.token)


def test_a_link_confirms_the_spelling_that_it_was_mailed_to(subscriptions: Subscriptions, post: Post) -> None:
    subscriptions.subscribe("strasse@example.org")
    earlier = post.token
    subscriptions.subscribe("straße@example.org")
    with pytest.raises(UsageError, match="newer mail"):
        subscriptions.confirm(earlier)
    assert subscriptions.confirm(post.token) == "s…@example.org"


def forgeries(token: str, clock: Any, subscriber_id: int) -> Iterator[str]:
    yield from ("", ".", "..", "0", "\x00", "é", token[:-1], token + "A", token.upper(), token * 2, "a" * 5000)
    for place in range(0, len(token), 3):
        other = "B" if token[place] != "B" else "C"
        yield token[:place] + other + token[place + 1 :]
    for secret in (b"", b"secret", b"t" * 32):
        yield Tokens(secret or b"x", clock=clock).sign(UNSUBSCRIBE, str(subscriber_id))
        yield Tokens(secret or b"x", clock=clock).sign(CONFIRM, f"{subscriber_id} {clock():%Y-%m-%d} 0")


def test_forged_tokens_do_nothing(
    subscriptions: Subscriptions, post: Post, tokens: Tokens, database: Any, clock: Any
) -> None:
    subscriptions.subscribe(EMAIL)
    reader = subscriber(database, EMAIL).id
    for forged in forgeries(post.token, clock, reader):
        with pytest.raises(UsageError):
            subscriptions.confirm(forged)
    assert subscriptions.counts().active == 0
    with pytest.raises(UsageError):
        subscriptions.confirm(unsubscribe_token(tokens, reader))
    subscriptions.confirm(post.token)
    for forged in forgeries(unsubscribe_token(tokens, reader), clock, reader):
        with pytest.raises(UsageError):
            subscriptions.unsubscribe(forged)
    with pytest.raises(UsageError):
        subscriptions.unsubscribe(post.token)
    with pytest.raises(UsageError, match="there no more"):
        subscriptions.unsubscribe(unsubscribe_token(tokens, reader + 1))
    assert subscriptions.counts().active == 1


def test_mail_that_does_not_go_out_is_said_and_may_be_asked_for_again(subscriptions: Subscriptions, post: Post) -> None:
    post.is_down = True
    with pytest.raises(Unavailable):
        subscriptions.subscribe(EMAIL)
    post.is_down = False
    subscriptions.subscribe(EMAIL)
    subscriptions.confirm(post.token)
    assert subscriptions.counts().active == 1


@pytest.mark.parametrize(
    "typed", ["", "anna", "anna@example.org\r\nBcc: all@example.org", "a@b@c", "x" * 5000 + "@a.org"]
)
def test_no_address_leaves_no_row(subscriptions: Subscriptions, post: Post, typed: str) -> None:
    with pytest.raises(UsageError):
        subscriptions.subscribe(typed)
    assert post.mails == []
    assert subscriptions.counts() == Counts(0, 0, 0)


def test_bounces_end_a_subscription(subscriptions: Subscriptions, post: Post, database: Any, clock: Any) -> None:
    for email in (EMAIL, "bert@example.org"):
        subscriptions.subscribe(email)
        subscriptions.confirm(post.token)
    assert subscriptions.bounce(EMAIL.upper(), is_for_good=True)
    assert subscriptions.counts() == Counts(active=1, asked=0, left=1)
    for num in range(3):
        assert subscriptions.counts().active == 1, num
        assert subscriptions.bounce("bert@example.org", is_for_good=False)
    assert subscriptions.counts() == Counts(active=0, asked=0, left=2)
    assert not subscriptions.bounce("nobody@example.org", is_for_good=True)
    clock.advance(days=2)
    subscriptions.subscribe(EMAIL)
    subscriptions.confirm(post.token)
    row = subscriber(database, EMAIL)
    assert (row.bounces, row.left_at) == (0, None)


def test_addresses_that_nobody_confirmed_are_forgotten_after_a_month(
    subscriptions: Subscriptions, post: Post, clock: Any
) -> None:
    subscriptions.subscribe(EMAIL)
    subscriptions.confirm(post.token)
    subscriptions.subscribe("bert@example.org")
    token = post.token
    clock.advance(days=29)
    assert subscriptions.forget_unconfirmed() == 0
    clock.advance(days=2)
    assert subscriptions.forget_unconfirmed() == 1
    assert subscriptions.counts() == Counts(active=1, asked=0, left=0)
    clock.now -= timedelta(days=31)
    with pytest.raises(UsageError, match="there no more"):
        subscriptions.confirm(token)
