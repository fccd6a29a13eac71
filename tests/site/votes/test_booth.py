from __future__ import annotations

import asyncio
from typing import Any

import pytest
from voting import HOME, MODEL, assert_sound, log_of, network, say, tallies_of, voter, votes_of

from seatrial.errors import ProofWanted, TooManyRequests, UsageError
from seatrial.site.db.opening import Database
from seatrial.site.votes.booth import Booth, Cast, Limits, VoterStanding
from seatrial.site.votes.proof_of_work import solve
from seatrial.site.votes.subject import Subject, model_subject, pair_subject

PAIR = pair_subject("smollm3-3b", "gpt-5-mini")


async def test_a_vote_is_in_log_votes_and_tally(booth: Booth, database: Database) -> None:
    receipt = await say(booth, 1)

    assert (receipt.seq, receipt.choice, receipt.weight, receipt.changed) == (1, "ship", 100, True)
    assert votes_of(database) == {(voter(1), MODEL.key): ("ship", 100)}
    assert tallies_of(database) == {(MODEL.key, "ship"): (1, 100, 10_000)}
    assert [(entry.voter, entry.network, entry.choice) for entry in log_of(database)] == [(voter(1), HOME, "ship")]
    assert_sound(database)


async def test_a_vote_can_be_changed_and_counts_once(booth: Booth, database: Database) -> None:
    await say(booth, 1, "ship")
    await say(booth, 1, "skip")

    assert tallies_of(database) == {(MODEL.key, "skip"): (1, 100, 10_000)}
    assert [entry.choice for entry in log_of(database)] == ["ship", "skip"]
    assert booth.choices_of(voter(1)) == {MODEL.key: "skip"}
    assert_sound(database)


async def test_the_same_vote_again_is_answered_and_not_written(booth: Booth, database: Database) -> None:
    first = await say(booth, 1)
    again = await say(booth, 1)

    assert (again.seq, again.changed) == (first.seq, False)
    assert len(log_of(database)) == 1


async def test_a_vote_is_taken_back(booth: Booth, database: Database) -> None:
    await say(booth, 1)
    gone = await booth.withdraw(voter(1), HOME, MODEL)
    again = await booth.withdraw(voter(1), HOME, MODEL)

    assert (gone.seq, gone.changed) == (2, True)
    assert (again.seq, again.changed) == (None, False)
    assert votes_of(database) == tallies_of(database) == {}
    assert booth.choices_of(voter(1)) == {}
    assert_sound(database)

    await say(booth, 1, "skip")
    assert tallies_of(database) == {(MODEL.key, "skip"): (1, 100, 10_000)}
    assert_sound(database)


async def test_a_vote_weighs_more_with_time_and_in_full_with_an_address(
    booth: Booth, database: Database, clock: Any
) -> None:
    assert booth.standing_of(voter(1)) is None
    assert (await say(booth, 1)).weight == 100
    clock.advance(minutes=59)
    assert (await say(booth, 1, "ship", model_subject("gpt-5-mini"))).weight == 100
    clock.advance(minutes=1)
    assert (await say(booth, 1, "skip")).weight == 250
    assert booth.standing_of(voter(1)) == VoterStanding(is_confirmed=False, weight=250)

    done = await booth.confirm(voter(1), "me@example.org")

    assert (done.num_weighed, done.num_withdrawn) == (2, 0)
    assert booth.standing_of(voter(1)) == VoterStanding(is_confirmed=True, weight=1000)
    assert {weight for _, weight in votes_of(database).values()} == {1000}
    assert (await say(booth, 1, "ship")).weight == 1000
    assert_sound(database)


async def test_who_confirms_an_address_anew_takes_it_over(booth: Booth, database: Database) -> None:
    await say(booth, 1, "ship")
    await say(booth, 1, "gpt-5-mini", PAIR)
    await say(booth, 2, "skip")
    await booth.confirm(voter(1), "me@example.org")

    done = await booth.confirm(voter(2), " Me+phone@Example.ORG")

    assert (done.num_weighed, done.num_withdrawn) == (1, 2)
    assert votes_of(database) == {(voter(2), MODEL.key): ("skip", 1000)}
    assert (await say(booth, 1)).weight == 100
    assert_sound(database)


async def test_an_address_may_be_confirmed_before_the_first_vote_and_twice(booth: Booth, database: Database) -> None:
    await booth.confirm(voter(1), "me@example.org")
    assert (await say(booth, 1)).weight == 1000
    assert (await booth.confirm(voter(1), "me@example.org")).num_weighed == 0
    assert (await booth.confirm(voter(1), "other@example.org")).num_withdrawn == 0
    assert (await booth.confirm(voter(2), "me@example.org")).num_withdrawn == 0
    assert len(votes_of(database)) == 1
    assert_sound(database)


async def test_votes_of_new_voters_grow_up(booth: Booth, database: Database, clock: Any) -> None:
    for number in range(5):
        await say(booth, number, where=network(number))
    await booth.confirm(voter(4), "me@example.org")
    clock.advance(minutes=30)
    await say(booth, 9)
    assert await booth.age() == 0

    clock.advance(minutes=30)

    assert await booth.age() == 4
    assert await booth.age() == 0
    weights = {who: weight for (who, _), (_, weight) in votes_of(database).items()}
    assert weights == {voter(number): 250 for number in range(4)} | {voter(4): 1000, voter(9): 100}
    assert [(entry.voter, entry.network) for entry in log_of(database)[-4:]] == [
        (voter(number), network(number)) for number in range(4)
    ]
    assert_sound(database)


@pytest.mark.parametrize(
    ("cast", "says"),
    [
        (Cast(voter(1), HOME, MODEL, "maybe"), "`ship` or `skip`"),
        (Cast(voter(1), HOME, MODEL, ""), "`ship` or `skip`"),
        (Cast("me", HOME, MODEL, "ship"), "voter's id"),
        (Cast(voter(1), "n" * 33, MODEL, "ship"), "network"),
        (Cast(voter(1), HOME, model_subject("m" * 500), "ship"), "400"),
        (Cast(voter(1), HOME, Subject("pair:a:b", ("a\0", "b")), "a\0"), "cannot be stored"),
        (Cast(voter(1), HOME, Subject("pair:a:b", ("a\ud800", "b")), "a\ud800"), "cannot be stored"),
        (Cast(voter(1), HOME, Subject("pair:a:b", ("a" * 301, "b")), "a" * 301), "300"),
    ],
)
async def test_what_cannot_be_voted_is_refused_and_named(
    booth: Booth, database: Database, cast: Cast, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        await booth.cast(cast)

    assert log_of(database) == []


async def test_odd_names_are_kept_as_they_are(booth: Booth, database: Database) -> None:
    first, second = "'; DROP TABLE votes; --", "http://höst:8000/v1#naïve <b>🚢</b>"
    await say(booth, 1, first, pair_subject(first, second))
    await say(booth, 2, second, pair_subject(second, first))

    assert sorted(choice for choice, _ in votes_of(database).values()) == sorted([first, second])
    assert_sound(database)


async def test_too_many_votes_of_a_voter_or_a_network_are_refused_with_the_time_to_wait(
    database: Database, clock: Any
) -> None:
    now_s = [0.0]
    limits = Limits(voter_per_hour=3600, voter_burst=3, network_per_hour=7200, network_burst=6)
    booth = Booth(database, clock, limits=limits, monotonic=lambda: now_s[0])
    choices = ("ship", "skip", "ship", "skip")
    for choice in choices[:3]:
        await say(booth, 1, choice)
    with pytest.raises(TooManyRequests) as caught:
        await say(booth, 1, "skip")
    assert caught.value.retry_after_s == pytest.approx(1.0)

    await say(booth, 2)
    await say(booth, 3)
    with pytest.raises(TooManyRequests, match="network"):
        await say(booth, 4)
    await say(booth, 4, where=network(7))

    now_s[0] = 1.0
    assert (await say(booth, 1, "skip")).changed
    await booth.close()
    assert_sound(database)


async def test_under_attack_a_vote_costs_work_and_then_counts(database: Database, clock: Any) -> None:
    now_s = [0.0]
    limits = Limits(attack_per_s=2.0)
    booth = Booth(database, clock, limits=limits, monotonic=lambda: now_s[0])
    assert booth.mode == "calm"
    refused: list[ProofWanted] = []
    for number in range(30):
        try:
            await say(booth, number, where=network(number))
        except ProofWanted as error:
            refused.append(error)
    assert booth.mode == "attacked"
    assert len(refused) == 10
    assert len(log_of(database)) == 20

    cast = Cast(voter(29), network(29), MODEL, "ship")
    proof = solve(refused[-1].challenge, refused[-1].num_bits)
    assert (await booth.cast(cast, proof=proof)).changed
    with pytest.raises(ProofWanted):
        await booth.cast(cast, proof=proof)
    with pytest.raises(ProofWanted):
        await booth.cast(Cast(voter(28), network(28), MODEL, "ship"), proof=proof)
    assert (await booth.withdraw(voter(29), network(29), MODEL)).changed

    now_s[0] = 120.0
    assert booth.mode == "calm"
    await say(booth, 40, where=network(40))
    await booth.close()
    assert_sound(database)


async def test_a_thousand_at_once_are_all_counted(booth: Booth, database: Database) -> None:
    casts = [say(booth, number, "ship" if number % 3 else "skip", where=network(number % 50)) for number in range(1000)]
    receipts = await asyncio.gather(*casts)

    assert sorted(receipt.seq or 0 for receipt in receipts) == list(range(1, 1001))
    assert tallies_of(database) == {
        (MODEL.key, "ship"): (666, 66_600, 6_660_000),
        (MODEL.key, "skip"): (334, 33_400, 3_340_000),
    }
    assert_sound(database)


async def test_changes_of_mind_in_one_go_end_as_they_were_made(booth: Booth, database: Database) -> None:
    casts = [say(booth, 1, choice) for choice in ("ship", "skip", "ship", "skip") * 25]
    await asyncio.gather(*casts, booth.withdraw(voter(1), HOME, MODEL), say(booth, 1, "ship"))

    assert votes_of(database) == {(voter(1), MODEL.key): ("ship", 100)}
    assert len(log_of(database)) == 102
    assert_sound(database)


async def test_a_flood_from_a_thousand_networks_is_an_attack_and_whoever_works_still_votes(
    database: Database, clock: Any
) -> None:
    booth = Booth(database, clock, monotonic=lambda: 0.0)
    casts = [say(booth, number, where=network(number % 1000)) for number in range(3000)]
    answers = await asyncio.gather(*casts, return_exceptions=True)

    refused = [answer for answer in answers if isinstance(answer, ProofWanted)]
    assert len(log_of(database)) == 200
    assert len(refused) == 2800

    with pytest.raises(ProofWanted) as caught:
        await say(booth, 5000, where=network(5000))
    proof = solve(caught.value.challenge, caught.value.num_bits)
    assert (await booth.cast(Cast(voter(5000), network(5000), MODEL, "ship"), proof=proof)).seq == 201
    await booth.close()
    assert_sound(database)
