"""How measured candidates stand to each other: quality, fitness, who beats whom, who is good enough beside whom.

Claims and slices come in; lookups go out that the reviewers and the decision share, so that both see the same standing.
The rules are those of docs/decisions/0002.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from seatrial.trial.record import WorkloadRecord
from seatrial.verdict.contender import Contender
from seatrial.verdict.document import Claim
from seatrial.verdict.slices import Slices

FLOOR = 0.5


@dataclass(frozen=True, slots=True)
class Standings:
    """Lookups over what was measured. `complete` holds the candidates that were measured on every item of every
    workload; `overall` their quality over everything; `costs` US dollars per 1,000 tasks by (candidate, workload),
    workload None for all."""

    workloads: tuple[WorkloadRecord, ...]
    complete: tuple[str, ...]
    majority: str | None
    margin: float
    claims: Mapping[tuple[str, str, str, str | None], Claim]
    overall: Mapping[str, Claim]
    totals: Mapping[tuple[str, str], tuple[float, int]]
    costs: Mapping[tuple[str, str | None], float]

    def claim(self, key: str, candidate: str, workload: str, against: str | None = None) -> Claim | None:
        """The claim of that key, or None."""
        return self.claims.get((key, candidate, workload, against))

    def quality(self, candidate: str, workloads: Collection[str]) -> float:
        """Mean score over the items of `workloads`; `candidate` was measured on all of them."""
        totals = [self.totals[candidate, workload] for workload in workloads]
        return sum(total for total, _ in totals) / sum(n for _, n in totals)

    def cost(self, candidate: str, workloads: Collection[str]) -> float | None:
        """US dollars per 1,000 tasks, the workloads weighed by their items; None where any is unknown."""
        parts = [(self.costs.get((candidate, workload)), self.totals[candidate, workload][1]) for workload in workloads]
        known = [(cost, n) for cost, n in parts if cost is not None]
        if not known or len(known) < len(parts):
            return None
        return sum(cost * n for cost, n in known) / sum(n for _, n in known)

    def difference(self, candidate: str, against: str, workload: str) -> float | None:
        """Mean paired difference in score; None: not enough data."""
        claim = self.claim("quality_difference", candidate, workload, against)
        return claim.value if claim is not None and isinstance(claim.value, float) else None

    def beats(self, candidate: str, against: str, workload: str) -> bool:
        """Is `candidate` better there, after Holm?"""
        claim = self.claim("beats", candidate, workload, against)
        return claim is not None and claim.value is True

    def clearly_beats(self, candidate: str, against: str, workload: str) -> bool:
        """Rule 5: is it better there by more than the margin, and after Holm?"""
        difference = self.difference(candidate, against, workload)
        return difference is not None and difference > self.margin and self.beats(candidate, against, workload)

    def non_inferior(self, candidate: str, against: str, workload: str) -> bool | None:
        """Is `candidate` within the margin of `against` there? None: cannot tell yet."""
        if candidate == against:
            return True
        claim = self.claim("non_inferior", candidate, workload, against)
        return claim.value if claim is not None and isinstance(claim.value, bool) else None

    def fit(self, candidate: str, workload: str) -> bool | None:
        """Rule 3: does `candidate` do the work there at all? None: open."""
        return all_of([self.above_floor(candidate, workload), self.beats_constant(candidate, workload)])

    def above_floor(self, candidate: str, workload: str) -> bool | None:
        """Is its whole interval above the floor (True), below it (False), or neither?"""
        quality = self.claim("quality", candidate, workload)
        if quality is None or quality.low is None or quality.high is None:
            return None
        return True if quality.low >= FLOOR else False if quality.high < FLOOR else None

    def beats_constant(self, candidate: str, workload: str) -> bool | None:
        """Is it better than `baseline:majority`, as far as that was measured?"""
        if candidate == self.majority:
            return False
        if self.majority is None or self.beats(candidate, self.majority, workload):
            return True
        return False if self.non_inferior(self.majority, candidate, workload) else None

    def fit_on(self, candidate: str, workloads: Collection[str]) -> bool | None:
        """Is it fit for all of `workloads`? False if it is unfit for any."""
        return all_of([self.fit(candidate, workload) for workload in workloads])

    def good_enough(self, candidate: str, reference: str, workloads: Collection[str]) -> bool | None:
        """Is it within the margin of `reference` on all of `workloads`?"""
        return all_of([self.non_inferior(candidate, reference, workload) for workload in workloads])

    def best(self, among: Collection[str], workloads: Collection[str]) -> str | None:
        """Rule 4: the highest quality; of equals the cheaper one, then by name."""
        return min(
            among, key=lambda who: (-self.quality(who, workloads), *self.price_rank(who, workloads)), default=None
        )

    def price_rank(self, candidate: str, workloads: Collection[str]) -> tuple[float, str]:
        """Sorts cheapest first, unknown cost last, equals by name."""
        cost = self.cost(candidate, workloads)
        return (float("inf") if cost is None else cost, candidate)


def standings_of(
    contenders: Sequence[Contender],
    workloads: Sequence[WorkloadRecord],
    slices: Slices,
    claims: Sequence[Claim],
    margin: float,
) -> Standings:
    """The standings of a run."""
    complete = [
        each.id
        for each in contenders
        if workloads
        and all((each.id, work.name) in slices and slices[each.id, work.name].complete for work in workloads)
    ]
    return Standings(
        workloads=tuple(workloads),
        complete=tuple(complete),
        majority=next((each.id for each in contenders if each.is_majority and each.id in complete), None),
        margin=margin,
        claims={
            (claim.key, claim.candidate, claim.workload, claim.against): claim
            for claim in claims
            if claim.workload is not None
        },
        overall={claim.candidate: claim for claim in claims if claim.key == "quality" and claim.workload is None},
        totals={place: (sum(each.scores), each.n) for place, each in slices.items()},
        costs={
            (claim.candidate, claim.workload): claim.value
            for claim in claims
            if claim.key == "cost_per_1k_usd" and isinstance(claim.value, float)
        },
    )


def all_of(answers: Sequence[bool | None]) -> bool | None:
    """True if all are; False if any is False; else None. None of nothing."""
    if any(answer is False for answer in answers):
        return False
    return True if answers and all(answers) else None
