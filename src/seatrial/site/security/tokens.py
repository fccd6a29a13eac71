"""Signed tokens: a value that went out and came back unchanged, for the purpose and in the time it was signed for.

In: the site's secret and a clock. Out: text fit for links, forms and cookies. A token hides nothing and is kept
nowhere; what may happen only once (a proof of work, a confirmation) is made so by who reads it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from itsdangerous import BadSignature, TimestampSigner

from seatrial.errors import UsageError

_LONGEST = 4096
# Two servers' clocks may differ by so much, or one clock be set back.
_SKEW_S = 60


class Tokens:
    """Signs and reads. Whoever has `secret` can sign anything."""

    def __init__(self, secret: bytes, *, clock: Callable[[], datetime]) -> None:
        self._secret, self._clock = secret, clock

    def sign(self, purpose: str, value: str) -> str:
        """A token that says `value`: letters, digits and `-_.` only."""
        encoded = base64.urlsafe_b64encode(value.encode("utf-8", "surrogatepass")).rstrip(b"=")
        return self._signer(purpose).sign(encoded).decode()

    def read(self, purpose: str, token: str, max_age_s: float) -> str:
        """The value of a token that `sign` made for the same purpose, at most `max_age_s` ago. Raises UsageError."""
        if not 0 < len(token) <= _LONGEST or not token.isascii():
            raise _spoilt()
        try:
            encoded, signed_at = self._signer(purpose).unsign(token, return_timestamp=True)
            value = base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4)).decode("utf-8", "surrogatepass")
        except (BadSignature, binascii.Error, UnicodeDecodeError):
            raise _spoilt() from None
        age_s = (self._clock() - signed_at).total_seconds()
        if not -_SKEW_S <= age_s < max_age_s + 1:  # the signature has whole seconds
            raise UsageError(f"This was good for {_span(max_age_s)}, and that time is over. Ask for it again.")
        return value

    def _signer(self, purpose: str) -> _Signer:
        return _Signer(self._clock, self._secret, salt=f"seatrial.site:{purpose}".encode())


class _Signer(TimestampSigner):
    def __init__(self, clock: Callable[[], datetime], secret: bytes, **options: Any) -> None:
        super().__init__(secret, key_derivation="hmac", digest_method=hashlib.sha256, **options)
        self._clock = clock

    def get_timestamp(self) -> int:
        return int(self._clock().timestamp())


def _spoilt() -> UsageError:
    return UsageError(
        "This link or form is not whole, or was not made by this site. Copy the link again, or start over."
    )


def _span(seconds: float) -> str:
    for unit, length_s in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length_s:
            num = round(seconds / length_s)
            return f"{num} {unit}{'' if num == 1 else 's'}"
    return f"{seconds:.0f} seconds"
