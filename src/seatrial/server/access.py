"""Who may come in: API keys, and on a server that asks for none, only programs and pages of this machine.

In: a request's headers. Out: its key, or a `Failure` 401 or 403; and the CORS headers for pages that the operator has
let in by name.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from seatrial.errors import InputError
from seatrial.server.errors import Failure
from seatrial.server.http import Header, Reply
from seatrial.server.keys import Key, KeyStore

_log = logging.getLogger(__name__)

_METHODS = b"GET, POST, DELETE, OPTIONS"
_EXPOSED = (
    b"x-request-id, openai-processing-ms, retry-after, retry-after-ms, x-ratelimit-limit-requests, "
    b"x-ratelimit-remaining-requests, x-ratelimit-reset-requests, x-ratelimit-limit-tokens, "
    b"x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens"
)
_PREFLIGHT_S = b"600"


@dataclass(frozen=True, slots=True)
class Access:
    """Whom the server answers. `keys` None: everybody who reaches it, no key asked for.

    `origins` are those of web pages that may call from a browser, `*` for all. `hosts`, where given, are the names that
    `host` may hold, so that a page elsewhere cannot reach a server of this machine under a name of its own.
    """

    keys: KeyStore | None = None
    origins: frozenset[str] = frozenset()
    hosts: frozenset[str] | None = None

    def check_caller(self, headers: Mapping[str, str]) -> None:
        """Raises `Failure` 403 for a browser's page from elsewhere, where there are no keys to tell it from others."""
        if self.keys is not None:
            return
        host = headers.get("host", "")
        if self.hosts is not None and host and _host_name(host) not in self.hosts:  # browsers always send it
            raise Failure(
                403,
                f"This server answers on this machine only, and `{host[:80]}` is not a name of it. "
                "Start it with `--keys` to answer under other names.",
                "permission_error",
                "host_not_allowed",
            )
        origin = headers.get("origin")
        if origin is not None and not self._lets_in(origin) and origin.partition("://")[2] != host:
            raise Failure(
                403,
                f"Pages of `{origin[:80]}` may not use this server. Start it with `--cors {origin[:80]}` to let them.",
                "permission_error",
                "origin_not_allowed",
            )

    def key_of(self, headers: Mapping[str, str]) -> Key | None:
        """The key that a request brings; None where none is asked for. Raises `Failure` 401."""
        if self.keys is None:
            return None
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise _no_key("You did not bring an API key: send it as `authorization: Bearer sk-seatrial-…`.")
        try:
            key = self.keys.find(secret.strip())
        except InputError as error:
            _log.error("%s", error)
            raise Failure(503, "The server cannot read its keys.", "server_error", retry_after_s=10.0) from None
        if key is None:
            raise _no_key(f"Incorrect API key provided: {_shortened(secret.strip())}.")
        return key

    def still_holds(self, key: Key) -> bool:
        """Whether a key that was let in has not been revoked since."""
        try:
            return self.keys is None or self.keys.is_valid(key.id)
        except InputError:
            return False

    def preflight(self, headers: Mapping[str, str]) -> Reply | None:
        """The answer to a browser that asks before it calls; None where that is not what it is."""
        origin = headers.get("origin")
        if origin is None or "access-control-request-method" not in headers or not self._lets_in(origin):
            return None
        asked = headers.get("access-control-request-headers", "authorization, content-type").encode("latin-1")
        return Reply(
            b"",
            status=204,
            headers=(
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", asked),
                (b"access-control-max-age", _PREFLIGHT_S),
            ),
        )

    def cors(self, headers: Mapping[str, str]) -> Iterable[Header]:
        """What lets a page read the answer."""
        if not self.origins:
            return ()
        origin = headers.get("origin")
        if origin is None or not self._lets_in(origin):
            return ((b"vary", b"origin"),)
        return (
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", _EXPOSED),
            (b"vary", b"origin"),
        )

    def _lets_in(self, origin: str) -> bool:
        return "*" in self.origins or origin in self.origins


def _no_key(message: str) -> Failure:
    return Failure(401, message, code="invalid_api_key", headers={"www-authenticate": "Bearer"})


def _shortened(secret: str) -> str:
    return f"{secret[:8]}…{secret[-4:]}" if len(secret) >= 24 else "too short for one of this server's"


def _host_name(host: str) -> str:
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    return name.lower()
