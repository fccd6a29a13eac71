"""Whether the server stays sound for as long as it runs: many clients, of every kind, leaving, failing, coming back.

    python benchmarks/server_soak.py --minutes 15 --hardware epyc-milan-2c --write

drives `faulty_server.py` (the server with SmolLM2-135M, whose engine fails once a minute when it is told to) with 64
clients: whole answers, streams, tools, schemas, responses, texts, embeddings, bad requests, clients that leave. It
fails unless every request has an end that can be accounted for, an answer asked for again is the same again, the
server has counted what the clients have, nothing is left running, open or in use, and memory is flat.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import platform
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parent))
from faulty_server import OUR_FAULT
from soak_clients import Client, Tally

ROOT = Path(__file__).resolve().parents[1]
MODEL = "smollm2-135m"
MAX_WAITING = 46  # with 64 clients and 16 at once some are turned away now and then
MOST_GROWTH_MB = 30.0
FAULT_EVERY_S = 60.0
# What a fault of the engine may reach: those that ran, and those that wait behind them.
AFTER_FAULT_S = 5.0


@dataclass(slots=True)
class Outcome:
    """What the clients saw, when the engine was told to fail, what the server was like before, during and after."""

    tally: Tally
    faults_at_s: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


class SoakedServer:
    """`faulty_server.py` as a process."""

    def __init__(self) -> None:
        script = str(ROOT / "benchmarks" / "faulty_server.py")
        command = [sys.executable, script, MODEL, "--max-waiting", str(MAX_WAITING)]
        self.log = ROOT / ".cache" / "server_soak.log"
        self.log.parent.mkdir(exist_ok=True)
        with self.log.open("wb") as log:
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
            self.process = subprocess.Popen(command, text=True, **pipes)
        self.url = str(self._line()["url"])

    def fail(self) -> None:
        """Have the engine's next pass fail."""
        self._tell("fail")

    async def census(self) -> dict[str, int]:
        """How many tasks, threads and open files there are."""
        self._tell("census")
        return await asyncio.to_thread(self._line)

    def resident_mb(self) -> float:
        """Memory in RAM now, MB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * 4096 / 1e6

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.process.terminate()
        return self.process.wait(60)

    def _tell(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the server ended with {self.process.wait()}; see {self.log}")
        return dict(json.loads(line))


def main() -> None:
    """Parse, run, print, and write the result file where asked. Exit code 1 where anything was unsound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hardware", default=platform.machine())
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    server = SoakedServer()
    try:
        outcome = asyncio.run(soak(server, args.minutes * 60, args.clients, args.seed))
    finally:
        code = server.stop()
    found = check(outcome)
    if code:
        found.append(f"The server ended with code {code}.")
    log = server.log.read_text(errors="replace")
    if log.count("\nTraceback (") != log.count(f"\nRuntimeError: {OUR_FAULT}"):
        found.append(f"There are other tracebacks than of our own faults in {server.log}.")
    text = report(outcome, found, args)
    print(text)
    if args.write:
        day = datetime.date.today().isoformat()
        (ROOT / "benchmarks" / "results" / f"server-soak_{args.hardware}_{day}.md").write_text(text)
    sys.exit(1 if found else 0)


async def soak(server: SoakedServer, duration_s: float, num_clients: int, seed: int) -> Outcome:
    """Keep the clients busy for `duration_s`, then let everything come to rest and look at what is left."""
    outcome = Outcome(Tally())
    start = time.monotonic()
    await _warm_up(server, outcome.tally)
    outcome.before = await server.census()
    watcher = asyncio.create_task(_watch(server, outcome, duration_s / 100))
    breaker = asyncio.create_task(_break(server, outcome))
    clients = [Client(server.url, MODEL, f"{seed}/{number}", outcome.tally) for number in range(num_clients)]
    until_s = time.monotonic() + duration_s
    await asyncio.gather(*(client.run(until_s) for client in clients))
    for task in (watcher, breaker):
        task.cancel()
    await asyncio.sleep(1.0)
    outcome.metrics = await _metrics(server.url)
    await asyncio.sleep(1.0)
    outcome.after = await server.census()
    outcome.seconds = time.monotonic() - start
    return outcome


async def _warm_up(server: SoakedServer, tally: Tally) -> None:
    """Every kind once, so that what is made at first use is there when the census is taken."""
    client = Client(server.url, MODEL, "warm-up", tally)
    async with aiohttp.ClientSession() as session:
        for ask in client.kinds():
            await client.one(session, ask)
    await asyncio.sleep(0.5)


async def _watch(server: SoakedServer, outcome: Outcome, every_s: float) -> None:
    while True:
        outcome.memory_mb.append(server.resident_mb())
        await asyncio.sleep(every_s)


async def _break(server: SoakedServer, outcome: Outcome) -> None:
    await asyncio.sleep(FAULT_EVERY_S / 2)
    while True:
        outcome.faults_at_s.append(time.monotonic())
        server.fail()
        await asyncio.sleep(FAULT_EVERY_S)


async def _metrics(url: str) -> dict[str, float]:
    """Every sample of `/metrics`, by its name with labels."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as reply:
        lines = (await reply.text()).splitlines()
    samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def check(outcome: Outcome) -> list[str]:
    """What was unsound, as sentences; empty where all was well."""
    tally, metrics = outcome.tally, outcome.metrics
    found = [f"{what}: {count:,}." for what, count in Counter(tally.unsound).most_common(10)]
    stray = [
        at_s
        for at_s in tally.failed_at_s
        if not any(0 <= at_s - fault_s < AFTER_FAULT_S for fault_s in outcome.faults_at_s)
    ]
    if stray:
        found.append(f"{len(stray):,} requests failed and no fault had been asked for.")
    if not tally.failed_at_s and outcome.faults_at_s:
        found.append("The engine was told to fail, and no client noticed.")
    if (ended := sum(tally.ends.values())) != tally.num_sent:
        found.append(f"The clients sent {tally.num_sent:,} requests, and saw the end of {ended:,}.")
    if (counted := _num_counted(outcome)) != tally.num_sent:
        found.append(f"The clients sent {tally.num_sent:,} requests, and the server has counted {counted:,}.")
    for name, most in (("requests_in_flight", 1), ("generations", 0)):
        if metrics[f"seatrial_{name}"] > most:
            found.append(f"`{name}` is {metrics[f'seatrial_{name}']:.0f} when all is over.")
    in_engine = {what: metrics[f'seatrial_engine_{what}{{model="{MODEL}"}}'] for what in _ENGINE}
    found += [f"The engine has {left:.0f} {what} when all is over." for what, left in in_engine.items() if left]
    for what, count in outcome.after.items():
        if count > outcome.before[what] + _ALLOWED.get(what, 0):
            found.append(f"There were {outcome.before[what]} {what} before, and there are {count} after.")
    if (growth_mb := _growth_mb(outcome)) > MOST_GROWTH_MB:
        found.append(f"Memory grew by {growth_mb:.0f} MB after the first quarter.")
    return found


_ENGINE = ("running", "waiting", "blocks_used")
# Threads that a pool starts when it needs them, up to its size, and keeps; each may hold a file.
_ALLOWED = {"threads": 32, "files": 8}


def _num_counted(outcome: Outcome) -> int:
    """The requests that the server has counted, but for our own at `/metrics`."""
    samples = (sample for sample in outcome.metrics.items() if sample[0].startswith("seatrial_requests_total{"))
    return int(sum(value for name, value in samples if 'route="/metrics"' not in name))


def _growth_mb(outcome: Outcome) -> float:
    memory = outcome.memory_mb
    return max(memory[-5:]) - max(memory[: max(1, len(memory) // 4)])


def report(outcome: Outcome, found: list[str], args: argparse.Namespace) -> str:
    """The result as Markdown."""
    memory, tally = outcome.memory_mb, outcome.tally
    quarter = max(memory[: max(1, len(memory) // 4)])
    lines = [
        f"# Server soak, {args.hardware}, {datetime.date.today().isoformat()}",
        "",
        f"`python benchmarks/server_soak.py --minutes {args.minutes:g} --seed {args.seed}`, `{MODEL}`, "
        f"{args.clients} clients, {outcome.seconds:,.0f} s, Python {platform.python_version()}.",
        "",
        f"- requests sent: {tally.num_sent:,}; counted by the server: {_num_counted(outcome):,}",
        *(f"- {how}: {count:,}" for how, count in sorted(tally.ends.items())),
        f"- the engine was told to fail {len(outcome.faults_at_s)} times; {len(tally.failed_at_s):,} requests failed",
        f"- different requests, each compared with itself where it came again: {len(tally.answers):,}",
        f"- tasks, threads, open files: {', '.join(map(str, outcome.before.values()))} before, "
        f"{', '.join(map(str, outcome.after.values()))} after",
        f"- resident memory: {quarter:.0f} MB at most in the first quarter, {max(memory[-5:]):.0f} MB at the end; "
        f"by tenths of the time {', '.join(f'{memory[len(memory) * tenth // 10]:.0f}' for tenth in range(10))}",
        "",
        "**Sound.**" if not found else "**Unsound:** " + " ".join(found),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
