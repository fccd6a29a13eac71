from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from scipy.stats import fisher_exact

from seatrial.site.votes.anomaly import copies, find_anomalies, loud_networks, one_sided
from seatrial.site.votes.records import VoteRecord

AT = datetime(2026, 11, 16, 9, 0)


def honest(seed: int, *, voters: int = 400, subjects: int = 6, networks: int = 60) -> list[VoteRecord]:
    """Voters who choose by their own lights, most on networks of their own."""
    rng = random.Random(seed)
    votes = []
    for number in range(voters):
        at = AT + timedelta(minutes=rng.uniform(0, 3000))
        where = f"n{rng.randrange(networks)}"
        for subject in range(subjects):
            choice = "ship" if rng.random() < 0.3 + 0.1 * subject else "skip"
            if rng.random() < 0.7:
                votes.append(VoteRecord(f"v{number}", where, f"model:{subject}", choice, 250, at))
    return votes


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_said_of_honest_voters(seed: int) -> None:
    assert find_anomalies(honest(seed)) == []


def test_a_network_that_says_one_thing_is_found() -> None:
    bought = [VoteRecord(f"x{n}", "farm", "model:0", "ship", 100, AT + timedelta(hours=n)) for n in range(30)]
    findings = find_anomalies([*honest(1), *bought])

    assert findings[0].kind == "network"
    assert (findings[0].who, findings[0].subject, findings[0].num_votes) == ("farm", "model:0", 30)
    assert findings[0].text.startswith("30 of 30 votes for `ship`, where all others give it ")
    assert findings[0].p_value is not None
    assert findings[0].p_value < 1e-9


def test_ten_minutes_that_say_one_thing_are_found_though_every_network_is_another() -> None:
    bought = [VoteRecord(f"x{n}", f"x{n}", "model:0", "ship", 100, AT + timedelta(seconds=15 * n)) for n in range(39)]
    findings = [each for each in find_anomalies([*honest(2), *bought]) if each.kind == "window"]

    assert [each.who for each in findings] == ["2026-11-16 09:00"]
    assert findings[0].num_votes >= 39


def test_voters_who_are_copies_of_each_other_are_found() -> None:
    said = ["ship", "skip", "ship", "skip", "skip", "ship"]
    bought = [
        VoteRecord(f"x{n}", f"x{n}", f"model:{subject}", choice, 100, AT + timedelta(hours=n))
        for n in range(40)
        for subject, choice in enumerate(said)
    ]
    findings = [each for each in find_anomalies([*honest(3), *bought]) if each.kind == "copies"]

    assert len(findings) == 1
    assert findings[0].who == "x0"
    assert findings[0].num_votes >= 240


def test_a_network_far_louder_than_others_is_found() -> None:
    votes = honest(4)
    loud = [VoteRecord(f"x{n}", "loud", f"model:{n % 6}", "ship" if n % 2 else "skip", 100, AT) for n in range(3000)]
    assert [each.who for each in loud_networks([*votes, *loud])] == ["loud"]
    assert loud_networks(votes) == []
    assert loud_networks(loud) == []


def test_loud_among_networks_of_one_vote_each_is_found() -> None:
    votes = [VoteRecord(f"v{n}", f"n{n}", "model:0", "ship", 250, AT) for n in range(500)]
    loud = [VoteRecord(f"x{n}", "loud", "model:0", "ship", 250, AT) for n in range(25)]
    assert [each.who for each in loud_networks([*votes, *loud])] == ["loud"]
    assert loud_networks(votes) == []


def test_one_sidedness_is_fishers_exact_test() -> None:
    votes = [VoteRecord(f"a{n}", "in", "s", "ship" if n < 9 else "skip", 250, AT) for n in range(10)]
    votes += [VoteRecord(f"b{n}", "out", "s", "ship" if n < 12 else "skip", 250, AT) for n in range(30)]
    (finding,) = [each for each in one_sided(votes, "network", lambda vote: vote.network) if each.who == "in"]

    expected = fisher_exact([[9, 1], [12, 18]], alternative="greater").pvalue
    assert finding.p_value == pytest.approx(2 * expected)


def test_few_votes_are_not_looked_at() -> None:
    votes = [VoteRecord(f"a{n}", "in", "s", "ship", 250, AT) for n in range(4)]
    votes += [VoteRecord(f"b{n}", "out", "s", "skip", 250, AT) for n in range(19)]
    assert list(one_sided(votes, "network", lambda vote: vote.network)) == []
    assert copies(votes) == []
    assert find_anomalies([]) == []
