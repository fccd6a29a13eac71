"""What the site can show: published runs, and any models of the catalog compared from published evidence alone.

Catalog and database come in, `Comparison`s go out by their slug. A published run's page takes the place of the one from
the catalog for the same models. What changes a page (a run published or removed, or a new day, on which prices and
retirements are judged anew) changes `revision()` too. Documents are kept in memory, a bounded number of them.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import msgspec
import sqlalchemy as sql

from seatrial.catalog.loading import Catalog
from seatrial.errors import InputError, UsageError
from seatrial.site import slugs
from seatrial.site.bounded import Bounded
from seatrial.site.db.instants import aware, naive
from seatrial.site.db.opening import Database, reading, writing
from seatrial.site.db.site_settings import bump_revision
from seatrial.site.db.site_settings import revision as stored_revision
from seatrial.site.db.tables import runs
from seatrial.site.listings import KEY_COLUMNS, Change, Listing, RowKey, listing_of, stored_changes, stored_listings
from seatrial.site.private_folders import without_folders
from seatrial.trial.candidates import parse_candidates
from seatrial.trial.record import Run, RunManifest
from seatrial.verdict.document import DOCUMENT_SCHEMA, MOST_PICTURES, Document
from seatrial.verdict.dossier_facts import Purpose
from seatrial.verdict.judge import judge

MOST_MODELS = 6
"""Models of the catalog on one page; a published run may have more candidates."""

LONGEST_RUN_ID = 180
LONGEST_CANDIDATE = 300

_NUM_DOCUMENTS = 64
_NUM_JUDGED = 256
_DAYS = 1 << 20


@dataclass(frozen=True, slots=True)
class JudgeTerms:
    """What catalog comparisons are judged under, as `seatrial compare` takes it. `margin` is a fraction of quality."""

    margin: float
    purpose: Purpose
    machine_usd_per_hour: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a page shows. `added_at` (aware UTC) and `run_id` are None where it stands on the catalog alone."""

    slug: str
    document: Document
    added_at: datetime | None
    run_id: str | None

    @property
    def path(self) -> str:
        """Where its page is."""
        return f"/compare/{self.slug}"


class Library:
    """`catalog` is what models there are; `clock` gives aware UTC datetimes. May be used by several threads."""

    def __init__(
        self, catalog: Catalog, database: Database, *, clock: Callable[[], datetime], judge_terms: JudgeTerms
    ) -> None:
        self.catalog = catalog
        self._database, self._clock, self._terms = database, clock, judge_terms
        self._documents: Bounded[RowKey, Comparison] = Bounded(_NUM_DOCUMENTS)
        self._judged: Bounded[tuple[tuple[str, ...], date], Comparison] = Bounded(_NUM_JUDGED)
        self._stored: dict[RowKey, Listing] = {}
        self._lists: Bounded[tuple[str, int], list[Listing]] = Bounded(4)
        self._parts = {slugs.part_of(model): model for model in reversed(list(catalog.entries))}

    def find(self, slug: str) -> Comparison | None:
        """The comparison at this slug: the newest run published there, else the catalog's; None for another order."""
        if not slugs.is_slug(slug):
            return None
        published = self.run_at(slug)
        if published is not None:
            return published
        ids = self._ids(slug)
        return self.of_models(ids) if ids and slug == slugs.slug_of(ids) else None

    def run_at(self, slug: str) -> Comparison | None:
        """The newest run published at this slug; None where there is none."""
        return self._published(slug) if slugs.is_slug(slug) else None

    def canonical(self, slug: str) -> str | None:
        """The slug under which these candidates stand, whatever their order in `slug`; None where nothing does."""
        if not slugs.is_slug(slug):
            return None
        for known in dict.fromkeys((slug, slugs.in_order(slug))):
            ids = self._ids(known)
            if self._row(known) is not None or (ids and known == slugs.slug_of(ids)):
                return known
        return None

    def of_models(self, ids: Sequence[str]) -> Comparison:
        """Models of the catalog, judged today from published evidence, in alphabetical order.

        Raises `UsageError` for fewer than two, more than `MOST_MODELS` or one twice, `UnknownName` for one that the
        catalog lacks.
        """
        if not 2 <= len(ids) <= MOST_MODELS:
            raise UsageError(f"{len(ids)} models were named; a comparison takes 2 to {MOST_MODELS}.")
        for model in ids:
            self.catalog.get(model)
        key = (tuple(sorted(ids)), self.today())
        return self._judged.get(key, lambda: self._judge(*key))

    def latest(self, limit: int) -> list[Listing]:
        """Published comparisons, newest first; where there are fewer than `limit`, the catalog's own after them."""
        return self.listings()[:limit]

    def of_model(self, id: str) -> list[Listing]:
        """Every listed comparison in which a model of the catalog takes part."""
        return [listing for listing in self.listings() if listing.has_model(id)]

    def listings(self) -> list[Listing]:
        """Every comparison that lists and the sitemap name: published ones, newest first, then the catalog's.

        The catalog's are each model with the competitors that its entry names; any other pair has a page all the same.
        """
        published = self.published()
        taken = {listing.slug for listing in published}
        featured = self._lists.get(("featured", self.today().toordinal()), self._featured)
        return published + [listing for listing in featured if listing.slug not in taken]

    def published(self) -> list[Listing]:
        """Every published comparison, newest first."""
        return self._lists.get(("published", self.revision()), self._read_listings)

    def changes(
        self,
        slug: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> list[Change]:
        """What published runs changed, newest first: of one slug, or of all; from `since` until before `until`."""
        with reading(self._database) as connection:
            return stored_changes(
                connection, slug=slug, since=since and naive(since), until=until and naive(until), limit=limit
            )

    def publish(self, document: Document) -> Comparison:
        """Put a run's verdict on its page, `without_folders`. The same document once more changes nothing.

        Raises `InputError` for a document that cannot be shown, `StorageError` where the database cannot keep it.
        """
        _check(document)
        document = without_folders(document)
        slug = slugs.slug_of(card.id for card in document.candidates)
        packed = zlib.compress(msgspec.json.encode(document), 6)
        with writing(self._database) as connection:
            run_id, is_there = _place_of(connection, document, packed)
            if not is_there:
                connection.execute(
                    runs.insert().values(
                        slug=slug,
                        run_id=run_id,
                        added_at=naive(self._clock()),
                        decision=document.verdict.decision,
                        candidate=document.verdict.candidate,
                        sentence=_plain(document.verdict.text),
                        document=packed,
                    )
                )
                bump_revision(connection)
        published = self._published(slug)
        assert published is not None
        return published

    def remove(self, slug: str) -> int:
        """Take every run published at this slug away and say how many there were. Votes stay: they are of models."""
        with writing(self._database) as connection:
            num_removed = connection.execute(runs.delete().where(runs.c.slug == slug)).rowcount
            if num_removed:
                bump_revision(connection)
        return num_removed

    def revision(self) -> int:
        """A number that is another one as soon as any page may have changed."""
        return stored_revision(self._database) * _DAYS + self.today().toordinal()

    def today(self) -> date:
        """The day on which catalog comparisons are judged, UTC."""
        return self._clock().astimezone(UTC).date()

    def _ids(self, slug: str) -> list[str] | None:
        """The models of the catalog that a slug names, in its order; None unless every part is one, each once."""
        parts = slug.split(slugs.JOINT)
        ids = [self._parts[part] for part in parts if part in self._parts]
        return ids if len(set(ids)) == len(parts) and 2 <= len(ids) <= MOST_MODELS else None

    def _row(self, slug: str) -> RowKey | None:
        """The newest row of a slug."""
        newest = sql.select(*KEY_COLUMNS).where(runs.c.slug == slug).order_by(runs.c.id.desc()).limit(1)
        with reading(self._database) as connection:
            row = connection.execute(newest).first()
        return None if row is None else RowKey(*row)

    def _published(self, slug: str) -> Comparison | None:
        row = self._row(slug)
        return None if row is None else self._documents.get(row, lambda: self._read(row.id))

    def _read(self, number: int) -> Comparison:
        with reading(self._database) as connection:
            row = connection.execute(sql.select(runs).where(runs.c.id == number)).one()
        document = msgspec.json.decode(zlib.decompress(row.document), type=Document)
        return Comparison(row.slug, document, aware(row.added_at), row.run_id)

    def _read_listings(self) -> list[Listing]:
        with reading(self._database) as connection:
            self._stored = stored_listings(connection, self._stored)
        return list(self._stored.values())

    def _featured(self) -> list[Listing]:
        pairs = {
            tuple(sorted((entry.id, rival)))
            for entry in self.catalog.entries.values()
            for rival in entry.competitors
            if rival in self.catalog.entries
        }
        judged = [self.of_models(pair) for pair in sorted(pairs)]
        return [listing_of(comparison.slug, comparison.document) for comparison in judged]

    def _judge(self, ids: tuple[str, ...], day: date) -> Comparison:
        manifest = RunManifest(
            id="catalog",
            created_at=datetime.combine(day, time(), UTC),
            command=f"seatrial compare {' '.join(ids)}",
            seed=0,
            candidates=list(parse_candidates(ids, self.catalog)),
            workloads=[],
            concurrency=1,
        )
        document = judge(
            Run(manifest=manifest, items=[], observations=[]),
            self.catalog,
            today=day,
            margin=self._terms.margin,
            purpose=self._terms.purpose,
            machine_usd_per_hour=self._terms.machine_usd_per_hour,
        )
        return Comparison(slugs.slug_of(ids), document, None, None)


def _check(document: Document) -> None:
    if document.schema != DOCUMENT_SCHEMA:
        raise InputError(f"Its schema is `{document.schema[:80]}`; this version shows `{DOCUMENT_SCHEMA}`.")
    if not document.candidates:
        raise InputError("The verdict has no candidates: there is nothing to compare.")
    if not 0 < len(document.run.id) <= LONGEST_RUN_ID or not document.run.id.isprintable():
        raise InputError(f"The run's id is not 1 to {LONGEST_RUN_ID} printable characters.", field="run.id")
    for card in document.candidates:
        if not 0 < len(card.id) <= LONGEST_CANDIDATE or not card.id.isprintable():
            raise InputError(
                f"A candidate's id is not 1 to {LONGEST_CANDIDATE} printable characters: `{card.id[:80]}`.",
                field="candidates",
            )
    num_pictures = sum(each.data is not None for item in document.item_differences for each in item.pictures)
    if num_pictures > MOST_PICTURES:
        raise InputError(
            f"It carries {num_pictures} pictures; at most {MOST_PICTURES} are shown. `seatrial verdict` writes fewer.",
            field="item_differences",
        )
    known = {card.id for card in document.candidates}
    if document.verdict.candidate is not None and document.verdict.candidate not in known:
        raise InputError(
            f"The verdict is for `{document.verdict.candidate[:80]}`, which is no candidate.", field="verdict.candidate"
        )


def _place_of(connection: sql.Connection, document: Document, packed: bytes) -> tuple[str, bool]:
    """The run id to store a document under, and whether just this document is there already.

    A run that was judged anew has its own id again, with a number: `1a2b3c`, `1a2b3c~2`, …
    """
    last: tuple[str, bytes] | None = None
    for number in itertools.count(1):
        run_id = document.run.id if number == 1 else f"{document.run.id}~{number}"
        stored = connection.execute(sql.select(runs.c.document).where(runs.c.run_id == run_id)).scalar()
        if stored is None:
            return (last[0], True) if last and zlib.decompress(last[1]) == zlib.decompress(packed) else (run_id, False)
        last = (run_id, stored)
    raise AssertionError("unreachable")


def _plain(text: str) -> str:
    """Without what PostgreSQL cannot keep in a text."""
    return text.replace("\x00", "")
