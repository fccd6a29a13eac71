"""What tests of pages share: a library on SQLite, a renderer, and pages as trees."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = str(Path(__file__).resolve().parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)


@pytest.fixture(scope="session")
def library(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The built-in catalog over an empty database, for all tests that publish nothing; judging it takes a while."""
    from settable_clock import SettableClock

    path = tmp_path_factory.mktemp("pages") / "site.db"
    shutil.copy(sqlite_template, path)
    yield from _library(f"sqlite:///{path}", SettableClock())


@pytest.fixture
def own_library(new_url: Callable[..., str], clock: Any) -> Iterator[Any]:
    """One to publish in. `test_library` tells that PostgreSQL gives the same."""
    yield from _library(new_url("sqlite"), clock)


@pytest.fixture
def opinions() -> Any:
    """Nobody has voted."""
    from site_samples import MadeUpOpinions

    return MadeUpOpinions()


@pytest.fixture
def shown() -> Callable[..., Any]:
    """See `page_rules.py`: a page's tree, held to what every page owes."""
    from page_rules import shown

    return shown


def _library(url: str, clock: Any) -> Iterator[Any]:
    from site_samples import make_library

    from seatrial.site.db.opening import open_database

    database = open_database(url)
    yield make_library(database, clock)
    database.close()
