"""Copying the site's database while servers write to it, and putting a copy back.

In: a `Database`, and a file. Out: one file with everything that was committed at one moment, checked before it takes
its name: a SQLite database, or an archive of `pg_dump`. It holds subscribers' addresses and the site's secret, so that
only its owner may read it.

A backup goes back with `restore`, into a new database, or by hand with the servers stopped: on SQLite put it where the
database was and delete the `-wal` and `-shm` files beside that; on PostgreSQL `createdb NAME`, then
`pg_restore --exit-on-error --no-owner --dbname=NAME FILE`. A backup of an older version needs `seatrial site upgrade`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import inspect

from seatrial.errors import InputError, StorageError, UsageError
from seatrial.site.db import postgresql_programs
from seatrial.site.db.opening import LOCK_TIMEOUT_S, Database, reading

_MAGIC = {b"SQLite format 3\0": "SQLite", b"PGDMP": "PostgreSQL"}


def backup(database: Database, target: Path, *, find: Callable[[str], str | None] = shutil.which) -> None:
    """Write everything to `target`; an older backup of that name stays until the new one is whole.

    `find` gives the path of a program by its name. Raises UsageError for a file that is not ours to replace and for a
    database without tables, NotRunnable where `pg_dump` is needed and absent, StorageError.
    """
    if not _num_tables(database):
        raise UsageError(
            f"The database {database.name} has no tables, so there is nothing to copy. Is it the right one?"
        )
    target = target.absolute()
    _refuse_other_files(database, target)
    with _part(target) as part:
        if database.path is not None:
            _copy_sqlite(database.path, part, target)
        else:
            postgresql_programs.dump(database, part, find)
        _put_in_place(part, target)


def restore(database: Database, source: Path, *, find: Callable[[str], str | None] = shutil.which) -> None:
    """Fill a database without tables from a backup.

    `find` as in `backup`. Raises InputError for a file that is not a backup of such a database, UsageError for a
    database that has tables, NotRunnable where `pg_restore` is needed and absent, StorageError.
    """
    kind, needed = _kind(source), "SQLite" if database.is_sqlite else "PostgreSQL"
    if kind is None:
        raise InputError(f"{source} is not a backup of the site's database; `seatrial site backup FILE` makes one.")
    if kind != needed:
        raise InputError(
            f"{source} is a backup of {kind}, and the database {database.name} is {needed}. "
            "Restore it into a database of its kind."
        )
    num_tables = _num_tables(database)
    if num_tables:
        raise UsageError(
            f"The database {database.name} has {num_tables} tables; a backup goes into one that has none. "
            "Name a new database."
        )
    if database.path is not None:
        _fill_sqlite(database.path, source)
    else:
        postgresql_programs.restore(database, source, find)


def _num_tables(database: Database) -> int:
    with reading(database) as connection:
        return len(inspect(connection).get_table_names())


def _refuse_other_files(database: Database, target: Path) -> None:
    if database.path is not None and target.exists() and target.samefile(database.path):
        raise UsageError(f"{target} is the database itself. Give the backup another name.")
    if target.with_name(f"{target.name}-wal").exists():
        raise UsageError(f"{target} is a database in use, not a backup. Give the backup another name.")
    if target.is_dir() or (target.exists() and target.stat().st_size > 0 and _kind(target) is None):
        raise UsageError(f"{target} is there already and is not a backup. Give the backup another name.")


def _kind(path: Path) -> str | None:
    try:
        with path.open("rb") as opened:
            start = opened.read(16)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)


@contextlib.contextmanager
def _part(target: Path) -> Iterator[Path]:
    """A file beside `target` for its owner alone; whatever happens, it is gone at the end."""
    try:
        file, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise StorageError(
            f"The backup {target} cannot be written: {error.strerror}. Name a folder that is there and may be written."
        ) from None
    os.close(file)
    part = Path(name)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _copy_sqlite(path: Path, part: Path, target: Path) -> None:
    try:
        with contextlib.closing(_connect(path)) as connection:
            connection.execute("VACUUM INTO ?", (str(part),))
        with contextlib.closing(_connect(part)) as connection:
            fault = _damage(connection)
    except sqlite3.Error as error:
        raise StorageError(f"The backup {target} cannot be written: {error}. Look whether its disk is full.") from error
    if fault is not None:
        raise StorageError(f"The backup {target} was not kept, as it is damaged: {fault}. Is {path} damaged?")


def _put_in_place(part: Path, target: Path) -> None:
    try:
        _sync(part)
        os.replace(part, target)
        _sync(target.parent)
    except OSError as error:
        raise StorageError(f"The backup {target} cannot be written: {error.strerror}.") from None


def _sync(path: Path) -> None:
    """On disk, contents of a file or names of a folder, when this returns."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _fill_sqlite(path: Path, source: Path) -> None:
    try:
        with contextlib.closing(_connect(source)) as held:
            fault = _damage(held)
            if fault is not None:
                raise InputError(f"{source} is damaged: {fault}. Take another backup.")
            if not held.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
                raise InputError(f"{source} is a SQLite database, but not the site's. Name a backup of the site's.")
            with contextlib.closing(_connect(path)) as fresh:
                held.backup(fresh)
    except sqlite3.DatabaseError as error:
        raise StorageError(f"{source} cannot be restored into {path}: {error}. Nothing was kept.") from error


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=LOCK_TIMEOUT_S, isolation_level=None)


def _damage(connection: sqlite3.Connection) -> str | None:
    """What SQLite finds wrong; None where nothing is."""
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if found == "ok" else " ".join(str(found).split())
