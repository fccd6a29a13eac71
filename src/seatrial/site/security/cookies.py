"""The voter's cookie: who votes, signed, and nothing else. The site sets no other cookie.

In: the cookies of a request. Out: the voter they name, or the header that names one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping

from seatrial.errors import UsageError
from seatrial.site.security.tokens import Tokens

_PURPOSE = "voter"
# The longest that browsers keep a cookie; each vote begins the time anew.
_MAX_AGE_S = 400 * 86400
_VOTER = re.compile(r"[0-9a-f]{32}")


class VoterCookie:
    """`is_https`: the cookie is for this host alone and never goes out unencrypted."""

    def __init__(
        self, tokens: Tokens, *, is_https: bool, new_id: Callable[[], str] = lambda: secrets.token_hex(16)
    ) -> None:
        self._tokens, self._is_https, self.new_id = tokens, is_https, new_id
        self.name = "__Host-voter" if is_https else "voter"

    def read(self, cookies: Mapping[str, str]) -> str | None:
        """The voter that a request's cookies name; None where none does, or where the signature is not ours."""
        try:
            voter = self._tokens.read(_PURPOSE, cookies.get(self.name, ""), _MAX_AGE_S)
        except UsageError:
            return None
        return voter if _VOTER.fullmatch(voter) else None

    def header(self, voter: str) -> str:
        """What `Set-Cookie` says."""
        secure = "; Secure" if self._is_https else ""
        value = self._tokens.sign(_PURPOSE, voter)
        return f"{self.name}={value}; Path=/; Max-Age={_MAX_AGE_S}; HttpOnly; SameSite=Lax{secure}"
