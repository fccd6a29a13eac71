"""Votes by the thousand, and the check that each was counted: through a booth, and over HTTP.

In: how many votes, how many at once, and where to. Out: how long each took. Which subject and choice a vote is for
follows from its number; its voter is always a new one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from sqlalchemy import select

from seatrial.cli.settings import Settings, read_settings
from seatrial.cli.wiring import now, open_catalog
from seatrial.site.db.opening import Database, open_database, reading
from seatrial.site.db.tables import tallies
from seatrial.site.votes.booth import Booth, Cast
from seatrial.site.votes.chain import Head, verify
from seatrial.site.votes.subject import Subject, model_subject
from seatrial.site.votes.throttle import UNLIMITED
from seatrial.site.votes.voters import new_voter

NUM_NETWORKS = 1_000
SITE = str(Path(__file__).with_name("site_votes.py"))
Tally = Counter[tuple[str, str]]
Caster = Callable[[int, Cast], Awaitable[int]]


class Load(NamedTuple):
    """What was cast, and how long each took, seconds; `refused` are answers other than "counted"."""

    wall_s: float
    latencies_s: list[float]
    cast: Tally
    refused: Counter[int]


def a_cast(number: int) -> Cast:
    """A vote of a new voter."""
    subject = subjects()[number % len(subjects())]
    return Cast(new_voter(), f"{number % NUM_NETWORKS:032x}", subject, subject.choices[number % 3 % 2])


@cache
def subjects() -> tuple[Subject, ...]:
    """The models of the catalog."""
    return tuple(model_subject(entry) for entry in open_catalog(_settings()).entries)


def through_booth(args: argparse.Namespace, url: str) -> Load:
    """Votes in this process."""
    database = open_database(url)
    before, head = tallied(database), verify(database).head

    async def run() -> Load:
        booth = Booth(database, now, limits=UNLIMITED)
        booth.start()

        async def cast(_number: int, said: Cast) -> int:
            receipt = await booth.cast(said)
            return 200 if receipt.changed else 409

        load = await cast_all(args.votes, args.at_once, lambda _: contextlib.nullcontext(cast))
        await booth.close()
        return load

    load = asyncio.run(run())
    check(database, load, before, head)
    database.close()
    return load


async def cast_all(num: int, at_once: int, opened: Callable[[int], contextlib.AbstractContextManager[Caster]]) -> Load:
    """Votes 0 to `num`, `at_once` of them under way at any time, each by the next one who is free.

    What each says is made up beforehand: it is no part of what is timed.
    """
    numbered, latencies_s, cast, refused = enumerate([a_cast(each) for each in range(num)]), [], Tally(), Counter[int]()

    async def keep_casting(worker: int) -> None:
        with opened(worker) as vote:
            for number, said in numbered:
                begin_s = time.perf_counter()
                status = await vote(number, said)
                latencies_s.append(time.perf_counter() - begin_s)
                if status == 200:
                    cast[said.subject.key, said.choice] += 1
                else:
                    refused[status] += 1

    begin_s = time.perf_counter()
    await asyncio.gather(*(keep_casting(worker) for worker in range(at_once)))
    return Load(time.perf_counter() - begin_s, latencies_s, cast, refused)


def over_own_site(args: argparse.Namespace, url: str) -> Load:
    """Votes at a site of our own, in another process."""
    with site_process(url) as address:
        database = open_database(url)
        before, head = tallied(database), verify(database).head
        load = asyncio.run(over_http(args, address))
    check(database, load, before, head)
    database.close()
    return load


async def over_http(args: argparse.Namespace, url: str) -> Load:
    """Votes as a browser sends them, over connections that stay open. No cookie: each is a new voter's."""
    place = urlsplit(url)
    streams = [await asyncio.open_connection(place.hostname, place.port or 80) for _ in range(args.connections)]

    def opened(worker: int) -> contextlib.AbstractContextManager[Caster]:
        reader, writer = streams[worker]

        async def vote(number: int, said: Cast) -> int:
            body = f"subject={quote(said.subject.key, safe='')}&choice={quote(said.choice, safe='')}&back=%2F".encode()
            head = (
                f"POST /votes HTTP/1.1\r\nHost: {place.netloc}\r\nSec-Fetch-Site: same-origin\r\n"
                f"X-Forwarded-For: 10.{number % NUM_NETWORKS // 250}.{number % 250}.1\r\nAccept: application/json\r\n"
                f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(answer.partition(b"content-length:")[2].partition(b"\r\n")[0]))
            return int(answer.split(None, 2)[1])

        return contextlib.nullcontext(vote)

    load = await cast_all(args.votes, args.connections, opened)
    for _, writer in streams:
        writer.close()
    return load


@contextlib.contextmanager
def site_process(database_url: str) -> Iterator[str]:
    """A site without throttles, in another process."""
    command = [sys.executable, SITE, "--serve", database_url, "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait(60)


def serve(database_url: str, port: int) -> None:
    """Be that site; its first line is its address."""
    from seatrial.cli.wiring_site import SiteOrder, open_site
    from seatrial.server.serving import resolve

    address = resolve("127.0.0.1", port)
    site = open_site(_settings(), SiteOrder(address, database_url, limits=UNLIMITED))
    site.run(lambda: print(address.url, flush=True))


def check(database: Database, load: Load, before: Tally, head: Head) -> None:
    """Every vote that was acknowledged is counted and in the log, and no other. Ends the program where it is not."""
    found, expected = verify(database, noted=head if head.seq else None), before + load.cast
    if found.fault is not None:
        raise SystemExit(f"the log does not verify: {found.fault}")
    if found.num_entries != head.seq + load.cast.total():
        raise SystemExit(f"{load.cast.total():,} votes were cast, {found.num_entries - head.seq:,} are in the log")
    if tallied(database) != expected:
        raise SystemExit("the tallies are not what was cast")


def tallied(database: Database) -> Tally:
    """Voters by subject and choice."""
    with reading(database) as connection:
        rows = connection.execute(select(tallies.c.subject, tallies.c.choice, tallies.c.num_voters))
        return Tally({(row.subject, row.choice): row.num_voters for row in rows})


def _settings() -> Settings:
    folder = Path(tempfile.gettempdir(), "seatrial-benchmark")
    return dataclasses.replace(read_settings({}), home=folder, trusted_proxies=("127.0.0.1",))
