"""What tests of the site share: a migrated database on SQLite and on a real PostgreSQL, and a clock to set.

Whatever asks for `database` or `database_url` runs twice. What needs PostgreSQL itself asks for `postgres_server`.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = str(Path(__file__).resolve().parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)


@pytest.fixture
def clock() -> Any:
    """See `settable_clock.py`: `clock()`, `clock.now = …`, `clock.advance(hours=1)`."""
    from settable_clock import SettableClock

    return SettableClock()


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which database; makes a test run on both."""
    return str(request.param)


@pytest.fixture
def database(database_url: str) -> Iterator[Any]:
    """An open `Database` of this test's own, with its tables."""
    from seatrial.site.db.opening import open_database

    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def database_url(kind: str, new_url: Callable[..., str]) -> str:
    """Where a migrated database of this test's own is; a second server opens the same."""
    return new_url(kind)


@pytest.fixture
def empty_url(kind: str, new_url: Callable[..., str]) -> str:
    """Where a database without tables is."""
    return new_url(kind, is_empty=True)


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Makes databases: `new_url("sqlite" | "postgresql", is_empty=False)`."""
    numbers = itertools.count(1)
    with contextlib.ExitStack() as afterwards:

        def make(kind: str, *, is_empty: bool = False) -> str:
            if kind == "sqlite":
                path = tmp_path / f"site-{next(numbers)}.db"
                if not is_empty:
                    shutil.copy(request.getfixturevalue("sqlite_template"), path)
                return f"sqlite:///{path}"
            server = request.getfixturevalue("postgres_server")
            if is_empty:
                name = server.create()
                afterwards.callback(server.drop, name)
            else:
                template = request.getfixturevalue("postgres_template")
                name = server.take(template)
                afterwards.callback(server.give_back, name, template)
            return str(server.url(name))

        yield make


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy."""
    path = tmp_path_factory.mktemp("template") / "site.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Any) -> str:
    """A migrated database to copy."""
    name = str(postgres_server.create())
    _migrate(postgres_server.url(name))
    return name


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """See `postgres.py`: one for the session, or for each of pytest-xdist's workers."""
    from postgres import PostgresServer, programs

    found = programs()
    if found is None:
        pytest.skip("PostgreSQL's programs are absent (Debian: apt install postgresql)")
    server = PostgresServer(found)
    yield server
    server.close()


def _migrate(url: str) -> None:
    from seatrial.site.db.migrating import upgrade
    from seatrial.site.db.opening import open_database

    database = open_database(url)
    upgrade(database)
    database.close()
