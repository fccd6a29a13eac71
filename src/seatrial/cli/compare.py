"""`seatrial compare`: measure candidates on workloads, judge the evidence, write the report, say the verdict."""

from __future__ import annotations

from seatrial.cli import options


def compare(
    candidates: options.Candidates,
    on: options.Workloads = None,
    scorer: options.Scorer = None,
    limit: options.Limit = None,
    margin: options.Margin = options.DEFAULT_MARGIN,
    purpose: options.PurposeOption = options.Purpose.commercial,
    machine_usd_per_hour: options.MachineCost = options.DEFAULT_MACHINE_USD_PER_HOUR,
    out: options.Out = None,
    json: options.Json = False,
    concurrency: options.Concurrency = 16,
    seed: options.Seed = 0,
    retry_failures: options.RetryFailures = False,
) -> None:
    """Compare candidates on your work and get a verdict with evidence.

    Without --on, from published evidence alone. The same command resumes a run that was stopped.
    """
    from seatrial.cli.judging import Terms, judge_folder
    from seatrial.cli.measuring import TrialOrder, measure
    from seatrial.cli.settings import read_settings

    settings = read_settings()
    order = TrialOrder(tuple(candidates), tuple(on or ()), scorer, limit, out, concurrency, seed, retry_failures)
    folder = measure(order, settings, quiet=json)
    judge_folder(folder, settings, Terms(margin, purpose.value, machine_usd_per_hour), as_json=json)
