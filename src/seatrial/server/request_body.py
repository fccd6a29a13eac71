"""A request's body: what may come is checked before it is read, then it is read whole, in pieces, up to a limit.

In: headers and the ASGI `receive`. Out: the bytes, or a `Failure` 413 or 415; what `hold` raises where there is no room
for them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from seatrial.server.asgi import Receive
from seatrial.server.errors import Failure
from seatrial.server.watch import client_left

# How long a body that nobody wants may take, and pause.
_DISCARD_S = 60.0
_PAUSE_S = 5.0


def check(headers: Mapping[str, str], max_bytes: int) -> int:
    """How many bytes are announced; 0 where that is left open. No content-type is taken for JSON.

    Raises `Failure`: 415 for what is not plain JSON, 413 for more than `max_bytes`.
    """
    media_type = headers.get("content-type")
    if media_type is not None and media_type != "application/json":
        _check_media_type(media_type)
    encoding = headers.get("content-encoding")
    if encoding is not None and encoding.strip().lower() not in ("identity", ""):
        raise Failure(
            415,
            f"`content-encoding: {encoding[:40]}` is not read here. Send the body as it is.",
            code="unsupported_content_encoding",
            headers={"accept-encoding": "identity"},
        )
    length = headers.get("content-length", "")
    num_bytes = int(length) if length.isdecimal() else 0
    if num_bytes > max_bytes:
        raise _too_large(num_bytes, max_bytes)
    return num_bytes


async def read(receive: Receive, max_bytes: int, hold: Callable[[int], None], progressed: Callable[[], None]) -> bytes:
    """The whole body. `hold` is told how many bytes have come, before more are taken.

    Raises `Failure`: 413, or 499 where the client left before its end; and what `hold` raises.
    """
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        whole: bytes = message.get("body", b"")
        if len(whole) > max_bytes:
            raise _too_large(len(whole), max_bytes)
        hold(len(whole))
        return whole
    pieces: list[bytes] = []
    num_bytes = 0
    while message["type"] == "http.request":
        piece = message.get("body", b"")
        num_bytes += len(piece)
        if num_bytes > max_bytes:
            raise _too_large(None, max_bytes)
        hold(num_bytes)
        pieces.append(piece)
        if not message.get("more_body"):
            return b"".join(pieces)
        progressed()
        message = await receive()
    raise client_left()


async def discard(receive: Receive) -> None:
    """Take what still comes of a body that nobody wants, for a while, so that the client gets to read its error."""
    now_s = asyncio.get_running_loop().time
    ends_s = now_s() + _DISCARD_S
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(now_s() + _PAUSE_S) as timeout:
            while (await receive()).get("more_body"):
                timeout.reschedule(min(now_s() + _PAUSE_S, ends_s))


def _check_media_type(media_type: str) -> None:
    kind, _, parameters = media_type.partition(";")
    kind, charset = kind.strip().lower(), parameters.strip().lower().replace('"', "")
    if not (kind == "application/json" or kind.endswith("+json")) or charset not in ("", "charset=utf-8"):
        raise Failure(
            415,
            f"The body is `{media_type[:80]}`; this endpoint reads `application/json` in UTF-8.",
            code="unsupported_media_type",
        )


def _too_large(num_bytes: int | None, max_bytes: int) -> Failure:
    found = f"has {num_bytes:,} bytes" if num_bytes is not None else "is longer than that"
    return Failure(
        413, f"The request's body {found}; this server takes {max_bytes:,}. Send less.", code="request_too_large"
    )
