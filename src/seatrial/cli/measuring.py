"""From what the user typed to a finished run folder: everything read and checked, then the trial with its progress."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.cli.costs import cost_of_usage
from seatrial.cli.wiring import ProviderPool, now, open_catalog
from seatrial.trial.candidates import parse_candidates
from seatrial.trial.environment import read_environment
from seatrial.trial.plan import Plan, plan_trial
from seatrial.trial.runner import Progress, TrialInterrupted, run_trial

if TYPE_CHECKING:
    from seatrial.cli.settings import Settings
    from seatrial.workload.specification import Workload

_RUNS = Path("runs")


@dataclass(frozen=True, slots=True)
class TrialOrder:
    """A trial as it was ordered on the command line. `out` None: a folder under runs/ that the plan names."""

    candidates: tuple[str, ...]
    workloads: tuple[str, ...]
    scorer: str | None
    limit: int | None
    out: Path | None
    concurrency: int
    seed: int
    retry_failures: bool


def measure(order: TrialOrder, settings: Settings, *, quiet: bool) -> Path:
    """Run the trial that was ordered, or what is left of it, and return its folder.

    Everything is read and checked before the first question is asked. Raises what the rooms below raise;
    `TrialInterrupted` after Ctrl-C.
    """
    catalog = open_catalog(settings)
    candidates = parse_candidates(order.candidates, catalog)
    workloads = [_load(name, order.scorer, settings.data) for name in order.workloads]
    plan = plan_trial(candidates, workloads, seed=order.seed, limit=order.limit)
    folder = order.out or _RUNS / _folder_name(plan)
    command = _command(order, folder)
    pool = ProviderPool(settings, catalog, command=command, concurrency=order.concurrency, seed=order.seed)

    async def run() -> None:
        try:
            with _progress_bar(plan, quiet=quiet) as show:
                await run_trial(
                    plan,
                    folder,
                    pool,
                    cost_of=lambda candidate, usage: cost_of_usage(catalog, candidate, usage, now()),
                    concurrency=order.concurrency,
                    environment=read_environment(now),
                    now=now,
                    command=command,
                    on_progress=show,
                    retry_failures=order.retry_failures,
                )
        finally:
            await pool.close()

    try:
        asyncio.run(run())
    except TrialInterrupted as stopped:
        print(f"\n{stopped}", file=sys.stderr)
        raise SystemExit(stopped.exit_code) from None
    return folder


def _load(name: str, scorer: str | None, data: Path | None) -> Workload:
    from seatrial.workload.loading import load_workload

    workload = load_workload(name, scorer=scorer, data=data)
    for note in workload.notes:
        print(f"{workload.name}: {note}", file=sys.stderr)
    return workload


def _folder_name(plan: Plan) -> str:
    names = "-vs-".join(re.sub(r"[^A-Za-z0-9.]+", "-", candidate.id).strip("-.") for candidate in plan.candidates[:3])
    return f"{names[:80]}-{plan.id}"


def _command(order: TrialOrder, folder: Path) -> str:
    """The command that measures this run again, or goes on with it."""
    words = ["seatrial", "compare", *order.candidates]
    for workload in order.workloads:
        words += ["--on", workload]
    if order.scorer:
        words += ["--scorer", order.scorer]
    if order.limit is not None:
        words += ["--limit", str(order.limit)]
    if order.seed:
        words += ["--seed", str(order.seed)]
    return shlex.join([*words, "--out", str(folder)])


@contextmanager
def _progress_bar(plan: Plan, *, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Shows on standard error who is asked what: a bar on a terminal, a line a candidate and workload elsewhere."""
    if quiet or not plan.num_questions:
        yield lambda progress: None
    elif sys.stderr.isatty():
        with _bar(plan) as show:
            yield show
    else:
        yield _Lines()


class _Lines:
    """A line whenever another candidate or workload has its turn, and one when all is done."""

    def __init__(self) -> None:
        self._said = ""

    def __call__(self, progress: Progress) -> None:
        if progress.notice:
            print(progress.notice, file=sys.stderr)
        now_asked = _who(progress)
        if progress.workload and now_asked != self._said:
            self._said = now_asked
            print(f"{now_asked} … ({_done(progress)})", file=sys.stderr, flush=True)
        if 0 < progress.num_planned == progress.num_done and self._said != _done(progress):
            self._said = _done(progress)
            print(self._said, file=sys.stderr, flush=True)


@contextmanager
def _bar(plan: Plan) -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("starting", total=plan.num_questions)

        def show(progress: Progress) -> None:
            if progress.notice:
                console.print(progress.notice, markup=False)
            failed = f", {progress.num_failed} failed" if progress.num_failed else ""
            bar.update(
                task,
                total=progress.num_planned,
                completed=progress.num_done,
                description=f"{_who(progress) or 'starting'}{failed}",
            )

        yield show


def _done(progress: Progress) -> str:
    return f"{progress.num_done} of {progress.num_planned} done"


def _who(progress: Progress) -> str:
    return f"{progress.candidate} on {progress.workload}" if progress.workload else progress.candidate
