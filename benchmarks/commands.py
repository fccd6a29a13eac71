"""How long the commands that a user types first take, as whole processes.

    python benchmarks/commands.py --hardware epyc-milan-2c --write

times `seatrial --help`, a comparison from published evidence (page written) and, with `--main`, the main job of
`make compare` on SmolLM2-135M. Each answer is checked before its time counts. Peers are the help pages of Inspect and
lm-eval where `runner_overhead.py --peers` has installed them. Limits: an interpreter that starts and does nothing; for
the main job, the tokens it must read and write.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "peers"))

from least_time import Work, work_of  # noqa: E402
from process import measured_limits  # noqa: E402

from seatrial.engine.random_model import shapes  # noqa: E402
from seatrial.trial.environment import read_environment  # noqa: E402

SEATRIAL = str(Path(sys.executable).with_name("seatrial"))
PEERS = {
    "inspect --help": ROOT / ".cache/peers/inspect-ai/bin/inspect",
    "lm_eval --help": ROOT / ".cache/peers/lm-eval/bin/lm_eval",
}
MAIN = ["smollm2-135m", "baseline:nearest", "baseline:majority", "smollm3-3b", "gpt-5-mini"]
WORKLOADS = ("triage", "extract", "arithmetic")
_MAIN_AIM_S = 60.0


class Timed(NamedTuple):
    """Medians over the runs, with the least and the most wall time, seconds; peak memory in MB."""

    wall_s: float
    least_s: float
    most_s: float
    cpu_s: float
    rss_mb: float
    num_runs: int


def main() -> None:
    """Parse, measure, print, and write the result file where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hardware", default=platform.machine())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--main", action="store_true", help="time the main job too, three times")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    rows = dict(_quick(args.repeats))
    notes: list[str] = []
    if args.main:
        rows["make compare's main job"], notes = _main_job()
    text = _markdown(rows, notes, args.hardware)
    print(text)
    if args.write:
        day = datetime.date.today().isoformat()
        path = ROOT / "benchmarks" / "results" / f"commands_{args.hardware}_{day}.md"
        path.write_text(text)


def _quick(repeats: int) -> list[tuple[str, Timed]]:
    pair, other = ("smollm3-3b", "gpt-5-mini"), ("gpt-5-mini", "smolvlm2-2.2b")
    rows = [
        ("an interpreter that does nothing", _time([sys.executable, "-c", "pass"], repeats, _nothing)),
        ("`seatrial --help`", _time([SEATRIAL, "--help"], repeats, _says("compare"))),
    ]
    for names in (pair, other):
        with tempfile.TemporaryDirectory() as folder:
            command = [SEATRIAL, "compare", *names, "--out", f"{folder}/run"]
            done = _time(command, repeats, _wrote_a_page(Path(folder, "run")))
        rows.append((f"`seatrial compare {' '.join(names)}`", done))
    for name, program in PEERS.items():
        if program.exists():
            rows.append((f"`{name}`", _time([str(program), "--help"], repeats, _says("sage"))))
    return rows


def _main_job() -> tuple[Timed, list[str]]:
    command = [SEATRIAL, "compare", *MAIN]
    for workload in WORKLOADS:
        command += ["--on", workload]
    notes: list[str] = []
    walls: list[tuple[float, float, float]] = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder, "run")
            walls.append(_run([*command, "--out", str(run)], _wrote_a_page(run)))
            notes, least_s = _main_notes(run), _least_seconds(run)
    timed = _summary(walls)
    aim = f"Aim of the main job: less than {_MAIN_AIM_S:.0f} s, on two cores with AMX; here {timed.wall_s:.0f} s."
    if least_s is not None:
        aim += (
            f" The model's products and attention for these tokens take {least_s:.0f} s at least on this machine, at "
            f"its measured rates of multiplication: {least_s / timed.wall_s:.0%} of the time."
        )
    return timed, [aim, *notes]


def _main_notes(run: Path) -> list[str]:
    observations = [json.loads(line) for line in (run / "observations.jsonl").read_text().splitlines()]
    notes = []
    for workload in WORKLOADS:
        mine = [o for o in observations if o["candidate"] == MAIN[0] and o["workload"] == workload]
        read = sum(o["prompt_tokens"] - o.get("cached_tokens", 0) for o in mine)
        cached = sum(o.get("cached_tokens", 0) for o in mine)
        written = sum(o["completion_tokens"] for o in mine)
        starts = [datetime.datetime.fromisoformat(o["started_at"]).timestamp() for o in mine]
        ends = [start + o["latency_s"] for start, o in zip(starts, mine, strict=True)]
        notes.append(
            f"{workload}: {len(mine)} items in {max(ends) - min(starts):.0f} s; {read:,} prompt tokens computed, "
            f"{cached:,} reused, {written:,} written."
        )
    return notes


def _least_seconds(run: Path) -> float | None:
    """What the arithmetic of the model's answers takes: tokens from the cache are seen and not computed."""
    config, rates = shapes()[MAIN[0]], measured_limits(len(os.sched_getaffinity(0)))
    observations = [json.loads(line) for line in (run / "observations.jsonl").read_text().splitlines()]
    works = [
        work_of(
            config,
            o.get("cached_tokens", 0),
            o["prompt_tokens"] + o["completion_tokens"],
            o["completion_tokens"],
        )
        for o in observations
        if o["candidate"] == MAIN[0]
    ]
    return Work(*(sum(part) for part in zip(*works, strict=True))).seconds(rates)


def _time(command: list[str], repeats: int, check: Callable[[str], None]) -> Timed:
    _run(command, check)
    return _summary([_run(command, check) for _ in range(repeats)])


def _run(command: list[str], check: Callable[[str], None]) -> tuple[float, float, float]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    with tempfile.TemporaryFile("w+") as out:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, command
        out.seek(0)
        check(out.read())
    return wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _summary(runs: list[tuple[float, float, float]]) -> Timed:
    walls = [wall for wall, _, _ in runs]
    cpu_s = statistics.median(cpu for _, cpu, _ in runs)
    return Timed(statistics.median(walls), min(walls), max(walls), cpu_s, max(rss for _, _, rss in runs), len(runs))


def _nothing(out: str) -> None:
    assert out == "", out


def _says(word: str) -> Callable[[str], None]:
    def check(out: str) -> None:
        assert word in out, out

    return check


def _wrote_a_page(run: Path) -> Callable[[str], None]:
    def check(out: str) -> None:
        page, document = (run / "report.html").read_text(), json.loads((run / "verdict.json").read_text())
        assert document["verdict"]["text"][:20] in out.replace("\n", " "), out
        assert "</html>" in page
        assert "11 December 2026" in page

    return check


def _markdown(rows: dict[str, Timed], notes: list[str], hardware: str) -> str:
    where = read_environment(datetime.datetime.now)
    lines = [
        f"# Commands, {hardware}, {datetime.date.today().isoformat()}",
        "",
        f"`python benchmarks/commands.py`, Python {platform.python_version()}, {where.cpu}, {where.num_cpus} cores.",
        "Whole processes after one warm-up, median (least to most).",
        "",
        "| command | wall, s | cpu, s | peak memory, MB | runs |",
        "|---|---|---|---|---|",
    ]
    for name, timed in rows.items():
        wall = f"{timed.wall_s:.2f} ({timed.least_s:.2f} to {timed.most_s:.2f})"
        lines.append(f"| {name} | {wall} | {timed.cpu_s:.2f} | {timed.rss_mb:.0f} | {timed.num_runs} |")
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)]).rstrip() + "\n"


if __name__ == "__main__":
    main()
