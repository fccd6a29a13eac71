"""The reasons under a verdict: two to four short sentences, every number with its evidence.

A `Telling` comes in, sentences go out, the most telling first.
"""

from __future__ import annotations

from seatrial.verdict import wording
from seatrial.verdict.decide import Lost
from seatrial.verdict.document import Span
from seatrial.verdict.standing import FLOOR
from seatrial.verdict.telling import Parts, Telling

_MOST_REASONS = 4


def reasons_for(telling: Telling) -> list[list[Span]]:
    """Two to four short reasons, the most telling first."""
    reasons = [
        *_reasons_for_choice(telling),
        *(_reason_for_lost(telling, each) for each in telling.ruling.lost),
        *_reasons_for_open(telling),
        *_reasons_for_lead(telling),
        *_reasons_for_vetoes(telling),
        *_reasons_for_partly_measured(telling),
        *_reasons_for_unmeasured(telling),
        *_reason_from_panel(telling),
    ]
    return reasons[:_MOST_REASONS]


def _reasons_for_choice(telling: Telling) -> list[list[Span]]:
    case, ruling = telling.case, telling.ruling
    if ruling.decision not in ("ship", "mix"):
        return []
    reasons = []
    for chosen in ruling.chosen:
        names = [name for name, who in ruling.choices.items() if who == chosen]
        reference = ruling.references[names[0]]
        others = [who for who in case.eligible if who != chosen]
        if reference != chosen:
            cost = telling.cost(reference, names)
            dearer: Parts = [" for ", cost] if cost is not None else []
            reasons.append(
                wording.says(
                    telling.name(reference), " measures best, at ", telling.rate(reference, names),
                    *dearer, "; ", telling.name(chosen),
                    " is shown to be as good within the margin.",
                )
            )  # fmt: skip
        elif others:
            second = case.standings.best(others, names)
            assert second is not None
            if case.standings.quality(second, names) == case.standings.quality(chosen, names):
                pair = telling.names([chosen, second])
                same = wording.says(pair, " measure the same on ", telling.workloads(names, chosen), "; ")
                reasons.append(wording.says(same, telling.name(chosen), " is taken for its cost."))
                continue
            reasons.append(
                wording.says(
                    telling.name(chosen), " measures best on ", telling.workloads(names, chosen), "; the next is ",
                    telling.name(second), ", at ", telling.rate(second, names), ".",
                )
            )  # fmt: skip
        else:
            reasons.append(
                wording.says("Nothing else that may be shipped was measured beside ", telling.name(chosen), ".")
            )
    return reasons


def _reason_for_lost(telling: Telling, lost: Lost) -> list[Span]:
    rate = telling.rate(lost.best, [lost.workload])
    on = telling.workloads([lost.workload], lost.best)
    if lost.why == "voted_down":
        return wording.says(
            "On ", on, " the panel votes down all that would do, ", telling.name(lost.best), " included."
        )
    if (
        lost.best == telling.case.standings.majority
        or telling.case.standings.quality(lost.best, [lost.workload]) >= FLOOR
    ):
        return wording.says("On ", on, " nothing does better than a constant answer.")
    return wording.says(
        "On ", on, " the best, ", telling.name(lost.best), ", is at ", rate, ", below the floor of ",
        telling.floor(), ".",
    )  # fmt: skip


def _reasons_for_open(telling: Telling) -> list[list[Span]]:
    reasons = []
    for each in telling.ruling.open:
        on = telling.workloads([each.workload], each.candidate)
        if each.why == "cheaper" and each.against is not None:
            claim = telling.case.standings.claim("quality_difference", each.candidate, each.workload, each.against)
            if claim is None or not isinstance(claim.value, float) or claim.low is None or claim.high is None:
                continue
            side = "behind" if claim.value < 0 else "ahead of"
            gap = f"{wording.points(claim.value)} {side}"
            reach = f"from {_signed(claim.low)} to {_signed(claim.high)}"
            reasons.append(
                wording.says(
                    "On ", on, ", ", telling.name(each.candidate), " is ", Span(text=gap, evidence=claim.evidence), " ",
                    telling.name(each.against), ", and the interval runs ", Span(text=reach, evidence=claim.evidence),
                    " points.",
                )
            )  # fmt: skip
        elif each.why == "few_items":
            n = telling.case.standings.totals[each.candidate, each.workload][1]
            count = Span(text=f"{n:,} items", evidence=telling.evidence(each.candidate, [each.workload]))
            reasons.append(wording.says(on, " has ", count, ", which is too few to judge by."))
    return reasons


def _reasons_for_lead(telling: Telling) -> list[list[Span]]:
    """How things look now, under a verdict that is open."""
    if not telling.ruling.open:
        return []
    by_reference: dict[str, list[str]] = {}
    for name, reference in telling.ruling.references.items():
        by_reference.setdefault(reference, []).append(name)
    return [
        wording.says(
            "So far ", telling.name(reference), " leads on ", telling.workloads(names, reference), ", at ",
            telling.rate(reference, names), ".",
        )
        for reference, names in by_reference.items()
    ]  # fmt: skip


def _signed(fraction: float) -> str:
    return f"{'−' if fraction < 0 else '+'}{abs(100 * fraction):.0f}"


def _reasons_for_vetoes(telling: Telling) -> list[list[Span]]:
    """Why candidates are ruled out, unless the sentence has said so already."""
    if len(telling.case.vetoed) == 1 and not telling.case.eligible and telling.ruling.decision == "undecided":
        return []
    reasons = []
    for candidate in telling.case.candidates:
        if candidate not in telling.case.vetoed:
            continue
        cause = telling.cause(candidate)
        reasons.append(wording.says(telling.name(candidate), " is ruled out: ", *cause, "."))
    return reasons


def _reasons_for_partly_measured(telling: Telling) -> list[list[Span]]:
    """Candidates that a run broke off: they cannot win before they have tried every item."""
    standings = telling.case.standings
    num_planned = sum(workload.num_items for workload in standings.workloads)
    reasons = []
    for who in telling.case.candidates:
        tried = {name: n for (candidate, name), (_, n) in standings.totals.items() if candidate == who}
        if tried and who not in standings.complete and who not in telling.case.vetoed:
            count = f"{sum(tried.values()):,} of {num_planned:,} items"
            span = Span(text=count, evidence=telling.evidence(who, list(tried)))
            reasons.append(
                wording.says(telling.name(who), " has tried ", span, ", and cannot win before it has tried all.")
            )
    return reasons


def _reasons_for_unmeasured(telling: Telling) -> list[list[Span]]:
    case = telling.case
    tried = {candidate for candidate, _ in case.standings.totals}
    left = [who for who in case.candidates if who not in case.vetoed and who not in tried]
    if not left:
        return []
    if case.standings.totals:
        verb = " was not measured here and is" if len(left) == 1 else " were not measured here and are"
        return [wording.says(telling.names(left), verb, " not in the running.")]
    general = wording.says("Published evidence says what a model costs and allows, not how well it does your work.")
    if case.standings.workloads:
        return [general, wording.says("None of them could run here; each card says what would change that.")]
    evidence = [telling.contenders[who].evidence(telling.ledger) for who in left]
    command = Span(text=f"`seatrial compare {' '.join(left)} --on WORKLOAD`", evidence=evidence)
    return [general, wording.says("What would settle it: ", command, ".")]


def _reason_from_panel(telling: Telling) -> list[list[Span]]:
    """How the reviewers voted on what is shipped, or on the best of what is not."""
    ruling = telling.ruling
    if ruling.decision == "undecided":
        return []
    spoken_of = ruling.chosen or list(dict.fromkeys(each.best for each in ruling.lost)) or list(telling.case.candidates)
    return [_split(telling, who) for who in spoken_of if telling.case.panel[who].cast]


def _split(telling: Telling, candidate: str) -> list[Span]:
    count = telling.case.panel[candidate]
    name = telling.name(candidate)
    split = Span(text=f"{count.ships} of {count.cast}", evidence=name.evidence)
    return wording.says("Of the reviewers who voted on ", name, ", ", split, " would ship it.")
