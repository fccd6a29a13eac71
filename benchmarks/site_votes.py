"""Votes on the site: 50,000 cast at once, all of them checked afterwards.

    python benchmarks/site_votes.py --hardware epyc-milan-2c --write

casts votes through the booth in this process, then over HTTP at a site of its own in another process, in which nobody
is throttled. Afterwards the tallies must be what was cast and the log's chain must verify. Beside it stand what the
disk does at most (4 kB written and on disk, one after the other) and plain SQLite with a transaction for each vote.

    python benchmarks/site_votes.py --url http://127.0.0.1:8000 [--database URL]

votes at a site that runs, and checks its database where that is given. A site with its usual limits refuses most.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import datetime
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent))
from result_page import machine, spread
from seatrial.cli.wiring import now
from seatrial.site.db.instants import naive
from seatrial.site.db.migrating import current, upgrade
from seatrial.site.db.opening import open_database, writing
from seatrial.site.votes.batch import Timed, carry_out
from seatrial.site.votes.chain import verify
from site_votes_load import (
    Load,
    Tally,
    a_cast,
    check,
    over_http,
    over_own_site,
    serve,
    subjects,
    tallied,
    through_booth,
)

ROOT = Path(__file__).resolve().parents[1]
TARGET_P99_S = 0.2


@dataclasses.dataclass
class Row:
    """One way to vote, a figure for each repetition."""

    name: str
    per_s: list[float] = dataclasses.field(default_factory=list)
    p50_s: list[float] = dataclasses.field(default_factory=list)
    p99_s: list[float] = dataclasses.field(default_factory=list)
    most_s: list[float] = dataclasses.field(default_factory=list)

    def add(self, load: Load) -> None:
        """Another repetition."""
        ascending = sorted(load.latencies_s)
        self.per_s.append(len(ascending) / load.wall_s)
        self.p50_s.append(ascending[len(ascending) // 2])
        self.p99_s.append(ascending[int(len(ascending) * 0.99)])
        self.most_s.append(ascending[-1])


def main() -> None:
    """Parse, cast, check, print, and write the result file where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hardware", default=platform.machine())
    parser.add_argument("--votes", type=int, default=50_000)
    parser.add_argument("--at-once", type=int, default=500, help="votes that wait in the booth at any time")
    parser.add_argument("--connections", type=int, default=64, help="over which votes come by HTTP")
    parser.add_argument("--already", type=int, default=0, help="votes in the database before")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=["booth", "http"])
    parser.add_argument("--url", help="a site that runs; alone")
    parser.add_argument("--database", help="its database, or one to vote into (default: SQLite, a new file)")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--serve", nargs=2, metavar=("DATABASE", "PORT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve(args.serve[0], int(args.serve[1]))
    before = machine()
    rows, notes = ([vote_at(args)], []) if args.url else measure(args)
    text = report(args, before, rows, notes)
    print(text)
    if args.write:
        day = datetime.date.today().isoformat()
        (ROOT / "benchmarks" / "results" / f"site-votes_{args.hardware}_{day}.md").write_text(text)
    return None


def measure(args: argparse.Namespace) -> tuple[list[Row], list[str]]:
    """The booth, HTTP, and what stands beside them."""
    rows = []
    for name, load in (("booth", through_booth), ("http", over_own_site)):
        if args.only in (None, name):
            labels = {
                "booth": f"**the booth**, {args.at_once:,} at once",
                "http": f"**over HTTP**, {args.connections:,} connections",
            }
            row = Row(labels[name])
            for _ in range(args.repeats):
                with new_database(args) as url:
                    row.add(load(args, url))
            rows.append(row)
    beside = Row("plain SQLite, a transaction for each")
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(args.repeats):
            beside.add(plain_sqlite(Path(folder, f"{repeat}.db"), min(args.votes, 5_000)))
        writes_per_s = [synced_writes_per_s(Path(folder, "file")) for _ in range(args.repeats)]
    return [*rows, beside], [f"The disk: {spread(writes_per_s)} writes of 4 kB a second, each on disk before the next."]


@contextlib.contextmanager
def new_database(args: argparse.Namespace) -> Iterator[str]:
    """Where to vote: the database that was named, else a new SQLite file, with `--already` votes in it."""
    with tempfile.TemporaryDirectory() as folder:
        url = args.database or f"sqlite:///{folder}/site.db"
        database = open_database(url)
        if current(database) is None:
            upgrade(database)
        left = args.already
        while left > 0:
            casts = [a_cast(number) for number in range(min(left, 1_000))]
            with writing(database) as connection:
                carry_out(connection, [Timed(cast, naive(now())) for cast in casts])
            left -= 1_000
        database.close()
        yield url


def vote_at(args: argparse.Namespace) -> Row:
    """Votes at a site that runs already."""
    row = Row(f"{args.url}, {args.connections:,} connections")
    database = open_database(args.database) if args.database else None
    before = tallied(database) if database else Tally()
    head = verify(database).head if database else None
    load = asyncio.run(over_http(args, args.url))
    if database is not None and head is not None:
        check(database, load, before, head)
    if load.refused:
        print(f"Refused, by status: {dict(load.refused)}. 429 is the throttle: see `Limits` in votes/throttle.py.")
    row.add(load)
    return row


def plain_sqlite(path: Path, num: int) -> Load:
    """A row for each vote and a counter, committed one by one; no chain, no weights, one writer."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE votes (voter TEXT, subject TEXT, choice TEXT, PRIMARY KEY (voter, subject))")
    connection.execute("CREATE TABLE tallies (subject TEXT, choice TEXT, num INTEGER, PRIMARY KEY (subject, choice))")
    latencies_s, begin_s = [], time.perf_counter()
    for number in range(num):
        said, asked_s = a_cast(number), time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO votes VALUES (?, ?, ?)", (said.voter, said.subject.key, said.choice))
        put = "INSERT INTO tallies VALUES (?, ?, 1) ON CONFLICT (subject, choice) DO UPDATE SET num = num + 1"
        connection.execute(put, (said.subject.key, said.choice))
        connection.execute("COMMIT")
        latencies_s.append(time.perf_counter() - asked_s)
    wall_s = time.perf_counter() - begin_s
    connection.close()
    return Load(wall_s, latencies_s, Tally(), Counter())


def synced_writes_per_s(path: Path, seconds: float = 1.0) -> float:
    """How often 4 kB can be written and be on disk, one after the other."""
    num, begin_s = 0, time.perf_counter()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while time.perf_counter() - begin_s < seconds:
        os.write(file, bytes(4096))
        os.fdatasync(file)
        num += 1
    os.close(file)
    return num / (time.perf_counter() - begin_s)


def report(args: argparse.Namespace, before: str, rows: list[Row], notes: list[str]) -> str:
    """The result as Markdown."""
    versions = [f"{name} {metadata.version(name)}" for name in ("seatrial", "sqlalchemy", "starlette", "httptools")]
    kind = urlsplit(args.database or "sqlite:").scheme
    lines = [
        f"# Votes on the site, {args.hardware}, {datetime.date.today().isoformat()}",
        "",
        f"Command: `python {' '.join(sys.argv)}`  ",
        f"Hardware: {before}  ",
        f"Versions: Python {platform.python_version()}, {', '.join(versions)}, SQLite {sqlite3.sqlite_version}",
        "",
        f"{args.votes:,} votes, each of a new voter, on {len(subjects())} subjects, into {kind} with {args.already:,} "
        "votes in it. Afterwards the tallies were what was cast, the log had every acknowledged vote and no other, and "
        f"its chain verified. Medians of {args.repeats} repetitions with least and most. Client and site share the "
        "machine.",
        "",
        "| votes | a second | p50, ms | p99, ms | longest, ms |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        times = [spread([1e3 * value for value in each], 1) for each in (row.p50_s, row.p99_s, row.most_s)]
        lines.append(f"| {row.name} | {spread(row.per_s)} | {' | '.join(times)} |")
    lines += ["", *notes, "", "## Aims", ""]
    for row in rows[: 1 if args.url else -1]:
        worst_s = max(row.p99_s)
        word = "Met" if worst_s < TARGET_P99_S else "**Missed**"
        lines.append(f"- p99 < {TARGET_P99_S * 1e3:.0f} ms, {row.name}: {worst_s * 1e3:.0f} ms at worst. {word}.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
