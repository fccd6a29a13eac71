"""`seatrial digest`: an issue is looked at, sent into the outbox once, and followed."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sql

from seatrial.site.db.migrating import upgrade
from seatrial.site.db.opening import open_database, reading, writing
from seatrial.site.db.tables import runs, sends, subscribers

Seatrial = Callable[..., Any]
CARDS = [
    {"id": "gpt-5-mini", "model": "gpt-5-mini", "name": "GPT-5 mini", "category": "text"},
    {"id": "smollm3-3b", "model": "smollm3-3b", "name": "SmolLM3-3B", "category": "text"},
]
BRIEF = {"candidates": CARDS, "workloads": []}
"""As much of a document as lists read."""


def last_week() -> datetime:
    """An instant in the middle of the last week that is over, naive UTC."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return now - timedelta(days=now.weekday() + 4)


def last_week_name() -> str:
    year, number, _ = last_week().isocalendar()
    return f"{year}-W{number:02}"


@pytest.fixture
def site(tmp_path: Path) -> Any:
    """A database with two readers and a run published last week."""
    database = open_database(f"sqlite:///{tmp_path / 'home' / 'site' / 'site.db'}")
    upgrade(database)
    long_ago = last_week() - timedelta(days=60)
    with writing(database) as connection:
        for name in ("anna", "bert"):
            connection.execute(
                subscribers.insert().values(
                    email=f"{name}@example.org",
                    email_key=f"{name}@example.org",
                    asked_at=long_ago,
                    asked_times=1,
                    confirmed_at=long_ago,
                    bounces=0,
                )
            )
        connection.execute(
            runs.insert().values(
                slug="gpt-5-mini-vs-smollm3-3b",
                run_id="run-1",
                added_at=last_week(),
                decision="ship",
                candidate="gpt-5-mini",
                sentence="Ship gpt-5-mini.",
                document=zlib.compress(msgspec.json.encode(BRIEF)),
            )
        )
    yield database
    database.close()


def test_an_issue_is_previewed_sent_once_and_followed(seatrial: Seatrial, site: Any, tmp_path: Path) -> None:
    outbox = tmp_path / "home" / "site" / "outbox"
    shown = seatrial("digest", "preview")
    assert shown.code == 0, shown.err
    assert "GPT-5 mini or SmolLM3-3B?" in shown.out
    assert "Ship gpt-5-mini." in shown.out
    assert "<h2>" in seatrial("digest", "preview", "--html").out
    assert "no issue is written" in seatrial("digest", "status").out

    sent = seatrial("digest", "send", "--week", last_week_name())
    assert (sent.code, sent.err) == (0, "")
    assert "2 sent now" in sent.out
    assert len(list(outbox.glob("*.eml"))) == 2
    again = seatrial("digest", "send")
    assert "0 sent now. In all 2 sent" in again.out
    status = seatrial("digest", "status")
    assert "Subscribers: 2 active, 0 not confirmed, 0 have left." in status.out
    assert "In all 2 sent, 0 failed, 0 unknown, 0 waiting." in status.out


@pytest.mark.slow
def test_a_folder_can_be_named_and_a_server_that_is_down_is_said(seatrial: Seatrial, site: Any, tmp_path: Path) -> None:
    smtp = {"SEATRIAL_SMTP_URL": "smtp://127.0.0.1:9"}
    alone = seatrial("digest", "send", env=smtp)
    assert alone.code == 2
    assert "SEATRIAL_SITE_URL" in alone.err
    whole = {**smtp, "SEATRIAL_SITE_URL": "https://site.example", "SEATRIAL_MAIL_FROM": "Seatrial <d@site.example>"}
    down = seatrial("digest", "send", env=whole)
    assert down.code == 1
    assert "127.0.0.1:9 cannot be reached" in down.err
    assert "goes on where this one stopped" in down.err
    assert "2 waiting" in down.out
    named = seatrial("digest", "send", "--outbox", tmp_path / "named", env=whole)
    assert "2 sent now" in named.out
    (mail, _) = sorted((tmp_path / "named").glob("*.eml"))
    assert b"List-Unsubscribe: <https://site.example/digest/unsubscribe/" in mail.read_bytes()


@pytest.mark.slow
def test_what_nobody_knows_is_said_and_resolved(seatrial: Seatrial, site: Any) -> None:
    seatrial("digest", "send")
    with writing(site) as connection:
        hour_ago = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
        connection.execute(sends.update().where(sends.c.subscriber == 1).values(state="claimed", at=hour_ago))
    smtp = {
        "SEATRIAL_SMTP_URL": "smtp://127.0.0.1:9",
        "SEATRIAL_SITE_URL": "https://site.example",
        "SEATRIAL_MAIL_FROM": "digest@site.example",
    }
    unknown = seatrial("digest", "send", env=smtp)
    assert "1 unknown" in unknown.out
    assert "--resolve sent" in unknown.err
    assert "0 unknown" in seatrial("digest", "send", "--resolve", "sent", env=smtp).out


@pytest.mark.slow
def test_a_bounce_is_noted(seatrial: Seatrial, site: Any) -> None:
    assert "Noted" in seatrial("digest", "bounce", "Anna@example.org").out
    assert "does not subscribe" in seatrial("digest", "bounce", "carl@example.org").out
    assert seatrial("digest", "bounce", "carl").code == 2
    with reading(site) as connection:
        left = connection.execute(sql.select(subscribers.c.email).where(subscribers.c.left_at.is_not(None)))
        assert list(left.scalars()) == ["anna@example.org"]


def test_weeks_that_cannot_be(seatrial: Seatrial, site: Any) -> None:
    assert "2026-W47" in seatrial("digest", "preview", "--week", "yesterday").err
    next_year = datetime.now(UTC).year + 1
    early = seatrial("digest", "send", "--week", f"{next_year}-W10")
    assert early.code == 2
    assert "is over on" in early.err


def test_a_database_without_tables_says_what_to_do(seatrial: Seatrial) -> None:
    bare = seatrial("digest", "status")
    assert bare.code == 1
    assert "seatrial site upgrade" in bare.err
