"""`seatrial serve` and `seatrial keys` as a user runs them: what is refused, what is printed, what answers."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from stand_in import StandIn, answer
from typer.testing import CliRunner, Result

from seatrial.cli.main import app
from seatrial.cli.serve import image_host, parse_size
from seatrial.errors import UsageError

UPSTREAM = "http://127.0.0.1:9/v1#m"
ASK = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize(
    ("text", "num_bytes"),
    [
        ("8GB", 8 * 10**9),
        ("6GiB", 6 << 30),
        ("500 MB", 5 * 10**8),
        ("1.5gb", 15 * 10**8),
        ("20000", 20_000),
        ("1kb", 1000),
    ],
)
def test_sizes_are_read(text: str, num_bytes: int) -> None:
    assert parse_size(text, "--max-body") == num_bytes


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0", "8 GBs", "8TBB", "1e999GB", "nanGB", "eight"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--max-body"):
        parse_size(text, "--max-body")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("example.com", "example.com"),
        ("Example.COM.", "example.com"),
        ("localhost", "localhost"),
        ("example.com:8080", "example.com:8080"),
        ("example.com.:8080", "example.com:8080"),
        ("93.184.216.34", "93.184.216.34"),
        ("2606:4700::1111", "2606:4700::1111"),
        ("[2606:4700::1111]", "2606:4700::1111"),
        ("[2606:4700::1111]:8080", "[2606:4700::1111]:8080"),
        ("bücher.example", "bücher.example"),
    ],
)
def test_hosts_of_pictures_are_read(text: str, host: str) -> None:
    assert image_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "https://example.com/",
        "http://example.com",
        "example.com/",
        "example.com/a",
        "example.com:",
        "example.com:0",
        "example.com:99999",
        "example.com:port",
        "user@example.com",
        "*.example.com",
        "example..com",
        "two words",
        "[::1",
        "a,b",
        "example.com?",
    ],
)
def test_hosts_that_no_address_could_have_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--allow-image-host.*`example.com`.*`example.com:8080`"):
        image_host(text)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `seatrial WORD…` in this process."""
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    return lambda *words: CliRunner().invoke(app, words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("smolm2-135m",), ["`smolm2-135m`", "`smollm2-135m`"]),
        (("baseline:nearest",), ["`baseline:nearest`", "nothing to serve"]),
        ((UPSTREAM, UPSTREAM), ["given twice"]),
        ((UPSTREAM, "http://127.0.0.1:7/v1#m"), ["Two models", "`m`"]),
        ((UPSTREAM + "@temperature=0.5",), ["`temperature`", "each request"]),
        ((UPSTREAM, "--alias", "gpt-5-mini=x"), ["`x` is not served", "`m`"]),
        ((UPSTREAM, "--alias", "gpt-5-mini"), ["--alias gpt-5-mini=smollm3-3b"]),
        ((UPSTREAM, "--port", "70000"), ["70000", "65535"]),
        ((UPSTREAM, "--host", "no-such-host.invalid"), ["--host", "no-such-host.invalid"]),
        ((UPSTREAM, "--memory-limit", "much"), ["--memory-limit", "8GB"]),
        ((UPSTREAM, "--allow-image-host", "https://example.com/"), ["--allow-image-host", "`https://example.com/`"]),
        ((UPSTREAM, "--host", "0.0.0.0"), ["seatrial keys add", "--no-keys"]),
    ],
)
def test_what_cannot_be_served_is_said(command, words: tuple[str, ...], says: list[str]) -> None:
    ran = command("serve", *words, *(() if "--port" in words else ("--port", "0")))
    assert isinstance(ran.exception, UsageError), ran
    for part in says:
        assert part in str(ran.exception)


def test_a_model_that_is_not_here_ends_it_with_the_command_that_brings_it(seatrial) -> None:
    ran = seatrial("serve", "smollm2-135m", "--port", "0")
    assert ran.code == 1
    assert "seatrial pull smollm2-135m" in ran.err


def test_help_lists_what_can_be_set(command) -> None:
    assert "serve" in command("--help").output
    out = command("serve", "--help").output
    for option in ("--host", "--port", "--alias", "--on-demand", "--memory-limit", "--max-waiting", "--timeout"):
        assert option in out
    for option in (
        "--max-body ",
        "--max-bodies",
        "--cors",
        "--allow-image-host",
        "--log-prompts",
        "--drain-seconds",
        "--no-keys",
    ):
        assert option in out


def test_a_key_is_shown_once_listed_and_revoked(command) -> None:
    assert "There are no keys" in command("keys", "list").output
    secret = command("keys", "add", "laptop", "--requests-per-minute", "60").stdout.strip()
    assert re.fullmatch(r"sk-seatrial-[\w-]{43}", secret)
    listed = command("keys", "list").output
    assert "laptop" in listed
    assert "never" in listed
    assert "60" in listed
    assert secret not in listed
    again = command("keys", "add", "laptop")
    assert isinstance(again.exception, UsageError)
    assert "revoked" in command("keys", "revoke", "laptop").output
    assert isinstance(command("keys", "revoke", "laptop").exception, UsageError)


class Running:
    """A server that answers. `greeting` is what it printed."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, greeting: str, ready_s: float) -> None:
        self.process, self.url, self.greeting, self.ready_s = process, url, greeting, ready_s

    async def stop(self) -> str:
        """Its log, after a drain that must end well."""
        self.process.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(self.process.communicate(), 20)
        assert self.process.returncode == 0, err.decode()
        assert b"Traceback" not in err, err.decode()
        return err.decode()


@pytest.fixture
def serving(start_seatrial: Callable[..., Any]) -> Callable[..., Any]:
    @asynccontextmanager
    async def serve(*words: str, env: dict[str, str] | None = None) -> AsyncIterator[Running]:
        began_s = time.monotonic()
        process = await start_seatrial("serve", *words, "--port", "0", env=env)
        try:
            greeting = ""
            while "Ctrl-C stops it." not in greeting:
                line = await asyncio.wait_for(process.stdout.readline(), 30)
                assert line, (await process.stderr.read()).decode()
                greeting += line.decode()
            found = re.search(r"at (http://[^/]+)/v1", greeting)
            assert found
            yield Running(process, found[1], greeting, time.monotonic() - began_s)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    return serve


async def test_an_upstream_is_served_under_its_name_and_an_alias(serving: Callable[..., Any]) -> None:
    async with StandIn(answer("Hi there")) as upstream, aiohttp.ClientSession() as session:
        model = f"{upstream.base_url}#m"
        async with serving(model, "--alias", "gpt-5-mini=m", "--log-format", "json") as server:
            for part in ("serves m, gpt-5-mini", f'base_url="{server.url}/v1"', 'model="m"', f"curl {server.url}/v1/"):
                assert part in server.greeting
            async with session.get(f"{server.url}/v1/models") as reply:
                assert [model["id"] for model in (await reply.json())["data"]] == ["m", "gpt-5-mini"]
            for name in ("m", "gpt-5-mini"):
                async with session.post(f"{server.url}/v1/chat/completions", json=ASK | {"model": name}) as reply:
                    assert reply.status == 200, await reply.text()
                    found = await reply.json()
                    assert (found["model"], found["choices"][0]["message"]["content"]) == (name, "Hi there")
            assert [asked.body["model"] for asked in upstream.asked] == ["m", "m"]
            log = await server.stop()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert [line["path"] for line in lines] == ["/v1/models", "/v1/chat/completions", "/v1/chat/completions"]
    assert "Hello" not in log
    assert "Hi there" not in log


async def test_a_revoked_key_is_refused_by_a_running_server(serving: Callable[..., Any], seatrial) -> None:
    secret = seatrial("keys", "add", "one").out.strip()
    headers = {"authorization": f"Bearer {secret}"}
    async with serving(UPSTREAM, "--keys") as server, aiohttp.ClientSession(headers=headers) as session:
        assert "sk-seatrial-…" in server.greeting
        async with session.get(f"{server.url}/v1/models") as reply:
            assert reply.status == 200
        async with session.get(f"{server.url}/v1/models", headers={"authorization": "Bearer sk-seatrial-x"}) as reply:
            assert reply.status == 401
        revoked = await asyncio.to_thread(seatrial, "keys", "revoke", "one")
        assert revoked.code == 0
        async with session.get(f"{server.url}/v1/models") as reply:
            assert (reply.status, (await reply.json())["error"]["code"]) == (401, "invalid_api_key")
        async with session.get(f"{server.url}/healthz") as reply:
            assert reply.status == 200
        log = await server.stop()
    assert secret not in log


async def test_on_demand_serves_before_it_loads_and_says_why_it_cannot(serving: Callable[..., Any]) -> None:
    async with serving("smollm2-135m", "--on-demand") as server, aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/readyz") as reply:
            assert reply.status == 200
        async with session.post(f"{server.url}/v1/chat/completions", json=ASK | {"model": "smollm2-135m"}) as reply:
            error = (await reply.json())["error"]
            assert (reply.status, error["code"]) == (503, "model_unavailable")
            assert "seatrial pull smollm2-135m" in error["message"]
            assert "retry-after" in reply.headers
        await server.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_server_without_a_local_model_is_small_and_starts_fast(serving: Callable[..., Any]) -> None:
    async with serving(UPSTREAM) as server:
        resident = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())
        assert resident
        assert int(resident[1]) < 60_000
        times = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
        assert (int(times[11]) + int(times[12])) / 100 < 1.5  # processor seconds, whatever else this machine does
        for module in ("torch", "numpy"):
            assert module not in Path(f"/proc/{server.process.pid}/maps").read_text()
        await server.stop()
