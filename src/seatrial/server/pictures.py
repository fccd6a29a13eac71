"""Pictures from the web, for messages that name an address.

In: addresses whose hosts the operator allowed by name. Out: their bytes. This is where a server could be talked into
calling inside its own network, so: only addresses that are public are connected to, whatever the name resolves to;
redirects are not followed; size and time are bounded; and the reply must be a picture by its type.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from seatrial.chat import ImagePart
from seatrial.server.errors import Failure, bad_request
from seatrial.server.wire.images import Fetched, FetchPictures, check_media_type, check_size
from seatrial.server.wire.limits import WireLimits

IsAllowed = Callable[[str], bool]

_TIMEOUT_S = 20.0
_CHUNK_BYTES = 64 * 1024
_IPV4_IN_IPV6 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet at large, also behind its IPv6 spellings."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _IPV4_IN_IPV6:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            ip = inner
    return ip.is_global and not ip.is_multicast


def picture_fetcher(limits: WireLimits, *, is_allowed: IsAllowed = is_public) -> FetchPictures:
    """What fetches pictures within `limits`. `is_allowed` says which IP addresses may be connected to."""

    async def fetch(urls: Sequence[str]) -> Fetched:
        """Raises Failure 400 for the first address that gives no picture."""
        connector = aiohttp.TCPConnector(resolver=_CheckedResolver(is_allowed), limit=8)
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=jar) as session:
            tasks = [asyncio.create_task(_fetched(session, url, limits, is_allowed)) for url in urls]
            try:
                return dict(zip(urls, await asyncio.gather(*tasks), strict=True))
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    return fetch


async def _fetched(session: aiohttp.ClientSession, url: str, limits: WireLimits, is_allowed: IsAllowed) -> ImagePart:
    shown = url[:200]
    try:
        if _is_forbidden_literal(url, is_allowed):
            raise _failure(shown, "its address is not public")
        async with session.get(url, allow_redirects=False, headers={"accept": "image/*"}) as response:
            if response.status != 200:
                raise _failure(shown, f"the answer's status was {response.status}")
            check_media_type(response.content_type, shown)
            check_size(response.content_length or 0, limits, shown)
            data = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                data += chunk
                check_size(len(data), limits, shown)
            return ImagePart(bytes(data), response.content_type)
    except TimeoutError:
        raise _failure(shown, f"it took longer than {_TIMEOUT_S:g} seconds") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _failure(shown, type(error).__name__) from None


def _is_forbidden_literal(url: str, is_allowed: IsAllowed) -> bool:
    """An address written as digits is never resolved, so it is looked at here."""
    try:
        return not is_allowed(str(ipaddress.ip_address(urlsplit(url).hostname or "")))
    except ValueError:
        return False


def _failure(url: str, why: str) -> Failure:
    return bad_request(
        f"The picture at '{url}' could not be fetched: {why}.", param="messages", code="invalid_image_url"
    )


class _CheckedResolver(AbstractResolver):
    """Resolves names, and leaves out the addresses that may not be connected to."""

    def __init__(self, is_allowed: IsAllowed) -> None:
        self._inner = aiohttp.ThreadedResolver()
        self._is_allowed = is_allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        allowed = [result for result in found if self._is_allowed(result["host"])]
        if not allowed:
            raise OSError(f"No public address for {host}.")
        return allowed

    async def close(self) -> None:
        await self._inner.close()
