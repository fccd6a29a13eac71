"""`back` leads back, and nowhere else."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.site.security.own_paths import own_path


@pytest.mark.parametrize("path", ["/", "/compare/a-vs-b", "/models/gpt-4.1#votes", "/search?q=a+b", "/compare/a%20b"])
def test_paths_of_this_site_stay(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/a\r\nset-cookie: x=1",
        "https://evil.example",
        "javascript:alert(1)",
        "evil",
        "/" + "a" * 1000,
        "/é",
        " /a",
    ],
)
def test_everything_else_leads_home(text: str) -> None:
    assert own_path(text) == "/"


@given(text=st.text(alphabet="/\\.:@?#%aé \t\r\n-", max_size=12))
def test_no_text_leads_elsewhere(text: str) -> None:
    assert urlsplit(urljoin("https://seatrial.example/x", own_path(text))).netloc == "seatrial.example"
