"""A site's database with so many comparisons and votes: the comparisons are one real run under other names.

The votes go through the same code as the booth's, many in a transaction; a database that is filled is kept for the
next time under `.cache/site/`.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import msgspec
from sqlalchemy import func, select

from seatrial.cli.settings import read_settings
from seatrial.cli.wiring_database import open_library, open_site_database
from seatrial.site.db.opening import Database, reading, writing
from seatrial.site.db.tables import tallies
from seatrial.site.library import Library
from seatrial.site.votes.batch import Timed, carry_out
from seatrial.site.votes.cast import Cast
from seatrial.site.votes.subject import Subject, model_subject, pair_subject
from seatrial.verdict.document import Document
from seatrial.verdict.report import read_document

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".cache" / "site"
_CANDIDATES = ("baseline:nearest", "baseline:majority", "gpt-5-mini", "smollm3-3b")
_VOTES_EACH = 20
_AT_ONCE = 5_000


@dataclass(frozen=True)
class Filled:
    """A filled database. `slugs` are those published; `cold_slugs` have pages that nobody asked for yet.

    `on_page` are texts on the page of the first slug; `num_votes_on_page` votes were cast for the models there.
    """

    url: str
    slugs: list[str]
    cold_slugs: list[str]
    on_page: list[str]
    num_votes_on_page: int


def fill(num_comparisons: int, num_votes: int) -> Filled:
    """A database with these many published comparisons and votes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    document = _measured()
    path = FOLDER / f"site-{num_comparisons}-{num_votes}.db"
    if not path.exists():
        part = path.with_suffix(".part")
        for file in FOLDER.glob(f"{part.name}*"):
            file.unlink()
        database = open_site_database(f"sqlite:///{part}")
        library = open_library(read_settings(), database)
        for number in range(num_comparisons):
            library.publish(_renamed(document, number))
        _vote(database, library, num_votes)
        database.close()
        part.rename(path)
    database = open_site_database(f"sqlite:///{path}")
    library = open_library(read_settings(), database)
    published = [listing.slug for listing in library.published()][::-1]
    others = [listing.slug for listing in library.listings() if listing.run_id is None]
    candidates = [card.id for card in document.candidates]
    num_cast = _num_cast(database, [model_subject(each).key for each in candidates])
    database.close()
    names = [card.name for card in document.candidates]
    return Filled(f"sqlite:///{path}", published[:1], published[1:] or others, names, num_cast)


def _measured() -> Document:
    """A run of two baselines, with two models of the catalog beside them."""
    run = FOLDER / "run"
    if not (run / "verdict.json").exists():
        program = str(Path(sys.executable).with_name("seatrial"))
        subprocess.run([program, "compare", *_CANDIDATES, "--on", "triage", "--out", str(run)], check=True)
    return read_document(run)


def _renamed(document: Document, number: int) -> Document:
    """The same run of another candidate; the first keeps its name."""
    if not number:
        return document
    other = f"baseline-{number:04d}"
    content = msgspec.json.encode(document).replace(b"baseline:nearest", other.encode())
    renamed = msgspec.json.decode(content, type=Document)
    return msgspec.structs.replace(renamed, run=msgspec.structs.replace(renamed.run, id=f"{document.run.id}-{number}"))


def _vote(database: Database, library: Library, num_votes: int) -> None:
    casts = islice(_casts(library), num_votes)
    at = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    num_done = 0
    while batch := list(islice(casts, _AT_ONCE)):
        at += timedelta(seconds=30)
        with writing(database) as connection:
            carry_out(connection, [Timed(cast, at) for cast in batch])
        num_done += len(batch)
        if num_done % 100_000 == 0:
            print(f"{num_done:,} votes", file=sys.stderr)


def _casts(library: Library) -> Iterator[Cast]:
    """Voters who each vote on some models and pairs, seeded."""
    chance = random.Random(7)
    models = sorted(library.catalog.entries)
    subjects: list[Subject] = [model_subject(each) for each in (*models, "baseline:nearest", "baseline:majority")]
    subjects += [pair_subject(one, other) for one in models for other in models if one < other]
    weights = [30 if subject.key.startswith("model:") else 1 for subject in subjects]
    number = 0
    while True:
        number += 1
        voter, network = f"{number:032x}", f"{number // 30:032x}"
        for subject in {each.key: each for each in chance.choices(subjects, weights, k=_VOTES_EACH)}.values():
            yield Cast(voter, network, subject, chance.choice(subject.choices))


def _num_cast(database: Database, keys: list[str]) -> int:
    summed = select(func.coalesce(func.sum(tallies.c.num_voters), 0)).where(tallies.c.subject.in_(keys))
    with reading(database) as connection:
        return int(connection.execute(summed).scalar_one())
