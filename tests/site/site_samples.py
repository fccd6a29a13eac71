"""What tests of the site's pages share: a library, made-up opinions, and the report's sample documents."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec

from seatrial.catalog.loading import Catalog, load_catalog
from seatrial.site.db.opening import Database
from seatrial.site.library import Comparison, JudgeTerms, Library
from seatrial.site.votes.opinion import NO_VOTES, ChoiceTally, Opinion, opinion_of
from seatrial.verdict.document import Document

_SAMPLES = str(Path(__file__).resolve().parents[1] / "verdict" / "report")
if _SAMPLES not in sys.path:
    sys.path.insert(0, _SAMPLES)

import page_tree  # noqa: E402
import sample  # noqa: E402
import sample_pictures  # noqa: E402

__all__ = [
    "TERMS",
    "MadeUpOpinions",
    "make_library",
    "page_tree",
    "replaced",
    "run_document",
    "sample",
    "sample_pictures",
]

TERMS = JudgeTerms(margin=0.03, purpose="commercial", machine_usd_per_hour=0.10)


def make_library(database: Database, clock: Callable[[], datetime], catalog: Catalog | None = None) -> Library:
    """A catalog, the built-in one unless told, over a test's database."""
    if catalog is None:
        return _BuiltIn(_built_in(), database, clock=clock, judge_terms=TERMS)
    return Library(catalog, database, clock=clock, judge_terms=TERMS)


class _BuiltIn(Library):
    """Judges the pairs of the built-in catalog once for all tests: there are about seventy."""

    def _judge(self, ids: tuple[str, ...], day: date) -> Comparison:
        if (ids, day) not in _JUDGED:
            _JUDGED[ids, day] = super()._judge(ids, day)
        return _JUDGED[ids, day]


_JUDGED: dict[tuple[tuple[str, ...], date], Comparison] = {}


@functools.cache
def _built_in() -> Catalog:
    return load_catalog()


class MadeUpOpinions:
    """`Opinions` out of a mapping from subject keys to votes by choice, each of weight 1."""

    def __init__(self, votes: Mapping[str, Mapping[str, int]] = {}) -> None:
        self._votes = votes

    def of(self, subject_key: str) -> Opinion:
        """The opinion on a subject."""
        if subject_key not in self._votes:
            return NO_VOTES
        votes = self._votes[subject_key]
        return opinion_of({choice: ChoiceTally(n, 1_000 * n, 1_000_000 * n) for choice, n in votes.items()})


def run_document(run_id: str = "run-1", *, decision: str = "ship", candidates: tuple[str, ...] = ()) -> Document:
    """A measured document with another run id and decision; `candidates` narrows it, on the workload `triage`."""
    document = sample.measured_document()
    if candidates:
        document = sample.narrowed(document, list(candidates), ["triage"])
    first = document.candidates[0].id
    verdict = replaced(
        document.verdict,
        decision=decision,
        candidate=first if decision == "ship" else None,
        text=f"{decision.capitalize()}, says {run_id}.",
    )
    return replaced(document, run=replaced(document.run, id=run_id), verdict=verdict)


def replaced(struct: Any, **changes: Any) -> Any:
    """The struct with some fields changed."""
    return msgspec.structs.replace(struct, **changes)
