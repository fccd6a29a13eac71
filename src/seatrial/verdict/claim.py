"""Observations into claims about one candidate: quality, failures, latency, tokens, cost, throughput, each with n,
method and interval.

A slice (one candidate on one workload) comes in, `Claim`s go out. Where there is too little data the claim stands with
no value and a note that says how much would do. Paired claims are in `paired`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from seatrial.stats.estimate import Estimate, NotEnough
from seatrial.stats.intervals import SCORES, mean, wilson
from seatrial.stats.quantiles import quantile
from seatrial.trial.record import Observation
from seatrial.verdict.document import Claim, PricingRow
from seatrial.verdict.evidence import Ledger
from seatrial.verdict.slices import Slice, Slices

LEVEL = 0.95
_S_PER_HOUR = 3600
# In a smaller cluster the lowest quality says nothing about the candidate.
_LEAST_IN_CLUSTER = 5


class About(NamedTuple):
    """What a claim is about. `workload` None spans all."""

    candidate: str
    workload: str | None
    evidence: tuple[str, ...]


def claims_of(slices: Slices, rows: Sequence[PricingRow], ledger: Ledger) -> list[Claim]:
    """The claims about each candidate on each workload, then over all of its workloads, then costs (from the measured
    pricing rows)."""
    claims: list[Claim] = []
    for candidate, own in groupby(slices.values(), key=lambda each: each.candidate):
        of_candidate = list(own)
        for each in of_candidate:
            claims += _slice_claims(each, ledger)
        claims += _overall_claims(candidate, of_candidate, ledger)
    return claims + [_cost_claim(row) for row in rows if row.kind == "measured" and row.cost_per_1k_usd is not None]


def claim_from(about: About, key: str, unit: str, result: Estimate | NotEnough, note: str = "") -> Claim:
    """A measured claim from a statistic, or one without a value that says what is missing."""
    claim_id = ":".join((key, about.workload or "*", about.candidate))
    if isinstance(result, NotEnough):
        return Claim(
            id=claim_id,
            candidate=about.candidate,
            key=key,
            value=None,
            unit=unit,
            kind="measured",
            evidence=list(about.evidence),
            workload=about.workload,
            n=result.n,
            method=result.method,
            note=not_enough(result),
        )
    return Claim(
        id=claim_id,
        candidate=about.candidate,
        key=key,
        value=float(result.value),
        unit=unit,
        kind="measured",
        evidence=list(about.evidence),
        workload=about.workload,
        low=float(result.low),
        high=float(result.high),
        level=result.level,
        n=result.n,
        method=result.method,
        note=note,
    )


def not_enough(result: NotEnough) -> str:
    """`not enough data: 3 of the 8 that … needs`."""
    return f"not enough data: {result.n:,} where {result.method} needs {result.needed:,}"


def _slice_claims(each: Slice, ledger: Ledger) -> list[Claim]:
    evidence = (ledger.measured(each.workload.name, each.candidate, each.n),)
    about = About(each.candidate, each.workload.name, evidence)
    answered = each.answered
    sources = _clusters_of_answered(each)
    claims = [claim_from(about, "quality", "fraction", score_mean(each.scores, each.clusters))]
    if each.clusters is not None:
        claims.append(_worst_cluster(about, each.scores, each.clusters))
    failed = (seen.failure is not None for seen in each.observations)
    claims.append(_rate(about, "failure_rate", failed, each.clusters))
    if not answered:
        return claims
    if each.workload.structured:
        claims.append(_rate(about, "valid_output_rate", (seen.parsed is not None for seen in answered), sources))
    claims.append(_rate(about, "truncated_rate", (seen.finish_reason == "length" for seen in answered), sources))
    return claims + _latencies(about, answered) + _tokens(about, answered) + _throughput(about, [each])


def _clusters_of_answered(each: Slice) -> list[str] | None:
    if each.clusters is None:
        return None
    return [name for name, seen in zip(each.clusters, each.observations, strict=True) if seen.failure is None]


def _overall_claims(candidate: str, slices: Sequence[Slice], ledger: Ledger) -> list[Claim]:
    """Over all workloads together: items weigh the same, clusters of different workloads are different clusters."""
    evidence = tuple(ledger.measured(each.workload.name, candidate, each.n) for each in slices)
    about = About(candidate, None, evidence)
    scores = [score for each in slices for score in each.scores]
    clusters = [
        f"{each.workload.name}/{name}"
        for each in slices
        for name in (each.clusters or [observation.item for observation in each.observations])
    ]
    is_clustered = any(each.clusters is not None for each in slices)
    quality = claim_from(about, "quality", "fraction", score_mean(scores, clusters if is_clustered else None))
    return [quality, *(_throughput(about, slices) if any(each.answered for each in slices) else [])]


def score_mean(scores: Sequence[float], clusters: Sequence[str] | None) -> Estimate | NotEnough:
    """The mean score with its interval: Wilson's where answers are right or wrong and items stand alone, else the
    bounded mean, clustered where items share sources."""
    if clusters is None and all(score in (0.0, 1.0) for score in scores):
        return wilson(round(sum(scores)), len(scores), level=LEVEL)
    return mean(scores, clusters, level=LEVEL, bounds=SCORES)


def _rate(about: About, key: str, outcomes: Iterable[bool], clusters: Sequence[str] | None) -> Claim:
    return claim_from(about, key, "fraction", score_mean([float(outcome) for outcome in outcomes], clusters))


def _worst_cluster(about: About, scores: Sequence[float], clusters: Sequence[str]) -> Claim:
    """The cluster where quality is lowest. It was picked for being low, so its interval is Bonferroni's over all
    clusters."""
    by_cluster: dict[str, list[float]] = {}
    for score, cluster in zip(scores, clusters, strict=True):
        by_cluster.setdefault(cluster, []).append(score)
    large = {name: own for name, own in by_cluster.items() if len(own) >= _LEAST_IN_CLUSTER}
    if not large:
        most = max(len(own) for own in by_cluster.values())
        return claim_from(about, "worst_cluster", "fraction", NotEnough(most, _LEAST_IN_CLUSTER, "a cluster"))
    name = min(large, key=lambda each: (sum(large[each]) / len(large[each]), each))
    result = mean(large[name], level=1 - (1 - LEVEL) / len(large), bounds=SCORES)
    note = f"{name}: lowest of {len(large):,} clusters of {_LEAST_IN_CLUSTER} items or more, {len(large[name]):,} items"
    return claim_from(about, "worst_cluster", "fraction", result, note)


def _latencies(about: About, answered: Sequence[Observation]) -> list[Claim]:
    first = [observation.ttft_s for observation in answered if observation.ttft_s is not None]
    whole = [observation.latency_s for observation in answered if observation.latency_s is not None]
    per_token = list(_token_times(answered))
    claims = []
    if first:
        claims.append(claim_from(about, "ttft_p50_s", "seconds", quantile(first, 0.5, level=LEVEL)))
    if whole:
        for key, q in (("latency_p50_s", 0.5), ("latency_p95_s", 0.95), ("latency_p99_s", 0.99)):
            claims.append(claim_from(about, key, "seconds", quantile(whole, q, level=LEVEL)))
    if per_token:
        claims.append(claim_from(about, "token_time_p50_s", "seconds", quantile(per_token, 0.5, level=LEVEL)))
    return claims


def _token_times(answered: Iterable[Observation]) -> Iterable[float]:
    """Seconds per output token after the first, of each answer of at least two tokens."""
    for each in answered:
        if each.ttft_s is not None and each.latency_s is not None and (each.completion_tokens or 0) > 1:
            assert each.completion_tokens is not None
            yield (each.latency_s - each.ttft_s) / (each.completion_tokens - 1)


def _tokens(about: About, answered: Sequence[Observation]) -> list[Claim]:
    claims = []
    for key in ("prompt_tokens", "completion_tokens"):
        counts = [float(count) for each in answered if (count := getattr(each, key)) is not None]
        if counts:
            claims.append(_token_mean(about, f"{key}_mean", counts))
    return claims


def _token_mean(about: About, key: str, counts: Sequence[float]) -> Claim:
    """The mean stands even where no interval can be given for it: it says what was used here."""
    claim = claim_from(about, key, "tokens", mean(counts, level=LEVEL))
    return claim if claim.value is not None else msgspec.structs.replace(claim, value=sum(counts) / len(counts))


def _throughput(about: About, slices: Sequence[Slice]) -> list[Claim]:
    """Answers per hour of busy time. One run gives one figure, so there is no interval to state."""
    busy_s = sum(each.busy_s for each in slices)
    if busy_s <= 0:
        return []
    num_answered = sum(len(each.answered) for each in slices)
    return [
        Claim(
            id=":".join(("throughput_per_hour", about.workload or "*", about.candidate)),
            candidate=about.candidate,
            key="throughput_per_hour",
            value=num_answered / busy_s * _S_PER_HOUR,
            unit="items/hour",
            kind="measured",
            evidence=list(about.evidence),
            workload=about.workload,
            n=num_answered,
            method="answers ÷ busy time",
        )
    ]


def _cost_claim(row: PricingRow) -> Claim:
    return Claim(
        id=":".join(("cost_per_1k_usd", row.workload or "*", row.candidate)),
        candidate=row.candidate,
        key="cost_per_1k_usd",
        value=row.cost_per_1k_usd,
        unit="US dollars",
        kind=row.kind,
        evidence=row.evidence,
        workload=row.workload,
        low=row.low,
        high=row.high,
        level=LEVEL if row.low is not None else None,
        method=row.basis,
    )
