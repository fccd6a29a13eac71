"""Messages as they leave: a `Letter` and its sender come in, the bytes that a carrier takes come out.

Both forms, text and HTML, are in it. Mail to a list names the link that ends it in its header, where a mail program
shows a button (RFC 2369, RFC 8058). What a server that signs for us (DKIM, RFC 6376) puts its signature over is there
exactly once, and nothing needs changing on the way: seven bits, lines below SMTP's 998 characters, CRLF.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr

from seatrial.errors import UsageError
from seatrial.site.mail.address import read_address

_LONGEST_SUBJECT = 200
_LONGEST_URL = 900
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,119}")
_URL = re.compile(r"https?://[!-;=?-~]+")  # printable ASCII without `<` and `>`
_NOT_FOLDED = frozenset({"message-id", "list-id", "list-unsubscribe", "list-unsubscribe-post"})


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes: a name, which may be empty, and an address."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        """What stands after the `@`."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Letter:
    """What is written to whom. `id` (letters, digits, dots, dashes) is the same when the letter is sent again.

    `unsubscribe_url` is set on what goes to a list: the address that a POST of `List-Unsubscribe=One-Click` ends it at.
    """

    id: str
    to: str
    subject: str
    text: str
    html: str
    unsubscribe_url: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message. `id` is its Message-ID without brackets; `sender` and `recipient` are bare addresses."""

    id: str
    sender: str
    recipient: str
    content: bytes


def read_sender(text: str) -> Sender:
    """The sender that a setting names: `digest@example.org` or `Seatrial <digest@example.org>`. Raises UsageError."""
    name, address = parseaddr(text) if text.isprintable() else ("", "")
    try:
        if not address:
            raise UsageError("It holds no address.")
        return Sender(name, read_address(address).text)
    except UsageError as error:
        raise UsageError(
            f"The sender of our mail cannot be `{text[:120]!r}`. {error} Set it as `Seatrial <digest@example.org>`."
        ) from None


def write_message(letter: Letter, sender: Sender, *, at: datetime) -> Message:
    """The letter, addressed and encoded. `at` is the date it bears, UTC."""
    assert _ID.fullmatch(letter.id), letter.id
    whole_id = message_id(letter.id, sender)
    is_ascii = f"{letter.to}{sender.address}".isascii()
    message = EmailMessage(policy=_POLICY if is_ascii else _POLICY.clone(utf8=True))
    message["From"] = _header_address(sender.address, one_line(sender.name))
    message["To"] = _header_address(letter.to)
    message["Subject"] = one_line(letter.subject)[:_LONGEST_SUBJECT]
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{whole_id}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notice answers it
    if letter.unsubscribe_url is not None:
        assert len(letter.unsubscribe_url) <= _LONGEST_URL, letter.unsubscribe_url
        assert _URL.fullmatch(letter.unsubscribe_url), letter.unsubscribe_url
        message["List-Id"] = f"<digest.{sender.domain}>"
        message["List-Unsubscribe"] = f"<{letter.unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(letter.text, cte="quoted-printable")
    message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    # `=_` cannot stand in quoted-printable text, and the same letter always makes the same bytes.
    message.set_boundary(f"=_{hashlib.sha256(whole_id.encode()).hexdigest()[:32]}")
    return Message(whole_id, sender.address, letter.to, message.as_bytes())


def message_id(letter_id: str, sender: Sender) -> str:
    """The Message-ID, without its brackets, of the letter with this id."""
    return f"{letter_id}@{sender.domain}"


def one_line(text: str) -> str:
    """The text on one line, without control characters and without marks that turn the direction of writing."""
    shown = "".join(" " if character.isspace() else character for character in text)
    return " ".join(_UNSEEN.sub("", shown).split())


_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufffe\uffff]")


def _header_address(address: str, name: str = "") -> HeaderAddress:
    username, _, domain = address.rpartition("@")
    return HeaderAddress(display_name=name, username=username, domain=domain)


class _Policy(EmailPolicy):
    """SMTP's line ends; a header that is one address stays on one line, which folding would break or encode."""

    def fold(self, name: str, value: str) -> str:
        """See `EmailPolicy`."""
        return self._whole(name, value) if name.lower() in _NOT_FOLDED else super().fold(name, value)

    def fold_binary(self, name: str, value: str) -> bytes:
        """See `EmailPolicy`."""
        if name.lower() in _NOT_FOLDED:
            return self._whole(name, value).encode("ascii")
        return super().fold_binary(name, value)

    def _whole(self, name: str, value: str) -> str:
        return f"{name}: {value}{self.linesep}"


_POLICY = _Policy(linesep="\r\n", cte_type="7bit")
