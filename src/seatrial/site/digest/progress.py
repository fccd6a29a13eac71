"""How far an issue has come: what `sends` says, and who still waits."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sql

from seatrial.site.db.instants import naive
from seatrial.site.db.opening import Database, reading
from seatrial.site.db.tables import sends, subscribers
from seatrial.site.digest.subscriptions import is_active
from seatrial.site.digest.writing import Issue

_MOST_REASONS = 10


@dataclass(frozen=True, slots=True)
class Progress:
    """Numbers of subscribers. `unknown`: claimed, and nobody said what became of it; `waiting`: nothing tried yet.

    `reasons` are those most often given for what failed, with how often.
    """

    sent: int
    failed: int
    unknown: int
    waiting: int
    reasons: tuple[tuple[str, int], ...] = ()


def progress_of(database: Database, issue: Issue) -> Progress:
    """How far the issue has come. Raises StorageError."""
    of_week = sends.c.week == str(issue.week)
    states = sql.select(sends.c.state, sql.func.count()).where(of_week).group_by(sends.c.state)
    num = sql.func.count()
    reasons = (
        sql.select(sends.c.reason, num)
        .where(of_week, sends.c.state == "failed")
        .group_by(sends.c.reason)
        .order_by(num.desc(), sends.c.reason)
        .limit(_MOST_REASONS)
    )
    with reading(database) as connection:
        count: dict[str, int] = {row[0]: row[1] for row in connection.execute(states)}
        waiting = connection.execute(sql.select(sql.func.count()).select_from(subscribers).where(is_waiting(issue)))
        return Progress(
            sent=count.get("sent", 0),
            failed=count.get("failed", 0),
            unknown=count.get("claimed", 0),
            waiting=waiting.scalar_one(),
            reasons=tuple((reason, number) for reason, number in connection.execute(reasons)),
        )


def is_waiting(issue: Issue) -> sql.ColumnElement[bool]:
    """Who is to get the issue and has no row of it, as a condition on `subscribers`.

    It goes to those who were subscribers when it was written, so that sending it again sends nothing.
    """
    has_row = sql.exists().where(sends.c.week == str(issue.week), sends.c.subscriber == subscribers.c.id)
    return sql.and_(is_active(), subscribers.c.confirmed_at <= naive(issue.written_at), ~has_row)
