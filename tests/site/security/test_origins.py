"""A form from another site is known as such; one of our own is let through; silence is asked about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.site.security.origins import Sender, origin_of, sender_of

SITE = "https://seatrial.example"


@pytest.mark.parametrize(
    ("headers", "sender"),
    [
        ({"sec-fetch-site": "same-origin"}, Sender.OWN),
        ({"sec-fetch-site": "cross-site"}, Sender.FOREIGN),
        ({"sec-fetch-site": "same-site"}, Sender.FOREIGN),
        ({"sec-fetch-site": "cross-site", "origin": SITE}, Sender.FOREIGN),
        ({"sec-fetch-site": "none"}, Sender.SILENT),
        ({"sec-fetch-site": "SAME-ORIGIN"}, Sender.FOREIGN),
        ({"sec-fetch-site": ""}, Sender.FOREIGN),
        ({}, Sender.SILENT),
        ({"origin": SITE}, Sender.OWN),
        ({"origin": "https://seatrial.example:443"}, Sender.OWN),
        ({"origin": "https://SEATRIAL.example"}, Sender.OWN),
        ({"origin": "http://seatrial.example"}, Sender.FOREIGN),
        ({"origin": "https://seatrial.example.evil"}, Sender.FOREIGN),
        ({"origin": "https://evil.example"}, Sender.FOREIGN),
        ({"origin": "null"}, Sender.FOREIGN),
        ({"origin": "https://seatrial.example:99999999"}, Sender.FOREIGN),
    ],
)
def test_a_site_that_knows_its_address(headers: dict[str, str], sender: Sender) -> None:
    assert sender_of(headers, SITE) is sender


@pytest.mark.parametrize(
    ("headers", "sender"),
    [
        ({"origin": "http://127.0.0.1:8000", "host": "127.0.0.1:8000"}, Sender.OWN),
        ({"origin": "http://127.0.0.1:8001", "host": "127.0.0.1:8000"}, Sender.FOREIGN),
        ({"origin": "null", "host": "[broken"}, Sender.FOREIGN),
        ({"origin": "null"}, Sender.FOREIGN),
        ({"origin": "null", "host": ""}, Sender.FOREIGN),
    ],
)
def test_a_site_that_goes_by_the_host_it_is_asked_for(headers: dict[str, str], sender: Sender) -> None:
    assert sender_of(headers, None) is sender


@given(text=st.text(max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    assert sender_of({"origin": text}, SITE) is (Sender.OWN if origin_of(text) == origin_of(SITE) else Sender.FOREIGN)
