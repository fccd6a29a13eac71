"""The verdict in words: one sentence that says what to do, every number in it with its evidence.

A `Telling` (case, ruling, names, ballots) comes in, the document's `Verdict` goes out. The reasons under it are made in
`reasons`.
"""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.verdict import wording
from seatrial.verdict.decide import Case, Open, Ruling
from seatrial.verdict.document import Span, Verdict
from seatrial.verdict.reasons import reasons_for
from seatrial.verdict.telling import Parts, Telling


def tell(telling: Telling) -> Verdict:
    """The document's verdict."""
    case, ruling = telling.case, telling.ruling
    spans = wording.says(*_SENTENCES[ruling.decision](telling))
    served = list(ruling.choices)
    is_told = ruling.decision in ("ship", "mix")
    totals = {name: case.standings.totals[who, name][1] for name, who in ruling.choices.items()}
    num_items = sum(totals.values())
    mix = {
        who: sum(totals[name] for name in served if ruling.choices[name] == who) / num_items for who in ruling.chosen
    }
    return Verdict(
        decision=ruling.decision,
        candidate=min(mix, key=lambda who: (-mix[who], who)) if is_told else None,
        text=wording.plain(spans),
        spans=spans,
        reasons=reasons_for(telling),
        mix=mix if ruling.decision == "mix" else {},
        expected_quality=_expected_quality(case, ruling) if is_told else None,
        expected_cost_per_1k_usd=_expected_cost(case, ruling) if is_told else None,
        more_items=ruling.more_items if ruling.decision == "undecided" else None,
    )


def _expected_quality(case: Case, ruling: Ruling) -> float:
    totals = [case.standings.totals[who, name] for name, who in ruling.choices.items()]
    return sum(total for total, _ in totals) / sum(n for _, n in totals)


def _expected_cost(case: Case, ruling: Ruling) -> float | None:
    standings = case.standings
    parts = [(standings.cost(who, [name]), standings.totals[who, name][1]) for name, who in ruling.choices.items()]
    known = [(cost, n) for cost, n in parts if cost is not None]
    return sum(cost * n for cost, n in known) / sum(n for _, n in known) if len(known) == len(parts) else None


def _ship(telling: Telling) -> Parts:
    ruling = telling.ruling
    (chosen,) = ruling.chosen
    served = list(ruling.choices)
    scope: Parts = []
    if ruling.lost:
        scope = [" for ", telling.workloads(served, chosen)]
    parts: Parts = [
        "Ship ",
        telling.name(chosen),
        *scope,
        ": it scores ",
        telling.rate(chosen, served),
    ]
    references = [who for who in dict.fromkeys(ruling.references[name] for name in served) if who != chosen]
    if references:
        parts += [", within ", telling.margin(), " of ", telling.names(references)]
    cost = telling.cost(chosen, served)
    if cost is not None:
        parts += [", at ", cost]
    if telling.contenders[chosen].runs == "baseline":
        parts += [", with no model at all"]
    return [*parts, *_lost_clause(telling), "."]


def _mix(telling: Telling) -> Parts:
    ruling = telling.ruling
    by_candidate: dict[str, list[str]] = {}
    for name, who in ruling.choices.items():
        by_candidate.setdefault(who, []).append(name)
    groups = [
        wording.says(telling.name(who), " for ", telling.workloads(names, who)) for who, names in by_candidate.items()
    ]
    evidence = [item for who, names in by_candidate.items() for item in telling.evidence(who, names)]
    num_items = sum(telling.case.standings.totals[who, name][1] for name, who in ruling.choices.items())
    quality = f"{wording.percent(_expected_quality(telling.case, ruling))} over {num_items:,} items"
    parts: Parts = ["Ship ", wording.join_spans(groups), ": together they score "]
    parts.append(Span(text=quality, evidence=evidence))
    cost = _expected_cost(telling.case, ruling)
    if cost is not None:
        priced = [item for name, who in ruling.choices.items() for item in telling.cost_evidence(who, [name])]
        text = f"{wording.usd(cost)} per 1,000 tasks"
        parts += [", at ", Span(text=text, evidence=list(dict.fromkeys(priced)))]
    return [*parts, *_lost_clause(telling), "."]


def _lost_clause(telling: Telling) -> Parts:
    lost = telling.ruling.lost
    if not lost:
        return []
    names = wording.join_spans([[telling.workloads([each.workload], each.best)] for each in lost])
    return ["; ship nothing for ", names]


def _skip(telling: Telling) -> Parts:
    case, lost = telling.case, telling.ruling.lost
    if not lost:
        names = telling.names(sorted(case.vetoed))
        return ["Skip ", names, ": ruled out, whatever ", "it" if len(case.vetoed) == 1 else "they", " can do."]
    best = max(lost, key=lambda each: (case.standings.quality(each.best, [each.workload]), each.workload))
    all_of_them = "Skip it: " if len(case.candidates) == 1 else "Skip all: "
    if any(each.why == "voted_down" for each in lost):
        return [all_of_them, "what measures well enough the panel votes down, ", telling.name(best.best), " first."]
    return [
        all_of_them, "nothing measured here does the work; the best is ", telling.name(best.best), ", at ",
        telling.rate(best.best, [best.workload]), " of ", telling.workloads([best.workload], best.best), ".",
    ]  # fmt: skip


def _undecided(telling: Telling) -> Parts:
    opens = telling.ruling.open
    if not opens:
        return _nothing_to_go_by(telling)
    return ["Undecided: ", _what_is_open(telling, opens), "; ", _what_would_settle(telling), "."]


def _nothing_to_go_by(telling: Telling) -> Parts:
    case = telling.case
    left = [who for who in case.candidates if who not in case.vetoed]
    out = telling.names([who for who in case.candidates if who in case.vetoed])
    verb = " is" if len(case.vetoed) == 1 else " are"
    ruled_out: Parts = [out, verb, " ruled out, and "] if case.vetoed else []
    if len(case.vetoed) == 1:
        (only,) = case.vetoed
        ruled_out = [out, " is ruled out (", telling.cause(only), "), and "]
    if not case.standings.totals:
        rest = [telling.names(left), " still has" if len(left) == 1 else " still have"]
        return ["Undecided: ", *ruled_out, *rest, " to be measured on your work."]
    if not case.standings.complete:
        return [
            "Undecided: ",
            *ruled_out,
            "no candidate has been measured on every item; the same command goes on with the run.",
        ]
    has = " still has" if len(left) == 1 else " still have"
    return ["Undecided: ", *ruled_out, telling.names(left), has, " to be measured in full."]


def _what_is_open(telling: Telling, opens: Sequence[Open]) -> list[Span]:
    first = next((each for each in opens if each.why == "cheaper"), opens[0])
    if first.why == "cheaper":
        assert first.against is not None
        workloads = [each.workload for each in opens if (each.why, each.candidate) == (first.why, first.candidate)]
        return wording.says(
            telling.name(first.candidate), " costs less than ", telling.name(first.against), " and may be as good on ",
            telling.workloads(workloads, first.candidate),
        )  # fmt: skip
    if first.why == "floor":
        return wording.says(
            telling.name(first.candidate), " may or may not reach the floor of ", telling.floor(), " on ",
            telling.workloads([first.workload], first.candidate),
        )  # fmt: skip
    if first.why == "constant":
        return wording.says(
            telling.name(first.candidate), " is not yet shown to beat a constant answer on ",
            telling.workloads([first.workload], first.candidate),
        )  # fmt: skip
    workloads = [each.workload for each in opens if each.why == "few_items"]
    return wording.says("there are too few items in ", telling.workloads(workloads, first.candidate))


def _what_would_settle(telling: Telling) -> list[Span]:
    more = telling.ruling.more_items
    if more is None:
        return wording.says("no number of items that we can name would settle it")
    evidence = [item for each in telling.ruling.open for item in telling.evidence(each.candidate, [each.workload])]
    about = "" if all(each.why == "few_items" for each in telling.ruling.open) else "about "
    count = Span(
        text=f"{about}{wording.rough(more)} more item{'s' if more != 1 else ''}", evidence=list(dict.fromkeys(evidence))
    )
    return wording.says(count, " would settle it" if about else " would do for a start")


_SENTENCES = {"ship": _ship, "mix": _mix, "skip": _skip, "undecided": _undecided}
