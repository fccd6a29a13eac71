"""`seatrial trial`: measure only; `seatrial verdict` judges what it leaves."""

from __future__ import annotations

from typing import Annotated

import typer

from seatrial.cli import options


def trial(
    candidates: options.Candidates,
    on: Annotated[list[str], typer.Option("--on", metavar="WORKLOAD", help="As in `seatrial compare`; repeatable.")],
    scorer: options.Scorer = None,
    limit: options.Limit = None,
    out: options.Out = None,
    concurrency: options.Concurrency = 16,
    seed: options.Seed = 0,
    retry_failures: options.RetryFailures = False,
) -> None:
    """Measure candidates on workloads, and stop there.

    Every observation is written as it ends; the same command resumes a run that was stopped.
    """
    from seatrial.cli.measuring import TrialOrder, measure
    from seatrial.cli.settings import read_settings

    order = TrialOrder(tuple(candidates), tuple(on), scorer, limit, out, concurrency, seed, retry_failures)
    folder = measure(order, read_settings(), quiet=False)
    typer.echo(f"Measured. Judge it with: seatrial verdict {folder}")
