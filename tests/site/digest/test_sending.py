"""Each subscriber gets an issue once: through the folder, through a real server with its faults, by several senders."""

from __future__ import annotations

import email
import email.policy
import re
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mail_server import Inbox, free_port, running
from readers import sends_of, subscriber

from seatrial.errors import StorageError
from seatrial.site.digest.progress import Progress, progress_of
from seatrial.site.digest.sending import MOST_REFUSALS, Sending
from seatrial.site.digest.subscriptions import Subscriptions
from seatrial.site.mail.carriers import Unavailable
from seatrial.site.mail.message import Message, Sender
from seatrial.site.mail.outbox import OutboxFolder
from seatrial.site.mail.post import Post
from seatrial.site.mail.smtp import SmtpServer

AddReaders = Callable[..., list[int]]


class Stumbling:
    """A carrier that calls a function before, and one after, each message it hands on."""

    def __init__(self, carrier: Any, before: Callable[[int], None], after: Callable[[int], None]) -> None:
        self.carrier, self.before, self.after, self.num = carrier, before, after, 0

    def send(self, message: Message) -> None:
        self.num += 1
        self.before(self.num)
        self.carrier.send(message)
        self.after(self.num)

    def holds(self, id: str) -> bool | None:
        held: bool | None = self.carrier.holds(id)
        return held

    def close(self) -> None:
        self.carrier.close()


class Killed(BaseException):
    """Nothing below may catch it."""


def at(number: int, error: BaseException) -> Callable[[int], None]:
    def stumble(num: int) -> None:
        if num == number:
            raise error

    return stumble


def nothing(_: int) -> None:
    return None


@pytest.fixture
def outbox(tmp_path: Path) -> OutboxFolder:
    return OutboxFolder(tmp_path / "outbox")


@pytest.fixture
def sending(database: Any, letters: Any, clock: Any) -> Callable[[Any], Sending]:
    return lambda carrier: Sending(database, carrier, letters, clock)


def files(outbox: OutboxFolder) -> list[str]:
    return sorted(path.name for path in outbox.folder.iterdir())


def test_a_reader_subscribes_reads_and_leaves_through_real_mail(
    database: Any, clock: Any, tokens: Any, sending: Any, inbox: Inbox, issue: Any
) -> None:
    server = SmtpServer(inbox.url)
    post = Post(server, sender=Sender("Seatrial", "digest@site.example"), base_url="https://site.example", clock=clock)
    subscriptions = Subscriptions(database, clock, tokens, post)
    subscriptions.subscribe("Anna@Example.org")
    ((recipient, content),) = inbox.mails
    assert recipient == "Anna@example.org"
    link = re.search(r"https://site\.example/digest/confirm/([\w.-]+)", _text(content))
    assert link is not None
    subscriptions.confirm(link[1])

    assert sending(server).send(issue).num_sent == 1
    assert sending(server).send(issue).num_sent == 0
    recipient, content = inbox.mails[1]
    parsed: Any = email.message_from_bytes(content, policy=email.policy.SMTP)
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    way_out = re.fullmatch(r"<https://site\.example/digest/unsubscribe/([\w.-]+)>", parsed["List-Unsubscribe"])
    assert way_out is not None
    assert f"Unsubscribe: https://site.example/digest/unsubscribe/{way_out[1]}" in _text(content)
    assert "https://site.example/digest/2026-W46" in _text(content)
    html = parsed.get_body(("html",)).get_content()
    assert "<p>News &amp; more.</p>" in html
    assert f'href="https://site.example/digest/unsubscribe/{way_out[1]}"' in html
    assert parsed["Message-ID"] == "<digest-2026-W46-1@site.example>"

    assert subscriptions.counts().active == 1
    subscriptions.unsubscribe(way_out[1])
    assert subscriptions.counts().active == 0
    server.close()


def test_who_gets_it(
    sending: Any, outbox: OutboxFolder, issue: Any, add_readers: AddReaders, database: Any, tokens: Any, clock: Any
) -> None:
    ids = add_readers(3)
    subscriptions = Subscriptions(database, clock, tokens, None)  # type: ignore[arg-type]
    subscriptions.bounce("r1@example.org", is_for_good=True)
    outcome = sending(outbox).send(issue)
    assert (outcome.num_sent, outcome.stopped) == (2, None)
    assert outcome.progress == Progress(sent=2, failed=0, unknown=0, waiting=0)
    assert files(outbox) == [f"digest-2026-W46-{reader}@site.example.eml" for reader in (ids[0], ids[2])]
    clock.advance(hours=1)
    from readers import add_readers as add

    add(database, 2, clock(), prefix="late")
    assert sending(outbox).send(issue).num_sent == 0


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_sender_that_dies_is_resumed_with_one_file_each(
    sending: Any, outbox: OutboxFolder, issue: Any, add_readers: AddReaders, database: Any, point: str
) -> None:
    ids = add_readers(5)
    dies = {"before": nothing, "after": nothing} | {point: at(3, Killed())}
    with pytest.raises(Killed):
        sending(Stumbling(outbox, **dies)).send(issue)
    assert Counter(state for state, _ in sends_of(database).values()) == {"sent": 2, "claimed": 1}
    written: list[int] = []
    outcome = sending(Stumbling(outbox, nothing, written.append)).send(issue)
    assert outcome.progress == Progress(sent=5, failed=0, unknown=0, waiting=0)
    assert len(written) == (3 if point == "before" else 2)
    assert len(files(outbox)) == len(ids)


def test_a_claimed_reader_who_leaves_meanwhile_gets_nothing(
    sending: Any, outbox: OutboxFolder, issue: Any, add_readers: AddReaders, database: Any, tokens: Any, clock: Any
) -> None:
    add_readers(1)
    with pytest.raises(Killed):
        sending(Stumbling(outbox, at(1, Killed()), nothing)).send(issue)
    Subscriptions(database, clock, tokens, None).bounce("r0@example.org", is_for_good=True)  # type: ignore[arg-type]
    outcome = sending(outbox).send(issue)
    assert (outcome.num_sent, outcome.progress.failed) == (0, 1)
    assert not outbox.folder.exists()


def test_over_smtp_a_person_decides_what_became_of_a_claim(
    sending: Any, inbox: Inbox, issue: Any, add_readers: AddReaders, clock: Any
) -> None:
    add_readers(4)
    server = SmtpServer(inbox.url)
    with pytest.raises(Killed):
        sending(Stumbling(server, nothing, at(2, Killed()))).send(issue)
    assert sending(server).send(issue).progress == Progress(sent=3, failed=0, unknown=1, waiting=0)
    assert sending(server).send(issue, resolve="again").progress.unknown == 1  # it may still be under way
    assert Counter(inbox.recipients) == {f"r{i}@example.org": 1 for i in range(4)}
    clock.advance(minutes=15)
    outcome = sending(server).send(issue, resolve="sent")
    assert (outcome.num_sent, outcome.progress) == (0, Progress(sent=4, failed=0, unknown=0, waiting=0))
    assert Counter(inbox.recipients) == {f"r{i}@example.org": 1 for i in range(4)}
    server.close()


def test_a_claim_whose_message_never_left_is_sent_again_when_a_person_says_so(
    sending: Any, inbox: Inbox, issue: Any, add_readers: AddReaders, clock: Any
) -> None:
    add_readers(3)
    server = SmtpServer(inbox.url)
    with pytest.raises(Killed):
        sending(Stumbling(server, at(2, Killed()), nothing)).send(issue)
    assert sending(server).send(issue).progress.unknown == 1
    clock.advance(minutes=15)
    outcome = sending(server).send(issue, resolve="again")
    assert (outcome.num_sent, outcome.progress) == (1, Progress(sent=3, failed=0, unknown=0, waiting=0))
    assert Counter(inbox.recipients) == {f"r{i}@example.org": 1 for i in range(3)}
    server.close()


def test_a_server_that_is_down_stops_it_and_nothing_is_lost(
    sending: Any, issue: Any, add_readers: AddReaders, database: Any
) -> None:
    add_readers(5)
    port = free_port()
    outcome = sending(SmtpServer(f"smtp://127.0.0.1:{port}")).send(issue)
    assert outcome.stopped is not None
    assert f"127.0.0.1:{port} cannot be reached" in outcome.stopped
    assert outcome.progress == Progress(sent=0, failed=0, unknown=0, waiting=5)
    assert sends_of(database) == {}
    with running(Inbox(), port) as inbox:
        assert sending(SmtpServer(f"smtp://127.0.0.1:{port}")).send(issue).progress.sent == 5
        assert len(inbox.mails) == 5


def test_a_server_that_goes_down_halfway(sending: Any, inbox: Inbox, issue: Any, add_readers: AddReaders) -> None:
    add_readers(6)
    server = SmtpServer(inbox.url)
    outcome = sending(Stumbling(server, at(4, Unavailable("gone")), nothing)).send(issue)
    assert outcome.stopped == "gone"
    assert outcome.progress == Progress(sent=3, failed=0, unknown=0, waiting=3)
    inbox.hangs_up_at = lambda address: address == "r4@example.org"
    outcome = sending(server).send(issue)
    assert outcome.progress == Progress(sent=4, failed=0, unknown=0, waiting=2)
    inbox.hangs_up_at = lambda _: False
    assert sending(server).send(issue).progress == Progress(sent=6, failed=0, unknown=0, waiting=0)
    assert Counter(inbox.recipients) == {f"r{i}@example.org": 1 for i in range(6)}
    server.close()


@pytest.mark.parametrize("ending", ["drop", "take and drop"])
def test_a_connection_that_breaks_at_the_last_moment_is_left_open(
    sending: Any, inbox: Inbox, issue: Any, add_readers: AddReaders, ending: Any
) -> None:
    add_readers(4)
    server = SmtpServer(inbox.url)
    inbox.ending = lambda address: ending if address == "r1@example.org" else "take"
    outcome = sending(server).send(issue)
    assert outcome.stopped is not None
    assert "nobody can say" in outcome.stopped
    assert outcome.progress == Progress(sent=1, failed=0, unknown=1, waiting=2)
    assert sending(server).send(issue).progress == Progress(sent=3, failed=0, unknown=1, waiting=0)
    assert max(Counter(inbox.recipients).values()) == 1
    server.close()


def test_a_server_that_rejects_half(
    sending: Any, inbox: Inbox, issue: Any, add_readers: AddReaders, database: Any
) -> None:
    add_readers(10)
    inbox.on_recipient = lambda address: "550 5.1.1 no such user" if int(address[1]) % 2 else None
    outcome = sending(SmtpServer(inbox.url)).send(issue)
    assert outcome.stopped is None
    assert outcome.progress == Progress(5, 5, 0, 0, reasons=(("550 5.1.1 no such user", 5),))
    assert len(inbox.mails) == 5
    bounced = subscriber(database, "r1@example.org")
    assert (bounced.bounces, bounced.left_at is not None) == (1, True)
    assert subscriber(database, "r2@example.org").bounces == 0


def test_the_third_soft_bounce_in_a_row_ends_it_and_a_success_forgives(
    sending: Any, inbox: Inbox, issue: Any, add_readers: AddReaders, database: Any, clock: Any
) -> None:
    from readers import add_issue

    from seatrial.site.digest.week import Week

    add_readers(1)
    replies = iter(["452 4.2.2 full", "452 4.2.2 full", None, "452 4.2.2 full", "452 4.2.2 full", "452 4.2.2 full"])
    inbox.on_recipient = lambda _: next(replies)
    seen = []
    for number in range(1, 7):
        clock.advance(days=7)
        sending(SmtpServer(inbox.url)).send(add_issue(database, clock(), Week(2027, number)))
        row = subscriber(database, "r0@example.org")
        seen.append((row.bounces, row.left_at is not None))
    assert seen == [(1, False), (2, False), (0, False), (1, False), (2, False), (3, True)]


def test_a_server_that_refuses_everybody_is_not_believed(
    sending: Any, inbox: Inbox, issue: Any, add_readers: AddReaders, database: Any
) -> None:
    add_readers(MOST_REFUSALS + 10)
    inbox.on_content = lambda _: "550 5.7.1 looks like spam"
    outcome = sending(SmtpServer(inbox.url)).send(issue)
    assert outcome.stopped is not None
    assert "may be the server" in outcome.stopped
    assert (outcome.progress.failed, outcome.progress.waiting) == (MOST_REFUSALS, 10)
    assert subscriber(database, "r0@example.org").left_at is None


def test_a_slow_server_is_waited_for(sending: Any, inbox: Inbox, issue: Any, add_readers: AddReaders) -> None:
    add_readers(3)
    inbox.delay_s = 0.3
    assert sending(SmtpServer(inbox.url, timeout_s=0.2, data_timeout_s=10)).send(issue).progress.sent == 3
    assert len(inbox.mails) == 3


def test_a_full_outbox_stops_it_and_nothing_is_lost(
    sending: Any, outbox: OutboxFolder, issue: Any, add_readers: AddReaders
) -> None:
    add_readers(4)
    outcome = sending(Stumbling(outbox, at(3, StorageError("the disk is full")), nothing)).send(issue)
    assert (outcome.stopped, outcome.progress.waiting) == ("the disk is full", 2)
    assert sending(outbox).send(issue).progress == Progress(sent=4, failed=0, unknown=0, waiting=0)
    assert len(files(outbox)) == 4


def test_several_senders_at_once_write_to_nobody_twice(
    database: Any, letters: Any, clock: Any, inbox: Inbox, issue: Any, add_readers: AddReaders
) -> None:
    add_readers(40)
    barrier = threading.Barrier(4)

    def send() -> None:
        server = SmtpServer(inbox.url)
        barrier.wait()
        Sending(database, server, letters, clock).send(issue)
        server.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert progress_of(database, issue) == Progress(sent=40, failed=0, unknown=0, waiting=0)
    assert Counter(inbox.recipients) == {f"r{i}@example.org": 1 for i in range(40)}


def _text(content: bytes) -> str:
    parsed: Any = email.message_from_bytes(content, policy=email.policy.SMTP)
    return str(parsed.get_body(("plain",)).get_content())
