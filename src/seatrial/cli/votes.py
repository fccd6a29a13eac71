"""`seatrial votes`: the site's votes, checked and looked at. Nothing here changes one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seatrial.cli.options import SiteDatabase

if TYPE_CHECKING:
    from rich.table import Table

    from seatrial.site.db.opening import Database
    from seatrial.site.votes.opinion import Opinion

app = typer.Typer(
    help="The site's votes: check the log, show tallies, find what looks odd.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_MOST_SHOWN = 50


@app.command("verify")
def verify(
    head: Annotated[
        str | None,
        typer.Option(
            "--head", metavar="SEQ:HASH", show_default=False, help="A head noted earlier; it must still be there."
        ),
    ] = None,
    as_json: JsonOption = False,
    database: SiteDatabase = None,
) -> None:
    """Check that the log's chain is unbroken, and that votes and tallies are what the log says.

    Note the head that is printed, and give it with --head another time: that shows a log that was written anew.
    """
    from seatrial.errors import InputError
    from seatrial.site.votes.chain import parse_head
    from seatrial.site.votes.chain import verify as verify_log

    noted = None if head is None else parse_head(head)
    with _opened(database) as opened:
        found = verify_log(opened, noted=noted)
        name = opened.name
    if as_json:
        _print_json(found)
    elif found.fault is None:
        typer.echo(
            f"{found.num_entries:,} entries, the chain is unbroken; {found.num_votes:,} votes and their tallies are "
            f"what it says.\nHead: {found.head}"
        )
    if found.fault is not None:
        entry = "" if found.fault.seq is None else f", entry {found.fault.seq:,}"
        raise InputError(f"{found.fault.text}.", path=f"The vote log of {name}{entry}")


@app.command("show")
def show(
    subject: Annotated[
        str | None, typer.Argument(metavar="[SUBJECT]", show_default=False, help="`model:smollm3-3b`, `pair:A:B`, …")
    ] = None,
    as_json: JsonOption = False,
    database: SiteDatabase = None,
) -> None:
    """Show what is voted on most; or, of one subject, the shares and whose leaving would move them most."""
    with _opened(database) as opened:
        if subject is None:
            _show_all(opened, as_json)
        else:
            _show_one(opened, subject, as_json)


@app.command("ranks")
def ranks(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN_ID]", show_default=False, help="A published run (default: all).")
    ] = None,
    as_json: JsonOption = False,
    database: SiteDatabase = None,
) -> None:
    """Rank candidates by the blind votes on their answers, with intervals."""
    from seatrial.site.votes.ranking import ranks_of_run
    from seatrial.stats.estimate import NotEnough

    with _opened(database) as opened:
        found = ranks_of_run(opened, run)
    if as_json:
        _print_json(found)
    elif isinstance(found, NotEnough):
        typer.echo(f"Not enough data: {found.n:,} of {found.needed:,} needed. {found.method}.")
    else:
        table = _table("rank", "candidate", "beats the average", "outcomes")
        for each in found.standings:
            rank = str(each.best_rank) if each.best_rank == each.worst_rank else f"{each.best_rank}–{each.worst_rank}"
            rate = each.win_rate
            table.add_row(
                rank, _safe(each.name), f"{rate.value:.0%} ({rate.low:.0%}–{rate.high:.0%})", f"{each.num_outcomes:,}"
            )
        _print(table)
        typer.echo(f"{found.num_outcomes:,} votes of {found.num_clusters:,} voters.")


@app.command("anomalies")
def anomalies(
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="SUBJECT", show_default=False, help="Look at one subject alone.")
    ] = None,
    level: Annotated[
        float, typer.Option("--level", min=1e-12, max=0.5, help="Report what chance alone shows less often than this.")
    ] = 0.001,
    as_json: JsonOption = False,
    database: SiteDatabase = None,
) -> None:
    """Find networks, times and voters that look unlike the rest. A finding is a reason to look, no proof."""
    from seatrial.site.votes.anomaly import find_anomalies
    from seatrial.site.votes.records import read_votes

    with _opened(database) as opened:
        found = find_anomalies(read_votes(opened, subject=subject), level=level)
    if as_json:
        _print_json(found)
    elif not found:
        typer.echo("Nothing looks unlike the rest.")
    else:
        table = _table("what", "who", "subject", "p", "seen")
        for each in found[:_MOST_SHOWN]:
            p = "—" if each.p_value is None else f"{each.p_value:.1e}"
            table.add_row(each.kind, each.who, _safe(each.subject or "—"), p, _safe(each.text))
        _print(table)
        if len(found) > _MOST_SHOWN:
            typer.echo(f"… and {len(found) - _MOST_SHOWN:,} more; --json has them all.")


def _show_all(database: Database, as_json: bool) -> None:
    from seatrial.site.votes.tally import all_opinions

    opinions = all_opinions(database)
    if as_json:
        _print_json(opinions)
        return
    if not opinions:
        typer.echo("Nobody has voted yet.")
        return
    table = _table("subject", "voters", "shares")
    for subject, opinion in list(opinions.items())[:_MOST_SHOWN]:
        table.add_row(_safe(subject), f"{opinion.num_voters:,}", _safe(_shares(opinion)))
    _print(table)
    if len(opinions) > _MOST_SHOWN:
        typer.echo(f"… and {len(opinions) - _MOST_SHOWN:,} more; --json has them all.")


def _show_one(database: Database, key: str, as_json: bool) -> None:
    from seatrial.site.votes.records import read_votes
    from seatrial.site.votes.sensitivity import biggest_movers
    from seatrial.site.votes.subject import subject_of
    from seatrial.site.votes.tally import opinion_on

    subject = subject_of(key)
    opinion, movers = opinion_on(database, subject.key), biggest_movers(read_votes(database, subject=subject.key))
    if as_json:
        _print_json({"subject": subject.key, "opinion": opinion, "movers": movers})
        return
    typer.echo(f"{subject.key}: {opinion.num_voters:,} voters. {_shares(opinion)}")
    if movers:
        table = _table("without", "who", "votes", "share of", "is", "would be")
        for each in movers:
            choice = _safe(each.choice)
            table.add_row(
                each.kind, each.who, f"{each.num_votes:,}", choice, f"{each.share:.1%}", f"{each.share_without:.1%}"
            )
        _print(table)


def _shares(opinion: Opinion) -> str:
    from seatrial.site.votes.opinion import MIN_VOTERS

    if opinion.shares is None:
        return f"Not shown below {MIN_VOTERS} voters."
    shares = sorted(opinion.shares.items(), key=lambda each: -each[1].value)
    return ", ".join(f"{choice} {share.value:.0%} ({share.low:.0%}–{share.high:.0%})" for choice, share in shares)


def _opened(url: str | None) -> AbstractContextManager[Database]:
    from seatrial.cli.settings import read_settings
    from seatrial.cli.wiring_database import opened_database

    return opened_database(url or read_settings().site_database)


def _table(*headings: str) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading)
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    Console(highlight=False).print(table)


def _safe(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _print_json(value: Any) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
