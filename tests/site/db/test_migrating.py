from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, inspect, select, text

from seatrial.errors import InputError, UnknownName
from seatrial.site.db.migrating import BASE, current, downgrade, head, require_current, upgrade
from seatrial.site.db.opening import Database, open_database, reading, writing
from seatrial.site.db.tables import metadata, settings


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    opened = open_database(empty_url)
    yield opened
    opened.close()


def tables(database: Database) -> set[str]:
    with reading(database) as connection:
        return set(inspect(connection).get_table_names())


def differences(database: Database) -> list[Any]:
    with reading(database) as connection:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def test_the_steps_make_what_the_code_expects(empty: Database) -> None:
    upgrade(empty)

    assert differences(empty) == []
    assert tables(empty) == {*metadata.tables, "alembic_version"}
    assert current(empty) == head()


def test_a_difference_would_be_found(database: Database) -> None:
    with writing(database) as connection:
        connection.execute(text("DROP INDEX ix_votes_subject"))

    assert [difference[0] for difference in differences(database)] == ["add_index"]


def test_down_and_up_again(empty: Database) -> None:
    upgrade(empty)
    downgrade(empty, BASE)
    assert tables(empty) == {"alembic_version"}
    assert current(empty) is None

    upgrade(empty)
    assert differences(empty) == []


def test_upgrading_again_keeps_what_is_there(database: Database) -> None:
    with writing(database) as connection:
        connection.execute(insert(settings).values(name="a", value="1"))

    upgrade(database)

    with reading(database) as connection:
        assert connection.execute(select(settings.c.value)).scalar_one() == "1"


def test_going_back_to_where_it_is_does_nothing(database: Database) -> None:
    downgrade(database, head())

    assert current(database) == head()
    assert differences(database) == []


def test_an_unknown_revision_is_refused(database: Database) -> None:
    with pytest.raises(UnknownName, match="revision of the database `0007`"):
        downgrade(database, "0007")


def test_servers_that_start_at_once_migrate_once(empty_url: str) -> None:
    program = f"""
from seatrial.site.db.migrating import upgrade
from seatrial.site.db.opening import open_database
input()
upgrade(open_database({empty_url!r}))
"""
    started = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said

    database = open_database(empty_url)
    assert differences(database) == []
    database.close()


def test_threads_that_start_at_once_migrate_once(empty: Database, empty_url: str) -> None:
    others = [open_database(empty_url) for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(upgrade, [empty, *others] * 2))

    assert differences(empty) == []
    for other in others:
        other.close()


def test_a_step_that_fails_leaves_nothing_behind(empty: Database) -> None:
    with writing(empty) as connection:
        connection.execute(text("CREATE VIEW sends AS SELECT 1 AS x"))

    with pytest.raises(Exception, match="sends"):
        upgrade(empty)

    assert tables(empty) == set()
    assert current(empty) is None
    with writing(empty) as connection:
        connection.execute(text("DROP VIEW sends"))
    upgrade(empty)
    assert differences(empty) == []


def test_a_database_of_another_program_is_left_alone(empty: Database) -> None:
    with writing(empty) as connection:
        connection.execute(text("CREATE TABLE votes (theirs INTEGER)"))

    with pytest.raises(InputError, match="`votes` that Seatrial did not make"):
        upgrade(empty)
    assert tables(empty) == {"votes"}


def test_an_older_database_is_to_be_upgraded(empty: Database) -> None:
    with pytest.raises(InputError, match=r"no tables yet.*seatrial site upgrade"):
        require_current(empty)

    upgrade(empty)
    require_current(empty)


def test_an_earlier_revision_is_to_be_upgraded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    from seatrial.site.db import migrating

    monkeypatch.setattr(migrating, "head", lambda: "0002")
    with pytest.raises(InputError, match=r"at revision 0001; this version of Seatrial needs 0002.*site upgrade"):
        require_current(database)


@pytest.mark.parametrize("act", [upgrade, require_current, lambda database: downgrade(database, BASE)])
def test_a_newer_database_is_left_alone(database: Database, act: Callable[[Database], None]) -> None:
    with writing(database) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(InputError, match=r"at revision 9999, of a newer Seatrial.*seatrial site upgrade"):
        act(database)
    assert current(database) == "9999"
    assert tables(database) >= set(metadata.tables)
