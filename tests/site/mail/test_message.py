"""Messages: both forms, the headers of a list, nothing injected, and bytes that a DKIM signature survives."""

from __future__ import annotations

import email
import email.policy
import re
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import UsageError
from seatrial.site.mail.address import read_address
from seatrial.site.mail.message import Letter, Message, Sender, one_line, read_sender, write_message

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
SENDER = Sender("Seatrial, the site", "digest@site.example")
URL = "https://site.example/digest/unsubscribe/" + "MTIzNDU2Nzg5MA.aSVqGQ.abcdefghijklmnopqrstuvwxyz0123456789-_" * 3

# What Gmail and Yahoo ask bulk senders to sign, RFC 6376, 5.4.1, and RFC 8058, 4.
SIGNED = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
)


def write(
    to: str = "reader@example.org", *, subject: str = "What changed", text: str = "Hi.\n", html: str = "<p>Hi.</p>"
) -> Message:
    return write_message(Letter("digest-2026-W47-17", to, subject, text, html, URL), SENDER, at=NOW)


def parse(message: Message) -> EmailMessage:
    return email.message_from_bytes(message.content, policy=email.policy.SMTPUTF8)  # type: ignore[return-value]


def test_a_message_has_both_forms_and_says_who_writes_to_whom() -> None:
    message = write(text="Grüße, \N{SAILBOAT}\n", html="<p>Grüße</p>")
    parsed = parse(message)
    assert parsed["From"] == '"Seatrial, the site" <digest@site.example>'
    assert parsed["To"] == "reader@example.org"
    assert parsed["Date"].datetime == NOW
    assert message.id == "digest-2026-W47-17@site.example"
    assert parsed["Message-ID"] == f"<{message.id}>"
    assert parsed.get_content_type() == "multipart/alternative"
    text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == "Grüße, \N{SAILBOAT}\n"
    assert html is not None
    assert html.get_content().strip() == "<p>Grüße</p>"


def test_the_way_out_stands_in_the_header_as_rfc_8058_says() -> None:
    head = write().content.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")
    assert head.count(f"List-Unsubscribe: <{URL}>") == 1
    assert head.count("List-Unsubscribe-Post: List-Unsubscribe=One-Click") == 1


def test_a_letter_to_one_person_names_no_list() -> None:
    letter = Letter("subscriber-1", "reader@example.org", "Do you want it?", "Yes?", "<p>Yes?</p>")
    assert not [name for name in parse(write_message(letter, SENDER, at=NOW)) if name.startswith("List-")]


@given(
    subject=st.text(max_size=300),
    text=st.text(st.characters(codec="utf-8"), max_size=400),
    html=st.text(st.characters(codec="utf-8"), max_size=400),
)
def test_whatever_is_written_no_header_is_added_and_a_signature_would_hold(subject: str, text: str, html: str) -> None:
    content = write(subject=subject, text=text, html=html).content
    assert content.isascii()
    assert re.fullmatch(rb"(?:[^\r\n]{0,998}\r\n)*", content)
    parsed = email.message_from_bytes(content, policy=email.policy.SMTP)
    names = [name.lower() for name in parsed]
    assert all(names.count(name.lower()) == 1 for name in SIGNED)
    assert set(names) == {name.lower() for name in SIGNED} | {"auto-submitted"}
    assert parsed["List-Unsubscribe"] == f"<{URL}>"
    assert len(parsed.get_payload()) == 2
    assert str(parsed["Subject"]).split() == one_line(subject)[:200].split()


@given(
    to=st.builds(
        "{}@{}.example".format,
        st.text("abc.!#$%&'*+-/=?^_`{|}~jü字" + "x" * 20, min_size=1, max_size=64),
        st.from_regex(r"[a-z]{1,60}", fullmatch=True),
    )
)
def test_any_address_is_the_only_recipient(to: str) -> None:
    try:
        address = read_address(to).text
    except UsageError:
        return
    message = write(address)
    assert message.recipient == address
    lines = re.sub(r"\r\n[ \t]+", " ", message.content.decode("utf-8").partition("\r\n\r\n")[0]).split("\r\n")
    assert [line for line in lines if line.lower().startswith(("to:", "cc:", "bcc:"))] == [f"To: {address}"]


def test_the_same_letter_makes_the_same_bytes() -> None:
    assert write() == write()
    assert write(text="Another.\n") != write()


def test_a_sender_is_read_from_a_setting() -> None:
    assert read_sender("Seatrial <Digest@Example.org>") == Sender("Seatrial", "Digest@example.org")
    assert read_sender("digest@example.org") == Sender("", "digest@example.org")
    assert read_sender("Seatrial <digest@example.org>").domain == "example.org"


@pytest.mark.parametrize("text", ["", "Seatrial", "a@b", "x\r\nBcc: y@z.org <a@b.org>", "<a b@example.org>"])
def test_a_sender_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"Set it as `Seatrial"):
        read_sender(text)


@given(text=st.text(max_size=200))
def test_one_line_is_one_line(text: str) -> None:
    shown = one_line(text)
    assert len(shown.splitlines()) <= 1
    assert shown == shown.strip()
    shown.encode()
