"""What tests of the digest share: tokens, letters, subscribers, an issue, and the real SMTP server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
for folder in (str(HERE), str(HERE.parent / "mail")):
    if folder not in sys.path:
        sys.path.insert(0, folder)


@pytest.fixture
def tokens(clock: Any) -> Any:
    """Signs and reads."""
    from seatrial.site.security.tokens import Tokens

    return Tokens(b"s" * 32, clock=clock)


@pytest.fixture
def letters(tokens: Any) -> Any:
    """Writes issues."""
    from seatrial.site.digest.letters import Letters
    from seatrial.site.mail.message import Sender

    return Letters(Sender("Seatrial", "digest@site.example"), "https://site.example", tokens)


@pytest.fixture
def add_readers(database: Any, clock: Any) -> Callable[..., list[int]]:
    """Adds confirmed subscribers: `add_readers(3)` makes r0@, r1@ and r2@example.org and returns their ids."""
    from readers import add_readers

    return lambda num, **how: add_readers(database, num, clock() - timedelta(days=30), **how)


@pytest.fixture
def issue(database: Any, clock: Any) -> Any:
    """A stored issue, written now."""
    from readers import add_issue

    return add_issue(database, clock())


@pytest.fixture
def library(database: Any, clock: Any) -> Any:
    """The library over this test's database and two models of the catalog."""
    from readers import small_catalog

    from seatrial.site.library import JudgeTerms, Library

    return Library(small_catalog(), database, clock=clock, judge_terms=JudgeTerms(0.03, "commercial", 0.1))


@pytest.fixture
def add_run(database: Any) -> Callable[..., None]:
    """Publishes a verdict: `add_run("a-vs-b", at, "ship", "a")`."""
    from readers import add_run

    return lambda *row: add_run(database, *row)


@pytest.fixture
def inbox() -> Iterator[Any]:
    """See `mail_server.py`."""
    from mail_server import Inbox, running

    with running(Inbox()) as opened:
        yield opened


@pytest.fixture
def monday() -> datetime:
    """The Monday after week 2026-W47."""
    return datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
