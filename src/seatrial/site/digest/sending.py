"""Sending an issue: to each subscriber once, whatever happens in between.

In: a stored issue and a carrier. Out: a row of `sends` for each subscriber. A row says `claimed` before its message
leaves and `sent` or `failed` after. Claiming is an insert under the key of week and subscriber, so that of two senders
one has it. A message that was certainly not taken gives its claim back; one that may have been keeps it.

A claim that was left behind (the sender was killed, the connection broke at the last moment) is looked up where the
carrier can say, which the outbox can by the Message-ID. An SMTP server cannot; then a person decides, by `resolve`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sql

from seatrial.errors import StorageError
from seatrial.site.db.inserting import insert_if_absent
from seatrial.site.db.instants import naive
from seatrial.site.db.opening import Database, reading, writing
from seatrial.site.db.tables import sends, subscribers
from seatrial.site.digest.letters import Letters
from seatrial.site.digest.progress import Progress, is_waiting, progress_of
from seatrial.site.digest.subscriptions import is_active, record_bounce
from seatrial.site.digest.writing import Issue
from seatrial.site.mail.carriers import Carrier, Deferred, Refused, Unavailable, Uncertain

Resolve = Literal["sent", "again"]

IN_FLIGHT = timedelta(minutes=15)
"""How long a claim may still be under way in another process: longer than a mail server may think about a message."""

MOST_REFUSALS = 20
"""So many in a row, and it is the server rather than the addresses."""

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """`num_sent` by this sender; `progress` of the issue, by all; `stopped` says why it ended early."""

    num_sent: int
    progress: Progress
    stopped: str | None


class Sending:
    """Sends through `carrier`. `clock` gives aware UTC datetimes."""

    def __init__(self, database: Database, carrier: Carrier, letters: Letters, clock: Callable[[], datetime]) -> None:
        self._database, self._carrier, self._letters, self._clock = database, carrier, letters, clock

    def send(self, issue: Issue, *, resolve: Resolve | None = None) -> Outcome:
        """Send the issue to every subscriber who has not got it. Again: goes on where it stopped.

        `resolve` says what became of messages of which nobody knows whether they were taken: `sent`, or not, so that
        they go out `again`. It does not touch those that may be under way. Raises StorageError for the database; of
        what befalls the carrier, `Outcome.stopped` tells.
        """
        num_sent, num_refused = 0, 0
        try:
            for subscriber, email in self._due(issue, resolve):
                is_sent = self._deliver(issue, subscriber, email)
                num_sent += is_sent
                num_refused = 0 if is_sent else num_refused + 1
                if num_refused >= MOST_REFUSALS:
                    return self._outcome(issue, num_sent, _too_many_refusals())
        except (Unavailable, Uncertain, _CarrierDiskFull) as error:
            return self._outcome(issue, num_sent, str(error))
        return self._outcome(issue, num_sent, None)

    def _due(self, issue: Issue, resolve: Resolve | None) -> Iterator[tuple[int, str]]:
        """Subscribers whose message is ours to send now: each is claimed when it is yielded."""
        for subscriber, claimed_at in self._claims(issue):
            if self._is_ours_again(issue, subscriber, claimed_at, resolve):
                email = self._claim_again(issue, subscriber, claimed_at)
                if email is not None:
                    yield subscriber, email
        for subscriber, email in self._waiting(issue):
            if self._claim(issue, subscriber, email):
                yield subscriber, email

    def _is_ours_again(self, issue: Issue, subscriber: int, claimed_at: datetime, resolve: Resolve | None) -> bool:
        """Whether a message that somebody claimed was not sent; where it was, the row says so from now on."""
        is_carried = self._carrier.holds(self._letters.message_id(issue, subscriber))
        if is_carried is None and resolve is not None and self._now() - claimed_at >= IN_FLIGHT:
            is_carried = resolve == "sent"
        if is_carried:
            self._mark(issue, subscriber, "sent")
        return is_carried is False

    def _deliver(self, issue: Issue, subscriber: int, email: str) -> bool:
        """Send one message that is claimed; False where its address did not take it."""
        try:
            self._carrier.send(self._letters.write(issue, subscriber, email, at=self._clock()))
        except Uncertain:
            raise
        except (Refused, Deferred) as error:
            self._fail(issue, subscriber, str(error), is_for_good=isinstance(error, Refused))
            return False
        except Unavailable:
            self._give_back(issue, subscriber)
            raise
        except StorageError as error:
            self._give_back(issue, subscriber)
            raise _CarrierDiskFull(str(error)) from error
        self._mark(issue, subscriber, "sent")
        return True

    def _claims(self, issue: Issue) -> list[tuple[int, datetime]]:
        claimed = sql.select(sends.c.subscriber, sends.c.at).where(*_of(issue), sends.c.state == "claimed")
        with reading(self._database) as connection:
            return [(row.subscriber, row.at) for row in connection.execute(claimed.order_by(sends.c.subscriber))]

    def _waiting(self, issue: Issue) -> Iterator[tuple[int, str]]:
        last = 0
        while True:
            batch = (
                sql.select(subscribers.c.id, subscribers.c.email)
                .where(subscribers.c.id > last, is_waiting(issue))
                .order_by(subscribers.c.id)
                .limit(_BATCH)
            )
            with reading(self._database) as connection:
                rows = connection.execute(batch).all()
            yield from ((row.id, row.email) for row in rows)
            if len(rows) < _BATCH:
                return
            last = rows[-1].id

    def _claim(self, issue: Issue, subscriber: int, email: str) -> bool:
        """Whether the message is ours: not another sender's, and its reader still wants it at this address."""
        wants = sql.select(subscribers.c.id).where(
            subscribers.c.id == subscriber, subscribers.c.email == email, is_active()
        )
        with writing(self._database) as connection:
            return connection.execute(wants).first() is not None and insert_if_absent(
                connection,
                sends,
                week=str(issue.week),
                subscriber=subscriber,
                state="claimed",
                at=self._now(),
                reason="",
            )

    def _claim_again(self, issue: Issue, subscriber: int, claimed_at: datetime) -> str | None:
        """The address, where the left claim is ours now; None where another sender has it, or its reader has left."""
        with writing(self._database) as connection:
            mine = sends.update().where(*_of(issue, subscriber), sends.c.state == "claimed", sends.c.at == claimed_at)
            if connection.execute(mine.values(at=self._now())).rowcount == 0:
                return None
            wants = sql.select(subscribers.c.email).where(subscribers.c.id == subscriber, is_active())
            email: str | None = connection.execute(wants).scalar()
            if email is None:
                left = {"state": "failed", "reason": "left before it was sent"}
                connection.execute(sends.update().where(*_of(issue, subscriber)).values(**left))
            return email

    def _mark(self, issue: Issue, subscriber: int, state: str) -> None:
        with writing(self._database) as connection:
            row = sends.update().where(*_of(issue, subscriber), sends.c.state == "claimed")
            connection.execute(row.values(state=state, at=self._now()))
            bounced = subscribers.c.id == subscriber, subscribers.c.bounces > 0
            connection.execute(subscribers.update().where(*bounced, is_active()).values(bounces=0))

    def _fail(self, issue: Issue, subscriber: int, reason: str, *, is_for_good: bool) -> None:
        now = self._now()
        with writing(self._database) as connection:
            row = sends.update().where(*_of(issue, subscriber))
            connection.execute(row.values(state="failed", at=now, reason=reason.replace("\x00", "")))
            record_bounce(connection, subscriber, is_for_good=is_for_good, at=now)

    def _give_back(self, issue: Issue, subscriber: int) -> None:
        with writing(self._database) as connection:
            connection.execute(sends.delete().where(*_of(issue, subscriber), sends.c.state == "claimed"))

    def _outcome(self, issue: Issue, num_sent: int, stopped: str | None) -> Outcome:
        return Outcome(num_sent, progress_of(self._database, issue), stopped)

    def _now(self) -> datetime:
        return naive(self._clock())


class _CarrierDiskFull(Exception):
    """The carrier's disk, not the database's."""


def _of(issue: Issue, subscriber: int | None = None) -> list[sql.ColumnElement[bool]]:
    of_week = sends.c.week == str(issue.week)
    return [of_week] if subscriber is None else [of_week, sends.c.subscriber == subscriber]


def _too_many_refusals() -> str:
    return (
        f"The mail server refused {MOST_REFUSALS} addresses one after the other, so it may be the server that is "
        "wrong. `seatrial digest status` shows what it said."
    )
