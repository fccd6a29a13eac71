"""The mail server's URL: what it says is understood, what it cannot say is refused without showing the password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import UsageError
from seatrial.site.mail.smtp_address import SmtpAddress, read_smtp_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("smtp://mail.example.org", SmtpAddress("mail.example.org", 587, "starttls")),
        (
            "smtp://me%40x.org:p%2Fw@mail.example.org:25",
            SmtpAddress("mail.example.org", 25, "starttls", "me@x.org", "p/w"),
        ),
        ("smtps://me:pw@mail.example.org/", SmtpAddress("mail.example.org", 465, "always", "me", "pw")),
        ("smtp://localhost:2525", SmtpAddress("localhost", 2525, "never")),
        ("smtp://me:pw@127.0.0.1:2525", SmtpAddress("127.0.0.1", 2525, "never", "me", "pw")),
        ("smtp://[::1]:2525?tls=starttls", SmtpAddress("::1", 2525, "starttls")),
        ("smtp://relay.internal:25?tls=never", SmtpAddress("relay.internal", 25, "never")),
    ],
)
def test_a_url_is_read(url: str, address: SmtpAddress) -> None:
    assert read_smtp_url(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.org",
        "http://mail.example.org",
        "smtp://",
        "smtp://mail.example.org:0",
        "smtp://mail.example.org:99999",
        "smtp://mail.example.org/path",
        "smtp://me@mail.example.org",
        "smtp://:s3cret@mail.example.org",
        "smtp://me:s3cret@relay.internal?tls=never",
        "smtp://me:s3cret%0d%0aX@mail.example.org",
        "smtp://me:s3cret@mail.example.org?tls=maybe",
        "smtps://me:s3cret@mail.example.org?tls=never",
        "smtp://me:s3cret@mail.example.org?verify=no",
    ],
)
def test_what_cannot_be_is_refused_without_the_password(url: str) -> None:
    with pytest.raises(UsageError, match="mail server") as raised:
        read_smtp_url(url)
    assert "s3cret" not in str(raised.value)


def test_a_password_is_not_shown() -> None:
    address = read_smtp_url("smtps://me:s3cret@mail.example.org")
    assert "s3cret" not in f"{address} {address!r}"


@given(url=st.text(max_size=80) | st.builds("smtp://{}".format, st.text(max_size=60)))
def test_any_text_is_read_or_refused(url: str) -> None:
    try:
        address = read_smtp_url(url)
    except UsageError:
        return
    assert 0 < address.port < 65536
    assert address.host
