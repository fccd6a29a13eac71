"""What a reviewer reads about a candidate: findings by key, each with its value, how it is said, and its evidence.

This module defines the keys. `dossier_facts`, `dossier_trials` and `dossier_money` fill them in from the catalog, the
measured claims and the prices; a rubric's criteria and texts may name no other key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from seatrial.verdict import wording
from seatrial.verdict.document import Span

Value = float | bool | None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found out about a candidate.

    `value` is what a criterion compares (None: unknown), with its interval where it has one. `text` is how a sentence
    says it; empty: it cannot be said, and phrasings that would say it are passed over. `detail` is a neutral line for
    the scorecard. `applies` False drops the criterion from the ballot: there is nothing to ask.
    """

    value: Value = None
    text: str = ""
    evidence: tuple[str, ...] = ()
    detail: tuple[Span, ...] = ()
    low: float | None = None
    high: float | None = None
    applies: bool = True


Dossier = Mapping[str, Finding]


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the dossier. `say` words a threshold of it. Only a key that is `published` may carry a veto: a veto must
    not hang on how a measurement fell out."""

    kind: Literal["number", "truth", "word"]
    meaning: str
    say: Callable[[float], str] = str
    published: bool = False


KEYS: Mapping[str, Key] = {
    # from the catalog
    "licence_fits": Key("truth", "do the licence's terms allow the purpose?", published=True),
    "retires_in_days": Key("number", "days until it is switched off", lambda n: wording.days(int(n)), published=True),
    "api_gaps": Key("number", "parameters of the OpenAI API it refuses (hosted)", wording.whole),
    "weights_in_hand": Key("truth", "can its weights be kept?"),
    "device_memory_gb": Key("number", "memory it needs (GB)", lambda gb: f"{gb:g} GB"),
    "price_vs_market": Key("number", "its price over its cheapest competitor's (hosted)", lambda x: f"{x:g} times"),
    "context_tokens": Key("number", "context (tokens)", lambda n: f"{n:,.0f} tokens"),
    "age_days": Key("number", "days since its release", lambda n: wording.days(int(n))),
    "rivals_ahead_share": Key("number", "comparable published scores on which a rival leads", wording.percent),
    "contradicted_claims": Key("number", "marketing lines that the evidence contradicts", wording.whole),
    # from the trial
    "ran_here": Key("truth", "did it run here, on every item?"),
    "num_items": Key("number", "items in its smallest workload", wording.whole),
    "failure_rate": Key("number", "failed requests, worst workload", wording.percent),
    "valid_output_rate": Key("number", "readable structured answers, worst workload", wording.percent),
    "latency_p95_s": Key("number", "95th percentile of the whole answer, slowest workload (s)", wording.seconds),
    "fit": Key("truth", "does it do the work at all?"),
    "good_enough": Key("truth", "is it within the margin of the best measured?"),
    "worst_cluster_gap": Key("number", "quality lost in its worst cluster (fraction)", wording.points),
    # from prices
    "cost_per_1k_usd": Key("number", "cost of 1,000 tasks (US dollars)", wording.usd),
    "break_even_tasks": Key("number", "tasks a month that pay for the machine", wording.rough),
    # words, known or not by what the candidate is
    "name": Key("word", "its name; always known"),
    "baseline": Key("word", "its name, if it is a baseline"),
    "own_machine": Key("word", "“your own machine”, if it is a local model"),
    "maker": Key("word", "who runs it, if it is hosted"),
    "licence": Key("word", "its licence"),
    "retires_on": Key("word", "the day it is switched off"),
    "retires_when": Key("word", "“in 19 days”, “12 days ago”"),
    "replacement": Key("word", "what its maker names instead"),
    "refused": Key("word", "the API parameters it refuses"),
    "parameters": Key("word", "its size"),
    "released_on": Key("word", "the day it came out"),
    "market_name": Key("word", "the cheapest competitor, where it is cheaper"),
    "market_price": Key("word", "that competitor's list price"),
    "rival": Key("word", "the rival that is ahead by most"),
    "rival_score": Key("word", "the score on which that rival is ahead"),
    "bad_line": Key("word", "a marketing line that the evidence contradicts"),
    "quality": Key("word", "its quality over all items, with n and interval"),
    "weakest": Key("word", "its weakest workload with its quality there"),
    "slow_workload": Key("word", "the workload on which it is slowest"),
    "failing_workload": Key("word", "the workload on which it fails most"),
    "unseen": Key("word", "holds if it was not measured here; a condition"),
    "leads": Key("word", "its name, if it is the best measured over all"),
    "specialty": Key("word", "the workloads on which it clearly beats the best over all"),
    "reference": Key("word", "the best measured, if that is another one"),
    "short_by": Key("word", "by how much it is behind the best, where it is most"),
    "short_workload": Key("word", "the workload on which it is furthest behind"),
    "worst_cluster": Key("word", "the cluster where it is worst, with its quality there"),
    "break_even_against": Key("word", "the paid candidate it would replace soonest"),
    "saves": Key("word", "what it costs beside the dearest candidate measured"),
}  # fmt: skip


def known(dossier: Dossier, key: str) -> bool:
    """Can a sentence say this?"""
    finding = dossier.get(key)
    return finding is not None and bool(finding.text)


def word(text: str, evidence: tuple[str, ...]) -> Finding:
    """A finding that is only ever said, never compared."""
    return Finding(text=text, evidence=evidence)


def detail(text: str, evidence: tuple[str, ...] = ()) -> tuple[Span, ...]:
    """A line of a scorecard that stands on one set of evidence."""
    return (Span(text=text, evidence=list(evidence)),)


def unknown(why: str) -> Finding:
    """Nothing is known; `why` has no digits in it."""
    return Finding(detail=detail(why))


NOT_ASKED = Finding(applies=False)
