"""What a database did wrong, as errors of our tree.

In: an exception of SQLAlchemy or of the driver under it. Out: a StorageError that says what happened and what to do,
or an InputError where the database is not ours, damaged or of another version. A rule that a statement broke
(IntegrityError) and a statement that is wrong rise as they are: the first is the caller's answer, the second a mistake
of ours.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from seatrial.errors import InputError, SeatrialError, StorageError

UPGRADE = "Run `seatrial site upgrade`."


@contextlib.contextmanager
def told(name: str) -> Iterator[None]:
    """Around anything that uses the database `name`. Raises StorageError, InputError as above."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        fault = _fault(error, name)
        if fault is None:
            raise
        raise fault from error
    except PoolTimeout as error:
        raise StorageError(
            f"The database {name} is busy: every connection to it is in use. Try again in a moment."
        ) from error


class _Kind(NamedTuple):
    """`way_out` ends the message; a fault in what the database holds is an InputError."""

    what: str
    way_out: str
    is_in_content: bool = False


_LOCKED = _Kind("is locked by another program", "Try again; if it stays so, find and stop that program.")
_FULL = _Kind("is on a full disk", "Make room there. What was acknowledged is kept.")
_DISK = _Kind("cannot be read or written: its disk fails", "Look at the disk and at the system's log.")
_CANNOT_OPEN = _Kind("cannot be opened", "Look whether its folder exists and may be written.")
_READ_ONLY = _Kind("may not be written", "Give this user the right to write, or name another database.")
_FOREIGN = _Kind("is not a database", "Name another file, or restore a backup.", is_in_content=True)
_DAMAGED = _Kind("is damaged", "Restore a backup; keep the damaged one aside.", is_in_content=True)
_OLD = _Kind("has not the tables that this version needs", UPGRADE, is_in_content=True)
_UNREACHABLE = _Kind(
    "cannot be reached", "Look whether the server runs and whether host, port, name and password are right."
)
_LOST = _Kind("has ended the connection", "Try again; the server may be starting.")
_OVERLOADED = _Kind("has no more connections or memory to give", "Try again, or raise the server's limits.")
_COLLIDED = _Kind("has stopped one of two transactions that were in each other's way", "Try again.")

_OF_SQLITE = {
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_FULL": _FULL,
    "SQLITE_IOERR": _DISK,
    "SQLITE_CANTOPEN": _CANNOT_OPEN,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_PERM": _READ_ONLY,
    "SQLITE_NOTADB": _FOREIGN,
    "SQLITE_CORRUPT": _DAMAGED,
}
# PostgreSQL's documentation, appendix A. The longest beginning of a code that is named here decides.
_OF_POSTGRESQL = {
    "08": _LOST,
    "25006": _READ_ONLY,
    "25P03": _LOST,
    "28": _UNREACHABLE,
    "3D000": _UNREACHABLE,
    "40": _COLLIDED,
    "42501": _READ_ONLY,
    "42703": _OLD,
    "42P01": _OLD,
    "53": _OVERLOADED,
    "53100": _FULL,
    "55P03": _LOCKED,
    "57P": _LOST,
    "58": _DISK,
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
}


def _fault(error: DBAPIError | sqlite3.Error, name: str) -> SeatrialError | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    kind = _kind_of_sqlite(cause) if isinstance(cause, sqlite3.Error) else _kind_of_postgresql(error, cause)
    if kind is None:
        return None
    reason = (str(cause).strip() or "no reason given").splitlines()[0]
    message = f"The database {name} {kind.what} ({reason.rstrip('.')}). {kind.way_out}"
    return InputError(message) if kind.is_in_content else StorageError(message)


def _kind_of_sqlite(cause: sqlite3.Error) -> _Kind | None:
    code = getattr(cause, "sqlite_errorname", None) or ""  # SQLITE_IOERR_WRITE is a kind of SQLITE_IOERR
    if str(cause).startswith(("no such table", "no such column")):
        return _OLD
    return _OF_SQLITE.get("_".join(code.split("_")[:2]))


def _kind_of_postgresql(error: Exception, cause: BaseException | None) -> _Kind | None:
    code: str | None = getattr(cause, "sqlstate", None)
    if code is None:  # libpq says so itself, without the server: no connection, or none any more
        return _UNREACHABLE if isinstance(error, OperationalError | InterfaceError) else None
    return next((_OF_POSTGRESQL[code[:n]] for n in (5, 3, 2) if code[:n] in _OF_POSTGRESQL), None)
