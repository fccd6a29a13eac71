"""The chain of the vote log: the hash of an entry, the head that writers take turns at, and the check of it all.

Each entry's hash covers the entry and the hash before it, so that nothing in the middle can be changed, left out or
put in without every later hash changing too. The head (number and hash of the last entry) is kept beside the log: an
end that was cut off shows. Who can write to the database can compute a whole new chain; a head that was noted elsewhere
tells (`verify(noted=…)`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, Subquery, and_, func, or_, select, update

from seatrial.errors import InputError, UsageError
from seatrial.site.db.inserting import insert_into
from seatrial.site.db.opening import Database, reading
from seatrial.site.db.tables import settings, tallies, vote_log, votes
from seatrial.site.votes.subject import WITHDRAWN

HEAD = "vote_log_head"
"""The setting that holds the head; whoever writes to the log holds the lock on its row."""
_GENESIS = "0" * 64
_AT_ONCE = 2_000


class Head(NamedTuple):
    """The last entry: its number, 0 where there is none, and its hash. Written `seq:hash`."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


NO_ENTRY = Head(0, _GENESIS)


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is not as it should be. `seq` is the entry it concerns, None where it is no one entry."""

    seq: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What a check found: entries read, votes that stand, the head, and the first fault or None."""

    num_entries: int
    num_votes: int
    head: Head
    fault: Fault | None


def verify(database: Database, *, noted: Head | None = None) -> Verified:
    """Read the whole log: is the chain unbroken, and do votes and tallies equal what it says?

    It sees one moment of the database and holds up nobody; memory grows with the number of subjects, not of votes.
    `noted` is a head seen earlier, which must still be an entry. Raises StorageError.
    """
    with reading(database) as connection:
        walk = _Walk(noted)
        fault = walk.fault_of(connection)
        if fault is None:
            fault = _fault_of_head(connection, walk)
        if fault is None:
            fault = _fault_of_votes(connection) or _fault_of_tallies(connection)
        num_votes = connection.execute(select(func.count()).select_from(votes)).scalar_one()
        return Verified(walk.head.seq, num_votes, walk.head, fault)


def entry_hash(
    seq: int, at: datetime, voter: str, network: str, subject: str, choice: str, weight: int, previous: str
) -> str:
    """SHA-256, in hexadecimal, over the fields as netstrings (`5:hello,`), UTF-8, in the order of the arguments.

    Numbers are decimal, `at` is `YYYY-MM-DDTHH:MM:SS.ffffff` in UTC; `previous` is 64 zeros for the first entry.
    """
    fields = (str(seq), at.isoformat(timespec="microseconds"), voter, network, subject, choice, str(weight), previous)
    netstrings = [f"{len(field) if field.isascii() else len(field.encode())}:{field}," for field in fields]
    return hashlib.sha256("".join(netstrings).encode()).hexdigest()


def lock_head(connection: Connection) -> Head:
    """The head, which nobody else moves until this transaction ends."""
    locked = select(settings.c.value).where(settings.c.name == HEAD).with_for_update()
    value = connection.execute(locked).scalar()
    if value is None:
        first = insert_into(connection, settings).values(name=HEAD, value=str(_last_entry(connection)))
        connection.execute(first.on_conflict_do_nothing())
        value = connection.execute(locked).scalar_one()
    try:
        return _head(value)
    except ValueError:
        raise InputError(
            f"the head of the vote log is kept as `{value[:100]}`, which is none; somebody changed it. "
            "Run `seatrial votes verify`, and restore a backup"
        ) from None


def move_head(connection: Connection, head: Head) -> None:
    """The log has grown to `head`."""
    connection.execute(update(settings).where(settings.c.name == HEAD).values(value=str(head)))


def parse_head(text: str) -> Head:
    """A head as `verify` prints it. Raises UsageError."""
    try:
        head = _head(text.strip())
    except ValueError:
        raise UsageError(f"`{text[:100]!r}` is no head of the vote log. It is written `SEQ:HASH`.") from None
    if head.seq < 1 or len(head.hash) != 64:
        raise UsageError(f"`{text[:100]!r}` is no head of the vote log. HASH has 64 digits, SEQ is 1 or more.")
    return head


def _last_entry(connection: Connection) -> Head:
    log = vote_log.c
    last = connection.execute(select(log.seq, log.hash).order_by(log.seq.desc()).limit(1)).first()
    return NO_ENTRY if last is None else Head(last.seq, last.hash)


def _head(text: str) -> Head:
    seq, _, digits = text.partition(":")
    return Head(int(seq), digits)


class _Walk:
    """Goes through the log from its beginning; `head` is the last entry that was as it should be."""

    def __init__(self, noted: Head | None) -> None:
        self._noted, self.head = noted, NO_ENTRY

    def fault_of(self, connection: Connection) -> Fault | None:
        for row in _rows(connection, select(vote_log).order_by(vote_log.c.seq)):
            if isinstance(row, Fault):
                return Fault(self.head.seq + 1, row.text)
            text = self._step(row)
            if text is not None:
                return Fault(self.head.seq + 1, text)
        if self._noted is not None and self._noted.seq > self.head.seq:
            return Fault(self._noted.seq, f"the log ends at entry {self.head.seq:,}; the noted one is missing")
        return None

    def _step(self, row: Row[Any]) -> str | None:
        expected = self.head.seq + 1
        if row.seq != expected:
            return f"entry {expected:,} is missing: the next one is {row.seq}"
        own = _hash_of(row, self.head.hash)
        if own is None or row.hash != own:
            return f"entry {expected:,} is not what its hash was made of, or the one before it was changed"
        if self._noted is not None and self._noted.seq == row.seq and self._noted.hash != own:
            return f"entry {expected:,} has another hash than was noted: the log was written anew"
        self.head = Head(row.seq, own)
        return None


def _hash_of(row: Row[Any], previous: str) -> str | None:
    """None for values of another type than their column's, which SQLite stores if told to."""
    try:
        return entry_hash(row.seq, row.at, row.voter, row.network, row.subject, row.choice, row.weight, previous)
    except AttributeError:
        return None


def _rows(connection: Connection, wanted: Select[Any]) -> Iterator[Row[Any] | Fault]:
    """The rows of a query, a few at a time; a value that is not of its column's type ends them with a fault."""
    rows = iter(connection.execute(wanted, execution_options={"yield_per": _AT_ONCE}))
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except (ValueError, TypeError) as error:
            yield Fault(None, f"an entry near here cannot be read ({error})")
            return
        yield row


def _fault_of_head(connection: Connection, walk: _Walk) -> Fault | None:
    kept = connection.execute(select(settings.c.value).where(settings.c.name == HEAD)).scalar()
    try:
        head = NO_ENTRY if kept is None else _head(kept)
    except ValueError:
        return Fault(None, f"the head is kept as `{str(kept)[:100]}`, which is none")
    if head == walk.head:
        return None
    if head.seq > walk.head.seq:
        return Fault(walk.head.seq + 1, f"the log ends here, and {head.seq:,} entries were written")
    if head.seq == walk.head.seq:
        return Fault(head.seq, "the log was written anew: its last hash is not the one that was kept")
    return Fault(head.seq + 1, f"the site wrote {head.seq:,} entries; from here on somebody else did")


def _fault_of_votes(connection: Connection) -> Fault | None:
    """Each of the three costs about as much as sorting the log."""
    last, log = _last_entries(), vote_log.c
    differs = or_(
        votes.c.seq.is_(None),
        votes.c.seq != last.c.seq,
        votes.c.choice != last.c.choice,
        votes.c.weight != last.c.weight,
    )
    same_vote = and_(votes.c.voter == last.c.voter, votes.c.subject == last.c.subject)
    lost = select(func.min(last.c.seq)).select_from(last.outerjoin(votes, same_vote))
    seq = connection.execute(lost.where(last.c.choice != WITHDRAWN, differs)).scalar()
    if seq is not None:
        return Fault(seq, f"the vote of entry {seq:,} is not among the votes as the log has it")
    is_of_another = or_(log.seq.is_(None), log.voter != votes.c.voter, log.subject != votes.c.subject)
    borrowed = (
        select(func.min(votes.c.seq)).outerjoin_from(votes, vote_log, log.seq == votes.c.seq).where(is_of_another)
    )
    outdated = select(votes.c.seq).except_(select(last.c.seq).where(last.c.choice != WITHDRAWN)).subquery()
    for wanted in (borrowed, select(func.min(outdated.c.seq))):
        seq = connection.execute(wanted).scalar()
        if seq is not None:
            return Fault(seq, f"a vote that is said to be of entry {seq:,} is one that the log has not")
    return None


def _last_entries() -> Subquery:
    """The last entry for each voter and subject."""
    log = vote_log.c
    newest = func.row_number().over(partition_by=(log.voter, log.subject), order_by=log.seq.desc())
    every = select(log.seq, log.voter, log.subject, log.choice, log.weight, newest.label("newest")).subquery()
    return select(every).where(every.c.newest == 1).subquery()


def _fault_of_tallies(connection: Connection) -> Fault | None:
    by_choice = (votes.c.subject, votes.c.choice)
    summed = select(
        *by_choice, func.count(), func.sum(votes.c.weight), func.sum(votes.c.weight * votes.c.weight)
    ).group_by(*by_choice)
    right = {(row[0], row[1]): (int(row[2]), int(row[3]), int(row[4])) for row in connection.execute(summed)}
    for row in connection.execute(select(tallies).order_by(tallies.c.subject, tallies.c.choice)):
        expected = right.pop((row.subject, row.choice), (0, 0, 0))
        if (row.num_voters, row.weight, row.weight_squared) != expected:
            return Fault(None, f"the tally of `{row.choice}` on `{row.subject}` is not the sum of its votes")
    for subject, choice in right:
        return Fault(None, f"the tally of `{choice}` on `{subject}` is missing")
    return None
