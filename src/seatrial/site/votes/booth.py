"""The booth: where a visitor's vote comes in, and returns as a receipt once it is on disk.

In: casts, withdrawals and confirmed addresses. Out: receipts, what a voter said, and opinions for pages. On the way a
vote is checked (is there such a choice?), throttled (by network and by voter), and, while the site is under attack,
asked for work (`throttle.py`, `proof_of_work.py`); then it waits for the writer.

    Cast  ->  check  ->  Throttle  ->  Alarm, ProofOfWork  ->  Writer  ->  Receipt
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import select

from seatrial.site.db.instants import naive
from seatrial.site.db.opening import Database, reading
from seatrial.site.db.site_settings import secret
from seatrial.site.db.tables import votes
from seatrial.site.votes.batch import Age, Aged
from seatrial.site.votes.cast import Cast, Confirm, Confirmed, Receipt, check_cast, check_voter
from seatrial.site.votes.proof_of_work import ProofOfWork
from seatrial.site.votes.subject import WITHDRAWN, Subject
from seatrial.site.votes.tally import TallyOpinions
from seatrial.site.votes.throttle import USUAL_LIMITS, Alarm, Limits, Mode, Throttle
from seatrial.site.votes.voters import VoterStanding, email_hash, find_voters
from seatrial.site.votes.writer import MOST_WAITING, PATIENCE_S, Writer

__all__ = ["Booth", "Cast", "Confirmed", "Limits", "Receipt", "VoterStanding"]


class Booth:
    """Votes on `database`. `clock` gives aware instants; `monotonic`, in seconds, times throttles and caches.

    Raises StorageError where the database cannot be read.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        *,
        limits: Limits = USUAL_LIMITS,
        monotonic: Callable[[], float] = time.monotonic,
        most_waiting: int = MOST_WAITING,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._database, self._clock = database, clock
        self._secret = secret(database)
        self._writer = Writer(database, clock, most_waiting=most_waiting, patience_s=patience_s)
        self._throttle = Throttle(limits, monotonic)
        self._alarm = Alarm(limits, monotonic)
        self._work = ProofOfWork(self._secret, clock)
        self.opinions = TallyOpinions(database, monotonic)

    @property
    def mode(self) -> Mode:
        """`calm` or `attacked`."""
        return self._alarm.mode

    def start(self) -> None:
        """Begin to look after votes whose voters are new no more. Without it that begins with the first vote."""
        self._writer.start()

    async def cast(self, cast: Cast, *, proof: str = "") -> Receipt:
        """Vote, or change a vote; returns once it is on disk.

        Raises UsageError for a choice that there is not, TooManyRequests (`retry_after_s`) for a voter or network that
        votes too often and when too many wait, ProofWanted under attack unless `proof` is what was asked for,
        StorageError where it could not be written.
        """
        check_cast(cast)
        self._throttle.take(cast.network, cast.voter)
        self._alarm.note()
        if self._alarm.mode == "attacked":
            self._work.demand(proof, _bound_to(cast), cast.network)
        return _receipt(await self._writer.write(cast))

    async def withdraw(self, voter: str, network: str, subject: Subject) -> Receipt:
        """Take a vote back; `Receipt.changed` False where there was none. Raises as `cast` does, ProofWanted never."""
        cast = Cast(voter, network, subject, WITHDRAWN)
        check_cast(cast, may_withdraw=True)
        self._throttle.take(network, voter)
        return _receipt(await self._writer.write(cast))

    async def confirm(self, voter: str, address: str) -> Confirmed:
        """The owner of an e-mail address has shown to be this voter, whose votes count in full from now on.

        Another voter with the same address loses it, and with it the votes. Raises UsageError, TooManyRequests,
        StorageError.
        """
        check_voter(voter)
        done = await self._writer.write(Confirm(voter, email_hash(self._secret, address)))
        assert isinstance(done, Confirmed)
        return done

    async def age(self) -> int:
        """Weigh the votes of voters who are new no more, now instead of in some minutes. How many there were."""
        done = await self._writer.write(Age())
        assert isinstance(done, Aged)
        return done.num_weighed

    def standing_of(self, voter: str) -> VoterStanding | None:
        """What a voter's votes count for now; None for who has not voted yet. Raises StorageError."""
        with reading(self._database) as connection:
            known = find_voters(connection, (voter,)).get(voter)
        return None if known is None else known.standing_at(naive(self._clock()))

    def choices_of(self, voter: str) -> Mapping[str, str]:
        """What a voter says now: choices by subject key. Raises StorageError."""
        said = select(votes.c.subject, votes.c.choice).where(votes.c.voter == voter).order_by(votes.c.subject)
        with reading(self._database) as connection:
            return {row.subject: row.choice for row in connection.execute(said)}

    async def close(self) -> None:
        """Write what waits, and take nothing more."""
        await asyncio.to_thread(self._writer.close)


def _bound_to(cast: Cast) -> str:
    """What a proof of work is good for: this vote of this voter, so that presenting it again would change nothing."""
    return "\n".join((cast.voter, cast.subject.key, cast.choice))


def _receipt(done: object) -> Receipt:
    assert isinstance(done, Receipt)
    return done
