"""What the site knows of itself: the secret that signs cookies and links, and how often what it shows has changed."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from sqlalchemy import Connection, select, text

from seatrial.site.db.opening import Database, reading, writing
from seatrial.site.db.tables import settings

_SECRET, _REVISION = "secret", "revision"
_SECRET_BYTES = 32


def secret(database: Database, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """The site's secret, 32 bytes: made once, the same for every server on this database. Raises StorageError."""
    with reading(database) as connection:
        known = _value(connection, _SECRET)
    if known is None:
        with writing(database) as connection:
            # Of two servers that come here at once, the second finds the first one's.
            connection.execute(
                text("INSERT INTO settings (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING"),
                {"name": _SECRET, "value": random_bytes(_SECRET_BYTES).hex()},
            )
            known = _value(connection, _SECRET)
        assert known is not None
    return bytes.fromhex(known)


def revision(database: Database) -> int:
    """How many times `bump_revision` was called; 0 at first. Raises StorageError."""
    with reading(database) as connection:
        return int(_value(connection, _REVISION) or 0)


def bump_revision(connection: Connection) -> int:
    """Say, in the transaction that changes what pages show, that it has changed. The new revision."""
    added = connection.execute(
        text(
            "INSERT INTO settings (name, value) VALUES (:name, '1') "
            "ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(settings.value AS BIGINT) + 1 AS TEXT) "
            "RETURNING value"
        ),
        {"name": _REVISION},
    )
    return int(added.scalar_one())


def _value(connection: Connection, name: str) -> str | None:
    return connection.execute(select(settings.c.value).where(settings.c.name == name)).scalar_one_or_none()
