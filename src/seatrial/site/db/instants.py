"""Instants on their way into the database and out of it: aware in the program, UTC without a zone in a row."""

from __future__ import annotations

from datetime import UTC, datetime


def naive(at: datetime) -> datetime:
    """An instant as the database stores it: UTC without a zone."""
    return at.astimezone(UTC).replace(tzinfo=None)


def aware(at: datetime) -> datetime:
    """A stored instant with its zone."""
    return at.replace(tzinfo=UTC)
