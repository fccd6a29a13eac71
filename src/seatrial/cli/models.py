"""`seatrial models`: what the catalog knows, fact by fact, each with its source."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from seatrial.catalog.entry import Entry, Fact

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
    for column in ("id", "name", "runs", "entry", "licence", "here"):
        table.add_column(column, no_wrap=column == "id")
    for entry in entries:
        licence = entry.licence[0].value.name if entry.licence else "—"
        table.add_row(entry.id, entry.name, entry.runs, entry.entry, licence, "pulled" if store.path(entry.id) else "")
    Console().print(table)


@app.command("show")
def show_model(
    model: Annotated[str, typer.Argument(metavar="ID")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every fact about a model, with its source and date."""
    from rich.console import Console
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
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("fact", "value", "source", "as of"):
        table.add_column(column)
    for label, fact in _facts(entry):
        table.add_row(label, _say(fact.value), f"{fact.source.title} ({fact.source.kind})", str(fact.source.as_of))
    for claim in entry.marketing:
        table.add_row("claim", f"“{claim.line}”", f"{claim.source.title} (claimed)", str(claim.source.as_of))
    console.print(table)


def _facts(entry: Entry) -> list[tuple[str, Fact[Any]]]:
    from seatrial.catalog.entry import Fact

    found: list[tuple[str, Fact[Any]]] = []
    for field in fields(entry):
        value = getattr(entry, field.name)
        if isinstance(value, tuple):
            found += [(field.name.replace("_", " "), fact) for fact in value if isinstance(fact, Fact)]
    return found


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
