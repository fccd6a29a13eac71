"""Reading the URL that names a mail server.

    smtp://user:password@mail.example.org        port 587, encrypted with STARTTLS before anything is said
    smtps://user:password@mail.example.org       port 465, encrypted from the first byte
    smtp://relay.internal:25?tls=never           not encrypted; then without a password
    smtp://localhost:25                          not encrypted: it stays on this machine

`%40` stands for an `@` in a name or password. A server whose certificate does not fit its name is not talked to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from seatrial.errors import UsageError

_FORM = "Set it as smtp://user:password@mail.example.org:587, with `%40` for an `@` in name or password."
_PORTS = {"smtp": 587, "smtps": 465}
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"[A-Za-z0-9_.:\-]{1,253}")


@dataclass(frozen=True, slots=True)
class SmtpAddress:
    """`tls`: encrypted from the beginning, after STARTTLS, or never."""

    host: str
    port: int
    tls: Literal["always", "starttls", "never"]
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def read_smtp_url(url: str) -> SmtpAddress:
    """The server that `url` names. Raises UsageError, whose message holds no password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refusal("it is not a URL") from None
    if parts.scheme not in _PORTS:
        raise _refusal("it begins with neither `smtp://` nor `smtps://`")
    host = parts.hostname or ""
    if not _HOST.fullmatch(host):
        raise _refusal("it names no host")
    if port == 0:
        raise _refusal("there is no port 0")
    if parts.path not in ("", "/") or parts.fragment:
        raise _refusal("something stands behind host and port that has no meaning there")
    user, password = _credentials(parts)
    tls = _tls(parts, host)
    if password is not None and tls == "never" and host not in _HERE:
        raise _refusal("a password would go out unencrypted. Leave `tls=never` away, or the password")
    return SmtpAddress(host, port or _PORTS[parts.scheme], tls, user, password)


def _credentials(parts: SplitResult) -> tuple[str | None, str | None]:
    if parts.username is None and parts.password is None:
        return None, None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not user or not password:
        raise _refusal("it has a user without a password, or a password without a user")
    if not (user + password).isprintable():
        raise _refusal("there is a control character in its user or password")
    return user, password


def _tls(parts: SplitResult, host: str) -> Literal["always", "starttls", "never"]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    wanted = options.pop("tls", None)
    if options:
        raise _refusal(f"`{next(iter(options))[:40]!r}` is no option; `tls=never` and `tls=starttls` are")
    if wanted not in (None, "never", "starttls") or (wanted and parts.scheme == "smtps"):
        raise _refusal("`tls` can be `never` or `starttls`, and only with `smtp://`")
    if parts.scheme == "smtps":
        return "always"
    if wanted is None:
        return "never" if host in _HERE else "starttls"
    return "never" if wanted == "never" else "starttls"


def _refusal(why: str) -> UsageError:
    return UsageError(f"The address of the mail server cannot be used: {why}. {_FORM}")
