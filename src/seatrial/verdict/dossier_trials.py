"""The part of a dossier that comes from measurements: did it run, does it fail, how fast, how good, how far from the
best.

Standings come in, findings go out. Where a candidate was not measured every finding is unknown and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seatrial.verdict import wording
from seatrial.verdict.document import Claim
from seatrial.verdict.dossier import NOT_ASKED, Finding, detail, unknown, word
from seatrial.verdict.evidence import Ledger
from seatrial.verdict.standing import FLOOR, Standings

_TRIAL_KEYS = (
    "ran_here", "num_items", "failure_rate", "valid_output_rate", "latency_p95_s",
    "fit", "good_enough", "worst_cluster_gap",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """The field a candidate is seen in. `rivals` are the complete candidates that nobody vetoes (all complete ones if
    everything is vetoed), `names` how each is called."""

    standings: Standings
    rivals: tuple[str, ...]
    names: dict[str, str]
    ledger: Ledger

    @property
    def served(self) -> list[str]:
        """The workloads that some rival is fit for, or may be; all of them if there is none."""
        names = [workload.name for workload in self.standings.workloads]
        fit = [name for name in names if any(self.standings.fit(who, name) is not False for who in self.rivals)]
        return fit or names

    @property
    def best(self) -> str | None:
        """The reference: the best of the rivals over the workloads served."""
        return self.standings.best(self.rivals, self.served)

    def evidence(self, candidate: str, workloads: Sequence[str]) -> tuple[str, ...]:
        """What a candidate's figures on these workloads stand on."""
        totals = self.standings.totals
        return tuple(
            self.ledger.measured(name, candidate, totals[candidate, name][1])
            for name in workloads
            if (candidate, name) in totals
        )


def trial_findings(candidate: str, field: Field) -> dict[str, Finding]:
    """What the trial says about a candidate, by key."""
    standings = field.standings
    tried = [work.name for work in standings.workloads if (candidate, work.name) in standings.totals]
    if not tried:
        unseen = word("not measured here", ())
        return {**{key: unknown(unseen.text) for key in _TRIAL_KEYS}, "unseen": unseen}
    found = {
        **_coverage(candidate, tried, field),
        **_worst_rate(candidate, "failure_rate", "requests failed", field, max),
        **_structure(candidate, field),
        **_latency(candidate, field),
        **_quality_words(candidate, tried, field),
        **_slices(candidate, field),
    }
    if candidate not in standings.complete:
        return {
            **found,
            "fit": unknown("not measured on every item"),
            "good_enough": unknown("not measured on every item"),
        }
    return {**found, **_fit(candidate, field), **_standing(candidate, field)}


def _coverage(candidate: str, tried: Sequence[str], field: Field) -> dict[str, Finding]:
    standings = field.standings
    complete = candidate in standings.complete
    evidence = field.evidence(candidate, tried)
    num_tried = sum(standings.totals[candidate, name][1] for name in tried)
    num_planned = sum(workload.num_items for workload in standings.workloads)
    fewest, where = min((standings.totals[candidate, name][1], name) for name in tried)
    coverage = detail(f"{num_tried:,} of {num_planned:,} items run", evidence)
    size = detail(f"{fewest:,} items in `{where}`", evidence)
    return {
        "ran_here": Finding(complete, evidence=evidence, detail=coverage),
        "num_items": Finding(fewest, f"{fewest:,} items", evidence, size),
    }  # fmt: skip


def _worst_rate(
    candidate: str, key: str, what: str, field: Field, worst: Callable[[list[tuple[float, str]]], tuple[float, str]]
) -> dict[str, Finding]:
    claims = _claims(candidate, key, field)
    if not claims:
        return {key: unknown("not measured here")}
    value, workload = worst([(float(claim.value or 0.0), claim.workload or "") for claim in claims])
    claim = next(each for each in claims if each.workload == workload)
    evidence = tuple(claim.evidence)
    line = f"{wording.percent(value)} of {claim.n:,} {what} on `{workload}`"
    said = "none" if key == "failure_rate" and value == 0 else wording.percent(value)
    found = {key: Finding(value, said, evidence, detail(line, evidence), claim.low, claim.high)}
    if key == "failure_rate" and value > 0:
        found["failing_workload"] = word(f"`{workload}`", evidence)
    return found


def _structure(candidate: str, field: Field) -> dict[str, Finding]:
    if not any(workload.structured for workload in field.standings.workloads):
        return {"valid_output_rate": NOT_ASKED}
    return _worst_rate(candidate, "valid_output_rate", "answers readable", field, min)


def _latency(candidate: str, field: Field) -> dict[str, Finding]:
    claims = _claims(candidate, "latency_p95_s", field)
    if not claims:
        return {"latency_p95_s": unknown("too few answers to tell the tail")}
    claim = max(claims, key=lambda each: (float(each.value or 0.0), each.workload or ""))
    value, evidence = float(claim.value or 0.0), tuple(claim.evidence)
    line = f"95 % of answers within {wording.seconds(value)} on `{claim.workload}`"
    return {
        "latency_p95_s": Finding(
            value, wording.seconds(value), evidence, detail(line, evidence), claim.low, claim.high
        ),
        "slow_workload": word(f"`{claim.workload}`", evidence),
    }


def _quality_words(candidate: str, tried: Sequence[str], field: Field) -> dict[str, Finding]:
    """Quality over the workloads that anything here is fit for, and the weakest of all."""
    standings = field.standings
    judged = [name for name in field.served if name in tried] or list(tried)
    n = sum(standings.totals[candidate, name][1] for name in judged)
    if len(judged) == 1:
        claim = standings.claim("quality", candidate, judged[0])
    else:
        claim = standings.overall.get(candidate) if len(judged) == len(tried) else None
    low, high = (claim.low, claim.high) if claim is not None else (None, None)
    noun = "items" if len(judged) == len(tried) else f"items of {wording.listing([f'`{name}`' for name in judged])}"
    text = wording.share_of(standings.quality(candidate, judged), low, high, n, noun)
    found = {"quality": word(text, field.evidence(candidate, judged))}
    if len(tried) > 1:
        value, weakest = min((standings.quality(candidate, [name]), name) for name in tried)
        found["weakest"] = word(f"`{weakest}`, at {wording.percent(value)}", field.evidence(candidate, [weakest]))
    return found


def _slices(candidate: str, field: Field) -> dict[str, Finding]:
    """The worst cluster of all workloads, as quality lost beside the whole. The interval is that of the cluster."""
    if not any(workload.clustered for workload in field.standings.workloads):
        return {"worst_cluster_gap": NOT_ASKED}
    gaps = []
    for claim in _claims(candidate, "worst_cluster", field):
        whole = field.standings.claim("quality", candidate, claim.workload or "")
        if whole is not None and isinstance(whole.value, float) and isinstance(claim.value, float):
            gaps.append((whole.value - claim.value, whole.value, claim))
    if not gaps:
        return {"worst_cluster_gap": unknown("too few answers in each cluster")}
    gap, whole_value, claim = max(gaps, key=lambda each: (each[0], each[2].workload or ""))
    evidence = tuple(claim.evidence)
    cluster = claim.note.partition(": ")[0]
    said = f"{cluster}, at {wording.percent(float(claim.value or 0.0))}"
    return {
        "worst_cluster_gap": Finding(
            gap,
            wording.points(gap),
            evidence,
            detail(f"{claim.note}: {wording.percent(float(claim.value or 0.0))}", evidence),
            whole_value - claim.high if claim.high is not None else None,
            whole_value - claim.low if claim.low is not None else None,
        ),
        "worst_cluster": word(said, evidence),
    }


def _fit(candidate: str, field: Field) -> dict[str, Finding]:
    """Fit for the workloads that anything here is fit for. A specialist counts as fit if it is where it leads."""
    standings = field.standings
    value = standings.fit_on(candidate, field.served)
    if value is False and any(standings.fit(candidate, name) is not False for name in _specialty(candidate, field)):
        value = True
    names = [workload.name for workload in standings.workloads]
    text = wording.percent(FLOOR)
    floor = field.ledger.assumed("floor", f"Below {text} a candidate is unfit")
    evidence = (*field.evidence(candidate, names), floor)
    if candidate == standings.majority:
        return {"fit": Finding(value, evidence=evidence, detail=detail("the answer that never looks at the question"))}
    groups = [
        f"{said} {wording.listing([f'`{name}`' for name in concerned])}"
        for answer, said in ((True, "fit for"), (None, "not settled for"), (False, "unfit for"))
        if (concerned := [name for name in names if standings.fit(candidate, name) is answer])
    ]
    return {"fit": Finding(value, evidence=evidence, detail=detail("; ".join(groups), evidence))}


def _standing(candidate: str, field: Field) -> dict[str, Finding]:
    """How far from the best measured."""
    best, served, standings = field.best, field.served, field.standings
    if best is None or set(field.rivals) <= {candidate}:
        return {"good_enough": NOT_ASKED}
    evidence = tuple(dict.fromkeys([*field.evidence(candidate, served), *field.evidence(best, served)]))
    if candidate == best:
        return _standing_of_best(candidate, field, evidence)
    found = {"reference": word(field.names[best], evidence)}
    gaps = [(standings.difference(candidate, best, name), name) for name in served]
    known = [(difference, name) for difference, name in gaps if difference is not None]
    if not known:
        return {**found, "good_enough": unknown("too few items in common with the best")}
    value = standings.good_enough(candidate, best, served)
    if value is None and any(standings.beats(best, candidate, name) for name in served):
        value = False
    lowest, workload = min(known)
    line = f"{wording.points(lowest)} {'behind' if lowest < 0 else 'ahead of'} {field.names[best]} on `{workload}`"
    if lowest < 0:
        found["short_by"] = word(wording.points(lowest), evidence)
        found["short_workload"] = word(f"`{workload}`", evidence)
    specialty = _specialty(candidate, field)
    if specialty:
        value = True
        names = wording.listing([f"`{name}`" for name in specialty])
        line = f"the best on {names}; {line}"
        found["specialty"] = word(names, evidence)
    return {**found, "good_enough": Finding(value, evidence=evidence, detail=detail(line, evidence))}


def _standing_of_best(candidate: str, field: Field, evidence: tuple[str, ...]) -> dict[str, Finding]:
    """The best measured is good enough if it is good: unfit or not settled, it is neither."""
    fit = field.standings.fit_on(candidate, field.served)
    line = "the best measured here"
    if fit is not True:
        line += ", and unfit all the same" if fit is False else ", and not shown to be fit"
    found = {"good_enough": Finding(fit, evidence=evidence, detail=detail(line, evidence))}
    return {**found, "leads": word(field.names[candidate], evidence)} if fit else found


def _specialty(candidate: str, field: Field) -> list[str]:
    """The workloads on which it clearly beats the best candidate overall, and is fit."""
    best, standings = field.best, field.standings
    if best is None or best == candidate:
        return []
    return [
        name
        for name in field.served
        if standings.clearly_beats(candidate, best, name) and standings.fit(candidate, name) is not False
    ]


def _claims(candidate: str, key: str, field: Field) -> list[Claim]:
    """The claims of that key on each workload that have a value."""
    found = [field.standings.claim(key, candidate, workload.name) for workload in field.standings.workloads]
    return [claim for claim in found if claim is not None and claim.value is not None]
