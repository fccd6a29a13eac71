"""What tests of mail share: a message, and a real SMTP server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

HERE = str(Path(__file__).resolve().parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


@pytest.fixture
def new_message() -> Callable[..., Any]:
    """Makes messages: `new_message("reader@example.org", id="digest-2026-W47-1")`."""
    from seatrial.site.mail.message import Letter, Sender, write_message

    def make(to: str = "reader@example.org", *, id: str = "digest-2026-W47-1", text: str = "Hello.\n") -> Any:
        letter = Letter(id, to, "What changed", text, f"<p>{text}</p>", "https://site.example/digest/unsubscribe/t")
        return write_message(letter, Sender("Seatrial", "digest@site.example"), at=NOW)

    return make


@pytest.fixture
def inbox() -> Iterator[Any]:
    """See `mail_server.py`: a server that runs, and what arrived."""
    from mail_server import Inbox, running

    with running(Inbox()) as opened:
        yield opened
