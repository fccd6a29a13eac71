"""From a run folder to a verdict on the screen: judge, write `verdict.json` and `report.html`, print."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seatrial.cli.settings import Settings
from seatrial.cli.wiring import now, open_catalog
from seatrial.trial.pictures import RunPictures
from seatrial.trial.store import load_run
from seatrial.verdict.judge import judge
from seatrial.verdict.report import write_document, write_report


@dataclass(frozen=True, slots=True)
class Terms:
    """What the verdict is asked under. `margin` is a fraction of quality."""

    margin: float
    purpose: Literal["commercial", "research"]
    machine_usd_per_hour: float


def judge_folder(folder: Path, settings: Settings, terms: Terms, *, as_json: bool) -> None:
    """Judge the run in `folder`, write its verdict and page, and print either the table or the document."""
    document = judge(
        load_run(folder),
        open_catalog(settings),
        today=now().date(),
        margin=terms.margin,
        purpose=terms.purpose,
        machine_usd_per_hour=terms.machine_usd_per_hour,
        pictures=RunPictures(folder),
    )
    written = write_document(document, folder)
    page = write_report(document, folder)
    if as_json:
        sys.stdout.write(written.read_text(encoding="utf-8"))
        return
    from seatrial.cli.terminal import print_document

    print_document(document, page)
