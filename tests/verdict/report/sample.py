"""Documents to render in tests: measured, a mix, one from the catalog alone, one candidate alone, a big one.

The figures are made up but hang together (seeded), so that the page can be looked at as a reader would. What the
documents say stands in `sample.toml`; the run they speak of is made in `sample_run`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from typing import Any

import msgspec
from sample_run import (
    ALL,
    COST,
    LENGTH,
    MEASURED,
    NUM_ITEMS,
    QUALITY,
    REVIEWERS,
    TEXTS,
    item_difference,
    latency_profiles,
    measured_claims,
    run_evidence,
    run_info,
    workload_info,
)

from seatrial.verdict.document import (
    AnswerShown,
    Ballot,
    BreakEven,
    CandidateCard,
    CriterionResult,
    Document,
    Evidence,
    FactRow,
    MarketingFinding,
    PanelCount,
    PricePoint,
    Pricing,
    PricingRow,
    ScoreRow,
    Span,
    Verdict,
)


def measured_document() -> Document:
    """Five candidates, of which three measured, on three workloads."""
    rng = random.Random(7)
    ballots = [_ballot(reviewer, candidate) for candidate in ALL for reviewer in REVIEWERS]
    sentence = spans(
        "Ship Nearest example: it answers {75.6% of triage|run:triage/baseline:nearest} right against SmolLM2-135M’s "
        "{39.4%|run:triage/smollm2-135m}, in about a millisecond and for nothing. No model here earns its keep on "
        "arithmetic."
    )
    reasons = (
        "On triage it beats SmolLM2-135M by {36.2 points (95% interval 27.5 to 45.0)|run:triage/paired}, "
        "Holm-adjusted over three workloads.",
        "On extract the two are too close to call: {−6.5 points (−15.8 to 2.8)|run:extract/paired}.",
        "GPT-5 mini was not measured here, and it {retires on 2026-12-11|catalog:gpt-5-mini/retirement}.",
    )
    return Document(
        run=run_info(),
        candidates=[_card(candidate) for candidate in ALL],
        workloads=[workload_info(name) for name in NUM_ITEMS],
        claims=measured_claims(rng),
        ballots=ballots,
        panel=_panel(ballots),
        pricing=_pricing(),
        marketing=[MarketingFinding(**(line | {"finding": spans(line["finding"])})) for line in TEXTS["marketing"]],
        verdict=Verdict(
            decision="ship",
            candidate="baseline:nearest",
            text=joined(sentence),
            spans=sentence,
            reasons=[spans(reason) for reason in reasons],
            expected_quality=0.408,
            expected_cost_per_1k_usd=0.0,
        ),
        evidence=[*run_evidence(), *(Evidence(**entry) for entry in TEXTS["evidence"])],
        published_scores=[
            ScoreRow(
                **(row | {"scores": {who: [spans(text)[0] for text in row["scores"][who]] for who in row["scores"]}})
            )
            for row in TEXTS["scores"]
        ],
        item_differences=[item_difference(name, index, rng) for name in NUM_ITEMS for index in range(14)],
        latency_profiles=latency_profiles(rng),
    )


def catalog_document() -> Document:
    """Two candidates, nothing measured."""
    full = narrowed(measured_document(), ["smollm3-3b", "gpt-5-mini"], [])
    sentence = spans(
        "Undecided: nothing was measured here. GPT-5 mini {retires on 2026-12-11|catalog:gpt-5-mini/retirement}, so "
        "whatever you ship on it you will move within {19 days|catalog:gpt-5-mini/retirement}."
    )
    return replaced(
        full,
        run=replaced(full.run, environments=[], repeat="seatrial compare smollm3-3b gpt-5-mini"),
        verdict=Verdict(
            decision="undecided",
            candidate=None,
            text=joined(sentence),
            spans=sentence,
            reasons=[spans("Run both on your own items: `seatrial compare smollm3-3b gpt-5-mini --on …`")],
            more_items=200,
        ),
        evidence=[entry for entry in full.evidence if not entry.id.startswith("run:")],
    )


def single_document() -> Document:
    """One candidate, measured on one workload."""
    full = narrowed(measured_document(), ["smollm2-135m"], ["triage"])
    sentence = spans("Skip it for triage: {39.4%|run:triage/smollm2-135m} right is not enough.")
    return replaced(
        full,
        pricing=replaced(full.pricing, price_history={}),
        marketing=[],
        verdict=Verdict(decision="skip", candidate=None, text=joined(sentence), spans=sentence, reasons=[]),
        published_scores=[],
        item_differences=[],
    )


def mixed_document() -> Document:
    """Two candidates measured on two workloads, and the answer is a mix."""
    full = narrowed(measured_document(), ["smollm2-135m", "baseline:nearest"], ["triage", "extract"])
    sentence = spans(
        "Mix: let Nearest example take {72% of the messages|run:triage/paired} and send the rest to SmolLM2-135M."
    )
    return replaced(
        full,
        verdict=Verdict(
            decision="mix",
            candidate="baseline:nearest",
            text=joined(sentence),
            spans=sentence,
            reasons=[],
            mix={"baseline:nearest": 0.72, "smollm2-135m": 0.28},
            expected_quality=0.781,
            expected_cost_per_1k_usd=0.0048,
        ),
    )


def bare_document() -> Document:
    """As little as a document can hold: one candidate of which nothing is known."""
    full = single_document()
    card = replaced(full.candidates[0], tagline="", description="", licence="", facts=[], measured=False)
    return replaced(
        full,
        run=replaced(full.run, environments=[], repeat=""),
        candidates=[card],
        workloads=[],
        claims=[],
        ballots=[],
        panel={},
        pricing=replaced(full.pricing, rows=[]),
        verdict=Verdict(decision="undecided", candidate=None, text="Nothing is known.", spans=[], reasons=[]),
        evidence=[],
        latency_profiles=[],
    )


def large_document() -> Document:
    """Five candidates measured on 340 items, all of which differ, with long texts."""
    rng = random.Random(11)
    full = measured_document()
    model = "smollm2-135m"
    answer = '{"order": "A-1", "rows": [1, 2, 3]} ' * 80
    more = "\n" + 'And then some “more”, with <tags> & "quotes". ' * 60
    return replaced(
        full,
        claims=[
            replaced(claim, id=f"{claim.id}/{candidate}", candidate=candidate)
            for claim in full.claims
            if claim.candidate == model and claim.against is None
            for candidate in ALL
        ],
        latency_profiles=[
            replaced(profile, candidate=candidate)
            for profile in full.latency_profiles
            if profile.candidate == model
            for candidate in ALL
        ],
        item_differences=[
            replaced(
                item,
                input=item.input + more,
                answers=[AnswerShown(candidate=candidate, text=answer, score=0.5) for candidate in ALL],
            )
            for name, num_items in NUM_ITEMS.items()
            for item in (item_difference(name, index, rng) for index in range(num_items))
        ],
    )


def narrowed(document: Document, candidates: list[str], workloads: list[str]) -> Document:
    """What the document says of these candidates on these workloads."""
    return replaced(
        document,
        candidates=[card for card in document.candidates if card.id in candidates],
        workloads=[info for info in document.workloads if info.name in workloads],
        claims=[
            claim
            for claim in document.claims
            if claim.candidate in candidates and claim.against in (*candidates, None) and claim.workload in workloads
        ],
        ballots=[ballot for ballot in document.ballots if ballot.candidate in candidates],
        panel={candidate: document.panel[candidate] for candidate in candidates},
        pricing=replaced(
            document.pricing,
            rows=[
                row
                for row in document.pricing.rows
                if row.candidate in candidates and row.workload in (*workloads, None)
            ],
            break_even=[
                line for line in document.pricing.break_even if line.local in candidates and line.paid in candidates
            ],
        ),
        item_differences=[item for item in document.item_differences if item.workload in workloads],
        latency_profiles=[
            profile
            for profile in document.latency_profiles
            if profile.candidate in candidates and profile.workload in workloads
        ],
    )


def replaced(struct: Any, **changes: Any) -> Any:
    """The struct with some fields changed."""
    return msgspec.structs.replace(struct, **changes)


def spans(text: str) -> list[Span]:
    """`It {costs $1|catalog:x/price}.` as spans with their evidence."""
    pieces = re.split(r"\{([^|{}]*)\|([^{}]*)\}", text)
    found = []
    for index in range(0, len(pieces), 3):
        if pieces[index]:
            found.append(Span(text=pieces[index]))
        if index + 2 < len(pieces):
            found.append(Span(text=pieces[index + 1], evidence=pieces[index + 2].split(", ")))
    return found


def joined(pieces: Iterable[Span]) -> str:
    return "".join(piece.text for piece in pieces)


def _card(candidate: str) -> CandidateCard:
    text = TEXTS["cards"][candidate]
    return CandidateCard(
        id=candidate,
        **(
            {"model": None}
            | text
            | {
                "notices": [spans(notice) for notice in text.get("notices", [])],
                "facts": [
                    FactRow(label=label, values=[spans(value)[0] for value in values])
                    for label, *values in text.get("facts", [])
                ],
            }
        ),
    )


def _ballot(reviewer: str, candidate: str) -> Ballot:
    vote = TEXTS["votes"][candidate][REVIEWERS.index(reviewer)]
    said = spans(TEXTS["voices"].get(candidate, {}).get(reviewer) or TEXTS["voices"]["default"][vote])
    carried = {"ship": "pass", "skip": "fail", "abstain": "unknown"}[vote]
    is_measured, retires = candidate in MEASURED, candidate == "gpt-5-mini"
    found = "Not measured here."
    if is_measured:
        found = f"{{{100 * QUALITY[candidate]['triage']:.1f}%|run:triage/{candidate}}} of triage is right."
    criteria = [
        CriterionResult(
            name=question["name"],
            question=question["question"],
            outcome=carried if is_measured else "unknown",
            finding=spans(question[carried] if is_measured else found),
            weight=2.0,
        )
        for question in TEXTS["criteria"][reviewer]
    ]
    criteria += [
        CriterionResult(
            name="answers_right", question="Is most of triage right?", outcome=carried, finding=spans(found)
        ),
        CriterionResult(
            name="lifetime",
            question="Will it still answer in 90 days?",
            outcome="fail" if retires else "pass",
            finding=spans(
                "{It retires on 2026-12-11|catalog:gpt-5-mini/retirement}."
                if retires
                else "What lies on your own disk does not retire."
            ),
            veto=True,
        ),
    ]
    return Ballot(
        reviewer=reviewer,
        candidate=candidate,
        vote=vote,
        vetoed=retires,
        text=joined(said),
        spans=said,
        criteria=criteria,
    )


def _panel(ballots: list[Ballot]) -> dict[str, PanelCount]:
    counts = {}
    for candidate in ALL:
        votes = [ballot.vote for ballot in ballots if ballot.candidate == candidate and ballot.vote != "abstain"]
        ships = votes.count("ship")
        counts[candidate] = PanelCount(
            ship_pct=100 * ships / len(votes) if votes else None, ships=ships, cast=len(votes)
        )
    return counts


def _pricing() -> Pricing:
    rows = [
        PricingRow(
            candidate=candidate,
            workload=workload,
            cost_per_1k_usd=COST[candidate] * length,
            low=COST[candidate] * length * 0.95 or None,
            high=COST[candidate] * length * 1.06 or None,
            prompt_tokens_mean=211.4 if COST[candidate] else None,
            completion_tokens_mean=31.2 if COST[candidate] else None,
            basis="machine time at the throughput measured" if COST[candidate] else "no model runs",
            kind="measured",
            evidence=[f"run:{workload}/{candidate}", "assumed:machine-hour"],
        )
        for candidate in MEASURED
        for workload, length in LENGTH.items()
    ]
    lengths: dict[str | None, float] = {**LENGTH, None: 1.0}
    rows += [
        PricingRow(
            candidate="gpt-5-mini",
            workload=workload,
            cost_per_1k_usd=0.115 * length,
            prompt_tokens_mean=211.4,
            completion_tokens_mean=31.2,
            basis="list price at SmolLM2-135M’s token counts; its own reasoning tokens would add to this",
            kind="assumed",
            evidence=["catalog:gpt-5-mini/price"],
        )
        for workload, length in lengths.items()
    ]
    unknown = PricingRow(
        candidate="smollm3-3b",
        workload=None,
        cost_per_1k_usd=None,
        basis="no throughput measured here",
        kind="assumed",
        evidence=[],
    )
    pays = (
        "A machine kept for SmolLM2-135M alone pays for itself against GPT-5 mini from {746,000 tasks a "
        "month|assumed:machine-hour, catalog:gpt-5-mini/price}; below that the hosted model is the cheaper bill."
    )
    never = "No break-even for SmolLM3-3B: its throughput was not measured here."
    return Pricing(
        machine_usd_per_hour=0.10,
        rows=[*rows, unknown],
        break_even=[
            BreakEven(local="smollm2-135m", paid="gpt-5-mini", tasks_per_month=746_000, text=spans(pays)),
            BreakEven(local="smollm3-3b", paid="gpt-5-mini", tasks_per_month=None, text=spans(never)),
        ],
        price_history={
            candidate: [PricePoint(**({"valid_from": None, "cached_input_usd": None} | point)) for point in points]
            for candidate, points in TEXTS["prices"].items()
        },
    )
