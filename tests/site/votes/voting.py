"""Short ways to vote and to read what became of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from seatrial.site.db.opening import Database, reading, writing
from seatrial.site.db.tables import tallies, vote_log, votes
from seatrial.site.votes.booth import Booth, Cast, Receipt
from seatrial.site.votes.chain import verify
from seatrial.site.votes.subject import Subject, model_subject

MODEL = model_subject("smollm3-3b")
HOME = "a" * 32


def voter(number: int) -> str:
    """The id of a voter."""
    return f"{number:032x}"


def network(number: int) -> str:
    """A network that is not `HOME`."""
    return f"{number:032x}"


async def say(booth: Booth, number: int, choice: str = "ship", subject: Subject = MODEL, where: str = HOME) -> Receipt:
    """Voter `number` votes."""
    return await booth.cast(Cast(voter(number), where, subject, choice))


def log_of(database: Database) -> list[Any]:
    """The entries of the log, in order."""
    with reading(database) as connection:
        return list(connection.execute(select(vote_log).order_by(vote_log.c.seq)))


def votes_of(database: Database) -> dict[tuple[str, str], tuple[str, int]]:
    """Choice and weight by voter and subject."""
    with reading(database) as connection:
        return {(row.voter, row.subject): (row.choice, row.weight) for row in connection.execute(select(votes))}


def tallies_of(database: Database) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Voters, weight and squared weight by subject and choice, where there are any."""
    with reading(database) as connection:
        return {
            (row.subject, row.choice): (row.num_voters, row.weight, row.weight_squared)
            for row in connection.execute(select(tallies).where(tallies.c.num_voters > 0))
        }


def assert_sound(database: Database) -> None:
    """The chain is unbroken, votes and tallies are what it says."""
    found = verify(database)
    assert found.fault is None, found


def tamper(database: Database, statement: str) -> None:
    """Do what somebody with the database's password can."""
    with writing(database) as connection:
        connection.exec_driver_sql(statement)
