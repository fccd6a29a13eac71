"""One question to one candidate: the request as this candidate gets it, the stream timed, the answer scored.

Comes in: a provider, a planned item. Goes out: an `Observation`, with a `Failure` in it where the provider failed;
what is no observation (a candidate that cannot run, a defect of ours) rises.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seatrial.chat import ChatRequest, Finished, ReasoningDelta, TextDelta, Usage
from seatrial.errors import BadReply, ContextTooLong, ProviderError
from seatrial.providers.base import Provider
from seatrial.trial.plan import Question
from seatrial.trial.record import Candidate, Failure, Observation
from seatrial.workload.prompting import render
from seatrial.workload.scorers import score
from seatrial.workload.specification import Item, Workload

REASONING_ROOM_TOKENS = 8192
_OF_REQUESTS = frozenset({"max_tokens", "thinking", "reasoning_effort"})
_OF_SAMPLING = frozenset({"temperature", "top_p", "top_k", "seed"})
# How providers name a part of a request. What an item shows stands first in its last message.
_PART = re.compile(r"messages\[(\d+)\]\.content\[(\d+)\]")

CostOf = Callable[[Candidate, Usage], float | None]


@dataclass(frozen=True, slots=True)
class Asking:
    """What every question needs besides the question. `now` tells the instant, `clock` counts seconds."""

    cost_of: CostOf
    now: Callable[[], datetime]
    clock: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one candidate the items of one workload."""

    provider: Provider
    candidate: Candidate
    workload: Workload
    seed: int
    asking: Asking

    async def ask(self, question: Question) -> Observation:
        """Ask, time and score. Raises NotRunnable where the candidate cannot run as it is set."""
        request = as_tried(await self._rendered(question.item), self.candidate, self.seed)
        started_at = self.asking.now()
        answer = _Answer()
        try:
            await self._listen(request, answer)
        except (ProviderError, ContextTooLong) as error:
            failure = _failure(error, _file_at_fault(error, request, question.item))
            return self._observation(question, started_at, answer, failure=failure, score=0.0)
        text = _whole("".join(answer.texts))
        scored = score(self.workload, question.item, text)
        return self._observation(
            question,
            started_at,
            answer,
            text=text,
            score=scored.value,
            parsed=scored.parsed,
            detail=scored.detail,
            parts=dict(scored.parts) if scored.parts is not None else None,
        )

    async def _rendered(self, item: Item) -> ChatRequest:
        """The item as it is asked. Files that it shows are read beside the event loop."""
        shots = self.workload.examples[: self.workload.prompt.shots]
        if any(each.media_sha256 for each in (item, *shots)):
            return await asyncio.to_thread(render, self.workload, item)
        return render(self.workload, item)

    async def _listen(self, request: ChatRequest, answer: _Answer) -> None:
        clock = self.asking.clock
        start_s = clock()
        try:
            async for event in self.provider.stream(request):
                if isinstance(event, Finished):
                    answer.latency_s = clock() - start_s
                    answer.finished = event
                    continue
                if answer.ttft_s is None:
                    answer.ttft_s = clock() - start_s
                if isinstance(event, TextDelta):
                    answer.texts.append(event.text)
                elif isinstance(event, ReasoningDelta):
                    answer.reasoning.append(event.text)
            if answer.finished is None:
                raise BadReply(f"`{self.candidate.id}` ended its answer without saying that it had finished.")
        except (ProviderError, ContextTooLong):
            answer.latency_s = clock() - start_s
            raise

    def _observation(self, question: Question, started_at: datetime, answer: _Answer, **found: Any) -> Observation:
        finished = answer.finished
        usage = finished.usage if finished else None
        reasoning = "".join(answer.reasoning)
        return Observation(
            key=question.key,
            candidate=self.candidate.id,
            workload=self.workload.name,
            item=question.item.id,
            reasoning=_whole(reasoning) if reasoning else None,
            finish_reason=finished.reason if finished else None,
            ttft_s=answer.ttft_s,
            latency_s=answer.latency_s,
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
            cached_tokens=usage.cached_tokens if usage else None,
            reasoning_tokens=usage.reasoning_tokens if usage else None,
            cost_usd=self.asking.cost_of(self.candidate, usage) if usage else None,
            num_attempts=finished.num_attempts if finished else 1,
            started_at=started_at,
            **found,
        )


@dataclass(slots=True)
class _Answer:
    """A stream as it is read."""

    texts: list[str] = dataclasses.field(default_factory=list)
    reasoning: list[str] = dataclasses.field(default_factory=list)
    finished: Finished | None = None
    ttft_s: float | None = None
    latency_s: float | None = None


def _file_at_fault(error: ProviderError | ContextTooLong, request: ChatRequest, item: Item) -> str | None:
    """The name of the item's picture or video that an error is about; its path is nobody's business."""
    place = _PART.fullmatch(error.param or "") if isinstance(error, ProviderError) else None
    files = [*item.pictures, *([item.video] if item.video is not None else [])]
    if place is None or int(place[1]) != len(request.messages) - 1 or int(place[2]) >= len(files):
        return None
    return files[int(place[2])].name


def _failure(error: ProviderError | ContextTooLong, file: str | None) -> Failure:
    status, code = (error.status, error.code) if isinstance(error, ProviderError) else (None, None)
    message = str(error) if file is None else f"{file}: {error}"
    return Failure(type=type(error).__name__, message=message, status=status, code=code)


def with_settings(request: ChatRequest, candidate: Candidate) -> ChatRequest:
    """A request with what the candidate itself sets in the place of what the request says."""
    settings: dict[str, Any] = candidate.settings
    own = {name: value for name, value in settings.items() if name in _OF_REQUESTS}
    sampling = {name: value for name, value in settings.items() if name in _OF_SAMPLING}
    return dataclasses.replace(request, sampling=dataclasses.replace(request.sampling, **sampling), **own)


def as_tried(request: ChatRequest, candidate: Candidate, seed: int) -> ChatRequest:
    """A rendered request as `candidate` is tried: its own settings over a trial's defaults over the workload's.

    Unless it sets a temperature, a candidate answers greedily (temperature 0), so that a run repeats; a hosted
    reasoning model takes no temperature and gets none. One that samples gets the plan's seed unless it has its own. A
    model that is computed here and can think or not does not, unless `thinking=on`: workloads ask for short answers.
    One that thinks first gets REASONING_ROOM_TOKENS above the workload's limit, which counts the answer alone: without
    them a short limit would cut every answer off before it begins. `max_tokens` of the candidate stands as it is.
    """
    settings = candidate.settings
    temperature = settings.get("temperature", None if candidate.hosted_reasoning else 0.0)
    samples = isinstance(temperature, int | float) and temperature > 0
    thinks_first = candidate.hosted_reasoning or settings.get("thinking") is True
    room = REASONING_ROOM_TOKENS if thinks_first else 0
    tried = dataclasses.replace(
        request,
        max_tokens=None if request.max_tokens is None else request.max_tokens + room,
        sampling=dataclasses.replace(
            request.sampling,
            temperature=None if candidate.hosted_reasoning else 0.0,
            seed=seed if samples else request.sampling.seed,
        ),
        thinking=False if candidate.runs_here else request.thinking,
    )
    return with_settings(tried, candidate)


def _whole(text: str) -> str:
    """`text` as Unicode: halves of a surrogate pair that came in two pieces are joined, a lone half is replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
