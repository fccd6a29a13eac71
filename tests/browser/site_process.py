"""A real site for the browser: its own process over a database of its own, filled as an operator would fill it.

In: a folder. Out: `SiteProcess`, which says where the site is and reads the mail that it wrote. Published are the
report's sample runs, a run of two items to judge blind, one whose every text is hostile, and an issue of the digest.
"""

from __future__ import annotations

import email
import email.policy
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
from site_samples import make_library, replaced, run_document, sample

from seatrial.site.db.migrating import upgrade
from seatrial.site.db.opening import open_database, writing
from seatrial.site.db.tables import tallies
from seatrial.site.digest.week import week_of
from seatrial.site.votes.subject import model_subject, pair_subject
from seatrial.verdict.document import Document

CATALOG = "/compare/gpt-5-mini-vs-smollm3-3b"
MEASURED = "/compare/baseline-majority-vs-baseline-nearest-vs-gpt-5-mini-vs-smollm2-135m-vs-smollm3-3b"
MIXED = "/compare/baseline-nearest-vs-smollm2-135m"
TWO_ITEMS = "baseline-majority-vs-baseline-nearest-vs-smollm2-135m"
VOTES = {
    model_subject("gpt-5-mini").key: {"ship": 9, "skip": 31},
    pair_subject("gpt-5-mini", "smollm3-3b").key: {"gpt-5-mini": 10, "smollm3-3b": 30},
}

PAST = {
    1: (),
    2: ("smollm2-135m", "gpt-5-mini"),
    3: ("baseline:nearest", "gpt-5-mini"),
    4: ("baseline:majority", "gpt-5-mini"),
    5: ("smollm2-135m", "smollm3-3b"),
}
"""What was published so many weeks ago: an issue of the digest can be written of each; () is all candidates."""

OVERRIDE = "\N{RIGHT-TO-LEFT OVERRIDE}"
MARKUP = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
HOSTILE_NAMES = (f"{OVERRIDE}evil</bdi></title>{MARKUP}", f"One {MARKUP} {{{{ 7 * 7 }}}}")
HOSTILE_IDS = {"smollm2-135m": '"><i onclick=alert(3)>', "baseline:nearest": "javascript:alert(4)//'"}
HOSTILE_URL = "javascript:alert(5)"
_TOLD = re.compile(
    "text|name|title|description|tagline|maker|licence|not_measured|way_out|label|source|question|note|basis|line|"
    "benchmark|variant|setting|input|expected|cluster|failure|repeat|task|scorer|origin|method|platform|cpu"
)


def week_before(num_weeks: int) -> str:
    """The week so many weeks ago, as commands take it."""
    return str(week_of(datetime.now(UTC) - timedelta(weeks=num_weeks)))


@dataclass(frozen=True, slots=True)
class SiteProcess:
    """A site that answers at `url`. `home` holds its database and the outbox."""

    url: str
    home: Path

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self.home / "site" / "site.db"

    @property
    def outbox(self) -> Path:
        """Where its mail lies, a file for each message."""
        return self.home / "site" / "outbox"

    def command(self, *words: str) -> str:
        """What `seatrial …` prints, run on this site's database."""
        done = subprocess.run(
            _seatrial(*words), env=_environment(self.home, self.url), capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def mails_to(self, address: str) -> list[EmailMessage]:
        """What was written to an address, in order."""
        files = sorted(self.outbox.glob("*.eml"), key=lambda file: file.stat().st_mtime_ns)
        mails = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]
        return [mail for mail in mails if isinstance(mail, EmailMessage) and mail["to"] == address]


@contextmanager
def serving(home: Path) -> Iterator[SiteProcess]:
    """Fill a database in this folder and serve it until the end."""
    url = f"sqlite:///{home / 'site' / 'site.db'}"
    (home / "site").mkdir()
    _fill(url)
    command = _seatrial("site", "--port", "0")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment(home)) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://[\d.]+:\d+", server.stdout.readline())
            assert found is not None, "the site did not say where it is"
            site = SiteProcess(found[0], home)
            yield site
        finally:
            server.terminate()


@contextmanager
def serving_files(folder: Path) -> Iterator[str]:
    """Serve files as they lie, with Python's own server; its address."""
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"port (\d+)", server.stdout.readline())
            assert found is not None
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            server.terminate()


@contextmanager
def arriving_slowly(url: str) -> Iterator[str]:
    """The site at `url` behind a slow line: each page comes in a dozen pieces. Its address there."""

    class SlowLine(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with urlopen(url + self.path) as answer:
                content, kind = answer.read(), answer.headers["content-type"]
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            is_page = kind.startswith("text/html")
            size = -(-len(content) // (12 if is_page else 1))
            for start in range(0, len(content), size):
                self.wfile.write(content[start : start + size])
                self.wfile.flush()
                time.sleep(0.05 * is_page)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), SlowLine) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def hostile_document() -> Document:
    """A measured run whose names, ids, items, answers, notices, links and sources all try to get out of their place."""
    document = sample.mixed_document()
    card, other = document.candidates
    notice = [sample.spans(f"Retires {MARKUP} {OVERRIDE}now")]
    cards = [
        replaced(card, name=HOSTILE_NAMES[0], notices=notice),
        replaced(other, name=HOSTILE_NAMES[1], notices=notice),
    ]
    items = [
        replaced(item, item=f"<i>{number}", input=f"{OVERRIDE}{MARKUP}", expected={MARKUP: [MARKUP]})
        for number, item in enumerate(document.item_differences[:6])
    ]
    document = replaced(document, candidates=cards, item_differences=items, run=replaced(document.run, id='"><i>'))
    told = _changed(msgspec.to_builtins(document), _hostile)
    return msgspec.convert(told, Document)


def _changed(value: Any, change: Callable[[str, str], str], key: str = "") -> Any:
    """JSON-like data with every text in it changed by its key; keys that are candidates' ids change alike."""
    if isinstance(value, dict):
        return {HOSTILE_IDS.get(name, name): _changed(each, change, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_changed(each, change, key) for each in value]
    return change(key, value) if isinstance(value, str) else value


def _hostile(key: str, text: str) -> str:
    if text in HOSTILE_IDS:
        return HOSTILE_IDS[text]
    if key == "url":
        return HOSTILE_URL
    is_told = _TOLD.fullmatch(key) is not None and text not in sample.NUM_ITEMS
    return f"{text} {MARKUP}" if is_told and text and MARKUP not in text else text


def _fill(url: str) -> None:
    database = open_database(url)
    upgrade(database)
    for weeks, candidates in sorted(PAST.items(), reverse=True):
        then = datetime.now(UTC) - timedelta(weeks=weeks)
        past = run_document(f"run-{weeks}-weeks-ago", decision="skip", candidates=candidates)
        make_library(database, lambda then=then: then).publish(past)
    library = make_library(database, lambda: datetime.now(UTC))
    library.publish(hostile_document())
    library.publish(sample.mixed_document())
    library.publish(two_items())
    library.publish(sample.measured_document())
    with writing(database) as connection:
        for subject, votes in VOTES.items():
            for choice, n in votes.items():
                row = {"num_voters": n, "weight": 1_000 * n, "weight_squared": 1_000_000 * n}
                connection.execute(tallies.insert().values(subject=subject, choice=choice, **row))
    database.close()


def two_items() -> Document:
    """A run of three candidates with two items to judge blind, with two answers to each."""
    document = run_document("run-blind", candidates=("smollm2-135m", "baseline:nearest", "baseline:majority"))
    return replaced(document, item_differences=document.item_differences[4:6])


def _seatrial(*words: str) -> list[str]:
    return [sys.executable, "-c", "from seatrial.cli.main import run; run()", *words]


def _environment(home: Path, url: str | None = None) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("SEATRIAL_")}
    return given | {"SEATRIAL_HOME": str(home)} | ({"SEATRIAL_SITE_URL": url} if url else {})
