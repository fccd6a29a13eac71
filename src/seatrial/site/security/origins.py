"""Whether a form was sent from this site: what the browser says of it, never what the page says.

In: a request's headers. Out: `OWN`, `FOREIGN`, or `SILENT` where the browser does not say; then the site asks once
more, on a page with a token that only this site could have put there.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from urllib.parse import urlsplit


class Sender(enum.Enum):
    """Where a form comes from."""

    OWN = "own"
    FOREIGN = "foreign"
    SILENT = "silent"


def sender_of(headers: Mapping[str, str], base_url: str | None) -> Sender:
    """Who sent a form. `headers` has lower-case names; `base_url` is None where the site does not know its own.

    `Sec-Fetch-Site` decides where there is one (Fetch Metadata, W3C). Browsers leave it out over plain http, and then
    `Origin` (RFC 6454) must be this site's.
    """
    match headers.get("sec-fetch-site"):
        case "same-origin":
            return Sender.OWN
        case None:
            return _by_origin(headers, base_url)
        case "none":
            return Sender.SILENT
        case _:
            return Sender.FOREIGN


def _by_origin(headers: Mapping[str, str], base_url: str | None) -> Sender:
    origin = headers.get("origin")
    if origin is None:
        return Sender.SILENT
    ours = origin_of(base_url if base_url is not None else f"http://{headers.get('host', '')}")
    return Sender.OWN if ours is not None and origin_of(origin) == ours else Sender.FOREIGN


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what has none, such as `null`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80)
