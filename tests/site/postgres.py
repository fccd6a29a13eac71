"""A real PostgreSQL for tests: a server in a temporary folder, reached through a socket there, gone at the end.

It never runs as root: where tests do, it takes the account `postgres`, or else `nobody`. It does not wait for the disk.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

_USER = "seatrial"
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_MAX_KEPT_BYTES = 4_000_000
# Whatever a test may have changed besides rows. Copies of one database have the same oids.
_SHAPE = """
    SELECT md5(string_agg(part, ' ' ORDER BY part)) FROM (
        SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'
        UNION ALL SELECT concat(relname, relkind) FROM pg_class WHERE oid >= 16384
        UNION ALL SELECT concat(attname, atttypid, attnotnull) FROM pg_attribute WHERE attrelid >= 16384
        UNION ALL SELECT concat(conname, contype) FROM pg_constraint WHERE oid >= 16384
        UNION ALL SELECT tgname FROM pg_trigger
        UNION ALL SELECT proname FROM pg_proc WHERE oid >= 16384
        UNION ALL SELECT setconfig::text FROM pg_db_role_setting
        UNION ALL SELECT version_num FROM alembic_version
    ) AS parts (part)
"""
_START_S = 30.0
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "100",
    "shared_buffers": "32MB",
}


def programs() -> Path | None:
    """The folder of PostgreSQL's programs; the newest version that Debian has, or what is on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("postgres")
    program = found[-1] if found else Path(on_path).resolve() if on_path else None
    return program.parent if program is not None and (program.parent / "initdb").exists() else None


class PostgresServer:
    """A server with a superuser `seatrial` that needs no password. Databases are made and dropped by name."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="seatrial-pg-"))
        self._account = _account(self.folder)
        self._numbers = itertools.count(1)
        self._kept: list[str] = []
        self._shapes: dict[str, list[Any]] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "--pgdata=data", f"--username={_USER}", "--auth=trust", "--encoding=UTF8", "--locale=C",
                  "--no-sync", "--no-instructions")  # fmt: skip
        self.start()

    def url(self, name: str) -> str:
        """What `open_database` takes."""
        return f"postgresql://{_USER}@/{name}?host={self.folder}"

    def create(self, template: str | None = None) -> str:
        """The name of a new database: empty, or a copy of one that nobody is connected to."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}")
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self._start_again()
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def require_password(self, role: str, password: str) -> None:
        """Make a superuser who must give a password."""
        quoted = password.replace("'", "''")
        self.execute(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD '{quoted}'")
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text(f"local all {role} scram-sha-256\n{rules.read_text()}")
        self.execute("SELECT pg_reload_conf()")

    def take(self, template: str) -> str:
        """A copy of `template`, to be given back: in a tenth of the time of `create` and `drop`."""
        return self._kept.pop() if self._kept else self.create(template)

    def give_back(self, name: str, template: str) -> None:
        """Empty a database for the next one to take; drop it where rows are not all that was changed."""
        self._start_again()
        if template not in self._shapes:
            self._shapes[template] = self.execute(_SHAPE, template)
        try:
            with self._connection(name) as connection:
                is_as_new = _is_left(connection) and connection.execute(_SHAPE).fetchall() == self._shapes[template]
                is_kept = is_as_new and _empty(connection)
        except psycopg.Error:
            is_kept = False
        if is_kept:
            self._kept.append(name)
        else:
            self.drop(name)

    def execute(self, statement: str, name: str = "postgres") -> list[Any]:
        """Run a statement in a database as the superuser, outside of any transaction; its rows."""
        with self._connection(name) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            options = [f"--{key}={value}" for key, value in _SETTINGS.items()]
            self._process = subprocess.Popen(
                [str(self.programs / "postgres"), "-D", "data", "-k", str(self.folder), *options],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=_end_with_us, **self._account,
            )  # fmt: skip
        until_s = time.monotonic() + _START_S
        while True:
            try:
                self.execute("SELECT 1")
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > until_s:
                    raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:]) from None
                time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it, ending every connection; SIGQUIT stops it as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """`stop` and `start`."""
        self.stop(how)
        self.start()

    def close(self) -> None:
        """Stop it for good and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start_again(self) -> None:
        """A test that stopped the server and then failed must not take the others with it."""
        if self._process is None or self._process.poll() is not None:
            self.start()

    def _connection(self, name: str) -> psycopg.Connection:
        return psycopg.connect(host=str(self.folder), user=_USER, dbname=name, autocommit=True)

    def _run(self, program: str, *options: str) -> None:
        done = subprocess.run(
            [str(self.programs / program), *options], cwd=self.folder, capture_output=True, check=False, **self._account
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode(errors="replace"))


def _end_with_us() -> None:
    """Have Linux stop the server when the tests are killed. 1 is PR_SET_PDEATHSIG."""
    if _LIBC is not None:
        _LIBC.prctl(1, signal.SIGINT)


def _is_left(connection: psycopg.Connection) -> bool:
    """Whether nobody else is connected any more; who has just closed a connection is waited for."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    for _ in range(20):
        if connection.execute(others).fetchall() == [(0,)]:
            return True
        time.sleep(0.01)
    return False


def _empty(connection: psycopg.Connection) -> bool:
    """Delete all rows, and number new ones from 1; False for a database that has grown large."""
    tables = connection.execute(
        "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND oid >= 16384"
    ).fetchall()
    if sum(size_bytes for _, size_bytes in tables) > _MAX_KEPT_BYTES:
        return False
    deletions = [f"DELETE FROM {table}" for table, _ in tables if table != "alembic_version"]
    numbering = "SELECT setval(seqrelid, 1, false) FROM pg_sequence"
    connection.execute("; ".join(["SET session_replication_role = replica", *deletions, numbering]).encode())
    return True


def _account(folder: Path) -> dict[str, Any]:
    """What `subprocess` takes to run as somebody else, who then owns `folder`."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
