"""A real SMTP server: one connection for many messages, and every way in which it can fail."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mail_server import Inbox, free_port, running

from seatrial.site.mail.carriers import Deferred, Refused, Unavailable, Uncertain
from seatrial.site.mail.smtp import SmtpServer

New = Callable[..., Any]


def test_many_messages_go_through_one_connection_byte_for_byte(inbox: Inbox, new_message: New) -> None:
    server = SmtpServer(inbox.url)
    messages = [new_message(f"r{i}@example.org", id=f"digest-2026-W47-{i}", text=".\n..dots\n.\n") for i in range(20)]
    for message in messages:
        server.send(message)
    server.close()
    server.close()
    assert inbox.mails == [(message.recipient, message.content) for message in messages]
    assert inbox.num_connections == 1
    assert server.holds(messages[0].id) is None


def test_letters_beyond_ascii_in_an_address(inbox: Inbox, new_message: New) -> None:
    message = new_message("jürgen@example.org")
    SmtpServer(inbox.url).send(message)
    assert inbox.recipients == ["jürgen@example.org"]
    assert inbox.mails[0][1] == message.content
    with running(Inbox(), decode_data=False) as old:
        old_server = SmtpServer(old.url)
        old_server.send(new_message())
        connection = old_server._connection
        assert connection is not None
        connection.esmtp_features.pop("smtputf8")
        with pytest.raises(Refused, match="beyond ASCII"):
            old_server.send(message)
        old_server.send(new_message())
        assert len(old.mails) == 2


def test_nobody_there(new_message: New) -> None:
    port = free_port()
    server = SmtpServer(f"smtp://127.0.0.1:{port}")
    with pytest.raises(Unavailable, match=rf"127\.0\.0\.1:{port} cannot be reached.*refused"):
        server.send(new_message())
    with running(Inbox(), port) as inbox:
        server.send(new_message())
        assert len(inbox.mails) == 1


def test_a_server_that_says_nothing(new_message: New) -> None:
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        server = SmtpServer(f"smtp://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)
        begun_s = time.monotonic()
        with pytest.raises(Unavailable, match=r"did not answer within 0\.2 s"):
            server.send(new_message())
        assert time.monotonic() - begun_s < 5


def test_a_slow_server_is_waited_for_and_a_too_slow_one_leaves_it_open(inbox: Inbox, new_message: New) -> None:
    inbox.delay_s = 0.4
    SmtpServer(inbox.url, timeout_s=0.2, data_timeout_s=5).send(new_message())
    assert len(inbox.mails) == 1
    with pytest.raises(Uncertain, match="nobody can say"):
        SmtpServer(inbox.url, timeout_s=5, data_timeout_s=0.1).send(new_message())


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("550 5.1.1 no such user", Refused),
        ("550 no such user", Refused),
        ("553 5.1.3 bad syntax", Refused),
        ("550 5.2.1 mailbox disabled", Refused),
        ("552 5.2.2 mailbox full", Deferred),
        ("550 5.7.1 your network is on a list", Deferred),
        ("550 5.1.8 bad sender", Deferred),
        ("550 relay not permitted", Deferred),
        ("554 5.7.1 relay access denied", Deferred),
        ("450 4.2.0 greylisted", Deferred),
        ("452 too many recipients", Deferred),
    ],
)
def test_what_a_refused_recipient_means(inbox: Inbox, new_message: New, reply: str, error: type[Exception]) -> None:
    inbox.on_recipient = lambda address: reply if address.startswith("bad") else None
    server = SmtpServer(inbox.url)
    with pytest.raises(error, match=reply[:3]) as raised:
        server.send(new_message("bad@example.org"))
    assert type(raised.value) is error
    server.send(new_message("good@example.org"))
    assert inbox.recipients == ["good@example.org"]
    assert inbox.num_connections == 1


def test_a_refused_message_says_nothing_of_the_address(inbox: Inbox, new_message: New) -> None:
    inbox.on_content = lambda address: "550 5.7.1 looks like spam" if address.startswith("bad") else None
    server = SmtpServer(inbox.url)
    with pytest.raises(Deferred, match="looks like spam"):
        server.send(new_message("bad@example.org"))
    server.send(new_message("good@example.org"))
    assert inbox.recipients == ["good@example.org"]


def test_a_connection_that_breaks_before_the_message_is_made_anew_once(inbox: Inbox, new_message: New) -> None:
    server = SmtpServer(inbox.url)
    server.send(new_message("one@example.org"))
    hang_ups = iter([True, False])
    inbox.hangs_up_at = lambda address: address.startswith("two") and next(hang_ups)
    server.send(new_message("two@example.org"))
    assert inbox.recipients == ["one@example.org", "two@example.org"]
    inbox.hangs_up_at = lambda _: True
    with pytest.raises(Unavailable, match="broke off before"):
        server.send(new_message("three@example.org"))
    assert len(inbox.mails) == 2


def test_a_server_that_ends_connections_after_a_few_messages(inbox: Inbox, new_message: New) -> None:
    inbox.most_per_connection = 3
    server = SmtpServer(inbox.url)
    for i in range(10):
        server.send(new_message(f"r{i}@example.org"))
    assert inbox.recipients == [f"r{i}@example.org" for i in range(10)]
    assert inbox.num_connections == 4


@pytest.mark.parametrize(("ending", "num_taken"), [("drop", 0), ("take and drop", 1)])
def test_a_connection_that_breaks_after_the_message_is_never_tried_again(
    inbox: Inbox, new_message: New, ending: Any, num_taken: int
) -> None:
    inbox.ending = lambda _: ending
    server = SmtpServer(inbox.url)
    with pytest.raises(Uncertain):
        server.send(new_message())
    assert len(inbox.mails) == num_taken
    inbox.ending = lambda _: "take"
    server.send(new_message("next@example.org"))
    assert len(inbox.mails) == num_taken + 1


def test_a_server_that_wants_a_password(new_message: New) -> None:
    from aiosmtpd.smtp import AuthResult, LoginPassword

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        is_right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"me@x", b"p w")
        return AuthResult(success=is_right, handled=is_right)

    options: dict[str, Any] = {"auth_required": True, "auth_require_tls": False, "authenticator": check}
    with running(Inbox(), **options) as inbox:
        host = inbox.url.removeprefix("smtp://")
        SmtpServer(f"smtp://me%40x:p%20w@{host}").send(new_message())
        assert len(inbox.mails) == 1
        with pytest.raises(Unavailable, match="user or the password") as raised:
            SmtpServer(f"smtp://me%40x:wr0ng@{host}").send(new_message())
        assert "wr0ng" not in str(raised.value)
        with pytest.raises(Unavailable, match="takes no mail from"):
            SmtpServer(inbox.url).send(new_message())


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `key.pem` and a certificate for localhost, `cert.pem`, that nobody has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl is absent")
    folder = tmp_path_factory.mktemp("certificate")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(["openssl", *words.split(), *names], cwd=folder, check=True, capture_output=True, timeout=30)
    return folder


def test_starttls_and_a_certificate_that_is_not_trusted(certificate: Path, new_message: New) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    trusting = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    with running(Inbox(), tls_context=context, require_starttls=True) as inbox:
        port = inbox.url.rpartition(":")[2]
        SmtpServer(f"smtp://localhost:{port}?tls=starttls", tls=trusting).send(new_message())
        assert len(inbox.mails) == 1
        with pytest.raises(Unavailable, match="in secret"):
            SmtpServer(f"smtp://localhost:{port}?tls=starttls").send(new_message())
        with pytest.raises(Unavailable, match="in secret"):
            SmtpServer(f"smtp://127.0.0.1:{port}?tls=starttls", tls=trusting).send(new_message())
    with running(Inbox()) as plain, pytest.raises(Unavailable, match="cannot do what its setting asks"):
        SmtpServer(f"{plain.url}?tls=starttls", tls=trusting).send(new_message())
