from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from seatrial.errors import InputError
from seatrial.site.db.opening import Database, open_database, writing
from seatrial.site.db.site_settings import bump_revision, revision, secret


def test_the_secret_is_made_once(database: Database, database_url: str) -> None:
    first = secret(database, lambda num_bytes: b"\x01" * num_bytes)

    other = open_database(database_url)
    assert secret(other) == secret(database) == first == b"\x01" * 32
    other.close()


def test_two_sites_have_two_secrets(database: Database, new_url) -> None:  # type: ignore[no-untyped-def]
    other = open_database(new_url("sqlite"))

    assert secret(database) != secret(other)
    other.close()


def test_servers_that_start_at_once_have_one_secret(database: Database, database_url: str) -> None:
    others = [open_database(database_url) for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(secret, [database, *others] * 4))

    assert len(found) == 1
    for other in others:
        other.close()


def test_every_bump_counts(database: Database, database_url: str) -> None:
    other = open_database(database_url)
    assert revision(database) == 0

    def bump(through: Database) -> int:
        with writing(through) as connection:
            return bump_revision(connection)

    with ThreadPoolExecutor(6) as pool:
        given = list(pool.map(bump, [database, other] * 20))

    assert sorted(given) == list(range(1, 41))
    assert revision(database) == revision(other) == 40
    other.close()


def test_a_change_that_is_not_kept_does_not_count(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), writing(database) as connection:  # noqa: PT012
        bump_revision(connection)
        raise ZeroDivisionError

    assert revision(database) == 0


def test_a_database_without_tables_names_the_way_out(empty_url: str) -> None:
    database = open_database(empty_url)

    with pytest.raises(InputError, match="seatrial site upgrade"):
        revision(database)
    with pytest.raises(InputError, match="seatrial site upgrade"):
        secret(database)
    database.close()
