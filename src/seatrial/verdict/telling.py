"""What the verdict is told from: case and ruling, and the spans that its sentences share.

Each method words one thing (a candidate, a rate, a cost) together with the evidence it stands on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seatrial.verdict import wording
from seatrial.verdict.contender import Contender
from seatrial.verdict.decide import Case, Ruling
from seatrial.verdict.document import Ballot, Span
from seatrial.verdict.evidence import Ledger
from seatrial.verdict.standing import FLOOR

Parts = list[str | Span | list[Span]]


@dataclass(frozen=True, slots=True)
class Telling:
    """What the sentences are made from."""

    case: Case
    ruling: Ruling
    contenders: Mapping[str, Contender]
    ballots: Sequence[Ballot]
    ledger: Ledger

    def name(self, candidate: str) -> Span:
        """A candidate, by its id."""
        return self.contenders[candidate].span(self.ledger)

    def names(self, candidates: Sequence[str], last: str = "and") -> list[Span]:
        """Several candidates, by their ids."""
        return wording.join_spans([[self.name(who)] for who in candidates], last)

    def workloads(self, names: Sequence[str], candidate: str) -> Span:
        """Workloads, standing on what `candidate` did there."""
        return Span(text=wording.listing([f"`{name}`" for name in names]), evidence=self.evidence(candidate, names))

    def evidence(self, candidate: str, workloads: Sequence[str]) -> list[str]:
        """What a candidate's figures on these workloads stand on."""
        totals = self.case.standings.totals
        return [self.ledger.measured(name, candidate, totals[candidate, name][1]) for name in workloads]

    def rate(self, candidate: str, workloads: Sequence[str]) -> Span:
        """`83 % over 170 items`."""
        num_items = sum(self.case.standings.totals[candidate, name][1] for name in workloads)
        text = f"{wording.percent(self.case.standings.quality(candidate, workloads))} over {num_items:,} items"
        return Span(text=text, evidence=self.evidence(candidate, workloads))

    def cost(self, candidate: str, workloads: Sequence[str]) -> Span | None:
        """`$0.31`: for 1,000 tasks."""
        cost = self.case.standings.cost(candidate, workloads)
        if cost is None:
            return None
        text = f"{wording.usd(cost)} per 1,000 tasks"
        return Span(text=text, evidence=self.cost_evidence(candidate, workloads))

    def cost_evidence(self, candidate: str, workloads: Sequence[str]) -> list[str]:
        """What a candidate's costs on these workloads stand on: what it used, and what that costs."""
        claims = [self.case.standings.claim("cost_per_1k_usd", candidate, name) for name in workloads]
        return list(dict.fromkeys(item for claim in claims if claim is not None for item in claim.evidence))

    def margin(self) -> Span:
        """`3 points`."""
        text = wording.points(self.case.standings.margin)
        return Span(text=text, evidence=[self.ledger.assumed("margin", f"Up to {text} of quality may be lost")])

    def floor(self) -> Span:
        """`50 %`."""
        text = wording.percent(FLOOR)
        return Span(text=text, evidence=[self.ledger.assumed("floor", f"Below {text} a candidate is unfit")])

    def cause(self, vetoed: str) -> list[Span]:
        """The finding on which a reviewer's veto of a candidate stands."""
        ballot = next(each for each in self.ballots if each.candidate == vetoed and each.vetoed)
        return next(each for each in ballot.criteria if each.veto and each.outcome == "fail").finding
