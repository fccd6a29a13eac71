"""`INSERT … ON CONFLICT`, which SQLite and PostgreSQL both have and SQLAlchemy makes differently for each."""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Insert: TypeAlias = sqlite.Insert | postgresql.Insert


def insert_into(connection: Connection, table: Table) -> Insert:
    """An insert that knows `on_conflict_do_update` and `on_conflict_do_nothing`, for the connection's database."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def insert_if_absent(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert a row, or do nothing where a unique column or the key is taken. Whether it was inserted.

    Of several that do so at once, exactly one is told that it did.
    """
    statement = insert_into(connection, table).values(**values).on_conflict_do_nothing()
    return connection.execute(statement.returning(*table.primary_key.columns)).first() is not None
