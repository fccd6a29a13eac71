"""What the trial runner costs: trivial items against a mock server with 50 ms replies, 100 at once.

    python benchmarks/runner_overhead.py --peers --hardware epyc-milan-2c

runs `seatrial trial` as a user would, and with `--peers` promptfoo, Inspect and lm-eval on the same items, mock and
concurrency, each installed into an environment of its own under `.cache/peers/`. Throughput is taken at the mock (first
request to last reply), so that all are timed by the same clock; processor time and memory come from the operating
system. A run whose answers are not all right, or that took more than one request an item, ends the benchmark. A
Markdown table goes to standard output and, with `--write`, to `benchmarks/results/`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from result_page import machine, spread
from runner_peers import PEERS, write_jsonl

ROOT = Path(__file__).resolve().parents[1]
DELAY_S = 0.05


@dataclass(frozen=True)
class Measured:
    """One run of one tool. `cpu_s` and `rss_mb` are the whole process's, children included."""

    items_per_s: float
    overall_items_per_s: float
    start_s: float
    cpu_s: float
    rss_mb: float
    most_at_once: int


class Mock:
    """The mock server in a process of its own."""

    def __enter__(self) -> Mock:
        command = [sys.executable, str(ROOT / "benchmarks" / "openai_mock.py"), "--delay-s", str(DELAY_S)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.wait()

    def stats(self) -> dict[str, float]:
        """What the server has seen since the last reset."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats") as reply:
            return json.load(reply)

    def reset(self) -> None:
        """Have the server forget."""
        urllib.request.urlopen(f"http://127.0.0.1:{self.port}/reset", data=b"").read()


def measure(
    mock: Mock,
    num_items: int,
    concurrency: int,
    run: Callable[[Path, int, int], list[str]],
    env: dict[str, str],
    check: Callable[[Path], int],
) -> Measured:
    """Run a tool once in a fresh folder and check that it got every answer right, from one request an item."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_jsonl(folder / "items.jsonl", num_items)
        command = run(folder, mock.port, concurrency)
        mock.reset()
        with (folder / "output.txt").open("wb") as output:
            start_s = time.monotonic()
            process = subprocess.Popen(command, cwd=folder, env=os.environ | env, stdout=output, stderr=output)
            _, status, usage = os.wait4(process.pid, 0)
            whole_s = time.monotonic() - start_s
        process.returncode = os.waitstatus_to_exitcode(status)
        said = (folder / "output.txt").read_text(errors="replace")[-2000:]
        if process.returncode != 0:
            sys.exit(f"{command[0]} ended with {process.returncode}:\n{said}")
        stats, num_right = mock.stats(), check(folder)
        if (num_right, stats["num_requests"]) != (num_items, num_items):
            sys.exit(f"{command[0]}: {num_right} right answers from {stats['num_requests']} requests:\n{said}")
        return Measured(
            items_per_s=num_items / stats["span_s"],
            overall_items_per_s=num_items / whole_s,
            start_s=stats["first_s"] - start_s,
            cpu_s=usage.ru_utime + usage.ru_stime,
            rss_mb=usage.ru_maxrss / 1024,
            most_at_once=int(stats["most_at_once"]),
        )


def seatrial(folder: Path, port: int, concurrency: int) -> list[str]:
    program = Path(sys.executable).with_name("seatrial")
    candidate = f"http://127.0.0.1:{port}/v1#mock"
    options = ["--on", "items.jsonl", "--scorer", "exact", "--concurrency", str(concurrency), "--out", "run"]
    return [str(program), "trial", candidate, *options]


def check_seatrial(folder: Path) -> int:
    lines = (folder / "run" / "observations.jsonl").read_text().splitlines()
    return sum(json.loads(line)["score"] == 1.0 for line in lines)


def row(name: str, runs: list[Measured], num_items: int) -> str:
    cells = [
        name,
        str(num_items),
        spread([run.items_per_s for run in runs]),
        spread([run.overall_items_per_s for run in runs]),
        spread([1000 * run.cpu_s / num_items for run in runs], 2),
        spread([run.start_s for run in runs], 2),
        spread([run.rss_mb for run in runs]),
        str(max(run.most_at_once for run in runs)),
        str(len(runs)),
    ]
    return "| " + " | ".join(cells) + " |"


HEADER = """\
| tool | items | items/s, request phase | items/s, over all | CPU per item, ms | first request after, s \
| peak memory, MB | most at once | runs |
|---|--:|--:|--:|--:|--:|--:|--:|--:|"""


def verdicts(ours: list[Measured], large: list[Measured], num_items: int, num_large: int) -> list[str]:
    """Each target with what was measured, and the processor time of one item more."""
    throughput = statistics.median(run.items_per_s for run in ours)
    fixed_s, large_s = (statistics.median(run.cpu_s for run in runs) for runs in (ours, large))
    marginal_ms = 1000 * (large_s - fixed_s) / (num_large - num_items)
    rss_mb = max(run.rss_mb for run in large)
    start_s = statistics.median(run.start_s for run in ours)
    targets = [
        ("≥ 1,000 items/s in the request phase", f"{throughput:,.0f} items/s", throughput >= 1000),
        ("≤ 1 ms CPU per item with the durable log", f"{marginal_ms:.2f} ms for each further item", marginal_ms <= 1),
        (f"≤ 120 MB at {num_large:,} items", f"{rss_mb:.0f} MB", rss_mb <= 120),
        ("start-up < 1 s", f"{start_s:.2f} s to the first request", start_s < 1),
    ]
    return [f"- {target}: {found}. {'Met' if is_met else '**Missed**'}." for target, found, is_met in targets]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--large", type=int, default=5000, help="items of the run that memory is measured on")
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", nargs="*", choices=sorted(PEERS), help="measure these beside (none named: all)")
    parser.add_argument("--peer-repeats", type=int, default=3)
    parser.add_argument("--hardware", default=platform.machine(), help="names the result file")
    parser.add_argument("--date", default=datetime.date.today().isoformat())
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/")
    options = parser.parse_args()
    names = [] if options.peers is None else options.peers or sorted(PEERS)
    for name in names:
        PEERS[name].install(ROOT / ".cache" / "peers")
    lines = report(options, names)
    print("\n".join(lines))
    if options.write:
        path = ROOT / "benchmarks" / "results" / f"runner-overhead_{options.hardware}_{options.date}.md"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def report(options: argparse.Namespace, names: list[str]) -> list[str]:
    before, num_items, at_once = machine(), options.items, options.concurrency
    home = tempfile.mkdtemp()
    env = {"SEATRIAL_HOME": home}
    with Mock() as mock:
        measure(mock, 10, at_once, seatrial, env, check_seatrial)  # compiles what was never imported
        ours = [measure(mock, num_items, at_once, seatrial, env, check_seatrial) for _ in range(options.repeats)]
        large = [measure(mock, options.large, at_once, seatrial, env, check_seatrial) for _ in range(3)]
        rows = [row("**Seatrial**", ours, num_items), row("**Seatrial**", large, options.large)]
        versions = [f"Python {platform.python_version()}", f"seatrial {version_of('seatrial')}"]
        versions.append(f"aiohttp {version_of('aiohttp')}")
        for name in names:
            peer = PEERS[name]
            peer_env = peer.env(mock.port)
            command = peer.command(ROOT / ".cache" / "peers")
            measure(mock, 10, at_once, command, peer_env, peer.check)
            runs = [
                measure(mock, num_items, at_once, command, peer_env, peer.check) for _ in range(options.peer_repeats)
            ]
            rows.append(row(name, runs, num_items))
            versions.append(f"{name} {peer.version(ROOT / '.cache' / 'peers')}")
        mock_cpu_s = mock.stats()["cpu_s"]
    shutil.rmtree(home)
    ceiling = at_once / DELAY_S
    return [
        f"# Runner overhead, {options.hardware}, {options.date}",
        "",
        f"Command: `python {' '.join(sys.argv)}`  ",
        f"Hardware: {before}  ",
        f"Versions: {', '.join(versions)}",
        "",
        f"{num_items:,} trivial items (say this word, exact match) against a mock server with {DELAY_S * 1000:.0f} ms "
        f"replies in its own process, {at_once} at once. Medians with lowest and highest. The physical ceiling of the "
        f"request phase is {at_once} ÷ {DELAY_S * 1000:.0f} ms = {ceiling:,.0f} items/s. CPU and memory are the whole "
        f"process's, start-up included. (The mock used {mock_cpu_s:.1f} s of CPU over all runs.)",
        "",
        HEADER,
        *rows,
        "",
        *verdicts(ours, large, num_items, options.large),
    ]


def version_of(package: str) -> str:
    from importlib import metadata

    return metadata.version(package)


if __name__ == "__main__":
    main()
