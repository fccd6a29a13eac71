"""Comparisons in brief, as lists and indexes show them, and how the verdict on each has changed.

Rows of `runs` or whole documents come in. A brief is read from a stored document without decoding the rest of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec
import sqlalchemy as sql

from seatrial.site.db.instants import aware
from seatrial.site.db.tables import runs
from seatrial.verdict.document import Document
from seatrial.verdict.report.names import listed

_AT_ONCE = 500
"""Rows that one statement asks for; databases bound how many values it may carry."""


class RowKey(NamedTuple):
    """Which published run, for good: a row's number may come again once it was removed, and so may a run's id."""

    id: int
    run_id: str
    added_at: datetime


KEY_COLUMNS = (runs.c.id, runs.c.run_id, runs.c.added_at)


@dataclass(frozen=True, slots=True)
class ListedCandidate:
    """A candidate as a list names it. `model` is its catalog id, where it has one."""

    id: str
    model: str | None
    name: str
    category: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A comparison in a list. `added_at` (aware UTC) and `run_id` are None where it stands on the catalog alone.

    `decision` is ship, skip, mix or undecided, `candidate` the one to ship, `sentence` the verdict as text.
    """

    slug: str
    candidates: tuple[ListedCandidate, ...]
    num_items: int
    decision: str
    candidate: str | None
    sentence: str
    added_at: datetime | None
    run_id: str | None

    @property
    def path(self) -> str:
        """Where its page is."""
        return f"/compare/{self.slug}"

    @property
    def title(self) -> str:
        """`GPT-5 mini or SmolLM3 3B`."""
        return listed([candidate.name for candidate in self.candidates], "or")

    def has_model(self, model: str) -> bool:
        """Does this model of the catalog take part?"""
        return any(candidate.model == model for candidate in self.candidates)


@dataclass(frozen=True, slots=True)
class Standing:
    """A verdict that was published. `at` is aware UTC."""

    run_id: str
    at: datetime
    decision: str
    candidate: str | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Change:
    """A run was published: the verdict it came to, and the one that stood before on the same page, if any."""

    slug: str
    now: Standing
    before: Standing | None

    @property
    def is_new(self) -> bool:
        """The first run of this comparison."""
        return self.before is None

    @property
    def is_flip(self) -> bool:
        """Another decision than before, or another candidate."""
        return self.before is not None and (
            (self.before.decision, self.before.candidate) != (self.now.decision, self.now.candidate)
        )


def listing_of(slug: str, document: Document) -> Listing:
    """A comparison out of the catalog, in brief."""
    return Listing(
        slug=slug,
        candidates=tuple(
            ListedCandidate(card.id, card.model, card.name or card.id, card.category) for card in document.candidates
        ),
        num_items=sum(workload.num_items for workload in document.workloads),
        decision=document.verdict.decision,
        candidate=document.verdict.candidate,
        sentence=document.verdict.text,
        added_at=None,
        run_id=None,
    )


def stored_listings(connection: sql.Connection, known: Mapping[RowKey, Listing]) -> dict[RowKey, Listing]:
    """The newest published run of every slug, newest first; those that are `known` are not read again."""
    newest = sql.select(sql.func.max(runs.c.id)).group_by(runs.c.slug)
    rows = connection.execute(sql.select(*KEY_COLUMNS).where(runs.c.id.in_(newest)))
    keys = sorted((RowKey(*row) for row in rows), reverse=True)
    unknown, found = [key.id for key in keys if key not in known], dict[RowKey, Listing]()
    for start in range(0, len(unknown), _AT_ONCE):
        some = sql.select(runs).where(runs.c.id.in_(unknown[start : start + _AT_ONCE]))
        found |= {RowKey(row.id, row.run_id, row.added_at): _stored(row) for row in connection.execute(some)}
    return {key: known[key] if key in known else found[key] for key in keys}


def stored_changes(
    connection: sql.Connection,
    *,
    slug: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
) -> list[Change]:
    """The changes that runs published from `since` until before `until` (naive UTC) made, newest first."""
    shown = (runs.c.run_id, runs.c.added_at, runs.c.decision, runs.c.candidate, runs.c.sentence)
    before = [
        sql.func.lag(column, type_=column.type)
        .over(partition_by=runs.c.slug, order_by=runs.c.id)
        .label(f"before_{column.name}")
        for column in shown
    ]
    standings = sql.select(runs.c.id, runs.c.slug, *shown, *before)
    history = (standings if slug is None else standings.where(runs.c.slug == slug)).subquery()
    wanted = sql.select(history).order_by(history.c.id.desc()).limit(limit)
    if since is not None:
        wanted = wanted.where(history.c.added_at >= since)
    if until is not None:
        wanted = wanted.where(history.c.added_at < until)
    return [_change(tuple(row)) for row in connection.execute(wanted)]


class _BriefCard(msgspec.Struct):
    id: str
    model: str | None
    name: str
    category: str


class _BriefWorkload(msgspec.Struct):
    num_items: int


class _Brief(msgspec.Struct):
    """What a list needs of a document; the decoder skips the rest."""

    candidates: list[_BriefCard]
    workloads: list[_BriefWorkload]


_BRIEFS = msgspec.json.Decoder(_Brief)


def _stored(row: sql.Row[tuple[object, ...]]) -> Listing:
    brief = _BRIEFS.decode(zlib.decompress(row.document))
    return Listing(
        slug=row.slug,
        candidates=tuple(
            ListedCandidate(card.id, card.model, card.name or card.id, card.category) for card in brief.candidates
        ),
        num_items=sum(workload.num_items for workload in brief.workloads),
        decision=row.decision,
        candidate=row.candidate,
        sentence=row.sentence,
        added_at=aware(row.added_at),
        run_id=row.run_id,
    )


def _change(row: tuple[object, ...]) -> Change:
    """From `id`, `slug`, the five columns of a standing, and the same five of the one before (all None: none)."""
    slug, now, before = row[1], row[2:7], row[7:12]
    return Change(str(slug), _standing(now), None if before[0] is None else _standing(before))


def _standing(columns: tuple[object, ...]) -> Standing:
    run_id, at, decision, candidate, sentence = columns
    assert isinstance(at, datetime)
    return Standing(
        run_id=str(run_id),
        at=aware(at),
        decision=str(decision),
        candidate=None if candidate is None else str(candidate),
        sentence=str(sentence),
    )
