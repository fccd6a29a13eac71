"""Pictures from the web, for messages that name an address.

In: addresses whose hosts the operator allowed by name, each with its place in the request. Out: their bytes. This is
where a server could be talked into calling inside its own network, so: only addresses that are public are connected to,
whatever the name resolves to; redirects are not followed; size and time are bounded; the reply must be a picture by its
type, and one that was packed is not unpacked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Mapping

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from seatrial.chat import ImagePart
from seatrial.server.errors import Failure, bad_request
from seatrial.server.wire.images import Fetched, FetchPictures, check_media_type, check_size
from seatrial.server.wire.limits import WireLimits

IsAllowed = Callable[[str], bool]

_TIMEOUT_S = 20.0
_HEADERS = {"accept": "image/*", "accept-encoding": "identity"}
_CHUNK_BYTES = 64 * 1024
_IPV4_IN_IPV6 = ipaddress.ip_network("64:ff9b::/96")
_ROUTED_IPV6 = ipaddress.ip_network("2000::/3")  # RFC 4291: what is given out to the internet
_NOT_PUBLIC = "its address is not public. Send the picture as a data URL"
# The first that fits, so that kinds stand before those they belong to.
_WHY: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "no such host can be found"),
    (aiohttp.ClientConnectorCertificateError, "the certificate of the host is not trusted"),
    (aiohttp.ClientSSLError, "no secure connection could be made"),
    (aiohttp.ClientConnectorError, "nothing answers there"),
    (aiohttp.ClientPayloadError, "the answer was cut short"),
    (aiohttp.ServerConnectionError, "the connection broke"),
    (aiohttp.ClientResponseError, "the answer was no HTTP"),
    (ValueError, "the address is not valid"),
)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet at large, also behind its IPv6 spellings."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _IPV4_IN_IPV6:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is None and ip not in _ROUTED_IPV6:
            return False
        ip = inner or ip
    return ip.is_global and not ip.is_multicast


def picture_fetcher(limits: WireLimits, *, is_allowed: IsAllowed = is_public) -> FetchPictures:
    """What fetches pictures within `limits`. `is_allowed` says which IP addresses may be connected to."""

    async def fetch(places: Mapping[str, str], hold: Callable[[int], None]) -> Fetched:
        """Raises Failure 400, naming its place, for the first address that gives no picture; and what `hold` raises."""
        num_bytes = 0

        def take(num_more: int) -> None:
            nonlocal num_bytes
            num_bytes += num_more
            hold(num_bytes)

        connector = aiohttp.TCPConnector(resolver=_CheckedResolver(is_allowed), limit=8)
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, cookie_jar=jar, auto_decompress=False
        ) as session:
            tasks = [
                asyncio.create_task(_fetched(session, url, place, limits, is_allowed, take))
                for url, place in places.items()
            ]
            try:
                return dict(zip(places, await asyncio.gather(*tasks), strict=True))
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    return fetch


async def _fetched(
    session: aiohttp.ClientSession,
    url: str,
    place: str,
    limits: WireLimits,
    is_allowed: IsAllowed,
    take: Callable[[int], None],
) -> ImagePart:
    try:
        address = URL(url)
        if _is_forbidden_literal(address, is_allowed):
            raise _failure(url, place, _NOT_PUBLIC)
        async with session.get(address, allow_redirects=False, headers=_HEADERS) as response:
            if response.status != 200:
                raise _failure(url, place, f"the answer's status was {response.status}")
            packing = response.headers.get("content-encoding", "identity")
            if packing.lower() != "identity":
                raise _failure(url, place, f"the answer was packed ({packing[:40]})")
            check_media_type(response.content_type, place)
            check_size(response.content_length or 0, limits, place)
            data = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                data += chunk
                check_size(len(data), limits, place)
                take(len(chunk))
            return ImagePart(bytes(data), response.content_type)
    except TimeoutError:
        raise _failure(url, place, f"it took longer than {_TIMEOUT_S:g} seconds") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _failure(url, place, _why(error)) from None


def _is_forbidden_literal(address: URL, is_allowed: IsAllowed) -> bool:
    """An address written as digits, of any script, is never resolved, so it is looked at here."""
    try:
        return not is_allowed(str(ipaddress.ip_address(address.raw_host or "")))
    except ValueError:
        return False


def _why(error: Exception) -> str:
    """What went wrong, as a user would say it."""
    if isinstance(getattr(error, "os_error", error), _NotPublic):
        return _NOT_PUBLIC
    return next((why for kind, why in _WHY if isinstance(error, kind)), "the connection failed")


def _failure(url: str, place: str, why: str) -> Failure:
    return bad_request(
        f"The picture at '{url[:200]}' could not be fetched: {why}.", param=place, code="invalid_image_url"
    )


class _NotPublic(OSError):
    """A name that leads inside the network."""


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
            raise _NotPublic(f"No public address for {host}.")
        return allowed

    async def close(self) -> None:
        await self._inner.close()
