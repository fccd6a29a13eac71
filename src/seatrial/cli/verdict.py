"""`seatrial verdict`: judge the evidence of a run again, by today's date and the terms given."""

from __future__ import annotations

from seatrial.cli import options


def verdict(
    run_dir: options.RunFolder,
    margin: options.Margin = options.DEFAULT_MARGIN,
    purpose: options.PurposeOption = options.Purpose.commercial,
    machine_usd_per_hour: options.MachineCost = options.DEFAULT_MACHINE_USD_PER_HOUR,
    json: options.Json = False,
) -> None:
    """Judge a run's stored evidence again, without measuring anything."""
    from seatrial.cli.judging import Terms, judge_folder
    from seatrial.cli.settings import read_settings

    judge_folder(run_dir, read_settings(), Terms(margin, purpose.value, machine_usd_per_hour), as_json=json)
