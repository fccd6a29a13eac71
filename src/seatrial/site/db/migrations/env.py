"""Alembic runs this file for every command; the connection, in a transaction, comes from `migrating.py`."""

from __future__ import annotations

from alembic import context

from seatrial.site.db.tables import metadata

# SQLite can hardly change a table: a batch makes it anew.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
