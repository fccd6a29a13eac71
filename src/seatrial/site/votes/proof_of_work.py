"""Proof of work: what a vote costs while the site is under attack.

In: what the proof is to be good for. Out: a challenge, and later whether it was met. A challenge is met by a number
such that SHA-256 of `challenge:number` begins with enough zero bits (Back 2002, "Hashcash"), which a page computes in a
second or so; or, where no script runs, by presenting it again after a while, which few at a time may do per network.

    challenge  =  version . seconds when issued . zero bits . random id . signature over all of it and the purpose
    proof      =  challenge : number        or        challenge :
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from seatrial.errors import ProofWanted
from seatrial.site.security.limits import Buckets

NUM_BITS = 16
WAIT_S = 30
GOOD_FOR_S = 600
_MOST_SPENT = 100_000
_WAITS_PER_HOUR, _WAITS_AT_ONCE = 120.0, 4
_PROOF = re.compile(r"(1\.(\d{1,12})\.(\d{1,3})\.([0-9a-f]{32}))\.([0-9a-f]{64}):(\d{0,20})", re.ASCII)


class ProofOfWork:
    """Makes challenges under the site's `secret`; `clock` gives aware instants, `random_bytes` the ids."""

    def __init__(
        self,
        secret: bytes,
        clock: Callable[[], datetime],
        *,
        num_bits: int = NUM_BITS,
        wait_s: int = WAIT_S,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._key = hmac.digest(secret, b"seatrial.site:proof of work", "sha256")
        self._clock, self._num_bits, self._wait_s, self._random_bytes = clock, num_bits, wait_s, random_bytes
        self._spent: OrderedDict[str, float] = OrderedDict()
        self._waits = Buckets(per_hour=_WAITS_PER_HOUR, burst=_WAITS_AT_ONCE, clock=self._now_s)

    def demand(self, proof: str, bound_to: str, network: str) -> None:
        """Let through what a good proof comes with; each is good once, for `bound_to`, for ten minutes.

        Raises ProofWanted with a new challenge where there is no proof or it is not good. A challenge that is
        presented unsolved before its time is asked for again, with the time that is left.
        """
        presented = self._presented(proof, bound_to)
        if presented is None:
            raise self._wanted(self.challenge(bound_to), self._wait_s, "The site is under attack, so a vote costs work")
        if presented.number:
            if not leading_zero_bits(proof.encode()) >= presented.num_bits:
                raise self._wanted(self.challenge(bound_to), self._wait_s, "The work for this vote was not done")
        else:
            self._check_waited(presented, network)
        self._spend(presented)

    def challenge(self, bound_to: str) -> str:
        """A new challenge, good for `bound_to`."""
        return self._signed(f"1.{int(self._now_s())}.{self._num_bits}.{self._random_bytes(16).hex()}", bound_to)

    def _presented(self, proof: str, bound_to: str) -> _Presented | None:
        """None for what is no challenge of ours for this, too old, or spent."""
        match = _PROOF.fullmatch(proof)
        if match is None:
            return None
        body, issued, num_bits, name, _, number = match.groups()
        challenge = proof.rpartition(":")[0]
        if not hmac.compare_digest(self._signed(body, bound_to), challenge):
            return None
        age_s = self._now_s() - int(issued)
        if age_s > GOOD_FOR_S or name in self._spent:
            return None
        return _Presented(challenge, name, int(issued), int(num_bits), number)

    def _check_waited(self, presented: _Presented, network: str) -> None:
        left_s = presented.issued_s + self._wait_s - self._now_s()
        if left_s > 0:
            raise self._wanted(presented.challenge, left_s, "The site is under attack, so a vote takes a while")
        more_s = self._waits.take(network)
        if more_s > 0:
            raise self._wanted(presented.challenge, more_s, "The site is under attack, and many wait on your network")

    def _wanted(self, challenge: str, wait_s: float, why: str) -> ProofWanted:
        return ProofWanted(
            f"{why}. With JavaScript your browser does it by itself; without, send it again in {max(1, round(wait_s))} "
            "seconds.",
            challenge=challenge,
            num_bits=self._num_bits,
            retry_after_s=wait_s,
        )

    def _spend(self, presented: _Presented) -> None:
        now_s = self._now_s()
        self._spent[presented.name] = now_s + GOOD_FOR_S
        while self._spent and (len(self._spent) > _MOST_SPENT or next(iter(self._spent.values())) < now_s):
            self._spent.popitem(last=False)

    def _signed(self, body: str, bound_to: str) -> str:
        signature = hmac.new(self._key, f"{body}\n{bound_to}".encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"{body}.{signature.hexdigest()}"

    def _now_s(self) -> float:
        return self._clock().timestamp()


def solve(challenge: str, num_bits: int) -> str:
    """The proof that a challenge asks for: what the page's script computes, for clients that are no browsers."""
    return next(proof for proof in _tries(challenge) if leading_zero_bits(proof.encode()) >= num_bits)


def leading_zero_bits(proof: bytes) -> int:
    """How many zero bits SHA-256 of a proof begins with."""
    return 256 - int.from_bytes(hashlib.sha256(proof).digest(), "big").bit_length()


class _Presented(NamedTuple):
    """A challenge of ours that came back. `number` is empty where its sender waited instead."""

    challenge: str
    name: str
    issued_s: int
    num_bits: int
    number: str


def _tries(challenge: str) -> Iterator[str]:
    number = 0
    while True:
        yield f"{challenge}:{number}"
        number += 1
