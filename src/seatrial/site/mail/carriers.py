"""What carries a message, and what can go wrong with it.

A carrier is an SMTP server (`smtp.py`), a folder (`outbox.py`), or a folder that is emptied into a server (`spool.py`).
A message comes in; nothing comes out where it was taken, else one of four errors, by what may be done next:

    MailError
    ├── Refused        the address is no good: write to it no more
    ├── Deferred       not this message to this address, now: another day perhaps
    ├── Unavailable    nobody can be written to, now: the message was not taken, try again later
    └── Uncertain      the connection broke at the moment at which it may or may not have been taken
"""

from __future__ import annotations

from typing import Protocol

from seatrial.errors import SeatrialError
from seatrial.site.mail.message import Message


class MailError(SeatrialError):
    """A message that was not carried, or may not have been."""


class Refused(MailError):
    """This address cannot be written to, for good."""


class Deferred(MailError):
    """This address does not take this message, now: its mailbox is full, or the message is not liked."""


class Unavailable(MailError):
    """Nobody can be written to, now. The message was not taken."""


class Uncertain(MailError):
    """The connection broke after the whole message had left and before it was acknowledged."""


class Carrier(Protocol):
    """Carries messages, one at a time, from one thread."""

    def send(self, message: Message) -> None:
        """Carry a message. Raises as above, and StorageError where a disk is full."""
        ...

    def holds(self, id: str) -> bool | None:
        """Whether the message with this Message-ID was carried; None where that cannot be known."""
        ...

    def close(self) -> None:
        """Give back what it holds. May be called twice."""
        ...
