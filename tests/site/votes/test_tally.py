from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event
from voting import HOME, MODEL, network, say, voter

from seatrial.site.db.opening import Database, open_database
from seatrial.site.votes.booth import Booth
from seatrial.site.votes.opinion import NO_VOTES, opinion_of
from seatrial.site.votes.subject import model_subject
from seatrial.site.votes.tally import TallyOpinions, all_opinions, opinion_on


class Watched:
    """Opinions with a clock to set, and the number of statements that they cost."""

    def __init__(self, database: Database) -> None:
        self.now_s, self.num_statements = 0.0, 0
        self.opinions = TallyOpinions(database, lambda: self.now_s)
        event.listen(database.engine, "before_cursor_execute", self._count)

    def _count(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.num_statements += statement.startswith("SELECT")


async def test_nothing_is_shown_below_twenty_voters(booth: Booth, database: Database) -> None:
    watched = Watched(database)
    assert watched.opinions.of(MODEL.key) == NO_VOTES
    for number in range(19):
        await say(booth, number, where=network(number))
    watched.now_s += 1
    assert watched.opinions.of(MODEL.key).num_voters == 19
    assert watched.opinions.of(MODEL.key).shares is None

    await say(booth, 19, "skip")
    watched.now_s += 1
    opinion = watched.opinions.of(MODEL.key)

    assert opinion.num_voters == 20
    assert opinion.shares is not None
    assert opinion.shares["ship"].value == pytest.approx(0.95)
    assert opinion.shares["ship"].low < 0.95 < opinion.shares["ship"].high
    assert opinion == opinion_on(database, MODEL.key) == all_opinions(database)[MODEL.key]


async def test_a_page_costs_a_look_a_second_and_nothing_more_while_nobody_votes(
    booth: Booth, database_url: str
) -> None:
    await say(booth, 1)
    database = open_database(database_url)  # of its own: the booth's thread asks too
    watched = Watched(database)
    keys = [MODEL.key, *(model_subject(str(number)).key for number in range(1000))]

    watched.opinions.of_many(keys)
    assert watched.num_statements == 4
    for _ in range(100):
        watched.opinions.of_many(keys)
    assert watched.num_statements == 4

    watched.now_s += 1.5
    for key in keys:
        watched.opinions.of(key)
    assert watched.num_statements == 5
    database.close()


async def test_a_vote_shows_within_a_second_and_only_then(booth: Booth, database: Database) -> None:
    watched = Watched(database)
    watched.opinions.of(MODEL.key)
    await say(booth, 1)
    watched.now_s = 0.9
    assert watched.opinions.of(MODEL.key).num_voters == 0
    watched.now_s = 1.0
    assert watched.opinions.of(MODEL.key).num_voters == 1

    await booth.withdraw(voter(1), HOME, MODEL)
    watched.now_s = 2.1
    assert watched.opinions.of(MODEL.key) == NO_VOTES


async def test_a_choice_that_nobody_makes_any_more_is_gone(booth: Booth, database: Database) -> None:
    for number in range(21):
        await say(booth, number, "skip" if number == 0 else "ship")
    await say(booth, 0, "ship")

    opinion = opinion_on(database, MODEL.key)
    assert opinion.shares is not None
    assert set(opinion.shares) == {"ship"}


async def test_a_database_that_is_away_leaves_what_was_known(
    booth: Booth, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seatrial.errors import StorageError
    from seatrial.site.votes import tally

    await say(booth, 1)
    watched = Watched(database)
    known = watched.opinions.of(MODEL.key)
    asked = []

    def away(_database: Database) -> Any:
        asked.append(1)
        raise StorageError("away")

    with monkeypatch.context() as patched:
        patched.setattr(tally, "reading", away)
        watched.now_s += 2
        for _ in range(10):
            assert watched.opinions.of(MODEL.key) == known
            assert watched.opinions.of("model:other") == NO_VOTES
        assert len(asked) == 1

    await say(booth, 2)
    watched.now_s += 2
    assert watched.opinions.of(MODEL.key).num_voters == 2


async def test_only_so_many_are_kept(booth: Booth, database: Database) -> None:
    opinions = TallyOpinions(database, lambda: 0.0, most_kept=10)
    for number in range(100):
        opinions.of(model_subject(str(number)).key)
    assert len(opinions._kept) == 10
    assert len(opinions.of_many([str(number) for number in range(50)])) == 50


def test_shares_are_those_of_the_tallies() -> None:
    from seatrial.site.votes.opinion import ChoiceTally

    opinion = opinion_of({"ship": ChoiceTally(30, 7500, 30 * 250**2), "skip": ChoiceTally(10, 2500, 10 * 250**2)})
    assert opinion.shares is not None
    assert opinion.shares["ship"].value == 0.75
    assert opinion.shares["ship"].low + opinion.shares["skip"].high == pytest.approx(1.0)
