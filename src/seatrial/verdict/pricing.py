"""The pricing read: what a thousand tasks cost with each candidate, and what its list price has been.

Slices, the catalog's prices and the price of a machine hour come in, `PricingRow`s go out: `measured` where a candidate
ran here, `assumed` where its cost is reckoned from another candidate's tokens or from a task of a stated size. Pictures
and videos have other tokens in every model, so nothing is reckoned where items show any.

A hosted model costs its tokens. A local one, or a baseline, costs the machine for as long as it was busy; electricity
is not counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from seatrial.catalog.entry import Fact, Price
from seatrial.catalog.prices import cost_usd, price_on
from seatrial.chat import Usage
from seatrial.trial.record import ItemRecord, Observation
from seatrial.verdict import wording
from seatrial.verdict.contender import Contender
from seatrial.verdict.document import PricePoint, PricingRow
from seatrial.verdict.evidence import Ledger
from seatrial.verdict.slices import Slice, Slices

ASSUMED_PROMPT_TOKENS = 1_000
ASSUMED_COMPLETION_TOKENS = 200
_TASKS = 1_000
_S_PER_HOUR = 3_600


@dataclass(frozen=True, slots=True)
class Rates:
    """What things cost: the day whose list prices hold, and an hour of the machine."""

    today: date
    machine_usd_per_hour: float


def price_rows(
    contenders: Sequence[Contender], slices: Slices, items: Sequence[ItemRecord], rates: Rates, ledger: Ledger
) -> list[PricingRow]:
    """A row for each candidate over all workloads, after one for each workload it has a cost on, or might have had.

    `items` is what was asked; it tells which workloads show more than text.
    """
    shown = _shown(items)
    model = _token_model(contenders, {key: each for key, each in slices.items() if each.workload.name not in shown})
    rows: list[PricingRow] = []
    for contender in contenders:
        own = [each for (candidate, _), each in slices.items() if candidate == contender.id]
        if own:
            rows += [_measured_row(contender, [each], each.workload.name, rates, ledger) for each in own]
            rows.append(_measured_row(contender, own, None, rates, ledger))
        elif contender.runs != "hosted":
            rows.append(
                _unknown_row(contender, "Not measured here, so the machine time it needs is not known.", ledger)
            )
        else:
            rows += _unmeasured_rows(contender, model, shown, rates, ledger)
    return rows


def price_history(contenders: Sequence[Contender], ledger: Ledger) -> dict[str, list[PricePoint]]:
    """The dated list prices of every candidate that has any, earliest first."""
    history = {}
    for contender in contenders:
        facts = sorted(
            contender.entry.prices if contender.entry else (), key=lambda fact: fact.value.valid_from or date.min
        )
        if facts:
            history[contender.id] = [_price_point(fact, ledger) for fact in facts]
    return history


def _measured_row(
    contender: Contender, own: Sequence[Slice], workload: str | None, rates: Rates, ledger: Ledger
) -> PricingRow:
    from seatrial.stats.estimate import Estimate
    from seatrial.stats.intervals import mean

    evidence = [ledger.measured(each.workload.name, each.candidate, each.n) for each in own]
    if contender.runs == "hosted":
        costs, basis, priced_by = _token_costs(contender, own, rates, ledger)
    else:
        costs = [cost for each in own for cost in _machine_costs(each, rates)]
        basis = f"Machine time used here, at {wording.list_price(rates.machine_usd_per_hour)} an hour."
        priced_by = [ledger.machine_hour(rates.machine_usd_per_hour)]
    if not costs:
        return _unknown_row(contender, basis, ledger, workload)
    estimate = mean(costs, level=0.95)
    prompt, completion = _mean_tokens(own)
    return PricingRow(
        candidate=contender.id,
        workload=workload,
        cost_per_1k_usd=_TASKS * sum(costs) / len(costs),
        low=_TASKS * max(0.0, estimate.low) if isinstance(estimate, Estimate) else None,
        high=_TASKS * estimate.high if isinstance(estimate, Estimate) else None,
        prompt_tokens_mean=prompt,
        completion_tokens_mean=completion,
        basis=basis,
        kind="measured",
        evidence=evidence + priced_by,
    )


def _token_costs(
    contender: Contender, own: Sequence[Slice], rates: Rates, ledger: Ledger
) -> tuple[list[float], str, list[str]]:
    """What each answer cost: as recorded with it, else its tokens at today's list price."""
    fact = _price(contender, rates.today, None)
    costs = [cost for each in own for seen in each.observations if (cost := _paid(seen, contender, rates)) is not None]
    if not costs:
        missing = "a price" if fact is None else "token counts from its server"
        return [], f"There is no cost without {missing} for `{contender.id}`.", []
    return costs, "Tokens used here, at list price.", [ledger.fact(fact)] if fact is not None else []


def _paid(seen: Observation, contender: Contender, rates: Rates) -> float | None:
    if seen.cost_usd is not None:
        return seen.cost_usd
    if seen.prompt_tokens is None or seen.completion_tokens is None:
        return None
    fact = _price(contender, rates.today, seen.prompt_tokens)
    usage = Usage(seen.prompt_tokens, seen.completion_tokens, cached_tokens=seen.cached_tokens or 0)
    return None if fact is None else cost_usd(fact.value, usage)


def _machine_costs(each: Slice, rates: Rates) -> list[float]:
    """Each item's part of the busy time, by its latency. Requests overlap, so latencies add up to more than the machine
    was busy: with 10 s busy and latencies of 8 s and 12 s, the items take 4 s and 6 s of it."""
    latencies = [seen.latency_s for seen in each.observations if seen.latency_s is not None]
    if not latencies or sum(latencies) == 0:
        return []
    usd_per_latency_s = rates.machine_usd_per_hour / _S_PER_HOUR * each.busy_s / sum(latencies)
    return [usd_per_latency_s * latency_s for latency_s in latencies]


def _shown(items: Sequence[ItemRecord]) -> dict[str, str]:
    """What the items of a workload show beside text, `pictures and videos`; only workloads where any does."""
    kinds: dict[str, set[str]] = {}
    for item in items:
        for picture in item.pictures:
            kinds.setdefault(item.workload, set()).add("videos" if picture.is_video else "pictures")
    return {workload: " and ".join(sorted(found)) for workload, found in kinds.items()}


def _unmeasured_rows(
    contender: Contender, model: Sequence[Slice], shown: Mapping[str, str], rates: Rates, ledger: Ledger
) -> list[PricingRow]:
    """A paid candidate that was not measured. Its cost over all workloads is unknown as soon as one of them shows more
    than text: the others alone would pass for the whole."""
    rows = [_estimated_row(contender, [each], each.workload.name, rates, ledger) for each in model]
    if shown:
        basis = _why_no_estimate(shown) if _price(contender, rates.today, None) else _no_price(contender)
        return rows + [_unknown_row(contender, basis, ledger, workload) for workload in (*shown, None)]
    if model:
        return [*rows, _estimated_row(contender, model, None, rates, ledger)]
    return [_assumed_row(contender, rates, ledger)]


def _why_no_estimate(shown: Mapping[str, str]) -> str:
    items = wording.listing([f"items of `{workload}` show {things}" for workload, things in shown.items()])
    return (
        f"Not measured, and not estimated: {items}, whose tokens differ from model to model. Only measuring can tell."
    )


def _no_price(contender: Contender) -> str:
    return f"The catalog has no price for `{contender.id}`."


def _estimated_row(
    contender: Contender, model: Sequence[Slice], workload: str | None, rates: Rates, ledger: Ledger
) -> PricingRow:
    """A paid candidate that was not measured, at the tokens another one used."""
    prompt, completion = _mean_tokens(model)
    assert prompt is not None
    assert completion is not None
    fact = _price(contender, rates.today, round(prompt))
    if fact is None:
        return _unknown_row(contender, _no_price(contender), ledger, workload)
    return PricingRow(
        candidate=contender.id,
        workload=workload,
        cost_per_1k_usd=_TASKS * _cost(fact.value, prompt, completion),
        prompt_tokens_mean=prompt,
        completion_tokens_mean=completion,
        basis=f"Not measured: list price at the tokens that `{model[0].candidate}` used, reasoning not counted.",
        kind="assumed",
        evidence=[
            ledger.fact(fact),
            *(ledger.measured(each.workload.name, each.candidate, each.n) for each in model),
        ],
    )


def _assumed_row(contender: Contender, rates: Rates, ledger: Ledger) -> PricingRow:
    """A paid candidate when nothing was measured at all: a task of a stated size."""
    fact = _price(contender, rates.today, ASSUMED_PROMPT_TOKENS)
    if fact is None:
        return _unknown_row(contender, _no_price(contender), ledger)
    size = f"{ASSUMED_PROMPT_TOKENS:,} tokens in and {ASSUMED_COMPLETION_TOKENS:,} out"
    return PricingRow(
        candidate=contender.id,
        workload=None,
        cost_per_1k_usd=_TASKS * _cost(fact.value, ASSUMED_PROMPT_TOKENS, ASSUMED_COMPLETION_TOKENS),
        prompt_tokens_mean=ASSUMED_PROMPT_TOKENS,
        completion_tokens_mean=ASSUMED_COMPLETION_TOKENS,
        basis=f"Nothing measured: list price for an assumed task of {size}.",
        kind="assumed",
        evidence=[ledger.fact(fact), ledger.assumed("task-size", f"A task takes {size}")],
    )


def _unknown_row(contender: Contender, basis: str, ledger: Ledger, workload: str | None = None) -> PricingRow:
    return PricingRow(
        candidate=contender.id,
        workload=workload,
        cost_per_1k_usd=None,
        basis=basis,
        kind="assumed",
        evidence=[contender.evidence(ledger)],
    )


def _token_model(contenders: Sequence[Contender], slices: Slices) -> list[Slice]:
    """The slices whose tokens stand in for a candidate that was not measured: those of the best-scoring candidate that
    tells its tokens on every workload it ran."""
    best: tuple[float, str] | None = None
    found: list[Slice] = []
    for contender in contenders:
        own = [each for (candidate, _), each in slices.items() if candidate == contender.id]
        if contender.runs == "baseline" or not own or any(None in _mean_tokens([each]) for each in own):
            continue
        loss = 1 - sum(sum(each.scores) for each in own) / sum(each.n for each in own)
        if best is None or (loss, contender.id) < best:
            best, found = (loss, contender.id), own
    return found


def _mean_tokens(own: Sequence[Slice]) -> tuple[float | None, float | None]:
    counted = [seen for each in own for seen in each.answered]
    prompt = [seen.prompt_tokens for seen in counted if seen.prompt_tokens is not None]
    completion = [seen.completion_tokens for seen in counted if seen.completion_tokens is not None]
    return (
        sum(prompt) / len(prompt) if prompt else None,
        sum(completion) / len(completion) if completion else None,
    )


def _price(contender: Contender, today: date, prompt_tokens: int | None) -> Fact[Price] | None:
    if contender.entry is None or contender.runs != "hosted":
        return None
    return price_on(contender.entry, today, prompt_tokens)


def _cost(price: Price, prompt_tokens: float, completion_tokens: float) -> float:
    return (prompt_tokens * price.input_usd + completion_tokens * price.output_usd) / 1e6


def _price_point(fact: Fact[Price], ledger: Ledger) -> PricePoint:
    above = fact.value.above_prompt_tokens
    notes = [f"for prompts above {above:,} tokens" if above else "", fact.note]
    return PricePoint(
        valid_from=fact.value.valid_from,
        input_usd=fact.value.input_usd,
        output_usd=fact.value.output_usd,
        cached_input_usd=fact.value.cached_input_usd,
        note="; ".join(note for note in notes if note),
        evidence=ledger.fact(fact),
    )
