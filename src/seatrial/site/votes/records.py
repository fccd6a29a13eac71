"""Votes as they stand, each with its network and instant: what the analyses read, out of the log alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select

from seatrial.site.db.opening import Database, reading
from seatrial.site.db.tables import vote_log
from seatrial.site.votes.subject import WITHDRAWN

_AT_ONCE = 5_000


class VoteRecord(NamedTuple):
    """One vote. `weight` in thousandths, `at` in UTC without a zone."""

    voter: str
    network: str
    subject: str
    choice: str
    weight: int
    at: datetime


def read_votes(database: Database, *, subject: str | None = None, beginning: str | None = None) -> Iterator[VoteRecord]:
    """Every vote, in the order they were cast: on `subject` alone, or on subjects that begin with `beginning`.

    A vote has the instant at which its voter first said so, however often it was weighed since. Raises StorageError.
    """
    log, of_vote = vote_log.c, (vote_log.c.voter, vote_log.c.subject)
    first_at = func.min(log.at).over(partition_by=(*of_vote, log.choice))
    newest = func.row_number().over(partition_by=of_vote, order_by=log.seq.desc())
    said = select(vote_log, first_at.label("first_at"), newest.label("newest"))
    if subject is not None:
        said = said.where(log.subject == subject)
    if beginning is not None:
        said = said.where(log.subject.startswith(beginning, autoescape=True))
    entry = said.subquery().c
    wanted = (
        select(entry.voter, entry.network, entry.subject, entry.choice, entry.weight, entry.first_at)
        .where(entry.newest == 1, entry.choice != WITHDRAWN)
        .order_by(entry.seq)
    )
    with reading(database) as connection:
        for row in connection.execute(wanted, execution_options={"yield_per": _AT_ONCE}):
            yield VoteRecord(*row)
