"""`seatrial votes` on a database that was voted into."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from seatrial.site.db.migrating import upgrade
from seatrial.site.db.opening import open_database, writing
from seatrial.site.votes.booth import Booth, Cast
from seatrial.site.votes.subject import Subject, blind_subject, model_subject
from seatrial.site.votes.throttle import UNLIMITED

MODEL = model_subject("smollm3-3b")
BEGIN = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
Seatrial = Callable[..., Any]


def voted(url: str, casts: list[Cast]) -> None:
    minutes = iter(range(len(casts)))

    async def run() -> None:
        database = open_database(url)
        upgrade(database)
        booth = Booth(database, lambda: BEGIN + timedelta(minutes=next(minutes, 0)), limits=UNLIMITED)
        for cast in casts:
            await booth.cast(cast)
        await booth.close()
        database.close()

    asyncio.run(run())


def cast(number: int, choice: str, subject: Subject = MODEL, network: str | None = None) -> Cast:
    return Cast(f"{number:032x}", f"n{number}" if network is None else network, subject, choice)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/site.db"


@pytest.fixture
def sound(url: str) -> str:
    voted(url, [cast(number, "ship" if number % 4 else "skip") for number in range(40)])
    return url


def test_verify_says_what_it_read_and_the_head_to_note(seatrial: Seatrial, sound: str) -> None:
    ran = seatrial("votes", "verify", "--database", sound)
    assert ran.code == 0, ran.err
    assert "40 entries, the chain is unbroken; 40 votes" in ran.out
    head = ran.out.split("Head: ")[1].strip()

    voted(sound, [cast(99, "ship")])
    assert seatrial("votes", "verify", "--database", sound, "--head", head).code == 0
    other = seatrial("votes", "verify", "--database", sound, "--head", head[:-1] + "x")
    assert (other.code, "written anew" in other.err) == (1, True)
    assert seatrial("votes", "verify", "--database", sound, "--head", "x").code == 2


def test_verify_names_the_entry_that_was_tampered_with(seatrial: Seatrial, sound: str) -> None:
    database = open_database(sound)
    with writing(database) as connection:
        connection.exec_driver_sql("UPDATE vote_log SET choice = 'skip' WHERE seq = 7")
    database.close()

    ran = seatrial("votes", "verify", "--database", sound)
    assert ran.code == 1
    assert "entry 7" in ran.err
    assert "site.db" in ran.err
    ran = seatrial("votes", "verify", "--json", "--database", sound)
    assert ran.code == 1
    assert json.loads(ran.out)["fault"]["seq"] == 7


def test_show_lists_subjects_then_one_with_who_moves_it(seatrial: Seatrial, sound: str) -> None:
    ran = seatrial("votes", "show", "--database", sound)
    assert "model:smollm3-3b" in ran.out
    assert "ship 75%" in ran.out

    ran = seatrial("votes", "show", "model:smollm3-3b", "--database", sound)
    assert "40 voters" in ran.out
    assert "network" in ran.out
    found = json.loads(seatrial("votes", "show", MODEL.key, "--json", "--database", sound).out)
    assert found["opinion"]["num_voters"] == 40
    assert len(found["movers"]) == 20
    assert seatrial("votes", "show", "smollm3-3b", "--database", sound).code == 2


def test_few_votes_are_not_shown(seatrial: Seatrial, url: str) -> None:
    voted(url, [cast(1, "ship")])
    assert "below 20 voters" in seatrial("votes", "show", MODEL.key, "--database", url).out
    assert "1 of 20 needed" not in seatrial("votes", "ranks", "--database", url).out
    assert "Not enough data" in seatrial("votes", "ranks", "--database", url).out


def test_ranks_order_candidates(seatrial: Seatrial, url: str) -> None:
    subjects = [blind_subject("run", "triage", str(item), "small", "large") for item in range(4)]
    casts = [
        cast(number, "large" if (number + item * item) % 5 else "small", subject)
        for number in range(30)
        for item, subject in enumerate(subjects)
    ]
    voted(url, casts)

    ran = seatrial("votes", "ranks", "run", "--database", url)
    assert ran.code == 0, ran.err
    assert ran.out.index("large") < ran.out.index("small")
    assert "120 votes of 30 voters" in ran.out
    assert json.loads(seatrial("votes", "ranks", "--json", "--database", url).out)["standings"][0]["name"] == "large"


@pytest.mark.slow
def test_anomalies_finds_a_network_that_says_one_thing(seatrial: Seatrial, url: str) -> None:
    honest = [cast(number, "ship" if number % 2 else "skip") for number in range(60)]
    bought = [cast(1000 + number, "ship", network="farm") for number in range(30)]
    voted(url, [each for pair in zip(honest[::2], bought, honest[1::2], strict=True) for each in pair])

    ran = seatrial("votes", "anomalies", "--database", url)
    assert ran.code == 0, ran.err
    assert "farm" in ran.out
    assert "30 of 30 votes for `ship`" in ran.out
    found = json.loads(seatrial("votes", "anomalies", "--json", "--database", url, "--subject", MODEL.key).out)
    assert found[0]["who"] == "farm"


def test_an_empty_site_has_nothing_to_say(seatrial: Seatrial, url: str) -> None:
    voted(url, [])
    assert "0 entries" in seatrial("votes", "verify", "--database", url).out
    assert "Nobody has voted yet" in seatrial("votes", "show", "--database", url).out
    assert "Nothing looks unlike" in seatrial("votes", "anomalies", "--database", url).out


def test_a_database_without_tables_says_what_to_run(seatrial: Seatrial, url: str) -> None:
    ran = seatrial("votes", "verify", "--database", url)
    assert ran.code != 0
    assert "seatrial site upgrade" in ran.err
