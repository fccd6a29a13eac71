"""What goes wrong under the writer: locks, full disks, servers that restart, two sites at once, a killed process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event
from voting import HOME, MODEL, assert_sound, log_of, network, say, tallies_of, voter

from seatrial.errors import StorageError, TooManyRequests
from seatrial.site.db.opening import Database, open_database, writing
from seatrial.site.votes.booth import Booth, Cast
from seatrial.site.votes.chain import lock_head
from seatrial.site.votes.throttle import UNLIMITED
from seatrial.site.votes.writer import Writer


def open_booth(database: Database, clock: Any, **options: Any) -> Booth:
    return Booth(database, clock, limits=UNLIMITED, **options)


class Held:
    """Another program that holds the lock on the chain's head until it is let go."""

    def __init__(self, url: str) -> None:
        self._url, self._go, self._holds = url, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)
        self._thread.start()
        assert self._holds.wait(10)

    def let_go(self) -> None:
        self._go.set()
        self._thread.join()

    def _hold(self) -> None:
        database = open_database(self._url)
        with writing(database) as connection:
            lock_head(connection)
            self._holds.set()
            self._go.wait(20)
        database.close()


async def test_a_lock_that_passes_is_waited_out(database_url: str, clock: Any) -> None:
    database = open_database(database_url, lock_timeout_s=0.1)
    booth = open_booth(database, clock, patience_s=10.0)
    held = Held(database_url)
    waiting = asyncio.create_task(say(booth, 1))
    await asyncio.sleep(0.5)
    assert not waiting.done()

    held.let_go()

    assert (await waiting).changed
    await booth.close()
    assert_sound(database)
    database.close()


async def test_a_lock_that_stays_is_an_error_and_the_next_vote_counts(database_url: str, clock: Any) -> None:
    database = open_database(database_url, lock_timeout_s=0.1)
    booth = open_booth(database, clock, patience_s=0.3)
    held = Held(database_url)
    asked = await asyncio.gather(*(say(booth, number) for number in range(20)), return_exceptions=True)
    held.let_go()

    assert all(isinstance(error, StorageError) for error in asked)
    assert "Vote again" in str(asked[0])
    assert database.name not in str(asked[0])
    assert (await say(booth, 1)).seq == 1
    await booth.close()
    assert_sound(database)
    database.close()


async def test_a_full_disk_loses_nothing_that_was_acknowledged(new_url: Callable[..., str], clock: Any) -> None:
    database = open_database(new_url("sqlite"))
    booth = open_booth(database, clock, patience_s=0.1)
    await say(booth, 0)
    with writing(database) as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def limit(connection: Any, *_: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + 4}")

    event.listen(database.engine, "connect", limit)
    database.engine.dispose()
    acknowledged = 1
    for number in range(1, 2000):
        try:
            acknowledged += (await say(booth, number)).changed
        except StorageError:
            break

    assert len(log_of(database)) == acknowledged < 2000
    assert_sound(database)
    event.remove(database.engine, "connect", limit)
    database.engine.dispose()
    assert (await say(booth, 5000)).changed
    await booth.close()
    assert_sound(database)
    database.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_postgresql_restarts_while_votes_come_in(
    new_url: Callable[..., str], postgres_server: Any, clock: Any, how: signal.Signals
) -> None:
    database = open_database(new_url("postgresql"))
    is_under_way = threading.Event()

    async def vote() -> list[int]:
        booth = open_booth(database, clock, patience_s=30.0)

        async def keep_voting(first: int) -> list[int]:
            seqs = []
            for number in range(first, first + 60):
                seqs.append((await say(booth, number)).seq or 0)
                if number == 20:
                    is_under_way.set()
                await asyncio.sleep(0.01)
            return seqs

        acknowledged = await asyncio.gather(*(keep_voting(first) for first in range(0, 600, 100)))
        await booth.close()
        return [seq for seqs in acknowledged for seq in seqs]

    with ThreadPoolExecutor(1) as pool:  # the server would end with a thread that started it, so that this one does
        voting = pool.submit(lambda: asyncio.run(vote()))
        assert is_under_way.wait(30)
        postgres_server.restart(how)
        acknowledged = voting.result()

    assert sorted(acknowledged) == list(range(1, 361))
    assert len(log_of(database)) == 360
    assert_sound(database)
    database.close()


async def test_a_commit_whose_answer_was_lost_counts_once(
    database: Database, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import contextlib

    from seatrial.site.votes import writer

    lost = [True]

    @contextlib.contextmanager
    def loses_the_answer(database: Database) -> Any:
        with writing(database) as connection:
            yield connection
        if lost.pop() if lost else False:
            raise StorageError("The connection broke.")

    monkeypatch.setattr(writer, "writing", loses_the_answer)
    booth = open_booth(database, clock)
    receipts = await asyncio.gather(say(booth, 1), say(booth, 2, "skip"))
    await booth.close()

    assert [receipt.seq for receipt in receipts] == [1, 2]
    assert len(log_of(database)) == 2
    assert_sound(database)


async def test_two_sites_on_one_database_take_turns(database_url: str, clock: Any) -> None:
    databases = [open_database(database_url), open_database(database_url)]
    booths = [open_booth(database, clock) for database in databases]

    async def vote_on_both(number: int) -> None:
        await say(booths[number % 2], number, "ship", where=network(number))
        await say(booths[(number + 1) % 2], number, "skip", where=network(number))

    await asyncio.gather(*(vote_on_both(number) for number in range(200)))
    await asyncio.gather(
        *(booths[number % 2].confirm(voter(number), f"{number // 2}@example.org") for number in range(40))
    )

    assert len(log_of(databases[0])) == 400 + 40 + 20
    assert tallies_of(databases[1]) == {
        (MODEL.key, "skip"): (180, 20 * 1000 + 160 * 100, 20 * 1000**2 + 160 * 100**2),
    }
    for each, database in zip(booths, databases, strict=True):
        await each.close()
        assert_sound(database)
        database.close()


async def test_closing_writes_what_waits_and_takes_nothing_more(database: Database, clock: Any) -> None:
    booth = open_booth(database, clock)
    waiting = [asyncio.create_task(say(booth, number)) for number in range(500)]
    await asyncio.sleep(0)
    await booth.close()

    assert sum([(await each).changed for each in waiting]) == 500
    assert len(log_of(database)) == 500
    with pytest.raises(StorageError, match="shutting down"):
        await say(booth, 501)
    await booth.close()


async def test_a_full_queue_refuses_at_once(database_url: str, clock: Any) -> None:
    database = open_database(database_url)
    booth = open_booth(database, clock, most_waiting=10)
    await say(booth, 0)
    held = Held(database_url)
    taken = asyncio.create_task(say(booth, 1))
    await asyncio.sleep(0.2)  # the writer has it, and waits for the lock
    waiting = [asyncio.create_task(say(booth, number)) for number in range(2, 14)]
    await asyncio.sleep(0.05)

    refused = [each for each in waiting if each.done()]
    held.let_go()

    assert len(refused) == 2
    for each in refused:
        with pytest.raises(TooManyRequests, match="10 wait"):
            each.result()
    assert (await taken).changed
    await booth.close()
    assert len(log_of(database)) == 12
    database.close()


async def test_who_goes_away_before_the_answer_has_voted(database_url: str, clock: Any) -> None:
    database = open_database(database_url)
    booth = open_booth(database, clock)
    held = Held(database_url)
    gone = asyncio.create_task(say(booth, 1))
    stays = asyncio.create_task(say(booth, 2))
    await asyncio.sleep(0.05)
    gone.cancel()
    held.let_go()

    assert (await stays).changed
    await booth.close()
    assert {entry.voter for entry in log_of(database)} == {voter(1), voter(2)}
    database.close()


def test_votes_come_from_many_event_loops(database: Database, clock: Any) -> None:
    writer = Writer(database, clock)
    done: list[Any] = []

    async def vote(first: int) -> None:
        casts = [Cast(voter(number), HOME, MODEL, "ship") for number in range(first, first + 50)]
        done.extend(await asyncio.gather(*(writer.write(cast) for cast in casts)))

    threads = [threading.Thread(target=lambda first=first: asyncio.run(vote(first))) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()

    assert len(done) == len(log_of(database)) == 150
    assert_sound(database)


_VOTES_FOR_EVER = """
import asyncio, sys
from datetime import UTC, datetime
from seatrial.site.db.opening import open_database
from seatrial.site.votes.booth import Booth, Cast
from seatrial.site.votes.subject import model_subject
from seatrial.site.votes.throttle import UNLIMITED

async def main():
    booth = Booth(open_database(sys.argv[1]), lambda: datetime.now(UTC), limits=UNLIMITED)
    async def vote(first):
        for number in range(first, first + 100_000):
            receipt = await booth.cast(Cast(f"{number:032x}", "n", model_subject("m"), "ship"))
            print(receipt.seq, f"{number:032x}", flush=True)
    await asyncio.gather(*(vote(each * 1_000_000) for each in range(20)))

asyncio.run(main())
"""


def test_a_site_that_is_killed_has_every_vote_it_acknowledged(database: Database, database_url: str) -> None:
    with subprocess.Popen([sys.executable, "-c", _VOTES_FOR_EVER, database_url], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(300)]
        os.kill(process.pid, signal.SIGKILL)
        lines += process.stdout.readlines()

    entries = {entry.seq: entry.voter for entry in log_of(database)}
    acknowledged = [line.split() for line in lines if line.endswith(b"\n")]
    assert len(acknowledged) >= 300
    assert all(entries[int(seq)] == who.decode() for seq, who in acknowledged)
    assert_sound(database)
