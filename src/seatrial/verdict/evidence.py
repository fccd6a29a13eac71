"""The ledger of evidence: what claims, sentences and rows stand on, each under one id.

Facts, measured slices and assumptions come in as they are used, ids go out; `listed` gives every piece that was used
and no other. Ids: `run:<workload>:<candidate>` for what was measured here, `catalog:<fact id>` (or `catalog:<model>`
for an entry as such) for what is published or claimed, `assumed:<setting>` for what was set by whoever asked, or by a
rubric.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from seatrial.catalog.entry import Entry, Fact, Licence, MarketingClaim, Price, PublishedScore, Retirement
from seatrial.trial.record import Run
from seatrial.verdict import wording
from seatrial.verdict.document import Evidence


class Ledger:
    """Collects evidence as it is used. Adding the same piece twice gives the same id."""

    def __init__(self, run: Run) -> None:
        self._run_id = run.manifest.id
        self._measured_on = run.manifest.created_at.date()
        self._by_id: dict[str, Evidence] = {}

    def measured(self, workload: str, candidate: str, n: int) -> str:
        """What `candidate` did on `workload`: `n` observations of this run."""
        return self._add(
            Evidence(
                id=f"run:{workload}:{candidate}",
                kind="measured",
                text=f"{n:,} answers of {candidate} to the items of {workload}",
                source=f"run {self._run_id}, observations.jsonl",
                as_of=self._measured_on,
                n=n,
            )
        )

    def fact(self, fact: Fact[Any]) -> str:
        """A fact of the catalog."""
        note = f" ({fact.note})" if fact.note else ""
        return self._add(
            Evidence(
                id=f"catalog:{fact.id}",
                kind=fact.source.kind,
                text=f"{fact.id}: {describe(fact.value)}{note}",
                source=fact.source.title,
                url=fact.source.url,
                as_of=fact.source.as_of,
            )
        )

    def marketing(self, claim: MarketingClaim) -> str:
        """A marketing line, as its source has it."""
        return self._add(
            Evidence(
                id=f"catalog:{claim.id}",
                kind="claimed",
                text=f"“{claim.line}”",
                source=claim.source.title,
                url=claim.source.url,
                as_of=claim.source.as_of,
            )
        )

    def entry(self, entry: Entry) -> str:
        """A model as the catalog names it."""
        return self._add(
            Evidence(
                id=f"catalog:{entry.id}",
                kind="published",
                text=f"{entry.name}, by {entry.maker}, as the catalog lists it",
                source="the model catalog",
            )
        )

    def assumed(self, name: str, text: str, source: str = "as set for this verdict") -> str:
        """A setting: the price of a machine hour, a reviewer's threshold, the day of the decision."""
        return self._add(Evidence(id=f"assumed:{name}", kind="assumed", text=text, source=source))

    def machine_hour(self, usd_per_hour: float) -> str:
        """What an hour of the machine that runs local candidates is taken to cost."""
        return self.assumed("machine-usd-per-hour", f"An hour of the machine costs {wording.list_price(usd_per_hour)}")

    def decision_day(self, today: date) -> str:
        """The day the panel judged."""
        return self.assumed("decision-date", f"Decided on {wording.day(today)}")

    def listed(self) -> list[Evidence]:
        """All evidence used, by id."""
        return [self._by_id[who] for who in sorted(self._by_id)]

    def _add(self, evidence: Evidence) -> str:
        self._by_id.setdefault(evidence.id, evidence)
        return evidence.id


def describe(value: object) -> str:
    """A fact's value in words."""
    match value:
        case Licence():
            return f"{value.name}, commercial use {'allowed' if value.commercial else 'not allowed'}"
        case Price():
            return price_text(value)
        case Retirement():
            replacement = f", replacement {value.replacement}" if value.replacement else ""
            return f"shuts down on {wording.day(value.on)}{replacement}"
        case PublishedScore():
            return f"{score_name(value)} of {value.subject}: {value.value:g} {value.unit}"
        case bool():
            return "yes" if value else "no"
        case date():
            return wording.day(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.6g}" if value < 1e6 else wording.rough(value)
        case _:
            return str(value)


def price_text(price: Price) -> str:
    """`$0.25 in, $0.025 in when cached, $2 out per million tokens`."""
    cached = (
        f"{wording.list_price(price.cached_input_usd)} in when cached, " if price.cached_input_usd is not None else ""
    )
    above = f" for prompts above {price.above_prompt_tokens:,} tokens" if price.above_prompt_tokens else ""
    since = f" from {wording.day(price.valid_from)}" if price.valid_from else ""
    return (
        f"{wording.list_price(price.input_usd)} in, {cached}{wording.list_price(price.output_usd)} out "
        f"per million tokens{above}{since}"
    )


def score_name(score: PublishedScore) -> str:
    """`AIME 2025 (no_think)`: the benchmark with variant and setting."""
    details = ", ".join(part for part in (score.variant, score.setting) if part)
    return f"{score.benchmark} ({details})" if details else score.benchmark
