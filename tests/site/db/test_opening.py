from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from seatrial.errors import InputError, StorageError
from seatrial.site.db.opening import Database, open_database, reading, writing
from seatrial.site.db.tables import issues, sends, settings, vote_log, voters


def put(database: Database, name: str, value: str = "1") -> None:
    with writing(database) as connection:
        connection.execute(insert(settings).values(name=name, value=value))


def names(database: Database) -> set[str]:
    with reading(database) as connection:
        return set(connection.execute(select(settings.c.name)).scalars())


def test_what_is_written_is_there_afterwards_and_for_others(database: Database, database_url: str) -> None:
    put(database, "a")

    other = open_database(database_url)
    assert names(other) == names(database) == {"a"}
    other.close()


def test_an_exception_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), writing(database) as connection:  # noqa: PT012
        connection.execute(insert(settings).values(name="a", value="1"))
        raise ZeroDivisionError

    assert names(database) == set()


def test_a_reader_may_not_write(database: Database) -> None:
    with pytest.raises(StorageError, match="may not be written"), reading(database) as reader:
        reader.execute(insert(settings).values(name="a", value="1"))

    assert names(database) == set()


def test_a_reader_sees_one_moment_and_does_not_hold_up_a_writer(database: Database) -> None:
    with reading(database) as reader:
        num_settings = select(func.count()).select_from(settings)
        assert reader.execute(num_settings).scalar_one() == 0
        put(database, "a")
        assert reader.execute(num_settings).scalar_one() == 0

    assert names(database) == {"a"}


def test_a_broken_rule_rises_as_it_is(database: Database) -> None:
    put(database, "a")

    with pytest.raises(IntegrityError):
        put(database, "a")


def test_a_send_without_its_issue_is_refused(database: Database) -> None:
    with pytest.raises(IntegrityError), writing(database) as connection:
        connection.execute(
            insert(sends).values(week="2026-W47", subscriber=1, state="claimed", at=datetime(2026, 11, 16), reason="")
        )


def test_instants_come_back_in_utc_without_a_zone(database: Database) -> None:
    at = datetime(2026, 11, 16, 9, 30, 1, 250_000, tzinfo=UTC)
    with writing(database) as connection:
        connection.execute(insert(voters).values(id="v", first_at=at))

    with reading(database) as connection:
        assert connection.execute(select(voters.c.first_at)).scalar_one() == at.replace(tzinfo=None)


def test_writers_on_sqlite_take_turns_from_the_beginning(new_url: Callable[..., str]) -> None:
    url = new_url("sqlite")
    database, other = open_database(url), open_database(url)
    put(database, "count", "0")

    def add_one(through: Database) -> None:
        with writing(through) as connection:
            value = int(connection.execute(select(settings.c.value)).scalar_one())
            connection.execute(update(settings).values(value=str(value + 1)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_one, [database, other] * 50))

    with reading(database) as connection:
        assert connection.execute(select(settings.c.value)).scalar_one() == "100"
    database.close()
    other.close()


def test_sqlite_is_durable_and_its_file_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "site.db"
    database = open_database(f"sqlite:///{path}")

    with writing(database) as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
        connection.exec_driver_sql("CREATE TABLE t (x)")
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    database.close()


def test_many_open_a_new_file_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'site.db'}"

    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(open_database, [url] * 16))

    assert len(opened) == 16
    for database in opened:
        database.close()


def test_a_locked_database_is_said_so_and_works_again_afterwards(new_url: Callable[..., str]) -> None:
    database = open_database(new_url("sqlite"), lock_timeout_s=0.05)
    assert database.path is not None
    with sqlite3.connect(database.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match=r"is locked by another program .*Try again"):
            put(database, "a")
        assert names(database) == set()
        other.execute("ROLLBACK")
    other.close()

    put(database, "a")
    assert names(database) == {"a"}
    database.close()


def test_a_lock_on_postgresql_is_not_waited_for_without_end(new_url: Callable[..., str]) -> None:
    url = new_url("postgresql")
    database, impatient = open_database(url), open_database(url, lock_timeout_s=0.05)
    put(database, "a")

    with writing(database) as holder:
        holder.execute(update(settings).values(value="2"))
        with pytest.raises(StorageError, match="is locked"), writing(impatient) as connection:
            connection.execute(update(settings).values(value="3"))

    with reading(impatient) as connection:
        assert connection.execute(select(settings.c.value)).scalar_one() == "2"
    database.close()
    impatient.close()


def test_a_full_disk_loses_nothing_that_was_committed(new_url: Callable[..., str]) -> None:
    database = open_database(new_url("sqlite"))
    put(database, "a")

    with pytest.raises(StorageError, match="full disk"), writing(database) as connection:  # noqa: PT012
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
        connection.execute(insert(settings).values(name="b", value="x" * 1_000_000))

    assert names(database) == {"a"}
    database.close()


def test_a_file_that_may_grow_no_further_loses_nothing_that_was_acknowledged(new_url: Callable[..., str]) -> None:
    url = new_url("sqlite")
    program = f"""
import resource
from sqlalchemy import insert
from seatrial.errors import StorageError
from seatrial.site.db.opening import open_database, writing
from seatrial.site.db.tables import settings
database = open_database({url!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
for n in range(1000):
    try:
        with writing(database) as connection:
            connection.execute(insert(settings).values(name=str(n), value="x" * 10_000))
    except StorageError as error:
        print(n, error)
        break
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    num_acknowledged = int(done.stdout.split()[0])

    assert 0 < num_acknowledged < 1000
    database = open_database(url)
    assert names(database) == {str(n) for n in range(num_acknowledged)}
    database.close()


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("nothing like a database\n" * 100)

    with pytest.raises(InputError, match=r"notes\.txt is not a database"):
        open_database(f"sqlite:///{path}")
    assert path.read_text().startswith("nothing like")


def test_a_damaged_file_is_said_so(new_url: Callable[..., str]) -> None:
    database = open_database(new_url("sqlite"))
    with writing(database) as connection:
        connection.execute(insert(settings), [{"name": str(n), "value": "x" * 500} for n in range(200)])
    database.close()
    assert database.path is not None
    with database.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (database.path.stat().st_size - 4096))

    damaged = open_database(f"sqlite:///{database.path}")
    with pytest.raises(InputError, match=r"is damaged .*Restore a backup"):
        names(damaged)
    damaged.close()


@pytest.mark.parametrize("name", ["", "site.db/under/a/file"])
def test_a_path_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "site.db").touch()

    with pytest.raises(StorageError, match="cannot be"):
        open_database(f"sqlite:///{tmp_path / name}")


def test_a_database_without_tables_names_the_way_out(empty_url: str) -> None:
    database = open_database(empty_url)

    with pytest.raises(InputError, match="seatrial site upgrade"):
        names(database)
    database.close()


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ana:geheim@127.0.0.1:1/site",
        "postgresql://ana:geheim@/site?host=/nowhere",
        "postgresql://ana@127.0.0.1:1/site?password=geheim",
        "postgresql://ana:geheim@127.0.0.1:1/site?such=nonsense",
    ],
)
def test_a_server_that_is_not_there_is_said_so_without_the_password(address: str) -> None:
    with pytest.raises(StorageError, match=r"The database postgresql://ana.*cannot be (reached|opened)") as refused:
        open_database(address)

    assert "geheim" not in str(refused.value)


def test_a_database_that_the_server_has_not_is_said_so(postgres_server: Any) -> None:
    with pytest.raises(StorageError, match='"nobodys" does not exist'):
        open_database(postgres_server.url("nobodys"))


def test_postgresql_restarts_between_two_transactions(new_url: Callable[..., str], postgres_server: Any) -> None:
    database = open_database(new_url("postgresql"))
    put(database, "a")

    postgres_server.restart()

    put(database, "b")
    assert names(database) == {"a", "b"}
    database.close()


def test_postgresql_falls_in_the_middle_of_a_transaction(new_url: Callable[..., str], postgres_server: Any) -> None:
    import signal

    database = open_database(new_url("postgresql"))
    put(database, "a")

    with pytest.raises(StorageError, match=r"connection|reached"), writing(database) as connection:  # noqa: PT012
        connection.execute(insert(settings).values(name="b", value="1"))
        postgres_server.stop(signal.SIGQUIT)
        connection.execute(insert(settings).values(name="c", value="1"))
    with pytest.raises(StorageError, match="cannot be reached"):
        names(database)

    postgres_server.start()
    assert names(database) == {"a"}
    put(database, "d")
    assert names(database) == {"a", "d"}
    database.close()


def test_too_many_at_once_are_told_to_come_back(new_url: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    from seatrial.site.db import opening

    monkeypatch.setitem(opening._POOL, "pool_timeout", 0.05)
    monkeypatch.setitem(opening._POOL, "max_overflow", 0)
    database = open_database(new_url("sqlite"))
    held, release = threading.Barrier(6), threading.Event()

    def hold() -> None:
        with reading(database):
            held.wait(10)
            release.wait(10)

    threads = [threading.Thread(target=hold) for _ in range(5)]
    for thread in threads:
        thread.start()
    held.wait(10)
    try:
        with pytest.raises(StorageError, match="is busy"):
            names(database)
    finally:
        release.set()
        for thread in threads:
            thread.join()
    assert names(database) == set()
    database.close()


def test_parameters_stay_out_of_what_is_logged(database: Database) -> None:
    entry = {"week": "2026-W47", "written_at": datetime(2026, 11, 16), "subject": "s", "html": "", "text": "ana@mail"}
    with pytest.raises(IntegrityError) as broken, writing(database) as connection:  # noqa: PT012
        connection.execute(insert(issues).values(entry))
        connection.execute(insert(issues).values(entry))

    assert "ana@mail" not in str(broken.value).replace(str(broken.value.orig), "")


def test_the_log_is_read_as_a_stream(database: Database) -> None:
    rows = [
        {"seq": n, "at": datetime(2026, 11, 16), "voter": "v", "network": "n", "subject": "s", "choice": "ship",
         "weight": 1000, "hash": "0" * 64}
        for n in range(1, 3001)
    ]  # fmt: skip
    with writing(database) as connection:
        connection.execute(insert(vote_log), rows)

    with reading(database) as connection:
        streamed = connection.execution_options(stream_results=True, yield_per=500).execute(
            select(vote_log.c.seq).order_by(vote_log.c.seq)
        )
        assert [row.seq for row in streamed] == list(range(1, 3001))


def test_a_name_with_any_character_is_data(database: Database) -> None:
    name = "'; DROP TABLE settings; -- \" % : ? \\ é 漢"
    put(database, name)

    assert names(database) == {name}
    with reading(database) as connection:
        found = connection.execute(text("SELECT name FROM settings WHERE name = :name"), {"name": name})
        assert found.scalar_one() == name
