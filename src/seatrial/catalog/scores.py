"""Which published scores may stand side by side.

Scores meet in a row only if benchmark, variant, setting and unit are all equal: a cloze variant on a base model is not
the chat model's multiple choice, GSM-Plus is not GSM8K, a thinking run is not one without.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from seatrial.catalog.entry import Entry, Fact, PublishedScore


@dataclass(frozen=True, slots=True)
class ComparableRow:
    """Scores of one benchmark, run one way. `scores` maps entry ids, then rivals' names, to their facts (several where
    sources differ). `setting` is empty where the sources do not say how they ran it, which is to be shown."""

    benchmark: str
    variant: str
    setting: str
    unit: str
    scores: Mapping[str, tuple[Fact[PublishedScore], ...]]

    @property
    def setting_stated(self) -> bool:
        """Whether the sources say how the benchmark was run."""
        return bool(self.setting)


def comparable_rows(entries: Iterable[Entry]) -> list[ComparableRow]:
    """The rows in which at least two models stand, one of them from `entries`. Rivals that an entry's source reports
    take part; a rival that is itself among `entries` stands under its id."""
    return [row for row in score_rows(entries) if len(row.scores) > 1]


def score_rows(entries: Iterable[Entry]) -> list[ComparableRow]:
    """Every published score of `entries`, in rows; in the order of the entries and their files."""
    entries = list(entries)
    own_names = {alias.casefold(): entry.id for entry in entries for alias in (entry.id, entry.name)}
    rows: dict[tuple[str, str, str, str], dict[str, list[Fact[PublishedScore]]]] = {}
    for entry in entries:
        for fact in entry.scores:
            rows.setdefault(fact.value.row, {}).setdefault(entry.id, []).append(fact)
    for entry in entries:
        for fact in entry.rival_scores:
            subject = own_names.get(fact.value.subject.casefold(), fact.value.subject)
            if fact.value.row in rows:
                facts = rows[fact.value.row].setdefault(subject, [])
                if not any(_says_the_same(fact, other) for other in facts):
                    facts.append(fact)
    return [
        ComparableRow(*row, scores={subject: tuple(facts) for subject, facts in scores.items()})
        for row, scores in rows.items()
    ]


def _says_the_same(fact: Fact[PublishedScore], other: Fact[PublishedScore]) -> bool:
    return fact.value.value == other.value.value and fact.source.url == other.source.url
