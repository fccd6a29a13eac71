"""A candidate as it stands before the panel: what was tried, its catalog entry, where it runs, what to call it.

The run's manifest and the catalog come in, `Contender`s go out in the manifest's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from seatrial.catalog.entry import Entry
from seatrial.trial.record import Candidate, NotMeasured, RunManifest
from seatrial.verdict.document import Span
from seatrial.verdict.evidence import Ledger

Runs = Literal["local", "hosted", "baseline"]

MAJORITY = "majority"
_BASELINES = {
    MAJORITY: ("Majority answer", "the majority baseline"),
    "nearest": ("Nearest example", "the nearest-example baseline"),
}


@dataclass(frozen=True, slots=True)
class Contender:
    """A candidate with what is known of it. `entry` is None where the catalog has none; `title` is how a card names it
    and `name` how a sentence does."""

    id: str
    candidate: Candidate
    entry: Entry | None
    runs: Runs
    title: str
    name: str
    not_measured: NotMeasured | None

    @property
    def is_majority(self) -> bool:
        """Is this the answer that never looks at the question?"""
        return self.candidate.kind == "baseline" and self.candidate.target == MAJORITY

    def evidence(self, ledger: Ledger) -> str:
        """The evidence id for its name: the catalog's entry, or the command that named it."""
        if self.entry is not None:
            return ledger.entry(self.entry)
        return ledger.assumed(f"candidate:{self.id}", f"Candidate {self.id}, as the command names it", "run.json")

    def span(self, ledger: Ledger) -> Span:
        """Its id in backticks, as a verdict names it."""
        return Span(text=f"`{self.id}`", evidence=[self.evidence(ledger)])


def contenders_of(manifest: RunManifest, entries: Mapping[str, Entry]) -> list[Contender]:
    """The candidates of a run, one for each id, in order."""
    not_measured = {missing.candidate: missing for missing in manifest.not_measured}
    by_id = {candidate.id: candidate for candidate in manifest.candidates}
    return [
        _contender(candidate, entries.get(candidate.model or ""), not_measured.get(who))
        for who, candidate in by_id.items()
    ]


def _contender(candidate: Candidate, entry: Entry | None, missing: NotMeasured | None) -> Contender:
    if candidate.kind == "baseline":
        title, name = _BASELINES.get(candidate.target, (candidate.id, candidate.id))
        return Contender(candidate.id, candidate, None, "baseline", title, name, missing)
    title = entry.name if entry is not None else candidate.id
    if entry is not None and candidate.settings:
        title += f" ({', '.join(str(value) for value in candidate.settings.values())})"
    return Contender(candidate.id, candidate, entry, _runs(candidate, entry), title, title, missing)


def _runs(candidate: Candidate, entry: Entry | None) -> Runs:
    if candidate.kind in ("hub", "path"):
        return "local"
    if candidate.kind == "catalog" and entry is not None:
        return entry.runs
    return "hosted"
