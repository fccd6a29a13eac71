"""`seatrial pull`: bring a model's weights to this machine."""

from __future__ import annotations

from typing import Annotated

import typer


def pull(
    model: Annotated[
        str, typer.Argument(metavar="ID", help="A catalog id (see `seatrial models`) or hf:owner/name[@revision].")
    ],
) -> None:
    """Bring a model's weights to this machine, checked and whole, or not at all."""
    from rich.console import Console

    from seatrial.cli.settings import read_settings
    from seatrial.cli.wiring import open_catalog, open_store, pull_weights

    settings = read_settings()
    with Console(stderr=True).status(f"Pulling {model} …"):
        path = pull_weights(open_store(settings), open_catalog(settings), model)
    typer.echo(path)
