"""Published scores that may stand side by side: the candidates' and their direct competitors', row by row.

Contenders and the catalog come in, `ScoreRow`s go out, only those in which a candidate meets somebody. What may share a
row is decided in `catalog.scores`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seatrial.catalog.entry import Entry
from seatrial.catalog.scores import comparable_rows
from seatrial.verdict.contender import Contender
from seatrial.verdict.document import ScoreRow, Span
from seatrial.verdict.evidence import Ledger


def published_scores(contenders: Sequence[Contender], entries: Mapping[str, Entry], ledger: Ledger) -> list[ScoreRow]:
    """The comparable rows in which at least one candidate stands. Its keys are candidates' ids, then rivals' names."""
    own = {each.entry.id: each.entry for each in contenders if each.entry is not None}
    ids = {who: [each.id for each in contenders if each.entry is not None and each.entry.id == who] for who in own}
    rivals = {
        who: entries[who] for entry in own.values() for who in entry.competitors if who not in own and who in entries
    }
    rows = []
    for row in comparable_rows([*own.values(), *rivals.values()]):
        if not any(subject in own for subject in row.scores):
            continue
        scores: dict[str, list[Span]] = {}
        for subject, facts in row.scores.items():
            spans = [Span(text=f"{fact.value.value:g}", evidence=[ledger.fact(fact)]) for fact in facts]
            for name in ids.get(subject) or [rivals[subject].name if subject in rivals else subject]:
                scores[name] = spans
        rows.append(
            ScoreRow(benchmark=row.benchmark, variant=row.variant, setting=row.setting, unit=row.unit, scores=scores)
        )
    return rows
