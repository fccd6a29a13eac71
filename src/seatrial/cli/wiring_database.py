"""The site's database for its commands: settings go in; the database, or the library over it, comes out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from seatrial.cli.options import DEFAULT_MACHINE_USD_PER_HOUR, DEFAULT_MARGIN
from seatrial.cli.wiring import now, open_catalog
from seatrial.site.db.migrating import current, require_current, upgrade
from seatrial.site.db.opening import Database, open_database

if TYPE_CHECKING:
    from seatrial.cli.settings import Settings
    from seatrial.site.library import Library


def open_site_database(url: str) -> Database:
    """A new one gets its tables; one of another version is refused. Raises what opening a database raises."""
    database = open_database(url)
    try:
        if current(database) is None:
            upgrade(database)
        require_current(database)
    except BaseException:
        database.close()
        raise
    return database


@contextlib.contextmanager
def opened_database(url: str) -> Iterator[Database]:
    """One that a site filled; closed at the end. Raises InputError, with the way out, where it has no tables yet."""
    database = open_database(url)
    try:
        require_current(database)
        yield database
    finally:
        database.close()


def open_library(settings: Settings, database: Database) -> Library:
    """Published runs over the catalog, which is judged under the terms that `seatrial compare` has by itself."""
    from seatrial.site.library import JudgeTerms, Library

    terms = JudgeTerms(DEFAULT_MARGIN, "commercial", DEFAULT_MACHINE_USD_PER_HOUR)
    return Library(open_catalog(settings), database, clock=now, judge_terms=terms)


@contextlib.contextmanager
def opened_library(settings: Settings, url: str) -> Iterator[Library]:
    """The library over a database that may be new; closed at the end."""
    with contextlib.closing(open_site_database(url)) as database:
        yield open_library(settings, database)
