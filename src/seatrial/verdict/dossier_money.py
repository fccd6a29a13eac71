"""The part of a dossier that comes from prices: what a thousand tasks cost, and when a machine of one's own pays for
itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

from seatrial.verdict import wording
from seatrial.verdict.contender import Contender
from seatrial.verdict.document import Pricing, PricingRow
from seatrial.verdict.dossier import NOT_ASKED, Finding, detail, unknown, word


def money_findings(
    contender: Contender, pricing: Pricing, names: dict[str, str], *, measured: bool
) -> dict[str, Finding]:
    """What the prices say about a candidate, by key. `names` is how a sentence calls each candidate."""
    return {**_cost(contender, pricing), **_break_even(contender, pricing, names, measured=measured)}


def _cost(contender: Contender, pricing: Pricing) -> dict[str, Finding]:
    row = next((row for row in pricing.rows if row.candidate == contender.id and row.workload is None), None)
    if row is None or row.cost_per_1k_usd is None:
        return {"cost_per_1k_usd": unknown("no cost is known")}
    about = "" if row.kind == "measured" else "about "
    text = f"{about}{wording.usd(row.cost_per_1k_usd)}"
    evidence = tuple(row.evidence)
    line = detail(f"{text} per 1,000 tasks", evidence)
    found = {"cost_per_1k_usd": Finding(row.cost_per_1k_usd, text, evidence, line, row.low, row.high)}
    dearest = _dearest(pricing.rows)
    if dearest is not None and dearest.candidate != contender.id and row.cost_per_1k_usd > 0:
        assert dearest.cost_per_1k_usd is not None
        times = dearest.cost_per_1k_usd / row.cost_per_1k_usd
        if times >= 2:
            found["saves"] = word(f"{wording.rough(times)} times less", (*evidence, *dearest.evidence))
    return found


def _dearest(rows: Sequence[PricingRow]) -> PricingRow | None:
    priced = [row for row in rows if row.workload is None and row.cost_per_1k_usd is not None]
    return max(priced, key=lambda row: (row.cost_per_1k_usd or 0.0, row.candidate), default=None)


def _break_even(contender: Contender, pricing: Pricing, names: dict[str, str], *, measured: bool) -> dict[str, Finding]:
    """Unknown where the candidate was not measured: nobody knows then whether one machine can do as many tasks."""
    against_paid = [each for each in pricing.break_even if each.local == contender.id]
    if not against_paid:
        return {"break_even_tasks": NOT_ASKED}
    priced = {row.candidate for row in pricing.rows if row.workload is None and row.cost_per_1k_usd is not None}
    judged = [each for each in against_paid if each.paid in priced]
    if not judged:
        return {"break_even_tasks": unknown("no price to break even with")}
    soonest = min(
        judged, key=lambda each: (math.inf if each.tasks_per_month is None else each.tasks_per_month, each.paid)
    )
    evidence = tuple(dict.fromkeys(who for span in soonest.text for who in span.evidence))
    against = word(names[soonest.paid], evidence)
    if soonest.tasks_per_month is None:
        line = detail("never on one machine at the speed measured", evidence)
        return {"break_even_tasks": Finding(math.inf, "", evidence, line), "break_even_against": against}
    text = wording.rough(soonest.tasks_per_month)
    if not measured:
        line = detail(f"from {text} tasks a month, if one machine can do as many", evidence)
        return {"break_even_tasks": Finding(detail=line), "break_even_against": against}
    line = detail(f"from {text} tasks a month, against {names[soonest.paid]}", evidence)
    return {
        "break_even_tasks": Finding(soonest.tasks_per_month, text, evidence, line),
        "break_even_against": against,
    }
