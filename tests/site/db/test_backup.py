from __future__ import annotations

import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import func, insert, select, text

from seatrial.errors import InputError, NotRunnable, StorageError, UsageError
from seatrial.site.db.backup import backup, restore
from seatrial.site.db.migrating import require_current
from seatrial.site.db.opening import Database, open_database, reading, writing
from seatrial.site.db.site_settings import secret
from seatrial.site.db.tables import metadata, runs, settings, subscribers, tallies, vote_log

AT = datetime(2026, 11, 16, 9, 30, 0, 123_456)
Find = Callable[[str], str | None]


@pytest.fixture
def find(kind: str, request: pytest.FixtureRequest) -> Find:
    """PostgreSQL's programs of the server's own version, wherever the path leads."""
    if kind == "sqlite":
        return lambda name: None
    server = request.getfixturevalue("postgres_server")
    if not (server.programs / "pg_dump").exists():
        pytest.skip("pg_dump is absent (Debian: apt install postgresql-client)")
    return lambda name: str(server.programs / name)


def cast(database: Database, first: int, count: int) -> None:
    rows = [
        {"seq": n, "at": AT, "voter": f"v{n}", "network": "n", "subject": "model:é", "choice": "ship",
         "weight": 250, "hash": f"{n:064x}"}
        for n in range(first, first + count)
    ]  # fmt: skip
    with writing(database) as connection:
        connection.execute(insert(vote_log), rows)
        connection.execute(text("DELETE FROM tallies"))
        entry = {"num_voters": first + count - 1, "weight": 250, "weight_squared": 62_500}
        connection.execute(insert(tallies).values(subject="model:é", choice="ship", **entry))


def everything(database: Database) -> dict[str, list[Any]]:
    with reading(database) as connection:
        return {
            name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for name, table in metadata.tables.items()
        }


def fill(database: Database) -> None:
    cast(database, 1, 500)
    secret(database)
    with writing(database) as connection:
        entry = {"slug": "a-vs-b", "run_id": "r", "added_at": AT, "decision": "ship", "candidate": None, "sentence": ""}
        connection.execute(insert(runs).values(document=bytes(range(256)) * 100, **entry))
        connection.execute(
            insert(subscribers).values(email="a@b", email_key="a@b", asked_at=AT, asked_times=1, bounces=0)
        )


def test_a_backup_restores_with_every_row(database: Database, empty_url: str, find: Find, tmp_path: Path) -> None:
    fill(database)
    before = everything(database)
    backup(database, tmp_path / "site.backup", find=find)
    cast(database, 501, 1)

    fresh = open_database(empty_url)
    restore(fresh, tmp_path / "site.backup", find=find)

    assert everything(fresh) == before
    assert len(before["vote_log"]) == 500
    require_current(fresh)
    cast(fresh, 501, 1)
    with writing(fresh) as connection:  # numbers go on where they were
        entry = {"slug": "a-vs-b", "added_at": AT, "decision": "ship", "sentence": "", "document": b""}
        assert connection.execute(insert(runs).values(run_id="s", **entry)).inserted_primary_key == (2,)
    fresh.close()


def test_a_backup_of_a_site_at_work_is_one_moment_of_it(
    database: Database, empty_url: str, find: Find, tmp_path: Path
) -> None:
    cast(database, 1, 20)
    stop = threading.Event()
    failed: list[BaseException] = []
    num_cast = 20

    def keep_casting() -> None:
        nonlocal num_cast
        try:
            while not stop.is_set():
                cast(database, num_cast + 1, 20)
                num_cast += 20
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=keep_casting)
    thread.start()
    try:
        acknowledged = num_cast
        for _ in range(3):
            backup(database, tmp_path / "site.backup", find=find)
        assert num_cast > acknowledged  # servers went on meanwhile
    finally:
        stop.set()
        thread.join()
    assert failed == []

    fresh = open_database(empty_url)
    restore(fresh, tmp_path / "site.backup", find=find)
    held = everything(fresh)
    assert acknowledged <= len(held["vote_log"]) <= num_cast
    assert [row[0] for row in held["vote_log"]] == list(range(1, len(held["vote_log"]) + 1))
    assert held["tallies"][0][2] == len(held["vote_log"])
    fresh.close()


def test_a_backup_is_one_file_for_its_owner_alone(database: Database, find: Find, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()

    backup(database, folder / "site.backup", find=find)

    assert [path.name for path in folder.iterdir()] == ["site.backup"]
    assert stat.S_IMODE((folder / "site.backup").stat().st_mode) == 0o600


def test_a_newer_backup_takes_the_place_of_an_older_one(
    database: Database, empty_url: str, find: Find, tmp_path: Path
) -> None:
    backup(database, tmp_path / "site.backup", find=find)
    cast(database, 1, 5)
    backup(database, tmp_path / "site.backup", find=find)

    fresh = open_database(empty_url)
    restore(fresh, tmp_path / "site.backup", find=find)
    with reading(fresh) as connection:
        assert connection.execute(select(func.count()).select_from(vote_log)).scalar_one() == 5
    fresh.close()


def test_what_is_not_a_backup_is_not_replaced(database: Database, find: Find, tmp_path: Path) -> None:
    (tmp_path / "verdict.json").write_text("{}")

    with pytest.raises(UsageError, match="is not a backup"):
        backup(database, tmp_path / "verdict.json", find=find)
    with pytest.raises(UsageError, match="is not a backup"):
        backup(database, tmp_path, find=find)
    if database.path is not None:
        with pytest.raises(UsageError, match="is the database itself"):
            backup(database, database.path, find=find)

    assert (tmp_path / "verdict.json").read_text() == "{}"


def test_another_database_in_use_is_not_replaced(new_url: Callable[..., str], tmp_path: Path) -> None:
    database, other = open_database(new_url("sqlite")), open_database(new_url("sqlite"))
    assert other.path is not None
    cast(other, 1, 1)

    with pytest.raises(UsageError, match="a database in use"):
        backup(database, other.path)
    database.close()
    other.close()


def test_a_folder_that_is_not_there_is_said_so(database: Database, find: Find, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        backup(database, tmp_path / "none" / "site.backup", find=find)


def test_a_backup_that_cannot_be_finished_leaves_the_older_one(
    new_url: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seatrial.site.db import backup as module

    database = open_database(new_url("sqlite"))
    backup(database, tmp_path / "site.backup")
    before = (tmp_path / "site.backup").read_bytes()
    cast(database, 1, 5)

    monkeypatch.setattr(module, "_damage", lambda connection: "row 3 missing from index")
    with pytest.raises(StorageError, match="was not kept, as it is damaged: row 3"):
        backup(database, tmp_path / "site.backup")

    assert (tmp_path / "site.backup").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []
    database.close()


def test_an_empty_database_is_not_copied(empty_url: str, find: Find, tmp_path: Path) -> None:
    database = open_database(empty_url)  # as a mistake in its name makes one

    with pytest.raises(UsageError, match="has no tables"):
        backup(database, tmp_path / "site.backup", find=find)
    assert not (tmp_path / "site.backup").exists()
    database.close()


def test_a_database_with_tables_is_not_filled(database: Database, find: Find, tmp_path: Path) -> None:
    cast(database, 1, 3)
    backup(database, tmp_path / "site.backup", find=find)

    with pytest.raises(UsageError, match=r"has \d+ tables; a backup goes into one that has none"):
        restore(database, tmp_path / "site.backup", find=find)
    assert len(everything(database)["vote_log"]) == 3


@pytest.mark.parametrize("content", [b"", b"nothing", b"SQLite format", b"PGDM"])
def test_what_is_not_a_backup_is_not_restored(empty_url: str, find: Find, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd").write_bytes(content)
    fresh = open_database(empty_url)

    with pytest.raises(InputError, match="is not a backup"):
        restore(fresh, tmp_path / "odd", find=find)
    with pytest.raises(InputError, match="cannot be read"):
        restore(fresh, tmp_path / "absent", find=find)
    fresh.close()


def test_a_cut_backup_leaves_the_database_empty(database: Database, empty_url: str, find: Find, tmp_path: Path) -> None:
    fill(database)
    backup(database, tmp_path / "site.backup", find=find)
    whole = (tmp_path / "site.backup").read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) * 3 // 5])
    fresh = open_database(empty_url)

    with pytest.raises((InputError, StorageError)):
        restore(fresh, tmp_path / "cut", find=find)

    restore(fresh, tmp_path / "site.backup", find=find)
    assert everything(fresh) == everything(database)
    fresh.close()


def test_a_backup_goes_into_a_database_of_its_kind(
    new_url: Callable[..., str], postgres_server: Any, tmp_path: Path
) -> None:
    sqlite, postgresql = open_database(new_url("sqlite")), open_database(new_url("postgresql", is_empty=True))
    backup(sqlite, tmp_path / "site.backup")

    with pytest.raises(InputError, match="is a backup of SQLite, and the database postgresql://"):
        restore(postgresql, tmp_path / "site.backup")
    sqlite.close()
    postgresql.close()


def test_a_database_of_another_program_is_not_restored(new_url: Callable[..., str], tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "theirs.db") as theirs:
        theirs.execute("CREATE TABLE t (x)")
    theirs.close()
    fresh = open_database(new_url("sqlite", is_empty=True))

    with pytest.raises(InputError, match="not the site's"):
        restore(fresh, tmp_path / "theirs.db")
    fresh.close()


def test_postgresql_without_its_programs_says_what_to_install(new_url: Callable[..., str], tmp_path: Path) -> None:
    database = open_database(new_url("postgresql"))

    with pytest.raises(NotRunnable, match=r"`pg_dump` is not there.*postgresql-client"):
        backup(database, tmp_path / "site.backup", find=lambda name: None)
    assert list(tmp_path.iterdir()) == []
    database.close()


def test_a_database_with_a_password_is_copied_and_restored(
    new_url: Callable[..., str], postgres_server: Any, tmp_path: Path
) -> None:
    password = "ge:heim\\ 'x"
    postgres_server.require_password("ana", password)
    account = f"ana:{quote(password, safe='')}@"
    programs = postgres_server.programs
    database = open_database(new_url("postgresql").replace("seatrial@", account))
    fresh = open_database(new_url("postgresql", is_empty=True).replace("seatrial@", account))
    cast(database, 1, 5)

    backup(database, tmp_path / "site.backup", find=lambda name: str(programs / name))
    restore(fresh, tmp_path / "site.backup", find=lambda name: str(programs / name))

    assert everything(fresh) == everything(database)
    assert "heim" not in fresh.name
    database.close()
    fresh.close()
    with pytest.raises(StorageError, match="password authentication failed") as refused:
        open_database(new_url("postgresql").replace("seatrial@", "ana:geraten@"))
    assert "geraten" not in str(refused.value)


def test_a_password_reaches_pg_dump_out_of_everybodys_sight(
    new_url: Callable[..., str], postgres_server: Any, tmp_path: Path
) -> None:
    """A program in pg_dump's place shows what it is called with, and what the file that it is pointed to says."""
    database = open_database(new_url("postgresql").replace("seatrial@", "seatrial:ge%3Aheim%5C@"))
    program = tmp_path / "pg_dump"
    program.write_text(
        '#!/bin/sh\nfor word; do echo "$word" | tr "\\n" " " >&2; done\n'
        'file=$(echo "$*" | sed "s/.*passfile=\\([^ ]*\\).*/\\1/"); stat -c %a "$file" >&2; cat "$file" >&2; exit 1\n'
    )
    program.chmod(0o755)
    shown: list[str] = []

    def run(command: list[str], **options: Any) -> Any:
        done = original(command, **options)
        shown.append(done.stderr.decode())
        return done

    import subprocess

    original = subprocess.run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "run", run)
        with pytest.raises(StorageError):
            backup(database, tmp_path / "site.backup", find=lambda name: str(program))

    called_with, mode_and_file = shown[0].split("600\n")
    assert "heim" not in called_with
    assert "dbname=" in called_with
    assert mode_and_file == "*:*:*:*:ge\\:heim\\\\\n"
    assert not (tmp_path / "site.backup").exists()
    database.close()


def test_pg_dump_that_fails_is_quoted(new_url: Callable[..., str], tmp_path: Path) -> None:
    false = shutil.which("false")
    assert false is not None
    database = open_database(new_url("postgresql"))
    with writing(database) as connection:
        connection.execute(insert(settings).values(name="a", value="1"))

    with pytest.raises(StorageError, match=r"`pg_dump` of postgresql://seatrial@/\S+ failed: status 1"):
        backup(database, tmp_path / "site.backup", find=lambda name: false)
    assert list(tmp_path.iterdir()) == []
    database.close()
