"""`seatrial digest`: the weekly digest of what changed on the site, looked at, sent, and followed."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.options import SiteDatabase

if TYPE_CHECKING:
    from seatrial.cli.settings import Settings
    from seatrial.site.db.opening import Database
    from seatrial.site.digest.progress import Progress
    from seatrial.site.digest.sending import Outcome
    from seatrial.site.digest.subscriptions import Subscriptions
    from seatrial.site.digest.week import Week
    from seatrial.site.digest.writing import Issue

app = typer.Typer(
    help="The site's weekly digest.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

WeekOption = Annotated[
    str | None,
    typer.Option("--week", metavar="WEEK", show_default=False, help="As in 2026-W47 (default: the last that is over)."),
]


class Resolve(enum.StrEnum):
    """What became of messages of which nobody knows whether the server took them."""

    sent = "sent"
    again = "again"


@app.command("preview")
def preview(
    week: WeekOption = None,
    html: Annotated[bool, typer.Option("--html", help="Print the HTML instead of the text.")] = False,
    database: SiteDatabase = None,
) -> None:
    """Print a week's issue: the stored one, or what it would say by now. Nothing is stored or sent."""
    from seatrial.cli.wiring import now
    from seatrial.cli.wiring_database import open_library
    from seatrial.cli.wiring_mail import LOCAL_URL
    from seatrial.site.digest.writing import find_issue
    from seatrial.site.digest.writing import preview as write_preview

    wanted = _week(week)
    with _opened(database) as (settings, opened):
        issue = find_issue(opened, wanted) or write_preview(
            open_library(settings, opened), wanted, base_url=settings.site_url or LOCAL_URL, at=now()
        )
    if issue is None:
        typer.echo(f"Nothing changed in {wanted}: there will be no issue.")
    else:
        typer.echo(issue.html if html else f"{issue.subject}\n\n{issue.text}", nl=False)


@app.command("send")
def send(
    week: WeekOption = None,
    outbox: Annotated[
        Path | None,
        typer.Option(
            "--outbox",
            metavar="DIR",
            show_default=False,
            help="Write messages into this folder, whatever server is set.",
        ),
    ] = None,
    resolve: Annotated[
        Resolve | None,
        typer.Option(
            "--resolve",
            show_default=False,
            help="Take messages that nobody knows about as `sent`, or send them `again`.",
        ),
    ] = None,
    database: SiteDatabase = None,
) -> None:
    """Write a week's issue, once, and send it to each subscriber, once. The same command goes on where it stopped.

    Mail goes through SEATRIAL_SMTP_URL, or into a folder where that is not set.
    """
    from seatrial.cli.wiring import now
    from seatrial.cli.wiring_database import open_library
    from seatrial.cli.wiring_mail import mail_base_url
    from seatrial.site.digest.writing import write_issue

    wanted = _week(week)
    with _opened(database) as (settings, opened):
        base_url = mail_base_url(settings, outbox)
        issue = write_issue(opened, open_library(settings, opened), wanted, clock=now, base_url=base_url)
        if issue is None:
            typer.echo(f"Nothing changed in {wanted}: there is no issue to send.")
            return
        _subscriptions(settings, opened).forget_unconfirmed()
        _tell(_send(settings, opened, issue, outbox, resolve), wanted)


@app.command("status")
def status(week: WeekOption = None, database: SiteDatabase = None) -> None:
    """Say how many subscribers there are, and how far a week's issue has come."""
    from seatrial.site.digest.progress import progress_of
    from seatrial.site.digest.writing import find_issue

    wanted = _week(week)
    with _opened(database) as (settings, opened):
        counts, issue = _subscriptions(settings, opened).counts(), find_issue(opened, wanted)
        typer.echo(f"Subscribers: {counts.active:,} active, {counts.asked:,} not confirmed, {counts.left:,} have left.")
        if issue is None:
            typer.echo(f"{wanted}: no issue is written.")
            return
        progress = progress_of(opened, issue)
    typer.echo(f"{wanted}: {issue.subject}\n{_words(progress)}")
    for reason, number in progress.reasons:
        typer.echo(f"  {number:,} × {reason}")


@app.command("bounce")
def bounce(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Where mail came back from.")],
    soft: Annotated[bool, typer.Option("--soft", help="It may work another day; the third in a row ends it.")] = False,
    database: SiteDatabase = None,
) -> None:
    """Note that mail to an address came back. It is written to no more."""
    with _opened(database) as (settings, opened):
        is_known = _subscriptions(settings, opened).bounce(address, is_for_good=not soft)
    typer.echo("Noted." if is_known else "That address does not subscribe.")


def _week(text: str | None) -> Week:
    from seatrial.cli.wiring import now
    from seatrial.site.digest.week import read_week, week_of

    return week_of(now()).before() if text is None else read_week(text)


@contextlib.contextmanager
def _opened(url: str | None) -> Iterator[tuple[Settings, Database]]:
    from seatrial.cli.settings import read_settings
    from seatrial.cli.wiring_database import opened_database

    settings = read_settings()
    with opened_database(url or settings.site_database) as database:
        yield settings, database


def _subscriptions(settings: Settings, database: Database) -> Subscriptions:
    from seatrial.cli.wiring import now
    from seatrial.cli.wiring_mail import open_subscriptions
    from seatrial.site.db.site_settings import secret
    from seatrial.site.security.tokens import Tokens

    return open_subscriptions(database, settings, Tokens(secret(database), clock=now), now)


def _send(
    settings: Settings, database: Database, issue: Issue, outbox: Path | None, resolve: Resolve | None
) -> Outcome:
    from seatrial.cli.wiring import now
    from seatrial.cli.wiring_mail import open_carrier, open_letters
    from seatrial.site.db.site_settings import secret
    from seatrial.site.digest.sending import Sending
    from seatrial.site.security.tokens import Tokens

    letters = open_letters(settings, Tokens(secret(database), clock=now), outbox)
    with contextlib.closing(open_carrier(settings, outbox)) as carrier:
        sending = Sending(database, carrier, letters, now)
        return sending.send(issue, resolve=None if resolve is None else resolve.value)


def _tell(outcome: Outcome, week: Week) -> None:
    """Say what was done. Raises SeatrialError where it is not the whole."""
    from seatrial.errors import SeatrialError

    typer.echo(f"{week}: {outcome.num_sent:,} sent now. {_words(outcome.progress)}")
    if outcome.progress.unknown:
        typer.echo(
            f"Of {outcome.progress.unknown:,} nobody knows whether the server took them: a sender was stopped, or is "
            "still at work. Look at the server's log; then `--resolve sent` or `--resolve again`, a quarter of an hour "
            "after they were tried.",
            err=True,
        )
    if outcome.stopped is not None:
        raise SeatrialError(f"{outcome.stopped} The same command goes on where this one stopped.")


def _words(progress: Progress) -> str:
    return (
        f"In all {progress.sent:,} sent, {progress.failed:,} failed, {progress.unknown:,} unknown, "
        f"{progress.waiting:,} waiting."
    )
