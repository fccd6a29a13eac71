"""Reading the URL that names the site's database.

In: what a person or a setting wrote, `sqlite:///site.db` or `postgresql://user:password@host/name`. Out: SQLAlchemy's
URL with the driver that we use, and the same as it may be shown: without a password.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from seatrial.errors import UsageError

_FORMS = "Give `sqlite:///site.db` (a fourth slash before an absolute path) or `postgresql://user:password@host/name`."
_SQLITE = ("sqlite", "sqlite+pysqlite")
_POSTGRESQL = ("postgres", "postgresql", "postgresql+psycopg")


def read_url(text: str) -> URL:
    """The database's address; a file's path in it is absolute. Raises UsageError, whose message holds no password."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise UsageError(f"The address of the site's database is not a URL. {_FORMS}") from None
    if url.drivername in _SQLITE:
        return _file(url)
    if url.drivername in _POSTGRESQL:
        return url.set(drivername="postgresql+psycopg")
    raise UsageError(f"The site's database cannot be `{url.drivername}`; SQLite and PostgreSQL can. {_FORMS}")


def shown(url: URL) -> str:
    """The address as messages and logs may show it."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    plain = url.set(drivername="postgresql").difference_update_query([key for key in url.query if "password" in key])
    return plain.render_as_string(hide_password=True)


def _file(url: URL) -> URL:
    name = url.database
    if url.host or url.username or url.query or not name or "\0" in name:
        raise UsageError(f"The site's database on SQLite is a path alone, without host, user or options. {_FORMS}")
    if name == ":memory:" or name.startswith("file:"):
        raise UsageError(f"The site's database on SQLite is a file on disk, not `{name}`. {_FORMS}")
    return URL.create("sqlite", database=str(Path(name).absolute()))
