"""A browser, and what stands ready for tests of pages: sample documents, scripted providers, checks of any page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
for folder in ("verdict/report", "server", "site", "browser"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Debian's Chromium, headless."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is absent; `apt-get install chromium` brings it")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real site that is filled; see `site_process.py`."""
    from site_process import serving, week_before

    with serving(tmp_path_factory.mktemp("site")) as site:
        site.command("digest", "send", "--week", week_before(1))
        yield site


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server of the chat page; see `chat_process.py`."""
    from chat_process import serving

    with serving(tmp_path_factory.mktemp("open")) as served:
        yield served


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The same, which asks for keys."""
    from chat_process import serving

    with serving(tmp_path_factory.mktemp("locked"), asks_for_keys=True) as served:
        yield served
