"""A sender that is killed again and again: `sender_process.py DATABASE_URL CARRIER SEED`; says how often it was killed.

CARRIER is `outbox:FOLDER` or an SMTP server's URL. Each sender is a process of its own, forked when everything is
loaded, and dies by SIGKILL: from outside at a random moment, or by its own hand right before or after a message leaves.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seatrial.site.db.opening import open_database
from seatrial.site.digest.letters import Letters
from seatrial.site.digest.sending import Sending
from seatrial.site.digest.week import Week
from seatrial.site.digest.writing import find_issue
from seatrial.site.mail.message import Message, Sender
from seatrial.site.mail.outbox import OutboxFolder
from seatrial.site.mail.smtp import SmtpServer
from seatrial.site.security.tokens import Tokens

MOST_KILLS = 12


class Deadly:
    """Kills its own process right before or after the message with this number leaves."""

    def __init__(self, carrier: Any, number: int, *, is_before: bool) -> None:
        self.carrier, self.number, self.is_before = carrier, number, is_before

    def send(self, message: Message) -> None:
        self.number -= 1
        if self.number == 0 and self.is_before:
            os.kill(os.getpid(), signal.SIGKILL)
        self.carrier.send(message)
        if self.number == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def holds(self, id: str) -> bool | None:
        held: bool | None = self.carrier.holds(id)
        return held

    def close(self) -> None:
        self.carrier.close()


def now() -> datetime:
    return datetime.now(UTC)


def send(url: str, carrier_name: str, number: int, *, is_before: bool) -> int:
    database = open_database(url)
    issue = find_issue(database, Week(2026, 46))
    assert issue is not None
    kind, _, folder = carrier_name.partition(":")
    carrier: Any = OutboxFolder(Path(folder)) if kind == "outbox" else SmtpServer(carrier_name)
    letters = Letters(Sender("Seatrial", "digest@site.example"), "https://site.example", Tokens(b"s" * 32, clock=now))
    outcome = Sending(database, Deadly(carrier, number, is_before=is_before), letters, now).send(issue)
    return 0 if outcome.stopped is None else 3


def main(url: str, carrier_name: str, seed: str) -> None:
    rng = random.Random(int(seed))
    num_kills = 0
    while True:
        may_live = num_kills >= MOST_KILLS
        dies_by_itself = not may_live and rng.random() < 0.5
        number, is_before = rng.randint(1, 8) if dies_by_itself else 0, rng.random() < 0.5
        child = os.fork()
        if child == 0:
            os._exit(send(url, carrier_name, number, is_before=is_before))
        if not may_live and not dies_by_itself:
            time.sleep(rng.uniform(0.0, 0.12))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            print(num_kills, flush=True)
            sys.exit(os.WEXITSTATUS(status))
        num_kills += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
