"""The values that go into the booth and come back: a vote cast, an address confirmed, and their receipts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seatrial.errors import UsageError
from seatrial.site.votes.subject import WITHDRAWN, Subject

LONGEST_SUBJECT, LONGEST_CHOICE, LONGEST_NETWORK = 400, 300, 32
_VOTER = re.compile(r"[0-9a-f]{32}")
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Cast:
    """A vote as it comes in. `voter` is an id of `voters.new_voter`, `network` the keyed hash of the sender's network.

    The choice `WITHDRAWN` takes back what the voter said of the subject.
    """

    voter: str
    network: str
    subject: Subject
    choice: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A vote that is on disk: entry `seq` of the log says `choice`, at `weight` thousandths of a vote.

    `changed` False: the same was said before, and nothing was written. `seq` None: there was nothing to withdraw.
    """

    seq: int | None
    choice: str
    weight: int
    changed: bool


@dataclass(frozen=True, slots=True)
class Confirm:
    """The owner of an e-mail address, known by its keyed hash, is this voter."""

    voter: str
    email_hash: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """`num_weighed` votes of the voter now count in full; `num_withdrawn` of the address's earlier voter are gone."""

    num_weighed: int
    num_withdrawn: int


def check_cast(cast: Cast, *, may_withdraw: bool = False) -> None:
    """Raises `UsageError` for a choice that the subject does not offer, and for what the database cannot hold."""
    subject = cast.subject
    if cast.choice not in subject.choices and not (may_withdraw and cast.choice == WITHDRAWN):
        offered = " or ".join(f"`{choice}`" for choice in subject.choices)
        raise UsageError(f"`{cast.choice[:80]!r}` is no choice here. Choose {offered}.", field="choice")
    check_voter(cast.voter)
    for what, text, longest in (
        ("subject", subject.key, LONGEST_SUBJECT),
        ("choice", cast.choice, LONGEST_CHOICE),
        ("network", cast.network, LONGEST_NETWORK),
    ):
        if len(text) > longest:
            raise UsageError(f"A vote's {what} takes {longest} characters; `{text[:80]}…` has {len(text):,}.")
        if _UNSTORABLE.search(text):
            raise UsageError(f"A vote's {what} `{text[:80]!r}` holds characters that cannot be stored.")


def check_voter(voter: str) -> None:
    """Raises `UsageError` for what is no voter's id."""
    if not _VOTER.fullmatch(voter):
        raise UsageError(f"`{voter[:40]!r}` is no voter's id, which is 32 hexadecimal digits.")
