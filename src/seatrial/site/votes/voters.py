"""Voters: who they are, what their votes weigh, and the one address each may have.

A voter is a random id in a signed cookie. A vote weighs a quarter; a tenth within an hour of the voter's first one;
all of it once an e-mail address is confirmed. Of the address only a keyed hash is kept, and it has one voter: who
confirms it elsewhere takes it over.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select, update

from seatrial.site.db.tables import voters

NEW_WEIGHT, WEIGHT, CONFIRMED_WEIGHT = 100, 250, 1000
"""Thousandths of a vote."""
NEW_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class VoterStanding:
    """Whether an address is confirmed, and what a vote weighs now, in thousandths."""

    is_confirmed: bool
    weight: int


@dataclass(frozen=True, slots=True)
class Voter:
    """A voter who has voted. Instants are UTC without a zone, as the database has them."""

    id: str
    first_at: datetime
    confirmed_at: datetime | None = None

    def weight_at(self, at: datetime) -> int:
        """What a vote weighs at an instant, in thousandths."""
        if self.confirmed_at is not None:
            return CONFIRMED_WEIGHT
        return NEW_WEIGHT if at - self.first_at < NEW_FOR else WEIGHT

    def standing_at(self, at: datetime) -> VoterStanding:
        """What a voter is told at an instant."""
        return VoterStanding(self.confirmed_at is not None, self.weight_at(at))


def new_voter(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """The id of a voter who has none yet: 128 random bits as 32 hexadecimal digits."""
    return random_bytes(16).hex()


def email_hash(secret: bytes, address: str) -> str:
    """What is kept of an address: HMAC-SHA-256 of its one spelling under the site's secret, in hexadecimal.

    Case plays no part, nor does a tag (`me+seatrial@example.org` is `me@example.org`): both reach one person.
    """
    local, _, domain = address.strip().casefold().rpartition("@")
    spelling = f"{local.split('+')[0] or local}@{domain}"
    return hmac.new(
        secret, b"voter's address\n" + spelling.encode("utf-8", "surrogatepass"), hashlib.sha256
    ).hexdigest()


def find_voters(connection: Connection, ids: Iterable[str]) -> dict[str, Voter]:
    """Those of the ids that have voted before."""
    asked = select(voters.c.id, voters.c.first_at, voters.c.confirmed_at).where(voters.c.id.in_(list(ids)))
    return {row.id: Voter(row.id, row.first_at, row.confirmed_at) for row in connection.execute(asked)}


def add_voters(connection: Connection, first_at: Mapping[str, datetime]) -> None:
    """Write down voters with the instant of their first vote."""
    if first_at:
        connection.execute(insert(voters), [{"id": voter, "first_at": at} for voter, at in first_at.items()])


def give_address(connection: Connection, voter: str, hashed: str, at: datetime) -> str | None:
    """Make `hashed` the address of `voter`, who becomes a confirmed one. The voter who had it before, where another."""
    holder: str | None = connection.execute(select(voters.c.id).where(voters.c.email_hash == hashed)).scalar()
    before = None if holder == voter else holder
    if before is not None:
        lost = update(voters).where(voters.c.id == before).values(email_hash=None, confirmed_at=None)
        connection.execute(lost)
    connection.execute(update(voters).where(voters.c.id == voter).values(email_hash=hashed, confirmed_at=at))
    return before
