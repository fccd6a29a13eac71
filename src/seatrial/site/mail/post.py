"""What the site writes to one person at a time: is this address yours, and do you want this?

In: an address that somebody typed, and the token that its link carries. Out: a message, handed to the carrier; or none,
where that mailbox was written to often enough today. The caller cannot tell the two apart, nor can who asked.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime

from seatrial.site.mail.address import Address, read_address
from seatrial.site.mail.carriers import Carrier, Deferred, Refused, Uncertain
from seatrial.site.mail.message import Letter, Sender, write_message
from seatrial.site.mail.rendering import render
from seatrial.site.mail.sparing import Sparing

logger = logging.getLogger(__name__)


class Post:
    """Writes as `sender`, with links to the site at `base_url` (without a slash at its end).

    Every method may raise `Unavailable` or StorageError: no mail goes out at present.
    """

    def __init__(self, carrier: Carrier, *, sender: Sender, base_url: str, clock: Callable[[], datetime]) -> None:
        self._carrier, self._sender, self._base_url, self._clock = carrier, sender, base_url, clock
        self._subscribers, self._voters = Sparing(clock), Sparing(clock)

    def ask_subscriber(self, to: Address, token: str) -> None:
        """Ask whether the owner of the address wants the digest. `token` is the confirmation's."""
        if self._subscribers.take(to.mailbox):
            self._ask("subscriber", "Do you want the weekly digest?", to, f"/digest/confirm/{token}")

    def ask_voter(self, typed: str, token: str) -> None:
        """Ask whether the owner of the address votes on the site. Raises UsageError where `typed` is no address."""
        to = read_address(typed)
        if self._voters.take(to.mailbox):
            self._ask("voter", "Is this your address?", to, f"/voter/confirm/{token}")

    def close(self) -> None:
        """Close the carrier."""
        self._carrier.close()

    def _ask(self, template: str, question: str, to: Address, path: str) -> None:
        context = {"url": f"{self._base_url}{path}", "base_url": self._base_url, "address": to.text}
        letter = Letter(
            id=f"{template}-{hashlib.sha256(path.encode()).hexdigest()[:32]}",
            to=to.text,
            subject=f"{question} ({self._base_url.rpartition('//')[2]})",
            text=render(f"{template}.txt", **context),
            html=render(f"{template}.html", **context),
        )
        try:
            self._carrier.send(write_message(letter, self._sender, at=self._clock()))
        except (Refused, Deferred, Uncertain) as error:  # saying so would tell who asked what the address is like
            logger.warning("a confirmation was not taken: %s", error)
