"""The `seatrial` command: its table of commands, and the one place where an error becomes a message and an exit code.

Command modules import what they need inside their functions, so that `--help` stays fast and nothing heavier than the
command asked for is ever loaded. Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import os
import sys

import typer

from seatrial import __version__
from seatrial.cli import (
    ask,
    bench,
    chat,
    compare,
    digest,
    doctor,
    keys,
    models,
    pull,
    report,
    serve,
    site,
    trial,
    verdict,
    votes,
)
from seatrial.errors import SeatrialError

app = typer.Typer(
    name="seatrial",
    help="Which model should we ship? Measure candidates on your own work, and get a verdict with evidence.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("compare")(compare.compare)
app.command("trial")(trial.trial)
app.command("verdict")(verdict.verdict)
app.command("report")(report.report)
app.command("ask")(ask.ask)
app.command("chat")(chat.chat)
app.add_typer(models.app, name="models")
app.command("pull")(pull.pull)
app.command("serve")(serve.serve)
app.add_typer(keys.app, name="keys")
app.add_typer(site.app, name="site")
app.add_typer(votes.app, name="votes")
app.add_typer(digest.app, name="digest")
app.command("bench")(bench.bench)
app.command("doctor")(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"seatrial {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Say the version."),
    debug: bool = typer.Option(False, "--debug", help="Show tracebacks and debug logs on standard error."),
) -> None:
    if debug:
        import logging

        form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
        logging.basicConfig(level=logging.DEBUG, format=form, stream=sys.stderr)


# What Typer ends with after Ctrl-C, without a word.
_INTERRUPTED = 130


def run() -> None:
    """Run the command line and exit with its code."""
    try:
        app()
    except SeatrialError as error:
        _log("command failed", error)
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:
            print("\nInterrupted.", file=sys.stderr)
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        _log("unexpected error", error)
        print(
            f"Error: something in Seatrial broke ({type(error).__name__}: {error}).\n"
            "Run the same command as `seatrial --debug …` for the traceback, and please report it.",
            file=sys.stderr,
        )
        sys.exit(1)


def _log(what: str, error: Exception) -> None:
    import logging

    logging.getLogger("seatrial").debug(what, exc_info=error)
