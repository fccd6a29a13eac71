"""The records of a trial, as they stand on disk and in memory.

A run folder holds `run.json` (a `RunManifest`), `items.jsonl` (what was asked, as `ItemRecord`s) and
`observations.jsonl` (one `Observation` a line, appended and flushed as each ends). Everything after the trial (verdict,
report) reads these and nothing else.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

CandidateKind = Literal["catalog", "hub", "path", "openai", "http", "baseline"]
OBSERVATION_SCHEMA = "seatrial.observation/1"
RUN_SCHEMA = "seatrial.run/1"


class Candidate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model as tried: model + settings.

    `id` is the whole specification as the user wrote it (`smollm2-135m@f32`) and the candidate's key everywhere.
    `model` is the catalog id where the catalog knows it, else None. `target` is what is left for the provider: a hub
    name, path, model name at the server. `settings` are parsed and validated (`dtype`, `temperature`, `top_p`,
    `top_k`, `max_tokens`, `thinking`, `reasoning_effort`, `seed`). `hosted_reasoning`: the model takes no temperature,
    and thinks before it answers. `runs_here`: this process computes the answers. `sees`: whether it takes pictures,
    None where the catalog does not know it.
    """

    id: str
    kind: CandidateKind
    target: str
    model: str | None = None
    base_url: str | None = None
    revision: str | None = None
    settings: dict[str, str | float | int | bool] = {}
    hosted_reasoning: bool = False
    runs_here: bool = False
    sees: bool | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an observation has no answer. `type` is the class name in `seatrial.errors`; `status` and
    `code` are the server's, where it told them."""

    type: str
    message: str
    status: int | None = None
    code: str | None = None


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One candidate's answer to one item.

    `key` is the plan's hash of (candidate, workload fingerprint, item, seed): the same key is never asked twice.
    `score` is in [0, 1], 0.0 where `failure` is set (a failure counts as wrong). Times are seconds on a monotonic clock
    from the moment the request was handed to the provider; `ttft_s` to the first answer or reasoning token. `cost_usd`
    is None where no price is known, 0.0 never stands for unknown.
    """

    key: str
    candidate: str
    workload: str
    item: str
    score: float
    text: str | None = None
    parsed: Any = None
    detail: str = ""
    parts: dict[str, float] | None = None
    reasoning: str | None = None
    finish_reason: str | None = None
    ttft_s: float | None = None
    latency_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    num_attempts: int = 1
    failure: Failure | None = None
    started_at: datetime


class PictureRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A picture or video that an item asks about. `key` stands for the file's content (32 hexadecimal digits), `name`
    is the file's, without its folder."""

    key: str
    name: str
    is_video: bool = False


class ItemRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An item as it was asked, kept with the run so that it can be judged and shown without its workload's files."""

    workload: str
    id: str
    input: str
    expected: Any
    cluster: str | None = None
    pictures: list[PictureRecord] = []


class WorkloadRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A workload as it was run. `num_items` were planned here, of `num_available`."""

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
    clustered: bool
    structured: bool = False


class NotMeasured(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate that could not run here, why, and the command that would measure it."""

    candidate: str
    reason: str
    way_out: str


class Environment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where and with what a session of the run happened. Memory in bytes."""

    started_at: datetime
    platform: str
    cpu: str
    num_cpus: int
    memory_bytes: int
    accelerator: str | None = None
    versions: dict[str, str] = {}


class RunManifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run is: enough to resume it, to judge it and to repeat it. `sessions` has one environment per start."""

    schema: str = RUN_SCHEMA
    id: str
    created_at: datetime
    command: str
    seed: int
    candidates: list[Candidate]
    workloads: list[WorkloadRecord]
    not_measured: list[NotMeasured] = []
    concurrency: int
    limit: int | None = None
    sessions: list[Environment] = []


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run folder, read. A trial that measured nothing (no workload) has no observations."""

    manifest: RunManifest
    items: list[ItemRecord]
    observations: list[Observation]
