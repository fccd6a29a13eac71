"""`seatrial site`: runs published, served until SIGTERM, built as files, and the database looked after."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner, Result

from seatrial.cli.main import app
from seatrial.errors import InputError, UnknownName, UsageError

SITE_TESTS = str(Path(__file__).resolve().parents[1] / "site")
if SITE_TESTS not in sys.path:
    sys.path.insert(0, SITE_TESTS)

PAIR = "/compare/gpt-5-mini-vs-smollm3-3b"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `seatrial site WORD…` in this process."""
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    for name in ("SITE_DATABASE", "SITE_URL", "SMTP_URL", "MAIL_FROM", "TRUSTED_PROXIES", "CATALOG"):
        monkeypatch.delenv(f"SEATRIAL_{name}", raising=False)
    return lambda *words: CliRunner().invoke(app, ["site", *map(str, words)])


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A finished run."""
    from site_samples import run_document

    from seatrial.verdict.report import write_document

    write_document(run_document(), tmp_path / "run")
    return tmp_path / "run"


def test_a_run_is_published_listed_and_removed(command: Callable[..., Result], run_dir: Path) -> None:
    assert "No run is published" in command("list").output
    added = command("add", run_dir)
    assert added.exit_code == 0, added
    slug = added.stdout.strip().removeprefix("/compare/")
    assert command("add", run_dir).stdout == added.stdout
    assert slug in command("list").stdout
    assert "1 runs" in command("remove", slug).stdout
    again = command("remove", slug)
    assert isinstance(again.exception, UnknownName)


def test_what_is_no_run_is_refused_before_anything_is_published(
    command: Callable[..., Result], run_dir: Path, tmp_path: Path
) -> None:
    refused = command("add", run_dir, tmp_path / "nothing")
    assert isinstance(refused.exception, InputError)
    assert "seatrial verdict" in str(refused.exception)
    assert "No run is published" in command("list").output


def test_the_database_may_be_named_before_or_after_the_command(
    command: Callable[..., Result], run_dir: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    assert command("--database", url, "add", run_dir).exit_code == 0
    assert "/" not in command("list", "--database", url).stdout.partition("  ")[0]
    assert "No run is published" not in command("list", "--database", url).stdout
    assert "No run is published" in command("list").stdout


def test_a_backup_restores_into_a_new_database(command: Callable[..., Result], run_dir: Path, tmp_path: Path) -> None:
    slug = command("add", run_dir).stdout.strip().removeprefix("/compare/")
    assert "keep it where nobody else" in command("backup", tmp_path / "copy.db").stdout
    url = f"sqlite:///{tmp_path / 'new.db'}"
    assert "is restored" in command("restore", tmp_path / "copy.db", "--database", url).stdout
    assert slug in command("list", "--database", url).stdout
    assert isinstance(command("restore", tmp_path / "copy.db", "--database", url).exception, UsageError)
    assert "0 voters" in command("voters", "--database", url).stdout
    assert "is up to date" in command("upgrade", "--database", url).stdout


def test_a_database_of_another_version_is_refused_with_the_way_out(
    command: Callable[..., Result], tmp_path: Path
) -> None:
    import sqlite3

    command("list")
    with sqlite3.connect(tmp_path / "home" / "site" / "site.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from-the-future'")
    refused = command("list")
    assert isinstance(refused.exception, InputError)
    assert "newer" in str(refused.exception)


@pytest.mark.slow
def test_static_files_are_built(command: Callable[..., Result], run_dir: Path, tmp_path: Path) -> None:
    slug = command("add", run_dir).stdout.strip().removeprefix("/compare/")
    built = command("build", tmp_path / "out", "--url", "https://example.org/models")
    assert built.exit_code == 0, built
    assert "every link leads somewhere" in built.stdout
    page = (tmp_path / "out" / "compare" / slug / "index.html").read_text()
    assert f'href="https://example.org/models/compare/{slug}"' in page
    assert isinstance(command("build", tmp_path / "out2", "--url", "nowhere").exception, UsageError)
    assert isinstance(command("build", tmp_path).exception, UsageError)


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"SEATRIAL_SITE_URL": "nowhere"}, "https://host"),
        ({"SEATRIAL_SITE_URL": "https://example.org/sub"}, "root of its host"),
        ({"SEATRIAL_TRUSTED_PROXIES": "proxy.internal"}, "proxy.internal"),
        ({"SEATRIAL_SMTP_URL": "smtp://mail.example"}, "SEATRIAL_MAIL_FROM"),
        ({"SEATRIAL_SITE_DATABASE": "mysql://x/y"}, "postgresql"),
    ],
)
def test_settings_that_cannot_be_are_said(
    command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], says: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    refused = command("--port", "0")
    assert isinstance(refused.exception, UsageError), refused
    assert says in str(refused.exception)


def test_help_lists_what_there_is(command: Callable[..., Result]) -> None:
    out = command("--help").output
    for word in ("--host", "--port", "--database", "add", "remove", "list", "build", "backup", "restore", "upgrade"):
        assert word in out


@pytest.fixture
def serving(start_seatrial: Callable[..., Any]) -> Callable[..., Any]:
    @asynccontextmanager
    async def serve(*words: str, env: dict[str, str] | None = None) -> AsyncIterator[tuple[Any, str]]:
        process = await start_seatrial("site", "--port", "0", *words, env=env)
        try:
            line = await asyncio.wait_for(process.stdout.readline(), 60)
            found = re.search(r"at (http://[\d.]+:\d+)", line.decode())
            assert found, (line, await process.stderr.read())
            yield process, found[1]
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    return serve


async def stop(process: Any) -> str:
    """Its log, after an end that must be a good one."""
    process.send_signal(signal.SIGTERM)
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, err.decode()
    assert b"Traceback" not in err, err.decode()
    return str(err.decode())


async def test_it_serves_pages_takes_votes_and_ends_well(serving: Callable[..., Any], seatrial: Any) -> None:
    async with serving() as (process, url), aiohttp.ClientSession() as session:
        async with session.get(f"{url}{PAIR}") as page:
            assert page.status == 200
            text = await page.text()
            assert f'<link rel="canonical" href="{url}{PAIR}">' in text
        form = {"subject": "model:smollm3-3b", "choice": "ship", "back": PAIR}
        headers = {"origin": url}
        async with session.post(f"{url}/votes", data=form, headers=headers, allow_redirects=False) as sent:
            assert sent.status == 303
            cookie = sent.headers["set-cookie"]
            assert cookie.startswith("voter=")
            assert "Secure" not in cookie
        async with session.get(f"{url}/votes/mine.json", headers={"cookie": cookie.partition(";")[0]}) as mine:
            assert (await mine.json())["votes"] == [{"subject": "model:smollm3-3b", "choice": "ship"}]
        await stop(process)
    assert "1 entries" in seatrial("votes", "verify").out


async def test_what_is_published_beside_a_running_site_shows_within_a_second_or_two(
    serving: Callable[..., Any], seatrial: Any, run_dir: Path
) -> None:
    async with serving() as (process, url), aiohttp.ClientSession() as session:
        async with session.get(f"{url}/") as page:
            assert page.status == 200
        path = (await asyncio.to_thread(seatrial, "site", "add", run_dir)).out.strip()
        for _ in range(40):
            async with session.get(f"{url}/") as page:
                if path in await page.text():
                    break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError(f"{path} is not on the first page")
        async with session.get(f"{url}{path}.json") as twin:
            assert json.loads(await twin.text())["run_id"] == "run-1"
        await stop(process)


@pytest.mark.slow
async def test_two_servers_on_one_new_database(serving: Callable[..., Any], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    form = {"subject": "model:smollm3-3b", "choice": "ship", "back": "/"}
    async with (
        serving("--database", url) as (first, one),
        serving("--database", url) as (second, other),
        aiohttp.ClientSession() as session,
    ):
        for number in range(20):
            site = (one, other)[number % 2]
            headers = {"origin": site, "accept": "application/json", "cookie": "none=1"}
            async with session.post(f"{site}/votes", data=form, headers=headers) as sent:
                assert sent.status == 200, await sent.text()
        await asyncio.sleep(2.2)
        for site in (one, other):
            async with session.get(f"{site}{PAIR}.json") as twin:
                assert (await twin.json())["community"]["models"]["smollm3-3b"]["num_voters"] == 20
        await stop(first)
        await stop(second)


async def test_a_vote_that_was_acknowledged_survives_a_kill(serving: Callable[..., Any], seatrial: Any) -> None:
    form = {"subject": "model:smollm3-3b", "choice": "ship", "back": "/"}
    num_acknowledged = 0

    async def vote(session: aiohttp.ClientSession, url: str) -> None:
        nonlocal num_acknowledged
        while True:
            try:
                headers = {"origin": url, "accept": "application/json", "cookie": "none=1"}
                async with session.post(f"{url}/votes", data=form, headers=headers) as sent:
                    num_acknowledged += sent.status == 200
                    if sent.status != 200:
                        return
            except aiohttp.ClientError:
                return

    async with serving() as (process, url), aiohttp.ClientSession() as session:
        voting = [asyncio.create_task(vote(session, url)) for _ in range(8)]
        await asyncio.sleep(0.5)
        process.kill()
        await asyncio.gather(*voting)
    verified = seatrial("votes", "verify", "--json")
    assert verified.code == 0
    found = json.loads(verified.out)
    assert found["num_entries"] >= num_acknowledged > 10
