"""The spool: mail is taken at once, waits while the server is down, survives a restart, and one process hands it on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mail_server import Inbox, free_port, running

from seatrial.site.mail.carriers import Deferred, MailError, Refused, Unavailable, Uncertain
from seatrial.site.mail.message import Message
from seatrial.site.mail.smtp import SmtpServer
from seatrial.site.mail.spool import GIVE_UP_S, Spool

New = Callable[..., Any]


class Script:
    """A carrier that raises what it is told to, then carries."""

    def __init__(self, *errors: MailError) -> None:
        self.errors, self.sent, self.num_asked = list(errors), list[Message](), 0

    def send(self, message: Message) -> None:
        self.num_asked += 1
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(message)

    def holds(self, id: str) -> bool | None:
        return None

    def close(self) -> None:
        pass


def until(condition: Callable[[], object], limit_s: float = 10.0) -> None:
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.01)


def waiting(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.json"))


@pytest.fixture
def new_spool(tmp_path: Path, clock: Any) -> Iterator[Callable[..., Spool]]:
    """Opens a spool on the same folder each time; closed at the end."""
    opened: list[Spool] = []

    def make(carrier: Any, **options: Any) -> Spool:
        opened.append(Spool(tmp_path / "spool", carrier, **{"clock": clock, "pause_s": 0.05} | options))
        return opened[-1]

    yield make
    for spool in opened:
        spool.close()


def test_mail_waits_for_a_server_that_is_down(new_spool: Any, tmp_path: Path, new_message: New) -> None:
    port = free_port()
    spool = new_spool(SmtpServer(f"smtp://127.0.0.1:{port}"))
    messages = [new_message(id=f"subscriber-{i}", to="jürgen@example.org") for i in range(3)]
    begun_s = time.monotonic()
    for message in messages:
        spool.send(message)
    assert time.monotonic() - begun_s < 2
    time.sleep(0.2)
    assert len(waiting(tmp_path / "spool")) == 3
    with running(Inbox(), port) as inbox:
        until(lambda: len(inbox.mails) == 3)
        assert inbox.mails == [(message.recipient, message.content) for message in messages]
        until(lambda: not waiting(tmp_path / "spool"))


def test_what_an_earlier_process_left_goes_out_first(
    new_spool: Any, tmp_path: Path, new_message: New, clock: Any
) -> None:
    down = new_spool(Script(*[Unavailable("down")] * 1000))
    for i in range(3):
        down.send(new_message(id=f"subscriber-{i}"))
        at_s = clock().timestamp() - i
        os.utime(tmp_path / "spool" / f"subscriber-{i}@site.example.json", (at_s, at_s))
    down.close()
    carrier = Script()
    new_spool(carrier).start()
    until(lambda: len(carrier.sent) == 3)
    assert [message.id.partition("@")[0] for message in carrier.sent] == [
        "subscriber-2",
        "subscriber-1",
        "subscriber-0",
    ]


@pytest.mark.parametrize("error", [Refused("550 5.1.1 nobody"), Uncertain("gone")])
def test_what_is_refused_or_may_have_arrived_is_not_tried_again(
    new_spool: Any, tmp_path: Path, new_message: New, error: MailError
) -> None:
    carrier = Script(error)
    spool = new_spool(carrier)
    spool.send(new_message(id="subscriber-1"))
    until(lambda: carrier.num_asked == 1 and not waiting(tmp_path / "spool"))
    spool.send(new_message(id="subscriber-2"))
    until(lambda: len(carrier.sent) == 1)
    assert carrier.sent[0].id.startswith("subscriber-2")


def test_an_address_that_takes_nothing_yet_holds_up_nobody(
    new_spool: Any, new_message: New, clock: Any, tmp_path: Path
) -> None:
    carrier = Script(Deferred("450 greylisted"))
    spool = new_spool(carrier)
    spool.send(new_message(id="subscriber-1"))
    until(lambda: carrier.num_asked == 1)
    spool.send(new_message(id="subscriber-2"))
    until(lambda: len(carrier.sent) == 1)
    time.sleep(0.2)
    assert carrier.num_asked == 2
    clock.advance(minutes=16)
    until(lambda: len(carrier.sent) == 2)
    assert carrier.sent[1].id.startswith("subscriber-1")


def test_mail_is_given_up_after_a_day(new_spool: Any, new_message: New, clock: Any, tmp_path: Path) -> None:
    clock.now = clock.now.fromtimestamp(time.time(), clock.now.tzinfo)
    carrier = Script(*[Unavailable("down")] * 1000)
    spool = new_spool(carrier)
    spool.send(new_message())
    until(lambda: carrier.num_asked > 1)
    assert len(waiting(tmp_path / "spool")) == 1
    clock.advance(seconds=GIVE_UP_S + 60)
    until(lambda: not waiting(tmp_path / "spool"))
    assert carrier.sent == []


def test_of_two_processes_one_hands_on(new_spool: Any, new_message: New) -> None:
    carriers = [Script(), Script()]
    spools = [new_spool(carrier) for carrier in carriers]
    for i in range(40):
        spools[i % 2].send(new_message(id=f"subscriber-{i}"))
    until(lambda: sum(len(carrier.sent) for carrier in carriers) >= 40)
    time.sleep(0.2)
    assert sorted(message.id for carrier in carriers for message in carrier.sent) == sorted(
        f"subscriber-{i}@site.example" for i in range(40)
    )


def test_a_flood_is_bounded(new_spool: Any, new_message: New, tmp_path: Path) -> None:
    spool = new_spool(Script(*[Unavailable("down")] * 1000), most_waiting=5)
    for i in range(4):  # the lock's file counts too
        spool.send(new_message(id=f"subscriber-{i}"))
    until(lambda: len(os.listdir(tmp_path / "spool")) == 5)
    with pytest.raises(Unavailable, match="wait for the mail server"):
        spool.send(new_message(id="subscriber-9"))


def test_a_spoilt_file_is_set_aside(new_spool: Any, new_message: New, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "a.json").write_text("{")
    carrier = Script()
    new_spool(carrier).send(new_message())
    until(lambda: len(carrier.sent) == 1)
    assert (tmp_path / "spool" / "a.spoilt").exists()
