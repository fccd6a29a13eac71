"""An SMTP server as a carrier (RFC 5321): one connection for many messages, made anew where it breaks.

A message whose transfer breaks off before its end was not taken, and may be sent again. Between the end of the message
and the server's word for it there is a moment at which nobody can know: that is `Uncertain`, and never sent again here.

Which refusals are for good is decided narrowly. Only what the server says of the address itself, before the message,
counts: a server that dislikes the message or its sender says so to every subscriber alike.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl

from seatrial.site.mail.carriers import Deferred, MailError, Refused, Unavailable, Uncertain
from seatrial.site.mail.message import Message
from seatrial.site.mail.smtp_address import read_smtp_url

TIMEOUT_S = 30.0
"""How long a connection, or the answer to a command, may take."""

DATA_TIMEOUT_S = 600.0
"""How long a server may think about a whole message: RFC 5321, 4.5.3.2.6."""

_CLOSING = 421
_LONGEST_REASON = 200
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\b")
# RFC 3463: 5.1.x is about the address, of which .7 and .8 are about the sender's; 5.2.1: the mailbox is disabled.
_ADDRESS_IS_BAD = re.compile(r"5\.1\.(?!7$|8$)\d+|5\.2\.1")
_PLAIN_CODES_FOR_A_BAD_ADDRESS = frozenset({550, 551, 553})


class SmtpServer:
    """The server at `url` (`smtp_address.py`). `tls`: how certificates are checked, if not as this machine does."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        data_timeout_s: float = DATA_TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.address = read_smtp_url(url)
        self._timeout_s, self._data_timeout_s, self._tls = timeout_s, data_timeout_s, tls
        self._connection: smtplib.SMTP | None = None

    def send(self, message: Message) -> None:
        """Hand the message over. Raises as `carriers` says."""
        if self._connection is not None:
            try:
                return self._hand_over(self._connection, message)
            except Unavailable:  # servers close what was idle, or end a connection after so many messages
                self._drop()
        self._connection = self._connect()
        try:
            return self._hand_over(self._connection, message)
        except Unavailable:
            self._drop()
            raise

    def holds(self, id: str) -> bool | None:
        """A server does not say what it has taken."""
        return None

    def close(self) -> None:
        """Take leave of the server."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.quit()
            except OSError:
                connection.close()

    def _connect(self) -> smtplib.SMTP:
        address, connection = self.address, None
        try:
            connection = self._greet()
            if address.tls == "starttls":
                connection.starttls(context=self._context())
            connection.ehlo_or_helo_if_needed()
            if address.user is not None and address.password is not None:
                connection.login(address.user, address.password)
        except OSError as error:  # every error of smtplib is one
            if connection is not None:
                connection.close()
            raise self._unreachable(error) from error
        return connection

    def _greet(self) -> smtplib.SMTP:
        host, port, own = self.address.host, self.address.port, _own_name()
        if self.address.tls == "always":
            return smtplib.SMTP_SSL(host, port, own, timeout=self._timeout_s, context=self._context())
        return smtplib.SMTP(host, port, own, timeout=self._timeout_s)

    def _hand_over(self, connection: smtplib.SMTP, message: Message) -> None:
        address = self.address
        try:
            _set_timeout(connection, self._timeout_s)
            self._envelope(connection, message)
            connection.send(_dotted(message.content))
        except OSError as error:
            raise Unavailable(
                f"The mail server {address} broke off before it had the message ({_what(error)}). Try again later."
            ) from error
        try:
            _set_timeout(connection, self._data_timeout_s)
            code, reply = connection.getreply()
        except OSError as error:
            self._drop()
            raise Uncertain(
                f"The mail server {address} broke off after it had the message and before it took it ({_what(error)}); "
                "nobody can say whether it did."
            ) from error
        if code == _CLOSING:
            raise self._closing(code, reply)
        if code != 250:
            raise Deferred(_reason(code, reply))

    def _envelope(self, connection: smtplib.SMTP, message: Message) -> None:
        """From whom, to whom, and leave to send the text."""
        options: list[str] = []
        if not f"{message.sender}{message.recipient}".isascii():
            if not connection.has_extn("smtputf8"):
                raise Refused("the mail server cannot write to addresses with letters beyond ASCII")
            options = ["SMTPUTF8", "BODY=8BITMIME"]
        code, reply = connection.mail(message.sender, options)
        if code != 250:
            raise Unavailable(
                f"The mail server {self.address} takes no mail from {message.sender}: {_reason(code, reply)}. "
                "Look at the sender that is set, and at the server."
            )
        code, reply = connection.rcpt(message.recipient)
        if code not in (250, 251):
            raise self._refusal(connection, code, reply, may_be_for_good=True)
        code, reply = connection.docmd("DATA")
        if code != 354:
            raise self._refusal(connection, code, reply, may_be_for_good=False)

    def _refusal(self, connection: smtplib.SMTP, code: int, reply: bytes, *, may_be_for_good: bool) -> MailError:
        if code == _CLOSING:
            return self._closing(code, reply)
        with contextlib.suppress(OSError):  # who says no and hangs up has said no
            connection.rset()
        is_for_good = may_be_for_good and _is_address_bad(code, reply)
        return Refused(_reason(code, reply)) if is_for_good else Deferred(_reason(code, reply))

    def _closing(self, code: int, reply: bytes) -> Unavailable:
        return Unavailable(
            f"The mail server {self.address} takes no more mail: {_reason(code, reply)}. Try again later."
        )

    def _unreachable(self, error: OSError) -> Unavailable:
        match error:
            case smtplib.SMTPAuthenticationError():
                why = "does not know the user or the password that is set"
            case smtplib.SMTPNotSupportedError():
                why = f"cannot do what its setting asks for ({_what(error)})"
            case ssl.SSLError():
                why = f"cannot be talked to in secret ({_what(error)})"
            case TimeoutError() | smtplib.SMTPServerDisconnected(__context__=TimeoutError()):
                why = f"did not answer within {self._timeout_s:g} s"
            case _:
                why = f"cannot be reached ({_what(error)})"
        return Unavailable(f"The mail server {self.address} {why}. Look at the server and its setting, then try again.")

    def _context(self) -> ssl.SSLContext:
        return self._tls or ssl.create_default_context()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _is_address_bad(code: int, reply: bytes) -> bool:
    text = reply.decode("utf-8", "replace")
    enhanced = _ENHANCED.match(text)
    if enhanced is not None:
        return _ADDRESS_IS_BAD.fullmatch(enhanced[1]) is not None
    return code in _PLAIN_CODES_FOR_A_BAD_ADDRESS and "relay" not in text.lower()


def _dotted(content: bytes) -> bytes:
    """The text as it goes over the wire: RFC 5321, 4.5.2, and the line that ends it."""
    ended = content if content.endswith(b"\r\n") else content + b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", ended) + b".\r\n"


def _set_timeout(connection: smtplib.SMTP, timeout_s: float) -> None:
    if connection.sock is not None:
        connection.sock.settimeout(timeout_s)


def _own_name() -> str:
    """How we greet. The library would ask the network, which takes seconds where nothing answers."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _reason(code: int, reply: bytes) -> str:
    said = " ".join(reply.decode("utf-8", "replace").split())
    return f"{code} {said}"[:_LONGEST_REASON].rstrip(". ")


def _what(error: OSError) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        reply = error.smtp_error
        return _reason(error.smtp_code, reply if isinstance(reply, bytes) else str(reply).encode())
    return (error.strerror or str(error) or type(error).__name__)[:_LONGEST_REASON].rstrip(".")
