from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settable_clock import SettableClock

from seatrial.errors import ProofWanted
from seatrial.site.votes.proof_of_work import ProofOfWork, leading_zero_bits, solve

BOUND = "voter\nmodel:m\nship"


def work(clock: Any, **options: Any) -> ProofOfWork:
    return ProofOfWork(b"secret", clock, **({"num_bits": 8} | options))


def wanted(proofs: ProofOfWork, proof: str, bound_to: str = BOUND, network: str = "n") -> ProofWanted:
    with pytest.raises(ProofWanted) as caught:
        proofs.demand(proof, bound_to, network)
    return caught.value


def test_work_lets_through_once(clock: Any) -> None:
    proofs = work(clock)
    asked = wanted(proofs, "")
    proof = solve(asked.challenge, asked.num_bits)
    digest = hashlib.sha256(proof.encode()).hexdigest()
    assert (asked.num_bits, digest[:2]) == (8, "00")

    proofs.demand(proof, BOUND, "n")

    assert wanted(proofs, proof).challenge != asked.challenge


def test_work_for_something_else_of_another_site_or_too_late_is_none(clock: Any) -> None:
    proofs = work(clock)
    proof = solve(proofs.challenge(BOUND), 8)
    wanted(proofs, proof, "voter\nmodel:m\nskip")
    with pytest.raises(ProofWanted):
        ProofOfWork(b"another", clock, num_bits=8).demand(proof, BOUND, "n")
    clock.advance(seconds=601)
    wanted(proofs, proof)


def test_a_challenge_says_how_hard_it_is_and_cannot_be_made_easier(clock: Any) -> None:
    hard = work(clock, num_bits=17, random_bytes=bytes)
    challenge = hard.challenge(BOUND)
    easier = challenge.replace(".17.", ".1.")
    assert easier != challenge
    wanted(hard, solve(easier, 1))
    wanted(hard, f"{challenge}:0")
    hard.demand(solve(challenge, 17), BOUND, "n")


def test_without_a_script_waiting_does_and_few_may_at_once(clock: Any) -> None:
    proofs = work(clock, wait_s=30)
    challenges = [proofs.challenge(BOUND) for _ in range(6)]
    clock.advance(seconds=10)
    asked = wanted(proofs, f"{challenges[0]}:")
    assert (asked.challenge, asked.retry_after_s) == (challenges[0], pytest.approx(20))
    assert "20 seconds" in str(asked)

    clock.advance(seconds=20)
    for challenge in challenges[:4]:
        proofs.demand(f"{challenge}:", BOUND, "n")
    asked = wanted(proofs, f"{challenges[4]}:")
    assert asked.challenge == challenges[4]
    proofs.demand(f"{challenges[5]}:", BOUND, "another network")
    wanted(proofs, f"{challenges[0]}:")

    clock.advance(seconds=asked.retry_after_s)
    proofs.demand(f"{challenges[4]}:", BOUND, "n")


@given(
    st.text(max_size=60) | st.from_regex(r"1\.\d{1,15}\.\d{1,4}\.[0-9a-f]{32}\.[0-9a-f]{64}:\d{0,22}", fullmatch=True)
)
def test_what_was_never_asked_for_is_not_good(proof: str) -> None:
    wanted(work(SettableClock()), proof)


def test_bits_are_counted_from_the_left() -> None:
    for number in range(2000):
        proof = str(number).encode()
        bits = bin(int(hashlib.sha256(proof).hexdigest(), 16))[2:].zfill(256)
        assert leading_zero_bits(proof) == len(bits) - len(bits.lstrip("0"))
