"""`seatrial site`: comparison pages, votes and the digest's sign-up, served or built as files; and what keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seatrial.cli.options import SiteDatabase

app = typer.Typer(
    help="Publish comparisons: serve them with votes, or build them as files.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def site(
    context: typer.Context,
    host: Annotated[str, typer.Option("--host", help="Where to listen; 0.0.0.0 for every address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0 for any that is free.")] = 8000,
    database: SiteDatabase = None,
    drain_seconds: Annotated[
        float, typer.Option("--drain-seconds", min=0.0, help="How long running requests may take after SIGTERM.")
    ] = 30.0,
) -> None:
    """Serve the site, until Ctrl-C. The other commands fill it, build it as files, and look after its database."""
    context.obj = database
    if context.invoked_subcommand is not None:
        return
    from seatrial.cli.log_lines import log_problems
    from seatrial.cli.settings import read_settings
    from seatrial.cli.wiring_site import SiteOrder, open_site
    from seatrial.server.serving import resolve

    settings = read_settings()
    address = resolve(host, port)
    opened = open_site(settings, SiteOrder(address, _url(context, None), drain_seconds))
    log_problems("text")
    base_url = settings.site_url or address.url
    known_as = f" as {base_url}" if base_url != address.url else ""
    opened.run(lambda: typer.echo(f"The site is at {address.url}{known_as}. Ctrl-C stops it."))


@app.command("add")
def add(
    context: typer.Context,
    run_dirs: Annotated[
        list[Path], typer.Argument(metavar="RUN_DIR…", show_default=False, help="Folders that runs wrote.")
    ],
    database: SiteDatabase = None,
) -> None:
    """Publish runs. Each takes the place of what stood on the page of the same candidates; its history keeps that."""
    from seatrial.cli.settings import read_settings
    from seatrial.cli.wiring_database import opened_library
    from seatrial.verdict.report import read_document

    documents = [read_document(folder) for folder in run_dirs]
    with opened_library(read_settings(), _url(context, database)) as library:
        for document in documents:
            typer.echo(library.publish(document).path)


@app.command("remove")
def remove(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="As in the page's address: gpt-5-mini-vs-smollm3-3b.")],
    database: SiteDatabase = None,
) -> None:
    """Take every run of a page away. Models of the catalog keep a page from published evidence; votes stay."""
    from seatrial.cli.settings import read_settings
    from seatrial.cli.wiring_database import opened_library
    from seatrial.errors import UnknownName

    with opened_library(read_settings(), _url(context, database)) as library:
        num_removed = library.remove(slug)
        if not num_removed:
            known = [listing.slug for listing in library.published()]
            raise UnknownName("published comparison", slug, known, "`seatrial site list` shows them.")
    typer.echo(f"{num_removed:,} runs of {slug} are removed.")


@app.command("list")
def list_published(context: typer.Context, database: SiteDatabase = None) -> None:
    """List published comparisons, the newest first."""
    from seatrial.cli.settings import read_settings
    from seatrial.cli.wiring_database import opened_library

    with opened_library(read_settings(), _url(context, database)) as library:
        published = library.published()
    if not published:
        typer.echo("No run is published. `seatrial site add RUN_DIR` publishes one.")
    for listing in published:
        typer.echo(f"{listing.added_at:%Y-%m-%d %H:%M}  {listing.decision:9}  {listing.slug}")


@app.command("build")
def build(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="OUT", show_default=False, help="A new folder, or an earlier build.")],
    url: Annotated[
        str | None,
        typer.Option("--url", show_default=False, help="Where the files will be found (default: SEATRIAL_SITE_URL)."),
    ] = None,
    database: SiteDatabase = None,
) -> None:
    """Write every page as a file, for any file server. Votes, search and the digest need the running site."""
    import time

    from seatrial.cli.settings import read_settings
    from seatrial.cli.wiring_database import open_site_database
    from seatrial.cli.wiring_site import open_static
    from seatrial.site.export import build_static
    from seatrial.site.votes.tally import TallyOpinions

    settings = read_settings()
    base_url = url or settings.site_url
    if base_url is None:
        base_url = "http://localhost"
        typer.echo("No --url is given: the feed, the sitemap and canonical addresses say http://localhost.", err=True)
    opened = open_site_database(_url(context, database))
    try:
        reading = open_static(settings, opened, base_url)
        built = build_static(reading, TallyOpinions(opened, time.monotonic), out)
    finally:
        opened.close()
    typer.echo(
        f"{out}: {built.num_pages:,} pages in {built.num_files:,} files, {built.num_bytes / 1e6:,.1f} MB; "
        "every link leads somewhere.\n"
        "Left out, as they need the running site: votes, blind votes, search, picking a pair, the digest."
    )


@app.command("backup")
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="Where the copy goes.")],
    database: SiteDatabase = None,
) -> None:
    """Copy the database to a file, safely while the site runs."""
    from seatrial.site.db.backup import backup as write_backup
    from seatrial.site.db.opening import open_database

    opened = open_database(_url(context, database))
    try:
        write_backup(opened, file)
    finally:
        opened.close()
    typer.echo(f"{file} holds the whole database: keep it where nobody else reads it.")


@app.command("restore")
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="What `backup` wrote.")],
    database: SiteDatabase = None,
) -> None:
    """Fill a new database from a backup."""
    from seatrial.site.db.backup import restore as read_backup
    from seatrial.site.db.opening import open_database

    opened = open_database(_url(context, database))
    try:
        read_backup(opened, file)
        typer.echo(f"{opened.name} is restored. `seatrial votes verify` checks its votes.")
    finally:
        opened.close()


@app.command("upgrade")
def upgrade(context: typer.Context, database: SiteDatabase = None) -> None:
    """Bring the database to the shape that this version needs. Servers may run meanwhile; take a backup first."""
    from seatrial.site.db.migrating import current, head
    from seatrial.site.db.migrating import upgrade as run_steps
    from seatrial.site.db.opening import open_database

    opened = open_database(_url(context, database))
    try:
        before = current(opened)
        run_steps(opened)
        done = "is up to date" if before == head() else f"is upgraded from {before or 'nothing'}"
        typer.echo(f"{opened.name} {done}: revision {head()}.")
    finally:
        opened.close()


@app.command("voters")
def voters(context: typer.Context, database: SiteDatabase = None) -> None:
    """Say how many people vote, and how many of them confirmed an address."""
    from sqlalchemy import func, select

    from seatrial.cli.wiring_database import open_site_database
    from seatrial.site.db import tables
    from seatrial.site.db.opening import reading

    opened = open_site_database(_url(context, database))
    try:
        with reading(opened) as connection:
            counted = select(func.count(), func.count(tables.voters.c.confirmed_at)).select_from(tables.voters)
            num_voters, num_confirmed = connection.execute(counted).one()
            num_votes = connection.execute(select(func.count()).select_from(tables.votes)).scalar_one()
    finally:
        opened.close()
    typer.echo(f"{num_voters:,} voters, {num_confirmed:,} with a confirmed address; {num_votes:,} votes stand.")


def _url(context: typer.Context, database: str | None) -> str:
    """The database that a command, or `seatrial site` before it, was given; else the one of the settings."""
    from seatrial.cli.settings import read_settings

    return database or context.obj or read_settings().site_database
