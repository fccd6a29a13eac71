"""`seatrial models`: what the catalog knows, fact by fact, each with its source."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.catalog.entry import Entry, Source

_UNITS = {
    "ttft_s": "time to first token, s",
    "output_tokens_per_s": "output tokens per s",
    "memory_bytes": "memory, bytes",
    "rival_scores": "scores of rivals",
}

app = typer.Typer(help="List the models that the catalog knows, or show one.", invoke_without_command=True)


@app.callback()
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_models()


@app.command("list")
def list_models(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the models that the catalog knows."""
    from rich.console import Console
    from rich.table import Table

    from seatrial.cli.settings import read_settings
    from seatrial.cli.wiring import open_catalog, open_store

    settings = read_settings()
    entries = list(open_catalog(settings).entries.values())
    store = open_store(settings)
    if json:
        _print_json([_plain(entry) for entry in entries])
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("id", "runs", "entry", "licence", "here"):
        table.add_column(column, no_wrap=True, overflow="ellipsis", max_width=20 if column == "licence" else None)
    for entry in entries:
        terms = entry.licence[0].value if entry.licence else None
        licence = terms.spdx or terms.name if terms else "—"
        table.add_row(entry.id, entry.runs, entry.entry, licence, "pulled" if store.path(entry.id) else "")
    Console().print(table)


@app.command("show")
def show_model(
    model: Annotated[str, typer.Argument(metavar="ID")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every fact about a model, with its source and date."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from seatrial.cli.settings import read_settings
    from seatrial.cli.wiring import open_catalog

    entry = open_catalog(read_settings()).get(model)
    if json:
        _print_json(_plain(entry))
        return
    console = Console()
    console.print(f"[bold]{entry.name}[/] · {entry.maker} · {entry.category} · {entry.entry}", highlight=False)
    console.print(f"{entry.tagline}\n\n{entry.description}\n", highlight=False, markup=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    shown = ""
    for label, value, source in _lines(entry):
        said = f"{escape(value)}\n[dim]{escape(source.title)} · {source.kind} · {source.as_of}[/]"
        table.add_row("" if label == shown else f"[bold]{label}[/]", said)
        shown = label
    console.print(table)


def _lines(entry: Entry) -> Iterator[tuple[str, str, Source]]:
    """Every fact as its label, what it says, and where that comes from; marketing last."""
    from seatrial.catalog.entry import Fact

    for field in fields(entry):
        value = getattr(entry, field.name)
        label = _UNITS.get(field.name, field.name.replace("_", " "))
        for fact in value if isinstance(value, tuple) else ():
            if isinstance(fact, Fact):
                note = f" — {fact.note}" if fact.note else ""
                yield label, f"{_say(fact.value)}{note}", fact.source
    for claim in entry.marketing:
        yield "claim", f"“{claim.line}”", claim.source


def _say(value: Any) -> str:
    from seatrial.catalog.entry import Licence, Price, PublishedScore, Retirement

    match value:
        case Licence(name, spdx, commercial):
            return f"{spdx or name}{'' if commercial else ' — no commercial use'}"
        case Price():
            since = f" since {value.valid_from}" if value.valid_from else ""
            above = f" above {value.above_prompt_tokens:,} prompt tokens" if value.above_prompt_tokens else ""
            return f"${value.input_usd:g} in / ${value.output_usd:g} out per 1M tokens{above}{since}"
        case Retirement(on, replacement):
            return f"{on}{f', replaced by {replacement}' if replacement else ''}"
        case PublishedScore():
            what = " ".join(part for part in (value.benchmark, value.variant) if part)
            setting = f" ({value.setting})" if value.setting else ""
            return f"{value.subject}: {what}{setting} {value.value:g} {value.unit}"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}" if value < 1e5 else f"{value:,.0f}"
        case _:
            return str(value)


def _plain(entry: Entry) -> dict[str, Any]:
    return asdict(entry)


def _print_json(value: Any) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
