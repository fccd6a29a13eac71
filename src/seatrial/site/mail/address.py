"""E-mail addresses, checked where they come in.

In: what somebody typed. Out: an `Address`, in the spelling that mail goes to and in the one that it is known by, so
that one mailbox is one subscriber however it is written.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import idna

from seatrial.errors import UsageError

LONGEST = 320
"""Characters in an address; RFC 5321, 4.5.3.1 has 64 octets before the `@` and 255 after it."""

_LONGEST_LOCAL_BYTES = 64
_LONGEST_DOMAIN = 253
_LONGEST_SHOWN = 80
# RFC 5322's specials would need quotes, in which almost anything may stand; no mailbox in use has them.
_SPECIALS = frozenset('"(),:;<>@[\\]')
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]*[a-z][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Address:
    """`text` is where mail goes, its domain in ASCII; `key` is the same without regard to capitals."""

    text: str
    key: str

    @property
    def mailbox(self) -> str:
        """The key without what stands behind a `+`, which most servers deliver to the same person."""
        local, _, domain = self.key.rpartition("@")
        return f"{local.partition('+')[0] or local}@{domain}"


def read_address(typed: str) -> Address:
    """The address that `typed` is. Raises UsageError, whose message shows what was typed and what is wrong."""
    text = unicodedata.normalize("NFC", typed.strip())
    if len(text) > LONGEST:
        raise _refusal(text, f"it has {len(text):,} characters, and {LONGEST} are the most")
    local, at, typed_domain = text.partition("@")
    if not at or "@" in typed_domain:
        raise _refusal(text, "it needs exactly one `@`")
    _check_local(local, text)
    domain = _ascii_domain(typed_domain, text)
    address = Address(f"{local}@{domain}", f"{unicodedata.normalize('NFC', local.casefold())}@{domain}")
    if max(len(address.text), len(address.key)) > LONGEST:
        raise _refusal(text, f"it has more than {LONGEST} characters")
    return address


def masked(address: str) -> str:
    """The address as a page may show it: `j…@example.org`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"


def _check_local(local: str, text: str) -> None:
    if any(unicodedata.category(character)[0] in "CZ" for character in local):
        raise _refusal(text, "there is a space or a control character in it")
    if _SPECIALS & set(local):
        raise _refusal(text, f"`{sorted(_SPECIALS & set(local))[0]}` cannot stand before the `@`")
    if not local or local.startswith(".") or local.endswith(".") or ".." in local:
        raise _refusal(text, "what stands before the `@` is no name")
    if len(local.encode()) > _LONGEST_LOCAL_BYTES:
        raise _refusal(text, f"more than {_LONGEST_LOCAL_BYTES} bytes stand before the `@`")


def _ascii_domain(domain: str, text: str) -> str:
    """As DNS has it (IDNA 2008 after UTS 46): `Bücher.example` is `xn--bcher-kva.example`."""
    if domain.isascii():
        found = domain.lower()
    else:
        try:
            found = idna.encode(domain, uts46=True).decode("ascii").lower()
        except (UnicodeError, ValueError, IndexError):
            raise _refusal(text, "what stands after the `@` is no domain") from None
    if len(found) > _LONGEST_DOMAIN or not _DOMAIN.fullmatch(found):
        raise _refusal(text, "what stands after the `@` is no domain")
    return found


def _refusal(text: str, why: str) -> UsageError:
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    if len(shown) > _LONGEST_SHOWN:
        shown = f"{shown[:_LONGEST_SHOWN]}…"
    return UsageError(
        f"`{shown}` is not an e-mail address that we can write to: {why}. Write it as name@example.org.", field="email"
    )
