from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from voting import HOME, MODEL, log_of, network, say, tallies_of, tamper, voter, votes_of

from seatrial.errors import UsageError
from seatrial.site.db.opening import Database, open_database, writing
from seatrial.site.votes.batch import Age, Timed, Wanted, carry_out
from seatrial.site.votes.booth import Booth
from seatrial.site.votes.cast import Cast, Confirm
from seatrial.site.votes.chain import NO_ENTRY, Head, entry_hash, parse_head, verify
from seatrial.site.votes.subject import WITHDRAWN, model_subject

AT = datetime(2026, 11, 16, 9, 0)


async def fill(booth: Booth) -> None:
    """Seven entries: six votes, of which one is changed."""
    for number in range(6):
        await say(booth, number, "ship" if number % 2 else "skip", where=network(number))
    await say(booth, 0, "ship")


def test_an_empty_log_is_sound(database: Database) -> None:
    found = verify(database)
    assert (found.num_entries, found.num_votes, found.head, found.fault) == (0, 0, NO_ENTRY, None)


def test_a_hash_is_what_its_docstring_says() -> None:
    text = "1:7,26:2026-11-16T09:00:00.000000,1:v,1:n,7:model:m,4:ship,3:250,4:back,"
    assert entry_hash(7, AT, "v", "n", "model:m", "ship", 250, "back") == hashlib.sha256(text.encode()).hexdigest()


@given(st.lists(st.text(max_size=5), min_size=5, max_size=5), st.lists(st.text(max_size=5), min_size=5, max_size=5))
def test_different_entries_have_different_hashes(one: list[str], other: list[str]) -> None:
    hashes = [entry_hash(1, AT, *fields[:4], 250, fields[4]) for fields in (one, other)]
    assert (hashes[0] == hashes[1]) == (one == other)


async def test_the_log_can_be_checked_with_nothing_but_its_rows(booth: Booth, database: Database) -> None:
    await fill(booth)

    previous = "0" * 64
    for row in log_of(database):
        seq, at, *texts, weight, own = row
        assert own == entry_hash(seq, at, *texts, weight, previous)
        previous = own


@pytest.mark.parametrize(
    ("statement", "seq", "says"),
    [
        ("UPDATE vote_log SET choice = 'ship' WHERE seq = 3", 3, "not what its hash"),
        ("UPDATE vote_log SET weight = 1000 WHERE seq = 2", 2, "not what its hash"),
        ("UPDATE vote_log SET at = '2026-11-17 09:00:00.000000' WHERE seq = 1", 1, "not what its hash"),
        ("UPDATE vote_log SET network = '' WHERE seq = 7", 7, "not what its hash"),
        ("UPDATE vote_log SET hash = 'x' WHERE seq = 4", 4, "not what its hash"),
        ("DELETE FROM vote_log WHERE seq = 4", 4, "entry 4 is missing"),
        ("DELETE FROM vote_log WHERE seq = 1", 1, "entry 1 is missing"),
        ("DELETE FROM vote_log WHERE seq = 7", 7, "the log ends here"),
        ("DELETE FROM vote_log", 1, "the log ends here"),
        ("UPDATE vote_log SET seq = 9 WHERE seq = 7", 7, "entry 7 is missing"),
        ("UPDATE settings SET value = '7:x' WHERE name = 'vote_log_head'", 7, "written anew"),
        ("UPDATE settings SET value = '6:x' WHERE name = 'vote_log_head'", 7, "somebody else"),
        ("UPDATE settings SET value = 'x' WHERE name = 'vote_log_head'", None, "which is none"),
        ("UPDATE votes SET choice = 'skip' WHERE seq = 2", 2, "the vote of entry 2"),
        ("UPDATE votes SET weight = 1000 WHERE seq = 4", 4, "the vote of entry 4"),
        ("UPDATE votes SET seq = 1 WHERE seq = 7", 7, "the vote of entry 7"),
        ("DELETE FROM votes WHERE seq = 5", 5, "the vote of entry 5"),
        ("INSERT INTO votes VALUES ('v', 'model:m', 'ship', 250, 3)", 3, "that the log has not"),
        ("UPDATE tallies SET weight = weight + 1 WHERE choice = 'ship'", None, "the tally of `ship`"),
        ("UPDATE tallies SET num_voters = 0 WHERE choice = 'skip'", None, "the tally of `skip`"),
        ("DELETE FROM tallies WHERE choice = 'ship'", None, "the tally of `ship`"),
        ("INSERT INTO tallies VALUES ('model:m', 'ship', 1, 250, 62500)", None, "model:m"),
    ],
)
async def test_whatever_is_tampered_with_is_found_and_named(
    booth: Booth, database: Database, statement: str, seq: int | None, says: str
) -> None:
    await fill(booth)
    assert verify(database).fault is None

    tamper(database, statement)

    fault = verify(database).fault
    assert fault is not None
    assert (fault.seq, says in fault.text) == (seq, True), fault


async def test_a_withdrawn_vote_that_is_put_back_is_found(booth: Booth, database: Database) -> None:
    await fill(booth)
    await booth.withdraw(voter(1), HOME, MODEL)
    tamper(database, f"INSERT INTO votes VALUES ('{voter(1)}', '{MODEL.key}', 'ship', 100, 2)")

    fault = verify(database).fault
    assert fault is not None
    assert "that the log has not" in fault.text


@pytest.mark.parametrize("at", ["'yesterday'", "x'ff'"])
async def test_what_sqlite_stores_though_it_is_no_instant_is_a_fault(
    new_url: Callable[..., str], clock: Any, at: str
) -> None:
    database = open_database(new_url("sqlite"))
    booth = Booth(database, clock)
    await fill(booth)
    await booth.close()
    tamper(database, f"UPDATE vote_log SET at = {at} WHERE seq = 3")

    fault = verify(database).fault
    assert fault is not None
    assert fault.seq is not None
    assert fault.seq <= 3
    database.close()


async def test_a_chain_that_was_made_anew_shows_against_a_noted_head(booth: Booth, database: Database) -> None:
    await fill(booth)
    noted = verify(database).head
    await say(booth, 1, "skip")
    assert verify(database, noted=noted).fault is None

    _write_anew(database)

    assert verify(database).fault is None
    fault = verify(database, noted=noted).fault
    assert fault is not None
    assert "written anew" in fault.text
    missing = verify(database, noted=Head(99, noted.hash)).fault
    assert missing is not None
    assert missing.seq == 99


def _write_anew(database: Database) -> None:
    """What somebody can do who has the database and this code."""
    rows = [row._asdict() for row in log_of(database)]
    tamper(database, "DELETE FROM vote_log")
    tamper(database, "DELETE FROM votes")
    tamper(database, "DELETE FROM tallies")
    tamper(database, "DELETE FROM settings WHERE name = 'vote_log_head'")
    with writing(database) as connection:
        wanted = [
            Timed(Cast(row["voter"], row["network"], model_subject("smollm3-3b"), "skip"), row["at"]) for row in rows
        ]
        carry_out(connection, wanted + [Timed(Cast(voter(n), HOME, MODEL, "ship"), AT) for n in range(20, 25)])


async def test_a_lost_head_is_found_again_at_the_end_of_the_log(booth: Booth, database: Database) -> None:
    await fill(booth)
    tamper(database, "DELETE FROM settings WHERE name = 'vote_log_head'")

    assert (await say(booth, 30)).seq == 8
    assert verify(database).fault is None


@pytest.mark.parametrize("text", ["", "7", "7:", "x:" + "0" * 64, "0:" + "0" * 64, "7:abc"])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="head"):
        parse_head(text)


def test_a_head_reads_as_it_is_written() -> None:
    head = Head(12, "a" * 64)
    assert parse_head(f" {head}\n") == head


SUBJECTS = [model_subject(name) for name in "abc"]
moves = st.one_of(
    st.tuples(
        st.just("cast"),
        st.integers(0, 4),
        st.sampled_from(SUBJECTS),
        st.sampled_from(["ship", "skip", WITHDRAWN]),
    ),
    st.tuples(st.just("confirm"), st.integers(0, 4), st.integers(0, 2)),
    st.tuples(st.just("age")),
)
# Minutes since the last transaction, and what is in this one.
transactions = st.tuples(st.integers(0, 70), st.lists(moves, max_size=12))


class Model:
    """What log, votes and tallies should come to, the plain way."""

    def __init__(self) -> None:
        self.first_at: dict[int, int] = {}
        self.address: dict[int, int] = {}
        self.votes: dict[tuple[int, str], tuple[str, int]] = {}

    def weight(self, who: int, minute: int) -> int:
        if who in self.address:
            return 1000
        return 100 if minute - self.first_at[who] < 60 else 250

    def move(self, move: Any, minute: int) -> None:
        match move:
            case ("cast", who, subject, choice):
                if choice == WITHDRAWN:
                    self.votes.pop((who, subject.key), None)
                else:
                    self.first_at.setdefault(who, minute)
                    self.votes[who, subject.key] = (choice, self.weight(who, minute))
            case ("confirm", who, address):
                self.first_at.setdefault(who, minute)
                for other in [each for each, its in self.address.items() if its == address and each != who]:
                    del self.address[other]
                    self.votes = {key: vote for key, vote in self.votes.items() if key[0] != other}
                self.address[who] = address
                self._weigh_anew({who}, 1000)
            case _:
                old = {who for who, at in self.first_at.items() if minute - at >= 60 and who not in self.address}
                self._weigh_anew(old, 250, of=100)

    def _weigh_anew(self, who: set[int], weight: int, of: int | None = None) -> None:
        for key, (choice, before) in self.votes.items():
            if key[0] in who and of in (None, before):
                self.votes[key] = (choice, weight)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(transactions, max_size=8))
def test_whatever_happens_in_whatever_transactions_votes_and_tallies_are_the_log(
    sqlite_template: Path, tmp_path: Path, steps: list[tuple[int, list[Any]]]
) -> None:
    path = tmp_path / "site.db"
    for old in tmp_path.glob("site.db*"):
        old.unlink()
    shutil.copy(sqlite_template, path)
    database, model, minute = open_database(f"sqlite:///{path}"), Model(), 0
    for passed, wanted in steps:
        minute += passed
        at = datetime.fromtimestamp(minute * 60, UTC).replace(tzinfo=None)
        for move in wanted:
            model.move(move, minute)
        with writing(database) as connection:
            carry_out(connection, [Timed(_wanted(move), at) for move in wanted])
    assert votes_of(database) == {(voter(who), key): vote for (who, key), vote in model.votes.items()}
    sums: dict[tuple[str, str], tuple[int, int, int]] = {}
    for (_, key), (choice, weight) in model.votes.items():
        num, total, squared = sums.get((key, choice), (0, 0, 0))
        sums[key, choice] = (num + 1, total + weight, squared + weight**2)
    assert tallies_of(database) == sums
    assert verify(database).fault is None
    database.close()


def _wanted(move: Any) -> Wanted:
    match move:
        case ("cast", who, subject, choice):
            return Cast(voter(who), HOME, subject, choice)
        case ("confirm", who, address):
            return Confirm(voter(who), f"{address:064x}")
        case _:
            return Age()
