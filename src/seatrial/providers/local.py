"""A model of this machine as a provider.

In: chat requests, from any event loop. Out: streams of events. One thread owns the model: requests that arrive while
it works join the batch at the next step, at most `max_batch` at once, the rest wait. An error of one request is
raised from that request's stream alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from seatrial.chat import ChatRequest, ChatStream, Finished, ImagePart, Usage
from seatrial.errors import ProviderError, ProviderUnavailable, RequestRejected, SeatrialError, UsageError
from seatrial.models.generate import Batch, Gain, Settings
from seatrial.models.model import Model
from seatrial.models.reply_format import Delta, ReplySplitter
from seatrial.models.store import ModelStore

# How long the worker waits for company after a first request has come to an idle model.
_GATHER_S = 0.003
_DEFAULT_MAX_TOKENS = 2048


@dataclass(slots=True)
class _Job:
    """One request on its way through the worker. `deliver` is safe to call from any thread."""

    key: int
    prompt_ids: list[int]
    settings: Settings
    splitter: ReplySplitter
    deliver: Callable[[Delta | Finished | Exception], None]
    num_prompt: int = 0
    num_generated: int = 0
    num_reasoning: int = 0


@dataclass(frozen=True, slots=True)
class _Cancel:
    key: int


@dataclass(slots=True)
class LocalProvider:
    """Answers with a loaded model. Where a request leaves sampling open, the checkpoint's own defaults hold.

    `rng` gives seeds to sampled requests that bring none.
    """

    model: Model
    name: str
    max_batch: int = 8
    rng: random.Random = field(default_factory=random.Random)
    _inbox: queue.SimpleQueue[_Job | _Cancel | None] = field(default_factory=queue.SimpleQueue, init=False)
    _keys: itertools.count[int] = field(default_factory=itertools.count, init=False)
    _worker: threading.Thread | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)

    def stream(self, request: ChatRequest) -> ChatStream:
        """See `Provider`. Raises RequestRejected (images, tools or thinking the model cannot do), ContextTooLong."""
        return self._stream(request)

    async def close(self) -> None:
        """Stop the worker; requests still running fail with ProviderUnavailable."""
        self._closed = True
        worker, self._worker = self._worker, None
        if worker is not None:
            self._inbox.put(None)
            await asyncio.to_thread(worker.join)

    async def _stream(self, request: ChatRequest) -> ChatStream:
        loop, arrived = asyncio.get_running_loop(), asyncio.Queue[Delta | Finished | Exception]()

        def deliver(event: Delta | Finished | Exception) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(arrived.put_nowait, event)

        job = self._job(request, deliver)
        self._start()
        self._inbox.put(job)
        ended = False
        try:
            while not ended:
                event = await arrived.get()
                ended = isinstance(event, (Finished, Exception))
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            if not ended:
                self._inbox.put(_Cancel(job.key))

    def _job(self, request: ChatRequest, deliver: Callable[[Delta | Finished | Exception], None]) -> _Job:
        if any(isinstance(part, ImagePart) for message in request.messages for part in message.parts):
            raise RequestRejected(
                f"`{self.name}` reads text only; the request holds an image. Ask a model with vision."
            )
        try:
            template = self.model.chat_template
            prompt = template.render(request.messages, tools=request.tools, thinking=request.thinking)
            settings = self._settings(request)
        except UsageError as error:
            raise RequestRejected(f"`{self.name}`: {error}") from error
        opened, closed = prompt.rfind("<think>"), prompt.rfind("</think>")
        return _Job(
            key=next(self._keys),
            prompt_ids=self.model.tokenizer.encode(prompt),
            settings=settings,
            splitter=ReplySplitter(
                reasons=template.reasons,
                calls_tools=bool(request.tools),
                reasoning_open=opened > closed and not prompt[opened + len("<think>") :].strip(),
            ),
            deliver=deliver,
        )

    def _settings(self, request: ChatRequest) -> Settings:
        sampling, default = request.sampling, self.model.checkpoint.sampling
        temperature = default.temperature if sampling.temperature is None else sampling.temperature
        return Settings(
            max_tokens=_DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens,
            temperature=temperature,
            top_k=default.top_k if sampling.top_k is None else sampling.top_k,
            top_p=default.top_p if sampling.top_p is None else sampling.top_p,
            seed=self.rng.getrandbits(63) if sampling.seed is None else sampling.seed,
            stop=request.stop,
        )

    def _start(self) -> None:
        if self._closed:
            raise ProviderUnavailable(f"`{self.name}` has been closed.")
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name=f"seatrial-{self.name}", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        """The worker: take what has arrived, make one step, deliver, until told to end."""
        batch, jobs = self.model.batch(self.max_batch), dict[int, _Job]()
        while True:
            if not self._take_in(batch, jobs):
                break
            try:
                for gain in batch.step():
                    _deliver(jobs[gain.key], gain, self.name)
                    if gain.finish:
                        del jobs[gain.key]
            except Exception as error:  # all that are in the batch fail; the worker and later requests go on
                failure = error if isinstance(error, SeatrialError) else _step_failed(self.name, error)
                batch = self.model.batch(self.max_batch)
                for job in jobs.values():
                    job.deliver(failure)
                jobs.clear()
        for job in jobs.values():
            job.deliver(ProviderUnavailable(f"`{self.name}` was closed before it had answered."))

    def _take_in(self, batch: Batch, jobs: dict[int, _Job]) -> bool:
        """Add and cancel what the inbox holds, waiting while there is nothing to do. False: end."""
        idle = len(batch) == 0
        while True:
            try:
                order = self._inbox.get(timeout=None if len(batch) == 0 else _GATHER_S if idle else 0)
            except queue.Empty:
                return True
            if order is None:
                return False
            if isinstance(order, _Cancel):
                batch.cancel(order.key)
                jobs.pop(order.key, None)
                continue
            try:
                order.num_prompt = batch.add(order.key, order.prompt_ids, order.settings)
                jobs[order.key] = order
            except SeatrialError as error:
                order.deliver(error)


def load_local(
    id_or_path: str | Path,
    *,
    store: ModelStore | None = None,
    dtype: str = "auto",
    device: str = "auto",
    revision: str | None = None,
    name: str | None = None,
    max_batch: int = 8,
    rng: random.Random | None = None,
    now: Callable[[], datetime] = datetime.now,
) -> LocalProvider:
    """Load a model (see `Model.from_pretrained`, also for what is raised) and put a provider around it."""
    model = Model.from_pretrained(id_or_path, store=store, dtype=dtype, device=device, revision=revision, now=now)
    return LocalProvider(model, name=name or str(id_or_path), max_batch=max_batch, rng=rng or random.Random())


def _deliver(job: _Job, gain: Gain, name: str) -> None:
    if gain.finish == "failed":
        job.deliver(ProviderError(f"`{name}` computed scores that are not numbers; its weights may be damaged."))
        return
    job.num_generated += 1
    job.num_reasoning += job.splitter.reasoning
    deltas = job.splitter.push(gain.text)
    if gain.finish:
        deltas += job.splitter.finish()
    for delta in deltas:
        job.deliver(delta)
    if gain.finish:
        reason: Literal["stop", "length", "tool_calls"] = gain.finish
        if job.splitter.num_tool_calls and gain.finish == "stop":
            reason = "tool_calls"
        usage = Usage(job.num_prompt, job.num_generated, gain.num_cached, job.num_reasoning)
        job.deliver(Finished(reason, usage))


def _step_failed(name: str, error: Exception) -> ProviderError:
    return ProviderError(f"`{name}` failed while it computed: {type(error).__name__}: {str(error)[:200]}")
