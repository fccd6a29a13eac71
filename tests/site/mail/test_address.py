"""Addresses are checked at the door, and one mailbox has one key."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seatrial.errors import UsageError
from seatrial.site.mail.address import LONGEST, masked, read_address


@pytest.mark.parametrize(
    ("typed", "text", "key"),
    [
        (" Anna.B@Example.ORG ", "Anna.B@example.org", "anna.b@example.org"),
        ("o'neill+news@mail.example.co.uk", "o'neill+news@mail.example.co.uk", "o'neill+news@mail.example.co.uk"),
        ("info@Bücher.example", "info@xn--bcher-kva.example", "info@xn--bcher-kva.example"),
        ("Jürgen@example.org", "Jürgen@example.org", "jürgen@example.org"),
        ("ju\u0308rgen@example.org", "jürgen@example.org", "jürgen@example.org"),
        ("x@1and1.example", "x@1and1.example", "x@1and1.example"),
    ],
)
def test_an_address_has_one_spelling(typed: str, text: str, key: str) -> None:
    address = read_address(typed)
    assert (address.text, address.key) == (text, key)
    assert read_address(address.text) == address


def test_what_stands_behind_a_plus_is_the_same_mailbox() -> None:
    assert read_address("Me+one@example.org").mailbox == read_address("me+two@Example.org").mailbox == "me@example.org"
    assert read_address("+one@example.org").mailbox == "+one@example.org"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "@",
        "anna",
        "anna@",
        "@example.org",
        "anna@example",
        "anna@@example.org",
        "a@b@example.org",
        "anna@localhost",
        "anna@127.0.0.1",
        "anna@[127.0.0.1]",
        "anna@example..org",
        "anna@-example.org",
        "anna@example.org.",
        "anna@exa mple.org",
        "an na@example.org",
        "anna\n@example.org",
        "anna@example.org\nBcc: all@example.org",
        "anna\x00@example.org",
        "Anna <anna@example.org>",
        "anna@example.org,bert@example.org",
        '"anna"@example.org',
        ".anna@example.org",
        "anna.@example.org",
        "an..na@example.org",
        "anna\u202egro@example.org",
        "anna@exa\u202emple.org",
        "\ud800@example.org",
        "a" * 65 + "@example.org",
        "ü" * 33 + "@example.org",
        "a@" + "b" * 64 + ".org",
        "a@" + "b." * 127 + "org",
        "a" * 400 + "@example.org",
    ],
)
def test_what_is_no_address_is_refused_with_the_way_out(typed: str) -> None:
    with pytest.raises(UsageError, match=r"name@example\.org") as raised:
        read_address(typed)
    assert raised.value.field == "email"
    assert len(str(raised.value)) < 300
    assert "\n" not in str(raised.value)
    assert "\u202e" not in str(raised.value)


@given(typed=st.text(max_size=400) | st.builds("{}@{}.org".format, st.text(max_size=70), st.text(max_size=70)))
@example(typed="\u0390" * 32 + "@example.org")
def test_any_text_is_an_address_that_can_be_kept_or_is_refused(typed: str) -> None:
    try:
        address = read_address(typed)
    except UsageError:
        return
    assert max(len(address.text), len(address.key)) <= LONGEST
    assert address.text.count("@") == 1
    assert address.text.partition("@")[2].isascii()
    assert not any(character.isspace() or not character.isprintable() for character in address.text)
    assert read_address(address.text) == address


def test_a_page_shows_no_whole_address() -> None:
    assert masked("anna@example.org") == "a…@example.org"
