"""Bringing a database's tables to the shape that this version needs, and back.

In: a `Database`. Out: its tables as `tables.py` has them, and which revision they are at. Alembic runs the steps in
`migrations/versions`, all of them in one transaction under a lock: of two servers that start at once one waits and
finds the work done, and a step that fails leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect, text

from seatrial.errors import InputError, UnknownName, UsageError
from seatrial.site.db.faults import UPGRADE
from seatrial.site.db.opening import Database, reading, writing
from seatrial.site.db.tables import metadata

BASE = "base"
"""The revision of a database without tables."""

_SCRIPTS = "seatrial.site.db:migrations"
_LOCK = 0x5EA7_81A1  # of PostgreSQL's advisory locks; any number, but always this
_IN_THIS_PROCESS = threading.Lock()  # Alembic's `op` and `context` are one for all threads


def upgrade(database: Database) -> None:
    """Bring it to `head()`; nothing happens where it is there already. Any number of servers may call it at once.

    Raises InputError for a database of a newer version or of another program, StorageError.
    """
    if current(database) != head():
        with _alone(database) as connection:
            found = _revision(connection)
            _refuse_newer(database, found)
            if found is None:
                _refuse_foreign(database, connection)
            command.upgrade(_config(connection), "head")


def downgrade(database: Database, to: str) -> None:
    """Take it back to an earlier revision, or to `BASE`: what only later ones hold is lost.

    Raises UnknownName, UsageError for a revision that lies ahead, InputError for a newer database, StorageError.
    """
    if to not in (*_known(), BASE):
        raise UnknownName("revision of the database", to, [*_known(), BASE])
    with _alone(database) as connection:
        _refuse_newer(database, _revision(connection))
        try:
            command.downgrade(_config(connection), to)
        except CommandError as error:
            raise UsageError(f"The database {database.name} cannot go back to `{to}`: {error}.") from None


def current(database: Database) -> str | None:
    """The revision that a database is at; None for one without tables. Raises StorageError."""
    with reading(database) as connection:
        return _revision(connection)


def head() -> str:
    """The revision that this version of Seatrial needs."""
    newest = _scripts().get_current_head()
    assert newest is not None
    return newest


def require_current(database: Database) -> None:
    """Raises InputError, with the way out, for a database that is not at `head()`; StorageError."""
    found = current(database)
    _refuse_newer(database, found)
    if found is None:
        raise InputError(f"The database {database.name} has no tables yet. {UPGRADE}")
    if found != head():
        raise InputError(
            f"The database {database.name} is at revision {found}; this version of Seatrial needs {head()}. {UPGRADE}"
        )


@contextlib.contextmanager
def _alone(database: Database) -> Iterator[Connection]:
    """A transaction that no other migration runs beside. On SQLite no other writer does."""
    with _IN_THIS_PROCESS, writing(database) as connection:
        if not database.is_sqlite:
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield connection


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(database: Database, found: str | None) -> None:
    if found is not None and found not in _known():
        raise InputError(
            f"The database {database.name} is at revision {found}, of a newer Seatrial; this one knows up to {head()}. "
            "Install the newer one; its `seatrial site upgrade` brings older databases up, never back."
        )


def _refuse_foreign(database: Database, connection: Connection) -> None:
    taken = sorted(set(inspect(connection).get_table_names()) & set(metadata.tables))
    if taken:
        raise InputError(
            f"The database {database.name} holds a table `{taken[0]}` that Seatrial did not make. "
            "Give the site a database of its own."
        )


def _config(connection: Connection) -> Config:
    config = _plain_config()
    config.attributes["connection"] = connection  # `migrations/env.py` uses it
    return config


def _plain_config() -> Config:
    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    return config


def _known() -> list[str]:
    return [script.revision for script in _scripts().walk_revisions()]


@functools.cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_plain_config())
