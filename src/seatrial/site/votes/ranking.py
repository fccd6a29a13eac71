"""Ranks from blind votes: which candidate's answers people prefer, across all pairs that were shown.

In: the database, and which run. Out: Bradley-Terry standings with intervals (`stats/pairwise.py`), or NotEnough. Each
vote counts with its weight; intervals know that one voter's votes belong together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote

from seatrial.site.db.opening import Database
from seatrial.site.votes.opinion import MIN_VOTERS
from seatrial.site.votes.records import VoteRecord, read_votes
from seatrial.site.votes.subject import TIE, parts_of
from seatrial.stats.estimate import NotEnough

if TYPE_CHECKING:
    from seatrial.stats.pairwise import Ranking


def ranks_of_run(database: Database, run_id: str | None, level: float = 0.95) -> Ranking | NotEnough:
    """The standings of a run's candidates; `run_id` None takes the blind votes on all runs together.

    Nothing is said below 20 voters, as with every figure made of votes. Raises StorageError.
    """
    of_run = "" if run_id is None else f"{quote(run_id, safe='')}:"
    return ranking_of(read_votes(database, beginning=f"blind:{of_run}"), level)


def ranking_of(votes: Iterable[VoteRecord], level: float = 0.95) -> Ranking | NotEnough:
    """The standings that blind votes come to; votes on anything else are passed over."""
    from seatrial.stats.pairwise import Outcome, bradley_terry  # scipy: not before somebody asks

    outcomes = []
    for vote in votes:
        match parts_of(vote.subject):
            case ("blind", _, _, _, first, second):
                score = 0.5 if vote.choice == TIE else float(vote.choice == first)
                outcomes.append(Outcome(first, second, score, vote.weight / 1000, vote.voter))
    num_voters = len({outcome.cluster for outcome in outcomes})
    if num_voters < MIN_VOTERS:
        return NotEnough(num_voters, MIN_VOTERS, "Bradley-Terry over voters")
    return bradley_terry(outcomes, level)
