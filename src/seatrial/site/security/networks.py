"""Which network a request comes from: its client's address cut to /24 or /48, and of that only a keyed hash.

In: the connection's peer and its `X-Forwarded-For`, which counts only as far as trusted proxies wrote it. Out: 32 hex
digits, the same for everybody in the network. Addresses are neither kept nor logged.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable
from typing import TypeAlias

from seatrial.errors import UsageError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_PREFIX = {4: 24, 6: 48}
_MOST_HOPS = 32
_UNKNOWN = "unknown"


class Networks:
    """`trusted` are the proxies whose word on their clients counts: addresses, or networks such as 10.0.0.0/8.

    Raises UsageError for one that is neither.
    """

    def __init__(self, secret: bytes, trusted: Iterable[str] = ()) -> None:
        self._key = hmac.digest(secret, b"seatrial.site:network", "sha256")
        self._trusted = tuple(_network(text) for text in trusted)

    def of(self, peer: str | None, forwarded_for: str) -> str:
        """The network of a request. `forwarded_for` is the header, several of them joined by commas."""
        address = self.client(peer, forwarded_for)
        place = _UNKNOWN if address is None else str(ipaddress.ip_network((address, _PREFIX[address.version]), False))
        return hmac.new(self._key, place.encode(), hashlib.sha256).hexdigest()[:32]

    def client(self, peer: str | None, forwarded_for: str) -> Address | None:
        """The last address on the way here that no trusted proxy has; None where there is none (a Unix socket)."""
        client = parse_address(peer or "")
        hops = forwarded_for.split(",")[-_MOST_HOPS:] if forwarded_for else []
        while client is not None and self._is_trusted(client) and hops:
            further = parse_address(hops.pop())
            if further is None:
                break
            client = further
        return client

    def _is_trusted(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._trusted)


def parse_address(text: str) -> Address | None:
    """`1.2.3.4`, `1.2.3.4:80`, `::1` or `[::1]:80`; IPv4 written as IPv6 is IPv4. None for anything else."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise UsageError(
            f"Trusted proxy `{text[:80]}` is no address and no network. Write 127.0.0.1, or 10.0.0.0/8."
        ) from None
