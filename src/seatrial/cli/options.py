"""The options that several commands share, each declared once."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer


class Purpose(enum.StrEnum):
    """What the model will be used for; decides whether a non-commercial licence rules it out."""

    commercial = "commercial"
    research = "research"


DEFAULT_MARGIN = 0.03
DEFAULT_MACHINE_USD_PER_HOUR = 0.10

Candidates = Annotated[
    list[str],
    typer.Argument(
        metavar="CANDIDATE…",
        show_default=False,
        help="`smollm2-135m`, `smollm2-135m@f32`, `gpt-5-mini`, `hf:owner/name[@revision]`, `./folder`, `./file.gguf`, "
        "`openai:NAME`, `http://host:port/v1#name`, `baseline:majority`, `baseline:nearest`.",
    ),
]
Workloads = Annotated[
    list[str] | None,
    typer.Option(
        "--on",
        metavar="WORKLOAD",
        show_default=False,
        help="`triage`, `extract`, `arithmetic`, `documents`, a workload folder, or a JSONL file. Repeat for several.",
    ),
]
Scorer = Annotated[
    str | None,
    typer.Option("--scorer", metavar="NAME", help="How a bare JSONL file is scored: exact, label, number, contains, …"),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most this many items of each workload.")]
Margin = Annotated[
    float,
    typer.Option("--margin", min=0.0, max=1.0, help="How much quality a cheaper candidate may lose (0.03: 3 points)."),
]
PurposeOption = Annotated[
    Purpose, typer.Option("--purpose", help="`commercial` rules out models whose licence forbids it.")
]
MachineCost = Annotated[
    float,
    typer.Option("--machine-usd-per-hour", min=0.0, help="What an hour of this machine costs, for local candidates."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", show_default=False, help="The run folder (default: runs/<candidates>-<plan>)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print verdict.json instead of the table.")]
Concurrency = Annotated[int, typer.Option("--concurrency", min=1, max=1024, help="Items asked at once.")]
Seed = Annotated[int, typer.Option("--seed", help="Seeds sampling, and which items a limit picks.")]
RetryFailures = Annotated[
    bool, typer.Option("--retry-failures", help="On resuming, ask items again whose provider failed.")
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN_DIR", show_default=False, help="A folder that a run wrote.")]
SiteDatabase = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        show_default=False,
        help="The site's: `sqlite:///PATH` or `postgresql://…` (default: SEATRIAL_SITE_DATABASE).",
    ),
]
