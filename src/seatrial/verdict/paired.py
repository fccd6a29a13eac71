"""Claims about two candidates on the same items: the difference, whether one beats the other, whether one is good
enough beside the other.

Slices come in; for every ordered pair and workload `quality_difference`, `beats` and `non_inferior` go out. A
difference is computed once for a pair and mirrored, so that both directions agree to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from seatrial.stats.estimate import Estimate, NotEnough
from seatrial.stats.paired import (
    PairedTest,
    holm,
    items_needed,
    paired_difference,
)
from seatrial.verdict.claim import LEVEL, not_enough
from seatrial.verdict.document import Claim
from seatrial.verdict.evidence import Ledger
from seatrial.verdict.slices import Slice, Slices

ALPHA = 1 - LEVEL


@dataclass(frozen=True, slots=True)
class Match:
    """Two candidates' scores on the items that both were asked, in the same order. `clusters` as in `Slice`."""

    a: str
    b: str
    workload: str
    a_scores: tuple[float, ...]
    b_scores: tuple[float, ...]
    clusters: tuple[str, ...] | None
    evidence: tuple[str, ...]

    @property
    def differences(self) -> list[float]:
        """a minus b, item by item."""
        return [a - b for a, b in zip(self.a_scores, self.b_scores, strict=True)]


Matches = dict[tuple[str, str, str], Match]


def matches_of(slices: Slices, ledger: Ledger) -> Matches:
    """Every pair of measured candidates on every workload, by (a, b, workload) with a < b."""
    matches: Matches = {}
    workloads = list(dict.fromkeys(workload for _, workload in slices))
    for a, b in combinations(sorted({candidate for candidate, _ in slices}), 2):
        for workload in workloads:
            if (a, workload) in slices and (b, workload) in slices:
                matches[a, b, workload] = _match(slices[a, workload], slices[b, workload], ledger)
    return matches


def paired_claims(matches: Matches, *, margin: float) -> list[Claim]:
    """The paired claims of every pair, both ways round."""
    claims: list[Claim] = []
    by_pair: dict[tuple[str, str], list[Match]] = {}
    for match in matches.values():
        by_pair.setdefault((match.a, match.b), []).append(match)
    for of_pair in by_pair.values():
        tests = [paired_difference(match.a_scores, match.b_scores, match.clusters, level=LEVEL) for match in of_pair]
        p_values = [test.p_value for test in tests if isinstance(test, PairedTest)]
        adjusted = iter(holm(p_values))
        for match, test in zip(of_pair, tests, strict=True):
            p_adjusted = next(adjusted) if isinstance(test, PairedTest) else None
            for way in (1, -1):
                claims += [
                    _difference(match, way, test, p_adjusted),
                    _beats(match, way, test, p_adjusted),
                    _non_inferior(match, way, test, margin),
                ]
    return claims


def more_items(match: Match, candidate: str, margin: float) -> int | None:
    """How many more items would likely show that `candidate` is within `margin` of the other, or that the other beats
    it, whichever takes fewer. The truth is taken to be what was seen. None: no number would, or there is nothing to
    plan from.

    With a margin of 3 points and a difference seen of −1, the nearer wall is 2 points away; with −4, it is 4 points
    away (at 0).
    """
    way = 1 if candidate == match.a else -1
    differences = [way * difference for difference in match.differences]
    if not differences:
        return None
    seen = sum(differences) / len(differences)
    needed = items_needed(differences, max(margin + seen, -seen), match.clusters, level=LEVEL)
    return None if needed is None else max(1, needed - len(differences))


def more_items_from(each: Slice, level: float) -> int | None:
    """How many more items would likely show on which side of `level` a quality lies. None: no number would."""
    distances = [score - level for score in each.scores]
    needed = items_needed(distances, abs(sum(distances) / len(distances)), each.clusters, level=LEVEL)
    return None if needed is None else max(1, needed - each.n)


def _match(a: Slice, b: Slice, ledger: Ledger) -> Match:
    a_scores = a.scores
    b_scores = {each.item: score for each, score in zip(b.observations, b.scores, strict=True)}
    common = [index for index, each in enumerate(a.observations) if each.item in b_scores]
    return Match(
        a.candidate,
        b.candidate,
        a.workload.name,
        tuple(a_scores[index] for index in common),
        tuple(b_scores[a.observations[index].item] for index in common),
        tuple(a.clusters[index] for index in common) if a.clusters is not None else None,
        (
            ledger.measured(a.workload.name, a.candidate, a.n),
            ledger.measured(b.workload.name, b.candidate, b.n),
        ),
    )


def _difference(match: Match, way: int, test: PairedTest | NotEnough, p_adjusted: float | None) -> Claim:
    if isinstance(test, NotEnough):
        return _claim(match, way, "quality_difference", None, unit="fraction", missing=test)
    estimate = test.estimate
    return _claim(
        match,
        way,
        "quality_difference",
        way * estimate.value,
        unit="fraction",
        ends=_ends(estimate, way),
        n=estimate.n,
        method=estimate.method,
        p_values=(test.p_value, p_adjusted),
    )


def _beats(match: Match, way: int, test: PairedTest | NotEnough, p_adjusted: float | None) -> Claim:
    if isinstance(test, NotEnough) or p_adjusted is None:
        missing = test if isinstance(test, NotEnough) else None
        return _claim(match, way, "beats", None, unit="", missing=missing)
    return _claim(
        match,
        way,
        "beats",
        bool(p_adjusted < ALPHA and way * test.estimate.value > 0),
        unit="",
        n=test.estimate.n,
        method=f"{test.estimate.method}; Holm over workloads",
        p_values=(test.p_value, p_adjusted),
    )


def _non_inferior(match: Match, way: int, test: PairedTest | NotEnough, margin: float) -> Claim:
    """Read off the interval of the difference, as `stats.paired.non_inferiority` does, which would compute it again."""
    if isinstance(test, NotEnough):
        return _claim(match, way, "non_inferior", None, unit="", missing=test)
    low, high = _ends(test.estimate, way)
    holds = True if low > -margin else False if high < -margin else None
    return _claim(
        match,
        way,
        "non_inferior",
        holds,
        unit="",
        ends=(low, high),
        n=test.estimate.n,
        method=f"{test.estimate.method}; margin {margin:g}",
        note="" if holds is not None else "the interval still holds values on both sides of the margin",
    )


def _ends(estimate: Estimate, way: int) -> tuple[float, float]:
    return (estimate.low, estimate.high) if way == 1 else (-estimate.high, -estimate.low)


def _claim(
    match: Match,
    way: int,
    key: str,
    value: float | bool | None,
    *,
    unit: str,
    ends: tuple[float, float] | None = None,
    n: int | None = None,
    method: str = "",
    p_values: Sequence[float | None] = (None, None),
    note: str = "",
    missing: NotEnough | None = None,
) -> Claim:
    candidate, against = (match.a, match.b) if way == 1 else (match.b, match.a)
    return Claim(
        id=":".join((key, match.workload, candidate, against)),
        candidate=candidate,
        key=key,
        value=value if isinstance(value, bool) or value is None else float(value) + 0.0,  # no -0.0
        unit=unit,
        kind="measured",
        evidence=list(match.evidence),
        workload=match.workload,
        against=against,
        low=float(ends[0]) if ends else None,
        high=float(ends[1]) if ends else None,
        level=LEVEL if missing is None else None,
        n=missing.n if missing else n,
        method=missing.method if missing else method,
        p_value=p_values[0],
        p_adjusted=p_values[1],
        note=not_enough(missing) if missing else note,
    )
