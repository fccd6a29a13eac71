"""The test server's databases are used again: each test must find what a new one would hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text

from seatrial.site.db.migrating import current, head
from seatrial.site.db.opening import open_database, reading, writing
from seatrial.site.db.tables import issues, metadata, sends, subscribers

AT = datetime(2026, 11, 16)


def use(url: str, *statements: Any) -> None:
    database = open_database(url)
    with writing(database) as connection:
        for statement in statements:
            connection.execute(statement)
    database.close()


def test_a_database_that_is_taken_again_is_as_new(postgres_server: Any, postgres_template: str) -> None:
    subscriber = insert(subscribers).values(email="a@b", email_key="a@b", asked_at=AT, asked_times=1, bounces=0)
    name = postgres_server.take(postgres_template)
    use(
        postgres_server.url(name),
        insert(issues).values(week="2026-W47", written_at=AT, subject="s", html="", text=""),
        subscriber,
        insert(sends).values(week="2026-W47", subscriber=1, state="sent", at=AT, reason=""),
    )
    postgres_server.give_back(name, postgres_template)

    assert postgres_server.take(postgres_template) == name
    database = open_database(postgres_server.url(name))
    with reading(database) as connection:
        for table in metadata.tables.values():
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0
    with writing(database) as connection:
        assert connection.execute(subscriber).inserted_primary_key == (1,)
    assert current(database) == head()
    database.close()
    postgres_server.give_back(name, postgres_template)


@pytest.mark.parametrize(
    "change",
    [
        "DROP INDEX ix_votes_subject",
        "ALTER TABLE votes ADD COLUMN more INTEGER",
        "ALTER TABLE votes ALTER COLUMN choice DROP NOT NULL",
        "CREATE TABLE more (x INTEGER)",
        "CREATE FUNCTION more() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "UPDATE alembic_version SET version_num = '9999'",
        "DROP TABLE alembic_version",
        "INSERT INTO settings SELECT 'a' || n, repeat(md5(n::text), 20) FROM generate_series(1, 20000) AS s (n)",
    ],
)
def test_a_database_that_was_changed_is_not_taken_again(
    postgres_server: Any, postgres_template: str, change: str
) -> None:
    name = postgres_server.take(postgres_template)
    use(postgres_server.url(name), text(change))
    postgres_server.give_back(name, postgres_template)

    assert (0,) in postgres_server.execute(f"SELECT count(*) FROM pg_database WHERE datname = '{name}'")


def test_a_database_that_somebody_still_uses_is_not_taken_again(postgres_server: Any, postgres_template: str) -> None:
    name = postgres_server.take(postgres_template)
    database = open_database(postgres_server.url(name))
    with reading(database):
        postgres_server.give_back(name, postgres_template)

    assert (0,) in postgres_server.execute(f"SELECT count(*) FROM pg_database WHERE datname = '{name}'")
    database.close()
