from __future__ import annotations

import contextlib
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import URL

from seatrial.errors import UsageError
from seatrial.site.db.addresses import read_url, shown


def test_a_files_path_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    assert read_url("sqlite:///data/site.db").database == str(tmp_path / "data" / "site.db")
    assert read_url("sqlite:////srv/site.db").database == "/srv/site.db"
    assert shown(read_url("sqlite:////srv/site.db")) == "/srv/site.db"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_takes_our_driver(scheme: str) -> None:
    url = read_url(f"{scheme}://ana@db.example:5433/site?sslmode=require")

    assert url.drivername == "postgresql+psycopg"
    assert (url.host, url.port, url.database, url.query["sslmode"]) == ("db.example", 5433, "site", "require")


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("", "not a URL"),
        ("site.db", "not a URL"),
        ("postgresql://host:port/site", "not a URL"),
        ("sqlite://", "path alone"),
        ("sqlite://site.db", "path alone"),
        ("sqlite:///site.db?mode=ro", "path alone"),
        ("sqlite:///:memory:", "file on disk"),
        ("sqlite:///file:site.db", "file on disk"),
        ("mysql://host/site", "`mysql`"),
        ("postgresql+asyncpg://host/site", "`postgresql+asyncpg`"),
    ],
)
def test_an_address_that_cannot_be_is_refused_with_the_way_out(address: str, named: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_url(address)

    assert named in str(refused.value)
    assert "sqlite:///site.db" in str(refused.value)
    assert "postgresql://" in str(refused.value)


@settings(deadline=None)
@given(st.text(max_size=60) | st.text("sqlite:/postgresql@?=#%&", max_size=60).map("postgresql://u".__add__))
def test_any_text_is_an_address_or_is_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert isinstance(read_url(text), URL)


@settings(deadline=None)
@given(st.text(min_size=1, max_size=20))
def test_a_password_is_never_shown(rest: str) -> None:
    password = quote(f"geheim{rest}", safe="")

    assert "geheim" not in shown(read_url(f"postgresql://ana:{password}@host/site"))
    assert "geheim" not in shown(read_url(f"postgresql://ana@host/site?password={password}&sslpassword={password}"))
