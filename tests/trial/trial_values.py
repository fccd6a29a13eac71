"""Small workloads, candidates and providers as values, for the tests of a trial."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seatrial.chat import ChatEvent, ChatRequest, Finished, TextDelta, Usage
from seatrial.providers.base import Provider
from seatrial.trial.plan import Plan, plan_trial
from seatrial.trial.record import Candidate, Environment, Observation, Run
from seatrial.trial.runner import Progress, run_trial
from seatrial.workload.scorers import check_scorer
from seatrial.workload.specification import Item, Prompt, Workload

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MACHINE = Environment(started_at=NOON, platform="test", cpu="test", num_cpus=2, memory_bytes=1)


def workload(num_items: int = 6, name: str = "echo", **changes: Any) -> Workload:
    """Asks for what stands after "say "; every third item is of one of two clusters."""
    clusters = ("c0", None, None, "c1", None, None)
    items = tuple(Item(f"i{n}", f"say {n}", str(n), cluster=clusters[n % 6]) for n in range(num_items))
    values: dict[str, Any] = {
        "name": name,
        "version": "1",
        "title": "Echo",
        "task": "echo",
        "description": "Say it.",
        "licence": "Apache-2.0",
        "prompt": Prompt(system="Echo.", user="{input}", max_tokens=16),
        "scorer": check_scorer("exact", {}),
        "items": items,
        "examples": (),
        "origin": "test",
        "fingerprint": f"{name}-{num_items}",
    }
    return Workload(**values | changes)


def candidate(id: str = "echo-1", **changes: Any) -> Candidate:
    values: dict[str, Any] = {"id": id, "kind": "catalog", "target": id, "model": id}
    return Candidate(**values | changes)


def observation(key: str = "k", **changes: Any) -> Observation:
    values: dict[str, Any] = {
        "key": key,
        "candidate": "echo-1",
        "workload": "echo",
        "item": "i0",
        "score": 1.0,
        "text": "0",
        "started_at": NOON,
    }
    return Observation(**values | changes)


class Echo:
    """Says what it is asked to say. `before` runs for each request and may wait or raise."""

    def __init__(self, before: Callable[[str, int], Any] = lambda text, number: None) -> None:
        self.asked: list[str] = []
        self.requests: list[ChatRequest] = []
        self.num_now = self.most_at_once = 0
        self.num_closed = 0
        self._before = before

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        text = request.messages[-1].text
        self.asked.append(text)
        self.requests.append(request)
        self.num_now += 1
        self.most_at_once = max(self.most_at_once, self.num_now)
        try:
            waiting = self._before(text, len(self.asked))
            await (waiting if waiting is not None else asyncio.sleep(0))
            yield TextDelta(text.removeprefix("say "))
            yield Finished("stop", Usage(10, 2, cached_tokens=4, reasoning_tokens=1))
        finally:
            self.num_now -= 1

    async def close(self) -> None:
        self.num_closed += 1


def plan(*candidates: Candidate, items: int = 6, seed: int = 0, limit: int | None = None) -> Plan:
    return plan_trial(candidates or (candidate(),), (workload(items),), seed=seed, limit=limit)


async def run(
    plan: Plan,
    folder: Path,
    provider: Provider | Callable[..., Provider],
    *,
    concurrency: int = 2,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    **changes: Any,
) -> Run:
    return await run_trial(
        plan,
        folder,
        provider if callable(provider) else lambda candidate, workload: provider,
        cost_of=lambda candidate, usage: usage.prompt_tokens / 1000,
        concurrency=concurrency,
        environment=MACHINE,
        now=lambda: NOON,
        command="seatrial trial echo-1 --on echo",
        on_progress=on_progress,
        **changes,
    )
