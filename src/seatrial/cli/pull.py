"""`seatrial pull`: bring a model's weights to this machine."""

from __future__ import annotations

from typing import Annotated

import typer


def pull(
    model: Annotated[str, typer.Argument(metavar="ID", help="A catalog id, see `seatrial models`.")],
) -> None:
    """Bring a model's weights to this machine, checked and whole, or not at all."""
    from rich.console import Console

    from seatrial.cli.settings import read_settings
    from seatrial.cli.wiring import open_catalog, open_store, pull_weights

    settings = read_settings()
    entry = open_catalog(settings).get(model)
    console = Console(stderr=True)
    with console.status(f"Pulling {entry.name} …"):
        path = pull_weights(open_store(settings), entry)
    typer.echo(path)
