"""Opening the site's database, and the two ways to be in it: reading and writing.

In: a URL (`addresses.py`). Out: a `Database`, and connections of SQLAlchemy Core, one transaction each. What goes wrong
comes out as errors of our tree (`faults.py`).

On SQLite a writer takes the write lock before its first statement, so that what it reads cannot change under it, and a
commit is on disk before it returns. On PostgreSQL transactions of writers are "read committed": who reads in order to
write takes a lock first. Readers see one moment of the database throughout, and hold up nobody.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from seatrial.errors import StorageError
from seatrial.site.db.addresses import read_url, shown
from seatrial.site.db.faults import told

LOCK_TIMEOUT_S = 10.0
"""How long a statement waits for another program's lock."""

_POOL: dict[str, Any] = {"pool_size": 5, "max_overflow": 10, "pool_timeout": 10.0, "hide_parameters": True}
# libpq's, unless the URL says otherwise. A server that is gone without a word is noticed within half a minute.
_LIBPQ = {
    "application_name": "seatrial",
    "client_encoding": "utf8",
    "connect_timeout": "10",
    "tcp_user_timeout": "30000",
}


@dataclass(frozen=True, slots=True)
class Database:
    """An open database. `name` is what messages call it, without a password; `path` is SQLite's file."""

    engine: Engine
    name: str
    path: Path | None

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite; else it is PostgreSQL."""
        return self.path is not None

    def close(self) -> None:
        """Give the connections back; those in use are closed when they are done."""
        self.engine.dispose()


def open_database(url: str, *, lock_timeout_s: float = LOCK_TIMEOUT_S) -> Database:
    """Open a database; SQLite's file and its folder are made where they are not there.

    Its tables are made by `migrating.upgrade`. Raises UsageError for an address that cannot be, StorageError for a
    database that cannot be reached, InputError for a file that is not a database.
    """
    address = read_url(url)
    name = shown(address)
    if address.get_backend_name() == "sqlite":
        path = Path(str(address.database))
        _make_file(path)
        with told(name):
            _turn_on_wal(path, lock_timeout_s)
        return Database(_sqlite_engine(address, lock_timeout_s), name, path)
    database = Database(_postgresql_engine(address, lock_timeout_s), name, None)
    try:
        with reading(database):
            pass
    except DBAPIError as error:  # an option that libpq does not know, for one
        database.close()
        raise StorageError(f"The database {name} cannot be opened: {str(error.orig).strip().rstrip('.')}.") from error
    except BaseException:
        database.close()
        raise
    return database


@contextlib.contextmanager
def writing(database: Database) -> Iterator[Connection]:
    """A transaction that is committed at the end, and rolled back when anything is raised. Raises StorageError.

    An error from the commit itself leaves open whether it took place: the connection may have broken just after.
    """
    with told(database.name), database.engine.connect() as connection:
        connection.execution_options(seatrial_writes=True)
        with connection.begin():
            yield connection


@contextlib.contextmanager
def reading(database: Database) -> Iterator[Connection]:
    """A transaction that sees one moment of the database and may not write to it. Raises StorageError."""
    with told(database.name), database.engine.connect() as connection:
        if not database.is_sqlite:
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        transaction = connection.begin()
        try:
            yield connection
        finally:
            transaction.rollback()


def _make_file(path: Path) -> None:
    """It holds addresses and the site's secret, so nobody else may read it; SQLite gives its side files the same."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StorageError(f"The database {path} cannot be made: {error.strerror}. Name another path.") from None


def _turn_on_wal(path: Path, lock_timeout_s: float) -> None:
    """Once for each file, for good. SQLite does not wait for another program that does the same, so that we do."""
    until_s = time.monotonic() + lock_timeout_s
    with contextlib.closing(sqlite3.connect(path, timeout=lock_timeout_s, isolation_level=None)) as connection:
        while True:
            try:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
                break
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > until_s:
                    raise
                time.sleep(0.05)
    if mode != "wal":
        raise StorageError(
            f"The database {path} cannot have SQLite's write-ahead log, which needs a disk of this machine. "
            "Put the file on one, or take PostgreSQL."
        )


def _sqlite_engine(url: URL, lock_timeout_s: float) -> Engine:
    engine = create_engine(url, connect_args={"timeout": lock_timeout_s, "check_same_thread": False}, **_POOL)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # `_begin_sqlite` begins, not the driver
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    is_writing = connection.get_execution_options().get("seatrial_writes", False)
    connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if is_writing else 'ON'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


def _postgresql_engine(url: URL, lock_timeout_s: float) -> Engine:
    defaults = {key: value for key, value in _LIBPQ.items() if key not in url.query}
    engine = create_engine(url.update_query_dict(defaults), pool_pre_ping=True, **_POOL)
    # A server that hangs in the middle of a transaction must not hold up the others for ever.
    prepare = (
        f"SET lock_timeout = {round(lock_timeout_s * 1000)}; "
        "SET idle_in_transaction_session_timeout = '60s'; SET TimeZone = 'UTC'"
    )

    def prepare_postgresql(connection: Any, _record: Any) -> None:
        connection.autocommit = True
        connection.execute(prepare)
        connection.autocommit = False

    event.listen(engine, "connect", prepare_postgresql)
    return engine
