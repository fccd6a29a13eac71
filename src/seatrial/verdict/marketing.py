"""The claim checker: each marketing line of the candidates' models, held against the evidence.

Catalog entries and measured claims come in, a `MarketingFinding` for each line goes out: supported, contradicted, or
unsupported (which is what a line is until something bears it out). One function for each rule of `catalog.claims`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from seatrial.catalog.claims import BestScoreAmong, CheaperThan, MeasuredOnly, SameApi, TtftBelow, read_terms
from seatrial.catalog.entry import Entry, Fact, MarketingClaim, Price, PublishedScore
from seatrial.catalog.prices import price_on
from seatrial.verdict import wording
from seatrial.verdict.contender import Contender
from seatrial.verdict.document import Claim, MarketingFinding, MarketingStatus, Span
from seatrial.verdict.evidence import Ledger, score_name

# A stated discount counts as borne out within a point: list prices are rounded to whole cents.
_PERCENT_TOLERANCE = 1.0


class Ruling(NamedTuple):
    """What a rule found: the status, the sentence that says why, and a remark for lines on which the catalog makes
    none."""

    status: MarketingStatus
    finding: list[Span]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a rule may look at: the model, the other entries of the catalog, measured claims about it, the day."""

    entry: Entry
    entries: Mapping[str, Entry]
    measured: Sequence[Claim]
    today: date
    ledger: Ledger


def check_marketing(
    contenders: Sequence[Contender],
    entries: Mapping[str, Entry],
    claims: Sequence[Claim],
    *,
    today: date,
    ledger: Ledger,
) -> list[MarketingFinding]:
    """A finding for every marketing line of every model among the candidates."""
    found = []
    for entry in {each.entry.id: each.entry for each in contenders if each.entry is not None}.values():
        ids = {each.id for each in contenders if each.entry is not None and each.entry.id == entry.id}
        bench = Bench(entry, entries, [claim for claim in claims if claim.candidate in ids], today, ledger)
        found += [_finding(line, bench) for line in entry.marketing]
    return found


def _finding(line: MarketingClaim, bench: Bench) -> MarketingFinding:
    terms = read_terms(line.check, dict(line.terms))
    status, spans, remark = _RULES[type(terms)](terms, bench)
    source = bench.ledger.marketing(line)
    if line.note or remark:
        spans = [*spans, Span(text=f" {line.note}" if line.note else remark, evidence=[source])]
    evidence = dict.fromkeys([source, *(who for span in spans for who in span.evidence)])
    return MarketingFinding(model=bench.entry.id, line=line.line, status=status, finding=spans, evidence=list(evidence))


def _cheaper_than(terms: CheaperThan, bench: Bench) -> Ruling:
    other = bench.entries.get(terms.model)
    own_price = price_on(bench.entry, bench.today)
    other_price = price_on(other, bench.today) if other is not None else None
    if own_price is None or other is None or other_price is None:
        return Ruling("unsupported", wording.says("There is no list price for both to compare."))
    evidence = [bench.ledger.fact(own_price), bench.ledger.fact(other_price)]
    saved = [
        100 * (1 - own / against)
        for own, against in (
            (own_price.value.input_usd, other_price.value.input_usd),
            (own_price.value.output_usd, other_price.value.output_usd),
        )
        if against > 0
    ]
    name = Span(text=other.name, evidence=[bench.ledger.entry(other)])
    said = wording.says(
        "List prices are ", Span(text=_saving(saved), evidence=evidence), " those of ", name, ": ",
        Span(text=_side_by_side(own_price.value, other_price.value), evidence=evidence),
    )  # fmt: skip
    low, high = min(saved, default=0.0), max(saved, default=0.0)
    if low - _PERCENT_TOLERANCE <= terms.percent <= high + _PERCENT_TOLERANCE:
        return Ruling("supported", wording.says(*said, "."))
    if low > terms.percent:
        return Ruling("contradicted", wording.says(*said, "."), " The line is wrong in the buyer's favour.")
    return Ruling("contradicted", wording.says(*said, "."), " The line promises more.")


def _side_by_side(own: Price, other: Price) -> str:
    """`$0.25 against $1.25 in, $2 against $10 out`."""
    price = wording.list_price
    return (
        f"{price(own.input_usd)} against {price(other.input_usd)} in, "
        f"{price(own.output_usd)} against {price(other.output_usd)} out"
    )


def _saving(saved: Sequence[float]) -> str:
    low, high = min(saved), max(saved)
    if round(low) == round(high):
        return f"{low:.0f} % below" if low >= 0 else f"{-low:.0f} % above"
    return f"{low:.0f} to {high:.0f} % below"


def _ttft_below(terms: TtftBelow, bench: Bench) -> Ruling:
    limit_s = terms.seconds
    said: list[list[Span]] = []
    verdicts: list[bool | None] = []
    for claim in bench.measured:
        if claim.key == "ttft_p50_s" and isinstance(claim.value, float):
            assert claim.low is not None
            assert claim.high is not None
            verdicts.append(True if claim.high < limit_s else False if claim.low >= limit_s else None)
            said.append(
                [Span(text=f"a median of {wording.seconds(claim.value)} measured here", evidence=claim.evidence)]
            )
    for fact in bench.entry.ttft_s:
        verdicts.append(fact.value < limit_s)
        evidence = [bench.ledger.fact(fact)]
        said.append([Span(text=f"{wording.seconds(fact.value)} ({fact.source.title})", evidence=evidence)])
    if not said:
        return Ruling("unsupported", wording.says("No published time to first token was found, and none was measured."))
    figures = wording.join_spans(said)
    if all(verdict is True for verdict in verdicts):
        return Ruling("supported", wording.says("Time to first token: ", *figures, "."))
    if all(verdict is False for verdict in verdicts):
        return Ruling(
            "contradicted", wording.says("By every figure there is, the first token takes longer: ", *figures, ".")
        )
    return Ruling("unsupported", wording.says("The figures for the first token disagree: ", *figures, "."))


def _same_api(terms: SameApi, bench: Bench) -> Ruling:
    reasons = [
        wording.says("it does not take ", Span(text=f"`{fact.value}`", evidence=[bench.ledger.fact(fact)]))
        for fact in bench.entry.unsupported_parameters
    ]
    for retirement in bench.entry.retirement[:1]:
        when = Span(text=wording.day(retirement.value.on), evidence=[bench.ledger.fact(retirement)])
        reasons.append(wording.says("it shuts down on ", when, ", when the line has to change again"))
    if reasons:
        return Ruling("contradicted", wording.says("One line is not all: ", *wording.join_spans(reasons), "."))
    return Ruling("unsupported", wording.says("Nobody has published a migration that shows it."))


def _best_score_among(terms: BestScoreAmong, bench: Bench) -> Ruling:
    ahead: list[list[Span]] = []
    behind: list[list[Span]] = []
    missing: list[str] = []
    for benchmark, variant, setting in terms.benchmarks:
        own = [fact for fact in bench.entry.scores if fact.value.row[:3] == (benchmark, variant, setting)]
        rivals = [fact for fact in bench.entry.rival_scores if own and fact.value.row == own[0].value.row]
        if not own or not rivals:
            missing.append(benchmark)
            continue
        best = max(rivals, key=lambda fact: (fact.value.value, fact.value.subject))
        (behind if best.value.value > own[0].value.value else ahead).append(_score_pair(own[0], best, bench.ledger))
    not_found = [f" No comparable score was found for {wording.listing(missing, 'or')}."] if missing else []
    if any(any(letter.isdigit() for letter in name) for name in missing):
        not_found = [" For the rest no comparable score was found."]
    if behind:
        return Ruling("contradicted", wording.says("A rival is ahead: ", *wording.join_spans(behind), ".", *not_found))
    if ahead and not missing:
        return Ruling(
            "supported", wording.says("It leads the rivals published beside it: ", *wording.join_spans(ahead), ".")
        )
    if ahead:
        return Ruling("unsupported", wording.says("It leads on ", *wording.join_spans(ahead), ".", *not_found))
    return Ruling("unsupported", wording.says("No score that may be compared was found."))


def _score_pair(own: Fact[PublishedScore], rival: Fact[PublishedScore], ledger: Ledger) -> list[Span]:
    unit = own.value.unit
    text = (
        f"{score_name(own.value)} {own.value.value:g}{_unit(unit)} against {rival.value.value:g}{_unit(unit)} "
        f"for {rival.value.subject}"
    )
    return [Span(text=text, evidence=[ledger.fact(own), ledger.fact(rival)])]


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""


def _measured_only(terms: MeasuredOnly, bench: Bench) -> Ruling:
    what = Span(text=terms.what, evidence=[bench.ledger.entry(bench.entry)])
    return Ruling("unsupported", wording.says("No published figure settles it; only a measurement would: ", what, "."))


_RULES: dict[type, Callable[[Any, Bench], Ruling]] = {
    CheaperThan: _cheaper_than,
    TtftBelow: _ttft_below,
    SameApi: _same_api,
    BestScoreAmong: _best_score_among,
    MeasuredOnly: _measured_only,
}
