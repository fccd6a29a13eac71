"""Runs a trial: asks what the plan says and the log does not hold yet, and writes down each answer as it ends.

Candidates are asked one after another, so that none slows another down; of one candidate's items `concurrency` are
asked at once. Failures are observations too. What is not known about a candidate because it could not be asked stands
in the manifest's `not_measured`, so that every planned question is accounted for one way or the other.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from seatrial.errors import NotRunnable, SeatrialError
from seatrial.providers.base import Provider
from seatrial.trial.asking import Asker, Asking, CostOf
from seatrial.trial.door import Door
from seatrial.trial.log import ObservationLog
from seatrial.trial.pictures import has_pictures, keep_pictures
from seatrial.trial.plan import Plan, PlannedWorkload, Question
from seatrial.trial.record import Candidate, Environment, NotMeasured, Observation, Run
from seatrial.trial.sight import check_sight
from seatrial.trial.store import OpenRun, load_run, open_run, write_manifest
from seatrial.workload.specification import Workload

RETRYABLE_FAILURES = frozenset({"AuthenticationFailed", "RateLimited", "ProviderUnavailable", "ProviderTimeout"})
SYNC_EVERY_S = 2.0

ProviderFor = Callable[[Candidate, Workload], Provider]


@dataclass(frozen=True, slots=True)
class Progress:
    """Told after every observation, when a candidate turns out not to be measurable, and once at the start.

    The counts are of the whole trial, earlier sessions included. `num_planned` is what is done and what will still be
    asked: a candidate that turns out not to be measurable leaves it, so that a trial ends with all done. `notice` is a
    sentence for the user, mostly empty.
    """

    candidate: str
    workload: str
    num_done: int
    num_planned: int
    num_failed: int
    notice: str = ""


class TrialInterrupted(SeatrialError):
    """The trial was stopped by Ctrl-C. All observations so far are on disk; the message says how to go on."""

    def __init__(self, folder: Path, num_done: int, num_planned: int) -> None:
        self.folder, self.num_done, self.num_planned = folder, num_done, num_planned
        super().__init__(
            f"Stopped. {num_done:,} of {num_planned:,} observations are safe in {folder}. "
            "Run the same command again to go on from there."
        )


async def run_trial(
    plan: Plan,
    folder: Path,
    provider_for: ProviderFor,
    *,
    cost_of: CostOf,
    concurrency: int,
    environment: Environment,
    now: Callable[[], datetime],
    command: str,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    retry_failures: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Run `plan` in `folder`, or what is left of it, and return the run with all its observations.

    A question whose observation is on disk is never asked again, unless it failed in a passing way (the names in
    RETRYABLE_FAILURES) and `retry_failures` is set. `provider_for` opens a candidate's provider and raises NotRunnable
    where it cannot run here; the runner closes what it opened when the candidate is done. A candidate that never gets
    in is stopped early (`door`). Cancelling (Ctrl-C under `asyncio.run`) stops what is in flight, closes the log and
    raises TrialInterrupted.

    Raises RunFolderError, StorageError as `store.open_run`; StorageError when the disk is full.
    """
    opened = open_run(folder, plan, environment=environment, now=now(), command=command, concurrency=concurrency)
    trial = _Trial(plan, folder, opened, provider_for, Asking(cost_of, now, clock), concurrency, on_progress)
    is_over = asyncio.Event()
    sync = asyncio.create_task(_sync_often(opened.log, is_over))
    try:
        trial.begin(retry_failures)
        for candidate in plan.candidates:
            await trial.run_candidate(candidate)
        if any(has_pictures(items) for items in plan.items.values()):
            await asyncio.to_thread(keep_pictures, folder, plan.items, load_run(folder).observations)
    except asyncio.CancelledError:
        raise TrialInterrupted(folder, trial.num_done, trial.num_planned) from None
    finally:
        is_over.set()
        try:
            await sync
        finally:
            opened.close()
    return load_run(folder)


async def _sync_often(log: ObservationLog, is_over: asyncio.Event) -> None:
    while not is_over.is_set():
        try:
            async with asyncio.timeout(SYNC_EVERY_S):
                await is_over.wait()
        except TimeoutError:
            await asyncio.to_thread(log.sync)


class _Trial:
    """A trial under way: what is done, what is left, and the folder it is written to."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        opened: OpenRun,
        provider_for: ProviderFor,
        asking: Asking,
        concurrency: int,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._opened = opened
        self._manifest = opened.manifest
        self._provider_for = provider_for
        self._asking = asking
        self._concurrency = max(1, concurrency)
        self._on_progress = on_progress
        self._answered: dict[str, Observation] = {}
        self._num_awaited: Counter[str] = Counter()  # by candidate: what is neither answered nor given up
        self.num_done = 0
        self._num_failed = 0

    @property
    def num_planned(self) -> int:
        """How many observations there will be at the end, as far as is known."""
        return self.num_done + self._num_awaited.total()

    def begin(self, retry_failures: bool) -> None:
        """Take stock of what earlier sessions answered."""
        for observation in self._opened.observations:
            self._answered[observation.key] = observation
        if retry_failures:
            self._answered = {
                key: observation
                for key, observation in self._answered.items()
                if observation.failure is None or observation.failure.type not in RETRYABLE_FAILURES
            }
        self.num_done = len(self._answered)
        self._num_failed = sum(observation.failure is not None for observation in self._answered.values())
        for candidate in self._plan.candidates:
            self._num_awaited[candidate.id] = sum(
                len(self._left(candidate, planned)) for planned in self._plan.workloads
            )
        num_torn = self._opened.num_torn_bytes
        torn = f"A crash had cut off the last line of the log ({num_torn:,} bytes); its item is asked again."
        self._tell("", "", torn if num_torn else "")

    async def run_candidate(self, candidate: Candidate) -> None:
        """Ask one candidate all that is left of it, or note why it cannot be asked."""
        left = [(planned, self._left(candidate, planned)) for planned in self._plan.workloads]
        if not any(questions for _, questions in left):
            return
        self._set_not_measured(candidate, None)
        providers: list[Provider] = []
        door = Door(candidate.id, self._manifest.command)
        try:
            for planned, questions in left:
                if questions:
                    await self._run_workload(candidate, planned, questions, providers, door)
            door.leave()
        except NotRunnable as error:
            self._give_up(candidate, self._num_awaited[candidate.id], error)
        finally:
            for provider in providers:
                await provider.close()

    async def _run_workload(
        self,
        candidate: Candidate,
        planned: PlannedWorkload,
        questions: list[Question],
        providers: list[Provider],
        door: Door,
    ) -> None:
        try:
            check_sight(candidate, planned.workload)
            provider = self._provider_for(candidate, planned.workload)
            if provider not in providers:
                providers.append(provider)
            check_sight(candidate, planned.workload, provider)
        except NotRunnable as error:  # the next workload may be one that it can do
            self._give_up(candidate, len(questions), error)
            return
        asker = Asker(provider, candidate, planned.workload, self._plan.seed, self._asking)
        handing_out = iter(questions)
        num_workers = min(self._concurrency, len(questions))
        workers = [asyncio.create_task(self._work(asker, handing_out, door)) for _ in range(num_workers)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, asker: Asker, handing_out: Iterator[Question], door: Door) -> None:
        for question in handing_out:
            observation = await asker.ask(question)
            for admitted in door.admit(observation):
                self._record(admitted)

    def _record(self, observation: Observation) -> None:
        self._opened.log.append(observation)
        self.num_done += 1
        self._num_awaited[observation.candidate] -= 1
        self._num_failed += observation.failure is not None
        self._tell(observation.candidate, observation.workload)

    def _left(self, candidate: Candidate, planned: PlannedWorkload) -> list[Question]:
        questions = self._plan.questions(candidate, planned)
        return [question for question in questions if question.key not in self._answered]

    def _give_up(self, candidate: Candidate, num_unasked: int, error: NotRunnable) -> None:
        """`num_unasked` questions will not be asked, for this reason."""
        self._num_awaited[candidate.id] -= num_unasked
        is_new = self._set_not_measured(candidate, error)
        notice = f"{candidate.id} is not measured: {error.reason} → {error.way_out}"
        self._tell(candidate.id, "", notice if is_new else "")

    def _set_not_measured(self, candidate: Candidate, error: NotRunnable | None) -> bool:
        """Note why a candidate is not measured, or with None that it may be. Returns whether that is news."""
        before = self._manifest.not_measured
        after = [noted for noted in before if noted.candidate != candidate.id]
        if error is not None:
            after.append(NotMeasured(candidate=candidate.id, reason=error.reason, way_out=error.way_out))
        if after == before:
            return False
        self._manifest = msgspec.structs.replace(self._manifest, not_measured=after)
        write_manifest(self._folder, self._manifest)
        return True

    def _tell(self, candidate: str, workload: str, notice: str = "") -> None:
        self._on_progress(Progress(candidate, workload, self.num_done, self.num_planned, self._num_failed, notice))
