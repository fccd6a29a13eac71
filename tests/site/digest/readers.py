"""Rows that tests of the digest begin with, written without the code under test."""

from __future__ import annotations

import itertools
import zlib
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import sqlalchemy as sql

from seatrial.catalog.entry import Fact, Price, Retirement
from seatrial.catalog.loading import Catalog, load_catalog
from seatrial.site.db.opening import Database, reading, writing
from seatrial.site.db.tables import issues, runs, sends, subscribers
from seatrial.site.digest.week import Week
from seatrial.site.digest.writing import Issue

WEEK = Week(2026, 46)
_run_ids = itertools.count(1)


def naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)


def add_readers(database: Database, num: int, confirmed_at: datetime, *, prefix: str = "r") -> list[int]:
    at = naive(confirmed_at)
    with writing(database) as connection:
        for i in range(num):
            email = f"{prefix}{i}@example.org"
            connection.execute(
                subscribers.insert().values(
                    email=email, email_key=email, asked_at=at, asked_times=1, confirmed_at=at, bounces=0
                )
            )
        wanted = sql.select(subscribers.c.id).where(subscribers.c.email.startswith(prefix)).order_by(subscribers.c.id)
        return list(connection.execute(wanted).scalars())


def add_issue(database: Database, at: datetime, week: Week = WEEK) -> Issue:
    issue = Issue(
        week, at, "Week 46: GPT-5 mini or SmolLM3-3B?", "<h2>New</h2>\n<p>News &amp; more.</p>\n", "New\n\nNews.\n"
    )
    with writing(database) as connection:
        connection.execute(
            issues.insert().values(
                week=str(week), written_at=naive(at), subject=issue.subject, html=issue.html, text=issue.text
            )
        )
    return issue


def add_run(
    database: Database, slug: str, at: datetime, decision: str, candidate: str | None = None, sentence: str = ""
) -> None:
    with writing(database) as connection:
        connection.execute(
            runs.insert().values(
                slug=slug,
                run_id=f"run-{next(_run_ids)}",
                added_at=naive(at),
                decision=decision,
                candidate=candidate,
                sentence=sentence or f"{decision} {candidate}",
                document=zlib.compress(msgspec.json.encode(_brief(slug))),
            )
        )


def _brief(slug: str) -> dict[str, Any]:
    """As much of a document as lists read."""
    named = {"gpt-5-mini": "GPT-5 mini", "smollm3-3b": "SmolLM3-3B", "smollm2-135m-f32": "SmolLM2-135M (f32)"}
    cards = [{"id": part, "model": None, "name": named.get(part, part), "category": ""} for part in slug.split("-vs-")]
    return {"candidates": cards, "workloads": []}


def sends_of(database: Database) -> dict[int, tuple[str, str]]:
    """State and reason by subscriber."""
    with reading(database) as connection:
        return {row.subscriber: (row.state, row.reason) for row in connection.execute(sql.select(sends))}


def subscriber(database: Database, email: str) -> Any:
    with reading(database) as connection:
        return connection.execute(sql.select(subscribers).where(subscribers.c.email == email)).one()


def small_catalog(
    *, prices: tuple[tuple[date | None, float, float], ...] = (), retires_on: date | None = None
) -> Catalog:
    """`gpt-5-mini` with these prices (from when, in, out) and this retirement, and `smollm3-3b`, which has neither."""
    built_in = load_catalog()
    mini, small = built_in.get("gpt-5-mini"), built_in.get("smollm3-3b")
    source = mini.prices[0].source
    mini = replace(
        mini,
        prices=tuple(
            Fact(f"price/{i}", Price(given, taken, None, since), source)
            for i, (since, given, taken) in enumerate(prices)
        ),
        retirement=() if retires_on is None else (Fact("retirement", Retirement(retires_on, "gpt-6"), source),),
    )
    return Catalog({mini.id: mini, small.id: replace(small, prices=(), retirement=())})
