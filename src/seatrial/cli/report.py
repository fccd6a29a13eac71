"""`seatrial report`: write a run's page again from its verdict.json."""

from __future__ import annotations

import typer

from seatrial.cli import options


def report(run_dir: options.RunFolder) -> None:
    """Render report.html again from a run's verdict.json."""
    from seatrial.verdict.report import read_document, write_report

    typer.echo(write_report(read_document(run_dir), run_dir))
