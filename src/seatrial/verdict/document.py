"""The verdict as a document: what `verdict.json` holds, `--json` prints and the report page shows.

This module is the schema. The stages of `verdict` fill it in from the top down: evidence and claims, pricing and
marketing, ballots, panel, verdict. Text that speaks about numbers is a list of `Span`s, so that every number stands
beside the evidence it comes from.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec

from seatrial.trial.thumbnails import SMALL_BYTES

DOCUMENT_SCHEMA = "seatrial.verdict/1"

MOST_PICTURES = 40
"""Pictures that a document carries, all items together: of `SMALL_BYTES` each, half a megabyte."""

Kind = Literal["measured", "published", "claimed", "assumed"]
Outcome = Literal["pass", "fail", "unknown"]
Vote = Literal["ship", "skip", "abstain"]
Decision = Literal["ship", "skip", "mix", "undecided"]
MarketingStatus = Literal["supported", "contradicted", "unsupported"]


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a sentence. A span with digits in it names its evidence."""

    text: str
    evidence: list[str] = []


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Something a claim can stand on. `id` starts with `run:` (observations here), `catalog:` (a published or claimed
    fact) or `assumed:` (a setting such as the price of a machine hour)."""

    id: str
    kind: Kind
    text: str
    source: str
    url: str | None = None
    as_of: date | None = None
    n: int | None = None


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A figure about a candidate, with interval, method, n and evidence. `value` None means there is not enough data
    (`note` says how much would be). `against` is set on paired differences (candidate minus `against`); `workload` None
    spans all.

    Keys: see `KEYS` below; `p_value` and `p_adjusted` (Holm over workloads) stand only on tests.
    """

    id: str
    candidate: str
    key: str
    value: float | str | bool | None
    unit: str
    kind: Kind
    evidence: list[str]
    workload: str | None = None
    against: str | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    n: int | None = None
    method: str = ""
    p_value: float | None = None
    p_adjusted: float | None = None
    note: str = ""


KEYS = {
    "quality": "mean score over items, failures counted as 0 (fraction)",
    "quality_difference": "mean paired difference in score against another candidate (fraction)",
    "non_inferior": "is the candidate within the margin of the other's quality? (true, false; None: cannot tell yet)",
    "beats": "is the candidate better than the other, after Holm? (true, false)",
    "worst_cluster": "quality in the cluster where it is lowest (fraction); `note` names the cluster",
    "failure_rate": "observations that ended in an error (fraction)",
    "valid_output_rate": "structured answers that parse and match their schema (fraction)",
    "truncated_rate": "answers cut off by the token limit (fraction)",
    "ttft_p50_s": "median time to first token (seconds)",
    "latency_p50_s": "median time to the whole answer (seconds)",
    "latency_p95_s": "95th percentile of the time to the whole answer (seconds)",
    "latency_p99_s": "99th percentile of the time to the whole answer (seconds)",
    "token_time_p50_s": "median time per output token after the first (seconds)",
    "prompt_tokens_mean": "prompt tokens per item (tokens)",
    "completion_tokens_mean": "completion tokens per item, reasoning included (tokens)",
    "cost_per_1k_usd": "cost of 1,000 tasks (US dollars)",
    "throughput_per_hour": "items per hour as run here (items/hour)",
}


class FactRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the facts table: `label` ("Context"), then one text per disagreeing source, each with its evidence."""

    label: str
    values: list[Span]


class CandidateCard(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate as the page introduces it. `measured` False: `not_measured` says why, `way_out` which command would
    measure it.

    `notices` are what cannot be missed: retirement, non-commercial licence, unsupported parameters.
    """

    id: str
    model: str | None
    name: str
    category: str
    maker: str
    tagline: str
    description: str
    entry: Literal["free", "paid"]
    runs: Literal["local", "hosted", "baseline"]
    licence: str
    measured: bool
    not_measured: str = ""
    way_out: str = ""
    notices: list[list[Span]] = []
    facts: list[FactRow] = []


class WorkloadInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A workload as it was run."""

    name: str
    version: str
    title: str
    task: str
    description: str
    licence: str
    scorer: str
    origin: str
    fingerprint: str
    num_items: int
    num_available: int
    num_clusters: int | None


class CriterionResult(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a reviewer's rubric, applied. `veto` True: failing it alone makes the ballot a skip."""

    name: str
    question: str
    outcome: Outcome
    finding: list[Span]
    veto: bool = False
    weight: float = 1.0


class Ballot(msgspec.Struct, frozen=True, kw_only=True):
    """One reviewer on one candidate. `text` is the spans joined."""

    reviewer: str
    candidate: str
    vote: Vote
    vetoed: bool
    text: str
    spans: list[Span]
    criteria: list[CriterionResult]


class PanelCount(msgspec.Struct, frozen=True, kw_only=True):
    """`ship_pct` = 100 × ships ÷ ballots cast (abstentions are not cast); None reads "—"."""

    ship_pct: float | None
    ships: int
    cast: int


class PricingRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a candidate costs on one workload (`workload` None: all of them together), US dollars per 1,000 tasks."""

    candidate: str
    workload: str | None
    cost_per_1k_usd: float | None
    low: float | None = None
    high: float | None = None
    prompt_tokens_mean: float | None = None
    completion_tokens_mean: float | None = None
    basis: str
    kind: Kind
    evidence: list[str]


class BreakEven(msgspec.Struct, frozen=True, kw_only=True):
    """From how many tasks a month the local candidate costs less than the paid one. None: never, `text` says why."""

    local: str
    paid: str
    tasks_per_month: float | None
    text: list[Span]


class Pricing(msgspec.Struct, frozen=True, kw_only=True):
    """The pricing read. `price_history` holds, per candidate, the dated list prices."""

    machine_usd_per_hour: float
    rows: list[PricingRow]
    break_even: list[BreakEven]
    price_history: dict[str, list[PricePoint]]


class PricePoint(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars per million tokens from a date on (None: since release)."""

    valid_from: date | None
    input_usd: float
    output_usd: float
    cached_input_usd: float | None
    note: str
    evidence: str


class MarketingFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A marketing line held against the evidence."""

    model: str
    line: str
    status: MarketingStatus
    finding: list[Span]
    evidence: list[str]


class ScoreRow(msgspec.Struct, frozen=True, kw_only=True):
    """Published scores that may be compared: same benchmark, variant, setting and unit. `scores` maps candidate or
    rival name to its spans (several where sources differ)."""

    benchmark: str
    variant: str
    setting: str
    unit: str
    scores: dict[str, list[Span]]


class AnswerShown(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate's answer to an item."""

    candidate: str
    text: str | None
    score: float
    failure: str = ""


class PictureShown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A picture, or a frame of a video, that an item asks about; `name` is its file's.

    `data` is a small version of it, WebP, `width` by `height` pixels; None: there is none to show, and `note` says why.
    `full_width` and `full_height` are the original's. `larger` is where the run's folder has a larger version, if
    it has one.
    """

    name: str
    is_video: bool = False
    data: Annotated[bytes, msgspec.Meta(max_length=SMALL_BYTES)] | None = None
    width: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0
    height: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0
    full_width: Annotated[int, msgspec.Meta(ge=0)] = 0
    full_height: Annotated[int, msgspec.Meta(ge=0)] = 0
    larger: Annotated[str, msgspec.Meta(pattern=r"^(pictures/[0-9a-f]{32}-large\.webp)?$")] = ""
    note: str = ""


class ItemDifference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An item on which candidates differ, for people to read. `num_more_pictures` it has beside those listed."""

    workload: str
    item: str
    input: str
    expected: Any
    cluster: str | None
    answers: list[AnswerShown]
    pictures: list[PictureShown] = []
    num_more_pictures: int = 0


class LatencyProfile(msgspec.Struct, frozen=True, kw_only=True):
    """Whole-answer latencies of one candidate on one workload, sorted, seconds, thinned to at most 200 points."""

    candidate: str
    workload: str
    seconds: list[float]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The decision. `candidate` is the one to ship (`ship`), the mix's first rung (`mix`), else None.

    `text` is one sentence; `spans` the same with evidence. `expected_quality` and `expected_cost_per_1k_usd` stand on
    ship and mix; `more_items` on undecided: how many more would settle it, None where more items would not.
    """

    decision: Decision
    candidate: str | None
    text: str
    spans: list[Span]
    reasons: list[list[Span]]
    mix: dict[str, float] = {}
    expected_quality: float | None = None
    expected_cost_per_1k_usd: float | None = None
    more_items: int | None = None


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The run that the document speaks of. `decided_on` is the date the panel judged; `repeat` the command to run
    again."""

    id: str
    created_at: datetime
    decided_on: date
    repeat: str
    seed: int
    margin: float
    purpose: Literal["commercial", "research"]
    concurrency: int
    seatrial_version: str
    environments: list[dict[str, Any]]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """`verdict.json`."""

    schema: str = DOCUMENT_SCHEMA
    run: RunInfo
    candidates: list[CandidateCard]
    workloads: list[WorkloadInfo]
    claims: list[Claim]
    ballots: list[Ballot]
    panel: dict[str, PanelCount]
    pricing: Pricing
    marketing: list[MarketingFinding]
    verdict: Verdict
    evidence: list[Evidence]
    published_scores: list[ScoreRow]
    item_differences: list[ItemDifference]
    latency_profiles: list[LatencyProfile]
