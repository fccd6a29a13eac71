"""A whole site for each test, on SQLite or on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest


@pytest.fixture
async def open_site(new_url: Callable[..., str], clock: Any) -> AsyncIterator[Callable[..., Any]]:
    """Opens sites: `open_site(kind="sqlite", limits=…, base_url=…)`; see `visitor.py`."""
    from visitor import open_site_under_test

    from seatrial.site.db.opening import open_database

    opened: list[Any] = []

    def make(kind: str = "sqlite", **options: Any) -> Any:
        site = open_site_under_test(open_database(new_url(kind)), clock, **options)
        opened.append(site)
        return site

    yield make
    for site in opened:
        await site.booth.close()
        await asyncio.to_thread(site.parts.database.close)


@pytest.fixture
def site(open_site: Callable[..., Any]) -> Any:
    """One on SQLite, without limits."""
    return open_site()


@pytest.fixture
def reader(site: Any) -> Any:
    """Somebody who reads it."""
    return site.visitor()
