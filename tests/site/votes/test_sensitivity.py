from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.site.votes.records import VoteRecord
from seatrial.site.votes.sensitivity import biggest_movers

AT = datetime(2026, 11, 16)
records = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["a", "b", "tie"]), st.sampled_from([100, 250, 1000])),
    min_size=1,
    max_size=40,
).map(
    lambda drawn: [
        VoteRecord(f"v{number}", f"n{network}", "s", choice, weight, AT)
        for number, (network, choice, weight) in enumerate(drawn)
    ]
)


def share(votes: Sequence[VoteRecord], choice: str) -> float:
    return sum(vote.weight for vote in votes if vote.choice == choice) / sum(vote.weight for vote in votes)


@given(records)
def test_a_share_without_somebody_is_the_share_of_the_others(votes: list[VoteRecord]) -> None:
    for mover in biggest_movers(votes, most=100):
        left = [vote for vote in votes if mover.who not in (vote.voter, vote.network)]
        assert mover.num_votes == len(votes) - len(left)
        assert mover.share == pytest.approx(share(votes, mover.choice))
        assert mover.share_without == pytest.approx(share(left, mover.choice))
        others = [abs(share(votes, each) - share(left, each)) for each in ("a", "b", "tie")]
        assert abs(mover.shift) == pytest.approx(max(others))


def test_a_network_of_like_minds_moves_more_than_any_voter() -> None:
    votes = [VoteRecord(f"v{n}", f"n{n}", "s", "ab"[n % 2], 250, AT) for n in range(40)]
    votes += [VoteRecord(f"x{n}", "office", "s", "a", 250, AT) for n in range(20)]
    votes += [VoteRecord("loud", "home", "s", "b", 1000, AT)]

    movers = biggest_movers(votes, most=1)

    assert [(mover.kind, mover.who) for mover in movers] == [("network", "office"), ("voter", "loud")]
    assert movers[0].num_votes == 20
    assert movers[0].shift * (1 if movers[0].choice == "a" else -1) > 0


def test_who_cast_every_vote_has_no_share_without_them() -> None:
    assert biggest_movers([VoteRecord("v", "n", "s", "a", 250, AT)]) == []
    assert biggest_movers([]) == []
