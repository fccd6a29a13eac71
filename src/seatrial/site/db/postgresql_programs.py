"""PostgreSQL's own programs: `pg_dump` and `pg_restore`, which know its data better than we do.

In: a `Database` and a file. The password travels in a file that only this user can read: not on the command line, which
everyone on the machine can, and not through the environment.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

from seatrial.errors import NotRunnable, StorageError
from seatrial.site.db.opening import Database


def dump(database: Database, target: Path, find: Callable[[str], str | None]) -> None:
    """Write what the database holds at one moment to `target`, an archive in pg_dump's own format, and read it back.

    Raises NotRunnable where a program is absent, StorageError.
    """
    _run("pg_dump", ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}"], database, find)
    _run("pg_restore", ["--list", str(target)], None, find)


def restore(database: Database, source: Path, find: Callable[[str], str | None]) -> None:
    """Fill an empty database from such an archive: all of it, or nothing. Raises NotRunnable, StorageError."""
    options = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", str(source)]
    _run("pg_restore", options, database, find)


def _run(program: str, options: list[str], database: Database | None, find: Callable[[str], str | None]) -> None:
    path = find(program)
    if path is None:
        raise NotRunnable(
            f"`{program}` is not there, and a backup of PostgreSQL needs it.",
            "Install PostgreSQL's client programs, of the server's version or newer (Debian: apt install "
            "postgresql-client).",
        )
    with tempfile.TemporaryDirectory(prefix="seatrial-") as folder:
        where = ["--no-password", f"--dbname={_conninfo(database, Path(folder))}"] if database is not None else []
        try:
            done = subprocess.run([path, *where, *options], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        except OSError as error:
            raise StorageError(f"`{path}` cannot be started: {error.strerror}.") from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"status {done.returncode}"]
        of = f" of {database.name}" if database is not None else ""
        raise StorageError(f"`{program}`{of} failed: {said[0].removeprefix(f'{program}: ')}")


def _conninfo(database: Database, folder: Path) -> str:
    url = database.engine.url
    _, arguments = database.engine.dialect.create_connect_args(url)
    # Besides libpq's there are some of psycopg's own, which are objects.
    given: dict[str, Any] = {key: value for key, value in arguments.items() if isinstance(value, str | int)}
    password = given.pop("password", None)
    if password is not None:
        # https://www.postgresql.org/docs/current/libpq-pgpass.html: any host, port, database and user
        escaped = str(password).replace("\\", "\\\\").replace(":", "\\:")
        given["passfile"] = str(_private_file(folder / "password", f"*:*:*:*:{escaped}\n"))
    return make_conninfo(**given)


def _private_file(path: Path, content: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(content, encoding="utf-8")
    return path
