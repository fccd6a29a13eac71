"""A context of 32k tokens: the memory that it needs, said before it is taken, and how fast it is read and continued.

    python benchmarks/long_context.py --hardware epyc-milan-2c --write

SmolLM2-135M's shape (its own checkpoints end at 8,192 tokens, so random INT4 weights) reads a prompt of 32,000 tokens
and answers with 64, with a cache in bf16 and in int8. SmolLM3-3B's shape takes the same context, but on cores without
matrix instructions the whole prompt would take more than an hour: its cache (the first of `--caches`) is filled by
short prompts, chunks of 512 are timed at the beginning and at the end, and a whole prompt is reckoned from them. Each
is a process of its own.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "peers"))

from depth import CHUNK, CONTEXT, IDS, WHOLE  # noqa: E402
from least_time import Work  # noqa: E402
from omissions import missing_levels  # noqa: E402
from process import measured_limits  # noqa: E402

from seatrial.kernels import cpu  # noqa: E402
from seatrial.trial.environment import read_environment  # noqa: E402

_BEYOND_AIM_BYTES = 350e6


def main() -> None:
    """Parse, measure, print, and write the result file where asked."""
    args = _arguments()
    load = os.getloadavg()
    runs = [(model, cache) for model in args.models for cache in (args.caches if model in WHOLE else args.caches[:1])]
    found = [_measure(model, cache, args) for model, cache in runs]
    text = "\n".join(_page(found, load, args)) + "\n"
    print(text)
    if args.write:
        day = datetime.date.today().isoformat()
        path = ROOT / "benchmarks" / "results" / f"long-context_{args.hardware}_{day}.md"
        path.write_text(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hardware", default=platform.machine(), help="what the result file is called after")
    parser.add_argument("--models", nargs="+", choices=list(IDS), default=list(IDS))
    parser.add_argument("--caches", nargs="+", choices=("bf16", "int8"), default=("bf16", "int8"))
    parser.add_argument("--prompt", type=int, default=32_000)
    parser.add_argument("--generate", type=int, default=64)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    if not CHUNK <= args.prompt <= CONTEXT - args.generate:
        parser.error(f"--prompt is {args.prompt}; with the answer it must be from {CHUNK} to {CONTEXT}")
    return args


def _measure(model: str, cache: str, args: argparse.Namespace) -> dict[str, Any]:
    """One model with one cache in a process of its own, and the machine's limits just after."""
    worker = str(ROOT / "benchmarks" / "peers" / "depth.py")
    words = [model, cache, str(args.prompt), str(args.generate), str(args.threads)]
    out = subprocess.run([sys.executable, worker, *words], check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found | {"read": cpu.read_bandwidth(args.threads), "operations": measured_limits(args.threads)}


def _page(found: list[dict[str, Any]], load: tuple[float, ...], args: argparse.Namespace) -> list[str]:
    where = read_environment(datetime.datetime.now)
    read, rates = _best(found)
    kinds = ", ".join(f"{name} {rate / 1e9:,.0f} GOP/s" for name, rate in rates.items())
    return [
        f"# Long context, {args.hardware}, {datetime.date.today().isoformat()}",
        "",
        f"Command: `python benchmarks/long_context.py {' '.join(sys.argv[1:])}`  ",
        f"Hardware: {where.cpu}, {args.threads} threads, {platform.platform()}; load averages before: "
        f"{', '.join(f'{value:.1f}' for value in load)}  ",
        f"Versions: seatrial {metadata.version('seatrial')} ({found[0]['level']}), Python {platform.python_version()}",
        "",
        f"The machine, in the same run: memory {read / 1e9:.1f} GB/s; multiplication from registers: "
        f"{kinds or 'not measured'}.",
        "",
        f"A prompt of {args.prompt:,} tokens in a context of {CONTEXT:,}, then {args.generate} tokens, alone. Random "
        "weights in INT4 (groups of 32 with a minimum; 8-bit embedding). One run; rates are tokens a second, of "
        "decoding the median with least and most.",
        "",
        "## Memory",
        "",
        "| model | cache | weights, planned | cache, planned | in all | taken | peak of the process | beyond plan |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
        *(_memory_row(one) for one in found),
        "",
        *(f"- {one['model']}, {one['cache']}: said before loading: “{one['said']}”" for one in found),
        *(f"- {one['model']}, {one['cache']}, where half of that is free: “{one['refused']}”" for one in found),
        f"- Aim: at most {_BEYOND_AIM_BYTES / 1e6:.0f} MB beyond weights and cache; "
        + (f"missed by {', '.join(short)}." if (short := _beyond(found)) else "met."),
        "",
        "## Speed",
        "",
        "| model | cache | prompt, s | prompt, tok/s | first 512 | last 512 | of the limit | decode at the end | limit "
        "| of the limit |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(_speed_row(one, read, rates) for one in found),
        "",
        "- The limit of the prompt: its products at the fastest multiplication, its attention at the fastest of "
        "floats. That of decoding: the slower of reading weights and cache, and of the same operations.",
        *(f"- {line}" for line in missing_levels()),
    ]


def _best(found: list[dict[str, Any]]) -> tuple[float, dict[str, float]]:
    """The most that the machine did, of all times that it was asked."""
    kinds = found[0]["operations"]
    return max(one["read"] for one in found), {kind: max(one["operations"][kind] for one in found) for kind in kinds}


def _beyond(found: list[dict[str, Any]]) -> list[str]:
    over = (one for one in found if one["peak"] - one["weights"] - one["kv"] > _BEYOND_AIM_BYTES)
    return [f"{one['model']} with {one['cache']}" for one in over]


def _memory_row(one: dict[str, Any]) -> str:
    planned = one["weights"] + one["kv"]
    sizes = (one["weights"], one["kv"], planned, one["peak"] - one["before"], one["peak"], one["peak"] - planned)
    return f"| {one['model']} | {one['cache']} | {' | '.join(f'{size / 1e6:,.0f} MB' for size in sizes)} |"


def _speed_row(one: dict[str, Any], read: float, rates: dict[str, float]) -> str:
    prompt, mark = one["prompt"], "" if one["is_whole"] else "≈ "
    cells = [f"{mark}{one['prefill_s']:,.0f}", f"{mark}{prompt / one['prefill_s']:,.0f}"]
    cells += [f"{CHUNK / one[which]:,.0f}" for which in ("first_s", "last_s")]
    decode_s = sorted(one["steps_s"])
    middle = 1 / decode_s[len(decode_s) // 2]
    spread = f"{middle:.3g} ({1 / decode_s[-1]:.3g} to {1 / decode_s[0]:.3g})"
    prompt_s, computed_s = (Work(*one[which]).seconds(rates) for which in ("prompt_work", "step_work"))
    step_s = max(one["step_bytes"] / read, computed_s or 0.0)
    cells.append(f"{prompt_s / one['prefill_s']:.0%}" if prompt_s else "–")
    cells += [spread, f"{1 / step_s:.3g}", f"{middle * step_s:.0%}"]
    return f"| {one['model']} | {one['cache']} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
