"""Clients of one network are one; nobody can claim to be in another unless a trusted proxy says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import UsageError
from seatrial.site.security.networks import Networks, parse_address

SECRET = b"s" * 32


def test_a_network_is_a_keyed_hash_of_its_prefix() -> None:
    networks = Networks(SECRET)
    assert networks.of("192.0.2.1", "") == networks.of("192.0.2.254", "")
    assert networks.of("192.0.2.1", "") != networks.of("192.0.3.1", "")
    assert networks.of("2001:db8:1::1", "") == networks.of("2001:db8:1:ffff::9", "")
    assert networks.of("2001:db8:1::1", "") != networks.of("2001:db8:2::1", "")
    assert networks.of("::ffff:192.0.2.7", "") == networks.of("192.0.2.1", "")
    assert networks.of("192.0.2.1", "") != Networks(b"t" * 32).of("192.0.2.1", "")
    assert len(networks.of(None, "")) == 32


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("198.51.100.1", "192.0.2.1", "198.51.100.1"),  # a stranger's word counts nothing
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "6.6.6.6, 192.0.2.1", "192.0.2.1"),  # what the client itself wrote before
        ("10.0.0.1", "192.0.2.1, 10.0.0.2", "192.0.2.1"),  # two proxies of ours
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "rubbish", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.1, rubbish, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("10.0.0.1", "192.0.2.1:4711", "192.0.2.1"),
        ("::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1"),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str, forwarded_for: str, client: str) -> None:
    networks = Networks(SECRET, ["10.0.0.0/8"])
    assert networks.client(peer, forwarded_for) == parse_address(client)


def test_a_connection_without_an_address_is_a_network_too() -> None:
    networks = Networks(SECRET, ["10.0.0.1"])
    assert networks.client(None, "192.0.2.1") is None
    assert networks.of(None, "192.0.2.1") == networks.of("unix:", "")


def test_a_trusted_proxy_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match=r"`proxy\.internal`"):
        Networks(SECRET, ["proxy.internal"])


@given(peer=st.text(max_size=40), forwarded_for=st.text(max_size=200))
def test_no_header_breaks_it(peer: str, forwarded_for: str) -> None:
    assert len(Networks(SECRET, ["0.0.0.0/0", "::/0"]).of(peer, forwarded_for)) == 32
