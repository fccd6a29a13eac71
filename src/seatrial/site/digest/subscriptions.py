"""Who gets the digest: asked for, confirmed by a link in a mail, ended by a link in every issue.

In: addresses that anybody may have typed, and tokens that came back. Out: rows of `subscribers`, and at most three
mails in a day to an address, whoever asks and however often. What an asker is told is the same for every address.

A token proves that a mail was read and says nothing that the database cannot overrule: a confirmation older than the
reader's leave does not bring them back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import sqlalchemy as sql

from seatrial.errors import UsageError
from seatrial.site.db.inserting import insert_if_absent
from seatrial.site.db.instants import naive
from seatrial.site.db.opening import Database, reading, writing
from seatrial.site.db.tables import subscribers
from seatrial.site.mail.address import Address, masked, read_address

CONFIRM, UNSUBSCRIBE = "digest-confirm", "digest-unsubscribe"
"""What tokens are signed for."""

CONFIRM_FOR_S = 3 * 86400.0
UNSUBSCRIBE_FOR_S = 20 * 365 * 86400.0
"""How long tokens are good for. The way out of a list never closes while anybody has the mail."""

MOST_MAILS = 3
WITHIN = timedelta(days=1)
"""At most so many confirmations are mailed to an address within so long."""

UNCONFIRMED_FOR = timedelta(days=30)

MOST_BOUNCES = 3
"""So many messages in a row that were not taken end a subscription."""


class Tokens(Protocol):
    """Signs and reads: `security/tokens.py`."""

    def sign(self, purpose: str, value: str) -> str:
        """A token that says `value`."""
        ...

    def read(self, purpose: str, token: str, max_age_s: float) -> str:
        """What the token says. Raises UsageError where it is forged, for another purpose or too old."""
        ...


class AsksSubscribers(Protocol):
    """Writes to an address to have it confirmed: `mail/post.py`."""

    def ask_subscriber(self, to: Address, token: str) -> None:
        """Mail the token. Raises `mail.Unavailable`, StorageError."""
        ...


@dataclass(frozen=True, slots=True)
class Counts:
    """How many subscribers get the digest, how many have not confirmed, how many have left or bounced."""

    active: int
    asked: int
    left: int


class Subscriptions:
    """Every method may raise StorageError. `clock` gives aware UTC datetimes."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime], tokens: Tokens, post: AsksSubscribers
    ) -> None:
        self._database, self._clock, self._tokens, self._post = database, clock, tokens, post

    def subscribe(self, typed: str) -> None:
        """Ask the owner of an address whether they want the digest.

        Nothing tells the caller whether mail went out, or whether the address subscribes already. Raises UsageError for
        what is no address, and what `post` raises.
        """
        address = read_address(typed)
        now = self._now()
        with writing(self._database) as connection:
            subscriber = _ask(connection, address, now)
        if subscriber is not None:
            said = f"{subscriber} {now.isoformat()} {_spelling(address.text)}"
            self._post.ask_subscriber(address, self._tokens.sign(CONFIRM, said))

    def confirm(self, token: str) -> str:
        """Begin to send the digest. Returns the address, masked; raises UsageError for a token that is not good.

        A second time changes nothing, and a reader who has left since the token was mailed does not come back by it.
        """
        now = self._now()
        with writing(self._database) as connection:
            row = self._confirmable(connection, token, will_write=True)
            if row.confirmed_at is None or row.left_at is not None:
                _update(connection, row.id, confirmed_at=now, left_at=None, bounces=0)
        return masked(row.email)

    def unsubscribe(self, token: str) -> str:
        """Send the digest no more. Returns the address, masked; raises UsageError for a token that is not good."""
        now = self._now()
        with writing(self._database) as connection:
            row = self._of_unsubscribe(connection, token)
            if row.left_at is None:
                _update(connection, row.id, left_at=now)
        return masked(row.email)

    def who_confirms(self, token: str) -> str:
        """The address, masked, that `confirm` would act on. Changes nothing; raises as it does."""
        with reading(self._database) as connection:
            return masked(self._confirmable(connection, token).email)

    def who_unsubscribes(self, token: str) -> str:
        """The address, masked, that `unsubscribe` would act on. Changes nothing; raises as it does."""
        with reading(self._database) as connection:
            return masked(self._of_unsubscribe(connection, token).email)

    def bounce(self, typed: str, *, is_for_good: bool) -> bool:
        """Note that mail to an address came back. Whether the address is known; raises UsageError for none."""
        key = read_address(typed).key
        with writing(self._database) as connection:
            known = connection.execute(sql.select(subscribers.c.id).where(subscribers.c.email_key == key)).scalar()
            if known is not None:
                record_bounce(connection, known, is_for_good=is_for_good, at=self._now())
        return known is not None

    def forget_unconfirmed(self) -> int:
        """Delete the addresses that were never confirmed, a month after they were typed. How many there were."""
        is_old = subscribers.c.asked_at < self._now() - UNCONFIRMED_FOR
        with writing(self._database) as connection:
            gone = subscribers.delete().where(subscribers.c.confirmed_at.is_(None), is_old)
            return connection.execute(gone).rowcount

    def counts(self) -> Counts:
        """How many there are."""
        is_left, is_confirmed = subscribers.c.left_at.is_not(None), subscribers.c.confirmed_at.is_not(None)
        grouped = sql.select(is_left, is_confirmed, sql.func.count()).group_by(is_left, is_confirmed)
        with reading(self._database) as connection:
            num = {(bool(left), bool(confirmed)): count for left, confirmed, count in connection.execute(grouped)}
        left = num.get((True, True), 0) + num.get((True, False), 0)
        return Counts(active=num.get((False, True), 0), asked=num.get((False, False), 0), left=left)

    def _confirmable(
        self, connection: sql.Connection, token: str, *, will_write: bool = False
    ) -> sql.Row[tuple[object, ...]]:
        subscriber, asked, spelling = self._tokens.read(CONFIRM, token, CONFIRM_FOR_S).split(" ")
        row = _find(connection, int(subscriber), will_write=will_write)
        if row.left_at is not None and row.left_at >= datetime.fromisoformat(asked):
            raise UsageError("This link was used, and its subscription has ended since. Ask for the digest again.")
        if spelling != _spelling(row.email):
            raise UsageError(
                "The digest was asked for again since, for another spelling. Use the link in the newer mail."
            )
        return row

    def _of_unsubscribe(self, connection: sql.Connection, token: str) -> sql.Row[tuple[object, ...]]:
        return _find(connection, int(self._tokens.read(UNSUBSCRIBE, token, UNSUBSCRIBE_FOR_S)))

    def _now(self) -> datetime:
        return naive(self._clock())


def unsubscribe_token(tokens: Tokens, subscriber: int) -> str:
    """What the link out of the digest carries."""
    return tokens.sign(UNSUBSCRIBE, str(subscriber))


def is_active() -> sql.ColumnElement[bool]:
    """Who has confirmed and not left, as a condition on `subscribers`."""
    return sql.and_(subscribers.c.confirmed_at.is_not(None), subscribers.c.left_at.is_(None))


def record_bounce(connection: sql.Connection, subscriber: int, *, is_for_good: bool, at: datetime) -> None:
    """Count a message that was not taken; end the subscription where that is for good, or happened too often.

    `at` is naive UTC.
    """
    counted = subscribers.c.bounces + 1
    is_last = sql.true() if is_for_good else counted >= MOST_BOUNCES
    leaves = sql.and_(subscribers.c.left_at.is_(None), is_last)
    left_at = sql.case((leaves, sql.literal(at, sql.DateTime)), else_=subscribers.c.left_at)
    _update(connection, subscriber, bounces=counted, left_at=left_at)


def _ask(connection: sql.Connection, address: Address, now: datetime) -> int | None:
    """The subscriber to write to; None where they subscribe already, or were written to often enough.

    Counted from the last mail, so that no day has more than three, wherever it begins.
    """
    key = address.key
    insert_if_absent(connection, subscribers, email=address.text, email_key=key, asked_at=now, asked_times=0, bounces=0)
    found = sql.select(subscribers).where(subscribers.c.email_key == key).with_for_update()
    row = connection.execute(found).one()
    if row.confirmed_at is not None and row.left_at is None:
        return None
    times = 0 if now - row.asked_at >= WITHIN else row.asked_times
    if times >= MOST_MAILS:
        return None
    _update(connection, row.id, email=address.text, asked_at=now, asked_times=times + 1)
    return int(row.id)


def _spelling(email: str) -> str:
    """Which of the spellings that are one address to us a confirmation was mailed to."""
    return hashlib.sha256(email.encode()).hexdigest()[:16]


def _find(connection: sql.Connection, id: int, *, will_write: bool = False) -> sql.Row[tuple[object, ...]]:
    found = sql.select(subscribers).where(subscribers.c.id == id)
    row = connection.execute(found.with_for_update() if will_write else found).first()
    if row is None:
        raise UsageError("This link belongs to a subscription that is there no more. Ask for the digest again.")
    return row


def _update(connection: sql.Connection, id: int, **values: object) -> None:
    connection.execute(subscribers.update().where(subscribers.c.id == id).values(**values))
