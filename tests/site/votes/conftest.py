"""What tests of votes share: a booth that lets everything through, and helpers in `voting.py`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

HERE = str(Path(__file__).resolve().parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)


@pytest.fixture
async def booth(database: Any, clock: Any) -> AsyncIterator[Any]:
    """A `Booth` on a database of this test's own, without throttles."""
    from seatrial.site.votes.booth import Booth
    from seatrial.site.votes.throttle import UNLIMITED

    opened = Booth(database, clock, limits=UNLIMITED)
    yield opened
    await opened.close()
