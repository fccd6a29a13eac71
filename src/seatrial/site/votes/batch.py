"""What one transaction does to log, votes and tallies: all of it together, or nothing.

In: a connection that may write, and what is wanted, in order. Out: a receipt for each. The head of the chain is locked
first, so that two servers on one database do this one after the other; the rows are written at the end, many at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias

from sqlalchemy import Connection, bindparam, delete, insert, select

from seatrial.site.db.inserting import insert_into
from seatrial.site.db.tables import tallies, vote_log, voters, votes
from seatrial.site.votes.cast import Cast, Confirm, Confirmed, Receipt
from seatrial.site.votes.chain import Head, entry_hash, lock_head, move_head
from seatrial.site.votes.subject import WITHDRAWN
from seatrial.site.votes.voters import (
    CONFIRMED_WEIGHT,
    NEW_FOR,
    NEW_WEIGHT,
    WEIGHT,
    Voter,
    add_voters,
    find_voters,
    give_address,
)

MOST_AGED = 500


@dataclass(frozen=True, slots=True)
class Age:
    """Votes of voters who are new no more get the weight they now have, up to `MOST_AGED`."""


@dataclass(frozen=True, slots=True)
class Aged:
    """How many votes got another weight."""

    num_weighed: int


Wanted: TypeAlias = Cast | Confirm | Age
Done: TypeAlias = Receipt | Confirmed | Aged


class Timed(NamedTuple):
    """What is wanted, since when (UTC without a zone)."""

    wanted: Wanted
    at: datetime


def carry_out(connection: Connection, wanted: Sequence[Timed]) -> list[Done]:
    """Do all that is wanted in this transaction; the receipts in its order, worth something once it is committed."""
    batch = _Batch(connection)
    batch.look_up({each.wanted.voter for each in wanted if not isinstance(each.wanted, Age)})
    done: list[Done] = []
    for each in wanted:
        match each.wanted:
            case Cast() as cast:
                done.append(batch.cast(cast, each.at))
            case Confirm() as confirm:
                done.append(batch.confirm(confirm, each.at))
            case Age():
                done.append(batch.age(each.at))
    batch.write()
    return done


class _Vote(NamedTuple):
    """What a voter says of a subject, and the entry that says so."""

    choice: str
    weight: int
    seq: int


_NOTHING = _Vote(WITHDRAWN, 0, 0)


class _Batch:
    """The transaction while it is under way: what stands, and what is to be written."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._head = lock_head(connection)
        self._voters: dict[str, Voter] = {}
        self._standing: dict[str, dict[str, _Vote]] = {}
        self._changed: set[tuple[str, str]] = set()
        self._entries: list[dict[str, object]] = []
        self._networks: dict[int, str] = {}
        self._deltas: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._new_voters: dict[str, datetime] = {}

    def look_up(self, ids: Iterable[str]) -> None:
        """Read voters, and what they say, once."""
        fresh = list(set(ids) - self._voters.keys())
        if not fresh:
            return
        self._voters |= find_voters(self._connection, fresh)
        known = select(votes.c.voter, votes.c.subject, votes.c.choice, votes.c.weight, votes.c.seq)
        for voter, subject, *rest in self._connection.execute(known.where(votes.c.voter.in_(fresh))):
            self._standing.setdefault(voter, {}).setdefault(subject, _Vote(*rest))

    def cast(self, cast: Cast, at: datetime) -> Receipt:
        """A vote; the same one again is answered and not written twice."""
        key = (cast.voter, cast.subject.key)
        before = self._vote(*key)
        if cast.choice == WITHDRAWN:
            if before.choice == WITHDRAWN:
                return Receipt(None, WITHDRAWN, 0, changed=False)
            return Receipt(self._append(key, cast.network, WITHDRAWN, 0, at), WITHDRAWN, 0, changed=True)
        weight = self._voter(cast.voter, at).weight_at(at)
        if (before.choice, before.weight) == (cast.choice, weight):
            return Receipt(before.seq, cast.choice, weight, changed=False)
        return Receipt(self._append(key, cast.network, cast.choice, weight, at), cast.choice, weight, changed=True)

    def confirm(self, confirm: Confirm, at: datetime) -> Confirmed:
        """The voter's votes count in full from now on; who had the address before loses theirs."""
        voter = self._voter(confirm.voter, at)
        self._write_voters()
        loser = give_address(self._connection, voter.id, confirm.email_hash, at)
        self._voters[voter.id] = Voter(voter.id, voter.first_at, at)
        num_withdrawn = 0
        if loser is not None:
            self._voters.pop(loser, None)
            self.look_up([loser])
            num_withdrawn = self._say_again([loser], 0, at, choice=WITHDRAWN)
        return Confirmed(self._say_again([voter.id], CONFIRMED_WEIGHT, at), num_withdrawn)

    def age(self, at: datetime) -> Aged:
        """Votes that were cast in a voter's first hour, which is over."""
        is_old = (votes.c.weight == NEW_WEIGHT, voters.c.confirmed_at.is_(None), voters.c.first_at <= at - NEW_FOR)
        old = select(votes.c.voter).join(voters, voters.c.id == votes.c.voter).where(*is_old).limit(MOST_AGED)
        ids = sorted(set(self._connection.execute(old).scalars()))
        self.look_up(ids)
        return Aged(self._say_again(ids, WEIGHT, at, of_weight=NEW_WEIGHT))

    def write(self) -> None:
        """Write what has changed, and move the head."""
        self._write_voters()
        if not self._entries:
            return
        self._connection.execute(insert(vote_log), self._entries)
        self._write_votes()
        self._write_tallies()
        move_head(self._connection, self._head)

    def _voter(self, voter: str, at: datetime) -> Voter:
        if voter not in self._voters:
            self._voters[voter] = Voter(voter, at)
            self._new_voters[voter] = at
        return self._voters[voter]

    def _vote(self, voter: str, subject: str) -> _Vote:
        return self._standing.get(voter, {}).get(subject, _NOTHING)

    def _say_again(
        self, ids: Iterable[str], weight: int, at: datetime, *, choice: str | None = None, of_weight: int | None = None
    ) -> int:
        """Log every vote of these voters with another weight, or another choice; how many there were."""
        due = [
            (voter, subject, vote)
            for voter in ids
            for subject, vote in self._standing.get(voter, {}).items()
            if vote.choice != WITHDRAWN and vote.weight != weight and of_weight in (None, vote.weight)
        ]
        self._look_up_networks(vote.seq for _, _, vote in due)
        for voter, subject, vote in due:
            said = vote.choice if choice is None else choice
            self._append((voter, subject), self._networks[vote.seq], said, weight, at)
        return len(due)

    def _look_up_networks(self, entries: Iterable[int]) -> None:
        unknown = set(entries) - self._networks.keys()
        if unknown:
            stored = select(vote_log.c.seq, vote_log.c.network).where(vote_log.c.seq.in_(unknown))
            self._networks |= {row.seq: row.network for row in self._connection.execute(stored)}

    def _append(self, key: tuple[str, str], network: str, choice: str, weight: int, at: datetime) -> int:
        voter, subject = key
        seq = self._head.seq + 1
        self._head = Head(seq, entry_hash(seq, at, voter, network, subject, choice, weight, self._head.hash))
        self._entries.append(
            {
                "seq": seq,
                "at": at,
                "voter": voter,
                "network": network,
                "subject": subject,
                "choice": choice,
                "weight": weight,
                "hash": self._head.hash,
            }
        )
        self._networks[seq] = network
        after = _Vote(choice, weight, seq)
        self._count(subject, self._vote(voter, subject), -1)
        self._count(subject, after, 1)
        self._standing.setdefault(voter, {})[subject] = after
        self._changed.add(key)
        return seq

    def _count(self, subject: str, vote: _Vote, sign: int) -> None:
        if vote.choice != WITHDRAWN:
            num, weight, squared = self._deltas.get((subject, vote.choice), (0, 0, 0))
            added = (num + sign, weight + sign * vote.weight, squared + sign * vote.weight**2)
            self._deltas[subject, vote.choice] = added

    def _write_voters(self) -> None:
        add_voters(self._connection, self._new_voters)
        self._new_voters = {}

    def _write_votes(self) -> None:
        rows, gone = [], []
        for voter, subject in sorted(self._changed):
            vote = self._vote(voter, subject)
            if vote.choice == WITHDRAWN:
                gone.append({"its_voter": voter, "its_subject": subject})
            else:
                rows.append({"voter": voter, "subject": subject} | vote._asdict())
        if rows:
            put = insert_into(self._connection, votes)
            new = {name: put.excluded[name] for name in ("choice", "weight", "seq")}
            self._connection.execute(put.on_conflict_do_update(index_elements=["voter", "subject"], set_=new), rows)
        if gone:
            of_key = (votes.c.voter == bindparam("its_voter"), votes.c.subject == bindparam("its_subject"))
            self._connection.execute(delete(votes).where(*of_key), gone)

    def _write_tallies(self) -> None:
        rows = [
            {"subject": subject, "choice": choice, "num_voters": num, "weight": weight, "weight_squared": squared}
            for (subject, choice), (num, weight, squared) in sorted(self._deltas.items())
            if (num, weight, squared) != (0, 0, 0)
        ]
        if rows:
            put = insert_into(self._connection, tallies)
            sums = {name: tallies.c[name] + put.excluded[name] for name in ("num_voters", "weight", "weight_squared")}
            self._connection.execute(put.on_conflict_do_update(index_elements=["subject", "choice"], set_=sums), rows)
