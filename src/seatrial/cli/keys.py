"""`seatrial keys`: the API keys of this machine's servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from seatrial.server.keys import KeyStore

app = typer.Typer(
    help="API keys of `seatrial serve`.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is; you will see this name in the list.")],
    requests_per_minute: Annotated[
        int | None, typer.Option("--requests-per-minute", min=1, help="At most so many requests.")
    ] = None,
    tokens_per_minute: Annotated[
        int | None, typer.Option("--tokens-per-minute", min=1, help="At most so many tokens, prompts and answers.")
    ] = None,
) -> None:
    """Make a key. It is shown now and never again: only its hash is kept."""
    secret, key = _store().add(name, requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute)
    typer.echo(f"Key {key.id} for {key.name}. Keep it: it cannot be shown again.", err=True)
    typer.echo(secret)


@app.command("list")
def list_keys() -> None:
    """List keys, without their secrets."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    store = _store()
    keys, used = store.all(), store.last_used()
    if not keys:
        typer.echo("There are no keys. `seatrial keys add NAME` makes one.")
        return
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("name", "id", "made", "last used", "requests/min", "tokens/min"):
        table.add_column(heading, justify="right" if "/" in heading else "left", no_wrap=True)
    for key in keys:
        table.add_row(
            escape(key.name),
            key.id,
            f"{key.created_at:%Y-%m-%d}",
            f"{used[key.id]:%Y-%m-%d %H:%M}" if key.id in used else "never",
            _limit(key.requests_per_minute),
            _limit(key.tokens_per_minute),
        )
    Console(highlight=False).print(table)


@app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(metavar="NAME|ID", help="As `seatrial keys list` shows it.")],
) -> None:
    """Revoke a key. Running servers refuse it at once, and end the streams that it began."""
    gone = _store().revoke(key)
    typer.echo(f"Key {gone.id} of {gone.name} is revoked.")


def _store() -> KeyStore:
    from seatrial.cli.settings import read_settings
    from seatrial.cli.wiring_server import open_keys

    return open_keys(read_settings())


def _limit(value: int | None) -> str:
    return "—" if value is None else f"{value:,}"
