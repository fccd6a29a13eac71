"""From a run to a verdict: the whole flow of judging on one screen.

A run (as its folder holds it) and the catalog come in, the `Document` goes out. The same input gives the same document;
the day is an argument. Statistics, and with them numpy and scipy, are imported only where something was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import msgspec

import seatrial
from seatrial.catalog.loading import Catalog
from seatrial.errors import UsageError
from seatrial.trial.pictures import RunPictures
from seatrial.trial.record import Run
from seatrial.verdict.break_even import break_evens
from seatrial.verdict.cards import cards_of
from seatrial.verdict.contender import Contender, contenders_of
from seatrial.verdict.decide import Case, decide
from seatrial.verdict.differences import item_differences, latency_profiles
from seatrial.verdict.document import Claim, Document, Pricing, PricingRow, RunInfo, WorkloadInfo
from seatrial.verdict.dossier import Dossier, Finding
from seatrial.verdict.dossier_facts import Outlook, Purpose, fact_findings
from seatrial.verdict.dossier_money import money_findings
from seatrial.verdict.dossier_trials import Field, trial_findings
from seatrial.verdict.evidence import Ledger
from seatrial.verdict.item_pictures import with_pictures
from seatrial.verdict.marketing import check_marketing
from seatrial.verdict.panel import cast_ballots, count_votes, vetoed_by_facts
from seatrial.verdict.pricing import Rates, price_history, price_rows
from seatrial.verdict.published import published_scores
from seatrial.verdict.rubric import load_rubrics
from seatrial.verdict.slices import Slices, slices_of
from seatrial.verdict.standing import FLOOR, Standings, standings_of
from seatrial.verdict.telling import Telling
from seatrial.verdict.verdict_text import tell


class Measured(NamedTuple):
    """Claims, and what tells how many more items would settle a comparison."""

    claims: list[Claim]
    more_items: Callable[[str, str | None, str], int | None]


def judge(
    run: Run,
    catalog: Catalog,
    *,
    today: date,
    margin: float = 0.03,
    purpose: Purpose = "commercial",
    machine_usd_per_hour: float,
    pictures: RunPictures | None = None,
) -> Document:
    """The verdict on a run. `margin` is the quality one is willing to lose, a fraction. `pictures` is what the run's
    folder keeps of its items' pictures.

    Raises `UsageError` for a margin outside 0 to 1, an unknown purpose, a machine that costs less than nothing, or a
    run without candidates.
    """
    _check(run, margin, purpose, machine_usd_per_hour)
    ledger = Ledger(run)
    contenders = contenders_of(run.manifest, catalog.entries)
    slices = slices_of(run)

    pricing = _pricing(contenders, slices, run, Rates(today, machine_usd_per_hour), ledger)
    measured = _measure(slices, pricing.rows, margin, ledger)
    marketing = check_marketing(contenders, catalog.entries, measured.claims, today=today, ledger=ledger)

    standings = standings_of(contenders, run.manifest.workloads, slices, measured.claims, margin)
    outlook = Outlook(catalog.entries, today, purpose, ledger)
    facts = {each.id: fact_findings(each, outlook, marketing) for each in contenders}
    rubrics = load_rubrics()
    vetoed = frozenset(who for who, findings in facts.items() if vetoed_by_facts(rubrics, findings))
    dossiers = _dossiers(contenders, facts, standings, vetoed, pricing, ledger)
    ballots = cast_ballots(rubrics, dossiers, ledger)
    panel = count_votes(ballots, dossiers)

    case = Case(tuple(dossiers), standings, vetoed, panel, measured.more_items)
    verdict = tell(Telling(case, decide(case), {each.id: each for each in contenders}, ballots, ledger))
    cards = cards_of(contenders, run, today=today, ledger=ledger)
    scores = published_scores(contenders, catalog.entries, ledger)
    return Document(
        run=_run_info(run, today, margin, purpose),
        candidates=cards,
        workloads=_workload_infos(run),
        claims=measured.claims,
        ballots=ballots,
        panel=panel,
        pricing=pricing,
        marketing=marketing,
        verdict=verdict,
        evidence=ledger.listed(),
        published_scores=scores,
        item_differences=with_pictures(item_differences(run.items, slices), run.items, pictures),
        latency_profiles=latency_profiles(slices),
    )


def _check(run: Run, margin: float, purpose: str, machine_usd_per_hour: float) -> None:
    if not 0 < margin < 1:
        raise UsageError(f"Margin {margin:g} is not between 0 and 1. Three points of quality are 0.03.")
    if purpose not in ("commercial", "research"):
        raise UsageError(f"Purpose `{purpose}` is unknown. It is `commercial` or `research`.")
    if not 0 <= machine_usd_per_hour < float("inf"):
        raise UsageError(f"A machine cannot cost {machine_usd_per_hour:g} US dollars an hour. Give 0 or more.")
    if not run.manifest.candidates:
        raise UsageError(f"Run `{run.manifest.id}` has no candidates. Name at least one, such as `baseline:nearest`.")


def _measure(slices: Slices, rows: Sequence[PricingRow], margin: float, ledger: Ledger) -> Measured:
    if not slices:
        return Measured([], lambda candidate, against, workload: None)
    from seatrial.verdict.claim import claims_of
    from seatrial.verdict.paired import matches_of, more_items, more_items_from, paired_claims

    matches = matches_of(slices, ledger)

    def items_to_settle(candidate: str, against: str | None, workload: str) -> int | None:
        if against is None:
            return more_items_from(slices[candidate, workload], FLOOR)
        first, second = sorted((candidate, against))
        return more_items(matches[first, second, workload], candidate, margin)

    claims = [*claims_of(slices, rows, ledger), *paired_claims(matches, margin=margin)]
    return Measured(claims, items_to_settle)


def _pricing(contenders: Sequence[Contender], slices: Slices, run: Run, rates: Rates, ledger: Ledger) -> Pricing:
    rows = price_rows(contenders, slices, run.items, rates, ledger)
    return Pricing(
        machine_usd_per_hour=rates.machine_usd_per_hour,
        rows=rows,
        break_even=break_evens(contenders, rows, slices, rates.machine_usd_per_hour, ledger),
        price_history=price_history(contenders, ledger),
    )


def _dossiers(
    contenders: Sequence[Contender],
    facts: Mapping[str, Mapping[str, Finding]],
    standings: Standings,
    vetoed: frozenset[str],
    pricing: Pricing,
    ledger: Ledger,
) -> dict[str, Dossier]:
    """What the reviewers read about each candidate."""
    rivals = [who for who in standings.complete if who not in vetoed] or list(standings.complete)
    names = {each.id: each.name for each in contenders}
    measured = {candidate for candidate, _ in standings.totals}
    field = Field(standings, tuple(rivals), names, ledger)
    return {
        each.id: {
            **facts[each.id],
            **trial_findings(each.id, field),
            **money_findings(each, pricing, names, measured=each.id in measured),
        }
        for each in contenders
    }


def _run_info(run: Run, today: date, margin: float, purpose: Purpose) -> RunInfo:
    manifest = run.manifest
    return RunInfo(
        id=manifest.id,
        created_at=manifest.created_at,
        decided_on=today,
        repeat=manifest.command,
        seed=manifest.seed,
        margin=margin,
        purpose=purpose,
        concurrency=manifest.concurrency,
        seatrial_version=seatrial.__version__,
        environments=[msgspec.to_builtins(session) for session in manifest.sessions],
    )


def _workload_infos(run: Run) -> list[WorkloadInfo]:
    infos = []
    for workload in run.manifest.workloads:
        clusters = {item.cluster for item in run.items if item.workload == workload.name and item.cluster is not None}
        infos.append(
            WorkloadInfo(
                name=workload.name,
                version=workload.version,
                title=workload.title,
                task=workload.task,
                description=workload.description,
                licence=workload.licence,
                scorer=workload.scorer,
                origin=workload.origin,
                fingerprint=workload.fingerprint,
                num_items=workload.num_items,
                num_available=workload.num_available,
                num_clusters=len(clusters) if workload.clustered else None,
            )
        )
    return infos
