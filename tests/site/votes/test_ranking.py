from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from voting import MODEL, network, say

from seatrial.site.db.opening import Database
from seatrial.site.votes.anomaly import find_anomalies
from seatrial.site.votes.booth import Booth
from seatrial.site.votes.ranking import ranking_of, ranks_of_run
from seatrial.site.votes.records import VoteRecord, read_votes
from seatrial.site.votes.subject import blind_subject
from seatrial.stats.estimate import NotEnough
from seatrial.stats.pairwise import Outcome, bradley_terry

AT = datetime(2026, 11, 16, 9, 0)


def blind_votes(num_voters: int, *, weight: int = 250) -> list[VoteRecord]:
    rng = random.Random(7)
    odds = {"best": 3.0, "http://h:1/v1#middling one": 1.5, "worst": 1.0}
    votes = []
    for number in range(num_voters):
        for item in range(8):
            first, second = sorted(rng.sample(sorted(odds), 2))
            chance = odds[first] / (odds[first] + odds[second])
            choice = "tie" if rng.random() < 0.1 else first if rng.random() < chance else second
            key = blind_subject("run:1", "triage", f"item {item}", first, second).key
            votes.append(VoteRecord(f"v{number}", "n", key, choice, weight, AT))
    return votes


def test_the_best_is_ranked_first() -> None:
    found = ranking_of(blind_votes(60))

    assert not isinstance(found, NotEnough)
    assert [each.name for each in found.standings] == ["best", "http://h:1/v1#middling one", "worst"]
    assert (found.num_clusters, found.num_outcomes) == (60, 480)
    assert found.standings[0].best_rank == found.standings[0].worst_rank == 1


def test_nothing_is_said_below_twenty_voters() -> None:
    found = ranking_of(blind_votes(19))
    assert isinstance(found, NotEnough)
    assert (found.n, found.needed) == (19, 20)
    assert isinstance(ranking_of([]), NotEnough)


def test_ties_are_halves_and_weights_are_kept() -> None:
    votes = [*blind_votes(30), *(each._replace(voter=f"w{each.voter}", weight=1000) for each in blind_votes(30))]
    outcomes = []
    for vote in votes:
        first, second = (unquote(part) for part in vote.subject.split(":")[-2:])
        score = {first: 1.0, second: 0.0, "tie": 0.5}[vote.choice]
        outcomes.append(Outcome(first, second, score, vote.weight / 250, vote.voter))
    found, expected = ranking_of(votes), bradley_terry(outcomes)
    assert not isinstance(found, NotEnough)
    assert not isinstance(expected, NotEnough)
    for one, other in zip(found.standings, expected.standings, strict=True):
        assert one.strength.value == pytest.approx(other.strength.value)
        assert one.strength.low == pytest.approx(other.strength.low)


async def test_blind_votes_in_the_database_are_ranked_by_run(booth: Booth, database: Database) -> None:
    for number in range(25):
        casts = [say(booth, number, "ship", MODEL)]
        for run, better, other in (("r1", "a", "b"), ("r2", "b", "a")):
            for item in range(4 if run == "r1" else 3):
                choice = better if (number + item * item) % 5 else other
                casts.append(say(booth, number, choice, blind_subject(run, "w%_", str(item), "a", "b")))
        await asyncio.gather(*casts)

    for run, first, num in (("r1", "a", 100), ("r2", "b", 75)):
        found = ranks_of_run(database, run)
        assert not isinstance(found, NotEnough)
        assert found.standings[0].name == first
        assert found.num_outcomes == num
    together = ranks_of_run(database, None)
    assert not isinstance(together, NotEnough)
    assert together.num_outcomes == 175
    assert isinstance(ranks_of_run(database, "r3"), NotEnough)


async def test_records_say_when_a_choice_was_made_though_it_was_weighed_later(
    booth: Booth, database: Database, clock: Any
) -> None:
    begin = clock.now.replace(tzinfo=None)
    await say(booth, 1, "ship", where=network(5))
    await say(booth, 2, "ship", where=network(6))
    clock.advance(hours=2)
    await say(booth, 2, "skip", where=network(7))
    await booth.age()
    await booth.confirm("0" * 31 + "2", "a@example.org")

    found = {record.voter[-1]: record for record in read_votes(database)}
    assert (found["1"].at, found["1"].weight, found["1"].network) == (begin, 250, network(5))
    assert (found["2"].at, found["2"].weight) == (begin + timedelta(hours=2), 1000)
    assert (found["2"].choice, found["2"].network) == ("skip", network(7))
    assert list(read_votes(database, subject="model:other")) == []
    assert find_anomalies(read_votes(database, subject=MODEL.key)) == []
